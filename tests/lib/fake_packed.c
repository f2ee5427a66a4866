/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/fake_packed.h"

#include <errno.h>
#include <string.h>

#include "vmm/core/compiler.h"
#include "vmm/core/le.h"

#define POISON 0xdeadu /* an id where the device must not look for one */

/* A place in the ring, and the lap that it is in. */
static void step(const struct fake_vq *v, struct fake_place *at, unsigned n)
{
	unsigned slot = at->slot + n;

	at->wrap ^= slot >= v->num;
	at->slot = u16_of(slot >= v->num ? slot - v->num : slot);
}

void fake_packed_init(struct fake_vq *v, struct fake_mem *m)
{
	const uint64_t bytes = sizeof(struct vring_packed_desc) * v->num;

	v->addr.desc = fake_alloc(m, bytes, 16);
	v->addr.avail = fake_alloc(m, 4, 4);
	v->addr.used = fake_alloc(m, 4, 4);
	v->packed_desc = fake_at(m, v->addr.desc, bytes);
	v->driver_event = fake_at(m, v->addr.avail, 4);
	v->device_event = fake_at(m, v->addr.used, 4);
}

void fake_packed_clear(struct fake_vq *v)
{
	memset(v->packed_desc, 0, sizeof(v->packed_desc[0]) * v->num);
	*v->driver_event = *v->device_event = 0;
	v->at_avail = v->at_used = (struct fake_place){.wrap = true};
	v->held = false;
	v->unjudged = 0;
	v->nr_sent = 0;
	v->batch = 0;
}

static void put(struct vring_packed_desc *d, const struct fake_buf *b, unsigned id)
{
	d->addr = htole64(b->addr);
	d->len = htole32(b->len);
	d->id = htole16(u16_of(id));
}

/* The flags of the first descriptor that is not published wait: nothing behind it is looked at before. */
static void offer(struct fake_vq *v, unsigned flags)
{
	uint16_t *word = &v->packed_desc[v->at_avail.slot].flags;

	flags |= v->at_avail.wrap ? FAKE_AVAIL : FAKE_USED;
	if (v->held) {
		__atomic_store_n(word, htole16(u16_of(flags)), __ATOMIC_RELAXED);
	} else {
		v->held = true;
		v->held_slot = v->at_avail.slot;
		v->held_flags = u16_of(flags);
	}
	step(v, &v->at_avail, 1);
	v->unjudged++;
}

static struct fake_buf table(struct fake_vq *v, unsigned id, const struct fake_buf *b, unsigned n)
{
	struct vring_packed_desc *d;

	if (v->table[id] == 0 || v->room[id] < n) {
		v->room[id] = n > v->num ? u16_of(n) : v->num;
		v->table[id] = fake_alloc(v->m, 16 * (uint64_t)v->room[id], 16);
	}
	d = fake_at(v->m, v->table[id], 16 * (uint64_t)n);
	for (unsigned i = 0; i < n; i++) {
		put(&d[i], &b[i], POISON);
		d[i].flags = htole16(b[i].write ? VRING_DESC_F_WRITE : 0);
	}
	return (struct fake_buf){.addr = v->table[id], .len = 16 * n};
}

int fake_packed_add(struct fake_vq *v, const struct fake_buf *b, unsigned n, bool in_table)
{
	const unsigned nr = in_table ? 1 : n;
	const uint16_t id = v->free_head;
	uint32_t writable = 0;

	if (nr > v->nr_free)
		return -ENOSPC;
	for (unsigned i = 0; i < n; i++)
		writable += b[i].write ? b[i].len : 0;
	if (in_table) {
		const struct fake_buf t = table(v, id, b, n);

		put(&v->packed_desc[v->at_avail.slot], &t, id);
		offer(v, VRING_DESC_F_INDIRECT);
	}
	for (unsigned i = 0; i < n && !in_table; i++) {
		const bool last = i + 1 == n;

		put(&v->packed_desc[v->at_avail.slot], &b[i], last ? id : POISON);
		offer(v, (last ? 0 : VRING_DESC_F_NEXT) | (b[i].write ? VRING_DESC_F_WRITE : 0));
	}
	v->free_head = v->link[id];
	v->nr_free = u16_of(v->nr_free - nr);
	v->count[id] = u16_of(nr);
	v->writable[id] = writable;
	v->sent[v->nr_sent++] = id;
	return id;
}

void fake_packed_publish(struct fake_vq *v)
{
	if (!v->held)
		return;
	v->held = false;
	/*
	 * Release the lists (virtio 1.2, 2.8.21.1.1), and be a full barrier before the look at the device's
	 * event (2.8.21.3.1): the partner of vq_kicks_on().
	 */
	__atomic_exchange_n(&v->packed_desc[v->held_slot].flags, htole16(v->held_flags),
	                    __ATOMIC_SEQ_CST);
}

bool fake_packed_wants_kick(struct fake_vq *v)
{
	const uint32_t word = le32toh(__atomic_load_n(v->device_event, __ATOMIC_SEQ_CST));
	const uint16_t new = v->at_avail.slot, old = u16_of((uint64_t) new - v->unjudged);
	uint16_t event = word & 0x7fff;

	v->unjudged = 0;
	if (word >> 16 != VRING_PACKED_EVENT_FLAG_DESC)
		return word >> 16 != VRING_PACKED_EVENT_FLAG_DISABLE;
	if (!v->event_idx)
		fake_die("the device names an event without EVENT_IDX");
	if ((word >> 15 & 1) != v->at_avail.wrap)
		event = u16_of((uint64_t)event - v->num);
	return vring_need_event(event, new, old);
}

/* Is there a used descriptor at @at? */
static bool used(const struct fake_vq *v, const struct fake_place *at)
{
	/* Acquire: all of it is complete before its flags, vq_publish(). */
	const uint16_t flags =
		le16toh(__atomic_load_n(&v->packed_desc[at->slot].flags, __ATOMIC_ACQUIRE));

	return !(flags & FAKE_AVAIL) == !(flags & FAKE_USED) && !(flags & FAKE_USED) == !at->wrap;
}

/* Where in the order of sending is the request that is used at @at? An id that is not outstanding is fatal. */
static unsigned find(const struct fake_vq *v, const struct fake_place *at, unsigned from)
{
	const uint16_t id = le16toh(v->packed_desc[at->slot].id);
	unsigned i = from;

	while (i < v->nr_sent && v->sent[i] != id)
		i++;
	if (i == v->nr_sent || v->count[id] == 0)
		fake_die("the device returned what it was not given");
	return i;
}

/* With IN_ORDER a used descriptor stands for all requests up to its own. */
unsigned fake_packed_nr_used(const struct fake_vq *v)
{
	struct fake_place at = v->at_used;
	bool seen[VQ_NUM_MAX] = {false};
	unsigned nr = v->batch, from = 0;

	if (v->in_order)
		for (; from < v->batch; from++)
			step(v, &at, v->count[v->sent[from]]);
	while (nr < v->nr_sent && used(v, &at)) {
		unsigned i = find(v, &at, from), skip = 0;

		if (seen[i])
			break;
		seen[i] = true;
		if (v->in_order) {
			for (unsigned k = from; k <= i; k++)
				skip += v->count[v->sent[k]];
			nr += i + 1 - from;
			from = i + 1;
		} else {
			skip = v->count[v->sent[i]];
			nr++;
		}
		step(v, &at, skip);
	}
	return nr;
}

/* The request at @i of those that were sent is done. */
static unsigned take(struct fake_vq *v, unsigned i)
{
	const uint16_t id = v->sent[i];

	memmove(&v->sent[i], &v->sent[i + 1], (v->nr_sent - i - 1) * sizeof(v->sent[0]));
	v->nr_sent--;
	step(v, &v->at_used, v->count[id]);
	v->nr_free = u16_of(v->nr_free + v->count[id]);
	v->count[id] = 0;
	v->link[id] = v->free_head;
	v->free_head = id;
	return id;
}

bool fake_packed_reap(struct fake_vq *v, unsigned *id, uint32_t *len)
{
	unsigned i = 0;

	if (v->batch == 0) {
		const struct vring_packed_desc *d = &v->packed_desc[v->at_used.slot];

		if (v->nr_sent == 0 || !used(v, &v->at_used))
			return false;
		i = find(v, &v->at_used, 0);
		/* virtio 1.2, 2.8.4: without the flag the length says nothing. */
		v->batch_len = le16toh(d->flags) & VRING_DESC_F_WRITE ? le32toh(d->len) : 0;
		if (v->in_order)
			v->batch = i + 1;
	}
	if (!v->in_order) {
		*len = v->batch_len;
		*id = take(v, i);
		return true;
	}
	/* Those that were skipped were used completely (virtio 1.2, 2.8.8). */
	*len = --v->batch ? v->writable[v->sent[0]] : v->batch_len;
	*id = take(v, 0);
	return true;
}

void fake_packed_irq(struct fake_vq *v, bool on)
{
	uint32_t word = 0;

	if (!on)
		word = (uint32_t)VRING_PACKED_EVENT_FLAG_DISABLE << 16;
	else if (v->event_idx)
		word = (uint32_t)VRING_PACKED_EVENT_FLAG_DESC << 16 | v->at_used.slot |
		       (uint32_t)v->at_used.wrap << 15;
	/* Full barrier before the second look (2.8.22): the partner of vq_want_interrupt(). */
	__atomic_exchange_n(v->driver_event, htole32(word), __ATOMIC_SEQ_CST);
}

void fake_packed_raw_offer(struct fake_vq *v, bool broken)
{
	offer(v, broken ? VRING_DESC_F_INDIRECT | VRING_DESC_F_NEXT : 0);
}
