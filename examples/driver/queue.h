/* SPDX-License-Identifier: Apache-2.0 */
/* examples/driver/queue.h - the driver's side of a virtqueue: split.c (virtio 1.2, 2.7), packed.c (2.8) */
#ifndef EXAMPLE_QUEUE_H
#define EXAMPLE_QUEUE_H

#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stdint.h>

#define QUEUE_SIZE 16u
#define PIECES_MAX 3u /* of a buffer */

/* The pieces of a buffer: those that the device reads come before those that it writes. */
struct piece {
	const void *at;
	uint32_t len;
	bool device_writes;
};

struct split_ring {
	struct vring_desc desc[QUEUE_SIZE] __attribute__((aligned(16))); /* [split.align] */
	/* With the event words, always. [split.used-tail-allocated] */
	uint16_t avail[3 + QUEUE_SIZE]
		__attribute__((aligned(2))); /* flags, idx, ring, used_event */
	struct {
		uint16_t flags, idx;
		struct vring_used_elem ring[QUEUE_SIZE];
		uint16_t avail_event;
	} used __attribute__((aligned(4)));
};

struct packed_ring {
	struct vring_packed_desc desc[QUEUE_SIZE] __attribute__((aligned(16))); /* [packed.align] */
	struct vring_packed_desc_event driver __attribute__((aligned(4)));
	struct vring_packed_desc_event device __attribute__((aligned(4)));
};

/* Where the device finds the parts: descriptors, the driver's part, the device's. */
struct queue_areas {
	const void *ring, *driver, *device;
};

struct queue;

/* Of the functions below, what each layout does in its own way. */
struct queue_layout {
	struct queue_areas (*areas)(struct queue *q);
	void (*add)(struct queue *q, const struct piece *p, unsigned nr, uint16_t id);
	bool (*flush)(struct queue *q);
	int (*take)(struct queue *q, uint32_t *len);
	bool (*interrupt_on)(struct queue *q);
	void (*interrupt_off)(struct queue *q);
};
extern const struct queue_layout split_layout, packed_layout;

/* One per queue, static, hence all zero before the first use. */
struct queue {
	union {
		struct split_ring split;
		struct packed_ring packed;
	};
	/* Indirect tables: one for each buffer that can be under way. */
	union {
		struct vring_desc split;
		struct vring_packed_desc packed;
	} table[QUEUE_SIZE][PIECES_MAX] __attribute__((aligned(16)));

	const struct queue_layout *layout;
	bool event_idx, indirect;
	uint16_t size;

	/* Ids that are free, and of those that are not: how many entries they take, and whose they are. */
	uint16_t free, nr_free, next_free[QUEUE_SIZE];
	uint16_t entries[QUEUE_SIZE], owner[QUEUE_SIZE];

	/* Split: free-running indices. Packed: positions with their wrap bits. */
	uint16_t avail, shown; /* the next entry to offer; what queue_flush() has told the device */
	uint16_t seen;         /* the next used one */
	bool avail_wrap, seen_wrap;
};

/* Empty, as after a reset of its device. @size: a power of two up to QUEUE_SIZE. */
struct queue_areas queue_init(struct queue *q, uint16_t size, uint64_t accepted);
/* Offers a buffer; @owner comes back with it. False: no room. */
bool queue_add(struct queue *q, const struct piece *p, unsigned nr, uint16_t owner);
/* Shows the device what was added. True: it wants a kick. */
static inline bool queue_flush(struct queue *q)
{
	return q->layout->flush(q);
}

/* Takes back what the device has used: the owner, and how much the device wrote. -1: nothing; -2: the device lies. */
static inline int queue_take(struct queue *q, uint32_t *len)
{
	return q->layout->take(q, len);
}

/* Asks for an interrupt at the next used buffer. False: there is one already. */
static inline bool queue_interrupt_on(struct queue *q)
{
	return q->layout->interrupt_on(q);
}

/* Advice: some may come still. */
static inline void queue_interrupt_off(struct queue *q)
{
	q->layout->interrupt_off(q);
}

/* What id @id held is free again; its owner, or -2 when there was none. */
int queue_release(struct queue *q, uint32_t id);

#endif
