/* SPDX-License-Identifier: Apache-2.0 */
/* check/junit.h - the frame of a JUnit report
 *
 * Readers of such files (the schema of Jenkins' xUnit plugin, say) want to know how many cases a suite has before they come.
 */
#ifndef DOORBELL_JUNIT_H
#define DOORBELL_JUNIT_H

#include <stddef.h>
#include <stdio.h>

struct junit {
	FILE *cases; /* where the test cases of the suite go, as XML */
	char *text;
	size_t len;
};

/* 0; or -ENOMEM, with nothing to end. */
int junit_begin(struct junit *j);
/* The suite @name, plain text, to @out. 0 or -ENOMEM; @j is done with in any case. */
int junit_end(struct junit *j, const char *name, FILE *out);

#endif
