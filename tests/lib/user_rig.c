/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/user_rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

const uint8_t guest_mac[6] = {2, 0, 0, 0, 0, 1};
const uint8_t gateway_mac[6] = {0x52, 0x55, 10, 0, 2, 2}; /* how libslirp makes them */

/* ---- the outside */

bool readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, RIG_PATIENCE_S * 1000) == 1;
}

void read_all(int fd, uint8_t *buf, size_t len)
{
	for (size_t at = 0; at < len;) {
		ssize_t n;

		assert_true(readable(fd));
		n = recv(fd, buf + at, len - at, 0);
		assert_true(n > 0);
		at += (size_t)n;
	}
}

/* ---- the inside */

void send_frame(struct rig *r, const uint8_t *f, size_t len)
{
	assert_int_equal(rig_send(r, NULL, f, len), len + NET_HDR_LEN);
}

void announce(struct rig *r)
{
	uint8_t f[128];

	send_frame(r, f, pkt_arp_request(f, guest_mac, GUEST, GATEWAY));
	assert_true(rig_wait_frames(r, 1));
	rig_forget(r);
}

static void open_started(struct rig *r, const char *keys, uint16_t mtu, uint64_t offloads)
{
	rig_init(r);
	assert_int_equal(rig_open(r, "user", keys, mtu), 0);
	rig_run(r);
	assert_int_equal(rig_start(r, offloads), 0);
	announce(r);
}

void open_user(struct rig *r, const char *keys, uint16_t mtu)
{
	open_started(r, keys, mtu, 0);
}

void open_user_with(struct rig *r, const char *keys, uint64_t offloads)
{
	open_started(r, keys, 0, offloads);
}

struct pkt_ends to_gateway(uint16_t sport, uint16_t dport)
{
	struct pkt_ends e = {.src = GUEST, .dst = GATEWAY, .sport = sport, .dport = dport};

	memcpy(e.src_mac, guest_mac, 6);
	memcpy(e.dst_mac, gateway_mac, 6);
	return e;
}

void tcp_out(struct tcp *t, uint8_t flags, const void *data, size_t len)
{
	uint8_t *f = malloc(PKT_MAX);
	const uint8_t option[4] = {TCPOPT_MAXSEG, TCPOLEN_MAXSEG, (uint8_t)(t->mss >> 8),
	                           (uint8_t)t->mss};
	struct pkt_tcp seg = {.seq = t->seq,
	                      .ack = t->ack,
	                      .flags = flags,
	                      .window = t->window ? t->window : 65535};

	if ((flags & TH_SYN) && t->mss) {
		seg.options = option;
		seg.options_len = sizeof(option);
	}
	assert_non_null(f);
	send_frame(t->r, f, pkt_tcp(f, &t->ends, &seg, data, len));
	t->seq += (uint32_t)len + ((flags & (TH_SYN | TH_FIN)) != 0);
	free(f);
}

size_t tcp_of(const struct tcp *t, const uint8_t *f, size_t len)
{
	uint32_t src, dst;
	size_t off = pkt_ipv4(f, len, IPPROTO_TCP, &src, &dst);

	if (off == 0 || len < off + 20 || src != t->ends.dst || dst != t->ends.src ||
	    pkt_be16(f + off) != t->ends.dport || pkt_be16(f + off + 2) != t->ends.sport)
		return 0;
	return off;
}

bool has_flags(const uint8_t *f, size_t len, void *arg)
{
	struct tcp *t = arg;
	size_t off = tcp_of(t, f, len);

	if (off == 0 || (f[off + 13] & t->want) != t->want)
		return false;
	t->iss = pkt_be32(f + off + 4);
	return true;
}

uint16_t mss_of(const struct rig_frame *f)
{
	const uint8_t *option = f->data + NET_HDR_LEN + 54;

	assert_int_equal(f->len, NET_HDR_LEN + 58);
	assert_int_equal(option[0], TCPOPT_MAXSEG);
	assert_int_equal(option[1], TCPOLEN_MAXSEG);
	return pkt_be16(option + 2);
}

uint16_t tcp_open_mss(struct tcp *t, struct rig *r, uint16_t sport, uint16_t port, uint16_t mss)
{
	const struct rig_frame *f;
	uint16_t its;

	*t = (struct tcp){
		.r = r, .ends = to_gateway(sport, port), .seq = 1000u * sport, .mss = mss};
	t->want = TH_SYN | TH_ACK;
	tcp_out(t, TH_SYN, NULL, 0);
	f = rig_find(r, has_flags, t);
	assert_non_null(f);
	its = mss_of(f);
	t->ack = t->iss + 1;
	tcp_out(t, TH_ACK, NULL, 0);
	return its;
}

void tcp_open(struct tcp *t, struct rig *r, uint16_t sport, uint16_t port)
{
	tcp_open_mss(t, r, sport, port, 0);
}

void take_data(struct tcp *t)
{
	struct rig *r = t->r;

	pthread_mutex_lock(&r->lock);
	for (unsigned i = 0; i < r->nr_got; i++) {
		const uint8_t *f = r->got[i].data + NET_HDR_LEN;
		size_t len = r->got[i].len - NET_HDR_LEN, off = tcp_of(t, f, len);
		size_t head, bytes;

		if (off == 0 || (f[off + 13] & TH_SYN))
			continue;
		head = off + (size_t)(f[off + 12] >> 4) * 4;
		bytes = 14u + pkt_be16(f + 16) - head;
		if (bytes == 0 || pkt_be32(f + off + 4) != t->ack)
			continue;
		assert_true(t->data_len + bytes <= t->max);
		memcpy(t->data + t->data_len, f + head, bytes);
		t->data_len += bytes;
		t->ack += (uint32_t)bytes;
	}
	pthread_mutex_unlock(&r->lock);
	rig_forget(r);
}
