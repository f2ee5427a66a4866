/* SPDX-License-Identifier: Apache-2.0 */
#include "net/tcp_join.h"

#include <linux/if_ether.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <string.h>

#include "vmm/core/compiler.h"
#include "vmm/core/le.h"

#define F(name) FEATURE(VIRTIO_NET_F_##name)

#define PACKET_MAX 65535u

/* Where fields are, from the start of their header. */
#define AT(header, field) offsetof(struct header, field)

bool tcp_join_taken(const uint8_t *frame, uint64_t offloads)
{
	const bool v6 = get_be16(frame + 12) == ETH_P_IPV6;

	return (offloads & F(GUEST_CSUM)) && (offloads & (v6 ? F(GUEST_TSO6) : F(GUEST_TSO4)));
}

/* Data, and nothing else. */
static bool parse(const uint8_t *head, size_t len, struct tcp_seg *s)
{
	const uint8_t *tcp;

	if (!tcp_seg_parse(s, head, len) || s->payload == 0 || s->head_len + s->payload != len)
		return false;
	tcp = head + s->tcp;
	return !(tcp[12] & 0x0f) && (tcp[TCP_SEG_FLAGS] & ~TH_PUSH) == TH_ACK;
}

/* What of the headers is the same in each segment of a frame that is cut. */
static void keep_same(uint8_t *same, const uint8_t *head, const struct tcp_seg *s)
{
	uint8_t *ip = same + ETH_HLEN, *tcp = same + s->tcp;

	memcpy(same, head, s->head_len);
	if (s->v6) {
		memset(ip + AT(ip6_hdr, ip6_plen), 0, 2);
	} else {
		memset(ip + AT(iphdr, tot_len), 0, 2);
		memset(ip + AT(iphdr, id), 0, 2);
		memset(ip + AT(iphdr, check), 0, 2);
	}
	memset(tcp + TCP_SEG_SEQ, 0, 4);
	memset(tcp + TCP_SEG_CHECK, 0, 2);
	tcp[TCP_SEG_FLAGS] &= (uint8_t)~TH_PUSH;
}

static bool seq_follows(const struct tcp_join *j, const uint8_t *head)
{
	const size_t at = j->seg.tcp + TCP_SEG_SEQ;

	return get_be32(head + at) == (uint32_t)(get_be32(j->head + at) + j->seg.payload);
}

bool tcp_join_first(struct tcp_join *j, const uint8_t *head, size_t len, size_t mtu, size_t size)
{
	struct tcp_seg *s = &j->seg;

	if (!parse(head, len, s) || s->head_len - ETH_HLEN >= mtu)
		return false;
	memcpy(j->head, head, s->head_len);
	keep_same(j->same, head, s);
	j->size_max = min_size(size, mtu - (s->head_len - ETH_HLEN));
	j->size = len - ETH_HLEN > mtu ? j->size_max : s->payload;
	j->flags = head[s->tcp + TCP_SEG_FLAGS];
	return true;
}

bool tcp_join_next(struct tcp_join *j, const uint8_t *head, size_t len)
{
	uint8_t same[TCP_SEG_LOOK];
	struct tcp_seg s;

	/* Only the last one may be shorter, or have PSH. */
	if ((j->flags & TH_PUSH) || j->seg.payload % j->size != 0)
		return false;
	if (!parse(head, len, &s) || s.tcp != j->seg.tcp || s.head_len != j->seg.head_len ||
	    (s.payload > j->size && j->size != j->size_max) ||
	    j->seg.head_len - ETH_HLEN + j->seg.payload + s.payload > PACKET_MAX ||
	    !seq_follows(j, head))
		return false;
	keep_same(same, head, &s);
	if (memcmp(same, j->same, s.head_len) != 0)
		return false;
	j->seg.payload += s.payload;
	j->flags = head[s.tcp + TCP_SEG_FLAGS];
	return true;
}

unsigned tcp_join_segments(const struct tcp_join *j)
{
	return (unsigned)((j->seg.payload + j->size - 1) / j->size);
}

void tcp_join_end(struct tcp_join *j, struct virtio_net_hdr_v1 *hdr)
{
	tcp_seg_seal(j->head, &j->seg, j->seg.payload);
	j->head[j->seg.tcp + TCP_SEG_FLAGS] = j->flags;
	*hdr = (struct virtio_net_hdr_v1){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = j->seg.v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4,
	};
	put_le16(&hdr->hdr_len, u16_of(j->seg.head_len));
	put_le16(&hdr->gso_size, u16_of(j->size));
	put_le16(&hdr->csum_start, u16_of(j->seg.tcp));
	put_le16(&hdr->csum_offset, TCP_SEG_CHECK);
}
