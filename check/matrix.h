/* SPDX-License-Identifier: Apache-2.0 */
/* check/matrix.h - doorbell check --matrix: the same kernel once for each combination of what a device can be
 *
 * Each combination is a cell, checked in a process of its own (matrix_run()) that is told from the others only by its NICs. A cell
 * in the results is a JSON object: "cell", from 1; each factor by its name with the name of its level; "keys" for
 * --net; "status", the exit status; "result", for people; "report", that of report_json(), where there is one.
 */
#ifndef DOORBELL_MATRIX_H
#define DOORBELL_MATRIX_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct pairwise;
struct vm_config;

struct matrix {
	struct vm_config *cfg; /* borrowed; in the process of a cell its NICs are changed */
	bool full;
	uint64_t
		jobs; /* cells at once; 0: as many as there are CPUs for their guests, and memory */
	const bool *ignored; /* as in struct report */
	bool progress;       /* on standard error, while it runs */
	/* Results: */
	json_t *cells; /* array, owned: matrix_free() */
	int report_fd; /* in the process of a cell: where its report goes, owned by the caller; -1: it failed, logged */
};

/* What matrix_run() returns beside an exit status. */
#define MATRIX_IN_CELL 1000
#define MATRIX_REFUSED 1001

/* @p: the combinations; with @one_pair of NICs that have one pair of queues only. */
void matrix_model(struct pairwise *p, bool one_pair);

/* Keys of @cfg that a matrix chooses, files that every cell would write: 0; or -EINVAL after one log_error(). */
int matrix_check(const struct matrix *m);
/*
 * Before there is any other thread. Returns more than once: MATRIX_IN_CELL in each process of a cell, where the caller goes
 * on to check m->cfg; and at last the exit status, that of the worst cell, or MATRIX_REFUSED, logged: what all cells
 * have in common is bad input. No process is left behind, on any way out.
 */
int matrix_run(struct matrix *m);
void matrix_free(struct matrix *m);

/* matrix_report.c */

/* For @status of a cell, whose @report may be NULL, and the last line @said of what it wrote to standard error. */
void matrix_verdict(char *text, size_t size, int status, const json_t *report, const bool *ignored,
                    const char *said);
/* Is a cell with @status worse than one with @other? */
bool matrix_worse(int status, int other);
/* A driver of version 2 may leave a device of version 1 alone. */
bool matrix_left_alone(const json_t *report);

void matrix_text(const json_t *cells, FILE *out);
json_t *matrix_json(const json_t *cells, int status); /* NULL: no memory */
int matrix_junit(const json_t *cells, FILE *out);     /* 0 or -ENOMEM */

#endif
