/* SPDX-License-Identifier: Apache-2.0 */
#include "net/net_port.h"

#include <errno.h>
#include <sys/epoll.h>

static void update(struct net_port *p)
{
	uint32_t events = 0;

	if (!p->started || !p->watch.loop)
		return;
	/* A lost peer is readable for ever: that wakes the loop, which then tells the sink. */
	if (p->want_recv || p->err)
		events |= EPOLLIN;
	if (p->want_send)
		events |= EPOLLOUT;
	loop_set(&p->watch, events);
}

static void ready(void *arg, uint32_t revents)
{
	struct net_port *p = arg;

	/*
	 * First what is still to be had: a peer may write and then leave. Each call may stop the
	 * port; what this event had to say besides is of no interest then.
	 */
	if ((revents & EPOLLIN) && p->want_recv && !p->err)
		p->sink.can_recv(p->sink.arg);
	if ((revents & EPOLLOUT) && p->started && p->want_send) {
		p->want_send = false;
		update(p);
		p->sink.can_send(p->sink.arg);
	}
	if ((revents & (EPOLLERR | EPOLLHUP)) && !p->err)
		p->err = -ENODEV;
	if (!p->started || !p->err)
		return;
	/* Errors cannot be muted: stop watching, or the loop would never sleep again. */
	loop_del(&p->watch);
	p->sink.gone(p->sink.arg, p->err);
}

void port_init(struct net_port *p, struct loop *l, int fd)
{
	*p = (struct net_port){.loop = l, .watch = {.fd = fd, .fn = ready}};
	p->watch.arg = p;
}

int port_start(struct net_port *p, const struct net_sink *s)
{
	int ret;

	if (p->started)
		return -EBUSY;
	p->watch.events = EPOLLIN;
	ret = loop_add(p->loop, &p->watch);
	if (ret < 0)
		return ret;
	p->sink = *s;
	p->started = true;
	p->want_recv = true;
	p->want_send = false;
	return 0;
}

void port_stop(struct net_port *p)
{
	loop_del(&p->watch);
	p->started = false;
}

void port_want_recv(struct net_port *p, bool on)
{
	p->want_recv = on;
	update(p);
}

void port_want_send(struct net_port *p)
{
	p->want_send = true;
	update(p);
}

void port_lost(struct net_port *p, int err)
{
	if (!p->err)
		p->err = err;
	update(p);
}
