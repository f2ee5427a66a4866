/* SPDX-License-Identifier: Apache-2.0 */
/* devices/vnet_hdr.h - judge the 12-byte header in front of a frame (virtio 1.2, 5.1.6) */
#ifndef DOORBELL_VNET_HDR_H
#define DOORBELL_VNET_HDR_H

#include <linux/virtio_net.h>
#include <stdint.h>

/*
 * A copy of what the driver put before a frame of @frame_len bytes, with @accepted features: may it
 * go to the host as it is? Unknown flag bits are cleared (virtio 1.2, 5.1.6.2.2), csum fields are
 * zeroed without NEEDS_CSUM, num_buffers is zeroed. 0; or -EINVAL with the reason in *why (static):
 * csum range outside the frame, gso type not accepted, gso without size or without NEEDS_CSUM.
 */
int vnet_hdr_check_tx(struct virtio_net_hdr_v1 *h, uint32_t frame_len, uint64_t accepted,
                      const char **why);

/*
 * A header that the backend delivered: make it one that the driver may see (virtio 1.2, 5.1.6.4.1):
 * flags 0 without GUEST_CSUM, no gso type that was not accepted. 0, or -EINVAL: the frame cannot be
 * delivered (it needs an offload that the driver does not have).
 */
int vnet_hdr_check_rx(struct virtio_net_hdr_v1 *h, uint32_t frame_len, uint64_t offloads);

#endif
