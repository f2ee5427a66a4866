/* SPDX-License-Identifier: Apache-2.0 */
/* The split ring (virtio 1.2, 2.7). Words that the device may read or write meanwhile go through __atomic_*. */
#include "bugs.h"
#include "queue.h"

enum { FLAGS, IDX, RING }; /* words of the available ring; the last one is used_event */

static uint16_t load(const uint16_t *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static void store(uint16_t *p, uint16_t v)
{
	__atomic_store_n(p, v, __ATOMIC_RELAXED);
}

/* Behind as many entries as the ring has: with fewer than QUEUE_SIZE not where the struct has it. */
static const uint16_t *avail_event(const struct queue *q)
{
	const void *p = &q->split.used.ring[q->size];

	return p;
}

static struct queue_areas split_areas(struct queue *q)
{
	return (struct queue_areas){q->split.desc, q->split.avail, &q->split.used};
}

/* One to one [feat.physical-addresses], [split.desc-in-ram]; not empty [split.desc-nonempty]; it ends [split.no-loop]. */
static struct vring_desc describe(const struct piece *p, bool last, uint16_t next)
{
	const unsigned flags =
		(p->device_writes ? VRING_DESC_F_WRITE : 0) | (last ? 0 : VRING_DESC_F_NEXT);

	return (struct vring_desc){(uint64_t)p->at, p->len, (uint16_t)flags, last ? 0 : next};
}

static void split_add(struct queue *q, const struct piece *p, unsigned nr, uint16_t id)
{
	const uint16_t slot = q->avail % q->size; /* only here [split.idx-wraps-16bit] */
	const bool table = q->entries[id] == 1 && nr > 1;
	uint16_t at = id;

	for (unsigned i = 0; table && i < nr; i++) /* [indirect.next-in-table] */
		q->table[id][i].split = describe(&p[i], i + 1 == nr, (uint16_t)(i + 1));
	/* Along the list of free ids. [split.next-in-range] */
	for (unsigned i = 0; !table && i < nr; i++, at = q->next_free[at])
		q->split.desc[at] = describe(&p[i], i + 1 == nr, q->next_free[at]);
	if (table) /* neither NEXT nor WRITE beside it [indirect.no-next] */
		q->split.desc[id] = (struct vring_desc){(uint64_t)q->table[id], nr * 16,
		                                        VRING_DESC_F_INDIRECT, 0};
	/* The head of the chain, [split.head-in-range], which nobody else has. [split.head-not-outstanding] */
	store(&q->split.avail[RING + slot],
	      bug(index_for_head) && p->device_writes ? q->avail : id);
	q->avail++;
}

static bool wants_kick(const struct queue *q, uint16_t old)
{
	const uint16_t event = load(avail_event(q));

	if (!q->event_idx) /* [notif.must-kick], [notif.ignore-avail-event] */
		return !(load(&q->split.used.flags) & VRING_USED_F_NO_NOTIFY);
	if (bug(kick_if_equal))
		return event == q->avail;
	/* Also when a batch steps over it; modulo 2^16. [event_idx.must-kick], [event_idx.ignore-used-flags] */
	return vring_need_event(event, q->avail, old);
}

static bool split_flush(struct queue *q)
{
	const uint16_t old = q->shown;

	if (q->avail == old)
		return false;
	/* Release: descriptors and entries come before the index. [split.barrier-before-idx] */
	__atomic_store_n(&q->split.avail[IDX], bug(index_modulo) ? q->avail % q->size : q->avail,
	                 __ATOMIC_RELEASE);
	q->shown = q->avail;
	/* The index comes before the look at what the device wants. [split.barrier-before-suppress-check] */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return wants_kick(q, old) && !bug(no_kick);
}

static int split_take(struct queue *q, uint32_t *len)
{
	struct vring_used_elem e;

	/* Acquire: the entry is read after the index that shows it. */
	if (__atomic_load_n(&q->split.used.idx, __ATOMIC_ACQUIRE) == q->seen)
		return -1;
	e = q->split.used.ring[q->seen % q->size];
	q->seen++;
	*len = e.len;
	return queue_release(q, e.id); /* by id: in any order [used.any-order] */
}

static bool split_interrupt_on(struct queue *q)
{
	/* [notif.avail-flags-01]; or [event_idx.used-event-progress], and flags stay 0 [event_idx.avail-flags-0] */
	if (!q->event_idx)
		store(&q->split.avail[FLAGS], 0);
	else if (!bug(event_stands))
		store(&q->split.avail[RING + q->size], q->seen);
	/* What was used before the device could see this wish. [notif.recheck-after-enable] */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return load(&q->split.used.idx) == q->seen;
}

static void split_interrupt_off(struct queue *q)
{
	if (!q->event_idx) /* with EVENT_IDX the event stays behind */
		store(&q->split.avail[FLAGS], VRING_AVAIL_F_NO_INTERRUPT);
}

const struct queue_layout split_layout = {
	split_areas, split_add, split_flush, split_take, split_interrupt_on, split_interrupt_off,
};
