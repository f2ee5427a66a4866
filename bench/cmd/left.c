/* SPDX-License-Identifier: Apache-2.0 */
/* bench/cmd/left.c - how long a run takes, and how long still */
#include "bench/cmd/method.h"
#include "vmm/core/loop.h"

uint64_t bench_estimate_ms(const struct bench_env *env, const struct bench_row *row,
                           unsigned rounds)
{
	const uint64_t ms = row->whole ? row->ms : row->ms / env->seconds_div;

	/* The first row of a group has its probes. */
	return (ms + row->more_ms + (row->against ? 0 : BENCH_PROBE_MS)) * rounds;
}

unsigned bench_starts(unsigned rounds, unsigned restarts)
{
	return restarts < rounds ? restarts + 1 : rounds;
}

/* Rounds that do not hold are measured again, up to twice as many as are to be kept. */
static size_t rounds_left(const struct bench_run *run, const struct bench_result *r)
{
	const struct bench_group *g = &run->group[r->group];
	const size_t at_most = 2 * (size_t)run->rounds - g->rounds;
	const size_t left = run->rounds - g->kept < at_most ? run->rounds - g->kept : at_most;

	if (g->done || r->state == BENCH_CANNOT || r->state == BENCH_FAILED)
		return 0;
	return left && r->nr > g->rounds ? left - 1 : left; /* this round is not over yet */
}

/* How many times as long as they say subjects take, by those that were opened. */
static double opening_scale(const struct bench_run *run)
{
	double said = 0, took = 0;

	for (size_t i = 0; i < run->nr_opened; i++)
		if (run->opened[i].took_ms > 0) {
			said += run->opened[i].subject->open_ms;
			took += run->opened[i].took_ms;
		}
	return said > 0 ? took / said : 1;
}

static double open_ms(const struct bench_run *run)
{
	const unsigned starts = bench_starts(run->rounds, run->restarts);
	const double scale = opening_scale(run);
	double ms = 0;

	for (size_t i = 0; i < run->nr_opened; i++) {
		const struct bench_opened *o = &run->opened[i];
		const double one = o->took_ms > 0 ? o->took_ms : o->subject->open_ms * scale;
		size_t rounds = 0;

		for (size_t k = 0; k < run->nr && !rounds; k++)
			if (run->result[k].subject == i)
				rounds = rounds_left(run, &run->result[k]);
		if (rounds)
			ms += (starts - o->starts) * one;
	}
	return ms;
}

uint64_t bench_left_s(const struct bench_run *run)
{
	const double gone_ms = (double)(loop_now_ns() - run->began_ns) / 1e6 - run->opening_ms;
	uint64_t rows_ms = 0;

	for (size_t i = 0; i < run->nr; i++)
		rows_ms += bench_estimate_ms(run->env, run->result[i].row,
		                             (unsigned)rounds_left(run, &run->result[i]));
	return (uint64_t)(((double)rows_ms * (run->done_ms ? gone_ms / (double)run->done_ms : 1) +
	                   open_ms(run)) /
	                          1000 +
	                  0.5);
}
