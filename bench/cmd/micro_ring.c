/* SPDX-License-Identifier: Apache-2.0 */
/* bench/cmd/micro_ring.c - the queue core, and guest-physical addresses, without a guest */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>

#include "bench/cmd/micro.h"
#include "bench/cmd/repeat.h"
#include "bench/cmd/ring.h"
#include "vmm/core/gmem.h"

MICRO_MEASURE(micro_ring)
{
	double ns = 0;
	int ret = ring_cost(row->arg, micro_ms(env, row), &ns);

	if (ret < 0)
		snprintf(why, BENCH_WHY_MAX, "a ring of our own: %s", strerror(-ret));
	else
		bench_set(s, BM_NS, ns);
	return ret;
}

/* ---- translation */

#define LOW_BYTES MIB(2)
#define STEP \
	UINT64_C(4160) /* from one address to the next: all lines of the cache have their turn */

struct lookup {
	struct gmem mem;
	uint64_t at;  /* offset in one of the regions */
	uint32_t len; /* bytes */
};

/* Every other address is in the second region, as with more than 3 GiB on this CPU. */
static int look_up(void *arg, unsigned n)
{
	struct lookup *l = arg;
	struct iovec iov[2];

	while (n--) {
		const gpa_t base = l->mem.region[n & 1].base;

		l->at = (l->at + STEP) % (LOW_BYTES - l->len);
		if (gmem_iov(&l->mem, base + l->at, l->len, iov, 2) != 1)
			return -EFAULT;
		__asm__ volatile("" : : "r"(iov) : "memory"); /* somebody would use it */
	}
	return 0;
}

MICRO_MEASURE(micro_translate)
{
	const struct gmem_range two[] = {{0, LOW_BYTES}, {GIB(4), LOW_BYTES}};
	struct lookup l = {.len = u32_of((uintptr_t)row->arg)};
	double ns = 0;
	int ret = gmem_create(&l.mem, two, ARRAY_SIZE(two), false);

	if (ret == 0)
		ret = repeat_for(micro_ms(env, row), CLOCK_THREAD_CPUTIME_ID, look_up, &l, &ns);
	gmem_destroy(&l.mem);
	if (ret < 0)
		snprintf(why, BENCH_WHY_MAX, "memory of a guest: %s", strerror(-ret));
	else
		bench_set(s, BM_NS, ns);
	return ret;
}
