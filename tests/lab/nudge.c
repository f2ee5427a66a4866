/* SPDX-License-Identifier: Apache-2.0 */
/* tests/lab/nudge.c - lets no CPU of the emulated host wait for an interrupt that QEMU has lost
 *
 * QEMU 7.2 clears a bit of a vCPU's pending interrupts at each exit from its nested guest without the lock
 * under which another thread may just be setting the bit of the timer. The timer's interrupt then waits until
 * any other interrupt comes to that CPU, and on a host whose timers are one-shot none may ever come. Here
 * each CPU wakes a thread on every other one ten times a second. Argument: the period in milliseconds.
 */
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define CPUS_MAX 64

/* First of its CPU's threads, so that waking it always takes an interrupt. */
static void pin(int cpu)
{
	struct sched_param first = { .sched_priority = 1 };
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) || sched_setscheduler(0, SCHED_FIFO, &first)) {
		perror("nudge");
		exit(1);
	}
}

static void be_woken(int fd)
{
	uint64_t n;

	while (read(fd, &n, sizeof(n)) == sizeof(n))
		;
}

static long long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (long long)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* In the log of the lab, for whoever wonders why something took so long. */
static void say_late(int cpu, long long ms)
{
	FILE *kmsg = ms < 1000 ? NULL : fopen("/dev/kmsg", "w");

	if (!kmsg)
		return;
	fprintf(kmsg, "<3>nudge: CPU %d had no timer interrupt for %lld ms\n", cpu, ms);
	fclose(kmsg);
}

static void wake(int cpu, const int *fds, int nr, long period_ms)
{
	const struct timespec period = { period_ms / 1000, period_ms % 1000 * 1000000 };
	const uint64_t one = 1;

	for (;;) {
		long long slept = -now_ms();

		nanosleep(&period, NULL);
		slept += now_ms();
		say_late(cpu, slept - period_ms);
		for (int i = 0; i < nr; i++) {
			if (write(fds[i], &one, sizeof(one)) != sizeof(one))
				return;
		}
	}
}

int main(int argc, char **argv)
{
	long period_ms = argc > 1 ? strtol(argv[1], NULL, 10) : 100;
	int nr = (int)sysconf(_SC_NPROCESSORS_ONLN);
	int fds[CPUS_MAX];

	if (nr < 1 || nr > CPUS_MAX || period_ms < 1)
		return 2;
	for (int i = 0; i < nr; i++)
		fds[i] = eventfd(0, 0);
	for (int i = 0; i < 2 * nr; i++) {
		if (fork() != 0)
			continue;
		pin(i / 2);
		if (i % 2)
			be_woken(fds[i / 2]);
		else
			wake(i / 2, fds, nr, period_ms);
		return 1;
	}
	return 0;
}
