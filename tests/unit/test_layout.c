/* SPDX-License-Identifier: Apache-2.0 */
/* The x86_64 machine: what is where, how its CPUs describe themselves, how its ends are told apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>

#include "arch/arch.h"
#include "arch/x86_64/cpuid.h"
#include "arch/x86_64/layout.h"
#include "tests/lib/capture.h"
#include "vmm/core/compiler.h"

/* ---- addresses */

static void ram_up_to_the_hole_is_one_range(void **state)
{
	struct gmem_range r[GMEM_MAX_REGIONS];

	(void)state;
	assert_int_equal(arch_ram_ranges(MIB(512), r), 1);
	assert_int_equal(r[0].base, 0);
	assert_int_equal(r[0].size, MIB(512));
	assert_int_equal(arch_ram_ranges(GIB(3), r), 1);
	assert_int_equal(r[0].size, GIB(3));
}

static void ram_beyond_the_hole_goes_on_at_4_gib(void **state)
{
	struct gmem_range r[GMEM_MAX_REGIONS];

	(void)state;
	assert_int_equal(arch_ram_ranges(GIB(3) + 4096, r), 2);
	assert_int_equal(r[0].size, GIB(3));
	assert_int_equal(r[1].base, GIB(4));
	assert_int_equal(r[1].size, 4096);
	assert_int_equal(arch_ram_ranges(GIB(64), r), 2);
	assert_int_equal(r[0].size + r[1].size, GIB(64));
}

static void virtio_registers_end_a_page_and_config_begins_one(void **state)
{
	(void)state;
	for (unsigned i = 0; i < arch_desc.max_virtio; i++) {
		uint64_t base = arch_desc.virtio_base + i * arch_desc.virtio_stride;

		assert_int_equal(base % 4096, 4096 - 0x100);
		assert_int_equal((base + 0x100) % 4096, 0);
	}
	assert_true(arch_desc.virtio_stride >= 2 * 4096);
}

static void devices_lie_in_the_hole_apart_from_each_other(void **state)
{
	const uint64_t virtio_end =
		arch_desc.virtio_base + arch_desc.max_virtio * arch_desc.virtio_stride;

	(void)state;
	assert_true(arch_desc.virtio_base >= LAYOUT_HOLE);
	assert_true(virtio_end <= arch_desc.power.base);
	assert_true(arch_desc.power.base + arch_desc.power.size <= LAYOUT_IOAPIC);
	assert_true(LAYOUT_LAPIC < LAYOUT_KVM_TSS && LAYOUT_KVM_TSS + 3 * 4096 <= GIB(4));
	assert_false(arch_desc.power.pio);
	assert_true(arch_desc.uart.pio && arch_desc.i8042.pio && arch_desc.debug_exit.pio);
	assert_true(arch_desc.i8042.base + arch_desc.i8042.size <= arch_desc.debug_exit.base);
	assert_true(arch_desc.debug_exit.base + arch_desc.debug_exit.size <= arch_desc.uart.base);
}

static void every_interrupt_has_its_own_pin(void **state)
{
	(void)state;
	assert_true(arch_desc.uart.gsi < arch_desc.virtio_gsi);
	assert_true(arch_desc.virtio_gsi + arch_desc.max_virtio <= LAYOUT_NR_GSIS);
	assert_int_equal(arch_desc.max_virtio, MACHINE_MAX_VIRTIO);
}

static void too_many_cpus_are_refused_by_number(void **state)
{
	const struct machine_map map = {.nr_cpus = LAYOUT_MAX_CPUS + 1};
	const struct arch_vm_config cfg = {.map = &map};
	struct kvm k = {.sys_fd = -1, .vm_fd = -1};
	struct capture c;
	int ret;

	(void)state;
	CAPTURED(&c, &ret, arch_vm_init(&k, &cfg));
	assert_int_equal(ret, -EINVAL);
	assert_one_line(&c, "255");
}

/* ---- CPUID */

#define TABLE_BYTES \
	(sizeof(struct kvm_cpuid2) + CPUID_MAX_ENTRIES * sizeof(struct kvm_cpuid_entry2))

static struct kvm_cpuid2 *table(const struct kvm_cpuid_entry2 *entries, uint32_t nr)
{
	struct kvm_cpuid2 *c = calloc(1, TABLE_BYTES);

	assert_non_null(c);
	c->nent = nr;
	memcpy(c->entries, entries, nr * sizeof(entries[0]));
	return c;
}

/* The @nth entry of leaf @function; fails the case when there is none. */
static const struct kvm_cpuid_entry2 *leaf(const struct kvm_cpuid2 *c, uint32_t function,
                                           uint32_t index)
{
	const struct kvm_cpuid_entry2 *found = NULL;

	for (uint32_t i = 0; i < c->nent; i++) {
		if (c->entries[i].function != function || c->entries[i].index != index)
			continue;
		assert_null(found); /* no leaf twice */
		found = &c->entries[i];
	}
	assert_non_null(found);
	return found;
}

static const struct kvm_cpuid_entry2 intel[] = {
	{.function = 0, .eax = 0x1f, .ebx = 0x756e6547, .ecx = 0x6c65746e, .edx = 0x49656e69},
	{.function = 1, .ebx = 0x5a100800, .edx = 1u << 28},
	{.function = 4, .index = 0, .flags = 1, .eax = 0xfc1fc021}, /* data, level 1 */
	{.function = 4, .index = 3, .flags = 1, .eax = 0xfc1fc063}, /* unified, level 3 */
	{.function = 4, .index = 4, .flags = 1},
	{.function = 0xb, .index = 0, .flags = 1, .eax = 1, .ebx = 2, .ecx = 0x100, .edx = 0x5a},
	{.function = 0xb, .index = 1, .flags = 1, .eax = 7, .ebx = 96, .ecx = 0x201, .edx = 0x5a},
	{.function = 0x1f, .index = 0, .flags = 1, .eax = 1, .ebx = 2, .ecx = 0x100, .edx = 0x5a},
	{.function = 0x80000001, .ecx = 0x121},
	{.function = 0x80000008, .eax = 0x3930},
};

static const struct kvm_cpuid_entry2 amd[] = {
	{.function = 0, .eax = 0xd, .ebx = 0x68747541, .ecx = 0x444d4163, .edx = 0x69746e65},
	{.function = 1, .ebx = 0x10800},
	{.function = 0x80000001, .ecx = 0x400000},
	{.function = 0x80000008, .eax = 0x3930, .ecx = 0x703f},
	{.function = 0x8000001d, .index = 0, .flags = 1, .eax = 0x4121},
	{.function = 0x8000001d, .index = 3, .flags = 1, .eax = 0x3c163},
	{.function = 0x8000001e, .eax = 0x5a, .ebx = 0x12d, .ecx = 0x301},
};

static void one_cpu_sees_no_other(void **state)
{
	struct kvm_cpuid2 *c = table(intel, ARRAY_SIZE(intel));

	(void)state;
	assert_int_equal(cpuid_prepare(c, 1, true), 0);
	cpuid_set_index(c, 0);
	assert_int_equal(leaf(c, 1, 0)->ebx >> 16, 0x0001); /* APIC id 0, one logical CPU */
	assert_int_equal(leaf(c, 1, 0)->edx & 1u << 28, 0);
	assert_true(leaf(c, 1, 0)->ecx & 1u << 31); /* hypervisor */
	assert_true(leaf(c, 1, 0)->ecx & 1u << 24); /* TSC deadline */
	assert_int_equal(leaf(c, 4, 0)->eax >> 14, 0);
	assert_int_equal(leaf(c, 4, 3)->eax >> 14, 0);
	assert_int_equal(leaf(c, 0xb, 1)->ebx, 1);
	free(c);
}

static void topology_of_six_cpus_is_one_package_of_cores(void **state)
{
	static const uint32_t leaves[] = {0xb, 0x1f};
	struct kvm_cpuid2 *c = table(intel, ARRAY_SIZE(intel));

	(void)state;
	assert_int_equal(cpuid_prepare(c, 6, false), 0);
	for (unsigned cpu = 0; cpu < 6; cpu++) {
		cpuid_set_index(c, cpu);
		assert_int_equal(leaf(c, 1, 0)->ebx, cpu << 24 | 8u << 16 | 0x0800);
		for (unsigned i = 0; i < ARRAY_SIZE(leaves); i++) {
			assert_int_equal(leaf(c, leaves[i], 0)->eax, 0); /* no threads */
			assert_int_equal(leaf(c, leaves[i], 0)->ebx, 1);
			assert_int_equal(leaf(c, leaves[i], 0)->ecx, 0x100);
			assert_int_equal(leaf(c, leaves[i], 1)->eax, 3); /* bits of 0..5 */
			assert_int_equal(leaf(c, leaves[i], 1)->ebx, 6);
			assert_int_equal(leaf(c, leaves[i], 1)->ecx, 0x201);
			assert_int_equal(leaf(c, leaves[i], 2)->ecx, 2); /* no more levels */
			for (unsigned level = 0; level < 3; level++)
				assert_int_equal(leaf(c, leaves[i], level)->edx, cpu);
		}
	}
	assert_true(leaf(c, 1, 0)->edx & 1u << 28);
	assert_false(leaf(c, 1, 0)->ecx & 1u << 24);
	assert_int_equal(leaf(c, 4, 0)->eax, 7u << 26 | 0x21);            /* own level 1 */
	assert_int_equal(leaf(c, 4, 3)->eax, 7u << 26 | 5u << 14 | 0x63); /* common level 3 */
	assert_int_equal(leaf(c, 4, 4)->eax, 0);
	assert_int_equal(leaf(c, 0x80000008, 0)->ecx, 0); /* reserved on Intel */
	assert_int_equal(leaf(c, 0x80000001, 0)->ecx, 0x121);
	free(c);
}

static void topology_on_amd_is_in_the_extended_leaves(void **state)
{
	struct kvm_cpuid2 *c = table(amd, ARRAY_SIZE(amd));

	(void)state;
	assert_int_equal(cpuid_prepare(c, 4, true), 0);
	cpuid_set_index(c, 3);
	assert_int_equal(leaf(c, 0x80000001, 0)->ecx, 0x400002);
	assert_int_equal(leaf(c, 0x80000008, 0)->ecx, 0x2003);
	assert_int_equal(leaf(c, 0x8000001d, 0)->eax, 0x121);
	assert_int_equal(leaf(c, 0x8000001d, 3)->eax, 3u << 14 | 0x163);
	assert_int_equal(leaf(c, 0x8000001e, 0)->eax, 3);
	assert_int_equal(leaf(c, 0x8000001e, 0)->ebx, 3);
	assert_int_equal(leaf(c, 0x8000001e, 0)->ecx, 0);
	assert_int_equal(leaf(c, 0xb, 1)->ebx, 4);
	free(c);
}

static void most_cpus_fit_into_the_fields(void **state)
{
	struct kvm_cpuid2 *c = table(intel, ARRAY_SIZE(intel));

	(void)state;
	assert_int_equal(cpuid_prepare(c, LAYOUT_MAX_CPUS, true), 0);
	cpuid_set_index(c, LAYOUT_MAX_CPUS - 1);
	assert_int_equal(leaf(c, 1, 0)->ebx, 253u << 24 | 255u << 16 | 0x0800);
	assert_int_equal(leaf(c, 4, 3)->eax >> 26, 63);
	assert_int_equal(leaf(c, 4, 3)->eax >> 14 & 0xfff, 253);
	assert_int_equal(leaf(c, 0xb, 1)->eax, 8);
	free(c);
}

static void full_table_is_refused(void **state)
{
	struct kvm_cpuid2 *c = table(intel, 1);

	(void)state;
	for (c->nent = 1; c->nent < CPUID_MAX_ENTRIES; c->nent++)
		c->entries[c->nent].function = 0x40000100 + c->nent;
	assert_int_equal(cpuid_prepare(c, 2, true), -E2BIG);
	free(c);
}

/* ---- ends */

static const struct kvm no_kvm = {.sys_fd = -1, .vm_fd = -1};

static const char *why_of(struct kvm_run *run, enum arch_exit expected)
{
	static char why[256];

	memset(why, 0, sizeof(why));
	assert_int_equal(arch_handle_exit(&no_kvm, run, why, sizeof(why)), expected);
	return why;
}

static void triple_fault_is_a_death(void **state)
{
	struct kvm_run run = {.exit_reason = KVM_EXIT_SHUTDOWN};

	(void)state;
	assert_string_equal(why_of(&run, ARCH_EXIT_DEAD), "triple fault");
}

static void internal_error_tells_suberror_and_data(void **state)
{
	struct kvm_run run = {.exit_reason = KVM_EXIT_INTERNAL_ERROR};

	(void)state;
	run.internal.suberror = KVM_INTERNAL_ERROR_DELIVERY_EV;
	run.internal.ndata = 2;
	run.internal.data[0] = 0xabc;
	run.internal.data[1] = 7;
	assert_string_equal(why_of(&run, ARCH_EXIT_DEAD),
	                    "KVM internal error 3 (an event could not be delivered), data 0xabc "
	                    "0x7");
	run.internal.suberror = 77;
	run.internal.ndata = UINT32_MAX; /* more than there is room for */
	assert_non_null(strstr(why_of(&run, ARCH_EXIT_DEAD), "KVM internal error 77, data 0xabc"));
}

static void failed_emulation_tells_the_instruction(void **state)
{
	struct kvm_run run = {.exit_reason = KVM_EXIT_INTERNAL_ERROR};

	(void)state;
	run.emulation_failure.suberror = KVM_INTERNAL_ERROR_EMULATION;
	run.emulation_failure.ndata = 4;
	run.emulation_failure.flags = KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES;
	run.emulation_failure.insn_size = 3;
	run.emulation_failure.insn_bytes[0] = 0x0f;
	run.emulation_failure.insn_bytes[1] = 0x01;
	run.emulation_failure.insn_bytes[2] = 0xc1;
	assert_non_null(strstr(why_of(&run, ARCH_EXIT_DEAD), "bytes 0f 01 c1"));
	run.emulation_failure.insn_size = 255;
	assert_non_null(strstr(why_of(&run, ARCH_EXIT_DEAD), "bytes 0f 01 c1"));
}

static void refused_entry_tells_the_hardware_reason(void **state)
{
	struct kvm_run run = {.exit_reason = KVM_EXIT_FAIL_ENTRY};

	(void)state;
	run.fail_entry.hardware_entry_failure_reason = 0x80000021;
	assert_non_null(strstr(why_of(&run, ARCH_EXIT_DEAD), "0x80000021"));
}

static void system_events_are_told_apart(void **state)
{
	struct kvm_run run = {.exit_reason = KVM_EXIT_SYSTEM_EVENT};

	(void)state;
	run.system_event.type = KVM_SYSTEM_EVENT_SHUTDOWN;
	why_of(&run, ARCH_EXIT_SHUTDOWN);
	run.system_event.type = KVM_SYSTEM_EVENT_RESET;
	why_of(&run, ARCH_EXIT_RESET);
	run.system_event.type = KVM_SYSTEM_EVENT_CRASH;
	assert_non_null(strstr(why_of(&run, ARCH_EXIT_DEAD), "crash"));
}

static void exit_nobody_expects_is_a_death_with_its_number(void **state)
{
	struct kvm_run run = {.exit_reason = 9999};

	(void)state;
	assert_non_null(strstr(why_of(&run, ARCH_EXIT_DEAD), "9999"));
	run.exit_reason = KVM_EXIT_INTR;
	why_of(&run, ARCH_EXIT_CONTINUE);
}

static void long_reason_is_cut_at_the_buffer(void **state)
{
	struct kvm_run run = {.exit_reason = KVM_EXIT_SHUTDOWN};
	char why[8];

	(void)state;
	arch_handle_exit(&no_kvm, &run, why, sizeof(why));
	assert_string_equal(why, "triple ");
	arch_handle_exit(&no_kvm, &run, NULL, 0);
}

static void vcpu_that_cannot_be_asked_is_described_all_the_same(void **state)
{
	char text[256];

	(void)state;
	assert_ptr_equal(arch_vcpu_describe(-1, text, sizeof(text)), text);
	assert_non_null(strstr(text, "KVM_GET_REGS"));
	assert_string_equal(arch_vcpu_describe(-1, text, 1), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ram_up_to_the_hole_is_one_range),
		cmocka_unit_test(ram_beyond_the_hole_goes_on_at_4_gib),
		cmocka_unit_test(virtio_registers_end_a_page_and_config_begins_one),
		cmocka_unit_test(devices_lie_in_the_hole_apart_from_each_other),
		cmocka_unit_test(every_interrupt_has_its_own_pin),
		cmocka_unit_test(too_many_cpus_are_refused_by_number),
		cmocka_unit_test(one_cpu_sees_no_other),
		cmocka_unit_test(topology_of_six_cpus_is_one_package_of_cores),
		cmocka_unit_test(topology_on_amd_is_in_the_extended_leaves),
		cmocka_unit_test(most_cpus_fit_into_the_fields),
		cmocka_unit_test(full_table_is_refused),
		cmocka_unit_test(triple_fault_is_a_death),
		cmocka_unit_test(internal_error_tells_suberror_and_data),
		cmocka_unit_test(failed_emulation_tells_the_instruction),
		cmocka_unit_test(refused_entry_tells_the_hardware_reason),
		cmocka_unit_test(system_events_are_told_apart),
		cmocka_unit_test(exit_nobody_expects_is_a_death_with_its_number),
		cmocka_unit_test(long_reason_is_cut_at_the_buffer),
		cmocka_unit_test(vcpu_that_cannot_be_asked_is_described_all_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
