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
 * what has paid before kept then: who does something now and then would pay for it each time.
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
	unsigned window; /* of the trial that runs: 0 .. TRIAL_WINDOWS - 1 */
	unsigned again_shift;
	uint64_t due_ns;               /* the next step */
	uint64_t began_ns, began_work; /* of this window */
	uint64_t work[2], ns[2];       /* of this trial, without and with it */
	uint64_t trials, paid; /* that were concluded; of these, those after which it is on */
};

/* Is trial_step() due? */
static inline bool trial_due(const struct trial *t, uint64_t now_ns)
{
	return now_ns >= t->due_ns;
}

/* At @now_ns, CLOCK_MONOTONIC, @work has been done since ever. True: t->on has changed. */
bool trial_step(struct trial *t, uint64_t now_ns, uint64_t work);

/* The traffic is another one: t->on is false again, and the next trial may begin at once. */
void trial_forget(struct trial *t);

#endif
