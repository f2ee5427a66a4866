/* SPDX-License-Identifier: Apache-2.0 */
/* The user backend with the real libslirp: hand-made frames on one side, loopback sockets on the other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "net/csum.h"
#include "tests/lib/capture.h"
#include "tests/lib/pkt.h"
#include "tests/lib/user_rig.h"
#include "vmm/core/compiler.h"
#include "vmm/core/loop.h"

/* ---- cases */

static bool is_offer(const uint8_t *f, size_t len, void *arg)
{
	uint32_t src, dst;
	size_t off = pkt_ipv4(f, len, IPPROTO_UDP, &src, &dst);

	return off && len >= off + 8 + 240 && pkt_be16(f + off + 2) == 68 &&
	       pkt_be32(f + off + 8 + 4) == *(uint32_t *)arg && pkt_be32(f + off + 8 + 16) == GUEST;
}

static bool contains(const struct rig_frame *f, const char *text)
{
	return memmem(f->data, f->len, text, strlen(text)) != NULL;
}

static void dhcp_offers_the_first_address_and_the_name(unused void **state)
{
	struct rig r;
	uint8_t f[1024];
	uint32_t xid = 0x12345678;
	const struct rig_frame *offer;

	open_user(&r, "hostname=bell-7", 0);
	send_frame(&r, f, pkt_dhcp_discover(f, guest_mac, xid));
	offer = rig_find(&r, is_offer, &xid);
	assert_non_null(offer);
	assert_true(contains(offer, "bell-7"));
	rig_close(&r);
}

static bool is_udp_from_gateway(const uint8_t *f, size_t len, void *arg)
{
	const struct pkt_ends *e = arg;
	uint32_t src, dst;
	size_t off = pkt_ipv4(f, len, IPPROTO_UDP, &src, &dst);

	return off && src == GATEWAY && dst == GUEST && pkt_be16(f + off) == e->dport &&
	       pkt_be16(f + off + 2) == e->sport;
}

static void udp_goes_out_and_comes_back(unused void **state)
{
	struct rig r;
	uint8_t f[2048], data[1400], got[2048];
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	uint16_t port = 0;
	int s = listen_on(SOCK_DGRAM, &port);
	const struct rig_frame *answer;
	struct pkt_ends e = to_gateway(4000, port);

	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 3);
	open_user(&r, "", 0);
	send_frame(&r, f, pkt_udp(f, &e, data, sizeof(data)));
	assert_true(readable(s));
	assert_int_equal(recvfrom(s, got, sizeof(got), 0, (struct sockaddr *)&from, &len),
	                 sizeof(data));
	assert_memory_equal(got, data, sizeof(data));
	assert_int_equal(sendto(s, data, 777, 0, (struct sockaddr *)&from, len), 777);
	answer = rig_find(&r, is_udp_from_gateway, &e);
	assert_non_null(answer);
	assert_int_equal(answer->len, NET_HDR_LEN + 14 + 28 + 777);
	assert_memory_equal(answer->data + NET_HDR_LEN + 14 + 28, data, 777);
	/* Whole and checked: the guest is not asked to do anything. */
	for (unsigned i = 0; i < NET_HDR_LEN; i++)
		assert_int_equal(answer->data[i], 0);
	rig_close(&r);
	close(s);
}

static void tcp_segment_of_32k_arrives_intact(unused void **state)
{
	const size_t len = 32768;
	struct virtio_net_hdr_v1 hdr = pkt_tcp_hdr(1448);
	uint8_t *data = malloc(len), *got = malloc(len), *f = malloc(PKT_MAX);
	struct pkt_tcp seg = {.flags = TH_ACK | TH_PUSH, .window = 65535, .partial = true};
	struct rig r;
	struct tcp t;
	uint16_t port = 0;
	int s = listen_on(SOCK_STREAM, &port), c;

	open_user(&r, "", 0);
	assert_true(r.b->can & FEATURE(VIRTIO_NET_F_HOST_TSO4));
	tcp_open(&t, &r, 5001, port);
	assert_true(readable(s));
	c = accept(s, NULL, NULL);
	for (unsigned round = 0; round < 3; round++) {
		size_t n;

		for (size_t i = 0; i < len; i++)
			data[i] = (uint8_t)(i * 11 + i / 251 + round);
		seg.seq = t.seq;
		seg.ack = t.ack;
		n = pkt_tcp(f, &t.ends, &seg, data, len - round); /* odd lengths, too */
		assert_int_equal(rig_send(&r, &hdr, f, n), n + NET_HDR_LEN);
		t.seq += (uint32_t)(len - round);
		read_all(c, got, len - round);
		assert_memory_equal(got, data, len - round);
	}
	/* It does look at checksums: a wrong one does not get through, the repetition does. */
	seg.seq = t.seq;
	hdr.csum_offset = 14;
	assert_true(rig_send(&r, &hdr, f, pkt_tcp(f, &t.ends, &seg, data, 100)) > 0);
	hdr.csum_offset = 16;
	data[0] ^= 0x55;
	assert_true(rig_send(&r, &hdr, f, pkt_tcp(f, &t.ends, &seg, data, 100)) > 0);
	read_all(c, got, 100);
	assert_memory_equal(got, data, 100);
	rig_close(&r);
	close(c);
	close(s);
	free(f);
	free(got);
	free(data);
}

static void tcp_brings_in_a_megabyte(unused void **state)
{
	const size_t len = 1 << 20;
	uint8_t *data = malloc(len), *got = malloc(len);
	struct rig r;
	struct tcp t;
	uint16_t port = 0;
	int s = listen_on(SOCK_STREAM, &port), c;
	size_t written = 0;

	open_user(&r, "ipv6=off", 9000);
	tcp_open(&t, &r, 5002, port);
	assert_true(readable(s));
	c = accept4(s, NULL, NULL, SOCK_NONBLOCK);
	t.data = got;
	t.max = len;
	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)(i * 7 + i / 509);
	while (t.data_len < len) {
		ssize_t n =
			written < len ? send(c, data + written, len - written, MSG_NOSIGNAL) : 0;

		if (n > 0)
			written += (size_t)n;
		assert_true(rig_wait_frames(&r, 1));
		take_data(&t);
		tcp_out(&t, TH_ACK, NULL, 0);
	}
	assert_memory_equal(got, data, len);
	rig_close(&r);
	close(c);
	close(s);
	free(got);
	free(data);
}

static void three_hundred_connections_one_after_the_other(unused void **state)
{
	struct rig r;
	uint16_t port = 0;
	int s = listen_on(SOCK_STREAM, &port), c;
	uint8_t byte;

	/* Descriptor numbers are used again at once: none may be mistaken for its predecessor. */
	open_user(&r, "", 0);
	for (uint16_t i = 0; i < 300; i++) {
		struct tcp t;

		tcp_open(&t, &r, (uint16_t)(6000 + i), port);
		assert_true(readable(s));
		c = accept(s, NULL, NULL);
		byte = (uint8_t)i;
		tcp_out(&t, TH_ACK | TH_PUSH, &byte, 1);
		read_all(c, &byte, 1);
		assert_int_equal(byte, (uint8_t)i);
		close(c);
		t.want = TH_FIN;
		assert_non_null(rig_find(&r, has_flags, &t));
		t.ack = t.iss + 1;
		tcp_out(&t, TH_FIN | TH_ACK, NULL, 0);
		rig_forget(&r);
	}
	rig_close(&r);
	close(s);
}

static void connection_survives_stop_and_start(unused void **state)
{
	struct rig r;
	struct tcp t;
	uint16_t port = 0;
	int s = listen_on(SOCK_STREAM, &port), c;
	uint8_t got[16];

	open_user(&r, "", 0);
	tcp_open(&t, &r, 5003, port);
	assert_true(readable(s));
	c = accept(s, NULL, NULL);
	rig_stop(&r);
	assert_int_equal(send(c, "while stopped", 13, 0), 13);
	rig_settle(&r);
	assert_int_equal(rig_start(&r, 0), 0);
	t.data = got;
	t.max = sizeof(got);
	rig_forget(&r);
	while (t.data_len < 13) {
		assert_true(rig_wait_frames(&r, 1));
		take_data(&t);
	}
	assert_memory_equal(got, "while stopped", 13);
	rig_close(&r);
	close(c);
	close(s);
}

/* It asks what time it is only once in a turn of the loop, and is told the time of this turn. */
static void data_that_nobody_acknowledges_is_sent_again(unused void **state)
{
	struct rig r;
	struct tcp t;
	uint16_t port = 0;
	int s = listen_on(SOCK_STREAM, &port), c;

	open_user(&r, "ipv6=off", 0);
	tcp_open(&t, &r, 5006, port);
	assert_true(readable(s));
	c = accept(s, NULL, NULL);
	for (unsigned i = 0; i < 2; i++) { /* the second time is the same again, from its timer */
		rig_forget(&r);
		if (i == 0)
			assert_int_equal(send(c, "again", 5, 0), 5);
		t.want = TH_PUSH;
		assert_non_null(rig_find(&r, has_flags, &t));
		assert_int_equal(t.iss, t.ack);
	}
	rig_close(&r);
	close(c);
	close(s);
}

static bool is_arp_request_for_guest(const uint8_t *f, size_t len, unused void *arg)
{
	return len >= 42 && pkt_be16(f + 12) == 0x806 && pkt_be16(f + 20) == 1 &&
	       pkt_be32(f + 38) == GUEST;
}

static void hostfwd_udp_reaches_the_guest(unused void **state)
{
	struct rig r;
	struct sockaddr_in a = {.sin_family = AF_INET};
	uint16_t port = 0;
	int s = listen_on(SOCK_DGRAM, &port), out;
	uint32_t src, dst;
	uint8_t f[128];
	char keys[64];

	close(s);
	snprintf(keys, sizeof(keys), "hostfwd=udp::%u-:777", port);
	rig_init(&r);
	assert_int_equal(rig_open(&r, "user", keys, 0), 0);
	rig_run(&r);
	assert_int_equal(rig_start(&r, 0), 0);
	out = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	a.sin_port = htons(port);
	assert_int_equal(sendto(out, "knock", 5, 0, (struct sockaddr *)&a, sizeof(a)), 5);
	/* libslirp has to ask where the guest is; no frame of ours wakes it up to go on. */
	assert_non_null(rig_find(&r, is_arp_request_for_guest, NULL));
	rig_forget(&r);
	send_frame(&r, f, pkt_arp_request(f, guest_mac, GUEST, GATEWAY));
	assert_true(rig_wait_frames(&r, 2));
	for (unsigned i = 0; i < r.nr_got; i++) {
		const uint8_t *g = r.got[i].data + NET_HDR_LEN;
		size_t off = pkt_ipv4(g, r.got[i].len - NET_HDR_LEN, IPPROTO_UDP, &src, &dst);

		if (off == 0)
			continue;
		assert_int_equal(dst, GUEST);
		assert_int_equal(pkt_be16(g + off + 2), 777);
		assert_memory_equal(g + off + 8, "knock", 5);
		rig_close(&r);
		close(out);
		return;
	}
	fail_msg("no datagram came");
}

static void hostfwd_tcp_connects_to_the_guest(unused void **state)
{
	struct rig r;
	struct sockaddr_in a = {.sin_family = AF_INET};
	struct tcp t = {.r = &r, .want = TH_SYN};
	uint16_t port = 0;
	int s = listen_on(SOCK_STREAM, &port), out;
	char keys[64];

	close(s);
	snprintf(keys, sizeof(keys), "restrict=on,hostfwd=tcp:127.0.0.1:%u-10.0.2.15:80", port);
	open_user(&r, keys, 0);
	out = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	a.sin_port = htons(port);
	assert_int_equal(connect(out, (struct sockaddr *)&a, sizeof(a)), 0);
	for (unsigned i = 0; i == 0; i++) {
		const struct rig_frame *f;

		/* The SYN says from which port libslirp comes. */
		assert_true(rig_wait_frames(&r, 1));
		f = &r.got[0];
		t.ends = to_gateway(80, pkt_be16(f->data + NET_HDR_LEN + 34));
		assert_true(has_flags(f->data + NET_HDR_LEN, f->len - NET_HDR_LEN, &t));
		assert_int_equal(mss_of(f), 1460); /* not what libslirp would take from us */
	}
	assert_int_equal(send(out, "hello guest", 11, 0), 11);
	rig_forget(&r);
	t.ack = t.iss + 1;
	t.seq = 99;
	t.data = malloc(64);
	t.max = 64;
	tcp_out(&t, TH_SYN | TH_ACK, NULL, 0);
	while (t.data_len < 11) {
		assert_true(rig_wait_frames(&r, 1));
		take_data(&t);
	}
	assert_memory_equal(t.data, "hello guest", 11);
	free(t.data);
	rig_close(&r);
	close(out);
}

static void restricted_guest_reaches_nothing(unused void **state)
{
	struct rig r;
	uint8_t f[256];
	uint16_t port = 0, tcp_port = 0;
	int s = listen_on(SOCK_DGRAM, &port), l = listen_on(SOCK_STREAM, &tcp_port);
	struct pkt_ends e = to_gateway(4001, port), et = to_gateway(4002, tcp_port);
	struct pkt_tcp syn = {.seq = 5, .flags = TH_SYN, .window = 65535};

	open_user(&r, "restrict=on", 0);
	send_frame(&r, f, pkt_udp(f, &e, "out?", 4));
	send_frame(&r, f, pkt_tcp(f, &et, &syn, NULL, 0));
	announce(&r); /* libslirp has looked at both by now */
	assert_int_equal(recv(s, f, sizeof(f), MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(fcntl(l, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(accept(l, NULL, NULL), -1);
	assert_int_equal(errno, EAGAIN);
	rig_close(&r);
	close(l);
	close(s);
}

/* The sum of the IPv6 pseudo header, where ICMPv6 has its checksum. */
static void add_pseudo6(uint8_t *f, size_t len)
{
	uint8_t p[40] = {0};
	uint16_t sum;

	memcpy(p, f + 22, 32);
	p[35] = (uint8_t)(len - 54);
	p[39] = IPPROTO_ICMPV6;
	sum = csum_sum(p, sizeof(p));
	memcpy(f + 56, &sum, 2);
}

/*
 * libslirp 4.7.0 alone writes through a pointer out of this packet: it dies of one such frame. Sent in
 * order, datagrams above the MTU pass.
 */
static void last_fragment_alone_harms_nobody(unused void **state)
{
	uint8_t data[4000], f[4200], piece[4200], got[4200];
	uint16_t port = 0;
	int s = listen_on(SOCK_DGRAM, &port);
	struct pkt_ends e = to_gateway(4000, port);
	struct rig r;
	size_t len;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 5 + i / 256);
	open_user(&r, "", 0);
	len = pkt_udp(f, &e, data, sizeof(data));
	for (unsigned round = 0; round < 10; round++) {
		send_frame(&r, piece, pkt_fragment(piece, f, len, 2960, 4440));
		send_frame(&r, piece, pkt_fragment(piece, f, len, 1480, 2960));
		send_frame(&r, piece, pkt_fragment(piece, f, len, 0, 1480));
		assert_int_equal(recv(s, got, sizeof(got), MSG_DONTWAIT), -1);
		for (size_t at = 0; at < 4440; at += 1480)
			send_frame(&r, piece, pkt_fragment(piece, f, len, at, at + 1480));
		assert_true(readable(s));
		assert_int_equal(recv(s, got, sizeof(got), 0), sizeof(data));
		assert_memory_equal(got, data, sizeof(data));
	}
	announce(&r);
	rig_close(&r);
	close(s);
}

static int listen6(uint16_t *port)
{
	struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	socklen_t len = sizeof(a);
	int s = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (s >= 0 && (bind(s, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	               getsockname(s, (struct sockaddr *)&a, &len) < 0)) {
		close(s);
		return -1;
	}
	*port = ntohs(a.sin6_port);
	return s;
}

/*
 * Why HOST_TSO6 and HOST_UFO are not offered: libslirp answers an IPv6 packet above the MTU that it was told of with
 * "packet too big", and that of join=on is not large enough for them either. Should this ever fail, offer them.
 */
static void ipv6_passes_up_to_the_mtu_and_not_when_restricted(unused void **state)
{
	static const size_t sizes[] = {10, 1452, 1453, 4000};
	static const uint8_t gateway6_mac[6] = {0x52, 0x56, 0, 0, 0, 2};
	uint8_t data[4000] = {0}, f[4200], got[4200];
	uint16_t port = 0;
	int s = listen6(&port);
	struct pkt_ends e = to_gateway(4000, port);

	if (s < 0)
		skip();
	e.src = 0x15;
	e.dst = 2;
	memcpy(e.dst_mac, gateway6_mac, 6);
	for (unsigned restricted = 0; restricted < 2; restricted++) {
		struct rig r;

		open_user(&r, restricted ? "restrict=on,join=off" : "join=off", 0);
		assert_false(r.b->can &
		             (FEATURE(VIRTIO_NET_F_HOST_TSO6) | FEATURE(VIRTIO_NET_F_HOST_UFO)));
		for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
			bool passes = !restricted && 40 + 8 + sizes[i] <= 1500;

			send_frame(&r, f, pkt_udp6(f, &e, data, sizes[i]));
			assert_int_equal(recv(s, got, sizeof(got), MSG_DONTWAIT),
			                 passes ? (ssize_t)sizes[i] : -1);
		}
		rig_close(&r);
	}
	close(s);
}

/* "external icmpv6 not supported yet" is a line of GLib's for each packet, unless somebody catches it. */
static void noise_of_the_library_is_limited(unused void **state)
{
	struct pkt_ends e = to_gateway(0, 0);
	struct capture c;
	struct rig r;
	uint8_t f[256];
	unsigned lines = 0;
	size_t len;

	open_user(&r, "", 0);
	len = pkt_udp6(f, &e, "xxxx", 4);
	f[14 + 6] = IPPROTO_ICMPV6;
	memset(f + 38, 0x20, 16); /* somewhere outside */
	memset(f + 54, 0, 12);
	f[54] = 128; /* echo request */
	capture_begin(&c);
	for (unsigned i = 0; i < 200; i++) {
		struct virtio_net_hdr_v1 h = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM};

		h.csum_start = 54;
		h.csum_offset = 2;
		f[56] = f[57] = 0;
		add_pseudo6(f, len);
		rig_send(&r, &h, f, len);
	}
	announce(&r);
	capture_end(&c);
	for (const char *p = c.text; (p = strchr(p, '\n')); p++)
		lines++;
	assert_true(lines > 0 && lines < 20);
	assert_null(strstr(c.text, "CRITICAL"));
	rig_close(&r);
}

static void frames_of_other_kinds_are_taken_and_ignored(unused void **state)
{
	static const uint16_t protos[] = {0x88f8 /* NC-SI, which libslirp would parse */, 0x8100,
	                                  0x88cc, 0, 0xffff};
	struct rig r;
	uint8_t f[1500];

	open_user(&r, "", 0);
	for (unsigned i = 0; i < ARRAY_SIZE(protos); i++) {
		memset(f, 0, sizeof(f));
		f[12] = (uint8_t)(protos[i] >> 8);
		f[13] = (uint8_t)protos[i];
		send_frame(&r, f, sizeof(f));
	}
	announce(&r);
	assert_int_equal(r.b->stats.recvs, 2);
	rig_close(&r);
}

static void checksum_outside_of_the_frame_is_refused(unused void **state)
{
	struct virtio_net_hdr_v1 h = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM};
	struct rig r;
	uint8_t f[128];
	size_t len;

	open_user(&r, "", 0);
	len = pkt_arp_request(f, guest_mac, GUEST, GATEWAY);
	h.csum_start = 65535;
	h.csum_offset = 65535;
	assert_int_equal(rig_send(&r, &h, f, len), -EINVAL);
	h.csum_start = (__u16)len;
	h.csum_offset = 0;
	assert_int_equal(rig_send(&r, &h, f, len), -EINVAL);
	h.csum_start = (__u16)(len - 2);
	assert_int_equal(rig_send(&r, &h, f, len), len + NET_HDR_LEN);
	assert_int_equal(rig_send(&r, NULL, f, 13), -EINVAL);
	assert_int_equal(r.b->stats.send_errors, 3);
	rig_close(&r);
}

static void giant_is_refused(unused void **state)
{
	struct rig r;
	uint8_t *f = calloc(1, NET_RECV_MAX + 1);

	open_user(&r, "", 0);
	assert_int_equal(rig_send(&r, NULL, f, NET_RECV_MAX - NET_HDR_LEN + 1), -EINVAL);
	assert_int_equal(rig_send(&r, NULL, f, NET_RECV_MAX - NET_HDR_LEN), NET_RECV_MAX);
	announce(&r);
	rig_close(&r);
	free(f);
}

static void slow_guest_loses_frames_and_they_are_counted(unused void **state)
{
	struct rig r;
	uint8_t f[128];
	const unsigned nr = 5000;
	uint64_t dropped;

	open_user(&r, "ipv6=off", 0);
	rig_want_recv(&r, false);
	for (unsigned i = 0; i < nr; i++)
		send_frame(&r, f, pkt_arp_request(f, guest_mac, GUEST, GATEWAY));
	dropped = r.b->stats.recv_dropped;
	assert_true(dropped > 0 && dropped < nr);
	rig_want_recv(&r, true);
	assert_true(rig_wait_frames(&r, (unsigned)(nr - dropped)));
	for (unsigned i = 0; i < r.nr_got; i++)
		assert_true(pkt_is_arp_reply(r.got[i].data + NET_HDR_LEN,
		                             r.got[i].len - NET_HDR_LEN, GATEWAY));
	rig_forget(&r);
	announce(&r);
	rig_close(&r);
}

/* Timers of this process that are armed, as the kernel sees it. */
static unsigned armed_timers(void)
{
	DIR *d = opendir("/proc/self/fdinfo");
	unsigned nr = 0;
	struct dirent *e;
	char text[512];

	assert_non_null(d);
	while ((e = readdir(d))) {
		int fd = openat(dirfd(d), e->d_name, O_RDONLY | O_CLOEXEC);
		ssize_t len = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;

		if (fd >= 0)
			close(fd);
		text[len > 0 ? len : 0] = '\0';
		if (strstr(text, "it_value: (") && !strstr(text, "it_value: (0, 0)"))
			nr++;
	}
	closedir(d);
	return nr;
}

static void idle_network_sets_no_timer(unused void **state)
{
	struct rig r;
	uint16_t port = 0;
	int s = listen_on(SOCK_STREAM, &port);
	struct tcp t;

	open_user(&r, "ipv6=off", 0);
	rig_settle(&r);
	assert_int_equal(armed_timers(), 0);
	/* ... and one with a connection does. */
	tcp_open(&t, &r, 5004, port);
	rig_settle(&r);
	assert_int_equal(armed_timers(), 1);
	rig_stop(&r);
	assert_int_equal(armed_timers(), 0);
	rig_close(&r);
	close(s);
}

/* Neither for the time nor for sockets: the stop came from inside the hook that asks for them. */
static void network_that_its_sink_stopped_waits_for_nothing(unused void **state)
{
	struct rig r;
	struct tcp t;
	uint16_t port = 0;
	int s = listen_on(SOCK_STREAM, &port), c;

	open_user(&r, "ipv6=off", 0);
	tcp_open(&t, &r, 5005, port);
	assert_true(readable(s));
	c = accept(s, NULL, NULL);
	rig_stop(&r);
	r.stop_in = RIG_CAN_RECV;
	assert_int_equal(rig_start(&r, 0), 0);
	assert_int_equal(send(c, "data", 4, 0), 4);
	assert_true(rig_wait_stopped(&r, 1));
	rig_settle(&r);
	assert_int_equal(armed_timers(), 0);
	rig_close(&r);
	close(c);
	close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dhcp_offers_the_first_address_and_the_name),
		cmocka_unit_test(udp_goes_out_and_comes_back),
		cmocka_unit_test(tcp_segment_of_32k_arrives_intact),
		cmocka_unit_test(tcp_brings_in_a_megabyte),
		cmocka_unit_test(three_hundred_connections_one_after_the_other),
		cmocka_unit_test(connection_survives_stop_and_start),
		cmocka_unit_test(data_that_nobody_acknowledges_is_sent_again),
		cmocka_unit_test(hostfwd_udp_reaches_the_guest),
		cmocka_unit_test(hostfwd_tcp_connects_to_the_guest),
		cmocka_unit_test(restricted_guest_reaches_nothing),
		cmocka_unit_test(last_fragment_alone_harms_nobody),
		cmocka_unit_test(ipv6_passes_up_to_the_mtu_and_not_when_restricted),
		cmocka_unit_test(noise_of_the_library_is_limited),
		cmocka_unit_test(frames_of_other_kinds_are_taken_and_ignored),
		cmocka_unit_test(checksum_outside_of_the_frame_is_refused),
		cmocka_unit_test(giant_is_refused),
		cmocka_unit_test(slow_guest_loses_frames_and_they_are_counted),
		cmocka_unit_test(idle_network_sets_no_timer),
		cmocka_unit_test(network_that_its_sink_stopped_waits_for_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
