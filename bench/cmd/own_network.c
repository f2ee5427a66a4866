/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/cmd/own_network.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static bool write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return ok;
}

bool enter_own_network(const char **why)
{
	struct ifreq ifr = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	unsigned uid = getuid(), gid = getgid();
	char map[64];
	int s;

	/* Who may make a network namespace needs no user namespace, which a threaded program (TSan) is refused. */
	if (unshare(CLONE_NEWNET) < 0) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0) {
			*why = "no user and network namespaces for us: root may make them; others "
			       "see the sysctls user.max_user_namespaces, "
			       "kernel.unprivileged_userns_clone";
			return false;
		}
		snprintf(map, sizeof(map), "0 %u 1", uid);
		if (!write_text("/proc/self/setgroups", "deny") ||
		    !write_text("/proc/self/uid_map", map)) {
			*why = "no user mapping for us: root needs none; others see the sysctl "
			       "kernel.apparmor_restrict_unprivileged_userns";
			return false;
		}
		snprintf(map, sizeof(map), "0 %u 1", gid);
		if (!write_text("/proc/self/gid_map", map)) {
			*why = "no group mapping for us";
			return false;
		}
	}
	s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	*why = NULL;
	if (s < 0 || ioctl(s, SIOCSIFFLAGS, &ifr) < 0)
		*why = "the loopback interface cannot be brought up";
	if (s >= 0)
		close(s);
	return *why == NULL;
}
