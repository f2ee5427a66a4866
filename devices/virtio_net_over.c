// SPDX-License-Identifier: Apache-2.0
/*
 * Who serves the pairs in use: start, stop, and the way over from one side to the other.
 *
 * Pairs go over in groups: where the peer takes them one by one (net_ring_ops.by_pair) each is a group, which its own
 * thread hands over while the device's waits; else all are one. The others go on meanwhile, on the side that they are on.
 *
 *	device's thread                               the thread of a pair
 *	net_over_go() ---- loop_call(), waits --->    hand_over(): stop here, start there
 *
 * Pair 0 is on the device's thread: it goes to the peer first and comes back last, so that what serves it never
 * waits for another pair. Pairs on different sides exist only while net_over_go() runs.
 */
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "devices/virtio_net_priv.h"
#include "vmm/core/fd.h"
#include "vmm/core/loop.h"
#include "vmm/core/thread.h"

_Static_assert(NET_RX == 0 && NET_TX == 1, "struct net_ring_ops: ring 2i is rx, ring 2i + 1 is tx");
#define NET_RINGS (NET_PAIR_QUEUES * VIRTIO_NET_PAIRS_MAX)

/* For a frame that waits, while other pairs have gone over: 5 ms at most. */
#define INSIST_NS    100000
#define INSIST_TRIES 50u

struct group {
	struct virtio_net *n;
	struct net_pair *pair; /* the first of them, whose thread speaks for all */
	unsigned nr;
	char why[160]; /* of -EPROTO: nobody serves them, and the device has to stop */
};

static struct group group_at(struct virtio_net *n, unsigned i)
{
	const bool each = n->backend->ring && n->backend->ring->by_pair;

	return (struct group){.n = n, .pair = &n->pair[i], .nr = each ? 1 : n->steering.pairs};
}

static unsigned nr_groups(struct virtio_net *n)
{
	return n->steering.pairs / group_at(n, 0).nr;
}

static int call_group(const struct group *g, int (*fn)(struct net_pair *p))
{
	return net_pairs_call_from(g->n, g->pair->index, g->nr, fn);
}

static int give_up(struct group *g, const char *why)
{
	snprintf(g->why, sizeof(g->why), "%s", why);
	return -EPROTO;
}

/* What does not start says nothing of the rings, and nothing of a frame: -EPROTO and -EAGAIN do, here. */
static int start_error(int r)
{
	return r == -EPROTO || r == -EAGAIN ? -EIO : r;
}

/* ---- frames */

static void frames_stop(const struct group *g)
{
	call_group(g, net_pair_stop);
}

static int frames_start(const struct group *g)
{
	int r = call_group(g, net_pair_start);

	if (r < 0)
		frames_stop(g);
	return start_error(r);
}

/* frames_stop() unless a pair has a frame in its hands: then nothing has changed, -EAGAIN. */
static int frames_pause(struct group *g)
{
	/* Asked first: a frame that waits for a second is tried again and again, and the other pairs have work. */
	int r = call_group(g, net_pair_waits);

	if (r < 0)
		return r;
	r = call_group(g, net_pair_pause);
	if (r < 0 && call_group(g, net_pair_resume) < 0)
		r = give_up(g, "a pair does not start again");
	return r;
}

/* ---- rings */

/* Those of a group, as the peer counts them. */
static unsigned nr_rings(const struct group *g)
{
	return NET_PAIR_QUEUES * g->nr;
}

static struct virtio_queue *queue_of(const struct group *g, unsigned ring)
{
	return &g->n->vq[NET_PAIR_QUEUES * g->pair->index + ring];
}

static void note_rings(const struct group *g, bool rings)
{
	for (unsigned i = 0; i < g->nr; i++)
		g->pair[i].rings = rings;
}

static bool any_rings(const struct virtio_net *n)
{
	for (unsigned i = 0; i < n->nr_pairs; i++)
		if (n->pair[i].rings)
			return true;
	return false;
}

/* The peer has let go of the rings: where are they? */
static int take_back(struct group *g, const struct net_ring *ring)
{
	for (unsigned i = 0; i < nr_rings(g); i++) {
		struct vq *q = &queue_of(g, i)->vq;

		if (vq_resume(q, ring[i].next_avail) == 0)
			continue;
		snprintf(g->why, sizeof(g->why), "queue %u came back from %s at %u: %s",
		         NET_PAIR_QUEUES * g->pair->index + i, g->n->backend->ring->name,
		         ring[i].next_avail, q->why);
		return -EPROTO;
	}
	return 0;
}

/* Each queue was rung so often, once of these by us. */
static void count_kicks(const struct group *g)
{
	for (unsigned i = 0; i < nr_rings(g); i++) {
		const struct net_queue *q =
			&g->pair[i / NET_PAIR_QUEUES].queue[i % NET_PAIR_QUEUES];
		uint64_t kicks = fd_event_take(q->kick.fd);

		if (kicks)
			*q->count.kicks += kicks - 1;
	}
}

/* False, only if it @may_stay: the peer does not give the rings back, and they stay with it, as they were. */
static bool peer_stop(const struct group *g, struct net_ring *ring, bool may_stay)
{
	const struct net_ring_ops *ops = g->n->backend->ring;

	if (!may_stay || !ops->hand_back)
		ops->stop(g->pair->backend, ring, nr_rings(g));
	else if (!ops->hand_back(g->pair->backend, ring, nr_rings(g)))
		return false;
	note_rings(g, false);
	count_kicks(g);
	return true;
}

/* -EBUSY: nothing has changed, see peer_stop(). */
static int rings_stop(struct group *g, bool may_stay)
{
	struct net_ring ring[NET_RINGS] = {0};
	int r;

	if (!peer_stop(g, ring, may_stay))
		return -EBUSY;
	r = take_back(g, ring);
	if (!any_rings(g->n))
		virtio_isr_always(&g->n->dev, false);
	return r;
}

static int rings_start(struct group *g)
{
	struct virtio_net *n = g->n;
	struct net_ring ring[NET_RINGS];
	int r;

	for (unsigned i = 0; i < nr_rings(g); i++) {
		const struct virtio_queue *q = queue_of(g, i);

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
	/* What the peer has to tell concerns the device, whichever pair it is about. */
	r = n->backend->ring->start(g->pair->backend, n->dev.accepted, n->offloads, ring,
	                            nr_rings(g), &n->pair[0].sink);
	if (r < 0) {
		r = take_back(g, ring) < 0 ? -EPROTO : start_error(r);
		if (!any_rings(n))
			virtio_isr_always(&n->dev, false);
		return r;
	}
	note_rings(g, true);
	for (unsigned i = 0; i < nr_rings(g); i++)
		virtio_signal(&n->dev, queue_of(g, i)->kick_fd);
	return 0;
}

void net_over_let_go(struct virtio_net *n)
{
	const struct net_ring_ops *ring = n->backend->ring;

	if (ring && ring->let_go)
		ring->let_go(n->backend);
}

/* ---- all of them, on the device's thread */

/* For good: @r is -EPROTO of @g. */
static int failed(struct group *g, int r)
{
	if (r == -EPROTO)
		virtio_failed(&g->n->dev, g->why);
	return r;
}

int net_over_start(struct virtio_net *n, enum net_path path)
{
	for (unsigned i = 0; i < nr_groups(n); i++) {
		struct group g = group_at(n, i);
		int r = path == NET_PATH_RINGS ? rings_start(&g) : frames_start(&g);

		if (r == -EPROTO)
			return failed(&g, r);
		if (r < 0)
			return net_over_stop(n) < 0 ? -EPROTO : r;
	}
	n->path = path;
	return 0;
}

int net_over_stop(struct virtio_net *n)
{
	const bool rings = any_rings(n);
	const enum net_path was = n->path;
	int ret = 0;

	n->path = NET_PATH_NONE;
	for (unsigned i = 0; i < nr_groups(n); i++) {
		struct group g = group_at(n, i);
		int r = 0;

		if (g.pair->rings)
			r = failed(&g, rings_stop(&g, true));
		else
			frames_stop(&g);
		if (r == -EBUSY) { /* all pairs are this group */
			n->path = was;
			return r;
		}
		if (ret == 0)
			ret = r;
	}
	if (rings)
		net_over_let_go(n);
	return ret;
}

void net_over_drop(struct virtio_net *n)
{
	const bool rings = any_rings(n);

	n->path = NET_PATH_NONE;
	for (unsigned i = 0; i < nr_groups(n); i++) {
		struct group g = group_at(n, i);
		struct net_ring ring[NET_RINGS] = {0};

		if (g.pair->rings)
			peer_stop(&g, ring, false);
		else
			frames_stop(&g);
	}
	if (!rings)
		return;
	net_over_let_go(n);
	/* No interrupt: the driver has let go of the device, or is told more than this. */
	atomic_store_explicit(&n->dev.isr_always, 0, memory_order_relaxed);
}

/* ---- from one side to the other */

struct hand_over {
	struct group g;
	enum net_path to;
	bool back;     /* the way back of a change that failed: a frame in our hands is lost */
	uint64_t from; /* ns; 0: when it begins */
	struct net_pause pause;
	int ret;
};

static int to_rings(struct hand_over *h)
{
	int r = 0;

	if (h->back)
		frames_stop(&h->g);
	else
		r = frames_pause(&h->g);
	if (r < 0)
		return r;
	r = rings_start(&h->g);
	if (r == 0 || r == -EPROTO)
		return r;
	return frames_start(&h->g) < 0 ? give_up(&h->g, "neither path starts") : r;
}

static int to_frames(struct hand_over *h)
{
	int r = rings_stop(&h->g, !h->g.n->releasing);

	if (r < 0)
		return r;
	r = frames_start(&h->g);
	if (r == 0)
		return 0;
	if (h->g.n->releasing) /* the peer must not have it back */
		return give_up(&h->g, "a queue is taken back, and the others do not start");
	return rings_start(&h->g) < 0 ? give_up(&h->g, "neither path starts") : r;
}

static void hand_over(void *arg)
{
	struct hand_over *h = arg;
	const bool urgent = thread_urgent_begin(NET_URGENT);
	const uint64_t from = h->from ? h->from : loop_now_ns();

	h->ret = h->to == NET_PATH_RINGS ? to_rings(h) : to_frames(h);
	h->pause = (struct net_pause){.at_ns = from, .ns = loop_now_ns() - from};
	if (h->ret == 0) /* about what was done at the last moment: nobody may have been told */
		virtio_used(&h->g.n->dev);
	if (urgent)
		thread_urgent_end();
}

/* The group that goes over as number @i. */
static unsigned nth(struct virtio_net *n, enum net_path to, unsigned i)
{
	return to == NET_PATH_RINGS ? i : nr_groups(n) - 1 - i;
}

static int go(struct hand_over *h)
{
	loop_call(h->g.pair->loop, hand_over, h);
	return failed(&h->g, h->ret);
}

/*
 * go(), tried again while a frame waits in the group and others have gone: it comes into the ring any moment, and for
 * them to come back takes longer.
 */
static int insist(struct hand_over *h, unsigned gone)
{
	static const struct timespec wait = {.tv_nsec = INSIST_NS};
	int r = go(h);

	for (unsigned i = 0; i < INSIST_TRIES && gone && r == -EAGAIN; i++) {
		nanosleep(&wait, NULL);
		r = go(h);
	}
	return r;
}

/* The first @nr that went to @to come back, the last one first. 0; or -EPROTO. */
static int go_back(struct virtio_net *n, enum net_path to, unsigned nr)
{
	while (nr) {
		struct hand_over h = {
			.g = group_at(n, nth(n, to, --nr)),
			.to = to == NET_PATH_RINGS ? NET_PATH_FRAMES : NET_PATH_RINGS,
			.back = true,
		};
		int r = go(&h);

		if (r == -EPROTO)
			return r;
		if (r < 0) {
			give_up(&h.g, "some pairs do not go back to where the others are");
			return failed(&h.g, -EPROTO);
		}
	}
	return 0;
}

int net_over_go(struct virtio_net *n, enum net_path to, uint64_t from_ns, struct net_pause *longest)
{
	const unsigned nr = nr_groups(n);
	struct net_pause most = {0};

	*longest = most;
	for (unsigned i = 0; i < nr; i++) {
		struct hand_over h = {.g = group_at(n, nth(n, to, i)), .to = to};
		int r;

		/* The device's thread has not served it since. */
		if (to == NET_PATH_RINGS && i == 0)
			h.from = from_ns;
		r = insist(&h, i);
		if (r < 0) {
			if (r != -EPROTO && go_back(n, to, i) < 0)
				r = -EPROTO;
			return r;
		}
		if (h.pause.ns > most.ns)
			most = h.pause;
	}
	*longest = most;
	n->path = to;
	return 0;
}
