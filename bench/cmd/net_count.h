/* SPDX-License-Identifier: Apache-2.0 */
/* bench/cmd/net_count.h - what is counted while packets move: by the machine, and by doorbell */
#ifndef DOORBELL_BENCH_NET_COUNT_H
#define DOORBELL_BENCH_NET_COUNT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "bench/cmd/bench.h"

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

/* Of one guest, or of both between which frames go; of a guest that there is not all is NULL. */
#define NET_GUESTS 2u
struct net_span {
	struct net_moment at[2]; /* before and after */
};
/* The report of its audit; NULL: not of one life, or nothing known. */
json_t *net_span_report(const struct net_span *g);
/*
 * Counts per frame between two moments, and what they should be, of @nr guests together: a frame from one guest to
 * another is one frame, and costs what it does in both. @others: how many frames there were, should the first one not
 * know, as when a peer moves them. False: no frames, not of one life, or nothing known of one of them.
 */
bool net_count_doorbell(const struct net_span *guest, unsigned nr, double others,
                        struct bench_sample *s);

#endif
