/* SPDX-License-Identifier: Apache-2.0 */
/* audit/hist.h - the text in which the kernel prints a histogram of a trace event
 * (kernel: Documentation/trace/histogram.rst, 2)
 */
#ifndef DOORBELL_HIST_H
#define DOORBELL_HIST_H

#include <stdint.h>

#define HIST_KEYS 3u
#define HIST_CUT  UINT64_MAX /* the text ends before the last line */

/* "{ pid: 12, function: [ffffffff81000000] do_it } hitcount: 3": keys in the order of the trigger. */
struct hist_row {
	uint64_t key[HIST_KEYS]; /* what is missing is 0 */
	unsigned nr_keys;
	char symbol[64]; /* of a key printed with .sym, without module; else "" */
	uint64_t hits;
};

/*
 * Call @fn for each row of @text. Rows that are none are passed over. The number of events that found no
 * place in the histogram: 0 is a complete one. HIST_CUT: nobody knows.
 */
uint64_t hist_parse(const char *text, void (*fn)(void *arg, const struct hist_row *row), void *arg);

#endif
