/* SPDX-License-Identifier: Apache-2.0 */
#include "check/pairwise.h"

#include <stdlib.h>

/* Pairs that some combination has: [factor][level][later factor][level]. */
struct pairs {
	bool has[PAIRWISE_FACTORS][PAIRWISE_LEVELS][PAIRWISE_FACTORS][PAIRWISE_LEVELS];
};

unsigned pairwise_total(const struct pairwise *p)
{
	unsigned n = 1;

	for (unsigned f = 0; f < p->nr; f++)
		n *= p->level[f];
	return n;
}

unsigned pairwise_level(const struct pairwise *p, unsigned combination, unsigned factor)
{
	for (unsigned f = 0; f < factor; f++)
		combination /= p->level[f];
	return combination % p->level[factor];
}

bool pairwise_possible(const struct pairwise *p, unsigned combination)
{
	for (size_t i = 0; i < p->nr_never; i++) {
		const struct pairwise_never *n = &p->never[i];

		if (pairwise_level(p, combination, n->factor) == n->level &&
		    pairwise_level(p, combination, n->other_factor) == n->other_level)
			return false;
	}
	return true;
}

/* How many pairs of @combination are not in @seen; with @mark they are from then on. */
static unsigned news(const struct pairwise *p, unsigned combination, struct pairs *seen, bool mark)
{
	unsigned level[PAIRWISE_FACTORS], n = 0;

	for (unsigned f = 0; f < p->nr; f++)
		level[f] = pairwise_level(p, combination, f);
	for (unsigned f = 0; f < p->nr; f++)
		for (unsigned g = f + 1; g < p->nr; g++) {
			bool *has = &seen->has[f][level[f]][g][level[g]];

			n += !*has;
			*has |= mark;
		}
	return n;
}

/* Moves to the front those of the @nr possible ones at @c that are needed. How many. */
static unsigned cover(const struct pairwise *p, unsigned *c, unsigned nr)
{
	struct pairs seen = {0};

	for (unsigned chosen = 0;; chosen++) {
		unsigned best = 0, most = 0, taken;

		for (unsigned i = chosen; i < nr; i++) {
			const unsigned n = news(p, c[i], &seen, false);

			if (n > most || (n == most && n > 0 && c[i] < c[best])) {
				most = n;
				best = i;
			}
		}
		if (most == 0)
			return chosen;
		taken = c[best];
		news(p, taken, &seen, true);
		c[best] = c[chosen];
		c[chosen] = taken;
	}
}

unsigned *pairwise_choose(const struct pairwise *p, bool full, unsigned *nr)
{
	const unsigned total = pairwise_total(p);
	unsigned *c = calloc(total, sizeof(*c));

	*nr = 0;
	if (!c)
		return NULL;
	for (unsigned i = 0; i < total; i++)
		if (pairwise_possible(p, i))
			c[(*nr)++] = i;
	if (!full)
		*nr = cover(p, c, *nr);
	return c;
}
