/* SPDX-License-Identifier: Apache-2.0 */
/* Names for the reasons in the tracepoint kvm_exit; which table they are from is its field isa. */
#include <asm/svm.h>
#include <asm/vmx.h>

#include "arch/arch.h"
#include "vmm/core/compiler.h"

/* Exceptions (Intel SDM, volume 3, 6.3.1), as the table in asm/svm.h calls them. */
enum {
	DE_VECTOR = 0,
	DB_VECTOR = 1,
	BP_VECTOR = 3,
	OF_VECTOR = 4,
	BR_VECTOR = 5,
	UD_VECTOR = 6,
	NM_VECTOR = 7,
	DF_VECTOR = 8,
	TS_VECTOR = 10,
	NP_VECTOR = 11,
	SS_VECTOR = 12,
	GP_VECTOR = 13,
	PF_VECTOR = 14,
	MF_VECTOR = 16,
	AC_VECTOR = 17,
	MC_VECTOR = 18,
	XM_VECTOR = 19,
};

/* kernel: arch/x86/kvm/trace.h */
#define ISA_VMX 1u
#define ISA_SVM 2u

#define VMX_BASIC_REASON UINT64_C(0xffff) /* above are flags */

struct reason {
	int64_t code; /* 32 bits, of which some tables make -1 */
	const char *name;
};

static const struct reason vmx[] = {VMX_EXIT_REASONS};
static const struct reason svm[] = {SVM_EXIT_REASONS};

static const char *name_in(const struct reason *r, size_t nr, uint64_t code)
{
	for (size_t i = 0; i < nr; i++)
		if (u32_of((uint64_t)r[i].code) == u32_of(code))
			return r[i].name;
	return "of a reason without a name";
}

const char *arch_exit_name(uint64_t isa, uint64_t reason, bool *memory)
{
	const uint64_t basic = reason & VMX_BASIC_REASON;

	*memory = false;
	if (isa == ISA_SVM) {
		*memory = reason == SVM_EXIT_NPF;
		return name_in(svm, ARRAY_SIZE(svm), reason);
	}
	if (isa != ISA_VMX)
		return "of a reason without a name";
	*memory = basic == EXIT_REASON_EPT_VIOLATION || basic == EXIT_REASON_EPT_MISCONFIG;
	return name_in(vmx, ARRAY_SIZE(vmx), basic);
}
