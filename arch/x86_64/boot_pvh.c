/* SPDX-License-Identifier: Apache-2.0 */
/* arch/x86_64/boot_pvh.c - ELF kernels with a PVH entry (Xen: docs/misc/pvh.pandoc, start_info.h) */
#include <errno.h>

#include "arch/x86_64/boot.h"
#include "arch/x86_64/entry.h"
#include "arch/x86_64/layout.h"
#include "vmm/core/le.h"
#include "vmm/core/log.h"

#define START_INFO_MAGIC UINT32_C(0x336ec578)

#define LINUX_CMDLINE_MAX 2047u /* COMMAND_LINE_SIZE without the NUL; the rest would be cut off */

struct start_info {
	le32 magic;
	le32 version; /* 1: memory map is there */
	le32 flags;
	le32 nr_modules;
	le64 modules;
	le64 cmdline;
	le64 rsdp;
	le64 memmap;
	le32 memmap_entries;
	le32 reserved;
};

struct module {
	le64 base, size, cmdline, reserved;
};

struct memmap_entry {
	le64 base, size;
	le32 type, reserved;
};

/* All of it is one block at LAYOUT_PVH. */
struct pvh_block {
	struct start_info info;
	struct module initrd;
	struct memmap_entry memmap[BOOT_MEM_MAX];
};

_Static_assert(sizeof(struct start_info) == 56, "start info of version 1");
_Static_assert(LAYOUT_PVH + sizeof(struct pvh_block) <= LAYOUT_ZERO_PAGE, "fits");

static void write_start_info(const struct boot_job *job, gpa_t rsdp)
{
	struct pvh_block *p = boot_place(job, LAYOUT_PVH, sizeof(*p));
	struct boot_mem mem[BOOT_MEM_MAX];
	unsigned nr = boot_memory_map(job->cfg->map, mem);

	for (unsigned i = 0; i < nr; i++)
		p->memmap[i] = (struct memmap_entry){.base = le64_of(mem[i].base),
		                                     .size = le64_of(mem[i].size),
		                                     .type = le32_of(mem[i].type)};
	p->initrd.base = le64_of(job->initrd.base);
	p->initrd.size = le64_of(job->initrd.size);
	p->info = (struct start_info){
		.magic = le32_of(START_INFO_MAGIC),
		.version = le32_of(1),
		.nr_modules = le32_of(job->initrd.size ? 1 : 0),
		.modules = le64_of(LAYOUT_PVH + offsetof(struct pvh_block, initrd)),
		.cmdline = le64_of(LAYOUT_CMDLINE),
		.rsdp = le64_of(rsdp),
		.memmap = le64_of(LAYOUT_PVH + offsetof(struct pvh_block, memmap)),
		.memmap_entries = le32_of(nr),
	};
}

int boot_pvh(struct boot_job *job, const struct elf_image *elf, struct arch_entry *entry)
{
	bool by_cmdline;
	int ret;

	if (job->cfg->map->announce == ANNOUNCE_FDT) {
		log_error("--announce fdt: kernel '%s' starts by its PVH entry, which has no place "
		          "for a device tree; allowed are acpi, cmdline, none",
		          job->kernel.path);
		return -EINVAL;
	}
	ret = boot_load_initramfs(job, elf->high, LAYOUT_ABOVE_4G - 1);
	if (ret < 0)
		return ret;
	ret = boot_write_cmdline(job, LINUX_CMDLINE_MAX);
	if (ret < 0)
		return ret;
	by_cmdline = job->cfg->map->announce == ANNOUNCE_CMDLINE; /* see boot_linux.c */
	ret = by_cmdline ? boot_write_mptable(job) : boot_write_acpi(job);
	if (ret < 0)
		return ret;
	write_start_info(job, by_cmdline ? 0 : LAYOUT_ACPI);
	boot_write_gdt(job, GDT_CODE32);
	entry->mode = ENTRY_PVH32;
	entry->pc = elf->pvh_entry;
	entry->arg[ENTRY_RBX] = LAYOUT_PVH;
	entry->arg[ENTRY_RSP] = LAYOUT_STACK_TOP;
	return 0;
}
