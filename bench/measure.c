/* SPDX-License-Identifier: Apache-2.0 */
/* bench/measure.c - one measurement of one program; prints "NAME VALUE" lines. See usage(). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/cmd/aside.h"
#include "bench/cmd/bench.h"
#include "bench/cmd/process.h"

#define LIMIT_S 300

static _Noreturn void usage(void)
{
	fputs("usage: measure whole COMMAND...            whole_us: exec to the end\n"
	      "       measure start COMMAND...            start_us: exec to first KVM_RUN; end_us: "
	      "from there to the end\n"
	      "       measure marker TEXT COMMAND...      marker_us: exec to TEXT on stdout; "
	      "guest_us: the number behind it\n"
	      "       measure memory TEXT MIB COMMAND...  once TEXT came: dirty_kib, private_kib, "
	      "pss_kib beside MIB of guest RAM\n",
	      stderr);
	exit(2);
}

static const struct measurement {
	const char *name;
	int words; /* of its own, before the command */
	int (*fn)(const void *job, double *v, char *why);
	double unit; /* a value of fn() in one of ours */
	const char *values[ASIDE_VALUES];
} measurements[] = {
	{"whole", 0, process_whole, 1000, {"whole_us"}},
	{"start", 0, process_start, 1000, {"start_us", "end_us"}},
	{"marker", 1, process_marker, 1000, {"marker_us"}},
	{"memory", 2, process_memory, 1, {"dirty_kib", "private_kib", "pss_kib"}},
};

static void measure(const struct measurement *m, char **argv)
{
	const struct process_job job = {
		.argv = (const char *const *)argv + m->words,
		.marker = m->words > 0 ? argv[0] : NULL,
		.ram_kib = m->words > 1 ? strtoull(argv[1], NULL, 10) * 1024 : 0,
	};
	const struct aside a = {.fn = m->fn, .arg = &job, .limit_s = LIMIT_S};
	char why[BENCH_WHY_MAX];
	double v[ASIDE_VALUES];

	if (aside_run(&a, v, why) < 0) {
		fprintf(stderr, "measure: %s: %s\n", job.argv[0], why);
		exit(2);
	}
	for (unsigned i = 0; i < ASIDE_VALUES && m->values[i]; i++)
		printf("%s %.0f\n", m->values[i], v[i] / m->unit);
	if (m->fn == process_marker && v[1] > 0) /* on the guest's own clock, in us */
		printf("guest_us %.0f\n", v[1]);
}

int main(int argc, char **argv)
{
	for (unsigned i = 0; i < sizeof(measurements) / sizeof(measurements[0]); i++) {
		if (argc < measurements[i].words + 3 || strcmp(argv[1], measurements[i].name) != 0)
			continue;
		measure(&measurements[i], argv + 2);
		return 0;
	}
	usage();
}
