/* SPDX-License-Identifier: Apache-2.0 */
/* tests/lib/vu_proc.h - a NIC and its vhost-user peer in a process of its own, which can be killed at any time */
#ifndef DOORBELL_TESTS_VU_PROC_H
#define DOORBELL_TESTS_VU_PROC_H

#include <sys/types.h>

#include "tests/lib/vu_rig.h"

struct vu_proc {
	struct vu_rig rig;
	char dir[40], path[64]; /* path: of the socket */
	unsigned pairs;         /* 1 at first */
	pid_t pid;              /* -1: there is none */
};

int vu_proc_setup(struct vu_proc *p); /* 0 or -1 */
int vu_proc_teardown(struct vu_proc *p);
/* vu_rig_create() with socket= and @more keys. */
void vu_proc_create(struct vu_proc *p, const char *more);
/* As fork(): true in the peer, which is to become a program or to _exit(). */
bool vu_proc_fork(struct vu_proc *p);
void vu_proc_kill(struct vu_proc *p); /* SIGKILL, and it is gone; no-op when there is none */
/* The peer dies under load, start(p) makes the next one, under load too, and that one serves. */
void vu_proc_die(struct vu_proc *p, void (*start)(struct vu_proc *p));

#endif
