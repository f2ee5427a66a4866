/* SPDX-License-Identifier: Apache-2.0 */
/* bench/cores.c - the queue core between two CPUs: driver on one, device on the other. See bench/cores.sh.
 *
 * What both do is in bench/frames.h. Prints "ROW NANOSECONDS SHARE" for each window: SHARE is what the worse off of the
 * two threads had of its CPU. "cores techniques [NAME]" is each technique on and off: bench/techniques.sh.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/frames.h"
#include "vmm/core/compiler.h"

#define WINDOW (1u << 21) /* frames */
#define WARM   (1u << 19)

static uint64_t ns_on(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

/* ---- the device, as it is and as it is not: techniques[] */

typedef unsigned turn_fn(struct frames_device *d);

#define DEVICE(name, ...)                                                 \
	static unsigned name(struct frames_device *d)                     \
	{                                                                 \
		return frames_serve(d, (struct frames_how){__VA_ARGS__}); \
	}
DEVICE(plain, 0)
DEVICE(publishing_each, .publish_each = true)
DEVICE(acquiring_each, .acquire_each = true)
DEVICE(translating, .translate = true)
DEVICE(forgetting, .forget = true)
DEVICE(fetching_desc, .desc_ahead = true)
DEVICE(copying_late, .late = true)
DEVICE(receiving, .receive = true)
DEVICE(receiving_late, .receive = true, .chain_each = true)

static bool receives(turn_fn *turn)
{
	return turn == receiving || turn == receiving_late;
}

struct device {
	struct frames_device frames;
	turn_fn *turn;
	atomic_bool stop;
};

static void *serve(void *arg)
{
	struct device *d = arg;

	pin(1);
	vq_kicks_off(&d->frames.q);
	while (!atomic_load_explicit(&d->stop, memory_order_relaxed))
		d->turn(&d->frames);
	return NULL;
}

/* ---- windows */

static void drive(struct frames_driver *d, bool packed, unsigned frames)
{
	for (unsigned sent = 0; sent < frames;)
		sent += packed ? frames_packed_burst(d, sent) : frames_split_burst(d, sent);
}

/* On a CPU each. */
static void run(const char *row, const struct gmem *m, bool packed, turn_fn *turn, unsigned windows)
{
	static struct device dev;
	struct frames_driver d;
	clockid_t device_clock;
	pthread_t thread;

	frames_start(&dev.frames, &d, m, packed, receives(turn));
	dev.turn = turn;
	dev.stop = false;
	if (pthread_create(&thread, NULL, serve, &dev) != 0)
		die("no thread");
	pthread_getcpuclockid(thread, &device_clock);
	drive(&d, packed, WARM);
	for (; windows; windows--) {
		uint64_t wall = ns_on(CLOCK_MONOTONIC), mine = ns_on(CLOCK_THREAD_CPUTIME_ID);
		uint64_t its = ns_on(device_clock);

		drive(&d, packed, WINDOW);
		wall = ns_on(CLOCK_MONOTONIC) - wall;
		mine = ns_on(CLOCK_THREAD_CPUTIME_ID) - mine;
		its = ns_on(device_clock) - its;
		printf("%s %.2f %.3f\n", row, (double)wall / WINDOW,
		       (double)min_u64(mine, its) / (double)wall);
	}
	atomic_store(&dev.stop, true);
	pthread_join(thread, NULL);
	vq_stop(&dev.frames.q);
}

/* In turns, in this thread: nothing moves from one CPU to another. */
static void run_in_turns(const char *row, const struct gmem *m, bool packed, turn_fn *turn)
{
	static struct frames_device dev;
	struct frames_driver d;
	uint64_t from = 0;

	frames_start(&dev, &d, m, packed, receives(turn));
	vq_kicks_off(&dev.q);
	for (unsigned i = 0; i < WARM + WINDOW; i += FRAMES_BURST) {
		if (i == WARM)
			from = ns_on(CLOCK_THREAD_CPUTIME_ID);
		drive(&d, packed, FRAMES_BURST);
		turn(&dev);
	}
	printf("%s %.2f 1\n", row, (double)(ns_on(CLOCK_THREAD_CPUTIME_ID) - from) / WINDOW);
	vq_stop(&dev.q);
}

/* ---- each technique on and off */

static const struct technique {
	const char *name;
	turn_fn *on, *off;
	unsigned regions;   /* of guest memory; buffers are in the last */
	bool split, packed; /* where there is something to choose */
} techniques[] = {
	{"publish", plain, publishing_each, 1, true, true},
	{"acquire", plain, acquiring_each, 1, true, false},
	{"translation", plain, translating, 1, true, true},
	{"slot-of-2", plain, forgetting, 2, true, true},
	{"slot-of-8", plain, forgetting, 8, true, true},
	{"fetch-frame", plain, copying_late, 1, true, true},
	{"take-ahead", receiving, receiving_late, 1, true, true},
	{"fetch-descriptor", fetching_desc, plain, 1, true, true},
};

/* Rings in the first of @nr regions, buffers in the last: at the same addresses, however many there are. */
static void make_memory(struct gmem *m, unsigned nr)
{
	struct gmem_range range[GMEM_MAX_REGIONS] = {{FRAMES_MEM_AT, FRAMES_MEM}};
	const gpa_t bufs_at = FRAMES_BUFS_AT;

	if (nr > 1) {
		range[0].size = MIB(1);
		range[nr - 1] = (struct gmem_range){bufs_at, FRAMES_MEM_AT + FRAMES_MEM - bufs_at};
	}
	for (unsigned i = 1; i + 1 < nr; i++)
		range[i] = (struct gmem_range){FRAMES_MEM_AT + MIB(1) + i * KIB(64), KIB(4)};
	if (gmem_create(m, range, nr, false) < 0)
		die("no memory");
}

static void compare(const struct technique *t, const struct gmem m[], bool packed, bool cpus)
{
	/* What drifts is shared by both. */
	static const bool order[] = {true, false, false, true};
	char row[80];

	for (unsigned i = 0; i < ARRAY_SIZE(order); i++) {
		const struct gmem *mem = &m[t->regions];
		turn_fn *turn = order[i] ? t->on : t->off;

		snprintf(row, sizeof(row), "%s %s %s %s", cpus ? "cpus" : "turns",
		         packed ? "packed" : "split", t->name, order[i] ? "on" : "off");
		if (cpus)
			run(row, mem, packed, turn, 1);
		else
			run_in_turns(row, mem, packed, turn);
	}
}

/* @only: NULL, or the name of one. */
static void all_techniques(const struct gmem m[], const char *only)
{
	for (unsigned i = 0; i < 4 * ARRAY_SIZE(techniques); i++) {
		const struct technique *t = &techniques[i / 4];
		const bool packed = i & 1;

		if ((packed ? t->packed : t->split) && (!only || strcmp(only, t->name) == 0))
			compare(t, m, packed, i & 2);
	}
}

/* ---- what the machine can do */

#define BLOCKS 2048u /* of 64 bytes: 128 KiB */

static void copies(unsigned windows)
{
	static uint8_t from[BLOCKS][64], to[BLOCKS][64];

	memset(from, 1, sizeof(from));
	memset(to, 2, sizeof(to));
	for (; windows; windows--) {
		const uint64_t t = ns_on(CLOCK_THREAD_CPUTIME_ID);

		for (unsigned i = 0; i < WINDOW; i++) {
			memcpy(to[i % BLOCKS], from[i % BLOCKS], 64);
			__asm__ volatile("" ::: "memory");
		}
		printf("memcpy %.2f 1\n", (double)(ns_on(CLOCK_THREAD_CPUTIME_ID) - t) / WINDOW);
	}
}

#define TURNS 100000u

static void *answer(void *arg)
{
	_Atomic uint32_t *line = arg;

	pin(1);
	for (uint32_t i = 1; i < 2 * TURNS; i += 2) {
		while (atomic_load_explicit(line, memory_order_acquire) != i)
			;
		atomic_store_explicit(line, i + 1, memory_order_release);
	}
	return NULL;
}

static void line(unsigned windows)
{
	static _Alignas(128) _Atomic uint32_t word;

	for (; windows; windows--) {
		pthread_t thread;
		uint64_t wall, mine;

		atomic_store(&word, 0);
		if (pthread_create(&thread, NULL, answer, &word) != 0)
			die("no thread");
		wall = ns_on(CLOCK_MONOTONIC);
		mine = ns_on(CLOCK_THREAD_CPUTIME_ID);
		for (uint32_t i = 0; i < 2 * TURNS; i += 2) {
			atomic_store_explicit(&word, i + 1, memory_order_release);
			while (atomic_load_explicit(&word, memory_order_acquire) != i + 2)
				;
		}
		wall = ns_on(CLOCK_MONOTONIC) - wall;
		mine = ns_on(CLOCK_THREAD_CPUTIME_ID) - mine;
		pthread_join(thread, NULL);
		printf("line %.2f %.3f\n", (double)wall / (2 * TURNS), (double)mine / (double)wall);
	}
}

int main(int argc, char **argv)
{
	const unsigned windows = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 5;
	struct gmem m[GMEM_MAX_REGIONS + 1] = {0}; /* m[n] has n regions */

	for (unsigned i = 1; i <= GMEM_MAX_REGIONS; i++)
		make_memory(&m[i], i);
	pin(0);
	if (argc > 1 && strcmp(argv[1], "techniques") == 0) {
		all_techniques(m, argc > 2 ? argv[2] : NULL);
	} else {
		run("split", &m[1], false, plain, windows);
		run("packed", &m[1], true, plain, windows);
		copies(windows);
		line(windows);
	}
	for (unsigned i = 1; i <= GMEM_MAX_REGIONS; i++)
		gmem_destroy(&m[i]);
	return 0;
}
