/* SPDX-License-Identifier: Apache-2.0 */
#include "arch/x86_64/ahead.h"

#include <stdlib.h>
#include <sys/ioctl.h>

#include "arch/x86_64/cpuid.h"

struct arch_ahead {
	struct kvm_cpuid2 *cpuid;
};

struct arch_ahead *arch_ahead_ask(int kvm_fd)
{
	struct arch_ahead *a = calloc(1, sizeof(*a));
	struct kvm_cpuid2 *c = calloc(1, sizeof(*c) + CPUID_MAX_ENTRIES * sizeof(c->entries[0]));

	if (c)
		c->nent = CPUID_MAX_ENTRIES;
	if (a && c && ioctl(kvm_fd, KVM_GET_SUPPORTED_CPUID, c) == 0) {
		a->cpuid = c;
		return a;
	}
	free(c);
	free(a);
	return NULL;
}

struct kvm_cpuid2 *ahead_take_cpuid(struct arch_ahead *a)
{
	struct kvm_cpuid2 *c = a ? a->cpuid : NULL;

	if (a)
		a->cpuid = NULL;
	return c;
}

void arch_ahead_free(struct arch_ahead *a)
{
	if (a)
		free(a->cpuid);
	free(a);
}
