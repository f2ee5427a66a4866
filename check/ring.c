/* SPDX-License-Identifier: Apache-2.0 */
/* Split rings (virtio 1.2, 2.7): what a driver has offered, at the moment at which the device finds it. */
#include <inttypes.h>
#include <linux/virtio_ring.h>
#include <string.h>
#include <sys/uio.h>

#include "check/state.h"
#include "vmm/core/gmem.h"
#include "vmm/core/le.h"

/* Of a queue that is served, hence aligned. The driver, or the device on another thread, may write it just now. */
static bool word_at(const struct check_queue *q, gpa_t at, uint16_t *out)
{
	const uint16_t *word = q->served ? gmem_ptr(q->c->dev.mem, at, sizeof(*word)) : NULL;

	if (word)
		*out = le16toh(__atomic_load_n(word, __ATOMIC_RELAXED));
	return word != NULL;
}

bool ring_avail_word(const struct check_queue *q, unsigned word, uint16_t *out)
{
	return word_at(q, q->addr.avail + 2 * (gpa_t)word, out);
}

bool ring_used_word(const struct check_queue *q, unsigned word, uint16_t *out)
{
	return word_at(q, q->addr.used + 2 * (gpa_t)word, out);
}

static bool in_memory(const struct check_queue *q, gpa_t at, uint64_t len)
{
	struct iovec iov[GMEM_MAX_REGIONS];

	return len > 0 && len <= UINT32_MAX &&
	       gmem_iov(q->c->dev.mem, at, u32_of(len), iov, ARRAY_SIZE(iov)) > 0;
}

/* ---- when a queue is handed over */

void ring_ready(struct check_queue *q)
{
	struct check *c = q->c;
	const struct vq_addr *a = &q->addr;
	const uint64_t num = a->num;
	const bool aligned = a->desc % 16 == 0 && a->avail % 2 == 0 && a->used % 4 == 0;
	const bool pow2 = num > 0 && num <= 32768 && (num & (num - 1)) == 0;

	judged(c, "split.align",
	       aligned ? KEPT
	               : broken(c, "queue %u: 0x%" PRIx64 ", 0x%" PRIx64 ", 0x%" PRIx64, q->index,
	                        a->desc, a->avail, a->used));
	judged(c, "split.size-pow2",
	       pow2 ? KEPT : broken(c, "queue %u has %" PRIu64 " entries", q->index, num));
	if (!pow2)
		return;
	judged(c, "split.areas-in-ram",
	       in_memory(q, a->desc, 16 * num) && in_memory(q, a->avail, 6 + 2 * num) &&
	                       in_memory(q, a->used, 6 + 8 * num)
	               ? KEPT
	               : broken(c,
	                        "queue %u of %" PRIu64 " entries: 0x%" PRIx64 ", 0x%" PRIx64
	                        ", 0x%" PRIx64,
	                        q->index, num, a->desc, a->avail, a->used));
}

/* ---- chains */

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

static bool read_desc(const struct check_queue *q, gpa_t table, unsigned i, struct desc *d)
{
	uint8_t raw[16];

	if (gmem_read(q->c->dev.mem, table + 16 * (gpa_t)i, raw, sizeof(raw)) < 0)
		return false;
	*d = (struct desc){get_le64(raw), get_le32(raw + 8), get_le16(raw + 12),
	                   get_le16(raw + 14)};
	return true;
}

static void take_piece(struct check_chain *ch, const struct desc *d)
{
	struct check *c = ch->q->c;
	const unsigned nr = ch->q->index;
	const bool write = d->flags & VRING_DESC_F_WRITE;
	size_t n;

	ch->pieces++;
	judged(c, "split.desc-nonempty",
	       d->len ? KEPT
	              : broken(c, "queue %u, chain %u: piece %u has no bytes", nr, ch->head,
	                       ch->pieces));
	judged(c, "split.readable-before-writable",
	       write || !ch->in_len ? KEPT
	                            : broken(c,
	                                     "queue %u, chain %u: piece %u is for reading, behind "
	                                     "one for writing",
	                                     nr, ch->head, ch->pieces));
	*(write ? &ch->in_len : &ch->out_len) += d->len;
	if (d->len && !in_memory(ch->q, d->addr, d->len)) {
		ch->outside = true;
		judged(c, "split.desc-in-ram",
		       broken(c, "queue %u, chain %u: 0x%" PRIx64 ", %u bytes", nr, ch->head,
		              d->addr, d->len));
		return;
	}
	judged(c, "split.desc-in-ram", keeps(d->len));
	if (write)
		return;
	n = min_size(d->len, sizeof(ch->start) - ch->started);
	if (n > 0 && gmem_read(c->dev.mem, d->addr, ch->start + ch->started, n) == 0)
		ch->started += u32_of(n);
}

/* Judges the flags of @d; false: it cannot be followed. */
static bool flags_fit(struct check_chain *ch, const struct desc *d, bool in_table)
{
	struct check *c = ch->q->c;
	const unsigned nr = ch->q->index;
	const uint16_t known = VRING_DESC_F_NEXT | VRING_DESC_F_WRITE | VRING_DESC_F_INDIRECT;
	const bool indirect = d->flags & VRING_DESC_F_INDIRECT;

	judged(c, "split.desc-flags-known",
	       d->flags & ~known
	               ? broken(c, "queue %u, chain %u: flags 0x%04x", nr, ch->head, d->flags)
	               : KEPT);
	if (!indirect)
		return true;
	judged(c, "indirect.no-nesting",
	       in_table ? broken(c, "queue %u, chain %u: a table in a table", nr, ch->head) : KEPT);
	judged(c, "indirect.negotiated",
	       accepted(c, VIRTIO_RING_F_INDIRECT_DESC)
	               ? KEPT
	               : broken(c, "queue %u, chain %u: a table, and bit 28 was not accepted", nr,
	                        ch->head));
	judged(c, "indirect.no-next",
	       d->flags & VRING_DESC_F_NEXT
	               ? broken(c, "queue %u, chain %u: flags 0x%04x", nr, ch->head, d->flags)
	               : KEPT);
	judged(c, "indirect.table-len",
	       d->len && d->len % 16 == 0 ? KEPT
	                                  : broken(c, "queue %u, chain %u: a table of %u bytes", nr,
	                                           ch->head, d->len));
	return !in_table && d->len && d->len % 16 == 0 && in_memory(ch->q, d->addr, d->len);
}

static enum verdict chain_fits(struct check_chain *ch, unsigned entries)
{
	return entries <= ch->q->addr.num
	               ? KEPT
	               : broken(ch->q->c,
	                        "queue %u, chain %u has more than the %u entries of its ring",
	                        ch->q->index, ch->head, ch->q->addr.num);
}

/* The pieces of the table that @d points to. */
static bool walk_table(struct check_chain *ch, const struct desc *d)
{
	struct check *c = ch->q->c;
	const unsigned nr = d->len / 16;
	unsigned at = 0;

	for (unsigned steps = 0; steps < min_u32(nr, VQ_NUM_MAX); steps++) {
		struct desc p;

		if (!read_desc(ch->q, d->addr, at, &p) || !flags_fit(ch, &p, true) ||
		    (p.flags & VRING_DESC_F_INDIRECT))
			return false;
		take_piece(ch, &p);
		if (!(p.flags & VRING_DESC_F_NEXT)) {
			judged(c, "indirect.next-in-table", KEPT);
			judged(c, "indirect.chain-le-queue-size", chain_fits(ch, ch->pieces));
			return true;
		}
		at = p.next;
		if (at >= nr)
			break;
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
		struct desc d;

		if (!claim(ch, at, ch->entries++ == 0) || !read_desc(q, q->addr.desc, at, &d) ||
		    !flags_fit(ch, &d, false))
			return false;
		if (d.flags & VRING_DESC_F_INDIRECT)
			return walk_table(ch, &d);
		take_piece(ch, &d);
		if (!(d.flags & VRING_DESC_F_NEXT))
			break;
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

static void judge_chain(struct check_queue *q, uint16_t head)
{
	struct check *c = q->c;
	struct check_chain ch = {.q = q, .head = head};

	if (head >= q->addr.num) {
		judged(c, "split.head-in-range",
		       broken(c, "queue %u of %u entries: the available ring names descriptor %u",
		              q->index, q->addr.num, head));
		return;
	}
	judged(c, "split.head-in-range", KEPT);
	q->outstanding++;
	if (!walk(&ch))
		return;
	judged(c, "split.chain-bytes",
	       ch.out_len + ch.in_len <= UINT32_MAX
	               ? KEPT
	               : broken(c, "queue %u, chain %u has %" PRIu64 " bytes", q->index, head,
	                        ch.out_len + ch.in_len));
	net_chain(&ch);
}

/* ---- the index */

/* False: nothing in the ring can be believed. */
static bool index_fits(struct check_queue *q, uint16_t from, uint16_t to)
{
	struct check *c = q->c;
	const uint16_t new = (uint16_t)(to - from), back = (uint16_t)(from - to);

	if (new > q->addr.num && back <= q->addr.num) {
		judged(c, "split.avail-idx-no-decrement",
		       broken(c, "queue %u: the available index was %u and is %u", q->index, from,
		              to));
		return false;
	}
	judged(c, "split.avail-idx-no-decrement", KEPT);
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

	if (!ring_avail_word(q, 0, &flags))
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

void ring_avail(struct check_queue *q, uint16_t from, uint16_t to)
{
	if (!q->served) /* the driver has begun to take it back */
		return;
	judge_flags(q);
	/* The device asks again while what it has found stays where it is. */
	if (q->looked == to)
		return;
	from = q->looked;
	if (!index_fits(q, from, to))
		return;
	for (uint16_t i = from; i != to; i++) {
		uint16_t head;

		if (ring_avail_word(q, 2 + (i & (q->addr.num - 1)), &head))
			judge_chain(q, head);
	}
	q->looked = to;
	if ((uint16_t)(q->kicked - to) > q->addr.num) /* long passed: kicks are not asked for */
		q->kicked = to;
}

static void release(struct check_queue *q, uint32_t head)
{
	if (head >= q->addr.num || q->owner[head] != head)
		return;
	for (unsigned i = 0; i < q->addr.num; i++)
		if (q->owner[i] == head)
			q->owner[i] = NO_OWNER;
}

void ring_used(struct check_queue *q, uint16_t from, uint16_t to)
{
	if (!q->served) /* a reset is on its way */
		return;
	for (uint16_t i = from; i != to; i++) {
		const gpa_t at = q->addr.used + 4 + 8 * (gpa_t)(i & (q->addr.num - 1));
		uint8_t raw[4];

		if (gmem_read(q->c->dev.mem, at, raw, sizeof(raw)) == 0)
			release(q, get_le32(raw));
		if (q->outstanding > 0)
			q->outstanding--;
	}
	q->shown = to;
	(void)ring_avail_word(q, 1, &q->avail_at_used);
}
