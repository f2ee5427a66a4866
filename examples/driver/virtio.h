/* SPDX-License-Identifier: Apache-2.0 */
/* examples/driver/virtio.h - a virtio device behind virtio-mmio registers, version 2 (virtio 1.2, 3.1 and 4.2)
 *
 * Words like [init.reset-first] name rules: doorbell check --explain init.reset-first.
 */
#ifndef EXAMPLE_VIRTIO_H
#define EXAMPLE_VIRTIO_H

#include <stdbool.h>
#include <stdint.h>

struct queue;

#define FEATURE(bit) (1ull << (bit))

struct device {
	uint64_t base; /* of its registers */
	uint64_t offered, accepted;
};

/* Is it a device of type @id that we can drive? */
bool device_probe(const struct device *d, uint32_t id);
/* From any state to the one in which the driver chooses: now it is known what is offered. */
void device_begin(struct device *d);
/* Accepts the part of @wanted that is offered. False: that is not enough for us, or the device refuses it. */
bool device_accept(struct device *d, uint64_t wanted);
/* A field of 16 bits, in one access. [mmio.config-width] */
uint16_t device_config16(const struct device *d, uint32_t off);
/* One of bytes: no mixture of old ones and new ones. */
void device_config(const struct device *d, uint32_t off, uint8_t *dst, uint32_t len);
/* Hands an empty queue over. False: the device has no such queue. */
bool device_add_queue(const struct device *d, uint32_t index, struct queue *q);
/* From now on the device works; false: or needs a reset already. */
bool device_go(const struct device *d);
void device_kick(const struct device *d, uint32_t queue);
/* Why it has interrupted, acknowledged. True: the status or the config space are new. */
bool device_config_changed(const struct device *d);
bool device_needs_reset(const struct device *d);
/* Nothing that was handed over is touched any more. */
void device_reset(const struct device *d);
/* Bring-up cannot go on. */
void device_fail(const struct device *d);

#endif
