/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "devices/tx_burst.h"
#include "vmm/core/compiler.h"

#define US     UINT64_C(1000)
#define MAX_NS (500 * US)

struct stream {
	struct tx_burst b;
	uint64_t now;
};

/* A kick @gap_us behind the last one. For how long it waits; else it is sent in @parts, in @cost_us each. */
static uint64_t kick(struct stream *s, uint64_t gap_us, unsigned parts, uint64_t cost_us)
{
	uint64_t wait;

	s->now += gap_us * US;
	wait = tx_burst_kick(&s->b, s->now, MAX_NS);
	if (wait)
		tx_burst_waited(&s->b, 2);
	else
		tx_burst_sent(&s->b, s->now + parts * cost_us * US, parts);
	return wait;
}

/* How many of @nr such kicks wait. */
static unsigned waits(struct stream *s, unsigned nr, uint64_t gap_us, unsigned parts,
                      uint64_t cost_us)
{
	unsigned waited = 0;

	while (nr--)
		waited += kick(s, gap_us, parts, cost_us) > 0;
	return waited;
}

static void kicks_that_come_close_wait_after_a_few(unused void **state)
{
	struct stream s = {.now = 1};

	/* The first four are known to be so when the fifth is there. */
	assert_int_equal(waits(&s, TX_BURST_SURE, 100, 1, 50), 0);
	assert_int_equal(kick(&s, 100, 1, 50), TX_BURST_COSTS * 50 * US);
}

static void one_of_many_does_not_to_see_whether_it_still_pays(unused void **state)
{
	struct stream s = {.now = 1};

	waits(&s, TX_BURST_SURE, 100, 1, 50);
	assert_int_equal(waits(&s, 10 * TX_BURST_PROBE, 100, 1, 50), 10 * (TX_BURST_PROBE - 1));
}

static void the_wait_has_a_limit(unused void **state)
{
	struct stream s = {.now = 1};

	waits(&s, TX_BURST_SURE, 400, 1, 300);
	assert_int_equal(kick(&s, 400, 1, 300), MAX_NS);
}

static void a_part_that_comes_later_than_one_would_wait_is_no_reason(unused void **state)
{
	struct stream s = {.now = 1};

	assert_int_equal(waits(&s, 100, 401, 1, 50), 0);
	assert_int_equal(waits(&s, 100, 1000000, 1, 50), 0); /* nor are pauses */
	assert_int_equal(waits(&s, 100, 501, 1, 400), 0);    /* nor is what the limit leaves out */
}

static void what_is_there_at_once_is_sent_at_once(unused void **state)
{
	struct stream s = {.now = 1};

	/* Each millisecond a burst that takes 100 us; the same, when it comes one by one. */
	assert_int_equal(waits(&s, 100, 1000, 1, 100), 0);
	assert_int_not_equal(waits(&s, 100, 1000, 5, 100), 0);
}

static void what_comes_while_it_is_sent_is_worth_a_wait(unused void **state)
{
	struct stream s = {.now = 1};

	assert_int_equal(waits(&s, TX_BURST_SURE, 2000, 2, 100), 0);
	assert_int_equal(kick(&s, 2000, 2, 100), MAX_NS);
}

static void a_machine_that_is_quick_does_not_sleep(unused void **state)
{
	struct stream s = {.now = 1};

	assert_int_equal(waits(&s, 100, 8, 1, TX_BURST_MIN_NS / US / TX_BURST_COSTS - 1), 0);
	assert_int_equal(waits(&s, 100, 80, 9, TX_BURST_MIN_NS / US / TX_BURST_COSTS - 1), 0);
}

static void who_is_answered_does_not_wait(unused void **state)
{
	struct stream s = {.now = 1};

	waits(&s, 10, 100, 1, 50);
	assert_false(tx_burst_two_way(&s.b, 0));
	assert_int_not_equal(kick(&s, 100, 1, 50), 0);
	assert_true(tx_burst_two_way(&s.b, 1));
	assert_int_equal(kick(&s, 100, 1, 50), 0);
	assert_false(tx_burst_two_way(&s.b, 1));
	assert_int_equal(waits(&s, TX_BURST_SURE - 1, 100, 1, 50), 0);
	assert_int_not_equal(kick(&s, 100, 1, 50), 0);
}

static void waiting_for_nothing_ends_it(unused void **state)
{
	struct stream s = {.now = 1};
	unsigned waited = 0;

	waits(&s, 20, 100, 1, 50);
	while (s.b.score >= TX_BURST_SURE) {
		s.now += 1000 * US;
		if (!tx_burst_kick(&s.b, s.now, MAX_NS))
			continue;
		tx_burst_waited(&s.b, 1);
		waited++;
	}
	assert_true(waited <= 2);
}

static void a_stream_that_becomes_slow_is_noticed_by_those_that_do_not_wait(unused void **state)
{
	struct stream s = {.now = 1};

	waits(&s, 20, 100, 1, 50);
	waits(&s, 12 * TX_BURST_PROBE, 2000, 1, 50);
	assert_int_equal(waits(&s, TX_BURST_PROBE, 2000, 1, 50), 0);
}

static void a_turn_that_found_nothing_says_nothing(unused void **state)
{
	struct stream s = {.now = 1};

	assert_int_equal(waits(&s, 100, 100, 0, 50), 0);
	assert_int_equal(s.b.cost_ns, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kicks_that_come_close_wait_after_a_few),
		cmocka_unit_test(one_of_many_does_not_to_see_whether_it_still_pays),
		cmocka_unit_test(the_wait_has_a_limit),
		cmocka_unit_test(a_part_that_comes_later_than_one_would_wait_is_no_reason),
		cmocka_unit_test(what_is_there_at_once_is_sent_at_once),
		cmocka_unit_test(what_comes_while_it_is_sent_is_worth_a_wait),
		cmocka_unit_test(a_machine_that_is_quick_does_not_sleep),
		cmocka_unit_test(who_is_answered_does_not_wait),
		cmocka_unit_test(waiting_for_nothing_ends_it),
		cmocka_unit_test(a_stream_that_becomes_slow_is_noticed_by_those_that_do_not_wait),
		cmocka_unit_test(a_turn_that_found_nothing_says_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
