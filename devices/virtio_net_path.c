// SPDX-License-Identifier: Apache-2.0
/*
 * Who serves rx and tx: the device, frame by frame through the backend, or the backend's peer, straight
 * on the rings.
 *
 *                  net_path_start()                net_path_review()
 *	stopped  ------------------->  FRAMES  <----------------------->  RINGS
 *	         <-------------------     |                                 |
 *	                 ^                +-- kicks on our loop             +-- kicks with the peer
 *	                 |                +-- vq in use                     +-- vq frozen
 *	                 +--------- net_path_stop() ------------------------+
 *
 * What goes from one side to the other is where each queue stands (struct net_ring) and nothing else:
 * our side gives back the buffers that it holds and stops only with no frame in its hands; the peer
 * finishes what it has begun. Whoever starts looks into both rings at once, and the driver gets an
 * interrupt, so that no kick and no interrupt of the time between is missed.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "devices/net_features.h"
#include "devices/virtio_net_priv.h"
#include "vmm/core/fd.h"
#include "vmm/core/log.h"

_Static_assert(NET_RX == 0 && NET_TX == 1, "struct net_ring_ops: ring 0 is rx, ring 1 is tx");
#define NET_RINGS 2u

static const char *path_name(const struct virtio_net *n, enum net_path path)
{
	return path == NET_PATH_RINGS ? n->backend->ring->name : "pure";
}

static enum net_path wanted(const struct virtio_net *n)
{
	if (!n->rings_wanted || !net_link(n) || n->releasing)
		return NET_PATH_FRAMES;
	if (!vq_running(n->queue[NET_RX].vq) || !vq_running(n->queue[NET_TX].vq))
		return NET_PATH_FRAMES;
	return NET_PATH_RINGS;
}

/* ---- frames */

static void frames_stop(struct virtio_net *n)
{
	for (unsigned i = NET_RX; i <= NET_TX; i++)
		loop_del(&n->queue[i].kick);
	if (n->backend_started)
		n->backend->frame->stop(n->backend);
	n->backend_started = false;
	net_rx_stop(n);
	n->tx.blocked = false;
	n->path = NET_PATH_NONE;
}

static int frames_start(struct virtio_net *n)
{
	int r = 0;

	n->path = NET_PATH_FRAMES;
	if (!n->gone) {
		r = n->backend->frame->start(n->backend, n->offloads, &n->sink);
		n->backend_started = r == 0;
	}
	for (unsigned i = NET_RX; i <= NET_TX && r == 0; i++) {
		struct net_queue *q = &n->queue[i];

		q->pushed = 0;
		q->again = false;
		if (!vq_running(q->vq))
			continue;
		/* What was posted before is looked at now; a kick for it is none for us. */
		fd_event_take(q->kick.fd);
		net_again(q);
		r = loop_add(n->dev.loop, &q->kick);
	}
	if (r < 0) {
		frames_stop(n);
		return r;
	}
	net_rx_start(n);
	return 0;
}

/* ---- rings */

/* The peer has let go of the rings: where are they? On failure the device is stopped. */
static int take_back(struct virtio_net *n, const struct net_ring *ring)
{
	for (unsigned i = 0; i < NET_RINGS; i++) {
		struct vq *q = n->queue[i].vq;
		char why[160];

		if (vq_resume(q, ring[i].next_avail) == 0)
			continue;
		snprintf(why, sizeof(why), "queue %u came back from %s at %u: %s", i,
		         n->backend->ring->name, ring[i].next_avail, q->why);
		virtio_failed(&n->dev, why);
		return -EPROTO;
	}
	return 0;
}

/* @i rang so often, once of these was we. */
static void count_kicks(struct virtio_net *n)
{
	for (unsigned i = 0; i < NET_RINGS; i++) {
		uint64_t kicks = fd_event_take(n->queue[i].kick.fd);

		if (kicks)
			*n->queue[i].count.kicks += kicks - 1;
	}
}

static int rings_stop(struct virtio_net *n)
{
	struct net_ring ring[NET_RINGS] = {0};
	int r;

	n->backend->ring->stop(n->backend, ring, NET_RINGS);
	n->path = NET_PATH_NONE;
	count_kicks(n);
	r = take_back(n, ring);
	virtio_isr_always(&n->dev, false);
	return r;
}

static int rings_start(struct virtio_net *n)
{
	struct net_ring ring[NET_RINGS];
	int r;

	for (unsigned i = 0; i < NET_RINGS; i++) {
		const struct virtio_queue *q = &n->vq[i];

		ring[i] = (struct net_ring){
			.num = q->addr.num,
			.desc = q->addr.desc,
			.avail = q->addr.avail,
			.used = q->addr.used,
			.next_avail = vq_position(&q->vq),
			.kick_fd = q->kick_fd,
			.call_fd = n->dev.call_fd,
		};
	}
	virtio_isr_always(&n->dev, true);
	r = n->backend->ring->start(n->backend, n->dev.accepted, n->offloads, ring, NET_RINGS,
	                            &n->sink);
	if (r < 0) {
		if (r == -EPROTO) /* here it means what take_back() says */
			r = -EIO;
		if (take_back(n, ring) < 0)
			r = -EPROTO;
		virtio_isr_always(&n->dev, false);
		return r;
	}
	n->path = NET_PATH_RINGS;
	for (unsigned i = 0; i < NET_RINGS; i++)
		fd_event_set(n->queue[i].kick.fd);
	return 0;
}

/* ---- from one to the other */

static int start_one(struct virtio_net *n, enum net_path path)
{
	return path == NET_PATH_RINGS ? rings_start(n) : frames_start(n);
}

static int stop_one(struct virtio_net *n)
{
	if (n->path == NET_PATH_RINGS)
		return rings_stop(n);
	frames_stop(n);
	return 0;
}

/*
 * 0 the wanted path serves; -errno the one before does; -EPROTO nobody does, and the device is stopped.
 */
static int change(struct virtio_net *n)
{
	const enum net_path was = n->path, want = wanted(n);
	char why[80];
	int r, again;

	if (was == NET_PATH_NONE || was == want)
		return 0;
	r = stop_one(n);
	if (r < 0)
		return r;
	r = start_one(n, want);
	if (r == -EPROTO)
		return r;
	if (r == 0) {
		n->stats.switches++;
		virtio_used(&n->dev);
		return 0;
	}
	again = start_one(n, was);
	if (again < 0) {
		snprintf(why, sizeof(why), "neither path starts: %s", strerror(-again));
		virtio_failed(&n->dev, why);
		return -EPROTO;
	}
	return r;
}

void net_path_review(struct virtio_net *n)
{
	int r = change(n);

	if (r < 0 && r != -EPROTO)
		log_error("%s: path=%s does not start: %s; it stays with %s", n->dev.name,
		          path_name(n, wanted(n)), strerror(-r), path_name(n, n->path));
}

int net_path_start(struct virtio_net *n)
{
	return start_one(n, wanted(n));
}

void net_path_stop(struct virtio_net *n)
{
	struct net_ring ring[NET_RINGS] = {0};

	if (n->path == NET_PATH_RINGS) {
		n->backend->ring->stop(n->backend, ring, NET_RINGS);
		count_kicks(n);
		/* No interrupt: the driver has let go of the device, or is told more than this. */
		atomic_store_explicit(&n->dev.isr_always, 0, memory_order_relaxed);
		n->path = NET_PATH_NONE;
	} else if (n->path == NET_PATH_FRAMES) {
		frames_stop(n);
	}
}

static int offered_too_much(const struct virtio_net *n, char *why, size_t size)
{
	const struct net_backend *b = n->backend;
	const uint64_t cannot = n->dev.offered & b->ring_cannot;
	char names[200];

	if (!cannot)
		return 0;
	snprintf(why, size,
	         "the driver was offered %s, which %s cannot honour: start with path=%s, or take "
	         "them away by features=",
	         net_features_print(cannot, names, sizeof(names)), b->ring->name, b->ring->name);
	return -ENOTSUP;
}

/* Can the ring path serve this device at all? Nothing that serves is touched. */
static int judge(const struct virtio_net *n, char *why, size_t size)
{
	struct net_backend *b = n->backend;
	int r;

	if (!b->ring) {
		snprintf(why, size, "the frames of %s %s have to pass through doorbell", b->kind,
		         b->label);
		return -ENOTSUP;
	}
	r = offered_too_much(n, why, size);
	if (r < 0)
		return r;
	if (n->dev.call_fd < 0) {
		snprintf(why, size, "it could not interrupt the driver: that takes irq=irqfd");
		return -ENOTSUP;
	}
	r = b->ring->prepare(b, n->dev.mem, why, size);
	return r < 0 ? r : offered_too_much(n, why, size);
}

int virtio_net_set_path(struct virtio_net *n, bool rings, struct virtio_net_switch *s)
{
	const bool before = n->rings_wanted;
	const uint64_t switches = n->stats.switches;
	uint64_t from;
	int r = 0;

	*s = (struct virtio_net_switch){0};
	if (rings)
		r = judge(n, s->why, sizeof(s->why));
	if (r < 0)
		return r;
	if (n->rx.waiting) {
		snprintf(s->why, sizeof(s->why),
		         "a received frame of %u bytes waits for buffers of the driver",
		         n->rx.waiting);
		return -EAGAIN;
	}
	from = loop_now_ns();
	n->rings_wanted = rings;
	r = change(n);
	if (n->stats.switches != switches)
		s->pause_ns = loop_now_ns() - from;
	if (r < 0) {
		n->rings_wanted = before;
		snprintf(s->why, sizeof(s->why), "it does not start: %s", strerror(-r));
	}
	return r;
}

bool virtio_net_rings(const struct virtio_net *n)
{
	if (n->path == NET_PATH_NONE || !net_link(n))
		return n->rings_wanted;
	return n->path == NET_PATH_RINGS;
}
