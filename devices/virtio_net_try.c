// SPDX-License-Identifier: Apache-2.0
/*
 * poll=try: whether a pair's loop looks for frames before it sleeps is tried, again and again (vmm/core/trial.h).
 *
 * To look pays where somebody waits for each answer before he goes on: the frames then are faster. Those that come by a
 * clock of their own are not, and cost more CPU. What is compared is bytes: the same stream may come in more frames, and
 * shorter ones, when it is looked for, and is no faster for that.
 */
#include "devices/virtio_net_priv.h"

/* The clock, a system call on some machines, is asked once in so many frames: an idle NIC tries nothing. */
#define TRY_FRAMES 16u
/* What comes behind so long a pause is other traffic: that of before says nothing about it. */
#define TRY_PAUSE_NS UINT64_C(1000000000)

void net_try_start(struct net_pair *p)
{
	trial_forget(&p->tried.trial);
}

bool net_try_looks(const struct net_pair *p)
{
	const enum poll_mode mode = p->poll.budget.mode;

	return mode == POLL_TRY ? p->tried.trial.on : mode != POLL_OFF;
}

static void change(struct net_pair *p)
{
	net_pair_review(p);
	/* No kicks were asked for. */
	for (unsigned i = NET_RX; i <= NET_TX && !p->polls; i++)
		if (p->queue[i].live)
			net_again(&p->queue[i]);
}

void net_try(struct net_pair *p)
{
	const struct virtio_dev *d = &p->n->dev;
	struct virtio_net_stats *s = &p->stats;
	const uint64_t frames = s->rx_frames + s->tx_frames;
	struct net_try *t = &p->tried;
	const bool was = t->trial.on;
	uint64_t now;

	/* Who watches or provokes the driver decides himself when a queue is looked at. */
	if (p->poll.budget.mode != POLL_TRY || frames - t->frames < TRY_FRAMES || !p->running ||
	    d->watch || d->provoke)
		return;
	now = t->now_ns();
	if (now - t->at_ns > TRY_PAUSE_NS)
		trial_forget(&t->trial);
	t->frames = frames;
	t->at_ns = now;
	trial_step(&t->trial, now, s->rx_bytes + s->tx_bytes);
	s->poll_trials = t->trial.trials;
	s->poll_kept = t->trial.paid;
	if (t->trial.on != was)
		change(p);
}
