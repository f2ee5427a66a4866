/* SPDX-License-Identifier: Apache-2.0 */
/* tests/lib/fake_ring.h - the ring table of a fake_net: a peer that serves rx and tx by itself
 *
 * It moves the same frames as the fake_net that it belongs to, from its queue into the rx ring and from
 * the tx ring to its sent frames, and of each pair behind it, when the test says so. Thread and contract as in fake_net.h: a device
 * that uses both tables at once, or one while it is stopped, ends the program.
 *
 * A peer with a thread of its own holds @lock while it looks at @serves, runs, and touches the fake_net of a pair that
 * is served: start() and stop() do, but not while they call on_change().
 */
#ifndef DOORBELL_TESTS_FAKE_RING_H
#define DOORBELL_TESTS_FAKE_RING_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "devices/vq.h"
#include "tests/lib/fake_net.h"

#define FAKE_RINGS     2u /* rx, tx: of each pair */
#define FAKE_RINGS_MAX 16u

struct fake_ring {
	/* What the device did. */
	bool started;       /* of any pair */
	bool held;          /* since the last start(): no let_go() */
	bool served_before; /* the frame table was started at the last let_go() */
	unsigned nr_prepares, nr_starts, nr_stops, nr_set_offloads;
	uint64_t accepted, offloads;
	struct net_ring ring[FAKE_RINGS_MAX]; /* as given to the last start() of each */
	unsigned nr;                          /* that it serves, or served last */

	/* What the test wants. */
	int prepare_err, start_err;
	unsigned start_ok; /* starts that succeed before start_err */
	/* Called first in start() and stop() about the pair with that number, the first of all; or NULL. */
	void (*on_change)(unsigned pair, bool start);
	bool lie; /* stop() says next_avail as below, for each ring */
	uint32_t lie_next_avail[FAKE_RINGS_MAX];

	/* Private. */
	struct net_ring_ops ops;
	struct fake_net *net;
	const struct gmem *mem;
	struct vq vq[FAKE_RINGS_MAX];
	struct net_sink sink;
	pthread_mutex_t lock;
	unsigned serves; /* a bit for each pair */
};

/* Give @f, with all its pairs, a ring table; @each: that takes them pair by pair. @r outlives it. */
void fake_ring_add(struct fake_ring *r, struct fake_net *f, bool each);
/* Serve up to @max requests of each ring, as far as there are kicks or frames for it or not. */
void fake_ring_run(struct fake_ring *r, unsigned max);

#endif
