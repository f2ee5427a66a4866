/* SPDX-License-Identifier: Apache-2.0 */
/* tests/lib/capture.h - what a piece of code wrote to stderr: log lines are promises, too */
#ifndef DOORBELL_TESTS_CAPTURE_H
#define DOORBELL_TESTS_CAPTURE_H

#include <stddef.h>

struct capture {
	int saved; /* the real stderr meanwhile */
	int fd;
	char text[4096]; /* valid after capture_end() */
};

void capture_begin(struct capture *c);
void capture_end(struct capture *c); /* before any assertion, so that its message can be seen */

/* Fails the case unless exactly one line was written, by log_line(), and @part is in it. */
void assert_one_line(const struct capture *c, const char *part);

/* Fails the case unless @part is in @text. */
void assert_has(const char *text, const char *part);

/* *ret = call; while stderr is captured. */
#define CAPTURED(c, ret, call)    \
	do {                      \
		capture_begin(c); \
		*(ret) = (call);  \
		capture_end(c);   \
	} while (0)

#endif
