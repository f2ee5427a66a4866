/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/core/frame_pipe.h - a bounded queue of frames, of one thread
 *
 * A frame lies in one piece: the writer fills it where it will be read, the reader reads it where it was written.
 */
#ifndef DOORBELL_FRAME_PIPE_H
#define DOORBELL_FRAME_PIPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Private to frame_pipe.c; public only so that it can be embedded. head and tail run freely. */
struct frame_pipe {
	uint8_t *data;
	size_t size;       /* power of two */
	size_t head, tail; /* records lie in [head, tail) */
};

/*
 * @size is a power of two, bytes, and takes any frame of up to a quarter of it when empty. The memory is touched when
 * first used. 0 or -ENOMEM.
 */
int frame_pipe_init(struct frame_pipe *p, size_t size);
void frame_pipe_free(struct frame_pipe *p); /* accepts a zeroed one */

/*
 * Where @len bytes (1 to a quarter of the size) can be written, aligned to 8; NULL: no room now. Nothing
 * happens until frame_pipe_push(), with the same or a smaller length, says that they are there; no frame_pipe_pop()
 * between the two.
 */
uint8_t *frame_pipe_room(struct frame_pipe *p, size_t len);
void frame_pipe_push(struct frame_pipe *p, size_t len);

/* The oldest frame, its to change, and its length, until frame_pipe_pop(); NULL: there is none. */
uint8_t *frame_pipe_front(const struct frame_pipe *p, size_t *len);
void frame_pipe_pop(struct frame_pipe *p);
bool frame_pipe_empty(const struct frame_pipe *p);
unsigned frame_pipe_clear(struct frame_pipe *p); /* frames that were thrown away */

#endif
