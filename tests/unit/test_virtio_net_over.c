// SPDX-License-Identifier: Apache-2.0
/*
 * How several pairs go over from one side to the other: all at once, or one by one. On one thread;
 * test_virtio_net_over_threads.c has them all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/virtio.h"
#include "tests/lib/vnet_lanes.h"
#include "tests/lib/vnet_layouts.h"

#define PAIRS 4u

static struct vrig rig;
static struct lane lane[PAIRS];
static struct virtio_net_switch result;

static int setup_with(void **state, bool by_pair)
{
	*state = &rig;
	vrig_create(&rig, (struct vrig_options){.pairs = PAIRS,
	                                        .peer = true,
	                                        .by_pair = by_pair,
	                                        .vq_size = 64,
	                                        .without = VRIG_F(RSS)});
	vrig_up(&rig, VRIG_ALL);
	for (unsigned i = 0; i < PAIRS; i++)
		lane_init(&lane[i], &rig, i);
	return 0;
}

static int setup_together(void **state)
{
	return setup_with(state, false);
}

static int setup_one_by_one(void **state)
{
	return setup_with(state, true);
}

static int teardown(void **state)
{
	vrig_destroy(*state);
	return 0;
}

static bool needs_reset(void)
{
	return fake_status(&rig.dev) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

static void use_pairs(unsigned nr)
{
	assert_int_equal(vrig_set_pairs(&rig, nr), VIRTIO_NET_OK);
}

static int set_path(bool rings)
{
	return virtio_net_set_path(rig.n, rings, &result);
}

/* The first @nr pairs are served, by the peer or by us, and by nobody else. */
static void expect_served(unsigned nr, bool rings)
{
	assert_int_equal(rig.peer.started, rings);
	for (unsigned i = 0; i < nr; i++)
		assert_int_equal(rig.nets[i]->started, !rings);
	assert_false(needs_reset());
	assert_int_equal(virtio_net_rings(rig.n), rings);
	lanes_traffic(lane, nr);
}

static unsigned rnd(unsigned below)
{
	static uint32_t x = 12345;

	x = x * 1664525u + 1013904223u;
	return (x >> 16) % below;
}

static void all_pairs_change_the_path_and_nothing_is_lost(unused void **state)
{
	bool rings = false;

	use_pairs(3);
	for (unsigned i = 0; i < 3000; i++) {
		for (unsigned k = 0; k < 3; k++) {
			lane_post_rx(&lane[k], rnd(20));
			lane_send(&lane[k], rnd(20));
			lane_arrive(&lane[k], rnd(20));
		}
		if (rnd(4))
			lanes_run(&rig, rnd(16));
		for (unsigned k = 0; k < 3; k++) {
			lane_check_out(&lane[k]);
			lane_reap(&lane[k]);
		}
		rings = !rings;
		assert_int_equal(set_path(rings), 0);
		assert_int_equal(rig.peer.started, rings);
	}
	lanes_drain(lane, 3);
	assert_int_equal(rig.peer.nr, 6);
	assert_int_equal(virtio_net_stats(rig.n)->switches, 3000);
	for (unsigned i = 0; i < 3; i++)
		assert_true(lane[i].sent > 3000 && lane[i].received > 3000);
}

static void other_pairs_on_the_ring_path_lose_nothing(unused void **state)
{
	assert_int_equal(set_path(true), 0);
	for (unsigned i = 0; i < 300; i++) {
		unsigned nr = 1 + rnd(PAIRS);

		use_pairs(nr);
		assert_int_equal(rig.peer.nr, 2 * nr);
		for (unsigned k = 0; k < nr; k++) {
			lane_post_rx(&lane[k], rnd(30));
			lane_send(&lane[k], rnd(30));
			lane_arrive(&lane[k], rnd(30));
		}
		lanes_run(&rig, rnd(16));
		for (unsigned k = 0; k < PAIRS; k++) {
			lane_check_out(&lane[k]);
			lane_reap(&lane[k]);
		}
	}
	use_pairs(PAIRS);
	lanes_drain(lane, PAIRS);
}

static void a_peer_that_does_not_start_leaves_all_pairs_with_us(unused void **state)
{
	bool by_rss;

	use_pairs(2);
	rig.peer.start_err = -EIO;
	assert_int_equal(set_path(true), -EIO);
	lanes_traffic(lane, 2);
	rig.peer.start_err = 0;
	assert_int_equal(set_path(true), 0);
	lanes_traffic(lane, 2);
	rig.peer.start_err = -EIO;
	assert_int_equal(vrig_set_pairs(&rig, 1),
	                 VIRTIO_NET_ERR); /* nor does it start again as before */
	assert_int_equal(virtio_net_pairs(rig.n, &by_rss), 2);
	assert_false(rig.peer.started);
	lanes_traffic(lane, 2);
}

/* Pair 2 has one buffer of 256 bytes, and a frame of 2000. */
static void let_a_frame_wait(void)
{
	uint8_t big[2000];

	use_pairs(3);
	lane_post_rx(&lane[2], 1);
	vrig_frame(big, sizeof(big), vrig_mac, 1);
	fake_net_queue(rig.nets[2], NULL, big, sizeof(big));
	lanes_run(&rig, 64);
}

static void the_frame_is_delivered(void)
{
	unsigned head;
	uint32_t len;

	lane_post_rx(&lane[2], 10);
	lanes_run(&rig, 64);
	for (unsigned i = 0; i < 8; i++)
		assert_true(fake_vq_reap(&rig.vq[4], &head, &len));
	assert_int_equal(set_path(true), 0);
	lanes_traffic(lane, 2);
}

static void a_frame_in_the_hands_of_one_pair_keeps_all_of_them(unused void **state)
{
	let_a_frame_wait();
	assert_int_equal(set_path(true), -EAGAIN);
	assert_non_null(strstr(result.why, "waits for buffers"));
	assert_false(rig.peer.started || rig.peer.held || needs_reset());
	assert_int_equal(result.pause_ns, 0);
	lanes_traffic(lane, 2);
	the_frame_is_delivered();
}

static void a_frame_that_waits_is_seen_before_a_pair_stops(unused void **state)
{
	unsigned starts;
	char why[400];

	let_a_frame_wait();
	starts = rig.nets[0]->nr_starts;
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(virtio_net_open_rings(rig.n, why, sizeof(why)), -EAGAIN);
		assert_non_null(strstr(why, "waits for buffers"));
	}
	assert_int_equal(rig.nets[0]->nr_starts, starts);
	assert_int_equal(rig.peer.nr_starts, 0);
	lanes_traffic(lane, 2);
	the_frame_is_delivered();
}

static void the_peer_may_find_any_ring_broken(unused void **state)
{
	use_pairs(3);
	assert_int_equal(set_path(true), 0);
	rig.peer.sink.bad_ring(rig.peer.sink.arg, 5);
	assert_true(needs_reset());
	assert_false(rig.peer.started);
}

/* Between the link that is up and whatever the device does about it, a frame comes for a pair with one small buffer. */
static void frame_at_the_interrupt(unused void *transport)
{
	fake_net_can_recv(rig.nets[2]);
}

static void
a_frame_that_comes_with_the_link_does_not_keep_the_rings_from_the_peer(unused void **state)
{
	static const struct virtio_transport_ops tops = {.interrupt = frame_at_the_interrupt};
	uint8_t big[2000];

	use_pairs(3);
	assert_int_equal(set_path(true), 0);
	virtio_net_set_link(rig.n, false);
	vrig_pump(&rig);
	assert_false(rig.peer.started);
	lane_post_rx(&lane[2], 1);
	vrig_pump(&rig);
	vrig_frame(big, sizeof(big), vrig_mac, 1);
	fake_net_queue(rig.nets[2], NULL, big, sizeof(big));
	rig.dev.core->tops = &tops;
	virtio_net_set_link(rig.n, true);
	rig.dev.core->tops = NULL;
	assert_true(rig.peer.started);
	assert_true(virtio_net_rings(rig.n));
}

/* ---- one by one */

static char order[64];

/* All others are served meanwhile, each on its side: in @order goes who starts there, and who stops. */
static void note_change(unsigned pair, bool start)
{
	const size_t len = strlen(order);

	/* The interrupts of a pair that is there, or about to be, are not ours to count. */
	assert_int_not_equal(rig.dev.core->isr_always, 0);
	for (unsigned i = 0; i < 3; i++) {
		const bool there = rig.peer.serves & 1u << i;

		assert_int_equal(there, start ? i < pair : i <= pair);
		assert_int_equal(rig.nets[i]->started, i > pair);
	}
	order[len] = (char)('0' + pair);
	order[len + 1] = start ? '+' : '-';
}

static void each_pair_goes_over_while_the_others_are_served(unused void **state)
{
	use_pairs(3);
	memset(order, 0, sizeof(order));
	rig.peer.on_change = note_change;
	assert_int_equal(set_path(true), 0);
	assert_true(result.pause_ns > 0 && result.pause_at_ns > 0);
	assert_int_equal(set_path(false), 0);
	rig.peer.on_change = NULL;
	/* The device's thread serves pair 0, and waits for all others. */
	assert_string_equal(order, "0+1+2+2-1-0-");
	expect_served(3, false);
	assert_int_equal(rig.dev.core->isr_always, 0);
	assert_int_equal(virtio_net_stats(rig.n)->switches, 2);
}

static void a_pair_that_its_peer_refuses_takes_all_back(unused void **state)
{
	use_pairs(3);
	for (unsigned i = 0; i < 3; i++) {
		rig.peer.start_err = -EIO;
		rig.peer.start_ok = i;
		assert_int_equal(set_path(true), -EIO);
		assert_false(rig.peer.held);
		assert_int_equal(result.pause_ns, 0);
		expect_served(3, false);
		assert_int_equal(rig.dev.core->isr_always, 0);
	}
	rig.peer.start_err = 0;
	assert_int_equal(set_path(true), 0);
	expect_served(3, true);
}

static void a_link_that_comes_back_without_the_peer_leaves_it_nothing(unused void **state)
{
	use_pairs(3);
	assert_int_equal(set_path(true), 0);
	virtio_net_set_link(rig.n, false);
	assert_false(rig.peer.held);
	rig.peer.start_err = -EIO;
	rig.peer.start_ok = 1; /* the first pair was there */
	virtio_net_set_link(rig.n, true);
	expect_served(3, false);
	assert_false(rig.peer.held);
	rig.peer.start_err = 0;
}

static void a_pair_that_we_cannot_start_takes_all_back(unused void **state)
{
	use_pairs(3);
	assert_int_equal(set_path(true), 0);
	for (unsigned i = 0; i < 3; i++) {
		rig.nets[i]->start_err = -ENOMEM;
		assert_int_equal(set_path(false), -ENOMEM);
		assert_int_not_equal(rig.dev.core->isr_always, 0);
		expect_served(3, true);
		rig.nets[i]->start_err = 0;
	}
	assert_int_equal(set_path(false), 0);
	expect_served(3, false);
}

static void expect_reset_and_a_new_life(void)
{
	assert_true(needs_reset());
	assert_false(rig.peer.started || rig.peer.held);
	for (unsigned i = 0; i < PAIRS; i++) {
		assert_false(rig.nets[i]->started);
		rig.nets[i]->start_err = 0;
	}
	assert_int_equal(rig.dev.core->isr_always, 0);
	rig.peer.start_err = 0;
	rig.peer.lie = false;
	vrig_up(&rig, VRIG_ALL);
	for (unsigned i = 0; i < PAIRS; i++)
		lane_init(&lane[i], &rig, i);
	use_pairs(3);
	lanes_traffic(lane, 3);
}

static void a_pair_that_nobody_starts_stops_the_device(unused void **state)
{
	for (unsigned i = 0; i < 3; i++) {
		use_pairs(3);
		assert_int_equal(set_path(true), 0);
		rig.nets[i]->start_err = -ENOMEM;
		rig.peer.start_err = -EIO;
		assert_int_equal(set_path(false), -EPROTO);
		expect_reset_and_a_new_life();
		set_path(false);
	}
}

/* Pair 1 has started here when pair 0 cannot, and does not go back. */
static void pairs_that_do_not_find_together_again_stop_the_device(unused void **state)
{
	use_pairs(2);
	assert_int_equal(set_path(true), 0);
	rig.nets[0]->start_err = -ENOMEM;
	rig.peer.start_err = -EIO;
	rig.peer.start_ok = 1;
	assert_int_equal(set_path(false), -EPROTO);
	expect_reset_and_a_new_life();
}

static void where_the_peer_says_that_one_pair_ended_is_judged(unused void **state)
{
	for (unsigned i = 0; i < 6; i++) {
		use_pairs(3);
		lanes_traffic(lane, 3);
		assert_int_equal(set_path(true), 0);
		for (unsigned k = 0; k < 6; k++)
			rig.peer.lie_next_avail[k] = vq_position(&rig.peer.vq[k]);
		rig.peer.lie_next_avail[i] = UINT32_MAX;
		rig.peer.lie = true;
		assert_int_equal(set_path(false), -EPROTO);
		expect_reset_and_a_new_life();
		set_path(false);
	}
}

static void a_driver_that_goes_finds_all_pairs_stopped(unused void **state)
{
	use_pairs(3);
	assert_int_equal(set_path(true), 0);
	virtio_set_status(rig.dev.core, 0);
	assert_false(rig.peer.started || rig.peer.held);
	assert_int_equal(rig.peer.nr_stops, 3);
	rig.peer.start_err = -EIO;
	rig.peer.start_ok = 0;
	assert_int_not_equal(vrig_try_up(&rig, VRIG_ALL), 0);
	assert_true(needs_reset());
}

#define TOGETHER(name) cmocka_unit_test_setup_teardown(name, setup_together, teardown)
#define BY_PAIR(name)  cmocka_unit_test_setup_teardown(name, setup_one_by_one, teardown)
#define BOTH(name)     TOGETHER(name), BY_PAIR(name)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(all_pairs_change_the_path_and_nothing_is_lost),
		BOTH(other_pairs_on_the_ring_path_lose_nothing),
		BOTH(a_peer_that_does_not_start_leaves_all_pairs_with_us),
		BOTH(a_frame_in_the_hands_of_one_pair_keeps_all_of_them),
		BOTH(a_frame_that_waits_is_seen_before_a_pair_stops),
		BOTH(a_frame_that_comes_with_the_link_does_not_keep_the_rings_from_the_peer),
		BOTH(the_peer_may_find_any_ring_broken),
		BY_PAIR(each_pair_goes_over_while_the_others_are_served),
		BY_PAIR(a_pair_that_its_peer_refuses_takes_all_back),
		BY_PAIR(a_link_that_comes_back_without_the_peer_leaves_it_nothing),
		BOTH(a_pair_that_we_cannot_start_takes_all_back),
		BOTH(a_pair_that_nobody_starts_stops_the_device),
		BY_PAIR(pairs_that_do_not_find_together_again_stop_the_device),
		BOTH(where_the_peer_says_that_one_pair_ended_is_judged),
		BY_PAIR(a_driver_that_goes_finds_all_pairs_stopped),
	};

	return VRIG_RUN_LAYOUTS(tests);
}
