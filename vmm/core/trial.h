/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/core/trial.h - something that costs CPU and saves waiting: is anybody waiting?
 *
 * To look for work in place of sleeping makes an answer come sooner. Whoever waits for it then asks again sooner, and more
 * work is done in the same time; traffic that comes by a clock of its own stays as it is, and only pays. Nothing in a frame says
 * which of the two it is, so it is tried: a few short windows without and with it in turns, and it is kept only while
 * clearly more is done with it.
 *
 * Plain numbers in and out: no clock, no system call. One thread.
 */
#ifndef DOORBELL_TRIAL_H
#define DOORBELL_TRIAL_H

#include <stdbool.h>
#include <stdint.h>

#define TRIAL_WINDOW_NS UINT64_C(20000000)
#define TRIAL_WINDOWS \
	5u /* of each trial; the first, and each second from there, as it was before */
/*
 * With less work in a window, or after so long a one, nothing is said: there is no traffic, or a pause in it. Nor is
 * what has paid before kept then, in a trial: who does something now and then would pay for it each time.
 */
#define TRIAL_WORK_MIN 8u
#define TRIAL_LATE_NS  (3 * TRIAL_WINDOW_NS)
/* It begins to pay with a tenth more work in the same time, and goes on to pay with a twentieth more. */
#define TRIAL_GAIN      10u
#define TRIAL_GAIN_KEPT 20u
/* Of something new the first window without and the first with it are enough, when it is not even a fiftieth more. */
#define TRIAL_GAIN_HOPE 50u
/* When it pays this is looked at again so soon; when it does not, the first time so soon, then twice as late each time. */
#define TRIAL_KEPT_NS     UINT64_C(1000000000)
#define TRIAL_AGAIN_NS    UINT64_C(125000000)
#define TRIAL_AGAIN_SHIFT 6u /* 8 s at most */

/* Zero it. For trial.c only, but for on and the counters. */
struct trial {
	bool on; /* what is to be done from now on */
	bool kept, running;
	bool known; /* something is known of this traffic */
	bool sure;  /* by a trial; else what is on is only expected to pay */
	uint64_t hoped_from,
		hoped_ns; /* since when it is; for how long it was, without a trial, before */
	unsigned window;  /* of the trial that runs: 0 .. TRIAL_WINDOWS - 1 */
	unsigned again_shift;
	uint64_t due_ns;               /* the next step */
	uint64_t began_ns, began_work; /* of this window */
	uint64_t work[2], ns[2];       /* of this trial, without and with it */
	uint64_t trials, paid; /* that were concluded; of these, those after which it is on */
};

/* Bytes of a frame, with all headers, the mean of both ways. */
#define TRIAL_SHORT 1024u

/*
 * Could it be that somebody waits for answers? Then about as many frames come as go, and short ones, @bytes in all; and
 * so many in @ns that it can be tried. A stream of segments and its acknowledgements is none: how fast it is says little about
 * the cost of a byte.
 */
static inline bool trial_answers(uint64_t in, uint64_t out, uint64_t bytes, uint64_t ns)
{
	return in <= 2 * out && out <= 2 * in && bytes <= TRIAL_SHORT * (in + out) &&
	       (in + out) * TRIAL_WINDOW_NS >= TRIAL_WORK_MIN * ns;
}

/* Is trial_step() due? */
static inline bool trial_due(const struct trial *t, uint64_t now_ns)
{
	return now_ns >= t->due_ns;
}

/* At @now_ns, CLOCK_MONOTONIC, @work has been done since ever. True: t->on has changed. */
bool trial_step(struct trial *t, uint64_t now_ns, uint64_t work);

/*
 * Traffic like this mostly gains. When nothing is known of it yet: t->on is true, and it is tried when it was expected to for
 * TRIAL_KEPT_NS in all. When of the last such traffic it is known that it gains nothing, not before that would be tried again.
 */
void trial_expect(struct trial *t, uint64_t now_ns);

/* For @ns there was no traffic: that is none of the time for which what is kept goes without a trial. */
void trial_rest(struct trial *t, uint64_t ns);

/* The traffic is another one: t->on is false again. */
void trial_forget(struct trial *t, uint64_t now_ns);

#endif
