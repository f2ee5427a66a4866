/* SPDX-License-Identifier: Apache-2.0 */
/* What a kick says beside the number of its queue: NOTIFICATION_DATA (virtio 1.2, 2.9, 4.2.3.3). */
#include <inttypes.h>

#include "check/ring.h"

#define SLOT 0x7fffu /* of a position; above it the wrap counter, or the highest bit of an index */

/*
 * Another vCPU may have offered more since the driver took down where it is: whatever was offered since the kick before
 * is right.
 */
static bool is_next(const struct check_queue *q, uint16_t says, uint16_t avail)
{
	const uint16_t before = q->kick.told ? q->kick.avail : 0;

	return says == avail || (uint16_t)(avail - says) < (uint16_t)(avail - before);
}

/* The queue that is kicked, when there is more to the kick, and it has that layout; else NULL. */
static const struct check_queue *kicked(const struct check *c, const struct virtio_access *a,
                                        bool packed)
{
	const uint64_t i = kicked_queue(c, a);

	if (!writes(a, VIRTIO_MMIO_QUEUE_NOTIFY) || !accepted(c, VIRTIO_F_NOTIFICATION_DATA) ||
	    accepted(c, VIRTIO_F_RING_PACKED) != packed || i >= c->dev.nr_queues)
		return NULL;
	return &c->queue[i];
}

static enum verdict split_next(struct check *c, const struct virtio_access *a)
{
	const struct check_queue *q = kicked(c, a, false);
	const uint16_t says = u16_of(a->val >> 16);
	uint16_t avail;

	if (!q || !ring_offered(q, &avail))
		return SILENT;
	return is_next(q, says, avail)
	               ? KEPT
	               : broken(c,
	                        "queue %u: the kick says 0x%04x, and the available index is 0x%04x",
	                        q->index, says, avail);
}

static enum verdict packed_next(struct check *c, const struct virtio_access *a)
{
	const struct check_queue *q = kicked(c, a, true);
	const uint16_t says = u16_of(a->val >> 16);
	uint16_t avail, at;

	if (!q || !ring_offered(q, &avail))
		return SILENT;
	if (!ring_position(q, says, avail, &at))
		return broken(c, "queue %u of %u entries: the kick says offset %u", q->index,
		              q->addr.num, says & SLOT);
	return is_next(q, at, avail)
	               ? KEPT
	               : broken(c,
	                        "queue %u of %u entries: the kick says offset %u, wrap counter %u, "
	                        "and the next descriptor is %d from there",
	                        q->index, q->addr.num, says & SLOT, says >> 15,
	                        (int16_t)(uint16_t)(avail - at));
}

const struct access_rule notify_rules[] = {
	{"notifdata.split-next", split_next},
	{"notifdata.packed-next", packed_next},
	{NULL, NULL},
};
