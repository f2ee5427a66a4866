/* SPDX-License-Identifier: Apache-2.0 */
/* net/net_feed.h - when to call the sink: shared by the backends whose frames are in memory, not in a descriptor
 *
 * The backend makes or keeps the frames; the feed asks before every wait of the loop whether there are any, so
 * a frame that came while the loop was awake costs no system call. The loop does not sleep while there are.
 * Loop thread only.
 */
#ifndef DOORBELL_NET_FEED_H
#define DOORBELL_NET_FEED_H

#include <stdbool.h>

#include "net/net_backend.h"
#include "vmm/core/loop.h"

struct net_feed {
	/* Set before feed_start(). */
	struct loop *loop;
	bool (*ready)(void *arg); /* may recv() have a frame? */
	bool (*room)(void *arg);  /* may send() succeed again? NULL: it never answers -EAGAIN */
	bool (*sent)(void *arg);  /* has done() something to count? NULL: there is no done() */
	void *arg;

	bool started;
	bool want_recv; /* the guest has room */
	bool want_send; /* a send() was answered -EAGAIN: set by the backend */

	/* Private. */
	struct net_sink sink;
	struct loop_hook hook;
};

int feed_start(struct net_feed *f, const struct net_sink *s); /* 0 or -EBUSY */
void feed_stop(struct net_feed *f);                           /* no-op when not started */

#endif
