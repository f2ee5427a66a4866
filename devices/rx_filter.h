/* SPDX-License-Identifier: Apache-2.0 */
/* devices/rx_filter.h - which frames are for this driver: rx modes, MAC table, VLAN table
 *
 * virtio 1.2, 5.1.6.5.1 to 5.1.6.5.3. What the standard leaves open is decided so:
 *
 * - With CTRL_RX the filter is on from the first frame, all modes off, MAC table empty: the driver
 *   sees its own address and broadcast. (Some devices start promiscuous; the standard asks for an
 *   empty table and for frames to others to be dropped, and drivers that have CTRL_RX say what they
 *   want when the interface comes up.)
 * - Without CTRL_RX the driver has no means to ask for a group or for promiscuity, so it gets all.
 * - More addresses of one class than the table holds: every address of that class passes
 *   (the standard allows this by name); the command succeeds.
 * - PROMISC passes every frame, also of VLANs that are not listed.
 * - The VLAN table looks at 802.1Q tags (0x8100) only, vid 0 included; a service tag is payload.
 *
 *   destination   passes when (PROMISC or)
 *   broadcast     not NOBCAST
 *   multicast     not NOMULTI, and ALLMULTI or in the table
 *   unicast       not NOUNI, and ALLUNI, own address or in the table
 */
#ifndef DOORBELL_RX_FILTER_H
#define DOORBELL_RX_FILTER_H

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stdint.h>

#define RX_FILTER_MACS  64u   /* addresses, both classes together */
#define RX_FILTER_VLANS 4096u /* ids */
#define RX_FILTER_LOOK  18u   /* bytes of a frame that the filter looks at */

/* The MAC table: addresses of both classes, or a class too large to be listed. */
struct rx_macs {
	unsigned nr;
	bool all_unicast, all_multicast;
	uint8_t mac[RX_FILTER_MACS][6];
};

/* Loop thread. Fields are for rx_filter.c, except mac (read). */
struct rx_filter {
	bool everyone; /* no CTRL_RX: what no NO... mode forbids passes */
	bool by_vlan;  /* CTRL_VLAN */
	bool mode[VIRTIO_NET_CTRL_RX_NOBCAST + 1]; /* by command number */
	uint8_t mac[6];
	struct rx_macs macs;
	uint64_t vlan[RX_FILTER_VLANS / 64];
};

/* The state at reset. @by_mode: CTRL_RX was accepted; @by_vlan: CTRL_VLAN was. */
void rx_filter_init(struct rx_filter *f, const uint8_t mac[6], bool by_mode, bool by_vlan);

/* @mode: VIRTIO_NET_CTRL_RX_PROMISC .. VIRTIO_NET_CTRL_RX_NOBCAST, nothing else. */
void rx_filter_set_mode(struct rx_filter *f, unsigned mode, bool on);
/* @id < RX_FILTER_VLANS. Adding twice, or removing what is not there, is fine. */
void rx_filter_set_vlan(struct rx_filter *f, unsigned id, bool on);

/*
 * @head: the first bytes of a frame, @len of them, at least 14 and RX_FILTER_LOOK unless the frame
 * is shorter. True: pass it to the driver.
 */
bool rx_filter_wants(const struct rx_filter *f, const uint8_t *head, uint32_t len);

/* Does a frame that begins with @head carry an 802.1Q tag? Arguments as above. */
bool rx_filter_tagged(const uint8_t *head, uint32_t len);

#endif
