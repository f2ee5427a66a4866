/* SPDX-License-Identifier: Apache-2.0 */
/* check/report.h - what was found, for people and for programs */
#ifndef DOORBELL_CHECK_REPORT_H
#define DOORBELL_CHECK_REPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "check/check.h"

struct provoke;

enum fail_on { FAIL_ON_MUST, FAIL_ON_SHOULD, FAIL_ON_ANY };

struct report {
	struct check *const *checks;     /* one per device; borrowed */
	struct provoke *const *provokes; /* likewise; NULL: nothing was provoked */
	unsigned nr;
	const bool *ignored; /* nr_rules; findings that are not to be reported; borrowed */
	enum fail_on fail_on;
	const char *dead; /* how the guest has died; NULL: it has not */
};

/* Is there a finding of the level that makes the run a failure? */
bool report_fails(const struct report *r);
/* The exit status of a run that would be @status. */
int report_status(const struct report *r, int status);
void report_text(const struct report *r, FILE *out);
json_t *report_json(const struct report *r);         /* NULL: no memory */
int report_junit(const struct report *r, FILE *out); /* 0 or -ENOMEM */

/* All rules, one line each; those that are not checked are marked. */
void report_rules(FILE *out);
void report_rule(const struct rule *rule, FILE *out);

#endif
