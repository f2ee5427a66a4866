/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/cmd/stats.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* splitmix64: one number of state, the same sequence everywhere. */
static uint64_t next_random(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static int by_size(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median_of_sorted(const double *v, size_t nr)
{
	return nr % 2 ? v[nr / 2] : (v[nr / 2 - 1] + v[nr / 2]) / 2;
}

static double sort_median(double *v, size_t nr)
{
	qsort(v, nr, sizeof(*v), by_size);
	return median_of_sorted(v, nr);
}

double bench_median(const double *v, size_t nr)
{
	double sorted[BENCH_SAMPLE_MAX];

	memcpy(sorted, v, nr * sizeof(*v));
	return sort_median(sorted, nr);
}

/* The median of as many values as there are, each drawn from all of them; into @drawn. */
static double resampled(struct bench_side s, uint64_t *state, double *drawn)
{
	for (size_t i = 0; i < s.nr; i++)
		drawn[i] = s.v[next_random(state) % s.nr]; /* the bias of % is 2^-54 here */
	return sort_median(drawn, s.nr);
}

/* @medians of resamples, BENCH_RESAMPLES; they are sorted. */
static void set_bounds(double *medians, struct bench_interval *out)
{
	qsort(medians, BENCH_RESAMPLES, sizeof(*medians), by_size);
	out->low = medians[BENCH_RESAMPLES / 40];
	out->high = medians[BENCH_RESAMPLES - 1 - BENCH_RESAMPLES / 40];
}

int bench_interval(const double *v, size_t nr, uint64_t seed, struct bench_interval *out)
{
	const struct bench_side all = {v, nr};
	double *medians = calloc(BENCH_RESAMPLES + BENCH_SAMPLE_MAX, sizeof(*medians)), *drawn;

	if (!medians)
		return -ENOMEM;
	drawn = medians + BENCH_RESAMPLES;
	for (unsigned i = 0; i < BENCH_RESAMPLES; i++)
		medians[i] = resampled(all, &seed, drawn);
	out->median = bench_median(v, nr);
	set_bounds(medians, out);
	free(medians);
	return 0;
}

double bench_ratio(double a, double b, double floor)
{
	a = a < floor ? floor : a;
	b = b < floor ? floor : b;
	return b > 0 ? a / b : -1;
}

int bench_ratio_interval(struct bench_side a, struct bench_side b, double floor, uint64_t seed,
                         struct bench_interval *out)
{
	double *medians = calloc(BENCH_RESAMPLES + BENCH_SAMPLE_MAX, sizeof(*medians)), *drawn;
	int ret = 0;

	if (!medians)
		return -ENOMEM;
	drawn = medians + BENCH_RESAMPLES;
	out->median = bench_ratio(bench_median(a.v, a.nr), bench_median(b.v, b.nr), floor);
	for (unsigned i = 0; i < BENCH_RESAMPLES && ret == 0; i++) {
		const double of_a = resampled(a, &seed, drawn);

		medians[i] = bench_ratio(of_a, resampled(b, &seed, drawn), floor);
		if (medians[i] < 0)
			ret = -EDOM;
	}
	if (out->median < 0)
		ret = -EDOM;
	if (ret == 0)
		set_bounds(medians, out);
	free(medians);
	return ret;
}

enum bench_verdict bench_judge(const struct bench_interval *ratio, size_t nr, enum bench_want want)
{
	if (nr < BENCH_VERDICT_MIN)
		return BENCH_UNSURE;
	if (ratio->low <= 1 && ratio->high >= 1)
		return BENCH_EQUAL;
	if (want == BENCH_NEITHER)
		return BENCH_DIFFERS;
	return (ratio->high < 1) == (want == BENCH_LESS) ? BENCH_BETTER : BENCH_WORSE;
}

const char *bench_verdict_name(enum bench_verdict v, enum bench_metric_id id)
{
	const enum bench_trust t = bench_metrics[id].trust;
	const bool timed = t != BENCH_COUNT && t != BENCH_SIZE && id != BM_LOSS;

	switch (v) {
	case BENCH_EQUAL:
		return "equal";
	case BENCH_BETTER:
		return timed ? "faster" : "better";
	case BENCH_WORSE:
		return timed ? "slower" : "worse";
	case BENCH_DIFFERS:
		return "differs";
	case BENCH_UNSURE:
		break;
	}
	return "unsure";
}
