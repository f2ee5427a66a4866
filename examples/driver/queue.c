/* SPDX-License-Identifier: Apache-2.0 */
/* Words that the device may read or write meanwhile go through __atomic_*. */
#include "driver.h"

void queue_add(struct queue *q, uint16_t i, const void *at, uint32_t len, bool device_writes)
{
	/* [feat.physical-addresses], [split.desc-in-ram], [split.desc-nonempty], [split.no-loop] */
	q->desc[i] =
		(struct vring_desc){(uint64_t)at, len, device_writes ? VRING_DESC_F_WRITE : 0, 0};
	/*
	 * Nobody else has descriptor @i: [split.head-in-range], [split.head-not-outstanding], [split.avail-no-overrun].
	 * The index runs freely, and is taken modulo the size only here. [split.idx-wraps-16bit]
	 */
	__atomic_store_n(&q->avail.ring[q->added % q->size],
	                 bug(index_for_head) && device_writes ? q->added : i, __ATOMIC_RELAXED);
	q->added++;
	q->busy[i] = true;
}

bool queue_flush(struct queue *q)
{
	if (q->avail.idx == q->added)
		return false;
	/* Release: descriptors and entries come before the index. [split.barrier-before-idx] */
	__atomic_store_n(&q->avail.idx, q->added, __ATOMIC_RELEASE);
	/* It comes before the look at what the device wants. [split.barrier-before-suppress-check] */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	/* [notif.must-kick], [notif.ignore-avail-event] */
	return !(__atomic_load_n(&q->used.flags, __ATOMIC_RELAXED) & VRING_USED_F_NO_NOTIFY) &&
	       !bug(no_kick);
}

int queue_take(struct queue *q, uint32_t *len)
{
	/* Acquire: the entry is read after the index that shows it. */
	while (__atomic_load_n(&q->used.idx, __ATOMIC_ACQUIRE) != q->seen) {
		const struct vring_used_elem *e = &q->used.ring[q->seen++ % q->size];
		const uint32_t id = __atomic_load_n(&e->id, __ATOMIC_RELAXED);

		/* In any order [used.any-order]. No rule asks for the check; without it a device could make us write anywhere. */
		if (id >= q->size || !q->busy[id])
			continue;
		q->busy[id] = false;
		*len = __atomic_load_n(&e->len, __ATOMIC_RELAXED);
		return (int)id;
	}
	return -1;
}
