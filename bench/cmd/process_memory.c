/* SPDX-License-Identifier: Apache-2.0 */
/* bench/cmd/process_memory.c - process_memory(): what is dirty and private beside the guest's RAM */
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/cmd/bench.h"
#include "bench/cmd/process.h"
#include "vmm/core/num.h"

struct mapping {
	uint64_t size_kib, dirty_kib, clean_kib, pss_kib; /* dirty and clean: private ones */
	uint64_t anonymous_kib;
};

struct sum {
	struct mapping beside;
	struct mapping run; /* mappings side by side that may be guest RAM */
	uint64_t run_end;   /* address */
	uint64_t least_kib; /* of such a run, to be guest RAM */
	uint64_t ram_kib;
};

static void add(struct mapping *to, const struct mapping *m)
{
	to->size_kib += m->size_kib;
	to->dirty_kib += m->dirty_kib;
	to->clean_kib += m->clean_kib;
	to->pss_kib += m->pss_kib;
}

/* What is as large as a guest's RAM is it; what is not, is the process's own. */
static void end_run(struct sum *sum)
{
	if (sum->run.size_kib >= sum->least_kib)
		sum->ram_kib += sum->run.size_kib;
	else
		add(&sum->beside, &sum->run);
	sum->run = (struct mapping){0};
}

/* "NAME:   123 kB" -> 123. */
static void field(const char *line, const char *name, uint64_t *kib)
{
	const size_t len = strlen(name);

	if (strncmp(line, name, len) == 0 && line[len] == ':')
		num_at(line + len + 1, 10, kib);
}

/*
 * The last line of a mapping. Guest RAM is what the VMM keeps out of core dumps ("dd"), anonymous or a memfd, in one
 * mapping or in several side by side, and large (QEMU has 2 MiB for tables, too, which are its own): the sum is compared
 * with what the guest was given.
 */
static void end_mapping(struct mapping *m, uint64_t start, const char *flags, struct sum *sum)
{
	/* Of a file in a tmpfs, pages count as dirty that nobody wrote: only copies are ours. */
	if (!strstr(flags, " sh"))
		m->dirty_kib = m->anonymous_kib;
	if (!strstr(flags, " dd")) {
		add(&sum->beside, m);
		return;
	}
	if (start != sum->run_end)
		end_run(sum);
	add(&sum->run, m);
	sum->run_end = start + m->size_kib * 1024;
}

static int read_smaps(pid_t pid, struct sum *sum, char *why)
{
	struct mapping m = {0};
	char path[64], line[512];
	uint64_t start = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/smaps", (int)pid);
	f = fopen(path, "re");
	if (!f) {
		int ret = -errno;

		snprintf(why, BENCH_WHY_MAX, "%s: %s", path, strerror(-ret));
		return ret;
	}
	while (fgets(line, sizeof(line), f)) {
		if (!isupper((unsigned char)line[0])) /* START-END, of a new one */
			num_at(line, 16, &start);
		field(line, "Size", &m.size_kib);
		field(line, "Pss", &m.pss_kib);
		field(line, "Private_Dirty", &m.dirty_kib);
		field(line, "Private_Clean", &m.clean_kib);
		field(line, "Anonymous", &m.anonymous_kib);
		if (strncmp(line, "VmFlags:", 8) == 0)
			end_mapping(&m, start, line, sum);
	}
	end_run(sum);
	fclose(f);
	return 0;
}

int process_memory(const void *arg, double *v, char *why)
{
	const struct process_job *job = arg;
	struct sum sum = {.least_kib = job->ram_kib / 8 + 1024};
	char line[PROCESS_LINE], unasked[BENCH_WHY_MAX];
	struct process p;
	uint64_t at_ns = 0;
	int ret = process_begin(&p, job, NULL, why);

	if (ret == 0)
		ret = process_line(&p, job->marker, line, &at_ns, why);
	if (ret == 0)
		ret = read_smaps(p.pid, &sum, why);
	if (ret < 0)
		return ret;
	kill(p.pid, SIGTERM);
	process_finish(&p, unasked); /* how it ends is not asked for here */
	if (sum.ram_kib != job->ram_kib) {
		snprintf(why, BENCH_WHY_MAX,
		         "it has %llu KiB of memory that could be its guest's, which has %llu",
		         (unsigned long long)sum.ram_kib, (unsigned long long)job->ram_kib);
		return -EPROTO;
	}
	v[0] = (double)sum.beside.dirty_kib;
	v[1] = (double)(sum.beside.dirty_kib + sum.beside.clean_kib);
	v[2] = (double)sum.beside.pss_kib;
	return 0;
}
