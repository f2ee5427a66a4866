/* SPDX-License-Identifier: Apache-2.0 */
/* audit/trace.h - have the kernel count what some threads do: an instance of tracefs with histogram triggers
 *
 * The instance is a folder of our own below instances/, so nobody else's tracing is disturbed. Triggers count
 * in the kernel: there is no buffer that could overflow.
 */
#ifndef DOORBELL_TRACE_H
#define DOORBELL_TRACE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define TRACE_ROOT "/sys/kernel/tracing"

struct trace; /* opaque */

/*
 * Begin to count what the threads @tids[0 .. nr) do, and those that they make. Instances that killed processes
 * left behind are removed. @nr 0 is -ESRCH: without threads to look at, the kernel would look at all. 0 and *out; or -errno with the reason in @why, and nothing is left.
 */
int trace_begin(const char *root, const int *tids, size_t nr, struct trace **out, char *why,
                size_t why_size);

#define TRACE_PID_NS "/proc/self/ns/pid"

/*
 * The kernel's tracing knows threads by their numbers in the initial PID namespace. Is @ns, the file of a process in
 * /proc, that namespace?
 */
bool trace_knows_pids(const char *ns);

/*
 * trace_begin() on this host's tracefs, with the numbers that threads have for us. -EXDEV: in a namespace where these
 * say nothing; nothing is touched.
 */
int trace_begin_host(const int *tids, size_t nr, struct trace **out, char *why, size_t why_size);

void trace_restart(struct trace *t); /* count from 0 again */

/*
 * What was counted so far: {"kvm_exit": [[KEY, ..., HITS], ...], ...}, one member for each event that this kernel has;
 * a key that is a function is its name. NULL: no memory.
 */
json_t *trace_read(const struct trace *t);

void trace_end(struct trace *t); /* removes the instance; NULL is fine */

#endif
