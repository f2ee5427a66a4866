/* SPDX-License-Identifier: Apache-2.0 */
/* net/tcp_seg.h - the headers of a TCP segment in an Ethernet frame
 *
 * Of IPv4 without options, no fragments, and of IPv6 without extension headers. One thread.
 */
#ifndef DOORBELL_TCP_SEG_H
#define DOORBELL_TCP_SEG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TCP_SEG_LOOK (14u + 40u + 60u) /* bytes: the longest headers, Ethernet's first */

/* Where fields of TCP are, from the start of its header. */
#define TCP_SEG_SEQ    4u
#define TCP_SEG_FLAGS  13u
#define TCP_SEG_WINDOW 14u
#define TCP_SEG_CHECK  16u
#define TCP_SEG_URGENT 18u

struct tcp_seg {
	bool v6;
	size_t tcp;      /* bytes of the frame before the TCP header */
	size_t head_len; /* and before the payload, at most TCP_SEG_LOOK */
	size_t payload;
};

/* @head: the first TCP_SEG_LOOK bytes of a frame of @len bytes, or all. False: not one, or cut short. */
bool tcp_seg_parse(struct tcp_seg *s, const uint8_t *head, size_t len);
bool tcp_seg_is_rst(const uint8_t *head, size_t len); /* likewise */

/*
 * @payload bytes stand behind the headers @head, which are of @s: lengths and IPv4 checksum say so, and TCP's holds the pseudo
 * header's sum, as VIRTIO_NET_HDR_F_NEEDS_CSUM wants it.
 */
void tcp_seg_seal(uint8_t *head, const struct tcp_seg *s, size_t payload);

/*
 * If @frame is a SYN whose sender takes segments that fill packets of @mtu bytes, or larger ones: now it takes those of
 * @bytes, or if that is 0 those that fill packets. A checksum that was right stays right.
 */
void tcp_seg_mss(uint8_t *frame, size_t len, size_t mtu, size_t bytes);

/*
 * True: @frame was an ACK without data, by somebody who has room for @least bytes but not for @enough; now it is one that wants an
 * answer (as a keep-alive probe does, RFC 1122, 4.2.3.6). Its checksum likewise.
 */
bool tcp_seg_probe(uint8_t *frame, size_t len, size_t least, size_t enough);

#endif
