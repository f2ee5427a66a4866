/* SPDX-License-Identifier: Apache-2.0 */
/* bench/cmd/micro_process.c - doorbell run as a process: how it starts and ends, its memory, a frame there and back */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <sys/wait.h>

#include "bench/cmd/aside.h"
#include "bench/cmd/cost_tap.h"
#include "bench/cmd/guest_images.h"
#include "bench/cmd/micro.h"
#include "bench/cmd/micro_vm.h"
#include "bench/cmd/process.h"
#include "bench/cmd/repeat.h"
#include "bench/guest/micro.h"

#define LIMIT_S 120 /* a round that takes longer is no round */
#define MEM     "256M"
#define MEM_KIB (256u << 10)

/* What is to be found out about doorbell run. */
struct look {
	int (*fn)(const void *job, double *v, char *why);
	const char *net, *word; /* --net, what guest_micro is to do */
	bool own_network;
	struct process_job job; /* the rest of it */
};

static int look_at(const struct bench_env *env, struct look *l, double v[ASIDE_VALUES], char *why)
{
	char kernel[PATH_MAX];
	const char *const argv[] = {env->self, "run",      "--mem", MEM,    "--net",
	                            l->net,    "--append", l->word, kernel, NULL};
	const struct aside a = {.fn = l->fn, .arg = &l->job, .limit_s = LIMIT_S, .stop = env->stop};
	int ret = micro_vm_can(why);

	if (ret == 0 && l->own_network && cost_tap_can(env->stop, why) < 0)
		ret = -EOPNOTSUPP;
	if (ret == 0)
		ret = guest_micro_file(env, kernel, why);
	if (ret < 0)
		return ret;
	l->job.argv = argv;
	l->job.own_network = l->own_network;
	ret = aside_run(&a, v, why);
	/* ptrace is what not everybody may. */
	return ret == -EPERM ? -EOPNOTSUPP : ret;
}

MICRO_CAN(micro_can_vm)
{
	(void)env;
	(void)row;
	return micro_vm_can(why);
}

MICRO_CAN(micro_can_start)
{
	const struct micro_start *m = row->arg;
	const int ret = micro_vm_can(why);

	return ret < 0 || !m->tap ? ret : cost_tap_can(env->stop, why);
}

MICRO_MEASURE(micro_start)
{
	const struct micro_start *m = row->arg;
	struct look l = {.fn = process_start, .net = m->net, .word = "exit", .own_network = m->tap};
	double v[ASIDE_VALUES];
	int ret = look_at(env, &l, v, why);

	if (ret == 0)
		bench_set(s, BM_NS, v[m->end]);
	return ret;
}

MICRO_MEASURE(micro_memory)
{
	const struct micro_start *m = row->arg;
	struct look l = {.fn = process_memory,
	                 .net = m->net,
	                 .word = "ready",
	                 .own_network = m->tap,
	                 .job = {.marker = MICRO_READY_LINE, .ram_kib = MEM_KIB}};
	double v[ASIDE_VALUES];
	int ret = look_at(env, &l, v, why);

	if (ret == 0)
		bench_set(s, BM_BYTES, v[0] * 1024);
	return ret;
}

/* ---- there and back */

#define BATCHES 256u

/* For aside_run(). v[0]: ns of one, the median of batches. */
static int measure_trips(const void *arg, double *v, char *why)
{
	const struct process_job *job = arg;
	double ns[BATCHES];
	char line[PROCESS_LINE];
	uint64_t at = 0, before = 0, end_ns = 0;
	struct process p;
	unsigned n = 0;
	int ret = process_begin(&p, job, NULL, why);

	/* The first line comes before the first trip, and the first batch warms up. */
	for (unsigned lines = 0; ret == 0 && n < BATCHES && (n == 0 || at < end_ns); lines++) {
		before = at;
		ret = process_line(&p, job->marker, line, &at, why);
		if (ret < 0)
			return ret;
		if (lines == 1)
			end_ns = at + job->ms * UINT64_C(1000000);
		if (lines > 1)
			ns[n++] = (double)(at - before) / MICRO_TRIPS;
	}
	if (ret < 0)
		return ret;
	v[0] = repeat_median(ns, n);
	kill(p.pid, SIGKILL);
	waitpid(p.pid, NULL, 0);
	return 0;
}

MICRO_MEASURE(micro_trip)
{
	struct look l = {.fn = measure_trips,
	                 .net = "echo",
	                 .word = "trip",
	                 .job = {.marker = MICRO_TRIPS_LINE, .ms = micro_ms(env, row)}};
	double v[ASIDE_VALUES];
	int ret = look_at(env, &l, v, why);

	if (ret == 0)
		bench_set(s, BM_NS, v[0]);
	return ret;
}
