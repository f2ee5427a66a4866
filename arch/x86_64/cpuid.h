/* SPDX-License-Identifier: Apache-2.0 */
/* arch/x86_64/cpuid.h - from "what KVM can show a guest" to "what this vCPU is"
 *
 * One package, one thread per core, APIC id = index. Leaves: Intel SDM volume 2, CPUID; AMD APM volume 3,
 * appendix E; KVM's own: kernel Documentation/virt/kvm/x86/cpuid.rst.
 */
#ifndef DOORBELL_X86_64_CPUID_H
#define DOORBELL_X86_64_CPUID_H

#include <linux/kvm.h>
#include <stdbool.h>

#define CPUID_MAX_ENTRIES 256u /* what KVM itself limits a table to */

/*
 * The part that is the same for all vCPUs; @c has room for CPUID_MAX_ENTRIES. Leaves that describe
 * the host's topology are replaced. 0; -E2BIG when they do not fit.
 */
int cpuid_prepare(struct kvm_cpuid2 *c, unsigned nr_cpus, bool tsc_deadline);
/* After cpuid_prepare(), again for each vCPU: its APIC id. */
void cpuid_set_index(struct kvm_cpuid2 *c, unsigned index);

#endif
