/* SPDX-License-Identifier: Apache-2.0 */
/* net/if_bytes.h - how many bytes an interface of the host has moved */
#ifndef DOORBELL_IF_BYTES_H
#define DOORBELL_IF_BYTES_H

#include <stdint.h>

#define IF_BYTES_CALLS 2u /* system calls of one if_bytes_read() */

struct if_bytes {
	int fd[2]; /* what it received and sent, owned; -1: not open */
};

#define IF_BYTES_NONE            \
	(struct if_bytes)        \
	{                        \
		.fd = { -1, -1 } \
	}

/* Of @ifname, as sysfs has it. 0; or -errno, and nothing is open. */
int if_bytes_open(struct if_bytes *b, const char *ifname);
/* Both ways together; 0 when it is gone. */
uint64_t if_bytes_read(const struct if_bytes *b);
void if_bytes_close(struct if_bytes *b); /* not open is fine */

#endif
