/* SPDX-License-Identifier: Apache-2.0 */
/* bench/lone.c - a lone frame, handled by the NIC's thread or by the one that kicks; prints one line. See bench/lone.sh.
 *
 * The driver sleeps between two frames, as a guest's CPU does, and kicks by virtio_kick(), as a vCPU whose kick was an
 * exit. "here": the NIC has kick=inline.
 */
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "bench/nic.h"
#include "vmm/core/compiler.h"
#include "vmm/core/loop.h"

#define FRAMES_MAX 100000u

static uint64_t clock_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void interface_up(const char *name)
{
	struct ifreq r = {.ifr_flags = IFF_UP};
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	if (s < 0 || ioctl(s, SIOCSIFFLAGS, &r) < 0)
		bench_die("the TAP does not come up");
	close(s);
}

static void sleep_until(uint64_t ns)
{
	const struct timespec t = {.tv_sec = (time_t)(ns / 1000000000u),
	                           .tv_nsec = (long)(ns % 1000000000u)};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static int by_value(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
	static uint64_t took[FRAMES_MAX];
	static struct bench_nic b;
	uint64_t gap, frames, cpu, due;
	struct rusage before, after;
	unsigned head;
	uint32_t len;
	bool here, waits;

	if (argc != 5)
		bench_die("usage: lone here|thread kick|sent RATE MILLISECONDS");
	here = strcmp(argv[1], "here") == 0;
	waits = strcmp(argv[2], "sent") == 0;
	gap = 1000000000u / strtoull(argv[3], NULL, 10);
	frames = min_u64(strtoull(argv[4], NULL, 10) * 1000000u / gap, FRAMES_MAX);
	prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
	if (unshare(CLONE_NEWNET) < 0)
		bench_die("no network namespace: this takes root");
	b.kick = here ? NIC_KICK_INLINE : NIC_KICK_EXIT;
	bench_nic_create(&b, "tap,ifname=bench0,poll=off,kick-usecs=0");
	interface_up("bench0");
	if (nic_start(&b.nic) < 0)
		bench_die("no thread");
	sleep_until(loop_now_ns() + 20000000); /* what there is at the start */
	getrusage(RUSAGE_SELF, &before);
	cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	due = loop_now_ns();
	for (uint64_t i = 0; i < frames; i++) {
		uint64_t from;

		due += gap;
		sleep_until(due);
		while (fake_vq_reap(&b.vq[BENCH_TX], &head, &len))
			;
		bench_nic_add(&b, BENCH_TX);
		from = loop_now_ns();
		bench_nic_publish(&b, BENCH_TX);
		while (waits && !fake_vq_nr_used(&b.vq[BENCH_TX]))
			;
		took[i] = loop_now_ns() - from;
	}
	cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	getrusage(RUSAGE_SELF, &after);
	qsort(took, frames, sizeof(took[0]), by_value);
	printf("%lu %lu %.0f %.2f\n", (unsigned long)took[frames / 2],
	       (unsigned long)took[frames * 99 / 100], (double)cpu / (double)frames,
	       (double)(after.ru_nvcsw - before.ru_nvcsw) / (double)frames);
	bench_nic_destroy(&b);
	return 0;
}
