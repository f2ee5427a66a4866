/* SPDX-License-Identifier: Apache-2.0 */
/* bench/cmd/select.h - which rows: --only, --full */
#ifndef DOORBELL_BENCH_SELECT_H
#define DOORBELL_BENCH_SELECT_H

#include "bench/cmd/bench.h"

#define BENCH_ONLY_MAX 16u

struct bench_choice {
	/* Each SET, ROW or the first parts of a row's name, or several, separated by commas. All of them together. */
	const char *only[BENCH_ONLY_MAX];
	size_t nr_only;
	bool full; /* without @only: all rows, not only the core */
	const char *
		beside; /* rows ON this, the last part of a name, beside all that is chosen; NULL: none */
};

/*
 * Those of @all, @nr, that are chosen, and those that they are measured against, into @out, which has room for all.
 * Their number; or -EINVAL after one log_error(): a word of @only is no row.
 */
long bench_select(const struct bench_row *const *all, size_t nr, const struct bench_choice *choice,
                  const struct bench_row **out);

#endif
