// SPDX-License-Identifier: Apache-2.0
#include "devices/vnet_hdr.h"

#include <endian.h>
#include <errno.h>

#include "devices/net_features.h"

#define F(name) FEATURE(VIRTIO_NET_F_##name)

/* Which feature permits what, in one direction. */
struct direction {
	uint8_t flags; /* that have a meaning */
	uint64_t csum; /* needed for flags at all */
	uint64_t ecn;
	uint64_t gso[VIRTIO_NET_HDR_GSO_UDP_L4 + 1]; /* any of these; 0: no such type */
};

static const struct direction tx = {
	.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
	.csum = F(CSUM),
	.ecn = F(HOST_ECN),
	.gso =
		{
			[VIRTIO_NET_HDR_GSO_TCPV4] = F(HOST_TSO4),
			[VIRTIO_NET_HDR_GSO_UDP] = F(HOST_UFO),
			[VIRTIO_NET_HDR_GSO_TCPV6] = F(HOST_TSO6),
			[VIRTIO_NET_HDR_GSO_UDP_L4] = F(HOST_USO),
		},
};

static const struct direction rx = {
	.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM | VIRTIO_NET_HDR_F_DATA_VALID,
	.csum = F(GUEST_CSUM),
	.ecn = F(GUEST_ECN),
	.gso =
		{
			[VIRTIO_NET_HDR_GSO_TCPV4] = F(GUEST_TSO4),
			[VIRTIO_NET_HDR_GSO_UDP] = F(GUEST_UFO),
			[VIRTIO_NET_HDR_GSO_TCPV6] = F(GUEST_TSO6),
			[VIRTIO_NET_HDR_GSO_UDP_L4] = F(GUEST_USO4) | F(GUEST_USO6),
		},
};

/* NULL, or why this gso type cannot be. */
static const char *judge_gso_type(uint8_t gso_type, const struct direction *dir, uint64_t features)
{
	uint8_t type = gso_type & (uint8_t)~VIRTIO_NET_HDR_GSO_ECN;

	if (type >= ARRAY_SIZE(dir->gso) || !dir->gso[type])
		return "unknown gso type";
	if (!(features & dir->gso[type]))
		return "gso type that was not accepted";
	if (!(gso_type & VIRTIO_NET_HDR_GSO_ECN))
		return NULL;
	if (type != VIRTIO_NET_HDR_GSO_TCPV4 && type != VIRTIO_NET_HDR_GSO_TCPV6)
		return "ECN without TCP";
	return (features & dir->ecn) ? NULL : "ECN, which was not accepted";
}

/*
 * Checksum and segmentation requests of *in that @features allow, in @out, which is zeroed. NULL,
 * or the reason why not.
 */
static const char *judge(const struct virtio_net_hdr_v1 *in, struct virtio_net_hdr_v1 *out,
                         uint32_t frame_len, const struct direction *dir, uint64_t features)
{
	uint32_t csum_end = 0; /* first byte after the checksum field */
	const char *why;

	out->flags = in->flags & dir->flags;
	if (out->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
		if (!(features & dir->csum))
			return "checksum offload that was not accepted";
		csum_end = (uint32_t)le16toh(in->csum_start) + le16toh(in->csum_offset) + 2;
		if (csum_end > frame_len)
			return "checksum outside the frame";
		out->csum_start = in->csum_start;
		out->csum_offset = in->csum_offset;
	}
	if (!(features & dir->csum))
		out->flags = 0;
	if (in->gso_type == VIRTIO_NET_HDR_GSO_NONE)
		return NULL;

	why = judge_gso_type(in->gso_type, dir, features);
	if (why)
		return why;
	if (!(out->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		return "gso without checksum offload";
	if (!in->gso_size)
		return "gso without a segment size";
	out->gso_type = in->gso_type;
	out->gso_size = in->gso_size;
	/* A TAP refuses a hdr_len beyond the frame, yet nobody may rely on it: virtio 1.2, 5.1.6.2.2. */
	out->hdr_len = in->hdr_len;
	if (le16toh(in->hdr_len) < csum_end || le16toh(in->hdr_len) > frame_len)
		out->hdr_len = htole16(u16_of(min_u32(csum_end, UINT16_MAX)));
	return NULL;
}

int vnet_hdr_check_tx(struct virtio_net_hdr_v1 *h, uint32_t frame_len, uint64_t accepted,
                      const char **why)
{
	struct virtio_net_hdr_v1 out = {0};

	if (frame_len < VNET_FRAME_MIN)
		*why = "shorter than an Ethernet header";
	else if (frame_len > VNET_FRAME_MAX)
		*why = "longer than any packet";
	else
		*why = judge(h, &out, frame_len, &tx, accepted);
	if (*why)
		return -EINVAL;
	*h = out;
	return 0;
}

int vnet_hdr_check_rx(struct virtio_net_hdr_v1 *h, uint32_t frame_len, uint64_t offloads)
{
	struct virtio_net_hdr_v1 out = {0};

	if (frame_len < VNET_FRAME_MIN || frame_len > VNET_FRAME_MAX ||
	    judge(h, &out, frame_len, &rx, offloads))
		return -EINVAL;
	*h = out;
	return 0;
}
