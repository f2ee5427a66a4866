/* SPDX-License-Identifier: Apache-2.0 */
/* What doorbell check makes of kicks that say more than the number of a queue: NOTIFICATION_DATA. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/lib/check_ring_rig.h"
#include "tests/lib/check_ring_rules.h"

#define DATA FEATURE(VIRTIO_F_NOTIFICATION_DATA)

/* @code: the upper half of what is written. */
static void kick(struct ring_rig *r, uint16_t code)
{
	W(QUEUE_NOTIFY, (uint32_t)code << 16 | r->queue);
}

/* Where the driver of the rig is. */
static uint16_t next(const struct ring_rig *r)
{
	const unsigned num = r->addr.num;

	if (!r->packed)
		return r->avail;
	return u16_of(r->place % num | (r->place < num ? 0x8000u : 0));
}

static void expect_kept(const struct ring_rig *r, const char *id)
{
	const struct check_result *res = check_result(r->c, rrig_rule(id));

	if (res->broken)
		fail_msg("%s: %s", id, res->why);
	assert_true(res->kept > 0);
}

static const struct ring {
	uint64_t accept;
	unsigned num;
	const char *rule;
} rings[] = {
	{DATA, 4, "notifdata.split-next"},
	{DATA | PACKED, 3, "notifdata.packed-next"},
};

/* Laps of a ring, and of the index. */
static void right_positions_are_clean(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rings); i++) {
		struct ring_rig r;

		rrig_begin(&r, rings[i].accept, TX, rings[i].num);
		for (unsigned n = 0; n < 70000; n++) {
			rrig_offer_one(&r, u16_of(n % rings[i].num));
			if (n % 3 == 0) /* others were seen without */
				kick(&r, next(&r));
			rrig_take(&r);
			rrig_use_all(&r);
		}
		kick(&r, next(&r)); /* nothing is new */
		expect_kept(&r, rings[i].rule);
		expect_kept(&r, "notify.queue-index-valid");
		rrig_expect_clean(&r, rings[i].rule);
		rrig_end(&r, *state);
	}
}

/* Between the driver's look at its index and the kick another CPU of the guest has offered one more. */
static void position_of_a_moment_ago_is_clean(unused void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rings); i++) {
		struct ring_rig r;
		uint16_t was;

		rrig_begin(&r, rings[i].accept, TX, rings[i].num);
		rrig_offer_one(&r, 0);
		was = next(&r);
		rrig_offer_one(&r, 1);
		kick(&r, was);
		expect_kept(&r, rings[i].rule);
		rrig_end(&r, NULL);
	}
}

static void wrong_positions_are_found(void **state)
{
	static const struct {
		unsigned ring, offers, kicked; /* the latter: how many of them were kicked for */
		uint16_t code;
	} wrong[] = {
		{0, 1, 0, 0},      {0, 1, 0, 2},      {0, 3, 2, 2},      {0, 2, 0, 0x8002},
		{0, 2, 1, 0xffff}, {1, 1, 0, 0x8000}, {1, 1, 0, 1},      {1, 1, 0, 0x8002},
		{1, 1, 0, 0x8003}, {1, 1, 0, 0xffff}, {1, 3, 0, 0x8000}, {1, 3, 2, 0x8002},
	};
	struct check_tally *t = *state;

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		const struct ring *ring = &rings[wrong[i].ring];
		struct ring_rig r;

		rrig_begin(&r, ring->accept, TX, ring->num);
		for (unsigned n = 0; n < wrong[i].offers; n++) {
			rrig_offer_one(&r, u16_of(n));
			if (n < wrong[i].kicked)
				kick(&r, next(&r));
		}
		kick(&r, wrong[i].code);
		rrig_expect_broken(&r, t, ring->rule);
		rrig_end(&r, NULL);
	}
}

static void number_of_a_queue_is_judged_below_the_position(unused void **state)
{
	struct ring_rig r;

	rrig_begin(&r, DATA, TX, 4);
	rrig_reg(&r, VIRTIO_MMIO_QUEUE_NOTIFY, true, 0x00010007);
	assert_true(check_result(r.c, rrig_rule("notify.queue-index-valid"))->broken);
	rrig_end(&r, NULL);
	rrig_begin(&r, 0, TX, 4); /* who has not accepted it */
	rrig_offer_one(&r, 0);
	kick(&r, next(&r));
	assert_true(check_result(r.c, rrig_rule("notify.queue-index-valid"))->broken);
	assert_int_equal(check_result(r.c, rrig_rule("notifdata.split-next"))->kept, 0);
	rrig_end(&r, NULL);
}

static void all_rules_have_both(void **state)
{
	rrig_expect_both(*state, is_notify_rule);
}

int main(void)
{
	static struct check_tally tally;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_prestate(right_positions_are_clean, &tally),
		cmocka_unit_test(position_of_a_moment_ago_is_clean),
		cmocka_unit_test_prestate(wrong_positions_are_found, &tally),
		cmocka_unit_test(number_of_a_queue_is_judged_below_the_position),
		cmocka_unit_test_prestate(all_rules_have_both, &tally),
	};

	return cmocka_run_group_tests_name("check_notify", tests, NULL, NULL);
}
