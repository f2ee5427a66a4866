/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/cmd/stats.h - medians, their intervals, and what may be concluded from them
 *
 * An interval is where 95 % of the medians of resampled rounds lie (bootstrap, percentiles). Nothing is assumed about how
 * the samples are distributed. The same samples and the same seed give the same interval.
 */
#ifndef DOORBELL_BENCH_STATS_H
#define DOORBELL_BENCH_STATS_H

#include <stddef.h>
#include <stdint.h>

#include "bench/cmd/bench.h"

#define BENCH_RESAMPLES  2000u
#define BENCH_SAMPLE_MAX 1000u /* in one array */
/* With fewer no interval has the true median with 95 % probability: 2 * 2^-5 is more than 0.05. */
#define BENCH_VERDICT_MIN 6u

struct bench_interval {
	double median, low, high;
};

enum bench_verdict {
	BENCH_UNSURE, /* too few samples */
	BENCH_EQUAL,  /* the interval covers 1 */
	BENCH_BETTER,
	BENCH_WORSE,
	BENCH_DIFFERS, /* of a metric of which neither more nor less is better */
};

/* Of @nr values, 1 .. BENCH_SAMPLE_MAX, all finite; they are left as they are. */
double bench_median(const double *v, size_t nr);
/* -ENOMEM, or 0 and *@out. */
int bench_interval(const double *v, size_t nr, uint64_t seed, struct bench_interval *out);
/*
 * @a / @b, what is below @floor (struct bench_metric) taken for @floor; negative: there is none, since @b is 0.
 * What is measured is never negative.
 */
double bench_ratio(double a, double b, double floor);
/* The samples of one side of a ratio. */
struct bench_side {
	const double *v;
	size_t nr;
};
/*
 * Of median(@a) / median(@b), of two runs, whose rounds do not belong together. 0; -ENOMEM; -EDOM: @b is 0, and there
 * is no ratio.
 */
int bench_ratio_interval(struct bench_side a, struct bench_side b, double floor, uint64_t seed,
                         struct bench_interval *out);

/* @nr samples of the side that has fewer. */
enum bench_verdict bench_judge(const struct bench_interval *ratio, size_t nr, enum bench_want want);
/* "faster", "slower" for what is timed, "better", "worse" for what is not; "equal"; "unsure". */
const char *bench_verdict_name(enum bench_verdict v, enum bench_metric_id id);

#endif
