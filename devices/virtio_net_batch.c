// SPDX-License-Identifier: Apache-2.0
/*
 * What all queues of a network device have in common: a kick is taken, chains are done with and form a batch, the batch is
 * published, and the driver told of it.
 */
#include <errno.h>
#include <stdatomic.h>

#include "devices/virtio_net_priv.h"
#include "devices/virtio_provoke.h"
#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"

void net_push(struct net_queue *q, uint16_t head, uint32_t written)
{
	vq_push(q->vq, head, written);
	q->pushed++;
}

unsigned net_queue_number(const struct net_queue *q)
{
	return (unsigned)(container_of(q->vq, struct virtio_queue, vq) - q->n->vq);
}

void net_interrupt(struct net_queue *q)
{
	if (q->pair && q != &q->pair->queue[NET_TX])
		net_hold_joins(q->pair);
	++*q->count.interrupts;
	virtio_used_in(&q->n->dev, net_queue_number(q));
}

bool net_tell_used(struct net_queue *q)
{
	const bool wanted = vq_want_interrupt(q->vq);

	if (wanted)
		net_interrupt(q);
	else
		++*q->count.suppressed;
	return wanted;
}

bool net_show(struct net_queue *q)
{
	if (!q->pushed)
		return false;
	q->pushed = 0;
	vq_publish(q->vq);
	if (unlikely(q->vq->provoke) && vq_held_back(q->vq)) {
		q->pushed = 1;
		net_again(q);
	}
	return true;
}

void net_show_all(struct net_queue *q)
{
	const struct virtio_dev *d = &q->n->dev;

	if (likely(!q->vq->provoke) || !vq_held_back(q->vq) || !(d->started || d->paused))
		return;
	q->pushed = 0;
	while (vq_held_back(q->vq))
		vq_publish(q->vq);
	net_tell_used(q);
}

void net_publish(struct net_queue *q)
{
	if (net_show(q))
		net_tell_used(q);
}

bool net_waits_for_kick(const struct virtio_net *n)
{
	return n->dev.provoke && n->dev.provoke->first_kick && !n->dev.started;
}

void virtio_net_flush(struct virtio_net *n)
{
	for (unsigned i = 0; i < n->nr_pairs * NET_PAIR_QUEUES; i++) {
		struct net_queue *q = &n->pair[i / NET_PAIR_QUEUES].queue[i % NET_PAIR_QUEUES];

		if (q->live)
			net_publish(q);
	}
	if (n->ctrl.kick.loop)
		net_publish(&n->ctrl);
}

void virtio_net_take(struct virtio_net *n)
{
	for (unsigned i = 0; i < n->nr_pairs; i++)
		(void)net_tx_look(&n->pair[i]);
}

void net_again(struct net_queue *q)
{
	if (q->pair && q->pair->polls) {
		q->due = true;
		return;
	}
	if (q->again)
		return;
	q->again = true;
	++*q->count.again;
	virtio_signal(&q->n->dev, q->kick.fd);
}

bool net_take_due(struct net_queue *q)
{
	const bool due = q->due;

	q->due = false;
	return due;
}

void net_take_kick(struct net_queue *q)
{
	uint64_t count = fd_event_take(q->kick.fd);

	if (count && q->again)
		count--;
	q->again = false;
	*q->count.kicks += count;
	++*q->count.reads;
}

void net_broken(struct net_queue *q, int err)
{
	const char *why = err == -ENOBUFS ? "a chain of too many pieces" : q->vq->why;

	net_publish(q);
	if (!q->pair || q->pair->index == 0) {
		virtio_broken(&q->n->dev, why);
		return;
	}
	net_pair_stop(q->pair);
	atomic_store_explicit(&q->pair->why, why, memory_order_relaxed);
	net_pair_tell(q->pair, NET_NEWS_BROKEN);
}
