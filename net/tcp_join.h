/* SPDX-License-Identifier: Apache-2.0 */
/* net/tcp_join.h - TCP segments that follow each other become the one frame that they could have been cut from
 *
 * What a network card does that has GRO or LRO, for a driver that takes such a frame (GUEST_TSO4, GUEST_TSO6). Whoever
 * cuts it by its gso_size again has the same segments. One that is larger than the MTU, as if several had been joined
 * already, becomes such a frame, too, alone or with those that follow. The checksum is left to the driver's side,
 * and nobody looks at those of the segments: they have to come from where they were made, not over a wire.
 *
 * Of IPv4 without options, no fragments, and of IPv6 without extension headers. One thread.
 */
#ifndef DOORBELL_TCP_JOIN_H
#define DOORBELL_TCP_JOIN_H

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/tcp_seg.h"

struct tcp_join {
	uint8_t head
		[TCP_SEG_LOOK]; /* headers of the first segment; those of the frame after tcp_join_end() */
	uint8_t same[TCP_SEG_LOOK]; /* what of them is the same in every segment; the rest is 0 */
	struct tcp_seg seg;         /* of the first, but the payload is that of all so far */
	size_t size;                /* bytes of payload in each segment but the last */
	size_t size_max;            /* likewise, of a frame above the MTU */
	uint8_t flags;              /* TCP's, of the last one */
};

/* Does the driver take such frames of the family of @frame? @offloads: VIRTIO_NET_F_GUEST_* masks that it has switched on. */
bool tcp_join_taken(const uint8_t *frame, uint64_t offloads);

/*
 * Begin with a frame of @len bytes, of which @head has the first TCP_SEG_LOOK, or all. When its packet is larger than @mtu it is
 * made of segments with @size bytes of payload. False: nothing that could be joined.
 */
bool tcp_join_first(struct tcp_join *j, const uint8_t *head, size_t len, size_t mtu, size_t size);
/* True: the next frame, likewise, goes on where @j ends: its bytes from j->seg.head_len on are to be appended. */
bool tcp_join_next(struct tcp_join *j, const uint8_t *head, size_t len);
unsigned tcp_join_segments(const struct tcp_join *j); /* so far */
/* Of two segments at least. The first j->seg.head_len bytes of the frame in j->head, and what stands before it. */
void tcp_join_end(struct tcp_join *j, struct virtio_net_hdr_v1 *hdr);

#endif
