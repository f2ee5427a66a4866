/* SPDX-License-Identifier: Apache-2.0 */
/* bench/cmd/figure.c - from the rounds that hold to the numbers of the reports */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bench/cmd/method.h"

static bool holds(const struct bench_run *run, const struct bench_result *r, size_t round,
                  enum bench_metric_id id)
{
	const struct bench_group *g = &run->group[r->group];
	/* What the machine costs at the moment moves times, not how many events there are. */
	const bool any = g->unsteady || bench_metrics[id].trust == BENCH_COUNT;

	return round < r->nr && (any || !g->thrown[round]) && r->sample[round].has & 1u << id;
}

size_t bench_values(const struct bench_run *run, size_t i, enum bench_metric_id id, double *out)
{
	const struct bench_result *r = &run->result[i];
	size_t nr = 0;

	for (size_t round = 0; round < r->nr; round++)
		if (holds(run, r, round, id))
			out[nr++] = r->sample[round].v[id];
	return nr;
}

static void fill_expected(const struct bench_run *run, size_t i, enum bench_metric_id id,
                          struct bench_figure *out)
{
	const struct bench_result *r = &run->result[i];
	double v[BENCH_SAMPLE_MAX];
	size_t nr = 0;

	for (size_t round = 0; round < r->nr; round++) {
		const struct bench_sample *s = &r->sample[round];

		if (!holds(run, r, round, id) || !(s->expects & 1u << id))
			continue;
		v[nr++] = s->expected[id];
		out->at_most |= s->at_most >> id & 1;
	}
	out->has_expected = nr > 0;
	out->expected = nr ? bench_median(v, nr) : 0;
}

const struct bench_sample *bench_checked(const struct bench_run *run, size_t i)
{
	const struct bench_result *r = &run->result[i];

	for (size_t round = 0; round < r->nr; round++)
		if (r->sample[round].nr_checks)
			return &r->sample[round];
	return NULL;
}

/* Of each round in which both were measured. */
static size_t ratios(const struct bench_run *run, size_t i, enum bench_metric_id id, double *out)
{
	const struct bench_result *r = &run->result[i], *a;
	size_t nr = 0;

	if (r->against == BENCH_NO_ROW)
		return 0;
	a = &run->result[r->against];
	for (size_t round = 0; round < r->nr; round++) {
		if (!holds(run, r, round, id) || !holds(run, a, round, id))
			continue;
		out[nr] = bench_ratio(r->sample[round].v[id], a->sample[round].v[id],
		                      bench_metrics[id].floor);
		nr += out[nr] >= 0;
	}
	return nr;
}

bool bench_may_judge(enum bench_metric_id id, bool unsteady)
{
	return !unsteady || bench_metrics[id].trust == BENCH_COUNT;
}

static int fill(const struct bench_run *run, size_t i, enum bench_metric_id id,
                struct bench_figure *out)
{
	double v[BENCH_SAMPLE_MAX];
	size_t nr = bench_values(run, i, id, v);
	int ret = nr ? bench_interval(v, nr, run->seed, &out->value) : 0;

	out->nr = nr;
	fill_expected(run, i, id, out);
	nr = ret == 0 && nr ? ratios(run, i, id, v) : 0;
	if (nr == 0)
		return ret;
	ret = bench_interval(v, nr, run->seed, &out->ratio);
	out->has_ratio = ret == 0;
	if (ret == 0 && run->rounds >= BENCH_ROUNDS &&
	    bench_may_judge(id, run->group[run->result[i].group].unsteady))
		out->verdict = bench_judge(&out->ratio, nr, bench_metrics[id].want);
	return ret;
}

int bench_fill_figures(struct bench_run *run, size_t group)
{
	int ret = 0;

	for (size_t i = 0; i < run->nr; i++)
		for (unsigned id = 0; id < BENCH_METRICS && run->result[i].group == group; id++)
			if (fill(run, i, id, &run->figure[i * BENCH_METRICS + id]) < 0)
				ret = -ENOMEM;
	return ret;
}

const struct bench_figure *bench_figure(const struct bench_run *run, size_t i,
                                        enum bench_metric_id id)
{
	return &run->figure[i * BENCH_METRICS + id];
}

const char *bench_thrown_text(const struct bench_group *g, char *buf, size_t size)
{
	const size_t nr = g->rounds - g->kept;

	if (nr)
		snprintf(buf, size,
		         "%zu of %zu rounds thrown out: costs of the machine moved in %zu, the "
		         "host took "
		         "time away in %zu",
		         nr, g->rounds, g->moved, g->stolen);
	else
		buf[0] = '\0';
	return buf;
}
