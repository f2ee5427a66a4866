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
/* It is expected to pay after so many looks at traffic that may be questions and answers, ... */
#define TRY_ALIKE 2u
/* ... and after so many at other traffic it is another one. */
#define TRY_OTHERS 4u
/* What comes behind so long a pause is other traffic: that of before says nothing about it. */
#define TRY_PAUSE_NS UINT64_C(1000000000)

void net_try_start(struct net_pair *p)
{
	trial_forget(&p->tried.trial, p->tried.now_ns());
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

/* What has passed since the last look may be questions and answers. */
static void gain(struct net_try *t, uint64_t now, uint64_t bytes)
{
	t->others = 0;
	t->alike++;
	if (t->trial.known)
		trial_step(&t->trial, now, bytes);
	else if (t->alike >= TRY_ALIKE)
		trial_expect(&t->trial, now);
}

/* Of other traffic nothing is known: it is neither tried, nor for long treated as what was before. */
static void lose(struct net_try *t, uint64_t now)
{
	t->alike = 0;
	if (++t->others >= TRY_OTHERS)
		trial_forget(&t->trial, now);
}

static void step(struct net_pair *p, uint64_t now)
{
	struct net_try *t = &p->tried;
	const struct virtio_net_stats *s = &p->stats;
	const uint64_t bytes = s->rx_bytes + s->tx_bytes, past = now - t->at_ns;

	/* Too few to look for; or behind a pause, when nothing is known of what comes. */
	if (past > TRY_PAUSE_NS || (t->trial.on && past > TRIAL_LATE_NS))
		trial_forget(&t->trial, now);
	if (trial_answers(s->rx_frames - t->in, s->tx_frames - t->out, bytes - t->bytes, past))
		gain(t, now, bytes);
	else
		lose(t, now);
	t->in = s->rx_frames;
	t->out = s->tx_frames;
	t->bytes = bytes;
	t->at_ns = now;
}

/* What ends its looks may be of no pair, or for nobody: nothing of that is counted, so this needs the clock. */
void net_try_idle(struct net_pair *p)
{
	struct net_try *t = &p->tried;
	uint64_t now;

	if (p->poll.budget.mode != POLL_TRY)
		return;
	now = t->now_ns();
	if (now - t->at_ns <= TRY_PAUSE_NS)
		return;
	trial_forget(&t->trial, now);
	change(p);
}

void net_try(struct net_pair *p)
{
	const struct virtio_dev *d = &p->n->dev;
	struct virtio_net_stats *s = &p->stats;
	struct net_try *t = &p->tried;
	const bool was = t->trial.on;

	/* Who watches or provokes the driver decides himself when a queue is looked at. */
	if (p->poll.budget.mode != POLL_TRY ||
	    s->rx_frames + s->tx_frames - t->in - t->out < TRY_FRAMES || !p->running || d->watch ||
	    d->provoke)
		return;
	step(p, t->now_ns());
	s->poll_trials = t->trial.trials;
	s->poll_kept = t->trial.paid;
	if (t->trial.on != was)
		change(p);
}
