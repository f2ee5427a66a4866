/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/core/frame_pipe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/core/compiler.h"

/*
 * A record: its length, then that many bytes, and what is missing to a multiple of ALIGN. One that does not fit before
 * the end of the block begins at its start; SKIP says so where it would have been.
 */
#define ALIGN  8u
#define PREFIX 8u
#define SKIP   0u

int frame_pipe_init(struct frame_pipe *p, size_t size)
{
	memset(p, 0, sizeof(*p));
	p->size = size;
	p->data = calloc(1, size);
	return p->data ? 0 : -ENOMEM;
}

void frame_pipe_free(struct frame_pipe *p)
{
	free(p->data);
	p->data = NULL;
}

static size_t record_of(size_t len)
{
	return PREFIX + (size_t)align_up(len, ALIGN);
}

static uint8_t *at(const struct frame_pipe *p, size_t index)
{
	return p->data + (index & (p->size - 1));
}

static size_t until_end(const struct frame_pipe *p, size_t index)
{
	return p->size - (index & (p->size - 1));
}

static uint32_t len_at(const struct frame_pipe *p, size_t index)
{
	uint32_t len;

	memcpy(&len, at(p, index), sizeof(len));
	return len;
}

static void set_len(const struct frame_pipe *p, size_t index, uint32_t len)
{
	memcpy(at(p, index), &len, sizeof(len));
}

/* ---- writer */

/* Where a record of @bytes begins, if there is room: at the tail, or behind what is skipped. */
static size_t start_of(const struct frame_pipe *p, size_t bytes)
{
	const size_t left = until_end(p, p->tail);

	return left < bytes ? p->tail + left : p->tail;
}

uint8_t *frame_pipe_room(struct frame_pipe *p, size_t len)
{
	const size_t bytes = record_of(len);
	const size_t start = start_of(p, bytes);

	if (len == 0 || len > p->size / 4 ||
	    p->size - (p->tail - p->head) < start - p->tail + bytes)
		return NULL;
	if (start != p->tail)
		set_len(p, p->tail, SKIP);
	set_len(p, start, (uint32_t)len);
	return at(p, start) + PREFIX;
}

void frame_pipe_push(struct frame_pipe *p, size_t len)
{
	size_t start = p->tail;

	/* What frame_pipe_room() has written there says where the record is: its own length decided that. */
	if (len_at(p, start) == SKIP)
		start += until_end(p, start);
	set_len(p, start, (uint32_t)len);
	p->tail = start + record_of(len);
}

/* ---- reader */

bool frame_pipe_empty(const struct frame_pipe *p)
{
	return p->head == p->tail;
}

/* Of the oldest record; there is one. */
static size_t front(const struct frame_pipe *p)
{
	return len_at(p, p->head) == SKIP ? p->head + until_end(p, p->head) : p->head;
}

uint8_t *frame_pipe_front(const struct frame_pipe *p, size_t *len)
{
	size_t start;

	if (frame_pipe_empty(p))
		return NULL;
	start = front(p);
	*len = len_at(p, start);
	return at(p, start) + PREFIX;
}

void frame_pipe_pop(struct frame_pipe *p)
{
	const size_t start = front(p);

	p->head = start + record_of(len_at(p, start));
	if (p->head == p->tail) /* begin where the memory is in the caches */
		p->head = p->tail = 0;
}

unsigned frame_pipe_clear(struct frame_pipe *p)
{
	unsigned nr = 0;

	for (; !frame_pipe_empty(p); nr++)
		frame_pipe_pop(p);
	return nr;
}
