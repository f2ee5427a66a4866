/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The packed layout (virtio 1.2, 2.8). vq_packed_X() is vq_X() of devices/vq.h.
 *
 * One ring of descriptors, which both sides walk in the same direction and overwrite: the driver
 * makes one available by its two flag bits, the device writes used ones over those that it has taken:
 *
 *	     published        next_used          next_avail
 *	---------|------------------|------------------|--------------
 *	 used,   | used, not to be  | taken, not used  | available, or used and not reaped: whose
 *	 visible | seen yet         |                  | a descriptor is its flags say
 *
 * What each request took is not in the ring any more when it is used, so it is noted in q->flight.
 *
 * A position counts descriptors over two laps of the ring, from 0 to 2 * num - 1. In the first lap the wrap
 * counter is 1, in the second 0: so it has slot and wrap counter in one number.
 */
#include <assert.h>
#include <errno.h>
#include <linux/virtio_ring.h>
#include <string.h>

#include "devices/virtio_provoke.h"
#include "devices/virtio_watch.h"
#include "devices/vq_ring.h"

#define AVAIL   (1u << VRING_PACKED_DESC_F_AVAIL)
#define USED    (1u << VRING_PACKED_DESC_F_USED)
#define WRAPPED (1u << VRING_PACKED_EVENT_F_WRAP_CTR) /* of an event; in vq_position() likewise */

#define SLOT_MASK (WRAPPED - 1)
/* In what a request took: it has bytes for the device, and how many of them were written is news. */
#define WRITABLE 0x8000u

#define EVENT_MODE 3u /* of its flags; the others are reserved */

/* A descriptor as it lies in guest memory, in the ring or, at any address, in an indirect table. */
struct vq_packed_desc {
	le64 addr;
	le32 len;
	le16 id;
	le16 flags;
};

typedef struct vq_packed_desc table_desc __attribute__((aligned(1)));

/* What one side wants to hear of the other: aligned to 4, and always read and written whole. */
struct vq_event {
	le32 word; /* slot and wrap counter of an event, then, in the upper half, flags */
};

_Static_assert(sizeof(struct vq_packed_desc) == 16, "virtio 1.2, 2.8.13");
_Static_assert(sizeof(struct vq_event) == 4, "virtio 1.2, 2.8.14");

/* ---- positions */

static unsigned slot_of(const struct vq *q, unsigned position)
{
	return position < q->num ? position : position - q->num;
}

static bool wrap_of(const struct vq *q, unsigned position)
{
	return position < q->num;
}

/* @position and @n <= num descriptors more. */
static uint16_t ahead(const struct vq *q, unsigned position, unsigned n)
{
	position += n;
	return u16_of(position < 2u * q->num ? position : position - 2u * q->num);
}

static uint16_t behind(const struct vq *q, unsigned position, unsigned n)
{
	return u16_of(position >= n ? position - n : position + 2u * q->num - n);
}

/* Descriptors from @from up to @to. */
static unsigned distance(const struct vq *q, unsigned from, unsigned to)
{
	return behind(q, to, from);
}

static struct vq_packed_desc *desc_at(const struct vq *q, unsigned position)
{
	return &q->packed_desc[slot_of(q, position)];
}

/* Slot and wrap counter as both sides write them down: in events, and in SET_VRING_BASE. */
static uint16_t encode(const struct vq *q, unsigned position)
{
	return u16_of(slot_of(q, position) | (wrap_of(q, position) ? WRAPPED : 0));
}

/* 0; -EINVAL there is no such slot. */
static int decode(const struct vq *q, unsigned code, uint16_t *position)
{
	const unsigned slot = code & SLOT_MASK;

	if (slot >= q->num)
		return -EINVAL;
	*position = u16_of(code & WRAPPED ? slot : slot + q->num);
	return 0;
}

/* ---- life */

int vq_packed_check(const struct gmem *m, const struct vq_addr *a)
{
	if (a->num == 0 || a->num > VQ_NUM_MAX)
		return -EINVAL;
	if (a->desc % 16 != 0 || a->avail % 4 != 0 || a->used % 4 != 0)
		return -EINVAL;
	if (!gmem_ptr(m, a->desc, a->num * sizeof(struct vq_packed_desc)) ||
	    !gmem_ptr(m, a->avail, sizeof(struct vq_event)) ||
	    !gmem_ptr(m, a->used, sizeof(struct vq_event)))
		return -EFAULT;
	return 0;
}

void vq_packed_start(struct vq *q, const struct vq_addr *a)
{
	q->packed_desc = gmem_ptr(q->mem, a->desc, a->num * sizeof(struct vq_packed_desc));
	q->driver = gmem_ptr(q->mem, a->avail, sizeof(struct vq_event));
	q->device = gmem_ptr(q->mem, a->used, sizeof(struct vq_event));
}

uint32_t vq_packed_position(const struct vq *q)
{
	return encode(q, q->next_avail) | (uint32_t)encode(q, q->next_used) << 16;
}

int vq_packed_resume(struct vq *q, uint32_t position)
{
	uint16_t avail, used;

	if (decode(q, position & UINT16_MAX, &avail) < 0 || decode(q, position >> 16, &used) < 0 ||
	    distance(q, used, avail) > q->num)
		return vq_broken(q, "used index and next request do not fit together");
	q->next_avail = avail;
	q->next_used = q->published = used;
	q->nr_flight = q->unjudged = 0;
	q->kicks_off = false;
	return 0;
}

/* ---- requests */

/* Is the next request there? Not when all that the ring holds is ours already, unless a rule is broken. */
static bool available(const struct vq *q, unsigned position, uint16_t flags)
{
	return (flags & (AVAIL | USED)) == (wrap_of(q, position) ? AVAIL : USED);
}

static bool waiting(const struct vq *q, uint16_t flags)
{
	return available(q, q->next_avail, flags);
}

/* A descriptor in our memory and byte order. */
struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t id, flags;
};

/* Each field is read exactly once: what the driver does to it afterwards does not reach us. */
static struct desc desc_copy(const volatile table_desc *d)
{
	return (struct desc){
		.addr = le64toh(d->addr.raw),
		.len = le32toh(d->len.raw),
		.id = le16toh(d->id.raw),
		.flags = le16toh(d->flags.raw),
	};
}

/*
 * All entries of the table that @d points to: neither order nor end is marked in it, so of the flags
 * only WRITE counts (virtio 1.2, 2.8.7), and that of @d itself means nothing.
 */
static const char *walk_table(struct vq *q, struct vq_chain *c, const struct desc *d)
{
	const table_desc *at;
	const void *table = NULL;
	const char *why;
	unsigned nr = 0;

	why = vq_find_table(q, d->addr, d->len, &table, &nr);
	for (at = table; !why && nr > 0; nr--, at++) {
		const struct desc entry = desc_copy(at);

		if (unlikely(entry.flags & VRING_DESC_F_INDIRECT))
			return "indirect table inside an indirect table";
		why = vq_add_buffer(q, c, entry.addr, entry.len, entry.flags & VRING_DESC_F_WRITE);
	}
	return why;
}

/*
 * The list that begins at next_avail, at most @left descriptors, into @c; its name is in the last one.
 * NULL or the broken rule. The flags of those behind the first say nothing new: the driver wrote the
 * first one's last (virtio 1.2, 2.8.6).
 */
static const char *walk(struct vq *q, struct vq_chain *c, unsigned left)
{
	for (uint16_t at = q->next_avail; c->entries < left; at = ahead(q, at, 1)) {
		const struct desc d = desc_copy(desc_at(q, at));
		const char *why;

		c->entries++;
		c->head = d.id;
		if (d.flags & VRING_DESC_F_INDIRECT) {
			if (d.flags & VRING_DESC_F_NEXT)
				return "descriptor with both INDIRECT and NEXT";
			if (c->entries > 1)
				return "indirect table behind another descriptor";
			return walk_table(q, c, &d);
		}
		why = vq_add_buffer(q, c, d.addr, d.len, d.flags & VRING_DESC_F_WRITE);
		if (unlikely(why) || !(d.flags & VRING_DESC_F_NEXT))
			return why;
	}
	return "chain longer than what is free of the ring";
}

static struct vq_flight *flight_at(struct vq *q, unsigned i)
{
	return &q->flight[(q->first_flight + i) % VQ_NUM_MAX];
}

int vq_packed_pop(struct vq *q, struct vq_chain *c)
{
	const unsigned free = q->num - distance(q, q->published, q->next_avail);
	const char *why;

	/*
	 * Acquire: the rest of the list is read after the flags of its first descriptor. Partner: the
	 * barrier of the driver before it writes these (virtio 1.2, 2.8.21.1.1).
	 */
	if (!waiting(q, vq_load_acquire(&desc_at(q, q->next_avail)->flags)))
		return 0;
	if (unlikely(q->watch)) {
		const uint16_t at = encode(q, q->next_avail);

		vq_watch_avail(q->watch, at, at);
	}
	if (unlikely(free == 0))
		return vq_broken(q, "more requests than the ring has entries");
	c->nr_out = c->nr_in = c->entries = 0;
	c->out_len = c->in_len = 0;
	why = walk(q, c, free);
	if (unlikely(why))
		return vq_broken(q, why);
	if (unlikely(c->nr_out + c->nr_in > c->room))
		return -ENOBUFS;
	*flight_at(q, q->nr_flight++) = (struct vq_flight){
		.id = c->head, .took = u16_of(c->entries | (c->nr_in > 0 ? WRITABLE : 0))};
	q->next_avail = ahead(q, q->next_avail, c->entries);
	return 1;
}

bool vq_packed_waiting(const struct vq *q)
{
	return waiting(q, vq_load_relaxed(&desc_at(q, q->next_avail)->flags));
}

void vq_packed_unpop(struct vq *q, unsigned n)
{
	assert(n <= q->nr_flight);
	for (; n > 0; n--)
		q->next_avail =
			behind(q, q->next_avail, flight_at(q, --q->nr_flight)->took & ~WRITABLE);
}

/* ---- used descriptors */

/* What is known of the request @id, which is forgotten. Nearly always the oldest; else those before it move up. */
static struct vq_flight land(struct vq *q, uint16_t id)
{
	unsigned i = 0;
	struct vq_flight f;

	while (i < q->nr_flight && flight_at(q, i)->id != id)
		i++;
	assert(i < q->nr_flight && (i == 0 || !q->in_order));
	f = *flight_at(q, i);
	for (; i > 0; i--)
		*flight_at(q, i) = *flight_at(q, i - 1);
	q->first_flight = (q->first_flight + 1) % VQ_NUM_MAX;
	q->nr_flight--;
	return f;
}

/*
 * The flags of the last used descriptor are due: another one follows it, or the batch ends. Those of the
 * first one of a batch make all of it visible, so they wait for vq_packed_publish().
 */
static void seal(struct vq *q)
{
	if (q->last_used == q->published)
		q->first_flags = q->last_flags;
	else
		vq_store_relaxed(&desc_at(q, q->last_used)->flags, q->last_flags);
}

static uint16_t flags_of(const struct vq *q, unsigned position, bool written)
{
	return u16_of((wrap_of(q, position) ? AVAIL | USED : 0) |
	              (written ? VRING_DESC_F_WRITE : 0));
}

/* Somebody may want it in another place: show_logged(). */
static void log_used(struct vq *q, uint16_t head, uint32_t written, unsigned slots)
{
	struct vq_log *l = q->provoke->log;

	l->entry[l->nr] = (struct vq_used_elem){.id = le32_of(head), .len = le32_of(written)};
	l->slots[l->nr] = u16_of(slots | (written ? WRITABLE : 0));
	l->nr++;
	q->next_used = ahead(q, q->next_used, slots);
}

void vq_packed_push(struct vq *q, uint16_t head, uint32_t written)
{
	const struct vq_flight f = land(q, head);
	struct vq_packed_desc *d;

	if (unlikely(q->provoke)) {
		if (q->provoke->log) {
			log_used(q, head, written, f.took & ~WRITABLE);
			return;
		}
		q->unshown++;
	}

	/*
	 * In order, one used descriptor stands for all requests up to its own, when those before were used
	 * completely (virtio 1.2, 2.8.8): as those are that nothing was to be written to.
	 */
	if (q->next_used == q->published || !q->in_order || !q->last_open) {
		if (q->next_used != q->published)
			seal(q);
		q->last_used = q->next_used;
	}
	q->last_open = !(f.took & WRITABLE);
	d = desc_at(q, q->last_used);
	d->id = le16_of(head);
	d->len = le32_of(written);
	q->last_flags = flags_of(q, q->last_used, written != 0);
	q->next_used = ahead(q, q->next_used, f.took & ~WRITABLE);
}

/* Is all of the batch to wait? Its flags are in the ring but for the first ones, so part of it cannot. */
static bool held(struct vq *q)
{
	struct vq_batch b = {.vq = q,
	                     .num = q->num,
	                     .to = u16_of(distance(q, q->published, q->next_used)),
	                     .requests = q->unshown};

	q->provoke->publish(q->provoke, &b);
	if (b.to == b.from)
		return true;
	q->unshown = 0;
	return false;
}

/*
 * The first entries of the log, as many as @q->provoke lets go, into the ring; true: and now their first flags are due.
 * The rest stays: next_used is behind all of them, wherever they will stand.
 */
static bool show_logged(struct vq *q, uint16_t *end)
{
	struct vq_log *l = q->provoke->log;
	struct vq_batch b = {
		.vq = q, .entry = l->entry, .slots = l->slots, .num = q->num, .to = l->nr};
	uint16_t at = q->published;

	q->provoke->publish(q->provoke, &b);
	q->content = b.content;
	for (unsigned i = 0; i < b.to; i++) {
		struct vq_packed_desc *d = desc_at(q, at);
		const uint16_t flags = flags_of(q, at, l->slots[i] & WRITABLE) | b.flags;

		d->id = le16_of(u16_of(le32toh(l->entry[i].id.raw) & UINT16_MAX));
		d->len = l->entry[i].len;
		if (i == 0)
			q->first_flags = flags;
		else
			vq_store_relaxed(&d->flags, flags);
		at = ahead(q, at, l->slots[i] & ~WRITABLE);
	}
	l->nr = u16_of(l->nr - b.to);
	memmove(l->entry, l->entry + b.to, l->nr * sizeof(*l->entry));
	memmove(l->slots, l->slots + b.to, l->nr * sizeof(*l->slots));
	*end = at;
	return b.to > 0;
}

/* False: nothing is to be shown. Else all of it is in the ring up to @end, but for the first flags. */
static bool complete(struct vq *q, uint16_t *end)
{
	*end = q->next_used;
	if (q->published == q->next_used)
		return false;
	if (unlikely(q->provoke) && q->provoke->log)
		return show_logged(q, end);
	if (unlikely(q->provoke) && held(q))
		return false;
	seal(q);
	return true;
}

void vq_packed_publish(struct vq *q)
{
	uint16_t end;

	if (!complete(q, &end))
		return;
	if (unlikely(q->watch))
		vq_watch_used(q->watch, encode(q, q->published), encode(q, end));
	/*
	 * Release: buffers, and all of each used descriptor, are complete before the flags of the first one,
	 * where the driver looks (virtio 1.2, 2.8.6). Partner: its read barrier after it has seen
	 * them.
	 */
	vq_store_release(&desc_at(q, q->published)->flags, q->first_flags);
	q->unjudged = u16_of(min_u32(q->unjudged + distance(q, q->published, end), 2u * q->num));
	q->published = end;
}

/* ---- who tells whom */

static uint32_t event_load(const struct vq_event *e)
{
	return le32toh(__atomic_load_n(&e->word.raw, __ATOMIC_RELAXED));
}

static void event_store(struct vq_event *e, uint32_t code, uint32_t flags)
{
	__atomic_store_n(&e->word.raw, htole32(code | flags << 16), __ATOMIC_RELAXED);
}

/* Does the driver, which says @event, want to hear of the last @news descriptors? */
static bool wants(const struct vq *q, uint32_t event, unsigned news)
{
	const unsigned mode = event >> 16 & EVENT_MODE;
	uint16_t at;

	if (mode != VRING_PACKED_EVENT_FLAG_DESC || !q->event_idx)
		return mode != VRING_PACKED_EVENT_FLAG_DISABLE;
	/* Is the descriptor that it waits for among the news? More than two laps have all of them. */
	if (decode(q, event & UINT16_MAX, &at) < 0)
		return true;
	return distance(q, behind(q, q->published, news % (2u * q->num)), at) < news;
}

bool vq_packed_want_interrupt(struct vq *q)
{
	const unsigned news = q->unjudged;
	uint32_t event;
	bool yes;

	if (news == 0)
		return false;
	q->unjudged = 0;
	/*
	 * Used descriptors are written before the driver's event is read. Partner: the barrier of the
	 * driver between writing that and looking at the descriptors once more (virtio 1.2, 2.8.22).
	 */
	vq_full_fence((void *)q->device);
	event = event_load(q->driver);
	yes = wants(q, event, news);
	if (unlikely(q->watch))
		vq_watch_wish(q->watch, event, yes);
	return yes;
}

void vq_packed_kicks_off(struct vq *q)
{
	/* Said once: the driver reads this word at every request. */
	if (q->kicks_off)
		return;
	q->kicks_off = true;
	event_store(q->device, 0, VRING_PACKED_EVENT_FLAG_DISABLE);
}

bool vq_packed_kicks_on(struct vq *q)
{
	if (vq_packed_waiting(q))
		return true;
	q->kicks_off = false;
	if (q->event_idx)
		event_store(q->device, encode(q, q->next_avail), VRING_PACKED_EVENT_FLAG_DESC);
	else
		event_store(q->device, 0, VRING_PACKED_EVENT_FLAG_ENABLE);
	/*
	 * Our wish is written before the flags are read again. Partner: the barrier of the driver
	 * between writing these and reading the wish (virtio 1.2, 2.8.21.3.1).
	 */
	vq_full_fence((void *)q->device);
	return vq_packed_waiting(q);
}

bool vq_packed_kicks_after(struct vq *q, unsigned entries)
{
	const uint16_t last = ahead(q, q->next_avail, entries - 1);

	if (q->num == 0 || !q->event_idx)
		return false;
	q->kicks_off = false;
	event_store(q->device, encode(q, last), VRING_PACKED_EVENT_FLAG_DESC);
	vq_full_fence((void *)q->device); /* as in vq_packed_kicks_on() */
	return available(q, last, vq_load_relaxed(&desc_at(q, last)->flags));
}

/* ---- for who provokes */

static void note_id(const struct vq *q, struct vq_ids *s, unsigned id, enum vq_id state)
{
	if (id < q->num)
		vq_ids_note(s, id, state);
}

/*
 * Where a request is: taken, waiting to be shown, or in the ring. There the slot before next_avail is the newest, and the
 * id of a list is in its last descriptor; of the others any id will do, too.
 */
bool vq_packed_ids(const struct vq *q, struct vq_ids *s)
{
	const struct vq_log *l = q->provoke ? q->provoke->log : NULL;

	if (q->num == 0 || (!l && q->published != q->next_used))
		return false;
	for (uint16_t at = q->next_avail, n = 0; n < q->num; n++, at = ahead(q, at, 1)) {
		const struct vq_packed_desc *d = desc_at(q, at);
		const uint16_t flags = vq_load_acquire(&d->flags);

		if (!available(q, at, flags))
			break;
		note_id(q, s, vq_load_relaxed(&d->id), VQ_ID_BUSY);
	}
	for (unsigned i = 0; i < q->nr_flight; i++)
		note_id(q, s, q->flight[(q->first_flight + i) % VQ_NUM_MAX].id, VQ_ID_BUSY);
	for (unsigned i = 0; l && i < l->nr; i++)
		note_id(q, s, le32toh(l->entry[i].id.raw), VQ_ID_BUSY);
	for (unsigned n = 1; n <= q->num; n++)
		note_id(q, s, vq_load_relaxed(&desc_at(q, behind(q, q->next_avail, n))->id),
		        VQ_ID_SEEN);
	return true;
}
