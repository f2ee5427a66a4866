/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/kvm_ahead.h"

#include <errno.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdlib.h>

#include "arch/arch.h"
#include "vmm/core/thread.h"
#include "vmm/kvm.h"

struct kvm_ahead {
	pthread_t thread;
	bool joined;
	sem_t tried; /* the thread is through with these two: */
	int ret;
	struct kvm kvm;
	struct arch_ahead *answer; /* the thread's until it is joined */
};

static void *work(void *arg)
{
	struct kvm_ahead *a = arg;

	const int ret = kvm_try(&a->kvm);
	const int fd = a->kvm.sys_fd;

	a->ret = ret;
	sem_post(&a->tried);
	if (ret == 0)
		a->answer = arch_ahead_ask(fd);
	return NULL;
}

struct kvm_ahead *kvm_ahead_begin(void)
{
	struct kvm_ahead *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	sem_init(&a->tried, 0, 0);
	if (thread_start(&a->thread, work, a) == 0)
		return a;
	sem_destroy(&a->tried);
	free(a);
	return NULL;
}

static void join(struct kvm_ahead *a)
{
	if (!a->joined)
		pthread_join(a->thread, NULL);
	a->joined = true;
}

int kvm_ahead_take(struct kvm_ahead *a, struct kvm *k)
{
	int ret;

	if (!a)
		return -EAGAIN;
	while (sem_wait(&a->tried) < 0)
		; /* a signal */
	ret = a->ret;
	if (ret == 0)
		*k = a->kvm;
	a->ret = -EBADF; /* once */
	sem_post(&a->tried);
	return ret;
}

struct arch_ahead *kvm_ahead_answer(struct kvm_ahead *a)
{
	if (!a)
		return NULL;
	join(a);
	return a->answer;
}

void kvm_ahead_end(struct kvm_ahead *a)
{
	if (!a)
		return;
	join(a);
	if (a->ret == 0)
		kvm_close(&a->kvm);
	arch_ahead_free(a->answer);
	sem_destroy(&a->tried);
	free(a);
}
