/* SPDX-License-Identifier: Apache-2.0 */
#include "net/vhost_user_chan.h"

#include <errno.h>
#include <stdalign.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"

#define FDS_ROOM CMSG_SPACE(VU_FDS_MAX * sizeof(int))

static void drop_fds(struct vu_msg *m)
{
	for (unsigned i = 0; i < m->nr_fds; i++)
		fd_close(&m->fd[i]);
	m->nr_fds = 0;
}

void vu_chan_init(struct vu_chan *c)
{
	*c = (struct vu_chan){.watch.fd = -1};
}

int vu_chan_open(struct vu_chan *c, struct loop *l, int fd, void (*fn)(void *arg, uint32_t revents),
                 void *arg)
{
	int ret;

	if (c->barred) {
		fd_close(&fd);
		return -EPERM;
	}
	*c = (struct vu_chan){
		.watch = {.fd = fd, .events = EPOLLIN, .fn = fn, .arg = arg, .patient = true}};
	ret = loop_add(l, &c->watch);
	if (ret < 0)
		vu_chan_close(c);
	return ret;
}

void vu_chan_close(struct vu_chan *c)
{
	loop_del(&c->watch);
	drop_fds(&c->in);
	fd_close(&c->watch.fd);
}

/*
 * Descriptors that came with these bytes; too many of them: -EPROTO, and none is left open; -EMFILE: there was room for them
 * in the message, but not in this process; -EBADF: one is barred.
 */
static int take_fds(struct vu_chan *chan, struct msghdr *h)
{
	struct vu_msg *m = &chan->in;
	int ret = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		const size_t nr = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < nr; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (!fd_is_local(fd)) {
				chan->barred = true;
			} else if (m->nr_fds < VU_FDS_MAX) {
				m->fd[m->nr_fds++] = fd;
			} else {
				fd_close(&fd);
				ret = -EPROTO;
			}
		}
	}
	if (chan->barred)
		return -EBADF;
	if (ret == 0 && (h->msg_flags & MSG_CTRUNC))
		ret = m->nr_fds < VU_FDS_MAX ? -EMFILE : -EPROTO;
	return ret;
}

/* Up to @len bytes. How many; 0 none now; -EPIPE, -EPROTO, -errno. */
static ssize_t receive(struct vu_chan *c, void *at, size_t len)
{
	alignas(struct cmsghdr) uint8_t room[FDS_ROOM];
	struct iovec iov = {at, len};
	struct msghdr h = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = room,
		.msg_controllen = sizeof(room),
	};
	ssize_t n = recvmsg(c->watch.fd, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	int ret;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	ret = take_fds(c, &h);
	if (ret < 0)
		return ret;
	return n ? n : -EPIPE;
}

/* Until there are @end bytes of the message. 1, 0 or -errno. */
static int fill(struct vu_chan *c, size_t end)
{
	while (c->have < end) {
		uint8_t *at = c->have < sizeof(c->in.h)
		                      ? (uint8_t *)&c->in.h + c->have
		                      : (uint8_t *)&c->in.p + (c->have - sizeof(c->in.h));
		ssize_t n = receive(c, at, end - c->have);

		if (n <= 0)
			return (int)n;
		c->have += (size_t)n;
	}
	return 1;
}

int vu_chan_read(struct vu_chan *c, char *why, size_t why_size)
{
	const size_t header = sizeof(c->in.h);
	int ret = 1;

	if (c->whole) {
		drop_fds(&c->in);
		c->in = (struct vu_msg){0};
		c->have = 0;
		c->whole = false;
	}
	if (c->have < header)
		ret = fill(c, header);
	if (ret == 1) {
		ret = vu_check_header(&c->in.h, why, why_size);
		if (ret < 0)
			return ret;
		ret = fill(c, header + c->in.h.size);
	}
	if ((ret == -EPIPE || ret == -ECONNRESET) && c->have > 0)
		snprintf(why, why_size, "it has closed the connection in the middle of a message");
	else if (ret == -EPIPE)
		snprintf(why, why_size, "it has closed the connection");
	else if (ret == -EPROTO)
		snprintf(why, why_size, "more than %u descriptors with a message", VU_FDS_MAX);
	else if (c->barred)
		snprintf(
			why, why_size,
			"a file that is neither in memory nor on a disk of this machine; nobody is "
			"heard here from now on");
	else if (ret < 0)
		snprintf(why, why_size, "%s", strerror(-ret));
	c->whole = ret == 1;
	return ret;
}

int vu_chan_send(const struct vu_chan *c, const struct vu_msg *m)
{
	alignas(struct cmsghdr) uint8_t room[FDS_ROOM] = {0};
	struct vu_header header = m->h;
	struct iovec iov[2] = {
		{&header, sizeof(header)},
		/* Only read from. */
		{(void *)(uintptr_t)&m->p, m->h.size},
	};
	struct msghdr h = {.msg_iov = iov, .msg_iovlen = m->h.size ? 2 : 1};
	ssize_t n;

	header.flags |= VU_VERSION;
	if (m->nr_fds > 0) {
		struct cmsghdr *cm = (void *)room;

		h.msg_control = room;
		h.msg_controllen = CMSG_SPACE(m->nr_fds * sizeof(int));
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(m->nr_fds * sizeof(int));
		memcpy(CMSG_DATA(cm), m->fd, m->nr_fds * sizeof(int));
	}
	n = sendmsg(c->watch.fd, &h, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0)
		return -errno;
	/* A stream that took a part is full: nobody reads there. */
	return (size_t)n == sizeof(header) + m->h.size ? 0 : -EAGAIN;
}
