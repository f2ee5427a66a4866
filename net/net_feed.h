/* SPDX-License-Identifier: Apache-2.0 */
/* net/net_feed.h - when to call the sink: shared by the backends whose frames are in memory, not in a descriptor
 *
 * The backend makes or keeps the frames; the feed asks before every wait of the loop whether there are any, so
 * a frame that came while the loop was awake costs no system call. The loop does not sleep while there are.
 * Loop thread only, but for feed_ring().
 */
#ifndef DOORBELL_NET_FEED_H
#define DOORBELL_NET_FEED_H

#include <stdbool.h>

#include "net/net_backend.h"
#include "vmm/core/loop.h"

struct net_feed {
	/* Given to feed_init(). */
	struct loop *loop;
	bool (*ready)(void *arg); /* may recv() have a frame? */
	bool (*room)(void *arg);  /* may send() succeed again? NULL: it never answers -EAGAIN */
	void *arg;

	bool started;
	bool want_recv; /* the guest has room */
	bool want_send; /* a send() was answered -EAGAIN: set by the backend */

	/* Private. */
	struct net_sink sink;
	struct loop_hook hook;
	struct loop_fd bell; /* an eventfd, owned */
	bool ringing;        /* by ourselves, so that the loop comes back at once */
};

/* 0 or -errno; feed_free() in any case. */
int feed_init(struct net_feed *f);
void feed_free(
	struct net_feed *f); /* implies stop; accepts a zeroed one that was never initialised */
int feed_start(struct net_feed *f, const struct net_sink *s); /* 0; -EBUSY; or -errno */
void feed_stop(struct net_feed *f);                           /* no-op when not started */
/* Wake the loop, so that it asks again. Any thread. */
void feed_ring(const struct net_feed *f);

#endif
