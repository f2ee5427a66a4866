/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When did a CPU run nothing at all? One thread on each CPU, of the highest real-time priority, sleeps until the next
 * millisecond; whenever it wakes later than half of one, so did everybody else there. For bench/pauses.sh.
 *
 * usage: late     until SIGTERM; then a line "CPU FROM TO" for each such time on stdout, CLOCK_MONOTONIC in ns
 *
 * Exit status 0; 1 with a line on stderr: no right to be real-time, too many lines.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PERIOD_NS 1000000u
#define LATE_NS   500000u
#define CPUS_MAX  64
#define GAPS_MAX  65536

struct gap {
	uint64_t from, to;
};

struct watch {
	pthread_t thread;
	int cpu;
	unsigned nr;
	struct gap gap[GAPS_MAX];
};

static atomic_bool enough;

static void must(int err, const char *what)
{
	if (err == 0)
		return;
	fprintf(stderr, "late: %s: %s\n", what, strerror(err));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void *watch(void *arg)
{
	struct watch *w = arg;
	uint64_t due = now_ns(), now;

	while (!enough) {
		struct timespec t;

		due += PERIOD_NS;
		t.tv_sec = (time_t)(due / 1000000000u);
		t.tv_nsec = (long)(due % 1000000000u);
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
		now = now_ns();
		if (now - due < LATE_NS)
			continue;
		if (w->nr == GAPS_MAX)
			must(ENOSPC, "too many late times");
		w->gap[w->nr++] = (struct gap){due, now};
		due = now;
	}
	return NULL;
}

static void begin(struct watch *w, int cpu)
{
	const struct sched_param first = {.sched_priority = sched_get_priority_max(SCHED_FIFO)};
	pthread_attr_t attr;
	cpu_set_t one;

	w->cpu = cpu;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	pthread_attr_init(&attr);
	pthread_attr_setaffinity_np(&attr, sizeof(one), &one);
	pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
	pthread_attr_setschedpolicy(&attr, SCHED_FIFO);
	pthread_attr_setschedparam(&attr, &first);
	must(pthread_create(&w->thread, &attr, watch, w), "a real-time thread");
	pthread_attr_destroy(&attr);
}

int main(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct watch *w;
	sigset_t end;
	int sig;

	if (cpus > CPUS_MAX)
		cpus = CPUS_MAX;
	w = calloc((size_t)cpus, sizeof(*w));
	must(w ? 0 : ENOMEM, "memory");
	must(mlockall(MCL_CURRENT | MCL_FUTURE) == 0 ? 0 : errno, "mlockall");
	sigemptyset(&end);
	sigaddset(&end, SIGTERM);
	sigprocmask(SIG_BLOCK, &end, NULL);
	for (int i = 0; i < cpus; i++)
		begin(&w[i], i);
	sigwait(&end, &sig);
	enough = true;
	for (int i = 0; i < cpus; i++) {
		pthread_join(w[i].thread, NULL);
		for (unsigned k = 0; k < w[i].nr; k++)
			printf("%d %llu %llu\n", w[i].cpu, (unsigned long long)w[i].gap[k].from,
			       (unsigned long long)w[i].gap[k].to);
	}
	free(w);
	return 0;
}
