/* SPDX-License-Identifier: Apache-2.0 */
/* net/turn_round.h - make of a frame what its sender would get back for it */
#ifndef DOORBELL_TURN_ROUND_H
#define DOORBELL_TURN_ROUND_H

#include <stddef.h>
#include <stdint.h>

/* Where a frame comes from that was sent to everybody or to a group, and whose address ARP is told. */
extern const uint8_t turn_round_mac[6];

/*
 * In place, in @frame[0 .. len):
 *
 *	any frame     the MAC addresses are swapped; a group's is replaced by turn_round_mac
 *	ARP           a request becomes the answer to it: whoever is asked for is here
 *	IPv4          the addresses are swapped; with UDP and TCP the ports, too
 *	ICMP          an echo request becomes the reply
 *
 * One VLAN tag (802.1Q or 802.1ad) stays and is looked behind. All checksums stay right, those that are only begun
 * as well: a sum does not care for the order, and the one of ICMP is corrected. What is cut short or malformed is
 * returned as far as it could be understood.
 */
void turn_round(uint8_t *frame, size_t len);

#endif
