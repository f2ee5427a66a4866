/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/run.h - the commands; each takes the words behind its name and returns the exit status */
#ifndef DOORBELL_RUN_H
#define DOORBELL_RUN_H

enum exit_status {
	EXIT_OK = 0,
	EXIT_HOST = 1,       /* the host failed: no KVM, no memory, a backend that broke */
	EXIT_USAGE = 2,      /* usage or bad input */
	EXIT_GUEST_DIED = 3, /* triple fault, internal error */
	EXIT_FINDINGS =
		10, /* check: the driver broke rules; bench compare --gate: a count got worse */
	EXIT_NO_DRIVER = 11, /* check: it never worked, or the guest died */
	EXIT_TIMEOUT = 124,  /* as timeout(1) */
	EXIT_SIGNAL = 128,   /* plus the signal's number, as a shell says it */
};

struct loop;
struct vm;
struct vm_end;
struct vm_config;

/* Somebody who looks on at a run; main loop's thread. */
struct run_watch {
	int (*begin)(void *arg, struct vm *vm,
	             struct loop *loop); /* before each life; 0 or -errno, logged */
	void (*end_life)(void *arg);     /* after each that began */
	/* After the last one, which has ended as @how says, unless the host failed; the exit status. */
	int (*end)(void *arg, const struct vm_end *how, int status);
	void *arg;
};

/* What "doorbell run" does with a machine to be, after common_config_begin(); @watch NULL: nobody. The exit status. */
int run_guest(const struct vm_config *cfg, const struct run_watch *watch);

int cmd_check(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_trace(int argc, char **argv);
int cmd_backend(int argc, char **argv);
int cmd_bench(int argc, char **argv);
int cmd_ctl(int argc, char **argv);
int cmd_doctor(int argc, char **argv);

#endif
