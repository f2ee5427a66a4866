/* SPDX-License-Identifier: Apache-2.0 */
/* devices/virtio_mmio.h - virtio-mmio registers, version 2 (virtio 1.2, 4.2.2)
 *
 * Registers occupy 0x000..0x0ff and the config space 0x100..0x1ff of the region. The machine places
 * the region so that the two halves lie in different pages (design: the register page).
 */
#ifndef DOORBELL_VIRTIO_MMIO_H
#define DOORBELL_VIRTIO_MMIO_H

#include <stdint.h>

#include "devices/irq.h"
#include "vmm/core/bus.h"

struct virtio_dev;

#define VIRTIO_MMIO_SIZE 0x200u /* bytes of the region */

/* Embedded by its owner. The selectors belong to the device's loop thread. */
struct virtio_mmio {
	struct virtio_dev *dev; /* borrowed */
	struct irq_line irq;
	uint32_t feature_sel, accept_sel, queue_sel;
};

/* Becomes @dev's transport; on reset the selectors go to 0. */
void virtio_mmio_init(struct virtio_mmio *t, struct virtio_dev *dev, struct irq_line irq);

/* For the machine's bus: region of VIRTIO_MMIO_SIZE bytes, dev = struct virtio_mmio. vCPU threads. */
extern const struct bus_ops virtio_mmio_bus_ops;

#endif
