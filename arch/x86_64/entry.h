/* SPDX-License-Identifier: Apache-2.0 */
/* arch/x86_64/entry.h - what boot.c and vcpu.c agree on about the first instruction */
#ifndef DOORBELL_X86_64_ENTRY_H
#define DOORBELL_X86_64_ENTRY_H

/* arch_entry.mode */
enum entry_mode {
	ENTRY_LONG,  /* 64 bit, identity map at LAYOUT_PML4 */
	ENTRY_PVH32, /* 32 bit, protected mode, no paging (Xen: docs/misc/pvh.pandoc) */
};

/* arch_entry.arg */
enum entry_arg {
	ENTRY_RDI, /* bare-metal: device tree */
	ENTRY_RSI, /* Linux: zero page; bare-metal: RSDP */
	ENTRY_RDX, /* bare-metal: command line */
	ENTRY_RBX, /* PVH: start info */
	ENTRY_RSP,
};

/* The GDT at LAYOUT_GDT; the selectors are those of the Linux boot protocol. */
#define GDT_CODE_SEL   0x10u
#define GDT_DATA_SEL   0x18u
#define GDT_TSS_SEL    0x20u
#define GDT_NR_ENTRIES 6u /* the TSS takes two in long mode */

#define GDT_CODE64 UINT64_C(0x00af9b000000ffff)
#define GDT_CODE32 UINT64_C(0x00cf9b000000ffff)
#define GDT_DATA   UINT64_C(0x00cf93000000ffff)
#define GDT_TSS    UINT64_C(0x00008b0000000067)

#endif
