/* SPDX-License-Identifier: Apache-2.0 */
#include "net/net_iov.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

size_t iov_bytes(const struct iovec *iov, int n)
{
	size_t sum = 0;

	for (int i = 0; i < n; i++)
		sum += iov[i].iov_len;
	return sum;
}

static size_t min_size(size_t a, size_t b)
{
	return a < b ? a : b;
}

size_t iov_get(const struct iovec *iov, int n, size_t off, void *dst, size_t len)
{
	uint8_t *to = dst;
	size_t done = 0;

	for (int i = 0; i < n && done < len; i++) {
		if (off >= iov[i].iov_len) {
			off -= iov[i].iov_len;
			continue;
		}

		size_t part = min_size(iov[i].iov_len - off, len - done);

		memcpy(to + done, (const uint8_t *)iov[i].iov_base + off, part);
		done += part;
		off = 0;
	}
	return done;
}

size_t iov_put(const struct iovec *iov, int n, size_t off, const void *src, size_t len)
{
	const uint8_t *from = src;
	size_t done = 0;

	for (int i = 0; i < n && done < len; i++) {
		if (off >= iov[i].iov_len) {
			off -= iov[i].iov_len;
			continue;
		}

		size_t part = min_size(iov[i].iov_len - off, len - done);

		memcpy((uint8_t *)iov[i].iov_base + off, from + done, part);
		done += part;
		off = 0;
	}
	return done;
}

void iov_zero(const struct iovec *iov, int n, size_t off, size_t len)
{
	for (int i = 0; i < n && len > 0; i++) {
		if (off >= iov[i].iov_len) {
			off -= iov[i].iov_len;
			continue;
		}

		size_t part = min_size(iov[i].iov_len - off, len);

		memset((uint8_t *)iov[i].iov_base + off, 0, part);
		len -= part;
		off = 0;
	}
}

/* Append bytes [from, to) of one piece. */
static int append(const struct iovec *piece, size_t from, size_t to, struct iovec *out, int at,
                  int room)
{
	if (from >= to)
		return at;
	if (at >= room)
		return -ENOBUFS;
	out[at].iov_base = (uint8_t *)piece->iov_base + from;
	out[at].iov_len = to - from;
	return at + 1;
}

int iov_cut(const struct iovec *iov, int n, size_t from, size_t to, struct iovec *out, int room)
{
	int at = 0;

	for (int i = 0; i < n && at >= 0; i++) {
		size_t len = iov[i].iov_len;

		/* What of this piece is before the cut, then what is behind it. */
		at = append(&iov[i], 0, min_size(from, len), out, at, room);
		if (at >= 0)
			at = append(&iov[i], min_size(to, len), len, out, at, room);
		from -= min_size(from, len);
		to -= min_size(to, len);
	}
	return at;
}
