/* SPDX-License-Identifier: Apache-2.0 */
/* What a kick says beside the number of its queue: NOTIFICATION_DATA (virtio 1.2, 2.9, 4.2.3.3). */
#include <inttypes.h>

#include "check/ring.h"

#define SLOT 0x7fffu /* of a position; above it the wrap counter, or the highest bit of an index */

#define CROSSED_MAX 32u /* kicks in a row that another one may have overtaken */

/*
 * Another vCPU may have offered more since the driver took down where it is: whatever was offered since the kick before
 * is right. More than a lap of it is not looked into: so far behind is, in a packed ring, ahead.
 *
 * It may also have kicked for it already, so that kicks cross: what was overtaken is right, and cannot be told from what
 * is wrong, but for one that says the same as before, or goes on so for ever.
 */
static enum verdict is_next(struct check_queue *q, uint16_t says, uint16_t avail)
{
	const uint16_t behind = (uint16_t)(avail - says);
	const uint16_t since = (uint16_t)(avail - (q->kick.told ? q->kick.avail : 0));

	if (behind == 0)
		q->said.crossed = 0;
	if (behind == 0 || (behind < since && behind <= q->addr.num)) {
		q->said.known = true;
		q->said.furthest = says;
		return KEPT;
	}
	if (behind < since)
		return SILENT;
	if (q->said.known && says != q->said.furthest && behind <= q->addr.num &&
	    q->said.crossed++ < CROSSED_MAX)
		return SILENT;
	return BROKEN;
}

/* The queue that is kicked, when there is more to the kick, and it has that layout; else NULL. */
static struct check_queue *kicked(struct check *c, const struct virtio_access *a, bool packed)
{
	const uint64_t i = kicked_queue(c, a);

	if (!writes(a, VIRTIO_MMIO_QUEUE_NOTIFY) || !accepted(c, VIRTIO_F_NOTIFICATION_DATA) ||
	    accepted(c, VIRTIO_F_RING_PACKED) != packed || i >= c->dev.nr_queues)
		return NULL;
	return &c->queue[i];
}

static enum verdict split_next(struct check *c, const struct virtio_access *a)
{
	struct check_queue *q = kicked(c, a, false);
	const uint16_t says = u16_of(a->val >> 16);
	enum verdict v;
	uint16_t avail;

	if (!q || !ring_offered(q, &avail))
		return SILENT;
	v = is_next(q, says, avail);
	return v != BROKEN
	               ? v
	               : broken(c,
	                        "queue %u: the kick says 0x%04x, and the available index is 0x%04x",
	                        q->index, says, avail);
}

static enum verdict packed_next(struct check *c, const struct virtio_access *a)
{
	struct check_queue *q = kicked(c, a, true);
	const uint16_t says = u16_of(a->val >> 16);
	enum verdict v;
	uint16_t avail, at;

	if (!q || !ring_offered(q, &avail))
		return SILENT;
	if (!ring_position(q, says, avail, &at))
		return broken(c, "queue %u of %u entries: the kick says offset %u", q->index,
		              q->addr.num, says & SLOT);
	v = is_next(q, at, avail);
	return v != BROKEN
	               ? v
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
