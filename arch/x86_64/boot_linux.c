/* SPDX-License-Identifier: Apache-2.0 */
/* arch/x86_64/boot_linux.c - bzImage (kernel: Documentation/arch/x86/boot.rst, "64-bit boot protocol") */
#include <asm/bootparam.h>
#include <string.h>

#include "arch/x86_64/boot.h"
#include "arch/x86_64/entry.h"
#include "arch/x86_64/layout.h"
#include "boot/bzimage.h"
#include "boot/fdt.h"

#define LOADER_UNDEFINED 0xffu /* type_of_loader without a number of its own */

_Static_assert(sizeof(struct setup_data) == BOOT_SETUP_DATA_BYTES, "room in front of the tree");
_Static_assert(sizeof(struct boot_params) == 4096, "zero page");

static void fill_e820(const struct boot_job *job, struct boot_params *bp)
{
	struct boot_mem mem[BOOT_MEM_MAX];
	unsigned nr = boot_memory_map(job->cfg->map, mem);

	for (unsigned i = 0; i < nr; i++)
		bp->e820_table[i] = (struct boot_e820_entry){
			.addr = mem[i].base, .size = mem[i].size, .type = mem[i].type};
	bp->e820_entries = u8_of(nr);
}

static int describe_by_tree(const struct boot_job *job, struct boot_params *bp)
{
	struct setup_data *sd = boot_place(job, LAYOUT_DTB, sizeof(*sd));
	int len = boot_write_fdt(job, true);

	if (len < 0)
		return len;
	*sd = (struct setup_data){.type = SETUP_DTB, .len = (uint32_t)len};
	bp->hdr.setup_data = LAYOUT_DTB;
	return 0;
}

/*
 * Who describes CPUs and interrupt controllers decides which interrupt numbers there are, so there is
 * only one of three: with ACPI, Linux (6.12.18 and later) does not look for the I/O-APIC in a device
 * tree, and no device of the tree would have an interrupt; the same for the ISA interrupt numbers of
 * the command line (mptable.h).
 */
static int describe_machine(const struct boot_job *job, struct boot_params *bp)
{
	switch (job->cfg->map->announce) {
	case ANNOUNCE_FDT:
		return describe_by_tree(job, bp);
	case ANNOUNCE_CMDLINE:
		return boot_write_mptable(job);
	default:
		bp->acpi_rsdp_addr = LAYOUT_ACPI;
		return boot_write_acpi(job);
	}
}

static int fill_zero_page(const struct boot_job *job, const struct bzimage *b)
{
	struct boot_params *bp = boot_place(job, LAYOUT_ZERO_PAGE, sizeof(*bp));

	memcpy(&bp->hdr, b->header, b->header_len);
	bp->hdr.type_of_loader = LOADER_UNDEFINED;
	bp->hdr.code32_start = u32_of(b->load);
	bp->hdr.cmd_line_ptr = LAYOUT_CMDLINE;
	bp->hdr.ramdisk_image = u32_of(job->initrd.base);
	bp->ext_ramdisk_image = u32_of(job->initrd.base >> 32u);
	bp->hdr.ramdisk_size = u32_of(job->initrd.size);
	bp->ext_ramdisk_size = u32_of(job->initrd.size >> 32u);
	fill_e820(job, bp);
	return describe_machine(job, bp);
}

int boot_linux(struct boot_job *job, struct arch_entry *entry)
{
	struct bzimage b;
	int ret;

	ret = bzimage_load(&job->kernel, job->cfg->mem, &b);
	if (ret < 0)
		return ret;
	ret = boot_load_initramfs(job, b.load + b.init_size, b.initrd_max);
	if (ret < 0)
		return ret;
	ret = boot_write_cmdline(job, b.cmdline_max);
	if (ret < 0)
		return ret;
	ret = fill_zero_page(job, &b);
	if (ret < 0)
		return ret;
	boot_write_gdt(job, GDT_CODE64);
	boot_write_page_tables(job);
	entry->mode = ENTRY_LONG;
	entry->pc = b.entry;
	entry->arg[ENTRY_RSI] = LAYOUT_ZERO_PAGE;
	entry->arg[ENTRY_RSP] = LAYOUT_STACK_TOP;
	return 0;
}
