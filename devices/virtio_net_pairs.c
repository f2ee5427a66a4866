// SPDX-License-Identifier: Apache-2.0
/*
 * The queue pairs of a network device and their threads.
 *
 *	device's thread                                  a pair's thread
 *	net_pairs_call() --- loop_call(), waits --->     net_pair_start(), look(), ...
 *	look_at_news()   <------- eventfd ---------      net_pair_tell()
 *
 * What a pair works with belongs to its thread alone, and so nothing on the way of a frame is locked, but for
 * the inboxes of RSS. The device's thread changes it by calls, one pair after the other. A pair never waits for the
 * device's thread, and for another pair only while that one moves an index of an inbox (virtio_net_steer.c).
 * Pair 0 is on the device's thread: there all of this is a plain call.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "devices/net_features.h"
#include "devices/virtio_net_priv.h"
#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"

/* ---- from the device to its pairs */

struct call {
	struct net_pair *p;
	int (*fn)(struct net_pair *p);
	int ret;
};

static void run_call(void *arg)
{
	struct call *c = arg;

	c->ret = c->fn(c->p);
}

static int call_pair(struct net_pair *p, int (*fn)(struct net_pair *p))
{
	struct call c = {.p = p, .fn = fn};

	loop_call(p->loop, run_call, &c);
	return c.ret;
}

int net_pairs_call_from(struct virtio_net *n, unsigned first, unsigned nr,
                        int (*fn)(struct net_pair *p))
{
	int ret = 0;

	for (unsigned i = first; i < first + nr; i++) {
		int r = call_pair(&n->pair[i], fn);

		if (ret == 0)
			ret = r;
	}
	return ret;
}

int net_pairs_call(struct virtio_net *n, unsigned nr, int (*fn)(struct net_pair *p))
{
	return net_pairs_call_from(n, 0, nr, fn);
}

static bool poll_look(void *arg)
{
	struct net_pair *p = arg;
	const bool sent = net_tx_look(p);

	/* The first may have stopped the pair: then the second finds its queue not live. */
	const bool came = net_rx_look(p);

	net_try(p);
	if (++p->tried.looks % NET_TRY_LOOKS == 0)
		net_try_idle(p);
	return came || sent;
}

static bool poll_rest(void *arg)
{
	struct net_pair *p = arg;
	const bool sent = net_tx_rest(p), came = net_rx_rest(p);

	if (sent && came)
		net_try_idle(p);
	return sent && came;
}

/* Does the loop look for what there is to do? Whoever turns that off has all queues looked at, so that kicks come. */
void net_pair_review(struct net_pair *p)
{
	const bool want = net_try_looks(p) && p->running && p->view.link;

	if (want && !p->polls)
		loop_poll_start(p->loop, &p->poll);
	else if (!want && p->polls)
		loop_poll_stop(p->loop, &p->poll);
	p->polls = want;
	for (unsigned i = NET_RX; i <= NET_TX; i++) {
		struct net_queue *q = &p->queue[i];

		/* Who looks into the ring needs no kick of it. */
		loop_patient(&q->kick, want);
		if (!want && net_take_due(q) && p->running && q->live)
			net_again(q);
	}
}

static int look(struct net_pair *p)
{
	const struct virtio_net *n = p->n;
	const uint32_t hdr_len = net_hdr_len(n);
	uint32_t mtu = n->params.mtu ? n->params.mtu : 1500;
	const bool was = p->view.link;

	p->view.link = net_link(n);
	p->view.gone = n->gone;
	p->view.by_rss = net_steered(&n->steering);
	p->view.offloads = n->offloads;
	p->view.filter = n->filter;
	p->view.report = n->report;
	/* More than this may come, and goes through the spill buffer then. */
	p->rx.reach =
		hdr_len + ((n->offloads & NET_GUEST_GSO) ? NET_RECV_MAX - NET_HDR_LEN : 18 + mtu);
	if (p->running && was && !p->view.link)
		net_rx_link_down(p);
	net_pair_review(p);
	return 0;
}

/* ---- what the device's thread asks for */

void net_pairs_update(struct virtio_net *n)
{
	net_pairs_call(n, n->steering.pairs, look);
}

static int look_again(struct net_pair *p)
{
	look(p);
	if (!p->running)
		return 0;
	for (unsigned i = NET_RX; i <= NET_TX; i++)
		if (p->queue[i].live)
			net_again(&p->queue[i]);
	p->tx.blocked = false;
	return 0;
}

void net_pairs_link(struct virtio_net *n)
{
	net_pairs_call(n, n->steering.pairs, look_again);
}

/* The other queue of the pair goes on. */
static int release(struct net_pair *p)
{
	struct net_queue *q = p->n->releasing;

	if (!q->live)
		return 0;
	loop_del(&q->kick);
	q->live = false;
	if (q == &p->queue[NET_RX])
		net_rx_release(p);
	else
		net_tx_release(p);
	return 0;
}

void net_pairs_release(struct virtio_net *n)
{
	call_pair(n->releasing->pair, release);
}

/* ---- on the pair's thread */

int net_pair_stop(struct net_pair *p)
{
	if (!p->running)
		return 0;
	p->running = false;
	net_pair_review(p);
	net_hold_stop(p);
	net_burst_stop(p);
	for (unsigned i = NET_RX; i <= NET_TX; i++) {
		loop_del(&p->queue[i].kick);
		p->queue[i].live = false;
	}
	if (p->inbox)
		net_inbox_stop(p);
	if (p->backend_started)
		p->backend->frame->stop(p->backend);
	p->backend_started = false;
	net_rx_stop(p);
	net_tx_stop(p);
	/* Whoever serves them next begins with nothing to show; nor may a pair that goes use buffers later (5.1.6.5.6). */
	for (unsigned i = NET_RX; i <= NET_TX; i++)
		net_show_all(&p->queue[i]);
	return 0;
}

int net_pair_offloads(struct net_pair *p)
{
	return p->backend_started ? p->backend->frame->set_offloads(p->backend, p->n->offloads) : 0;
}

int net_pair_waits(struct net_pair *p)
{
	return p->running && p->rx.waiting ? -EAGAIN : 0;
}

int net_pair_pause(struct net_pair *p)
{
	int r = net_pair_waits(p);

	return r < 0 ? r : net_pair_stop(p);
}

int net_pair_start(struct net_pair *p)
{
	int r = 0;

	net_try_start(p);
	look(p);
	net_hold_start(p);
	net_burst_start(p);
	p->running = true;
	/* Without a peer only if one may come. */
	if (!p->view.gone || p->n->backend->attend) {
		r = p->backend->frame->start(p->backend, p->view.offloads, &p->sink);
		p->backend_started = r == 0;
	}
	if (r == 0 && p->view.by_rss)
		r = net_inbox_start(p);
	for (unsigned i = NET_RX; i <= NET_TX && r == 0; i++) {
		struct net_queue *q = &p->queue[i];

		q->pushed = 0;
		q->again = q->due = false;
		q->live = vq_running(q->vq);
		if (!q->live)
			continue;
		/* What was posted before is looked at now; a kick for it is none for us. */
		fd_event_take(q->kick.fd);
		if (!net_waits_for_kick(p->n))
			net_again(q);
		r = loop_add(p->loop, &q->kick);
	}
	if (r < 0) {
		net_pair_stop(p);
		return r;
	}
	net_rx_start(p);
	net_pair_review(p);
	return 0;
}

int net_pair_forget(struct net_pair *p)
{
	if (p->backend->frame->forget)
		p->backend->frame->forget(p->backend);
	return 0;
}

int net_pair_resume(struct net_pair *p)
{
	return p->running ? 0 : net_pair_start(p);
}

int net_pair_use(struct net_pair *p)
{
	struct net_backend *b = p->n->backend;

	for (unsigned i = 0; i < p->index; i++)
		b = b->next;
	net_tx_recall(p); /* each of them counts what it has sent itself */
	p->backend = b;
	return 0;
}

/* ---- from a pair to the device */

void net_pair_tell(struct net_pair *p, enum net_news news)
{
	/* Release: what the news are about. Partner: look_at_news(). */
	atomic_fetch_or_explicit(&p->news, news, memory_order_release);
	fd_event_set(p->n->news.fd);
}

static void look_at_news(void *arg, unused uint32_t revents)
{
	struct virtio_net *n = arg;

	/* First this: news that come later ring again. */
	fd_event_take(n->news.fd);
	for (unsigned i = 1; i < n->nr_pairs; i++) {
		struct net_pair *p = &n->pair[i];
		/* Acquire: partner net_pair_tell(). */
		unsigned news = atomic_exchange_explicit(&p->news, 0, memory_order_acquire);

		if (news & NET_NEWS_GONE)
			net_backend_gone(n,
			                 atomic_load_explicit(&p->gone_err, memory_order_relaxed));
		/* One of a life that has ended meanwhile was thrown away then: net_pairs_forget(). */
		if (news & NET_NEWS_BROKEN)
			virtio_broken(&n->dev, atomic_load_explicit(&p->why, memory_order_relaxed));
	}
}

static void backend_gone(void *arg, int err)
{
	struct net_pair *p = arg;

	if (p->index == 0) {
		net_backend_gone(p->n, err);
		return;
	}
	atomic_store_explicit(&p->gone_err, err, memory_order_relaxed);
	net_pair_tell(p, NET_NEWS_GONE);
}

static void bad_ring(void *arg, unsigned ring)
{
	const struct net_pair *p = arg;

	net_bad_ring(p->n, ring);
}

/* ---- life */

void net_pairs_forget(struct virtio_net *n)
{
	for (unsigned i = 0; i < n->nr_pairs; i++) {
		/* Relaxed: its thread has nothing of the device to do, and is ordered by loop_call(). */
		atomic_fetch_and_explicit(&n->pair[i].news, ~(unsigned)NET_NEWS_BROKEN,
		                          memory_order_relaxed);
		net_inbox_clear(&n->pair[i]);
	}
}

static void init_queue(struct net_pair *p, unsigned i, void (*kick)(void *pair, uint32_t revents))
{
	struct virtio_net_stats *s = &p->stats;
	struct virtio_queue *vq = &p->n->vq[NET_PAIR_QUEUES * p->index + i];
	const struct net_counters counters[NET_PAIR_QUEUES] = {
		[NET_RX] = {&s->rx_kicks, &s->rx_kick_reads, &s->self_kicks, &s->rx_interrupts,
	                    &s->rx_interrupts_suppressed},
		[NET_TX] = {&s->tx_kicks, &s->tx_kick_reads, &s->self_kicks, &s->tx_interrupts,
	                    &s->tx_interrupts_suppressed},
	};

	p->queue[i] = (struct net_queue){
		.n = p->n,
		.pair = p,
		.vq = &vq->vq,
		.kick = {.fd = vq->kick_fd, .events = EPOLLIN, .fn = kick, .arg = p},
		.count = counters[i],
	};
}

static int init_pair(struct virtio_net *n, unsigned i, struct net_backend *b)
{
	struct net_pair *p = &n->pair[i];

	p->n = n;
	p->index = i;
	p->loop = i ? n->params.more_loops[i - 1] : n->dev.loop;
	p->backend = b;
	p->vq = &n->vq[(size_t)NET_PAIR_QUEUES * i];
	p->poll = (struct loop_poll){
		.look = poll_look, .rest = poll_rest, .arg = p, .budget.mode = n->params.poll};
	p->tried.now_ns = loop_now_ns;
	p->sink = (struct net_sink){
		.can_recv = net_rx_can_recv,
		.can_send = net_tx_can_send,
		.sent = net_tx_sent,
		.gone = backend_gone,
		.bad_ring = bad_ring,
		.arg = p,
	};
	init_queue(p, NET_RX, net_rx_kick);
	init_queue(p, NET_TX, net_tx_kick);
	return n->dev.offered & FEATURE(VIRTIO_NET_F_RSS) ? net_inbox_create(p) : 0;
}

int net_pairs_create(struct virtio_net *n)
{
	struct net_backend *b = n->backend;
	int r = 0;

	n->steering.pairs = 1;
	n->news = (struct loop_fd){
		.fd = -1, .events = EPOLLIN, .fn = look_at_news, .arg = n, .patient = true};
	/* Large, and mostly never touched: the kernel gives the pages when they are. */
	n->pair = calloc(n->nr_pairs, sizeof(*n->pair));
	if (!n->pair)
		return -ENOMEM;
	for (unsigned i = 0; i < n->nr_pairs && r == 0; i++, b = b->next) {
		if (!b)
			return -EINVAL;
		r = init_pair(n, i, b);
	}
	if (r < 0 || n->nr_pairs == 1)
		return r;
	r = n->news.fd = fd_eventfd();
	return r < 0 ? r : loop_add(n->dev.loop, &n->news);
}

void net_pairs_destroy(struct virtio_net *n)
{
	loop_del(&n->news);
	if (n->news.fd >= 0)
		fd_close(&n->news.fd);
	for (unsigned i = 0; n->pair && i < n->nr_pairs; i++)
		net_inbox_destroy(&n->pair[i]);
	free(n->pair);
}
