/* SPDX-License-Identifier: Apache-2.0 */
/* poll=try: the loop looks for frames while these are faster for it. The clock is the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "devices/virtio.h"
#include "devices/virtio_provoke.h"
#include "devices/virtio_watch.h"
#include "tests/lib/vnet_layouts.h"
#include "tests/lib/vnet_rig.h"
#include "vmm/core/compiler.h"

#define FRAME 100u
#define LARGE 4000u

/* What a frame takes: until the next one comes. */
#define SLOW_NS UINT64_C(200000)
#define FAST_NS UINT64_C(100000)
#define SEC     UINT64_C(1000000000)

static struct vrig rig;
static uint64_t clock_ns;
static struct net_pair *pair;
static const struct virtio_net_stats *stats;

static uint64_t clock_now(void)
{
	return clock_ns;
}

static int setup(void **state)
{
	*state = &rig;
	vrig_create(&rig, (struct vrig_options){.peer = true, .vq_size = 64, .poll = POLL_TRY});
	clock_ns = UINT64_C(1000000000000);
	pair = &rig.n->pair[0];
	pair->tried.now_ns = clock_now;
	vrig_up(&rig, VRIG_ALL);
	stats = virtio_net_stats(rig.n);
	return 0;
}

static int teardown(void **state)
{
	vrig_destroy(*state);
	return 0;
}

/* One frame out of the guest, with a kick if the device wants one; until it is sent. */
static void send(uint32_t len)
{
	const uint64_t before = stats->tx_frames;
	uint8_t bytes[NET_HDR_LEN + LARGE] = {0};
	unsigned head;
	uint32_t used;
	struct fake_buf b;

	vrig_frame(bytes + NET_HDR_LEN, len, vrig_mac, 1);
	b = fake_out(&rig.m, bytes, NET_HDR_LEN + len);
	assert_true(fake_vq_add(&rig.vq[NET_TX], &b, 1) >= 0);
	fake_vq_publish(&rig.vq[NET_TX]);
	if (fake_vq_wants_kick(&rig.vq[NET_TX]))
		fake_kick(&rig.dev, NET_TX);
	for (unsigned i = 0; i < 4 && stats->tx_frames == before; i++)
		assert_true(loop_turn(rig.loop, 0) >= 0);
	assert_int_equal(stats->tx_frames, before + 1);
	while (fake_vq_reap(&rig.vq[NET_TX], &head, &used))
		;
	fake_net_forget_sent(rig.net);
	vrig_forget(&rig);
}

static void post_rx(void)
{
	struct fake_buf b = fake_in(&rig.m, 256);

	assert_true(fake_vq_add(&rig.vq[NET_RX], &b, 1) >= 0);
	fake_vq_publish(&rig.vq[NET_RX]);
}

static void receive(void)
{
	uint8_t frame[FRAME];

	vrig_frame(frame, sizeof(frame), vrig_mac, 2);
	fake_net_queue(rig.net, NULL, frame, sizeof(frame));
	fake_net_can_recv(rig.net);
}

/* A frame comes, and is answered by one of @len bytes. */
static void answer(uint32_t len)
{
	const uint64_t before = stats->rx_frames;
	unsigned head;
	uint32_t used;

	post_rx();
	if (fake_vq_wants_kick(&rig.vq[NET_RX]))
		fake_kick(&rig.dev, NET_RX);
	receive();
	for (unsigned i = 0; i < 4 && stats->rx_frames == before; i++)
		assert_true(loop_turn(rig.loop, 0) >= 0);
	assert_int_equal(stats->rx_frames, before + 1);
	while (fake_vq_reap(&rig.vq[NET_RX], &head, &used))
		;
	send(len);
}

/* Somebody who asks, and asks again when he has the answer. */
static void closed_loop(uint64_t ns)
{
	for (const uint64_t until = clock_ns + ns; clock_ns < until;) {
		answer(FRAME);
		clock_ns += pair->polls ? FAST_NS : SLOW_NS;
	}
}

/* How many frames were sent while the loop looked. */
static uint64_t by_its_own_clock(uint64_t ns)
{
	uint64_t looked = 0;

	for (const uint64_t until = clock_ns + ns; clock_ns < until; clock_ns += SLOW_NS) {
		looked += pair->polls;
		answer(FRAME);
	}
	return looked;
}

static uint64_t polls(void)
{
	struct loop_stats s;

	loop_stats(rig.loop, &s);
	return s.polls;
}

static void who_waits_for_the_answer_is_looked_for(unused void **state)
{
	closed_loop(SEC / 4);
	assert_true(pair->polls);
	assert_int_equal(stats->poll_trials, 0);
	closed_loop(3 * SEC);
	assert_true(stats->poll_trials > 1);
	assert_int_equal(stats->poll_kept, stats->poll_trials);
}

/* After a second and the first trial, two windows of each trial, and these more and more seldom. */
static void traffic_by_a_clock_of_its_own_is_not(unused void **state)
{
	uint64_t looked = by_its_own_clock(20 * SEC);

	assert_in_range(stats->poll_trials, 4, 8);
	assert_int_equal(stats->poll_kept, 0);
	assert_true(looked > 0);
	assert_true(looked <= TRIAL_KEPT_NS / SLOW_NS +
	                              stats->poll_trials * 3 * (TRIAL_WINDOW_NS / SLOW_NS + 16));
}

static void other_traffic_ends_it(unused void **state)
{
	closed_loop(SEC);
	assert_true(pair->polls);
	by_its_own_clock(2 * SEC);
	assert_true(stats->poll_kept < stats->poll_trials);
	assert_true(by_its_own_clock(10 * SEC) < 10 * SEC / SLOW_NS / 20);
}

static void frames_that_go_one_way_are_not_looked_for(unused void **state)
{
	for (unsigned i = 0; i < 2000; i++) {
		send(FRAME);
		clock_ns += SLOW_NS;
	}
	assert_int_equal(stats->poll_trials, 0);
	assert_int_equal(polls(), 0);
}

static void nor_are_large_ones(unused void **state)
{
	for (unsigned i = 0; i < 2000; i++) {
		answer(LARGE);
		clock_ns += SLOW_NS;
	}
	assert_int_equal(stats->poll_trials, 0);
	assert_int_equal(polls(), 0);
}

static void when_nobody_is_answered_any_more_it_ends_at_once(unused void **state)
{
	closed_loop(SEC / 4);
	assert_true(pair->polls);
	for (unsigned i = 0; i < 5 * 16; i++) {
		send(FRAME);
		clock_ns += FAST_NS;
	}
	assert_false(pair->polls);
}

static void what_comes_behind_a_pause_is_tried_when_that_is_due(unused void **state)
{
	by_its_own_clock(20 * SEC);
	clock_ns += 3 * SEC / 2;
	closed_loop(9 * SEC);
	assert_true(pair->polls);
	clock_ns += 3 * SEC / 2;
	assert_true(by_its_own_clock(2 * SEC) < 5 * SEC / 4 / SLOW_NS);
}

/* So a stream looks that is looked for: what it carries comes in more frames. */
static void more_frames_with_no_more_in_them_are_no_gain(unused void **state)
{
	for (const uint64_t until = clock_ns + 3 * SEC; clock_ns < until; clock_ns += SLOW_NS) {
		answer(pair->polls ? FRAME / 2 - NET_HDR_LEN : FRAME);
		if (pair->polls)
			send(FRAME / 2 - NET_HDR_LEN);
	}
	assert_true(stats->poll_trials > 0);
	assert_int_equal(stats->poll_kept, 0);
}

static void a_few_frames_now_and_then_try_nothing(unused void **state)
{
	for (unsigned i = 0; i < 200; i++) {
		clock_ns += 2 * TRIAL_WINDOW_NS;
		send(FRAME);
	}
	assert_int_equal(polls(), 0);
}

/* While it looks no kicks are asked for. From the last look on they are, and none is waited for in vain. */
static void when_it_ends_kicks_are_asked_for(unused void **state)
{
	uint64_t looks, came;

	closed_loop(SEC / 4);
	assert_true(pair->polls);
	receive(); /* and there is no buffer */
	for (unsigned i = 0; i < 20000 && !pair->tried.trial.running; i++)
		closed_loop(FAST_NS);
	while (stats->tx_frames + stats->rx_frames - pair->tried.in - pair->tried.out < 14)
		answer(FRAME);
	assert_true(pair->polls);
	clock_ns += 2 * TRIAL_LATE_NS; /* a pause in a trial ends it */
	answer(FRAME);
	assert_false(pair->polls);
	looks = polls();
	came = stats->rx_frames;
	send(FRAME);
	post_rx();
	if (fake_vq_wants_kick(&rig.vq[NET_RX]))
		fake_kick(&rig.dev, NET_RX);
	while (loop_turn(rig.loop, 0) > 0)
		;
	assert_int_equal(stats->rx_frames, came + 1);
	assert_int_equal(polls(), looks);
}

static void a_driver_that_comes_back_begins_anew(unused void **state)
{
	const uint64_t had = stats->poll_trials;

	closed_loop(2 * SEC);
	assert_true(pair->polls);
	vrig_up(&rig, VRIG_ALL);
	assert_false(pair->polls);
	closed_loop(SEC / 4);
	assert_true(pair->polls);
	assert_true(stats->poll_trials > had);
}

static void while_a_peer_serves_the_rings_it_sleeps(unused void **state)
{
	struct virtio_net_switch s;
	uint64_t before;

	closed_loop(SEC);
	assert_true(pair->polls);
	assert_int_equal(virtio_net_set_path(rig.n, true, &s), 0);
	before = polls();
	loop_turn(rig.loop, 1);
	assert_int_equal(polls(), before);
	assert_int_equal(virtio_net_set_path(rig.n, false, &s), 0);
	assert_false(pair->polls);
	closed_loop(SEC / 4);
	assert_true(pair->polls);
}

static void while_the_link_is_down_it_sleeps(unused void **state)
{
	uint64_t before;

	closed_loop(SEC);
	virtio_net_set_link(rig.n, false);
	vrig_pump(&rig);
	before = polls();
	loop_turn(rig.loop, 1);
	assert_int_equal(polls(), before);
	virtio_net_set_link(rig.n, true);
	closed_loop(SEC / 4);
	assert_true(pair->polls);
}

/* What ends the looks of a pair that nobody asks any more may be of others. */
static void looks_that_find_nothing_for_it_end(unused void **state)
{
	closed_loop(SEC / 4);
	assert_true(pair->polls);
	for (unsigned i = 0; i < NET_TRY_LOOKS; i++)
		pair->poll.look(pair);
	assert_true(pair->polls);
	clock_ns += SEC + 1;
	for (unsigned i = 0; i < NET_TRY_LOOKS; i++)
		pair->poll.look(pair);
	assert_false(pair->polls);
}

static void nor_does_it_look_when_it_rests_and_wakes_for_nothing(unused void **state)
{
	closed_loop(SEC / 4);
	assert_true(pair->polls);
	assert_true(pair->poll.rest(pair));
	assert_true(pair->polls);
	clock_ns += SEC + 1;
	assert_true(pair->poll.rest(pair));
	assert_false(pair->polls);
}

/* Who looks on is to see each queue looked at when the driver says so. */
static void a_driver_that_is_watched_or_provoked_is_not_tried(unused void **state)
{
	struct virtio_watch watch = {0};
	struct virtio_provoke provoke = {0};

	virtio_set_status(rig.dev.core, 0);
	rig.dev.core->watch = &watch;
	vrig_up(&rig, VRIG_ALL);
	closed_loop(SEC);
	virtio_set_status(rig.dev.core, 0);
	rig.dev.core->watch = NULL;
	pair->n->dev.provoke = &provoke;
	pair->running = true;              /* net_try() alone: a provoker has a say in all else */
	for (unsigned i = 0; i < 4; i++) { /* as questions and answers */
		pair->tried.in = pair->tried.out = 0;
		pair->stats.rx_frames = pair->stats.tx_frames = 8;
		pair->tried.bytes = stats->rx_bytes + stats->tx_bytes;
		pair->tried.at_ns = clock_ns;
		net_try(pair);
	}
	assert_int_equal(pair->tried.alike, 0);
	pair->running = false;
	pair->n->dev.provoke = NULL;
	assert_false(pair->tried.trial.running);
	assert_int_equal(stats->poll_trials, 0);
	assert_int_equal(polls(), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(who_waits_for_the_answer_is_looked_for),
		CASE(traffic_by_a_clock_of_its_own_is_not),
		CASE(other_traffic_ends_it),
		CASE(frames_that_go_one_way_are_not_looked_for),
		CASE(nor_are_large_ones),
		CASE(when_nobody_is_answered_any_more_it_ends_at_once),
		CASE(what_comes_behind_a_pause_is_tried_when_that_is_due),
		CASE(more_frames_with_no_more_in_them_are_no_gain),
		CASE(a_few_frames_now_and_then_try_nothing),
		CASE(when_it_ends_kicks_are_asked_for),
		CASE(a_driver_that_comes_back_begins_anew),
		CASE(while_a_peer_serves_the_rings_it_sleeps),
		CASE(while_the_link_is_down_it_sleeps),
		CASE(looks_that_find_nothing_for_it_end),
		CASE(nor_does_it_look_when_it_rests_and_wakes_for_nothing),
		CASE(a_driver_that_is_watched_or_provoked_is_not_tried),
	};

	return VRIG_RUN_LAYOUTS(tests);
}
