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
#define BUSYLOOP_LOOK_MAX_NS (16 * TRIAL_WINDOW_NS)
/* After so long without it what comes is another traffic, of which nothing is known. */
#define BUSYLOOP_QUIET_NS (2 * BUSYLOOP_LOOK_MAX_NS)

/*
 * Windows before it changes. With 5 it would be kept in a trial of 6 with a TCP stream into the guest in the lab, and
 * in 2 of 3 where somebody asks and waits; with 15 in one of 20, and in 3 of 4.
 */
#define BUSYLOOP_SURE 15u

/* For busyloop.c only, but for trial.on and its counters. */
struct busyloop {
	struct trial trial;
	uint64_t looked_ns, busy_ns; /* the last look; the last one with traffic before it */
	uint64_t wait_ns;            /* until the next one, while there is no traffic */
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
