/* SPDX-License-Identifier: Apache-2.0 */
/* The kind of any file; and its way into memory as an initrd, whose limits come from a kernel's header. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "boot/cpio.h"
#include "boot/image.h"
#include "boot/initrd.h"
#include "tests/fuzz/guarded.h"
#include "tests/lib/boot_file.h"
#include "vmm/core/compiler.h"
#include "vmm/core/le.h"
#include "vmm/core/log.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct gmem mem = {
	.region = {{.base = 0, .size = KIB(64), .fd = -1},
                   {.base = MIB(1), .size = KIB(8), .fd = -1}},
	.nr = 2,
};

int LLVMFuzzerInitialize(int *argc unused, char ***argv unused)
{
	log_set_level((enum log_level)(LOG_ERROR - 1)); /* a line for nearly every input */
	guarded_create(&mem);
	return 0;
}

static void try_initrd(const struct image_file *f, const uint8_t *data, size_t size)
{
	const gpa_t min = get_le32(data);
	const gpa_t max = get_le64(data + 4);
	struct initrd rd;

	if (initrd_load(f, &mem, min, max, &rd) < 0)
		return;
	if (rd.size != size || rd.base < min || rd.base + size - 1 > max || rd.base % 4096 != 0)
		abort();
	if (memcmp(gmem_ptr(&mem, rd.base, rd.size), data, size) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = NULL;
	struct image_file f;

	if (size == 0)
		return 0;
	f = boot_file(data, size);
	if (image_sniff(&f, &text) > IMAGE_OTHER || !text)
		abort();
	image_check_initrd(&f);
	cpio_is_cut(data, size);
	if (size >= 12)
		try_initrd(&f, data, size);
	image_close(&f);
	return 0;
}
