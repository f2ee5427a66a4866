/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/host.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
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

bool host_has_program(const char *name)
{
	const char *dir = getenv("PATH");
	char file[PATH_MAX];

	while (dir && *dir) {
		const int len = (int)strcspn(dir, ":");

		if (snprintf(file, sizeof(file), "%.*s/%s", len, dir, name) < (int)sizeof(file) &&
		    access(file, X_OK) == 0)
			return true;
		dir += len;
		dir += *dir == ':';
	}
	return false;
}
