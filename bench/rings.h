/* SPDX-License-Identifier: Apache-2.0 */
/* bench/rings.h - for benchmarks that are the driver of a queue in memory of their own */
#ifndef DOORBELL_BENCH_RINGS_H
#define DOORBELL_BENCH_RINGS_H

#include <stdio.h>
#include <stdlib.h>

#include "vmm/core/gmem.h"

static inline _Noreturn void die(const char *what)
{
	fprintf(stderr, "bench: %s\n", what);
	exit(1);
}

/* All that is asked for lies in the one region that there is. */
static inline void *at(const struct gmem *m, gpa_t gpa)
{
	void *p = gmem_ptr(m, gpa, 1);

	if (!p)
		die("an address outside memory");
	return p;
}

#endif
