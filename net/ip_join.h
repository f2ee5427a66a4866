/* SPDX-License-Identifier: Apache-2.0 */
/* net/ip_join.h - put IPv4 fragments of the guest together before libslirp sees them
 *
 * libslirp has a reassembly of its own, but not one that a guest may reach: that of 4.7.0, as Debian 12
 * ships it, takes a datagram whose last fragment comes first for complete and then writes through
 * pointers out of the packet. Whole packets of any size it takes well.
 *
 * A guest's stack sends fragments in order, and a virtqueue keeps the order; a fragment that does not
 * continue where the one before ended is dropped, as a network may. One thread.
 */
#ifndef DOORBELL_IP_JOIN_H
#define DOORBELL_IP_JOIN_H

#include <stddef.h>
#include <stdint.h>

#define IP_JOIN_SLOTS 4u             /* datagrams at a time: CPUs of the guest that send at once */
#define IP_JOIN_MAX   (14u + 65535u) /* bytes: Ethernet header and the largest packet */

struct ip_join_slot {
	uint32_t src, dst; /* of the packet, as on the wire; so is id */
	uint16_t id;
	uint8_t proto;
	size_t len;    /* bytes in frame so far; 0 = free */
	size_t header; /* of these, Ethernet and IP header */
	uint8_t frame[IP_JOIN_MAX];
};

/* Zeroed is empty. */
struct ip_join {
	struct ip_join_slot slot[IP_JOIN_SLOTS];
	unsigned next; /* slot to be sacrificed when none is free */
};

/*
 * @frame is an Ethernet frame of *len >= 14 bytes that only we can write to. Returns what libslirp may
 * have: @frame itself when it is not a fragment; the whole frame, and its *len, when @frame was the last
 * fragment, valid until the next call; NULL: nothing now.
 */
const uint8_t *ip_join(struct ip_join *j, const uint8_t *frame, size_t *len);

#endif
