/* SPDX-License-Identifier: Apache-2.0 */
/* boot/elf.h - 64-bit ELF executables: a Linux vmlinux by its PVH note, or a bare-metal program */
#ifndef DOORBELL_ELF_H
#define DOORBELL_ELF_H

#include <stdbool.h>
#include <stdint.h>

#include "boot/image.h"
#include "vmm/core/gmem.h"

struct elf_image {
	gpa_t entry;     /* e_entry, a physical address (bare-metal: long mode); 0 with has_pvh */
	bool has_pvh;    /* note "Xen", type 18 (XEN_ELFNOTE_PHYS32_ENTRY) is there */
	gpa_t pvh_entry; /* 32-bit entry; valid with has_pvh */
	gpa_t low, high; /* first byte loaded, first byte behind the last one, .bss included */
};

/*
 * Load every PT_LOAD at its physical address. @m must be as gmem_create() left it: .bss is not
 * written, because touching it would cost a page fault for memory that is zero already.
 * 0; or -errno after one log_error(): truncated, header fields out of range, no PT_LOAD, segment
 * outside guest RAM, below @min (where our tables are: the first address that an image may use) or
 * overlapping another one; entry at or above 4 GiB or not inside what was loaded.
 */
int elf_load(const struct image_file *f, const struct gmem *m, gpa_t min, struct elf_image *out);

#endif
