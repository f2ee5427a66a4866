/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/core/tasks.h - what the kernel counts of the threads that do our work */
#ifndef DOORBELL_TASKS_H
#define DOORBELL_TASKS_H

#include <stdbool.h>
#include <stdint.h>

struct task {
	int tid;
	char name[16];
	uint64_t voluntary_switches;   /* it waited for something */
	uint64_t involuntary_switches; /* it was made to wait */
	uint64_t cpu_ns, runqueue_ns; /* on a CPU, and ready but without one; 0: not counted here */
	bool ready;                   /* one of the two, just now */
};

/* The calling thread, for one that is about to end; runqueue_ns and ready are left 0. */
void task_self(struct task *t);

/* For how long the calling thread has been ready without a CPU; 0 where nobody counts it. Three system calls. */
uint64_t task_delay_ns(void);

bool task_read(int tid, struct task *t); /* of this process; false: there is none */

#define TASKS_MAX 256u /* more than our threads: 64 vCPUs, 8 NICs */

/*
 * All threads of this process; with @vhost also the workers that vhost runs for it: kernels before 6.4
 * keep these as processes of their own, which takes a look at all processes. Their number, @room at most,
 * those that ended meanwhile left out.
 */
unsigned tasks_read(struct task *out, unsigned room, bool vhost);

/* Parse the text of a /proc/TID/status, and of a /proc/TID/schedstat. False: not that. */
bool task_parse_status(const char *text, struct task *t);
bool task_parse_schedstat(const char *text, struct task *t);

#endif
