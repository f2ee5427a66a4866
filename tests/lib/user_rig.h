/* SPDX-License-Identifier: Apache-2.0 */
/* tests/lib/user_rig.h - the user backend with the real libslirp: a guest that knows ARP and just enough TCP on one side,
 * sockets on 127.0.0.1 on the other
 */
#ifndef DOORBELL_TESTS_USER_RIG_H
#define DOORBELL_TESTS_USER_RIG_H

#include "tests/lib/net_rig.h"
#include "tests/lib/pkt.h"

#define GATEWAY 0x0a000202u
#define GUEST   0x0a00020fu

extern const uint8_t guest_mac[6], gateway_mac[6];

/* ---- the outside */

bool readable(int fd);                           /* by the end of our patience */
void read_all(int fd, uint8_t *buf, size_t len); /* fails the case when it ends before */

/* ---- the inside */

/* A backend of these @keys, started with @offloads, that knows where the guest is. */
void open_user(struct rig *r, const char *keys, uint16_t mtu);
void open_user_with(struct rig *r, const char *keys, uint64_t offloads);
void announce(
	struct rig *r); /* tell libslirp where the guest is, as any guest does before it talks */
void send_frame(struct rig *r, const uint8_t *f, size_t len);
struct pkt_ends to_gateway(uint16_t sport, uint16_t dport);

struct tcp {
	struct rig *r;
	struct pkt_ends ends;
	uint32_t seq, ack;
	uint8_t want;         /* flags of the segment that is looked for */
	uint32_t want_bytes;  /* and how far its data must reach: sequence number */
	uint8_t *data;        /* received, in order */
	size_t data_len, max; /* so far; room */
	uint32_t iss;         /* of the other side */
	uint16_t mss;         /* that a SYN has as its option; 0: none */
	uint16_t window;      /* that segments announce; 0: 65535 */
};

/* Handshake with @port of the gateway, which is 127.0.0.1 outside. */
void tcp_open(struct tcp *t, struct rig *r, uint16_t sport, uint16_t port);
/* Likewise with a SYN that has the option; what the other side's has. */
uint16_t tcp_open_mss(struct tcp *t, struct rig *r, uint16_t sport, uint16_t port, uint16_t mss);
uint16_t mss_of(const struct rig_frame *f); /* of a SYN by libslirp, whose one option it is */
void tcp_out(struct tcp *t, uint8_t flags, const void *data, size_t len);
/* One of our connection's segments? Offset of the TCP header, or 0. */
size_t tcp_of(const struct tcp *t, const uint8_t *f, size_t len);
/* For rig_find(): @arg is a struct tcp with its flags to look for. */
bool has_flags(const uint8_t *f, size_t len, void *arg);
/* Appends in-order data, tells how far it got; a real guest's reassembly is not needed on this wire. Forgets the frames. */
void take_data(struct tcp *t);

#endif
