/* SPDX-License-Identifier: Apache-2.0 */
/* net/busyloop.h - whether vhost's polling pays, by how many bytes pass: busyloop=try
 *
 * The used indices of the pair say whether there is traffic to try it with. Work is bytes of the interface, not frames: the
 * worker that polls passes TCP in smaller segments, which are more frames and nothing won.
 *
 * When to look and what follows from it. No clock, no system call, no guest memory. One thread.
 */
#ifndef DOORBELL_BUSYLOOP_H
#define DOORBELL_BUSYLOOP_H

#include "vmm/core/trial.h"

/* With traffic it is looked so often at most, or as often as a trial wants; without more and more seldom, so often at least. */
#define BUSYLOOP_LOOK_MIN_NS TRIAL_WINDOW_NS
#define BUSYLOOP_LOOK_MAX_NS (5 * TRIAL_WINDOW_NS)
/* After so long without it what comes is another traffic, of which nothing is known. */
#define BUSYLOOP_QUIET_NS (32 * TRIAL_WINDOW_NS)
/*
 * But what is kept, since it has paid or is expected to, costs nothing while nothing comes, and would be missed at the next
 * questions until the look that finds them. For each frame that is none the worker polls: after so many it ends.
 */
#define BUSYLOOP_KEPT_QUIET_NS (500 * TRIAL_WINDOW_NS)
#define BUSYLOOP_STRAYS        64u

/* It is expected to pay after so many looks in a row at questions and answers, and after so many at traffic that is none, ... */
#define BUSYLOOP_ALIKE  1u
#define BUSYLOOP_OTHERS 2u
/* ... more than so many requests, it is another one. */
#define BUSYLOOP_FEW 8

/* For busyloop.c only, but for trial.on and its counters. */
struct busyloop {
	struct trial trial;
	uint64_t looked_ns, busy_ns; /* the last look; the last one with traffic before it */
	uint64_t wait_ns;            /* until the next one, while there is no traffic */
	unsigned alike, others;      /* looks in a row */
	unsigned strays;             /* frames since there was traffic */
	uint64_t bytes;              /* at the last look */
	uint16_t used[2];            /* likewise */
	uint64_t work;               /* bytes that passed while there was traffic */
};

struct busyloop_seen {
	uint64_t now_ns; /* CLOCK_MONOTONIC */
	uint64_t bytes;  /* that have passed since ever */
	uint16_t rx,
		tx; /* used indices: what the guest may have made of them, so any number will do */
};

/* Somebody begins to serve. Keeps the counters of the trial only. */
void busyloop_begin(struct busyloop *b, const struct busyloop_seen *s);
/* True: b->trial.on has changed. */
bool busyloop_look(struct busyloop *b, const struct busyloop_seen *s);
uint64_t busyloop_next_ns(const struct busyloop *b); /* when to look again */

#endif
