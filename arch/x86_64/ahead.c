/* SPDX-License-Identifier: Apache-2.0 */
#include "arch/x86_64/ahead.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "arch/x86_64/cpuid.h"
#include "vmm/core/fd.h"
#include "vmm/core/thread.h"

struct arch_ahead {
	pthread_t thread;
	bool joined;
	struct kvm_cpuid2 *cpuid; /* the thread's until it is joined */
};

/* Says nothing: who needs the answer asks again, and then there is a message. */
static void *ask(void *arg)
{
	struct arch_ahead *a = arg;
	struct kvm_cpuid2 *c = calloc(1, sizeof(*c) + CPUID_MAX_ENTRIES * sizeof(c->entries[0]));
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (c)
		c->nent = CPUID_MAX_ENTRIES;
	if (c && fd >= 0 && ioctl(fd, KVM_GET_SUPPORTED_CPUID, c) == 0) {
		a->cpuid = c;
		c = NULL;
	}
	free(c);
	fd_close(&fd);
	return NULL;
}

struct arch_ahead *arch_ahead_begin(void)
{
	struct arch_ahead *a = calloc(1, sizeof(*a));

	if (a && thread_start(&a->thread, ask, a) < 0) {
		free(a);
		a = NULL;
	}
	return a;
}

static void join(struct arch_ahead *a)
{
	if (!a->joined)
		pthread_join(a->thread, NULL);
	a->joined = true;
}

struct kvm_cpuid2 *ahead_take_cpuid(struct arch_ahead *a)
{
	struct kvm_cpuid2 *c;

	if (!a)
		return NULL;
	join(a);
	c = a->cpuid;
	a->cpuid = NULL;
	return c;
}

void arch_ahead_end(struct arch_ahead *a)
{
	if (!a)
		return;
	join(a);
	free(a->cpuid);
	free(a);
}
