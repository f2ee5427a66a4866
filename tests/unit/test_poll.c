/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "vmm/core/compiler.h"
#include "vmm/core/poll.h"

#define NOW UINT64_C(1000000000000)

static void off_never_looks_and_on_never_stops(unused void **state)
{
	struct poll_budget off = {.mode = POLL_OFF}, on = {.mode = POLL_ON};

	for (unsigned i = 0; i < 5; i++) {
		poll_budget_slept(&off, 0, 1);
		poll_budget_slept(&on, 1, UINT64_MAX);
		assert_int_equal(poll_budget_ns(&off, NOW), 0);
		assert_int_equal(poll_budget_ns(&on, NOW), UINT64_MAX);
	}
	assert_false(poll_budget_check_due(&off, NOW));
	assert_false(poll_budget_check_due(&on, NOW));
}

/* Whoever tries it starts and stops it; but what falls silent is not looked at for long. */
static void what_is_tried_looks_for_a_while(unused void **state)
{
	struct poll_budget b = {.mode = POLL_TRY};

	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(poll_budget_ns(&b, NOW), POLL_PATIENCE_NS);
		poll_budget_slept(&b, POLL_PATIENCE_NS, UINT64_MAX);
	}
	assert_false(poll_budget_check_due(&b, NOW));
}

static void two_short_sleeps_begin_it_and_one_does_not(unused void **state)
{
	struct poll_budget b = {.mode = POLL_AUTO};

	assert_int_equal(poll_budget_ns(&b, NOW), 0);
	poll_budget_slept(&b, 0, POLL_SHORT_NS - 1);
	assert_int_equal(poll_budget_ns(&b, NOW), 0);
	poll_budget_slept(&b, 0, POLL_SHORT_NS);
	poll_budget_slept(&b, 0, POLL_SHORT_NS - 1);
	assert_int_equal(poll_budget_ns(&b, NOW), 0);
	poll_budget_slept(&b, 0, POLL_SHORT_NS - 1);
	assert_int_equal(poll_budget_ns(&b, NOW), POLL_AUTO_NS);
}

static void looking_in_vain_twice_ends_it(unused void **state)
{
	struct poll_budget b = {.mode = POLL_AUTO};

	for (unsigned i = 0; i < 100; i++)
		poll_budget_hit(&b, POLL_NONE_NS);
	poll_budget_slept(&b, POLL_AUTO_NS, POLL_AUTO_NS + 1); /* soon, but not by looking */
	assert_int_equal(poll_budget_ns(&b, NOW), POLL_AUTO_NS);
	poll_budget_slept(&b, POLL_AUTO_NS, UINT64_MAX);
	assert_int_equal(poll_budget_ns(&b, NOW), 0);
	for (unsigned i = 0; i < 100; i++)
		poll_budget_slept(&b, 0, UINT64_MAX);
	assert_int_equal(poll_budget_ns(&b, NOW), 0);
	poll_budget_hit(&b, POLL_NONE_NS);
	poll_budget_hit(&b, POLL_NONE_NS);
	assert_int_equal(poll_budget_ns(&b, NOW), POLL_AUTO_NS);
}

/* A TAP has the kernel's answer at once; then nothing comes until the next question. Only that tells whether to look. */
static void work_that_was_there_already_is_no_reason_to_look(unused void **state)
{
	struct poll_budget b = {.mode = POLL_AUTO};

	for (unsigned i = 0; i < 100; i++) {
		poll_budget_slept(&b, 0, POLL_SHORT_NS);
		poll_budget_slept(&b, 0, POLL_NONE_NS - 1);
		poll_budget_slept(&b, 0, 1);
		poll_budget_hit(&b, POLL_NONE_NS - 1);
		poll_budget_hit(&b, 0);
		assert_int_equal(poll_budget_ns(&b, NOW), 0);
	}
	/* Nor one not to. */
	poll_budget_hit(&b, POLL_NONE_NS);
	poll_budget_hit(&b, POLL_NONE_NS);
	for (unsigned i = 0; i < 100; i++)
		poll_budget_hit(&b, 0);
	assert_int_equal(poll_budget_ns(&b, NOW), POLL_AUTO_NS);
}

static void a_thread_that_waits_for_a_cpu_stays_away_for_a_while(unused void **state)
{
	struct poll_budget b = {.mode = POLL_AUTO, .hope = 3};
	uint64_t now = NOW, delay = 5 * POLL_CHECK_NS;

	assert_true(poll_budget_check_due(&b, now));
	assert_false(poll_budget_check(&b, now, delay)); /* of its life until now: long ago */
	assert_false(poll_budget_check_due(&b, now + POLL_CHECK_NS - 1));
	now += POLL_CHECK_NS;
	assert_true(poll_budget_check_due(&b, now));
	delay += POLL_CHECK_NS / POLL_DELAY_SHARE - 1;
	assert_false(poll_budget_check(&b, now, delay));
	assert_int_equal(poll_budget_ns(&b, now), POLL_AUTO_NS);
	now += POLL_CHECK_NS;
	delay += POLL_CHECK_NS / POLL_DELAY_SHARE;
	assert_true(poll_budget_check(&b, now, delay));
	assert_int_equal(poll_budget_ns(&b, now), 0);
	assert_int_equal(poll_budget_ns(&b, now + POLL_AWAY_NS - 1), 0);
	assert_int_equal(poll_budget_ns(&b, now + POLL_AWAY_NS), POLL_AUTO_NS);
	/* What it was delayed for while it was away says nothing. */
	assert_false(poll_budget_check(&b, now + POLL_AWAY_NS, delay + POLL_AWAY_NS));
}

/* For how long it stays away after one more time of looking, of which it had the CPU or not. */
static uint64_t look_once_more(struct poll_budget *b, bool delayed)
{
	uint64_t now = b->checked_ns;

	if (now < b->away_until_ns) { /* back again: it slept, whatever the delay */
		now = b->away_until_ns + 1;
		assert_false(poll_budget_check(b, now, b->delay_ns + POLL_AWAY_MAX_NS));
	}
	now += POLL_CHECK_NS;
	if (!poll_budget_check(b, now, b->delay_ns + (delayed ? POLL_CHECK_NS : 0)))
		return 0;
	return b->away_until_ns - now;
}

static void who_stays_keeps_it_away_for_longer_than_who_passes_by(unused void **state)
{
	struct poll_budget b = {.mode = POLL_AUTO, .checked_ns = NOW};

	for (uint64_t ns = POLL_AWAY_NS; ns < POLL_AWAY_MAX_NS; ns *= 4)
		assert_int_equal(look_once_more(&b, true), ns);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(look_once_more(&b, true), POLL_AWAY_MAX_NS);
	/* Each time that it had the CPU makes it shorter, down to the first. */
	assert_int_equal(look_once_more(&b, false), 0);
	assert_int_equal(look_once_more(&b, true), POLL_AWAY_MAX_NS / 4);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(look_once_more(&b, false), 0);
	assert_int_equal(look_once_more(&b, true), POLL_AWAY_NS);
}

/* Else a thread whose CPU others want all the time spends 4 ms of it on each look whether they are still there. */
static void
who_comes_back_goes_at_the_first_sign_and_stays_only_after_all_of_the_time(unused void **state)
{
	struct poll_budget b = {.mode = POLL_AUTO, .hope = 3, .checked_ns = NOW, .tried_ns = NOW};
	uint64_t now, delay = 0;

	assert_false(poll_budget_check_due(&b, NOW + POLL_TRY_NS)); /* who was never away */
	assert_int_equal(look_once_more(&b, true), POLL_AWAY_NS);
	now = b.away_until_ns;
	assert_false(poll_budget_check(&b, now, delay = b.delay_ns));
	for (uint64_t ns = POLL_TRY_NS; ns < POLL_CHECK_NS; ns += POLL_TRY_NS) {
		assert_false(poll_budget_check_due(&b, now + ns - 1));
		assert_true(poll_budget_check_due(&b, now + ns));
		assert_false(poll_budget_check(&b, now + ns, delay));
		assert_int_not_equal(b.away_shift, 0);
	}
	/* They come in the last part of it, and what they take is a share of all of it. */
	now += POLL_CHECK_NS;
	assert_true(poll_budget_check(&b, now, delay += POLL_CHECK_NS / POLL_DELAY_SHARE));
	assert_int_equal(b.away_until_ns - now, 4 * POLL_AWAY_NS);
	now = b.away_until_ns;
	assert_false(poll_budget_check(&b, now, delay));
	now += POLL_TRY_NS;
	assert_true(poll_budget_check(&b, now, delay + POLL_TRY_NS / POLL_DELAY_SHARE));
	assert_int_equal(b.away_until_ns - now, 16 * POLL_AWAY_NS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(off_never_looks_and_on_never_stops),
		cmocka_unit_test(what_is_tried_looks_for_a_while),
		cmocka_unit_test(two_short_sleeps_begin_it_and_one_does_not),
		cmocka_unit_test(looking_in_vain_twice_ends_it),
		cmocka_unit_test(work_that_was_there_already_is_no_reason_to_look),
		cmocka_unit_test(a_thread_that_waits_for_a_cpu_stays_away_for_a_while),
		cmocka_unit_test(who_stays_keeps_it_away_for_longer_than_who_passes_by),
		cmocka_unit_test(
			who_comes_back_goes_at_the_first_sign_and_stays_only_after_all_of_the_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
