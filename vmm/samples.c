/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/samples.h"

#include <stdlib.h>
#include <string.h>

#include "vmm/core/compiler.h"

void samples_add(struct samples *s, uint64_t value)
{
	s->value[s->count++ % SAMPLES_MAX] = value;
}

static int by_size(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

json_t *samples_json(const struct samples *s)
{
	const uint64_t count = s ? s->count : 0;
	const size_t nr = (size_t)min_u64(count, SAMPLES_MAX);
	uint64_t sorted[SAMPLES_MAX] = {0};
	const size_t last = nr ? nr - 1 : 0;

	if (nr)
		memcpy(sorted, s->value, nr * sizeof(sorted[0]));
	qsort(sorted, nr, sizeof(sorted[0]), by_size);
	return json_pack("{s:I, s:I, s:I, s:I, s:I}", "count", (json_int_t)count, "min_ns",
	                 (json_int_t)sorted[0], "median_ns", (json_int_t)sorted[last / 2], "p99_ns",
	                 (json_int_t)sorted[last * 99 / 100], "max_ns", (json_int_t)sorted[last]);
}
