/* SPDX-License-Identifier: Apache-2.0 */
/* What both layouts share: ids and room. */
#include "queue.h"

#include <linux/virtio_config.h>

#include "bugs.h"

#define ALL(bits, f) (((bits) >> (f)) & 1)

struct queue_areas queue_init(struct queue *q, uint16_t size, uint64_t accepted)
{
	*q = (struct queue){.size = size, /* all zero [split.mem-zeroed], [packed.zero-init] */
	                    .nr_free = size,
	                    .is_packed = ALL(accepted, VIRTIO_F_RING_PACKED),
	                    .event_idx = ALL(accepted, VIRTIO_RING_F_EVENT_IDX),
	                    .indirect = ALL(accepted, VIRTIO_RING_F_INDIRECT_DESC),
	                    .avail_wrap = true, /* [packed.wrap-toggle] */
	                    .seen_wrap = true};
	for (uint16_t i = 0; i < size; i++)
		q->next_free[i] = (uint16_t)(i + 1);
	return q->is_packed ? packed_areas(q) : split_areas(q);
}

bool queue_add(struct queue *q, const struct piece *p, unsigned nr, uint16_t owner)
{
	/* Negotiated [indirect.negotiated], and no longer than the ring. [indirect.chain-le-queue-size] */
	const uint16_t entries = q->indirect && nr > 1 && nr <= q->size ? 1 : (uint16_t)nr;
	const uint16_t id = q->free;

	if (q->nr_free < entries) /* [split.avail-no-overrun], [packed.space-first] */
		return false;
	/* A chain takes the ids of its descriptors, in the packed ring as many as it has slots. */
	for (uint16_t i = 0; i < (bug(free_list) ? 1 : entries); i++)
		q->free = q->next_free[q->free];
	q->nr_free = (uint16_t)(q->nr_free - entries);
	q->entries[id] = entries;
	q->owner[id] = owner;
	if (q->is_packed)
		packed_add(q, p, nr, id);
	else
		split_add(q, p, nr, id);
	return true;
}

int queue_release(struct queue *q, uint32_t id)
{
	uint16_t last = (uint16_t)id;

	/* No rule asks for this check; without it a device could make us write anywhere. */
	if (id >= q->size || q->entries[id] == 0)
		return -2;
	for (uint16_t i = 1; i < q->entries[id]; i++)
		last = q->next_free[last];
	q->next_free[last] = q->free;
	q->free = (uint16_t)id;
	q->nr_free = (uint16_t)(q->nr_free + q->entries[id]);
	q->entries[id] = 0;
	return q->owner[id];
}

bool queue_flush(struct queue *q)
{
	return q->is_packed ? packed_flush(q) : split_flush(q);
}

int queue_take(struct queue *q, uint32_t *len)
{
	return q->is_packed ? packed_take(q, len) : split_take(q, len);
}

bool queue_interrupt_on(struct queue *q)
{
	return q->is_packed ? packed_interrupt_on(q) : split_interrupt_on(q);
}

void queue_interrupt_off(struct queue *q)
{
	if (q->is_packed)
		packed_interrupt_off(q);
	else
		split_interrupt_off(q);
}
