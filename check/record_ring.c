/* SPDX-License-Identifier: Apache-2.0 */
/* What a split ring has when the device finds it; and chains, of either layout. */
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <string.h>
#include <sys/uio.h>

#include "check/record_priv.h"
#include "devices/virtio.h"
#include "vmm/core/iov.h"
#include "vmm/core/le.h"

/* Bytes of a chain that are kept at most: more than any frame or command has. */
#define MEMORY_MAX KIB(128)
#define PIECE_MAX  KIB(64) /* in one record */

_Static_assert(PIECE_MAX <= TRACE_DATA_MAX && RECORD_DESCS * TRACE_DESC <= TRACE_DATA_MAX,
               "all that is recorded fits into a record");

uint16_t record_word(const struct record_queue *q, gpa_t at)
{
	const uint16_t *word = gmem_ptr(q->d->dev->mem, at, sizeof(*word));

	return word ? le16toh(__atomic_load_n(word, __ATOMIC_RELAXED)) : 0;
}

/* ---- chains; with the lock */

bool record_desc(struct record_walk *w, gpa_t at, bool packed, struct trace_desc *d)
{
	uint8_t *const p = w->q->d->r->desc + (size_t)w->nr * TRACE_DESC;
	struct trace_record t = {.packed = packed, .data = p};
	uint8_t raw[16];

	if (w->nr == RECORD_DESCS || gmem_read(w->q->d->dev->mem, at, raw, sizeof(raw)) < 0)
		return false;
	put_le64(p, at);
	memcpy(p + 8, raw, sizeof(raw));
	w->nr++;
	*d = trace_desc_at(&t, 0);
	return true;
}

/* @len bytes at @addr that the device is to read; @left: how many more are kept of this chain. */
static void put_memory(struct record_queue *q, gpa_t addr, uint32_t len, uint64_t *left)
{
	struct trace_record t = record_of(q->d, TRACE_MEMORY);

	t.queue = q->index;
	len = u32_of(min_u64(len, *left));
	*left -= len;
	while (len > 0) {
		const uint32_t part = min_u32(len, PIECE_MAX);
		struct iovec iov[GMEM_MAX_REGIONS];
		const int n = gmem_iov(q->d->dev->mem, addr, part, iov, ARRAY_SIZE(iov));

		if (n < 0)
			return;
		t.u.addr = addr;
		record_put(q->d, &t, iov, (unsigned)n);
		addr += part;
		len -= part;
	}
}

void record_chain(const struct record_walk *w, uint16_t head, bool packed)
{
	struct record *r = w->q->d->r;
	struct trace_record t = record_of(w->q->d, TRACE_CHAIN);
	uint64_t left = MEMORY_MAX;

	t.queue = w->q->index;
	t.packed = packed;
	t.u.chain.head = head;
	t.u.chain.nr = u16_of(w->nr);
	t.u.chain.cut = w->cut;
	t.data = r->desc;
	record_put(w->q->d, &t, &(struct iovec){r->desc, (size_t)w->nr * TRACE_DESC}, 1);
	record_room_add(w->q, &t);
	for (unsigned i = 0; i < w->nr; i++) {
		const struct trace_desc d = trace_desc_at(&t, i);

		if (!(d.flags & (VRING_DESC_F_WRITE | VRING_DESC_F_INDIRECT)))
			put_memory(w->q, d.addr, d.len, &left);
	}
}

/* Where in guest memory a piece of a chain is. */
static gpa_t place_of(const struct record_device *d, const uint8_t *host)
{
	const struct gmem *m = d->dev->mem;

	for (unsigned i = 0; i < m->nr; i++) {
		const struct gmem_region *r = &m->region[i];

		if (host >= r->host && host < r->host + r->size)
			return r->base + (gpa_t)(host - r->host);
	}
	return 0;
}

/* May a driver write to a buffer while it is being read, as it has been given that back twice? From then on. */
static bool confused(const struct provoke *by)
{
	return by && (provoke_in_force(by, P_USED_TWICE) || provoke_times(by, P_USED_TWICE) > 0);
}

uint8_t *record_copy(struct virtio_watch *w, unsigned queue, const struct iovec *iov, unsigned nr,
                     size_t bytes)
{
	struct record_device *d = container_of(w, struct record_device, watch);
	struct trace_record t = record_of(d, TRACE_MEMORY);
	uint8_t *at;

	if (!confused(d->provoke.by) || queue >= TRACE_QUEUES || bytes == 0 ||
	    bytes > sizeof(d->queue[queue].copy))
		return NULL;
	at = d->queue[queue].copy;
	iov_read(iov, nr, 0, at, bytes);
	t.queue = u16_of(queue);
	trace_lock(d->r->w);
	for (unsigned i = 0; i < nr; at += iov[i++].iov_len) {
		t.u.addr = place_of(d, iov[i].iov_base);
		record_put(d, &t, &(struct iovec){at, iov[i].iov_len}, 1);
	}
	trace_unlock(d->r->w);
	return d->queue[queue].copy;
}

void record_wish(struct vq_watch *w, uint32_t word, bool interrupt)
{
	struct record_queue *q = container_of(w, struct record_queue, watch);
	struct trace_record t = record_of(q->d, TRACE_WISH);

	t.queue = q->index;
	t.packed = q->packed;
	t.u.wish.word = word;
	t.u.wish.interrupt = interrupt;
	record_plain(q->d, &t);
}

/* ---- split */

/*
 * From descriptor @at of the ring on, and on in the table that one of them leads to. As far as it goes: what is wrong
 * with it is the device's to say.
 */
static void walk(struct record_walk *w, uint16_t at)
{
	gpa_t table = w->q->addr.desc;
	uint32_t nr = w->q->addr.num;
	bool in_table = false;
	struct trace_desc d;

	w->cut = true;
	while (at < nr && record_desc(w, table + 16 * (gpa_t)at, false, &d)) {
		if (d.flags & VRING_DESC_F_INDIRECT) {
			if (in_table)
				return;
			in_table = true;
			table = d.addr;
			nr = min_u32(d.len / 16, VQ_NUM_MAX);
			at = 0;
			continue;
		}
		if (!(d.flags & VRING_DESC_F_NEXT)) {
			w->cut = false;
			return;
		}
		at = d.next;
	}
}

/* What the entries that are new name, then that they are there. */
static void put_avail(struct record_queue *q, uint16_t to)
{
	struct record *r = q->d->r;
	const uint16_t mask = u16_of(q->addr.num - 1);
	struct trace_record t = record_of(q->d, TRACE_AVAIL);
	struct iovec heads = {.iov_base = r->heads};

	t.queue = q->index;
	t.u.index.from = q->looked;
	t.u.index.to = to;
	t.u.index.flags = record_word(q, q->addr.avail);
	t.u.index.event = record_word(q, q->addr.avail + 4 + 2 * (gpa_t)q->addr.num);
	if ((uint16_t)(to - q->looked) <= q->addr.num)
		for (; q->looked != to; q->looked++) {
			const gpa_t at = q->addr.avail + 4 + 2 * (gpa_t)(q->looked & mask);
			const uint16_t head = record_word(q, at);
			struct record_walk w = {.q = q};

			walk(&w, head);
			record_chain(&w, head, false);
			put_le16(r->heads + heads.iov_len, head);
			heads.iov_len += 2;
		}
	record_put(q->d, &t, &heads, 1);
}

static void on_avail(struct vq_watch *w, unused uint16_t from, uint16_t to)
{
	struct record_queue *q = container_of(w, struct record_queue, watch);

	trace_lock(q->d->r->w);
	if (q->looked != to) /* the device asks again while what it has found stays where it is */
		put_avail(q, to);
	trace_unlock(q->d->r->w);
}

static void on_used(struct vq_watch *w, uint16_t from, uint16_t to)
{
	struct record_queue *q = container_of(w, struct record_queue, watch);
	struct record *r = q->d->r;
	struct trace_record t = record_of(q->d, TRACE_USED);
	struct iovec all = {.iov_base = r->used};

	t.queue = q->index;
	t.u.index.from = from;
	t.u.index.to = to;
	trace_lock(r->w);
	for (; from != to; from++) {
		const gpa_t at = q->addr.used + 4 + 8 * (gpa_t)(from & (q->addr.num - 1));

		(void)gmem_read(q->d->dev->mem, at, r->used + all.iov_len, 8);
		all.iov_len += 8;
	}
	record_put(q->d, &t, &all, 1);
	trace_unlock(r->w);
}

void record_split(struct record_queue *q)
{
	q->watch = (struct vq_watch){.avail = on_avail, .used = on_used, .wish = record_wish};
	q->packed = false;
	q->looked = 0;
}
