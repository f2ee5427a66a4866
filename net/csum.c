/* SPDX-License-Identifier: Apache-2.0 */
#include "net/csum.h"

#include <errno.h>
#include <string.h>

#include "vmm/core/compiler.h"
#include "vmm/core/iov.h"

/*
 * Words of 64 bits, the carry added back in: 2^64 - 1 is a multiple of 2^16 - 1, so folding the
 * wide sum at the end gives the same as adding 16 bits at a time.
 */
static uint64_t add(uint64_t sum, uint64_t word)
{
	sum += word;
	return sum + (sum < word);
}

uint16_t csum_sum(const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t a = 0, b = 0, w[2];

	for (; len >= sizeof(w); p += sizeof(w), len -= sizeof(w)) {
		memcpy(w, p, sizeof(w));
		a = add(a, w[0]);
		b = add(b, w[1]);
	}
	if (len) {
		memset(w, 0, sizeof(w));
		memcpy(w, p, len);
		a = add(a, w[0]);
		b = add(b, w[1]);
	}
	a = add(a, b);
	a = (a >> 32) + (a & UINT32_MAX);
	a = (a >> 32) + (a & UINT32_MAX);
	a = (a >> 16) + (a & UINT16_MAX);
	a = (a >> 16) + (a & UINT16_MAX);
	return (uint16_t)((a >> 16) + (a & UINT16_MAX));
}

uint16_t csum_pseudo(const void *addresses, size_t bytes, uint8_t proto, size_t len)
{
	const uint8_t rest[4] = {0, proto, (uint8_t)(len >> 8), (uint8_t)len};
	uint8_t p[32 + sizeof(rest)];

	memcpy(p, addresses, bytes);
	memcpy(p + bytes, rest, sizeof(rest));
	return csum_sum(p, bytes + sizeof(rest));
}

/* The sum of @len bytes that begin @off bytes into @iov[0 .. nr). */
static uint16_t sum_pieces(const struct iovec *iov, unsigned nr, size_t off, size_t len)
{
	size_t done = 0;
	uint64_t sum = 0;

	for (; nr && done < len; iov++, nr--) {
		size_t part, skip = min_size(off, iov->iov_len);
		uint16_t word;

		off -= skip;
		part = min_size(iov->iov_len - skip, len - done);
		word = csum_sum((const uint8_t *)iov->iov_base + skip, part);
		/* A piece that begins at an odd byte: its bytes stand in the other half of each word. */
		if (done % 2)
			word = (uint16_t)(word << 8 | word >> 8);
		sum += word;
		done += part;
	}
	return csum_sum(&sum, sizeof(sum));
}

int csum_complete_iov(const struct iovec *iov, unsigned nr, size_t len, size_t start, size_t offset)
{
	uint16_t sum;

	if (start > len || len - start < sizeof(sum) || offset > len - start - sizeof(sum))
		return -EINVAL;
	sum = (uint16_t)~sum_pieces(iov, nr, start, len - start);
	if (sum == 0) /* the same number; for UDP the other zero means "none" */
		sum = UINT16_MAX;
	iov_write(iov, nr, start + offset, &sum, sizeof(sum));
	return 0;
}

int csum_complete(uint8_t *frame, size_t len, size_t start, size_t offset)
{
	const struct iovec whole = {frame, len};

	return csum_complete_iov(&whole, 1, len, start, offset);
}
