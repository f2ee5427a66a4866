/* SPDX-License-Identifier: Apache-2.0 */
/*
 * socket,type=stream: a connection on which each frame stands behind its length (net/stream_frames.h).
 *
 * One writev() for a frame out, and one read() for as many as are there in. What a full socket has left of a frame is
 * kept, and nothing more taken until it is gone.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/net_feed.h"
#include "net/socket.h"
#include "net/socket_link.h"
#include "net/stream_frames.h"
#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"
#include "vmm/core/iov.h"
#include "vmm/core/log.h"
#include "vmm/core/unix_socket.h"

#define ETH_HEADER 14u

struct net_stream {
	struct net_backend b; /* first */
	struct net_feed feed;
	struct socket_link link;
	struct sockaddr_un addr;
	struct loop_fd listener; /* server=on; -1: none, and not watched while a peer is there */
	struct loop_fd conn;     /* owned; -1: nobody is there */
	bool full;               /* wait until it is writable */
	bool ending;   /* the peer has hung up, and what it said last is still to be read */
	bool ended;    /* all of it was read */
	char why[120]; /* it ended */
	struct stream_in in;
	struct stream_out out;
	struct iovec iov[IOV_MAX];
};

static struct net_stream *stream_of(struct net_backend *b)
{
	return container_of(b, struct net_stream, b);
}

/* ---- the connection */

/* Not watched for its end once that is known: it would be told for ever. */
static void update(struct net_stream *s)
{
	uint32_t events = s->ending || s->ended ? 0 : EPOLLRDHUP;

	if (!s->conn.loop)
		return;
	if (s->feed.started && s->feed.want_recv && !s->ended)
		events |= EPOLLIN;
	if (s->full && !s->ended)
		events |= EPOLLOUT;
	loop_set(&s->conn, events);
}

static void hang_up(struct net_stream *s, bool refused, const char *why)
{
	loop_del(&s->conn);
	fd_close(&s->conn.fd);
	stream_in_clear(&s->in);
	stream_out_clear(&s->out);
	s->full = s->ending = s->ended = false;
	link_lost(&s->link, refused, why);
}

static void end(struct net_stream *s, int err)
{
	s->ended = true;
	snprintf(s->why, sizeof(s->why), "%s",
	         err ? strerror(err) : "it has closed the connection");
}

/* Is there a whole frame? If there can be none any more, the connection is over. */
static bool next_frame(struct net_stream *s, const uint8_t **frame, size_t *len)
{
	char why[80];
	int ret = s->conn.fd < 0 ? 0 : stream_in_front(&s->in, frame, len);

	if (ret == -EPROTO) {
		snprintf(why, sizeof(why), "it announces a frame of %zu bytes, possible are %u",
		         *len, STREAM_FRAME_MAX);
		hang_up(s, true, why);
	} else if (ret == 0 && s->ended) {
		hang_up(s, false, s->why);
	}
	return ret == 1;
}

/*
 * After something happened that may be the end. What it said last is for a driver; where there is none nobody would read
 * it, and the next peer would wait for that.
 */
static void settle(struct net_stream *s)
{
	const uint8_t *frame;
	size_t len;

	(void)next_frame(s, &frame, &len);
	if (s->conn.fd >= 0 && (s->ending || s->ended) && !s->feed.started) {
		if (!s->ended)
			end(s, 0);
		hang_up(s, false, s->why);
	}
	update(s);
}

static void fill(struct net_stream *s)
{
	struct iovec room = stream_in_room(&s->in);
	ssize_t n;

	if (room.iov_len == 0)
		return;
	s->b.stats.syscalls_recv++;
	n = recv(s->conn.fd, room.iov_base, room.iov_len, MSG_DONTWAIT);
	if (n > 0)
		stream_in_add(&s->in, (size_t)n);
	else if (n == 0)
		end(s, 0);
	else if (errno != EAGAIN && errno != EINTR)
		end(s, errno);
	else
		s->b.stats.recv_empty++;
}

static void flush(struct net_stream *s)
{
	struct iovec rest = stream_out_rest(&s->out);
	ssize_t n;

	s->full = false;
	if (rest.iov_len == 0)
		return;
	s->b.stats.syscalls_send++;
	n = send(s->conn.fd, rest.iov_base, rest.iov_len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		stream_out_clear(&s->out); /* who reads will find out why */
	else if (n > 0)
		stream_out_sent(&s->out, (size_t)n);
	s->full = !stream_out_empty(&s->out);
}

static void on_conn(void *arg, uint32_t revents)
{
	struct net_stream *s = arg;

	if (revents & EPOLLOUT)
		flush(s);
	/* Behind a stalled driver only to learn of the end, and no more than there is room for. */
	fill(s);
	if (revents & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		s->ending = true;
	settle(s);
}

static void use(struct net_stream *s, int fd)
{
	int ret;

	s->conn.fd = fd;
	s->conn.events = EPOLLRDHUP;
	ret = loop_add(s->feed.loop, &s->conn);
	if (ret < 0) {
		hang_up(s, false, strerror(-ret));
		return;
	}
	link_up(&s->link);
	update(s);
}

static void on_connect(void *arg, unused uint32_t revents)
{
	struct net_stream *s = arg;
	int fd = accept4(s->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0) /* it may be gone already */
		return;
	loop_del(&s->listener); /* the next one waits until this one is gone */
	use(s, fd);
}

static void look(void *arg)
{
	struct net_stream *s = arg;
	int fd;

	if (s->listener.fd >= 0) {
		if (!s->listener.loop && loop_add(s->feed.loop, &s->listener) < 0)
			link_retry(&s->link);
		return;
	}
	fd = unix_connect(&s->addr);
	if (fd >= 0)
		use(s, fd);
	else
		link_retry(&s->link);
}

/* ---- the device's side */

static bool stream_ready(void *arg)
{
	struct net_stream *s = arg;
	const uint8_t *frame;
	size_t len;

	return next_frame(s, &frame, &len);
}

static bool stream_room(void *arg)
{
	const struct net_stream *s = arg;

	return !s->full;
}

static int stream_start(struct net_backend *b, uint64_t offloads, const struct net_sink *sink)
{
	struct net_stream *s = stream_of(b);
	int ret = offloads ? -EINVAL : feed_start(&s->feed, sink);

	if (ret == 0)
		update(s);
	return ret;
}

static void stream_stop(struct net_backend *b)
{
	struct net_stream *s = stream_of(b);

	feed_stop(&s->feed);
	settle(s);
}

static int stream_set_offloads(unused struct net_backend *b, uint64_t offloads)
{
	return offloads ? -EINVAL : 0;
}

/* The whole of @nr pieces of s->iov, of which @sent bytes are gone, is to be sent. */
static void keep_rest(struct net_stream *s, unsigned nr, size_t sent)
{
	stream_out_keep(&s->out, s->iov, nr, sent);
	s->full = true;
	update(s);
}

static ssize_t refuse_frame(struct net_backend *b, int err)
{
	b->stats.send_errors++;
	return err;
}

static ssize_t wait_for_room(struct net_stream *s)
{
	s->b.stats.send_again++;
	s->feed.want_send = s->full = true;
	update(s);
	return -EAGAIN;
}

static ssize_t stream_send(struct net_backend *b, const struct iovec *iov, unsigned nr)
{
	struct net_stream *s = stream_of(b);
	const size_t len = iov_bytes(iov, nr);
	const size_t bytes = len - NET_HDR_LEN + STREAM_PREFIX;
	uint8_t prefix[STREAM_PREFIX];
	struct msghdr msg = {.msg_iov = s->iov};
	ssize_t n;
	int pieces;

	if (s->conn.fd < 0)
		return refuse_frame(b, -ENETDOWN);
	if (s->full)
		return wait_for_room(s);
	pieces = iov_cut(iov, nr, 0, NET_HDR_LEN, s->iov + 1, IOV_MAX - 1);
	if (pieces <= 0 || len > NET_RECV_MAX)
		return refuse_frame(b, -EINVAL);
	stream_prefix(prefix, len - NET_HDR_LEN);
	s->iov[0] = (struct iovec){prefix, sizeof(prefix)};
	msg.msg_iovlen = (size_t)pieces + 1;
	b->stats.syscalls_send++;
	n = sendmsg(s->conn.fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN ? wait_for_room(s) : refuse_frame(b, -errno);
	if ((size_t)n < bytes)
		keep_rest(s, (unsigned)pieces + 1, (size_t)n);
	b->stats.sends++;
	b->stats.send_bytes += len;
	return (ssize_t)len;
}

static ssize_t stream_recv(struct net_backend *b, const struct iovec *iov, unsigned nr)
{
	struct net_stream *s = stream_of(b);
	const uint8_t *frame;
	size_t len;

	while (next_frame(s, &frame, &len)) {
		if (len < ETH_HEADER) {
			b->stats.recv_dropped++;
			stream_in_pop(&s->in);
			continue;
		}
		iov_zero(iov, nr, 0, NET_HDR_LEN);
		iov_write(iov, nr, NET_HDR_LEN, frame, len);
		stream_in_pop(&s->in);
		b->stats.recvs++;
		b->stats.recv_bytes += len + NET_HDR_LEN;
		b->stats.bytes_copied += len;
		return (ssize_t)(len + NET_HDR_LEN);
	}
	return 0;
}

static void stream_want_recv(struct net_backend *b, bool on)
{
	struct net_stream *s = stream_of(b);

	s->feed.want_recv = on;
	update(s);
}

static bool stream_attend(struct net_backend *b, void (*tell)(void *arg, bool up), void *arg)
{
	return link_attend(&stream_of(b)->link, tell, arg);
}

/* ---- life */

static void stream_destroy(struct net_backend *b)
{
	struct net_stream *s = stream_of(b);

	link_free(&s->link);
	feed_stop(&s->feed);
	loop_del(&s->conn);
	fd_close(&s->conn.fd);
	loop_del(&s->listener);
	if (s->listener.fd >= 0)
		unlink(s->addr.sun_path);
	fd_close(&s->listener.fd);
	free(s);
}

static const struct net_frame_ops stream_ops = {
	.start = stream_start,
	.stop = stream_stop,
	.set_offloads = stream_set_offloads,
	.send = stream_send,
	.recv = stream_recv,
	.want_recv = stream_want_recv,
};

static struct net_stream *make(const char *nic, struct loop *l)
{
	struct net_stream *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->b.kind = "socket";
	s->b.frame = &stream_ops;
	s->b.attend = stream_attend;
	s->b.destroy = stream_destroy;
	s->conn = (struct loop_fd){.fd = -1, .fn = on_conn, .arg = s};
	s->listener = (struct loop_fd){.fd = -1, .events = EPOLLIN, .fn = on_connect, .arg = s};
	s->feed =
		(struct net_feed){.loop = l, .ready = stream_ready, .room = stream_room, .arg = s};
	s->link = (struct socket_link){.b = &s->b, .nic = nic, .loop = l, .look = look, .arg = s};
	return s;
}

/* The path is as it must be, and ours if it is to be ours. 0 or -errno, logged. */
static int open_path(struct net_stream *s, const struct socket_config *cfg)
{
	int ret = unix_address(cfg->path, &s->addr);

	if (ret == 0 && !cfg->server)
		ret = unix_look(&s->addr);
	else if (ret == 0)
		ret = s->listener.fd = unix_listen(&s->addr, 1);
	if (ret < 0)
		log_error("%s: socket: path=%s: %s", s->link.nic, cfg->path, unix_reason(ret));
	return ret < 0 ? ret : 0;
}

int socket_stream_create(const struct socket_config *cfg, const struct net_common *common,
                         struct loop *l, struct net_backend **out)
{
	struct net_stream *s = make(common->nic, l);
	int ret = s ? link_init(&s->link) : -ENOMEM;

	if (ret < 0)
		log_error("%s: socket: %s", common->nic, strerror(-ret));
	else
		ret = open_path(s, cfg);
	if (ret < 0) {
		if (s)
			stream_destroy(&s->b);
		return ret;
	}
	snprintf(s->b.label, sizeof(s->b.label), "%s", cfg->path);
	look(s);
	if (!s->link.up)
		log_warn("%s: waiting for a peer %s %s", common->nic,
		         cfg->server ? "to connect to" : "at", s->b.label);
	*out = &s->b;
	return 0;
}
