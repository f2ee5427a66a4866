/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/run.h - the commands; each takes the words behind its name and returns the exit status */
#ifndef DOORBELL_RUN_H
#define DOORBELL_RUN_H

enum exit_status {
	EXIT_OK = 0,
	EXIT_HOST = 1,       /* the host failed: no KVM, no memory, a backend that broke */
	EXIT_USAGE = 2,      /* usage or bad input */
	EXIT_GUEST_DIED = 3, /* triple fault, internal error */
	EXIT_TIMEOUT = 124,  /* as timeout(1) */
	EXIT_SIGNAL = 128,   /* plus the signal's number, as a shell says it */
};

int cmd_run(int argc, char **argv);
int cmd_backend(int argc, char **argv);
int cmd_ctl(int argc, char **argv);
int cmd_doctor(int argc, char **argv);

#endif
