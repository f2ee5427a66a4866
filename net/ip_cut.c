/* SPDX-License-Identifier: Apache-2.0 */
#include "net/ip_cut.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <string.h>

#include "net/csum.h"
#include "vmm/core/compiler.h"
#include "vmm/core/le.h"

#define IP_PLAIN 0x45u /* version 4, no options */

/* Where fields are in the frame. */
#define AT(field)  (ETH_HLEN + offsetof(struct iphdr, field))
#define AT6(field) (ETH_HLEN + offsetof(struct ip6_hdr, field))
#define AT_ICMP6   (ETH_HLEN + sizeof(struct ip6_hdr))

static bool begin_tcp(struct ip_cut *c, size_t mtu, size_t size)
{
	const size_t packet_head = c->seg.head_len - ETH_HLEN;

	if (packet_head >= mtu)
		return false;
	c->head_len = c->seg.head_len;
	c->payload = c->seg.payload;
	c->size = min_size(size, mtu - packet_head);
	c->csum_start = c->seg.tcp;
	c->csum_offset = TCP_SEG_CHECK;
	return true;
}

static bool begin_ipv4(struct ip_cut *c, size_t len, size_t mtu)
{
	c->head_len = ETH_HLEN + sizeof(struct iphdr);
	if (len < c->head_len || get_be16(c->whole + 12) != ETH_P_IP ||
	    c->whole[ETH_HLEN] != IP_PLAIN || get_be16(c->whole + AT(tot_len)) != len - ETH_HLEN)
		return false;
	c->payload = len - c->head_len;
	c->size = (mtu - sizeof(struct iphdr)) & ~(size_t)7;
	return true;
}

/* As much of the packet that it is about as there is room for: RFC 4443, 2.4. */
static bool begin_error(struct ip_cut *c, size_t len, size_t mtu)
{
	c->head_len = AT_ICMP6 + sizeof(struct icmp6_hdr);
	if (len < c->head_len || mtu + ETH_HLEN <= c->head_len ||
	    get_be16(c->whole + 12) != ETH_P_IPV6 || c->whole[AT6(ip6_nxt)] != IPPROTO_ICMPV6 ||
	    (c->whole[AT_ICMP6] & ICMP6_INFOMSG_MASK))
		return false;
	c->payload = c->size = mtu + ETH_HLEN - c->head_len;
	c->csum_start = AT_ICMP6;
	c->csum_offset = offsetof(struct icmp6_hdr, icmp6_cksum);
	return true;
}

bool ip_cut_begin(struct ip_cut *c, const uint8_t *head, size_t len, size_t mtu, size_t size)
{
	*c = (struct ip_cut){0};
	memcpy(c->whole, head, min_size(len, sizeof(c->whole)));
	c->tcp = tcp_seg_parse(&c->seg, head, len) && c->seg.head_len + c->seg.payload == len;
	if (c->tcp)
		return begin_tcp(c, mtu, size);
	return begin_ipv4(c, len, mtu) || begin_error(c, len, mtu);
}

/* virtio 1.2, 5.1.6.2 has no more to say than "segmentation": as Linux does it, PSH and FIN are the last one's. */
static void make_segment(struct ip_cut *c, size_t from, size_t part)
{
	uint8_t *tcp = c->head + c->seg.tcp;
	const uint32_t seq = htonl(get_be32(tcp + TCP_SEG_SEQ) + u32_of(from));
	const size_t urgent = get_be16(tcp + TCP_SEG_URGENT);

	memcpy(tcp + TCP_SEG_SEQ, &seq, sizeof(seq));
	if (from + part < c->payload)
		tcp[TCP_SEG_FLAGS] &= (uint8_t) ~(TH_PUSH | TH_FIN);
	if (urgent > from) /* it counts from the sequence number */
		put_be16(tcp + TCP_SEG_URGENT, u16_of(urgent - from));
	else
		tcp[TCP_SEG_FLAGS] &= (uint8_t)~TH_URG;
	if (!c->seg.v6)
		put_be16(c->head + AT(id), u16_of(get_be16(c->whole + AT(id)) + from / c->size));
	tcp_seg_seal(c->head, &c->seg, part);
}

static void make_fragment(struct ip_cut *c, size_t from, size_t part)
{
	const unsigned was = get_be16(c->whole + AT(frag_off)), off = was & IP_OFFMASK;
	const bool more = from + part < c->payload || (was & IP_MF);
	uint16_t sum;

	put_be16(c->head + AT(tot_len), u16_of(sizeof(struct iphdr) + part));
	put_be16(c->head + AT(frag_off), u16_of((off + from / 8) | (more ? IP_MF : 0)));
	put_be16(c->head + AT(check), 0);
	sum = (uint16_t)~csum_sum(c->head + ETH_HLEN, sizeof(struct iphdr));
	memcpy(c->head + AT(check), &sum, sizeof(sum));
}

static void make_error(struct ip_cut *c, size_t part)
{
	const size_t len = c->head_len - AT_ICMP6 + part;
	const uint16_t sum = csum_pseudo(c->head + AT6(ip6_src), 32, IPPROTO_ICMPV6, len);

	put_be16(c->head + AT6(ip6_plen), u16_of(len));
	memcpy(c->head + c->csum_start + c->csum_offset, &sum, sizeof(sum));
}

size_t ip_cut_piece(struct ip_cut *c, size_t from)
{
	const size_t part = min_size(c->payload - from, c->size);

	memcpy(c->head, c->whole, c->head_len);
	if (c->tcp)
		make_segment(c, from, part);
	else if (c->csum_start)
		make_error(c, part);
	else
		make_fragment(c, from, part);
	return part;
}
