/* SPDX-License-Identifier: Apache-2.0 */
/* bench/cmd/plot.h - charts of each set, of what is counted, CPU time, latency and rate, by gnuplot where it is installed */
#ifndef DOORBELL_BENCH_PLOT_H
#define DOORBELL_BENCH_PLOT_H

#include "bench/cmd/curve.h"
#include "bench/cmd/report.h"

#define BENCH_CHARTS_MAX 256u

struct bench_chart {
	const char *set; /* of rows; or BENCH_CURVE */
	enum bench_metric_id id;
	char way[BENCH_WAY_MAX]; /* of BENCH_CURVE: which way its lines go */
};

/* What stands for a set in charts of lines (curve.h), of which there is one for each way; their metric is BM_LOSS. */
#define BENCH_CURVE "loss-over-rate"

/* Those that there is something to be shown in; their number, BENCH_CHARTS_MAX at most. */
size_t bench_charts(const struct bench_run *run, struct bench_chart *out);
/* "core-cpu_ns.svg", "loss-over-rate-h2g.svg". Returns @buf. */
const char *bench_chart_file(const struct bench_chart *c, const char *kind, char *buf, size_t size);

/* What it shows, for people, as what stands in for it where it cannot be seen. Returns @buf. */
const char *bench_chart_text(const struct bench_chart *c, char *buf, size_t size);

/* Has bench_draw() drawn it? Without gnuplot nothing is, and some draw no PNG. */
bool bench_is_drawn(const struct bench_report *rep, const struct bench_chart *c, const char *kind);

/* The program that makes all of them, for gnuplot -e "kind='svg'" or 'png'. */
int bench_write_plots(const struct bench_report *rep, FILE *out);
/*
 * Have gnuplot draw them in rep->run->env->tmp, where plots.gp is made first. 0; -ENOENT: it is not installed; or -errno,
 * logged.
 */
int bench_draw(const struct bench_report *rep);

#endif
