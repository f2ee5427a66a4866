/* SPDX-License-Identifier: Apache-2.0 */
/* arch/x86_64/layout.h - what is where in guest-physical memory
 *
 *   0000'0000  unused: real-mode vectors, and a null pointer should hit nothing of value
 *   0000'1000  GDT
 *   0000'2000  stack of a bare-metal guest, grows down from 6000
 *   0000'6000  PVH start info, module list, memory map
 *   0000'7000  zero page (boot_params)
 *   0000'8000  page tables: identity map of the low 4 GiB in 2 MiB pages
 *   0000'e000  command line
 *   0001'0000  setup_data header and device tree
 *   0002'0000  free
 *   000a'0000  reserved in the memory map, because of
 *   000e'0000     ACPI tables, RSDP first
 *   000f'0000     MP table, when devices are on the command line
 *   000f'fff0     reset vector: the BIOS in seven bytes
 *   0010'0000  kernel, initrd: nothing of ours from here on
 *   c000'0000  hole: RAM goes on at 4 GiB
 *   d000'0f00     virtio-mmio devices, one every 0x2000; slots of doorbell check from below that on
 *   fea0'0200     sleep control, sleep status, reset
 *   fec0'0000     I/O-APIC
 *   fee0'0000     local APIC
 *   fffb'c000     KVM's own four pages for real mode on old Intel CPUs
 * 1'0000'0000  rest of RAM
 *
 * Registers of a virtio-mmio device (0x000..0x0ff) end a page and its config space (0x100..0x1ff)
 * begins the next one, so that the registers' page can be mapped read-only into the guest.
 */
#ifndef DOORBELL_X86_64_LAYOUT_H
#define DOORBELL_X86_64_LAYOUT_H

#include "vmm/core/compiler.h"

#define LAYOUT_GDT          0x1000u
#define LAYOUT_STACK_TOP    0x6000u
#define LAYOUT_PVH          0x6000u
#define LAYOUT_ZERO_PAGE    0x7000u
#define LAYOUT_PML4         0x8000u
#define LAYOUT_PDPT         0x9000u
#define LAYOUT_PD           0xa000u /* four pages, one per GiB */
#define LAYOUT_CMDLINE      0xe000u
#define LAYOUT_DTB          0x10000u
#define LAYOUT_LOW_END      0xa0000u
#define LAYOUT_ACPI         0xe0000u
#define LAYOUT_MPTABLE      0xf0000u
#define LAYOUT_RESET_VECTOR 0xffff0u
#define LAYOUT_HIGH         0x100000u /* images are loaded here or above */
#define LAYOUT_RAM_MIN      0x200000u /* less RAM is no machine */

#define LAYOUT_HOLE     UINT64_C(0xc0000000)
#define LAYOUT_ABOVE_4G UINT64_C(0x100000000)
#define LAYOUT_VIRTIO   UINT64_C(0xd0000f00)
#define LAYOUT_POWER    UINT64_C(0xfea00200)
#define LAYOUT_IOAPIC   UINT64_C(0xfec00000)
#define LAYOUT_LAPIC    UINT64_C(0xfee00000)
#define LAYOUT_KVM_TSS \
	UINT64_C(0xfffbd000) /* behind KVM's identity map page, whose default is fffbc000 */

#define LAYOUT_VIRTIO_STRIDE 0x2000u

/* Interrupts and ports. The I/O-APIC, whoever provides it, has GSIs 0..23 at most, all edge-triggered here. */
#define LAYOUT_UART_PORT  0x3f8u
#define LAYOUT_UART_GSI   4u
#define LAYOUT_VIRTIO_GSI 5u
#define LAYOUT_NR_GSIS    24u
#define LAYOUT_I8042_PORT 0x60u
#define LAYOUT_EXIT_PORT  0xf4u

/*
 * What devices/power.h calls POWER_*: the two cannot include each other, tests/unit/test_power.c
 * compares them.
 */
#define LAYOUT_POWER_SIZE          3u
#define LAYOUT_POWER_SLEEP_CONTROL 0u
#define LAYOUT_POWER_SLEEP_STATUS  1u
#define LAYOUT_POWER_RESET         2u
#define LAYOUT_POWER_OFF_TYPE      5u
#define LAYOUT_POWER_RESET_VALUE   0x42u

/* APIC ids are 8 bits in the MADT's local APIC entries; 255 means all. */
#define LAYOUT_MAX_CPUS 254u

#endif
