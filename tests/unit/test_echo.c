/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What echo does beyond the contract: it keeps headers, completes checksums where it must, drops what is not taken;
 * and the network stack of this host, through a TAP, talks with it: ping, UDP, TCP.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/csum.h"
#include "tests/lib/net_rig.h"
#include "tests/lib/pkt.h"
#include "vmm/core/compiler.h"
#include "vmm/core/loop.h"

#define US   0x0a090901u
#define THEM 0x0a090902u

static const struct pkt_ends ends = {
	.src_mac = {2, 0, 0, 0, 0, 1},
	.dst_mac = {2, 0, 0, 0, 0, 2},
	.src = US,
	.dst = THEM,
	.sport = 1000,
	.dport = 7,
};

static void nothing_to_hear(unused void *arg)
{
}

static int open_echo(void **state)
{
	static struct rig r; /* for one case at a time */

	rig_init(&r);
	assert_int_equal(rig_open(&r, "echo", "", 0), 0);
	*state = &r;
	return 0;
}

static int close_echo(void **state)
{
	rig_close(*state);
	return 0;
}

/* The only frame that comes back for this one. */
static const struct rig_frame *round_trip(struct rig *r, const struct virtio_net_hdr_v1 *hdr,
                                          const void *frame, size_t len)
{
	rig_forget(r);
	assert_int_equal(rig_send(r, hdr, frame, len), len + NET_HDR_LEN);
	assert_true(rig_wait_frames(r, 1));
	assert_int_equal(r->got[0].len, len + NET_HDR_LEN);
	return &r->got[0];
}

static void header_comes_back_with_its_frame(void **state)
{
	const struct pkt_tcp t = {.flags = 0x10, .partial = true};
	struct virtio_net_hdr_v1 hdr = pkt_tcp_hdr(1000), back;
	uint8_t f[4096], data[3000] = {1};
	size_t len = pkt_tcp(f, &ends, &t, data, sizeof(data));
	struct rig *r = *state;

	rig_run(r);
	assert_int_equal(
		rig_start(r, FEATURE(VIRTIO_NET_F_GUEST_CSUM) | FEATURE(VIRTIO_NET_F_GUEST_TSO4)),
		0);
	hdr.num_buffers = 3; /* a number of the sender's, which the reader's device sets */
	memcpy(&back, round_trip(r, &hdr, f, len)->data, sizeof(back));
	hdr.num_buffers = 0;
	assert_memory_equal(&back, &hdr, sizeof(hdr));
}

static void checksum_is_completed_for_who_does_not_take_it_partial(void **state)
{
	struct pkt_ends back = {.src = THEM, .dst = US, .sport = 7, .dport = 1000};
	struct pkt_tcp t = {.flags = 0x10, .partial = true};
	const struct virtio_net_hdr_v1 hdr = pkt_tcp_hdr(0), none = {0};
	uint8_t f[256], want[256];
	size_t len = pkt_tcp(f, &ends, &t, "data", 4);
	const struct rig_frame *got;
	struct rig *r = *state;

	memcpy(back.src_mac, ends.dst_mac, 6);
	memcpy(back.dst_mac, ends.src_mac, 6);
	rig_run(r);
	assert_int_equal(rig_start(r, FEATURE(VIRTIO_NET_F_GUEST_CSUM)), 0);
	got = round_trip(r, &hdr, f, len);
	assert_memory_equal(got->data, &hdr, sizeof(hdr));
	assert_int_equal(rig_set_offloads(r, 0), 0);
	t.partial = false;
	pkt_tcp(want, &back, &t, "data", 4);
	got = round_trip(r, &hdr, f, len);
	assert_memory_equal(got->data, &none, sizeof(none));
	assert_memory_equal(got->data + NET_HDR_LEN, want, len);
}

static void frames_that_nobody_takes_are_dropped_and_counted(void **state)
{
	uint8_t f[1500] = {2};
	struct rig *r = *state;
	unsigned sent = 0;

	rig_run(r);
	assert_int_equal(rig_start(r, 0), 0);
	rig_want_recv(r, false);
	while (r->b->stats.recv_dropped < 10) {
		assert_int_equal(rig_send(r, NULL, f, sizeof(f)), sizeof(f) + NET_HDR_LEN);
		sent++;
	}
	rig_want_recv(r, true);
	assert_true(rig_wait_frames(r, sent - 10));
	assert_int_equal(r->b->stats.sends, sent);
	assert_int_equal(r->b->stats.recvs, sent - 10);
	/* Those that are in hand at the end are lost, too. */
	rig_want_recv(r, false);
	assert_int_equal(rig_send(r, NULL, f, sizeof(f)), sizeof(f) + NET_HDR_LEN);
	rig_stop(r);
	rig_forget_frames(r);
	assert_int_equal(r->b->stats.recv_dropped, 11);
}

static void frame_of_no_possible_size_is_refused(void **state)
{
	struct rig *r = *state;
	uint8_t *f = calloc(1, NET_RECV_MAX);

	assert_non_null(f);
	assert_int_equal(rig_start(r, 0), 0);
	assert_int_equal(rig_send(r, NULL, f, 13), -EINVAL);
	assert_int_equal(rig_send(r, NULL, f, NET_RECV_MAX - NET_HDR_LEN + 1), -EINVAL);
	assert_int_equal(r->b->stats.send_errors, 2);
	free(f);
}

static void each_pair_returns_what_was_sent_on_it(unused void **state)
{
	const struct net_sink deaf = {.can_recv = nothing_to_hear};
	uint8_t f[NET_HDR_LEN + 60] = {0}, got[NET_RECV_MAX];
	struct iovec in = {f, sizeof(f)}, out = {got, sizeof(got)};
	struct rig r;
	struct loop *more;
	struct net_backend *second;

	rig_init(&r);
	assert_int_equal(loop_create(&more), 0);
	r.more_pairs = 1;
	r.more_loops = &more;
	assert_int_equal(rig_open(&r, "echo", "", 0), 0);
	second = r.b->next;
	assert_non_null(second);
	assert_null(second->next);
	assert_true(r.b->can & FEATURE(VIRTIO_NET_F_MQ));
	assert_int_equal(r.b->set_pairs(r.b, 2), 0);
	assert_int_equal(r.b->frame->start(r.b, 0, &deaf), 0);
	assert_int_equal(second->frame->start(second, 0, &deaf), 0);
	assert_int_equal(second->frame->send(second, &in, 1), sizeof(f));
	assert_int_equal(r.b->frame->recv(r.b, &out, 1), 0);
	assert_int_equal(second->frame->recv(second, &out, 1), sizeof(f));
	net_destroy(r.b);
	r.b = NULL;
	loop_destroy(more);
	rig_close(&r);
}

/* ---- the stack of this host */

struct stack {
	struct net_backend *b;
	int tap;
	uint8_t buf[NET_RECV_MAX];
};

/* A TAP with all offloads and the address US; -1: not here. */
static int open_stack(void)
{
	struct ifreq ifr = {.ifr_name = "echo0", .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
	struct sockaddr_in a = {.sin_family = AF_INET};
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), hdr = NET_HDR_LEN;
	const unsigned long offloads = TUN_F_CSUM | TUN_F_TSO4;

	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) < 0 || ioctl(fd, TUNSETVNETHDRSZ, &hdr) < 0 ||
	    ioctl(fd, TUNSETOFFLOAD, offloads) < 0)
		goto fail;
	a.sin_addr.s_addr = htonl(US);
	memcpy(&ifr.ifr_addr, &a, sizeof(a));
	if (ioctl(s, SIOCSIFADDR, &ifr) < 0)
		goto fail;
	a.sin_addr.s_addr = htonl(0xffffff00);
	memcpy(&ifr.ifr_netmask, &a, sizeof(a));
	if (ioctl(s, SIOCSIFNETMASK, &ifr) < 0)
		goto fail;
	ifr.ifr_flags = IFF_UP | IFF_RUNNING;
	if (ioctl(s, SIOCSIFFLAGS, &ifr) == 0) {
		close(s);
		return fd;
	}
fail:
	if (fd >= 0)
		close(fd);
	close(s);
	return -1;
}

/* Frames between the two, until @sock is ready for @events. */
static void pump_until(struct stack *k, int sock, short events)
{
	struct pollfd p[] = {{.fd = sock, .events = events}, {.fd = k->tap, .events = POLLIN}};
	struct iovec iov = {k->buf, sizeof(k->buf)};
	ssize_t len;

	for (;;) {
		assert_true(poll(p, 2, RIG_PATIENCE_S * 1000) > 0);
		if (p[0].revents & (events | POLLERR | POLLHUP))
			return;
		while ((len = read(k->tap, k->buf, sizeof(k->buf))) > 0) {
			iov.iov_len = (size_t)len;
			k->b->frame->send(k->b, &iov, 1);
		}
		iov.iov_len = sizeof(k->buf);
		while ((len = k->b->frame->recv(k->b, &iov, 1)) > 0)
			assert_int_equal(write(k->tap, k->buf, (size_t)len), len);
	}
}

static int connected(int type, int protocol)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(7)};
	int s = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);

	a.sin_addr.s_addr = htonl(THEM);
	assert_true(s >= 0);
	if (connect(s, (const struct sockaddr *)&a, sizeof(a)) < 0)
		assert_int_equal(errno, EINPROGRESS);
	return s;
}

static void ping(struct stack *k)
{
	struct icmphdr h = {.type = ICMP_ECHO, .un.echo = {.id = 1, .sequence = 2}};
	uint8_t got[256];
	int s = connected(SOCK_RAW, IPPROTO_ICMP);

	h.checksum = (uint16_t)~csum_sum(&h, sizeof(h));
	assert_int_equal(send(s, &h, sizeof(h), 0), sizeof(h));
	pump_until(k, s, POLLIN);
	/* The stack has checked the sum of the IP header; of this one a raw socket's owner does. */
	assert_int_equal(recv(s, got, sizeof(got), 0), 20 + sizeof(h));
	assert_int_equal(got[20], ICMP_ECHOREPLY);
	assert_int_equal(csum_sum(got + 20, sizeof(h)), 0xffff);
	close(s);
}

static void udp(struct stack *k)
{
	uint8_t data[9000], got[9001];
	int s = connected(SOCK_DGRAM, 0);

	for (size_t len = 1; len < sizeof(data); len = 3 * len + 1) {
		memset(data, (int)len, len);
		assert_int_equal(send(s, data, len, 0), len);
		pump_until(k, s, POLLIN);
		assert_int_equal(recv(s, got, sizeof(got), 0), len); /* in fragments, too */
		assert_memory_equal(got, data, len);
	}
	close(s);
}

#define STREAM_BYTES (1u << 20)

static uint8_t stream_byte(size_t at)
{
	return (uint8_t)(at * 7 + at / 251);
}

/* A SYN that comes back is a simultaneous open (RFC 9293, 3.5), and then the socket talks with itself. */
static void tcp(struct stack *k)
{
	int s = connected(SOCK_STREAM, 0), err = -1;
	socklen_t size = sizeof(err);
	size_t sent = 0, got = 0;
	uint8_t part[16384];
	ssize_t n;

	pump_until(k, s, POLLOUT);
	assert_int_equal(getsockopt(s, SOL_SOCKET, SO_ERROR, &err, &size), 0);
	assert_int_equal(err, 0);
	while (got < STREAM_BYTES) {
		pump_until(k, s, sent < STREAM_BYTES ? POLLIN | POLLOUT : POLLIN);
		for (size_t i = 0; i < sizeof(part); i++)
			part[i] = stream_byte(sent + i);
		if (sent < STREAM_BYTES && (n = send(s, part, sizeof(part), 0)) > 0)
			sent += (size_t)n;
		n = recv(s, part, sizeof(part), 0);
		assert_true(n > 0 || errno == EAGAIN);
		for (ssize_t i = 0; i < n; i++, got++)
			assert_int_equal(part[i], stream_byte(got));
	}
	close(s);
}

static void network_stack_of_this_host_talks_with_it(void **state)
{
	const struct net_sink deaf = {.can_recv = nothing_to_hear, .can_send = nothing_to_hear};
	struct rig *r = *state;
	struct stack *k;
	const char *why;
	int tap = -1;

	if (enter_own_network(&why))
		tap = open_stack();
	if (tap < 0)
		skip();
	k = malloc(sizeof(*k));
	assert_non_null(k);
	k->b = r->b;
	k->tap = tap;
	assert_int_equal(k->b->frame->start(k->b,
	                                    FEATURE(VIRTIO_NET_F_GUEST_CSUM) |
	                                            FEATURE(VIRTIO_NET_F_GUEST_TSO4),
	                                    &deaf),
	                 0);
	ping(k);
	udp(k);
	tcp(k);
	close(tap);
	free(k);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, open_echo, close_echo)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(header_comes_back_with_its_frame),
		CASE(checksum_is_completed_for_who_does_not_take_it_partial),
		CASE(frames_that_nobody_takes_are_dropped_and_counted),
		CASE(frame_of_no_possible_size_is_refused),
		cmocka_unit_test(each_pair_returns_what_was_sent_on_it),
		CASE(network_stack_of_this_host_talks_with_it), /* from then on in a network of its own */
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
