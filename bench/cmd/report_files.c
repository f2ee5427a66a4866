/* SPDX-License-Identifier: Apache-2.0 */
/* bench/cmd/report_files.c - which file has what */
#include <errno.h>
#include <stdlib.h>

#include "bench/cmd/plot.h"
#include "bench/cmd/report.h"
#include "vmm/core/compiler.h"

struct file {
	const char *name;
	int (*write)(const struct bench_report *rep, FILE *out);
};

struct job {
	const struct file *file;
	const struct bench_report *rep;
};

static int write_one(const void *arg, FILE *out)
{
	const struct job *j = arg;

	return j->file->write(j->rep, out);
}

static int copy_file(const void *path, FILE *out)
{
	FILE *in = fopen(path, "re");
	char buf[8192];
	size_t n;
	int ret;

	if (!in)
		return -errno;
	while ((n = fread(buf, 1, sizeof(buf), in)) > 0 && fwrite(buf, 1, n, out) == n)
		;
	ret = ferror(in) || ferror(out) ? -errno : 0;
	fclose(in);
	return ret;
}

/* What gnuplot has drawn, from where it drew. */
static int copy_charts(struct bench_out *out, const struct bench_report *rep)
{
	static const char *const kinds[] = {"svg", "png"};
	struct bench_chart *chart = calloc(BENCH_CHARTS_MAX, sizeof(*chart));
	const size_t nr = chart ? bench_charts(rep->run, chart) : 0;
	int first = chart ? 0 : -ENOMEM;

	for (size_t i = 0; i < nr * ARRAY_SIZE(kinds); i++) {
		char name[128], path[PATH_MAX];
		int ret;

		bench_chart_file(&chart[i / 2], kinds[i % 2], name, sizeof(name));
		snprintf(path, sizeof(path), "%s/%s", rep->run->env->tmp, name);
		if (!bench_is_drawn(rep, &chart[i / 2], kinds[i % 2]))
			continue;
		ret = bench_out_write(out, name, copy_file, path);
		first = first ? first : ret;
	}
	free(chart);
	return first;
}

int bench_write_all(struct bench_out *out, const struct bench_report *rep)
{
	static const struct file files[] = {
		{"results.json", bench_write_json},   {"results.csv", bench_write_csv},
		{"results.md", bench_write_markdown}, {"plots.gp", bench_write_plots},
		{"index.html", bench_write_html}, /* shows the plots beside it */
	};
	const int drawn = bench_draw(rep);
	int first = drawn == -EINTR ? drawn : 0;

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		const struct job j = {&files[i], rep};
		const int ret = bench_out_write(out, files[i].name, write_one, &j);

		first = first ? first : ret;
	}
	if (drawn == 0 && first == 0)
		first = copy_charts(out, rep);
	if (drawn == -ENOENT)
		puts("gnuplot is not installed: there are no plots, and plots.gp would draw them");
	return first;
}
