/* SPDX-License-Identifier: Apache-2.0 */
/* bench/cmd/net_count.h - what is counted while packets move: by the machine, by doorbell, by the kernel's tracing */
#ifndef DOORBELL_BENCH_NET_COUNT_H
#define DOORBELL_BENCH_NET_COUNT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "bench/cmd/bench.h"

struct trace;

/* Time that the CPUs of this machine were busy, all together, without what a hypervisor took; 0: cannot be read. */
uint64_t net_busy_ns(void);
/* The same of the text of /proc/stat, in clock ticks. False: that is no such text. */
bool net_busy_parse(const char *text, uint64_t *ticks);

/* Frames through interface @name where process @pid is, both ways. False: it is not there. */
bool net_frames(pid_t pid, const char *name, uint64_t *frames);

/* What a doorbell says of itself at one moment. */
struct net_moment {
	json_t *status, *stats;
};

/* By its control socket. False: nobody there. */
bool net_moment_take(const char *control, struct net_moment *m);
void net_moment_drop(struct net_moment *m);
/* Counts per frame between two moments. False: no frames, or not of one life. */
bool net_count_doorbell(const struct net_moment *from, const struct net_moment *to,
                        struct bench_sample *s);

/* The kernel counts what the threads of @pid do, until net_trace_end(). NULL with a line in @why: not allowed to. */
struct trace *net_trace_begin(pid_t pid, char *why);
void net_trace_restart(struct trace *t); /* from 0 again; beginning takes longer */
/* What was counted since, a new reference, NULL: no memory. Ends it. */
json_t *net_trace_end(struct trace *t);
/* Counts per frame of that; with @vhost a worker that is none of the VMM's threads interrupts for it. */
void net_count_trace(const json_t *trace, double frames, bool vhost, struct bench_sample *s);

#endif
