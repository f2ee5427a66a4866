/* SPDX-License-Identifier: Apache-2.0 */
/* arch/x86_64/ahead.h - the answer to what arch_ahead_ask() has asked */
#ifndef DOORBELL_X86_64_AHEAD_H
#define DOORBELL_X86_64_AHEAD_H

#include <linux/kvm.h>

#include "arch/arch.h"

/* KVM_GET_SUPPORTED_CPUID with room for CPUID_MAX_ENTRIES, to be freed; NULL: there is no answer. */
struct kvm_cpuid2 *ahead_take_cpuid(struct arch_ahead *a);

#endif
