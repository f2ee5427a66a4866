/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A NIC and its peer behind a unix socket: how they find each other, lose each other, and go on; and what a peer may do
 * wrong. How frames are moved is asked of every backend in test_net_contract.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/stream_frames.h"
#include "tests/lib/capture.h"
#include "tests/lib/net_rig.h"
#include "tests/lib/net_sides.h"
#include "vmm/core/compiler.h"
#include "vmm/core/log.h"
#include "vmm/core/loop.h"
#include "vmm/core/unix_socket.h"

struct fixture {
	struct rig rig;
	char dir[32], path[64], own[64];
	unsigned fds;
	/* What attend() was told, on the loop's thread; under the rig's lock. */
	unsigned nr_up, nr_down;
};

static int setup(void **state)
{
	static struct fixture f;

	f = (struct fixture){.fds = count_fds(), .dir = "/tmp/doorbell-socket-XXXXXX"};
	if (!mkdtemp(f.dir))
		return -1;
	snprintf(f.path, sizeof(f.path), "%s/peer", f.dir);
	snprintf(f.own, sizeof(f.own), "%s/own", f.dir);
	log_set_level(LOG_ERROR); /* peers are lost all the time */
	rig_init(&f.rig);
	*state = &f;
	return 0;
}

/* Nothing is left behind: no descriptor, no socket's name. */
static int teardown(void **state)
{
	struct fixture *f = *state;

	rig_close(&f->rig);
	log_set_level(LOG_WARN);
	return rmdir(f->dir) == 0 && count_fds() == f->fds ? 0 : -1;
}

static void tell(void *arg, bool up)
{
	struct fixture *f = arg;

	pthread_mutex_lock(&f->rig.lock);
	f->nr_up += up;
	f->nr_down += !up;
	pthread_cond_broadcast(&f->rig.changed);
	pthread_mutex_unlock(&f->rig.lock);
}

static int create(struct fixture *f, const char *keys)
{
	return rig_open(&f->rig, "socket", keys, 0);
}

static void go(struct fixture *f, const char *keys)
{
	assert_int_equal(create(f, keys), 0);
	f->rig.b->attend(f->rig.b, tell, f);
	rig_run(&f->rig);
	assert_int_equal(rig_start(&f->rig, 0), 0);
}

static bool told(struct fixture *f, const unsigned *what, unsigned nr)
{
	struct timespec end;
	int err = 0;
	bool ok;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += RIG_PATIENCE_S;
	pthread_mutex_lock(&f->rig.lock);
	while (*what < nr && err == 0)
		err = pthread_cond_timedwait(&f->rig.changed, &f->rig.lock, &end);
	ok = *what == nr;
	pthread_mutex_unlock(&f->rig.lock);
	return ok;
}

static int new_socket(int type)
{
	const struct timeval patience = {.tv_sec = RIG_PATIENCE_S};
	int s = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	assert_true(s >= 0);
	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return s;
}

static int bound(const char *path, int type)
{
	struct sockaddr_un a;
	int s = new_socket(type);

	unlink(path);
	assert_int_equal(unix_address(path, &a), 0);
	assert_int_equal(bind(s, (const struct sockaddr *)&a, sizeof(a)), 0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(s, 4), 0);
	return s;
}

static void connect_to(int s, const char *path)
{
	struct sockaddr_un a;

	assert_int_equal(unix_address(path, &a), 0);
	assert_int_equal(connect(s, (const struct sockaddr *)&a, sizeof(a)), 0);
}

static void say(int s, const void *data, size_t len)
{
	assert_int_equal(send(s, data, len, MSG_NOSIGNAL), len);
}

static void hear(int s, void *data, size_t len)
{
	assert_int_equal(recv(s, data, len, MSG_WAITALL), len);
}

/* Frame @i with its length. */
static size_t packed(uint8_t *out, unsigned i)
{
	const size_t len = side_length_of(i);

	stream_prefix(out, len);
	side_make_frame(out + STREAM_PREFIX, len, i);
	return STREAM_PREFIX + len;
}

static void say_frame(int s, unsigned i)
{
	uint8_t buf[2048];

	say(s, buf, packed(buf, i));
}

static bool came(struct fixture *f, unsigned i)
{
	struct side_want w = {i, side_length_of(i)};

	return rig_find(&f->rig, side_is_frame, &w) != NULL;
}

static ssize_t send_frame(struct fixture *f, unsigned i)
{
	uint8_t buf[2048];

	side_make_frame(buf, side_length_of(i), i);
	return rig_send(&f->rig, NULL, buf, side_length_of(i));
}

static void hear_frame(int s, unsigned i)
{
	uint8_t got[2048], want[2048];
	size_t len = packed(want, i);

	hear(s, got, len);
	assert_memory_equal(got, want, len);
}

static unsigned can_sends(struct fixture *f)
{
	unsigned nr;

	pthread_mutex_lock(&f->rig.lock);
	nr = f->rig.nr_can_send;
	pthread_mutex_unlock(&f->rig.lock);
	return nr;
}

/* ---- what the user may do wrong */

static void refuse(struct fixture *f, const char *keys, int err, const char *part)
{
	struct capture c;
	int ret;

	CAPTURED(&c, &ret, create(f, keys));
	assert_int_equal(ret, err);
	assert_null(f->rig.b);
	assert_one_line(&c, part);
}

static void keys_that_do_not_fit_together_are_refused(void **state)
{
	struct fixture *f = *state;
	char long_path[160];

	refuse(f, "", -EINVAL, "socket needs path=PATH");
	refuse(f, "path=", -EINVAL, "path=: the path is empty");
	refuse(f, "path=/x,local=/y", -EINVAL, "local=/y is possible with type=dgram");
	refuse(f, "path=/x,hello=VFKT", -EINVAL, "hello=VFKT is possible with type=dgram");
	refuse(f, "path=/x,type=dgram", -EINVAL, "needs local=PATH");
	refuse(f, "path=/x,type=dgram,server=on,local=/y", -EINVAL, "without server=on only");
	refuse(f, "path=/etc/passwd", -EEXIST, "path=/etc/passwd: there is something else");
	refuse(f, "path=/etc/passwd,server=on", -EEXIST, "something else of that name");
	refuse(f, "path=/nowhere/x,server=on", -ENOENT, "path=/nowhere/x");
	refuse(f, "path=/x,type=dgram,local=/nowhere/y", -ENOENT, "local=/nowhere/y");
	snprintf(long_path, sizeof(long_path), "path=%0120d", 0);
	refuse(f, long_path, -ENAMETOOLONG, "possible are 107 bytes");
}

static void path_that_somebody_else_serves_is_refused(void **state)
{
	struct fixture *f = *state;
	char keys[128];
	int s = bound(f->path, SOCK_STREAM);

	snprintf(keys, sizeof(keys), "server=on,path=%s", f->path);
	refuse(f, keys, -EADDRINUSE, "another program listens there");
	close(s);
	s = bound(f->path, SOCK_DGRAM);
	refuse(f, keys, -EADDRINUSE, "another program listens there");
	snprintf(keys, sizeof(keys), "type=dgram,server=on,path=%s", f->path);
	refuse(f, keys, -EADDRINUSE, "another program listens there");
	close(s);
	/* What nobody serves any more is taken over. */
	assert_int_equal(create(f, keys), 0);
}

static void socket_of_ours_is_for_us_alone(void **state)
{
	struct fixture *f = *state;
	char keys[128];
	struct stat st;

	snprintf(keys, sizeof(keys), "server=on,path=%s", f->path);
	assert_int_equal(create(f, keys), 0);
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

/* ---- streams: peers come and go */

static void peer_that_comes_later_is_found(void **state)
{
	struct fixture *f = *state;
	char keys[128];
	int listener, s;

	snprintf(keys, sizeof(keys), "path=%s", f->path);
	go(f, keys);
	assert_string_equal(f->rig.b->peer, "waiting");
	assert_int_equal(send_frame(f, 0), -ENETDOWN);
	listener = bound(f->path, SOCK_STREAM);
	s = accept(listener, NULL, NULL);
	assert_true(s >= 0 && told(f, &f->nr_up, 1));
	assert_true(send_frame(f, 1) > 0);
	hear_frame(s, 1);
	say_frame(s, 2);
	assert_true(came(f, 2));
	close(s);
	close(listener);
	unlink(f->path);
}

static void peer_that_left_is_found_again(void **state)
{
	struct fixture *f = *state;
	char keys[128];
	int s;

	snprintf(keys, sizeof(keys), "server=on,path=%s", f->path);
	go(f, keys);
	for (unsigned i = 1; i <= 4; i++) {
		s = new_socket(SOCK_STREAM);
		connect_to(s, f->path);
		assert_true(told(f, &f->nr_up, i));
		assert_true(send_frame(f, i) > 0);
		hear_frame(s, i);
		say_frame(s, 10 + i);
		say(s, "\0\0\1", 3); /* and it dies in the middle */
		close(s);
		assert_true(came(f, 10 + i));
		assert_true(told(f, &f->nr_down, i));
	}
	assert_int_equal(f->rig.b->stats.reconnects, 3);
}

static void last_words_reach_a_driver_that_was_slow(void **state)
{
	struct fixture *f = *state;
	char keys[128];
	int s = new_socket(SOCK_STREAM);

	snprintf(keys, sizeof(keys), "server=on,path=%s", f->path);
	f->rig.budget = 1;
	go(f, keys);
	rig_want_recv(&f->rig, false);
	connect_to(s, f->path);
	assert_true(told(f, &f->nr_up, 1));
	for (unsigned i = 0; i < 50; i++)
		say_frame(s, i);
	close(s);
	rig_settle(&f->rig);
	assert_int_equal(f->nr_down, 0);
	rig_want_recv(&f->rig, true);
	assert_true(rig_wait_frames(&f->rig, 50));
	assert_true(told(f, &f->nr_down, 1));
}

static void hung_up_peer_costs_a_stalled_driver_no_time(void **state)
{
	struct fixture *f = *state;
	uint8_t buf[2048];
	char keys[128];
	uint64_t wakeups;
	int s = new_socket(SOCK_STREAM);

	snprintf(keys, sizeof(keys), "server=on,path=%s", f->path);
	go(f, keys);
	rig_want_recv(&f->rig, false);
	connect_to(s, f->path);
	assert_true(told(f, &f->nr_up, 1));
	/* More than the backend reads ahead. */
	while (send(s, buf, packed(buf, 1), MSG_DONTWAIT) > 0)
		;
	close(s);
	rig_settle(&f->rig);
	wakeups = loop_wakeups(f->rig.loop);
	rig_settle(&f->rig);
	assert_true(loop_wakeups(f->rig.loop) - wakeups <= 8);
	rig_want_recv(&f->rig, true);
	assert_true(told(f, &f->nr_down, 1));
}

static void hung_up_peer_makes_room_though_no_driver_reads_what_it_said(void **state)
{
	struct fixture *f = *state;
	uint8_t buf[2048];
	char keys[128];
	size_t len = packed(buf, 1);
	int s = new_socket(SOCK_STREAM);

	snprintf(keys, sizeof(keys), "server=on,path=%s", f->path);
	assert_int_equal(create(f, keys), 0);
	f->rig.b->attend(f->rig.b, tell, f);
	rig_run(&f->rig);
	connect_to(s, f->path);
	assert_true(told(f, &f->nr_up, 1));
	/* More than the backend reads ahead. */
	while (send(s, buf, len, MSG_DONTWAIT) > 0)
		;
	close(s);
	assert_true(told(f, &f->nr_down, 1));
	s = new_socket(SOCK_STREAM);
	connect_to(s, f->path);
	assert_true(told(f, &f->nr_up, 2));
	assert_int_equal(rig_start(&f->rig, 0), 0);
	say_frame(s, 7);
	assert_true(came(f, 7));
	close(s);
	assert_true(told(f, &f->nr_down, 2));
}

static void blocked_driver_goes_on_when_the_peer_dies(void **state)
{
	struct fixture *f = *state;
	char keys[128];
	unsigned sent = 0;
	int s = new_socket(SOCK_STREAM);

	snprintf(keys, sizeof(keys), "server=on,path=%s", f->path);
	go(f, keys);
	connect_to(s, f->path);
	assert_true(told(f, &f->nr_up, 1));
	while (send_frame(f, sent) > 0)
		sent++;
	assert_int_equal(f->rig.b->stats.send_again, 1);
	close(s);
	assert_true(rig_wait_can_send(&f->rig, 1));
	assert_true(told(f, &f->nr_down, 1));
	assert_int_equal(send_frame(f, 0), -ENETDOWN);
}

/* ---- streams: what a peer may do */

static void frames_come_in_any_pieces(void **state)
{
	struct fixture *f = *state;
	uint8_t all[40000];
	char keys[128];
	size_t len = 0, at = 0;
	unsigned nr = 0;
	int s = new_socket(SOCK_STREAM);

	snprintf(keys, sizeof(keys), "server=on,path=%s", f->path);
	go(f, keys);
	connect_to(s, f->path);
	while (len < sizeof(all) - 2048)
		len += packed(all + len, nr++);
	for (size_t part = 1; at < len; part = part % 701 + 3) {
		const size_t n = min_size(part, len - at);

		say(s, all + at, n);
		at += n;
		if (part % 5 == 0)
			rig_settle(&f->rig);
	}
	assert_true(rig_wait_frames(&f->rig, nr));
	for (unsigned i = 0; i < nr; i++)
		assert_true(came(f, i));
	close(s);
}

static void frame_of_an_impossible_length_ends_the_connection(void **state)
{
	static const char *const bad[] = {"\0\1\0\x12", "\xff\xff\xff\xff", "\x80\0\0\0"};
	struct fixture *f = *state;
	char keys[128], byte;

	snprintf(keys, sizeof(keys), "server=on,path=%s", f->path);
	go(f, keys);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		int s = new_socket(SOCK_STREAM);

		connect_to(s, f->path);
		assert_true(told(f, &f->nr_up, i + 1));
		say_frame(s, i); /* what came before it counts */
		say(s, bad[i], 4);
		assert_int_equal(recv(s, &byte, 1, 0), 0);
		assert_true(came(f, i));
		assert_true(told(f, &f->nr_down, i + 1));
		close(s);
	}
}

static void frame_without_an_ethernet_header_is_dropped(void **state)
{
	struct fixture *f = *state;
	char keys[128];
	int s = new_socket(SOCK_STREAM);

	snprintf(keys, sizeof(keys), "server=on,path=%s", f->path);
	go(f, keys);
	connect_to(s, f->path);
	say(s, "\0\0\0\0", 4);
	say(s,
	    "\0\0\0\x0d"
	    "thirteen byte",
	    17);
	say_frame(s, 1);
	assert_true(came(f, 1));
	assert_int_equal(f->rig.nr_got, 1);
	assert_int_equal(f->rig.b->stats.recv_dropped, 2);
	close(s);
}

static void frame_that_went_in_part_goes_on_where_it_stopped(void **state)
{
	struct fixture *f = *state;
	char keys[128];
	unsigned sent = 0, heard = 0;
	int s = new_socket(SOCK_STREAM);

	snprintf(keys, sizeof(keys), "server=on,path=%s", f->path);
	go(f, keys);
	connect_to(s, f->path);
	assert_true(told(f, &f->nr_up, 1));
	/* Until it is full; a little is read each time, so that what fits is any part of a frame. */
	for (unsigned round = 1; round <= 20; round++) {
		while (send_frame(f, sent) > 0)
			sent++;
		for (unsigned i = 0; i < 3 + round && heard < sent; i++)
			hear_frame(s, heard++);
		while (heard < sent && can_sends(f) < round)
			hear_frame(s, heard++);
		assert_true(rig_wait_can_send(&f->rig, round));
	}
	for (; heard < sent; heard++)
		hear_frame(s, heard);
	close(s);
}

/* ---- datagrams */

static void go_dgram(struct fixture *f, const char *more)
{
	char keys[200];

	snprintf(keys, sizeof(keys), "type=dgram,path=%s,local=%s%s", f->path, f->own, more);
	go(f, keys);
}

static void datagram_peer_hears_hello_first_each_time(void **state)
{
	struct fixture *f = *state;
	char got[8];
	int s;

	go_dgram(f, ",hello=VFKT");
	for (unsigned i = 1; i <= 3; i++) {
		s = bound(f->path, SOCK_DGRAM);
		assert_true(told(f, &f->nr_up, i));
		assert_int_equal(recv(s, got, sizeof(got), 0), 4);
		assert_memory_equal(got, "VFKT", 4);
		close(s);
		/* That it has gone is noticed by who sends. */
		assert_true(send_frame(f, 0) < 0);
		assert_true(told(f, &f->nr_down, i));
	}
	assert_int_equal(f->rig.b->stats.reconnects, 2);
	unlink(f->path);
}

static void first_sender_is_the_peer_of_a_datagram_server(void **state)
{
	struct fixture *f = *state;
	uint8_t buf[2048];
	char keys[128];
	int s = bound(f->own, SOCK_DGRAM), other = new_socket(SOCK_DGRAM);

	snprintf(keys, sizeof(keys), "type=dgram,server=on,path=%s", f->path);
	go(f, keys);
	/* One without a name cannot be answered, and is no peer. */
	connect_to(other, f->path);
	say(other, "hello", 5);
	connect_to(s, f->path);
	side_make_frame(buf, side_length_of(1), 1);
	say(s, buf, side_length_of(1));
	assert_true(told(f, &f->nr_up, 1));
	assert_true(came(f, 1));
	assert_true(send_frame(f, 2) > 0);
	assert_int_equal(recv(s, buf, sizeof(buf), 0), side_length_of(2));
	/* Nobody else's frames come in between. */
	assert_int_equal(send(other, buf, 60, MSG_NOSIGNAL), -1);
	assert_int_equal(errno, EPERM);
	close(other);
	close(s);
	unlink(f->own);
}

static void datagram_peer_that_restarts_is_seen_while_the_guest_is_silent(void **state)
{
	struct fixture *f = *state;
	char got[8];
	int s;

	go_dgram(f, ",hello=VFKT");
	for (unsigned i = 1; i <= 3; i++) {
		s = bound(f->path, SOCK_DGRAM); /* which takes the name from the one before */
		assert_true(told(f, &f->nr_up, i));
		assert_int_equal(recv(s, got, sizeof(got), 0), 4);
		close(s);
		rig_settle(&f->rig);
		assert_int_equal(f->nr_down, i - 1); /* it may be that nobody has gone */
		unlink(f->path);
		assert_true(told(f, &f->nr_down, i));
	}
}

static void another_client_of_a_datagram_server_is_seen_while_the_guest_is_silent(void **state)
{
	struct fixture *f = *state;
	uint8_t buf[2048];
	char keys[128];

	snprintf(keys, sizeof(keys), "type=dgram,server=on,path=%s", f->path);
	go(f, keys);
	for (unsigned i = 1; i <= 3; i++) {
		int s = bound(f->own, SOCK_DGRAM);

		assert_true(told(f, &f->nr_down, i - 1));
		connect_to(s, f->path);
		side_make_frame(buf, side_length_of(i), i);
		say(s, buf, side_length_of(i));
		assert_true(told(f, &f->nr_up, i));
		assert_true(came(f, i));
		close(s);
	}
	unlink(f->own);
}

static void datagrams_that_are_no_frames_are_dropped(void **state)
{
	struct fixture *f = *state;
	uint8_t *big = calloc(1, 70000);
	int s = bound(f->path, SOCK_DGRAM);

	assert_non_null(big);
	go_dgram(f, "");
	connect_to(s, f->own);
	say(s, "", 0);
	say(s, "thirteen byte", 13);
	say(s, big, 70000);
	side_make_frame(big, side_length_of(5), 5);
	say(s, big, side_length_of(5));
	assert_true(came(f, 5));
	assert_int_equal(f->rig.nr_got, 1);
	free(big);
	close(s);
	unlink(f->path);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(keys_that_do_not_fit_together_are_refused),
		CASE(path_that_somebody_else_serves_is_refused),
		CASE(socket_of_ours_is_for_us_alone),
		CASE(peer_that_comes_later_is_found),
		CASE(peer_that_left_is_found_again),
		CASE(last_words_reach_a_driver_that_was_slow),
		CASE(hung_up_peer_costs_a_stalled_driver_no_time),
		CASE(hung_up_peer_makes_room_though_no_driver_reads_what_it_said),
		CASE(blocked_driver_goes_on_when_the_peer_dies),
		CASE(frames_come_in_any_pieces),
		CASE(frame_of_an_impossible_length_ends_the_connection),
		CASE(frame_without_an_ethernet_header_is_dropped),
		CASE(frame_that_went_in_part_goes_on_where_it_stopped),
		CASE(datagram_peer_hears_hello_first_each_time),
		CASE(first_sender_is_the_peer_of_a_datagram_server),
		CASE(datagram_peer_that_restarts_is_seen_while_the_guest_is_silent),
		CASE(another_client_of_a_datagram_server_is_seen_while_the_guest_is_silent),
		CASE(datagrams_that_are_no_frames_are_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
