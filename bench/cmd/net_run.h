/* SPDX-License-Identifier: Apache-2.0 */
/* bench/cmd/net_run.h - one round of one network row */
#ifndef DOORBELL_BENCH_NET_RUN_H
#define DOORBELL_BENCH_NET_RUN_H

#include "bench/cmd/bench.h"
#include "bench/guest/load.h"

/* The first end is a guest, or stands for it; the second is outside, or another guest. */
enum net_dir { NET_OUT, NET_IN };

/* bench_row.arg */
struct net_work {
	enum load_work work;
	enum net_dir dir; /* NET_OUT: the first end sends, or asks */
	unsigned size;    /* bytes of a message */
	unsigned streams; /* 0: one */
	unsigned buffer;  /* of sockets, bytes; 0: the kernel's */
	unsigned rate;    /* datagrams per second; 0: as fast as it goes */
};

/*
 * The middle of a run of @ms from @begin_ns ends at seven eighths of it. Is it now behind the run, and what both ends say
 * on the guests' consoles then in what was to be of the middle?
 */
bool net_is_late(uint64_t begin_ns, uint64_t now_ns, unsigned ms);

/* bench_row.measure of all of them, with a struct net_state. */
int net_measure(const struct bench_env *env, const struct bench_row *row, void *state,
                struct bench_sample *s, char *why);

/* What all CPUs took, idle cost taken off, in a part of the run; 0: not known. */
struct net_busy {
	double busy_ns, span_ns;
};
/* What both ends said of all of the run, and the time of CPUs in a part of it, as metrics. */
void net_sample(const struct net_work *w, const struct load_said *first,
                const struct load_said *second, const struct net_busy *cpu, struct bench_sample *s);

#endif
