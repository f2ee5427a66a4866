/* SPDX-License-Identifier: Apache-2.0 */
/* audit/report.h - expected against observed, from what a doorbell says of itself at two moments */
#ifndef DOORBELL_REPORT_H
#define DOORBELL_REPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* All borrowed. What is missing in any of them is "not visible". */
struct audit_input {
	const json_t *status_before, *status_after; /* results of the request "status" */
	const json_t *before, *after; /* of "stats"; before NULL: nothing had happened */
	const json_t *trace;          /* trace_read(), or NULL */
	const char *no_trace;         /* why, when it is NULL */
	/* "stats" once more, when the trace had begun, behind before, and had been read, behind after; or NULL. */
	const json_t *begun, *done;
};

/* The report as docs/audit.md describes it; NULL: no memory. */
json_t *audit_report(const struct audit_input *in);
/* The same for people. */
void audit_print(const json_t *report, FILE *out);

/* Are two results of "stats" of one life of the guest? A reboot begins to count anew. */
bool audit_same_life(const json_t *before, const json_t *after);

/* Frames of all NICs, both directions, in the result of "stats". */
uint64_t audit_frames(const json_t *stats);

#endif
