/* SPDX-License-Identifier: Apache-2.0 */
/* busyloop=try without a vhost: a pair whose used indices move as fast as its traffic. In the lab: tests/e2e/path_vhost.sh. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/busyloop.h"
#include "vmm/core/compiler.h"

#define NOW UINT64_C(1000000000000)
#define SEC UINT64_C(1000000000)

/* Requests per second of each ring, without and with polling, and bytes of each. */
struct rate {
	uint64_t off, on, size_off, size_on;
};

static const struct rate closed = {2000, 2600, 70, 70}, open_loop = {5000, 5000, 106, 106},
			 none = {0, 0, 0, 0}, few = {100, 130, 70, 70}, strays = {15, 15, 70, 70},
			 smaller = {3000, 6000, 800, 400}, large = {2000, 2600, 1500, 1500};

struct pair {
	struct busyloop b;
	uint64_t now, bytes;
	uint16_t used[2];
	unsigned looks, changes;
};

static struct busyloop_seen seen(const struct pair *p)
{
	return (struct busyloop_seen){p->now, p->bytes, p->used[0], p->used[1]};
}

static struct pair begun(void)
{
	struct pair p = {.now = NOW, .used = {65500, 7}};
	const struct busyloop_seen s = seen(&p);

	busyloop_begin(&p.b, &s);
	return p;
}

/* @ns of such traffic, with a look whenever one is due. How much of the time it polled, in percent. */
static unsigned pass(struct pair *p, struct rate r, uint64_t ns)
{
	const uint64_t end = p->now + ns;
	uint64_t polled = 0;

	for (;;) {
		const uint64_t next = busyloop_next_ns(&p->b), till = next < end ? next : end,
			       past = till - p->now;
		const uint64_t done = (p->b.trial.on ? r.on : r.off) * past / SEC;
		struct busyloop_seen s;

		assert_true(next > p->b.looked_ns);
		assert_true(next - p->b.looked_ns <= BUSYLOOP_LOOK_MAX_NS);
		polled += p->b.trial.on ? past : 0;
		p->now = till;
		p->bytes += 2 * done * (p->b.trial.on ? r.size_on : r.size_off);
		p->used[0] = (uint16_t)(p->used[0] + done);
		p->used[1] = (uint16_t)(p->used[1] + done);
		if (next > end)
			break;
		p->looks++;
		s = seen(p);
		p->changes += busyloop_look(&p->b, &s);
	}
	return (unsigned)(polled * 100 / ns);
}

static void somebody_who_asks_and_waits_is_polled_for(unused void **state)
{
	struct pair p = begun();

	assert_true(pass(&p, closed, SEC / 2) >= 75);
	assert_int_equal(p.b.trial.trials, 0);
	assert_true(p.b.trial.on);
	assert_true(pass(&p, closed, 10 * SEC) >= 95);
	assert_int_equal(p.b.trial.paid, p.b.trial.trials);
}

/* But for the first second, when that is not known. */
static void datagrams_by_a_clock_are_not(unused void **state)
{
	struct pair p = begun();

	assert_true(pass(&p, open_loop, 20 * SEC) <= 8);
	assert_in_range(p.b.trial.trials, 3, 9);
	assert_int_equal(p.b.trial.paid, 0);
	assert_false(p.b.trial.on);
}

/* A TCP stream, whose worker passes it on sooner. */
static void the_same_bytes_in_more_frames_are_not(unused void **state)
{
	struct pair p = begun();

	assert_true(pass(&p, smaller, 20 * SEC) <= 8);
	assert_int_equal(p.b.trial.paid, 0);
}

static void too_little_to_tell_is_not_polled_for(unused void **state)
{
	struct pair p = begun();

	assert_int_equal(pass(&p, few, 20 * SEC), 0);
	assert_int_equal(p.b.trial.trials, 0);
	pass(&p, closed, SEC);
	assert_true(p.b.trial.on);
	pass(&p, few, 2 * SEC);
	assert_int_equal(pass(&p, few, 20 * SEC), 0);
}

static void an_idle_pair_is_looked_at_ten_times_a_second(unused void **state)
{
	struct pair p = begun();

	pass(&p, none, SEC);
	p.looks = 0;
	pass(&p, none, 100 * SEC);
	assert_in_range(p.looks, 990, 1010);
	assert_int_equal(p.changes, 0);
}

/* It was missed for a tenth of a second each time, until the look that found the next questions. */
static void what_paid_is_kept_over_a_pause(unused void **state)
{
	struct pair p = begun();

	for (unsigned i = 0; i < 20; i++) {
		assert_true(pass(&p, closed, SEC / 4) >= (i ? 80 : 50));
		assert_true(p.b.trial.on);
		pass(&p, none, 3 * SEC);
	}
	/* Only the five seconds with traffic count, of which the first one is hoped for. */
	assert_in_range(p.b.trial.trials, 2, 4);
	assert_int_equal(p.b.trial.paid, p.b.trial.trials);
	/* A few now and then are not what it was kept for. */
	for (unsigned i = 0; i < 20 && (p.b.trial.running || !p.b.trial.on); i++)
		pass(&p, closed, TRIAL_WINDOW_NS);
	assert_true(p.b.trial.on);
	pass(&p, strays, 5 * SEC);
	assert_false(p.b.trial.on);
}

static void what_paid_ends_with_its_traffic(unused void **state)
{
	struct pair p = begun();

	pass(&p, closed, SEC);
	assert_true(p.b.trial.on);
	pass(&p, none, BUSYLOOP_KEPT_QUIET_NS + 2 * BUSYLOOP_LOOK_MAX_NS);
	assert_false(p.b.trial.on);
	/* As often as it was told, and it is told each time. */
	assert_int_equal(p.changes % 2, 0);
}

/* What did not pay is not expected to before the next trial would be due, 8 s later at most. */
static void other_traffic_is_tried_when_a_trial_is_due(unused void **state)
{
	struct pair p = begun();

	pass(&p, open_loop, 20 * SEC);
	assert_true(p.b.trial.again_shift > 1);
	pass(&p, none, BUSYLOOP_QUIET_NS + 2 * BUSYLOOP_LOOK_MAX_NS);
	assert_true(pass(&p, closed, SEC) < 50);
	pass(&p, closed, 8 * SEC);
	assert_true(p.b.trial.on);
}

static void frames_that_go_one_way_are_not_polled_for(unused void **state)
{
	struct pair p = begun();
	struct busyloop_seen s;

	for (unsigned i = 0; i < 200; i++) {
		p.now = busyloop_next_ns(&p.b);
		p.used[0] = (uint16_t)(p.used[0] + 1000);
		p.bytes += 70000;
		s = seen(&p);
		assert_false(busyloop_look(&p.b, &s));
		assert_false(p.b.trial.on);
	}
	assert_int_equal(p.b.trial.trials, 0);
}

static void nor_for_large_ones(unused void **state)
{
	struct pair p = begun();

	assert_int_equal(pass(&p, large, 5 * SEC), 0);
	assert_int_equal(p.b.trial.trials, 0);
}

static void when_nobody_is_answered_any_more_it_ends_at_once(unused void **state)
{
	struct pair p = begun();

	pass(&p, closed, SEC / 2);
	assert_true(p.b.trial.on);
	assert_true(pass(&p, large, SEC) < 25);
	assert_false(p.b.trial.on);
}

static void another_start_begins_without(unused void **state)
{
	struct pair p = begun();
	struct busyloop_seen s;

	pass(&p, closed, 3 * SEC);
	assert_true(p.b.trial.on);
	p.used[0] = 3;
	p.used[1] = 65535;
	s = seen(&p);
	busyloop_begin(&p.b, &s);
	assert_false(p.b.trial.on);
	assert_true(p.b.trial.paid > 0);
	/* The index is another one, and that is no work; two requests are too few, also when it wraps. */
	s.now_ns += BUSYLOOP_LOOK_MIN_NS;
	s.tx = 1;
	assert_false(busyloop_look(&p.b, &s));
	assert_false(p.b.trial.running);
}

/* The guest writes into its ring what it likes. */
static void any_index_will_do(unused void **state)
{
	struct pair p = begun();
	struct busyloop_seen s;
	uint32_t x = 1;

	for (unsigned i = 0; i < 100000; i++) {
		x = x * 1664525u + 1013904223u;
		p.now = busyloop_next_ns(&p.b) + (x & 0xffff);
		p.bytes += x >> 20;
		p.used[0] = (uint16_t)(x >> 16);
		p.used[1] = (uint16_t)(x >> 8);
		s = seen(&p);
		busyloop_look(&p.b, &s);
		assert_true(busyloop_next_ns(&p.b) > p.now - (x & 0xffff));
		assert_true(busyloop_next_ns(&p.b) <= p.now + BUSYLOOP_LOOK_MAX_NS);
	}
	assert_true(p.b.trial.trials > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(somebody_who_asks_and_waits_is_polled_for),
		cmocka_unit_test(datagrams_by_a_clock_are_not),
		cmocka_unit_test(the_same_bytes_in_more_frames_are_not),
		cmocka_unit_test(too_little_to_tell_is_not_polled_for),
		cmocka_unit_test(an_idle_pair_is_looked_at_ten_times_a_second),
		cmocka_unit_test(what_paid_is_kept_over_a_pause),
		cmocka_unit_test(what_paid_ends_with_its_traffic),
		cmocka_unit_test(other_traffic_is_tried_when_a_trial_is_due),
		cmocka_unit_test(frames_that_go_one_way_are_not_polled_for),
		cmocka_unit_test(nor_for_large_ones),
		cmocka_unit_test(when_nobody_is_answered_any_more_it_ends_at_once),
		cmocka_unit_test(another_start_begins_without),
		cmocka_unit_test(any_index_will_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
