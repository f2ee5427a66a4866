/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/core/iov.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "vmm/core/compiler.h"

size_t iov_bytes(const struct iovec *iov, unsigned nr)
{
	size_t sum = 0;

	for (unsigned i = 0; i < nr; i++)
		sum += iov[i].iov_len;
	return sum;
}

/* What is left to visit: @len bytes that begin @off bytes into @iov[0 .. nr). */
struct range {
	const struct iovec *iov;
	unsigned nr;
	size_t off, len;
};

/* Take off the bytes up to the end of a piece. False: there are none left. */
static bool next_part(struct range *r, struct iovec *part)
{
	for (; r->nr && r->off >= r->iov->iov_len; r->iov++, r->nr--)
		r->off -= r->iov->iov_len;
	if (!r->nr || !r->len)
		return false;
	part->iov_base = (uint8_t *)r->iov->iov_base + r->off;
	part->iov_len = min_size(r->iov->iov_len - r->off, r->len);
	r->off += part->iov_len;
	r->len -= part->iov_len;
	return true;
}

size_t iov_read_parts(const struct iovec *iov, unsigned nr, size_t off, void *dst, size_t len)
{
	struct range r = {iov, nr, off, len};
	struct iovec part;
	size_t done = 0;

	for (; next_part(&r, &part); done += part.iov_len)
		memcpy((uint8_t *)dst + done, part.iov_base, part.iov_len);
	return done;
}

size_t iov_write_parts(const struct iovec *iov, unsigned nr, size_t off, const void *src,
                       size_t len)
{
	struct range r = {iov, nr, off, len};
	struct iovec part;
	size_t done = 0;

	for (; next_part(&r, &part); done += part.iov_len)
		memcpy(part.iov_base, (const uint8_t *)src + done, part.iov_len);
	return done;
}

size_t iov_zero_parts(const struct iovec *iov, unsigned nr, size_t off, size_t len)
{
	struct range r = {iov, nr, off, len};
	struct iovec part;
	size_t done = 0;

	for (; next_part(&r, &part); done += part.iov_len)
		memset(part.iov_base, 0, part.iov_len);
	return done;
}

size_t iov_copy(const struct iovec *to, unsigned nr_to, const struct iovec *from, unsigned nr_from,
                size_t len)
{
	struct range r = {to, nr_to, 0, 0};
	struct iovec part;
	size_t done = 0;

	for (unsigned i = 0; i < nr_from && done < len; i++) {
		const uint8_t *at = from[i].iov_base;

		r.len = min_size(from[i].iov_len, len - done);
		for (; next_part(&r, &part); done += part.iov_len) {
			memmove(part.iov_base, at,
			        part.iov_len); /* both may be the guest's choice */
			at += part.iov_len;
		}
	}
	return done;
}

unsigned iov_skip(struct iovec *iov, unsigned nr, size_t len)
{
	unsigned i = 0;

	while (i < nr && len >= iov[i].iov_len)
		len -= iov[i++].iov_len;
	if (i < nr) {
		iov[i].iov_base = (uint8_t *)iov[i].iov_base + len;
		iov[i].iov_len -= len;
	}
	return i;
}

/* Append bytes [from, to) of one piece. Pieces in @out then, or -ENOBUFS. */
static int append(const struct iovec *piece, size_t from, size_t to, struct iovec *out, int at,
                  unsigned room)
{
	if (from >= to)
		return at;
	if ((unsigned)at >= room)
		return -ENOBUFS;
	out[at].iov_base = (uint8_t *)piece->iov_base + from;
	out[at].iov_len = to - from;
	return at + 1;
}

int iov_cut(const struct iovec *iov, unsigned nr, size_t from, size_t to, struct iovec *out,
            unsigned room)
{
	int at = 0;

	for (unsigned i = 0; i < nr && at >= 0; i++) {
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
