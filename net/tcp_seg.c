/* SPDX-License-Identifier: Apache-2.0 */
#include "net/tcp_seg.h"

#include <linux/if_ether.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <string.h>

#include "net/csum.h"
#include "vmm/core/compiler.h"
#include "vmm/core/le.h"

#define IP_PLAIN 0x45u /* version 4, no options */

/* Where fields are, from the start of their header. */
#define AT(header, field) offsetof(struct header, field)

/* Where the packet ends and, in s->tcp, where its TCP header begins; 0: no TCP, or none that is whole. */
static size_t find_tcp(struct tcp_seg *s, const uint8_t *head, size_t len)
{
	const uint8_t *ip = head + ETH_HLEN;

	s->tcp = ETH_HLEN + sizeof(struct iphdr);
	if (len >= s->tcp && get_be16(head + 12) == ETH_P_IP)
		return ip[0] == IP_PLAIN && ip[AT(iphdr, protocol)] == IPPROTO_TCP &&
		                       !(get_be16(ip + AT(iphdr, frag_off)) & ~IP_DF)
		               ? ETH_HLEN + (size_t)get_be16(ip + AT(iphdr, tot_len))
		               : 0;
	s->tcp = ETH_HLEN + sizeof(struct ip6_hdr);
	s->v6 = true;
	if (len >= s->tcp && get_be16(head + 12) == ETH_P_IPV6)
		return ip[0] >> 4 == 6 && ip[AT(ip6_hdr, ip6_nxt)] == IPPROTO_TCP
		               ? s->tcp + get_be16(ip + AT(ip6_hdr, ip6_plen))
		               : 0;
	return 0;
}

bool tcp_seg_parse(struct tcp_seg *s, const uint8_t *head, size_t len)
{
	size_t end;

	s->v6 = false;
	end = find_tcp(s, head, len);
	if (end > len || end < s->tcp + sizeof(struct tcphdr))
		return false;
	s->head_len = s->tcp + (size_t)(head[s->tcp + 12] >> 4) * 4;
	if (s->head_len < s->tcp + sizeof(struct tcphdr) || s->head_len > end)
		return false;
	s->payload = end - s->head_len;
	return true;
}

bool tcp_seg_is_rst(const uint8_t *head, size_t len)
{
	struct tcp_seg s;

	return tcp_seg_parse(&s, head, len) && (head[s.tcp + TCP_SEG_FLAGS] & TH_RST);
}

void tcp_seg_seal(uint8_t *head, const struct tcp_seg *s, size_t payload)
{
	const size_t len = s->head_len - s->tcp + payload; /* of header and payload of TCP */
	uint8_t *ip = head + ETH_HLEN;
	uint16_t sum;

	if (s->v6) {
		put_be16(ip + AT(ip6_hdr, ip6_plen), u16_of(len));
		sum = csum_pseudo(ip + AT(ip6_hdr, ip6_src), 32, IPPROTO_TCP, len);
	} else {
		put_be16(ip + AT(iphdr, tot_len), u16_of(sizeof(struct iphdr) + len));
		put_be16(ip + AT(iphdr, check), 0);
		sum = (uint16_t)~csum_sum(ip, sizeof(struct iphdr));
		memcpy(ip + AT(iphdr, check), &sum, sizeof(sum));
		sum = csum_pseudo(ip + AT(iphdr, saddr), 8, IPPROTO_TCP, len);
	}
	memcpy(head + s->tcp + TCP_SEG_CHECK, &sum, sizeof(sum));
}

/* The value of the option, among @len bytes of options that anybody may have written; or NULL. */
static uint8_t *find_mss(uint8_t *option, size_t len)
{
	while (len >= TCPOLEN_MAXSEG && option[0] != TCPOPT_EOL) {
		const size_t size = option[0] == TCPOPT_NOP ? 1 : option[1];

		if (option[0] == TCPOPT_MAXSEG)
			return size == TCPOLEN_MAXSEG ? option + 2 : NULL;
		if (size == 0 || size > len)
			return NULL;
		option += size;
		len -= size;
	}
	return NULL;
}

/* RFC 1624, 3: what the checksum is when @field, two bytes of what it is over, get another @value. */
static void change(uint8_t *tcp, uint8_t *field, size_t value)
{
	const bool odd =
		(field - tcp) % 2; /* then its bytes stand in the other half of each word */
	uint8_t *check = tcp + TCP_SEG_CHECK;
	uint16_t word[3];

	memcpy(&word[0], check, 2);
	memcpy(&word[1], field, 2);
	put_be16(field, u16_of(value));
	memcpy(&word[2], field, 2);
	for (unsigned i = 1; odd && i < 3; i++)
		word[i] = (uint16_t)(word[i] << 8 | word[i] >> 8);
	word[0] = (uint16_t)~word[0];
	word[1] = (uint16_t)~word[1];
	word[0] = (uint16_t)~csum_sum(word, sizeof(word));
	memcpy(check, &word[0], 2);
}

bool tcp_seg_probe(uint8_t *frame, size_t len, size_t least, size_t enough)
{
	struct tcp_seg s;
	uint8_t *tcp;
	uint32_t before;
	size_t window;

	if (!tcp_seg_parse(&s, frame, len) || s.payload || frame[s.tcp + TCP_SEG_FLAGS] != TH_ACK)
		return false;
	tcp = frame + s.tcp;
	window = get_be16(tcp + TCP_SEG_WINDOW);
	if (window < least || window >= enough)
		return false;
	before = get_be32(tcp + TCP_SEG_SEQ) - 1;
	change(tcp, tcp + TCP_SEG_SEQ, before >> 16);
	change(tcp, tcp + TCP_SEG_SEQ + 2, before & UINT16_MAX);
	return true;
}

void tcp_seg_mss(uint8_t *frame, size_t len, size_t mtu, size_t bytes)
{
	struct tcp_seg s;
	uint8_t *tcp, *mss;
	size_t fits;

	if (!tcp_seg_parse(&s, frame, len) || !(frame[s.tcp + TCP_SEG_FLAGS] & TH_SYN))
		return;
	tcp = frame + s.tcp;
	mss = find_mss(tcp + sizeof(struct tcphdr), s.head_len - s.tcp - sizeof(struct tcphdr));
	fits = mtu - (s.tcp - ETH_HLEN) - sizeof(struct tcphdr);
	if (mss && get_be16(mss) >= fits)
		change(tcp, mss, bytes ? bytes : fits);
}
