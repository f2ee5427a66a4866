/* SPDX-License-Identifier: Apache-2.0 */
/* The interrupt about a lone frame waits: for the driver's next kick, for another interrupt, or for its time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "devices/virtio.h"
#include "tests/lib/vnet_layouts.h"
#include "tests/lib/vnet_rig.h"

#define AN_HOUR 3600000000u /* us: it comes when a test says so */

static struct vrig rig;

static int setup_for(void **state, struct vrig_options o)
{
	*state = &rig;
	o.peer = true;
	o.vq_size = 64;
	vrig_create(&rig, o);
	vrig_up(&rig, VRIG_ALL);
	fake_vq_irq_on(&rig.vq[NET_TX]);
	fake_vq_irq_on(&rig.vq[NET_RX]);
	return 0;
}

static int setup(void **state)
{
	return setup_for(state, (struct vrig_options){.tx_hold_us = AN_HOUR});
}

static int setup_off(void **state)
{
	return setup_for(state, (struct vrig_options){0});
}

static int setup_short(void **state)
{
	return setup_for(state, (struct vrig_options){.tx_hold_us = 1});
}

static int setup_without_event_idx(void **state)
{
	return setup_for(state, (struct vrig_options){.tx_hold_us = AN_HOUR,
	                                              .without = FEATURE(VIRTIO_RING_F_EVENT_IDX)});
}

static int teardown(void **state)
{
	vrig_destroy(*state);
	return 0;
}

static uint64_t interrupts(void)
{
	return virtio_net_stats(rig.n)->tx_interrupts;
}

static struct net_hold *hold(void)
{
	return &rig.n->pair[0].hold;
}

static void kick(void)
{
	fake_kick(&rig.dev, NET_TX);
	vrig_pump(&rig);
}

/* As Linux: take back what is used, ask to hear of the next one, offer a frame. */
static void send_after_reaping(void)
{
	unsigned head;
	uint32_t len;

	while (fake_vq_reap(&rig.vq[NET_TX], &head, &len))
		;
	assert_false(fake_vq_irq_on(&rig.vq[NET_TX]));
	vrig_post_tx(&rig);
	kick();
}

static void expire(void)
{
	hold()->late.at_ns = 1;
	loop_turn(rig.loop, 0);
	assert_int_equal(hold()->late.at_ns, 0);
}

static void a_driver_that_takes_buffers_back_by_itself_is_not_interrupted(unused void **state)
{
	for (unsigned i = 1; i <= 10; i++) {
		send_after_reaping();
		assert_int_equal(virtio_net_stats(rig.n)->tx_frames, i);
		assert_int_equal(fake_vq_nr_used(&rig.vq[NET_TX]), 1); /* at once */
		assert_true(hold()->late.at_ns != 0);
	}
	assert_int_equal(interrupts(), 0);
	assert_int_equal(virtio_net_stats(rig.n)->tx_interrupts_suppressed, 9);
}

static void one_that_does_nothing_is_interrupted_when_the_time_is_over(unused void **state)
{
	send_after_reaping();
	assert_int_equal(interrupts(), 0);
	expire();
	assert_int_equal(interrupts(), 1);
	loop_turn(rig.loop, 0);
	assert_int_equal(interrupts(), 1);
}

static void the_loop_wakes_for_it(unused void **state)
{
	send_after_reaping();
	while (interrupts() == 0)
		assert_true(loop_turn(rig.loop, -1) >= 0);
	assert_int_equal(interrupts(), 1);
}

static void one_that_sends_and_has_not_seen_the_first_is_interrupted(unused void **state)
{
	send_after_reaping();
	vrig_post_tx(&rig);
	kick();
	assert_int_equal(interrupts(), 1);
	assert_int_equal(hold()->late.at_ns, 0);
	assert_int_equal(fake_vq_nr_used(&rig.vq[NET_TX]), 2);
}

static void several_frames_are_told_at_once(unused void **state)
{
	vrig_post_tx(&rig);
	vrig_post_tx(&rig);
	kick();
	assert_int_equal(interrupts(), 1);
	assert_int_equal(hold()->late.at_ns, 0);
}

static void an_interrupt_about_received_frames_is_about_it_too(unused void **state)
{
	const uint64_t before = rig.dev.core->interrupts;

	send_after_reaping();
	vrig_receive(&rig);
	assert_int_equal(virtio_net_stats(rig.n)->rx_interrupts, 1);
	assert_int_equal(rig.dev.core->interrupts, before + 1);
	assert_int_equal(hold()->late.at_ns, 0);
	assert_int_equal(interrupts(), 0);
	/* The next one is told of what came after, and of nothing before. */
	send_after_reaping();
	expire();
	assert_int_equal(interrupts(), 1);
}

static void who_wants_no_interrupt_costs_no_deadline(unused void **state)
{
	fake_vq_irq_off(&rig.vq[NET_TX]);
	if (!rig.vq[NET_TX].packed)
		fake_vq_raw_used_event(&rig.vq[NET_TX], 1000);
	vrig_post_tx(&rig);
	kick();
	assert_int_equal(hold()->late.at_ns, 0);
	assert_int_equal(interrupts(), 0);
}

static void a_device_that_stops_tells_first(unused void **state)
{
	send_after_reaping();
	virtio_net_set_path(rig.n, true, &(struct virtio_net_switch){0});
	assert_int_equal(interrupts(), 1);
	assert_int_equal(hold()->late.at_ns, 0);
}

static void a_queue_that_is_taken_back_is_not_told_of(unused void **state)
{
	send_after_reaping();
	virtio_set_status(rig.dev.core, 0);
	assert_int_equal(hold()->late.at_ns, 0);
	loop_turn(rig.loop, 0);
}

/* Each frame only after the interrupt about the one before. */
static void a_driver_that_waits_for_it_does_not_wait_for_long(unused void **state)
{
	hold()->prompt_ns = UINT64_MAX; /* however slow this machine is just now */
	for (unsigned i = 0; i < 4; i++) {
		send_after_reaping();
		assert_int_equal(interrupts(), i);
		expire();
	}
	/* The fifth comes right behind the fourth interrupt: from here on nothing is held. */
	send_after_reaping();
	assert_int_equal(interrupts(), 4 + 1);
	assert_int_equal(hold()->late.at_ns, 0);
}

static void nothing_is_held(unused void **state)
{
	for (unsigned i = 1; i <= 10; i++) {
		send_after_reaping();
		assert_int_equal(hold()->late.at_ns, 0);
		assert_int_equal(interrupts(), i);
	}
}

#define CASE(fn)          cmocka_unit_test_setup_teardown(fn, setup, teardown)
#define CASE_FOR(fn, how) cmocka_unit_test_setup_teardown(fn, how, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_driver_that_takes_buffers_back_by_itself_is_not_interrupted),
		CASE(one_that_does_nothing_is_interrupted_when_the_time_is_over),
		CASE_FOR(the_loop_wakes_for_it, setup_short),
		CASE(one_that_sends_and_has_not_seen_the_first_is_interrupted),
		CASE(several_frames_are_told_at_once),
		CASE(an_interrupt_about_received_frames_is_about_it_too),
		CASE(who_wants_no_interrupt_costs_no_deadline),
		CASE(a_device_that_stops_tells_first),
		CASE(a_queue_that_is_taken_back_is_not_told_of),
		CASE(a_driver_that_waits_for_it_does_not_wait_for_long),
		CASE_FOR(nothing_is_held, setup_off),
		CASE_FOR(nothing_is_held, setup_without_event_idx),
	};

	return VRIG_RUN_LAYOUTS(tests);
}
