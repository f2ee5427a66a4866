/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/cmd/ring.h"

#include <errno.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "bench/cmd/repeat.h"
#include "devices/vq.h"
#include "vmm/core/compiler.h"
#include "vmm/core/iov.h"

#define NUM   256u
#define BURST 32u /* requests at once */

#define MEM_BASE MIB(1)
#define RINGS_AT MEM_BASE
#define BUFS_AT  (MEM_BASE + KIB(64))

#define AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define USED  (1u << VRING_PACKED_DESC_F_USED)

struct split_driver {
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	uint16_t next_desc, next_avail, next_used;
};

struct packed_driver {
	struct vring_packed_desc *desc;
	uint16_t at, used_at, flags, used_flags; /* flags: of this lap */
};

struct bench_ring {
	const struct ring_work *work;
	unsigned burst;
	struct gmem mem;
	struct vq q;
	struct iovec iov[RING_PIECES_MAX];
	uint8_t *copy; /* of one request; as large as any */
	struct split_driver split;
	struct packed_driver packed;
};

/* ---- the driver: requests in descriptors that are used round robin. Its state is in registers meanwhile */

static void split_offer(struct bench_ring *r)
{
	const uint16_t way = r->work->in ? VRING_DESC_F_WRITE : 0;
	const unsigned pieces = r->work->pieces, burst = r->burst;
	const uint32_t len = r->work->len;
	struct split_driver d = r->split;

	for (unsigned i = 0; i < burst; i++) {
		d.avail->ring[d.next_avail++ % NUM] = d.next_desc;
		for (unsigned k = 1; k <= pieces; k++) {
			struct vring_desc *at = &d.desc[d.next_desc];

			d.next_desc = (uint16_t)((d.next_desc + 1) % NUM);
			at->len = len;
			at->flags = k < pieces ? way | VRING_DESC_F_NEXT : way;
			at->next = d.next_desc;
		}
	}
	__atomic_store_n(&d.avail->idx, d.next_avail, __ATOMIC_RELEASE);
	r->split = d;
}

static int split_take(struct bench_ring *r)
{
	const uint16_t idx = __atomic_load_n(&r->split.used->idx, __ATOMIC_ACQUIRE);
	uint16_t next = r->split.next_used;

	if ((uint16_t)(idx - next) != r->burst)
		return -EPROTO;
	while (next != idx)
		if (r->split.used->ring[next++ % NUM].id >= NUM)
			return -EPROTO;
	r->split.next_used = next;
	return 0;
}

static void packed_offer(struct bench_ring *r)
{
	const unsigned pieces = r->work->pieces, nr = r->burst * pieces;
	const uint16_t way = r->work->in ? VRING_DESC_F_WRITE : 0;
	const uint32_t len = r->work->len;
	struct packed_driver d = r->packed;
	struct vring_packed_desc *first = &d.desc[d.at];
	const uint16_t first_flags = d.flags | way | (pieces > 1 ? VRING_DESC_F_NEXT : 0);

	for (unsigned i = 0, k = 1; i < nr; i++, k++) {
		struct vring_packed_desc *at = &d.desc[d.at];
		const uint16_t next = k < pieces ? VRING_DESC_F_NEXT : 0;

		at->addr = BUFS_AT + (gpa_t)d.at * len;
		at->len = len;
		at->id = d.at;
		if (i > 0)
			__atomic_store_n(&at->flags, (uint16_t)(d.flags | way | next),
			                 __ATOMIC_RELAXED);
		if (k == pieces)
			k = 0;
		if (++d.at == NUM) {
			d.at = 0;
			d.flags ^= AVAIL | USED;
		}
	}
	__atomic_store_n(&first->flags, first_flags, __ATOMIC_RELEASE);
	r->packed = d;
}

static int packed_take(struct bench_ring *r)
{
	const unsigned pieces = r->work->pieces, burst = r->burst;
	struct packed_driver d = r->packed;

	for (unsigned i = 0; i < burst; i++) {
		const struct vring_packed_desc *at = &d.desc[d.used_at];

		if ((__atomic_load_n(&at->flags, __ATOMIC_ACQUIRE) & (AVAIL | USED)) !=
		    d.used_flags)
			return -EPROTO;
		d.used_at = (uint16_t)(d.used_at + pieces);
		if (d.used_at >= NUM) {
			d.used_at = (uint16_t)(d.used_at - NUM);
			d.used_flags ^= AVAIL | USED;
		}
	}
	r->packed = d;
	return 0;
}

static void offer(struct bench_ring *r)
{
	if (r->work->packed)
		packed_offer(r);
	else
		split_offer(r);
}

static int take(struct bench_ring *r)
{
	return r->work->packed ? packed_take(r) : split_take(r);
}

/* ---- the device */

static bool copy(struct bench_ring *r, const struct vq_chain *c)
{
	const size_t len = (size_t)r->work->pieces * r->work->len;

	if (r->work->in)
		return iov_write(c->iov, c->nr_in, 0, r->copy, len) == len;
	return iov_read(c->iov, c->nr_out, 0, r->copy, len) == len;
}

/* Inlined, so that the loop of each step has no more in it than its own. */
static inline int serve(struct bench_ring *r, bool copies)
{
	struct vq_chain c = {.iov = r->iov, .room = RING_PIECES_MAX};
	struct vq *q = &r->q;
	int ret;

	vq_kicks_off(q);
	while ((ret = vq_pop(q, &c)) == 1) {
		if (copies && !copy(r, &c))
			return -EPROTO;
		vq_push(q, c.head, c.in_len);
	}
	vq_publish(q);
	vq_want_interrupt(q);
	vq_kicks_on(q);
	return ret;
}

/* ---- the steps: @n bursts */

static int do_requests(void *arg, unsigned n)
{
	struct bench_ring *r = arg;
	int ret = 0;

	while (n-- && ret == 0) {
		offer(r);
		ret = serve(r, false);
		if (ret == 0)
			ret = take(r);
	}
	return ret;
}

static int do_copies(void *arg, unsigned n)
{
	struct bench_ring *r = arg;
	int ret = 0;

	while (n-- && ret == 0) {
		offer(r);
		ret = serve(r, true);
		if (ret == 0)
			ret = take(r);
	}
	return ret;
}

static int do_pops(void *arg, unsigned n)
{
	struct bench_ring *r = arg;
	struct vq_chain c = {.iov = r->iov, .room = RING_PIECES_MAX};

	while (n--) {
		unsigned popped = 0;

		while (vq_pop(&r->q, &c) == 1)
			popped++;
		if (popped != r->burst)
			return -EPROTO;
		vq_unpop(&r->q, popped);
	}
	return 0;
}

/* ns of one burst's publishing, or -1. */
static double publish_burst(struct bench_ring *r)
{
	struct vq_chain c = {.iov = r->iov, .room = RING_PIECES_MAX};
	uint16_t head[NUM];
	unsigned popped = 0;
	uint64_t from;

	offer(r);
	while (vq_pop(&r->q, &c) == 1)
		head[popped++] = c.head;
	from = repeat_clock_ns(CLOCK_MONOTONIC);
	for (unsigned i = 0; i < popped; i++)
		vq_push(&r->q, head[i], 0);
	vq_publish(&r->q);
	vq_want_interrupt(&r->q);
	from = repeat_clock_ns(CLOCK_MONOTONIC) - from;
	return popped == r->burst && take(r) == 0 ? (double)from : -1;
}

#define PUBLISH_SAMPLES 4096u

static int cost_of_publishing(struct bench_ring *r, unsigned ms, double *ns)
{
	const uint64_t end = repeat_clock_ns(CLOCK_MONOTONIC) + ms * UINT64_C(1000000);
	double all[PUBLISH_SAMPLES];
	unsigned n = 0;

	do {
		all[n] = publish_burst(r);
		if (all[n] < 0)
			return -EPROTO;
	} while (++n < PUBLISH_SAMPLES && repeat_clock_ns(CLOCK_MONOTONIC) < end);
	*ns = repeat_median(all, n);
	return 0;
}

/* ---- all of it */

static int start(struct bench_ring *r)
{
	const struct gmem_range range = {.base = MEM_BASE, .size = MIB(2)};
	const struct vq_addr a = {NUM, RINGS_AT, RINGS_AT + KIB(8), RINGS_AT + KIB(16)};
	const struct vq_features f = {.event_idx = true, .packed = r->work->packed};
	int ret = gmem_create(&r->mem, &range, 1, false);
	uint8_t *base;

	if (ret < 0)
		return ret;
	r->copy = calloc(RING_PIECES_MAX, RING_PIECE_MAX);
	if (!r->copy)
		return -ENOMEM;
	base = gmem_ptr(&r->mem, MEM_BASE, range.size);
	if (!base)
		return -EFAULT;
	/* Touched: no page fault is measured. */
	memset(r->copy, 1, (size_t)RING_PIECES_MAX * RING_PIECE_MAX);
	memset(base + (BUFS_AT - MEM_BASE), 1, (size_t)NUM * RING_PIECE_MAX);
	r->split.desc = (void *)(base + (a.desc - MEM_BASE));
	r->split.avail = (void *)(base + (a.avail - MEM_BASE));
	r->split.used = (void *)(base + (a.used - MEM_BASE));
	r->packed.desc = (void *)(base + (a.desc - MEM_BASE));
	r->packed.flags = AVAIL;
	r->packed.used_flags = AVAIL | USED;
	if (!r->work->packed)
		for (unsigned i = 0; i < NUM; i++)
			r->split.desc[i].addr = BUFS_AT + (gpa_t)i * r->work->len;
	return vq_start(&r->q, &r->mem, &a, f);
}

static int run(struct bench_ring *r, unsigned ms, double *ns)
{
	switch (r->work->step) {
	case RING_REQUEST:
		return repeat_for(ms, CLOCK_THREAD_CPUTIME_ID, do_requests, r, ns);
	case RING_COPY:
		return repeat_for(ms, CLOCK_THREAD_CPUTIME_ID, do_copies, r, ns);
	case RING_POP:
		offer(r);
		return repeat_for(ms, CLOCK_THREAD_CPUTIME_ID, do_pops, r, ns);
	case RING_PUBLISH:
		return cost_of_publishing(r, ms, ns);
	}
	return -EINVAL;
}

int ring_cost(const struct ring_work *w, unsigned ms, double *ns)
{
	struct bench_ring *r = calloc(1, sizeof(*r));
	int ret;

	if (!r)
		return -ENOMEM;
	r->work = w;
	r->burst = NUM / w->pieces;
	/* Where one clock's reading is enough to be seen, as many as there can be. */
	if (w->step == RING_REQUEST || w->step == RING_COPY)
		r->burst = min_u32(r->burst, BURST);
	ret = start(r);
	if (ret == 0)
		ret = run(r, ms, ns);
	*ns /= r->burst;
	vq_stop(&r->q);
	free(r->copy);
	gmem_destroy(&r->mem);
	free(r);
	return ret;
}
