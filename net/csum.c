/* SPDX-License-Identifier: Apache-2.0 */
#include "net/csum.h"

#include <errno.h>
#include <string.h>

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

int csum_complete(uint8_t *frame, size_t len, size_t start, size_t offset)
{
	uint16_t sum;

	if (start > len || len - start < sizeof(sum) || offset > len - start - sizeof(sum))
		return -EINVAL;
	sum = (uint16_t)~csum_sum(frame + start, len - start);
	if (sum == 0) /* the same number; for UDP the other zero means "none" */
		sum = UINT16_MAX;
	memcpy(frame + start + offset, &sum, sizeof(sum));
	return 0;
}
