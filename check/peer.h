/* SPDX-License-Identifier: Apache-2.0 */
/* check/peer.h - the network of a driver that is provoked: it asks, and knows the only right answers
 *
 * What the driver sends of its own accord is answered as by --net echo. Questions are ARP requests, pings and datagrams to
 * the echo port (7), from PEER_IP to PEER_GUEST_IP or the address that the guest has sent ARP from. A guest without an
 * echo service is asked by ARP and ping alone. At the end a datagram to the discard port (9) tells it to stop.
 */
#ifndef DOORBELL_CHECK_PEER_H
#define DOORBELL_CHECK_PEER_H

struct nic_config;
struct provoke;

#define PEER_IP       0x0a000202u /* 10.0.2.2 */
#define PEER_GUEST_IP 0x0a00020fu /* 10.0.2.15 */

/* From now on that is @nic's network, in place of what --net said. @p is borrowed, outlives it, and is told the verdicts. */
void peer_take(struct nic_config *nic, struct provoke *p);

#endif
