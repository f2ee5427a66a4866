/* SPDX-License-Identifier: Apache-2.0 */
/* What is the same in both layouts of a ring, and the choice between them. */
#include "check/ring.h"

#include <inttypes.h>
#include <string.h>
#include <sys/uio.h>

#include "vmm/core/gmem.h"
#include "vmm/core/le.h"

#define TABLE_MAX (VQ_NUM_MAX * 16) /* bytes of a table that are looked at */

static bool is_packed(const struct check_queue *q)
{
	return accepted(q->c, VIRTIO_F_RING_PACKED);
}

/* ---- guest memory */

bool ring_word(const struct check_queue *q, gpa_t at, uint16_t *out)
{
	/* Of a queue that is served, hence aligned. Acquire: what the driver wrote before is there, too. */
	const uint16_t *word = q->served ? gmem_ptr(q->c->dev.mem, at, sizeof(*word)) : NULL;

	if (word)
		*out = le16toh(__atomic_load_n(word, __ATOMIC_ACQUIRE));
	return word != NULL;
}

bool ring_in_memory(const struct check_queue *q, gpa_t at, uint64_t len)
{
	struct iovec iov[GMEM_MAX_REGIONS];

	return len > 0 && len <= UINT32_MAX &&
	       gmem_iov(q->c->dev.mem, at, u32_of(len), iov, ARRAY_SIZE(iov)) > 0;
}

struct area {
	gpa_t at;
	uint64_t len;
};

/* Without the words behind the rings, about which split.used-tail-allocated is. */
static void areas_of(const struct check_queue *q, struct area out[3])
{
	const struct vq_addr *a = &q->addr;
	const bool packed = is_packed(q);

	out[0] = (struct area){a->desc, 16 * (uint64_t)a->num};
	out[1] = (struct area){a->avail, packed ? 4 : 4 + 2 * (uint64_t)a->num};
	out[2] = (struct area){a->used, packed ? 4 : 4 + 8 * (uint64_t)a->num};
}

static bool share(const struct check_queue *q, const struct check_queue *other)
{
	struct area a[3], b[3];

	areas_of(q, a);
	areas_of(other, b);
	for (unsigned i = 0; i < ARRAY_SIZE(a); i++)
		for (unsigned k = 0; k < ARRAY_SIZE(b); k++)
			if (ring_in_memory(other, b[k].at, b[k].len) &&
			    !ring_apart(a[i].at, a[i].len, b[k].at, b[k].len))
				return true;
	return false;
}

const struct check_queue *ring_shared_with(const struct check_queue *q)
{
	for (unsigned i = 0; i < q->c->dev.nr_queues; i++) {
		const struct check_queue *other = &q->c->queue[i];

		if (other != q && other->ready && share(q, other))
			return other;
	}
	return NULL;
}

void ring_outside(struct check_queue *q, const char *what, gpa_t at)
{
	if (!accepted(q->c, VIRTIO_F_ACCESS_PLATFORM))
		judged(q->c, "feat.physical-addresses",
		       broken(q->c, "queue %u: %s, at 0x%" PRIx64 ", is not in memory", q->index,
		              what, at));
}

bool ring_is_zero(const struct check_queue *q, gpa_t at, uint64_t len)
{
	uint8_t part[256];

	while (len > 0) {
		const size_t n = min_size(len, sizeof(part));

		if (gmem_read(q->c->dev.mem, at, part, n) < 0)
			return false;
		for (size_t i = 0; i < n; i++)
			if (part[i])
				return false;
		at += n;
		len -= n;
	}
	return true;
}

/* ---- descriptors */

static struct ring_desc desc_of(const struct check_queue *q, const uint8_t raw[16])
{
	const uint16_t a = get_le16(raw + 12), b = get_le16(raw + 14);
	struct ring_desc d = {.addr = get_le64(raw), .len = get_le32(raw + 8)};

	if (is_packed(q)) {
		d.id = a;
		d.flags = b;
	} else {
		d.flags = a;
		d.next = b;
	}
	return d;
}

bool ring_read_desc(const struct check_queue *q, gpa_t table, unsigned i, struct ring_desc *d)
{
	uint8_t raw[16];

	if (gmem_read(q->c->dev.mem, table + 16 * (gpa_t)i, raw, sizeof(raw)) < 0)
		return false;
	*d = desc_of(q, raw);
	return true;
}

bool ring_take_desc(struct check_queue *q, unsigned i, struct ring_desc *d)
{
	if (gmem_read(q->c->dev.mem, q->addr.desc + 16 * (gpa_t)i, q->copy[i], 16) < 0)
		return false;
	*d = desc_of(q, q->copy[i]);
	return true;
}

bool ring_unchanged(const struct check_queue *q, unsigned i, size_t n)
{
	uint8_t raw[16];

	return gmem_read(q->c->dev.mem, q->addr.desc + 16 * (gpa_t)i, raw, n) < 0 ||
	       memcmp(raw, q->copy[i], n) == 0;
}

enum verdict ring_changed(struct check_queue *q, unsigned i)
{
	const struct ring_desc old = desc_of(q, q->copy[i]);
	struct ring_desc now = {0};

	ring_read_desc(q, q->addr.desc, i, &now);
	return broken(q->c,
	              "queue %u: descriptor %u, which the device has, was 0x%" PRIx64
	              ", %u bytes, flags 0x%04x, and is 0x%" PRIx64 ", %u bytes, flags 0x%04x",
	              q->index, i, old.addr, old.len, old.flags, now.addr, now.len, now.flags);
}

/* ---- chains */

bool chain_flags(struct check_chain *ch, const struct ring_desc *d)
{
	struct check *c = ch->q->c;
	const struct ring_rules *r = ch->rules;
	const unsigned nr = ch->q->index;

	judged(c, r->flags,
	       d->flags & ~r->known_flags
	               ? broken(c, "queue %u, chain %u: flags 0x%04x", nr, ch->head, d->flags)
	               : KEPT);
	if (!(d->flags & VRING_DESC_F_INDIRECT))
		return true;
	judged(c, r->negotiated,
	       accepted(c, VIRTIO_RING_F_INDIRECT_DESC)
	               ? KEPT
	               : broken(c, "queue %u, chain %u: a table, and bit 28 was not accepted", nr,
	                        ch->head));
	judged(c, r->alone,
	       d->flags & VRING_DESC_F_NEXT
	               ? broken(c, "queue %u, chain %u: flags 0x%04x", nr, ch->head, d->flags)
	               : KEPT);
	judged(c, "indirect.table-len",
	       d->len && d->len % 16 == 0 ? KEPT
	                                  : broken(c, "queue %u, chain %u: a table of %u bytes", nr,
	                                           ch->head, d->len));
	if (d->len == 0 || d->len % 16)
		return false;
	if (ring_in_memory(ch->q, d->addr, d->len))
		return true;
	judged(c, r->in_ram,
	       broken(c, "queue %u, chain %u: a table of %u bytes at 0x%" PRIx64, nr, ch->head,
	              d->len, d->addr));
	ring_outside(ch->q, "a table", d->addr);
	return false;
}

void chain_piece(struct check_chain *ch, const struct ring_desc *d)
{
	struct check *c = ch->q->c;
	const unsigned nr = ch->q->index;
	const bool write = d->flags & VRING_DESC_F_WRITE;
	size_t n;

	if (ch->pieces < ARRAY_SIZE(ch->len))
		ch->len[ch->pieces] = d->len;
	ch->pieces++;
	judged(c, ch->rules->nonempty,
	       d->len ? KEPT
	              : broken(c, "queue %u, chain %u: piece %u has no bytes", nr, ch->head,
	                       ch->pieces));
	judged(c, ch->rules->order,
	       write || !ch->in_len ? KEPT
	                            : broken(c,
	                                     "queue %u, chain %u: piece %u is for reading, behind "
	                                     "one for writing",
	                                     nr, ch->head, ch->pieces));
	*(write ? &ch->in_len : &ch->out_len) += d->len;
	if (d->len && !ring_in_memory(ch->q, d->addr, d->len)) {
		ch->outside = true;
		judged(c, ch->rules->in_ram,
		       broken(c, "queue %u, chain %u: 0x%" PRIx64 ", %u bytes", nr, ch->head,
		              d->addr, d->len));
		return;
	}
	judged(c, ch->rules->in_ram, keeps(d->len));
	if (write)
		return;
	n = min_size(d->len, sizeof(ch->start) - ch->started);
	if (n > 0 && gmem_read(c->dev.mem, d->addr, ch->start + ch->started, n) == 0)
		ch->started += u32_of(n);
}

/* Different bytes, different sum: nearly always, which is enough to find a mistake that is made at every table. */
uint64_t ring_sum(const struct check_queue *q, gpa_t at, uint32_t len)
{
	uint64_t sum = len;
	uint8_t raw[16];

	for (len = min_u32(len, TABLE_MAX); len >= sizeof(raw); len -= 16, at += 16) {
		if (gmem_read(q->c->dev.mem, at, raw, sizeof(raw)) < 0)
			break;
		sum = (sum ^ get_le64(raw)) * UINT64_C(0x9e3779b97f4a7c15);
		sum = (sum ^ sum >> 29 ^ get_le64(raw + 8)) * UINT64_C(0xbf58476d1ce4e5b9);
	}
	return sum;
}

void chain_remember_table(const struct check_chain *ch, const struct ring_desc *d,
                          struct check_list *l)
{
	l->table = d->addr;
	l->table_len = d->len;
	l->table_sum = ring_sum(ch->q, d->addr, d->len);
}

void chain_limit(struct check_chain *ch)
{
	struct check *c = ch->q->c;

	judged(c, ch->rules->limit,
	       ch->pieces <= ch->q->addr.num
	               ? KEPT
	               : broken(c, "queue %u, chain %u has more than the %u entries of its ring",
	                        ch->q->index, ch->head, ch->q->addr.num));
}

void chain_end(struct check_chain *ch)
{
	net_chain(ch);
}

void chain_back(struct check_queue *q, const struct check_list *l)
{
	if (l->table_len == 0)
		return;
	judged(q->c, "indirect.table-stable",
	       ring_sum(q, l->table, l->table_len) == l->table_sum
	               ? KEPT
	               : broken(q->c,
	                        "queue %u: the table of %u bytes at 0x%" PRIx64
	                        " has changed while the device had it",
	                        q->index, l->table_len, l->table));
}

/* ---- both layouts */

void ring_ready(struct check_queue *q)
{
	if (is_packed(q))
		packed_ready(q);
	else
		split_ready(q);
}

void ring_served(struct check_queue *q)
{
	state_forget_ring(q);
	if (is_packed(q))
		packed_served(q);
}

void ring_avail(struct check_queue *q, unused uint16_t from, uint16_t to)
{
	const uint16_t looked = q->looked;

	if (!q->served) /* the driver has begun to take it back */
		return;
	if (is_packed(q))
		packed_avail(q);
	else
		split_avail(q, to);
	q->offered |= q->looked != looked;
	q->c->answered |= q->c->received && q->looked != looked;
	q->most = q->outstanding > q->most ? q->outstanding : q->most;
	if ((uint16_t)(q->kicked - q->looked) >
	    q->addr.num) /* long passed: kicks are not asked for */
		q->kicked = q->looked;
}

void ring_used(struct check_queue *q, uint16_t from, uint16_t to)
{
	const uint16_t before = q->shown;

	if (!q->served) /* a reset is on its way */
		return;
	if (is_packed(q))
		packed_used(q, from, to);
	else
		split_used(q, from, to);
	q->c->used_last = u16_of(q->index);
	stall_at_used(q, before);
}

bool ring_offered(const struct check_queue *q, uint16_t *avail)
{
	/* What is not served has been judged by nobody. */
	if (!q->served)
		return false;
	return is_packed(q) ? packed_offered(q, avail) : split_offered(q, avail);
}

bool ring_position(const struct check_queue *q, uint16_t code, uint16_t avail, uint16_t *out)
{
	*out = code; /* split: all of the index */
	return !is_packed(q) || packed_position(q, code, avail, out);
}

bool ring_device_wish(const struct check_queue *q, struct ring_wish *w)
{
	return is_packed(q) ? packed_device_wish(q, w) : split_device_wish(q, w);
}

bool ring_driver_wish(const struct check_queue *q, struct ring_wish *w)
{
	return is_packed(q) ? packed_driver_wish(q, w) : split_driver_wish(q, w);
}

void ring_recheck(struct check_queue *q, bool end)
{
	if (is_packed(q))
		packed_recheck(q, end);
	else
		split_recheck(q, end);
}

const char *ring_unmarked(const struct check_queue *q)
{
	return is_packed(q) ? packed_unmarked(q) : NULL;
}
