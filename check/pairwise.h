/* SPDX-License-Identifier: Apache-2.0 */
/* check/pairwise.h - combinations of factors, so few that every pair of levels is in one of them
 *
 * A combination is a number: digit f of it, in a system with the base level[f] at each place, is the level of
 * factor f; number 0 has the first level of all. Nothing here depends on chance.
 */
#ifndef DOORBELL_PAIRWISE_H
#define DOORBELL_PAIRWISE_H

#include <stdbool.h>
#include <stddef.h>

#define PAIRWISE_FACTORS 12u
#define PAIRWISE_LEVELS  4u

/* These two levels cannot be together. */
struct pairwise_never {
	unsigned factor, level, other_factor, other_level;
};

struct pairwise {
	unsigned nr;                        /* factors, at most PAIRWISE_FACTORS */
	unsigned level[PAIRWISE_FACTORS];   /* how many each has, 1 .. PAIRWISE_LEVELS */
	const struct pairwise_never *never; /* borrowed */
	size_t nr_never;
};

unsigned pairwise_total(const struct pairwise *p); /* possible ones or not */
unsigned pairwise_level(const struct pairwise *p, unsigned combination, unsigned factor);
bool pairwise_possible(const struct pairwise *p, unsigned combination);

/*
 * All possible combinations with @full, else some of them in which each pair of levels is that is in any: one
 * after the other, the one with most pairs that are in none yet, the lowest of these first. Owned by the caller, *nr of them;
 * NULL: no memory.
 */
unsigned *pairwise_choose(const struct pairwise *p, bool full, unsigned *nr);

#endif
