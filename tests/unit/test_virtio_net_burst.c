/* SPDX-License-Identifier: Apache-2.0 */
/* The kick of a burst waits for the rest of it: for its time, or for a quarter of the ring. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "devices/virtio.h"
#include "tests/lib/vnet_layouts.h"
#include "tests/lib/vnet_rig.h"

#define RING    64u
#define AN_HOUR 3600000000u /* us: it comes when a test says so */

static struct vrig rig;

static int setup_for(void **state, struct vrig_options o)
{
	*state = &rig;
	o.peer = true;
	o.vq_size = o.vq_size ? o.vq_size : RING;
	vrig_create(&rig, o);
	vrig_up(&rig, VRIG_ALL);
	return 0;
}

static int setup(void **state)
{
	return setup_for(state, (struct vrig_options){.kick_wait_us = AN_HOUR});
}

static int setup_held(void **state)
{
	return setup_for(state,
	                 (struct vrig_options){.kick_wait_us = AN_HOUR, .tx_hold_us = AN_HOUR});
}

static int setup_off(void **state)
{
	return setup_for(state, (struct vrig_options){0});
}

static int setup_small(void **state)
{
	return setup_for(state, (struct vrig_options){.kick_wait_us = AN_HOUR, .vq_size = 4});
}

static int setup_without_event_idx(void **state)
{
	return setup_for(state, (struct vrig_options){.kick_wait_us = AN_HOUR,
	                                              .without = FEATURE(VIRTIO_RING_F_EVENT_IDX)});
}

static int teardown(void **state)
{
	vrig_destroy(*state);
	return 0;
}

static struct net_burst *burst(void)
{
	return &rig.n->pair[0].burst;
}

static uint64_t sent(void)
{
	return virtio_net_stats(rig.n)->tx_frames;
}

/* As after many kicks that came close. */
static void be_sure(void)
{
	burst()->plan.score = TX_BURST_MAX;
	burst()->plan.cost_ns = UINT64_MAX / TX_BURST_COSTS;
	burst()->plan.held = 0;
}

static void kick(void)
{
	fake_kick(&rig.dev, NET_TX);
	vrig_pump(&rig);
}

/* As a driver does it. Was a kick wanted? */
static bool send_one(void)
{
	bool wanted;

	vrig_post_tx(&rig);
	wanted = fake_vq_wants_kick(&rig.vq[NET_TX]);
	if (wanted)
		kick();
	return wanted;
}

static void expire(void)
{
	assert_int_not_equal(burst()->late.at_ns, 0);
	burst()->late.at_ns = 1;
	loop_turn(rig.loop, 0);
	assert_int_equal(burst()->late.at_ns, 0);
}

static void its_frames_leave_together_when_the_time_is_over(unused void **state)
{
	be_sure();
	assert_true(send_one());
	assert_int_equal(sent(), 0);
	for (unsigned i = 0; i < 4; i++)
		assert_false(send_one());
	assert_int_equal(sent(), 0);
	expire();
	assert_int_equal(sent(), 5);
	assert_int_equal(virtio_net_stats(rig.n)->tx_waits, 1);
	/* Afterwards it is kicked for the next one again. */
	assert_true(send_one());
}

static void a_quarter_of_the_ring_does_not_wait_for_the_time(unused void **state)
{
	unsigned head;
	uint32_t len;

	/* Several times round the ring, in all positions. */
	for (unsigned n = 1; n <= 11; n++) {
		be_sure();
		assert_true(send_one());
		for (unsigned i = 1; i + 1 < RING / 4; i++)
			assert_false(send_one());
		assert_int_equal(sent(), (n - 1) * (RING / 4 + 1));
		assert_true(send_one());
		assert_int_equal(sent(), n * (RING / 4 + 1) - 1);
		assert_int_equal(burst()->late.at_ns, 0);
		burst()->plan.score = 0;
		assert_true(send_one());
		while (fake_vq_reap(&rig.vq[NET_TX], &head, &len))
			;
	}
}

/* As the one about a lone frame: test_virtio_net_hold.c. */
static void the_interrupt_about_it_waits_for_the_next_kick(unused void **state)
{
	const uint64_t *const interrupts = &virtio_net_stats(rig.n)->tx_interrupts;

	fake_vq_irq_on(&rig.vq[NET_TX]);
	be_sure();
	send_one();
	send_one();
	expire();
	assert_int_equal(sent(), 2);
	assert_int_equal(fake_vq_nr_used(&rig.vq[NET_TX]), 2);
	assert_int_equal(*interrupts, 0);
	send_one();
	expire();
	assert_int_equal(*interrupts, 1);
}

static void a_driver_that_has_filled_a_quarter_is_told_at_once(unused void **state)
{
	fake_vq_irq_on(&rig.vq[NET_TX]);
	be_sure();
	for (unsigned i = 0; i < RING / 4; i++)
		send_one();
	assert_int_equal(sent(), RING / 4);
	assert_int_equal(virtio_net_stats(rig.n)->tx_interrupts, 1);
}

static void so_much_is_there_already_that_nothing_waits(unused void **state)
{
	be_sure();
	for (unsigned i = 0; i < RING / 4; i++)
		vrig_post_tx(&rig);
	kick();
	assert_int_equal(sent(), RING / 4);
	assert_int_equal(virtio_net_stats(rig.n)->tx_waits, 0);
	assert_true(send_one());
}

static void reap(void)
{
	unsigned head;
	uint32_t len;

	while (fake_vq_reap(&rig.vq[NET_TX], &head, &len))
		;
}

/* Its interrupt has come, and it goes on at once: each time it had nothing else to do. */
static void a_driver_that_waits_for_the_interrupt_does_not_wait_for_long(unused void **state)
{
	struct net_hold *h = &rig.n->pair[0].hold;

	h->prompt_ns = UINT64_MAX;
	for (unsigned i = 0; i < 4; i++) {
		reap();
		assert_false(fake_vq_irq_on(&rig.vq[NET_TX]));
		be_sure();
		send_one();
		send_one();
		expire();
		assert_int_equal(virtio_net_stats(rig.n)->tx_interrupts, i);
		h->late.at_ns = 1;
		loop_turn(rig.loop, 0);
		assert_int_equal(virtio_net_stats(rig.n)->tx_interrupts, i + 1);
	}
	be_sure();
	send_one();
	assert_int_equal(sent(), 9);
}

static void a_queue_that_is_taken_back_alone_has_no_kick_that_waits(unused void **state)
{
	be_sure();
	send_one();
	net_tx_release(&rig.n->pair[0]);
	assert_int_equal(burst()->late.at_ns, 0);
}

static void a_driver_that_kicks_all_the_same_is_served(unused void **state)
{
	be_sure();
	vrig_post_tx(&rig);
	kick();
	assert_int_equal(sent(), 0);
	kick();
	assert_int_equal(sent(), 1);
	assert_int_equal(burst()->late.at_ns, 0);
}

static void the_loop_wakes_for_it(unused void **state)
{
	be_sure();
	burst()->plan.cost_ns = 1000; /* ns */
	send_one();
	while (sent() == 0)
		assert_true(loop_turn(rig.loop, -1) >= 0);
}

static void a_kick_for_nothing_does_not_end_the_kicks(unused void **state)
{
	be_sure();
	kick();
	expire();
	assert_true(send_one());
}

static void after_a_frame_for_the_driver_it_does_not_wait(unused void **state)
{
	be_sure();
	vrig_receive(&rig);
	assert_true(send_one());
	assert_int_equal(sent(), 1);
	assert_int_equal(virtio_net_stats(rig.n)->tx_waits, 0);
}

static void what_waits_is_not_lost_with_a_change_of_the_path(unused void **state)
{
	be_sure();
	send_one();
	assert_int_equal(virtio_net_set_path(rig.n, true, &(struct virtio_net_switch){0}), 0);
	assert_int_equal(sent(), 0);
	assert_int_equal(virtio_net_set_path(rig.n, false, &(struct virtio_net_switch){0}), 0);
	vrig_pump(&rig);
	assert_int_equal(sent(), 1);
}

static void a_device_that_is_reset_forgets_it(unused void **state)
{
	be_sure();
	send_one();
	virtio_set_status(rig.dev.core, 0);
	assert_int_equal(burst()->late.at_ns, 0);
	loop_turn(rig.loop, 0);
	assert_int_equal(sent(), 0);
}

static void a_backend_that_is_full_meanwhile_is_waited_for(unused void **state)
{
	be_sure();
	send_one();
	fake_net_fail_send(rig.net, 0, -EAGAIN, 1);
	expire();
	assert_int_equal(sent(), 0);
	assert_true(fake_net_can_send(rig.net));
	vrig_pump(&rig);
	assert_int_equal(sent(), 1);
}

static void nothing_waits(unused void **state)
{
	unsigned head;
	uint32_t len;

	be_sure();
	for (unsigned i = 1; i <= 10; i++) {
		vrig_post_tx(&rig);
		kick();
		assert_int_equal(sent(), i);
		while (fake_vq_reap(&rig.vq[NET_TX], &head, &len))
			;
	}
	assert_int_equal(virtio_net_stats(rig.n)->tx_waits, 0);
}

#define CASE(fn)          cmocka_unit_test_setup_teardown(fn, setup, teardown)
#define CASE_FOR(fn, how) cmocka_unit_test_setup_teardown(fn, how, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(its_frames_leave_together_when_the_time_is_over),
		CASE(a_quarter_of_the_ring_does_not_wait_for_the_time),
		CASE_FOR(the_interrupt_about_it_waits_for_the_next_kick, setup_held),
		CASE_FOR(a_driver_that_has_filled_a_quarter_is_told_at_once, setup_held),
		CASE(so_much_is_there_already_that_nothing_waits),
		CASE_FOR(a_driver_that_waits_for_the_interrupt_does_not_wait_for_long, setup_held),
		CASE(a_queue_that_is_taken_back_alone_has_no_kick_that_waits),
		CASE(a_driver_that_kicks_all_the_same_is_served),
		CASE(the_loop_wakes_for_it),
		CASE(a_kick_for_nothing_does_not_end_the_kicks),
		CASE(after_a_frame_for_the_driver_it_does_not_wait),
		CASE(what_waits_is_not_lost_with_a_change_of_the_path),
		CASE(a_device_that_is_reset_forgets_it),
		CASE(a_backend_that_is_full_meanwhile_is_waited_for),
		CASE_FOR(nothing_waits, setup_off),
		CASE_FOR(nothing_waits, setup_without_event_idx),
		CASE_FOR(nothing_waits, setup_small),
	};

	return VRIG_RUN_LAYOUTS(tests);
}
