/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/core/unix_socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

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

static int new_socket(int type)
{
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd < 0 ? -errno : fd;
}

static int connect_to(const struct sockaddr_un *addr, int type)
{
	int fd = new_socket(type);
	int ret;

	if (fd < 0 || connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0)
		return fd;
	ret = -errno;
	close(fd);
	return ret;
}

int unix_connect(const struct sockaddr_un *addr)
{
	return connect_to(addr, SOCK_STREAM);
}

int unix_look(const struct sockaddr_un *addr)
{
	struct stat st;

	if (lstat(addr->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	return S_ISSOCK(st.st_mode) || S_ISLNK(st.st_mode) ? 0 : -EEXIST;
}

/* Does somebody have it? Otherwise what an earlier run left behind is removed. */
static int make_room(const struct sockaddr_un *addr, int type)
{
	struct stat st;
	int ret;

	if (lstat(addr->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	ret = connect_to(addr, type);
	if (ret >= 0)
		close(ret);
	/* The others: it has no time for us, it is of another type, it speaks with somebody else. */
	if (ret >= 0 || ret == -EAGAIN || ret == -EPROTOTYPE || ret == -EPERM)
		return -EADDRINUSE;
	if (ret != -ECONNREFUSED)
		return ret;
	return unlink(addr->sun_path) < 0 ? -errno : 0;
}

/* A socket of that name, for us and for root alone. */
static int bind_to(const struct sockaddr_un *addr, int type)
{
	int ret = make_room(addr, type);
	int fd;

	if (ret < 0)
		return ret;
	fd = new_socket(type);
	if (fd < 0)
		return fd;
	/* Before bind(): between the two nobody else may connect. */
	if (fchmod(fd, S_IRUSR | S_IWUSR) == 0 &&
	    bind(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0)
		return fd;
	ret = -errno;
	close(fd);
	return ret;
}

int unix_bind_datagrams(const struct sockaddr_un *addr)
{
	return bind_to(addr, SOCK_DGRAM);
}

int unix_listen(const struct sockaddr_un *addr, int backlog)
{
	int fd = bind_to(addr, SOCK_STREAM);
	int ret;

	if (fd < 0 || listen(fd, backlog) == 0)
		return fd;
	ret = -errno;
	unlink(addr->sun_path);
	close(fd);
	return ret;
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
