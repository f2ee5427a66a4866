/* SPDX-License-Identifier: Apache-2.0 */
/* The driver's side of a virtqueue, split (virtio 1.2, 2.7) or packed (2.8)
 *
 * A buffer has a number, and always the descriptors of that number, so nothing has to be kept of which ones are free: with
 * INDIRECT_DESC one and a table, otherwise two. With IN_ORDER it has the next ones, which are free: they come back in their
 * turn. Both layouts have three parts; the device knows which it is.
 */
#ifndef EXAMPLE_MORE_RING_H
#define EXAMPLE_MORE_RING_H

#include <linux/virtio_ring.h>

#include "driver.h"

#define PIECES_MAX 3u /* of a buffer */

/* The pieces of a buffer: those that the device reads come before those that it writes. */
struct piece {
	const void *at;
	uint32_t len;
	bool device_writes;
};

union desc {
	struct vring_desc split;
	struct vring_packed_desc packed;
};

/* One per queue. */
struct ring {
	union desc desc[QUEUE_SIZE]
		__attribute__((aligned(16))); /* [split.align], [packed.align] */
	union {                               /* the driver's part */
		/* flags, idx, ring, used_event: always with that. [split.used-tail-allocated] */
		uint16_t avail[3 + QUEUE_SIZE];
		struct vring_packed_desc_event driver;
	} __attribute__((aligned(4)));
	union { /* the device's part */
		struct {
			uint16_t flags, idx;
			struct vring_used_elem ring[QUEUE_SIZE];
			uint16_t avail_event;
		} used;
		struct vring_packed_desc_event device;
	} __attribute__((aligned(4)));
	union desc table[QUEUE_SIZE][PIECES_MAX] __attribute__((aligned(16)));

	bool packed, event_idx, indirect, in_order;
	uint16_t size, buffers; /* entries of the ring; buffers that it has room for */
	bool busy[QUEUE_SIZE];  /* the device has this buffer */
	/* Split: free-running indices. Packed: positions with their wrap bits. */
	uint16_t added, seen; /* the next entry to offer, the next used one */
	bool added_wrap, seen_wrap;
	uint16_t fresh; /* entries that were added since ring_flush() */
	/* IN_ORDER: the buffers that the device has, from number oldest on; and how many of them it has used already. */
	uint16_t order[QUEUE_SIZE], oldest, newest, batch;
	uint32_t batch_len; /* written to the last of these */
};

/* Empty, as after a reset of its device. */
void ring_init(struct ring *q, uint64_t accepted);
/* The device has room for so many entries: a power of two up to QUEUE_SIZE. */
void ring_set_size(struct ring *q, uint16_t size);
/* Offers buffer @i, which the device does not have; @i is below q->buffers. */
void ring_add(struct ring *q, uint16_t i, const struct piece *p, unsigned nr);
/* Shows the device what was added. True: it wants a kick. */
bool ring_flush(struct ring *q);
/* Takes back a buffer that the device has used: its number, and how much was written. -1: there is none; -2: the device lies. */
int ring_take(struct ring *q, uint32_t *len);
/* Asks for an interrupt at the next used buffer. False: there is one already. */
bool ring_interrupt_on(struct ring *q);
/* Advice: some may come still. */
void ring_interrupt_off(struct ring *q);

#endif
