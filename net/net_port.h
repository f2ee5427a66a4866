/* SPDX-License-Identifier: Apache-2.0 */
/* net/net_port.h - when to call the sink: shared by the backends that read and write one descriptor
 *
 * The backend moves the frames; the port watches the descriptor and knows who waits for what. Loop
 * thread only.
 */
#ifndef DOORBELL_NET_PORT_H
#define DOORBELL_NET_PORT_H

#include <stdbool.h>

#include "net/net_backend.h"
#include "vmm/core/loop.h"

/* Private to net_port.c but for err; public so that it can be embedded. Zero it, then port_init(). */
struct net_port {
	struct loop *loop;
	struct loop_fd watch;
	struct net_sink sink;
	bool started;
	bool want_recv; /* the guest has room */
	bool want_send; /* a send() was answered -EAGAIN */
	int err;        /* -errno once the peer is lost, else 0 */
};

/* @fd is borrowed, non-blocking, and must stay open until port_stop(). */
void port_init(struct net_port *p, struct loop *l, int fd);
int port_start(struct net_port *p, const struct net_sink *s); /* 0 or -errno */
void port_stop(struct net_port *p);                           /* no-op when not started */
void port_want_recv(struct net_port *p, bool on);
/* After -EAGAIN: watch for room, and call can_send once when there is some. */
void port_want_send(struct net_port *p);
/* For send() and recv(), which may not call the sink: @err is told from the loop, as soon as it waits. */
void port_lost(struct net_port *p, int err);

#endif
