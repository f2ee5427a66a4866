/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What net_backend.h promises, asked of every backend: a case is run once per row of impls[]. What an
 * outside cannot do (a libslirp that goes away, a TAP that is full) is left out of its row.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/lib/net_rig.h"
#include "tests/lib/pkt.h"
#include "vmm/core/compiler.h"
#include "vmm/core/loop.h"

#define TEST_PROTO 0x88b5 /* for local experiments: no stack answers it */
#define TAP_NAME   "contract0"
#define TAP_MTU    65521
#define GATEWAY    0x0a000202u

struct side; /* both ends of one case */

struct impl {
	const char *name;
	size_t max_frame; /* largest that the outside can deliver, without header */
	int (*open)(struct side *s);
	void (*to_guest)(struct side *s, const uint8_t *frame, size_t len); /* NULL: see provoke */
	/* Without to_guest: what the guest does so that a frame comes, and whether it is that one. */
	void (*provoke)(struct side *s, unsigned i); /* NULL: no frame ever comes */
	bool (*is)(const uint8_t *f, size_t len, void *arg);
	size_t (*outside)(struct side *s, uint8_t *buf, size_t room); /* next frame that was sent */
	bool fills;                    /* send() answers -EAGAIN when nobody reads outside */
	void (*leave)(struct side *s); /* the outside goes away */
	const char *why_not;           /* set in main(): cannot run here */
};

struct side {
	const struct impl *impl;
	struct rig rig;
	int fd; /* the outside */
	char path[64];
};

/* ---- the implementations */

static int open_pipe(struct side *s)
{
	char keys[32];
	int fds[2], ret;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	s->fd = fds[0];
	snprintf(keys, sizeof(keys), "fd=%d", fds[1]);
	ret = rig_open(&s->rig, "pipe", keys, 0);
	close(fds[1]); /* what was handed in may go: the backend has its own */
	return ret;
}

static int open_pcap(struct side *s)
{
	int ret = open_pipe(s), fd;

	if (ret < 0)
		return ret;
	strcpy(s->path, "/tmp/doorbell-contract-XXXXXX");
	fd = mkstemp(s->path);
	assert_true(fd >= 0);
	close(fd);
	ret = net_pcap_create(s->path, s->rig.b, &s->rig.b);
	return ret < 0 ? ret : net_pcap_begin(s->rig.b);
}

static int open_plain(struct side *s, const char *kind, const char *keys)
{
	s->fd = -1;
	return rig_open(&s->rig, kind, keys, 0);
}

static int open_user(struct side *s)
{
	return open_plain(s, "user", "restrict=on,ipv6=off");
}

static int open_echo(struct side *s)
{
	return open_plain(s, "echo", "");
}

static int open_null(struct side *s)
{
	return open_plain(s, "null", "");
}

static int open_sink(struct side *s)
{
	return open_plain(s, "sink", "");
}

static int open_tap(struct side *s)
{
	struct sockaddr_ll ll = {.sll_family = AF_PACKET, .sll_protocol = htons(TEST_PROTO)};
	int ret = rig_open(&s->rig, "tap", "ifname=" TAP_NAME, TAP_MTU);
	int big = 8 << 20;

	s->fd = -1;
	if (ret < 0)
		return ret;
	ll.sll_ifindex = (int)if_nametoindex(TAP_NAME);
	s->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	assert_true(s->fd >= 0);
	assert_int_equal(bind(s->fd, (const struct sockaddr *)&ll, sizeof(ll)), 0);
	setsockopt(s->fd, SOL_SOCKET, SO_RCVBUFFORCE, &big, sizeof(big));
	return 0;
}

static void send_outside(struct side *s, const uint8_t *frame, size_t len)
{
	assert_int_equal(send(s->fd, frame, len, 0), len);
}

static size_t recv_outside(struct side *s, uint8_t *buf, size_t room)
{
	struct pollfd p = {.fd = s->fd, .events = POLLIN};

	if (poll(&p, 1, RIG_PATIENCE_S * 1000) != 1)
		return 0;
	return (size_t)recv(s->fd, buf, room, 0);
}

static void close_outside(struct side *s)
{
	close(s->fd);
	s->fd = -1;
}

static void delete_tap(struct side *s)
{
	/* ip link del: over netlink it would be forty lines. */
	assert_int_equal(system("ip link del " TAP_NAME), 0);
	close_outside(s);
}

#define MAX_PIPE (NET_RECV_MAX - NET_HDR_LEN)

/* ---- frames */

static const uint8_t guest_mac[6] = {2, 0, 0, 0, 0, 1};

/* Frame number @i: anybody can tell whether it came whole. */
static void make_frame(uint8_t *f, size_t len, unsigned i)
{
	static const uint8_t all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

	memcpy(f, all, 6);
	memcpy(f + 6, guest_mac, 6);
	f[12] = TEST_PROTO >> 8;
	f[13] = TEST_PROTO & 0xff;
	for (size_t at = 14; at < len; at++)
		f[at] = (uint8_t)(i * 31 + at * 7 + at / 256);
}

struct want {
	unsigned i;
	size_t len;
};

static bool is_frame(const uint8_t *f, size_t len, void *arg)
{
	const struct want *w = arg;
	uint8_t *made = malloc(w->len);
	bool same;

	assert_non_null(made);
	make_frame(made, w->len, w->i);
	same = len == w->len && memcmp(f, made, len) == 0;
	free(made);
	return same;
}

static bool is_answer(const uint8_t *f, size_t len, unused void *arg)
{
	return pkt_is_arp_reply(f, len, GATEWAY);
}

/* What make_frame() made, turned round. */
static bool is_echo(const uint8_t *f, size_t len, void *arg)
{
	uint8_t back[2048];

	if (len > sizeof(back) || len < 14 || memcmp(f, guest_mac, 6) != 0)
		return false;
	memcpy(back, f, len);
	memset(back, 0xff, 6);
	memcpy(back + 6, guest_mac, 6);
	return is_frame(back, len, arg);
}

static size_t length_of(unsigned i)
{
	return 60 + i * 149 % 1455;
}

static void ask_gateway(struct side *s, unused unsigned i)
{
	uint8_t f[2048];
	size_t len = pkt_arp_request(f, guest_mac, 0x0a00020f, GATEWAY);

	assert_int_equal(rig_send(&s->rig, NULL, f, len), len + NET_HDR_LEN);
}

static void send_to_echo(struct side *s, unsigned i)
{
	uint8_t f[2048];
	size_t len = length_of(i);

	make_frame(f, len, i);
	assert_int_equal(rig_send(&s->rig, NULL, f, len), len + NET_HDR_LEN);
}

/* ---- the table */

static struct impl impls[] = {
	{
		.name = "pipe",
		.max_frame = MAX_PIPE,
		.open = open_pipe,
		.to_guest = send_outside,
		.outside = recv_outside,
		.fills = true,
		.leave = close_outside,
	},
	{
		.name = "pcap(pipe)",
		.max_frame = MAX_PIPE,
		.open = open_pcap,
		.to_guest = send_outside,
		.outside = recv_outside,
		.fills = true,
		.leave = close_outside,
	},
	{.name = "user", .open = open_user, .provoke = ask_gateway, .is = is_answer},
	{.name = "echo", .open = open_echo, .provoke = send_to_echo, .is = is_echo},
	{.name = "null", .open = open_null},
	{.name = "sink", .open = open_sink},
	{
		.name = "tap",
		.max_frame = TAP_MTU + 14,
		.open = open_tap,
		.to_guest = send_outside,
		.outside = recv_outside,
		.leave = delete_tap,
	},
};

static bool gives_frames(const struct side *s)
{
	return s->impl->to_guest || s->impl->provoke;
}

/* Let frame @i come to the guest, in its way. */
static void provoke(struct side *s, unsigned i)
{
	uint8_t f[2048];

	if (s->impl->to_guest) {
		make_frame(f, length_of(i), i);
		s->impl->to_guest(s, f, length_of(i));
	} else if (s->impl->provoke) {
		s->impl->provoke(s, i);
	}
}

static bool came(struct side *s, unsigned i)
{
	struct want w = {i, length_of(i)};

	return !gives_frames(s) ||
	       rig_find(&s->rig, s->impl->to_guest ? is_frame : s->impl->is, &w) != NULL;
}

static unsigned read_locked(struct rig *r, const unsigned *what)
{
	unsigned v;

	pthread_mutex_lock(&r->lock);
	v = *what;
	pthread_mutex_unlock(&r->lock);
	return v;
}

/* ---- the cases */

static void stop_and_start_again(struct side *s)
{
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(rig_start(&s->rig, 0), 0);
		provoke(s, i);
		assert_true(came(s, i));
		rig_stop(&s->rig);
		rig_forget(&s->rig);
	}
}

static void second_start_is_refused(struct side *s)
{
	assert_int_equal(rig_start(&s->rig, 0), 0);
	assert_int_equal(rig_start(&s->rig, 0), -EBUSY);
	provoke(s, 1);
	assert_true(came(s, 1));
}

static void frames_arrive_whole_and_in_order(struct side *s)
{
	unsigned at = 0;

	assert_int_equal(rig_start(&s->rig, 0), 0);
	for (unsigned i = 0; i < 100; i++)
		provoke(s, i);
	assert_true(came(s, 99));
	if (gives_frames(s))
		assert_true(rig_wait_frames(&s->rig, 100));
	if (!s->impl->to_guest)
		return;
	/* The kernel may have mixed frames of its own in between. */
	for (unsigned i = 0; i < s->rig.nr_got; i++) {
		struct want w = {at, length_of(at)};

		if (is_frame(s->rig.got[i].data + NET_HDR_LEN, s->rig.got[i].len - NET_HDR_LEN, &w))
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
	provoke(s, 5);
	assert_true(came(s, 5));
}

static void reader_with_a_budget_is_called_again(struct side *s)
{
	if (!gives_frames(s))
		return;
	s->rig.budget = 1;
	assert_int_equal(rig_start(&s->rig, 0), 0);
	rig_want_recv(&s->rig, false);
	for (unsigned i = 0; i < 10; i++)
		provoke(s, i);
	rig_want_recv(&s->rig, true);
	assert_true(rig_wait_frames(&s->rig, 10));
	assert_true(came(s, 9));
}

static void sent_frames_arrive_outside(struct side *s)
{
	uint8_t f[2048], got[2048];

	if (!s->impl->outside)
		return; /* answers were proof enough */
	assert_int_equal(rig_start(&s->rig, 0), 0);
	for (unsigned i = 0; i < 200; i++) {
		struct want w = {i, length_of(i)};
		size_t len = length_of(i);

		make_frame(f, len, i);
		assert_int_equal(rig_send(&s->rig, NULL, f, len), len + NET_HDR_LEN);
		len = s->impl->outside(s, got, sizeof(got));
		assert_true(is_frame(got, len, &w));
	}
	assert_int_equal(s->rig.b->stats.sends, 200);
	assert_true(s->rig.b->stats.send_bytes > 200 * (60 + NET_HDR_LEN));
}

static void muted_backend_is_silent_and_keeps_the_frame(struct side *s)
{
	unsigned before;

	assert_int_equal(rig_start(&s->rig, 0), 0);
	rig_want_recv(&s->rig, false);
	rig_settle(&s->rig);
	before = read_locked(&s->rig, &s->rig.nr_can_recv);
	provoke(s, 3);
	rig_settle(&s->rig);
	assert_int_equal(read_locked(&s->rig, &s->rig.nr_can_recv), before);
	rig_want_recv(&s->rig, true);
	assert_true(came(s, 3));
}

static void start_wants_to_receive_again(struct side *s)
{
	assert_int_equal(rig_start(&s->rig, 0), 0);
	rig_want_recv(&s->rig, false);
	rig_stop(&s->rig);
	assert_int_equal(rig_start(&s->rig, 0), 0);
	provoke(s, 4);
	assert_true(came(s, 4));
}

static void nobody_is_called_after_stop(struct side *s)
{
	unsigned recvs, sends;

	assert_int_equal(rig_start(&s->rig, 0), 0);
	rig_want_recv(&s->rig, false);
	provoke(s, 6);
	rig_stop(&s->rig);
	recvs = read_locked(&s->rig, &s->rig.nr_can_recv);
	sends = read_locked(&s->rig, &s->rig.nr_can_send);
	if (s->impl->to_guest)
		provoke(s, 7);
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
		make_frame(f, length_of(sent), sent);
		ret = rig_send(&s->rig, NULL, f, length_of(sent));
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
		struct want w = {read, length_of(read)};

		assert_true(is_frame(got, s->impl->outside(s, got, sizeof(got)), &w));
	}
}

/* As a device does that finds a broken rule while it moves frames. */
static void sink_stops_the_backend_when_there_are_frames(struct side *s)
{
	unsigned calls;

	if (!gives_frames(s))
		return;
	for (unsigned i = 1; i <= 5; i++) {
		s->rig.stop_in = RIG_CAN_RECV;
		assert_int_equal(rig_start(&s->rig, 0), 0);
		for (unsigned k = 0; k < 3 && (k == 0 || s->impl->to_guest); k++)
			provoke(s, k);
		assert_true(rig_wait_stopped(&s->rig, i));
		calls = read_locked(&s->rig, &s->rig.nr_can_recv);
		if (s->impl->to_guest)
			provoke(s, 3);
		rig_settle(&s->rig);
		assert_int_equal(read_locked(&s->rig, &s->rig.nr_can_recv), calls);
	}
	assert_int_equal(rig_start(&s->rig, 0), 0);
	provoke(s, 9);
	assert_true(came(s, 9));
}

static void sink_stops_the_backend_when_there_is_room(struct side *s)
{
	unsigned sent;

	if (!s->impl->fills)
		return;
	s->rig.stop_in = RIG_CAN_SEND;
	assert_int_equal(rig_start(&s->rig, 0), 0);
	sent = fill(s, 0);
	drain(s, 0, sent);
	assert_true(rig_wait_stopped(&s->rig, 1));
	provoke(s, 1);
	rig_settle(&s->rig);
	assert_int_equal(read_locked(&s->rig, &s->rig.nr_can_send), 1);
	assert_int_equal(read_locked(&s->rig, &s->rig.nr_can_recv), 0);
	assert_int_equal(rig_start(&s->rig, 0), 0);
	assert_true(came(s, 1));
}

static void nobody_hears_of_room_who_stopped_at_a_frame(struct side *s)
{
	unsigned sent;

	if (!s->impl->fills)
		return;
	s->rig.stop_in = RIG_CAN_RECV;
	assert_int_equal(rig_start(&s->rig, 0), 0);
	sent = fill(s, 0);
	provoke(s, 1);
	drain(s, 0, sent);
	rig_run(&s->rig); /* one event: a frame, and room */
	assert_true(rig_wait_stopped(&s->rig, 1));
	rig_settle(&s->rig);
	assert_int_equal(read_locked(&s->rig, &s->rig.nr_can_send), 0);
}

static void full_backend_says_when_there_is_room(struct side *s)
{
	unsigned sent = 0;

	if (!s->impl->fills)
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
	assert_int_equal(s->rig.b->stats.send_again, 3);
}

static void largest_frame_arrives(struct side *s)
{
	struct want w = {11, s->impl->max_frame};
	uint8_t *f = malloc(NET_RECV_MAX + 1);

	assert_non_null(f);
	if (s->impl->to_guest) {
		assert_int_equal(rig_start(&s->rig, 0), 0);
		make_frame(f, w.len, w.i);
		s->impl->to_guest(s, f, w.len);
		assert_non_null(rig_find(&s->rig, is_frame, &w));
	}
	free(f);
}

static void header_without_a_frame_is_refused(struct side *s)
{
	assert_int_equal(rig_start(&s->rig, 0), 0);
	assert_true(rig_send(&s->rig, NULL, "", 0) < 0);
	assert_int_equal(s->rig.b->stats.send_errors, 1);
	provoke(s, 2);
	assert_true(came(s, 2));
}

static void offloads_follow_the_guest(struct side *s)
{
	const uint64_t guest =
		s->rig.b->can &
		(FEATURE(VIRTIO_NET_F_GUEST_CSUM) | FEATURE(VIRTIO_NET_F_GUEST_TSO4) |
	         FEATURE(VIRTIO_NET_F_GUEST_TSO6) | FEATURE(VIRTIO_NET_F_GUEST_ECN));

	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(rig_start(&s->rig, i ? guest : 0), 0);
		assert_int_equal(s->rig.b->frame->set_offloads(s->rig.b, 0), 0);
		assert_int_equal(s->rig.b->frame->set_offloads(s->rig.b, guest), 0);
		provoke(s, i);
		assert_true(came(s, i));
		rig_stop(&s->rig);
		rig_forget(&s->rig);
	}
}

static void lost_peer_is_told_once_per_start(struct side *s)
{
	uint8_t f[64];
	uint64_t wakeups;

	if (!s->impl->leave)
		return;
	assert_int_equal(rig_start(&s->rig, 0), 0);
	s->impl->leave(s);
	assert_true(rig_wait_gone(&s->rig));
	assert_true(s->rig.gone_err < 0);
	rig_settle(&s->rig);
	wakeups = loop_wakeups(s->rig.loop);
	make_frame(f, sizeof(f), 0);
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

	if (!s->impl->leave)
		return;
	assert_int_equal(rig_start(&s->rig, 0), 0);
	rig_want_recv(&s->rig, false);
	s->impl->leave(s);
	rig_want_recv(&s->rig, true);
	assert_true(rig_wait_gone(&s->rig));
	rig_settle(&s->rig);
	wakeups = loop_wakeups(s->rig.loop);
	rig_settle(&s->rig);
	assert_true(loop_wakeups(s->rig.loop) - wakeups <= 8);
}

static void sink_stops_the_backend_when_the_peer_is_lost(struct side *s)
{
	if (!s->impl->leave)
		return;
	s->rig.stop_in = RIG_GONE;
	assert_int_equal(rig_start(&s->rig, 0), 0);
	s->impl->leave(s);
	assert_true(rig_wait_stopped(&s->rig, 1));
	rig_settle(&s->rig);
	assert_int_equal(read_locked(&s->rig, &s->rig.nr_gone), 1);
	s->rig.nr_gone = 0;
	assert_int_equal(rig_start(&s->rig, 0), 0);
	assert_true(rig_wait_gone(&s->rig));
}

static void nobody_hears_of_a_lost_peer_who_stopped_at_its_last_words(struct side *s)
{
	if (!s->impl->leave || !s->impl->fills)
		return; /* the queue of a TAP dies with it */
	provoke(s, 1);
	s->impl->leave(s);
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
	if (!s->impl->leave || !s->impl->fills)
		return; /* the queue of a TAP dies with it */
	provoke(s, 1);
	provoke(s, 2);
	s->impl->leave(s);
	assert_int_equal(rig_start(&s->rig, 0), 0);
	assert_true(came(s, 2));
	assert_true(rig_wait_gone(&s->rig));
}

static void destroy_needs_no_stop(struct side *s)
{
	assert_int_equal(rig_start(&s->rig, 0), 0);
	rig_want_recv(&s->rig, false);
	provoke(s, 8); /* with a frame in hand */
}

static void creating_and_destroying_leaks_no_descriptor(struct side *s)
{
	struct side other = {.impl = s->impl};
	unsigned before = 0;

	net_destroy(s->rig.b);
	s->rig.b = NULL;
	for (unsigned i = 0; i < 100; i++) {
		other.fd = -1;
		rig_init(&other.rig);
		assert_int_equal(other.impl->open(&other), 0);
		if (i % 2)
			assert_int_equal(rig_start(&other.rig, 0), 0);
		rig_close(&other.rig);
		if (other.fd >= 0)
			close(other.fd);
		if (other.path[0])
			unlink(other.path);
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

#define NR_IMPLS ARRAY_SIZE(impls)
#define NR_CASES ARRAY_SIZE(cases)

struct run {
	const struct impl *impl;
	const struct one_case *one;
	struct side side;
	bool open;
	char name[160];
};

static struct run runs[NR_IMPLS * NR_CASES];

static void run_case(void **state)
{
	struct run *run = *state;
	struct side *s = &run->side;

	if (run->impl->why_not)
		skip();
	s->impl = run->impl;
	s->fd = -1;
	rig_init(&s->rig);
	run->open = true;
	assert_int_equal(s->impl->open(s), 0);
	if (run->one->runs_loop)
		rig_run(&s->rig);
	run->one->fn(s);
	assert_int_equal(read_locked(&s->rig, &s->rig.nr_reentered), 0);
	assert_false(s->rig.partial);
}

static int clean_up(void **state)
{
	struct run *run = *state;

	if (!run->open)
		return 0;
	rig_close(&run->side.rig);
	if (run->side.fd >= 0)
		close(run->side.fd);
	if (run->side.path[0])
		unlink(run->side.path);
	return 0;
}

int main(void)
{
	struct CMUnitTest tests[NR_IMPLS * NR_CASES];
	const char *why = NULL;

	if (enter_own_network(&why) && access("/dev/net/tun", R_OK | W_OK) < 0)
		why = "no /dev/net/tun for us";
	impls[NR_IMPLS - 1].why_not = why;
	for (unsigned i = 0; i < NR_IMPLS * NR_CASES; i++) {
		struct run *run = &runs[i];

		run->impl = &impls[i / NR_CASES];
		run->one = &cases[i % NR_CASES];
		snprintf(run->name, sizeof(run->name), "%s: %s%s%s%s", run->impl->name,
		         run->one->name, run->impl->why_not ? " (" : "",
		         run->impl->why_not ? run->impl->why_not : "",
		         run->impl->why_not ? ")" : "");
		tests[i] = (struct CMUnitTest){
			.name = run->name,
			.test_func = run_case,
			.teardown_func = clean_up,
			.initial_state = run,
		};
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
