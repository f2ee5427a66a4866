/* SPDX-License-Identifier: Apache-2.0 */
/* What drivers of rings do too often or not at all, and what is said when nothing happens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "tests/lib/check_ring_rig.h"
#include "tests/lib/check_ring_rules.h"
#include "vmm/core/le.h"

/* ---- kicks */

/* The device is busy, has said that it wants none, and gets some nevertheless. */
static void kicks_that_nobody_wants_are_found(void **state)
{
	static const struct {
		const char *rule;
		uint64_t accept;
	} how[] = {
		{"notif.no-kick-when-suppressed", 0},
		{"notif.no-kick-when-suppressed", PACKED},
		{"event_idx.no-kick-otherwise", EVENT},
		{"notif.no-kick-when-suppressed", PACKED | EVENT},
	};

	for (size_t i = 0; i < ARRAY_SIZE(how); i++) {
		struct ring_rig r;

		rrig_begin(&r, how[i].accept, TX, 8);
		rrig_offer_one(&r, 0);
		rrig_kick(&r); /* wanted */
		rrig_take(&r);
		vq_kicks_off(&r.vq);
		rrig_offer_one(&r, 1);
		rrig_kick(&r); /* it may not have seen that yet */
		rrig_kick(&r);
		rrig_expect_clean(&r, how[i].rule);
		assert_int_equal(check_result(r.c, crig_rule(how[i].rule))->broken, 0);
		rrig_offer_one(&r, 2);
		rrig_kick(&r);
		rrig_expect_broken(&r, *state, how[i].rule);
		rrig_end(&r, *state);
	}
}

/* A word that is not for this driver has something in it, as a provocation would write. */
static void word_for_other_drivers_is_no_excuse_for_a_missing_kick(void **state)
{
	static const struct {
		const char *rule;
		uint64_t accept;
		gpa_t word;
	} how[] = {
		{"event_idx.ignore-used-flags", EVENT, DEVICE},
		{"notif.ignore-avail-event", 0, DEVICE + 4 + 8 * 8},
	};

	for (size_t i = 0; i < ARRAY_SIZE(how); i++) {
		struct ring_rig r;

		rrig_begin(&r, how[i].accept, TX, 8);
		put_le16(rrig_at(&r, how[i].word), 1);
		rrig_offer_one(&r, 0);
		rrig_kick(&r);
		rrig_look_often(&r);
		assert_int_equal(check_result(r.c, crig_rule(how[i].rule))->broken, 0);
		rrig_take(&r);
		rrig_use_all(&r);
		vq_kicks_on(&r.vq);
		rrig_offer_one(&r, 1);
		rrig_look_often(&r);
		rrig_expect_broken(&r, *state, how[i].rule);
		rrig_end(&r, *state);
	}
}

static void missing_kick_of_a_packed_ring_is_found(void **state)
{
	for (unsigned event = 0; event < 2; event++) {
		struct ring_rig r;

		rrig_begin(&r, PACKED | (event ? EVENT : 0), TX, NUM);
		for (uint16_t i = 0; i < NUM + 2; i++) {
			rrig_offer_one(&r, i);
			rrig_kick(&r);
			rrig_take(&r);
			rrig_use_all(&r);
			vq_kicks_on(&r.vq);
		}
		vq_kicks_off(&r.vq);
		rrig_offer_one(&r, 0);
		rrig_look_often(&r);
		rrig_expect_clean(&r, "nobody has asked");
		rrig_take(&r);
		rrig_use_all(&r);
		vq_kicks_on(&r.vq);
		rrig_offer_one(&r, 0);
		rrig_look_often(&r);
		rrig_expect_broken(&r, *state, event ? "event_idx.must-kick" : "notif.must-kick");
		assert_string_equal(check_stall(r.c, TX)->rule,
		                    event ? "event_idx.must-kick" : "notif.must-kick");
		rrig_kick(&r);
		check_tick(r.c);
		assert_null(check_stall(r.c, TX));
		rrig_end(&r, NULL);
	}
}

/* ---- why nothing happens */

/* Frames come in: the driver takes each, offers another buffer, and waits for number 0, or for the next one. */
static void receive(struct ring_rig *r, uint16_t frames, bool moves)
{
	for (uint16_t i = 0; i < 4; i++)
		rrig_offer_one(r, i);
	rrig_kick(r);
	rrig_take(r);
	for (uint16_t i = 0; i < frames; i++) {
		rrig_use(r, 0);
		vq_publish(&r->vq);
		if (i + 1u < frames) /* the last one it has not seen yet */
			rrig_offer_one(r, i % 4);
		rrig_take(r);
		if (moves) {
			put_le16(rrig_at(r, r->packed ? DRIVER : DRIVER + 4 + 2 * 8),
			         r->packed ? 0x8000 | (i + 1) : i + 1);
		}
	}
}

static void event_that_never_moves_is_found(void **state)
{
	for (unsigned kind = 0; kind < 4; kind++) {
		const bool packed = kind & 1, moves = kind & 2;
		struct ring_rig r;

		rrig_begin(&r, EVENT | (packed ? PACKED : 0), RX, 8);
		if (packed) {
			put_le16(rrig_at(&r, DRIVER), 0x8000);
			put_le16(rrig_at(&r, DRIVER + 2), 2);
		}
		receive(&r, 3, moves);
		rrig_look_often(&r);
		if (moves) {
			rrig_expect_clean(&r, "it moves");
			assert_null(check_stall(r.c, RX));
		} else {
			rrig_expect_broken(&r, *state, "event_idx.used-event-progress");
			assert_string_equal(check_stall(r.c, RX)->rule,
			                    "event_idx.used-event-progress");
		}
		rrig_end(&r, moves ? *state : NULL);
	}
}

/* As Linux does: frames come, the handler has nowhere to give them, and the event stays where it is. */
static void interface_that_is_down_breaks_no_rule(unused void **state)
{
	struct ring_rig r;

	rrig_begin(&r, EVENT, RX, 8);
	for (uint16_t i = 0; i < 4; i++)
		rrig_offer_one(&r, i);
	rrig_kick(&r);
	rrig_take(&r);
	for (unsigned i = 0; i < 4; i++) {
		rrig_use(&r, 0);
		vq_publish(&r.vq);
	}
	rrig_look_often(&r);
	rrig_expect_clean(&r, "down");
	assert_string_equal(check_stall(r.c, RX)->rule, "event_idx.used-event-progress");
	rrig_end(&r, NULL);
}

static void first_thing_that_is_missing_is_named(unused void **state)
{
	struct virtio_watch *w;
	struct ring_rig rig, *r = &rig;

	rrig_create(r, 0, RX, 8);
	rrig_look_often(r);
	assert_null(check_stall(r->c, RX)); /* not live: there is a message for that */
	rrig_ready(r);
	rrig_live(r, 0);
	w = check_watch(r->c);
	rrig_look_often(r);
	assert_string_equal(check_stall(r->c, TX)->rule, "init.drvok-last");
	assert_string_equal(check_stall(r->c, RX)->rule, "net.rx-filled-at-start");
	rrig_offer_one(r, 0);
	rrig_look_often(r);
	assert_string_equal(check_stall(r->c, RX)->rule, "notif.must-kick");
	rrig_kick(r);
	rrig_look_often(r);
	assert_null(check_stall(r->c, RX));
	rrig_take(r);
	rrig_use_all(r);
	w->interrupt(w, VIRTIO_MMIO_INT_VRING);
	rrig_look_often(r);
	assert_string_equal(check_stall(r->c, RX)->rule, "mmio.irq-read-status");
	R(INTERRUPT_STATUS, 1);
	rrig_look_often(r);
	assert_string_equal(check_stall(r->c, RX)->rule, "mmio.intack-handled");
	W(INTERRUPT_ACK, 1);
	rrig_look_often(r);
	assert_string_equal(check_stall(r->c, RX)->rule, "net.rx-replenish");
	put_le16(rrig_at(r, DRIVER), 1);
	rrig_look_often(r);
	assert_string_equal(check_stall(r->c, RX)->rule, "notif.recheck-after-enable");
	rrig_offer_one(r, 0);
	rrig_take(r);
	check_tick(r->c);
	assert_null(check_stall(r->c, RX));
	rrig_end(r, NULL);
}

/* Four buffers are there, and @frames frames come; the driver is interrupted, and acknowledges it. */
static void receive_and_acknowledge(struct ring_rig *r, unsigned frames)
{
	struct virtio_watch *w = check_watch(r->c);

	for (unsigned i = 0; i < frames; i++) {
		rrig_use(r, 0);
		vq_publish(&r->vq);
	}
	w->interrupt(w, VIRTIO_MMIO_INT_VRING);
	R(INTERRUPT_STATUS, 1);
	W(INTERRUPT_ACK, 1);
}

static void offer_four(struct ring_rig *r, uint64_t accept)
{
	rrig_begin(r, accept, RX, 8);
	for (uint16_t i = 0; i < 4; i++)
		rrig_offer_one(r, i);
	rrig_kick(r);
	rrig_take(r);
}

/* The first thing that it should do, and it has never done anything. */
static void acknowledged_and_not_taken_is_told(unused void **state)
{
	struct ring_rig rig, *r = &rig;

	offer_four(r, 0);
	rrig_look_often(r);
	assert_null(check_stall(r->c, RX)); /* nothing has come */
	receive_and_acknowledge(r, 1);
	rrig_look_often(r);
	assert_string_equal(
		check_stall(r->c, RX)->why,
		"1 of 4 buffers are used, the driver was interrupted, and offers none again");
	put_le16(rrig_at(r, DRIVER), 1);
	rrig_look_often(r);
	assert_string_equal(check_stall(r->c, RX)->why,
	                    "1 of 4 buffers are used, interrupts switched off, and the driver does "
	                    "not look");
	rrig_end(r, NULL);
}

/* Some drivers take what there is and offer buffers in batches: while most are there, nothing is missing. */
static void batch_that_is_not_full_is_no_stall(unused void **state)
{
	for (unsigned kind = 0; kind < 2; kind++) {
		struct ring_rig rig, *r = &rig;

		offer_four(r, kind ? EVENT : 0);
		receive_and_acknowledge(r, 1);
		if (kind) { /* it waits for the next one, so it has seen this one */
			put_le16(rrig_at(r, DRIVER + 4 + 2 * 8), 1);
		} else {
			rrig_offer_one(r, 0);
			rrig_take(r);
			receive_and_acknowledge(r, 2);
		}
		rrig_look_often(r);
		assert_null(check_stall(r->c, RX));
		if (!kind) {
			rrig_use(r, 0);
			vq_publish(&r->vq);
			check_watch(r->c)->interrupt(check_watch(r->c), VIRTIO_MMIO_INT_CONFIG);
			rrig_look_often(r);
			assert_string_equal(check_stall(r->c, RX)->rule,
			                    "notif.recheck-after-enable");
			receive_and_acknowledge(r, 0);
			rrig_look_often(r);
			assert_string_equal(check_stall(r->c, RX)->rule, "net.rx-replenish");
		}
		rrig_end(r, NULL);
	}
}

static void used_while_interrupts_were_off_is_told(unused void **state)
{
	struct ring_rig rig, *r = &rig;

	offer_four(r, 0);
	receive_and_acknowledge(r, 1);
	put_le16(rrig_at(r, DRIVER), 1);
	rrig_use(r, 0);
	vq_publish(&r->vq); /* no interrupt */
	put_le16(rrig_at(r, DRIVER), 0);
	rrig_look_often(r);
	assert_string_equal(check_stall(r->c, RX)->why,
	                    "2 of 4 buffers are used, the last ones while interrupts were switched "
	                    "off: they are on again, and the driver offers none");
	assert_string_equal(check_stall(r->c, RX)->rule, "notif.recheck-after-enable");
	rrig_end(r, NULL);
}

static void kick_of_the_wrong_queue_is_told(unused void **state)
{
	const struct vq_addr other = {4, BUF + 0x4000, BUF + 0x5000, BUF + 0x6000};
	struct ring_rig rig, *r = &rig;

	rrig_create(r, 0, RX, 8);
	rrig_ready(r);
	W(QUEUE_SEL, TX);
	W(QUEUE_READY, 1);
	rrig_live(r, 0);
	check_watch(r->c)->queue(check_watch(r->c), TX, &other);
	rrig_offer_one(r, 0);
	W(QUEUE_NOTIFY, TX);
	rrig_look_often(r);
	assert_string_equal(
		check_stall(r->c, RX)->why,
		"1 entries are offered and no kick came for them, but 1 came for queue 1, "
		"where nothing is new");
	rrig_end(r, NULL);
}

/* ---- the reset */

static void reset(struct ring_rig *r)
{
	W(STATUS, 0);
}

/* The same buffer twice: at the second time the device has it. */
static void what_the_device_had_no_time_to_look_at_is_judged_at_the_reset(unused void **state)
{
	static const char *const rule[] = {"split.head-not-outstanding", "packed.id-in-last"};

	for (unsigned packed = 0; packed < 2; packed++) {
		for (unsigned wrong = 0; wrong < 2; wrong++) {
			struct ring_rig r;

			rrig_begin(&r, packed ? PACKED : 0, RX, 8);
			rrig_offer_one(&r, 0);
			rrig_offer_one(&r, wrong ? 0 : 1);
			rrig_kick(&r);
			rrig_expect_clean(&r, "not looked at");
			reset(&r);
			if (wrong)
				assert_int_equal(check_result(r.c, crig_rule(rule[packed]))->broken,
				                 1);
			else
				rrig_expect_clean(&r, "reset");
			rrig_take(&r); /* whose thread is late: it says nothing twice */
			assert_int_equal(check_result(r.c, crig_rule(rule[packed]))->broken, wrong);
			rrig_end(&r, NULL);
		}
	}
}

static void what_was_kicked_for_is_there_at_the_reset(unused void **state)
{
	const size_t rule = crig_rule("cleanup.reset-before-unexpose");

	for (unsigned early = 0; early < 2; early++) {
		struct ring_rig r;

		rrig_begin(&r, 0, RX, 8);
		rrig_offer_one(&r, 0);
		rrig_kick(&r);
		if (early)
			memset(rrig_at(&r, DRIVER), 0, 64);
		reset(&r);
		assert_int_equal(check_result(r.c, rule)->broken, early);
		rrig_end(&r, NULL);
	}
}

/* ---- the table */

static void all_stall_rules_have_both(void **state)
{
	rrig_expect_both(*state, is_stall_rule);
}

int main(void)
{
	static struct check_tally tally;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_prestate(kicks_that_nobody_wants_are_found, &tally),
		cmocka_unit_test_prestate(word_for_other_drivers_is_no_excuse_for_a_missing_kick,
	                                  &tally),
		cmocka_unit_test_prestate(missing_kick_of_a_packed_ring_is_found, &tally),
		cmocka_unit_test_prestate(event_that_never_moves_is_found, &tally),
		cmocka_unit_test(interface_that_is_down_breaks_no_rule),
		cmocka_unit_test(first_thing_that_is_missing_is_named),
		cmocka_unit_test(acknowledged_and_not_taken_is_told),
		cmocka_unit_test(batch_that_is_not_full_is_no_stall),
		cmocka_unit_test(used_while_interrupts_were_off_is_told),
		cmocka_unit_test(kick_of_the_wrong_queue_is_told),
		cmocka_unit_test(what_the_device_had_no_time_to_look_at_is_judged_at_the_reset),
		cmocka_unit_test(what_was_kicked_for_is_there_at_the_reset),
		cmocka_unit_test_prestate(all_stall_rules_have_both, &tally),
	};

	return cmocka_run_group_tests_name("check_stall", tests, NULL, NULL);
}
