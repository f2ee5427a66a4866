/* SPDX-License-Identifier: Apache-2.0 */
/* bench/cmd/process.h - a command seen from outside: when it runs a guest, when it ends, what memory it has
 *
 * Functions for aside_run(): they wait for children, whoever these are. Standard input and output of the command are
 * /dev/null or ours; what it says on standard error is the reason when it fails.
 */
#ifndef DOORBELL_BENCH_PROCESS_H
#define DOORBELL_BENCH_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define PROCESS_LINE 128 /* bytes of a line that are looked at */

struct process_job {
	const char *const *argv; /* the command; ends with NULL */
	bool own_network;        /* in a network namespace of its own */
	const char *marker;      /* text on its standard output */
	uint64_t ram_kib;        /* of its guest */
	unsigned ms;             /* for who looks at more than one line: about how long */
};

/*
 * v[0]: ns from exec to the first KVM_RUN; v[1]: from there to the end. A seccomp filter stops the process at that
 * ioctl and nowhere else; what remains of ptrace is one stop per thread that is started.
 */
int process_start(const void *job, double *v, char *why);
/* v[0]: ns from exec to the end, undisturbed. */
int process_whole(const void *job, double *v, char *why);
/* v[0]: ns from exec to the marker; v[1]: the number behind it, or 0. Waits for the end. */
int process_marker(const void *job, double *v, char *why);
/*
 * When the marker has come, in KiB and without the guest's RAM: v[0] what is private and dirty, v[1] private, v[2]
 * proportional. Then it is ended.
 */
int process_memory(const void *job, double *v, char *why);

/* ---- for functions as those above */

struct process {
	pid_t pid, parent;
	int out; /* its standard output; -1 without a marker to look for: /dev/null */
	int err; /* what it has said; a file */
	const uint64_t *exec_ns;
};

/*
 * Starts it; what it needs goes with our process. @before, or NULL, is called in it just before exec. 0 or -errno with a
 * line in @why.
 */
int process_begin(struct process *p, const struct process_job *job, void (*before)(void),
                  char *why);
/*
 * Reads until there is a line with @marker: @line is what it is from there on, *at_ns (CLOCK_MONOTONIC) when the marker
 * came. 0; or -EPROTO with a line in @why: it ended before.
 */
int process_line(struct process *p, const char *marker, char line[PROCESS_LINE], uint64_t *at_ns,
                 char *why);
/* Waits for its end, which has to be with status 0. 0 or -errno as above. */
int process_finish(struct process *p, char *why);
/* Was it? For who has waited for it. 0 or -EPROTO with a line in @why. */
int process_judge(const struct process *p, int status, char *why);

#endif
