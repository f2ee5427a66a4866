/* SPDX-License-Identifier: Apache-2.0 */
/* bench/cmd/aside.h - a measurement in a process of its own
 *
 * For what changes its process (namespaces, ptrace), waits for children whoever they are, or may hang: whatever it has
 * opened and started goes with it.
 */
#ifndef DOORBELL_BENCH_ASIDE_H
#define DOORBELL_BENCH_ASIDE_H

#define ASIDE_VALUES 4

struct aside {
	/* In the child, which has one thread: 0, or -errno with a line in @why (BENCH_WHY_MAX). */
	int (*fn)(const void *arg, double v[ASIDE_VALUES], char *why);
	const void *arg;
	unsigned limit_s;         /* then it is ended: -ETIMEDOUT */
	const volatile int *stop; /* NULL, or not 0 when it is to end: -EINTR */
};

/* What @a->fn said, and the values that it left. */
int aside_run(const struct aside *a, double v[ASIDE_VALUES], char *why);

#endif
