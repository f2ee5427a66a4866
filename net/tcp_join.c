/* SPDX-License-Identifier: Apache-2.0 */
#include "net/tcp_join.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <string.h>

#include "net/csum.h"
#include "vmm/core/compiler.h"
#include "vmm/core/le.h"

#define F(name) FEATURE(VIRTIO_NET_F_##name)

#define IP_PLAIN   0x45u /* version 4, no options */
#define PACKET_MAX 65535u

/* Where fields are, from the start of their header. */
#define AT(header, field) offsetof(struct header, field)
#define TCP_FLAGS         13u

struct segment {
	size_t tcp, head_len; /* bytes before the TCP header, and before the payload */
	size_t payload;
};

static void put_be16(uint8_t *p, size_t v)
{
	const uint16_t be = htons(u16_of(v));

	memcpy(p, &be, sizeof(be));
}

static bool is_v6(const uint8_t *head)
{
	return get_be16(head + 12) == ETH_P_IPV6;
}

/* Bytes of Ethernet and IP header before TCP's; 0: not TCP, or nothing that can be joined. */
static size_t find_tcp(const uint8_t *head, size_t len)
{
	const uint8_t *ip = head + ETH_HLEN;

	if (len >= ETH_HLEN + sizeof(struct iphdr) && get_be16(head + 12) == ETH_P_IP)
		return ip[0] == IP_PLAIN && ip[AT(iphdr, protocol)] == IPPROTO_TCP &&
		                       !(get_be16(ip + AT(iphdr, frag_off)) & ~IP_DF) &&
		                       get_be16(ip + AT(iphdr, tot_len)) == len - ETH_HLEN
		               ? ETH_HLEN + sizeof(struct iphdr)
		               : 0;
	if (len >= ETH_HLEN + sizeof(struct ip6_hdr) && is_v6(head))
		return ip[0] >> 4 == 6 && ip[AT(ip6_hdr, ip6_nxt)] == IPPROTO_TCP &&
		                       get_be16(ip + AT(ip6_hdr, ip6_plen)) ==
		                               len - ETH_HLEN - sizeof(struct ip6_hdr)
		               ? ETH_HLEN + sizeof(struct ip6_hdr)
		               : 0;
	return 0;
}

/* Data, and nothing else. */
static bool parse(const uint8_t *head, size_t len, struct segment *s)
{
	const uint8_t *tcp;

	s->tcp = find_tcp(head, len);
	if (s->tcp == 0 || len < s->tcp + sizeof(struct tcphdr))
		return false;
	tcp = head + s->tcp;
	s->head_len = s->tcp + (size_t)(tcp[12] >> 4) * 4;
	if (s->head_len < s->tcp + sizeof(struct tcphdr) || s->head_len >= len)
		return false;
	s->payload = len - s->head_len;
	return !(tcp[12] & 0x0f) && (tcp[TCP_FLAGS] & ~TH_PUSH) == TH_ACK;
}

/* What of the headers is the same in each segment of a frame that is cut. */
static void keep_same(uint8_t *same, const uint8_t *head, const struct segment *s)
{
	uint8_t *ip = same + ETH_HLEN, *tcp = same + s->tcp;

	memcpy(same, head, s->head_len);
	if (is_v6(head)) {
		memset(ip + AT(ip6_hdr, ip6_plen), 0, 2);
	} else {
		memset(ip + AT(iphdr, tot_len), 0, 2);
		memset(ip + AT(iphdr, id), 0, 2);
		memset(ip + AT(iphdr, check), 0, 2);
	}
	memset(tcp + AT(tcphdr, seq), 0, 4);
	memset(tcp + AT(tcphdr, check), 0, 2);
	tcp[TCP_FLAGS] &= (uint8_t)~TH_PUSH;
}

/* As segmentation counts them: from one segment to the next, whatever "don't fragment" says. */
static bool id_follows(const struct tcp_join *j, const uint8_t *head)
{
	const size_t at = ETH_HLEN + AT(iphdr, id);

	return is_v6(head) || get_be16(head + at) == (uint16_t)(get_be16(j->head + at) + j->nr);
}

static bool seq_follows(const struct tcp_join *j, const uint8_t *head)
{
	const size_t at = j->tcp + AT(tcphdr, seq);

	return get_be32(head + at) == (uint32_t)(get_be32(j->head + at) + j->payload);
}

bool tcp_join_first(struct tcp_join *j, const uint8_t *head, size_t len, uint64_t offloads)
{
	struct segment s;

	if (!(offloads & F(GUEST_CSUM)) || !parse(head, len, &s) ||
	    !(offloads & (is_v6(head) ? F(GUEST_TSO6) : F(GUEST_TSO4))))
		return false;
	memcpy(j->head, head, s.head_len);
	keep_same(j->same, head, &s);
	j->tcp = s.tcp;
	j->head_len = s.head_len;
	j->size = j->payload = s.payload;
	j->nr = 1;
	j->flags = head[s.tcp + TCP_FLAGS];
	return !(j->flags & TH_PUSH);
}

bool tcp_join_next(struct tcp_join *j, const uint8_t *head, size_t len)
{
	uint8_t same[TCP_JOIN_LOOK];
	struct segment s;

	/* Only the last one may be shorter, or have PSH. */
	if ((j->flags & TH_PUSH) || j->payload % j->size != 0)
		return false;
	if (!parse(head, len, &s) || s.tcp != j->tcp || s.head_len != j->head_len ||
	    s.payload > j->size || j->head_len - ETH_HLEN + j->payload + s.payload > PACKET_MAX ||
	    !seq_follows(j, head) || !id_follows(j, head))
		return false;
	keep_same(same, head, &s);
	if (memcmp(same, j->same, s.head_len) != 0)
		return false;
	j->payload += s.payload;
	j->nr++;
	j->flags = head[s.tcp + TCP_FLAGS];
	return true;
}

/* The pseudo header: the addresses, which stand one behind the other, the protocol and the length. */
static uint16_t pseudo_sum(const uint8_t *addresses, size_t bytes, size_t len)
{
	uint8_t p[2 * sizeof(struct in6_addr) + 4] = {0};

	memcpy(p, addresses, bytes);
	p[bytes + 1] = IPPROTO_TCP;
	put_be16(p + bytes + 2, len);
	return csum_sum(p, bytes + 4);
}

void tcp_join_end(struct tcp_join *j, struct virtio_net_hdr_v1 *hdr)
{
	uint8_t *ip = j->head + ETH_HLEN, *tcp = j->head + j->tcp;
	const size_t len = j->head_len - j->tcp + j->payload; /* of header and payload of TCP */
	const bool v6 = is_v6(j->head);
	uint16_t sum;

	if (v6) {
		put_be16(ip + AT(ip6_hdr, ip6_plen), len);
		sum = pseudo_sum(ip + AT(ip6_hdr, ip6_src), 32, len);
	} else {
		put_be16(ip + AT(iphdr, tot_len), sizeof(struct iphdr) + len);
		put_be16(ip + AT(iphdr, check), 0);
		sum = (uint16_t)~csum_sum(ip, sizeof(struct iphdr));
		memcpy(ip + AT(iphdr, check), &sum, sizeof(sum));
		sum = pseudo_sum(ip + AT(iphdr, saddr), 8, len);
	}
	memcpy(tcp + AT(tcphdr, check), &sum, sizeof(sum));
	tcp[TCP_FLAGS] = j->flags;
	*hdr = (struct virtio_net_hdr_v1){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4,
	};
	put_le16(&hdr->hdr_len, u16_of(j->head_len));
	put_le16(&hdr->gso_size, u16_of(j->size));
	put_le16(&hdr->csum_start, u16_of(j->tcp));
	put_le16(&hdr->csum_offset, AT(tcphdr, check));
}
