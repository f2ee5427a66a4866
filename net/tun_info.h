/* SPDX-License-Identifier: Apache-2.0 */
/* net/tun_info.h - what the kernel says about a TAP beyond what its descriptor tells */
#ifndef DOORBELL_TUN_INFO_H
#define DOORBELL_TUN_INFO_H

#include <linux/if_tun.h>

#ifndef TUN_F_USO4 /* Linux 6.2 */
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

/*
 * Queues of the TAP @ifname that anybody has, attached or not. -errno: it cannot be known, -ENODATA with a
 * kernel before 4.17.
 */
int tun_nr_queues(const char *ifname);

/*
 * What TUNSETOFFLOAD has set on the TAP with the descriptor @fd and the name @ifname: TUN_F_*, as far as it has an effect
 * (TUN_F_UFO has none since Linux 4.14). There is no request for that, but it shows in the interface's features. 0 too when
 * these cannot be known: the interface is in another network namespace.
 */
unsigned tun_offloads(int fd, const char *ifname);

#endif
