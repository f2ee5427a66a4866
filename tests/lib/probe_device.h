/* SPDX-License-Identifier: Apache-2.0 */
/* tests/lib/probe_device.h - a virtio device that does nothing but remember what it was told
 *
 * Three queues of at most 16 entries; eight bytes of config space that read 1, 2, ... 8; feature bit 1
 * needs bit 0. It is its own transport, too, and there is no loop.
 */
#ifndef DOORBELL_TESTS_PROBE_DEVICE_H
#define DOORBELL_TESTS_PROBE_DEVICE_H

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stdint.h>

#include "devices/virtio.h"
#include "tests/lib/fake_driver.h"
#include "vmm/core/compiler.h"

#define PROBE_CONFIG 8u
#define PROBE_QUEUES 3u
#define PROBE_FEATURES                                                        \
	(FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VIRTIO_RING_F_INDIRECT_DESC) | \
	 FEATURE(VIRTIO_RING_F_EVENT_IDX) | FEATURE(0) | FEATURE(1) | FEATURE(40))

struct probe {
	struct virtio_dev dev;
	struct virtio_queue queue[PROBE_QUEUES];
	struct fake_mem m;
	struct fake_vq vq[2]; /* the driver's side of queues 0 and 1: 16 and 8 entries */
	struct fake_dev drv;
	uint8_t config[PROBE_CONFIG];
	uint32_t write_off, write_len; /* of the last config write */
	unsigned starts, stops, pulses;
	unsigned releases, running_at_release; /* and whether the queue still ran */
	int start_error;                       /* what the next start() returns */
	const char *break_start;               /* start() finds this broken rule */
	unsigned running_at_stop;              /* queues that still ran when stop() was called */
	uint8_t status_at_start;
};

extern const struct virtio_dev_ops probe_plain_ops; /* config space read-only, any features */

struct probe *probe_create(void); /* NULL: no memory or descriptors */
void probe_destroy(struct probe *p);
/* Reset to DRIVER_OK with the first two queues. 0 or as fake_probe(). */
int probe_bring_up(struct probe *p, uint64_t features);

#endif
