/* SPDX-License-Identifier: Apache-2.0 */
/* tests/lib/pkt.h - Ethernet frames by hand: what a guest's network stack would send, and reading the
 * answers
 *
 * Addresses and ports are in host order; IPv6 addresses are 16 bytes as on the wire.
 */
#ifndef DOORBELL_TESTS_PKT_H
#define DOORBELL_TESTS_PKT_H

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PKT_MAX 65600u

struct pkt_ends {
	uint8_t src_mac[6], dst_mac[6];
	uint32_t src, dst; /* IPv4 */
	uint16_t sport, dport;
};

/* Each returns the length of the frame it wrote to @out[PKT_MAX]. */
size_t pkt_arp_request(uint8_t *out, const uint8_t mac[6], uint32_t ip, uint32_t who);
size_t pkt_udp(uint8_t *out, const struct pkt_ends *e, const void *data, size_t len);
/* The same between fec0::SRC and fec0::DST, numbers below 65536. */
size_t pkt_udp6(uint8_t *out, const struct pkt_ends *e, const void *data, size_t len);

/*
 * Bytes [from, to) of what stands behind the IPv4 header of @frame, as one fragment of it; @to is cut
 * to the end.
 */
size_t pkt_fragment(uint8_t *out, const uint8_t *frame, size_t len, size_t from, size_t to);

/* A UDP or TCP segment's header checksum: done, or left to VIRTIO_NET_HDR_F_NEEDS_CSUM. */
struct pkt_tcp {
	uint32_t seq, ack;
	uint8_t flags; /* TH_* */
	uint16_t window;
	bool partial; /* only the pseudo header is summed up, as with VIRTIO_NET_F_CSUM */
	bool v6;      /* between fec0::SRC and fec0::DST, numbers below 65536 */
	uint16_t id;  /* of IPv4 */
	size_t options_len;
	const uint8_t *options;
};
size_t pkt_tcp(uint8_t *out, const struct pkt_ends *e, const struct pkt_tcp *t, const void *data,
               size_t len);
/* The header that goes with a partial checksum; @gso_size 0: no segmentation. */
struct virtio_net_hdr_v1 pkt_tcp_hdr(uint16_t gso_size);

/*
 * Segment number @i of the TCP frame @whole, cut as segmentation offload has it: its payload in pieces of @gso_size bytes,
 * and checksums complete. Its length; 0: the frame has no such segment.
 */
size_t pkt_tcp_cut(uint8_t *out, const uint8_t *whole, size_t len, uint16_t gso_size, unsigned i);

size_t pkt_dhcp_discover(uint8_t *out, const uint8_t mac[6], uint32_t xid);

/* What kind of frame is it? All false for anything cut short. */
bool pkt_is_arp_reply(const uint8_t *f, size_t len, uint32_t from);
/* IPv4 of @proto; its header and payload are inside the frame. Offset of the payload, or 0. */
size_t pkt_ipv4(const uint8_t *f, size_t len, uint8_t proto, uint32_t *src, uint32_t *dst);
uint16_t pkt_be16(const uint8_t *p);
uint32_t pkt_be32(const uint8_t *p);

#endif
