/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In which order a driver writes: what it shows the device first (the index of a split ring, the flags of a packed one) and
 * fills in afterwards can be seen when the device finds it before the kick, as one that polls does. Whoever kicks is done
 * with what it kicks for, so then all of it has to be as the device has found it.
 */
#include "check/ring.h"

static bool is_packed(const struct check_queue *q)
{
	return accepted(q->c, VIRTIO_F_RING_PACKED);
}

void early_forget(struct check_queue *q)
{
	for (unsigned i = 0; i < ARRAY_SIZE(q->early); i++)
		q->early[i].found = false;
}

static unsigned slot_of(const struct check_queue *q, unsigned head)
{
	return q->early[head].index & (q->addr.num - 1);
}

void early_note(struct check_queue *q, uint16_t head, uint16_t index)
{
	if (!is_packed(q))
		q->early[index & (q->addr.num - 1)].in_slot = head;
	if ((int16_t)(uint16_t)(q->looked - q->kicked) < 0)
		return; /* it was kicked for: whatever came late is there */
	q->early[head].found = true;
	q->early[head].index = index;
}

/*
 * A driver fills in a slot of the available ring again once the device has looked at it, though its chain is still out:
 * when others have come back before. It can have got there when more were offered since than the device has now.
 */
static bool slot_is_its(const struct check_queue *q, unsigned head)
{
	return q->early[slot_of(q, head)].in_slot == head &&
	       (uint16_t)(q->looked - q->early[head].index) <= q->outstanding;
}

static bool was_filled_in(const struct check_queue *q, unsigned head)
{
	uint16_t now;

	if (is_packed(q)) /* a used descriptor may stand there, which leaves the address alone */
		return !ring_unchanged(q, head, 8);
	return !ring_unchanged(q, head, 16) ||
	       (slot_is_its(q, head) &&
	        ring_word(q, q->addr.avail + 4 + 2 * (gpa_t)slot_of(q, head), &now) && now != head);
}

/* What has come back already may be the driver's next one, and says nothing. */
void early_at_kick(struct check_queue *q)
{
	const char *id = is_packed(q) ? "packed.barrier-before-flags" : "split.barrier-before-idx";
	unsigned bad = NO_OWNER;
	bool any = false;

	for (unsigned i = 0; i < q->addr.num && !q->lost; i++) {
		if (!q->early[i].found || q->owner[i] != i)
			continue;
		any = true;
		if (bad == NO_OWNER && was_filled_in(q, i))
			bad = i;
	}
	early_forget(q);
	judged(q->c, id,
	       bad == NO_OWNER ? keeps(any)
	                       : broken(q->c,
	                                "queue %u: what begins at descriptor %u was offered, and "
	                                "written between that and the kick",
	                                q->index, bad));
}
