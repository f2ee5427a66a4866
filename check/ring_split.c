/* SPDX-License-Identifier: Apache-2.0 */
/* Split rings (virtio 1.2, 2.7): what a driver has offered, at the moment at which the device finds it. */
#include <inttypes.h>
#include <linux/virtio_ring.h>

#include "check/ring.h"
#include "vmm/core/gmem.h"
#include "vmm/core/le.h"

#define PIECES_MANY 64u

const struct ring_rules split_rules = {
	.nonempty = "split.desc-nonempty",
	.order = "split.readable-before-writable",
	.in_ram = "split.desc-in-ram",
	.flags = "split.desc-flags-known",
	.negotiated = "indirect.negotiated",
	.alone = "indirect.no-next",
	.limit = "indirect.chain-le-queue-size",
	.known_flags = VRING_DESC_F_NEXT | VRING_DESC_F_WRITE | VRING_DESC_F_INDIRECT,
};

enum { FLAGS, IDX, RING }; /* words of both rings; behind RING entries their event */

static bool avail_word(const struct check_queue *q, unsigned word, uint16_t *out)
{
	return ring_word(q, q->addr.avail + 2 * (gpa_t)word, out);
}

static bool used_word(const struct check_queue *q, unsigned word, uint16_t *out)
{
	return ring_word(q, q->addr.used + 2 * (gpa_t)word, out);
}

/* ---- when a queue is handed over */

/* The used ring is the device's: whatever stands in it is from before. The index of the other one may only count. */
static void judge_first_words(struct check_queue *q)
{
	struct check *c = q->c;
	const struct vq_addr *a = &q->addr;
	uint8_t avail[4], used[4];

	if (gmem_read(c->dev.mem, a->avail, avail, 4) < 0 ||
	    gmem_read(c->dev.mem, a->used, used, 4) < 0)
		return;
	judged(c, "notif.used-flags-init-0",
	       get_le16(used) == 0 ? KEPT
	                           : broken(c, "queue %u: the flags of the used ring are 0x%04x",
	                                    q->index, get_le16(used)));
	judged(c, "split.mem-zeroed",
	       ring_is_zero(q, a->used, 6 + 8 * (uint64_t)a->num)
	               ? KEPT
	               : broken(c,
	                        "queue %u: there is something in the used ring, whose index is %u",
	                        q->index, get_le16(used + 2)));
	judged(c, "split.avail-idx-start-0",
	       get_le16(avail + 2) <= a->num && get_le16(used + 2) == 0
	               ? KEPT
	               : broken(c,
	                        "queue %u of %u entries: the indices are %u, available, and %u, "
	                        "used",
	                        q->index, a->num, get_le16(avail + 2), get_le16(used + 2)));
}

/* Is one of the words behind the rings of @a, which belong to them with EVENT_IDX and without, in @b? Then it is at @at. */
static bool tail_in(const struct vq_addr *a, const struct vq_addr *b, gpa_t *at)
{
	const gpa_t tails[] = {a->avail + 4 + 2 * (gpa_t)a->num, a->used + 4 + 8 * (gpa_t)a->num};

	for (unsigned i = 0; i < ARRAY_SIZE(tails); i++) {
		*at = tails[i];
		if (!ring_apart(b->desc, 16 * (uint64_t)b->num, *at, 2) ||
		    !ring_apart(b->avail, 6 + 2 * (uint64_t)b->num, *at, 2) ||
		    !ring_apart(b->used, 6 + 8 * (uint64_t)b->num, *at, 2))
			return true;
	}
	return false;
}

/* Whichever of two queues came first: it may be the tail of either. */
static void judge_tails(struct check_queue *q)
{
	struct check *c = q->c;

	for (unsigned i = 0; i < c->dev.nr_queues; i++) {
		const struct check_queue *other = &c->queue[i];
		bool mine;
		gpa_t at;

		if (i == q->index || !other->ready || other->addr.num > 32768)
			continue;
		mine = tail_in(&q->addr, &other->addr, &at);
		if (!mine && !tail_in(&other->addr, &q->addr, &at))
			continue;
		judged(c, "split.used-tail-allocated",
		       broken(c,
		              "queue %u of %u entries: its event, at 0x%" PRIx64 ", is in queue %u",
		              mine ? q->index : i, mine ? q->addr.num : other->addr.num, at,
		              mine ? i : q->index));
		return;
	}
	judged(c, "split.used-tail-allocated", KEPT);
}

void split_ready(struct check_queue *q)
{
	struct check *c = q->c;
	const struct vq_addr *a = &q->addr;
	const uint64_t num = a->num, desc = 16 * num, avail = 6 + 2 * num, used = 6 + 8 * num;
	const bool aligned = a->desc % 16 == 0 && a->avail % 2 == 0 && a->used % 4 == 0;
	const bool pow2 = num > 0 && num <= 32768 && (num & (num - 1)) == 0;
	const struct check_queue *other;
	bool inside, fits;

	judged(c, "split.align",
	       aligned ? KEPT
	               : broken(c, "queue %u: 0x%" PRIx64 ", 0x%" PRIx64 ", 0x%" PRIx64, q->index,
	                        a->desc, a->avail, a->used));
	judged(c, "split.size-pow2",
	       pow2 ? KEPT : broken(c, "queue %u has %" PRIu64 " entries", q->index, num));
	if (!pow2)
		return;
	inside = ring_in_memory(q, a->desc, desc) && ring_in_memory(q, a->avail, avail) &&
	         ring_in_memory(q, a->used, used);
	fits = inside && ring_apart(a->desc, desc, a->avail, avail) &&
	       ring_apart(a->avail, avail, a->used, used) &&
	       ring_apart(a->desc, desc, a->used, used);
	judged(c, "split.areas-in-ram",
	       fits ? KEPT
	            : broken(c,
	                     "queue %u of %" PRIu64 " entries: 0x%" PRIx64 ", 0x%" PRIx64
	                     ", 0x%" PRIx64,
	                     q->index, num, a->desc, a->avail, a->used));
	if (!inside)
		ring_outside(q, "one of its three parts, the first of which is", a->desc);
	if (!fits)
		return;
	other = ring_shared_with(q);
	if (other)
		judged(c, "split.areas-in-ram",
		       broken(c, "queue %u has memory that queue %u has, too", q->index,
		              other->index));
	judge_tails(q);
	judge_first_words(q);
}

/* ---- chains */

/* With IN_ORDER what follows entry @at of @nr is the next one. */
static void judge_sequence(struct check_chain *ch, const char *id, unsigned at, unsigned nr,
                           const struct ring_desc *d)
{
	struct check *c = ch->q->c;

	if (!accepted(c, VIRTIO_F_IN_ORDER) || !(d->flags & VRING_DESC_F_NEXT))
		return;
	judged(c, id,
	       d->next == (at + 1) % nr ? KEPT
	                                : broken(c, "queue %u, chain %u: %u follows entry %u of %u",
	                                         ch->q->index, ch->head, d->next, at, nr));
}

/* One entry of a table; false: it cannot be followed. */
static bool take_entry(struct check_chain *ch, const struct ring_desc *p)
{
	struct check *c = ch->q->c;
	const bool table = p->flags & VRING_DESC_F_INDIRECT;

	judged(c, "split.desc-flags-known",
	       p->flags & ~split_rules.known_flags ? broken(c, "queue %u, chain %u: flags 0x%04x",
	                                                    ch->q->index, ch->head, p->flags)
	                                           : KEPT);
	judged(c, "indirect.no-nesting",
	       table ? broken(c, "queue %u, chain %u: a table in a table", ch->q->index, ch->head)
	             : KEPT);
	if (!table)
		chain_piece(ch, p);
	return !table;
}

/* The pieces of the table that @d points to. */
static bool walk_table(struct check_chain *ch, const struct ring_desc *d)
{
	struct check *c = ch->q->c;
	const unsigned nr = d->len / 16;
	unsigned at = 0;

	for (unsigned steps = 0; steps < min_u32(nr, VQ_NUM_MAX); steps++) {
		struct ring_desc p;

		if (!ring_read_desc(ch->q, d->addr, at, &p) || !take_entry(ch, &p))
			return false;
		if (!(p.flags & VRING_DESC_F_NEXT)) {
			judged(c, "indirect.next-in-table", KEPT);
			chain_limit(ch);
			return true;
		}
		/* In a table, too, which has no place to go round to. */
		judge_sequence(ch, "inorder.indirect-seq", at, nr + 1, &p);
		at = p.next;
		if (at >= nr)
			break;
	}
	if (at < nr && nr > VQ_NUM_MAX) { /* so many were there, and another one follows */
		ch->pieces++;
		chain_limit(ch);
		return false;
	}
	judged(c, "indirect.next-in-table",
	       broken(c, "queue %u, chain %u: entry %u follows in a table of %u, or it goes round",
	              ch->q->index, ch->head, at, nr));
	return false;
}

/* Is descriptor @i free for this chain? Then it is its own. */
static bool claim(struct check_chain *ch, uint16_t i, bool first)
{
	struct check *c = ch->q->c;
	const uint16_t owner = ch->q->owner[i];

	if (owner == ch->head && !first) {
		judged(c, "split.no-loop",
		       broken(c, "queue %u, chain %u comes back to descriptor %u", ch->q->index,
		              ch->head, i));
		return false;
	}
	judged(c, "split.head-not-outstanding",
	       owner == NO_OWNER ? KEPT
	                         : broken(c,
	                                  "queue %u: descriptor %u, of the chain at %u, is in the "
	                                  "chain at %u, which the device still has",
	                                  ch->q->index, i, ch->head, owner));
	if (owner != NO_OWNER)
		return false;
	ch->q->owner[i] = ch->head;
	return true;
}

/* False: it could not be followed to its end. */
static bool walk(struct check_chain *ch)
{
	struct check_queue *q = ch->q;
	struct check *c = q->c;
	uint16_t at = ch->head;

	for (;;) {
		struct ring_desc d;

		if (!claim(ch, at, ch->entries++ == 0) || !ring_take_desc(q, at, &d) ||
		    !chain_flags(ch, &d))
			return false;
		if (d.flags & VRING_DESC_F_INDIRECT) {
			chain_remember_table(ch, &d, &q->list[ch->head]);
			return walk_table(ch, &d);
		}
		chain_piece(ch, &d);
		if (!(d.flags & VRING_DESC_F_NEXT))
			break;
		judge_sequence(ch, "inorder.split-next-seq", at, q->addr.num, &d);
		if (d.next >= q->addr.num) {
			judged(c, "split.next-in-range",
			       broken(c, "queue %u, chain %u: descriptor %u of %u follows",
			              q->index, ch->head, d.next, q->addr.num));
			return false;
		}
		judged(c, "split.next-in-range", KEPT);
		at = d.next;
	}
	judged(c, "split.no-loop", KEPT);
	return true;
}

static void judge_turn(struct check_queue *q, uint16_t head)
{
	if (accepted(q->c, VIRTIO_F_IN_ORDER))
		judged(q->c, "inorder.split-ring-order",
		       head == q->in_turn
		               ? KEPT
		               : broken(q->c, "queue %u: a chain begins at %u, and %u was the next",
		                        q->index, head, q->in_turn));
}

static void judge_chain(struct check_queue *q, uint16_t head)
{
	struct check *c = q->c;
	struct check_chain ch = {.q = q, .rules = &split_rules, .head = head};
	bool whole;

	if (head >= q->addr.num) {
		judged(c, "split.head-in-range",
		       broken(c, "queue %u of %u entries: the available ring names descriptor %u",
		              q->index, q->addr.num, head));
		return;
	}
	judged(c, "split.head-in-range", KEPT);
	judge_turn(q, head);
	q->outstanding++;
	q->list[head] = (struct check_list){0};
	whole = walk(&ch);
	early_note(q, head, q->looked);
	q->in_turn = u16_of((head + ch.entries) & (q->addr.num - 1));
	if (!whole)
		return;
	judged(c, "split.chain-bytes",
	       ch.out_len + ch.in_len <= UINT64_C(1) << 32
	               ? KEPT
	               : broken(c, "queue %u, chain %u has %" PRIu64 " bytes", q->index, head,
	                        ch.out_len + ch.in_len));
	judged(c, "split.few-descriptors",
	       ch.pieces <= PIECES_MANY
	               ? KEPT
	               : broken(c, "queue %u, chain %u has %u pieces", q->index, head, ch.pieces));
	chain_end(&ch);
}

/* ---- the index */

/* False: nothing in the ring can be believed. */
static bool index_fits(struct check_queue *q, uint16_t from, uint16_t to)
{
	struct check *c = q->c;
	const uint16_t new = (uint16_t)(to - from), back = (uint16_t)(from - to);

	if (new > q->addr.num && back <= q->addr.num) {
		if (to < q->addr.num && from < q->addr.num)
			judged(c, "split.idx-wraps-16bit",
			       broken(c,
			              "queue %u of %u entries: the available index was %u and is "
			              "%u",
			              q->index, q->addr.num, from, to));
		judged(c, "split.avail-idx-no-decrement",
		       broken(c, "queue %u: the available index was %u and is %u", q->index, from,
		              to));
		return false;
	}
	judged(c, "split.avail-idx-no-decrement", KEPT);
	judged(c, "split.idx-wraps-16bit", keeps(to > q->addr.num));
	if (new > q->addr.num || q->outstanding + new > q->addr.num) {
		judged(c, "split.avail-no-overrun",
		       broken(c, "queue %u of %u entries: %u chains are new, and the device has %u",
		              q->index, q->addr.num, new, q->outstanding));
		return false;
	}
	judged(c, "split.avail-no-overrun", KEPT);
	return true;
}

static void judge_flags(struct check_queue *q)
{
	struct check *c = q->c;
	uint16_t flags;

	if (!avail_word(q, FLAGS, &flags))
		return;
	if (accepted(c, VIRTIO_RING_F_EVENT_IDX))
		judged(c, "event_idx.avail-flags-0",
		       flags == 0 ? KEPT
		                  : broken(c, "queue %u: the flags are 0x%04x", q->index, flags));
	else
		judged(c, "notif.avail-flags-01",
		       flags <= 1 ? KEPT
		                  : broken(c, "queue %u: the flags are 0x%04x", q->index, flags));
}

void split_avail(struct check_queue *q, uint16_t to)
{
	judge_flags(q);
	/* The device asks again while what it has found stays where it is. */
	if (q->looked == to || !index_fits(q, q->looked, to))
		return;
	for (; q->looked != to; q->looked++) {
		uint16_t head;

		if (avail_word(q, RING + (q->looked & (q->addr.num - 1)), &head))
			judge_chain(q, head);
	}
}

/* ---- what the device has */

static void judge_entry(struct check_queue *q, unsigned i)
{
	judged(q->c, "cleanup.no-alter-exposed",
	       ring_unchanged(q, i, 16) ? KEPT : ring_changed(q, i));
}

static void release(struct check_queue *q, uint32_t head)
{
	if (head >= q->addr.num || q->owner[head] != head)
		return;
	for (unsigned i = 0; i < q->addr.num; i++) {
		if (q->owner[i] != head)
			continue;
		judge_entry(q, i);
		q->owner[i] = NO_OWNER;
	}
	chain_back(q, &q->list[head]);
}

/* With IN_ORDER one may stand for several, and then it is the chain that was found in its turn (virtio 1.2, 2.7.9). */
static uint32_t used_head(const struct check_queue *q, uint16_t i)
{
	const unsigned slot = i & (q->addr.num - 1);
	uint8_t raw[4];

	if (accepted(q->c, VIRTIO_F_IN_ORDER))
		return q->early[slot].in_slot;
	return gmem_read(q->c->dev.mem, q->addr.used + 4 + 8 * (gpa_t)slot, raw, sizeof(raw)) == 0
	               ? get_le32(raw)
	               : q->addr.num;
}

void split_used(struct check_queue *q, uint16_t from, uint16_t to)
{
	for (uint16_t i = from; i != to; i++) {
		release(q, used_head(q, i));
		if (q->outstanding > 0)
			q->outstanding--;
	}
	q->shown = to;
}

/* Without EVENT_IDX the device writes nothing there, and the driver may not: whoever does has something else there. */
static void look_at_tail(struct check_queue *q)
{
	uint16_t now;

	if (accepted(q->c, VIRTIO_RING_F_EVENT_IDX) || !used_word(q, RING + 4 * q->addr.num, &now))
		return;
	if (q->tail_known && now != q->tail)
		judged(q->c, "split.used-tail-allocated",
		       broken(q->c,
		              "queue %u of %u entries: the word behind its used ring was 0x%04x "
		              "and is 0x%04x, and the device has not written it",
		              q->index, q->addr.num, q->tail, now));
	q->tail_known = true;
	q->tail = now;
}

/* What the device has when the driver resets it is still what was offered. */
static enum verdict left_alone(struct check_queue *q, uint16_t avail)
{
	if ((uint16_t)(avail - q->looked) > q->addr.num)
		return broken(q->c,
		              "queue %u: the device is reset when the available index is %u "
		              "already, and was %u",
		              q->index, avail, q->looked);
	for (unsigned i = 0; i < q->addr.num; i++)
		if (q->owner[i] != NO_OWNER && !ring_unchanged(q, i, 16))
			return ring_changed(q, i);
	return KEPT;
}

void split_recheck(struct check_queue *q, bool end)
{
	uint16_t avail;

	if (end) {
		for (unsigned i = 0; i < q->addr.num; i++)
			if (q->owner[i] == i)
				chain_back(q, &q->list[i]);
		if (split_offered(q, &avail))
			judged(q->c, "cleanup.reset-before-unexpose", left_alone(q, avail));
		return;
	}
	look_at_tail(q);
	for (unsigned i = 0; i < q->addr.num; i++) {
		if (q->owner[i] == NO_OWNER || ring_unchanged(q, i, 16))
			continue;
		judge_entry(q, i);
		gmem_read(q->c->dev.mem, q->addr.desc + 16 * (gpa_t)i, q->copy[i], 16);
	}
}

/* ---- who wants to hear of whom */

bool split_offered(const struct check_queue *q, uint16_t *avail)
{
	return avail_word(q, IDX, avail);
}

static struct ring_wish wish(const struct check_queue *q, uint16_t flags, uint16_t event)
{
	if (accepted(q->c, VIRTIO_RING_F_EVENT_IDX))
		return (struct ring_wish){WISH_EVENT, event};
	return (struct ring_wish){flags & 1 ? WISH_NONE : WISH_ALL, 0};
}

bool split_device_wish(const struct check_queue *q, struct ring_wish *w)
{
	uint16_t flags, event;

	if (!used_word(q, FLAGS, &flags) || !used_word(q, RING + 4 * q->addr.num, &event))
		return false;
	*w = wish(q, flags, event);
	return true;
}

bool split_driver_wish(const struct check_queue *q, struct ring_wish *w)
{
	uint16_t flags, event;

	if (!avail_word(q, FLAGS, &flags) || !avail_word(q, RING + q->addr.num, &event))
		return false;
	*w = wish(q, flags, event);
	return true;
}
