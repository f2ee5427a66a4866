/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/core/frame_ring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/core/compiler.h"
#include "vmm/core/iov.h"

/* A record is its length, then that many bytes; either may go round the end of the block. */
typedef uint32_t rec_len;

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
	return r->head == r->tail;
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

int frame_ring_push(struct frame_ring *r, const void *frame, size_t len)
{
	const rec_len rec = (rec_len)len;
	size_t room;

	/* Start anew where the block begins: a guest that keeps up touches a few pages only. */
	if (r->head == r->tail)
		r->head = r->tail = 0;
	room = r->size - (r->tail - r->head);
	if (len == 0 || room < sizeof(rec) || len > room - sizeof(rec))
		return -ENOBUFS;
	write_at(r, r->tail, &rec, sizeof(rec));
	write_at(r, r->tail + sizeof(rec), frame, len);
	r->tail += sizeof(rec) + len;
	return 0;
}

ssize_t frame_ring_pop(struct frame_ring *r, const struct iovec *iov, unsigned nr, size_t off)
{
	size_t len, at, first, done;

	if (r->head == r->tail)
		return 0;
	len = len_at(r, r->head);
	at = r->head + sizeof(rec_len);
	first = until_end(r, at, len);
	done = iov_write(iov, nr, off, r->data + (at & (r->size - 1)), first);
	done += iov_write(iov, nr, off + first, r->data, len - first);
	r->head = at + len;
	return done == len ? (ssize_t)len : -EMSGSIZE;
}

unsigned frame_ring_clear(struct frame_ring *r)
{
	unsigned nr = 0;

	for (; r->head != r->tail; nr++)
		r->head += sizeof(rec_len) + len_at(r, r->head);
	return nr;
}
