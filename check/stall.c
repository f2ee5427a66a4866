/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a driver should have done and did not: seen by looking at rings in which nothing moves any more. A driver may be
 * between two of its steps at any look, so it takes several of them, CHECK_TICK_NS apart.
 */
#include "check/state.h"
#include "vmm/core/loop.h"

#define LOOKS 10u

static bool before(uint16_t a, uint16_t b)
{
	return (int16_t)(uint16_t)(a - b) < 0;
}

/* Entries up to here need no kick: the device has found them, or was told of them. */
static uint16_t settled(const struct check_queue *q)
{
	return before(q->looked, q->kicked) ? q->kicked : q->looked;
}

/* Has the device asked for a kick at one of the others? */
static bool wants_kick(const struct check_queue *q, uint16_t avail)
{
	uint16_t word;

	if (!accepted(q->c, VIRTIO_RING_F_EVENT_IDX))
		return ring_used_word(q, 0, &word) && !(word & 1);
	return ring_used_word(q, 2 + 4 * q->addr.num, &word) && !before(word, settled(q)) &&
	       before(word, avail);
}

static void judge_kick(struct check_queue *q, uint16_t avail)
{
	const bool event = accepted(q->c, VIRTIO_RING_F_EVENT_IDX);

	judged(q->c, event ? "event_idx.must-kick" : "notif.must-kick",
	       broken(q->c,
	              "queue %u: the available index is %u, the device knows of entries up to %u, "
	              "has asked for a kick at the next, and none came",
	              q->index, avail, settled(q)));
}

static void look_for_kick(struct check_queue *q, uint16_t avail)
{
	if (avail == settled(q)) {
		judged(q->c,
		       accepted(q->c, VIRTIO_RING_F_EVENT_IDX) ? "event_idx.must-kick"
		                                               : "notif.must-kick",
		       keeps(avail != 0));
		q->unkicked = 0;
	} else if (!wants_kick(q, avail)) {
		q->unkicked = 0;
	} else if (++q->unkicked == LOOKS) {
		judge_kick(q, avail);
	}
}

/*
 * Of receive queues: entries were used behind the event that the driver waits for, so that it was not interrupted, and
 * it has offered nothing since. One that polls leaves the event behind, too, but goes on.
 */
static void look_for_event(struct check_queue *q, uint16_t avail)
{
	uint16_t event;

	if (!accepted(q->c, VIRTIO_RING_F_EVENT_IDX) || q->shown == 0 ||
	    check_queue_kind(q->c, q->index) != QUEUE_RX ||
	    !ring_avail_word(q, 2 + q->addr.num, &event))
		return;
	/* An interrupt is due when the index steps over the event: until then it stands at it or behind it. */
	if (!before(event, q->shown)) {
		judged(q->c, "event_idx.used-event-progress", KEPT);
		q->unreaped = 0;
	} else if (avail != q->stall_avail || avail != q->avail_at_used ||
	           (uint16_t)(q->shown - event) <= 1) {
		q->unreaped = 0;
	} else if (++q->unreaped == LOOKS) {
		judged(q->c, "event_idx.used-event-progress",
		       broken(q->c,
		              "queue %u: the used index is %u, used_event stands at %u, and the "
		              "driver does "
		              "nothing",
		              q->index, q->shown, event));
	}
}

void stall_look(struct check *c)
{
	for (unsigned i = 0; i < c->dev.nr_queues; i++) {
		struct check_queue *q = &c->queue[i];
		uint16_t avail;

		if (!q->served || !q->ready || !ring_avail_word(q, 1, &avail))
			continue;
		look_for_kick(q, avail);
		look_for_event(q, avail);
		q->stall_avail = avail;
	}
}

void stall_at_kick(struct check *c, uint16_t queue)
{
	struct check_queue *q = queue < c->dev.nr_queues ? &c->queue[queue] : NULL;

	if (!q || !q->served)
		return;
	q->unkicked = 0;
	q->kick_ns = loop_now_ns();
	(void)ring_avail_word(q, 1, &q->kicked);
}

/* The driver resets the device: are the rings still what it has offered? */
void stall_at_reset(struct check *c)
{
	for (unsigned i = 0; i < c->dev.nr_queues; i++) {
		struct check_queue *q = &c->queue[i];
		uint16_t avail;

		if (!q->served || !q->ready || !ring_avail_word(q, 1, &avail))
			continue;
		judged(c, "cleanup.reset-before-unexpose",
		       (uint16_t)(avail - q->looked) <= q->addr.num
		               ? KEPT
		               : broken(c,
		                        "queue %u: the device is reset when the available index is "
		                        "%u "
		                        "already, and was %u",
		                        i, avail, q->looked));
	}
}
