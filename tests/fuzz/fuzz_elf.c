/* SPDX-License-Identifier: Apache-2.0 */
/* ELF headers, segments and notes. */
#include <elf.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "boot/elf.h"
#include "tests/fuzz/guarded.h"
#include "tests/lib/boot_file.h"
#include "vmm/core/compiler.h"
#include "vmm/core/log.h"

#define IMAGE_MIN 0x1000u

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct gmem mem = {
	.region = {{.base = 0, .size = KIB(64), .fd = -1},
                   {.base = MIB(1), .size = KIB(64), .fd = -1},
                   {.base = GIB(4) - KIB(64), .size = KIB(128), .fd = -1}},
	.nr = 3,
};

int LLVMFuzzerInitialize(int *argc unused, char ***argv unused)
{
	log_set_level((enum log_level)(LOG_ERROR - 1)); /* a line for nearly every input */
	guarded_create(&mem);
	return 0;
}

/* What was loaded is what the file has. */
static void check_segments(const uint8_t *data, const struct elf_image *e)
{
	Elf64_Ehdr eh;
	Elf64_Phdr ph;

	memcpy(&eh, data, sizeof(eh));
	for (unsigned i = 0; i < eh.e_phnum; i++) {
		memcpy(&ph, data + eh.e_phoff + i * sizeof(ph), sizeof(ph));
		if (ph.p_type != PT_LOAD || ph.p_filesz == 0)
			continue;
		if (ph.p_paddr < e->low || ph.p_paddr + ph.p_memsz > e->high)
			abort();
		if (memcmp(gmem_ptr(&mem, ph.p_paddr, ph.p_filesz), data + ph.p_offset,
		           ph.p_filesz) != 0)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct image_file f;
	struct elf_image e;

	if (size == 0)
		return 0;
	f = boot_file(data, size);
	if (elf_load(&f, &mem, IMAGE_MIN, &e) == 0) {
		const gpa_t entry = e.has_pvh ? e.pvh_entry : e.entry;

		if (e.low < IMAGE_MIN || e.low >= e.high || entry < e.low || entry >= e.high ||
		    entry >= GIB(4))
			abort();
		check_segments(data, &e);
	}
	image_close(&f);
	return 0;
}
