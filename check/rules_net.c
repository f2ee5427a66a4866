/* SPDX-License-Identifier: Apache-2.0 */
/* Buffers of the receive and transmit queues and the header of frames (virtio 1.2, 5.1.6). */
#include <string.h>

#include "check/state.h"
#include "devices/net_features.h"
#include "vmm/core/le.h"

#define ETH_HEADER 14u
#define RX_USUAL   1514u
#define RX_BIG     65550u /* with a header of 12: the 65562 of virtio 1.2 */
#define RX_FLAGS   (VIRTIO_NET_HDR_F_DATA_VALID | VIRTIO_NET_HDR_F_RSC_INFO)

#define HOST_GSO                                                             \
	(FEATURE(VIRTIO_NET_F_HOST_TSO4) | FEATURE(VIRTIO_NET_F_HOST_TSO6) | \
	 FEATURE(VIRTIO_NET_F_HOST_UFO) | FEATURE(VIRTIO_NET_F_HOST_USO))
#define GUEST_GSO                                                              \
	(FEATURE(VIRTIO_NET_F_GUEST_TSO4) | FEATURE(VIRTIO_NET_F_GUEST_TSO6) | \
	 FEATURE(VIRTIO_NET_F_GUEST_UFO) | FEATURE(VIRTIO_NET_F_GUEST_USO4) |  \
	 FEATURE(VIRTIO_NET_F_GUEST_USO6))

uint32_t header_len(const struct check *c)
{
	if (c->dev.legacy)
		return legacy_header_len(c);
	return accepted(c, VIRTIO_NET_F_HASH_REPORT) ? 20 : 12;
}

static bool is_kind(const struct check *c, const struct check_chain *ch, enum queue_kind kind)
{
	return check_queue_kind(c, ch->q->index) == kind;
}

/* ---- receiving */

static enum verdict rx_writable(struct check *c, const struct check_chain *ch)
{
	if (!is_kind(c, ch, QUEUE_RX))
		return SILENT;
	return ch->out_len ? broken(c, "queue %u, chain %u: %llu bytes are for reading",
	                            ch->q->index, ch->head, (unsigned long long)ch->out_len)
	                   : KEPT;
}

static enum verdict rx_room(struct check *c, const struct check_chain *ch, uint64_t room)
{
	return ch->in_len >= room
	               ? KEPT
	               : broken(c, "queue %u, chain %u has room for %llu bytes, not %llu",
	                        ch->q->index, ch->head, (unsigned long long)ch->in_len,
	                        (unsigned long long)room);
}

static enum verdict rx_mrg_min(struct check *c, const struct check_chain *ch)
{
	if (!is_kind(c, ch, QUEUE_RX) || !accepted(c, VIRTIO_NET_F_MRG_RXBUF))
		return SILENT;
	return rx_room(c, ch, header_len(c));
}

static enum verdict rx_big(struct check *c, const struct check_chain *ch)
{
	if (!is_kind(c, ch, QUEUE_RX) || accepted(c, VIRTIO_NET_F_MRG_RXBUF) ||
	    !(c->asked & GUEST_GSO))
		return SILENT;
	return rx_room(c, ch, header_len(c) + RX_BIG);
}

static enum verdict rx_usual(struct check *c, const struct check_chain *ch)
{
	if (!is_kind(c, ch, QUEUE_RX) || accepted(c, VIRTIO_NET_F_MRG_RXBUF) ||
	    (c->asked & GUEST_GSO))
		return SILENT;
	return rx_room(c, ch, header_len(c) + RX_USUAL);
}

/* ---- transmitting */

/* A frame that has a header of the right size and something behind it. */
static bool has_header(const struct check *c, const struct check_chain *ch)
{
	return is_kind(c, ch, QUEUE_TX) && ch->out_len >= header_len(c) + ETH_HEADER;
}

static enum verdict tx_present(struct check *c, const struct check_chain *ch)
{
	if (!is_kind(c, ch, QUEUE_TX))
		return SILENT;
	if (ch->in_len)
		return broken(c, "queue %u, chain %u: %llu bytes are for writing", ch->q->index,
		              ch->head, (unsigned long long)ch->in_len);
	return has_header(c, ch)
	               ? KEPT
	               : broken(c, "queue %u, chain %u: %llu bytes are less than two headers",
	                        ch->q->index, ch->head, (unsigned long long)ch->out_len);
}

/* Is the sender of the frame that begins at @at this device? */
bool from_us(const struct check *c, const struct check_chain *ch, uint32_t at)
{
	return ch->started >= at + 12 && memcmp(ch->start + at + 6, c->net.mac, 6) == 0;
}

bool is_short(const struct check *c, const struct check_chain *ch)
{
	const uint32_t len = header_len(c);

	return !from_us(c, ch, len) && (from_us(c, ch, 10) || (len > 12 && from_us(c, ch, 12)));
}

static enum verdict tx_12_bytes(struct check *c, const struct check_chain *ch)
{
	if (!has_header(c, ch) || c->dev.legacy)
		return SILENT;
	return is_short(c, ch)
	               ? broken(c, "queue %u, chain %u: the frame begins behind %u bytes, not %u",
	                        ch->q->index, ch->head, from_us(c, ch, 10) ? 10 : 12, header_len(c))
	               : keeps(from_us(c, ch, header_len(c)));
}

/* What follows is about the fields of a header that is where it should be. */
static bool parses(const struct check *c, const struct check_chain *ch)
{
	return has_header(c, ch) && !is_short(c, ch);
}

static enum verdict field(struct check *c, const struct check_chain *ch, const char *name,
                          unsigned v, bool good)
{
	return good ? KEPT
	            : broken(c, "queue %u, chain %u: %s is 0x%x", ch->q->index, ch->head, name, v);
}

static enum verdict tx_num_buffers(struct check *c, const struct check_chain *ch)
{
	const uint16_t n = get_le16(ch->start + 10);

	return parses(c, ch) && header_len(c) > 10 ? field(c, ch, "num_buffers", n, n == 0)
	                                           : SILENT;
}

static enum verdict tx_flags(struct check *c, const struct check_chain *ch)
{
	if (!parses(c, ch) || accepted(c, VIRTIO_NET_F_CSUM))
		return SILENT;
	return field(c, ch, "flags", ch->start[0], ch->start[0] == 0);
}

static enum verdict tx_rx_flags(struct check *c, const struct check_chain *ch)
{
	return parses(c, ch) ? field(c, ch, "flags", ch->start[0], !(ch->start[0] & RX_FLAGS))
	                     : SILENT;
}

static uint8_t gso_of(const struct check_chain *ch)
{
	return ch->start[1] & (uint8_t)~VIRTIO_NET_HDR_GSO_ECN;
}

static enum verdict tx_gso_none(struct check *c, const struct check_chain *ch)
{
	if (!parses(c, ch) || (c->asked & HOST_GSO))
		return SILENT;
	return field(c, ch, "gso_type", ch->start[1], ch->start[1] == VIRTIO_NET_HDR_GSO_NONE);
}

static enum verdict tx_gso(struct check *c, const struct check_chain *ch, uint8_t type,
                           unsigned bit)
{
	if (!parses(c, ch) || gso_of(ch) != type)
		return SILENT;
	return field(c, ch, "gso_type", ch->start[1], accepted(c, bit));
}

static enum verdict tx_tcpv4(struct check *c, const struct check_chain *ch)
{
	return tx_gso(c, ch, VIRTIO_NET_HDR_GSO_TCPV4, VIRTIO_NET_F_HOST_TSO4);
}

static enum verdict tx_tcpv6(struct check *c, const struct check_chain *ch)
{
	return tx_gso(c, ch, VIRTIO_NET_HDR_GSO_TCPV6, VIRTIO_NET_F_HOST_TSO6);
}

static enum verdict tx_udp(struct check *c, const struct check_chain *ch)
{
	return tx_gso(c, ch, VIRTIO_NET_HDR_GSO_UDP, VIRTIO_NET_F_HOST_UFO);
}

static enum verdict tx_udp_l4(struct check *c, const struct check_chain *ch)
{
	return tx_gso(c, ch, 5, VIRTIO_NET_F_HOST_USO);
}

static enum verdict tx_gso_csum(struct check *c, const struct check_chain *ch)
{
	if (!parses(c, ch) || gso_of(ch) == VIRTIO_NET_HDR_GSO_NONE)
		return SILENT;
	return field(c, ch, "flags", ch->start[0], ch->start[0] & VIRTIO_NET_HDR_F_NEEDS_CSUM);
}

static enum verdict tx_gso_size(struct check *c, const struct check_chain *ch)
{
	const uint16_t size = get_le16(ch->start + 4);

	if (!parses(c, ch) || gso_of(ch) == VIRTIO_NET_HDR_GSO_NONE)
		return SILENT;
	return field(c, ch, "gso_size", size, size > 0);
}

static enum verdict tx_csum_range(struct check *c, const struct check_chain *ch)
{
	const uint32_t at = get_le16(ch->start + 6), off = get_le16(ch->start + 8);

	if (!parses(c, ch) || !(ch->start[0] & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		return SILENT;
	return at + off + 2 <= ch->out_len - header_len(c)
	               ? KEPT
	               : broken(c,
	                        "queue %u, chain %u: the checksum is at %u + %u of a frame of %llu "
	                        "bytes",
	                        ch->q->index, ch->head, at, off,
	                        (unsigned long long)ch->out_len - header_len(c));
}

const struct chain_rule net_rules[] = {
	{"net.rx-writable-only", rx_writable},
	{"net.rx-mrg-min", rx_mrg_min},
	{"net.rx-buf-big", rx_big},
	{"net.rx-buf-1526", rx_usual},
	{"net.tx-hdr-present", tx_present},
	{"net.hdr-12-bytes", tx_12_bytes},
	{"net.tx-num-buffers-0", tx_num_buffers},
	{"net.tx-flags-0-without-csum", tx_flags},
	{"net.tx-no-rx-flags", tx_rx_flags},
	{"net.tx-gso-none", tx_gso_none},
	{"net.tx-gso-tcpv4", tx_tcpv4},
	{"net.tx-gso-tcpv6", tx_tcpv6},
	{"net.tx-gso-udp", tx_udp},
	{"net.tx-gso-udp-l4", tx_udp_l4},
	{"net.tx-gso-needs-csum", tx_gso_csum},
	{"net.tx-gso-size", tx_gso_size},
	{"net.tx-csum-range", tx_csum_range},
	{NULL, NULL},
};
