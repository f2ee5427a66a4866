/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a peer sends on a stream socket, in pieces as read() gives them, against the plainest way to cut it up; and a
 * frame on its way out through a socket that takes it in pieces. First byte: the sizes of the pieces follow from it.
 */
#include <stdbool.h>
#include <stdint.h>

#include "net/stream_frames.h"
#include "tests/fuzz/input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The frame at @at of @data. As stream_in_front(). */
static int plain_front(const uint8_t *data, size_t size, size_t at, size_t *len)
{
	if (size - at < STREAM_PREFIX)
		return 0;
	*len = (size_t)data[at] << 24 | (size_t)data[at + 1] << 16 | (size_t)data[at + 2] << 8 |
	       data[at + 3];
	if (*len > STREAM_FRAME_MAX)
		return -1;
	return size - at - STREAM_PREFIX >= *len;
}

static size_t piece_of(uint32_t *seed, size_t left)
{
	*seed = *seed * 1664525u + 1013904223u;
	return 1 + (*seed >> 8) % left;
}

static void require_same(const struct stream_in *s, const uint8_t *frame, size_t len,
                         const uint8_t *want, size_t want_len)
{
	REQUIRE(len == want_len && frame >= s->buf && frame + len <= s->buf + sizeof(s->buf));
	REQUIRE(memcmp(frame, want, len) == 0);
}

static void come_in(const uint8_t *data, size_t size, uint32_t seed)
{
	struct stream_in *s = calloc(1, sizeof(*s));
	size_t at = 0, fed = 0, len = 0, want = 0;
	const uint8_t *frame;
	struct iovec room;
	int ret;

	REQUIRE(s);
	for (;;) {
		ret = stream_in_front(s, &frame, &len);
		REQUIRE((ret < 0 ? -1 : ret) == plain_front(data, fed, at, &want));
		if (ret < 0)
			break;
		if (ret == 1) {
			require_same(s, frame, len, data + at + STREAM_PREFIX, want);
			stream_in_pop(s);
			at += STREAM_PREFIX + len;
			continue;
		}
		if (fed == size)
			break;
		room = stream_in_room(s);
		REQUIRE(room.iov_len > 0);
		len = piece_of(&seed, size - fed);
		if (len > room.iov_len)
			len = room.iov_len;
		memcpy(room.iov_base, data + fed, len);
		stream_in_add(s, len);
		fed += len;
	}
	free(s);
}

static void go_out(const uint8_t *data, size_t size, uint32_t seed)
{
	struct stream_out *s = calloc(1, sizeof(*s));
	uint8_t *gone = malloc(size + 1), *copy = malloc(size + 1);
	struct iovec iov[2], rest;
	size_t sent;

	REQUIRE(s && gone && copy);
	memcpy(copy, data, size);
	iov[0] = (struct iovec){copy, size / 3};
	iov[1] = (struct iovec){copy + size / 3, size - size / 3};
	sent = piece_of(&seed, size);
	memcpy(gone, data, sent);
	stream_out_keep(s, iov, 2, sent);
	memset(copy, 0, size); /* what was not sent is kept, and not looked for here again */
	while (!stream_out_empty(s)) {
		rest = stream_out_rest(s);
		REQUIRE(rest.iov_len == size - sent);
		rest.iov_len = piece_of(&seed, rest.iov_len);
		memcpy(gone + sent, rest.iov_base, rest.iov_len);
		sent += rest.iov_len;
		stream_out_sent(s, rest.iov_len);
	}
	REQUIRE(sent == size && memcmp(gone, data, size) == 0);
	free(copy);
	free(gone);
	free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	const uint32_t seed = (uint32_t)take(&in, 1);

	come_in(in.p, in.left, seed);
	if (in.left > 0 && in.left <= STREAM_PREFIX + STREAM_FRAME_MAX)
		go_out(in.p, in.left, seed);
	return 0;
}
