// SPDX-License-Identifier: Apache-2.0
/*
 * Several pairs, each on a thread of its own, the driver on one more: it changes how many pairs there are
 * while frames go both ways on all of them, and the path and the link change under it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "devices/virtio.h"
#include "tests/lib/vnet_lanes.h"
#include "tests/lib/vnet_layouts.h"
#include "vmm/core/fd.h"
#include "vmm/core/le.h"

#define F           VRIG_F
#define PAIRS       3u
#define PATIENCE_MS 30000

static struct vrig rig;
static struct lane lane[PAIRS];
static unsigned nr_lanes; /* that the driver uses */
static int irq_fd;

static void interrupt(unused void *transport)
{
	fd_event_set(irq_fd);
}

static const struct virtio_transport_ops tops = {.interrupt = interrupt};

static int setup_with(void **state, uint64_t without, bool by_pair)
{
	*state = &rig;
	vrig_create(&rig, (struct vrig_options){.pairs = PAIRS,
	                                        .peer = true,
	                                        .by_pair = by_pair,
	                                        .vq_size = 64,
	                                        .without = without,
	                                        .mem_bytes = MIB(8)});
	irq_fd = fd_eventfd();
	rig.dev.core->tops = &tops;
	return 0;
}

static int setup(void **state)
{
	return setup_with(state, F(RSS), false);
}

static int setup_rss(void **state)
{
	return setup_with(state, 0, false);
}

static int setup_by_pair(void **state)
{
	return setup_with(state, F(RSS), true);
}

static void stop_threads(void)
{
	loop_thread_stop(rig.loop);
	for (unsigned i = 1; i < PAIRS; i++)
		loop_thread_stop(rig.more_loops[i - 1]);
}

static int teardown(void **state)
{
	stop_threads();
	vrig_destroy(*state);
	fd_close(&irq_fd);
	return 0;
}

static void on_up(unused void *arg)
{
	if (vrig_try_up(&rig, VRIG_ALL) < 0)
		abort();
}

/* A driver that begins, on the device's thread as in the product. */
static void begin(void)
{
	loop_call(rig.loop, on_up, NULL);
	for (unsigned i = 0; i < PAIRS; i++)
		lane_init(&lane[i], &rig, i);
	nr_lanes = 1;
}

static void start_threads(void)
{
	assert_int_equal(loop_thread_start(rig.loop, "net0"), 0);
	for (unsigned i = 1; i < PAIRS; i++)
		assert_int_equal(loop_thread_start(rig.more_loops[i - 1], "net0-x"), 0);
	begin();
}

/* Sleeps until the answer is there, as a guest does. */
static int command(uint8_t cmd, const void *data, uint32_t len)
{
	struct fake_vq *v = &rig.vq[rig.ctrl];
	const uint8_t hdr[2] = {VIRTIO_NET_CTRL_MQ, cmd};
	struct pollfd p = {.fd = irq_fd, .events = POLLIN};
	const struct fake_buf b[3] = {fake_out(&rig.m, hdr, 2), fake_out(&rig.m, data, len),
	                              fake_in(&rig.m, 1)};
	unsigned head;
	uint32_t used;

	assert_true(fake_vq_add(v, b, 3) >= 0);
	fake_vq_publish(v);
	if (fake_vq_wants_kick(v))
		fake_kick(&rig.dev, rig.ctrl);
	while (!fake_vq_reap(v, &head, &used)) {
		if (fake_vq_irq_on(v))
			continue;
		assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
		fd_event_take(irq_fd);
	}
	assert_int_equal(used, 1);
	return *(uint8_t *)fake_at(&rig.m, b[2].addr, 1);
}

static void set_pairs(unsigned nr)
{
	const uint8_t data[2] = {u8_of(nr)};

	assert_int_equal(command(VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, data, 2), VIRTIO_NET_OK);
	nr_lanes = nr;
}

/* ---- the outside: a pair's on its thread, the peer's on the device's */

static void outside_of_pair(void *arg)
{
	struct lane *l = arg;

	lane_check_out(l);
	lane_arrive(l, 7);
	fake_net_can_recv(rig.nets[l->pair]);
}

static void outside(unused void *arg)
{
	if (rig.peer.started)
		fake_ring_run(&rig.peer, 32);
	for (unsigned i = 0; i < PAIRS; i++)
		loop_call(rig.n->pair[i].loop, outside_of_pair, &lane[i]);
}

static void no_more(void *arg)
{
	struct lane *l = arg;

	lane_check_out(l);
	fake_net_can_recv(rig.nets[l->pair]);
}

static void what_is_left(unused void *arg)
{
	if (rig.peer.started)
		fake_ring_run(&rig.peer, 64);
	for (unsigned i = 0; i < PAIRS; i++)
		loop_call(rig.n->pair[i].loop, no_more, &lane[i]);
}

static void drive(void)
{
	for (unsigned i = 0; i < nr_lanes; i++) {
		lane_reap(&lane[i]);
		lane_post_rx(&lane[i], 64);
		lane_send(&lane[i], 20);
	}
}

static bool all_done(void)
{
	for (unsigned i = 0; i < PAIRS; i++)
		if (lane[i].received != lane[i].queued || lane[i].seen != lane[i].sent)
			return false;
	return true;
}

/* Until nothing is on its way: what is lost, is waited for in vain. */
static void drain(void)
{
	const uint64_t end = loop_now_ns() + UINT64_C(1000000) * PATIENCE_MS;

	set_pairs(PAIRS);
	while (!all_done()) {
		assert_true(loop_now_ns() < end);
		loop_call(rig.loop, what_is_left, NULL);
		for (unsigned i = 0; i < PAIRS; i++) {
			lane_reap(&lane[i]);
			lane_post_rx(&lane[i], 64);
		}
	}
}

static void the_driver_changes_pairs_under_traffic(unused void **state)
{
	start_threads();
	for (unsigned i = 0; i < 3000; i++) {
		drive();
		loop_call(rig.loop, outside, NULL);
		if (i % 5 == 0)
			set_pairs(1 + i % PAIRS);
	}
	drain();
	for (unsigned i = 0; i < PAIRS; i++)
		assert_true(lane[i].sent > 1000 && lane[i].received > 1000);
}

static struct {
	bool rings;
	int ret;
} path;

static void set_path(unused void *arg)
{
	struct virtio_net_switch s;

	path.ret = virtio_net_set_path(rig.n, path.rings, &s);
}

static void pairs_and_path_change_under_traffic(unused void **state)
{
	start_threads();
	path.rings = false;
	for (unsigned i = 0; i < 2000; i++) {
		drive();
		loop_call(rig.loop, outside, NULL);
		if (i % 7 == 0)
			set_pairs(1 + i % PAIRS);
		if (i % 3 == 0) {
			path.rings = !path.rings;
			loop_call(rig.loop, set_path, NULL);
			assert_int_equal(path.ret, 0);
		}
	}
	drain();
}

static struct net_backend *wrapper; /* a capture; NULL: none */
static int used_ret;

static void toggle_capture(void *to)
{
	struct net_backend *inner = &rig.net->backend;
	char why[128];

	if (wrapper) {
		used_ret = virtio_net_use(rig.n, inner);
		net_pcap_unwrap(wrapper);
		wrapper = NULL;
		return;
	}
	if (net_pcap_wrap(to, inner, &wrapper, why, sizeof(why)) < 0 || net_pcap_begin(wrapper) < 0)
		abort();
	used_ret = virtio_net_use(rig.n, wrapper);
}

static void captures_begin_and_end_under_traffic(unused void **state)
{
	char file[] = "/tmp/doorbell-pairs-XXXXXX";
	int fd = mkstemp(file);

	assert_true(fd >= 0);
	close(fd);
	start_threads();
	for (unsigned i = 0; i < 1000; i++) {
		drive();
		loop_call(rig.loop, outside, NULL);
		if (i % 7 == 0)
			set_pairs(1 + i % PAIRS);
		if (i % 3 == 0) {
			loop_call(rig.loop, toggle_capture, file);
			assert_int_equal(used_ret, 0);
		}
	}
	drain();
	if (wrapper)
		loop_call(rig.loop, toggle_capture, file);
	assert_int_equal(unlink(file), 0);
}

static void link_toggle(unused void *arg)
{
	virtio_net_set_link(rig.n, !virtio_net_link(rig.n));
}

static void the_link_changes_under_traffic(unused void **state)
{
	uint64_t in = 0, out = 0;

	start_threads();
	set_pairs(PAIRS);
	for (unsigned i = 0; i < 1000; i++) {
		unsigned head;
		uint32_t len;

		for (unsigned k = 0; k < PAIRS; k++) {
			lane_send(&lane[k], 10);
			while (fake_vq_reap(&rig.vq[2 * k + 1], &head, &len))
				lane[k].tx_free[lane[k].nr_tx_free++] = lane[k].tx_of[head];
		}
		loop_call(rig.loop, link_toggle, NULL);
	}
	stop_threads();
	vrig_pump(&rig);
	for (unsigned k = 0; k < PAIRS; k++) {
		const struct virtio_net_stats *s = virtio_net_pair_stats(rig.n, k);

		in += lane[k].sent;
		out += s->tx_frames + s->tx_dropped;
	}
	assert_int_equal(out, in);
}

static void status_of(void *arg)
{
	*(uint32_t *)arg = fake_status(&rig.dev);
}

static void a_broken_rule_reaches_the_device(unused void **state)
{
	start_threads();
	for (unsigned life = 0; life < 100; life++) {
		const uint64_t end = loop_now_ns() + UINT64_C(1000000) * PATIENCE_MS;
		unsigned at = 2 * (life % PAIRS) + 1;
		uint32_t status = 0;

		set_pairs(PAIRS);
		drive();
		fake_vq_raw_avail_idx(&rig.vq[at], 9999);
		fake_kick(&rig.dev, at);
		while (!(status & VIRTIO_CONFIG_S_NEEDS_RESET) && life % 2) {
			assert_true(loop_now_ns() < end);
			loop_call(rig.loop, status_of, &status);
		}
		begin(); /* in every second life before anybody has noticed, perhaps */
	}
}

/* ---- RSS */

static unsigned rss_queued;

static void rss_feed(void *arg)
{
	struct fake_net *net = arg;
	uint8_t frame[80];

	for (unsigned i = 0; i < 20 && fake_net_queued(net) < 100; i++) {
		vrig_frame(frame, sizeof(frame), vrig_mac, rss_queued++);
		memcpy(frame + 12, "\x08\x00\x45\x00", 4);
		fake_net_queue(net, NULL, frame, sizeof(frame));
	}
	fake_net_can_recv(net);
}

static void rss_outside(void *arg)
{
	const unsigned *received = arg;

	/* Fewer on their way than an inbox holds. */
	for (unsigned i = 0; i < PAIRS && rss_queued - *received < 2000; i++)
		loop_call(rig.n->pair[i].loop, rss_feed, rig.nets[i]);
}

static void more(void *arg)
{
	fake_net_can_recv(arg);
}

static size_t rss_config(uint8_t config[RSS_CONFIG_MAX], unsigned first)
{
	memset(config, 0, RSS_CONFIG_MAX);
	config[0] = RSS_HASH_TYPES;
	config[4] = 3;
	for (unsigned i = 0; i < 4; i++)
		config[8 + 2 * i] = u8_of((first + i) % PAIRS);
	config[16] = PAIRS;
	config[18] = RSS_KEY_MAX;
	for (unsigned i = 0; i < RSS_KEY_MAX; i++)
		config[19 + i] = u8_of(0x35 + 77 * i);
	return 19 + RSS_KEY_MAX;
}

static unsigned take_all(void)
{
	unsigned n = 0, head;
	uint32_t len;

	for (unsigned k = 0; k < PAIRS; k++) {
		while (fake_vq_reap(&rig.vq[2 * k], &head, &len)) {
			lane[k].rx_free[lane[k].nr_rx_free++] = lane[k].rx_of[head];
			n++;
		}
		lane_post_rx(&lane[k], 64);
	}
	return n;
}

static void frames_cross_threads_while_the_table_changes(unused void **state)
{
	uint8_t config[RSS_CONFIG_MAX];
	unsigned received = 0;
	uint64_t end;

	rss_queued = 0;
	start_threads();
	for (unsigned i = 0; i < 2000; i++) {
		if (i % 10 == 0) {
			size_t len = rss_config(config, i / 10);

			assert_int_equal(
				command(VIRTIO_NET_CTRL_MQ_RSS_CONFIG, config, (uint32_t)len),
				VIRTIO_NET_OK);
		}
		received += take_all();
		loop_call(rig.loop, rss_outside, &received);
	}
	end = loop_now_ns() + UINT64_C(1000000) * PATIENCE_MS;
	while (received < rss_queued) {
		assert_true(loop_now_ns() < end);
		for (unsigned i = 0; i < PAIRS; i++)
			loop_call(rig.n->pair[i].loop, more, rig.nets[i]);
		received += take_all();
	}
	stop_threads();
	for (unsigned i = 0; i < PAIRS; i++) {
		assert_true(virtio_net_pair_stats(rig.n, i)->rx_frames > 1000);
		assert_int_equal(virtio_net_pair_stats(rig.n, i)->rx_dropped, 0);
	}
}

/* ---- queues that are taken back */

static void any_outside(void *arg)
{
	fake_net_forget_sent(arg);
	rss_feed(arg);
}

static void any_traffic(void)
{
	take_all();
	for (unsigned i = 0; i < PAIRS; i++) {
		lane_send(&lane[i], 20);
		loop_call(rig.n->pair[i].loop, any_outside, rig.nets[i]);
	}
}

static void take_back(void *queue)
{
	virtio_queue_ready(rig.dev.core, *(unsigned *)queue, false);
}

static void a_queue_is_taken_back_under_traffic(unused void **state)
{
	start_threads();
	for (unsigned life = 0; life < 100; life++) {
		unsigned queue = life % (2 * PAIRS);

		set_pairs(PAIRS);
		any_traffic();
		loop_call(rig.loop, take_back, &queue);
		any_traffic();
		begin();
	}
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(the_driver_changes_pairs_under_traffic),
		CASE(pairs_and_path_change_under_traffic),
		cmocka_unit_test_setup_teardown(pairs_and_path_change_under_traffic, setup_by_pair,
	                                        teardown),
		CASE(captures_begin_and_end_under_traffic),
		CASE(a_queue_is_taken_back_under_traffic),
		CASE(the_link_changes_under_traffic),
		CASE(a_broken_rule_reaches_the_device),
		cmocka_unit_test_setup_teardown(frames_cross_threads_while_the_table_changes,
	                                        setup_rss, teardown),
	};

	return VRIG_RUN_LAYOUTS(tests);
}
