/* SPDX-License-Identifier: Apache-2.0 */
/* arch/x86_64/boot_bare.c - 64-bit programs, ELF or flat, without an operating system's boot protocol
 *
 * They start as if called: void entry(const void *device_tree, const void *rsdp, const char *command_line),
 * in long mode, with the low 4 GiB mapped one to one, a stack of 16 KiB, SSE usable, interrupts off and no
 * IDT. Returning goes to address 0, where nothing is.
 */
#include "arch/x86_64/boot.h"
#include "arch/x86_64/entry.h"
#include "arch/x86_64/layout.h"
#include "boot/cmdline.h"

int boot_bare(struct boot_job *job, gpa_t pc, gpa_t end, struct arch_entry *entry)
{
	int ret;

	ret = boot_load_initrd(job, end, LAYOUT_ABOVE_4G - 1);
	if (ret < 0)
		return ret;
	ret = boot_write_cmdline(job, CMDLINE_MAX - 1);
	if (ret < 0)
		return ret;
	ret = boot_write_acpi(job);
	if (ret < 0)
		return ret;
	ret = boot_write_fdt(job, job->cfg->map->announce != ANNOUNCE_NONE);
	if (ret < 0)
		return ret;
	boot_write_gdt(job, GDT_CODE64);
	boot_write_page_tables(job);
	entry->mode = ENTRY_LONG;
	entry->pc = pc;
	entry->arg[ENTRY_RDI] = LAYOUT_DTB + BOOT_SETUP_DATA_BYTES;
	entry->arg[ENTRY_RSI] = LAYOUT_ACPI;
	entry->arg[ENTRY_RDX] = LAYOUT_CMDLINE;
	entry->arg[ENTRY_RSP] =
		LAYOUT_STACK_TOP - 8; /* as behind a call: the return address is 0 */
	return 0;
}
