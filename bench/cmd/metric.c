/* SPDX-License-Identifier: Apache-2.0 */
/* bench/cmd/metric.c - what a number means: its unit, and which way is better */
#include "bench/cmd/metric.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Of a thousand packets one: fewer events are a property of the moment. */
#define RARE 1e-3
/* What counts as free of loss. */
#define NO_LOSS 1e-4

#define COUNT(NAME, HELP)                                               \
	{                                                               \
		NAME, "per packet", HELP, BENCH_LESS, BENCH_COUNT, RARE \
	}

const struct bench_metric bench_metrics[BENCH_METRICS] = {
	[BM_EXITS] = COUNT("exits", "exits of the guest"),
	[BM_USERSPACE_EXITS] = COUNT("userspace_exits", "exits that the VMM had to serve"),
	[BM_KICKS] = COUNT("kicks", "notifications by the driver"),
	[BM_INTERRUPTS] = COUNT("interrupts", "interrupts injected"),
	[BM_WAKEUPS] = COUNT("wakeups", "threads woken"),
	[BM_SYSCALLS] = COUNT("syscalls", "system calls of the VMM"),
	[BM_WORKER_RUNS] = COUNT("worker_runs", "work items of kernel workers"),
	[BM_COPIES] = COUNT("copies", "copies of the payload"),
	[BM_CPU_NS] = {"cpu_ns", "ns/packet",
                       "CPU time of the whole machine, its idle cost taken off", BENCH_LESS,
                       BENCH_CPU, 0},
	[BM_PACKETS_PER_CPU] = {"packets_per_cpu", "packets/CPU-s", "packets per CPU-second",
                                BENCH_MORE, BENCH_PER_CPU, 0},
	[BM_BYTES_PER_CPU] = {"bytes_per_cpu", "bytes/CPU-s", "bytes per CPU-second", BENCH_MORE,
                              BENCH_PER_CPU, 0},
	[BM_P50_NS] = {"p50_ns", "ns", "half took less", BENCH_LESS, BENCH_LATENCY, 0},
	[BM_P99_NS] = {"p99_ns", "ns", "99 of 100 took less", BENCH_LESS, BENCH_LATENCY, 0},
	[BM_P999_NS] = {"p999_ns", "ns", "999 of 1000 took less", BENCH_LESS, BENCH_LATENCY, 0},
	[BM_PACKETS] = {"packets", "packets/s", "packets per second", BENCH_MORE, BENCH_RATE, 0},
	[BM_BITS] = {"bits", "bit/s", "payload per second", BENCH_MORE, BENCH_RATE, 0},
	[BM_SENT] = {"sent", "packets/s", "packets sent per second", BENCH_NEITHER, BENCH_RATE, 0},
	[BM_LOSS] = {"loss", "of 1", "share of what was sent that did not come", BENCH_LESS,
                     BENCH_RATE, NO_LOSS},
	[BM_NS] = {"ns", "ns", "time", BENCH_LESS, BENCH_LATENCY, 0},
	[BM_BYTES] = {"bytes", "bytes", "memory", BENCH_LESS, BENCH_SIZE, 0},
};

static const char *const trust_names[] = {
	[BENCH_COUNT] = "count",     [BENCH_CPU] = "cpu",   [BENCH_PER_CPU] = "per-cpu",
	[BENCH_LATENCY] = "latency", [BENCH_RATE] = "rate", [BENCH_SIZE] = "size",
};

static const char *const want_names[] = {
	[BENCH_LESS] = "less", [BENCH_MORE] = "more", [BENCH_NEITHER] = "neither"};

const char *bench_trust_name(enum bench_trust t)
{
	return trust_names[t];
}

const char *bench_want_name(enum bench_want w)
{
	return want_names[w];
}

int bench_metric_of(const char *name)
{
	for (int i = 0; i < BENCH_METRICS; i++)
		if (strcmp(bench_metrics[i].name, name) == 0)
			return i;
	return -1;
}

const char *bench_number(char *buf, size_t size, double v)
{
	static const char *const suffix[] = {"", "k", "M", "G", "T", "P"};
	unsigned k = 0;

	while (fabs(v) >= 99999.5 && k + 1 < sizeof(suffix) / sizeof(suffix[0])) {
		v /= 1000;
		k++;
	}
	if (fabs(v) >= 999.5 || v == 0)
		snprintf(buf, size, "%.0f%s", v, suffix[k]);
	else if (fabs(v) < 0.01)
		snprintf(buf, size, "%.2g%s", v, suffix[k]);
	else
		snprintf(buf, size, "%.*f%s",
		         fabs(v) >= 99.95   ? 1
		         : fabs(v) >= 9.995 ? 2
		                            : 3,
		         v, suffix[k]);
	return buf;
}
