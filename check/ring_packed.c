/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packed rings (virtio 1.2, 2.8): the lists that a driver has offered, at the moment at which the device finds them.
 *
 * A place counts descriptors over two laps of the ring, from 0 to 2 * num - 1, the first of which has the wrap counter 1.
 * A descriptor has an owner from its offer until the used descriptor that stands for it is shown; what the device writes
 * over it meanwhile is its id, its length and its flags, but never its address.
 */
#include <inttypes.h>
#include <linux/virtio_ring.h>
#include <string.h>

#include "check/ring.h"
#include "vmm/core/gmem.h"
#include "vmm/core/le.h"

#define AVAIL   (1u << VRING_PACKED_DESC_F_AVAIL)
#define USED    (1u << VRING_PACKED_DESC_F_USED)
#define WRAPPED (1u << VRING_PACKED_EVENT_F_WRAP_CTR)
#define MODE    3u /* of the flags of an event */

const struct ring_rules packed_rules = {
	.nonempty = "packed.desc-nonempty",
	.order = "packed.readable-before-writable",
	.in_ram = "packed.desc-in-ram",
	.flags = "packed.desc-flags-known",
	.negotiated = "packed.indirect-negotiated",
	.alone = "packed.no-indirect-in-chain",
	.limit = "packed.indirect-limit",
	.known_flags =
		VRING_DESC_F_NEXT | VRING_DESC_F_WRITE | VRING_DESC_F_INDIRECT | AVAIL | USED,
};

/* ---- places */

static unsigned slot_of(const struct check_queue *q, unsigned place)
{
	return place % q->addr.num;
}

static uint16_t ahead(const struct check_queue *q, unsigned place, unsigned n)
{
	return u16_of((place + n) % (2 * q->addr.num));
}

/* From one place up to another one. */
static unsigned distance(const struct check_queue *q, unsigned from, unsigned to)
{
	return (to + 2 * q->addr.num - from) % (2 * q->addr.num);
}

/* Slot and wrap counter as a place. False: there is no such slot. */
static bool decode(const struct check_queue *q, unsigned code, unsigned *place)
{
	const unsigned slot = code & (WRAPPED - 1);

	*place = code & WRAPPED ? slot : slot + q->addr.num;
	return slot < q->addr.num;
}

/* The two bits of a descriptor that say whose it is. 0 when it is not in memory. */
static uint16_t marks_at(const struct check_queue *q, unsigned slot)
{
	uint16_t flags;

	return ring_word(q, q->addr.desc + 16 * (gpa_t)slot + 14, &flags) ? flags & (AVAIL | USED)
	                                                                  : 0;
}

static bool offered_at(const struct check_queue *q, unsigned place)
{
	return marks_at(q, slot_of(q, place)) == (place < q->addr.num ? AVAIL : USED);
}

/* ---- when a queue is handed over */

void packed_ready(struct check_queue *q)
{
	struct check *c = q->c;
	const struct vq_addr *a = &q->addr;
	const bool aligned = a->desc % 16 == 0 && a->avail % 4 == 0 && a->used % 4 == 0;
	const bool size = a->num > 0 && a->num <= 32768;
	const uint64_t bytes = 16 * (uint64_t)a->num;
	const struct check_queue *other;
	gpa_t at = a->desc;
	uint8_t d[16];
	bool inside, fits;

	judged(c, "packed.align",
	       aligned ? KEPT
	               : broken(c, "queue %u: 0x%" PRIx64 ", 0x%" PRIx64 ", 0x%" PRIx64, q->index,
	                        a->desc, a->avail, a->used));
	judged(c, "packed.size-range",
	       size ? KEPT : broken(c, "queue %u has %u entries", q->index, a->num));
	if (!size)
		return;
	inside = ring_in_memory(q, a->desc, bytes) && ring_in_memory(q, a->avail, 4) &&
	         ring_in_memory(q, a->used, 4);
	fits = inside && ring_apart(a->desc, bytes, a->avail, 4) &&
	       ring_apart(a->desc, bytes, a->used, 4) && ring_apart(a->avail, 4, a->used, 4);
	judged(c, "packed.areas-in-ram",
	       fits ? KEPT
	            : broken(c, "queue %u of %u entries: 0x%" PRIx64 ", 0x%" PRIx64 ", 0x%" PRIx64,
	                     q->index, a->num, a->desc, a->avail, a->used));
	if (!inside)
		ring_outside(q, "one of its three parts, the first of which is", a->desc);
	if (!fits)
		return;
	other = ring_shared_with(q);
	if (other)
		judged(c, "packed.areas-in-ram",
		       broken(c, "queue %u has memory that queue %u has, too", q->index,
		              other->index));
	/* What is offered already is what it is for. */
	while (at < a->desc + bytes && gmem_read(c->dev.mem, at, d, sizeof(d)) == 0 &&
	       (get_le16(d + 14) & (AVAIL | USED)) == AVAIL)
		at += 16;
	judged(c, "packed.zero-init",
	       ring_is_zero(q, at, a->desc + bytes - at)
	               ? KEPT
	               : broken(c, "queue %u: there is something in the ring behind descriptor %u",
	                        q->index, u32_of((at - a->desc) / 16)));
}

void packed_served(struct check_queue *q)
{
	memset(q->copy, 0, sizeof(q->copy));
}

/* ---- lists */

static bool owned(const struct check_queue *q, unsigned slot)
{
	return q->owner[slot] != NO_OWNER;
}

/* All entries of the table that @d points to: in which order they come, and how many, is not marked in it. */
static bool walk_table(struct check_chain *ch, const struct ring_desc *d)
{
	struct check *c = ch->q->c;
	struct ring_desc p;

	for (unsigned i = 0; i < min_u32(d->len / 16, VQ_NUM_MAX); i++) {
		if (!ring_read_desc(ch->q, d->addr, i, &p))
			return false;
		judged(c, "packed.indirect-only-write-flag",
		       p.flags & ~VRING_DESC_F_WRITE
		               ? broken(c,
		                        "queue %u, list %u: entry %u of its table has flags 0x%04x",
		                        ch->q->index, ch->head, i, p.flags)
		               : KEPT);
		if (p.flags & VRING_DESC_F_INDIRECT)
			return false;
		chain_piece(ch, &p);
	}
	if (d->len / 16 > VQ_NUM_MAX) /* those that were not looked at count, too */
		ch->pieces += d->len / 16 - VQ_NUM_MAX;
	chain_limit(ch);
	return true;
}

/* Is the descriptor at @place there for the list, of which it is not the first? */
static bool follows(struct check_chain *ch, unsigned place)
{
	struct check_queue *q = ch->q;
	struct check *c = q->c;
	const unsigned slot = slot_of(q, place);
	const uint16_t before = get_le16(q->copy[slot] + 14) & (AVAIL | USED);

	if (ch->entries >= q->addr.num) {
		judged(c, "packed.list-le-queue-size",
		       broken(c, "queue %u, list %u has more than the %u entries of its ring",
		              q->index, ch->head, q->addr.num));
		return false;
	}
	if (owned(q, slot)) {
		judged(c, "packed.space-first",
		       broken(c,
		              "queue %u, list %u: NEXT leads to descriptor %u, which the device "
		              "has",
		              q->index, ch->head, slot));
		return false;
	}
	if (offered_at(q, place))
		return true;
	if (marks_at(q, slot) == before && ring_unchanged(q, slot, 8)) {
		judged(c, "packed.head-last",
		       broken(c,
		              "queue %u: list %u is offered, and its descriptor %u is not written",
		              q->index, ch->head, slot));
		return false;
	}
	judged(c, "packed.avail-bits",
	       broken(c, "queue %u, list %u: the bits of descriptor %u are 0x%04x", q->index,
	              ch->head, slot, marks_at(q, slot)));
	return true;
}

/* False: it could not be followed to its end. @id: its name, which is in the last one. */
static bool walk(struct check_chain *ch, struct check_list *l)
{
	struct check_queue *q = ch->q;
	struct ring_desc d;

	for (unsigned place = q->looked_at;; place = ahead(q, place, 1)) {
		const unsigned slot = slot_of(q, place);

		if ((ch->entries > 0 && !follows(ch, place)) || !ring_take_desc(q, slot, &d))
			return false;
		ch->entries++;
		q->owner[slot] = ch->head;
		l->id = d.id;
		if (!chain_flags(ch, &d))
			return false;
		if (d.flags & VRING_DESC_F_INDIRECT)
			break;
		chain_piece(ch, &d);
		if (!(d.flags & VRING_DESC_F_NEXT))
			return true;
	}
	if (ch->entries > 1) {
		judged(q->c, ch->rules->alone,
		       broken(q->c, "queue %u, list %u: a table is number %u in it", q->index,
		              ch->head, ch->entries));
		return false;
	}
	chain_remember_table(ch, &d, l);
	return walk_table(ch, &d);
}

static int find_list(const struct check_queue *q, uint16_t id)
{
	for (unsigned i = 0; i < q->outstanding; i++)
		if (q->list[i].id == id)
			return (int)i;
	return -1;
}

/* Descriptors behind the next head that are marked as offered in this lap, up to one that the device has; else 0. */
static unsigned begun(const struct check_queue *q)
{
	unsigned n = 1;
	uint16_t flags;

	if (q->lost || owned(q, slot_of(q, q->looked_at)) || offered_at(q, q->looked_at))
		return 0;
	while (n < q->addr.num && !owned(q, slot_of(q, q->looked_at + n)) &&
	       offered_at(q, ahead(q, q->looked_at, n)))
		n++;
	if (n == 1 || n == q->addr.num || !owned(q, slot_of(q, q->looked_at + n)) ||
	    !ring_word(q, q->addr.desc + 16 * (gpa_t)slot_of(q, q->looked_at + n - 1) + 14, &flags))
		return 0;
	return flags & VRING_DESC_F_NEXT ? n - 1 : 0;
}

static uint64_t sum_of_begun(const struct check_queue *q, unsigned n)
{
	uint64_t sum = 0;

	for (unsigned i = 1; i <= n; i++)
		sum += i * ring_sum(q, q->addr.desc + 16 * (gpa_t)slot_of(q, q->looked_at + i), 16);
	return sum;
}

/* Before the device gives anything back. */
static void note_begun(struct check_queue *q)
{
	const unsigned n = begun(q);

	if (n == 0)
		return;
	q->begun = u16_of(n);
	q->begun_at = q->looked_at;
	q->begun_sum = sum_of_begun(q, n);
}

/* A list that goes on behind what there was room for when it was begun could not be ended before the device gave some back. */
static void judge_begun(struct check_queue *q, const struct check_chain *ch)
{
	struct check *c = q->c;
	const bool waited = q->begun && q->begun_at == q->looked_at &&
	                    ch->entries > q->begun + 1u &&
	                    sum_of_begun(q, q->begun) == q->begun_sum;

	judged(c, "packed.no-wait-mid-list",
	       waited ? broken(c, "queue %u: list %u of %u descriptors was begun when %u were free",
	                       q->index, ch->head, ch->entries, q->begun + 1u)
	              : keeps(ch->entries > 1));
	q->begun = 0;
}

/* The list at looked_at, which is offered: how many descriptors, or 0: it is not known. */
static unsigned judge_list(struct check_queue *q)
{
	struct check *c = q->c;
	struct check_chain ch = {
		.q = q, .rules = &packed_rules, .head = u16_of(slot_of(q, q->looked_at))};
	struct check_list l = {0};

	if (owned(q, ch.head) || q->outstanding >= q->addr.num) {
		judged(c, "packed.no-change-unless-used",
		       broken(c,
		              "queue %u: descriptor %u is offered once more, and the device has it",
		              q->index, ch.head));
		return 0;
	}
	judged(c, "packed.no-change-unless-used", KEPT);
	if (!walk(&ch, &l))
		return 0;
	early_note(q, ch.head, 0);
	judged(c, "packed.wrap-toggle", keeps(q->looked_at >= q->addr.num));
	judged(c, "packed.head-last", keeps(ch.entries > 1));
	judged(c, "packed.avail-bits", KEPT);
	judged(c, "packed.space-first", KEPT);
	judged(c, "packed.list-le-queue-size", KEPT);
	judge_begun(q, &ch);
	judged(c, "packed.id-in-last",
	       find_list(q, l.id) < 0
	               ? KEPT
	               : broken(c,
	                        "queue %u: the last descriptor of list %u has id %u, as another "
	                        "one that the device has",
	                        q->index, ch.head, l.id));
	chain_end(&ch);
	l.entries = u16_of(ch.entries);
	q->list[q->outstanding++] = l;
	return ch.entries;
}

static void judge_event(struct check_queue *q)
{
	struct check *c = q->c;
	uint16_t flags;
	bool fits;

	if (!ring_word(q, q->addr.avail + 2, &flags))
		return;
	fits = (flags & MODE) <= VRING_PACKED_EVENT_FLAG_DISABLE ||
	       ((flags & MODE) == VRING_PACKED_EVENT_FLAG_DESC &&
	        accepted(c, VIRTIO_RING_F_EVENT_IDX));
	judged(c, "packed.event-desc-needs-feature",
	       fits ? KEPT
	            : broken(c, "queue %u: the driver's event has flags %u", q->index,
	                     flags & MODE));
	judged(c, "packed.event-reserved-0",
	       flags & ~MODE
	               ? broken(c, "queue %u: the driver's event has flags 0x%04x", q->index, flags)
	               : KEPT);
}

void packed_avail(struct check_queue *q)
{
	judge_event(q);
	while (!q->lost && offered_at(q, q->looked_at)) {
		const unsigned n = judge_list(q);

		q->lost = n == 0;
		q->looked = (uint16_t)(q->looked + n);
		q->looked_at = ahead(q, q->looked_at, n);
	}
}

/* ---- what the device has */

/* The first @n lists that it has, or the one at @i, are done: how many descriptors they had. */
static unsigned take_back(struct check_queue *q, unsigned i, unsigned n)
{
	unsigned entries = 0;

	for (unsigned k = i; k < i + n; k++) {
		entries += q->list[k].entries;
		chain_back(q, &q->list[k]);
	}
	q->outstanding = u16_of(q->outstanding - n);
	memmove(&q->list[i], &q->list[i + n], (q->outstanding - i) * sizeof(q->list[0]));
	return entries;
}

/* Descriptor @slot is the driver's again. @over: a used descriptor stands there. */
static void give_back(struct check_queue *q, unsigned place, bool over)
{
	const unsigned slot = slot_of(q, place);

	judged(q->c, "packed.no-change-after-avail",
	       ring_unchanged(q, slot, over ? 8 : 16) ? KEPT : ring_changed(q, slot));
	q->owner[slot] = NO_OWNER;
	if (over)
		put_le16(q->copy[slot] + 14, place < q->addr.num ? AVAIL | USED : 0);
}

void packed_used(struct check_queue *q, unused uint16_t from, uint16_t to)
{
	unsigned end, left;

	if (q->lost || !decode(q, to, &end))
		return;
	note_begun(q);
	left = distance(q, q->shown_at, end);
	while (left > 0) {
		uint16_t id = 0;
		unsigned n;
		int i;

		if (!ring_word(q, q->addr.desc + 16 * (gpa_t)slot_of(q, q->shown_at) + 12, &id))
			break;
		i = find_list(q, id);
		if (i < 0)
			break;
		/* In order, one used descriptor may stand for several lists (virtio 1.2, 2.8.8). */
		n = accepted(q->c, VIRTIO_F_IN_ORDER) ? take_back(q, 0, (unsigned)i + 1)
		                                      : take_back(q, (unsigned)i, 1);
		if (n > left)
			break;
		for (unsigned k = 0; k < n; k++)
			give_back(q, ahead(q, q->shown_at, k), k == 0);
		q->shown = (uint16_t)(q->shown + n);
		q->shown_at = ahead(q, q->shown_at, n);
		left -= n;
	}
	q->lost = left > 0; /* the driver has written over what the device was about to show */
}

void packed_recheck(struct check_queue *q, bool end)
{
	bool all = true;

	for (unsigned i = 0; !q->lost && all && i < q->addr.num; i++) {
		if (!owned(q, i) || ring_unchanged(q, i, 8))
			continue;
		all = false;
		judged(q->c, end ? "cleanup.reset-before-unexpose" : "packed.no-change-after-avail",
		       ring_changed(q, i));
		gmem_read(q->c->dev.mem, q->addr.desc + 16 * (gpa_t)i, q->copy[i], 8);
	}
	if (!end || q->lost) /* then nobody has followed what came back */
		return;
	judged(q->c, "cleanup.reset-before-unexpose", keeps(all));
	for (unsigned i = 0; i < q->outstanding; i++)
		chain_back(q, &q->list[i]);
}

const char *packed_unmarked(const struct check_queue *q)
{
	const unsigned slot = slot_of(q, q->looked_at);
	const uint16_t before = get_le16(q->copy[slot] + 14) & (AVAIL | USED);
	const uint16_t marks = marks_at(q, slot);

	if (q->lost || owned(q, slot) || offered_at(q, q->looked_at))
		return NULL;
	if (marks != before && (marks == AVAIL || marks == USED))
		return "packed.wrap-toggle";
	return ring_unchanged(q, slot, 8) ? NULL : "packed.avail-bits";
}

/* ---- who wants to hear of whom */

bool packed_offered(const struct check_queue *q, uint16_t *avail)
{
	unsigned n = 0;

	if (q->lost)
		return false;
	while (n < q->addr.num && !owned(q, slot_of(q, q->looked_at + n)) &&
	       offered_at(q, ahead(q, q->looked_at, n)))
		n++;
	*avail = (uint16_t)(q->looked + n);
	return true;
}

bool packed_position(const struct check_queue *q, uint16_t code, uint16_t avail, uint16_t *out)
{
	const unsigned next = ahead(q, q->looked_at, (uint16_t)(avail - q->looked));
	unsigned place;

	if (!decode(q, code, &place))
		return false;
	*out = (uint16_t)(avail - distance(q, place, next));
	return true;
}

/* The event at @at; @count is the number of the descriptor at @place. */
static bool wish(const struct check_queue *q, gpa_t at, unsigned place, uint16_t count,
                 struct ring_wish *w)
{
	uint16_t code, flags;
	unsigned event, n;

	if (q->lost || !ring_word(q, at, &code) || !ring_word(q, at + 2, &flags))
		return false;
	*w = (struct ring_wish){WISH_ALL, 0};
	if ((flags & MODE) == VRING_PACKED_EVENT_FLAG_DISABLE)
		w->kind = WISH_NONE;
	if ((flags & MODE) != VRING_PACKED_EVENT_FLAG_DESC ||
	    !accepted(q->c, VIRTIO_RING_F_EVENT_IDX) || !decode(q, code, &event))
		return true;
	/* Further ahead than a lap is behind. */
	n = distance(q, place, event);
	w->kind = WISH_EVENT;
	w->at = (uint16_t)(count + n - (n > q->addr.num ? 2 * q->addr.num : 0));
	return true;
}

bool packed_device_wish(const struct check_queue *q, struct ring_wish *w)
{
	return wish(q, q->addr.used, q->looked_at, q->looked, w);
}

bool packed_driver_wish(const struct check_queue *q, struct ring_wish *w)
{
	return wish(q, q->addr.avail, q->shown_at, q->shown, w);
}
