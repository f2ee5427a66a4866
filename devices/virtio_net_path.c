// SPDX-License-Identifier: Apache-2.0
/*
 * Who is to serve rx and tx: the device, frame by frame through the backend, or the backend's peer, straight
 * on the rings. How that comes about: virtio_net_over.c.
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
#include "vmm/core/log.h"
#include "vmm/core/loop.h"
#include "vmm/core/thread.h"

static const char *path_name(const struct virtio_net *n, enum net_path path)
{
	return path == NET_PATH_RINGS ? n->backend->ring->name : "pure";
}

/* Has the driver set up all queues of the first @pairs pairs? */
static bool queues_run(const struct virtio_net *n, unsigned pairs)
{
	for (unsigned i = 0; i < NET_PAIR_QUEUES * pairs; i++)
		if (!vq_running(&n->vq[i].vq))
			return false;
	return true;
}

static enum net_path wanted(const struct virtio_net *n)
{
	/*
	 * There is nobody to take them from, and nobody moves a frame. When the next peer is there they are taken from it,
	 * if the link is down still.
	 */
	if (n->path == NET_PATH_RINGS && n->gone && n->backend->ring_held && !n->releasing)
		return NET_PATH_RINGS;
	if (!n->rings_wanted || !net_link(n) || n->releasing)
		return NET_PATH_FRAMES;
	return queues_run(n, n->steering.pairs) ? NET_PATH_RINGS : NET_PATH_FRAMES;
}

/* Nobody serves, and it is not the driver's fault. -EPROTO. */
static int fail(struct virtio_net *n, const char *why)
{
	virtio_failed(&n->dev, why);
	return -EPROTO;
}

/* ---- from one to the other */

static int start_wanted(struct virtio_net *n)
{
	return net_over_start(n, wanted(n));
}

static int go_over(struct virtio_net *n, uint64_t from_ns, struct net_pause *pause)
{
	const enum net_path want = wanted(n);
	int r;

	if (n->path == NET_PATH_NONE || n->path == want)
		return 0;
	r = net_over_go(n, want, from_ns, pause);
	if (r == 0)
		n->pair[0].stats.switches++;
	return r;
}

/*
 * 0 the wanted path serves; -errno the one before does, -EAGAIN for the sake of a frame; -EPROTO nobody
 * does, and the device is stopped.
 */
static int change(struct virtio_net *n, uint64_t from_ns, struct net_pause *pause)
{
	const bool rings = n->path == NET_PATH_RINGS;
	int r = go_over(n, from_ns, pause);

	/* The peer was there, or was for a moment. No longer wanted, and gone as asked: virtio_net_let_go(). */
	if (n->path != NET_PATH_RINGS && (r < 0 || (rings && n->rings_wanted)))
		net_over_let_go(n);
	return r;
}

void net_path_review(struct virtio_net *n)
{
	struct net_pause pause;
	int r = change(n, loop_now_ns(), &pause);

	/* -EBUSY: the peer keeps the rings, and is lost by that: its loss has its own line. */
	if (r < 0 && r != -EPROTO && r != -EBUSY)
		log_error("%s: path=%s does not start: %s; it stays with %s", n->dev.name,
		          path_name(n, wanted(n)), strerror(-r), path_name(n, n->path));
}

/* ---- other pairs */

/*
 * No pair runs. 0 or -errno. The backend is told also when the number is what it was: it may have failed on the
 * way to another one.
 */
static int set_steering(struct virtio_net *n, const struct net_steering *want)
{
	int r = 0;

	if (n->backend->set_pairs)
		r = n->backend->set_pairs(n->backend, want->pairs);
	if (r < 0)
		return r;
	n->steering = *want;
	/* What was handed over to a pair that does not look into its inbox any more. */
	for (unsigned i = net_steered(want) ? want->pairs : 0; i < n->nr_pairs; i++)
		net_inbox_clear(&n->pair[i]);
	return 0;
}

/* A backend that stays with several has what it gives to the others lost. */
static void one_pair(struct virtio_net *n)
{
	static const struct net_steering one = {.pairs = 1};

	if (set_steering(n, &one) < 0)
		n->steering = one;
}

/* As it was: if not on the wanted path, then on the other one. */
static int go_back(struct virtio_net *n, const struct net_steering *was)
{
	int r = set_steering(n, was);

	/* It has taken no other number since: it still serves those, as well as it can. */
	if (r < 0 && n->steering.pairs == was->pairs) {
		n->steering = *was;
		r = 0;
	}
	if (r == 0)
		r = start_wanted(n);
	if (r == 0 || r == -EPROTO || wanted(n) == NET_PATH_FRAMES)
		return r;
	log_error("%s: path=%s does not start: %s; it stays with pure", n->dev.name,
	          path_name(n, NET_PATH_RINGS), strerror(-r));
	return net_over_start(n, NET_PATH_FRAMES);
}

int net_path_steer(struct virtio_net *n, const struct net_steering *want)
{
	const struct net_steering was = n->steering;
	int r;

	if (!want->by_rss && !was.by_rss && want->pairs == was.pairs)
		return 0;
	if (!queues_run(n, want->pairs))
		return -EINVAL;
	r = net_over_stop(n);
	if (r < 0)
		return r;
	r = set_steering(n, want);
	if (r == 0)
		r = start_wanted(n);
	if (r == 0 || r == -EPROTO)
		return r;
	return go_back(n, &was) < 0 ? fail(n, "neither the new pairs start, nor those before") : r;
}

/* ---- life */

int net_path_start(struct virtio_net *n)
{
	one_pair(n); /* it is, unless the backend failed at the stop before */
	if (n->rings_wanted && net_link(n) && !queues_run(n, n->steering.pairs))
		log_warn("%s: the driver has set up some queues only: doorbell serves them, not %s",
		         n->dev.name, n->backend->ring->name);
	return net_path_resume(n);
}

int net_path_resume(struct virtio_net *n)
{
	return start_wanted(n);
}

void net_path_stop(struct virtio_net *n)
{
	net_path_pause(n);
	net_pairs_call(n, n->nr_pairs, net_pair_forget);
	one_pair(n);
}

void net_path_pause(struct virtio_net *n)
{
	net_over_drop(n);
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

/* Can the ring path serve this device at all, whatever its peer says? */
static int can_serve(const struct virtio_net *n, char *why, size_t size)
{
	const struct net_backend *b = n->backend;
	int r;

	if (!b->ring) {
		snprintf(why, size, "the frames of %s %s have to pass through doorbell", b->kind,
		         b->label);
		return -ENOTSUP;
	}
	if (!(n->dev.offered & FEATURE(VIRTIO_F_VERSION_1))) {
		snprintf(why, size, "a legacy device is served by doorbell itself");
		return -ENOTSUP;
	}
	r = offered_too_much(n, why, size);
	if (r < 0)
		return r;
	if (n->dev.call_fd < 0) {
		snprintf(why, size, "it could not interrupt the driver: that takes irq=irqfd");
		return -ENOTSUP;
	}
	return 0;
}

/* Nothing that serves is touched. */
static int judge(const struct virtio_net *n, char *why, size_t size)
{
	struct net_backend *b = n->backend;
	int r = can_serve(n, why, size);

	if (r == 0)
		r = b->ring->prepare(b, n->dev.mem, why, size);
	return r < 0 ? r : offered_too_much(n, why, size);
}

static int a_frame_waits(char *why, size_t size)
{
	snprintf(why, size, "a received frame waits for buffers of the driver");
	return -EAGAIN;
}

int virtio_net_open_rings(struct virtio_net *n, char *why, size_t size)
{
	struct net_backend *b = n->backend;
	int r = can_serve(n, why, size);

	if (r == 0 && b->ring->open)
		r = b->ring->open(b, n->dev.mem, why, size);
	if (r == 0 && net_pairs_call(n, n->nr_pairs, net_pair_waits) < 0)
		r = a_frame_waits(why, size);
	return r;
}

static int set_path(struct virtio_net *n, bool rings, struct virtio_net_switch *s)
{
	const bool before = n->rings_wanted;
	/* Before judge(): what that takes holds up the frames, too. */
	const uint64_t from = loop_now_ns();
	struct net_pause pause = {0};
	int r = 0;

	if (rings)
		r = judge(n, s->why, sizeof(s->why));
	if (r < 0)
		return r;
	n->rings_wanted = rings;
	r = change(n, from, &pause);
	s->pause_at_ns = pause.at_ns;
	s->pause_ns = pause.ns;
	if (r == 0)
		return 0;
	n->rings_wanted = before;
	if (r == -EAGAIN)
		return a_frame_waits(s->why, sizeof(s->why));
	snprintf(s->why, sizeof(s->why), "it does not start: %s", strerror(-r));
	return r;
}

int virtio_net_set_path(struct virtio_net *n, bool rings, struct virtio_net_switch *s)
{
	const bool urgent = thread_urgent_begin(NET_URGENT);
	int r;

	*s = (struct virtio_net_switch){0};
	r = set_path(n, rings, s);
	if (urgent)
		thread_urgent_end();
	return r;
}

void virtio_net_let_go(struct virtio_net *n)
{
	net_over_let_go(n);
}

bool virtio_net_rings(const struct virtio_net *n)
{
	if (n->path == NET_PATH_NONE || !net_link(n))
		return n->rings_wanted;
	return n->path == NET_PATH_RINGS;
}
