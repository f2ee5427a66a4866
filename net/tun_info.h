/* SPDX-License-Identifier: Apache-2.0 */
/* net/tun_info.h - what the kernel says about a TAP beyond what its descriptor tells */
#ifndef DOORBELL_TUN_INFO_H
#define DOORBELL_TUN_INFO_H

/*
 * Queues of the TAP @ifname that anybody has, attached or not. -errno: it cannot be known, -ENODATA with a
 * kernel before 4.17.
 */
int tun_nr_queues(const char *ifname);

#endif
