/* SPDX-License-Identifier: Apache-2.0 */
/* What arch_boot() leaves in guest memory and registers, for each of the three ways to start. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <asm/bootparam.h>
#include <cmocka.h>
#include <elf.h>
#include <errno.h>
#include <libfdt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/arch.h"
#include "arch/x86_64/entry.h"
#include "arch/x86_64/layout.h"
#include "boot/cmdline.h"
#include "boot/fdt.h"
#include "tests/lib/boot_file.h"
#include "tests/lib/capture.h"
#include "tests/lib/pattern.h"
#include "vmm/core/le.h"

#define KERNEL_BYTES 8192u
#define KERNEL_AT    MIB(2)
#define INITRD_BYTES 5000u

/* A machine, and the files to start it with. */
struct rig {
	struct machine_map map;
	struct gmem mem;
	struct cmdline cmdline;
	struct image_file kernel, initrd;
	char kernel_path[32], initrd_path[32];
	struct arch_boot_config cfg;
	struct arch_entry entry;
	struct capture log;
};

static struct rig rig;

static int setup(void **state)
{
	struct rig *r = &rig;

	memset(r, 0, sizeof(*r));
	r->map = (struct machine_map){.nr_cpus = 2, .nr_virtio = 2};
	for (unsigned i = 0; i < r->map.nr_virtio; i++)
		r->map.virtio[i] = (struct machine_virtio){
			.base = arch_desc.virtio_base + i * arch_desc.virtio_stride,
			.size = 0x200,
			.gsi = arch_desc.virtio_gsi + i,
		};
	r->kernel.fd = r->initrd.fd = -1;
	cmdline_init(&r->cmdline);
	assert_int_equal(cmdline_add(&r->cmdline, "console=ttyS0 panic=-1"), 0);
	r->cfg = (struct arch_boot_config){
		.kernel = r->kernel_path,
		.cmdline = &r->cmdline,
		.map = &r->map,
		.mem = &r->mem,
	};
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	gmem_destroy(&r->mem);
	image_close(&r->kernel);
	image_close(&r->initrd);
	return 0;
}

static void use_file(struct image_file *f, char *path, size_t path_size, const void *bytes,
                     size_t len)
{
	*f = boot_file(bytes, len);
	snprintf(path, path_size, "/proc/self/fd/%d", f->fd);
}

/* The smallest kernel of boot protocol 2.12: one setup sector, then code from 1024 on. */
static void use_bzimage(struct rig *r)
{
	static uint8_t file[KERNEL_BYTES];
	struct setup_header *h = (void *)(file + 0x1f1);

	pattern_fill(file, sizeof(file), 0);
	memset(file + 0x1f1, 0, 0x290 - 0x1f1);
	h->setup_sects = 1;
	h->syssize = (KERNEL_BYTES - 1024) / 16;
	h->boot_flag = 0xaa55;
	h->jump = 0x66eb; /* jump over 0x66 bytes: the header ends at 0x268 */
	memcpy(&h->header, "HdrS", 4);
	h->version = 0x020c;
	h->loadflags = 1;
	h->initrd_addr_max = 0x7fffffff;
	h->kernel_alignment = 0x1000;
	h->relocatable_kernel = 1;
	h->xloadflags = 1;
	h->cmdline_size = 2047;
	h->pref_address = KERNEL_AT;
	h->init_size = 0x10000;
	use_file(&r->kernel, r->kernel_path, sizeof(r->kernel_path), file, sizeof(file));
}

/* A program with one segment at KERNEL_AT, with or without a PVH note. */
static void use_elf(struct rig *r, bool pvh)
{
	static uint8_t file[KERNEL_BYTES];
	struct {
		Elf64_Nhdr head;
		char name[4];
		uint8_t entry[4];
	} note = {{4, 4, 18}, "Xen", {0}};
	Elf64_Phdr ph[2] = {
		{.p_type = PT_LOAD,
	         .p_offset = 4096,
	         .p_paddr = KERNEL_AT,
	         .p_filesz = 4096,
	         .p_memsz = 8192},
		{.p_type = PT_NOTE,
	         .p_offset = 512,
	         .p_filesz = sizeof(note),
	         .p_memsz = sizeof(note),
	         .p_align = 4},
	};
	Elf64_Ehdr eh = {
		.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
		.e_type = ET_EXEC,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_entry = KERNEL_AT + 16,
		.e_phoff = sizeof(eh),
		.e_ehsize = sizeof(eh),
		.e_phentsize = sizeof(ph[0]),
		.e_phnum = pvh ? 2 : 1,
	};

	memset(file, 0x90, sizeof(file));
	put_le32(note.entry, KERNEL_AT + 32);
	memcpy(file, &eh, sizeof(eh));
	memcpy(file + sizeof(eh), ph, sizeof(ph));
	memcpy(file + 512, &note, sizeof(note));
	use_file(&r->kernel, r->kernel_path, sizeof(r->kernel_path), file, sizeof(file));
}

static void use_initrd(struct rig *r)
{
	static uint8_t file[INITRD_BYTES];

	pattern_fill(file, sizeof(file), 0);
	memcpy(file, "070701", 6); /* a cpio archive */
	use_file(&r->initrd, r->initrd_path, sizeof(r->initrd_path), file, sizeof(file));
	r->cfg.initrd = r->initrd_path;
}

static int boot(struct rig *r, uint64_t ram)
{
	int ret;

	r->map.nr_ram = arch_ram_ranges(ram, r->map.ram);
	assert_int_equal(gmem_create(&r->mem, r->map.ram, r->map.nr_ram, false), 0);
	CAPTURED(&r->log, &ret, arch_boot(&r->cfg, &r->entry));
	return ret;
}

static void *at(const struct rig *r, gpa_t gpa, uint64_t len)
{
	void *p = gmem_ptr(&r->mem, gpa, len);

	if (!p)
		abort(); /* static analysis knows that this does not return */
	return p;
}

/* The physical address that the tables map @va to, walking them as the CPU does. */
static gpa_t walk(const struct rig *r, uint64_t va)
{
	uint64_t pml4e = get_le64(at(r, LAYOUT_PML4 + (va >> 39 & 511) * 8, 8));
	uint64_t pdpte, pde;

	assert_int_equal(pml4e & 3, 3);
	pdpte = get_le64(at(r, (pml4e & ~UINT64_C(0xfff)) + (va >> 30 & 511) * 8, 8));
	assert_int_equal(pdpte & 0x83, 3);
	pde = get_le64(at(r, (pdpte & ~UINT64_C(0xfff)) + (va >> 21 & 511) * 8, 8));
	assert_int_equal(pde & 0x83, 0x83);
	return (pde & ~UINT64_C(0x1fffff)) | (va & 0x1fffff);
}

static void assert_long_mode_tables(const struct rig *r)
{
	const uint64_t *gdt = at(r, LAYOUT_GDT, GDT_NR_ENTRIES * 8);

	assert_int_equal(r->entry.mode, ENTRY_LONG);
	assert_int_equal(gdt[0], 0);
	assert_int_equal(gdt[GDT_CODE_SEL / 8] >> 53 & 1, 1); /* 64 bit */
	for (uint64_t va = 0; va < GIB(4); va += MIB(2))
		assert_int_equal(walk(r, va + 0x12345), va + 0x12345);
}

/* ---- bzImage */

static void linux_gets_a_zero_page(void **state)
{
	struct rig *r = *state;
	const struct boot_params *bp;

	use_bzimage(r);
	assert_int_equal(boot(r, MIB(64)), 0);
	bp = at(r, LAYOUT_ZERO_PAGE, sizeof(*bp));
	assert_int_equal(r->entry.pc, KERNEL_AT + 0x200);
	assert_int_equal(r->entry.arg[ENTRY_RSI], LAYOUT_ZERO_PAGE);
	assert_long_mode_tables(r);
	assert_memory_equal(&bp->hdr.header, "HdrS", 4);
	assert_int_equal(bp->hdr.type_of_loader, 0xff);
	assert_int_equal(bp->hdr.code32_start, KERNEL_AT);
	assert_int_equal(bp->hdr.init_size, 0x10000);
	assert_int_equal(bp->sentinel, 0);
	assert_int_equal(bp->hdr.ramdisk_size, 0);
	assert_int_equal(bp->hdr.setup_data, 0);
	assert_string_equal(at(r, bp->hdr.cmd_line_ptr, 64), "console=ttyS0 panic=-1");
	assert_int_equal(bp->acpi_rsdp_addr, LAYOUT_ACPI);
	assert_memory_equal(at(r, LAYOUT_ACPI, 8), "RSD PTR ", 8);
}

static void memory_map_has_the_hole_and_our_tables(void **state)
{
	struct rig *r = *state;
	const struct boot_params *bp;
	const struct boot_e820_entry *e;
	uint64_t ram = 0;

	use_bzimage(r);
	assert_int_equal(boot(r, GIB(5)), 0);
	bp = at(r, LAYOUT_ZERO_PAGE, sizeof(*bp));
	e = bp->e820_table;
	assert_int_equal(bp->e820_entries, 4);
	assert_int_equal(e[0].addr + e[0].size, e[1].addr);
	assert_int_equal(e[1].type, 2);
	assert_true(e[1].addr <= LAYOUT_ACPI && e[1].addr + e[1].size == MIB(1));
	assert_int_equal(e[2].addr, MIB(1));
	assert_int_equal(e[2].addr + e[2].size, GIB(3));
	assert_int_equal(e[3].addr, GIB(4));
	for (unsigned i = 0; i < 4; i++)
		ram += e[i].size;
	assert_int_equal(ram, GIB(5));
}

static void initrd_lies_high_and_whole(void **state)
{
	struct rig *r = *state;
	const struct boot_params *bp;
	uint8_t expected[INITRD_BYTES];

	use_bzimage(r);
	use_initrd(r);
	assert_int_equal(boot(r, MIB(64)), 0);
	bp = at(r, LAYOUT_ZERO_PAGE, sizeof(*bp));
	assert_int_equal(bp->hdr.ramdisk_size, INITRD_BYTES);
	assert_int_equal(bp->hdr.ramdisk_image, MIB(64) - 8192);
	assert_int_equal(bp->ext_ramdisk_image, 0);
	pattern_fill(expected, sizeof(expected), 0);
	memcpy(expected, "070701", 6);
	assert_memory_equal(at(r, bp->hdr.ramdisk_image, INITRD_BYTES), expected, INITRD_BYTES);
}

static void initrd_stays_off_the_memory_that_the_kernel_needs(void **state)
{
	struct rig *r = *state;

	use_bzimage(r);
	use_initrd(r);
	assert_int_equal(boot(r, KERNEL_AT + 0x10000 + 4096), -E2BIG); /* init_size and a page */
	assert_one_line(&r->log, "initrd");
}

static unsigned sum(const uint8_t *p, size_t len)
{
	unsigned s = 0;

	while (len--)
		s += *p++;
	return s & 0xff;
}

/* ISA interrupt n, which the command line means, is pin n; and ACPI does not say otherwise. */
static void assert_mp_table_alone(const struct rig *r)
{
	const uint8_t *p = at(r, 0xf0000, 16), *t, *e;
	unsigned pins = 0, cpus = 0;

	assert_memory_not_equal(at(r, LAYOUT_ACPI, 8), "RSD PTR ", 8);
	assert_memory_equal(p, "_MP_", 4);
	assert_int_equal(sum(p, 16), 0);
	t = at(r, get_le32(p + 4), 44);
	assert_memory_equal(t, "PCMP", 4);
	assert_int_equal(sum(t, get_le16(t + 4)), 0);
	e = t + 44;
	for (unsigned i = get_le16(t + 34); i > 0; i--) {
		if (e[0] == 0)
			assert_int_equal(e[1], cpus++);
		if (e[0] == 3 && e[1] == 0 && e[5] == e[7] && e[6] == r->map.nr_cpus)
			pins |= 1u << e[7];
		e += e[0] == 0 ? 20 : 8;
	}
	assert_ptr_equal(e, t + get_le16(t + 4));
	assert_int_equal(cpus, r->map.nr_cpus);
	assert_int_equal(pins, 0xffff);
}

static void cmdline_announce_puts_devices_on_the_command_line(void **state)
{
	struct rig *r = *state;

	use_bzimage(r);
	r->map.announce = ANNOUNCE_CMDLINE;
	assert_int_equal(boot(r, MIB(64)), 0);
	assert_non_null(strstr(at(r, LAYOUT_CMDLINE, CMDLINE_MAX), "virtio_mmio.device="));
	assert_non_null(strstr(at(r, LAYOUT_CMDLINE, CMDLINE_MAX), "console=ttyS0"));
	assert_mp_table_alone(r);
	assert_int_equal(((struct boot_params *)at(r, LAYOUT_ZERO_PAGE, 4096))->acpi_rsdp_addr, 0);
}

static void command_line_beyond_the_kernels_limit_is_refused(void **state)
{
	struct rig *r = *state;
	char word[2048];

	use_bzimage(r);
	memset(word, 'x', sizeof(word));
	word[sizeof(word) - 1] = '\0';
	assert_int_equal(cmdline_add(&r->cmdline, word), 0);
	assert_int_equal(boot(r, MIB(64)), -E2BIG);
	assert_one_line(&r->log, "2047");
}

static void device_tree_for_linux_comes_alone(void **state)
{
	struct rig *r = *state;
	const struct setup_data *sd;
	const struct boot_params *bp;
	const void *fdt;
	int node;

	use_bzimage(r);
	r->map.announce = ANNOUNCE_FDT;
	assert_int_equal(boot(r, MIB(64)), 0);
	bp = at(r, LAYOUT_ZERO_PAGE, sizeof(*bp));
	assert_int_equal(bp->acpi_rsdp_addr, 0);
	assert_memory_not_equal(at(r, LAYOUT_ACPI, 8), "RSD PTR ", 8); /* Linux would search it */
	sd = at(r, bp->hdr.setup_data, sizeof(*sd));
	assert_int_equal(sd->next, 0);
	assert_int_equal(sd->type, SETUP_DTB);
	fdt = at(r, bp->hdr.setup_data + sizeof(*sd), sd->len);
	assert_int_equal(fdt_check_full(fdt, sd->len), 0);
	node = fdt_node_offset_by_compatible(fdt, -1, "virtio,mmio");
	assert_true(node > 0);
}

static void jump_to_the_bios_pulses_the_reset_line(void **state)
{
	static const uint8_t code[] = {0xb0, 0xfe, 0xe6, 0x64}; /* mov $0xfe, %al; out %al, $0x64 */
	struct rig *r = *state;

	use_bzimage(r);
	assert_int_equal(boot(r, MIB(64)), 0);
	assert_memory_equal(at(r, 0xffff0, sizeof(code)), code, sizeof(code));
}

/* ---- PVH */

struct pvh_info {
	uint32_t magic, version, flags, nr_modules;
	uint64_t modules, cmdline, rsdp, memmap;
	uint32_t memmap_entries, reserved;
};

static void pvh_kernel_gets_a_start_info(void **state)
{
	struct rig *r = *state;
	const struct pvh_info *info;
	const uint64_t *module, *map;

	use_elf(r, true);
	use_initrd(r);
	assert_int_equal(boot(r, GIB(5)), 0);
	assert_int_equal(r->entry.mode, ENTRY_PVH32);
	assert_int_equal(r->entry.pc, KERNEL_AT + 32);
	info = at(r, r->entry.arg[ENTRY_RBX], sizeof(*info));
	assert_int_equal(info->magic, 0x336ec578);
	assert_int_equal(info->version, 1);
	assert_int_equal(info->flags, 0);
	assert_string_equal(at(r, info->cmdline, 64), "console=ttyS0 panic=-1");
	assert_memory_equal(at(r, info->rsdp, 8), "RSD PTR ", 8);
	assert_int_equal(info->nr_modules, 1);
	module = at(r, info->modules, 32);
	assert_int_equal(module[0], GIB(3) - 8192);
	assert_int_equal(module[1], INITRD_BYTES);
	assert_int_equal(info->memmap_entries, 4);
	map = at(r, info->memmap, UINT64_C(4) * 24);
	assert_int_equal(map[0], 0);
	assert_int_equal(map[2], 1);
	assert_int_equal(map[5], 2);
	assert_int_equal(map[9], GIB(4));
	assert_int_equal(map[10], GIB(2));
}

static void pvh_without_initrd_has_no_module(void **state)
{
	struct rig *r = *state;
	const struct pvh_info *info;

	use_elf(r, true);
	assert_int_equal(boot(r, MIB(64)), 0);
	info = at(r, r->entry.arg[ENTRY_RBX], sizeof(*info));
	assert_int_equal(info->nr_modules, 0);
}

static void pvh_with_devices_on_the_command_line_has_no_acpi(void **state)
{
	struct rig *r = *state;
	const struct pvh_info *info;

	use_elf(r, true);
	r->map.announce = ANNOUNCE_CMDLINE;
	assert_int_equal(boot(r, MIB(64)), 0);
	info = at(r, r->entry.arg[ENTRY_RBX], sizeof(*info));
	assert_int_equal(info->rsdp, 0);
	assert_non_null(strstr(at(r, info->cmdline, 256), "virtio_mmio.device="));
	assert_mp_table_alone(r);
}

static void largest_mp_table_fits(void **state)
{
	struct rig *r = *state;

	use_bzimage(r);
	r->map.announce = ANNOUNCE_CMDLINE;
	r->map.nr_cpus = LAYOUT_MAX_CPUS;
	assert_int_equal(boot(r, MIB(64)), 0);
	assert_mp_table_alone(r);
}

static void pvh_with_a_device_tree_is_refused(void **state)
{
	struct rig *r = *state;

	use_elf(r, true);
	r->map.announce = ANNOUNCE_FDT;
	assert_int_equal(boot(r, MIB(64)), -EINVAL);
	assert_one_line(&r->log, "--announce fdt");
}

/* ---- bare metal */

static int virtio_nodes(const void *fdt)
{
	int node = -1, nr = 0;

	while ((node = fdt_node_offset_by_compatible(fdt, node, "virtio,mmio")) > 0)
		nr++;
	return nr;
}

static void program_gets_tree_tables_and_a_stack(void **state)
{
	struct rig *r = *state;
	const void *fdt;
	const char *args;

	use_elf(r, false);
	assert_int_equal(boot(r, MIB(64)), 0);
	assert_long_mode_tables(r);
	assert_int_equal(r->entry.pc, KERNEL_AT + 16);
	assert_int_equal((r->entry.arg[ENTRY_RSP] + 8) % 16, 0); /* as behind a call */
	assert_int_equal(get_le64(at(r, r->entry.arg[ENTRY_RSP], 8)), 0);
	assert_memory_equal(at(r, r->entry.arg[ENTRY_RSI], 8), "RSD PTR ", 8);
	fdt = at(r, r->entry.arg[ENTRY_RDI], FDT_MAX_SIZE);
	assert_int_equal(fdt_check_full(fdt, FDT_MAX_SIZE), 0);
	assert_int_equal(virtio_nodes(fdt), 2);
	args = fdt_getprop(fdt, fdt_path_offset(fdt, "/chosen"), "bootargs", NULL);
	assert_string_equal(args, "console=ttyS0 panic=-1");
}

/* However the devices are told of: the three pointers are the same as for ELF. */
static void flat_program_gets_what_an_elf_program_gets(void **state)
{
	static const enum announce ways[] = {ANNOUNCE_ACPI, ANNOUNCE_CMDLINE, ANNOUNCE_FDT,
	                                     ANNOUNCE_NONE};
	static uint8_t file[KERNEL_BYTES];
	struct rig *r = *state;

	pattern_fill(file, sizeof(file), 0);
	use_file(&r->kernel, r->kernel_path, sizeof(r->kernel_path), file, sizeof(file));
	r->cfg.flat = (struct flat_place){true, KERNEL_AT, KERNEL_AT + 8};
	for (unsigned i = 0; i < ARRAY_SIZE(ways); i++) {
		const char *line;

		gmem_destroy(&r->mem);
		r->map.announce = ways[i];
		assert_int_equal(boot(r, MIB(64)), 0);
		assert_long_mode_tables(r);
		assert_int_equal(r->entry.pc, KERNEL_AT + 8);
		assert_memory_equal(at(r, KERNEL_AT, sizeof(file)), file, sizeof(file));
		assert_memory_equal(at(r, r->entry.arg[ENTRY_RSI], 8), "RSD PTR ", 8);
		assert_int_equal(virtio_nodes(at(r, r->entry.arg[ENTRY_RDI], FDT_MAX_SIZE)),
		                 ways[i] == ANNOUNCE_NONE ? 0 : 2);
		line = at(r, r->entry.arg[ENTRY_RDX], CMDLINE_MAX);
		if (ways[i] == ANNOUNCE_CMDLINE)
			assert_string_equal(line, "virtio_mmio.device=0x200@0xd0000f00:5 "
			                          "virtio_mmio.device=0x200@0xd0002f00:6 "
			                          "console=ttyS0 panic=-1");
		else
			assert_string_equal(line, "console=ttyS0 panic=-1");
		cmdline_init(&r->cmdline);
		assert_int_equal(cmdline_add(&r->cmdline, "console=ttyS0 panic=-1"), 0);
	}
}

static void tree_of_announce_none_has_no_devices(void **state)
{
	struct rig *r = *state;
	const void *fdt;

	use_elf(r, false);
	r->map.announce = ANNOUNCE_NONE;
	assert_int_equal(boot(r, MIB(64)), 0);
	fdt = at(r, r->entry.arg[ENTRY_RDI], FDT_MAX_SIZE);
	assert_int_equal(fdt_check_full(fdt, FDT_MAX_SIZE), 0);
	assert_int_equal(virtio_nodes(fdt), 0);
	assert_true(fdt_path_offset(fdt, "/cpus") > 0);
}

static uint32_t cell(const void *fdt, int node, const char *name, int index)
{
	int len;
	const fdt32_t *p = fdt_getprop(fdt, node, name, &len);

	assert_non_null(p);
	assert_true(len >= (index + 1) * 4);
	return fdt32_to_cpu(p[index]);
}

static void tree_wires_devices_to_the_io_apic_by_edges(void **state)
{
	struct rig *r = *state;
	int ioapic, virtio, power, off;
	const void *fdt;

	use_elf(r, false);
	assert_int_equal(boot(r, MIB(64)), 0);
	fdt = at(r, r->entry.arg[ENTRY_RDI], FDT_MAX_SIZE);
	ioapic = fdt_node_offset_by_compatible(fdt, -1, "intel,ce4100-ioapic");
	virtio = fdt_node_offset_by_compatible(fdt, -1, "virtio,mmio");
	assert_true(ioapic > 0 && virtio > 0);
	assert_int_equal(cell(fdt, 0, "interrupt-parent", 0), cell(fdt, ioapic, "phandle", 0));
	assert_int_equal(cell(fdt, ioapic, "#interrupt-cells", 0), 2);
	assert_int_equal(cell(fdt, virtio, "interrupts", 0), arch_desc.virtio_gsi);
	assert_int_equal(cell(fdt, virtio, "interrupts", 1), 3);
	power = fdt_node_offset_by_compatible(fdt, -1, "syscon");
	off = fdt_node_offset_by_compatible(fdt, -1, "syscon-poweroff");
	assert_true(power > 0 && off > 0);
	assert_int_equal(cell(fdt, power, "reg", 1), LAYOUT_POWER);
	assert_int_equal(cell(fdt, off, "regmap", 0), cell(fdt, power, "phandle", 0));
	assert_int_equal(cell(fdt, off, "value", 0), 0x34);
}

/* ---- bad input */

static void tiny_memory_is_refused(void **state)
{
	struct rig *r = *state;

	use_elf(r, false);
	assert_int_equal(boot(r, MIB(1)), -EINVAL);
	assert_one_line(&r->log, "2 MiB");
}

static void unknown_kernel_is_named_for_what_it_is(void **state)
{
	static const uint8_t gzip[64] = {0x1f, 0x8b, 8};
	struct rig *r = *state;

	use_file(&r->kernel, r->kernel_path, sizeof(r->kernel_path), gzip, sizeof(gzip));
	assert_int_equal(boot(r, MIB(64)), -EINVAL);
	assert_one_line(&r->log, "gzip");
	assert_null(strstr(r->log.text, "--flat"));
}

static void what_is_not_known_may_be_flat_and_is_not_guessed(void **state)
{
	static const uint8_t code[64] = {0xf4, 0xeb, 0xfd};
	struct rig *r = *state;

	use_file(&r->kernel, r->kernel_path, sizeof(r->kernel_path), code, sizeof(code));
	assert_int_equal(boot(r, MIB(64)), -EINVAL);
	assert_one_line(&r->log, "a flat binary is loaded by --flat ADDRESS");
}

static void missing_files_are_refused(void **state)
{
	struct rig *r = *state;

	r->cfg.kernel = "/nonexistent/kernel";
	assert_int_equal(boot(r, MIB(64)), -ENOENT);
	assert_one_line(&r->log, "/nonexistent/kernel");
	gmem_destroy(&r->mem);
	use_elf(r, false);
	r->cfg.kernel = r->kernel_path;
	r->cfg.initrd = "/nonexistent/initrd";
	assert_int_equal(boot(r, MIB(64)), -ENOENT);
	assert_one_line(&r->log, "/nonexistent/initrd");
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(linux_gets_a_zero_page),
		CASE(memory_map_has_the_hole_and_our_tables),
		CASE(initrd_lies_high_and_whole),
		CASE(initrd_stays_off_the_memory_that_the_kernel_needs),
		CASE(cmdline_announce_puts_devices_on_the_command_line),
		CASE(command_line_beyond_the_kernels_limit_is_refused),
		CASE(device_tree_for_linux_comes_alone),
		CASE(jump_to_the_bios_pulses_the_reset_line),
		CASE(pvh_kernel_gets_a_start_info),
		CASE(pvh_without_initrd_has_no_module),
		CASE(pvh_with_devices_on_the_command_line_has_no_acpi),
		CASE(largest_mp_table_fits),
		CASE(pvh_with_a_device_tree_is_refused),
		CASE(program_gets_tree_tables_and_a_stack),
		CASE(flat_program_gets_what_an_elf_program_gets),
		CASE(tree_of_announce_none_has_no_devices),
		CASE(tree_wires_devices_to_the_io_apic_by_edges),
		CASE(tiny_memory_is_refused),
		CASE(unknown_kernel_is_named_for_what_it_is),
		CASE(what_is_not_known_may_be_flat_and_is_not_guessed),
		CASE(missing_files_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
