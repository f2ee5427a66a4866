/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The device core: its life, the status machine, features, the config space. A comment before a case is
 * the id of the clause in the standard's list that it holds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/net_rig.h"
#include "tests/lib/probe_device.h"
#include "vmm/core/fd.h"
#include "vmm/core/log.h"

#define ACK     VIRTIO_CONFIG_S_ACKNOWLEDGE
#define DRIVER  VIRTIO_CONFIG_S_DRIVER
#define FEAT_OK VIRTIO_CONFIG_S_FEATURES_OK
#define LIVE    VIRTIO_CONFIG_S_DRIVER_OK
#define BROKEN  VIRTIO_CONFIG_S_NEEDS_RESET
#define FAILED  VIRTIO_CONFIG_S_FAILED

#define VERSION_1 FEATURE(VIRTIO_F_VERSION_1)

static int setup(void **state)
{
	*state = probe_create();
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	probe_destroy(*state);
	return 0;
}

static void bring_up(struct probe *p, uint64_t features)
{
	assert_int_equal(probe_bring_up(p, features), 0);
	assert_true(p->dev.started);
}

/* ---- life of the object */

static void kick_descriptors_are_open_all_life_long(void **state)
{
	struct probe *p = *state;

	for (unsigned i = 0; i < 3; i++)
		assert_true(fcntl(p->queue[i].kick_fd, F_GETFD) >= 0);
	bring_up(p, VERSION_1);
	virtio_fini(&p->dev);
	assert_int_equal(p->stops, 1);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(p->queue[i].kick_fd, -1);
}

static void running_out_of_descriptors_leaves_none_open(void **state)
{
	struct probe *p = *state;
	rlim_t was;
	int lowest, rc;

	virtio_fini(&p->dev);
	lowest = fd_eventfd();
	assert_true(lowest >= 0);
	close(lowest);
	was = limit_fds((rlim_t)lowest + 2);
	rc = virtio_init(&p->dev);
	limit_fds(was);
	assert_int_equal(rc, -EMFILE);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(p->queue[i].kick_fd, -1);
	assert_int_equal(fcntl(lowest, F_GETFD), -1);
}

/* ---- status (virtio 1.2, 2.1 and 3.1.1) */

static void the_steps_of_linux_lead_to_a_started_device(void **state)
{
	struct probe *p = *state;

	bring_up(p, VERSION_1 | FEATURE(VIRTIO_RING_F_EVENT_IDX));
	assert_int_equal(p->dev.status, ACK | DRIVER | FEAT_OK | LIVE);
	assert_int_equal(p->status_at_start & LIVE, LIVE);
	assert_int_equal(p->starts, 1);
	assert_true(vq_running(&p->queue[0].vq));
	assert_true(vq_running(&p->queue[1].vq));
	assert_false(vq_running(&p->queue[2].vq));
	assert_true(p->queue[0].vq.event_idx);
	assert_false(p->queue[0].vq.indirect);
	assert_int_equal(p->dev.accepted, VERSION_1 | FEATURE(VIRTIO_RING_F_EVENT_IDX));
	bring_up(p, VERSION_1 | FEATURE(VIRTIO_RING_F_INDIRECT_DESC));
	assert_false(p->queue[0].vq.event_idx);
	assert_true(p->queue[0].vq.indirect);
}

static void acknowledge_and_driver_may_come_in_one_write(void **state)
{
	struct probe *p = *state;

	virtio_set_status(&p->dev, ACK | DRIVER);
	assert_int_equal(p->dev.status, ACK | DRIVER);
}

static void a_step_before_its_turn_is_ignored(void **state)
{
	static const struct {
		uint8_t from, wrong;
	} rows[] = {
		{0, DRIVER},    {0, FEAT_OK}, {0, LIVE},
		{ACK, FEAT_OK}, {ACK, LIVE},  {ACK | DRIVER, LIVE},
	};
	struct probe *p = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		virtio_set_status(&p->dev, 0);
		if (rows[i].from)
			virtio_set_status(&p->dev, rows[i].from);
		virtio_accept(&p->dev, 1, 1);
		virtio_set_status(&p->dev, (uint32_t)rows[i].from | rows[i].wrong);
		assert_int_equal(p->dev.status, rows[i].from);
		assert_int_equal(p->starts, 0);
	}
}

/* Every order in which the four steps can be written one by one: only the right one arrives. */
static void of_all_orders_of_steps_only_the_right_one_starts_the_device(void **state)
{
	static const uint8_t bit[] = {ACK, DRIVER, FEAT_OK, LIVE};
	struct probe *p = *state;

	for (unsigned code = 0; code < 256; code++) {
		unsigned reached = 0;
		uint8_t expected = 0;

		virtio_set_status(&p->dev, 0);
		virtio_accept(&p->dev, 1, 1);
		for (unsigned i = 0; i < 4; i++) {
			const uint8_t step = bit[code >> (2 * i) & 3];

			if (reached < 4 && step == bit[reached])
				expected |= bit[reached++];
			fake_add_status(&p->drv, step);
		}
		assert_int_equal(p->dev.status, expected);
		assert_int_equal(p->dev.started, reached == 4);
	}
}

static void status_bits_are_cleared_by_reset_only(void **state)
{
	struct probe *p = *state;

	bring_up(p, VERSION_1);
	virtio_set_status(&p->dev, ACK);
	assert_int_equal(p->dev.status, ACK | DRIVER | FEAT_OK | LIVE);
	assert_true(p->dev.started);
	virtio_set_status(&p->dev, 0x100); /* not a reset either, and no known bit */
	assert_int_equal(p->dev.status, ACK | DRIVER | FEAT_OK | LIVE);
	virtio_set_status(&p->dev, 0);
	assert_int_equal(p->dev.status, 0);
}

static void a_driver_cannot_set_needs_reset_or_unknown_bits(void **state)
{
	struct probe *p = *state;

	virtio_set_status(&p->dev, ACK | BROKEN | 0x10 | 0x20 | 0xffffff00u);
	assert_int_equal(p->dev.status, ACK);
}

static void a_driver_that_failed_gets_no_further_without_reset(void **state)
{
	struct probe *p = *state;

	virtio_set_status(&p->dev, ACK | DRIVER);
	virtio_set_status(&p->dev, FAILED);
	assert_int_equal(p->dev.status, ACK | DRIVER | FAILED);
	virtio_accept(&p->dev, 1, 1);
	fake_add_status(&p->drv, FEAT_OK);
	assert_int_equal(p->dev.status, ACK | DRIVER | FAILED);
	bring_up(p, VERSION_1);
}

static void driver_ok_twice_starts_once(void **state)
{
	struct probe *p = *state;

	bring_up(p, VERSION_1);
	fake_add_status(&p->drv, LIVE);
	assert_int_equal(p->starts, 1);
}

static void driver_ok_without_any_queue_starts_the_device(void **state)
{
	struct probe *p = *state;

	assert_int_equal(fake_probe(&p->drv, VERSION_1, NULL, 0), 0);
	assert_int_equal(p->starts, 1);
}

/* ---- features (virtio 1.2, 2.2) */

/* dev.feat.accept-subsets, dev.feat.reject-bad: every subset of the bits on offer, and foreign ones */
static void features_ok_sticks_exactly_for_sets_that_we_run_with(void **state)
{
	static const uint64_t bits[] = {VERSION_1,   FEATURE(0),  FEATURE(1), FEATURE(28),
	                                FEATURE(29), FEATURE(40), FEATURE(2), /* not offered */
	                                FEATURE(63)};                         /* not offered */
	struct probe *p = *state;

	for (unsigned code = 0; code < 256; code++) {
		uint64_t set = 0;
		bool good;

		for (unsigned i = 0; i < ARRAY_SIZE(bits); i++)
			set |= code & 1u << i ? bits[i] : 0;
		good = !(set & ~PROBE_FEATURES) && (set & VERSION_1) &&
		       (!(set & FEATURE(1)) || (set & FEATURE(0)));
		assert_int_equal(fake_negotiate(&p->drv, set), good ? 0 : -ENODEV);
		assert_int_equal(p->dev.accepted, good ? set : 0);
		assert_int_equal(p->dev.status, ACK | DRIVER | (good ? FEAT_OK : 0));
	}
}

static void a_refused_set_can_be_corrected(void **state)
{
	struct probe *p = *state;

	assert_int_equal(fake_negotiate(&p->drv, FEATURE(0)), -ENODEV);
	virtio_accept(&p->dev, 1, 1);
	fake_add_status(&p->drv, FEAT_OK);
	assert_int_equal(p->dev.accepted, VERSION_1 | FEATURE(0));
}

static void without_a_check_of_its_own_a_device_runs_with_any_subset(void **state)
{
	struct probe *p = *state;

	p->dev.ops = &probe_plain_ops;
	assert_int_equal(fake_negotiate(&p->drv, VERSION_1 | FEATURE(1)), 0);
}

static void features_are_final_after_features_ok(void **state)
{
	struct probe *p = *state;

	assert_int_equal(fake_negotiate(&p->drv, VERSION_1), 0);
	virtio_accept(&p->dev, 0, 1);
	virtio_accept(&p->dev, 1, 0);
	fake_add_status(&p->drv, LIVE);
	assert_int_equal(p->dev.accepted, VERSION_1);
}

static void features_may_be_written_several_times_before(void **state)
{
	struct probe *p = *state;

	virtio_set_status(&p->dev, ACK | DRIVER);
	virtio_accept(&p->dev, 0, UINT32_MAX);
	virtio_accept(&p->dev, 1, UINT32_MAX);
	virtio_accept(&p->dev, 0, 1);
	virtio_accept(&p->dev, 1, 1);
	assert_int_equal(p->dev.accepted, 0);
	fake_add_status(&p->drv, FEAT_OK);
	assert_int_equal(p->dev.accepted, VERSION_1 | FEATURE(0));
}

/* dev.mmio.feature-windows, dev.feat.no-unsupported-offer */
static void feature_pages_above_the_second_are_empty(void **state)
{
	static const uint32_t pages[] = {2, 3, 4, 0x7fffffff, 0x80000000, 0x80000001, UINT32_MAX};
	struct probe *p = *state;

	assert_int_equal(virtio_offered(&p->dev, 0), u32_of(PROBE_FEATURES));
	assert_int_equal(virtio_offered(&p->dev, 1), PROBE_FEATURES >> 32);
	virtio_set_status(&p->dev, ACK | DRIVER);
	virtio_accept(&p->dev, 1, 1);
	for (unsigned i = 0; i < ARRAY_SIZE(pages); i++) {
		assert_int_equal(virtio_offered(&p->dev, pages[i]), 0);
		virtio_accept(&p->dev, pages[i], UINT32_MAX);
	}
	fake_add_status(&p->drv, FEAT_OK);
	assert_int_equal(p->dev.accepted, VERSION_1);
}

/* dev.feat.stable-renegotiation */
static void a_set_that_worked_works_again_after_every_reset(void **state)
{
	struct probe *p = *state;

	for (unsigned i = 1; i <= 1000; i++) {
		bring_up(p, PROBE_FEATURES);
		assert_int_equal(p->starts, i);
		virtio_set_status(&p->dev, 0);
		assert_int_equal(p->stops, i);
	}
}

/* ---- config space */

/* dev.mmio.cfg-bytes, dev.cfg.read-early */
static void config_reads_are_clipped_and_filled_with_zeros(void **state)
{
	struct probe *p = *state;
	uint8_t buf[8];

	for (uint32_t off = 0; off < 20; off++)
		for (uint32_t len = 1; len <= 8; len++) {
			memset(buf, 0xee, sizeof(buf));
			virtio_config_read(&p->dev, off, buf, len);
			for (uint32_t i = 0; i < 8; i++)
				assert_int_equal(buf[i], i >= len       ? 0xee
				                         : off + i >= 8 ? 0
				                                        : off + i + 1);
		}
	virtio_config_read(&p->dev, UINT32_MAX, buf, 8);
	assert_int_equal(buf[0], 0);
}

static void config_writes_are_clipped_and_vanish_past_the_end(void **state)
{
	struct probe *p = *state;
	const uint8_t buf[8] = {9, 9, 9, 9, 9, 9, 9, 9};

	virtio_config_write(&p->dev, 6, buf, 8);
	assert_int_equal(p->write_off, 6);
	assert_int_equal(p->write_len, 2);
	p->write_len = 0;
	virtio_config_write(&p->dev, 8, buf, 1);
	virtio_config_write(&p->dev, UINT32_MAX, buf, 8);
	assert_int_equal(p->write_len, 0);
	p->dev.ops = &probe_plain_ops; /* read-only */
	virtio_config_write(&p->dev, 0, buf, 8);
	assert_int_equal(p->config[0], 1);
}

/* ---- queues that somebody else serves */

static void the_used_bit_reads_one_while_a_peer_serves(void **state)
{
	struct probe *p = *state;

	bring_up(p, VERSION_1);
	assert_int_equal(p->dev.call_fd, -1);
	virtio_isr_always(&p->dev, true);
	assert_int_equal(virtio_isr(&p->dev), VIRTIO_ISR_USED);
	virtio_isr_ack(&p->dev, VIRTIO_ISR_USED);
	assert_int_equal(virtio_isr(&p->dev), VIRTIO_ISR_USED);
	/* The other bit stays exact. */
	virtio_config(&p->dev);
	assert_int_equal(virtio_isr(&p->dev), VIRTIO_ISR_USED | VIRTIO_ISR_CONFIG);
	virtio_isr_ack(&p->dev, VIRTIO_ISR_USED | VIRTIO_ISR_CONFIG);
	assert_int_equal(virtio_isr(&p->dev), VIRTIO_ISR_USED);
}

static void afterwards_the_used_bit_is_up_once_with_an_interrupt(void **state)
{
	struct probe *p = *state;
	unsigned before;

	bring_up(p, VERSION_1);
	virtio_isr_always(&p->dev, true);
	before = p->pulses;
	virtio_isr_always(&p->dev, false);
	assert_int_equal(p->pulses, before + 1);
	assert_int_equal(virtio_isr(&p->dev), VIRTIO_ISR_USED);
	virtio_isr_ack(&p->dev, VIRTIO_ISR_USED);
	assert_int_equal(virtio_isr(&p->dev), 0);
}

static void a_reset_ends_that(void **state)
{
	struct probe *p = *state;

	bring_up(p, VERSION_1);
	virtio_isr_always(&p->dev, true);
	virtio_set_status(&p->dev, 0);
	assert_int_equal(virtio_isr(&p->dev), 0);
}

static void a_queue_is_released_before_it_stops(void **state)
{
	struct probe *p = *state;

	virtio_queue_ready(&p->dev, 0, false);
	assert_int_equal(p->releases, 0); /* not started: nobody serves it */
	bring_up(p, VERSION_1);
	virtio_queue_ready(&p->dev, 1, false);
	assert_int_equal(p->releases, 1);
	assert_int_equal(p->running_at_release, 1);
	assert_false(vq_running(&p->queue[1].vq));
	virtio_queue_ready(&p->dev, 77, false);
	assert_int_equal(p->releases, 1);
}

static void a_failure_of_ours_asks_for_a_reset_and_is_no_broken_rule(void **state)
{
	struct probe *p = *state;

	bring_up(p, VERSION_1);
	virtio_failed(&p->dev, "the peer is mad");
	assert_int_equal(p->dev.status & BROKEN, BROKEN);
	assert_int_equal(p->stops, 1);
	assert_int_equal(p->dev.broken, 0);
	assert_int_equal(virtio_isr(&p->dev), VIRTIO_ISR_CONFIG);
	virtio_failed(&p->dev, "again");
	assert_int_equal(p->stops, 1);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest cases[] = {
		CASE(kick_descriptors_are_open_all_life_long),
		CASE(running_out_of_descriptors_leaves_none_open),
		CASE(the_steps_of_linux_lead_to_a_started_device),
		CASE(acknowledge_and_driver_may_come_in_one_write),
		CASE(a_step_before_its_turn_is_ignored),
		CASE(of_all_orders_of_steps_only_the_right_one_starts_the_device),
		CASE(status_bits_are_cleared_by_reset_only),
		CASE(a_driver_cannot_set_needs_reset_or_unknown_bits),
		CASE(a_driver_that_failed_gets_no_further_without_reset),
		CASE(driver_ok_twice_starts_once),
		CASE(driver_ok_without_any_queue_starts_the_device),
		CASE(features_ok_sticks_exactly_for_sets_that_we_run_with),
		CASE(a_refused_set_can_be_corrected),
		CASE(without_a_check_of_its_own_a_device_runs_with_any_subset),
		CASE(features_are_final_after_features_ok),
		CASE(features_may_be_written_several_times_before),
		CASE(feature_pages_above_the_second_are_empty),
		CASE(a_set_that_worked_works_again_after_every_reset),
		CASE(config_reads_are_clipped_and_filled_with_zeros),
		CASE(config_writes_are_clipped_and_vanish_past_the_end),
		CASE(the_used_bit_reads_one_while_a_peer_serves),
		CASE(afterwards_the_used_bit_is_up_once_with_an_interrupt),
		CASE(a_reset_ends_that),
		CASE(a_queue_is_released_before_it_stops),
		CASE(a_failure_of_ours_asks_for_a_reset_and_is_no_broken_rule),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(cases, NULL, NULL);
}
