/* SPDX-License-Identifier: Apache-2.0 */
/* net/if_bytes.h - how many bytes an interface of the host has moved
 *
 * By rtnetlink (RTM_GETSTATS, Linux 4.7): it knows the interfaces of the caller's network namespace. A /sys that was mounted
 * in another one does not.
 */
#ifndef DOORBELL_IF_BYTES_H
#define DOORBELL_IF_BYTES_H

#include <stdint.h>

#include "net/rtnl.h"

#define IF_BYTES_CALLS RTNL_CALLS /* system calls of one if_bytes_read() */

struct if_bytes {
	int fd;         /* rtnetlink, owned; -1: not open */
	unsigned index; /* of the interface: it keeps it when it is renamed */
};

#define IF_BYTES_NONE     \
	(struct if_bytes) \
	{                 \
		.fd = -1  \
	}

/* Of @ifname in this thread's network namespace. 0; or -errno, and nothing is open. */
int if_bytes_open(struct if_bytes *b, const char *ifname);
/* Both ways together; 0 when it is gone, or in another namespace now. */
uint64_t if_bytes_read(const struct if_bytes *b);
void if_bytes_close(struct if_bytes *b); /* not open is fine */

#endif
