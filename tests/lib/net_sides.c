/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/net_sides.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/stream_frames.h"
#include "tests/lib/pkt.h"
#include "vmm/core/compiler.h"
#include "vmm/core/unix_socket.h"

#define TEST_PROTO 0x88b5 /* for local experiments: no stack answers it */
#define TAP_NAME   "contract0"
#define TAP_MTU    65521
#define GATEWAY    0x0a000202u

/* ---- how they are opened */

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

/* An empty file of a new name. */
static void new_path(char path[64])
{
	int fd;

	snprintf(path, 64, "/tmp/doorbell-contract-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	close(fd);
}

static int open_pcap(struct side *s)
{
	int ret = open_pipe(s);

	if (ret < 0)
		return ret;
	new_path(s->path);
	ret = net_pcap_create(s->path, 0, s->rig.b, &s->rig.b);
	return ret < 0 ? ret : net_pcap_begin(s->rig.b);
}

static int open_plain(struct side *s, const char *kind, const char *keys)
{
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

static int open_gen(struct side *s)
{
	return open_plain(s, "gen", "rate=20000,size=100");
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
}

/* The outside listens, or is bound, at s->path. */
static void make_outside(struct side *s, int type)
{
	struct sockaddr_un a;

	new_path(s->path);
	unlink(s->path);
	assert_int_equal(unix_address(s->path, &a), 0);
	s->fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	assert_true(s->fd >= 0);
	assert_int_equal(bind(s->fd, (const struct sockaddr *)&a, sizeof(a)), 0);
}

static int open_stream(struct side *s)
{
	char keys[96];
	int listener, ret;

	make_outside(s, SOCK_STREAM);
	listener = s->fd;
	assert_int_equal(listen(listener, 1), 0);
	snprintf(keys, sizeof(keys), "path=%s", s->path);
	ret = open_plain(s, "socket", keys);
	s->fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(s->fd >= 0);
	close(listener);
	return ret;
}

static void send_stream(struct side *s, const uint8_t *frame, size_t len)
{
	uint8_t prefix[STREAM_PREFIX];

	stream_prefix(prefix, len);
	assert_int_equal(send(s->fd, prefix, sizeof(prefix), MSG_MORE), sizeof(prefix));
	send_outside(s, frame, len);
}

static size_t recv_stream(struct side *s, uint8_t *buf, size_t room)
{
	uint8_t prefix[STREAM_PREFIX];
	size_t len;

	if (recv_outside(s, prefix, 1) != 1)
		return 0;
	assert_int_equal(recv(s->fd, prefix + 1, 3, MSG_WAITALL), 3);
	len = (size_t)prefix[2] << 8 | prefix[3];
	assert_true(prefix[0] == 0 && prefix[1] == 0 && len <= room);
	assert_int_equal(recv(s->fd, buf, len, MSG_WAITALL), len);
	return len;
}

static int open_dgram(struct side *s)
{
	char keys[200];
	struct sockaddr_un a;
	int ret;

	make_outside(s, SOCK_DGRAM);
	new_path(s->own);
	unlink(s->own);
	snprintf(keys, sizeof(keys), "type=dgram,path=%s,local=%s", s->path, s->own);
	ret = open_plain(s, "socket", keys);
	assert_int_equal(unix_address(s->own, &a), 0);
	assert_int_equal(connect(s->fd, (const struct sockaddr *)&a, sizeof(a)), 0);
	return ret;
}

static int open_pair(struct side *s)
{
	int ret;

	s->far = calloc(1, sizeof(*s->far));
	assert_non_null(s->far);
	rig_init(s->far);
	rig_share(s->far, &s->rig);
	s->rig.pairs = s->far->pairs = &s->pairs;
	ret = open_plain(s, "pair", "name=x");
	assert_int_equal(rig_open(s->far, "pair", "name=x", 0), 0);
	assert_int_equal(rig_start(s->far, 0), 0);
	rig_want_recv(s->far, false);
	rig_run(s->far); /* as soon as the other one does */
	return ret;
}

static void send_far(struct side *s, const uint8_t *frame, size_t len)
{
	rig_send(s->far, NULL, frame, len);
}

static size_t take_far(struct side *s, uint8_t *buf, size_t room)
{
	return rig_take(s->far, buf, room);
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
void side_make_frame(uint8_t *f, size_t len, unsigned i)
{
	static const uint8_t all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

	memcpy(f, all, 6);
	memcpy(f + 6, guest_mac, 6);
	f[12] = TEST_PROTO >> 8;
	f[13] = TEST_PROTO & 0xff;
	for (size_t at = 14; at < len; at++)
		f[at] = (uint8_t)(i * 31 + at * 7 + at / 256);
}

bool side_is_frame(const uint8_t *f, size_t len, void *want)
{
	const struct side_want *w = want;
	uint8_t *made = malloc(w->len);
	bool same;

	assert_non_null(made);
	side_make_frame(made, w->len, w->i);
	same = len == w->len && memcmp(f, made, len) == 0;
	free(made);
	return same;
}

static bool is_answer(const uint8_t *f, size_t len, unused void *arg)
{
	return pkt_is_arp_reply(f, len, GATEWAY);
}

/* What side_make_frame() made, turned round. */
static bool is_echo(const uint8_t *f, size_t len, void *arg)
{
	uint8_t back[2048];

	if (len > sizeof(back) || len < 14 || memcmp(f, guest_mac, 6) != 0)
		return false;
	memcpy(back, f, len);
	memset(back, 0xff, 6);
	memcpy(back + 6, guest_mac, 6);
	return side_is_frame(back, len, arg);
}

static bool is_numbered(const uint8_t *f, size_t len, unused void *arg)
{
	return len == 100 && memcmp(f, guest_mac, 6) == 0 && memcmp(f + 14, "dbnr", 4) == 0;
}

size_t side_length_of(unsigned i)
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
	size_t len = side_length_of(i);

	side_make_frame(f, len, i);
	assert_int_equal(rig_send(&s->rig, NULL, f, len), len + NET_HDR_LEN);
}

/* ---- the table */

const struct side_kind side_kinds[] = {
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
	{.name = "gen", .open = open_gen, .is = is_numbered},
	{.name = "null", .open = open_null, .silent = true},
	{.name = "sink", .open = open_sink, .silent = true},
	{
		.name = "tap",
		.max_frame = TAP_MTU + 14,
		.open = open_tap,
		.to_guest = send_outside,
		.outside = recv_outside,
		.leave = delete_tap,
		.needs_tap = true,
	},
	{
		.name = "socket,type=stream",
		.max_frame = MAX_PIPE,
		.open = open_stream,
		.to_guest = send_stream,
		.outside = recv_stream,
		.fills = true,
	},
	{
		.name = "socket,type=dgram",
		.max_frame = MAX_PIPE,
		.open = open_dgram,
		.to_guest = send_outside,
		.outside = recv_outside,
		.fills = true,
	},
	{
		.name = "pair",
		.max_frame = MAX_PIPE,
		.open = open_pair,
		.to_guest = send_far,
		.outside = take_far,
		.fills = true,
	},
	{.name = NULL},
};

int side_open(struct side *s, const struct side_kind *kind)
{
	s->kind = kind;
	rig_init(&s->rig);
	return kind->open(s);
}

void side_close(struct side *s)
{
	rig_close(&s->rig);
	if (s->far)
		rig_close(s->far);
	free(s->far);
	if (s->fd >= 0)
		close(s->fd);
	if (s->path[0])
		unlink(s->path);
	if (s->own[0])
		unlink(s->own);
}

void side_provoke(struct side *s, unsigned i)
{
	uint8_t f[2048];

	if (s->kind->to_guest) {
		side_make_frame(f, side_length_of(i), i);
		s->kind->to_guest(s, f, side_length_of(i));
	} else if (s->kind->provoke) {
		s->kind->provoke(s, i);
	}
}

bool side_came(struct side *s, unsigned i)
{
	struct side_want w = {i, side_length_of(i)};

	return s->kind->silent ||
	       rig_find(&s->rig, s->kind->to_guest ? side_is_frame : s->kind->is, &w) != NULL;
}
