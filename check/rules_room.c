/* SPDX-License-Identifier: Apache-2.0 */
/* Chains by their place and their room alone (virtio 1.2, 5.1.4.2, 6.1; 1.4, 5.1.9). */
#include "check/state.h"
#include "devices/net_features.h"

#define ETH_HEADER 14u

static enum verdict physical(struct check *c, const struct check_chain *ch)
{
	if (accepted(c, VIRTIO_F_ACCESS_PLATFORM))
		return SILENT;
	return ch->outside ? broken(c, "queue %u, chain %u: a piece of it is not in memory",
	                            ch->q->index, ch->head)
	                   : KEPT;
}

static bool is_rx(const struct check *c, const struct check_chain *ch)
{
	return check_queue_kind(c, ch->q->index) == QUEUE_RX;
}

/* With MRG_RXBUF as many of such buffers as the ring has room for. */
static enum verdict mtu_room(struct check *c, const struct check_chain *ch)
{
	const unsigned mtu = net_mtu(c);
	const uint64_t need = header_len(c) + ETH_HEADER + mtu;
	const bool many = accepted(c, VIRTIO_NET_F_MRG_RXBUF);
	const uint64_t nr = many && ch->entries ? ch->q->addr.num / ch->entries : 1;

	if (!is_rx(c, ch) || !mtu)
		return SILENT;
	return ch->in_len * nr >= need
	               ? KEPT
	               : broken(c,
	                        "queue %u, chain %u has room for %llu bytes, %s; an MTU of %u "
	                        "needs %llu",
	                        ch->q->index, ch->head, (unsigned long long)ch->in_len,
	                        many ? "and so many of them make one ring" : "and is a frame's",
	                        mtu, (unsigned long long)need);
}

/*
 * A buffer that would hold the frames of the usual size, were there not the longer header. What is smaller than a header
 * has forgotten more than fields.
 */
static enum verdict counts_header(struct check *c, const struct check_chain *ch)
{
	const uint32_t len = header_len(c);
	const bool usual =
		ch->in_len >= 12 + ETH_HEADER + 1500 && ch->in_len < len + ETH_HEADER + 1500;

	if (!is_rx(c, ch))
		return SILENT;
	if (ch->in_len >= len && (accepted(c, VIRTIO_NET_F_MRG_RXBUF) || !usual))
		return KEPT;
	return broken(c, "queue %u, chain %u has room for %llu bytes, and headers have %u",
	              ch->q->index, ch->head, (unsigned long long)ch->in_len, len);
}

static enum verdict same_header(struct check *c, const struct check_chain *ch)
{
	const uint32_t len = header_len(c);

	if (check_queue_kind(c, ch->q->index) != QUEUE_TX)
		return SILENT;
	if (len > 12 && is_short(c, ch))
		return broken(c, "queue %u, chain %u: the frame begins behind fewer than %u bytes",
		              ch->q->index, ch->head, len);
	return keeps(from_us(c, ch, len));
}

const struct chain_rule room_rules[] = {
	{"feat.physical-addresses", physical},
	{"net.mtu-rx-room", mtu_room},
	{"net.rx-hdr-size", counts_header},
	{"net.tx-hdr-same-size", same_header},
	{NULL, NULL},
};
