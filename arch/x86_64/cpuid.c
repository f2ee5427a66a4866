/* SPDX-License-Identifier: Apache-2.0 */
#include "arch/x86_64/cpuid.h"

#include <errno.h>
#include <stdint.h>

#include "vmm/core/compiler.h"

enum {
	LEAF_VENDOR = 0x0,
	LEAF_FEATURES = 0x1,
	LEAF_CACHE = 0x4,
	LEAF_TOPOLOGY = 0xb,
	LEAF_TOPOLOGY_V2 = 0x1f,
};
#define LEAF_AMD_FEATURES UINT32_C(0x80000001)
#define LEAF_AMD_SIZES    UINT32_C(0x80000008)
#define LEAF_AMD_CACHE    UINT32_C(0x8000001d)
#define LEAF_AMD_TOPOLOGY UINT32_C(0x8000001e)

#define VENDOR_EBX_AMD   UINT32_C(0x68747541) /* "Auth" */
#define VENDOR_EBX_HYGON UINT32_C(0x6f677948) /* "Hygo" */

#define CACHE_TYPE 0x1fu /* EAX of a cache leaf; 0: no more caches */

#define FEATURES_ECX_TSC_DEADLINE (1u << 24u)
#define FEATURES_ECX_HYPERVISOR   (1u << 31u)
#define FEATURES_EDX_HTT          (1u << 28u) /* more than one logical CPU in the package */
#define AMD_ECX_CMP_LEGACY        (1u << 1u)  /* the same, and they are cores */

#define TOPOLOGY_TYPE_SMT  1u
#define TOPOLOGY_TYPE_CORE 2u

static void set_bits(uint32_t *reg, unsigned shift, uint32_t mask, uint32_t value)
{
	*reg = (*reg & ~(mask << shift)) | (value & mask) << shift;
}

/* Bits that an APIC id needs for @nr CPUs. */
static uint32_t id_bits(unsigned nr)
{
	uint32_t bits = 0;

	while (1u << bits < nr)
		bits++;
	return bits;
}

static void drop_leaf(struct kvm_cpuid2 *c, uint32_t function)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < c->nent; i++)
		if (c->entries[i].function != function)
			c->entries[kept++] = c->entries[i];
	c->nent = kept;
}

static int add_topology(struct kvm_cpuid2 *c, uint32_t function, unsigned nr_cpus)
{
	const struct kvm_cpuid_entry2 level[] = {
		{.ebx = 1, .ecx = TOPOLOGY_TYPE_SMT << 8u},
		{.eax = id_bits(nr_cpus), .ebx = nr_cpus, .ecx = TOPOLOGY_TYPE_CORE << 8u | 1},
		{.ecx = 2},
	};

	if (c->nent + ARRAY_SIZE(level) > CPUID_MAX_ENTRIES)
		return -E2BIG;
	for (uint32_t i = 0; i < ARRAY_SIZE(level); i++) {
		struct kvm_cpuid_entry2 *e = &c->entries[c->nent++];

		*e = level[i];
		e->function = function;
		e->index = i;
		e->flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
	}
	return 0;
}

/* Levels 1 and 2 belong to a core, all others are shared by the package. */
static uint32_t cache_sharers(const struct kvm_cpuid_entry2 *e, unsigned nr_cpus)
{
	return ((e->eax >> 5u) & 7) <= 2 ? 1 : nr_cpus;
}

static void patch_amd(struct kvm_cpuid_entry2 *e, unsigned nr_cpus)
{
	switch (e->function) {
	case LEAF_AMD_FEATURES:
		e->ecx &= ~AMD_ECX_CMP_LEGACY;
		e->ecx |= nr_cpus > 1 ? AMD_ECX_CMP_LEGACY : 0;
		break;
	case LEAF_AMD_SIZES:
		set_bits(&e->ecx, 0, 0xff, nr_cpus - 1);
		set_bits(&e->ecx, 12, 0xf, id_bits(nr_cpus));
		break;
	case LEAF_AMD_CACHE:
		if (e->eax & CACHE_TYPE)
			set_bits(&e->eax, 14, 0xfff, cache_sharers(e, nr_cpus) - 1);
		break;
	default:
		break;
	}
}

static void patch_common(struct kvm_cpuid_entry2 *e, unsigned nr_cpus, bool tsc_deadline)
{
	switch (e->function) {
	case LEAF_FEATURES:
		set_bits(&e->ebx, 16, 0xff, min_u32(1u << id_bits(nr_cpus), 0xff));
		e->ecx |= FEATURES_ECX_HYPERVISOR;
		e->ecx &= ~FEATURES_ECX_TSC_DEADLINE;
		e->ecx |= tsc_deadline ? FEATURES_ECX_TSC_DEADLINE : 0;
		e->edx &= ~FEATURES_EDX_HTT;
		e->edx |= nr_cpus > 1 ? FEATURES_EDX_HTT : 0;
		break;
	case LEAF_CACHE:
		if (!(e->eax & CACHE_TYPE))
			break;
		set_bits(&e->eax, 26, 0x3f, min_u32((1u << id_bits(nr_cpus)) - 1, 0x3f));
		set_bits(&e->eax, 14, 0xfff, cache_sharers(e, nr_cpus) - 1);
		break;
	default:
		break;
	}
}

int cpuid_prepare(struct kvm_cpuid2 *c, unsigned nr_cpus, bool tsc_deadline)
{
	uint32_t max_leaf = 0;
	bool amd = false;
	int ret = 0;

	drop_leaf(c, LEAF_TOPOLOGY);
	drop_leaf(c, LEAF_TOPOLOGY_V2);
	for (uint32_t i = 0; i < c->nent; i++) {
		struct kvm_cpuid_entry2 *e = &c->entries[i];

		if (e->function == LEAF_VENDOR) { /* the first entry */
			max_leaf = e->eax;
			amd = e->ebx == VENDOR_EBX_AMD || e->ebx == VENDOR_EBX_HYGON;
		}
		patch_common(e, nr_cpus, tsc_deadline);
		if (amd)
			patch_amd(e, nr_cpus);
	}
	if (max_leaf >= LEAF_TOPOLOGY)
		ret = add_topology(c, LEAF_TOPOLOGY, nr_cpus);
	if (!ret && max_leaf >= LEAF_TOPOLOGY_V2)
		ret = add_topology(c, LEAF_TOPOLOGY_V2, nr_cpus);
	return ret;
}

void cpuid_set_index(struct kvm_cpuid2 *c, unsigned index)
{
	for (uint32_t i = 0; i < c->nent; i++) {
		struct kvm_cpuid_entry2 *e = &c->entries[i];

		switch (e->function) {
		case LEAF_FEATURES:
			set_bits(&e->ebx, 24, 0xff, index);
			break;
		case LEAF_TOPOLOGY:
		case LEAF_TOPOLOGY_V2:
			e->edx = index;
			break;
		case LEAF_AMD_TOPOLOGY: /* one thread per core, one node */
			e->eax = index;
			e->ebx = index & 0xff;
			e->ecx = 0;
			break;
		default:
			break;
		}
	}
}
