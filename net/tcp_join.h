/* SPDX-License-Identifier: Apache-2.0 */
/* net/tcp_join.h - TCP segments that follow each other become the one frame that they could have been cut from
 *
 * What a network card does that has GRO or LRO, for a driver that takes such a frame (GUEST_TSO4, GUEST_TSO6). Whoever
 * cuts it by its gso_size again has the same segments, byte by byte. The checksum is left to the driver's side,
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

#define TCP_JOIN_LOOK (14u + 40u + 60u) /* bytes: the longest headers, Ethernet's first */

struct tcp_join {
	uint8_t head
		[TCP_JOIN_LOOK]; /* headers of the first segment; those of the frame after tcp_join_end() */
	uint8_t same[TCP_JOIN_LOOK]; /* what of them is the same in every segment; the rest is 0 */
	size_t tcp;                  /* where the TCP header begins in them */
	size_t head_len;             /* bytes of headers */
	size_t size;                 /* bytes of payload in each segment but the last */
	size_t payload;              /* bytes of payload so far */
	unsigned nr;                 /* segments so far */
	uint8_t flags;               /* TCP's, of the last one */
};

/*
 * Begin with a frame of @len bytes, of which @head has the first TCP_JOIN_LOOK, or all. @offloads:
 * VIRTIO_NET_F_GUEST_* masks that the driver has switched on. False: nothing can be appended to it.
 */
bool tcp_join_first(struct tcp_join *j, const uint8_t *head, size_t len, uint64_t offloads);
/* True: the next frame, likewise, goes on where @j ends: its bytes from j->head_len on are to be appended. */
bool tcp_join_next(struct tcp_join *j, const uint8_t *head, size_t len);
/* After at least one tcp_join_next(): the first j->head_len bytes of the frame in j->head, and what stands before it. */
void tcp_join_end(struct tcp_join *j, struct virtio_net_hdr_v1 *hdr);

#endif
