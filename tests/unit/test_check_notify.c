/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What doorbell check makes of kicks that say more than the number of a queue (NOTIFICATION_DATA), of rings that are filled in
 * behind what shows them, and of rings without a word for their event.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/lib/check_ring_rig.h"
#include "tests/lib/check_ring_rules.h"
#include "vmm/core/le.h"

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
	const struct check_result *res = check_result(r->c, crig_rule(id));

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

static uint64_t broken_by(const struct ring_rig *r, const char *id)
{
	return check_result(r->c, crig_rule(id))->broken;
}

/* A CPU of the guest has taken down where it is; others offer more, and kick for it, before it kicks. */
static void kicks_that_cross_are_clean(unused void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rings); i++) {
		struct ring_rig r;
		uint16_t was[3];

		rrig_begin(&r, rings[i].accept, TX, rings[i].num);
		for (unsigned lap = 0; lap < 100; lap++) {
			for (unsigned n = 0; n < 3; n++) {
				rrig_offer_one(&r, u16_of(n));
				was[n] = next(&r);
			}
			if (lap % 2)
				kick(&r, was[2]);
			kick(&r, was[0]);
			kick(&r, was[1]);
			if (lap % 2 == 0)
				kick(&r, was[2]);
			rrig_take(&r);
			rrig_use_all(&r);
		}
		expect_kept(&r, rings[i].rule);
		rrig_expect_clean(&r, rings[i].rule);
		rrig_end(&r, NULL);
	}
}

/* So far behind, or ahead, that it is not in doubt; and one that is behind by one for ever. */
static void positions_that_no_other_kick_has_overtaken_are_found(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rings); i++) {
		struct ring_rig r;

		rrig_begin(&r, rings[i].accept, TX, rings[i].num);
		rrig_offer_one(&r, 0);
		for (unsigned n = 0; n < 50; n++) {
			const uint16_t was = next(&r);

			rrig_offer_one(&r, u16_of(1 + n % 2));
			kick(&r, was);
			if (n == 0) /* both were new */
				expect_kept(&r, rings[i].rule);
			rrig_take(&r);
			rrig_use_all(&r);
		}
		rrig_expect_broken(&r, *state, rings[i].rule);
		rrig_end(&r, NULL);

		rrig_begin(&r, rings[i].accept, TX, rings[i].num);
		for (unsigned n = 0; n < 3; n++) { /* right once, and stuck there */
			rrig_offer_one(&r, u16_of(n));
			kick(&r, rings[i].accept & PACKED ? 0x8001 : 1);
			assert_int_equal(broken_by(&r, rings[i].rule), n);
		}
		rrig_end(&r, NULL);
	}
}

/* A whole lap may have been offered since the kick before, as when the device polls; one that is ahead is not right for that. */
static void position_ahead_is_not_kept_after_laps_without_a_kick(unused void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rings); i++) {
		const unsigned num = rings[i].num;
		struct ring_rig r;
		unsigned ahead;

		rrig_begin(&r, rings[i].accept, TX, num);
		for (unsigned n = 0; n < 65535; n++) {
			rrig_offer_one(&r, u16_of(n % num));
			rrig_take(&r);
			rrig_use_all(&r);
		}
		ahead = (r.place + 1) % (2 * num);
		kick(&r, r.packed ? u16_of(ahead % num | (ahead < num ? 0x8000u : 0))
		                  : u16_of(r.avail + 1));
		assert_int_equal(check_result(r.c, crig_rule(rings[i].rule))->kept, 0);
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
		{0, 2, 1, 0xfffd}, {1, 1, 0, 0x8000}, {1, 1, 0, 1},      {1, 1, 0, 0x8002},
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
	assert_true(check_result(r.c, crig_rule("notify.queue-index-valid"))->broken);
	rrig_end(&r, NULL);
	rrig_begin(&r, 0, TX, 4); /* who has not accepted it */
	rrig_offer_one(&r, 0);
	kick(&r, next(&r));
	assert_true(check_result(r.c, crig_rule("notify.queue-index-valid"))->broken);
	assert_int_equal(check_result(r.c, crig_rule("notifdata.split-next"))->kept, 0);
	rrig_end(&r, NULL);
}

/* ---- in which order it is written */

/* A descriptor of the driver's that the device finds before the kick, and @what of which comes late. */
enum late { NOTHING, SLOT, DESCRIPTOR, LATE_KINDS };

static void offer_early(struct ring_rig *r, enum late late)
{
	const struct rrig_piece p = {BUF + 0x800, 100, 2, 0};

	rrig_offer_one(r, 1);
	rrig_take(r);
	if (late == SLOT)
		put_le16(rrig_at(r, DRIVER + 4 + 2 * ((r->avail - 1u) % r->addr.num)), 0);
	if (late == DESCRIPTOR)
		rrig_put_at(r, RING + 16u * (r->packed ? r->place - 1u : 1u), &p,
		            r->packed ? AVAIL_BIT : 0);
}

static void what_is_filled_in_behind_the_index_or_the_flags_is_found(void **state)
{
	for (unsigned packed = 0; packed < 2; packed++)
		for (enum late late = NOTHING; late < LATE_KINDS; late++) {
			const char *id =
				packed ? "packed.barrier-before-flags" : "split.barrier-before-idx";
			struct ring_rig r;

			if (packed && late == SLOT)
				continue;
			rrig_begin(&r, packed ? PACKED : 0, TX, 4);
			offer_early(&r, late);
			assert_int_equal(check_result(r.c, crig_rule(id))->broken, 0);
			rrig_kick(&r);
			if (late == NOTHING)
				expect_kept(&r, id);
			else
				rrig_expect_broken(&r, *state, id);
			rrig_end(&r, late == NOTHING ? *state : NULL);
		}
}

/* It is the driver's again, and in use for the next one, before anybody kicks. */
static void what_has_come_back_before_the_kick_may_be_written(unused void **state)
{
	for (unsigned packed = 0; packed < 2; packed++) {
		struct ring_rig r;

		rrig_begin(&r, packed ? PACKED : 0, TX, 2);
		for (unsigned i = 0; i < 5; i++) {
			rrig_offer_one(&r, u16_of(i % 3 == 0));
			rrig_take(&r);
			if (i < 4)
				rrig_use_all(&r);
		}
		rrig_kick(&r);
		expect_kept(&r,
		            packed ? "packed.barrier-before-flags" : "split.barrier-before-idx");
		rrig_expect_clean(&r, "polled");
		rrig_end(&r, NULL);
	}
}

/* One stays with the device; the others come back and are offered again, past its slot of the available ring. */
static void slot_of_one_that_is_kept_may_be_filled_in_again(unused void **state)
{
	/* Up to where the index comes round. */
	static const unsigned more[] = {1, 3, 4, 5, 65536, 65537};

	for (size_t i = 0; i < ARRAY_SIZE(more); i++) {
		struct ring_rig r;

		rrig_begin(&r, 0, TX, 4);
		rrig_offer_one(&r, 0);
		rrig_take(&r);
		for (unsigned n = 0; n < more[i]; n++) {
			rrig_offer_one(&r, u16_of(1 + n % 3));
			rrig_take(&r);
			rrig_use(&r, 1);
			vq_publish(&r.vq);
		}
		/* The next one, of which nobody knows yet. */
		put_le16(rrig_at(&r, DRIVER + 4 + 2 * (r.avail % 4u)), 3);
		rrig_kick(&r);
		expect_kept(&r, "split.barrier-before-idx");
		rrig_expect_clean(&r, "one is kept");
		rrig_end(&r, NULL);
	}
}

/* What the device finds because it was kicked says nothing of the order. */
static void what_was_kicked_for_is_not_judged(unused void **state)
{
	for (unsigned packed = 0; packed < 2; packed++) {
		const char *id =
			packed ? "packed.barrier-before-flags" : "split.barrier-before-idx";
		struct ring_rig r;

		rrig_begin(&r, packed ? PACKED : 0, TX, 4);
		for (unsigned n = 0; n < 2; n++) {
			rrig_offer_one(&r, u16_of(n));
			rrig_kick(&r);
			rrig_take(&r);
		}
		rrig_kick(&r);
		assert_int_equal(check_result(r.c, crig_rule(id))->kept, 0);
		rrig_offer_one(&r, 2);
		rrig_take(&r);
		rrig_kick(&r);
		expect_kept(&r, id);
		rrig_end(&r, NULL);
	}
}

/* ---- the word behind a ring */

static void ring_without_room_for_its_event_is_found(void **state)
{
	static const struct {
		gpa_t other; /* where the other queue's descriptors are */
		bool found;
	} places[] = {
		{DEVICE + 4 + 8 * 4, true},
		{DRIVER + 4 + 2 * 4, true},
		{0x4000, false},
	};

	for (size_t i = 0; i < 2 * ARRAY_SIZE(places); i++) {
		const bool found = places[i / 2].found;
		struct ring_rig r;

		rrig_create(&r, 0, TX, 4);
		for (unsigned turn = 0; turn < 2; turn++) { /* in either order */
			r.queue = turn == i % 2 ? RX : TX;
			r.addr = r.queue == RX
			                 ? (struct vq_addr){4, places[i / 2].other, 0x5000, 0x6000}
			                 : (struct vq_addr){4, RING, DRIVER, DEVICE};
			rrig_ready(&r);
		}
		if (found)
			rrig_expect_broken(&r, *state, "split.used-tail-allocated");
		else
			expect_kept(&r, "split.used-tail-allocated");
		rrig_end(&r, found ? NULL : *state);
	}
}

static void word_that_changes_behind_a_used_ring_is_found(void **state)
{
	for (unsigned event = 0; event < 2; event++) {
		struct ring_rig r;

		rrig_begin(&r, event ? EVENT : 0, TX, 4);
		rrig_look_often(&r);
		rrig_expect_clean(&r, "it stays as it is");
		put_le16(rrig_at(&r, DEVICE + 4 + 8 * 4), 0x1234);
		check_tick(r.c);
		if (event) /* it is the device's word */
			rrig_expect_clean(&r, "the event");
		else
			rrig_expect_broken(&r, *state, "split.used-tail-allocated");
		rrig_end(&r, NULL);
	}
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
		cmocka_unit_test(kicks_that_cross_are_clean),
		cmocka_unit_test_prestate(positions_that_no_other_kick_has_overtaken_are_found,
	                                  &tally),
		cmocka_unit_test(position_ahead_is_not_kept_after_laps_without_a_kick),
		cmocka_unit_test_prestate(wrong_positions_are_found, &tally),
		cmocka_unit_test(number_of_a_queue_is_judged_below_the_position),
		cmocka_unit_test_prestate(what_is_filled_in_behind_the_index_or_the_flags_is_found,
	                                  &tally),
		cmocka_unit_test(what_has_come_back_before_the_kick_may_be_written),
		cmocka_unit_test(slot_of_one_that_is_kept_may_be_filled_in_again),
		cmocka_unit_test(what_was_kicked_for_is_not_judged),
		cmocka_unit_test_prestate(ring_without_room_for_its_event_is_found, &tally),
		cmocka_unit_test_prestate(word_that_changes_behind_a_used_ring_is_found, &tally),
		cmocka_unit_test_prestate(all_rules_have_both, &tally),
	};

	return cmocka_run_group_tests_name("check_notify", tests, NULL, NULL);
}
