/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/core/unix_socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/core/fd.h"

int unix_address(const char *path, struct sockaddr_un *out)
{
	*out = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (path[0] == '\0')
		return -EINVAL;
	if (strlen(path) >= sizeof(out->sun_path))
		return -ENAMETOOLONG;
	memcpy(out->sun_path, path, strlen(path) + 1);
	return 0;
}

int unix_connect(const struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int ret = -errno;

	if (fd < 0)
		return ret;
	if (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0)
		return fd;
	ret = -errno;
	close(fd);
	return ret;
}

/* Is somebody listening there? Otherwise what an earlier run left behind is removed. */
static int make_room(const struct sockaddr_un *addr)
{
	struct stat st;
	int ret;

	if (lstat(addr->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	ret = unix_connect(addr);
	if (ret >= 0)
		close(ret);
	if (ret >= 0 || ret == -EAGAIN) /* the second: it has no time for us */
		return -EADDRINUSE;
	if (ret != -ECONNREFUSED)
		return ret;
	return unlink(addr->sun_path) < 0 ? -errno : 0;
}

int unix_listen(const struct sockaddr_un *addr, int backlog)
{
	int ret = make_room(addr);
	int fd;

	if (ret < 0)
		return ret;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* Before bind(): between the two nobody else may connect. */
	if (fchmod(fd, S_IRUSR | S_IWUSR) < 0 ||
	    bind(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0) {
		ret = -errno;
	} else if (listen(fd, backlog) < 0) {
		ret = -errno;
		unlink(addr->sun_path);
	}
	if (ret < 0)
		fd_close(&fd);
	return ret < 0 ? ret : fd;
}

const char *unix_reason(int err)
{
	switch (err) {
	case -EADDRINUSE:
		return "another program listens there";
	case -EEXIST:
		return "there is something else of that name";
	case -EINVAL:
		return "the path is empty";
	case -ENAMETOOLONG:
		return "the path is too long, possible are 107 bytes";
	default:
		return strerror(-err);
	}
}
