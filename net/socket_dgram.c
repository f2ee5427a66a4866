/* SPDX-License-Identifier: Apache-2.0 */
/*
 * socket,type=dgram: a frame is a datagram between two sockets that each have a name.
 *
 * Ours is connected to the peer's: only then does it say when there is room again, and takes datagrams from nobody else.
 * With server=on it is connected to whoever sends the first one. Datagrams have no end: that a peer has gone is noticed
 * when something is sent to it, or when the name of its socket is taken away, as by the next one that wants it.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/net_feed.h"
#include "net/net_msg.h"
#include "net/socket.h"
#include "net/socket_link.h"
#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"
#include "vmm/core/log.h"
#include "vmm/core/name_watch.h"
#include "vmm/core/unix_socket.h"

/* The largest frame is one datagram, and several of them may wait. */
#define SEND_BUFFER (1 << 20)

struct net_dgram {
	struct net_backend b; /* first */
	struct net_feed feed;
	struct socket_link link;
	struct sockaddr_un own, peer;
	bool server;
	struct loop_fd sock; /* owned */
	struct name_watch
		watch; /* of the peer's name, while it is connected; without, it does what it can */
	bool readable, full;
	char hello[64]; /* without the end, as a datagram */
	struct net_msg msg;
};

static struct net_dgram *dgram_of(struct net_backend *b)
{
	return container_of(b, struct net_dgram, b);
}

/* ---- the peer */

static void update(struct net_dgram *d)
{
	uint32_t events = 0;

	if (!d->sock.loop)
		return;
	/* Without a peer every datagram is of interest: it may be from one. */
	if (!d->link.up ? d->server : d->feed.started && d->feed.want_recv)
		events |= EPOLLIN;
	if (d->full)
		events |= EPOLLOUT;
	loop_set(&d->sock, events);
}

static void lose(struct net_dgram *d, int err)
{
	const struct sockaddr nobody = {.sa_family = AF_UNSPEC};

	if (!d->link.up)
		return;
	/* Also throws away what it has sent: nobody else's can be among it. */
	(void)connect(d->sock.fd, &nobody, sizeof(nobody));
	name_watch_end(&d->watch);
	d->full = d->readable = false;
	link_lost(&d->link, false, err == ECONNREFUSED ? "it is gone" : strerror(err));
	update(d);
}

static void found(struct net_dgram *d)
{
	link_up(&d->link);
	update(d);
	if (d->hello[0] &&
	    send(d->sock.fd, d->hello, strlen(d->hello), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		lose(d, errno);
}

static void on_name_gone(void *arg)
{
	lose(arg, ECONNREFUSED);
}

/* 0 or -errno. Watched first: a peer that is followed by another in between is lost, not missed. */
static int connect_to(struct net_dgram *d, const struct sockaddr_un *peer, socklen_t len)
{
	char path[sizeof(peer->sun_path) + 1] = {0}; /* the kernel needs no end */
	int ret;

	memcpy(path, peer->sun_path, len - offsetof(struct sockaddr_un, sun_path));
	(void)name_watch_begin(&d->watch, path);
	ret = connect(d->sock.fd, (const struct sockaddr *)peer, len) < 0 ? -errno : 0;
	if (ret < 0)
		name_watch_end(&d->watch);
	return ret;
}

static void look(void *arg)
{
	struct net_dgram *d = arg;

	if (d->server) /* it will say something */
		update(d);
	else if (connect_to(d, &d->peer, sizeof(d->peer)) == 0)
		found(d);
	else
		link_retry(&d->link);
}

/* server=on, and somebody has sent the first datagram. That one stays, unless nobody can be answered. */
static void meet(struct net_dgram *d)
{
	struct sockaddr_un from;
	socklen_t len = sizeof(from);
	char byte;

	if (recvfrom(d->sock.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT, (struct sockaddr *)&from,
	             &len) < 0)
		return;
	if (len > sizeof(from.sun_family) &&
	    connect_to(d, &from, min_u32(len, sizeof(from))) == 0) {
		found(d);
		return;
	}
	d->b.stats.recv_dropped++;
	(void)recv(d->sock.fd, &byte, 1, MSG_DONTWAIT);
}

static void on_sock(void *arg, uint32_t revents)
{
	struct net_dgram *d = arg;
	int err = 0;
	socklen_t len = sizeof(err);

	if (revents & EPOLLOUT)
		d->full = false;
	if (revents & EPOLLERR && getsockopt(d->sock.fd, SOL_SOCKET, SO_ERROR, &err, &len) == 0 &&
	    err)
		lose(d, err);
	if ((revents & EPOLLIN) && !d->link.up && d->server)
		meet(d);
	d->readable = d->link.up && (revents & EPOLLIN);
	update(d);
}

/* ---- the device's side */

static bool dgram_ready(void *arg)
{
	const struct net_dgram *d = arg;

	return d->readable;
}

static bool dgram_room(void *arg)
{
	const struct net_dgram *d = arg;

	return !d->full;
}

static int dgram_start(struct net_backend *b, uint64_t offloads, const struct net_sink *sink)
{
	struct net_dgram *d = dgram_of(b);
	int ret = offloads ? -EINVAL : feed_start(&d->feed, sink);

	if (ret == 0)
		update(d);
	return ret;
}

static void dgram_stop(struct net_backend *b)
{
	struct net_dgram *d = dgram_of(b);

	feed_stop(&d->feed);
	update(d);
}

static int dgram_set_offloads(unused struct net_backend *b, uint64_t offloads)
{
	return offloads ? -EINVAL : 0;
}

static ssize_t dgram_send(struct net_backend *b, const struct iovec *iov, unsigned nr)
{
	struct net_dgram *d = dgram_of(b);
	ssize_t ret;

	if (!d->link.up) {
		b->stats.send_errors++;
		return -ENETDOWN;
	}
	ret = net_msg_send(&d->msg, b, d->sock.fd, iov, nr);
	if (ret == -EAGAIN) {
		d->feed.want_send = d->full = true;
		update(d);
	} else if (ret == -ECONNREFUSED || ret == -ENOTCONN || ret == -ECONNRESET ||
	           ret == -EPERM) {
		lose(d, (int)-ret); /* the last: it speaks with somebody else now */
	}
	return ret;
}

static ssize_t dgram_recv(struct net_backend *b, const struct iovec *iov, unsigned nr)
{
	struct net_dgram *d = dgram_of(b);
	const uint64_t dropped = b->stats.recv_dropped;
	ssize_t ret;

	if (!d->link.up)
		return 0;
	do /* what is no frame is not the end of them */
		ret = net_msg_recv(&d->msg, b, d->sock.fd, iov, nr);
	while ((ret == 0 && b->stats.recv_dropped != dropped) || ret == -EPIPE);
	if (ret > 0)
		return ret;
	d->readable = false;
	if (ret < 0)
		lose(d, (int)-ret);
	return 0;
}

static void dgram_want_recv(struct net_backend *b, bool on)
{
	struct net_dgram *d = dgram_of(b);

	d->feed.want_recv = on;
	update(d);
}

static bool dgram_attend(struct net_backend *b, void (*tell)(void *arg, bool up), void *arg)
{
	return link_attend(&dgram_of(b)->link, tell, arg);
}

/* ---- life */

static void dgram_destroy(struct net_backend *b)
{
	struct net_dgram *d = dgram_of(b);

	link_free(&d->link);
	feed_stop(&d->feed);
	name_watch_free(&d->watch);
	loop_del(&d->sock);
	if (d->sock.fd >= 0)
		unlink(d->own.sun_path);
	fd_close(&d->sock.fd);
	free(d);
}

static const struct net_frame_ops dgram_ops = {
	.start = dgram_start,
	.stop = dgram_stop,
	.set_offloads = dgram_set_offloads,
	.send = dgram_send,
	.recv = dgram_recv,
	.want_recv = dgram_want_recv,
};

static struct net_dgram *make(const char *nic, struct loop *l)
{
	struct net_dgram *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->b.kind = "socket";
	d->b.frame = &dgram_ops;
	d->b.attend = dgram_attend;
	d->b.destroy = dgram_destroy;
	d->sock = (struct loop_fd){.fd = -1, .fn = on_sock, .arg = d};
	d->feed = (struct net_feed){.loop = l, .ready = dgram_ready, .room = dgram_room, .arg = d};
	d->link = (struct socket_link){.b = &d->b, .nic = nic, .loop = l, .look = look, .arg = d};
	return d;
}

/* 0 or -errno with the key that is to blame. */
static int open_paths(struct net_dgram *d, const struct socket_config *cfg, const char **key)
{
	const int size = SEND_BUFFER;
	int ret;

	*key = "path";
	ret = unix_address(cfg->path, cfg->server ? &d->own : &d->peer);
	if (ret == 0 && !cfg->server) {
		ret = unix_look(&d->peer);
		if (ret == 0) {
			*key = "local";
			ret = unix_address(cfg->local, &d->own);
		}
	}
	if (ret == 0)
		ret = d->sock.fd = unix_bind_datagrams(&d->own);
	if (ret < 0)
		return ret;
	setsockopt(d->sock.fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	return loop_add(d->feed.loop, &d->sock);
}

int socket_dgram_create(const struct socket_config *cfg, const struct net_common *common,
                        struct loop *l, struct net_backend **out)
{
	struct net_dgram *d = make(common->nic, l);
	const char *key = NULL;
	int ret = d ? link_init(&d->link) : -ENOMEM;

	if (ret == 0) {
		d->server = cfg->server;
		snprintf(d->b.label, sizeof(d->b.label), "%s", cfg->path);
		snprintf(d->hello, sizeof(d->hello), "%s", cfg->hello ? cfg->hello : "");
		ret = open_paths(d, cfg, &key);
	}
	if (ret < 0) {
		if (key)
			log_error("%s: socket: %s=%s: %s", common->nic, key,
			          key[0] == 'p' ? cfg->path : cfg->local, unix_reason(ret));
		else
			log_error("%s: socket: %s", common->nic, strerror(-ret));
		if (d)
			dgram_destroy(&d->b);
		return ret;
	}
	(void)name_watch_init(&d->watch, l, on_name_gone, d);
	look(d);
	if (!d->link.up)
		log_warn("%s: waiting for a peer %s %s", common->nic,
		         cfg->server ? "to send to" : "at", d->b.label);
	*out = &d->b;
	return 0;
}
