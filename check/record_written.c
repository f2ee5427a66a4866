/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the device has written to the buffers that it gives back. Where these are is known from their chains, as the
 * driver had offered them: so a device that writes to another place is found when the recording is replayed. It takes
 * chains, and fills them, in the order in which they were offered, in whatever order it shows them.
 */
#include <linux/virtio_ring.h>
#include <sys/uio.h>

#include "check/record_priv.h"
#include "devices/virtio.h"

static struct record_piece *piece_at(struct record_room *r, unsigned i)
{
	return &r->piece[(r->first + i) % RECORD_PIECES];
}

static void drop(struct record_room *r, unsigned nr)
{
	r->first = (r->first + nr) % RECORD_PIECES;
	r->nr -= nr;
}

void record_room_begin(struct record_queue *q)
{
	q->room.first = q->room.nr = 0;
}

void record_room_add(struct record_queue *q, const struct trace_record *chain)
{
	struct record_room *r = &q->room;
	bool begins = true;

	if (chain->u.chain.nr > RECORD_PIECES - r->nr)
		return;
	for (unsigned i = 0; i < chain->u.chain.nr; i++) {
		const struct trace_desc d = trace_desc_at(chain, i);

		if ((d.flags & (VRING_DESC_F_WRITE | VRING_DESC_F_INDIRECT)) != VRING_DESC_F_WRITE)
			continue;
		*piece_at(r, r->nr++) =
			(struct record_piece){d.addr, d.len, chain->u.chain.head, begins};
		begins = false;
	}
}

/* The pieces of that chain are the oldest ones, and their number; those before it were given back unused. 0: unknown. */
static unsigned find(struct record_room *r, uint16_t head)
{
	unsigned from = 0, to = 1;

	while (from < r->nr && piece_at(r, from)->head != head)
		from++;
	if (from == r->nr)
		return 0;
	drop(r, from);
	while (to < r->nr && !piece_at(r, to)->begins)
		to++;
	return to;
}

/* The first @bytes of the oldest @nr pieces, into record.frame. False: they are not there. */
static bool take(struct record_queue *q, unsigned nr, uint32_t bytes)
{
	struct record *r = q->d->r;
	uint32_t got = 0;

	if (bytes > sizeof(r->frame))
		return false;
	for (unsigned i = 0; i < nr && got < bytes; i++) {
		const struct record_piece *p = piece_at(&q->room, i);
		const uint32_t len = min_u32(p->len, bytes - got);

		if (gmem_read(q->d->dev->mem, p->addr, r->frame + got, len) < 0)
			return false;
		got += len;
	}
	return got == bytes;
}

void record_wrote(struct virtio_watch *w, unsigned queue, uint16_t head, uint32_t bytes)
{
	struct record_device *d = container_of(w, struct record_device, watch);
	struct trace_record t = record_of(d, TRACE_WRITTEN);
	struct iovec shown = {.iov_base = d->r->frame};
	struct record_queue *q;
	unsigned nr;

	if (queue >= TRACE_QUEUES || bytes == 0)
		return;
	q = &d->queue[queue];
	t.queue = q->index;
	t.packed = q->packed;
	t.u.written.head = head;
	t.u.written.bytes = bytes;
	trace_lock(d->r->w);
	nr = find(&q->room, head);
	t.u.written.unknown = !nr || !take(q, nr, bytes);
	if (!t.u.written.unknown) {
		t.u.written.digest = trace_digest(d->r->frame, bytes);
		shown.iov_len = min_u32(bytes, TRACE_SHOWN);
	}
	drop(&q->room, nr);
	record_put(d, &t, &shown, 1);
	trace_unlock(d->r->w);
}
