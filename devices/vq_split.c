/* SPDX-License-Identifier: Apache-2.0 */
/* The split layout (virtio 1.2, 2.7). vq_split_X() is vq_X() of devices/vq.h. */
#include <assert.h>
#include <errno.h>
#include <linux/virtio_ring.h>

#include "devices/virtio_provoke.h"
#include "devices/virtio_watch.h"
#include "devices/vq_ring.h"

/*
 * The rings as they lie in guest memory (virtio 1.2, 2.7.5, 2.7.6, 2.7.8). The driver may write to all
 * of it at any moment. Packed, because an indirect table may lie at any address.
 */
struct vq_desc {
	le64 addr;
	le32 len;
	le16 flags;
	le16 next;
} __attribute__((packed));

struct vq_avail {
	le16 flags;
	le16 idx;
	le16 ring[]; /* num entries, then used_event */
};

struct vq_used {
	le16 flags;
	le16 idx;
	struct vq_used_elem ring[]; /* num entries, then avail_event */
};

_Static_assert(sizeof(struct vq_desc) == 16 && sizeof(struct vq_used_elem) == 8, "virtio 1.2, 2.7");

/* Bytes of the available and the used ring, event words included. */
#define AVAIL_BYTES(num) (sizeof(struct vq_avail) + (size_t)(num) * sizeof(le16) + sizeof(le16))
#define USED_BYTES(num) \
	(sizeof(struct vq_used) + (size_t)(num) * sizeof(struct vq_used_elem) + sizeof(le16))

/* The event words lie behind the last ring entry. */
static const le16 *used_event(const struct vq *q)
{
	return &q->avail->ring[q->num];
}

static le16 *avail_event(const struct vq *q)
{
	void *tail = &q->used->ring[q->num];

	return tail;
}

/* Entries from @from up to @to; both run free. */
static uint16_t distance(uint16_t from, uint16_t to)
{
	return (uint16_t)(to - from);
}

int vq_split_check(const struct gmem *m, const struct vq_addr *a)
{
	if (a->num == 0 || a->num > VQ_NUM_MAX || (a->num & (a->num - 1)) != 0)
		return -EINVAL;
	if (a->desc % VRING_DESC_ALIGN_SIZE != 0 || a->avail % VRING_AVAIL_ALIGN_SIZE != 0 ||
	    a->used % VRING_USED_ALIGN_SIZE != 0)
		return -EINVAL;
	if (!gmem_ptr(m, a->desc, a->num * sizeof(struct vq_desc)) ||
	    !gmem_ptr(m, a->avail, AVAIL_BYTES(a->num)) ||
	    !gmem_ptr(m, a->used, USED_BYTES(a->num)))
		return -EFAULT;
	return 0;
}

void vq_split_start(struct vq *q, const struct vq_addr *a)
{
	q->desc = gmem_ptr(q->mem, a->desc, a->num * sizeof(struct vq_desc));
	q->avail = gmem_ptr(q->mem, a->avail, AVAIL_BYTES(a->num));
	q->used = gmem_ptr(q->mem, a->used, USED_BYTES(a->num));
}

uint32_t vq_split_position(const struct vq *q)
{
	return q->next_avail;
}

int vq_split_resume(struct vq *q, uint32_t position)
{
	/* Acquire: partner is the store of whoever served the queue, on another CPU. */
	const uint16_t used = vq_load_acquire(&q->used->idx);

	if (position > UINT16_MAX || distance(used, (uint16_t)position) > q->num)
		return vq_broken(q, "used index and next request do not fit together");
	q->next_avail = q->seen_avail = (uint16_t)position;
	q->next_used = q->published = q->judged = used;
	return 0;
}

/* Read the available index. 1 there is work; 0 none; -EPROTO. */
static int look(struct vq *q)
{
	uint16_t idx, waiting, outstanding;

	if (q->num == 0)
		return 0;
	/*
	 * Acquire: entries and descriptors are read after the index. Partner: the barrier of the
	 * driver before it writes the index (virtio 1.2, 2.7.13.3.1).
	 */
	idx = vq_load_acquire(&q->avail->idx);
	waiting = distance(q->next_avail, idx);
	if (unlikely(q->watch) && waiting)
		vq_watch_avail(q->watch, q->next_avail, idx);
	outstanding = distance(q->published, q->next_avail);
	if (unlikely(waiting > q->num - outstanding))
		return vq_broken(q, "more requests than the ring has entries");
	q->seen_avail = idx;
	return waiting != 0;
}

/* A descriptor in our memory and byte order. */
struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

/* Each field is read exactly once: what the driver does to it afterwards does not reach us. */
static struct desc desc_copy(const volatile struct vq_desc *d)
{
	return (struct desc){
		.addr = le64toh(d->addr.raw),
		.len = le32toh(d->len.raw),
		.flags = le16toh(d->flags.raw),
		.next = le16toh(d->next.raw),
	};
}

/* Where next descriptors are looked up: the ring's own table, then perhaps an indirect one. */
struct table {
	const struct vq_desc *desc;
	unsigned nr;
	bool indirect;
};

/* Go on in the table that @d points to (virtio 1.2, 2.7.5.3; its WRITE flag means nothing). */
static const char *enter_table(const struct vq *q, const struct desc *d, struct table *t)
{
	const void *table = NULL;
	const char *why;

	if (t->indirect)
		return "indirect table inside an indirect table";
	if (d->flags & VRING_DESC_F_NEXT)
		return "descriptor with both INDIRECT and NEXT";
	why = vq_find_table(q, d->addr, d->len, &table, &t->nr);
	t->desc = table;
	t->indirect = true;
	return why;
}

/*
 * Walk the chain at @at and fill @c. NULL or the broken rule. Ends always: a chain that takes more
 * steps in a table than that has entries goes round in it, and only the ring's own table can lead to
 * another one. Ring and table together: at most VQ_NUM_MAX buffers.
 */
static const char *walk(struct vq *q, struct vq_chain *c, unsigned at)
{
	struct table t = {.desc = q->desc, .nr = q->num};
	unsigned left = q->num;

	while (left > 0) {
		const struct desc d = desc_copy(&t.desc[at]);
		const bool indirect = d.flags & VRING_DESC_F_INDIRECT;
		const char *why;

		c->entries += !t.indirect;
		why = indirect ? enter_table(q, &d, &t)
		               : vq_add_buffer(q, c, d.addr, d.len, d.flags & VRING_DESC_F_WRITE);
		if (unlikely(why))
			return why;
		if (indirect) {
			at = 0;
			left = min_u32(t.nr, VQ_NUM_MAX - (c->entries - 1));
			continue;
		}
		if (!(d.flags & VRING_DESC_F_NEXT))
			return NULL;
		at = d.next;
		if (unlikely(at >= t.nr))
			return t.indirect ? "next descriptor outside its indirect table"
			                  : "next descriptor outside the ring";
		left--;
	}
	return t.indirect ? "chain too long, or a loop in its indirect table"
	                  : "chain longer than the ring, or a loop";
}

int vq_split_pop(struct vq *q, struct vq_chain *c)
{
	const char *why;
	uint16_t head;

	if (q->next_avail == q->seen_avail) {
		int rc = look(q);

		if (rc <= 0)
			return rc;
	}
	head = vq_load_relaxed(&q->avail->ring[q->next_avail & (q->num - 1u)]);
	if (unlikely(head >= q->num))
		return vq_broken(q, "available entry names a descriptor outside the ring");
	c->nr_out = c->nr_in = c->entries = 0;
	c->out_len = c->in_len = 0;
	c->head = head;
	why = walk(q, c, head);
	if (unlikely(why))
		return vq_broken(q, why);
	if (unlikely(c->nr_out + c->nr_in > c->room))
		return -ENOBUFS;
	q->next_avail++;
	return 1;
}

bool vq_split_waiting(const struct vq *q)
{
	if (q->num == 0)
		return false;
	return q->next_avail != q->seen_avail || vq_load_relaxed(&q->avail->idx) != q->next_avail;
}

void vq_split_unpop(struct vq *q, unsigned n)
{
	const uint16_t in_flight = distance(q->next_used, q->next_avail);

	if (q->num == 0)
		return;
	assert(n <= in_flight);
	q->next_avail = (uint16_t)(q->next_avail - n);
}

void vq_split_push(struct vq *q, uint16_t head, uint32_t written)
{
	if (q->num == 0)
		return;
	assert(q->next_used != q->next_avail);
	/* With IN_ORDER as well: an entry is one store, and one that is left out saves no more than that. */
	q->used->ring[q->next_used & (q->num - 1u)] =
		(struct vq_used_elem){.id = le32_of(head), .len = le32_of(written)};
	q->next_used++;
}

/* How far the index is to go, and how much further it is to claim. */
static uint16_t provoked(struct vq *q, uint16_t *lie)
{
	struct vq_batch b = {
		.vq = q,
		.entry = q->used->ring,
		.num = q->num,
		.from = q->published,
		.to = q->next_used,
	};

	q->provoke->publish(q->provoke, &b);
	q->content = b.content;
	*lie = b.lie;
	return b.to;
}

void vq_split_publish(struct vq *q)
{
	uint16_t to = q->next_used, lie = 0;

	if (q->published == to)
		return;
	if (unlikely(q->provoke))
		to = provoked(q, &lie);
	if (unlikely(q->watch) && to != q->published)
		vq_watch_used(q->watch, q->published, to);
	/*
	 * Release: buffers and used entries are complete before the index (virtio 1.2, 2.7.8.2).
	 * Partner: the read barrier of the driver after it has read the index.
	 */
	vq_store_release(&q->used->idx, (uint16_t)(to + lie));
	q->published = to;
}

bool vq_split_want_interrupt(struct vq *q)
{
	const uint16_t old = q->judged;
	uint16_t word;
	bool yes;

	if (q->published == old)
		return false;
	q->judged = q->published;
	/*
	 * The index is written before flags or used_event are read. Partner: the barrier of the driver
	 * between writing these and looking at the used index once more (virtio 1.2, 2.7.14).
	 */
	vq_full_fence(&q->used->idx);
	word = vq_load_relaxed(q->event_idx ? used_event(q) : &q->avail->flags);
	/* Has the index stepped over used_event? Modulo 2^16, on which vring_need_event() agrees. */
	yes = q->event_idx ? vring_need_event(word, q->published, old)
	                   : !(word & VRING_AVAIL_F_NO_INTERRUPT);
	if (unlikely(q->watch))
		vq_watch_wish(q->watch, word, yes);
	return yes;
}

void vq_split_kicks_off(struct vq *q)
{
	if (unlikely(q->provoke)) {
		struct vq_quiet words = {.flags = q->event_idx ? 0 : VRING_USED_F_NO_NOTIFY,
		                         .event = vq_load_relaxed(avail_event(q)),
		                         .next_avail = q->next_avail};

		q->provoke->kicks_off(q->provoke, &words);
		vq_store_relaxed(&q->used->flags, words.flags);
		vq_store_relaxed(avail_event(q), words.event);
		return;
	}
	/* With EVENT_IDX avail_event just stays behind, and flags must be 0 (virtio 1.2, 2.7.10.2). */
	if (q->num != 0 && !q->event_idx)
		vq_store_relaxed(&q->used->flags, VRING_USED_F_NO_NOTIFY);
}

bool vq_split_kicks_on(struct vq *q)
{
	le16 *word;

	if (q->num == 0)
		return false;
	if (vq_split_waiting(q))
		return true;
	word = q->event_idx ? avail_event(q) : &q->used->flags;
	vq_store_relaxed(word, q->event_idx ? q->next_avail : 0);
	/*
	 * Our wish is written before the index is read again. Partner: the barrier of the driver
	 * between writing the index and reading flags or avail_event (virtio 1.2, 2.7.13.4.1).
	 */
	vq_full_fence(word);
	return vq_load_relaxed(&q->avail->idx) != q->next_avail;
}

bool vq_split_kicks_after(struct vq *q, unsigned entries)
{
	if (q->num == 0 || !q->event_idx)
		return false;
	vq_store_relaxed(avail_event(q), u16_of((q->next_avail + entries - 1) & UINT16_MAX));
	vq_full_fence(avail_event(q)); /* as in vq_split_kicks_on() */
	return u16_of((vq_load_relaxed(&q->avail->idx) - q->next_avail) & UINT16_MAX) >= entries;
}

/* ---- for who provokes */

int vq_split_second(const struct vq *q, uint32_t head)
{
	struct desc d;

	if (head >= q->num)
		return -ENOENT;
	d = desc_copy(&q->desc[head]);
	return (d.flags & VRING_DESC_F_NEXT) && !(d.flags & VRING_DESC_F_INDIRECT) &&
	                       d.next < q->num
	               ? d.next
	               : -ENOENT;
}

/* All of a chain, as far as that is not known: what stands there the driver may have changed. */
static void note_chain(const struct vq *q, struct vq_ids *s, uint32_t head, enum vq_id state)
{
	int at = head < q->num ? (int)head : -ENOENT;

	while (at >= 0 && vq_ids_note(s, (unsigned)at, state))
		at = vq_split_second(q, (uint32_t)at);
}

/* Each one that was offered is used, waits to be shown, or has not been taken. */
bool vq_split_ids(const struct vq *q, struct vq_ids *s)
{
	/* Acquire: as look(). */
	const uint16_t idx = q->num ? vq_load_acquire(&q->avail->idx) : 0;
	const uint16_t untaken = distance(q->next_avail, idx);

	if (q->num == 0 || q->next_used != q->next_avail)
		return false;
	for (uint16_t i = 1; i <= q->num; i++)
		note_chain(q, s, vq_load_relaxed(&q->avail->ring[(uint16_t)(idx - i) % q->num]),
		           i <= untaken ? VQ_ID_BUSY : VQ_ID_SEEN);
	for (uint16_t i = q->published; i != q->next_used; i++)
		note_chain(q, s, le32toh(q->used->ring[i % q->num].id.raw), VQ_ID_BUSY);
	return true;
}
