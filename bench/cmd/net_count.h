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
/*
 * Counts per frame between two moments, and what they should be. @others: how many frames there were, should it not
 * know, as when a peer moves them. False: no frames, or not of one life.
 */
bool net_count_doorbell(const struct net_moment *from, const struct net_moment *to, double others,
                        struct bench_sample *s);

#endif
