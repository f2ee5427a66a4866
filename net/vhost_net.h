/* SPDX-License-Identifier: Apache-2.0 */
/* net/vhost_net.h - the kernel's vhost-net: it serves the two rings of a pair on a queue of a TAP */
#ifndef DOORBELL_VHOST_NET_H
#define DOORBELL_VHOST_NET_H

#include <stdint.h>

#include "net/busyloop.h"
#include "net/if_bytes.h"
#include "net/net_backend.h"
#include "vmm/core/loop.h"

#define VHOST_NET_RINGS 2u /* rx, tx */

#define VHOST_NET_TRY UINT64_MAX /* for microseconds: it polls only while that pays */

/* Rings that vhost found a broken rule on. */
struct vhost_err {
	struct vhost_net *v;
	struct loop_fd watch; /* its eventfd is owned */
};

/* Private to vhost_net.c but for offered. Loop thread. */
struct vhost_net {
	int fd;           /* /dev/vhost-net, owned; -1: not open */
	uint64_t offered; /* features that this kernel's vhost-net has */
	struct loop *loop;
	struct vhost_err err[VHOST_NET_RINGS];
	struct loop_timer look; /* is the interface still there? */
	/* VHOST_NET_TRY: does it pay to poll? */
	struct loop_timer busy_look;
	struct busyloop busy;
	const char *ifname; /* borrowed */
	struct if_bytes bytes;
	const uint16_t
		*used[VHOST_NET_RINGS]; /* its indices, in guest memory, while busy_look may come */
	bool tries;                     /* the kernel has what it takes */
	bool polling;                   /* what it was told last */
	struct net_backend_stats *stats; /* where the trials are counted */
	bool serving;                    /* from start to stop */
	bool bound;                      /* it has the eventfds of the rings: vhost_net_let_go() */
	int tap_fd;
	unsigned first_ring; /* what the sink knows them by */
	struct net_sink sink;
};

/* No descriptors yet. @ifname is the TAP's and lives as long; @stats is of the loop's thread. */
void vhost_net_init(struct vhost_net *v, struct loop *l, const char *ifname,
                    struct net_backend_stats *stats);
/*
 * Open /dev/vhost-net and give it guest memory; nothing when that was done. 0; or -errno with what is missing, and
 * what would help, in @why. Any thread, while none is in another call: the kernel makes a worker, which may take
 * tens of milliseconds, and the loop need not wait for that.
 */
int vhost_net_open(struct vhost_net *v, const struct gmem *m, char *why, size_t why_size);
/*
 * After vhost_net_open(), on the loop's thread: all else that no start changes; nothing when that was done.
 * @busyloop_us: how long it polls, 0: not; or VHOST_NET_TRY. 0; or -errno with @why, and it is closed.
 */
int vhost_net_watch(struct vhost_net *v, uint64_t busyloop_us, char *why, size_t why_size);

struct vhost_net_how {
	int tap_fd; /* with headers of 12 bytes; borrowed until vhost_net_stop() */
	uint64_t
		accepted; /* by the driver; of the ring features among them, only what is in offered */
	unsigned first_ring; /* for bad_ring of the sink: the number of the first of them */
	const struct gmem *mem;
};

/* As the calls of struct net_ring_ops; @nr is VHOST_NET_RINGS. */
int vhost_net_start(struct vhost_net *v, const struct vhost_net_how *how, struct net_ring *ring,
                    unsigned nr, const struct net_sink *s);
void vhost_net_stop(struct vhost_net *v, struct net_ring *ring, unsigned nr);
void vhost_net_let_go(struct vhost_net *v); /* any thread, as that call says */
void vhost_net_close(struct vhost_net *v);  /* stopped before; not open is fine */

#endif
