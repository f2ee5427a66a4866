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

/* Values in order, and which of them each one is: what is drawn need not be sorted, only counted. */
struct side {
	size_t nr;
	double sorted[BENCH_SAMPLE_MAX];
	uint16_t rank[BENCH_SAMPLE_MAX]; /* of the values as they came */
	uint16_t drawn[BENCH_SAMPLE_MAX];
};

struct ranked {
	double v;
	uint16_t i;
};

static int by_value(const void *a, const void *b)
{
	return by_size(&((const struct ranked *)a)->v, &((const struct ranked *)b)->v);
}

static void side_init(struct side *s, struct bench_side of)
{
	struct ranked r[BENCH_SAMPLE_MAX] = {{0, 0}};

	s->nr = of.nr;
	for (size_t i = 0; i < of.nr; i++)
		r[i] = (struct ranked){of.v[i], (uint16_t)i};
	qsort(r, of.nr, sizeof(*r), by_value);
	for (size_t i = 0; i < of.nr; i++) {
		s->sorted[i] = r[i].v;
		s->rank[r[i].i] = (uint16_t)i;
	}
}

/* The median of as many values as there are, each drawn from all of them. */
static double resampled(struct side *s, uint64_t *state)
{
	const size_t low = (s->nr - 1) / 2, high = s->nr / 2; /* one, or the two in the middle */
	size_t seen = 0, i = 0;
	double first;

	memset(s->drawn, 0, s->nr * sizeof(*s->drawn));
	for (size_t k = 0; k < s->nr; k++) /* the bias of % is 2^-54 here */
		s->drawn[s->rank[next_random(state) % s->nr]]++;
	while ((seen += s->drawn[i]) <= low)
		i++;
	first = s->sorted[i];
	if (low == high)
		return first;
	while (seen <= high)
		seen += s->drawn[++i];
	return (first + s->sorted[i]) / 2;
}

/* @medians of resamples, BENCH_RESAMPLES; they are sorted. */
static void set_bounds(double *medians, struct bench_interval *out)
{
	qsort(medians, BENCH_RESAMPLES, sizeof(*medians), by_size);
	out->low = medians[BENCH_RESAMPLES / 40];
	out->high = medians[BENCH_RESAMPLES - 1 - BENCH_RESAMPLES / 40];
}

struct resampling {
	double medians[BENCH_RESAMPLES];
	struct side a, b;
};

int bench_interval(const double *v, size_t nr, uint64_t seed, struct bench_interval *out)
{
	struct resampling *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	side_init(&r->a, (struct bench_side){v, nr});
	for (unsigned i = 0; i < BENCH_RESAMPLES; i++)
		r->medians[i] = resampled(&r->a, &seed);
	out->median = bench_median(v, nr);
	set_bounds(r->medians, out);
	free(r);
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
	struct resampling *r = calloc(1, sizeof(*r));
	int ret = 0;

	if (!r)
		return -ENOMEM;
	side_init(&r->a, a);
	side_init(&r->b, b);
	out->median = bench_ratio(bench_median(a.v, a.nr), bench_median(b.v, b.nr), floor);
	for (unsigned i = 0; i < BENCH_RESAMPLES && ret == 0; i++) {
		const double of_a = resampled(&r->a, &seed);

		r->medians[i] = bench_ratio(of_a, resampled(&r->b, &seed), floor);
		if (r->medians[i] < 0)
			ret = -EDOM;
	}
	if (out->median < 0)
		ret = -EDOM;
	if (ret == 0)
		set_bounds(r->medians, out);
	free(r);
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
