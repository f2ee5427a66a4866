/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "bench/cmd/report.h"

#define NAME_WIDTH 36

static bool cannot(const struct bench_run *run, size_t i)
{
	return run->result[i].state == BENCH_CANNOT;
}

/* The first row that cannot be for the same reason as row @i. */
static size_t first_of(const struct bench_run *run, size_t i)
{
	size_t k = 0;

	while (!cannot(run, k) || strcmp(run->result[k].why, run->result[i].why) != 0)
		k++;
	return k;
}

/* From 1, as they are met. */
static unsigned number_of_reason(const struct bench_run *run, size_t i)
{
	const size_t first = first_of(run, i);
	unsigned nr = 1;

	for (size_t k = 0; k < first; k++)
		nr += cannot(run, k) && first_of(run, k) == k;
	return nr;
}

static void put_reason(FILE *out, const struct bench_run *run, size_t first)
{
	size_t rows = 0;

	for (size_t i = 0; i < run->nr; i++)
		rows += cannot(run, i) && first_of(run, i) == first;
	fprintf(out, "%u (%zu row%s): %s\n", number_of_reason(run, first), rows,
	        rows == 1 ? "" : "s", run->result[first].why);
}

static void put_reasons(FILE *out, const struct bench_run *run)
{
	const char *title = "\nCannot be measured here:\n";

	for (size_t i = 0; i < run->nr; i++) {
		if (!cannot(run, i) || first_of(run, i) != i)
			continue;
		fputs(title, out);
		title = "";
		put_reason(out, run, i);
	}
}

void bench_list(FILE *out, const struct bench_run *run)
{
	const unsigned left = (unsigned)bench_left_s(run);
	size_t core = 0, core_can = 0, can = 0;

	fprintf(out, "%-*s %-12s %-4s %8s  %s\n", NAME_WIDTH, "row", "set", "core", "seconds",
	        "what");
	for (size_t i = 0; i < run->nr; i++) {
		const struct bench_row *row = run->result[i].row;
		const uint64_t ms = bench_estimate_ms(run->env, row, run->rounds);

		fprintf(out, "%-*s %-12s %-4s %8.1f  %s", NAME_WIDTH, row->name, row->set,
		        row->core ? "yes" : "", (double)ms / 1000, row->what);
		if (cannot(run, i))
			fprintf(out, " (cannot here: %u)", number_of_reason(run, i));
		fputc('\n', out);
		core += row->core;
		can += !cannot(run, i);
		core_can += row->core && !cannot(run, i);
	}
	put_reasons(out, run);
	fprintf(out,
	        "\n%zu rows, %zu of them the core; %zu can be measured here, %zu of them the core, "
	        "in about %u:%02u minutes\n",
	        run->nr, core, can, core_can, left / 60, left % 60);
}
