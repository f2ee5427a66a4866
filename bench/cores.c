/* SPDX-License-Identifier: Apache-2.0 */
/* bench/cores.c - the queue core between two CPUs: driver on one, device on the other. See bench/cores.sh.
 *
 * Frames of 64 bytes out of the guest: the driver writes header and frame into a buffer of its own and posts it, the
 * device copies both out. Neither sleeps, kicks or interrupts. The driver does what a good one does: bursts, and
 * one look at the other side's lines for a burst. Prints "ROW NANOSECONDS SHARE" for each window: SHARE is
 * what the worse off of the two threads had of its CPU.
 */
#include <linux/virtio_ring.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>

#include "bench/rings.h"
#include "devices/vq.h"
#include "vmm/core/compiler.h"

#define NUM    1024u
#define BURST  32u
#define WINDOW (1u << 21) /* frames */
#define WARM   (1u << 19)
#define FRAME  76u   /* bytes, with the header */
#define STRIDE 2304u /* of buffers, as a packet library has them */
#define OUTS   64u

#define MEM_BASE MIB(1)
#define RINGS_AT MEM_BASE
#define BUFS_AT  (MEM_BASE + MIB(1))

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

/* ---- the device */

struct device {
	struct vq q;
	atomic_bool stop;
	struct iovec burst[BURST];
	uint16_t head[BURST];
	uint8_t out[OUTS][STRIDE]; /* where frames go: those freed last are used first */
};

/* Frames that wait, up to a burst. How many. */
static unsigned take_burst(struct device *d)
{
	unsigned n = 0;

	for (; n < BURST; n++) {
		struct vq_chain c = {.iov = &d->burst[n], .room = 1};

		if (vq_pop(&d->q, &c) != 1)
			break;
		if (c.out_len != FRAME)
			die("a frame of another length");
		d->head[n] = c.head;
		__builtin_prefetch(d->burst[n].iov_base);
		__builtin_prefetch((const char *)d->burst[n].iov_base + 64);
	}
	return n;
}

static void *serve(void *arg)
{
	struct device *d = arg;
	unsigned at = 0;

	pin(1);
	vq_kicks_off(&d->q);
	while (!atomic_load_explicit(&d->stop, memory_order_relaxed)) {
		const unsigned n = take_burst(d);

		for (unsigned i = 0; i < n; i++) {
			memcpy(d->out[at++ % OUTS], d->burst[i].iov_base, FRAME);
			vq_push(&d->q, d->head[i], 0);
		}
		if (n == 0)
			continue;
		vq_publish(&d->q);
		vq_want_interrupt(&d->q);
	}
	return NULL;
}

/* ---- the driver */

struct driver {
	uint8_t *bufs;
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	struct vring_packed_desc *ring;
	uint16_t next, free, seen; /* next to fill; how many may be; used index, or slot */
	uint16_t flags, used_flags;
};

static void fill(const struct driver *d, unsigned i, uint32_t number)
{
	uint8_t *p = d->bufs + (size_t)i * STRIDE;

	memset(p, 0, 12);
	memset(p + 12, (int)number, FRAME - 12);
}

/* How many frames there was room for: all of them, or none. */
static unsigned split_burst(struct driver *d, uint32_t number)
{
	if (d->free < BURST) {
		uint16_t used = __atomic_load_n(&d->used->idx, __ATOMIC_ACQUIRE);

		for (; d->seen != used; d->seen++, d->free++)
			if (d->used->ring[d->seen % NUM].id >= NUM)
				die("an id that was not given");
		if (d->free < BURST)
			return 0;
	}
	for (unsigned i = 0; i < BURST; i++, d->next++) {
		const unsigned at = d->next % NUM;

		fill(d, at, number);
		d->desc[at].len = FRAME;
		d->desc[at].flags = 0;
		d->avail->ring[at] = (uint16_t)at;
	}
	d->free = (uint16_t)(d->free - BURST);
	__atomic_store_n(&d->avail->idx, d->next, __ATOMIC_RELEASE);
	return BURST;
}

#define AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define USED  (1u << VRING_PACKED_DESC_F_USED)

static unsigned packed_burst(struct driver *d, uint32_t number)
{
	const unsigned first = d->next;
	const uint16_t first_flags = d->flags;

	while (d->free < BURST) {
		const uint16_t flags = __atomic_load_n(&d->ring[d->seen].flags, __ATOMIC_ACQUIRE);

		if ((flags & (AVAIL | USED)) != d->used_flags)
			return 0;
		d->free = (uint16_t)(d->free + 1);
		if (++d->seen == NUM) {
			d->seen = 0;
			d->used_flags ^= AVAIL | USED;
		}
	}
	for (unsigned i = 0; i < BURST; i++) {
		struct vring_packed_desc *at = &d->ring[d->next];

		fill(d, d->next, number);
		at->addr = BUFS_AT + (gpa_t)d->next * STRIDE;
		at->len = FRAME;
		at->id = d->next;
		if (i > 0)
			__atomic_store_n(&at->flags, d->flags, __ATOMIC_RELAXED);
		if (++d->next == NUM) {
			d->next = 0;
			d->flags ^= AVAIL | USED;
		}
	}
	d->free = (uint16_t)(d->free - BURST);
	__atomic_store_n(&d->ring[first].flags, first_flags, __ATOMIC_RELEASE);
	return BURST;
}

/* ---- windows */

static void drive(struct driver *d, bool packed, unsigned frames)
{
	for (unsigned sent = 0; sent < frames;)
		sent += packed ? packed_burst(d, sent) : split_burst(d, sent);
}

static void run(const struct gmem *m, bool packed, unsigned windows)
{
	const struct vq_addr a = {NUM, RINGS_AT, RINGS_AT + KIB(64), RINGS_AT + KIB(128)};
	static struct device dev;
	struct driver d = {.bufs = at(m, BUFS_AT),
	                   .desc = at(m, a.desc),
	                   .avail = at(m, a.avail),
	                   .used = at(m, a.used),
	                   .ring = at(m, a.desc),
	                   .free = NUM,
	                   .flags = AVAIL,
	                   .used_flags = AVAIL | USED};
	clockid_t device_clock;
	pthread_t thread;

	memset(at(m, RINGS_AT), 0, KIB(256));
	memset(dev.out, 0, sizeof(dev.out));
	memset(d.bufs, 0, (size_t)NUM * STRIDE);
	for (unsigned i = 0; i < NUM && !packed; i++)
		d.desc[i].addr = BUFS_AT + (gpa_t)i * STRIDE;
	if (vq_start(&dev.q, m, &a, (struct vq_features){.event_idx = true, .packed = packed}) < 0)
		die("the ring does not start");
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
		printf("%s %.2f %.3f\n", packed ? "packed" : "split", (double)wall / WINDOW,
		       (double)min_u64(mine, its) / (double)wall);
	}
	atomic_store(&dev.stop, true);
	pthread_join(thread, NULL);
	vq_stop(&dev.q);
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
	const struct gmem_range range = {.base = MEM_BASE, .size = MIB(6)};
	const unsigned windows = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 5;
	struct gmem m;

	if (gmem_create(&m, &range, 1, false) < 0)
		die("no memory");
	pin(0);
	run(&m, false, windows);
	run(&m, true, windows);
	copies(windows);
	line(windows);
	gmem_destroy(&m);
	return 0;
}
