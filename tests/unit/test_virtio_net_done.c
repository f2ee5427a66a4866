/* SPDX-License-Identifier: Apache-2.0 */
/* Frames out of the guest that the backend reads after send(): done() and recall() of net/net_backend.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <limits.h>
#include <linux/virtio_mmio.h>
#include <string.h>

#include "devices/virtio.h"
#include "tests/lib/vnet_layouts.h"
#include "vmm/core/le.h"

#define LEN 60u

static struct vrig rig;

static int setup(void **state)
{
	*state = &rig;
	vrig_create(&rig, (struct vrig_options){.vq_size = 16});
	fake_net_hold(rig.net);
	return 0;
}

static int teardown(void **state)
{
	vrig_destroy(*state);
	return 0;
}

/* Post frame @i, or what is too short for one. */
static void post(unsigned i, bool runt)
{
	uint8_t bytes[NET_HDR_LEN + LEN] = {0};
	struct fake_buf b;

	vrig_frame(bytes + NET_HDR_LEN, LEN, vrig_mac, i);
	b = fake_out(&rig.m, bytes, runt ? 5 : sizeof(bytes));
	assert_true(fake_vq_add(&rig.vq[NET_TX], &b, 1) >= 0);
}

static void send(unsigned from, unsigned nr)
{
	for (unsigned i = from; i < from + nr; i++)
		post(i, false);
	vrig_go(&rig, NET_TX);
}

static unsigned reap(void)
{
	unsigned head, n = 0;
	uint32_t len;

	while (fake_vq_reap(&rig.vq[NET_TX], &head, &len))
		n++;
	return n;
}

static void assert_sent(unsigned at, unsigned i)
{
	uint8_t want[LEN];

	assert_true(at < rig.net->nr_sent);
	vrig_frame(want, LEN, vrig_mac, i);
	assert_memory_equal(rig.net->sent[at].data + NET_HDR_LEN, want, LEN);
}

static uint64_t frames(void)
{
	return virtio_net_stats(rig.n)->tx_frames;
}

static void a_chain_is_the_drivers_again_when_its_frame_is_done(unused void **state)
{
	vrig_up(&rig, VRIG_ALL);
	send(0, 5);
	assert_int_equal(rig.net->nr_sent, 5);
	assert_int_equal(reap(), 0);
	assert_int_equal(frames(), 0);
	fake_net_finish(rig.net, 2);
	assert_int_equal(reap(), 2);
	assert_int_equal(frames(), 2);
	send(5, 1);
	fake_net_finish(rig.net, 4);
	assert_int_equal(reap(), 4);
	assert_int_equal(virtio_net_stats(rig.n)->tx_bytes, 6 * (NET_HDR_LEN + LEN));
}

static void a_full_ring_goes_round_many_times(unused void **state)
{
	vrig_up(&rig, VRIG_ALL);
	for (unsigned i = 0; i < 500; i++) {
		vrig_forget(&rig);
		send(16 * i, 16);
		fake_net_finish(rig.net, 9);
		assert_int_equal(reap(), 9);
		fake_net_finish(rig.net, 7);
		assert_int_equal(reap(), 7);
		fake_net_forget_sent(rig.net);
	}
	assert_int_equal(frames(), 500 * 16);
}

static void what_is_dropped_waits_for_those_before_it(unused void **state)
{
	vrig_up(&rig, VRIG_ALL);
	post(0, true);
	post(1, false);
	post(2, true);
	post(3, false);
	post(4, true);
	vrig_go(&rig, NET_TX);
	assert_int_equal(reap(), 1);
	fake_net_finish(rig.net, 1);
	assert_int_equal(reap(), 2);
	fake_net_finish(rig.net, 1);
	assert_int_equal(reap(), 2);
	assert_int_equal(virtio_net_stats(rig.n)->tx_dropped, 3);
	assert_int_equal(frames(), 2);
}

static void a_full_backend_gets_the_frame_later(unused void **state)
{
	vrig_up(&rig, VRIG_ALL);
	fake_net_fail_send(rig.net, 3, -EAGAIN, UINT_MAX);
	send(0, 5);
	assert_int_equal(rig.net->nr_sent, 3);
	fake_net_finish(rig.net, 3);
	assert_int_equal(reap(), 3);
	fake_net_can_send(rig.net);
	assert_int_equal(rig.net->nr_sent, 5);
	assert_sent(4, 4);
	fake_net_finish(rig.net, 2);
	assert_int_equal(reap(), 2);
}

static void a_pause_takes_back_what_is_not_done_and_then_sends_it(unused void **state)
{
	vrig_up(&rig, VRIG_ALL);
	send(0, 4);
	post(9, true);
	vrig_go(&rig, NET_TX);
	rig.net->nr_held--; /* one is done, and nobody was told yet */
	rig.net->nr_done++;
	virtio_pause(rig.dev.core);
	assert_int_equal(rig.net->nr_held, 0);
	assert_int_equal(rig.net->nr_forgets, 0);
	assert_int_equal(reap(), 1);
	assert_int_equal(rig.net->nr_sent, 1);
	virtio_resume(rig.dev.core);
	vrig_pump(&rig);
	assert_int_equal(rig.net->nr_sent, 4);
	for (unsigned i = 0; i < 4; i++)
		assert_sent(i, i);
	fake_net_finish(rig.net, 3);
	assert_int_equal(reap(), 4);
	assert_int_equal(frames(), 4);
}

static void a_reset_takes_everything_back_and_lets_the_backend_forget(unused void **state)
{
	vrig_up(&rig, VRIG_ALL);
	send(0, 4);
	vrig_up(&rig, VRIG_ALL);
	assert_int_equal(rig.net->nr_held, 0);
	assert_int_equal(rig.net->nr_forgets, 1);
	assert_int_equal(reap(), 0);
	send(7, 1);
	assert_int_equal(rig.net->nr_sent, 1);
	fake_net_finish(rig.net, 1);
	assert_int_equal(reap(), 1);
}

static void a_queue_that_is_taken_back_is_not_touched_any_more(unused void **state)
{
	vrig_up(&rig, VRIG_ALL);
	send(0, 4);
	virtio_queue_ready(rig.dev.core, NET_TX, false);
	assert_int_equal(rig.net->nr_held, 0);
	assert_int_equal(reap(), 0);
	fake_net_finish(rig.net, 0);
	assert_int_equal(reap(), 0);
}

/* Nothing is gathered: the backend cannot know for how long that would have to stay. */
static void frame_in_more_pieces_than_writev_takes_is_not_copied(unused void **state)
{
	static uint8_t bytes[NET_HDR_LEN + VQ_NUM_MAX];
	struct fake_buf whole, b[VQ_NUM_MAX];

	vrig_up(&rig, VRIG_ALL);
	vrig_frame(bytes + NET_HDR_LEN, VQ_NUM_MAX - NET_HDR_LEN, vrig_mac, 1);
	whole = fake_out(&rig.m, bytes, VQ_NUM_MAX + NET_HDR_LEN - 1);
	b[0] = fake_part(whole, 0, NET_HDR_LEN);
	for (unsigned i = 1; i < VQ_NUM_MAX; i++)
		b[i] = fake_part(whole, NET_HDR_LEN + i - 1, 1);
	assert_true(fake_vq_add_table(&rig.vq[NET_TX], b, VQ_NUM_MAX, 0) >= 0);
	vrig_go(&rig, NET_TX);
	assert_int_equal(rig.net->nr_sent, 1);
	assert_int_equal(rig.net->last_iov_n, VQ_NUM_MAX);
	assert_int_equal(virtio_net_stats(rig.n)->tx_bytes_copied, 0);
	fake_net_finish(rig.net, 1);
	assert_int_equal(reap(), 1);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_chain_is_the_drivers_again_when_its_frame_is_done),
		CASE(a_full_ring_goes_round_many_times),
		CASE(what_is_dropped_waits_for_those_before_it),
		CASE(a_full_backend_gets_the_frame_later),
		CASE(a_pause_takes_back_what_is_not_done_and_then_sends_it),
		CASE(a_reset_takes_everything_back_and_lets_the_backend_forget),
		CASE(a_queue_that_is_taken_back_is_not_touched_any_more),
		CASE(frame_in_more_pieces_than_writev_takes_is_not_copied),
	};

	return VRIG_RUN_LAYOUTS(tests);
}
