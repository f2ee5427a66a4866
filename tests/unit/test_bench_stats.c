/* SPDX-License-Identifier: Apache-2.0 */
/* Medians, intervals and verdicts, of values whose answers are known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "bench/cmd/metric.h"
#include "bench/cmd/stats.h"
#include "vmm/core/compiler.h"

static void is_about(double a, double b)
{
	assert_true(a > b - 1e-9 && a < b + 1e-9);
}

static void median_of_an_odd_number_is_the_middle_one(unused void **state)
{
	const double v[] = {9, 1, 5};

	is_about(bench_median(v, 3), 5);
	is_about(v[0], 9); /* left as it was */
}

static void median_of_an_even_number_lies_between_the_middle_ones(unused void **state)
{
	const double v[] = {4, 1, 3, 100};

	is_about(bench_median(v, 4), 3.5);
}

static void interval_of_one_sample_is_that_sample(unused void **state)
{
	const double v[] = {7};
	struct bench_interval i;

	assert_int_equal(bench_interval(v, 1, 1, &i), 0);
	is_about(i.low, 7);
	is_about(i.high, 7);
	is_about(i.median, 7);
}

/* The median of nine drawn from nine is the smallest once in 690 times, and at most the second smallest once in 33. */
static void interval_of_nine_samples_is_within_them_and_has_the_median(unused void **state)
{
	const double v[] = {10, 20, 30, 40, 50, 60, 70, 80, 90};

	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct bench_interval i;

		assert_int_equal(bench_interval(v, 9, seed, &i), 0);
		is_about(i.median, 50);
		assert_true(i.low >= 20 && i.low <= 30);
		assert_true(i.high >= 70 && i.high <= 80);
	}
}

/* Drawn values are counted, and not sorted: of an even number of them two are in the middle. */
static void interval_of_the_most_samples_there_can_be_is_narrow(unused void **state)
{
	double v[BENCH_SAMPLE_MAX];
	struct bench_interval i;

	for (size_t k = 0; k < BENCH_SAMPLE_MAX; k++)
		v[k] = (double)(k * 7 % BENCH_SAMPLE_MAX); /* each number below it once */
	for (size_t nr = BENCH_SAMPLE_MAX - 1; nr <= BENCH_SAMPLE_MAX; nr++) {
		assert_int_equal(bench_interval(v, nr, 1, &i), 0);
		assert_true(i.median > 498 && i.median < 501);
		/* 1000 fair coins: within 2 * 16 of the middle with 95 %. */
		assert_true(i.low > 450 && i.low < 490 && i.high > 510 && i.high < 550);
	}
}

static void same_seed_gives_the_same_interval(unused void **state)
{
	const double v[] = {3, 1, 4, 1.5, 9, 2.6, 5, 3.5, 8.9};
	struct bench_interval a, b;

	assert_int_equal(bench_interval(v, 9, 42, &a), 0);
	assert_int_equal(bench_interval(v, 9, 42, &b), 0);
	assert_memory_equal(&a, &b, sizeof(a));
}

static void one_outlier_moves_no_interval_beyond_the_others(unused void **state)
{
	const double v[] = {100, 101, 99, 100, 102, 98, 100, 101, 1e9};
	struct bench_interval i;

	assert_int_equal(bench_interval(v, 9, 1, &i), 0);
	assert_true(i.high <= 102);
}

static void ratio_takes_what_is_rare_for_the_floor(unused void **state)
{
	is_about(bench_ratio(0, 0, 1e-3), 1);
	is_about(bench_ratio(0.5, 0, 1e-3), 500);
	is_about(bench_ratio(0, 0.5, 1e-3), 0.002);
	is_about(bench_ratio(6, 3, 0), 2);
	assert_true(bench_ratio(1, 0, 0) < 0);
}

static void ratio_of_two_runs_has_their_medians(unused void **state)
{
	const double a[] = {20, 21, 19, 20, 22, 18, 20}, b[] = {10, 11, 9, 10, 10};
	struct bench_interval i;

	assert_int_equal(bench_ratio_interval((struct bench_side){a, 7}, (struct bench_side){b, 5},
	                                      0, 1, &i),
	                 0);
	is_about(i.median, 2);
	assert_true(i.low >= 18.0 / 11 && i.low <= 2);
	assert_true(i.high <= 22.0 / 9 && i.high >= 2);
}

static void ratio_to_nothing_is_an_error(unused void **state)
{
	const double a[] = {1, 2}, b[] = {0, 0, 5};
	struct bench_interval i;

	assert_int_equal(bench_ratio_interval((struct bench_side){a, 2}, (struct bench_side){b, 3},
	                                      0, 1, &i),
	                 -EDOM);
}

static void verdict_follows_what_is_better(unused void **state)
{
	const struct bench_interval less = {0.8, 0.7, 0.9}, more = {1.2, 1.1, 1.3},
				    around = {1.1, 0.99, 1.2}, touches = {0.9, 0.8, 1.0};

	assert_int_equal(bench_judge(&less, 9, BENCH_LESS), BENCH_BETTER);
	assert_int_equal(bench_judge(&less, 9, BENCH_MORE), BENCH_WORSE);
	assert_int_equal(bench_judge(&more, 9, BENCH_LESS), BENCH_WORSE);
	assert_int_equal(bench_judge(&more, 9, BENCH_MORE), BENCH_BETTER);
	assert_int_equal(bench_judge(&more, 9, BENCH_NEITHER), BENCH_DIFFERS);
	assert_int_equal(bench_judge(&around, 9, BENCH_LESS), BENCH_EQUAL);
	assert_int_equal(bench_judge(&touches, 9, BENCH_LESS), BENCH_EQUAL);
}

static void too_few_samples_give_no_verdict(unused void **state)
{
	const struct bench_interval less = {0.8, 0.7, 0.9};

	assert_int_equal(bench_judge(&less, BENCH_VERDICT_MIN - 1, BENCH_LESS), BENCH_UNSURE);
	assert_int_equal(bench_judge(&less, BENCH_VERDICT_MIN, BENCH_LESS), BENCH_BETTER);
}

static void what_is_timed_is_faster_and_what_is_counted_better(unused void **state)
{
	assert_string_equal(bench_verdict_name(BENCH_BETTER, BM_CPU_NS), "faster");
	assert_string_equal(bench_verdict_name(BENCH_WORSE, BM_BITS), "slower");
	assert_string_equal(bench_verdict_name(BENCH_BETTER, BM_EXITS), "better");
	assert_string_equal(bench_verdict_name(BENCH_WORSE, BM_LOSS), "worse");
	assert_string_equal(bench_verdict_name(BENCH_EQUAL, BM_NS), "equal");
	assert_string_equal(bench_verdict_name(BENCH_UNSURE, BM_NS), "unsure");
}

static void every_metric_has_a_name_of_its_own(unused void **state)
{
	for (int i = 0; i < BENCH_METRICS; i++) {
		assert_non_null(bench_metrics[i].name);
		assert_non_null(bench_metrics[i].unit);
		assert_int_equal(bench_metric_of(bench_metrics[i].name), i);
	}
	assert_int_equal(bench_metric_of("exit"), -1);
}

static void numbers_have_four_digits_or_so(unused void **state)
{
	static const struct {
		double v;
		const char *text;
	} cases[] = {{0, "0"},          {0.0004, "0.0004"}, {0.021, "0.021"}, {1.2345, "1.234"},
	             {12.345, "12.35"}, {812.44, "812.4"},  {1234.5, "1234"}, {123456, "123.5k"},
	             {9.4e9, "9400M"},  {1e100, NULL}};
	char buf[BENCH_NUMBER_MAX];

	for (size_t i = 0; cases[i].text; i++)
		assert_string_equal(bench_number(buf, sizeof(buf), cases[i].v), cases[i].text);
	bench_number(buf, sizeof(buf), 1e100); /* is cut */
	assert_true(strlen(buf) < sizeof(buf));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(median_of_an_odd_number_is_the_middle_one),
		cmocka_unit_test(median_of_an_even_number_lies_between_the_middle_ones),
		cmocka_unit_test(interval_of_one_sample_is_that_sample),
		cmocka_unit_test(interval_of_nine_samples_is_within_them_and_has_the_median),
		cmocka_unit_test(interval_of_the_most_samples_there_can_be_is_narrow),
		cmocka_unit_test(same_seed_gives_the_same_interval),
		cmocka_unit_test(one_outlier_moves_no_interval_beyond_the_others),
		cmocka_unit_test(ratio_takes_what_is_rare_for_the_floor),
		cmocka_unit_test(ratio_of_two_runs_has_their_medians),
		cmocka_unit_test(ratio_to_nothing_is_an_error),
		cmocka_unit_test(verdict_follows_what_is_better),
		cmocka_unit_test(too_few_samples_give_no_verdict),
		cmocka_unit_test(what_is_timed_is_faster_and_what_is_counted_better),
		cmocka_unit_test(every_metric_has_a_name_of_its_own),
		cmocka_unit_test(numbers_have_four_digits_or_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
