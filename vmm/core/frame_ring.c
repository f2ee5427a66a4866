/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/core/frame_ring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/core/compiler.h"
#include "vmm/core/iov.h"

/* A record is its length, then that many bytes; either may go round the end of the block. */
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

static rec_len len_at(const struct frame_ring *r, size_t at)
{
	size_t first = until_end(r, at, sizeof(rec_len));
	uint8_t raw[sizeof(rec_len)];
	rec_len len;

	memcpy(raw, r->data + (at & (r->size - 1)), first);
	memcpy(raw + first, r->data, sizeof(raw) - first);
	memcpy(&len, raw, sizeof(len));
	return len;
}

int frame_ring_reserve(struct frame_ring *r, size_t len, size_t *at)
{
	const rec_len rec = (rec_len)len | REC_OPEN;
	size_t room;

	/* Start anew where the block begins: a guest that keeps up touches a few pages only. */
	if (r->head == r->tail)
		r->head = r->done = r->tail = 0;
	room = r->size - (r->tail - r->head);
	if (len == 0 || len >= REC_OPEN || room < sizeof(rec) || len > room - sizeof(rec))
		return -ENOBUFS;
	*at = r->tail;
	write_at(r, r->tail, &rec, sizeof(rec));
	r->tail += sizeof(rec) + len;
	return 0;
}

void frame_ring_fill(struct frame_ring *r, size_t at, const void *frame, size_t len)
{
	write_at(r, at + sizeof(rec_len), frame, len);
}

bool frame_ring_commit(struct frame_ring *r, size_t at)
{
	const rec_len rec = len_at(r, at) & ~REC_OPEN;
	const bool was_empty = r->head == r->done;

	write_at(r, at, &rec, sizeof(rec));
	while (r->done != r->tail && !(len_at(r, r->done) & REC_OPEN))
		r->done += sizeof(rec) + len_at(r, r->done);
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
	return r->head == r->done ? 0 : len_at(r, r->head);
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
	r->head += sizeof(rec_len) + len_at(r, r->head);
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
