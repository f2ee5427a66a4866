/* SPDX-License-Identifier: Apache-2.0 */
/* bench/cmd/ring.h - what the queue core costs per request
 *
 * One thread is driver and device in turns, a burst each: no cache line moves between CPUs, nobody waits for anybody.
 * The driver does no more than a driver must.
 */
#ifndef DOORBELL_BENCH_RING_H
#define DOORBELL_BENCH_RING_H

#include <stdbool.h>
#include <stdint.h>

enum ring_step {
	RING_REQUEST, /* all of it, the driver's side too: offer, pop, push, publish, look */
	RING_POP,     /* and unpop, which is next to nothing */
	RING_PUBLISH, /* push, publish, and whether an interrupt is wanted */
	RING_COPY, /* RING_REQUEST, and the device copies what is in the buffers, or what they get */
};

#define RING_PIECES_MAX 64u
#define RING_PIECE_MAX  4096u

struct ring_work {
	enum ring_step step;
	bool packed;     /* the layout */
	bool in;         /* the device writes to the buffers; else it reads them */
	unsigned pieces; /* buffers of a request, at most RING_PIECES_MAX */
	uint32_t len;    /* bytes of each, at most RING_PIECE_MAX */
};

/*
 * About @ms: *ns of one request, of this thread's CPU time but for RING_PUBLISH, which is too short for that. 0; -ENOMEM;
 * -EPROTO: the ring does not do what it should.
 */
int ring_cost(const struct ring_work *w, unsigned ms, double *ns);

#endif
