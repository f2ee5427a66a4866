/* SPDX-License-Identifier: Apache-2.0 */
/* The packed ring (virtio 1.2, 2.8). */
#include "queue.h"

#define AVAIL(wrap) ((uint16_t)((wrap) << VRING_PACKED_DESC_F_AVAIL))
#define USED(wrap)  ((uint16_t)((wrap) << VRING_PACKED_DESC_F_USED))
#define WRAP        (1u << VRING_PACKED_EVENT_F_WRAP_CTR)

struct queue_areas packed_areas(struct queue *q)
{
	return (struct queue_areas){q->packed.desc, &q->packed.driver, &q->packed.device};
}

static uint16_t write_flag(const struct piece *p)
{
	return p->device_writes ? VRING_DESC_F_WRITE : 0;
}

/* The next slot gets everything; the flags are given back, for the head has to wait with them. */
static uint16_t fill_slot(struct queue *q, const struct vring_packed_desc *d)
{
	struct vring_packed_desc *slot = &q->packed.desc[q->avail];
	/* [packed.avail-bits] */
	const uint16_t flags = (uint16_t)(d->flags | AVAIL(q->avail_wrap) | USED(!q->avail_wrap));

	slot->addr = d->addr;
	slot->len = d->len;
	slot->id = d->id; /* in each; the last one counts [packed.id-in-last] */
	if (++q->avail == q->size) {
		q->avail = 0;
		q->avail_wrap = !q->avail_wrap; /* [packed.wrap-toggle] */
	}
	return flags;
}

static struct vring_packed_desc table_of(struct queue *q, const struct piece *p, unsigned nr,
                                         uint16_t id)
{
	for (unsigned i = 0; i < nr;
	     i++) /* WRITE is all that means something there [packed.indirect-only-write-flag] */
		q->table[id][i].packed = (struct vring_packed_desc){
			.addr = (uint64_t)p[i].at, .len = p[i].len, .flags = write_flag(&p[i])};
	return (struct vring_packed_desc){.addr = (uint64_t)q->table[id],
	                                  .len = nr * (uint32_t)sizeof(struct vring_packed_desc),
	                                  .id = id,
	                                  .flags = VRING_DESC_F_INDIRECT};
}

void packed_add(struct queue *q, const struct piece *p, unsigned nr, uint16_t id)
{
	const bool table = q->entries[id] == 1 && nr > 1;
	const uint16_t head = q->avail;
	uint16_t head_flags = 0;

	for (uint16_t i = 0; i < q->entries[id]; i++) {
		const uint16_t slot = q->avail;
		const struct vring_packed_desc d =
			table ? table_of(q, p, nr, id)
			      : (struct vring_packed_desc){
					.addr = (uint64_t)p[i].at,
					.len = p[i].len,
					.id = id,
					.flags = (uint16_t)(write_flag(&p[i]) |
		                                            (i + 1u < nr ? VRING_DESC_F_NEXT : 0))};
		const uint16_t flags = fill_slot(q, &d);

		if (slot == head)
			head_flags = flags;
		else
			q->packed.desc[slot].flags = flags;
	}
	/* Release: the device takes the whole list when it sees its head. [packed.head-last], [packed.barrier-before-flags] */
	__atomic_store_n(&q->packed.desc[head].flags, head_flags, __ATOMIC_RELEASE);
	q->shown = (uint16_t)(q->shown + q->entries[id]);
}

/* Here @shown is how many entries were added since the last call. */
bool packed_flush(struct queue *q)
{
	const uint16_t added = q->shown;
	uint16_t event, flags;
	bool wrap;

	q->shown = 0;
	if (added == 0)
		return false;
	/* [packed.barrier-before-event-read] */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	flags = __atomic_load_n(&q->packed.device.flags, __ATOMIC_ACQUIRE);
	if (flags != VRING_PACKED_EVENT_FLAG_DESC)
		return flags != VRING_PACKED_EVENT_FLAG_DISABLE;
	event = __atomic_load_n(&q->packed.device.off_wrap, __ATOMIC_RELAXED);
	wrap = event >> VRING_PACKED_EVENT_F_WRAP_CTR;
	event &= (uint16_t)~WRAP;
	if (wrap != q->avail_wrap) /* of the lap before */
		event = (uint16_t)(event - q->size);
	return vring_need_event(event, q->avail, (uint16_t)(q->avail - added));
}

static bool is_used(const struct queue *q)
{
	/* Acquire: id and len are read after it. */
	const uint16_t flags = __atomic_load_n(&q->packed.desc[q->seen].flags, __ATOMIC_ACQUIRE);

	return (flags & (AVAIL(1) | USED(1))) == (AVAIL(q->seen_wrap) | USED(q->seen_wrap));
}

int packed_take(struct queue *q, uint32_t *len)
{
	const struct vring_packed_desc *d = &q->packed.desc[q->seen];
	uint16_t id;

	if (!is_used(q))
		return -1;
	id = d->id;
	*len = d->flags & VRING_DESC_F_WRITE ? d->len : 0; /* [packed.len-only-with-write] */
	if (id >= q->size || q->entries[id] == 0)
		return -2;
	q->seen =
		(uint16_t)(q->seen + q->entries[id]); /* over its whole list [packed.used-by-id] */
	if (q->seen >= q->size) {
		q->seen = (uint16_t)(q->seen - q->size);
		q->seen_wrap = !q->seen_wrap;
	}
	return queue_release(q, id);
}

bool packed_interrupt_on(struct queue *q)
{
	uint16_t flags = VRING_PACKED_EVENT_FLAG_ENABLE;

	if (q->event_idx) { /* [packed.event-desc-needs-feature] */
		flags = VRING_PACKED_EVENT_FLAG_DESC;
		__atomic_store_n(&q->packed.driver.off_wrap,
		                 (uint16_t)(q->seen | (q->seen_wrap ? WRAP : 0)), __ATOMIC_RELAXED);
	}
	__atomic_store_n(&q->packed.driver.flags, flags, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* [notif.recheck-after-enable] */
	return !is_used(q);
}

void packed_interrupt_off(struct queue *q)
{
	__atomic_store_n(&q->packed.driver.flags, VRING_PACKED_EVENT_FLAG_DISABLE,
	                 __ATOMIC_RELAXED);
}
