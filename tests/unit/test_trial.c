/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "vmm/core/compiler.h"
#include "vmm/core/trial.h"

#define NOW UINT64_C(1000000000000)

struct traffic {
	struct trial t;
	uint64_t now, work;
};

/* One step when it is due, after traffic of so much work in a window without and with it. */
static bool pass(struct traffic *f, uint64_t off, uint64_t on)
{
	const uint64_t ns = f->t.due_ns > f->now ? f->t.due_ns - f->now : 0;

	f->work += (f->t.on ? on : off) * ns / TRIAL_WINDOW_NS;
	f->now += ns;
	return trial_step(&f->t, f->now, f->work);
}

/* All of the next trial; how many of its windows were with it. */
static unsigned trial(struct traffic *f, uint64_t off, uint64_t on)
{
	const uint64_t had = f->t.trials;
	unsigned with = 0;

	do {
		pass(f, off, on);
		with += f->t.running && f->t.on;
	} while (f->t.trials == had);
	return with;
}

static void what_makes_the_traffic_faster_is_kept_and_looked_at_again(unused void **state)
{
	struct traffic f = {.now = NOW};

	assert_int_equal(trial(&f, 100, 112), 2);
	assert_true(f.t.on);
	assert_int_equal(f.t.due_ns - f.now, TRIAL_KEPT_NS);
	assert_int_equal(trial(&f, 100, 106), 3); /* the rest of what is looked at again */
	assert_true(f.t.on);
	assert_int_equal(f.t.paid, 2);
}

static void what_does_not_is_tried_more_and_more_seldom(unused void **state)
{
	struct traffic f = {.now = NOW};

	for (unsigned i = 0; i < 8; i++) {
		assert_int_equal(trial(&f, 100, 109), 2);
		assert_false(f.t.on);
		assert_int_equal(f.t.due_ns - f.now,
		                 TRIAL_AGAIN_NS << (i < TRIAL_AGAIN_SHIFT ? i : TRIAL_AGAIN_SHIFT));
	}
	assert_int_equal(f.t.paid, 0);
}

/* So traffic with a clock of its own pays for one window. */
static void what_promises_nothing_is_given_up_early(unused void **state)
{
	struct traffic f = {.now = NOW};

	assert_int_equal(trial(&f, 100, 102), 1);
	assert_false(f.t.on);
	assert_int_equal(f.t.trials, 1);
	assert_int_equal(f.t.due_ns - f.now, TRIAL_AGAIN_NS);
}

static void what_pays_no_more_ends(unused void **state)
{
	struct traffic f = {.now = NOW};

	trial(&f, 100, 200);
	trial(&f, 100, 104);
	assert_false(f.t.on);
	assert_int_equal(f.t.due_ns - f.now, TRIAL_AGAIN_NS);
	trial(&f, 100, 200);
	assert_true(f.t.on);
}

static void without_traffic_nothing_is_tried(unused void **state)
{
	struct traffic f = {.now = NOW};

	for (unsigned i = 0; i < 100; i++) {
		assert_false(pass(&f, TRIAL_WORK_MIN - 1, 1000));
		assert_false(f.t.on);
	}
	assert_int_equal(f.t.trials, 0);
}

static void a_pause_in_it_ends_a_trial_and_says_nothing(unused void **state)
{
	struct traffic f = {.now = NOW};

	pass(&f, 100, 200);
	assert_true(pass(&f, 100, 200)); /* it is on */
	f.now += TRIAL_LATE_NS + 1;
	f.work += 100000;
	assert_true(trial_step(&f.t, f.now, f.work));
	assert_false(f.t.on);
	assert_int_equal(f.t.trials, 0);
	assert_int_equal(f.t.due_ns - f.now, TRIAL_AGAIN_NS); /* it was on for a while */
	trial(&f, 100, 200);
	assert_true(f.t.on);
}

static void a_trickle_ends_what_has_paid(unused void **state)
{
	struct traffic f = {.now = NOW};

	trial(&f, 100, 200);
	assert_true(f.t.on);
	f.now = f.t.due_ns;
	assert_false(trial_step(&f.t, f.now, ++f.work));
	assert_true(f.t.on);
	f.now += TRIAL_LATE_NS + 1;
	assert_true(trial_step(&f.t, f.now, f.work += 100));
	assert_false(f.t.on);
	assert_int_equal(f.t.trials, 1);
	assert_true(trial_due(&f.t, f.now)); /* as at the very first */
	trial(&f, 100, 200);
	assert_true(f.t.on);
}

static void other_traffic_begins_anew(unused void **state)
{
	struct traffic f = {.now = NOW};

	trial(&f, 100, 200);
	trial_forget(&f.t, f.now);
	assert_false(f.t.on);
	assert_true(trial_due(&f.t, f.now));
	trial(&f, 100, 100);
	assert_int_equal(f.t.due_ns - f.now, TRIAL_AGAIN_NS);
}

static void what_is_expected_to_pay_is_on_until_a_trial_says_that_it_does_not(unused void **state)
{
	struct traffic f = {.now = NOW};

	assert_false(f.t.known);
	trial_expect(&f.t, f.now);
	assert_true(f.t.on);
	assert_true(f.t.known);
	assert_int_equal(f.t.due_ns - f.now, TRIAL_KEPT_NS);
	assert_int_equal(trial(&f, 100, 104), 3);
	assert_false(f.t.on);
	assert_true(f.t.known);
	trial_forget(&f.t, f.now);
	assert_false(f.t.known);
}

/* What ends each time before it can be tried has a second of that in all. */
static void what_is_expected_again_and_again_is_tried(unused void **state)
{
	struct traffic f = {.now = NOW};

	for (unsigned i = 0; i < 4; i++) {
		trial_expect(&f.t, f.now);
		assert_true(f.t.on);
		assert_int_equal(f.t.due_ns - f.now, TRIAL_KEPT_NS / 4 * (4 - i));
		f.now += TRIAL_KEPT_NS / 4;
		trial_forget(&f.t, f.now);
		assert_false(f.t.on);
	}
	trial_expect(&f.t, f.now);
	assert_true(trial_due(&f.t, f.now));
	trial(&f, 100, 200); /* it pays: once more a second */
	trial_forget(&f.t, f.now);
	trial_expect(&f.t, f.now);
	assert_int_equal(f.t.due_ns - f.now, TRIAL_KEPT_NS);
}

/* Also when a trial ends that, or a pause in one. */
static void the_second_is_counted_however_it_ends(unused void **state)
{
	struct traffic f = {.now = NOW};

	trial_expect(&f.t, f.now);
	f.now = f.t.due_ns;
	trial_step(&f.t, f.now, f.work);
	assert_true(f.t.running);
	f.now += TRIAL_LATE_NS + 1;
	assert_true(trial_step(&f.t, f.now, f.work)); /* it gives up */
	trial_forget(&f.t, f.now);
	trial_expect(&f.t, f.now);
	assert_true(trial_due(&f.t, f.now));
	trial(&f, 100, 100);
	trial_forget(&f.t, f.now);
	f.now = f.t.due_ns;
	trial_expect(&f.t, f.now);
	assert_true(f.t.on);
	assert_true(trial_due(&f.t, f.now));
}

static void what_did_not_pay_is_not_expected_to_before_it_would_be_tried_again(unused void **state)
{
	struct traffic f = {.now = NOW};

	for (unsigned i = 0; i < 4; i++) {
		trial(&f, 100, 100);
		trial_forget(&f.t, f.now);
		trial_expect(&f.t, f.now);
		assert_false(f.t.on);
		f.now += (TRIAL_AGAIN_NS << i) - 1;
		trial_expect(&f.t, f.now);
		assert_false(f.t.on);
		f.now++;
		trial_expect(&f.t, f.now);
		assert_true(f.t.on);
		f.now = f.t.due_ns;
	}
}

static void questions_and_answers_are_short_and_about_as_many(unused void **state)
{
	const uint64_t ms = 1000000;

	assert_true(trial_answers(8, 8, 16 * 70, 20 * ms));
	assert_true(trial_answers(4, 8, 12 * TRIAL_SHORT, 20 * ms));
	assert_false(trial_answers(3, 8, 11 * 70, 20 * ms));
	assert_false(trial_answers(8, 3, 11 * 70, 20 * ms));
	assert_false(trial_answers(8, 8, 16 * TRIAL_SHORT + 1, 20 * ms));
	assert_false(trial_answers(8, 8, 16 * 70, 41 * ms));
	assert_false(trial_answers(0, 0, 0, 20 * ms));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_makes_the_traffic_faster_is_kept_and_looked_at_again),
		cmocka_unit_test(what_does_not_is_tried_more_and_more_seldom),
		cmocka_unit_test(what_promises_nothing_is_given_up_early),
		cmocka_unit_test(what_pays_no_more_ends),
		cmocka_unit_test(without_traffic_nothing_is_tried),
		cmocka_unit_test(a_pause_in_it_ends_a_trial_and_says_nothing),
		cmocka_unit_test(a_trickle_ends_what_has_paid),
		cmocka_unit_test(other_traffic_begins_anew),
		cmocka_unit_test(what_is_expected_to_pay_is_on_until_a_trial_says_that_it_does_not),
		cmocka_unit_test(questions_and_answers_are_short_and_about_as_many),
		cmocka_unit_test(what_is_expected_again_and_again_is_tried),
		cmocka_unit_test(
			what_did_not_pay_is_not_expected_to_before_it_would_be_tried_again),
		cmocka_unit_test(the_second_is_counted_however_it_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
