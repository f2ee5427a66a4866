/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every frame comes back to who sent it, as from a host that has every address and echoes (net/turn_round.h). One
 * copy each way.
 *
 * A frame keeps its header: what the driver left to be done (a checksum, segmentation) is left to be done by itself.
 * If it does not take that, checksums are completed here, and segments are the device's to drop.
 */
#include <errno.h>
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <string.h>

#include "net/net_feed.h"
#include "net/net_kinds.h"
#include "net/net_offload.h"
#include "net/turn_round.h"
#include "vmm/core/compiler.h"
#include "vmm/core/frame_pipe.h"
#include "vmm/core/iov.h"
#include "vmm/core/log.h"

/* A ring full of the largest segments, or 16 thousand of the smallest frames. */
#define PIPE_BYTES MIB(1)

#define ETH_HEADER 14u

struct net_echo {
	struct net_backend b; /* first */
	struct net_feed feed;
	bool takes_partial;     /* a checksum may be left to the driver */
	struct frame_pipe pipe; /* header and frame, turned round */
};

static struct net_echo *echo_of(struct net_backend *b)
{
	return container_of(b, struct net_echo, b);
}

static bool echo_ready(void *arg)
{
	struct net_echo *e = arg;

	return !frame_pipe_empty(&e->pipe);
}

static int echo_set_offloads(struct net_backend *b, uint64_t offloads)
{
	echo_of(b)->takes_partial = offloads & FEATURE(VIRTIO_NET_F_GUEST_CSUM);
	return 0;
}

static int echo_start(struct net_backend *b, uint64_t offloads, const struct net_sink *s)
{
	int ret = feed_start(&echo_of(b)->feed, s);

	return ret < 0 ? ret : echo_set_offloads(b, offloads);
}

static void echo_stop(struct net_backend *b)
{
	feed_stop(&echo_of(b)->feed);
}

static void echo_forget(struct net_backend *b)
{
	b->stats.recv_dropped += frame_pipe_clear(&echo_of(b)->pipe);
}

static ssize_t echo_send(struct net_backend *b, const struct iovec *iov, unsigned nr)
{
	struct net_echo *e = echo_of(b);
	const size_t len = iov_bytes(iov, nr);
	uint8_t *at;

	if (len < NET_HDR_LEN + ETH_HEADER || len > NET_RECV_MAX) {
		b->stats.send_errors++;
		return -EINVAL;
	}
	b->stats.sends++;
	b->stats.send_bytes += len;
	at = frame_pipe_room(&e->pipe, len);
	if (!at) { /* a driver that sends and does not receive: as on a network */
		b->stats.recv_dropped++;
		return (ssize_t)len;
	}
	iov_read(iov, nr, 0, at, len);
	memset(at + offsetof(struct virtio_net_hdr_v1, num_buffers), 0, 2);
	turn_round(at + NET_HDR_LEN, len - NET_HDR_LEN);
	frame_pipe_push(&e->pipe, len);
	b->stats.bytes_copied += len - NET_HDR_LEN;
	return (ssize_t)len;
}

static ssize_t echo_recv(struct net_backend *b, const struct iovec *iov, unsigned nr)
{
	struct net_echo *e = echo_of(b);
	size_t len;
	uint8_t *frame = frame_pipe_front(&e->pipe, &len);

	if (!frame) {
		b->stats.recv_empty++;
		return 0;
	}
	if (!e->takes_partial)
		net_offload_complete(&(struct iovec){frame, len}, 1, len);
	iov_write(iov, nr, 0, frame, len);
	frame_pipe_pop(&e->pipe);
	b->stats.recvs++;
	b->stats.recv_bytes += len;
	b->stats.bytes_copied += len - NET_HDR_LEN;
	return (ssize_t)len;
}

static void echo_want_recv(struct net_backend *b, bool on)
{
	echo_of(b)->feed.want_recv = on;
}

/* Each pair returns what was sent on it: the others have nothing of it to lose. */
static int echo_set_pairs(unused struct net_backend *b, unused unsigned nr)
{
	return 0;
}

static void echo_destroy(struct net_backend *b)
{
	while (b) {
		struct net_echo *e = echo_of(b);

		b = b->next;
		feed_stop(&e->feed);
		frame_pipe_free(&e->pipe);
		free(e);
	}
}

static const struct net_frame_ops echo_ops = {
	.start = echo_start,
	.stop = echo_stop,
	.set_offloads = echo_set_offloads,
	.send = echo_send,
	.recv = echo_recv,
	.want_recv = echo_want_recv,
	.forget = echo_forget,
};

/* The backend of one pair, in *out also when it fails. 0 or -errno. */
static int make(struct loop *l, struct net_backend **out)
{
	struct net_echo *e = calloc(1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	*out = &e->b;
	e->b.kind = "echo";
	strcpy(e->b.label, "echo");
	e->b.can = NET_OFFLOADS_ALL;
	e->b.frame = &echo_ops;
	e->b.destroy = echo_destroy;
	e->feed.loop = l;
	e->feed.ready = echo_ready;
	e->feed.arg = e;
	return frame_pipe_init(&e->pipe, PIPE_BYTES);
}

static int echo_create(unused const void *config, const struct net_common *common, struct loop *l,
                       struct net_backend **out)
{
	struct net_backend **last = out;
	int ret = make(l, last);

	for (unsigned i = 0; i < common->more_pairs && ret == 0; i++) {
		last = &(*last)->next;
		ret = make(common->more_loops[i], last);
	}
	if (ret < 0) {
		log_error("%s: echo: %s", common->nic, strerror(-ret));
		net_destroy(*out);
		*out = NULL;
		return ret;
	}
	if (common->more_pairs) {
		(*out)->set_pairs = echo_set_pairs;
		(*out)->can |= FEATURE(VIRTIO_NET_F_MQ);
	}
	return 0;
}

static const struct opt_def no_keys[] = {OPT_END};

const struct net_kind net_kind_echo = {
	.name = "echo",
	.help = "every frame comes back, from a host that has every address; answers ARP, ping, "
		"UDP",
	.keys = no_keys,
	.create = echo_create,
};
