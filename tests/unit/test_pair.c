/* SPDX-License-Identifier: Apache-2.0 */
/* Two NICs that are joined, on one thread. How frames are moved is asked in test_net_contract.c, too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "net/numbered.h"
#include "net/pair.h"
#include "tests/lib/capture.h"
#include "tests/lib/net_rig.h"
#include "tests/lib/pkt.h"
#include "vmm/core/compiler.h"
#include "vmm/core/loop.h"

struct fixture {
	struct net_pairs pairs;
	struct rig rig[3];
	unsigned fds;
};

static int setup(void **state)
{
	static struct fixture f;

	f = (struct fixture){.fds = count_fds()};
	for (unsigned i = 0; i < ARRAY_SIZE(f.rig); i++) {
		rig_init(&f.rig[i]);
		f.rig[i].pairs = &f.pairs;
	}
	rig_share(&f.rig[1], &f.rig[0]);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(f->rig); i++) /* all loops before any end */
		loop_thread_stop(f->rig[i].loop);
	for (unsigned i = 0; i < ARRAY_SIZE(f->rig); i++)
		rig_close(&f->rig[i]);
	return !f->pairs.first && count_fds() == f->fds ? 0 : -1;
}

static void join(struct fixture *f)
{
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(rig_open(&f->rig[i], "pair", "name=x", 0), 0);
	assert_int_equal(net_pairs_check(&f->pairs), 0);
	for (unsigned i = 0; i < 2; i++)
		rig_run(&f->rig[i]);
}

static void join_and_start(struct fixture *f)
{
	join(f);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(rig_start(&f->rig[i], 0), 0);
}

/* ---- how ends find each other */

static void refuse(struct rig *r, const char *keys, int err, const char *part)
{
	struct capture c;
	int ret;

	CAPTURED(&c, &ret, rig_open(r, "pair", keys, 0));
	assert_int_equal(ret, err);
	assert_null(r->b);
	assert_one_line(&c, part);
}

static void end_without_a_name_is_refused(void **state)
{
	struct fixture *f = *state;

	refuse(&f->rig[0], "", -EINVAL, "pair needs name=NAME, of 1 to 31 characters");
	refuse(&f->rig[0], "name=", -EINVAL, "name= is not possible, allowed: 1 to 31 char");
	refuse(&f->rig[0], "name=0123456789012345678901234567890x", -EINVAL, "1 to 31");
	f->rig[0].pairs = NULL;
	refuse(&f->rig[0], "name=x", -ENOTSUP, "there can be no other end here");
}

static void third_end_is_refused(void **state)
{
	struct fixture *f = *state;

	join(f);
	refuse(&f->rig[2], "name=x", -EINVAL, "name=x: both of its ends are taken");
	assert_int_equal(rig_open(&f->rig[2], "pair", "name=y", 0), 0);
}

static void end_that_is_alone_is_found_out(void **state)
{
	struct fixture *f = *state;
	struct capture c;
	int ret;

	assert_int_equal(net_pairs_check(&f->pairs), 0);
	assert_int_equal(rig_open(&f->rig[0], "pair", "name=x", 0), 0);
	assert_int_equal(rig_open(&f->rig[1], "pair", "name=y", 0), 0);
	CAPTURED(&c, &ret, net_pairs_check(&f->pairs));
	assert_int_equal(ret, -EINVAL);
	assert_one_line(&c, "is given once, a pair has two ends");
	assert_int_equal(rig_start(&f->rig[0], 0), -ENOTCONN);
	rig_share(&f->rig[2], &f->rig[0]);
	assert_int_equal(rig_open(&f->rig[2], "pair", "name=x", 0), 0);
	assert_int_equal(rig_start(&f->rig[0], 0), 0);
}

static void one_end_may_be_destroyed_while_the_other_is_started(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(rig_open(&f->rig[i], "pair", "name=x", 0), 0);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(rig_start(&f->rig[i], 0), 0);
	assert_true(rig_send(&f->rig[0], NULL, "frame with a header", 19) > 0);
	rig_close(&f->rig[1]);
	assert_int_equal(rig_start(&f->rig[0], 0), -ENOTCONN);
	rig_init(&f->rig[1]);
	rig_share(&f->rig[1], &f->rig[0]);
	f->rig[1].pairs = &f->pairs;
	assert_int_equal(rig_open(&f->rig[1], "pair", "name=x", 0), 0);
	assert_int_equal(rig_start(&f->rig[0], 0), 0);
}

/* ---- frames */

static void frames_to_an_end_that_nobody_serves_are_lost(void **state)
{
	struct fixture *f = *state;
	uint8_t frame[60] = {0};

	join(f);
	assert_int_equal(rig_start(&f->rig[0], 0), 0);
	assert_int_equal(rig_send(&f->rig[0], NULL, frame, sizeof(frame)), -ENETDOWN);
	assert_int_equal(f->rig[0].b->stats.send_errors, 1);
	assert_int_equal(rig_start(&f->rig[1], 0), 0);
	rig_want_recv(&f->rig[1], false);
	assert_true(rig_send(&f->rig[0], NULL, frame, sizeof(frame)) > 0);
	rig_stop(&f->rig[1]);
	rig_forget_frames(&f->rig[1]);
	assert_int_equal(f->rig[1].b->stats.recv_dropped, 1);
	assert_int_equal(f->rig[0].b->stats.sends, 1); /* as by any host that then loses it */
	assert_int_equal(rig_send(&f->rig[0], NULL, frame, sizeof(frame)), -ENETDOWN);
	assert_int_equal(rig_start(&f->rig[1], 0), 0);
	rig_settle(&f->rig[1]);
	assert_int_equal(f->rig[1].nr_got, 0);
}

static void end_that_stops_for_a_moment_receives_what_was_sent_meanwhile(void **state)
{
	struct fixture *f = *state;
	uint8_t frame[60] = {0};

	join_and_start(f);
	rig_want_recv(&f->rig[1], false);
	for (unsigned i = 0; i < 4; i++) {
		if (i == 2)
			rig_stop(&f->rig[1]);
		frame[0] = (uint8_t)i;
		assert_true(rig_send(&f->rig[0], NULL, frame, sizeof(frame)) > 0);
	}
	assert_int_equal(rig_start(&f->rig[1], 0), 0);
	assert_true(rig_wait_frames(&f->rig[1], 4));
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(f->rig[1].got[i].data[NET_HDR_LEN], i);
	assert_int_equal(f->rig[1].b->stats.recv_dropped, 0);
}

struct recalling {
	struct net_backend *b;
	unsigned done;
};

static void recall(void *arg)
{
	struct recalling *r = arg;

	r->b->frame->recall(r->b, true);
	r->done = r->b->frame->done(r->b);
}

static void frames_that_are_taken_back_do_not_arrive(void **state)
{
	struct fixture *f = *state;
	struct recalling r;
	uint8_t frame[60] = {0};

	join_and_start(f);
	r.b = f->rig[0].b;
	rig_want_recv(&f->rig[1], false);
	for (unsigned i = 0; i < 5; i++) {
		frame[0] = (uint8_t)i;
		assert_true(rig_send(&f->rig[0], NULL, frame, sizeof(frame)) > 0);
	}
	assert_int_equal(rig_take(&f->rig[1], frame, sizeof(frame)), sizeof(frame));
	assert_int_equal(rig_take(&f->rig[1], frame, sizeof(frame)), sizeof(frame));
	assert_int_equal(frame[0], 1);
	loop_call(f->rig[0].loop, recall, &r);
	assert_int_equal(r.done, 0); /* the two that were taken were counted before */
	assert_int_equal(r.b->stats.sends, 2);
	assert_int_equal(r.b->stats.send_bytes, 2 * (NET_HDR_LEN + sizeof(frame)));
	rig_want_recv(&f->rig[1], true);
	rig_settle(&f->rig[1]);
	assert_int_equal(f->rig[1].nr_got, 0);
}

static void frame_is_copied_once_and_only_when_it_is_taken(void **state)
{
	struct fixture *f = *state;
	uint8_t frame[1000] = {0};

	join_and_start(f);
	rig_want_recv(&f->rig[1], false);
	assert_true(rig_send(&f->rig[0], NULL, frame, sizeof(frame)) > 0);
	assert_int_equal(f->rig[1].b->stats.bytes_copied, 0);
	rig_want_recv(&f->rig[1], true);
	assert_true(rig_wait_frames(&f->rig[1], 1));
	assert_int_equal(f->rig[0].b->stats.bytes_copied + f->rig[1].b->stats.bytes_copied,
	                 sizeof(frame));
}

static void sender_that_waits_goes_on_when_the_other_end_stops(void **state)
{
	struct fixture *f = *state;
	uint8_t frame[1500] = {0};

	join_and_start(f);
	rig_want_recv(&f->rig[1], false);
	while (rig_send(&f->rig[0], NULL, frame, sizeof(frame)) > 0)
		;
	rig_settle(&f->rig[0]);
	rig_stop(&f->rig[1]);
	rig_forget_frames(&f->rig[1]);
	assert_true(rig_wait_can_send(&f->rig[0], 1));
	assert_int_equal(rig_send(&f->rig[0], NULL, frame, sizeof(frame)), -ENETDOWN);
}

static void header_goes_with_its_frame_to_who_takes_it(void **state)
{
	static const struct pkt_ends ends = {.src = 1, .dst = 2, .sport = 3, .dport = 4};
	const struct virtio_net_hdr_v1 none = {0};
	struct virtio_net_hdr_v1 hdr = pkt_tcp_hdr(0);
	struct pkt_tcp t = {.flags = 0x10, .partial = true};
	struct fixture *f = *state;
	struct rig *to = &f->rig[1];
	uint8_t frame[256], want[256];
	size_t len = pkt_tcp(frame, &ends, &t, "data", 4);

	join_and_start(f);
	assert_int_equal(rig_set_offloads(to, FEATURE(VIRTIO_NET_F_GUEST_CSUM)), 0);
	hdr.num_buffers = 9;
	assert_true(rig_send(&f->rig[0], &hdr, frame, len) > 0);
	assert_true(rig_wait_frames(to, 1));
	hdr.num_buffers = 0;
	assert_memory_equal(to->got[0].data, &hdr, sizeof(hdr));
	assert_memory_equal(to->got[0].data + NET_HDR_LEN, frame, len);
	/* Another one wants it complete. */
	assert_int_equal(rig_set_offloads(to, 0), 0);
	assert_true(rig_send(&f->rig[0], &hdr, frame, len) > 0);
	assert_true(rig_wait_frames(to, 2));
	t.partial = false;
	pkt_tcp(want, &ends, &t, "data", 4);
	assert_memory_equal(to->got[1].data, &none, sizeof(none));
	assert_memory_equal(to->got[1].data + NET_HDR_LEN, want, len);
}

/* ---- two threads at once */

#define FLOOD 40000u
#define SLOTS 64u

/* An end as a busy device: sends numbered frames whenever it may, and checks what it gets. On its loop's thread. */
struct flooder {
	struct net_backend *b;
	struct rig *rig; /* told when it is done, as if it had stopped */
	struct numbered_check check;
	uint64_t sent, done; /* of these, those between the two lie in their slots */
	unsigned interrupt;  /* every so many of can_recv it stops, and starts again; 0: never */
	unsigned calls;
	bool ended;
	uint8_t header[NET_HDR_LEN];
	uint8_t slot[SLOTS][NET_RECV_MAX];
	uint8_t buf[NET_RECV_MAX];
};

static struct numbered_filler filler;

static uint32_t size_of(uint64_t number)
{
	return number % 64 == 63 ? 60000 : 60 + (uint32_t)(number * 37 % 1455);
}

static void flood(struct flooder *x)
{
	static const uint8_t mac[6] = {2};

	while (x->sent < FLOOD && x->sent - x->done < SLOTS) {
		const struct numbered_frame frame = {mac, mac, size_of(x->sent), x->sent, 1};
		uint8_t *slot = x->slot[x->sent % SLOTS];
		const struct iovec iov[2] = {{x->header, NET_HDR_LEN}, {slot, frame.len}};

		numbered_write(&frame, &filler, &iov[1], 1, 0);
		if (x->b->frame->send(x->b, iov, 2) < 0)
			return;
		x->sent++;
	}
}

/* What is done is overwritten, as by a guest that uses its buffers again. */
static void collect(struct flooder *x)
{
	for (unsigned nr = x->b->frame->done(x->b); nr; nr--, x->done++)
		memset(x->slot[x->done % SLOTS], 0x5a, size_of(x->done));
}

static void look_whether_done(struct flooder *x)
{
	if (x->ended || x->check.stats.good < FLOOD || x->done < FLOOD)
		return;
	x->ended = true;
	pthread_mutex_lock(&x->rig->lock);
	x->rig->nr_stopped++;
	pthread_cond_broadcast(&x->rig->changed);
	pthread_mutex_unlock(&x->rig->lock);
}

static void flood_can_recv(void *arg);

static void flood_can_send(void *arg)
{
	struct flooder *x = arg;

	collect(x);
	flood(x);
	look_whether_done(x);
}

static void flood_start(void *arg)
{
	struct flooder *x = arg;
	const struct net_sink sink = {.can_recv = flood_can_recv,
	                              .can_send = flood_can_send,
	                              .sent = flood_can_send,
	                              .arg = x};

	assert_int_equal(x->b->frame->start(x->b, 0, &sink), 0);
}

/* What is not done goes back, is overwritten at once, and is sent again. */
static void flood_again(struct flooder *x)
{
	x->b->frame->stop(x->b);
	collect(x);
	for (; x->sent > x->done; x->sent--)
		memset(x->slot[(x->sent - 1) % SLOTS], 0xa5, size_of(x->sent - 1));
	flood_start(x);
	flood(x);
	look_whether_done(x);
}

static void flood_can_recv(void *arg)
{
	struct flooder *x = arg;
	struct iovec iov = {x->buf, sizeof(x->buf)};
	ssize_t len;

	for (unsigned i = 0; i < 16 && (len = x->b->frame->recv(x->b, &iov, 1)) > 0; i++)
		numbered_look(&x->check, &iov, 1, NET_HDR_LEN, (size_t)len - NET_HDR_LEN);
	look_whether_done(x);
	if (x->interrupt && !x->ended && ++x->calls % x->interrupt == 0)
		flood_again(x);
}

static void flood_begin(void *arg)
{
	flood(arg);
}

static void flood_both(struct fixture *f, unsigned interrupt)
{
	static struct flooder x[2];

	numbered_filler_make(&filler);
	join(f);
	for (unsigned i = 0; i < 2; i++) {
		x[i] = (struct flooder){
			.b = f->rig[i].b, .rig = &f->rig[i], .interrupt = interrupt};
		x[i].check = (struct numbered_check){
			.filler = &filler, .ours = true, .stream = 1, .sent = FLOOD};
		loop_call(f->rig[i].loop, flood_start, &x[i]);
	}
	for (unsigned i = 0; i < 2; i++)
		loop_call(f->rig[i].loop, flood_begin, &x[i]);
	for (unsigned i = 0; i < 2; i++)
		assert_true(rig_wait_stopped(&f->rig[i], 1));
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(x[i].check.stats.good, FLOOD);
		assert_int_equal(x[i].check.stats.reordered, 0);
		assert_int_equal(x[i].check.stats.duplicated, 0);
		assert_int_equal(x[i].check.stats.corrupted, 0);
		assert_int_equal(x[i].b->stats.send_errors, 0);
		assert_int_equal(x[i].b->stats.recv_dropped, 0);
	}
}

static void two_busy_ends_lose_nothing_and_wake_each_other(void **state)
{
	flood_both(*state, 0);
}

static void ends_that_stop_in_mid_traffic_lose_nothing_and_send_nothing_twice(void **state)
{
	flood_both(*state, 5);
}

static void ping(struct rig *from, struct rig *to, unsigned i)
{
	uint8_t frame[60] = {(uint8_t)i};

	assert_true(rig_send(from, NULL, frame, sizeof(frame)) > 0);
	assert_true(rig_wait_frames(to, i + 1));
}

static void single_frames_wake_a_sleeping_end(void **state)
{
	struct fixture *f = *state;

	join_and_start(f);
	for (unsigned i = 0; i < 500; i++) {
		ping(&f->rig[0], &f->rig[1], i);
		ping(&f->rig[1], &f->rig[0], i);
	}
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(end_without_a_name_is_refused),
		CASE(third_end_is_refused),
		CASE(end_that_is_alone_is_found_out),
		CASE(one_end_may_be_destroyed_while_the_other_is_started),
		CASE(frames_to_an_end_that_nobody_serves_are_lost),
		CASE(end_that_stops_for_a_moment_receives_what_was_sent_meanwhile),
		CASE(frames_that_are_taken_back_do_not_arrive),
		CASE(frame_is_copied_once_and_only_when_it_is_taken),
		CASE(sender_that_waits_goes_on_when_the_other_end_stops),
		CASE(header_goes_with_its_frame_to_who_takes_it),
		CASE(two_busy_ends_lose_nothing_and_wake_each_other),
		CASE(ends_that_stop_in_mid_traffic_lose_nothing_and_send_nothing_twice),
		CASE(single_frames_wake_a_sleeping_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
