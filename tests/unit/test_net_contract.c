/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What net_backend.h promises, asked of every backend: a case is run once per row of side_kinds[]. What an
 * outside cannot do (a libslirp that goes away, a TAP that is full) is left out of its row.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/net_sides.h"
#include "vmm/core/compiler.h"
#include "vmm/core/loop.h"

static unsigned read_locked(struct rig *r, const unsigned *what)
{
	unsigned v;

	pthread_mutex_lock(&r->lock);
	v = *what;
	pthread_mutex_unlock(&r->lock);
	return v;
}

/* ---- the cases */

/* A capture does not count: what it is around does. */
static const struct net_backend_stats *counted(const struct side *s)
{
	const bool captured = strncmp(s->kind->name, "pcap", 4) == 0;

	return &(captured ? net_pcap_inner(s->rig.b) : s->rig.b)->stats;
}

static void stop_and_start_again(struct side *s)
{
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(rig_start(&s->rig, 0), 0);
		side_provoke(s, i);
		assert_true(side_came(s, i));
		rig_stop(&s->rig);
		rig_forget(&s->rig);
	}
}

static void second_start_is_refused(struct side *s)
{
	assert_int_equal(rig_start(&s->rig, 0), 0);
	assert_int_equal(rig_start(&s->rig, 0), -EBUSY);
	side_provoke(s, 1);
	assert_true(side_came(s, 1));
}

static void frames_arrive_whole_and_in_order(struct side *s)
{
	unsigned at = 0;

	assert_int_equal(rig_start(&s->rig, 0), 0);
	for (unsigned i = 0; i < 100; i++)
		side_provoke(s, i);
	assert_true(side_came(s, 99));
	if (!s->kind->silent)
		assert_true(rig_wait_frames(&s->rig, 100));
	if (!s->kind->to_guest)
		return;
	/* The kernel may have mixed frames of its own in between. */
	for (unsigned i = 0; i < s->rig.nr_got; i++) {
		struct side_want w = {at, side_length_of(at)};

		if (side_is_frame(s->rig.got[i].data + NET_HDR_LEN, s->rig.got[i].len - NET_HDR_LEN,
		                  &w))
			at++;
	}
	assert_int_equal(at, 100);
}

static void frames_are_scattered_over_pieces(struct side *s)
{
	s->rig.pieces = 7;
	frames_arrive_whole_and_in_order(s);
	/* More pieces than the frame has bytes. */
	rig_forget(&s->rig);
	rig_stop(&s->rig);
	s->rig.pieces = 60;
	assert_int_equal(rig_start(&s->rig, 0), 0);
	side_provoke(s, 5);
	assert_true(side_came(s, 5));
}

static void reader_with_a_budget_is_called_again(struct side *s)
{
	if (s->kind->silent)
		return;
	s->rig.budget = 1;
	assert_int_equal(rig_start(&s->rig, 0), 0);
	rig_want_recv(&s->rig, false);
	for (unsigned i = 0; i < 10; i++)
		side_provoke(s, i);
	rig_want_recv(&s->rig, true);
	assert_true(rig_wait_frames(&s->rig, 10));
	assert_true(side_came(s, 9));
}

static void sent_frames_arrive_outside(struct side *s)
{
	uint8_t f[2048], got[2048];

	if (!s->kind->outside)
		return; /* answers were proof enough */
	assert_int_equal(rig_start(&s->rig, 0), 0);
	for (unsigned i = 0; i < 200; i++) {
		struct side_want w = {i, side_length_of(i)};
		size_t len = side_length_of(i);

		side_make_frame(f, len, i);
		assert_int_equal(rig_send(&s->rig, NULL, f, len), len + NET_HDR_LEN);
		len = s->kind->outside(s, got, sizeof(got));
		assert_true(side_is_frame(got, len, &w));
	}
	assert_int_equal(counted(s)->sends, 200);
	assert_true(counted(s)->send_bytes > 200 * (60 + NET_HDR_LEN));
}

static void muted_backend_is_silent_and_keeps_the_frame(struct side *s)
{
	unsigned before;

	assert_int_equal(rig_start(&s->rig, 0), 0);
	rig_want_recv(&s->rig, false);
	rig_settle(&s->rig);
	before = read_locked(&s->rig, &s->rig.nr_can_recv);
	side_provoke(s, 3);
	rig_settle(&s->rig);
	assert_int_equal(read_locked(&s->rig, &s->rig.nr_can_recv), before);
	rig_want_recv(&s->rig, true);
	assert_true(side_came(s, 3));
}

static void start_wants_to_receive_again(struct side *s)
{
	assert_int_equal(rig_start(&s->rig, 0), 0);
	rig_want_recv(&s->rig, false);
	rig_stop(&s->rig);
	assert_int_equal(rig_start(&s->rig, 0), 0);
	side_provoke(s, 4);
	assert_true(side_came(s, 4));
}

static void nobody_is_called_after_stop(struct side *s)
{
	unsigned recvs, sends;

	assert_int_equal(rig_start(&s->rig, 0), 0);
	rig_want_recv(&s->rig, false);
	side_provoke(s, 6);
	rig_stop(&s->rig);
	recvs = read_locked(&s->rig, &s->rig.nr_can_recv);
	sends = read_locked(&s->rig, &s->rig.nr_can_send);
	if (s->kind->to_guest)
		side_provoke(s, 7);
	rig_settle(&s->rig);
	assert_int_equal(read_locked(&s->rig, &s->rig.nr_can_recv), recvs);
	assert_int_equal(read_locked(&s->rig, &s->rig.nr_can_send), sends);
	assert_int_equal(read_locked(&s->rig, &s->rig.nr_gone), 0);
}

static void stop_twice_is_once(struct side *s)
{
	rig_stop(&s->rig);
	assert_int_equal(rig_start(&s->rig, 0), 0);
	rig_stop(&s->rig);
	rig_stop(&s->rig);
}

/* Send frames from number @sent on until no more is taken. Their number then. */
static unsigned fill(struct side *s, unsigned sent)
{
	uint8_t f[2048];
	ssize_t ret = 0;

	while (sent < 100000) {
		side_make_frame(f, side_length_of(sent), sent);
		ret = rig_send(&s->rig, NULL, f, side_length_of(sent));
		if (ret < 0)
			break;
		sent++;
	}
	assert_int_equal(ret, -EAGAIN);
	return sent;
}

/* Read frames [read, sent) outside. */
static void drain(struct side *s, unsigned read, unsigned sent)
{
	uint8_t got[2048];

	for (; read < sent; read++) {
		struct side_want w = {read, side_length_of(read)};

		assert_true(side_is_frame(got, s->kind->outside(s, got, sizeof(got)), &w));
	}
}

/* Of a backend with done(), whose sender has back what was not read by then. */
static void drain_until_stopped(struct side *s)
{
	uint8_t got[2048];

	while (!read_locked(&s->rig, &s->rig.nr_stopped))
		s->kind->outside(s, got, sizeof(got));
}

/* As a device does that finds a broken rule while it moves frames. */
static void sink_stops_the_backend_when_there_are_frames(struct side *s)
{
	unsigned calls;

	if (s->kind->silent)
		return;
	for (unsigned i = 1; i <= 5; i++) {
		s->rig.stop_in = RIG_CAN_RECV;
		assert_int_equal(rig_start(&s->rig, 0), 0);
		for (unsigned k = 0; k < 3 && (k == 0 || s->kind->to_guest); k++)
			side_provoke(s, k);
		assert_true(rig_wait_stopped(&s->rig, i));
		calls = read_locked(&s->rig, &s->rig.nr_can_recv);
		if (s->kind->to_guest)
			side_provoke(s, 3);
		rig_settle(&s->rig);
		assert_int_equal(read_locked(&s->rig, &s->rig.nr_can_recv), calls);
	}
	assert_int_equal(rig_start(&s->rig, 0), 0);
	side_provoke(s, 9);
	assert_true(side_came(s, 9));
}

static void sink_stops_the_backend_when_there_is_room(struct side *s)
{
	unsigned sent;

	if (!s->kind->fills)
		return;
	s->rig.stop_in = RIG_CAN_SEND;
	assert_int_equal(rig_start(&s->rig, 0), 0);
	sent = fill(s, 0);
	if (s->rig.b->frame->done)
		drain_until_stopped(s);
	else
		drain(s, 0, sent);
	assert_true(rig_wait_stopped(&s->rig, 1));
	side_provoke(s, 1);
	rig_settle(&s->rig);
	assert_int_equal(read_locked(&s->rig, &s->rig.nr_can_send), 1);
	assert_int_equal(read_locked(&s->rig, &s->rig.nr_can_recv), 0);
	assert_int_equal(rig_start(&s->rig, 0), 0);
	assert_true(side_came(s, 1));
}

static void nobody_hears_of_room_who_stopped_at_a_frame(struct side *s)
{
	unsigned sent;

	if (!s->kind->fills)
		return;
	s->rig.stop_in = RIG_CAN_RECV;
	assert_int_equal(rig_start(&s->rig, 0), 0);
	sent = fill(s, 0);
	side_provoke(s, 1);
	drain(s, 0, sent);
	rig_run(&s->rig); /* one event: a frame, and room */
	assert_true(rig_wait_stopped(&s->rig, 1));
	rig_settle(&s->rig);
	assert_int_equal(read_locked(&s->rig, &s->rig.nr_can_send), 0);
}

static void full_backend_says_when_there_is_room(struct side *s)
{
	unsigned sent = 0;

	if (!s->kind->fills)
		return;
	assert_int_equal(rig_start(&s->rig, 0), 0);
	for (unsigned round = 1; round <= 3; round++) {
		const unsigned read = sent;

		sent = fill(s, sent);
		rig_settle(&s->rig);
		assert_int_equal(read_locked(&s->rig, &s->rig.nr_can_send), round - 1);
		drain(s, read, sent);
		assert_true(rig_wait_can_send(&s->rig, round));
		/* Once per -EAGAIN, not for as long as there is room. */
		rig_settle(&s->rig);
		assert_int_equal(read_locked(&s->rig, &s->rig.nr_can_send), round);
	}
	assert_int_equal(counted(s)->send_again, 3);
}

static void largest_frame_arrives(struct side *s)
{
	struct side_want w = {11, s->kind->max_frame};
	uint8_t *f = malloc(NET_RECV_MAX + 1);

	assert_non_null(f);
	if (s->kind->to_guest) {
		assert_int_equal(rig_start(&s->rig, 0), 0);
		side_make_frame(f, w.len, w.i);
		s->kind->to_guest(s, f, w.len);
		assert_non_null(rig_find(&s->rig, side_is_frame, &w));
	}
	free(f);
}

static void header_without_a_frame_is_refused(struct side *s)
{
	assert_int_equal(rig_start(&s->rig, 0), 0);
	assert_true(rig_send(&s->rig, NULL, "", 0) < 0);
	assert_int_equal(counted(s)->send_errors, 1);
	side_provoke(s, 2);
	assert_true(side_came(s, 2));
}

static void offloads_follow_the_guest(struct side *s)
{
	const uint64_t guest =
		s->rig.b->can &
		(FEATURE(VIRTIO_NET_F_GUEST_CSUM) | FEATURE(VIRTIO_NET_F_GUEST_TSO4) |
	         FEATURE(VIRTIO_NET_F_GUEST_TSO6) | FEATURE(VIRTIO_NET_F_GUEST_ECN));

	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(rig_start(&s->rig, i ? guest : 0), 0);
		assert_int_equal(rig_set_offloads(&s->rig, 0), 0);
		assert_int_equal(rig_set_offloads(&s->rig, guest), 0);
		side_provoke(s, i);
		assert_true(side_came(s, i));
		rig_stop(&s->rig);
		rig_forget(&s->rig);
	}
}

static void lost_peer_is_told_once_per_start(struct side *s)
{
	uint8_t f[64];
	uint64_t wakeups;

	if (!s->kind->leave)
		return;
	assert_int_equal(rig_start(&s->rig, 0), 0);
	s->kind->leave(s);
	assert_true(rig_wait_gone(&s->rig));
	assert_true(s->rig.gone_err < 0);
	rig_settle(&s->rig);
	wakeups = loop_wakeups(s->rig.loop);
	side_make_frame(f, sizeof(f), 0);
	assert_true(rig_send(&s->rig, NULL, f, sizeof(f)) < 0);
	rig_settle(&s->rig);
	assert_int_equal(read_locked(&s->rig, &s->rig.nr_gone), 1);
	/* And the loop sleeps: five calls were five reasons to wake up. */
	assert_true(loop_wakeups(s->rig.loop) - wakeups <= 10);
	rig_stop(&s->rig);

	/* A guest that starts anew learns it anew. */
	s->rig.nr_gone = 0;
	assert_int_equal(rig_start(&s->rig, 0), 0);
	assert_true(rig_wait_gone(&s->rig));
	rig_settle(&s->rig);
	assert_int_equal(read_locked(&s->rig, &s->rig.nr_gone), 1);
}

static void peer_lost_while_muted_is_told_when_unmuted(struct side *s)
{
	uint64_t wakeups;

	if (!s->kind->leave)
		return;
	assert_int_equal(rig_start(&s->rig, 0), 0);
	rig_want_recv(&s->rig, false);
	s->kind->leave(s);
	rig_want_recv(&s->rig, true);
	assert_true(rig_wait_gone(&s->rig));
	rig_settle(&s->rig);
	wakeups = loop_wakeups(s->rig.loop);
	rig_settle(&s->rig);
	assert_true(loop_wakeups(s->rig.loop) - wakeups <= 8);
}

static void sink_stops_the_backend_when_the_peer_is_lost(struct side *s)
{
	if (!s->kind->leave)
		return;
	s->rig.stop_in = RIG_GONE;
	assert_int_equal(rig_start(&s->rig, 0), 0);
	s->kind->leave(s);
	assert_true(rig_wait_stopped(&s->rig, 1));
	rig_settle(&s->rig);
	assert_int_equal(read_locked(&s->rig, &s->rig.nr_gone), 1);
	s->rig.nr_gone = 0;
	assert_int_equal(rig_start(&s->rig, 0), 0);
	assert_true(rig_wait_gone(&s->rig));
}

static void nobody_hears_of_a_lost_peer_who_stopped_at_its_last_words(struct side *s)
{
	if (!s->kind->leave || !s->kind->fills)
		return; /* the queue of a TAP dies with it */
	side_provoke(s, 1);
	s->kind->leave(s);
	s->rig.stop_in = RIG_CAN_RECV;
	assert_int_equal(rig_start(&s->rig, 0), 0); /* one event: a frame, and the end */
	assert_true(rig_wait_stopped(&s->rig, 1));
	rig_settle(&s->rig);
	assert_int_equal(read_locked(&s->rig, &s->rig.nr_gone), 0);
	assert_int_equal(rig_start(&s->rig, 0), 0);
	assert_true(rig_wait_gone(&s->rig));
}

static void last_words_of_a_peer_are_heard(struct side *s)
{
	if (!s->kind->leave || !s->kind->fills)
		return; /* the queue of a TAP dies with it */
	side_provoke(s, 1);
	side_provoke(s, 2);
	s->kind->leave(s);
	assert_int_equal(rig_start(&s->rig, 0), 0);
	assert_true(side_came(s, 2));
	assert_true(rig_wait_gone(&s->rig));
}

static void destroy_needs_no_stop(struct side *s)
{
	assert_int_equal(rig_start(&s->rig, 0), 0);
	rig_want_recv(&s->rig, false);
	side_provoke(s, 8); /* with a frame in hand */
}

static void creating_and_destroying_leaks_no_descriptor(struct side *s)
{
	struct side other = {.fd = -1};
	unsigned before = 0;

	net_destroy(s->rig.b);
	s->rig.b = NULL;
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(side_open(&other, s->kind), 0);
		if (i % 2)
			assert_int_equal(rig_start(&other.rig, 0), 0);
		side_close(&other);
		if (i == 0)
			before = count_fds(); /* the first one may have opened a library */
	}
	assert_int_equal(count_fds(), before);
}

/* ---- every case for every implementation */

struct one_case {
	const char *name;
	void (*fn)(struct side *s);
	bool runs_loop;
};

#define CASE(fn)              \
	{                     \
#fn, fn, true \
	}
#define STILL(fn)              \
	{                      \
#fn, fn, false \
	}

static const struct one_case cases[] = {
	CASE(stop_and_start_again),
	CASE(second_start_is_refused),
	CASE(frames_arrive_whole_and_in_order),
	CASE(frames_are_scattered_over_pieces),
	CASE(reader_with_a_budget_is_called_again),
	CASE(sent_frames_arrive_outside),
	CASE(muted_backend_is_silent_and_keeps_the_frame),
	CASE(start_wants_to_receive_again),
	CASE(nobody_is_called_after_stop),
	CASE(stop_twice_is_once),
	CASE(sink_stops_the_backend_when_there_are_frames),
	CASE(sink_stops_the_backend_when_there_is_room),
	CASE(full_backend_says_when_there_is_room),
	CASE(largest_frame_arrives),
	CASE(header_without_a_frame_is_refused),
	CASE(offloads_follow_the_guest),
	CASE(lost_peer_is_told_once_per_start),
	CASE(peer_lost_while_muted_is_told_when_unmuted),
	CASE(sink_stops_the_backend_when_the_peer_is_lost),
	CASE(nobody_hears_of_a_lost_peer_who_stopped_at_its_last_words),
	CASE(last_words_of_a_peer_are_heard),
	CASE(destroy_needs_no_stop),
	STILL(nobody_hears_of_room_who_stopped_at_a_frame),
	STILL(creating_and_destroying_leaks_no_descriptor),
};

#define NR_CASES ARRAY_SIZE(cases)

struct run {
	const struct side_kind *kind;
	const struct one_case *one;
	const char *why_not; /* cannot run here */
	struct side side;
	bool open;
	char name[160];
};

static struct run runs[SIDE_KINDS_MAX * NR_CASES];

static void run_case(void **state)
{
	struct run *run = *state;
	struct side *s = &run->side;

	if (run->why_not)
		skip();
	run->open = true;
	assert_int_equal(side_open(s, run->kind), 0);
	if (run->one->runs_loop)
		rig_run(&s->rig);
	run->one->fn(s);
	assert_int_equal(read_locked(&s->rig, &s->rig.nr_reentered), 0);
	assert_false(s->rig.partial);
}

static int clean_up(void **state)
{
	struct run *run = *state;

	if (run->open)
		side_close(&run->side);
	return 0;
}

int main(void)
{
	struct CMUnitTest tests[SIDE_KINDS_MAX * NR_CASES];
	const char *why = NULL;
	unsigned nr = 0;

	if (enter_own_network(&why) && access("/dev/net/tun", R_OK | W_OK) < 0)
		why = "no /dev/net/tun for us";
	for (const struct side_kind *k = side_kinds; k->name; k++) {
		for (unsigned i = 0; i < NR_CASES; i++, nr++) {
			struct run *run = &runs[nr];

			run->kind = k;
			run->one = &cases[i];
			run->why_not = k->needs_tap ? why : NULL;
			snprintf(run->name, sizeof(run->name), "%s: %s%s%s%s", k->name,
			         run->one->name, run->why_not ? " (" : "",
			         run->why_not ? run->why_not : "", run->why_not ? ")" : "");
			tests[nr] = (struct CMUnitTest){
				.name = run->name,
				.test_func = run_case,
				.teardown_func = clean_up,
				.initial_state = run,
			};
		}
	}
	return _cmocka_run_group_tests("backends", tests, nr, NULL, NULL);
}
