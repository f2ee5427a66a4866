/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hostile guest on the user backend: any frames with any virtio header, the loop turning in between,
 * receive and offloads switched off and on, stop and start. In a network namespace of its own, whose loopback has
 * somebody to talk to on port 7; where there is none to be had, with restrict=on: nothing leaves.
 *
 * Input: the network's options (1 byte); then again and again what to do (1), for a frame its length
 * (2), flags (1), csum_start (2), csum_offset (2), and its bytes as far as there are.
 */
#include <errno.h>
#include <linux/virtio_net.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "devices/vnet_hdr.h"
#include "net/csum.h"
#include "net/net_backend.h"
#include "net/slirp_opt.h"
#include "tests/fuzz/input.h"
#include "tests/lib/net_rig.h"
#include "vmm/core/fd.h"
#include "vmm/core/log.h"
#include "vmm/core/loop.h"

#define STEPS_MAX 64u

#define PORT 7
#define OFFLOADS                                                               \
	(FEATURE(VIRTIO_NET_F_GUEST_CSUM) | FEATURE(VIRTIO_NET_F_GUEST_TSO4) | \
	 FEATURE(VIRTIO_NET_F_GUEST_TSO6))

#define RESTRICT  1u
#define NO_IPV6   2u
#define MTU_SMALL 4u
#define NO_TSO    8u  /* the driver takes no segments */
#define NO_JOIN   16u /* libslirp has the MTU of the guest */

/* In the byte of a frame's flags: make its checksums right, or libslirp would look no further. */
#define REPAIR 0x80u

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/*
 * slirp_cleanup() of libslirp 4.7 forgets frames for the guest when two or more of one connection wait for its
 * answer to ARP: it walks the queue's first ones only. They are sent and freed while it lives, so nothing grows; the
 * process ends with it. Nobody but libslirp calls g_malloc() here. Its corpus has the input that showed it
 * (two-wait-for-arp).
 */
/* NOLINTBEGIN(bugprone-reserved-identifier): the name is the sanitizer's. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:^g_malloc$\n";
}
/* NOLINTEND(bugprone-reserved-identifier) */

/* Whether the namespace is ours; and who listens there, for as long as the process lives. */
static bool own_network;
static int tcp = -1, udp = -1;

static int outside(int type)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	int s = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	REQUIRE(s >= 0 && bind(s, (const struct sockaddr *)&a, sizeof(a)) == 0);
	REQUIRE(type == SOCK_DGRAM || listen(s, 64) == 0);
	return s;
}

/* Answer datagrams and drop connections, so that neither piles up; a connection hears enough for some segments. */
static void play_outside(void)
{
	static const char welcome[8000];
	struct sockaddr_in from;
	socklen_t size = sizeof(from);
	char buf[2048];
	ssize_t len = recvfrom(udp, buf, sizeof(buf), 0, (struct sockaddr *)&from, &size);
	int c;

	if (len >= 0)
		sendto(udp, buf, (size_t)len, 0, (const struct sockaddr *)&from, size);
	while ((c = accept4(tcp, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
		if (send(c, welcome, sizeof(welcome), MSG_NOSIGNAL) > 0)
			shutdown(c, SHUT_WR);
		fd_close(&c);
	}
}

struct guest {
	struct input in;
	struct loop *loop;
	struct loop_hook hook;
	struct loop_fd go; /* always readable, so that the loop never sleeps */
	struct net_backend *b;
	bool started, want_recv;
	uint64_t offloads;
	uint16_t mtu;
	unsigned steps;
	uint8_t buf[NET_RECV_MAX];
};

/* Of IPv6 libslirp makes no fragments; and an echo is as large as what the guest asked. */
static bool may_be_larger(const uint8_t *frame)
{
	return frame[12] == 0x86 &&
	       (frame[20] == IPPROTO_UDP || (frame[20] == IPPROTO_ICMPV6 && frame[54] == 129));
}

/* The device would have it, and nothing of it was made for another driver. */
static bool is_fine(const struct guest *g, uint32_t len)
{
	struct virtio_net_hdr_v1 was, hdr;

	memcpy(&was, g->buf, sizeof(was));
	hdr = was;
	/* What nobody is to cut fits into the MTU. */
	if (was.gso_type == VIRTIO_NET_HDR_GSO_NONE && len > 14u + g->mtu &&
	    !may_be_larger(g->buf + NET_HDR_LEN))
		return false;
	return vnet_hdr_check_rx(&hdr, len, g->offloads) == 0 &&
	       memcmp(&was, &hdr, sizeof(was)) == 0;
}

static void can_recv(void *arg)
{
	struct guest *g = arg;
	struct iovec iov[3] = {{g->buf, 7}, {g->buf + 7, 100}, {g->buf + 107, NET_RECV_MAX - 107}};
	ssize_t len;

	REQUIRE(g->started && g->want_recv);
	do {
		len = g->b->frame->recv(g->b, iov, 3);
		REQUIRE(len == 0 || (len > (ssize_t)NET_HDR_LEN && len <= (ssize_t)NET_RECV_MAX));
		REQUIRE(len == 0 || is_fine(g, (uint32_t)len - NET_HDR_LEN));
	} while (len > 0);
}

static void can_send(void *arg)
{
	(void)arg;
	REQUIRE(false); /* it is never full */
}

static void gone(void *arg, int err)
{
	(void)arg;
	(void)err;
	REQUIRE(false); /* it is never lost */
}

static void start(struct guest *g)
{
	const struct net_sink sink = {
		.can_recv = can_recv, .can_send = can_send, .gone = gone, .arg = g};

	REQUIRE(g->b->frame->start(g->b, g->offloads, &sink) == 0);
	g->started = g->want_recv = true;
}

/* The pseudo header's sum into the checksum field at @start + @off; the backend does the rest. */
static void leave_to_backend(uint8_t *frame, size_t len, size_t start, size_t addr, size_t addr_len,
                             struct virtio_net_hdr_v1 *hdr)
{
	const uint8_t proto = addr_len == 8 ? frame[23] : frame[20];
	size_t off = proto == IPPROTO_TCP ? 16 : proto == IPPROTO_UDP ? 6 : 2;
	uint8_t tail[4] = {(uint8_t)((len - start) >> 8), (uint8_t)(len - start), 0, proto};
	uint8_t pseudo[36];
	uint16_t sum = 0;

	if (len < start + off + 2)
		return;
	memcpy(pseudo, frame + addr, addr_len);
	memcpy(pseudo + addr_len, tail, sizeof(tail));
	if (proto != IPPROTO_ICMP)
		sum = csum_sum(pseudo, addr_len + sizeof(tail));
	memcpy(frame + start + off, &sum, sizeof(sum));
	hdr->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	hdr->csum_start = (__u16)start;
	hdr->csum_offset = (__u16)off;
}

/* Lengths and checksums as a real stack would have them, whatever the rest is. */
static void repair(uint8_t *frame, size_t len, struct virtio_net_hdr_v1 *hdr)
{
	size_t header;
	uint16_t sum;

	if (len >= 34 && frame[12] == 8 && frame[13] == 0) {
		header = (frame[14] & 15u) * 4u;
		if (header < 20 || len < 14 + header)
			return;
		frame[16] = (uint8_t)((len - 14) >> 8);
		frame[17] = (uint8_t)(len - 14);
		frame[24] = frame[25] = 0;
		sum = (uint16_t)~csum_sum(frame + 14, header);
		memcpy(frame + 24, &sum, sizeof(sum));
		leave_to_backend(frame, len, 14 + header, 26, 8, hdr);
	} else if (len >= 54 && frame[12] == 0x86 && frame[13] == 0xdd) {
		frame[18] = (uint8_t)((len - 54) >> 8);
		frame[19] = (uint8_t)(len - 54);
		leave_to_backend(frame, len, 54, 22, 32, hdr);
	}
}

static void send_one(struct guest *g)
{
	struct virtio_net_hdr_v1 hdr = {0};
	size_t len = take(&g->in, 2);
	uint8_t *frame;
	ssize_t ret;

	hdr.flags = (__u8)take(&g->in, 1);
	hdr.csum_start = (__u16)take(&g->in, 2);
	hdr.csum_offset = (__u16)take(&g->in, 2);
	if (len > g->in.left)
		len = g->in.left;
	/* Apart and exactly as long as it is, for the sanitizer to see. */
	frame = malloc(len + 1);
	REQUIRE(frame);
	memcpy(frame, g->in.p, len);
	g->in.p += len;
	g->in.left -= len;
	if (hdr.flags & REPAIR)
		repair(frame, len, &hdr);

	struct iovec iov[2] = {{&hdr, sizeof(hdr)}, {frame, len}};

	ret = g->b->frame->send(g->b, iov, 2);
	REQUIRE(ret == (ssize_t)(sizeof(hdr) + len) || ret == -EINVAL);
	free(frame);
}

static void step(void *arg)
{
	struct guest *g = arg;

	if (g->in.left == 0 || g->steps++ == STEPS_MAX) {
		loop_stop(g->loop);
		return;
	}
	if (own_network)
		play_outside();
	switch (take(&g->in, 1) % 16) {
	case 0:
		if (g->started)
			g->b->frame->stop(g->b);
		g->started = false;
		break;
	case 1:
		g->want_recv = !g->want_recv;
		if (g->started)
			g->b->frame->want_recv(g->b, g->want_recv);
		break;
	case 2:
		g->offloads ^= OFFLOADS;
		if (g->started)
			REQUIRE(g->b->frame->set_offloads(g->b, g->offloads) == 0);
		break;
	default:
		if (!g->started)
			start(g);
		send_one(g);
	}
}

static void nothing(void *arg, uint32_t revents)
{
	(void)arg;
	(void)revents;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *why;

	(void)argc;
	(void)argv;
	signal(SIGPIPE, SIG_IGN); /* as the product does */
	own_network = enter_own_network(&why);
	if (own_network) {
		tcp = outside(SOCK_STREAM);
		udp = outside(SOCK_DGRAM);
	}
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct net_common common = {.nic = "net0"};
	unsigned options;
	struct slirp_config cfg = {0};
	static struct guest g;

	log_set_level((enum log_level) - 1);
	memset(&g, 0, sizeof(g));
	g.in = (struct input){data, size};
	options = (unsigned)take(&g.in, 1);
	slirp_defaults(&cfg);
	cfg.restricted = !own_network || (options & RESTRICT);
	cfg.ipv6 = !(options & NO_IPV6);
	g.offloads = options & NO_TSO ? 0 : OFFLOADS;
	cfg.join = !(options & NO_JOIN);
	common.mtu = options & MTU_SMALL ? 576 : 0;
	g.mtu = options & MTU_SMALL ? 576 : 1500;
	REQUIRE(loop_create(&g.loop) == 0);
	REQUIRE(net_kind_find("user")->create(&cfg, &common, g.loop, &g.b) == 0);
	g.hook = (struct loop_hook){.fn = step, .arg = &g};
	loop_hook_add(g.loop, &g.hook);
	g.go = (struct loop_fd){.fd = fd_eventfd(), .events = EPOLLIN, .fn = nothing};
	REQUIRE(g.go.fd >= 0);
	fd_event_set(g.go.fd);
	REQUIRE(loop_add(g.loop, &g.go) == 0);
	start(&g);
	REQUIRE(loop_run(g.loop) == 0);
	net_destroy(g.b);
	loop_del(&g.go);
	fd_close(&g.go.fd);
	loop_destroy(g.loop);
	return 0;
}
