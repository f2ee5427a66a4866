/* SPDX-License-Identifier: Apache-2.0 */
/* bench/cmd/rows.c - the list of all rows, in the order in which they are measured */
#include "bench/cmd/bench.h"
#include "bench/cmd/rows_micro.h"
#include "bench/cmd/rows_net.h"
#include "vmm/core/compiler.h"

static const struct bench_rows *const tables[] = {
	&rows_net, &rows_micro, NULL, /* the end */
};

size_t bench_row_count(void)
{
	size_t nr = 0;

	for (size_t i = 0; tables[i]; i++)
		nr += tables[i]->nr;
	return nr;
}

const struct bench_row *bench_row(size_t i)
{
	for (size_t t = 0; tables[t]; t++) {
		if (i < tables[t]->nr)
			return &tables[t]->row[i];
		i -= tables[t]->nr;
	}
	return NULL;
}
