/* SPDX-License-Identifier: Apache-2.0 */
#include "net/net_feed.h"

#include <errno.h>
#include <sys/epoll.h>

#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"

static bool may_recv(const struct net_feed *f)
{
	return f->started && f->want_recv && f->ready(f->arg);
}

static bool may_send(const struct net_feed *f)
{
	return f->started && f->want_send && f->room(f->arg);
}

static void set_ringing(struct net_feed *f, bool on)
{
	if (f->ringing == on)
		return;
	f->ringing = on;
	if (on)
		fd_event_set(f->bell.fd);
	else
		fd_event_take(f->bell.fd);
}

/* Before each wait of the loop. Each call of the sink may stop the backend. */
static void before_wait(void *arg)
{
	struct net_feed *f = arg;

	if (may_recv(f))
		f->sink.can_recv(f->sink.arg);
	if (may_send(f)) {
		f->want_send = false;
		f->sink.can_send(f->sink.arg);
	}
	if (f->started) /* the device had enough for this turn, or there is more by now */
		set_ringing(f, may_recv(f) || may_send(f));
}

static void on_bell(void *arg, unused uint32_t revents)
{
	const struct net_feed *f = arg;

	/* What woke the loop is in memory: before_wait() will find it. */
	if (!f->ringing)
		fd_event_take(f->bell.fd);
}

int feed_init(struct net_feed *f)
{
	f->hook = (struct loop_hook){.fn = before_wait, .arg = f};
	f->bell = (struct loop_fd){.fd = fd_eventfd(), .events = EPOLLIN, .fn = on_bell, .arg = f};
	return f->bell.fd < 0 ? f->bell.fd : 0;
}

int feed_start(struct net_feed *f, const struct net_sink *s)
{
	int ret;

	if (f->started)
		return -EBUSY;
	ret = loop_add(f->loop, &f->bell);
	if (ret < 0)
		return ret;
	f->sink = *s;
	f->started = f->want_recv = true;
	f->want_send = false;
	loop_hook_add(f->loop, &f->hook);
	return 0;
}

void feed_stop(struct net_feed *f)
{
	if (!f->started)
		return;
	f->started = false;
	set_ringing(f, false);
	loop_hook_del(f->loop, &f->hook);
	loop_del(&f->bell);
}

void feed_free(struct net_feed *f)
{
	feed_stop(f);
	if (f->hook.fn)
		fd_close(&f->bell.fd);
}

void feed_ring(const struct net_feed *f)
{
	fd_event_set(f->bell.fd);
}
