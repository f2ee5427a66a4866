/* SPDX-License-Identifier: Apache-2.0 */
/* Frames that are sent, by what their header asks for and what they are (virtio 1.2, 5.1.4.2, 5.1.6.2, 5.1.6.5.2). */
#include <string.h>

#include "check/state.h"
#include "devices/net_features.h"
#include "vmm/core/le.h"

#define ETH_HEADER 14u
#define TAG        4u
#define TCP_CWR    0x80u
#define PROTO_TCP  6u

/* Where they have their checksums. */
#define TCP_CSUM 16u
#define UDP_CSUM 6u

/*
 * A port may send what others gave it: a bridge does. So a driver whose frames come from elsewhere is believed to be
 * wrong only when none of its first ones comes from its own address.
 */
#define FIRST_FRAMES 3u

#define GUEST_HDRLEN 59u

static enum verdict wrong(struct check *c, const struct check_frame *m, const char *what,
                          unsigned have, unsigned need)
{
	return broken(c, "queue %u, chain %u: %s: %u, not %u", m->ch->q->index, m->ch->head, what,
	              have, need);
}

/* ---- whose frames they are */

static const uint8_t *source(const struct check_frame *m)
{
	return m->f.at + 6;
}

/* @own: this frame comes from where it should. */
static enum verdict judge_source(struct check *c, const struct check_frame *m, bool own,
                                 const char *instead)
{
	const uint8_t *s = source(m);

	if (own)
		return KEPT;
	if (net_is_of_before(&c->net, s) || c->net.own || c->net.foreign + 1 != FIRST_FRAMES)
		return SILENT;
	return broken(c,
	              "the first %u frames come from %02x:%02x:%02x:%02x:%02x:%02x or others, %s",
	              FIRST_FRAMES, s[0], s[1], s[2], s[3], s[4], s[5], instead);
}

static bool is_ours(const struct check *c, const struct check_frame *m)
{
	return memcmp(source(m), c->net.mac, sizeof(c->net.mac)) == 0;
}

static enum verdict mac_use(struct check *c, const struct check_frame *m)
{
	if (!accepted(c, VIRTIO_NET_F_MAC))
		return SILENT;
	return judge_source(c, m, is_ours(c, m), "none from the address of the device");
}

/* Locally administered, no group. */
static enum verdict mac_local(struct check *c, const struct check_frame *m)
{
	const bool local = (source(m)[0] & 3) == 2;

	/* What it was set to later is its user's choice. */
	if (accepted(c, VIRTIO_NET_F_MAC) || (c->net.mac_set && !local))
		return SILENT;
	return judge_source(c, m, local, "none from an address that one may make up");
}

static enum verdict mac_told(struct check *c, const struct check_frame *m)
{
	if (accepted(c, VIRTIO_NET_F_MAC) || !accepted(c, VIRTIO_NET_F_CTRL_MAC_ADDR))
		return SILENT;
	return judge_source(c, m, is_ours(c, m), "and the device was never told that address");
}

/* The other half is in rules_late.c. Who has made one up, and may not tell it, has no other. */
static enum verdict mac_refused(struct check *c, const struct check_frame *m)
{
	const struct check_net *n = &c->net;

	if (!n->mac_refused || memcmp(n->refused_mac, n->mac, sizeof(n->mac)) == 0 ||
	    (!accepted(c, VIRTIO_NET_F_MAC) && !n->mac_set))
		return SILENT;
	return memcmp(source(m), n->refused_mac, sizeof(n->mac)) == 0
	               ? broken(c,
	                        "queue %u, chain %u: a frame comes from the address that "
	                        "MAC_ADDR_SET was refused for",
	                        m->ch->q->index, m->ch->head)
	               : keeps(is_ours(c, m));
}

/* ---- the link */

static enum verdict link_assumed(struct check *c, unused const struct check_frame *m)
{
	return keeps(!accepted(c, VIRTIO_NET_F_STATUS));
}

/* What was on its way when the link went down does not count. */
static enum verdict link_obeyed(struct check *c, const struct check_frame *m)
{
	if (!accepted(c, VIRTIO_NET_F_STATUS) || !c->net.link_read)
		return SILENT;
	return c->net.link_down > 3
	               ? broken(c,
	                        "queue %u, chain %u: a frame is sent, and the status that was read "
	                        "last says that the link is down",
	                        m->ch->q->index, m->ch->head)
	               : KEPT;
}

/* ---- sizes */

static uint8_t gso_of(const struct check_frame *m)
{
	return m->ch->start[1] & (uint8_t)~VIRTIO_NET_HDR_GSO_ECN;
}

static bool is_gso(const struct check_frame *m)
{
	return gso_of(m) != VIRTIO_NET_HDR_GSO_NONE;
}

static enum verdict mtu_limit(struct check *c, const struct check_frame *m)
{
	const unsigned mtu = net_mtu(c);
	const uint64_t max = ETH_HEADER + TAG * m->f.tags + mtu;

	if (!mtu || is_gso(m))
		return SILENT;
	return m->f.len <= max ? KEPT
	                       : wrong(c, m, "bytes of a frame in one piece", u32_of(m->f.len),
	                               u32_of(max));
}

/* ---- checksums */

static bool needs_csum(const struct check_frame *m)
{
	return m->ch->start[0] & VIRTIO_NET_HDR_F_NEEDS_CSUM;
}

static enum verdict csum_full(struct check *c, const struct check_frame *m)
{
	bool known;
	const bool good = frame_l4_sum_ok(&m->f, &known) || !known;

	if (accepted(c, VIRTIO_NET_F_CSUM) || !m->f.l3)
		return SILENT;
	if (!frame_ip_sum_ok(&m->f))
		return broken(c, "queue %u, chain %u: the checksum of the IP header is wrong",
		              m->ch->q->index, m->ch->head);
	return good ? KEPT
	            : broken(c, "queue %u, chain %u: the checksum of protocol %u is wrong",
	                     m->ch->q->index, m->ch->head, m->f.proto);
}

static enum verdict csum_preceding(struct check *c, const struct check_frame *m)
{
	if (!needs_csum(m) || !m->f.l3)
		return SILENT;
	return frame_ip_sum_ok(&m->f)
	               ? KEPT
	               : broken(c,
	                        "queue %u, chain %u: the checksum of the IP header in front of %u "
	                        "is wrong",
	                        m->ch->q->index, m->ch->head, get_le16(m->ch->start + 6));
}

/* Of frames that are to be segmented, which have several lengths, drivers differ. */
static enum verdict csum_pseudo(struct check *c, const struct check_frame *m)
{
	const size_t start = get_le16(m->ch->start + 6), off = get_le16(m->ch->start + 8);
	bool known, good;

	if (!needs_csum(m) || is_gso(m) || start != m->f.l4)
		return SILENT;
	good = frame_holds_pseudo(&m->f, start + off, &known);
	if (!known)
		return SILENT;
	return good ? KEPT
	            : broken(c,
	                     "queue %u, chain %u: the field at %u + %u does not hold the sum of "
	                     "the "
	                     "pseudo header",
	                     m->ch->q->index, m->ch->head, (unsigned)start, (unsigned)off);
}

/*
 * Completed, the sum has to be where the protocol has its own. Behind UDP's header there may be another frame, with a sum of its
 * own (VXLAN, Geneve).
 */
static enum verdict csum_place(struct check *c, const struct check_frame *m)
{
	const size_t start = get_le16(m->ch->start + 6), off = get_le16(m->ch->start + 8);
	const bool tcp = m->f.proto == PROTO_TCP;
	const size_t field = tcp ? TCP_CSUM : UDP_CSUM;

	if (!needs_csum(m) || !m->f.payload || (!tcp && start > m->f.l4))
		return SILENT;
	return start == m->f.l4 && off == field
	               ? KEPT
	               : broken(c,
	                        "queue %u, chain %u: the checksum is to be at %u + %u, and that of "
	                        "protocol %u is at %u + %u",
	                        m->ch->q->index, m->ch->head, (unsigned)start, (unsigned)off,
	                        m->f.proto, (unsigned)m->f.l4, (unsigned)field);
}

/* ---- segmentation */

static bool has_cwr(const struct check_frame *m)
{
	return m->f.proto == PROTO_TCP && m->f.payload && (m->f.at[m->f.l4 + 13] & TCP_CWR);
}

static enum verdict ecn_negotiated(struct check *c, const struct check_frame *m)
{
	if (!is_gso(m) || m->f.proto != PROTO_TCP || accepted(c, VIRTIO_NET_F_HOST_ECN))
		return SILENT;
	return has_cwr(m) || (m->ch->start[1] & VIRTIO_NET_HDR_GSO_ECN)
	               ? broken(c,
	                        "queue %u, chain %u: TCP with CWR or ECN in gso_type 0x%02x, "
	                        "without HOST_ECN",
	                        m->ch->q->index, m->ch->head, m->ch->start[1])
	               : KEPT;
}

static enum verdict ecn_bit(struct check *c, const struct check_frame *m)
{
	if (!is_gso(m) || !has_cwr(m) || !accepted(c, VIRTIO_NET_F_HOST_ECN))
		return SILENT;
	return m->ch->start[1] & VIRTIO_NET_HDR_GSO_ECN
	               ? KEPT
	               : broken(c, "queue %u, chain %u: TCP with CWR, and gso_type is 0x%02x",
	                        m->ch->q->index, m->ch->head, m->ch->start[1]);
}

static enum verdict hdrlen(struct check *c, const struct check_frame *m, bool exact)
{
	const uint16_t len = get_le16(m->ch->start + 2);

	if (!is_gso(m) || !m->f.payload || accepted(c, GUEST_HDRLEN) != exact)
		return SILENT;
	return len == m->f.payload || (!exact && len > m->f.payload)
	               ? KEPT
	               : wrong(c, m, "hdr_len", len, (unsigned)m->f.payload);
}

static enum verdict hdrlen_exact(struct check *c, const struct check_frame *m)
{
	return hdrlen(c, m, true);
}

static enum verdict hdrlen_min(struct check *c, const struct check_frame *m)
{
	return hdrlen(c, m, false);
}

const struct frame_rule frame_rules[] = {
	{"net.mac-use", mac_use},
	{"net.mac-local-admin", mac_local},
	{"ctrl.mac-addr-set", mac_told},
	{"ctrl.check-ack", mac_refused},
	{"net.link-assume-up", link_assumed},
	{"net.link-from-status", link_obeyed},
	{"net.mtu-tx-limit", mtu_limit},
	{"net.tx-full-csum", csum_full},
	{"net.tx-csum-preceding", csum_preceding},
	{"net.tx-csum-pseudo", csum_pseudo},
	{"net.tx-csum-range", csum_place},
	{"net.tx-ecn-needs-feature", ecn_negotiated},
	{"net.tx-ecn-bit", ecn_bit},
	{"net.tx-hdrlen-exact", hdrlen_exact},
	{"net.tx-hdrlen-min", hdrlen_min},
	{NULL, NULL},
};
