/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/interface.h - what the kernel counts of a network interface of ours */
#ifndef DOORBELL_INTERFACE_H
#define DOORBELL_INTERFACE_H

#include <stdbool.h>
#include <stdint.h>

/* Of a TAP: rx is from the guest, tx to the guest; frames, of which one may be a whole segment of TCP. */
struct interface_stats {
	uint64_t rx_packets, rx_bytes, rx_dropped;
	uint64_t tx_packets, tx_bytes, tx_dropped;
};

/* False: no interface of that name in our network namespace. */
bool interface_read(const char *name, struct interface_stats *out);

/* The same from a text like /proc/net/dev. */
bool interface_parse(const char *text, const char *name, struct interface_stats *out);

#endif
