/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/core/poll.h - how long a thread looks for work before it sleeps
 *
 * To sleep and be woken by another CPU costs some 20 us, and as long the work waits. To look instead costs the CPU. So
 * POLL_AUTO looks only where it expects to find something, and nobody else wants that CPU:
 *
 *	expects   2 bits that count up when work came soon and down when it did not, as a processor foresees a branch:
 *	          one burst, or one gap in a stream, does not turn it round
 *	nobody    the thread has hardly been ready without a CPU of late; otherwise it sleeps for a while as if it had never
 *	          found anything: a short one for who passes by, much longer each time that somebody is still there
 *
 * Plain numbers in and out: no clock, no system call. One thread.
 */
#ifndef DOORBELL_POLL_H
#define DOORBELL_POLL_H

#include <stdbool.h>
#include <stdint.h>

enum poll_mode {
	POLL_OFF,
	POLL_ON, /* never sleep */
	POLL_AUTO,
	POLL_TRY, /* whoever started it has found that it pays: see vmm/core/trial.h */
};

extern const char *const poll_mode_names[]; /* NULL-ended */

/* For how long POLL_AUTO looks: about twice what it costs to be woken. */
#define POLL_AUTO_NS UINT64_C(50000)
/* And POLL_TRY: who waits longer between two frames gains nothing that counts, and one that falls silent soon costs nothing. */
#define POLL_PATIENCE_NS UINT64_C(1000000)
/* A sleep was short, when the work that ended it would have been found; with what the wake-up took. */
#define POLL_SHORT_NS UINT64_C(75000)
/* It was none: the work was there already, and would have been found by who does not look, too. So nothing follows from it. */
#define POLL_NONE_NS UINT64_C(2000)
/* After how much looking the thread's share of a CPU is judged, and how long it stays away when that is too small. */
#define POLL_CHECK_NS    UINT64_C(4000000)
#define POLL_AWAY_NS     UINT64_C(6250000)
#define POLL_AWAY_MAX_NS (64 * POLL_AWAY_NS)
/* Who comes back is judged this often, but for the better only after POLL_CHECK_NS: somebody may be about to have his turn. */
#define POLL_TRY_NS UINT64_C(1000000)
/* Ready and without a CPU for one part in so many: too small. */
#define POLL_DELAY_SHARE 8u

/* Set mode; the rest is zero at first, and for poll.c only. */
struct poll_budget {
	enum poll_mode mode;
	unsigned hope; /* 0 .. 3; from 2 on it looks */
	/* Since when the share is counted, and what the thread had been delayed then; 0: never. */
	uint64_t checked_ns, delay_ns;
	uint64_t tried_ns; /* when it was looked at last */
	uint64_t away_until_ns;
	unsigned away_shift; /* it stays away for POLL_AWAY_NS << this the next time */
};

/* For how long to look from @now_ns on; UINT64_MAX: until there is something. */
uint64_t poll_budget_ns(const struct poll_budget *b, uint64_t now_ns);

/* Work was found within that time, after @ns. */
void poll_budget_hit(struct poll_budget *b, uint64_t ns);
/* It was not, if there was any; so the thread slept, and all in all waited for @ns. */
void poll_budget_slept(struct poll_budget *b, uint64_t looked_ns, uint64_t ns);

/* Is poll_budget_check() due? */
bool poll_budget_check_due(const struct poll_budget *b, uint64_t now_ns);
/* @delay_ns: for how long the thread has been ready without a CPU, since it began. True: it stays away from now on. */
bool poll_budget_check(struct poll_budget *b, uint64_t now_ns, uint64_t delay_ns);

#endif
