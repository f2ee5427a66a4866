/* SPDX-License-Identifier: Apache-2.0 */
/* bench/cmd/report_files.c - which file has what */
#include "bench/cmd/out.h"
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

int bench_write_all(struct bench_out *out, const struct bench_report *rep)
{
	static const struct file files[] = {
		{"results.json", bench_write_json},
		{"results.csv", bench_write_csv},
		{"results.md", bench_write_markdown},
	};
	int first = 0;

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		const struct job j = {&files[i], rep};
		const int ret = bench_out_write(out, files[i].name, write_one, &j);

		first = first ? first : ret;
	}
	return first;
}
