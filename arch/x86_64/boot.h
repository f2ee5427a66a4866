/* SPDX-License-Identifier: Apache-2.0 */
/* arch/x86_64/boot.h - the steps that the three ways to start a guest are made of
 *
 *   bzImage           boot_linux()  64-bit entry, zero page
 *   ELF, PVH note     boot_pvh()    32-bit entry, start info
 *   ELF without, flat boot_bare()   64-bit entry, device tree, RSDP, command line
 *
 * Each loads what it is given, writes its tables below 1 MiB, fills *entry. 0; or -errno, logged.
 * Guest memory is as gmem_create() made it: zeroed, and no vCPU runs.
 */
#ifndef DOORBELL_X86_64_BOOT_H
#define DOORBELL_X86_64_BOOT_H

#include <stdbool.h>

#include "arch/arch.h"
#include "boot/elf.h"
#include "boot/image.h"
#include "boot/initrd.h"

struct boot_job {
	const struct arch_boot_config *cfg;
	struct image_file kernel;
	struct image_file initrd_file; /* fd -1: none */
	struct initrd initrd;          /* filled by boot_load_initrd() */
};

int boot_linux(struct boot_job *job, struct arch_entry *entry);
int boot_pvh(struct boot_job *job, const struct elf_image *elf, struct arch_entry *entry);
/* A program that is loaded: where it begins, and the first byte behind it. */
int boot_bare(struct boot_job *job, gpa_t pc, gpa_t end, struct arch_entry *entry);

/* Types of the BIOS memory map, which all boot protocols have kept. */
#define BOOT_MEM_RAM      1u
#define BOOT_MEM_RESERVED 2u

struct boot_mem {
	gpa_t base;
	uint64_t size;
	uint32_t type;
};
#define BOOT_MEM_MAX (GMEM_MAX_REGIONS + 2)

/* The memory map that guests are told. Number of entries. */
unsigned boot_memory_map(const struct machine_map *map, struct boot_mem out[BOOT_MEM_MAX]);

/* Tables at the places of layout.h, which are RAM: arch_boot() has seen to that. */
void *boot_place(const struct boot_job *job, gpa_t at, uint64_t len);
void boot_write_gdt(const struct boot_job *job, uint64_t code);
void boot_write_page_tables(const struct boot_job *job);
/* Behind the words that announce=cmdline adds; a command line of more than @limit bytes is refused. */
int boot_write_cmdline(struct boot_job *job, size_t limit);
int boot_write_acpi(const struct boot_job *job); /* the RSDP is at LAYOUT_ACPI */
int boot_write_mptable(const struct boot_job *job);
/* Device tree at LAYOUT_DTB + 16: in front of it is room for a setup_data header. Bytes or -errno. */
int boot_write_fdt(const struct boot_job *job, bool all);
/* No-op without initrd, which may be any file. */
int boot_load_initrd(struct boot_job *job, gpa_t min, gpa_t max);
/* The same for Linux, which has to understand it. */
int boot_load_initramfs(struct boot_job *job, gpa_t min, gpa_t max);

#define BOOT_SETUP_DATA_BYTES 16u

#endif
