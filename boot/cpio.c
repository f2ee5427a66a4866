/* SPDX-License-Identifier: Apache-2.0 */
#include "boot/cpio.h"

#include <stdint.h>
#include <string.h>

#define MAGIC_BYTES  6u
#define HEADER_BYTES 110u /* the magic, and 13 numbers of 8 hexadecimal digits */
#define FILESIZE_AT  54u
#define NAMESIZE_AT  94u

static bool parse_hex(const uint8_t *p, uint64_t *v)
{
	*v = 0;
	for (unsigned i = 0; i < 8; i++) {
		const uint8_t lower = p[i] | 0x20;

		if (p[i] >= '0' && p[i] <= '9')
			*v = *v << 4 | (uint64_t)(p[i] - '0');
		else if (lower >= 'a' && lower <= 'f')
			*v = *v << 4 | (uint64_t)(lower - 'a' + 10);
		else
			return false;
	}
	return true;
}

static uint64_t align4(uint64_t v)
{
	return (v + 3) & ~UINT64_C(3);
}

/* Linux takes 070701 and 070702 alike. */
static bool is_magic(const uint8_t *p, size_t left)
{
	return left >= MAGIC_BYTES && memcmp(p, "07070", 5) == 0 && (p[5] == '1' || p[5] == '2');
}

bool cpio_is_cut(const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t name, size, end, at = 0; /* none of them near 2^64: numbers have 32 bits */

	while (at < len) {
		if (at > 0 && p[at] == 0) { /* between archives */
			at++;
			continue;
		}
		if (at % 4 != 0 || !is_magic(p + at, len - at))
			return false;
		if (len - at < HEADER_BYTES)
			return true;
		if (!parse_hex(p + at + FILESIZE_AT, &size) ||
		    !parse_hex(p + at + NAMESIZE_AT, &name))
			return false;
		end = at + HEADER_BYTES + name;
		if (size > 0)
			end = align4(end) + size;
		if (end > len)
			return true;
		at = align4(end);
	}
	return false;
}
