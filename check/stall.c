/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a driver should have done and did not: seen by looking at rings in which nothing moves any more. A driver may be
 * between two of its steps at any look, so it takes several of them, CHECK_TICK_NS apart.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "check/ring.h"
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

/* Does the step from @from to @to concern one who wishes @w? */
static bool wanted(const struct ring_wish *w, uint16_t from, uint16_t to)
{
	if (w->kind == WISH_EVENT)
		return !before(w->at, from) && before(w->at, to);
	return w->kind == WISH_ALL && from != to;
}

/* ---- kicks that are missing */

static const char *kick_rule(const struct ring_wish *w)
{
	return w->kind == WISH_EVENT ? "event_idx.must-kick" : "notif.must-kick";
}

/*
 * A split ring has a word for those with EVENT_IDX and one for those without. When there is something in the one that
 * this driver is not to look at, which only a provocation writes there, the rule about it; else NULL.
 */
static const char *other_word_rule(const struct check_queue *q)
{
	const bool event = accepted(q->c, VIRTIO_RING_F_EVENT_IDX);
	uint16_t word = 0;

	if (accepted(q->c, VIRTIO_F_RING_PACKED) ||
	    !ring_word(q, q->addr.used + (event ? 0 : 4 + 8 * (gpa_t)q->addr.num), &word) ||
	    word == 0)
		return NULL;
	return event ? "event_idx.ignore-used-flags" : "notif.ignore-avail-event";
}

static void look_for_kick(struct check_queue *q, uint16_t avail)
{
	const char *other = other_word_rule(q);
	struct ring_wish w;

	if (!ring_device_wish(q, &w))
		return;
	if (avail == settled(q)) {
		judged(q->c, kick_rule(&w), keeps(avail != 0));
		if (other)
			judged(q->c, other, keeps(avail != 0));
		q->unkicked = q->strayed = 0;
	} else if (!wanted(&w, settled(q), avail)) {
		q->unkicked = 0;
	} else if (++q->unkicked == LOOKS) {
		judged(q->c, other ? other : kick_rule(&w),
		       broken(q->c,
		              "queue %u: %u entries were offered, the device knows of %u, has "
		              "asked "
		              "for a kick at the next, and none came",
		              q->index, avail, settled(q)));
	}
}

/* Chains that the device had at once, and has no more. */
static unsigned gone(const struct check_queue *q)
{
	return q->most > q->outstanding ? q->most - q->outstanding : 0;
}

static bool is_scarce(const struct check_queue *q)
{
	return check_queue_kind(q->c, q->index) == QUEUE_RX && gone(q) > q->outstanding;
}

/*
 * What was written and is not marked as offered: that may be a preparation, unless a kick says otherwise, or it has the
 * marks of the other lap while buffers become few; a device that has some left asks for no kick.
 */
static void look_for_marks(struct check_queue *q)
{
	const char *rule = ring_unmarked(q);

	if (!rule)
		q->unwritten = 0;
	else if (q->unwritten == 0 && is_scarce(q) && strcmp(rule, "packed.wrap-toggle") == 0)
		q->unwritten = 1;
	else if (q->unwritten > 0 && ++q->unwritten == LOOKS)
		judged(q->c, rule,
		       broken(q->c,
		              "queue %u: after %u descriptors the next one was written, and its "
		              "bits are not those of an offer in this lap",
		              q->index, q->looked));
}

/* ---- kicks that nobody wanted */

/*
 * While something waits that the device has not looked at since the kick before, it has not changed its wish either:
 * it asks for kicks only when nothing waits. So nothing was between the look of the driver at that wish and ours.
 */
static void judge_kick(struct check_queue *q, uint16_t avail)
{
	const bool stands = q->kick.told && q->kick.looked == q->looked &&
	                    q->kick.avail != q->looked && q->kick.avail != avail;
	struct ring_wish w;
	bool fits;

	if (!ring_device_wish(q, &w))
		return;
	fits = wanted(&w, stands ? q->kick.avail : q->looked, avail);
	if (fits || (stands && q->kick.wish.kind == w.kind && q->kick.wish.at == w.at))
		judged(q->c,
		       w.kind == WISH_EVENT ? "event_idx.no-kick-otherwise"
		                            : "notif.no-kick-when-suppressed",
		       fits ? KEPT
		            : broken(q->c,
		                     "queue %u: %u entries were offered, %u at the kick before, "
		                     "and "
		                     "the device has asked for no kick since",
		                     q->index, avail, q->kick.avail));
	q->kick.told = true;
	q->kick.avail = avail;
	q->kick.looked = q->looked;
	q->kick.wish = w;
}

/* @kicked was, and there is nothing new in it: is there in another one? */
static void note_stray(const struct check_queue *kicked)
{
	struct check *c = kicked->c;

	for (unsigned i = 0; i < c->dev.nr_queues; i++) {
		struct check_queue *q = &c->queue[i];
		uint16_t avail;

		if (q == kicked || !q->served || !ring_offered(q, &avail) || avail == settled(q))
			continue;
		q->strayed++;
		q->strayed_to = kicked->index;
	}
}

void stall_at_kick(struct check_queue *q)
{
	uint16_t avail;

	if (!q->served)
		return;
	q->unkicked = q->strayed = 0;
	q->kick_ns = loop_now_ns();
	if (!ring_offered(q, &avail))
		return;
	early_at_kick(q);
	judge_kick(q, avail);
	q->kicked = avail;
	if (avail != q->looked)
		return;
	note_stray(q);
	if (q->unwritten == 0 && ring_unmarked(q))
		q->unwritten = 1;
}

/* ---- events */

void stall_at_used(struct check_queue *q, uint16_t from)
{
	struct ring_wish w;

	q->c->received |= check_queue_kind(q->c, q->index) == QUEUE_RX;
	(void)ring_offered(q, &q->avail_at_used);
	if (!ring_driver_wish(q, &w) || w.kind != WISH_EVENT)
		return;
	if (!q->event_known) {
		q->event_known = true;
		q->event_first = w.at;
	}
	q->event_moved |= w.at != q->event_first;
	if (!wanted(&w, from, q->shown))
		return;
	q->event_passed = true;
	q->avail_at_event = q->avail_at_used;
}

/*
 * Of receive queues: the event went by, so that the driver was interrupted; it has taken buffers since, for it offers
 * others; and it has left the event where it was from the beginning, so that it hears of nothing more. One that polls
 * leaves the event behind, too, but goes on; one whose interface is down offers nothing.
 */
static void look_for_event(struct check_queue *q, uint16_t avail)
{
	struct ring_wish w;

	if (q->shown == 0 || check_queue_kind(q->c, q->index) != QUEUE_RX ||
	    !ring_driver_wish(q, &w) || w.kind != WISH_EVENT)
		return;
	q->event_moved |= q->event_known && w.at != q->event_first;
	if (!before(w.at, q->shown)) {
		judged(q->c, "event_idx.used-event-progress", KEPT);
		q->unreaped = 0;
	} else if (!q->event_passed || q->event_moved || avail == q->avail_at_event ||
	           avail != q->stall_avail || avail != q->avail_at_used ||
	           (uint16_t)(q->shown - w.at) <= 1) {
		q->unreaped = 0;
	} else if (++q->unreaped == LOOKS) {
		judged(q->c, "event_idx.used-event-progress",
		       broken(q->c,
		              "queue %u: %u entries were used, the driver waits for number %u as "
		              "from the beginning, and does nothing",
		              q->index, q->shown, (uint16_t)(w.at + 1)));
	}
}

/* ---- why nothing happens */

struct reason {
	const char *rule; /* NULL: there is none */
	char text[sizeof(((struct check_queue *)0)->stall_why)];
};

static void PRINTF_LIKE(3, 4) say(struct reason *r, const char *rule, const char *fmt, ...)
{
	va_list ap;

	r->rule = rule;
	va_start(ap, fmt);
	vsnprintf(r->text, sizeof(r->text), fmt, ap);
	va_end(ap);
}

/* Offered, and the device was not told. */
static void why_not_told(const struct check_queue *q, uint16_t avail, struct reason *r)
{
	const char *rule = ring_unmarked(q);
	struct ring_wish w;

	if (q->unwritten > 0 && rule) {
		say(r, rule, "the next descriptor was written and its bits do not offer it");
		return;
	}
	if (!ring_device_wish(q, &w) || !wanted(&w, settled(q), avail))
		return;
	if (q->strayed > 0)
		say(r, kick_rule(&w),
		    "%u entries are offered and no kick came for them, but %u came for queue %u, "
		    "where nothing is new",
		    (uint16_t)(avail - settled(q)), q->strayed, q->strayed_to);
	else
		say(r, kick_rule(&w), "%u entries are offered and no kick came for them",
		    (uint16_t)(avail - settled(q)));
}

/*
 * Received, and the driver has done nothing since. It may have taken what there is and wait for more before it offers
 * buffers again, as Linux does; but more than half of them are gone, or it has not moved since the first frame came.
 */
static void why_not_offered(const struct check_queue *q, struct reason *r)
{
	const bool waits = !is_scarce(q) && q->outstanding > 0;
	const bool idle = !waits || !q->c->answered;
	struct ring_wish w;
	bool late;

	if (!ring_driver_wish(q, &w))
		return;
	late = w.kind == WISH_EVENT && before(w.at, q->shown);
	if (late && (q->unreaped > 0 || idle))
		say(r, "event_idx.used-event-progress",
		    "%u entries were used, and the driver waits for number %u, which was long ago",
		    q->shown, (uint16_t)(w.at + 1));
	else if (w.kind == WISH_EVENT ? waits : !idle)
		return;
	else if (w.kind == WISH_NONE)
		say(r, "notif.recheck-after-enable",
		    "%u of %u buffers are used, interrupts switched off, and the driver does not "
		    "look",
		    gone(q), q->most);
	else if (w.kind == WISH_ALL && q->told != q->shown)
		say(r, "notif.recheck-after-enable",
		    "%u of %u buffers are used, the last ones while interrupts were switched off: "
		    "they are on again, and the driver offers none",
		    gone(q), q->most);
	else
		say(r, "net.rx-replenish",
		    "%u of %u buffers are used, the driver was interrupted, and offers none again",
		    gone(q), q->most);
}

/* Used, and the driver has done nothing since. */
static void why_not_taken(const struct check_queue *q, struct reason *r)
{
	const struct check *c = q->c;

	if (c->used_last == q->index && (c->isr_up & VIRTIO_MMIO_INT_VRING))
		say(r, "mmio.irq-read-status",
		    "entries were used, the driver interrupted, and InterruptStatus not read");
	else if (c->used_last == q->index && (c->isr_seen & VIRTIO_MMIO_INT_VRING))
		say(r, "mmio.intack-handled",
		    "InterruptStatus has shown bit 0, and it was not acknowledged");
	else if (check_queue_kind(c, q->index) == QUEUE_RX)
		why_not_offered(q, r);
}

static void find_reason(const struct check_queue *q, struct reason *r)
{
	const bool usual = q->index < 2;
	uint16_t avail;

	r->rule = NULL;
	if (!q->c->live || (q->ready && !q->served))
		return;
	if (!q->ready) {
		if (usual)
			say(r, "init.drvok-last", "the queue is not ready");
		return;
	}
	if (!ring_offered(q, &avail))
		return;
	why_not_told(q, avail, r);
	if (r->rule)
		return;
	if (avail == 0 && !q->offered && usual && check_queue_kind(q->c, q->index) == QUEUE_RX)
		say(r, "net.rx-filled-at-start", "no buffer was ever offered to receive into");
	else if (q->shown != 0 && avail == q->looked && avail == q->avail_at_used)
		why_not_taken(q, r);
}

static void note_reason(struct check_queue *q)
{
	struct reason r;

	find_reason(q, &r);
	if (r.rule != q->stall.rule || !r.rule) {
		q->stall = (struct check_stall){.rule = r.rule,
		                                .since_ns = loop_now_ns() - q->c->began_ns};
		q->stall_looks = 0;
	}
	if (r.rule && ++q->stall_looks >= LOOKS) {
		snprintf(q->stall_why, sizeof(q->stall_why), "%s", r.text);
		q->stall.why = q->stall_why;
	}
}

void stall_note_buffers(struct check *c)
{
	for (unsigned i = 0; i < c->dev.nr_queues && !c->was_filled; i++) {
		const struct check_queue *q = &c->queue[i];
		uint16_t avail = 0;

		if (q->served && q->ready && check_queue_kind(c, i) == QUEUE_RX)
			c->was_filled = q->offered || (ring_offered(q, &avail) && avail != 0);
	}
}

void stall_look(struct check *c)
{
	stall_note_buffers(c);
	for (unsigned i = 0; i < c->dev.nr_queues; i++) {
		struct check_queue *q = &c->queue[i];
		uint16_t avail;

		if (q->served && q->ready) {
			ring_recheck(q, false);
			if (ring_offered(q, &avail)) {
				look_for_kick(q, avail);
				look_for_marks(q);
				look_for_event(q, avail);
				q->stall_avail = avail;
			}
		}
		note_reason(q);
	}
}

/*
 * What was offered and the device, whose thread is another one, has not come to look at: how fast the machine is makes no
 * difference to what a driver has done. What it had kicked for is gone when less is offered now.
 */
static void look_at_rest(struct check_queue *q)
{
	uint16_t avail;

	if (!ring_offered(q, &avail))
		return;
	if (!before(avail, settled(q)))
		ring_avail(q, q->looked, avail);
	else if (before(q->looked, q->kicked))
		judged(q->c, "cleanup.reset-before-unexpose",
		       broken(q->c,
		              "queue %u: the device is reset when %u entries are offered, and it "
		              "was told of %u",
		              q->index, avail, q->kicked));
}

/* The driver resets the device: are the rings still what it has offered? */
void stall_at_reset(struct check *c)
{
	stall_note_buffers(c);
	for (unsigned i = 0; i < c->dev.nr_queues; i++) {
		struct check_queue *q = &c->queue[i];

		if (!q->served || !q->ready)
			continue;
		look_at_rest(q);
		ring_recheck(q, true);
	}
}
