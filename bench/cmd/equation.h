/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/cmd/equation.h - what the article that this project began with says a frame costs, term by term
 *
 * The article has equations and no measurements; docs/audit.md says where it errs. Its terms are events here, or time.
 */
#ifndef DOORBELL_BENCH_EQUATION_H
#define DOORBELL_BENCH_EQUATION_H

#include <jansson.h>
#include <stddef.h>

#include "audit/rules.h"
#include "bench/cmd/method.h"
#include "bench/cmd/metric.h"

struct bench_term {
	const char *name;        /* the article's word */
	const char *is;          /* what is counted for it, for people */
	enum bench_metric_id id; /* BENCH_METRICS: it is no event, and only part of the time */
	double tx, rx; /* how many for a frame, as the article has it; < 0: it does not say */
};

/* Of one path. */
struct bench_equations {
	const char *path;     /* as the article calls it */
	struct audit_how how; /* what it is, for audit_article_text() */
	const struct bench_term *term;
	size_t nr;
};

/* Which way the frames of a row go. */
enum bench_frames {
	BENCH_FRAMES_TX,
	BENCH_FRAMES_RX,
	BENCH_FRAMES_BOTH,    /* one of two is out of the guest, the other one into it */
	BENCH_FRAMES_THROUGH, /* each is out of one guest and into another */
};

/*
 * Those of the path that @row is measured on, and which way its frames go. NULL: of no path that the article knows, or what
 * a frame is, is not for the path to say (TCP).
 */
const struct bench_equations *bench_equations_of(const struct bench_row *row,
                                                 enum bench_frames *frames);
/* The text: one of the two, or both. Returns @buf. */
#define BENCH_EQUATION_MAX 200u
const char *bench_equation_text(const struct bench_equations *e, enum bench_frames frames,
                                char *buf, size_t size);
/* Per frame of such a row, by the article; < 0: it does not say. */
double bench_article(const struct bench_term *t, enum bench_frames frames);

/* Of a term of result @i, for people: what the article says, what is expected, what was observed; "" where nothing is. */
struct bench_term_texts {
	char article[BENCH_NUMBER_MAX], expected[BENCH_NUMBER_MAX + 4], observed[BENCH_NUMBER_MAX];
};
void bench_term_texts(const struct bench_run *run, size_t i, const struct bench_term *t,
                      enum bench_frames frames, struct bench_term_texts *out);

/* Result @i as such a table can be made of: measured, with equations; NULL if not. */
const struct bench_equations *bench_measured_equations(const struct bench_run *run, size_t i,
                                                       enum bench_frames *frames);
json_t *bench_equations_json(const struct bench_run *run); /* a list, NULL: no memory */

#endif
