/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "bench/cmd/bench.h"
#include "bench/cmd/cost.h"
#include "bench/cmd/repeat.h"
#include "vmm/core/compiler.h"

static void each_cost_is_a_time_or_a_reason(unused void **state)
{
	char why[BENCH_WHY_MAX];
	double ns;

	for (unsigned i = 0; i < COSTS; i++) {
		int ret = cost_measure(i, 5, &ns, why);

		assert_non_null(costs[i].name);
		assert_non_null(costs[i].help);
		if (ret == 0) {
			assert_true(ns > 0);
			assert_string_equal(why, "");
		} else {
			assert_true(ret < 0);
			assert_string_not_equal(why, "");
		}
	}
	assert_int_equal(cost_measure(COST_SYSCALL, 5, &ns, why), 0);
	assert_int_equal(cost_measure(COST_COPY, 5, &ns, why), 0);
	assert_int_equal(cost_measure(COST_WAKEUP_SAME, 5, &ns, why), 0);
}

static void the_caller_keeps_its_cpus(unused void **state)
{
	char why[BENCH_WHY_MAX];
	cpu_set_t before, after;
	double ns;

	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	cost_measure(COST_WAKEUP_SAME, 5, &ns, why);
	cost_measure(COST_WAKEUP_OTHER, 5, &ns, why);
	assert_int_equal(sched_getaffinity(0, sizeof(after), &after), 0);
	assert_true(CPU_EQUAL(&before, &after));
}

struct counted {
	unsigned calls, most;
};

static int count(void *arg, unsigned n)
{
	struct counted *c = arg;

	c->calls++;
	c->most = n > c->most ? n : c->most;
	return 0;
}

/* It ends when it has enough batches, of the most at once that there may be. */
static void what_is_short_is_done_many_times_at_once(unused void **state)
{
	struct counted c = {0};
	double ns = -1;

	assert_int_equal(repeat_for(60000, CLOCK_MONOTONIC, count, &c, &ns), 0);
	assert_true(c.most > 1);
	assert_true(ns >= 0);
}

static void without_time_it_is_done_once(unused void **state)
{
	struct counted c = {0};
	double ns = -1;

	assert_int_equal(repeat_for(0, CLOCK_MONOTONIC, count, &c, &ns), 0);
	assert_int_equal(c.calls, 1);
	assert_true(ns >= 0);
}

static int fail_at_once(void *arg, unused unsigned n)
{
	++*(unsigned *)arg;
	return -EIO;
}

static void what_fails_is_not_done_again(unused void **state)
{
	unsigned calls = 0;
	double ns;

	assert_int_equal(repeat_for(1000, CLOCK_MONOTONIC, fail_at_once, &calls, &ns), -EIO);
	assert_int_equal(calls, 1);
}

static void the_median_is_in_the_middle(unused void **state)
{
	double odd[] = {9, 1, 5}, even[] = {8, 2, 4, 100}, one[] = {7};

	assert_true(repeat_median(odd, 3) == 5.0);
	assert_true(repeat_median(even, 4) == 6.0);
	assert_true(repeat_median(one, 1) == 7.0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_cost_is_a_time_or_a_reason),
		cmocka_unit_test(the_caller_keeps_its_cpus),
		cmocka_unit_test(what_is_short_is_done_many_times_at_once),
		cmocka_unit_test(without_time_it_is_done_once),
		cmocka_unit_test(what_fails_is_not_done_again),
		cmocka_unit_test(the_median_is_in_the_middle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
