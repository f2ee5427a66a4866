/* SPDX-License-Identifier: Apache-2.0 */
#include "net/stream_frames.h"

#include <errno.h>
#include <string.h>

#include "vmm/core/iov.h"
#include "vmm/core/le.h"

struct iovec stream_in_room(struct stream_in *s)
{
	/* Move what is left to the front when the longest frame might not fit behind it. */
	if (s->from == s->to) {
		s->from = s->to = 0;
	} else if (sizeof(s->buf) - s->from < STREAM_PREFIX + STREAM_FRAME_MAX) {
		memmove(s->buf, s->buf + s->from, s->to - s->from);
		s->to -= s->from;
		s->from = 0;
	}
	return (struct iovec){s->buf + s->to, sizeof(s->buf) - s->to};
}

void stream_in_add(struct stream_in *s, size_t len)
{
	s->to += len;
}

int stream_in_front(const struct stream_in *s, const uint8_t **frame, size_t *len)
{
	if (s->to - s->from < STREAM_PREFIX)
		return 0;
	*len = get_be32(s->buf + s->from);
	if (*len > STREAM_FRAME_MAX)
		return -EPROTO;
	*frame = s->buf + s->from + STREAM_PREFIX;
	return s->to - s->from - STREAM_PREFIX >= *len;
}

void stream_in_pop(struct stream_in *s)
{
	s->from += STREAM_PREFIX + get_be32(s->buf + s->from);
}

void stream_in_clear(struct stream_in *s)
{
	s->from = s->to = 0;
}

void stream_prefix(uint8_t prefix[STREAM_PREFIX], size_t len)
{
	const uint32_t be = htobe32((uint32_t)len);

	memcpy(prefix, &be, sizeof(be));
}

bool stream_out_empty(const struct stream_out *s)
{
	return s->from == s->to;
}

void stream_out_keep(struct stream_out *s, const struct iovec *iov, unsigned nr, size_t sent)
{
	const size_t len = iov_bytes(iov, nr);

	s->from = sent;
	s->to = len;
	/* From the start: where a byte is in the buffer says where it is in the frame. */
	iov_read(iov, nr, sent, s->buf + sent, len - sent);
}

struct iovec stream_out_rest(struct stream_out *s)
{
	return (struct iovec){s->buf + s->from, s->to - s->from};
}

void stream_out_sent(struct stream_out *s, size_t len)
{
	s->from += len;
}

void stream_out_clear(struct stream_out *s)
{
	s->from = s->to = 0;
}
