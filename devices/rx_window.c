// SPDX-License-Identifier: Apache-2.0
#include "devices/rx_window.h"

#include <errno.h>
#include <string.h>

#include "vmm/core/compiler.h"
#include "vmm/core/iov.h"

static struct rx_chain *record(struct rx_window *w, unsigned i)
{
	return &w->chain[(w->first + i) % VQ_NUM_MAX];
}

void rx_window_give_back(struct rx_window *w, struct vq *q)
{
	vq_unpop(q, w->nr);
	rx_window_clear(w);
}

/* Move the pieces to the start of the array. */
static void compact(struct rx_window *w)
{
	memmove(&w->iov[1], &w->iov[w->head], (w->tail - w->head) * sizeof(w->iov[0]));
	w->tail -= w->head - 1;
	w->head = 1;
}

/* Append one chain. As vq_pop(). */
static int take(struct rx_window *w, struct vq *q)
{
	struct vq_chain c = {.iov = &w->iov[w->tail], .room = RX_WINDOW_IOV - 1 - w->tail};
	int r = vq_pop(q, &c);

	if (r == 1 || r == -ENOBUFS)
		w->walked += c.nr_out + c.nr_in;
	if (r != 1)
		return r;
	/* A receive buffer has no business with readable pieces; they are not looked at. */
	if (c.nr_out)
		memmove(c.iov, c.iov + c.nr_out, c.nr_in * sizeof(c.iov[0]));
	*record(w, w->nr) = (struct rx_chain){
		.head = c.head,
		.nr = u16_of(c.nr_in),
		.entries = u16_of(c.entries),
		.len = c.in_len,
	};
	w->nr++;
	w->bytes += c.in_len;
	w->entries += c.entries;
	w->tail += c.nr_in;
	return 1;
}

int rx_window_fill(struct rx_window *w, struct vq *q, uint64_t bytes, unsigned pieces)
{
	const unsigned from = w->walked;

	while (w->bytes < bytes && w->tail - w->head < pieces) {
		int r;

		if (w->walked - from >= RX_WINDOW_WALK)
			return 1;
		r = take(w, q);
		if (r == -ENOBUFS && w->head > 1) {
			compact(w);
			r = take(w, q);
		}
		if (r == 0)
			return -EAGAIN;
		if (r < 0)
			return r;
	}
	return 0;
}

bool rx_window_open(struct rx_window *w, uint32_t hdr_len, uint32_t min)
{
	struct rx_chain *c = record(w, 0);
	uint32_t left = hdr_len;
	unsigned used;

	if (c->len < min)
		return false;
	if (w->open)
		return true;
	for (w->nr_hdr = 0; left; w->nr_hdr++) {
		struct iovec *part = &w->hdr[w->nr_hdr];

		*part = w->iov[w->head + w->nr_hdr];
		if (part->iov_len > left)
			part->iov_len = left;
		left -= (uint32_t)part->iov_len;
	}
	used = iov_skip(&w->iov[w->head], c->nr, hdr_len);
	w->head += used;
	c->nr = u16_of(c->nr - used);
	w->open = true;
	return true;
}
