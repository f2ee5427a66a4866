/* SPDX-License-Identifier: Apache-2.0 */
/* bench/cmd/repeat.h - the time of something that is too short to be timed once */
#ifndef DOORBELL_BENCH_REPEAT_H
#define DOORBELL_BENCH_REPEAT_H

#include <stdint.h>
#include <time.h>

/*
 * @fn does @n of them in a row: 0 or -errno, which ends it. It is called for about @ms, with as many at once as take a
 * 32nd of that; *ns is the median of these batches, for one, on @clock: CLOCK_THREAD_CPUTIME_ID for what does not wait,
 * whoever else uses the machine; CLOCK_MONOTONIC for what does. 0 or what @fn said.
 */
int repeat_for(unsigned ms, clockid_t clock, int (*fn)(void *arg, unsigned n), void *arg,
               double *ns);

/* Of the caller's thread, on @clock. */
uint64_t repeat_clock_ns(clockid_t clock);

/* The median of @v, which is sorted; @n is at least 1. */
double repeat_median(double *v, unsigned n);

#endif
