/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/core/thread.h"

#include <sched.h>

int thread_start(pthread_t *thread, void *(*fn)(void *), void *arg)
{
	pthread_attr_t attr;
	int err;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, THREAD_STACK);
	err = pthread_create(thread, &attr, fn, arg);
	pthread_attr_destroy(&attr);
	return -err;
}

bool thread_urgent_begin(int priority)
{
	const struct sched_param first = {.sched_priority = priority};

	return sched_getscheduler(0) == SCHED_OTHER &&
	       sched_setscheduler(0, SCHED_FIFO, &first) == 0;
}

void thread_urgent_end(void)
{
	/* Its nice value is what it was: the kernel keeps that. Nobody is refused to have less. */
	(void)sched_setscheduler(0, SCHED_OTHER, &(const struct sched_param){0});
}
