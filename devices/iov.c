// SPDX-License-Identifier: Apache-2.0
#include "devices/iov.h"

#include <stdint.h>
#include <string.h>

static size_t min_size(size_t a, size_t b)
{
	return a < b ? a : b;
}

size_t iov_read(const struct iovec *iov, unsigned nr, size_t off, void *dst, size_t len)
{
	size_t done = 0;

	for (unsigned i = 0; i < nr && done < len; i++) {
		size_t n;

		if (off >= iov[i].iov_len) {
			off -= iov[i].iov_len;
			continue;
		}
		n = min_size(len - done, iov[i].iov_len - off);
		memcpy((uint8_t *)dst + done, (const uint8_t *)iov[i].iov_base + off, n);
		done += n;
		off = 0;
	}
	return done;
}

size_t iov_write(const struct iovec *iov, unsigned nr, size_t off, const void *src, size_t len)
{
	size_t done = 0;

	for (unsigned i = 0; i < nr && done < len; i++) {
		size_t n;

		if (off >= iov[i].iov_len) {
			off -= iov[i].iov_len;
			continue;
		}
		n = min_size(len - done, iov[i].iov_len - off);
		memcpy((uint8_t *)iov[i].iov_base + off, (const uint8_t *)src + done, n);
		done += n;
		off = 0;
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
