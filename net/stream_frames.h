/* SPDX-License-Identifier: Apache-2.0 */
/* net/stream_frames.h - frames in a stream of bytes: each behind its length, 4 bytes in network order
 *
 * What passt, gvproxy and QEMU (-netdev stream, -netdev socket) speak over stream sockets. What comes in is the
 * peer's: hostile until judged here.
 */
#ifndef DOORBELL_STREAM_FRAMES_H
#define DOORBELL_STREAM_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "net/net_backend.h"

#define STREAM_PREFIX    4u
#define STREAM_FRAME_MAX (NET_RECV_MAX - NET_HDR_LEN)
/* Twice the longest, so that one read() gets many and not much is ever moved. */
#define STREAM_IN_BYTES (2u * (STREAM_PREFIX + STREAM_FRAME_MAX))

/* The way in. Private; zero it. */
struct stream_in {
	uint8_t buf[STREAM_IN_BYTES];
	size_t from, to; /* bytes that were read and not yet taken: [from, to) */
};

/* Where the next bytes go; never empty when there is no whole frame. */
struct iovec stream_in_room(struct stream_in *s);
void stream_in_add(struct stream_in *s, size_t len); /* so many were put there */
/*
 * The next frame, which stays until stream_in_pop(). 1; 0 not all of it is here yet; -EPROTO longer than any frame
 * (and so for ever), *len is what was announced.
 */
int stream_in_front(const struct stream_in *s, const uint8_t **frame, size_t *len);
void stream_in_pop(struct stream_in *s); /* after a 1 */
void stream_in_clear(struct stream_in *s);

void stream_prefix(uint8_t prefix[STREAM_PREFIX], size_t len);

/* What a full socket did not take of a frame whose beginning it has taken. Private; zero it. */
struct stream_out {
	uint8_t buf[STREAM_PREFIX + STREAM_FRAME_MAX];
	size_t from, to;
};

bool stream_out_empty(const struct stream_out *s);
/* Keep what @iov holds behind its first @sent bytes; it is one frame with its prefix, and nothing was kept yet. */
void stream_out_keep(struct stream_out *s, const struct iovec *iov, unsigned nr, size_t sent);
struct iovec stream_out_rest(struct stream_out *s);
void stream_out_sent(struct stream_out *s, size_t len); /* so much of the rest is gone */
void stream_out_clear(struct stream_out *s);

#endif
