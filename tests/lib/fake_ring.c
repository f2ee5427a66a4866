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
	return container_of(b, struct fake_net, backend)->rings;
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

static int ring_start(struct net_backend *b, uint64_t accepted, uint64_t offloads,
                      struct net_ring *ring, unsigned nr, const struct net_sink *s)
{
	struct fake_ring *r = fake(b);
	const struct vq_features f = vq_features_of(accepted);

	must(!r->started, "start() twice");
	for (struct net_backend *at = b; at; at = at->next)
		must(!container_of(at, struct fake_net, backend)->started,
		     "start() while the frame table is started");
	must(r->mem, "start() without prepare()");
	r->held = true;
	must(nr == FAKE_RINGS * r->net->pairs, "start() with another number of rings");
	must(!(accepted & b->ring_cannot), "start() with features that cannot be honoured");
	must(s->gone && s->bad_ring, "start() with an incomplete sink");
	r->nr_starts++;
	r->nr = nr;
	if (r->start_err) {
		r->held = false;
		return r->start_err;
	}
	for (unsigned i = 0; i < nr; i++) {
		const struct vq_addr a = {ring[i].num, ring[i].desc, ring[i].avail, ring[i].used};

		must(vq_start(&r->vq[i], r->mem, &a, f) == 0, "a ring outside memory");
		if (vq_resume(&r->vq[i], ring[i].next_avail) < 0)
			return -EFAULT; /* the used index is the driver's to spoil */
		must(ring[i].call_fd >= 0 && ring[i].kick_fd >= 0, "no eventfd");
		r->ring[i] = ring[i];
	}
	r->accepted = accepted;
	r->offloads = offloads;
	r->sink = *s;
	r->started = true;
	return 0;
}

static void ring_stop(struct net_backend *b, struct net_ring *ring, unsigned nr)
{
	struct fake_ring *r = fake(b);

	must(r->started, "stop() while stopped");
	must(nr == r->nr, "stop() with another number of rings");
	r->nr_stops++;
	r->started = false;
	for (unsigned i = 0; i < nr; i++) {
		ring[i].next_avail = r->lie ? r->lie_next_avail[i] : vq_position(&r->vq[i]);
		vq_stop(&r->vq[i]);
	}
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

void fake_ring_add(struct fake_ring *r, struct fake_net *f)
{
	memset(r, 0, sizeof(*r));
	r->net = f;
	f->rings = r;
	f->backend.ring = &fake_ops;
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
	for (unsigned i = 0; i < r->nr / FAKE_RINGS; i++, at = at->next)
		run_pair(r, container_of(at, struct fake_net, backend), i, max);
}
