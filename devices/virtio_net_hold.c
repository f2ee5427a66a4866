// SPDX-License-Identifier: Apache-2.0
/*
 * The interrupt about a lone frame that was sent, or about a burst of which the kick had waited (tx_burst.h), waits for a while.
 *
 * A driver that sends one frame and then another takes back the first one's buffers before it offers the second, and
 * one that is answered does so when it looks at the answer: Linux does both. The interrupt about the first would tell
 * it nothing, and costs an exit, a wake-up of a sleeping CPU and the handler. So the used entry is published at once,
 * and only whether the driver wants to hear of it is asked later: when it kicks again, when it is interrupted anyhow, or
 * after params.tx_hold_us. Most drivers have moved used_event past it by then.
 *
 * Never held: what is about more frames, since a driver may be short of room then, and anything of drivers
 * without EVENT_IDX, whose wishes say nothing of what they have seen. A driver that waits for the interrupt before it
 * sends the next frame is found by its promptness, and is not made to wait for long.
 */
#include <linux/virtio_ring.h>

#include "devices/virtio_net_priv.h"

/* A driver that waits is as fast as its interrupt, its wake-up and what it does then: this long is none of them. */
#define HOLD_PROMPT_NS UINT64_C(250000)
/* So many frames in a row that came right behind an interrupt that had waited are no accident. */
#define HOLD_WAITED 4u
/* Frames that are not held then. */
#define HOLD_NOT_HELD 4096u

static uint64_t hold_ns(const struct net_pair *p)
{
	return p->n->params.tx_hold_us * UINT64_C(1000);
}

void net_hold_kicked(struct net_pair *p)
{
	struct net_hold *h = &p->hold;

	if (!h->expired_ns)
		return;
	h->waited = loop_now_ns() - h->expired_ns < h->prompt_ns ? h->waited + 1 : 0;
	h->expired_ns = 0;
	if (h->waited < HOLD_WAITED)
		return;
	h->skip = HOLD_NOT_HELD;
	h->waited--; /* one more after these, and it begins anew */
}

static bool may_hold(struct net_pair *p)
{
	struct net_hold *h = &p->hold;

	if (!h->usable)
		return false;
	if (h->skip == 0)
		return true;
	h->skip--;
	return false;
}

void net_hold(struct net_pair *p)
{
	struct net_queue *q = &p->queue[NET_TX];
	const uint16_t asked = vq_asked(q->vq);

	if (!vq_want_interrupt(q->vq)) {
		++*q->count.suppressed;
	} else if (!may_hold(p)) {
		net_interrupt(q);
	} else {
		vq_unask(q->vq, asked);
		p->hold.late.at_ns = loop_now_ns() + hold_ns(p);
	}
}

bool net_hold_end(struct net_pair *p)
{
	if (!p->hold.late.at_ns)
		return false;
	p->hold.late.at_ns = 0;
	return net_tell_used(&p->queue[NET_TX]);
}

void net_hold_joins(struct net_pair *p)
{
	struct net_queue *q = &p->queue[NET_TX];

	if (!p->hold.late.at_ns || !p->hold.shared)
		return;
	p->hold.late.at_ns = 0;
	vq_want_interrupt(q->vq); /* from here on it is about what comes */
	++*q->count.suppressed;
}

/* The driver has done nothing meanwhile. */
static void expired(void *arg)
{
	struct net_pair *p = arg;

	if (net_tell_used(&p->queue[NET_TX]))
		p->hold.expired_ns = loop_now_ns();
}

void net_hold_start(struct net_pair *p)
{
	const struct virtio_dev *d = &p->n->dev;

	/*
	 * Somebody who looks on is to see what the driver is told when it is due; and whoever sends in the vCPU's
	 * thread (kick_inline) has no loop that would wake for it.
	 */
	const bool usable = p->n->params.tx_hold_us > 0 && !p->n->params.kick_inline &&
	                    net_has(p->n, VIRTIO_RING_F_EVENT_IDX) && !p->backend->frame->done &&
	                    !d->watch && !d->provoke;

	p->hold = (struct net_hold){
		.late = {.fn = expired, .arg = p},
		.usable = usable,
		.prompt_ns = HOLD_PROMPT_NS,
		.shared = !d->tops || !d->tops->used,
	};
	loop_late_add(p->loop, &p->hold.late);
}

void net_hold_stop(struct net_pair *p)
{
	net_hold_end(p);
	loop_late_del(p->loop, &p->hold.late);
}
