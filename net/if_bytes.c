/* SPDX-License-Identifier: Apache-2.0 */
#include "net/if_bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "vmm/core/fd.h"
#include "vmm/core/num.h"

static int open_counter(const char *ifname, const char *name)
{
	char path[128];
	int ret;

	snprintf(path, sizeof(path), "/sys/class/net/%s/statistics/%s", ifname, name);
	ret = open(path, O_RDONLY | O_CLOEXEC);
	return ret < 0 ? -errno : ret;
}

int if_bytes_open(struct if_bytes *b, const char *ifname)
{
	static const char *const names[] = {"rx_bytes", "tx_bytes"};
	int ret = 0;

	*b = IF_BYTES_NONE;
	for (unsigned i = 0; i < 2 && ret >= 0; i++) {
		ret = open_counter(ifname, names[i]);
		if (ret >= 0)
			b->fd[i] = ret;
	}
	if (ret >= 0)
		return 0;
	if_bytes_close(b);
	return ret;
}

uint64_t if_bytes_read(const struct if_bytes *b)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < 2; i++) {
		char text[32];
		const ssize_t len = pread(b->fd[i], text, sizeof(text) - 1, 0);
		uint64_t nr;

		text[len > 0 ? len : 0] = '\0';
		if (!num_at(text, 10, &nr))
			return 0;
		sum += nr;
	}
	return sum;
}

void if_bytes_close(struct if_bytes *b)
{
	for (unsigned i = 0; i < 2; i++)
		fd_close(&b->fd[i]);
}
