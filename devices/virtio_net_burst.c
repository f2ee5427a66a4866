/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kick of a burst waits for the rest of it: tx_burst.h says when, here is how. While it waits the driver is asked for another
 * kick when a quarter of the ring is full; that, or the time, ends it. Only with EVENT_IDX can a driver be asked so.
 */
#include <linux/virtio_ring.h>

#include "devices/virtio_net_priv.h"

/* A part of the ring that is filled ends the wait: the driver is not to stand still for want of room. */
#define WAIT_RING_PART 4u

bool net_burst_waits(struct net_pair *p)
{
	struct net_burst *b = &p->burst;
	struct vq *vq = p->queue[NET_TX].vq;
	uint64_t now, wait;

	b->asked = false;
	if (!b->usable || p->polls)
		return false;
	if (b->late.at_ns) { /* there is much by now */
		b->late.at_ns = 0;
		b->waited = true;
		return false;
	}
	if (p->hold.skip) { /* who waits for the interrupt about the last ones sends no more until then */
		p->hold.skip--;
		return false;
	}
	if (tx_burst_two_way(&b->plan, p->stats.rx_frames))
		return false;
	now = loop_now_ns();
	wait = tx_burst_kick(&b->plan, now, p->n->params.kick_wait_us * UINT64_C(1000));
	if (!wait) {
		b->asked = true;
		return false;
	}
	if (vq_kicks_after(vq, vq->num / WAIT_RING_PART)) /* so much is there */
		return false;
	b->late.at_ns = now + wait;
	p->stats.tx_waits++;
	return true;
}

bool net_burst_sent(struct net_pair *p, const struct net_turn *t)
{
	struct net_burst *b = &p->burst;
	const bool waited = b->waited;
	const unsigned room = p->queue[NET_TX].vq->num / WAIT_RING_PART;

	if (waited)
		tx_burst_waited(&b->plan, t->frames);
	else if (b->asked)
		tx_burst_sent(&b->plan, loop_now_ns(), t->parts);
	b->waited = b->asked = false;
	return waited && t->pieces < room; /* in a ring without INDIRECT_DESC each takes an entry */
}

static void expired(void *arg)
{
	struct net_pair *p = arg;

	p->burst.waited = true;
	net_tx_now(p);
}

void net_burst_start(struct net_pair *p)
{
	const struct virtio_dev *d = &p->n->dev;

	/*
	 * Where frames stay in the ring until the other end has them nobody is woken for each; who looks on, or provokes, is to
	 * see kicks answered when they come; with RSS answers may come by another pair; and who sends in the vCPU's thread has
	 * no loop that would wake for it.
	 */
	p->burst = (struct net_burst){
		.late = {.fn = expired, .arg = p},
		.usable = p->n->params.kick_wait_us > 0 && !p->n->params.kick_inline &&
	                  p->queue[NET_TX].vq->num >= 2 * WAIT_RING_PART && !p->view.by_rss &&
	                  net_has(p->n, VIRTIO_RING_F_EVENT_IDX) && !p->backend->frame->done &&
	                  !d->watch && !d->provoke,
	};
	loop_late_add(p->loop, &p->burst.late);
}

void net_burst_stop(struct net_pair *p)
{
	p->burst.late.at_ns = 0;
	loop_late_del(p->loop, &p->burst.late);
}
