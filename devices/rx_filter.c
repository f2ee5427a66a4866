// SPDX-License-Identifier: Apache-2.0
#include "devices/rx_filter.h"

#include <linux/if_ether.h>
#include <string.h>

#include "vmm/core/compiler.h"
#include "vmm/core/le.h"

#define VLAN_TAG_AT  12u /* bytes from the start of a frame: 0x8100, then 3 + 1 + 12 bits */
#define VLAN_TAG_LEN 4u

void rx_filter_init(struct rx_filter *f, const uint8_t mac[6], bool by_mode, bool by_vlan)
{
	memset(f, 0, sizeof(*f));
	memcpy(f->mac, mac, sizeof(f->mac));
	f->everyone = !by_mode;
	f->by_vlan = by_vlan;
}

void rx_filter_set_mode(struct rx_filter *f, unsigned mode, bool on)
{
	f->mode[mode] = on;
}

void rx_filter_set_vlan(struct rx_filter *f, unsigned id, bool on)
{
	uint64_t bit = UINT64_C(1) << (id % 64);

	if (on)
		f->vlan[id / 64] |= bit;
	else
		f->vlan[id / 64] &= ~bit;
}

bool rx_filter_tagged(const uint8_t *head, uint32_t len)
{
	return len >= VLAN_TAG_AT + VLAN_TAG_LEN && get_be16(head + VLAN_TAG_AT) == ETH_P_8021Q;
}

static bool vlan_listed(const struct rx_filter *f, unsigned id)
{
	return f->vlan[id / 64] >> (id % 64) & 1;
}

static bool mac_listed(const struct rx_macs *t, const uint8_t *mac)
{
	for (unsigned i = 0; i < t->nr; i++)
		if (!memcmp(t->mac[i], mac, sizeof(t->mac[i])))
			return true;
	return false;
}

bool rx_filter_wants(const struct rx_filter *f, const uint8_t *head, uint32_t len)
{
	static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	const bool *mode = f->mode;

	if (mode[VIRTIO_NET_CTRL_RX_PROMISC])
		return true;
	if (f->by_vlan && rx_filter_tagged(head, len) &&
	    !vlan_listed(f, get_be16(head + VLAN_TAG_AT + 2) & 0xfff))
		return false;
	if (!memcmp(head, broadcast, sizeof(broadcast)))
		return !mode[VIRTIO_NET_CTRL_RX_NOBCAST];
	if (head[0] & 1)
		return !mode[VIRTIO_NET_CTRL_RX_NOMULTI] &&
		       (f->everyone || mode[VIRTIO_NET_CTRL_RX_ALLMULTI] || f->macs.all_multicast ||
		        mac_listed(&f->macs, head));
	return !mode[VIRTIO_NET_CTRL_RX_NOUNI] &&
	       (f->everyone || !memcmp(head, f->mac, sizeof(f->mac)) ||
	        mode[VIRTIO_NET_CTRL_RX_ALLUNI] || f->macs.all_unicast ||
	        mac_listed(&f->macs, head));
}
