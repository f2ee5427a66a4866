/* SPDX-License-Identifier: Apache-2.0 */
/* tests/lib/bench_rig.h - rows that measure nothing and do as they are told, and a machine that does not move unless told */
#ifndef DOORBELL_TESTS_BENCH_RIG_H
#define DOORBELL_TESTS_BENCH_RIG_H

#include <stdio.h>

#include "bench/cmd/method.h"
#include "bench/cmd/report.h"

#define BENCH_RIG_ROWS 8u

struct bench_rig;

/* What one row gives: @ns plus round times @step, and @exits; from round fail_round on error @err. */
struct bench_rig_row {
	struct bench_rig *rig;
	double ns, step, exits;
	double expected;   /* at most so many exits; 0: it does not say */
	double sent, loss; /* sent 0: neither */
	bool checked;      /* exits agree with the tracepoints, kicks do not */
	const char *note;  /* what of it could not be measured */
	int fail_round;    /* 0: never; from 1 */
	int fail_times;    /* 0: ever after */
	int err;
	const char *why;
	int stop_round; /* the user presses Ctrl-C there; 0: never, from 1 */
	int calls;
};

struct bench_rig_subject {
	struct bench_rig *rig;
	int can, open; /* what these return */
	const char *card;
	bool is_open;
};

struct bench_rig {
	struct bench_row row[BENCH_RIG_ROWS];
	const struct bench_row *rows[BENCH_RIG_ROWS];
	struct bench_rig_row fake[BENCH_RIG_ROWS];
	size_t nr;
	unsigned restarts;
	struct bench_subject subject[3];
	struct bench_rig_subject fake_subject[3]; /* "pure", "vhost", "peer" */
	struct bench_probe probe[64]; /* what the machine costs at each probe; 0 in it: as ever */
	size_t probes;
	volatile int stop;
	struct bench_env env;
	struct bench_ops ops;
	struct bench_run run;
	char log[2048]; /* the last letters of rows as they are measured, "+pure " and "-pure " */
};

void bench_rig_begin(struct bench_rig *r);
/* A row "t/NAME" of set "set", against the row of that name, or NULL; @subject is an index, or -1. Its fake. */
struct bench_rig_row *bench_rig_add(struct bench_rig *r, const char *name, const char *against,
                                    int subject);
int bench_rig_measure(struct bench_rig *r, unsigned rounds); /* what bench_measure() returns */
void bench_rig_end(struct bench_rig *r);
/* What fn() writes of @rep; free() it. */
char *bench_rig_written(const struct bench_report *rep,
                        int (*fn)(const struct bench_report *rep, FILE *out));

#endif
