/* SPDX-License-Identifier: Apache-2.0 */
/* The header of an x86 kernel: every field of it comes from the file. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "boot/bzimage.h"
#include "tests/fuzz/guarded.h"
#include "tests/lib/boot_file.h"
#include "vmm/core/compiler.h"
#include "vmm/core/log.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct gmem mem = {
	.region = {{.base = 0, .size = MIB(1) + KIB(64), .fd = -1},
                   {.base = MIB(16), .size = KIB(64), .fd = -1},
                   {.base = GIB(4) - KIB(64), .size = KIB(128), .fd = -1}},
	.nr = 3,
};

int LLVMFuzzerInitialize(int *argc unused, char ***argv unused)
{
	log_set_level((enum log_level)(LOG_ERROR - 1)); /* a line for nearly every input */
	guarded_create(&mem);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct image_file f;
	struct bzimage b;
	size_t sects, len;

	if (size == 0)
		return 0;
	f = boot_file(data, size);
	if (bzimage_load(&f, &mem, &b) == 0) {
		if (b.load < MIB(1) || b.load + b.init_size > GIB(4) || b.entry != b.load + 0x200)
			abort();
		if (b.header_len > BZIMAGE_HEADER_MAX || !gmem_ptr(&mem, b.load, b.init_size))
			abort();
		if (memcmp(b.header, data + 0x1f1, b.header_len) != 0)
			abort();
		sects = data[0x1f1] ? data[0x1f1] : 4;
		len = (size_t)(data[0x1f4] | data[0x1f5] << 8 | data[0x1f6] << 16) * 16;
		if (memcmp(gmem_ptr(&mem, b.load, len), data + (sects + 1) * 512, len) != 0)
			abort();
	}
	image_close(&f);
	return 0;
}
