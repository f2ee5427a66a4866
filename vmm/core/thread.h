/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/core/thread.h - threads as all of this process are */
#ifndef DOORBELL_THREAD_H
#define DOORBELL_THREAD_H

#include <pthread.h>
#include <stdbool.h>

/*
 * Bytes of a thread's stack: enough for all that runs on one (the most is libslirp's 128 KiB, when it asks
 * for a neighbour's address while it sends), and too small for a huge page of its own, which would be 2 MiB
 * of memory for a few KiB.
 */
#define THREAD_STACK (1u << 20)

/* With the caller's signal mask. 0 or -errno. */
int thread_start(pthread_t *thread, void *(*fn)(void *), void *arg);

/*
 * The caller's thread is a real-time one for a short while in which somebody waits for it, and as it was again: sched(7).
 * Of two such threads the one with the higher @priority (1 to 99) goes first.
 * False: it is no ordinary one, or not allowed to (that takes CAP_SYS_NICE, or RLIMIT_RTPRIO); then nothing is to be ended.
 */
bool thread_urgent_begin(int priority);
void thread_urgent_end(void);

#endif
