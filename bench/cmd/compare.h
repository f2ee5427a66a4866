/* SPDX-License-Identifier: Apache-2.0 */
/* bench/cmd/compare.h - two runs beside each other, to be pasted into a pull request */
#ifndef DOORBELL_BENCH_COMPARE_H
#define DOORBELL_BENCH_COMPARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct bench_saved;

struct bench_compare {
	bool counts_only; /* --gate counts: what is timed is not looked at */
	uint64_t seed;
	bool few_rounds; /* of one of them: nothing is concluded */
	/* What came of it. */
	size_t compared, better, worse, equal, unsure;
	size_t counts_lost; /* counted in the first run, and not in the second one */
	size_t unlike;      /* rows whose subject is set up otherwise */
};

/* Why the two must not be compared, in @why (BENCH_WHY_MAX). False: they may. */
bool bench_cards_differ(const struct bench_saved *a, const struct bench_saved *b, bool counts_only,
                        char *why);
/* Print what differs of @b to @a; -ENOMEM, or 0 and the numbers in @c. */
int bench_compare(struct bench_compare *c, const struct bench_saved *a, const struct bench_saved *b,
                  FILE *out);

void bench_compare_options(FILE *out); /* a line for each */
/* The words behind "doorbell bench compare"; the exit status. */
int bench_compare_command(int argc, char **argv);

#endif
