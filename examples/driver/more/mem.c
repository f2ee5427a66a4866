/* SPDX-License-Identifier: Apache-2.0 */
/* The compiler may call these two for copies of its own. */
#include <stddef.h>
#include <stdint.h>

void *memcpy(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);

void *memcpy(void *dst, const void *src, size_t n)
{
	uint8_t *d = dst;
	const uint8_t *s = src;

	for (; n >= 8; n -= 8, d += 8, s += 8)
		*(uint64_t *)(void *)d = *(const uint64_t *)(const void *)s;
	while (n--)
		*d++ = *s++;
	return dst;
}

void *memset(void *dst, int c, size_t n)
{
	uint8_t *d = dst;
	const uint64_t eight = 0x0101010101010101u * (uint8_t)c;

	for (; n >= 8; n -= 8, d += 8)
		*(uint64_t *)(void *)d = eight;
	while (n--)
		*d++ = (uint8_t)c;
	return dst;
}
