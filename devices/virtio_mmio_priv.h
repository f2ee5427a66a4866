/* SPDX-License-Identifier: Apache-2.0 */
/* devices/virtio_mmio_priv.h - what the two versions of the registers share, and nobody else */
#ifndef DOORBELL_VIRTIO_MMIO_PRIV_H
#define DOORBELL_VIRTIO_MMIO_PRIV_H

#include <stdint.h>

#include "devices/virtio_mmio.h"

#define VIRTIO_MMIO_MAGIC  0x74726976u /* "virt" */
#define VIRTIO_MMIO_VENDOR 0x6c6c6562u /* "bell" */

/* The registers of one version: an aligned access to 32 bits of them, on a vCPU's thread. */
struct virtio_mmio_version {
	uint8_t status; /* the bits of the device's status that it has */
	uint32_t (*read)(struct virtio_mmio *t, uint32_t off);
	void (*write)(struct virtio_mmio *t, uint32_t off, uint32_t val);
};

/* Status as the driver sees it. Any thread. */
uint8_t virtio_mmio_status(const struct virtio_mmio *t);

#endif
