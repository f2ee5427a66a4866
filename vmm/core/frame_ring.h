/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/core/frame_ring.h - a bounded queue of frames in one block of bytes
 *
 * For whoever is handed frames when it did not ask for them (libslirp, RSS). One thread at a time; or several that
 * put and one that takes, who share a lock and do the copying without it, see below.
 */
#ifndef DOORBELL_FRAME_RING_H
#define DOORBELL_FRAME_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct iovec;

/* Private to frame_ring.c; public only so that it can be embedded. */
struct frame_ring {
	uint8_t *data;
	size_t size; /* power of two */
	/* Free running: whole frames lie in [head, done), behind them those that are still being written, to tail. */
	size_t head, done, tail;
};

/* @size is a power of two, bytes. The memory is touched when first used. 0 or -ENOMEM. */
int frame_ring_init(struct frame_ring *r, size_t size);
void frame_ring_free(struct frame_ring *r); /* accepts a zeroed one */

bool frame_ring_empty(const struct frame_ring *r);
/* All or nothing. 0; -ENOBUFS no room now. */
int frame_ring_push(struct frame_ring *r, const void *frame, size_t len);
/*
 * Take the oldest frame and write it to @iov behind the first @off bytes. Its length; 0 empty;
 * -EMSGSIZE it did not fit and is gone. No frame of length 0 is ever stored.
 */
ssize_t frame_ring_pop(struct frame_ring *r, const struct iovec *iov, unsigned nr, size_t off);
/*
 * The same in steps. Those that are marked (lock) need it; the others touch only bytes that are the caller's between
 * the two steps around them.
 *
 *	put	(lock) reserve	fill	(lock) commit
 *	take	(lock) peek	read	(lock) drop
 *
 * Frames come out in the order in which they were reserved: one that is being written holds up those behind it, and
 * nobody else.
 */
/* (lock) A place for @len bytes at *at. 0; -ENOBUFS. commit() must follow. */
int frame_ring_reserve(struct frame_ring *r, size_t len, size_t *at);
void frame_ring_fill(struct frame_ring *r, size_t at, const void *frame, size_t len);
/* (lock) True: peek() would have found nothing, and now it does. */
bool frame_ring_commit(struct frame_ring *r, size_t at);
/* (lock) Length of the oldest frame and its place in *at; 0 none that is whole. It stays until drop(). */
size_t frame_ring_peek(const struct frame_ring *r, size_t *at);
/*
 * To @iov behind the first @off bytes. @len, or -EMSGSIZE it does not fit. Also of a part: @at + n for the frame's bytes
 * from n on, @len as many as are wanted of them.
 */
ssize_t frame_ring_read(const struct frame_ring *r, size_t at, size_t len, const struct iovec *iov,
                        unsigned nr, size_t off);
void frame_ring_drop(struct frame_ring *r); /* (lock) what peek() found */

/* Nothing may be reserved. */
unsigned frame_ring_clear(struct frame_ring *r); /* frames that were thrown away */

#endif
