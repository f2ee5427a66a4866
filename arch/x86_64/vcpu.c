/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "arch/arch.h"
#include "arch/x86_64/ahead.h"
#include "arch/x86_64/cpuid.h"
#include "arch/x86_64/entry.h"
#include "arch/x86_64/layout.h"
#include "vmm/core/log.h"

#define CR0_PE (1u << 0u)
#define CR0_MP (1u << 1u)
#define CR0_ET (1u << 4u)
#define CR0_NE (1u << 5u)
#define CR0_WP (1u << 16u)
#define CR0_PG (1u << 31u)

#define CR4_PAE        (1u << 5u)
#define CR4_OSFXSR     (1u << 9u)
#define CR4_OSXMMEXCPT (1u << 10u)

#define EFER_LME (1u << 8u)
#define EFER_LMA (1u << 10u)

#define RFLAGS_FIXED 0x2u /* bit 1 is always 1; interrupts are off */

#define MSR_MISC_ENABLE   0x1a0u
#define MSR_MTRR_DEF_TYPE 0x2ffu

/*
 * What firmware leaves behind and Linux relies on: fast string operations on, no performance data
 * in memory (BTS, PEBS); MTRRs on with write-back as default, or Linux leaves PAT off as well.
 */
static const struct kvm_msr_entry start_msrs[] = {
	{.index = MSR_MISC_ENABLE, .data = 1u << 0u | 1u << 11u | 1u << 12u},
	{.index = MSR_MTRR_DEF_TYPE, .data = 1u << 11u | 6},
};

static int set_start_msrs(int vcpu_fd)
{
	_Alignas(struct kvm_msrs) uint8_t buf[sizeof(struct kvm_msrs) + sizeof(start_msrs)] = {0};
	struct kvm_msrs *msrs = (struct kvm_msrs *)(void *)buf;
	int done;

	msrs->nmsrs = ARRAY_SIZE(start_msrs);
	memcpy(msrs->entries, start_msrs, sizeof(start_msrs));
	done = ioctl(vcpu_fd, KVM_SET_MSRS, msrs);
	if (done < 0)
		return -errno;
	if (done < (int)ARRAY_SIZE(start_msrs))
		log_warn("KVM does not take MSR 0x%x", start_msrs[done].index);
	return 0;
}

static struct kvm_cpuid2 *ask_cpuid(const struct kvm *k)
{
	struct kvm_cpuid2 *c = calloc(1, sizeof(*c) + CPUID_MAX_ENTRIES * sizeof(c->entries[0]));

	if (!c) {
		errno = ENOMEM;
	} else {
		c->nent = CPUID_MAX_ENTRIES;
		if (ioctl(k->sys_fd, KVM_GET_SUPPORTED_CPUID, c) == 0)
			return c;
	}
	log_error("KVM_GET_SUPPORTED_CPUID: %s", strerror(errno));
	free(c);
	return NULL;
}

/*
 * Nothing else differs from what KVM sets at reset: CPU 0 is runnable, the others wait for INIT and
 * SIPI; of the local APICs only CPU 0's LINT0 is open.
 */
int arch_vcpus_init(struct kvm *k, const int *vcpu_fds, unsigned nr_cpus, struct arch_ahead *ahead)
{
	struct kvm_cpuid2 *c = ahead_take_cpuid(ahead);
	const char *what;
	int ret;

	if (!c)
		c = ask_cpuid(k);
	if (!c)
		return -EIO;
	ret = cpuid_prepare(c, nr_cpus, kvm_capability(k, KVM_CAP_TSC_DEADLINE_TIMER) > 0);
	if (ret < 0)
		log_error("this host's CPU describes itself in too many leaves");
	for (unsigned i = 0; ret == 0 && i < nr_cpus; i++) {
		cpuid_set_index(c, i);
		what = "KVM_SET_CPUID2";
		if (ioctl(vcpu_fds[i], KVM_SET_CPUID2, c) < 0) {
			ret = -errno;
		} else {
			what = "KVM_SET_MSRS";
			ret = set_start_msrs(vcpu_fds[i]);
		}
		if (ret < 0)
			log_error("CPU %u: %s: %s", i, what, strerror(-ret));
	}
	free(c);
	return ret;
}

/* A descriptor of the GDT as the CPU's hidden part of a segment register (Intel SDM 3A, 3.4.5). */
static struct kvm_segment segment(uint16_t selector, uint64_t desc)
{
	uint32_t limit = u32_of(desc & 0xffff) | u32_of(desc >> 32u & 0xf0000);
	bool pages = desc >> 55u & 1;

	return (struct kvm_segment){
		.base = (desc >> 16u & 0xffffff) | (desc >> 32u & 0xff000000),
		.limit = pages ? limit << 12u | 0xfff : limit,
		.selector = selector,
		.type = desc >> 40u & 0xf,
		.s = desc >> 44u & 1,
		.dpl = desc >> 45u & 3,
		.present = desc >> 47u & 1,
		.avl = desc >> 52u & 1,
		.l = desc >> 53u & 1,
		.db = desc >> 54u & 1,
		.g = pages,
	};
}

static void start_sregs(struct kvm_sregs *s, unsigned mode)
{
	const struct kvm_segment data = segment(GDT_DATA_SEL, GDT_DATA);

	s->cs = segment(GDT_CODE_SEL, mode == ENTRY_LONG ? GDT_CODE64 : GDT_CODE32);
	s->ds = s->es = s->fs = s->gs = s->ss = data;
	s->tr = segment(GDT_TSS_SEL, GDT_TSS);
	s->gdt = (struct kvm_dtable){.base = LAYOUT_GDT, .limit = GDT_NR_ENTRIES * 8 - 1};
	s->idt =
		(struct kvm_dtable){0}; /* a fault before the guest has its own is a triple fault */
	if (mode == ENTRY_PVH32) {
		s->cr0 = CR0_PE | CR0_ET;
		s->cr3 = s->cr4 = s->efer = 0;
		return;
	}
	s->cr0 = CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_PG;
	s->cr3 = LAYOUT_PML4;
	s->cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT;
	s->efer = EFER_LME | EFER_LMA;
}

int arch_vcpu_start(int vcpu_fd, const struct arch_entry *entry)
{
	const struct kvm_regs regs = {
		.rip = entry->pc,
		.rflags = RFLAGS_FIXED,
		.rdi = entry->arg[ENTRY_RDI],
		.rsi = entry->arg[ENTRY_RSI],
		.rdx = entry->arg[ENTRY_RDX],
		.rbx = entry->arg[ENTRY_RBX],
		.rsp = entry->arg[ENTRY_RSP],
	};
	struct kvm_sregs sregs;
	const char *what;
	int err;

	if (ioctl(vcpu_fd, KVM_GET_SREGS, &sregs) < 0) {
		what = "KVM_GET_SREGS";
		goto fail;
	}
	start_sregs(&sregs, entry->mode);
	if (ioctl(vcpu_fd, KVM_SET_SREGS, &sregs) < 0) {
		what = "KVM_SET_SREGS";
		goto fail;
	}
	if (ioctl(vcpu_fd, KVM_SET_REGS, &regs) < 0) {
		what = "KVM_SET_REGS";
		goto fail;
	}
	return 0;
fail:
	err = errno;
	log_error("CPU 0: %s: %s", what, strerror(err));
	return -err;
}
