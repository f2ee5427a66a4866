/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fuzz/guarded.h - guest memory whose ends the address sanitizer guards */
#ifndef DOORBELL_TESTS_FUZZ_GUARDED_H
#define DOORBELL_TESTS_FUZZ_GUARDED_H

#include <stdlib.h>

#include "vmm/core/gmem.h"

/* Zeroed memory from calloc() for each region of @m, for the life of the process. */
static inline void guarded_create(struct gmem *m)
{
	for (unsigned i = 0; i < m->nr; i++) {
		m->region[i].host = calloc(1, m->region[i].size);
		if (!m->region[i].host)
			abort();
	}
}

#endif
