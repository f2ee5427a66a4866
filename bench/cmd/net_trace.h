/* SPDX-License-Identifier: Apache-2.0 */
/* bench/cmd/net_trace.h - what the kernel's tracepoints count of a VMM, and whether a doorbell counts the same */
#ifndef DOORBELL_BENCH_NET_TRACE_H
#define DOORBELL_BENCH_NET_TRACE_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#include "bench/cmd/bench.h"
#include "bench/cmd/net_count.h"

struct trace;

/* Threads of the processes of a group, at most @room of them: a shell that runs a peer may not be replaced by it. */
size_t net_trace_threads(pid_t group, int *tids, size_t room);

/*
 * The kernel counts what the threads of the processes of @nr groups do, until trace_end() (audit/trace.h). NULL with a
 * line in @why: not allowed to. What happened between two moments is the difference of two readings: to read takes as long each time, and to set
 * everything to 0 much longer.
 */
struct trace *net_trace_begin(const pid_t *group, unsigned nr, char *why);

/* Two readings of one trace, by trace_read(); owned. */
struct net_traced {
	json_t *at[2];
};
void net_traced_drop(struct net_traced *t);

/* Counts per frame between them; with @vhost a worker that is none of the VMM's threads interrupts for it. */
void net_count_trace(const struct net_traced *t, double frames, bool vhost, struct bench_sample *s);

/*
 * What @nr doorbells counted between two moments, all together, beside what tracepoints counted, which begin before the
 * first moment and end after the second, both of them moments of rest: s->check. @rest: how long looking took at both
 * ends, as a share of the time between. What only one side counts, or not all of them do, is left out.
 */
void net_check(const struct net_span *guest, unsigned nr, const struct net_traced *t, double rest,
               struct bench_sample *s);

#endif
