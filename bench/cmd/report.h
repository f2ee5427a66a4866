/* SPDX-License-Identifier: Apache-2.0 */
/* bench/cmd/report.h - one run, for those who read it */
#ifndef DOORBELL_BENCH_REPORT_H
#define DOORBELL_BENCH_REPORT_H

#include <jansson.h>
#include <stdio.h>

#include "bench/cmd/card.h"
#include "bench/cmd/method.h"
#include "bench/cmd/out.h"

/* What compare reads; a number behind it when a member changes its meaning. */
#define BENCH_SCHEMA "doorbell-bench/1"

/* All that reports need; borrowed. */
struct bench_report {
	const struct bench_run *run;
	const struct bench_card *card;
	bool quick;
	int64_t began; /* seconds since 1970 */
	double seconds;
};

/*
 * report_list.c: all rows of a run that is not begun, as bench_refuse() left them, and how long it takes. Rows that cannot be
 * measured have the number of a reason, and each reason stands once, below.
 */
void bench_list(FILE *out, const struct bench_run *run);

/* ---- report_table.c: as it goes */

/* What each line's columns are. */
void bench_table_head(FILE *out);
/* The rows of one group: a line for each metric, or the reason why there is none. */
void bench_table_group(FILE *out, const struct bench_run *run, size_t group);
/* How long, how many rows could not be measured, rounds thrown out. */
void bench_table_end(FILE *out, const struct bench_report *rep);

/* "measured", "cannot", "failed", "not reached" */
const char *bench_state_name(enum bench_state s);
/* Is result @i the first one of its set? */
bool bench_opens_set(const struct bench_run *run, size_t i);
/* "<= 1.000", "0.052"; "" when it is not known. Returns @buf. */
const char *bench_expected_text(char *buf, size_t size, const struct bench_figure *f);
/* "exits 5653 and 5654, kicks 2625 and 2625: agree"; "" when nothing was counted twice. Returns @buf. */
#define BENCH_CHECKS_MAX 400u
const char *bench_checks_text(char *buf, size_t size, const struct bench_run *run, size_t i);
/* What stands below the figures of result @i, as far as there is anything: @put is called for each. */
void bench_notes(const struct bench_run *run, size_t i,
                 void (*put)(const char *row, const char *kind, const char *text, FILE *out),
                 FILE *out);
/* "9 rounds in 2 starts, --quick, 540 s." Returns @buf. */
const char *bench_rounds_text(const struct bench_report *rep, char *buf, size_t size);
/* Into @buf what became of the rounds of the group that result @i begins. False: it begins none, or all hold. */
bool bench_thrown_of(const struct bench_run *run, size_t i, char *buf, size_t size);
/* "features 0x130afffa7, guests 1, vhost no": what it says of itself, or why it was not started; safe in a table and a page. */
void bench_put_setup(const struct bench_opened *o, FILE *out);
/* "12.3 (11.9 .. 12.8)" */
const char *bench_interval_text(char *buf, size_t size, const struct bench_interval *v);

/* ---- the files: 0 or -errno; errors of @out itself are the caller's to look for */

json_t *bench_json(const struct bench_report *rep); /* NULL: no memory */
/* All files, and what cannot be made is said. 0, or the first error. */
int bench_write_all(struct bench_out *out, const struct bench_report *rep);
int bench_write_json(const struct bench_report *rep, FILE *out);
int bench_write_html(const struct bench_report *rep, FILE *out); /* with plots from env->tmp */
int bench_write_csv(const struct bench_report *rep, FILE *out);
int bench_write_markdown(const struct bench_report *rep, FILE *out);

#endif
