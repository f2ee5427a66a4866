/* SPDX-License-Identifier: Apache-2.0 */
/* bench/frames.h - frames of 64 bytes out of a guest, or into it: a driver and a device over doorbell's queue core
 *
 * Out of it the driver writes header and frame into a buffer of its own and posts it, and the device copies both out; into it
 * the driver posts buffers, and reads what the device has copied into them. Neither sleeps, kicks or interrupts. The driver does what a good one does: bursts, and one look at the other side's lines for a
 * burst. What is done to each frame stands here, so that the compiler sees all of it.
 */
#ifndef DOORBELL_BENCH_FRAMES_H
#define DOORBELL_BENCH_FRAMES_H

#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/uio.h>

#include "bench/rings.h"
#include "devices/rx_window.h"
#include "devices/vq.h"
#include "vmm/core/compiler.h"

#define FRAMES_NUM    1024u
#define FRAMES_BURST  32u
#define FRAMES_HDR    12u
#define FRAMES_LEN    76u   /* bytes, with the header */
#define FRAMES_STRIDE 2304u /* of buffers, as a packet library has them */
#define FRAMES_OUTS   64u

/* Guest memory: one region from here, or several, the last of them for the buffers. */
#define FRAMES_MEM_AT   MIB(1)
#define FRAMES_MEM      MIB(10)
#define FRAMES_RINGS_AT FRAMES_MEM_AT
#define FRAMES_BUFS_AT  MIB(6)

_Static_assert(FRAMES_BUFS_AT + FRAMES_NUM * FRAMES_STRIDE <= FRAMES_MEM_AT + FRAMES_MEM, "room");

/* ---- the device */

/*
 * What the device leaves out of what the product's does, or does besides: constants at each call, so that nothing of
 * it is asked while frames pass. None of it: the benchmarks of the product.
 */
struct frames_how {
	bool publish_each; /* a publication and a look at the driver's wish for each frame, not for a burst */
	bool acquire_each; /* split: the available index is read for each frame, not when the last one is used up */
	bool translate; /* where each part of the ring is, is looked up whenever it is used */
	bool forget; /* buffers are looked for from the first region on, not where the last one was */
	bool desc_ahead; /* the descriptor of a frame further on is fetched: FRAMES_AHEAD */
	bool late;       /* the frame is not fetched before it is copied */
	bool receive;    /* into the guest */
	bool chain_each; /* likewise: chains are taken off the ring as frames use them up, and not behind each burst */
};

#define FRAMES_AHEAD 4u

struct frames_device {
	struct vq q;
	struct vq_addr at;
	struct iovec burst[FRAMES_BURST];
	uint16_t head[FRAMES_BURST];
	struct rx_window window; /* into the guest */
	unsigned next_out;
	/* Where frames go: those freed last are used first. */
	uint8_t out[FRAMES_OUTS][FRAMES_STRIDE];
};

/* Without the cache: what vq_start() found out. */
static inline void frames_translate(struct frames_device *d, bool used)
{
	struct vq *q = &d->q;

	if (q->packed) {
		q->packed_desc = gmem_ptr(q->mem, d->at.desc, (uint64_t)d->at.num * 16);
	} else if (used) {
		q->used = gmem_ptr(q->mem, d->at.used, 6 + (uint64_t)d->at.num * 8);
	} else {
		q->avail = gmem_ptr(q->mem, d->at.avail, 6 + (uint64_t)d->at.num * 2);
		q->desc = gmem_ptr(q->mem, d->at.desc, (uint64_t)d->at.num * 16);
	}
}

/* A few frames ahead: of a split ring only what the driver is known to have offered. */
static inline void frames_fetch_desc(const struct frames_device *d)
{
	const struct vq *q = &d->q;
	const unsigned at = (q->next_avail + FRAMES_AHEAD) % FRAMES_NUM;
	const void *desc = q->desc, *avail = q->avail, *packed = q->packed_desc;

	if (q->packed)
		__builtin_prefetch((const struct vring_packed_desc *)packed + at);
	else if ((uint16_t)(q->seen_avail - q->next_avail) > FRAMES_AHEAD)
		__builtin_prefetch((const struct vring_desc *)desc +
		                   ((const struct vring_avail *)avail)->ring[at] % FRAMES_NUM);
}

/* Frames that wait, up to a burst. How many. */
static inline __attribute__((always_inline)) unsigned frames_take(struct frames_device *d,
                                                                  const struct frames_how how)
{
	unsigned n = 0;

	for (; n < FRAMES_BURST; n++) {
		struct vq_chain c = {.iov = &d->burst[n], .room = 1};

		if (how.translate)
			frames_translate(d, false);
		if (how.forget)
			d->q.last = &d->q.mem->region[0];
		if (how.acquire_each && !d->q.packed)
			d->q.seen_avail = d->q.next_avail;
		if (how.desc_ahead)
			frames_fetch_desc(d);
		if (vq_pop(&d->q, &c) != 1)
			break;
		if (c.out_len != FRAMES_LEN)
			die("a frame of another length");
		d->head[n] = c.head;
		if (how.late)
			continue;
		__builtin_prefetch(d->burst[n].iov_base);
		__builtin_prefetch((const char *)d->burst[n].iov_base + 64);
	}
	return n;
}

/* As the product: bytes to have for any frame, and pieces to take ahead. */
#define FRAMES_REACH  65562u
#define FRAMES_PIECES 256u

/* A burst of frames that have come, as far as there are buffers. How many. */
static inline __attribute__((always_inline)) unsigned frames_receive(struct frames_device *d,
                                                                     const struct frames_how how)
{
	struct rx_window *w = &d->window;
	struct iovec *iov;
	unsigned n = 0;

	for (; n < FRAMES_BURST; n++) {
		const uint8_t *from = d->out[d->next_out++ % FRAMES_OUTS];

		rx_window_fill(w, &d->q, FRAMES_REACH, FRAMES_PIECES);
		if (w->nr == 0 || !rx_window_open(w, FRAMES_HDR, FRAMES_LEN))
			break;
		rx_window_pieces(w, &iov);
		memcpy(w->hdr[0].iov_base, from, FRAMES_HDR);
		memcpy(iov[0].iov_base, from + FRAMES_HDR, FRAMES_LEN - FRAMES_HDR);
		vq_push(&d->q, rx_window_front(w)->head, FRAMES_LEN);
		rx_window_drop_front(w);
	}
	vq_publish(&d->q);
	vq_want_interrupt(&d->q);
	if (!how.chain_each && w->nr < FRAMES_PIECES && vq_waiting(&d->q))
		rx_window_fill(w, &d->q, UINT64_MAX, FRAMES_PIECES);
	return n;
}

/* A burst of what waits. How many frames. */
static inline __attribute__((always_inline)) unsigned frames_serve(struct frames_device *d,
                                                                   const struct frames_how how)
{
	const unsigned n = how.receive ? 0 : frames_take(d, how);

	if (how.receive)
		return frames_receive(d, how);
	for (unsigned i = 0; i < n; i++) {
		memcpy(d->out[d->next_out++ % FRAMES_OUTS], d->burst[i].iov_base, FRAMES_LEN);
		if (how.translate)
			frames_translate(d, true);
		vq_push(&d->q, d->head[i], 0);
		if (how.publish_each) {
			vq_publish(&d->q);
			vq_want_interrupt(&d->q);
		}
	}
	if (n > 0 && !how.publish_each) {
		vq_publish(&d->q);
		vq_want_interrupt(&d->q);
	}
	return n;
}

/* ---- the driver */

struct frames_driver {
	uint8_t *bufs;
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	struct vring_packed_desc *ring;
	uint16_t next, free, seen; /* next to fill; how many may be; used index, or slot */
	uint16_t flags, used_flags;
	bool in;       /* into the guest */
	uint8_t *read; /* the last one that came */
};

static inline void frames_fill(const struct frames_driver *d, unsigned i, uint32_t number)
{
	uint8_t *p = d->bufs + (size_t)i * FRAMES_STRIDE;

	if (d->in) {
		memcpy(d->read, p, FRAMES_LEN);
		return;
	}
	memset(p, 0, FRAMES_HDR);
	memset(p + FRAMES_HDR, (int)number, FRAMES_LEN - FRAMES_HDR);
}

/* How many frames there was room for: all of them, or none. */
static inline unsigned frames_split_burst(struct frames_driver *d, uint32_t number)
{
	if (d->free < FRAMES_BURST) {
		uint16_t used = __atomic_load_n(&d->used->idx, __ATOMIC_ACQUIRE);

		for (; d->seen != used; d->seen++, d->free++)
			if (d->used->ring[d->seen % FRAMES_NUM].id >= FRAMES_NUM)
				die("an id that was not given");
		if (d->free < FRAMES_BURST)
			return 0;
	}
	for (unsigned i = 0; i < FRAMES_BURST; i++, d->next++) {
		const unsigned at = d->next % FRAMES_NUM;

		frames_fill(d, at, number);
		d->desc[at].len = d->in ? FRAMES_STRIDE : FRAMES_LEN;
		d->desc[at].flags = d->in ? VRING_DESC_F_WRITE : 0;
		d->avail->ring[at] = (uint16_t)at;
	}
	d->free = (uint16_t)(d->free - FRAMES_BURST);
	__atomic_store_n(&d->avail->idx, d->next, __ATOMIC_RELEASE);
	return FRAMES_BURST;
}

#define FRAMES_AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define FRAMES_USED  (1u << VRING_PACKED_DESC_F_USED)

static inline unsigned frames_packed_burst(struct frames_driver *d, uint32_t number)
{
	const unsigned first = d->next;
	const uint16_t way = d->in ? VRING_DESC_F_WRITE : 0;
	const uint16_t first_flags = d->flags | way;

	while (d->free < FRAMES_BURST) {
		const uint16_t flags = __atomic_load_n(&d->ring[d->seen].flags, __ATOMIC_ACQUIRE);

		if ((flags & (FRAMES_AVAIL | FRAMES_USED)) != d->used_flags)
			return 0;
		d->free = (uint16_t)(d->free + 1);
		if (++d->seen == FRAMES_NUM) {
			d->seen = 0;
			d->used_flags ^= FRAMES_AVAIL | FRAMES_USED;
		}
	}
	for (unsigned i = 0; i < FRAMES_BURST; i++) {
		struct vring_packed_desc *at = &d->ring[d->next];

		frames_fill(d, d->next, number);
		at->addr = FRAMES_BUFS_AT + (gpa_t)d->next * FRAMES_STRIDE;
		at->len = d->in ? FRAMES_STRIDE : FRAMES_LEN;
		at->id = d->next;
		if (i > 0)
			__atomic_store_n(&at->flags, d->flags | way, __ATOMIC_RELAXED);
		if (++d->next == FRAMES_NUM) {
			d->next = 0;
			d->flags ^= FRAMES_AVAIL | FRAMES_USED;
		}
	}
	d->free = (uint16_t)(d->free - FRAMES_BURST);
	__atomic_store_n(&d->ring[first].flags, first_flags, __ATOMIC_RELEASE);
	return FRAMES_BURST;
}

/* ---- both */

/* A ring in @m that neither has touched yet, and all its buffers; @mem outlives it. */
static inline void frames_start(struct frames_device *dev, struct frames_driver *d,
                                const struct gmem *m, bool packed, bool in)
{
	static uint8_t read[FRAMES_LEN];
	const struct vq_features f = {.event_idx = true, .packed = packed};

	dev->at = (struct vq_addr){FRAMES_NUM, FRAMES_RINGS_AT, FRAMES_RINGS_AT + KIB(64),
	                           FRAMES_RINGS_AT + KIB(128)};
	*d = (struct frames_driver){.bufs = at(m, FRAMES_BUFS_AT),
	                            .desc = at(m, dev->at.desc),
	                            .avail = at(m, dev->at.avail),
	                            .used = at(m, dev->at.used),
	                            .ring = at(m, dev->at.desc),
	                            .free = FRAMES_NUM,
	                            .in = in,
	                            .read = read,
	                            .flags = FRAMES_AVAIL,
	                            .used_flags = FRAMES_AVAIL | FRAMES_USED};
	memset(at(m, FRAMES_RINGS_AT), 0, KIB(256));
	memset(dev->out, 0, sizeof(dev->out));
	rx_window_clear(&dev->window);
	memset(d->bufs, 0, (size_t)FRAMES_NUM * FRAMES_STRIDE);
	for (unsigned i = 0; i < FRAMES_NUM && !packed; i++)
		d->desc[i].addr = FRAMES_BUFS_AT + (gpa_t)i * FRAMES_STRIDE;
	if (vq_start(&dev->q, m, &dev->at, f) < 0)
		die("the ring does not start");
}

#endif
