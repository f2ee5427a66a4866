/* SPDX-License-Identifier: Apache-2.0 */
/* Combinations: all pairs are in them that can be, and nothing that cannot. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "check/matrix.h"
#include "check/pairwise.h"
#include "vmm/core/compiler.h"

static const struct pairwise_never nevers[] = {{0, 1, 2, 1}, {1, 2, 3, 0}, {0, 1, 3, 2}};

static const struct pairwise small = {4, {2, 3, 2, 4}, nevers, 3}, one = {1, {3}, NULL, 0},
			     free_choice = {12, {3, 3, 3, 3, 2, 2, 2, 2, 2, 2, 1, 1}, NULL, 0};

static bool has(const struct pairwise *p, unsigned c, unsigned f, unsigned l, unsigned g,
                unsigned m)
{
	return pairwise_level(p, c, f) == l && pairwise_level(p, c, g) == m;
}

static bool any_has(const struct pairwise *p, const unsigned *c, unsigned nr,
                    const struct pairwise_never *pair)
{
	for (unsigned i = 0; i < nr; i++)
		if (has(p, c[i], pair->factor, pair->level, pair->other_factor, pair->other_level))
			return true;
	return false;
}

static void same_pairs(const struct pairwise *p, const unsigned *all, unsigned nr_all,
                       const unsigned *some, unsigned nr)
{
	struct pairwise_never x;

	for (x.factor = 0; x.factor < p->nr; x.factor++)
		for (x.other_factor = x.factor + 1; x.other_factor < p->nr; x.other_factor++)
			for (x.level = 0; x.level < p->level[x.factor]; x.level++)
				for (x.other_level = 0; x.other_level < p->level[x.other_factor];
				     x.other_level++)
					assert_int_equal(any_has(p, all, nr_all, &x),
					                 any_has(p, some, nr, &x));
}

/* Of few enough. */
static void covers(const struct pairwise *p, unsigned at_most)
{
	unsigned nr_all, nr, nr_again;
	unsigned *all = pairwise_choose(p, true, &nr_all), *some = pairwise_choose(p, false, &nr),
		 *again = pairwise_choose(p, false, &nr_again);

	if (!all || !some || !again) {
		fail_msg("no memory");
		return;
	}
	for (unsigned i = 0; i < nr_all; i++)
		assert_true(pairwise_possible(p, all[i]));
	same_pairs(p, all, nr_all, some, nr);
	assert_in_range(nr, 1, at_most);
	assert_int_equal(some[0], 0); /* what is usual comes first */
	assert_int_equal(nr, nr_again);
	assert_memory_equal(some, again, nr * sizeof(*some));
	free(all);
	free(some);
	free(again);
}

static void every_pair_is_in_some_combination(unused void **state)
{
	covers(&small, 14);
	covers(&free_choice, 18);
}

static void full_means_every_possible_combination(unused void **state)
{
	unsigned nr, possible = 0;
	unsigned *all = pairwise_choose(&small, true, &nr);

	for (unsigned i = 0; i < pairwise_total(&small); i++)
		possible += pairwise_possible(&small, i);
	assert_int_equal(nr, possible);
	assert_true(nr < pairwise_total(&small));
	free(all);
}

static void one_factor_has_no_pairs(unused void **state)
{
	unsigned nr;

	free(pairwise_choose(&one, false, &nr));
	assert_int_equal(nr, 0);
	free(pairwise_choose(&one, true, &nr));
	assert_int_equal(nr, 3);
}

/* ---- the factors of check --matrix */

static void matrix_has_few_cells_with_all_pairs(unused void **state)
{
	for (unsigned pairs = 1; pairs <= 2; pairs++) {
		struct pairwise p;

		matrix_model(&p, pairs == 1);
		covers(&p, 14);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_pair_is_in_some_combination),
		cmocka_unit_test(full_means_every_possible_combination),
		cmocka_unit_test(one_factor_has_no_pairs),
		cmocka_unit_test(matrix_has_few_cells_with_all_pairs),
	};

	return cmocka_run_group_tests_name("pairwise", tests, NULL, NULL);
}
