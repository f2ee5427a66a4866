/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/core/num.h - numbers in texts of the kernel */
#ifndef DOORBELL_NUM_H
#define DOORBELL_NUM_H

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

/* The number at *p behind spaces, without sign; *p is moved behind it. False: none, or one that is too large. */
static inline bool num_next(const char **p, int base, uint64_t *out)
{
	const char *at = *p;
	char *end;

	while (isspace((unsigned char)*at))
		at++;
	if (!isxdigit((unsigned char)*at)) /* a sign would be taken */
		return false;
	errno = 0;
	*out = strtoull(at, &end, base);
	if (end == at || errno)
		return false;
	*p = end;
	return true;
}

/* The only number at @text. */
static inline bool num_at(const char *text, int base, uint64_t *out)
{
	return num_next(&text, base, out);
}

#endif
