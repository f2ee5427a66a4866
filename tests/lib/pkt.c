/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/pkt.h"

#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>

#define IP_LEN  20u
#define IP6_LEN 40u
#define UDP_LEN 8u
#define TCP_LEN 20u

static void put_be16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put_be32(uint8_t *p, uint32_t v)
{
	put_be16(p, v >> 16);
	put_be16(p + 2, v & 0xffff);
}

uint16_t pkt_be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

uint32_t pkt_be32(const uint8_t *p)
{
	return (uint32_t)pkt_be16(p) << 16 | pkt_be16(p + 2);
}

/* Byte by byte, on purpose: net/csum.c is tested against this. */
static uint32_t sum_up(uint32_t sum, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return sum;
}

static size_t put_ether(uint8_t *out, const uint8_t dst[6], const uint8_t src[6], unsigned proto)
{
	memcpy(out, dst, 6);
	memcpy(out + 6, src, 6);
	put_be16(out + 12, proto);
	return ETH_HLEN;
}

static size_t put_ip(uint8_t *p, const struct pkt_ends *e, uint8_t proto, size_t payload)
{
	memset(p, 0, IP_LEN);
	p[0] = 0x45;
	put_be16(p + 2, (unsigned)(IP_LEN + payload));
	p[8] = 64;
	p[9] = proto;
	put_be32(p + 12, e->src);
	put_be32(p + 16, e->dst);
	put_be16(p + 10, ~sum_up(0, p, IP_LEN) & 0xffff);
	return IP_LEN;
}

static uint32_t pseudo(const struct pkt_ends *e, uint8_t proto, size_t len)
{
	uint8_t p[12] = {0};

	put_be32(p, e->src);
	put_be32(p + 4, e->dst);
	p[9] = proto;
	put_be16(p + 10, (unsigned)len);
	return sum_up(0, p, sizeof(p));
}

size_t pkt_arp_request(uint8_t *out, const uint8_t mac[6], uint32_t ip, uint32_t who)
{
	static const uint8_t all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	uint8_t *p = out + put_ether(out, all, mac, ETH_P_ARP);

	put_be16(p, 1); /* Ethernet */
	put_be16(p + 2, ETH_P_IP);
	p[4] = 6;
	p[5] = 4;
	put_be16(p + 6, 1); /* request */
	memcpy(p + 8, mac, 6);
	put_be32(p + 14, ip);
	memset(p + 18, 0, 6);
	put_be32(p + 24, who);
	return ETH_HLEN + 28;
}

size_t pkt_udp(uint8_t *out, const struct pkt_ends *e, const void *data, size_t len)
{
	uint8_t *p = out + put_ether(out, e->dst_mac, e->src_mac, ETH_P_IP);
	uint32_t sum;

	p += put_ip(p, e, IPPROTO_UDP, UDP_LEN + len);
	put_be16(p, e->sport);
	put_be16(p + 2, e->dport);
	put_be16(p + 4, (unsigned)(UDP_LEN + len));
	put_be16(p + 6, 0);
	memcpy(p + UDP_LEN, data, len);
	sum = ~sum_up(pseudo(e, IPPROTO_UDP, UDP_LEN + len), p, UDP_LEN + len) & 0xffff;
	put_be16(p + 6, sum ? sum : 0xffff);
	return ETH_HLEN + IP_LEN + UDP_LEN + len;
}

size_t pkt_fragment(uint8_t *out, const uint8_t *frame, size_t len, size_t from, size_t to)
{
	size_t end = len - ETH_HLEN - IP_LEN;
	uint8_t *ip = out + ETH_HLEN;

	if (to > end)
		to = end;
	memcpy(out, frame, ETH_HLEN + IP_LEN);
	memcpy(ip + IP_LEN, frame + ETH_HLEN + IP_LEN + from, to - from);
	put_be16(ip + 2, (unsigned)(IP_LEN + to - from));
	put_be16(ip + 6, (unsigned)(from / 8) | (to < end ? 0x2000 : 0));
	put_be16(ip + 10, 0);
	put_be16(ip + 10, ~sum_up(0, ip, IP_LEN) & 0xffff);
	return ETH_HLEN + IP_LEN + to - from;
}

static void put_fec0(uint8_t *p, uint32_t host)
{
	memset(p, 0, 16);
	p[0] = 0xfe;
	p[1] = 0xc0;
	put_be16(p + 14, host & 0xffff);
}

static size_t put_ip6(uint8_t *p, const struct pkt_ends *e, uint8_t proto, size_t payload)
{
	memset(p, 0, IP6_LEN);
	p[0] = 0x60;
	put_be16(p + 4, (unsigned)payload);
	p[6] = proto;
	p[7] = 64;
	put_fec0(p + 8, e->src);
	put_fec0(p + 24, e->dst);
	return IP6_LEN;
}

static uint32_t pseudo6(const uint8_t *ip, uint8_t proto, size_t len)
{
	uint8_t tail[8] = {0};

	put_be32(tail, (uint32_t)len);
	tail[7] = proto;
	return sum_up(sum_up(0, ip + 8, 32), tail, sizeof(tail));
}

size_t pkt_udp6(uint8_t *out, const struct pkt_ends *e, const void *data, size_t len)
{
	uint8_t *ip = out + put_ether(out, e->dst_mac, e->src_mac, ETH_P_IPV6), *p = ip + IP6_LEN;
	uint32_t sum;

	put_ip6(ip, e, IPPROTO_UDP, UDP_LEN + len);
	put_be16(p, e->sport);
	put_be16(p + 2, e->dport);
	put_be16(p + 4, (unsigned)(UDP_LEN + len));
	put_be16(p + 6, 0);
	memcpy(p + UDP_LEN, data, len);
	sum = ~sum_up(pseudo6(ip, IPPROTO_UDP, UDP_LEN + len), p, UDP_LEN + len) & 0xffff;
	put_be16(p + 6, sum ? sum : 0xffff);
	return ETH_HLEN + IP6_LEN + UDP_LEN + len;
}

static uint32_t pseudo_of(const uint8_t *ip, size_t len)
{
	struct pkt_ends e = {.src = pkt_be32(ip + 12), .dst = pkt_be32(ip + 16)};

	return ip[0] >> 4 == 6 ? pseudo6(ip, IPPROTO_TCP, len) : pseudo(&e, IPPROTO_TCP, len);
}

static void seal_ip(uint8_t *ip)
{
	put_be16(ip + 10, 0);
	put_be16(ip + 10, ~sum_up(0, ip, IP_LEN) & 0xffff);
}

size_t pkt_tcp(uint8_t *out, const struct pkt_ends *e, const struct pkt_tcp *t, const void *data,
               size_t len)
{
	uint8_t *ip = out + put_ether(out, e->dst_mac, e->src_mac, t->v6 ? ETH_P_IPV6 : ETH_P_IP);
	const size_t head = TCP_LEN + t->options_len;
	uint8_t *p = ip + (t->v6 ? put_ip6 : put_ip)(ip, e, IPPROTO_TCP, head + len);
	uint32_t sum = pseudo_of(ip, head + len);

	if (!t->v6) {
		put_be16(ip + 4, t->id);
		seal_ip(ip);
	}
	memset(p, 0, TCP_LEN);
	put_be16(p, e->sport);
	put_be16(p + 2, e->dport);
	put_be32(p + 4, t->seq);
	put_be32(p + 8, t->ack);
	p[12] = (uint8_t)(head / 4 << 4);
	p[13] = t->flags;
	put_be16(p + 14, t->window);
	if (t->options_len)
		memcpy(p + TCP_LEN, t->options, t->options_len);
	if (len)
		memcpy(p + head, data, len);
	put_be16(p + 16, t->partial ? sum : ~sum_up(sum, p, head + len) & 0xffff);
	return (size_t)(p - out) + head + len;
}

size_t pkt_tcp_cut(uint8_t *out, const uint8_t *whole, size_t len, uint16_t gso_size, unsigned i)
{
	const bool v6 = pkt_be16(whole + 12) == ETH_P_IPV6;
	const size_t l4 = ETH_HLEN + (v6 ? IP6_LEN : IP_LEN);
	const size_t head = l4 + (size_t)(whole[l4 + 12] >> 4) * 4, from = (size_t)i * gso_size;
	uint8_t *ip = out + ETH_HLEN, *tcp = out + l4;
	size_t part = len - head - from;

	if (from >= len - head)
		return 0;
	memcpy(out, whole, head);
	if (part > gso_size) { /* PSH and FIN are for the last one */
		part = gso_size;
		tcp[13] &= (uint8_t)~9;
	}
	memcpy(out + head, whole + head + from, part);
	if (v6) {
		put_be16(ip + 4, (unsigned)(head - l4 + part));
	} else {
		put_be16(ip + 2, (unsigned)(head - ETH_HLEN + part));
		put_be16(ip + 4, pkt_be16(ip + 4) + i);
		seal_ip(ip);
	}
	put_be32(tcp + 4, pkt_be32(tcp + 4) + (uint32_t)from);
	put_be16(tcp + 16, 0);
	put_be16(tcp + 16,
	         ~sum_up(pseudo_of(ip, head - l4 + part), tcp, head - l4 + part) & 0xffff);
	return head + part;
}

struct virtio_net_hdr_v1 pkt_tcp_hdr(uint16_t gso_size)
{
	struct virtio_net_hdr_v1 h = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = gso_size ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_NONE,
		.gso_size = gso_size,
		.hdr_len = gso_size ? ETH_HLEN + IP_LEN + TCP_LEN : 0,
	};

	h.csum_start = ETH_HLEN + IP_LEN;
	h.csum_offset = 16;
	return h;
}

size_t pkt_dhcp_discover(uint8_t *out, const uint8_t mac[6], uint32_t xid)
{
	static const uint8_t options[] = {0x63, 0x82, 0x53, 0x63, 53, 1, 1, 255};
	struct pkt_ends e = {.dst = UINT32_MAX, .sport = 68, .dport = 67};
	uint8_t bootp[300] = {1, 1, 6};

	put_be32(bootp + 4, xid);
	memcpy(bootp + 28, mac, 6);
	memcpy(bootp + 236, options, sizeof(options));
	memset(e.dst_mac, 0xff, 6);
	memcpy(e.src_mac, mac, 6);
	return pkt_udp(out, &e, bootp, sizeof(bootp));
}

bool pkt_is_arp_reply(const uint8_t *f, size_t len, uint32_t from)
{
	return len >= ETH_HLEN + 28 && pkt_be16(f + 12) == ETH_P_ARP &&
	       pkt_be16(f + ETH_HLEN + 6) == 2 && pkt_be32(f + ETH_HLEN + 14) == from;
}

size_t pkt_ipv4(const uint8_t *f, size_t len, uint8_t proto, uint32_t *src, uint32_t *dst)
{
	const uint8_t *ip = f + ETH_HLEN;

	if (len < ETH_HLEN + IP_LEN || pkt_be16(f + 12) != ETH_P_IP || ip[0] != 0x45 ||
	    ip[9] != proto || pkt_be16(ip + 2) < IP_LEN || pkt_be16(ip + 2) > len - ETH_HLEN)
		return 0;
	*src = pkt_be32(ip + 12);
	*dst = pkt_be32(ip + 16);
	return ETH_HLEN + IP_LEN;
}
