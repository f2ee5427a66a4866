/* SPDX-License-Identifier: Apache-2.0 */
#include "net/net_feed.h"

#include <errno.h>

static bool may_recv(const struct net_feed *f)
{
	return f->started && f->want_recv && f->ready(f->arg);
}

static bool may_send(const struct net_feed *f)
{
	return f->started && f->want_send && f->room(f->arg);
}

static bool has_sent(const struct net_feed *f)
{
	return f->started && f->sent && f->sent(f->arg);
}

/* Before each wait of the loop. Each call of the sink may stop the backend. */
static void before_wait(void *arg)
{
	struct net_feed *f = arg;

	if (may_recv(f))
		f->sink.can_recv(f->sink.arg);
	if (has_sent(f))
		f->sink.sent(f->sink.arg);
	if (may_send(f)) {
		f->want_send = false;
		f->sink.can_send(f->sink.arg);
	}
	/* The device had enough for this turn, or there is more by now. */
	if (may_recv(f) || may_send(f) || has_sent(f))
		loop_again(f->loop);
}

int feed_start(struct net_feed *f, const struct net_sink *s)
{
	if (f->started)
		return -EBUSY;
	f->sink = *s;
	f->started = f->want_recv = true;
	f->want_send = false;
	f->hook = (struct loop_hook){.fn = before_wait, .arg = f};
	loop_hook_add(f->loop, &f->hook);
	return 0;
}

void feed_stop(struct net_feed *f)
{
	if (f->started)
		loop_hook_del(f->loop, &f->hook);
	f->started = false;
}
