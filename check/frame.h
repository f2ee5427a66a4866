/* SPDX-License-Identifier: Apache-2.0 */
/* check/frame.h - what the headers of a frame say: Ethernet, tags, IP, TCP and UDP
 *
 * Offsets count from the Ethernet header. Nothing that they say is believed beyond the bytes that are there.
 */
#ifndef DOORBELL_CHECK_FRAME_H
#define DOORBELL_CHECK_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct frame {
	const uint8_t *at; /* borrowed */
	size_t held;       /* bytes there */
	uint64_t len;      /* of all of it */
	unsigned tags;     /* of VLANs */
	uint16_t type;     /* of what is behind them */
	size_t l3, l4;  /* 0: there is none that we know, or it is not held; a fragment has no l4 */
	size_t l4_len;  /* as IP has it; 0: it does not say */
	size_t payload; /* behind TCP's or UDP's header; 0: neither */
	uint8_t proto;  /* of l4 */
	bool routed;    /* the destination in the header is not the last: no pseudo header */
};

/* False: shorter than an Ethernet header. */
bool frame_parse(struct frame *f, const uint8_t *at, size_t held, uint64_t len);

/* An IPv4 header whose checksum is right, or no IPv4. */
bool frame_ip_sum_ok(const struct frame *f);

/*
 * TCP and UDP: is what the field @at of the frame holds the sum of the pseudo header, not complemented? @known: there is
 * one, and a length. 0 and 0xffff are the same number.
 */
bool frame_holds_pseudo(const struct frame *f, size_t at, bool *known);

/* The checksum of TCP, UDP or ICMP. @known: it can be computed, and there is one. */
bool frame_l4_sum_ok(const struct frame *f, bool *known);

/* A gratuitous ARP, any broadcast one, RARP, or a neighbour advertisement to a group: what tells peers where we are. */
bool frame_announces(const struct frame *f);

/* ARP or IP, and the sender has an address. */
bool frame_names_sender(const struct frame *f);

#endif
