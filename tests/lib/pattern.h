/* SPDX-License-Identifier: Apache-2.0 */
/* tests/lib/pattern.h - bytes that differ everywhere, so that data in the wrong place is seen */
#ifndef DOORBELL_TESTS_PATTERN_H
#define DOORBELL_TESTS_PATTERN_H

#include <stddef.h>
#include <stdint.h>

/* The same for the same @seed. */
static inline void pattern_fill(uint8_t *p, size_t len, unsigned seed)
{
	uint32_t x = seed * 2654435761u + 1;

	for (size_t i = 0; i < len; i++) {
		x = x * 1664525u + 1013904223u;
		p[i] = (uint8_t)(x >> 24);
	}
}

#endif
