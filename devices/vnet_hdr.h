/* SPDX-License-Identifier: Apache-2.0 */
/* devices/vnet_hdr.h - judge the 12-byte header in front of a frame (virtio 1.2, 5.1.6)
 *
 * Both functions work on a copy and leave in it only what was understood and allowed: a header is
 * built anew from the checked fields, nothing of the other side's passes by accident.
 */
#ifndef DOORBELL_VNET_HDR_H
#define DOORBELL_VNET_HDR_H

#include <linux/virtio_net.h>
#include <stdint.h>

#define VNET_FRAME_MIN 14u            /* bytes: an Ethernet header */
#define VNET_FRAME_MAX (18u + 65535u) /* bytes: one VLAN tag and the largest IP packet */

/*
 * A copy of what the driver put before a frame of @frame_len bytes, with @accepted features: may it
 * go to the host as it is? Unknown flag bits are cleared (virtio 1.2, 5.1.6.2.2), csum fields are
 * zeroed without NEEDS_CSUM, gso fields without a gso type, num_buffers always. hdr_len of a gso
 * frame is a hint that ends up between the end of the checksum field and the end of the frame.
 * 0; or -EINVAL with the reason in *why (static): frame shorter than VNET_FRAME_MIN or longer than
 * VNET_FRAME_MAX, csum range outside the frame, NEEDS_CSUM or gso type not accepted, gso without
 * size or without NEEDS_CSUM.
 */
int vnet_hdr_check_tx(struct virtio_net_hdr_v1 *h, uint32_t frame_len, uint64_t accepted,
                      const char **why);

/*
 * A header that the backend delivered: make it one that the driver may see (virtio 1.2, 5.1.6.4.1)
 * with @offloads (VIRTIO_NET_F_GUEST_* masks that are switched on): flags 0 without GUEST_CSUM, no
 * gso type that was not accepted, num_buffers zeroed (the device counts). 0, or -EINVAL: the frame
 * cannot be delivered (it needs an offload that the driver does not have, or its header is wrong).
 */
int vnet_hdr_check_rx(struct virtio_net_hdr_v1 *h, uint32_t frame_len, uint64_t offloads);

#endif
