// SPDX-License-Identifier: Apache-2.0
/*
 * Pairs go over from one side to the other, one by one, while frames go both ways on all of them. Everybody has a
 * thread of his own: each pair; the driver; the peer, who does not wait for the device; who brings each pair
 * frames while we serve it; and the test, which changes the path.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/virtio.h"
#include "tests/lib/vnet_lanes.h"
#include "tests/lib/vnet_layouts.h"
#include "vmm/core/fd.h"
#include "vmm/core/thread.h"

#define PAIRS       3u
#define LAST        (PAIRS - 1)
#define CHANGES     200u
#define PATIENCE_MS 30000

static struct vrig rig;
static struct lane lane[PAIRS];
static pthread_t pair_thread[PAIRS]; /* of the first: the device's */

/* What moved: eventfds, and what was there when they were set last. */
enum { IN, OUT, WAYS };
static struct {
	int fd[WAYS];
	_Atomic uint32_t nr[WAYS];
} moved[PAIRS];

/* What the driver sends before somebody has looked: less than a fake_net holds. */
#define AHEAD (FAKE_NET_FRAMES - 20)

static unsigned nr_lanes; /* the first so many have traffic */
static bool flows;
static atomic_bool ends;
static pthread_t driver, peer, bringer[PAIRS];

static void post_after_tries(void *arg);
static struct loop_hook hook = {.fn = post_after_tries}; /* of the last pair's loop */

/* Also on threads other than the test's. */
static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

/* ---- who moves frames */

static void note(unsigned pair, unsigned way, uint32_t nr)
{
	if (moved[pair].nr[way] == nr)
		return;
	moved[pair].nr[way] = nr;
	fd_event_set(moved[pair].fd[way]);
}

/* Whoever serves the pair. */
static void note_moved(struct lane *l)
{
	lane_check_out(l);
	note(l->pair, OUT, l->seen);
	note(l->pair, IN, l->queued - fake_net_queued(rig.nets[l->pair]));
}

static void bring_some(void *arg)
{
	struct lane *l = arg;
	struct fake_net *net = rig.nets[l->pair];

	if (!net->started) /* then the peer does: run_peer() */
		return;
	lane_arrive(l, 7);
	fake_net_can_recv(net);
	note_moved(l);
}

static void *bring(void *arg)
{
	struct lane *l = arg;

	while (!ends) {
		loop_call(rig.n->pair[l->pair].loop, bring_some, l);
		sched_yield();
	}
	return NULL;
}

static bool peer_serves(unsigned pair)
{
	return rig.peer.serves & 1u << pair;
}

static void *run_peer(unused void *arg)
{
	while (!ends) {
		pthread_mutex_lock(&rig.peer.lock);
		for (unsigned i = 0; i < nr_lanes; i++)
			if (peer_serves(i))
				lane_arrive(&lane[i], 7);
		if (rig.peer.started)
			fake_ring_run(&rig.peer, 16);
		for (unsigned i = 0; i < nr_lanes; i++)
			if (peer_serves(i))
				note_moved(&lane[i]);
		pthread_mutex_unlock(&rig.peer.lock);
		sched_yield();
	}
	return NULL;
}

static void *drive(unused void *arg)
{
	while (!ends) {
		for (unsigned i = 0; i < nr_lanes; i++) {
			lane_reap(&lane[i]);
			lane_post_rx(&lane[i], 64);
			if (lane[i].sent - moved[i].nr[OUT] < AHEAD)
				lane_send(&lane[i], 20);
		}
		sched_yield();
	}
	return NULL;
}

static void start_traffic(unsigned lanes)
{
	nr_lanes = lanes;
	ends = false;
	flows = true;
	must(thread_start(&driver, drive, NULL) == 0, "no thread");
	must(thread_start(&peer, run_peer, NULL) == 0, "no thread");
	for (unsigned i = 0; i < lanes; i++)
		must(thread_start(&bringer[i], bring, &lane[i]) == 0, "no thread");
}

static void stop_traffic(void)
{
	if (!flows)
		return;
	ends = true;
	pthread_join(driver, NULL);
	pthread_join(peer, NULL);
	for (unsigned i = 0; i < nr_lanes; i++)
		pthread_join(bringer[i], NULL);
	flows = false;
}

/* Frames of all pairs but that one come and go; nobody has to be quick. */
static void await_traffic(unsigned but)
{
	for (unsigned i = 0; i < WAYS * nr_lanes; i++) {
		const unsigned pair = i / WAYS;
		struct pollfd p = {.fd = moved[pair].fd[i % WAYS], .events = POLLIN};

		if (pair == but)
			continue;
		fd_event_take(p.fd);
		must(poll(&p, 1, PATIENCE_MS) == 1, "a pair is not served while another goes over");
	}
}

/* ---- the rig */

static struct loop *loop_of(unsigned pair)
{
	return pair ? rig.more_loops[pair - 1] : rig.loop;
}

static void note_thread(void *arg)
{
	*(pthread_t *)arg = pthread_self();
}

static int setup(void **state)
{
	*state = &rig;
	vrig_create(&rig, (struct vrig_options){.pairs = PAIRS,
	                                        .peer = true,
	                                        .by_pair = true,
	                                        .vq_size = 64,
	                                        .without = VRIG_F(RSS)});
	vrig_up(&rig, VRIG_ALL);
	must(vrig_set_pairs(&rig, PAIRS) == VIRTIO_NET_OK, "not so many pairs");
	memset(moved, 0, sizeof(moved));
	for (unsigned i = 0; i < PAIRS; i++) {
		lane_init(&lane[i], &rig, i);
		for (unsigned k = 0; k < WAYS; k++)
			must((moved[i].fd[k] = fd_eventfd()) >= 0, "no eventfd");
	}
	return 0;
}

static void start_threads(void)
{
	for (unsigned i = 0; i < PAIRS; i++) {
		must(loop_thread_start(loop_of(i), "net0") == 0, "no thread");
		loop_call(loop_of(i), note_thread, &pair_thread[i]);
	}
}

static void stop_threads(void)
{
	stop_traffic();
	for (unsigned i = 0; i < PAIRS; i++)
		loop_thread_stop(loop_of(i));
	rig.peer.on_change = NULL;
}

static int teardown(void **state)
{
	stop_threads();
	loop_hook_del(loop_of(LAST), &hook);
	vrig_destroy(*state);
	for (unsigned i = 0; i < PAIRS; i++)
		for (unsigned k = 0; k < WAYS; k++)
			fd_close(&moved[i].fd[k]);
	return 0;
}

struct change {
	bool rings;
	int ret;
};

static void change_path(void *arg)
{
	struct change *c = arg;
	struct virtio_net_switch s;

	c->ret = virtio_net_set_path(rig.n, c->rings, &s);
}

static int set_path(bool rings)
{
	struct change c = {.rings = rings};

	loop_call(rig.loop, change_path, &c);
	return c.ret;
}

/* ---- from one side to the other */

static unsigned nr_changes;

/* It is that pair's own thread that does it; the device's has only its own pair. */
static void check_change(unsigned pair, bool start)
{
	must(pthread_equal(pthread_self(), pair_thread[pair]),
	     "a pair is handed over by another's thread");
	for (unsigned i = 0; i < PAIRS; i++) {
		must(i == pair || !pthread_equal(pthread_self(), pair_thread[i]),
		     "two pairs have one thread");
		must(peer_serves(i) == (start ? i < pair : i <= pair), "wrong order");
		must(rig.nets[i]->started == (i > pair), "a pair is not served");
	}
	must(rig.dev.core->isr_always, "interrupts of the peer are not the driver's");
	nr_changes++;
}

static void go_over_under_traffic(unsigned pair, bool start)
{
	check_change(pair, start);
	if (nr_changes % 7 == 0)
		await_traffic(pair);
}

static void pairs_on_different_sides_lose_nothing(unused void **state)
{
	bool rings = false;

	nr_changes = 0;
	rig.peer.on_change = go_over_under_traffic;
	start_threads();
	start_traffic(PAIRS);
	for (unsigned i = 0; i < CHANGES; i++) {
		rings = !rings;
		assert_int_equal(set_path(rings), 0);
	}
	stop_threads();
	assert_int_equal(nr_changes, PAIRS * CHANGES);
	assert_int_equal(virtio_net_stats(rig.n)->switches, CHANGES);
	lanes_drain(lane, PAIRS);
}

/* ---- a frame that waits in the last pair, when the others have gone */

#define BIG       2000u
#define BIG_PARTS 8u /* buffers of LANE_RX_LEN */

/* The driver has buffers for it after so many tries, counted from when pair LAST - 1 goes; 0: never. */
static unsigned tries;
static _Atomic uint64_t free_at; /* calls of the last pair's loop; 0: not yet, or never */

static uint64_t calls_of_last(void)
{
	struct loop_stats s;

	loop_stats(loop_of(LAST), &s);
	return s.calls;
}

static void count_from_here(unsigned pair, bool start)
{
	check_change(pair, start);
	if (pair == LAST - 1 && start && tries)
		free_at = calls_of_last() + tries;
}

/* On the last pair's thread, and so the first to know: each hand-over that is tried is a call. */
static void post_after_tries(unused void *arg)
{
	if (!free_at || calls_of_last() < free_at)
		return;
	free_at = 0;
	lane_post_rx(&lane[LAST], BIG_PARTS - 1);
}

static void queue_big(void *arg)
{
	fake_net_queue(rig.nets[LAST], NULL, arg, BIG);
	fake_net_can_recv(rig.nets[LAST]);
}

static void let_a_frame_wait(uint8_t frame[BIG])
{
	const uint64_t end = loop_now_ns() + UINT64_C(1000000) * PATIENCE_MS;
	char why[400];

	lane_post_rx(&lane[LAST], 1);
	loop_call(loop_of(LAST), queue_big, frame);
	while (virtio_net_open_rings(rig.n, why, sizeof(why)) != -EAGAIN)
		assert_true(loop_now_ns() < end);
}

/* The frame comes to the driver, whoever serves. */
static void take_big(const uint8_t frame[BIG])
{
	const uint64_t end = loop_now_ns() + UINT64_C(1000000) * PATIENCE_MS;
	struct lane *l = &lane[LAST];
	uint8_t got[BIG_PARTS * LANE_RX_LEN];
	size_t at = 0;

	for (unsigned i = 0; i < BIG_PARTS; i++) {
		struct fake_vq *rx = &rig.vq[NET_PAIR_QUEUES * LAST + NET_RX];
		unsigned head;
		uint32_t len;

		while (!fake_vq_reap(rx, &head, &len))
			assert_true(loop_now_ns() < end);
		assert_true(len <= LANE_RX_LEN);
		memcpy(got + at, fake_at(&rig.m, l->rx_of[head].addr, len), len);
		l->rx_free[l->nr_rx_free++] = l->rx_of[head];
		at += len;
	}
	assert_int_equal(at, NET_HDR_LEN + BIG);
	assert_memory_equal(got + NET_HDR_LEN, frame, BIG);
}

static void start_counting(void)
{
	free_at = 0;
	nr_changes = 0;
	rig.peer.on_change = count_from_here;
	loop_hook_add(loop_of(LAST), &hook);
	start_threads();
	start_traffic(LAST);
}

static void a_frame_that_waits_is_waited_for_when_others_have_gone(unused void **state)
{
	uint8_t frame[BIG];

	start_counting();
	for (unsigned i = 0; i < 20; i++) {
		vrig_frame(frame, BIG, vrig_mac, i);
		let_a_frame_wait(frame);
		tries = 1 + i % 10;
		assert_int_equal(set_path(true), 0);
		assert_int_equal(free_at, 0);
		take_big(frame);
		assert_int_equal(set_path(false), 0);
	}
	assert_int_equal(nr_changes, 20 * 2 * PAIRS); /* nobody came back meanwhile */
	stop_threads();
	lanes_drain(lane, PAIRS);
}

static void a_frame_that_waits_too_long_takes_all_back(unused void **state)
{
	uint8_t frame[BIG];

	tries = 0;
	start_counting();
	for (unsigned i = 0; i < 5; i++) {
		vrig_frame(frame, BIG, vrig_mac, i);
		let_a_frame_wait(frame);
		nr_changes = 0;
		assert_int_equal(set_path(true), -EAGAIN);
		assert_int_equal(nr_changes, 2 * LAST);
		assert_false(rig.peer.started || rig.peer.held);
		assert_int_equal(rig.dev.core->isr_always, 0);
		await_traffic(LAST);
		lane_post_rx(&lane[LAST], BIG_PARTS - 1);
		take_big(frame);
		assert_int_equal(set_path(true), 0);
		await_traffic(LAST);
		assert_int_equal(set_path(false), 0);
	}
	stop_threads();
	lanes_drain(lane, PAIRS);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(pairs_on_different_sides_lose_nothing),
		CASE(a_frame_that_waits_is_waited_for_when_others_have_gone),
		CASE(a_frame_that_waits_too_long_takes_all_back),
	};

	return VRIG_RUN_LAYOUTS(tests);
}
