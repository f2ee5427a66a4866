/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a packed ring has when the device finds it. Descriptors that are used are written over those that were offered,
 * each as many slots behind the one before as that one's list took: so these are remembered here.
 */
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <sys/uio.h>

#include "check/record_priv.h"
#include "devices/virtio.h"
#include "vmm/core/le.h"

/* Slot and wrap counter @n <= num slots behind @at. */
static uint16_t ahead(const struct record_queue *q, uint16_t at, unsigned n)
{
	const unsigned slot = (at & (TRACE_WRAP - 1)) + n, wrap = at & TRACE_WRAP;

	return u16_of(slot < q->addr.num ? slot | wrap
	                                 : (slot - q->addr.num) | (wrap ^ TRACE_WRAP));
}

static gpa_t desc_at(const struct record_queue *q, uint16_t at)
{
	return q->addr.desc + 16 * (gpa_t)(at & (TRACE_WRAP - 1));
}

/* All entries of the table that @d points to. */
static void walk_table(struct record_walk *w, const struct trace_desc *d)
{
	const uint32_t nr = min_u32(d->len / 16, VQ_NUM_MAX);
	struct trace_desc entry;

	for (uint32_t i = 0; i < nr; i++)
		if (!record_desc(w, d->addr + 16 * (gpa_t)i, true, &entry))
			return;
	w->cut = false;
}

/* The list that begins at @at, as far as it goes; its name is in the last descriptor of it. */
static struct record_list walk(struct record_walk *w, uint16_t at)
{
	struct record_list l = {.entries = 0};
	struct trace_desc d;

	w->cut = true;
	while (l.entries < w->q->addr.num && record_desc(w, desc_at(w->q, at), true, &d)) {
		l.entries++;
		l.id = d.next;
		at = ahead(w->q, at, 1);
		if (d.flags & VRING_DESC_F_INDIRECT) {
			walk_table(w, &d);
			break;
		}
		if (!(d.flags & VRING_DESC_F_NEXT)) {
			w->cut = false;
			break;
		}
	}
	return l;
}

static void put_list(struct record_queue *q)
{
	struct trace_record t = record_of(q->d, TRACE_AVAIL);
	struct record_walk w = {.q = q};
	const struct record_list l = walk(&w, q->looked);
	uint8_t id[2];

	record_chain(&w, l.id, true);
	if (q->nr < VQ_NUM_MAX)
		q->list[(q->first + q->nr++) % VQ_NUM_MAX] = l;
	t.queue = q->index;
	t.packed = true;
	t.u.index.from = q->looked;
	t.u.index.to = q->looked = ahead(q, q->looked, l.entries);
	t.u.index.event = record_word(q, q->addr.avail);
	t.u.index.flags = record_word(q, q->addr.avail + 2);
	put_le16(id, l.id);
	record_put(q->d, &t, &(struct iovec){id, w.nr ? sizeof(id) : 0}, 1);
}

static void on_avail(struct vq_watch *w, uint16_t from, unused uint16_t to)
{
	struct record_queue *q = container_of(w, struct record_queue, watch);

	trace_lock(q->d->r->w);
	if (q->looked == from) /* what is looked at again is behind that */
		put_list(q);
	trace_unlock(q->d->r->w);
}

/* Slots that the used descriptor of that name stands for; 0: there is no such list. */
static unsigned land(struct record_queue *q, uint16_t id)
{
	unsigned i = 0, slots = 0;

	while (i < q->nr && q->list[(q->first + i) % VQ_NUM_MAX].id != id)
		i++;
	if (i == q->nr)
		return 0;
	/* In order: for those before it, too. Else they move up. */
	if (q->in_order) {
		for (unsigned k = 0; k <= i; k++)
			slots += q->list[(q->first + k) % VQ_NUM_MAX].entries;
		q->first = u16_of((q->first + i + 1) % VQ_NUM_MAX);
		q->nr = u16_of(q->nr - i - 1);
		return slots;
	}
	slots = q->list[(q->first + i) % VQ_NUM_MAX].entries;
	for (; i > 0; i--)
		q->list[(q->first + i) % VQ_NUM_MAX] = q->list[(q->first + i - 1) % VQ_NUM_MAX];
	q->first = (q->first + 1) % VQ_NUM_MAX;
	q->nr--;
	return slots;
}

/* The used descriptors from @from up to @to, into record.used[]. Their number. */
static unsigned take_used(struct record_queue *q, uint16_t from, uint16_t to)
{
	uint8_t *const used = q->d->r->used;
	unsigned nr = 0, slots = 1;

	while (from != to && nr < q->addr.num && slots) {
		uint8_t raw[16], *const p = used + 8 * (size_t)nr;

		if (gmem_read(q->d->dev->mem, desc_at(q, from), raw, sizeof(raw)) < 0)
			break;
		put_le16(p, get_le16(raw + 12));
		put_le16(p + 2, from);
		put_le32(p + 4, get_le32(raw + 8));
		slots = land(q, get_le16(raw + 12));
		from = ahead(q, from, min_u32(slots, q->addr.num));
		nr++;
	}
	return nr;
}

static void on_used(struct vq_watch *w, uint16_t from, uint16_t to)
{
	struct record_queue *q = container_of(w, struct record_queue, watch);
	struct record *r = q->d->r;
	struct trace_record t = record_of(q->d, TRACE_USED);
	struct iovec all = {.iov_base = r->used};

	t.queue = q->index;
	t.packed = true;
	t.u.index.from = from;
	t.u.index.to = to;
	trace_lock(r->w);
	all.iov_len = 8 * (size_t)take_used(q, from, to);
	record_put(q->d, &t, &all, 1);
	trace_unlock(r->w);
}

void record_packed(struct record_queue *q)
{
	q->watch = (struct vq_watch){.avail = on_avail, .used = on_used, .wish = record_wish};
	q->packed = true;
	q->looked = TRACE_WRAP;
	q->first = q->nr = 0;
	q->in_order = q->d->dev->accepted & FEATURE(VIRTIO_F_IN_ORDER);
}
