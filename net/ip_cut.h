/* SPDX-License-Identifier: Apache-2.0 */
/* net/ip_cut.h - a packet above the MTU becomes packets that are not
 *
 * TCP is cut into segments, as segmentation offload has it, and other IPv4 packets into fragments. Of ICMPv6 errors, which quote
 * what they are about, the end is left out. One thread.
 */
#ifndef DOORBELL_IP_CUT_H
#define DOORBELL_IP_CUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/tcp_seg.h"

struct ip_cut {
	uint8_t head[TCP_SEG_LOOK]; /* headers of the piece that was made last */
	size_t head_len;            /* their bytes, the same in each */
	size_t payload; /* bytes behind them in the whole frame, as far as they are used */
	size_t size;    /* and in each piece but the last */
	size_t csum_start,
		csum_offset; /* what is left to be summed up: csum_complete(). start 0: nothing */
	bool tcp;
	struct tcp_seg seg;          /* of TCP */
	uint8_t whole[TCP_SEG_LOOK]; /* headers of the whole */
};

/*
 * @head: the first TCP_SEG_LOOK bytes of a frame of @len bytes whose packet is larger than @mtu, 68 or more. TCP becomes segments
 * with @size bytes of payload, or with less when these do not fit. False: nothing that can be cut.
 */
bool ip_cut_begin(struct ip_cut *c, const uint8_t *head, size_t len, size_t mtu, size_t size);
/* The piece whose payload begins at byte @from of the whole one's: c->head, and bytes of payload behind it. */
size_t ip_cut_piece(struct ip_cut *c, size_t from);

#endif
