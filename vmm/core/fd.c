/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/core/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "vmm/core/num.h"

void fd_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = saved;
}

int fd_eventfd(void)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

void fd_event_set(int fd)
{
	const uint64_t one = 1;
	int saved = errno;

	/* EAGAIN means that the counter is full: the reader has enough to read. */
	if (write(fd, &one, sizeof(one)) < 0)
		errno = saved;
}

uint64_t fd_event_take(int fd)
{
	uint64_t count = 0;

	struct iovec iov = {&count, sizeof(count)};
	/* Eventfds know RWF_NOWAIT since Linux 5.8; O_NONBLOCK can be taken off by all who share them. */
	ssize_t n = preadv2(fd, &iov, 1, -1, RWF_NOWAIT);

	if (n < 0 && (errno == EOPNOTSUPP || errno == ENOSYS))
		n = read(fd, &count, sizeof(count));
	return n == (ssize_t)sizeof(count) ? count : 0;
}

uint64_t fd_event_peek(int fd)
{
	static const char key[] = "eventfd-count:"; /* kernel: filesystems/proc.rst, 3.8 */
	uint64_t count = 0;
	char text[512], path[48];
	const char *at;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	at = strstr(text, key);
	return at && num_at(at + strlen(key), 16, &count) ? count : 0;
}

bool fd_is_eventfd(int fd)
{
	static const char want[] = "anon_inode:[eventfd]";
	char path[48], link[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, link, sizeof(link));
	return n < 0 || ((size_t)n == strlen(want) && memcmp(link, want, (size_t)n) == 0);
}

bool fd_is_local(int fd)
{
	struct statx st;

	/* Only files that are memory have seals. */
	if (fcntl(fd, F_GET_SEALS) >= 0)
		return true;
	/* What is known already: asked anew, the server would have to answer. */
	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &st) < 0)
		return false;
	return !S_ISREG(st.stx_mode) || st.stx_dev_major != 0;
}

int fd_set_nonblock(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -errno;
	if (!(flags & O_NONBLOCK) && fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	return 0;
}

int fd_pread_all(int fd, void *dst, size_t len, uint64_t off)
{
	uint8_t *p = dst;

	if (off > INT64_MAX || len > INT64_MAX - off)
		return -EINVAL;
	while (len > 0) {
		ssize_t n = pread(fd, p, len, (off_t)off);

		if (n == 0)
			return -ENODATA;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		off += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

int fd_write_all(int fd, const void *src, size_t len)
{
	const uint8_t *p = src;

	while (len > 0) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EAGAIN) {
			struct pollfd pfd = {.fd = fd, .events = POLLOUT};

			if (poll(&pfd, 1, -1) < 0 && errno != EINTR)
				return -errno;
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}
