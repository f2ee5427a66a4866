/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ethernet frames, one per message, over a unix socket that was handed in: one end of a socketpair
 * of type SOCK_SEQPACKET (of SOCK_DGRAM nobody hears that the other end was closed). Joins two
 * machines without any privilege, and is what tests talk to. The frames carry no virtio header,
 * hence no offloads.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "net/net_kinds.h"
#include "net/net_msg.h"
#include "net/net_port.h"
#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"
#include "vmm/core/log.h"

struct pipe_config {
	uint64_t fd;
};

struct net_pipe {
	struct net_backend b; /* first */
	struct net_port port;
	int fd; /* ours: a duplicate of what was handed in */
	struct net_msg msg;
};

static struct net_pipe *pipe_of(struct net_backend *b)
{
	return container_of(b, struct net_pipe, b);
}

static int pipe_start(struct net_backend *b, uint64_t offloads, const struct net_sink *s)
{
	return offloads ? -EINVAL : port_start(&pipe_of(b)->port, s);
}

static void pipe_stop(struct net_backend *b)
{
	port_stop(&pipe_of(b)->port);
}

static int pipe_set_offloads(unused struct net_backend *b, uint64_t offloads)
{
	return offloads ? -EINVAL : 0;
}

static void pipe_want_recv(struct net_backend *b, bool on)
{
	port_want_recv(&pipe_of(b)->port, on);
}

static bool peer_is_gone(int err)
{
	return err == EPIPE || err == ECONNRESET || err == ENOTCONN;
}

static ssize_t pipe_send(struct net_backend *b, const struct iovec *iov, unsigned nr)
{
	struct net_pipe *p = pipe_of(b);
	ssize_t ret = net_msg_send(&p->msg, b, p->fd, iov, nr);

	if (ret == -EAGAIN)
		port_want_send(&p->port);
	else if (ret < 0 && peer_is_gone(-(int)ret))
		port_lost(&p->port, -ENODEV);
	return ret;
}

static ssize_t pipe_recv(struct net_backend *b, const struct iovec *iov, unsigned nr)
{
	struct net_pipe *p = pipe_of(b);
	ssize_t ret = net_msg_recv(&p->msg, b, p->fd, iov, nr);

	if (ret >= 0)
		return ret;
	if (peer_is_gone(-(int)ret))
		port_lost(&p->port, -ENODEV);
	return 0;
}

static void pipe_destroy(struct net_backend *b)
{
	struct net_pipe *p = pipe_of(b);

	port_stop(&p->port);
	fd_close(&p->fd);
	free(p);
}

static const struct net_frame_ops pipe_ops = {
	.start = pipe_start,
	.stop = pipe_stop,
	.set_offloads = pipe_set_offloads,
	.send = pipe_send,
	.recv = pipe_recv,
	.want_recv = pipe_want_recv,
};

static const char *what_is_wrong(int fd)
{
	int domain, type;
	socklen_t len = sizeof(int);

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0)
		return errno == EBADF ? "is not open" : "is not a socket";
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 || domain != AF_UNIX ||
	    type != SOCK_SEQPACKET)
		return "is another kind of socket";
	return NULL;
}

static int check_socket(const struct net_common *common, int fd)
{
	const char *why = what_is_wrong(fd);

	if (!why)
		return 0;
	log_error("%s: pipe: fd=%d %s, needed is one end of a unix socketpair of type "
	          "SOCK_SEQPACKET",
	          common->nic, fd, why);
	return -EINVAL;
}

static int pipe_create(const void *config, const struct net_common *common, struct loop *l,
                       struct net_backend **out)
{
	const struct pipe_config *cfg = config;
	struct net_pipe *p;
	int ret, fd;

	*out = NULL;
	if (cfg->fd > INT_MAX) {
		log_error("%s: pipe needs fd=N, one end of a unix socketpair that was handed in",
		          common->nic);
		return -EINVAL;
	}
	ret = check_socket(common, (int)cfg->fd);
	if (ret < 0)
		return ret;
	/* The handed-in descriptor stays open: it is not ours to close. */
	fd = fcntl((int)cfg->fd, F_DUPFD_CLOEXEC, 3);
	p = calloc(1, sizeof(*p));
	if (fd < 0 || !p) {
		ret = p ? -errno : -ENOMEM;
		log_error("%s: pipe: fd=%d: %s", common->nic, (int)cfg->fd, strerror(-ret));
		fd_close(&fd);
		free(p);
		return ret;
	}
	p->fd = fd;
	port_init(&p->port, l, fd);
	p->b.kind = "pipe";
	snprintf(p->b.label, sizeof(p->b.label), "fd=%d", (int)cfg->fd);
	p->b.frame = &pipe_ops;
	p->b.destroy = pipe_destroy;
	*out = &p->b;
	return 0;
}

static void pipe_defaults(void *config)
{
	struct pipe_config *cfg = config;

	cfg->fd = UINT64_MAX;
}

static const struct opt_def pipe_keys[] = {
	{.name = "fd",
         .type = OPT_UINT,
         .offset = offsetof(struct pipe_config, fd),
         .max = INT_MAX,
         .exclusive = 1,
         .arg = "N",
         .help = "one end of a socketpair(AF_UNIX, SOCK_SEQPACKET)"},
	OPT_END,
};

const struct net_kind net_kind_pipe = {
	.one_queue = "a socketpair is one queue",
	.name = "pipe",
	.help = "a unix socketpair that was handed in: one frame per message, no offloads",
	.keys = pipe_keys,
	.config_size = sizeof(struct pipe_config),
	.config_init = pipe_defaults,
	.create = pipe_create,
};
