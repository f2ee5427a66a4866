/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The device on a running loop, the driver on a thread of its own, the outside on a third: no kick and
 * no interrupt may get lost. The driver sleeps until its interrupt comes, as a guest does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "devices/virtio.h"
#include "tests/lib/vnet_layouts.h"
#include "tests/lib/vnet_rig.h"
#include "vmm/core/fd.h"
#include "vmm/core/le.h"

#define FRAMES      20000u
#define PATIENCE_MS 30000

static struct vrig rig;
static enum poll_mode poll_mode;
static int irq_fd;

static void interrupt(unused void *transport)
{
	fd_event_set(irq_fd);
}

static const struct virtio_transport_ops tops = {.interrupt = interrupt};

static void wait_irq(void)
{
	struct pollfd p = {.fd = irq_fd, .events = POLLIN};

	assert_int_equal(poll(&p, 1, PATIENCE_MS), 1); /* else an interrupt or a kick was lost */
	fd_event_take(irq_fd);
}

static int setup(void **state)
{
	*state = &rig;
	vrig_create(&rig, (struct vrig_options){.mem_bytes = MIB(8), .poll = poll_mode});
	irq_fd = fd_eventfd();
	rig.dev.core->tops = &tops;
	return 0;
}

static int teardown(void **state)
{
	loop_thread_stop(rig.loop);
	vrig_destroy(*state);
	fd_close(&irq_fd);
	return 0;
}

static void kick_if_wanted(unsigned i)
{
	fake_vq_publish(&rig.vq[i]);
	if (fake_vq_wants_kick(&rig.vq[i]))
		fake_kick(&rig.dev, i);
}

static void forget_sent(void *arg)
{
	struct fake_net *f = arg;

	fake_net_forget_sent(f);
}

static void can_send(void *arg)
{
	struct fake_net *f = arg;

	fake_net_can_send(f);
	fake_net_fail_send(f, 37, -EAGAIN, UINT_MAX);
}

static void send_all(uint64_t features, bool full_now_and_then)
{
	uint8_t bytes[NET_HDR_LEN + 60] = {0};
	struct fake_vq *tx = &rig.vq[NET_TX];
	unsigned posted = 0, done = 0, head;
	struct fake_buf b;
	uint32_t len;

	vrig_up(&rig, features);
	assert_int_equal(loop_thread_start(rig.loop, "net0"), 0);
	vrig_frame(bytes + NET_HDR_LEN, 60, vrig_mac, 1);
	b = fake_out(&rig.m, bytes, sizeof(bytes));
	if (full_now_and_then)
		loop_call(rig.loop, can_send, rig.net);
	while (done < FRAMES) {
		unsigned batch = 1 + posted % 7;

		while (batch-- && posted < FRAMES && fake_vq_add(tx, &b, 1) >= 0)
			posted++;
		kick_if_wanted(NET_TX);
		fake_vq_irq_off(tx);
		while (fake_vq_reap(tx, &head, &len))
			done++;
		if (full_now_and_then)
			loop_call(rig.loop, can_send, rig.net);
		if ((posted - done == 256 || posted == FRAMES) && done < FRAMES &&
		    !fake_vq_irq_on(tx) && !full_now_and_then)
			wait_irq();
	}
	loop_call(rig.loop, forget_sent, rig.net);
	assert_int_equal(virtio_net_stats(rig.n)->tx_frames, FRAMES);
	assert_int_equal(virtio_net_stats(rig.n)->tx_dropped, 0);
}

static void no_frame_out_of_the_guest_gets_lost_with_event_idx(unused void **state)
{
	send_all(VRIG_ALL, false);
}

static void no_frame_out_of_the_guest_gets_lost_with_flags(unused void **state)
{
	send_all(VRIG_ALL & ~FEATURE(VIRTIO_RING_F_EVENT_IDX), false);
}

static void no_frame_gets_lost_at_a_backend_that_is_full_now_and_then(unused void **state)
{
	send_all(VRIG_ALL, true);
}

/* The outside. On the loop thread: as many frames as the backend holds. */
static unsigned fed;

static void feed(void *arg)
{
	struct fake_net *f = arg;
	uint8_t frame[200];

	for (unsigned i = 0; i < 40 && fed < FRAMES && fake_net_queued(f) < 100; i++, fed++) {
		vrig_frame(frame, 60 + fed % 140, vrig_mac, fed);
		fake_net_queue(f, NULL, frame, 60 + fed % 140);
	}
	fake_net_can_recv(f);
}

static void *outside(void *arg)
{
	bool more = true;

	while (more) {
		loop_call(rig.loop, feed, arg);
		more = fed < FRAMES; /* written on the loop thread: ordered by loop_call() */
	}
	return NULL;
}

/* Post receive buffers of @size bytes while there is room; addresses by head. */
static gpa_t addr_of[VQ_NUM_MAX];

static void refill(uint32_t size)
{
	struct fake_vq *rx = &rig.vq[NET_RX];

	while (rx->nr_free) {
		unsigned head = rx->free_head;
		struct fake_buf b = {.addr = addr_of[head], .len = size, .write = true};

		assert_int_equal(fake_vq_add(rx, &b, 1), head);
	}
	kick_if_wanted(NET_RX);
}

static void receive_all(uint64_t features, uint32_t size)
{
	struct fake_vq *rx = &rig.vq[NET_RX];
	pthread_t thread;

	vrig_up(&rig, features);
	for (unsigned i = 0; i < rig.vq_size; i++)
		addr_of[i] = fake_alloc(&rig.m, size, 16);
	fed = 0;
	assert_int_equal(loop_thread_start(rig.loop, "net0"), 0);
	assert_int_equal(pthread_create(&thread, NULL, outside, rig.net), 0);
	for (unsigned done = 0; done < FRAMES;) {
		uint8_t want[200], got[NET_HDR_LEN + 200 + 64];
		unsigned head, chains = 1, at = 0;
		uint32_t used;

		refill(size);
		while (fake_vq_nr_used(rx) == 0) {
			if (!fake_vq_irq_on(rx))
				wait_irq();
			fake_vq_irq_off(rx);
		}
		for (unsigned i = 0; i < chains; i++, at += used) {
			assert_true(fake_vq_reap(rx, &head, &used));
			memcpy(got + at, fake_at(&rig.m, addr_of[head], size), size);
			if (i == 0)
				chains = get_le16(got + 10);
		}
		assert_int_equal(at, NET_HDR_LEN + 60 + done % 140);
		vrig_frame(want, at - NET_HDR_LEN, vrig_mac, done);
		assert_memory_equal(got + NET_HDR_LEN, want, at - NET_HDR_LEN);
		done++;
	}
	assert_int_equal(pthread_join(thread, NULL), 0);
	loop_thread_stop(rig.loop);
	assert_int_equal(virtio_net_stats(rig.n)->rx_frames, FRAMES);
	assert_int_equal(virtio_net_stats(rig.n)->rx_dropped, 0);
}

/* dev.used.data-first, dev.event_idx.must */
static void no_frame_into_the_guest_gets_lost_with_event_idx(unused void **state)
{
	receive_all(VRIG_ALL, 256);
}

static void no_frame_into_the_guest_gets_lost_with_flags(unused void **state)
{
	receive_all(VRIG_ALL & ~FEATURE(VIRTIO_RING_F_EVENT_IDX) & ~VRIG_F(MRG_RXBUF), 256);
}

/* dev.rx.publish-together */
static void no_frame_that_is_spread_gets_lost(unused void **state)
{
	receive_all(VRIG_ALL, 48);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(no_frame_out_of_the_guest_gets_lost_with_event_idx),
		CASE(no_frame_out_of_the_guest_gets_lost_with_flags),
		CASE(no_frame_gets_lost_at_a_backend_that_is_full_now_and_then),
		CASE(no_frame_into_the_guest_gets_lost_with_event_idx),
		CASE(no_frame_into_the_guest_gets_lost_with_flags),
		CASE(no_frame_that_is_spread_gets_lost),
	};

	int failed = 0;

	for (poll_mode = POLL_OFF; poll_mode <= POLL_TRY; poll_mode++) {
		print_message("poll=%s\n", poll_mode_names[poll_mode]);
		failed |= VRIG_RUN_LAYOUTS(tests);
	}
	return failed;
}
