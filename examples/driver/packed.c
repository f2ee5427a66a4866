/* SPDX-License-Identifier: Apache-2.0 */
/* The packed ring (virtio 1.2, 2.8). */
#include "bugs.h"
#include "queue.h"

#define AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define USED  (1u << VRING_PACKED_DESC_F_USED)
#define WRAP  (1u << VRING_PACKED_EVENT_F_WRAP_CTR)

static struct queue_areas packed_areas(struct queue *q)
{
	return (struct queue_areas){q->packed.desc, &q->packed.driver, &q->packed.device};
}

static void step(const struct queue *q, uint16_t *at, bool *wrap, unsigned n)
{
	*at = (uint16_t)(*at + n);
	if (*at < q->size)
		return;
	*at = (uint16_t)(*at - q->size);
	*wrap = !*wrap; /* [packed.wrap-toggle] */
}

static struct vring_packed_desc describe(const struct piece *p, uint16_t id, unsigned flags)
{
	flags |= p->device_writes ? VRING_DESC_F_WRITE : 0;
	return (struct vring_packed_desc){(uint64_t)p->at, p->len, id, (uint16_t)flags};
}

static void packed_add(struct queue *q, const struct piece *p, unsigned nr, uint16_t id)
{
	struct vring_packed_desc *const head = &q->packed.desc[q->avail];
	const bool table = q->entries[id] == 1 && nr > 1;
	const struct piece in_table = {q->table[id], nr * 16, false};
	uint16_t head_flags = 0;

	for (unsigned i = 0; table && i < nr; i++) /* [packed.indirect-only-write-flag] */
		q->table[id][i].packed = describe(&p[i], 0, 0);
	for (unsigned i = 0; i < q->entries[id]; i++) {
		struct vring_packed_desc *slot = &q->packed.desc[q->avail];
		const unsigned more = i + 1u < q->entries[id] ? VRING_DESC_F_NEXT : 0;
		/* In each descriptor; the last id counts. [packed.avail-bits], [packed.id-in-last] */
		const unsigned marks = q->avail_wrap ? AVAIL : USED;
		struct vring_packed_desc d =
			table ? describe(&in_table, id, VRING_DESC_F_INDIRECT | marks)
			      : describe(&p[i], bug(id_in_head) && i ? 0 : id, more | marks);

		/* The flags of the head have to wait. */
		if (slot == head) {
			head_flags = d.flags;
			d.flags = slot->flags;
		}
		*slot = d;
		step(q, &q->avail, &q->avail_wrap, 1);
	}
	/* Release: the device takes the whole list when it sees its head. [packed.head-last], [packed.barrier-before-flags] */
	__atomic_store_n(&head->flags, head_flags, __ATOMIC_RELEASE);
	q->shown = (uint16_t)(q->shown + q->entries[id]);
}

/* Here @shown is how many entries were added since the last call. */
static bool packed_flush(struct queue *q)
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
	wrap = event & WRAP;
	event &= (uint16_t)~WRAP;
	if (wrap != q->avail_wrap && !bug(event_wrap)) /* of the lap before */
		event = (uint16_t)(event - q->size);
	return vring_need_event(event, q->avail, (uint16_t)(q->avail - added));
}

static bool is_used(const struct queue *q)
{
	/* Acquire: id and len are read after it. */
	const uint16_t flags = __atomic_load_n(&q->packed.desc[q->seen].flags, __ATOMIC_ACQUIRE);

	return (flags & (AVAIL | USED)) == (q->seen_wrap ? AVAIL | USED : 0);
}

static int packed_take(struct queue *q, uint32_t *len)
{
	const struct vring_packed_desc *d = &q->packed.desc[q->seen];
	uint16_t id;

	if (!is_used(q))
		return -1;
	id = d->id;
	*len = d->flags & VRING_DESC_F_WRITE ? d->len : 0; /* [packed.len-only-with-write] */
	if (id < q->size) /* over its whole list [packed.used-by-id] */
		step(q, &q->seen, &q->seen_wrap, q->entries[id]);
	return queue_release(q, id);
}

static bool packed_interrupt_on(struct queue *q)
{
	const unsigned at = q->seen | (q->seen_wrap ? WRAP : 0);

	__atomic_store_n(&q->packed.driver.off_wrap, (uint16_t)at, __ATOMIC_RELAXED);
	/* [packed.event-desc-needs-feature] */
	__atomic_store_n(&q->packed.driver.flags,
	                 q->event_idx ? VRING_PACKED_EVENT_FLAG_DESC
	                              : VRING_PACKED_EVENT_FLAG_ENABLE,
	                 __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* [notif.recheck-after-enable] */
	return !is_used(q);
}

static void packed_interrupt_off(struct queue *q)
{
	__atomic_store_n(&q->packed.driver.flags, VRING_PACKED_EVENT_FLAG_DISABLE,
	                 __ATOMIC_RELAXED);
}

const struct queue_layout packed_layout = {
	packed_areas, packed_add,          packed_flush,
	packed_take,  packed_interrupt_on, packed_interrupt_off,
};
