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
	                    .layout = ALL(accepted, VIRTIO_F_RING_PACKED) ? &packed_layout
	                                                                  : &split_layout,
	                    .event_idx = ALL(accepted, VIRTIO_RING_F_EVENT_IDX),
	                    .indirect = ALL(accepted, VIRTIO_RING_F_INDIRECT_DESC),
	                    .avail_wrap = true, /* [packed.wrap-toggle] */
	                    .seen_wrap = true};
	if (bug(ring_not_zeroed))
		q->packed.desc[size - 1].flags = 1u << VRING_PACKED_DESC_F_USED;
	for (uint16_t i = 0; i < size; i++)
		q->next_free[i] = (uint16_t)(i + 1);
	return q->layout->areas(q);
}

bool queue_add(struct queue *q, const struct piece *p, unsigned nr, uint16_t owner)
{
	/* Negotiated [indirect.negotiated], and no longer than the ring. [indirect.chain-le-queue-size] */
	const uint16_t entries = q->indirect && nr > 1 && nr <= q->size ? 1 : (uint16_t)nr;
	const uint16_t id = q->free;

	if (q->nr_free < entries) /* [split.avail-no-overrun], [packed.space-first] */
		return false;
	/* A chain takes the ids of its descriptors, in the packed ring as many as it has slots. */
	for (unsigned i = 0; i < (bug(free_list) ? 1u : entries); i++)
		q->free = q->next_free[q->free];
	q->nr_free = (uint16_t)(q->nr_free - entries);
	q->entries[id] = entries;
	q->owner[id] = owner;
	q->layout->add(q, p, nr, id);
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
