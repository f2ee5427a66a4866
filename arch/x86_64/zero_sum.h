/* SPDX-License-Identifier: Apache-2.0 */
/* arch/x86_64/zero_sum.h - the checksum of firmware tables: all bytes of a table add up to 0 */
#ifndef DOORBELL_X86_64_ZERO_SUM_H
#define DOORBELL_X86_64_ZERO_SUM_H

#include <stddef.h>
#include <stdint.h>

#include "vmm/core/compiler.h"

/* The byte that makes the sum of @len bytes at @p zero when it is one of them and 0 now. */
static inline uint8_t zero_sum(const void *p, size_t len)
{
	const uint8_t *byte = p;
	unsigned sum = 0;

	for (size_t i = 0; i < len; i++)
		sum += byte[i];
	return u8_of(0u - sum);
}

#endif
