/* SPDX-License-Identifier: Apache-2.0 */
/* bench/cmd/cost.h - what a data path is made of, as this machine does it without one
 *
 * For rows of their own, and for the run's card: numbers of two runs whose costs differ are not compared.
 */
#ifndef DOORBELL_BENCH_COST_H
#define DOORBELL_BENCH_COST_H

enum cost_id {
	COST_SYSCALL,      /* that does nothing */
	COST_WAKEUP_SAME,  /* of a thread that waits for an eventfd, on the waker's CPU */
	COST_WAKEUP_OTHER, /* on another one */
	COST_TAP_WRITE,    /* of a frame that the host's network drops at once */
	COST_COPY,         /* memcpy() of 64 KiB */
	COSTS,
};

struct cost {
	const char *name; /* stable: a key of the JSON */
	const char *help;
	int (*measure)(unsigned ms, double *ns, char *why);
};

extern const struct cost costs[COSTS];

/*
 * In about @ms: *ns of one. 0; or -errno with a line in @why (BENCH_WHY_MAX) that says what there is not. Any thread,
 * whose CPUs are those that are used and which is as it was afterwards.
 */
int cost_measure(enum cost_id id, unsigned ms, double *ns, char *why);

#endif
