/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/host.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "vmm/core/fd.h"

void host_text(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, buf, size - 1);

	buf[n > 0 ? n : 0] = '\0';
	fd_close(&fd);
}

const char *host_kvm_module(void)
{
	char buf[8192];

	host_text("/proc/cpuinfo", buf, sizeof(buf));
	return strstr(buf, " vmx") ? "kvm_intel" : strstr(buf, " svm") ? "kvm_amd" : NULL;
}
