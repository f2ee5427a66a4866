/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/cmd/card.h - the machine that numbers were measured on, in words and in what it costs
 *
 * Two runs are compared when their words are the same and their costs nearly so.
 */
#ifndef DOORBELL_BENCH_CARD_H
#define DOORBELL_BENCH_CARD_H

#include <jansson.h>
#include <stdint.h>

#include "bench/cmd/bench.h"
#include "bench/cmd/cost.h"
#include "bench/cmd/method.h"

struct bench_card_cost {
	double ns; /* 0: not measured, why says so */
	char why[BENCH_WHY_MAX];
};

struct bench_card {
	char host[160];    /* "Linux 6.12.0 x86_64" */
	char cpu[160];     /* its model */
	unsigned cpus;     /* online */
	char pinned[80];   /* the CPUs that this process may use: "0-3" */
	char kvm[160];     /* whose KVM that is */
	char governor[40]; /* "not known" where the kernel does not say */
	struct bench_card_cost cost[COSTS];
};

/* For a second or so. While there is one thread: an ordinary user's TAP needs a process of its own. */
void bench_card_take(struct bench_card *card);
/* NULL: no memory. */
json_t *bench_card_json(const struct bench_card *card);

/* CPU time of all CPUs since boot, in ticks: all of it, and what the host of this machine took. */
struct bench_cpu_time {
	uint64_t all, stolen;
};
/* A /proc/stat. False: it is none. */
bool bench_cpu_time(const char *text, struct bench_cpu_time *out);

/* What the machine costs now, and the time that was stolen since the call before, as bench_ops wants it. */
struct bench_prober {
	struct bench_cpu_time last;
};
void bench_probe_now(void *prober, struct bench_probe *now);

#endif
