/* SPDX-License-Identifier: Apache-2.0 */
/* devices/rx_window.h - receive buffers taken off the ring ahead of the frames
 *
 * The driver's chains are parsed once, before they are needed for the first time, and their pieces
 * stand in one array in ring order: that array is what readv() gets, so a frame lands in guest memory
 * in one system call however many chains it fills. The bytes of the header are the exception:
 * they are cut off the front chain (rx_window_open()), because the header has to be judged before
 * the driver sees it.
 *
 *	iov[0]   free           <- head - 1: for the caller's own header
 *	         front chain    <- head, its header cut off
 *	         second chain
 *	         ...
 *	         free           <- tail
 *
 * Loop thread. Chains in the window are popped but not pushed: rx_window_give_back() undoes that.
 */
#ifndef DOORBELL_RX_WINDOW_H
#define DOORBELL_RX_WINDOW_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "devices/vq.h"

#define RX_HDR_MAX 20u /* bytes of the longest header: that with a hash */

/*
 * Room for the longest chain that vq_pop() takes behind a window that fills what readv() takes, plus
 * the two free entries; a buffer counts twice when it lies across two memory regions.
 */
#define RX_WINDOW_IOV (3 * VQ_NUM_MAX + 2)

/* Pieces that one rx_window_fill() walks, and those of one chain more: nobody waits while a driver's whole ring is. */
#define RX_WINDOW_WALK 4096u

struct rx_chain {
	uint16_t head;
	uint16_t nr;      /* pieces in the array */
	uint16_t entries; /* of the ring */
	uint32_t len;     /* bytes, header included */
};

/* For rx_window.c, except bytes, entries, walked, nr, hdr and nr_hdr (read). Begins with rx_window_clear(). */
struct rx_window {
	struct rx_chain chain[VQ_NUM_MAX]; /* ring of records: [first, first + nr) */
	unsigned first, nr;
	uint64_t bytes;   /* of all chains */
	unsigned entries; /* likewise */
	unsigned walked;  /* pieces as posted, of all chains ever, taken or not; wraps */
	bool open;        /* the front chain's header is cut off ... */
	struct iovec hdr[RX_HDR_MAX]; /* ... and lies here */
	unsigned nr_hdr;
	unsigned head, tail; /* pieces in use: iov[head .. tail) */
	struct iovec iov[RX_WINDOW_IOV];
};

/* Empty; chains are forgotten. */
static inline void rx_window_clear(struct rx_window *w)
{
	w->first = w->nr = 0;
	w->bytes = 0;
	w->entries = 0;
	w->open = false;
	w->head = w->tail = 1; /* one free entry in front, always */
}

/* Hand all chains back to @q as if they had never been popped. */
void rx_window_give_back(struct rx_window *w, struct vq *q);

/*
 * Take chains off @q until the window holds @bytes or @pieces. 0; 1 RX_WINDOW_WALK pieces were walked before, and there
 * may be more; -EAGAIN the ring is empty before; -ENOBUFS no room for more; -EPROTO as vq_pop().
 */
int rx_window_fill(struct rx_window *w, struct vq *q, uint64_t bytes, unsigned pieces);

/*
 * Make the front chain ready for a frame behind a header of @hdr_len (<= RX_HDR_MAX) bytes. False when it has
 * less than @min (>= hdr_len) bytes: no frame can begin there. The window must not be empty.
 */
bool rx_window_open(struct rx_window *w, uint32_t hdr_len, uint32_t min);

/* The front chain: its used length is known when it is taken off. The window must not be empty. */
static inline const struct rx_chain *rx_window_front(const struct rx_window *w)
{
	return &w->chain[w->first];
}

static inline void rx_window_drop_front(struct rx_window *w)
{
	const struct rx_chain *c = rx_window_front(w);

	w->head += c->nr;
	w->bytes -= c->len;
	w->entries -= c->entries;
	w->first = (w->first + 1) % VQ_NUM_MAX;
	w->nr--;
	w->open = false;
	if (!w->nr)
		rx_window_clear(w);
}

/* Likewise, the @i-th one behind it: i < nr. */
static inline const struct rx_chain *rx_window_at(const struct rx_window *w, unsigned i)
{
	return &w->chain[(w->first + i) % VQ_NUM_MAX];
}

/* How many chains from the front hold @bytes? 0: all of them do not. */
static inline unsigned rx_window_chains_for(const struct rx_window *w, uint64_t bytes)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < w->nr; i++) {
		sum += rx_window_at(w, i)->len;
		if (sum >= bytes)
			return i + 1;
	}
	return 0;
}

/*
 * Payload pieces of all chains, the front one open. @iov is borrowed until the next fill; iov[-1] and
 * the one behind the last are free for the caller. Number of pieces.
 */
static inline unsigned rx_window_pieces(struct rx_window *w, struct iovec **iov)
{
	*iov = &w->iov[w->head];
	return w->tail - w->head;
}

#endif
