/* SPDX-License-Identifier: Apache-2.0 */
/* What a guest, or whoever starts it, has to do so that the rules of a part come up at all. */
#include <string.h>

#include "check/rule.h"
#include "vmm/core/compiler.h"

/* clang-format off */
static const struct {
	const char *part, *what;
} parts[] = {
	{"init", "bring the device up, reset it, and bring it up once more (Linux: unbind, bind)"},
	{"features", "a device that offers what they are about: --matrix, or --net ...,features="},
	{"config", "read the fields of the config space, the address and the status above all"},
	{"notify", "traffic both ways, with features=default, default-event_idx, default+notification_data"},
	{"split", "traffic both ways, with features=default-indirect_desc, too"},
	{"packed", "traffic both ways with features=default+packed"},
	{"indirect", "traffic in frames of several pieces, with features=default"},
	{"event_idx", "traffic both ways with features=default, in bursts"},
	{"in-order", "traffic both ways with features=default+in_order"},
	{"mmio", "bring the device up, use it, take a queue back, reset it"},
	{"vq-reset", "bring the device up"},
	{"legacy", "transport=mmio-legacy, and with features=default-any_layout"},
	{"mmio-legacy", "transport=mmio-legacy"},
	{"net-cfg", "mtu=1400, and a link that goes down and comes back: doorbell ctl SOCK net0 link=down"},
	{"net-rx", "frames to the guest, with features=default-mrg_rxbuf, too"},
	{"net-tx", "frames from the guest"},
	{"net-csum", "UDP and TCP from the guest over IPv4 and IPv6"},
	{"net-gso", "TCP from the guest in large writes; --net user and --net tap take segments"},
	{"net-mrg", "frames to the guest that are longer than its buffers"},
	{"net-ctrl", "promiscuity, further addresses, VLANs and another address (Linux: ip link), queues=2"},
	{"net-mq", "queues=2 and another number of pairs (Linux: ethtool -L)"},
	{"net-rss", "queues=2,features=default+rss+hash_report and another table or key (Linux: ethtool -X)"},
};
/* clang-format on */

const char *rule_exercise(const struct rule *r)
{
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (strcmp(parts[i].part, r->part) == 0)
			return parts[i].what;
	return NULL;
}
