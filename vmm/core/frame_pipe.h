/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/core/frame_pipe.h - a bounded queue of frames between two threads, without a lock
 *
 * One writer and one reader (who may be the same thread). A frame lies in one piece: the writer fills it where it
 * will be read, the reader reads it where it was written.
 */
#ifndef DOORBELL_FRAME_PIPE_H
#define DOORBELL_FRAME_PIPE_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CACHE_LINE 64u

/* Private to frame_pipe.c; public only so that it can be embedded. head and tail run freely. */
struct frame_pipe {
	uint8_t *data;
	size_t size;                            /* power of two */
	alignas(CACHE_LINE) atomic_size_t tail; /* the writer's: records lie in [head, tail) */
	size_t head_seen;                       /* at least so far the reader has come */
	alignas(CACHE_LINE) atomic_size_t head; /* the reader's */
	size_t tail_seen;                       /* at least so far the writer has come */
};

/*
 * @size is a power of two, bytes, and takes any frame of up to a quarter of it when empty. The memory is touched when
 * first used. 0 or -ENOMEM. Neither while somebody uses it.
 */
int frame_pipe_init(struct frame_pipe *p, size_t size);
void frame_pipe_free(struct frame_pipe *p); /* accepts a zeroed one */

/*
 * Writer: where @len bytes (1 to a quarter of the size) can be written, aligned to 8; NULL: no room now. Nothing
 * happens until frame_pipe_push(), with the same or a smaller length, says that they are there.
 */
uint8_t *frame_pipe_room(struct frame_pipe *p, size_t len);
void frame_pipe_push(struct frame_pipe *p, size_t len);

/* Reader: the oldest frame, its to change, and its length, until frame_pipe_pop(); NULL: there is none. */
uint8_t *frame_pipe_front(struct frame_pipe *p, size_t *len);
void frame_pipe_pop(struct frame_pipe *p);
bool frame_pipe_empty(struct frame_pipe *p);     /* reader */
size_t frame_pipe_used(struct frame_pipe *p);    /* reader; bytes that frames need at least */
unsigned frame_pipe_clear(struct frame_pipe *p); /* reader; frames that were thrown away */

#endif
