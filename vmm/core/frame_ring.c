/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/core/frame_ring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/core/compiler.h"
#include "vmm/core/iov.h"

/*
 * A record is its length, then that many bytes, which may go round the end of the block, and as many more as there
 * are to the next multiple of the length's own size: so that one never does.
 */
typedef uint32_t rec_len;
#define REC_OPEN 0x80000000u /* of the length: the bytes are not there yet */

int frame_ring_init(struct frame_ring *r, size_t size)
{
	*r = (struct frame_ring){.size = size};
	r->data = calloc(1, size);
	return r->data ? 0 : -ENOMEM;
}

void frame_ring_free(struct frame_ring *r)
{
	free(r->data);
	*r = (struct frame_ring){0};
}

bool frame_ring_empty(const struct frame_ring *r)
{
	return r->head == r->done;
}

static size_t until_end(const struct frame_ring *r, size_t at, size_t len)
{
	return min_size(len, r->size - (at & (r->size - 1)));
}

static void write_at(struct frame_ring *r, size_t at, const void *src, size_t len)
{
	size_t first = until_end(r, at, len);

	memcpy(r->data + (at & (r->size - 1)), src, first);
	memcpy(r->data, (const uint8_t *)src + first, len - first);
}

static rec_len *rec_at(const struct frame_ring *r, size_t at)
{
	return (rec_len *)(void *)(r->data + (at & (r->size - 1)));
}

static size_t rec_size(size_t len)
{
	return sizeof(rec_len) + (len + sizeof(rec_len) - 1) / sizeof(rec_len) * sizeof(rec_len);
}

int frame_ring_reserve(struct frame_ring *r, size_t len, size_t *at)
{
	size_t room;

	/* Start anew where the block begins: a guest that keeps up touches a few pages only. */
	if (r->head == r->tail)
		r->head = r->done = r->tail = 0;
	room = r->size - (r->tail - r->head);
	if (len == 0 || len >= REC_OPEN || rec_size(len) > room)
		return -ENOBUFS;
	*at = r->tail;
	*rec_at(r, r->tail) = (rec_len)len | REC_OPEN;
	r->tail += rec_size(len);
	return 0;
}

void frame_ring_fill(struct frame_ring *r, size_t at, const void *frame, size_t len)
{
	write_at(r, at + sizeof(rec_len), frame, len);
}

bool frame_ring_commit(struct frame_ring *r, size_t at)
{
	const bool was_empty = r->head == r->done;

	*rec_at(r, at) &= ~REC_OPEN;
	while (r->done != r->tail && !(*rec_at(r, r->done) & REC_OPEN))
		r->done += rec_size(*rec_at(r, r->done));
	return was_empty && r->head != r->done;
}

int frame_ring_push(struct frame_ring *r, const void *frame, size_t len)
{
	size_t at;

	if (frame_ring_reserve(r, len, &at) < 0)
		return -ENOBUFS;
	frame_ring_fill(r, at, frame, len);
	frame_ring_commit(r, at);
	return 0;
}

size_t frame_ring_peek(const struct frame_ring *r, size_t *at)
{
	*at = r->head;
	return r->head == r->done ? 0 : *rec_at(r, r->head);
}

ssize_t frame_ring_read(const struct frame_ring *r, size_t at, size_t len, const struct iovec *iov,
                        unsigned nr, size_t off)
{
	const size_t from = at + sizeof(rec_len), first = until_end(r, from, len);
	size_t done = iov_write(iov, nr, off, r->data + (from & (r->size - 1)), first);

	done += iov_write(iov, nr, off + first, r->data, len - first);
	return done == len ? (ssize_t)len : -EMSGSIZE;
}

void frame_ring_drop(struct frame_ring *r)
{
	r->head += rec_size(*rec_at(r, r->head));
}

ssize_t frame_ring_pop(struct frame_ring *r, const struct iovec *iov, unsigned nr, size_t off)
{
	size_t at, len = frame_ring_peek(r, &at);
	ssize_t ret;

	if (len == 0)
		return 0;
	ret = frame_ring_read(r, at, len, iov, nr, off);
	frame_ring_drop(r);
	return ret;
}

unsigned frame_ring_clear(struct frame_ring *r)
{
	unsigned nr = 0;

	for (; r->head != r->done; nr++)
		frame_ring_drop(r);
	return nr;
}
