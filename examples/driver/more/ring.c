/* SPDX-License-Identifier: Apache-2.0 */
/* Words that the device may read or write meanwhile go through __atomic_*. */
#include "ring.h"

#include <linux/virtio_config.h>

#define AVAIL     (1u << VRING_PACKED_DESC_F_AVAIL)
#define USED      (1u << VRING_PACKED_DESC_F_USED)
#define WRAP      (1u << VRING_PACKED_EVENT_F_WRAP_CTR)
#define HAS(b, f) (((b) >> (f)) & 1)

enum { FLAGS, IDX, RING }; /* words of the available ring; the last one is used_event */

static uint16_t load(const uint16_t *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static void store(uint16_t *p, uint16_t v)
{
	__atomic_store_n(p, v, __ATOMIC_RELAXED);
}

void ring_init(struct ring *q, uint64_t accepted)
{
	*q = (struct ring){
		.packed = HAS(accepted, VIRTIO_F_RING_PACKED),
		.event_idx = HAS(accepted, VIRTIO_RING_F_EVENT_IDX),
		.indirect = HAS(accepted, VIRTIO_RING_F_INDIRECT_DESC), /* [indirect.negotiated] */
		.in_order = HAS(accepted, VIRTIO_F_IN_ORDER),
		.added_wrap = true, /* all else is zero [split.mem-zeroed], [packed.zero-init] */
		.seen_wrap = true}; /* [packed.wrap-toggle] */
	if (bug(ring_not_zeroed))
		q->desc[QUEUE_SIZE - 1].packed.flags = USED;
}

void ring_set_size(struct ring *q, uint16_t size)
{
	q->indirect =
		q->indirect &&
		size > 1; /* a table is no longer than the ring [indirect.chain-le-queue-size] */
	q->size = size;
	q->buffers = q->indirect ? size : size / 2;
}

/* Entries of a buffer. */
static unsigned entries(const struct ring *q)
{
	return q->indirect ? 1 : 2;
}

/* ---- split */

/* Of buffer @i: nobody else has it. [split.head-in-range], [split.head-not-outstanding], [split.avail-no-overrun] */
static uint16_t split_head(const struct ring *q, uint32_t i)
{
	return (uint16_t)(bug(free_list) ? i : entries(q) * i);
}

/* Of the one that is offered as number @n. [inorder.split-ring-order], [inorder.split-next-seq] */
static uint16_t head_in_order(const struct ring *q, uint16_t n)
{
	return split_head(q, n % (q->size / entries(q)));
}

static void split_add(struct ring *q, uint16_t i, const struct piece *p, unsigned nr)
{
	const uint16_t head = q->in_order ? head_in_order(q, q->added) : split_head(q, i);
	const uint16_t first = q->indirect ? 0 : head;
	union desc *d = q->indirect ? q->table[i] : &q->desc[head];

	/* One to one [feat.physical-addresses], [split.desc-in-ram]; not empty [split.desc-nonempty]. */
	for (unsigned k = 0; k < nr; k++) {
		const bool last = k + 1 == nr; /* [split.no-loop] */
		const unsigned flags = (p[k].device_writes ? VRING_DESC_F_WRITE : 0) |
		                       (last ? 0 : VRING_DESC_F_NEXT);

		/* [split.next-in-range], [indirect.next-in-table] */
		d[k].split = (struct vring_desc){(uint64_t)p[k].at, p[k].len, (uint16_t)flags,
		                                 last ? 0 : (uint16_t)(first + k + 1)};
	}
	if (q->indirect) /* neither NEXT nor WRITE beside it [indirect.no-next] */
		q->desc[head].split = (struct vring_desc){(uint64_t)q->table[i], nr * 16,
		                                          VRING_DESC_F_INDIRECT, 0};
	/* Modulo only here. [split.idx-wraps-16bit] */
	store(&q->avail[RING + q->added % q->size], head);
	q->added++;
	q->fresh++;
}

static bool split_wants_kick(const struct ring *q, uint16_t fresh)
{
	/* Behind as many entries as the ring has: with fewer than QUEUE_SIZE not where the struct has it. */
	const void *event_at = &q->used.ring[q->size];
	const uint16_t event = load(event_at);

	if (!q->event_idx) /* [notif.must-kick], [notif.ignore-avail-event] */
		return !(load(&q->used.flags) & VRING_USED_F_NO_NOTIFY);
	if (bug(kick_if_equal))
		return event == q->added;
	/* Also when a batch steps over it; modulo 2^16. [event_idx.must-kick], [event_idx.ignore-used-flags] */
	return vring_need_event(event, q->added, (uint16_t)(q->added - fresh));
}

/* ---- packed */

static void step(const struct ring *q, uint16_t *at, bool *wrap)
{
	if (++*at == q->size) {
		*at = 0;
		*wrap = !*wrap; /* [packed.wrap-toggle] */
	}
}

static struct vring_packed_desc describe(const struct piece *p, uint16_t id, unsigned flags)
{
	flags |= p->device_writes ? VRING_DESC_F_WRITE : 0;
	return (struct vring_packed_desc){(uint64_t)p->at, p->len, id, (uint16_t)flags};
}

static void packed_add(struct ring *q, uint16_t i, const struct piece *p, unsigned nr)
{
	struct vring_packed_desc *const head = &q->desc[q->added].packed;
	const struct piece in_table = {q->table[i], nr * 16, false};
	const unsigned table = q->indirect ? VRING_DESC_F_INDIRECT : 0;
	uint16_t head_flags = 0;

	for (unsigned k = 0; table && k < nr; k++) /* [packed.indirect-only-write-flag] */
		q->table[i][k].packed = describe(&p[k], 0, 0);
	if (table) {
		p = &in_table;
		nr = 1;
	}
	for (unsigned k = 0; k < nr; k++) {
		struct vring_packed_desc *slot = &q->desc[q->added].packed;
		/* In each descriptor; the last id counts. [packed.avail-bits], [packed.id-in-last] */
		const unsigned flags = table | (k + 1 < nr ? VRING_DESC_F_NEXT : 0) |
		                       (q->added_wrap ? AVAIL : USED);
		struct vring_packed_desc d = describe(&p[k], bug(id_in_head) && k ? 0 : i, flags);

		if (slot == head) { /* whose flags have to wait */
			head_flags = d.flags;
			d.flags = slot->flags;
		}
		*slot = d;
		step(q, &q->added, &q->added_wrap);
	}
	/* Release: the device takes the whole list when it sees its head. [packed.head-last], [packed.barrier-before-flags] */
	__atomic_store_n(&head->flags, head_flags, __ATOMIC_RELEASE);
	q->fresh = (uint16_t)(q->fresh + nr);
}

static bool packed_wants_kick(const struct ring *q, uint16_t fresh)
{
	const uint16_t flags = __atomic_load_n(&q->device.flags, __ATOMIC_ACQUIRE);
	const uint16_t off_wrap = load(&q->device.off_wrap);
	uint16_t event = off_wrap & (uint16_t)~WRAP;

	if (flags != VRING_PACKED_EVENT_FLAG_DESC)
		return flags != VRING_PACKED_EVENT_FLAG_DISABLE;
	if (!(off_wrap & WRAP) == q->added_wrap && !bug(event_wrap)) /* of the lap before */
		event = (uint16_t)(event - q->size);
	return vring_need_event(event, q->added, (uint16_t)(q->added - fresh));
}

/* ---- both */

void ring_add(struct ring *q, uint16_t i, const struct piece *p, unsigned nr)
{
	q->busy[i] = true;
	if (q->in_order)
		q->order[q->newest++ % QUEUE_SIZE] = i;
	(q->packed ? packed_add : split_add)(q, i, p, nr);
}

bool ring_flush(struct ring *q)
{
	const uint16_t fresh = q->fresh;

	q->fresh = 0;
	if (fresh == 0)
		return false;
	/* Release: descriptors and entries come before the index. [split.barrier-before-idx] */
	if (!q->packed)
		__atomic_store_n(&q->avail[IDX], bug(index_modulo) ? q->added % q->size : q->added,
		                 __ATOMIC_RELEASE);
	/* Before the look at what the device wants. [split.barrier-before-suppress-check], [packed.barrier-before-event-read] */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return q->packed ? packed_wants_kick(q, fresh) : split_wants_kick(q, fresh);
}

/* Acquire: what was used is read after what shows it. */
static bool has_used(const struct ring *q)
{
	uint16_t flags;

	if (!q->packed)
		return __atomic_load_n(&q->used.idx, __ATOMIC_ACQUIRE) != q->seen;
	flags = __atomic_load_n(&q->desc[q->seen].packed.flags, __ATOMIC_ACQUIRE);
	return (flags & (AVAIL | USED)) == (q->seen_wrap ? AVAIL | USED : 0);
}

/*
 * With IN_ORDER: the next one. A used entry stands for all up to the one that it names, and only to that something was
 * written. [inorder.batch-used]
 */
static int take_in_order(struct ring *q, uint32_t *len)
{
	const struct vring_used_elem e = q->used.ring[q->seen % q->size];
	const struct vring_packed_desc d = q->desc[q->seen].packed;
	uint16_t n = q->oldest, i;

	if (q->batch == 0) {
		while (n != q->newest &&
		       (q->packed ? q->order[n % QUEUE_SIZE] != d.id : head_in_order(q, n) != e.id))
			n++;
		if (n == q->newest)
			return -2;
		q->batch = bug(batch_ignored) ? 1 : (uint16_t)(n - q->oldest + 1);
		q->batch_len = q->packed && !(d.flags & VRING_DESC_F_WRITE) ? 0
		               : q->packed                                  ? d.len
		                                                            : e.len;
	}
	i = q->order[q->oldest++ % QUEUE_SIZE];
	*len = --q->batch == 0 ? q->batch_len : 0;
	for (unsigned k = 0; q->packed && k < entries(q); k++)
		step(q, &q->seen, &q->seen_wrap);
	q->seen += !q->packed;
	q->busy[i] = false;
	return i;
}

int ring_take(struct ring *q, uint32_t *len)
{
	uint32_t i;

	if (q->batch == 0 && !has_used(q))
		return -1;
	if (q->in_order)
		return take_in_order(q, len);
	if (q->packed) {
		const struct vring_packed_desc d = q->desc[q->seen].packed;

		i = d.id;                                        /* [packed.used-by-id] */
		*len = d.flags & VRING_DESC_F_WRITE ? d.len : 0; /* [packed.len-only-with-write] */
		for (unsigned k = 0; k < entries(q); k++)        /* its whole list */
			step(q, &q->seen, &q->seen_wrap);
	} else {
		const struct vring_used_elem e = q->used.ring[q->seen % q->size];

		if (bug(fifo_assumed) && e.id != q->avail[RING + q->seen % q->size])
			return -2;
		q->seen++;
		/* In any order [used.any-order], and by its head: no rule asks to look at that, but a device may lie. */
		i = e.id % entries(q) ? QUEUE_SIZE : e.id / entries(q);
		*len = e.len;
	}
	/* No rule asks for this check; without it a device could make us write anywhere. */
	if (i >= q->buffers || !q->busy[i])
		return -2;
	q->busy[i] = false;
	return (int)i;
}

bool ring_interrupt_on(struct ring *q)
{
	if (q->packed) { /* [packed.event-desc-needs-feature] */
		store(&q->driver.off_wrap, (uint16_t)(q->seen | (q->seen_wrap ? WRAP : 0)));
		__atomic_store_n(&q->driver.flags,
		                 q->event_idx ? VRING_PACKED_EVENT_FLAG_DESC
		                              : VRING_PACKED_EVENT_FLAG_ENABLE,
		                 __ATOMIC_RELEASE);
	} else if (!q->event_idx) { /* [notif.avail-flags-01] */
		store(&q->avail[FLAGS], 0);
	} else if (
		!bug(event_stands)) { /* [event_idx.used-event-progress]; flags stay 0 [event_idx.avail-flags-0] */
		store(&q->avail[RING + q->size], q->seen);
	}
	/* What was used before the device could see this wish. [notif.recheck-after-enable] */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return !has_used(q);
}

void ring_interrupt_off(struct ring *q)
{
	if (q->packed)
		store(&q->driver.flags, VRING_PACKED_EVENT_FLAG_DISABLE);
	else if (!q->event_idx) /* with EVENT_IDX the event stays behind */
		store(&q->avail[FLAGS], VRING_AVAIL_F_NO_INTERRUPT);
}
