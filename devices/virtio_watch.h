/* SPDX-License-Identifier: Apache-2.0 */
/* devices/virtio_watch.h - somebody looks on while a driver works: doorbell check
 *
 * Set before any vCPU runs, and never while there is a driver. Without one (NULL) an access costs a branch, and so
 * does each look at the index of an available ring and each publication of used entries; a descriptor costs nothing.
 */
#ifndef DOORBELL_VIRTIO_WATCH_H
#define DOORBELL_VIRTIO_WATCH_H

#include <stdbool.h>
#include <stdint.h>

struct vq_addr;

/* A driver's access to its registers, 0x000 to 0x0ff, or the config space behind them. */
struct virtio_access {
	uint32_t off;
	unsigned size; /* bytes, 1 to 8 */
	bool write;
	uint64_t val;   /* what is written, or what reading has given */
	uint8_t status; /* the device's, before the access */
};

/* Of one split queue. On the thread that serves it. */
struct vq_watch {
	/*
	 * The device has read the index @to: the entries from @from up to it are there to be taken. None of them has
	 * been, so their chains are as the driver offers them. Not judged yet: the distance may be anything.
	 */
	void (*avail)(struct vq_watch *w, uint16_t from, uint16_t to);
	/* The used entries from @from up to @to are about to be shown to the driver. */
	void (*used)(struct vq_watch *w, uint16_t from, uint16_t to);
};

struct virtio_watch {
	/* Any vCPU's thread, several at once: of a write before it has an effect, of a read after it. */
	void (*access)(struct virtio_watch *w, const struct virtio_access *a);
	/*
	 * Loop thread, at DRIVER_OK: from now on @queue is served, at the addresses @a, which have been judged. NULL:
	 * that one is of no interest.
	 */
	struct vq_watch *(*queue)(struct virtio_watch *w, unsigned queue, const struct vq_addr *a);
};

#endif
