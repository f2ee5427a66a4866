/* SPDX-License-Identifier: Apache-2.0 */
#include "arch/x86_64/boot.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "arch/x86_64/acpi.h"
#include "arch/x86_64/entry.h"
#include "arch/x86_64/fdt_nodes.h"
#include "arch/x86_64/layout.h"
#include "arch/x86_64/mptable.h"
#include "boot/cmdline.h"
#include "boot/cpio.h"
#include "boot/fdt.h"
#include "vmm/core/le.h"
#include "vmm/core/log.h"

#define PTE_PRESENT  0x1u
#define PTE_WRITABLE 0x2u
#define PTE_LARGE    0x80u
#define NR_PTES      512u

_Static_assert(LAYOUT_DTB + BOOT_SETUP_DATA_BYTES + FDT_MAX_SIZE <= LAYOUT_LOW_END, "tree fits");
_Static_assert(LAYOUT_ACPI + ACPI_AREA_SIZE <= LAYOUT_MPTABLE, "ACPI tables fit");
_Static_assert(LAYOUT_CMDLINE + CMDLINE_MAX <= LAYOUT_DTB, "command line fits");

unsigned boot_memory_map(const struct machine_map *map, struct boot_mem out[BOOT_MEM_MAX])
{
	unsigned n = 0;

	out[n++] = (struct boot_mem){0, LAYOUT_LOW_END, BOOT_MEM_RAM};
	out[n++] =
		(struct boot_mem){LAYOUT_LOW_END, LAYOUT_HIGH - LAYOUT_LOW_END, BOOT_MEM_RESERVED};
	out[n++] = (struct boot_mem){LAYOUT_HIGH, map->ram[0].size - LAYOUT_HIGH, BOOT_MEM_RAM};
	for (unsigned i = 1; i < map->nr_ram; i++)
		out[n++] = (struct boot_mem){map->ram[i].base, map->ram[i].size, BOOT_MEM_RAM};
	return n;
}

void *boot_place(const struct boot_job *job, gpa_t at, uint64_t len)
{
	void *p = gmem_ptr(job->cfg->mem, at, len);

	assert(p);
	return p;
}

void boot_write_gdt(const struct boot_job *job, uint64_t code)
{
	const uint64_t gdt[GDT_NR_ENTRIES] = {
		[GDT_CODE_SEL / 8] = code,
		[GDT_DATA_SEL / 8] = GDT_DATA,
		[GDT_TSS_SEL / 8] = GDT_TSS,
	};

	memcpy(boot_place(job, LAYOUT_GDT, sizeof(gdt)), gdt, sizeof(gdt));
}

/* Pages of 2 MiB: every CPU has them, and all of the four tables is quickly written. */
void boot_write_page_tables(const struct boot_job *job)
{
	le64 *pml4 = boot_place(job, LAYOUT_PML4, 4096);
	le64 *pdpt = boot_place(job, LAYOUT_PDPT, 4096);
	le64 *pd = boot_place(job, LAYOUT_PD, UINT64_C(4) * 4096);

	pml4[0] = le64_of(LAYOUT_PDPT | PTE_PRESENT | PTE_WRITABLE);
	for (unsigned i = 0; i < 4; i++)
		pdpt[i] = le64_of((LAYOUT_PD + i * 4096) | PTE_PRESENT | PTE_WRITABLE);
	for (unsigned i = 0; i < 4 * NR_PTES; i++)
		pd[i] = le64_of(i * MIB(2) | PTE_PRESENT | PTE_WRITABLE | PTE_LARGE);
}

int boot_write_cmdline(struct boot_job *job, size_t limit)
{
	struct cmdline *c = job->cfg->cmdline;
	int ret;

	if (job->cfg->map->announce == ANNOUNCE_CMDLINE) {
		ret = cmdline_add_virtio(c, job->cfg->map);
		if (ret < 0) {
			log_error("no room on the command line for --announce cmdline: it has %zu "
			          "bytes of %u",
			          c->len, CMDLINE_MAX - 1);
			return ret;
		}
	}
	ret = cmdline_check(c, limit);
	if (ret < 0)
		return ret;
	memcpy(boot_place(job, LAYOUT_CMDLINE, c->len + 1), c->text, c->len + 1);
	return 0;
}

int boot_write_acpi(const struct boot_job *job)
{
	void *area = boot_place(job, LAYOUT_ACPI, ACPI_AREA_SIZE);

	if (acpi_build(job->cfg->map, area, ACPI_AREA_SIZE, LAYOUT_ACPI) > 0)
		return 0;
	log_error("the ACPI tables of this machine need more than %u bytes", ACPI_AREA_SIZE);
	return -ENOSPC;
}

int boot_write_mptable(const struct boot_job *job)
{
	const size_t size = LAYOUT_RESET_VECTOR - LAYOUT_MPTABLE;
	void *area = boot_place(job, LAYOUT_MPTABLE, size);

	if (mptable_build(job->cfg->map->nr_cpus, area, size, LAYOUT_MPTABLE) > 0)
		return 0;
	log_error("the MP table of this machine needs more than %zu bytes", size);
	return -ENOSPC;
}

int boot_write_fdt(const struct boot_job *job, bool all)
{
	const struct fdt_extra extra = {
		.bootargs = job->cfg->cmdline->text,
		.initrd_base = job->initrd.base,
		.initrd_size = job->initrd.size,
		.root_compatible = "doorbell,x86_64",
		.arch_nodes = fdt_nodes,
		.irq_cells = fdt_irq_cells,
	};
	const gpa_t at = LAYOUT_DTB + BOOT_SETUP_DATA_BYTES;
	int ret = fdt_build(job->cfg->map, &extra, all, boot_place(job, at, FDT_MAX_SIZE),
	                    FDT_MAX_SIZE);

	if (ret < 0)
		log_error("no device tree of this machine in %u bytes: %s", FDT_MAX_SIZE,
		          strerror(-ret));
	return ret;
}

int boot_load_initrd(struct boot_job *job, gpa_t min, gpa_t max)
{
	if (job->initrd_file.fd < 0)
		return 0;
	return initrd_load(&job->initrd_file, job->cfg->mem, min, max, &job->initrd);
}

int boot_load_initramfs(struct boot_job *job, gpa_t min, gpa_t max)
{
	const struct initrd *rd = &job->initrd;
	int ret;

	if (job->initrd_file.fd < 0)
		return 0;
	ret = image_check_initrd(&job->initrd_file);
	if (ret == 0)
		ret = boot_load_initrd(job, min, max);
	if (ret == 0 && cpio_is_cut(gmem_ptr(job->cfg->mem, rd->base, rd->size), rd->size)) {
		log_error("initrd '%s' is truncated: it ends within a file of its cpio archive",
		          job->initrd_file.path);
		ret = -EINVAL;
	}
	return ret;
}

/*
 * On a hardware-reduced machine Linux neither uses the reset register nor the keyboard controller
 * first: it asks EFI to reboot, and where there is none, jumps to the BIOS in real mode. So here is
 * one: it pulses the reset line.
 */
static void write_reset_vector(const struct boot_job *job)
{
	static const uint8_t bios[] = {
		0xb0, 0xfe,       /* mov $0xfe, %al */
		0xe6, 0x64,       /* out %al, $0x64 */
		0xf4, 0xeb, 0xfd, /* 1: hlt; jmp 1b */
	};

	memcpy(boot_place(job, LAYOUT_RESET_VECTOR, sizeof(bios)), bios, sizeof(bios));
}

static int boot_elf(struct boot_job *job, struct arch_entry *entry)
{
	struct elf_image elf;
	int ret = elf_load(&job->kernel, job->cfg->mem, LAYOUT_HIGH, &elf);

	if (ret < 0)
		return ret;
	return elf.has_pvh ? boot_pvh(job, &elf, entry)
	                   : boot_bare(job, elf.entry, elf.high, entry);
}

static int boot_flat(struct boot_job *job, struct arch_entry *entry)
{
	const struct flat_place *p = &job->cfg->flat;
	gpa_t end;
	int ret = flat_load(&job->kernel, p, job->cfg->mem, LAYOUT_HIGH, &end);

	return ret < 0 ? ret : boot_bare(job, p->entry, end, entry);
}

static int boot_file(struct boot_job *job, struct arch_entry *entry)
{
	const char *text;
	enum image_kind kind;

	if (job->cfg->flat.given)
		return boot_flat(job, entry);
	kind = image_sniff(&job->kernel, &text);
	switch (kind) {
	case IMAGE_BZIMAGE:
		return boot_linux(job, entry);
	case IMAGE_ELF64:
		return boot_elf(job, entry);
	default:
		log_error(
			"kernel '%s' does not boot on x86_64: this is %s%s", job->kernel.path, text,
			kind == IMAGE_UNKNOWN ? "; a flat binary is loaded by --flat ADDRESS" : "");
		return -EINVAL;
	}
}

int arch_boot(const struct arch_boot_config *cfg, struct arch_entry *entry)
{
	struct boot_job job = {.cfg = cfg, .kernel.fd = -1, .initrd_file.fd = -1};
	int ret;

	*entry = (struct arch_entry){0};
	if (cfg->map->ram[0].size < LAYOUT_RAM_MIN) {
		log_error("--mem: this machine needs %u MiB at least", LAYOUT_RAM_MIN >> 20u);
		return -EINVAL;
	}
	ret = image_open(&job.kernel, cfg->kernel, "kernel");
	if (ret == 0 && cfg->initrd)
		ret = image_open(&job.initrd_file, cfg->initrd, "initrd");
	if (ret == 0)
		ret = boot_file(&job, entry);
	if (ret == 0)
		write_reset_vector(&job);
	image_close(&job.initrd_file);
	image_close(&job.kernel);
	return ret;
}
