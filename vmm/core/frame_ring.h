/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/core/frame_ring.h - a bounded queue of frames in one block of bytes
 *
 * For whoever is handed frames when it did not ask for them (libslirp, RSS). One thread at a time.
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
	size_t size;       /* power of two */
	size_t head, tail; /* free running; frames lie in [head, tail) */
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
unsigned frame_ring_clear(struct frame_ring *r); /* frames that were thrown away */

#endif
