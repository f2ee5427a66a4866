/* SPDX-License-Identifier: Apache-2.0 */
/* kick=inline: a lone frame is sent by the thread that kicks, while the loop's own sleeps. The driver stands in the main thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <limits.h>
#include <linux/virtio_config.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "devices/virtio.h"
#include "tests/lib/vnet_layouts.h"
#include "tests/lib/vnet_rig.h"

#define FRAME  100u
#define FRAMES 100u

static struct vrig rig;
static enum poll_mode poll_mode;
static const struct virtio_net_stats *stats;
static uint64_t reaped;

static void up(unused void *arg)
{
	vrig_up(&rig, VRIG_ALL);
}

static int setup(void **state)
{
	*state = &rig;
	vrig_create(&rig,
	            (struct vrig_options){
			    .peer = true, .vq_size = 64, .poll = poll_mode, .kick_inline = true});
	up(NULL);
	stats = virtio_net_stats(rig.n);
	reaped = 0;
	return loop_thread_start(rig.loop, "net0");
}

static int teardown(void **state)
{
	loop_thread_stop(rig.loop);
	vrig_destroy(*state);
	return 0;
}

static void add(unsigned nr)
{
	uint8_t bytes[NET_HDR_LEN + FRAME] = {0};

	vrig_frame(bytes + NET_HDR_LEN, FRAME, vrig_mac, 1);
	while (nr--) {
		struct fake_buf b = fake_out(&rig.m, bytes, sizeof(bytes));

		assert_true(fake_vq_add(&rig.vq[NET_TX], &b, 1) >= 0);
	}
	fake_vq_publish(&rig.vq[NET_TX]);
}

/* A kick is alone when the one before is a while ago, and a thread that polls has given up by then. */
static void be_alone(void)
{
	const uint64_t until = loop_now_ns() + NET_INLINE_GAP_NS + 3 * POLL_AUTO_NS;

	while (loop_now_ns() < until)
		sched_yield();
}

static void forget_sent(void *arg)
{
	fake_net_forget_sent(arg);
}

/* All of @nr that are on their way; then there is nothing on either side. */
static void reap(unsigned nr)
{
	unsigned head;
	uint32_t len;

	reaped += nr;
	while (nr) {
		if (fake_vq_reap(&rig.vq[NET_TX], &head, &len))
			nr--;
		else
			sched_yield();
	}
	vrig_forget(&rig);
	loop_call(rig.loop, forget_sent, rig.net);
}

static uint64_t inline_turns(void)
{
	return __atomic_load_n(&stats->tx_inline, __ATOMIC_RELAXED);
}

/* Frames one by one, until one of them was sent so: the thread may be on its way to sleep. */
static void send_until_inline(void)
{
	const uint64_t before = inline_turns();

	while (inline_turns() == before) {
		add(1);
		be_alone();
		fake_kick(&rig.dev, NET_TX);
		reap(1);
	}
}

static void a_lone_frame_is_sent_before_the_kick_returns(unused void **state)
{
	send_until_inline();
	for (unsigned i = 0; i < FRAMES; i++) {
		const uint64_t before = inline_turns();

		add(1);
		be_alone();
		fake_kick(&rig.dev, NET_TX);
		if (inline_turns() > before)
			assert_int_equal(fake_vq_nr_used(&rig.vq[NET_TX]), 1);
		reap(1);
	}
	loop_thread_stop(rig.loop);
	assert_int_equal(stats->tx_frames, reaped);
}

static void what_is_more_than_a_few_is_left_to_the_thread(unused void **state)
{
	send_until_inline();
	for (unsigned i = 0; i < FRAMES; i++) {
		add(60);
		be_alone();
		fake_kick(&rig.dev, NET_TX);
		reap(60);
	}
	loop_thread_stop(rig.loop);
	assert_int_equal(stats->tx_frames, reaped);
}

static void queue_frame(void *arg)
{
	uint8_t frame[FRAME];

	vrig_frame(frame, sizeof(frame), vrig_mac, 2);
	fake_net_queue(arg, NULL, frame, sizeof(frame));
}

/* So many for the driver, which has taken them. */
static void come(unsigned nr)
{
	unsigned head, left = nr;
	uint32_t len;

	while (nr--) {
		struct fake_buf b = fake_in(&rig.m, NET_HDR_LEN + 1518);

		assert_true(fake_vq_add(&rig.vq[NET_RX], &b, 1) >= 0);
		loop_call(rig.loop, queue_frame, rig.net);
	}
	fake_vq_publish(&rig.vq[NET_RX]);
	fake_kick(&rig.dev, NET_RX);
	while (left) {
		if (fake_vq_reap(&rig.vq[NET_RX], &head, &len))
			left--;
		else
			sched_yield();
	}
}

static void answers_to_several_frames_are_left_to_the_thread(unused void **state)
{
	send_until_inline();
	for (unsigned i = 0; i < FRAMES; i++) {
		/* The last kick that the thread was asleep at; who kicks notes it. */
		const uint64_t before = inline_turns(), last = rig.n->pair[0].tx.kicked_ns;

		come(2);
		add(1);
		be_alone();
		fake_kick(&rig.dev, NET_TX);
		if (loop_now_ns() - last < NET_INLINE_RECENT * NET_INLINE_GAP_NS)
			assert_int_equal(inline_turns(), before);
		reap(1);
	}
	send_until_inline();
}

/* Who is sent a lot and says something now and then. */
static void a_lone_frame_long_behind_others_that_came_is_sent_so_too(unused void **state)
{
	const uint64_t before = inline_turns();

	while (inline_turns() < before + 3) {
		const uint64_t until = loop_now_ns() + 2 * NET_INLINE_RECENT * NET_INLINE_GAP_NS;

		come(5);
		add(1);
		while (loop_now_ns() < until)
			sched_yield();
		be_alone();
		fake_kick(&rig.dev, NET_TX);
		reap(1);
	}
}

static void fill(void *arg)
{
	fake_net_fail_send(arg, 0, -EAGAIN, UINT_MAX);
}

static void make_room(void *arg)
{
	fake_net_can_send(arg);
}

static void a_frame_that_the_backend_has_no_room_for_is_sent_by_the_thread(unused void **state)
{
	send_until_inline();
	loop_call(rig.loop, fill, rig.net);
	add(1);
	be_alone();
	fake_kick(&rig.dev, NET_TX);
	add(1);
	fake_kick(&rig.dev, NET_TX);
	loop_call(rig.loop, make_room, rig.net);
	reap(2);
}

static void a_broken_ring_stops_the_device_in_place(unused void **state)
{
	uint64_t before;

	do {
		loop_call(rig.loop, up, NULL);
		send_until_inline();
		before = inline_turns();
		fake_vq_raw_head(&rig.vq[NET_TX], 64);
		fake_vq_publish(&rig.vq[NET_TX]);
		be_alone();
		fake_kick(&rig.dev, NET_TX);
		while (!(rig.dev.core->status & VIRTIO_CONFIG_S_NEEDS_RESET))
			sched_yield();
	} while (inline_turns() == before);
	loop_call(rig.loop, up, NULL);
	send_until_inline();
}

static atomic_bool done;

static void change_path(void *arg)
{
	struct virtio_net_switch s;

	assert_int_equal(virtio_net_set_path(rig.n, arg != NULL, &s), 0);
}

static void *switch_often(unused void *arg)
{
	while (!atomic_load(&done)) {
		loop_call(rig.loop, change_path, &done);
		loop_call(rig.loop, change_path, NULL);
		sched_yield();
	}
	return NULL;
}

static void no_frame_gets_lost_while_the_path_changes(unused void **state)
{
	pthread_t thread;

	send_until_inline();
	atomic_store(&done, false);
	assert_int_equal(pthread_create(&thread, NULL, switch_often, NULL), 0);
	for (unsigned i = 0; i < FRAMES; i++) {
		add(1);
		be_alone();
		fake_kick(&rig.dev, NET_TX);
		reap(1);
	}
	atomic_store(&done, true);
	assert_int_equal(pthread_join(thread, NULL), 0);
	send_until_inline();
	loop_thread_stop(rig.loop);
	assert_int_equal(stats->tx_frames, reaped);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_lone_frame_is_sent_before_the_kick_returns),
		CASE(what_is_more_than_a_few_is_left_to_the_thread),
		CASE(answers_to_several_frames_are_left_to_the_thread),
		CASE(a_lone_frame_long_behind_others_that_came_is_sent_so_too),
		CASE(a_frame_that_the_backend_has_no_room_for_is_sent_by_the_thread),
		CASE(a_broken_ring_stops_the_device_in_place),
		CASE(no_frame_gets_lost_while_the_path_changes),
	};
	int failed = VRIG_RUN_LAYOUTS(tests);

	for (poll_mode = POLL_AUTO; poll_mode <= POLL_TRY; poll_mode++)
		failed |= VRIG_RUN_LAYOUTS(tests);
	return failed;
}
