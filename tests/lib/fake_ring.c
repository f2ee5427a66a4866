/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/fake_ring.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"

enum { RX, TX };

static void must(bool ok, const char *rule)
{
	if (ok)
		return;
	fprintf(stderr, "fake_ring: the device broke the contract: %s\n", rule);
	abort();
}

static struct fake_ring *fake(struct net_backend *b)
{
	return container_of(b, struct fake_net, backend)->first->rings;
}

static bool by_pair(const struct fake_ring *r)
{
	return r->ops.by_pair;
}

/* The pairs that a call is about: a bit for each. */
static unsigned pairs_of(struct net_backend *b, unsigned nr)
{
	return ((1u << nr / FAKE_RINGS) - 1) << container_of(b, struct fake_net, backend)->index;
}

static int ring_prepare(struct net_backend *b, const struct gmem *m, char *why, size_t why_size)
{
	struct fake_ring *r = fake(b);

	r->nr_prepares++;
	r->mem = m;
	if (r->prepare_err)
		snprintf(why, why_size, "the test says no");
	return r->prepare_err;
}

/* The rings of a start that may be: 0 or -errno. */
static int take_rings(struct fake_ring *r, unsigned first, const struct net_ring *ring, unsigned nr,
                      struct vq_features f)
{
	for (unsigned i = 0; i < nr; i++) {
		const struct vq_addr a = {ring[i].num, ring[i].desc, ring[i].avail, ring[i].used};

		must(vq_start(&r->vq[first + i], r->mem, &a, f) == 0, "a ring outside memory");
		if (vq_resume(&r->vq[first + i], ring[i].next_avail) < 0)
			return -EFAULT; /* the used index is the driver's to spoil */
		must(ring[i].call_fd >= 0 && ring[i].kick_fd >= 0, "no eventfd");
		r->ring[first + i] = ring[i];
	}
	return 0;
}

static void check_start(struct fake_ring *r, struct net_backend *b, unsigned nr)
{
	const unsigned pairs = pairs_of(b, nr);
	struct net_backend *at = &r->net->backend;

	must(!(r->serves & pairs), "start() twice");
	do {
		const struct fake_net *net = container_of(at, struct fake_net, backend);

		must(!net->started || !(pairs & 1u << net->index),
		     "start() while the frame table is started");
		at = at->next;
	} while (at);
	must(r->mem, "start() without prepare()");
	must(nr == FAKE_RINGS * (by_pair(r) ? 1 : r->net->pairs),
	     "start() with another number of rings");
}

static int start_rings(struct net_backend *b, uint64_t accepted, uint64_t offloads,
                       struct net_ring *ring, unsigned nr, const struct net_sink *s)
{
	struct fake_ring *r = fake(b);
	const unsigned pair = container_of(b, struct fake_net, backend)->index;
	int ret;

	check_start(r, b, nr);
	must(!(accepted & r->net->backend.ring_cannot),
	     "start() with features that cannot be honoured");
	must(s->gone && s->bad_ring, "start() with an incomplete sink");
	r->nr_starts++;
	if (r->start_err && r->start_ok-- == 0) {
		r->start_ok = 0;
		r->held = r->serves;
		return r->start_err;
	}
	r->held = true;
	ret = take_rings(r, FAKE_RINGS * pair, ring, nr, vq_features_of(accepted));
	if (ret < 0)
		return ret;
	r->nr = FAKE_RINGS * pair + nr;
	r->accepted = accepted;
	r->offloads = offloads;
	r->sink = *s;
	r->serves |= pairs_of(b, nr);
	r->started = true;
	return 0;
}

static int ring_start(struct net_backend *b, uint64_t accepted, uint64_t offloads,
                      struct net_ring *ring, unsigned nr, const struct net_sink *s)
{
	struct fake_ring *r = fake(b);
	int ret;

	if (r->on_change)
		r->on_change(container_of(b, struct fake_net, backend)->index, true);
	pthread_mutex_lock(&r->lock);
	ret = start_rings(b, accepted, offloads, ring, nr, s);
	pthread_mutex_unlock(&r->lock);
	return ret;
}

static void ring_stop(struct net_backend *b, struct net_ring *ring, unsigned nr)
{
	struct fake_ring *r = fake(b);
	const unsigned pair = container_of(b, struct fake_net, backend)->index;
	const unsigned first = FAKE_RINGS * pair, pairs = pairs_of(b, nr);

	if (r->on_change)
		r->on_change(pair, false);
	pthread_mutex_lock(&r->lock);
	must((r->serves & pairs) == pairs, "stop() while stopped");
	must(by_pair(r) || nr == r->nr, "stop() with another number of rings");
	r->nr_stops++;
	r->serves &= ~pairs;
	r->started = r->serves;
	for (unsigned i = 0; i < nr; i++) {
		struct vq *q = &r->vq[first + i];

		ring[i].next_avail = r->lie ? r->lie_next_avail[first + i] : vq_position(q);
		vq_stop(q);
	}
	pthread_mutex_unlock(&r->lock);
}

static void ring_let_go(struct net_backend *b)
{
	struct fake_ring *r = fake(b);

	must(!r->started, "let_go() while started");
	r->served_before = container_of(b, struct fake_net, backend)->started;
	r->held = false;
}

static int ring_set_offloads(struct net_backend *b, uint64_t offloads)
{
	struct fake_ring *r = fake(b);

	must(r->started, "set_offloads() while stopped");
	r->nr_set_offloads++;
	r->offloads = offloads;
	return 0;
}

static void ring_forget(struct net_backend *b)
{
	struct fake_ring *r = fake(b);

	must(!r->started, "forget() while started");
	r->held = false;
	r->mem = NULL;
}

static const struct net_ring_ops fake_ops = {
	.name = "fakering",
	.prepare = ring_prepare,
	.start = ring_start,
	.stop = ring_stop,
	.let_go = ring_let_go,
	.set_offloads = ring_set_offloads,
	.forget = ring_forget,
};

void fake_ring_add(struct fake_ring *r, struct fake_net *f, bool each)
{
	memset(r, 0, sizeof(*r));
	r->net = f;
	r->ops = fake_ops;
	r->ops.by_pair = each;
	must(pthread_mutex_init(&r->lock, NULL) == 0, "(not a rule: no lock)");
	f->rings = r;
	f->backend.ring = &r->ops;
}

/* One frame out of pair @i. False: none. */
static bool run_tx(struct fake_ring *r, struct fake_net *net, unsigned i)
{
	struct iovec iov[64];
	struct vq_chain c = {.iov = iov, .room = ARRAY_SIZE(iov)};
	struct vq *q = &r->vq[FAKE_RINGS * i + TX];

	if (vq_pop(q, &c) != 1)
		return false;
	fake_net_take_sent(net, iov, c.nr_out);
	vq_push(q, c.head, 0);
	return true;
}

/* One frame in, which must fit into one chain. False: no frame or no chain. */
static bool run_rx(struct fake_ring *r, struct fake_net *net, unsigned i)
{
	struct iovec iov[64];
	struct vq_chain c = {.iov = iov, .room = ARRAY_SIZE(iov)};
	struct vq *q = &r->vq[FAKE_RINGS * i + RX];

	if (!fake_net_queued(net) || vq_pop(q, &c) != 1)
		return false;
	vq_push(q, c.head, (uint32_t)fake_net_give_queued(net, iov + c.nr_out, c.nr_in));
	return true;
}

static void run_pair(struct fake_ring *r, struct fake_net *net, unsigned i, unsigned max)
{
	for (unsigned k = 0; k < max && run_tx(r, net, i); k++)
		;
	for (unsigned k = 0; k < max && run_rx(r, net, i); k++)
		;
	for (unsigned k = FAKE_RINGS * i; k < FAKE_RINGS * (i + 1); k++) {
		vq_publish(&r->vq[k]);
		if (vq_want_interrupt(&r->vq[k]))
			fd_event_set(r->ring[k].call_fd);
	}
}

void fake_ring_run(struct fake_ring *r, unsigned max)
{
	struct net_backend *at = &r->net->backend;

	must(r->started, "(not a rule: the test runs a peer that is stopped)");
	for (unsigned i = 0; at; i++, at = at->next)
		if (r->serves & 1u << i)
			run_pair(r, container_of(at, struct fake_net, backend), i, max);
}
