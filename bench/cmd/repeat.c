/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/cmd/repeat.h"

#include <stdlib.h>

#define BATCHES 64u
#define NS_MS   UINT64_C(1000000)

uint64_t repeat_clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double repeat_median(double *v, unsigned n)
{
	qsort(v, n, sizeof(*v), compare);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

int repeat_for(unsigned ms, clockid_t clock, int (*fn)(void *arg, unsigned n), void *arg,
               double *ns)
{
	const uint64_t end = repeat_clock_ns(CLOCK_MONOTONIC) + ms * NS_MS;
	const uint64_t enough = ms * NS_MS / 32;
	double batch[BATCHES];
	unsigned n = 1, nr = 0;

	/* Those of the first batches that were too short warm up, and find out how many are enough. */
	while (nr < BATCHES) {
		uint64_t from = repeat_clock_ns(clock), took;
		int ret = fn(arg, n);

		if (ret < 0)
			return ret;
		took = repeat_clock_ns(clock) - from;
		batch[nr++] = (double)took / n;
		if (repeat_clock_ns(CLOCK_MONOTONIC) >= end)
			break;
		if (took < enough / 2 && n < 1u << 30) {
			n *= 2;
			nr = 0;
		}
	}
	*ns = repeat_median(batch, nr);
	return 0;
}
