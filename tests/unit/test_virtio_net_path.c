/* SPDX-License-Identifier: Apache-2.0 */
/* Who serves rx and tx, and how that changes while frames are on their way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/virtio.h"
#include "tests/lib/vnet_layouts.h"
#include "tests/lib/vnet_rig.h"
#include "vmm/core/fd.h"
#include "vmm/core/le.h"

#define F VRIG_F

#define RX_LEN 256u /* bytes of a receive buffer */
#define FRAME  100u

static struct vrig rig;
static struct virtio_net_switch result;

static int setup(void **state)
{
	*state = &rig;
	vrig_create(&rig, (struct vrig_options){.peer = true, .vq_size = 64});
	return 0;
}

static int teardown(void **state)
{
	vrig_destroy(*state);
	return 0;
}

static void use(struct vrig_options o)
{
	vrig_destroy(&rig);
	vrig_create(&rig, o);
}

static const struct virtio_net_stats *stats(void)
{
	return virtio_net_stats(rig.n);
}

static struct virtio_dev *dev(void)
{
	return rig.dev.core;
}

static bool needs_reset(void)
{
	return fake_status(&rig.dev) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

static int set_path(bool rings)
{
	return virtio_net_set_path(rig.n, rings, &result);
}

/* Either side runs for a while. */
static void run(unsigned max)
{
	if (rig.peer.started) {
		fake_ring_run(&rig.peer, max);
		return;
	}
	fake_net_can_recv(rig.net);
	vrig_pump(&rig);
}

/* ---- numbered frames */

static struct traffic {
	uint32_t sent, to_send, seen;        /* tx: posted by the driver, and found outside */
	uint32_t queued, received;           /* rx: outside, and found by the driver */
	gpa_t rx_at[VQ_NUM_MAX];             /* by head */
	struct fake_buf tx_buf[VQ_NUM_MAX];  /* by slot */
	struct fake_buf rx_free[VQ_NUM_MAX]; /* not posted */
	struct fake_buf tx_free[VQ_NUM_MAX];
	struct fake_buf tx_of[VQ_NUM_MAX]; /* by head */
	struct fake_buf rx_of[VQ_NUM_MAX];
	unsigned nr_rx_free, nr_tx_free;
} t;

static void traffic_init(void)
{
	static const uint8_t zero[NET_HDR_LEN + FRAME];

	memset(&t, 0, sizeof(t));
	for (unsigned i = 0; i < rig.vq_size; i++) {
		t.rx_free[t.nr_rx_free++] = fake_in(&rig.m, RX_LEN);
		t.tx_free[t.nr_tx_free++] = fake_out(&rig.m, zero, sizeof(zero));
	}
}

static void post_rx(unsigned n)
{
	for (; n && t.nr_rx_free; n--) {
		struct fake_buf b = t.rx_free[--t.nr_rx_free];
		int head = fake_vq_add(&rig.vq[NET_RX], &b, 1);

		assert_true(head >= 0);
		t.rx_of[head] = b;
	}
	fake_vq_publish(&rig.vq[NET_RX]);
	if (fake_vq_wants_kick(&rig.vq[NET_RX]))
		fake_kick(&rig.dev, NET_RX);
}

static void post_tx(unsigned n)
{
	for (; n && t.nr_tx_free; n--) {
		struct fake_buf b = t.tx_free[--t.nr_tx_free];
		uint8_t *p = fake_at(&rig.m, b.addr, b.len);
		int head = fake_vq_add(&rig.vq[NET_TX], &b, 1);

		assert_true(head >= 0);
		vrig_frame(p + NET_HDR_LEN, FRAME, vrig_mac, t.sent++);
		t.tx_of[head] = b;
	}
	fake_vq_publish(&rig.vq[NET_TX]);
	if (fake_vq_wants_kick(&rig.vq[NET_TX]))
		fake_kick(&rig.dev, NET_TX);
}

static void arrive(unsigned n)
{
	uint8_t frame[FRAME];

	for (; n && fake_net_queued(rig.net) < 200; n--) {
		vrig_frame(frame, FRAME, vrig_mac, 1u << 24 | t.queued++);
		fake_net_queue(rig.net, NULL, frame, FRAME);
	}
}

/* Everything that came out is the next one, unchanged. */
static void check_out(void)
{
	uint8_t want[FRAME];

	for (unsigned i = 0; i < rig.net->nr_sent; i++) {
		vrig_frame(want, FRAME, vrig_mac, t.seen++);
		assert_int_equal(rig.net->sent[i].len, NET_HDR_LEN + FRAME);
		assert_memory_equal(rig.net->sent[i].data + NET_HDR_LEN, want, FRAME);
	}
	fake_net_forget_sent(rig.net);
}

static void reap(void)
{
	uint8_t want[FRAME];
	unsigned head;
	uint32_t len;

	while (fake_vq_reap(&rig.vq[NET_TX], &head, &len))
		t.tx_free[t.nr_tx_free++] = t.tx_of[head];
	while (fake_vq_reap(&rig.vq[NET_RX], &head, &len)) {
		const uint8_t *p = fake_at(&rig.m, t.rx_of[head].addr, RX_LEN);

		assert_int_equal(len, NET_HDR_LEN + FRAME);
		vrig_frame(want, FRAME, vrig_mac, 1u << 24 | t.received++);
		assert_memory_equal(p + NET_HDR_LEN, want, FRAME);
		t.rx_free[t.nr_rx_free++] = t.rx_of[head];
	}
}

/* Nothing is left anywhere. */
static void drain(void)
{
	for (unsigned i = 0; i < 200 && (t.received < t.queued || t.seen < t.sent); i++) {
		post_rx(64);
		run(64);
		check_out();
		reap();
	}
	assert_int_equal(t.received, t.queued);
	assert_int_equal(t.seen, t.sent);
}

static void round_trip(void)
{
	arrive(10);
	post_tx(10);
	drain();
}

static unsigned rnd(unsigned below)
{
	static uint32_t x = 12345;

	x = x * 1664525u + 1013904223u;
	return (x >> 16) % below;
}

static void switch_under_traffic(uint64_t accept)
{
	bool rings = false;

	vrig_up(&rig, accept);
	traffic_init();
	for (unsigned i = 0; i < 10000; i++) {
		post_rx(rnd(20));
		post_tx(rnd(20));
		arrive(rnd(20));
		if (rnd(4))
			run(rnd(16));
		check_out();
		if (rnd(3))
			reap();
		rings = !rings;
		assert_int_equal(set_path(rings), 0);
	}
	assert_int_equal(stats()->switches, 10000);
	drain();
	assert_true(t.sent > 10000 && t.received > 10000);
	assert_int_equal(stats()->rx_dropped + stats()->tx_dropped, 0);
	assert_int_equal(dev()->broken, 0);
}

static void ten_thousand_switches_lose_double_and_reorder_nothing(unused void **state)
{
	switch_under_traffic(VRIG_ALL);
	assert_int_equal(rig.peer.nr_starts, 5000);
}

static void so_without_event_index(unused void **state)
{
	switch_under_traffic(VRIG_ALL & ~FEATURE(VIRTIO_RING_F_EVENT_IDX));
}

static void so_without_mergeable_buffers(unused void **state)
{
	switch_under_traffic(VRIG_ALL & ~F(MRG_RXBUF));
}

/* ---- what a peer gets */

static void a_peer_that_is_wanted_serves_from_the_start(unused void **state)
{
	use((struct vrig_options){.peer = true, .rings = true, .vq_size = 64});
	vrig_up(&rig, VRIG_ALL);
	assert_true(rig.peer.started);
	assert_true(virtio_net_rings(rig.n));
	assert_int_equal(rig.net->nr_starts, 0);
	assert_int_equal(rig.peer.accepted, rig.features);
	assert_int_equal(rig.peer.offloads, rig.features & NET_GUEST_OFFLOADS);
	assert_int_equal(rig.peer.ring[NET_RX].call_fd, dev()->call_fd);
	assert_int_equal(rig.peer.ring[NET_TX].kick_fd, dev()->queue[NET_TX].kick_fd);
	traffic_init();
	round_trip();
}

static void kicks_and_interrupts_of_the_time_between_are_made_up_for(unused void **state)
{
	vrig_up(&rig, VRIG_ALL);
	traffic_init();
	fd_event_take(dev()->call_fd);
	virtio_isr_ack(dev(), VIRTIO_ISR_USED);
	assert_int_equal(set_path(true), 0);
	/* Both kicks ring for the peer, and the used bit reads 1 whatever the driver acknowledges. */
	assert_true(fd_event_take(dev()->queue[NET_RX].kick_fd) > 0);
	assert_true(fd_event_take(dev()->queue[NET_TX].kick_fd) > 0);
	assert_int_equal(virtio_isr(dev()) & VIRTIO_ISR_USED, VIRTIO_ISR_USED);
	virtio_isr_ack(dev(), VIRTIO_ISR_USED);
	assert_int_equal(virtio_isr(dev()) & VIRTIO_ISR_USED, VIRTIO_ISR_USED);
	/* Afterwards it is up once. */
	assert_int_equal(set_path(false), 0);
	assert_int_equal(virtio_isr(dev()) & VIRTIO_ISR_USED, VIRTIO_ISR_USED);
	virtio_isr_ack(dev(), VIRTIO_ISR_USED);
	assert_int_equal(virtio_isr(dev()) & VIRTIO_ISR_USED, 0);
	/* What was posted while nobody looked is found without a kick. */
	assert_true(vrig_pump(&rig) > 0);
}

static void kicks_that_the_peer_got_are_counted(unused void **state)
{
	uint64_t before;

	vrig_up(&rig, VRIG_ALL);
	assert_int_equal(set_path(true), 0);
	before = stats()->tx_kicks;
	for (unsigned i = 0; i < 3; i++)
		fake_kick(&rig.dev, NET_TX);
	assert_int_equal(set_path(false), 0);
	assert_int_equal(stats()->tx_kicks - before, 3);
}

static void commands_are_answered_while_the_peer_serves(unused void **state)
{
	uint8_t csum_only[8];

	vrig_up(&rig, VRIG_ALL);
	assert_int_equal(set_path(true), 0);
	put_le64(csum_only, F(GUEST_CSUM));
	assert_int_equal(vrig_command(&rig, VIRTIO_NET_CTRL_GUEST_OFFLOADS,
	                              VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET, csum_only, 8),
	                 VIRTIO_NET_OK);
	assert_int_equal(rig.peer.nr_set_offloads, 1);
	assert_int_equal(rig.peer.offloads, F(GUEST_CSUM));
	/* And go with the path. */
	assert_int_equal(set_path(false), 0);
	assert_int_equal(rig.net->offloads, F(GUEST_CSUM));
}

static void the_same_path_again_is_no_switch(unused void **state)
{
	const uint64_t before = loop_now_ns();

	vrig_up(&rig, VRIG_ALL);
	assert_int_equal(set_path(false), 0);
	assert_int_equal(set_path(true), 0);
	assert_true(result.pause_ns > 0);
	assert_in_range(result.pause_at_ns, before, loop_now_ns() - result.pause_ns);
	assert_int_equal(set_path(true), 0);
	assert_int_equal(result.pause_ns, 0);
	assert_int_equal(result.pause_at_ns, 0);
	assert_int_equal(rig.peer.nr_starts, 1);
}

static void a_path_set_before_the_driver_is_used_by_it_and_the_next(unused void **state)
{
	assert_int_equal(set_path(true), 0);
	assert_false(rig.peer.started);
	for (unsigned i = 1; i <= 5; i++) {
		vrig_up(&rig, VRIG_ALL);
		assert_int_equal(rig.peer.nr_starts, i);
		traffic_init();
		round_trip();
		virtio_set_status(dev(), 0);
		assert_int_equal(rig.peer.nr_stops, i);
		assert_int_equal(virtio_isr(dev()), 0);
	}
}

static void what_the_peer_holds_is_waited_for_when_we_serve(unused void **state)
{
	vrig_up(&rig, VRIG_ALL);
	traffic_init();
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(set_path(true), 0);
		assert_int_equal(set_path(false), 0);
		assert_true(rig.peer.held); /* that is the caller's business */
		assert_true(rig.net->started);
		round_trip();
		virtio_net_let_go(rig.n);
		assert_false(rig.peer.held);
		virtio_net_let_go(rig.n);
		round_trip();
	}
	/* Where nobody asked for it, it is ours. */
	assert_int_equal(set_path(true), 0);
	virtio_net_set_link(rig.n, false);
	assert_false(rig.peer.held);
	assert_true(rig.peer.served_before);
	virtio_net_set_link(rig.n, true);
	assert_true(rig.peer.held);
	virtio_set_status(dev(), 0);
	assert_false(rig.peer.held);
}

static void so_it_is_when_a_change_fails(unused void **state)
{
	vrig_up(&rig, VRIG_ALL);
	assert_int_equal(set_path(true), 0);
	rig.net->start_err = -ENOMEM;
	assert_int_equal(set_path(false), -ENOMEM);
	assert_true(rig.peer.started && rig.peer.held);
	rig.peer.start_err = -EIO;
	assert_int_equal(set_path(false), -EPROTO);
	assert_false(rig.peer.held);
	rig.net->start_err = rig.peer.start_err = 0;
	vrig_up(&rig, VRIG_ALL);
	assert_true(rig.peer.started && rig.peer.held);
}

/* ---- refused, and nothing has changed */

static void expect_refused(int err, const char *word)
{
	const unsigned starts = rig.net->nr_starts;

	assert_int_equal(set_path(true), err);
	assert_non_null(strstr(result.why, word));
	assert_false(virtio_net_rings(rig.n));
	assert_int_equal(rig.net->nr_starts, starts);
	assert_int_equal(rig.peer.nr_starts, 0);
	traffic_init();
	round_trip();
}

static void a_feature_that_the_peer_cannot_honour_is_named(unused void **state)
{
	rig.net->backend.ring_cannot = F(CTRL_RX) | F(CTRL_VLAN);
	vrig_up(&rig, VRIG_ALL);
	expect_refused(-ENOTSUP, "ctrl_rx,ctrl_vlan");
}

static void so_is_one_that_was_offered_but_not_accepted(unused void **state)
{
	rig.net->backend.ring_cannot = F(CTRL_VLAN);
	vrig_up(&rig, VRIG_ALL & ~F(CTRL_VLAN));
	expect_refused(-ENOTSUP, "ctrl_vlan");
}

static void a_peer_that_is_not_there_is_refused(unused void **state)
{
	vrig_up(&rig, VRIG_ALL);
	rig.peer.prepare_err = -ENOENT;
	expect_refused(-ENOENT, "the test says no");
}

static void a_backend_without_rings_is_refused(unused void **state)
{
	rig.net->backend.ring = NULL;
	vrig_up(&rig, VRIG_ALL);
	expect_refused(-ENOTSUP, "fake0");
}

/* What a capture does: another backend in between, which passes on. */
static struct net_backend between;

static ssize_t pass_send(unused struct net_backend *b, const struct iovec *iov, unsigned nr)
{
	between.stats.sends++;
	return rig.net->backend.frame->send(&rig.net->backend, iov, nr);
}

static ssize_t pass_recv(unused struct net_backend *b, const struct iovec *iov, unsigned nr)
{
	between.stats.recvs++;
	return rig.net->backend.frame->recv(&rig.net->backend, iov, nr);
}

static void frames_can_take_a_way_round_but_not_while_the_peer_serves(unused void **state)
{
	const struct net_frame_ops *ops = rig.net->backend.frame;
	struct net_frame_ops passing = *ops;

	passing.send = pass_send;
	passing.recv = pass_recv;
	between = (struct net_backend){.kind = "between", .frame = &passing};
	vrig_up(&rig, VRIG_ALL);
	traffic_init();
	round_trip();
	assert_int_equal(virtio_net_use(rig.n, &between), 0);
	round_trip();
	assert_true(between.stats.sends > 0 && between.stats.recvs > 0);
	assert_int_equal(virtio_net_use(rig.n, &rig.net->backend), 0);
	assert_int_equal(set_path(true), 0);
	assert_int_equal(virtio_net_use(rig.n, &between), -EBUSY);
	round_trip();
	assert_int_equal(rig.net->nr_starts, 1);
}

static void a_peer_that_could_not_interrupt_is_refused(unused void **state)
{
	int fd = dev()->call_fd;

	dev()->call_fd = -1;
	vrig_up(&rig, VRIG_ALL);
	expect_refused(-ENOTSUP, "interrupt");
	dev()->call_fd = fd;
}

static void a_frame_that_waits_for_buffers_is_delivered_first(unused void **state)
{
	uint8_t frame[3 * RX_LEN];

	vrig_up(&rig, VRIG_ALL);
	traffic_init();
	post_rx(1);
	vrig_frame(frame, sizeof(frame), vrig_mac, 1);
	fake_net_queue(rig.net, NULL, frame, sizeof(frame));
	run(1);
	assert_int_equal(set_path(true), -EAGAIN);
	assert_non_null(strstr(result.why, "waits for buffers"));
	post_rx(10);
	run(1);
	assert_int_equal(stats()->rx_frames, 1);
	assert_int_equal(set_path(true), 0);
}

/* ---- what goes wrong */

static void a_peer_that_does_not_start_leaves_things_as_they_were(unused void **state)
{
	vrig_up(&rig, VRIG_ALL);
	traffic_init();
	round_trip();
	rig.peer.start_err = -EIO;
	assert_int_equal(set_path(true), -EIO);
	assert_false(virtio_net_rings(rig.n));
	assert_false(needs_reset());
	assert_true(rig.net->started);
	assert_int_equal(dev()->isr_always, 0);
	round_trip();
	rig.peer.start_err = 0;
	assert_int_equal(set_path(true), 0);
	rig.net->start_err = -ENOMEM;
	assert_int_equal(set_path(false), -ENOMEM);
	assert_true(virtio_net_rings(rig.n));
	round_trip();
}

static void a_peer_that_does_not_start_with_the_driver_is_an_error(unused void **state)
{
	assert_int_equal(set_path(true), 0);
	rig.peer.start_err = -EPROTO;
	assert_int_not_equal(vrig_try_up(&rig, VRIG_ALL), 0);
	assert_true(needs_reset());
	rig.peer.start_err = 0;
	vrig_up(&rig, VRIG_ALL);
	traffic_init();
	round_trip();
}

static void when_neither_side_starts_the_device_needs_a_reset(unused void **state)
{
	vrig_up(&rig, VRIG_ALL);
	assert_int_equal(set_path(true), 0);
	rig.net->start_err = -ENOMEM;
	rig.peer.start_err = -EIO;
	assert_int_equal(set_path(false), -EPROTO);
	assert_true(needs_reset());
	rig.net->start_err = rig.peer.start_err = 0;
	vrig_up(&rig, VRIG_ALL);
	traffic_init();
	round_trip();
}

/* @n requests taken, as a peer says it: a packed ring has slot and wrap counter, and those of the tenth used one. */
static uint32_t taken(unsigned n)
{
	const unsigned num = rig.vq_size;

	if (!rig.vq[NET_RX].packed)
		return n;
	if (n > UINT16_MAX)
		return num; /* there is no such slot */
	return n % num | (n / num % 2 ? 0 : 0x8000u) | (10 | 0x8000u) << 16;
}

/* Ten requests of each ring were used; the peer says that it has taken so many. */
static void come_back_at(unsigned nr_rx, unsigned nr_tx, bool fine)
{
	uint32_t rx, tx;

	vrig_up(&rig, VRIG_ALL);
	rx = taken(nr_rx);
	tx = taken(nr_tx);
	traffic_init();
	assert_int_equal(set_path(true), 0);
	round_trip();
	assert_int_equal(t.received, 10);
	rig.peer.lie = true;
	rig.peer.lie_next_avail[NET_RX] = rx;
	rig.peer.lie_next_avail[NET_TX] = tx;
	assert_int_equal(set_path(false), fine ? 0 : -EPROTO);
	assert_int_equal(needs_reset(), !fine);
	assert_int_equal(rig.net->started, fine);
	rig.peer.lie = false;
	virtio_set_status(dev(), 0);
	assert_int_equal(set_path(false), 0);
}

static void where_a_peer_says_that_it_ended_is_judged(unused void **state)
{
	come_back_at(10, 10, true);
	come_back_at(9, 10, false); /* fewer taken than returned */
	come_back_at(10, 9, false);
	come_back_at(10 + 64, 10, true); /* all in flight */
	come_back_at(10 + 65, 10, false);
	come_back_at(10, 10 + 65, false);
	come_back_at(10, 65536 + 10, false);
	come_back_at(UINT32_MAX, 10, false);
}

static void a_used_index_that_the_driver_spoils_is_noticed(unused void **state)
{
	vrig_up(&rig, VRIG_ALL);
	if (rig.vq[NET_TX].packed) /* it is not there to be spoiled */
		return;
	traffic_init();
	assert_int_equal(set_path(true), 0);
	round_trip();
	rig.vq[NET_TX].used->idx = htole16(1000);
	assert_int_equal(set_path(false), -EPROTO);
	assert_true(needs_reset());
}

static void a_ring_that_the_peer_finds_broken_stops_the_device(unused void **state)
{
	vrig_up(&rig, VRIG_ALL);
	assert_int_equal(set_path(true), 0);
	rig.peer.sink.bad_ring(rig.peer.sink.arg, NET_TX);
	assert_true(needs_reset());
	assert_false(rig.peer.started);
	assert_int_equal(dev()->broken, 1);
	vrig_up(&rig, VRIG_ALL);
	assert_true(rig.peer.started);
}

/* ---- link and queues */

static void while_the_link_is_down_the_peer_serves_nothing(unused void **state)
{
	vrig_up(&rig, VRIG_ALL);
	traffic_init();
	assert_int_equal(set_path(true), 0);
	round_trip();
	virtio_net_set_link(rig.n, false);
	assert_false(rig.peer.started);
	assert_true(virtio_net_rings(rig.n));
	post_tx(5);
	run(5);
	assert_int_equal(rig.net->nr_sent, 0);
	assert_int_equal(stats()->tx_dropped, 5);
	/* A switch while it is down takes effect when it is up. */
	assert_int_equal(set_path(false), 0);
	assert_int_equal(set_path(true), 0);
	assert_false(rig.peer.started);
	virtio_net_set_link(rig.n, true);
	assert_true(rig.peer.started);
	reap();
	t.seen = t.sent;
	round_trip();
}

static void a_peer_that_does_not_come_back_with_the_link_is_replaced_by_us(unused void **state)
{
	vrig_up(&rig, VRIG_ALL);
	traffic_init();
	assert_int_equal(set_path(true), 0);
	virtio_net_set_link(rig.n, false);
	rig.peer.start_err = -EIO;
	virtio_net_set_link(rig.n, true);
	assert_false(rig.peer.started);
	assert_false(virtio_net_rings(rig.n));
	round_trip();
	/* Asking once more is not answered with "it is so already". */
	assert_int_equal(set_path(true), -EIO);
	rig.peer.start_err = 0;
	assert_int_equal(set_path(true), 0);
	assert_true(rig.peer.started);
	assert_true(virtio_net_rings(rig.n));
	round_trip();
}

static void a_lost_backend_is_a_link_that_is_down(unused void **state)
{
	vrig_up(&rig, VRIG_ALL);
	assert_int_equal(set_path(true), 0);
	rig.peer.sink.gone(rig.peer.sink.arg, -ENODEV);
	assert_false(rig.peer.started);
	assert_false(virtio_net_link(rig.n));
	assert_int_equal(rig.net->nr_starts, 1); /* before the switch, not after */
}

static void a_queue_that_is_taken_back_is_not_touched_any_more(unused void **state)
{
	for (unsigned i = NET_RX; i <= NET_TX; i++) {
		vrig_up(&rig, VRIG_ALL);
		set_path(true);
		assert_true(rig.peer.started);
		virtio_queue_ready(dev(), NET_CTRL, false);
		assert_true(rig.peer.started);
		virtio_queue_ready(dev(), i, false);
		assert_false(rig.peer.started);
		assert_true(rig.net->started);
		assert_false(vq_running(&dev()->queue[i].vq));
		/* The other one is ours; there is no ring for the peer to come back to. */
		virtio_net_set_link(rig.n, false);
		virtio_net_set_link(rig.n, true);
		assert_false(rig.peer.started);
		vrig_pump(&rig);
	}
}

static void a_queue_that_is_taken_back_never_goes_to_the_peer_again(unused void **state)
{
	vrig_up(&rig, VRIG_ALL);
	assert_int_equal(set_path(true), 0);
	rig.net->start_err = -ENOMEM;
	virtio_queue_ready(dev(), NET_RX, false);
	assert_false(rig.peer.started);
	assert_false(rig.net->started);
	assert_true(needs_reset());
	assert_false(vq_running(&dev()->queue[NET_RX].vq));
	rig.net->start_err = 0;
	vrig_up(&rig, VRIG_ALL);
	traffic_init();
	round_trip();
}

static void a_driver_that_only_sends_is_served_by_us(unused void **state)
{
	struct fake_vq *vqs[NET_QUEUES] = {NULL, &rig.vq[NET_TX], NULL};

	assert_int_equal(set_path(true), 0);
	fake_vq_init(&rig.vq[NET_TX], &rig.m, 64, dev()->offered);
	assert_int_equal(fake_probe(&rig.dev, FEATURE(VIRTIO_F_VERSION_1), vqs, NET_QUEUES), 0);
	assert_false(rig.peer.started);
	assert_true(rig.net->started);
}

static void the_device_may_end_while_the_peer_serves(unused void **state)
{
	vrig_up(&rig, VRIG_ALL);
	assert_int_equal(set_path(true), 0);
	/* teardown() */
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(ten_thousand_switches_lose_double_and_reorder_nothing),
		CASE(so_without_event_index),
		CASE(so_without_mergeable_buffers),
		CASE(a_peer_that_is_wanted_serves_from_the_start),
		CASE(kicks_and_interrupts_of_the_time_between_are_made_up_for),
		CASE(kicks_that_the_peer_got_are_counted),
		CASE(commands_are_answered_while_the_peer_serves),
		CASE(the_same_path_again_is_no_switch),
		CASE(what_the_peer_holds_is_waited_for_when_we_serve),
		CASE(so_it_is_when_a_change_fails),
		CASE(a_path_set_before_the_driver_is_used_by_it_and_the_next),
		CASE(a_feature_that_the_peer_cannot_honour_is_named),
		CASE(so_is_one_that_was_offered_but_not_accepted),
		CASE(a_peer_that_is_not_there_is_refused),
		CASE(a_backend_without_rings_is_refused),
		CASE(frames_can_take_a_way_round_but_not_while_the_peer_serves),
		CASE(a_peer_that_could_not_interrupt_is_refused),
		CASE(a_frame_that_waits_for_buffers_is_delivered_first),
		CASE(a_peer_that_does_not_start_leaves_things_as_they_were),
		CASE(a_peer_that_does_not_start_with_the_driver_is_an_error),
		CASE(when_neither_side_starts_the_device_needs_a_reset),
		CASE(where_a_peer_says_that_it_ended_is_judged),
		CASE(a_used_index_that_the_driver_spoils_is_noticed),
		CASE(a_ring_that_the_peer_finds_broken_stops_the_device),
		CASE(while_the_link_is_down_the_peer_serves_nothing),
		CASE(a_peer_that_does_not_come_back_with_the_link_is_replaced_by_us),
		CASE(a_lost_backend_is_a_link_that_is_down),
		CASE(a_queue_that_is_taken_back_is_not_touched_any_more),
		CASE(a_queue_that_is_taken_back_never_goes_to_the_peer_again),
		CASE(a_driver_that_only_sends_is_served_by_us),
		CASE(the_device_may_end_while_the_peer_serves),
	};

	return VRIG_RUN_LAYOUTS(tests);
}
