/* SPDX-License-Identifier: Apache-2.0 */
/* bench/cmd/curve.h - loss over rate: what rows of one subject and direction, at several rates, say together */
#ifndef DOORBELL_BENCH_CURVE_H
#define DOORBELL_BENCH_CURVE_H

#include <jansson.h>
#include <stddef.h>

#include "bench/cmd/method.h"

#define BENCH_LINES_MAX  128u
#define BENCH_POINTS_MAX 16u
#define BENCH_WAY_MAX    8u

struct bench_point {
	const char *row;
	double sent; /* per second, median: what was sent, not what was asked for */
	const struct bench_figure *loss; /* borrowed from the run */
};

/* One line of it; @way and @subject are the parts of its rows' names behind the kind: "h2g", "vhost". */
struct bench_line {
	char way[BENCH_WAY_MAX];
	const char *subject;
	size_t nr; /* 2 or more, the slowest first */
	struct bench_point point[BENCH_POINTS_MAX];
};

/* Those with two points or more, into @out (BENCH_LINES_MAX); their number. */
size_t bench_lines(const struct bench_run *run, struct bench_line *out);
/* The most that was sent per second with nothing lost, there or at less; 0: some of the least. */
double bench_lossless(const struct bench_line *l);
/* "out of the guest" */
const char *bench_way_text(const char *way);
/* A list; empty without lines; NULL: no memory. */
json_t *bench_lines_json(const struct bench_run *run);

#endif
