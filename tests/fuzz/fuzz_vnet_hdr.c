/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devices/vnet_hdr.c: whatever the header, the length and the features, what passes is within bounds,
 * asks for nothing that was not accepted, and passes again unchanged.
 *
 * Input: header (12 bytes), frame length (4), features (8).
 */
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "devices/net_features.h"
#include "devices/vnet_hdr.h"
#include "vmm/core/le.h"

#define F(name) FEATURE(VIRTIO_NET_F_##name)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int ok)
{
	if (!ok)
		abort();
}

static void judge(const struct virtio_net_hdr_v1 *h, uint32_t len, uint64_t features,
                  const uint64_t by_type[6], uint64_t csum, uint64_t ecn)
{
	unsigned type = h->gso_type & ~(unsigned)VIRTIO_NET_HDR_GSO_ECN;

	must(len >= VNET_FRAME_MIN && len <= VNET_FRAME_MAX);
	must(h->num_buffers == 0);
	if (h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
		must((uint32_t)le16toh(h->csum_start) + le16toh(h->csum_offset) + 2 <= len);
	else
		must(!h->csum_start && !h->csum_offset);
	must(!h->flags || (features & csum));
	must(le16toh(h->hdr_len) <= len);
	if (h->gso_type == VIRTIO_NET_HDR_GSO_NONE) {
		must(!h->gso_size && !h->hdr_len);
		return;
	}
	must(type < 6 && (features & by_type[type]));
	must(h->gso_size && (h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM));
	must(!(h->gso_type & VIRTIO_NET_HDR_GSO_ECN) || (features & ecn));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint64_t tx_types[6] = {0,           F(HOST_TSO4), 0,
	                                     F(HOST_UFO), F(HOST_TSO6), F(HOST_USO)};
	static const uint64_t rx_types[6] = {
		0, F(GUEST_TSO4), 0, F(GUEST_UFO), F(GUEST_TSO6), F(GUEST_USO4) | F(GUEST_USO6)};
	struct virtio_net_hdr_v1 in, h, again;
	uint64_t features;
	const char *why;
	uint32_t len;

	if (size < sizeof(in) + 12)
		return -1;
	memcpy(&in, data, sizeof(in));
	len = get_le32(data + sizeof(in));
	features = get_le64(data + sizeof(in) + 4);

	h = in;
	if (vnet_hdr_check_tx(&h, len, features, &why) == 0) {
		must(!(h.flags & ~VIRTIO_NET_HDR_F_NEEDS_CSUM));
		judge(&h, len, features, tx_types, F(CSUM), F(HOST_ECN));
		again = h;
		must(!vnet_hdr_check_tx(&again, len, features, &why) &&
		     !memcmp(&again, &h, sizeof(h)));
	} else {
		must(why && *why && !memcmp(&h, &in, sizeof(h)));
	}
	h = in;
	if (vnet_hdr_check_rx(&h, len, features) == 0) {
		must(!(h.flags & ~(VIRTIO_NET_HDR_F_NEEDS_CSUM | VIRTIO_NET_HDR_F_DATA_VALID)));
		judge(&h, len, features, rx_types, F(GUEST_CSUM), F(GUEST_ECN));
		again = h;
		must(!vnet_hdr_check_rx(&again, len, features) && !memcmp(&again, &h, sizeof(h)));
	}
	return 0;
}
