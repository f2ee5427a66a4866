/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/cmd/cost.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench/cmd/bench.h"
#include "bench/cmd/cost_tap.h"
#include "bench/cmd/repeat.h"
#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"
#include "vmm/core/thread.h"

/* ---- a system call */

static int call_often(unused void *arg, unsigned n)
{
	while (n--)
		syscall(SYS_getppid);
	return 0;
}

static int measure_syscall(unsigned ms, double *ns, unused char *why)
{
	return repeat_for(ms, CLOCK_THREAD_CPUTIME_ID, call_often, NULL, ns);
}

/* ---- a copy */

#define COPY_BYTES KIB(64)

/* The compiler must not see that nobody reads what was copied. */
static int copy_often(void *arg, unsigned n)
{
	uint8_t *p = arg;

	while (n--) {
		memcpy(p, p + COPY_BYTES, COPY_BYTES);
		__asm__ volatile("" : : "r"(p) : "memory");
	}
	return 0;
}

static int measure_copy(unsigned ms, double *ns, char *why)
{
	uint8_t *p = malloc(2 * COPY_BYTES);
	int ret;

	if (!p) {
		snprintf(why, BENCH_WHY_MAX, "no memory to copy");
		return -ENOMEM;
	}
	memset(p, 1, 2 * COPY_BYTES);
	ret = repeat_for(ms, CLOCK_THREAD_CPUTIME_ID, copy_often, p, ns);
	free(p);
	return ret;
}

/* ---- a wake-up: half of a round trip between two threads, each of which sleeps while the other one does not */

struct ping {
	int there, back; /* eventfds that block */
	int cpu[2];
	unsigned ms;
	atomic_bool end;
	double ns; /* of a round trip */
	int ret;
};

static int pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((unsigned)cpu, &set);
	return -pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

static bool take(int fd)
{
	uint64_t count;
	ssize_t n;

	do
		n = read(fd, &count, sizeof(count));
	while (n < 0 && errno == EINTR);
	return n == sizeof(count);
}

static int ping_often(void *arg, unsigned n)
{
	struct ping *p = arg;

	while (n--) {
		fd_event_set(p->there);
		if (!take(p->back))
			return -EIO;
	}
	return 0;
}

/* Both answer until the end, so that nobody waits for one that has failed. */
static void *answer(void *arg)
{
	struct ping *p = arg;
	int ret = pin(p->cpu[1]);

	while (take(p->there) && !atomic_load(&p->end))
		fd_event_set(p->back);
	return (void *)(intptr_t)ret;
}

static void *ask(void *arg)
{
	struct ping *p = arg;

	p->ret = pin(p->cpu[0]);
	if (p->ret == 0)
		p->ret = repeat_for(p->ms, CLOCK_MONOTONIC, ping_often, p, &p->ns);
	atomic_store(&p->end, true);
	fd_event_set(p->there);
	return NULL;
}

static int play(struct ping *p)
{
	pthread_t other, one;
	void *pinned = NULL;
	int ret = thread_start(&other, answer, p);

	if (ret < 0)
		return ret;
	ret = thread_start(&one, ask, p);
	if (ret == 0) {
		pthread_join(one, NULL);
		ret = p->ret;
	} else {
		atomic_store(&p->end, true);
		fd_event_set(p->there);
	}
	pthread_join(other, &pinned);
	return ret < 0 ? ret : (int)(intptr_t)pinned;
}

/* The first and the last CPU that we may use: these share least. False: there is but one. */
static bool two_cpus(int cpu[2])
{
	cpu_set_t set;

	cpu[0] = -1;
	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return false;
	for (int i = 0; i < CPU_SETSIZE; i++) {
		if (!CPU_ISSET((unsigned)i, &set))
			continue;
		cpu[cpu[0] >= 0] = i;
		if (cpu[0] == i)
			cpu[1] = i;
	}
	return cpu[0] >= 0 && cpu[0] != cpu[1];
}

static int measure_wakeup(unsigned ms, bool same, double *ns, char *why)
{
	struct ping p = {.ms = ms};
	bool two = two_cpus(p.cpu);
	int ret = -ENODEV;

	if (!two && !same) {
		snprintf(why, BENCH_WHY_MAX, "there is one CPU for us, and this takes two");
		return ret;
	}
	if (same)
		p.cpu[1] = p.cpu[0];
	p.there = eventfd(0, EFD_CLOEXEC);
	p.back = eventfd(0, EFD_CLOEXEC);
	ret = p.there < 0 || p.back < 0 ? -errno : play(&p);
	fd_close(&p.there);
	fd_close(&p.back);
	if (ret < 0)
		snprintf(why, BENCH_WHY_MAX, "two threads on CPUs of their own: %s",
		         strerror(-ret));
	*ns = p.ns / 2;
	return ret;
}

static int measure_wakeup_same(unsigned ms, double *ns, char *why)
{
	return measure_wakeup(ms, true, ns, why);
}

static int measure_wakeup_other(unsigned ms, double *ns, char *why)
{
	return measure_wakeup(ms, false, ns, why);
}

/* ---- all of them */

const struct cost costs[COSTS] = {
	[COST_SYSCALL] = {"syscall", "a system call that does nothing", measure_syscall},
	[COST_WAKEUP_SAME] = {"wakeup-same", "an eventfd wakes a thread on the same CPU",
                              measure_wakeup_same},
	[COST_WAKEUP_OTHER] = {"wakeup-other", "an eventfd wakes a thread on another CPU",
                               measure_wakeup_other},
	[COST_TAP_WRITE] = {"tap-write", "a frame of 60 bytes is written to a TAP, and dropped",
                            cost_tap_write},
	[COST_COPY] = {"copy-64k", "memcpy() of 64 KiB that are in the cache", measure_copy},
};

int cost_measure(enum cost_id id, unsigned ms, double *ns, char *why)
{
	*ns = 0;
	*why = '\0';
	return costs[id].measure(ms, ns, why);
}
