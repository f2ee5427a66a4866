/* SPDX-License-Identifier: Apache-2.0 */
/* boot/bzimage.h - x86 Linux boot protocol (kernel: Documentation/arch/x86/boot.rst) */
#ifndef DOORBELL_BZIMAGE_H
#define DOORBELL_BZIMAGE_H

#include <stdint.h>

#include "boot/image.h"
#include "vmm/core/gmem.h"

#define BZIMAGE_HEADER_MAX 0x88u /* bytes of setup_header copied, from file offset 0x1f1 */

struct bzimage {
	uint8_t header[BZIMAGE_HEADER_MAX]; /* goes to the zero page at 0x1f1 */
	uint32_t header_len;                /* the rest of header[] is zero */
	uint16_t version;                   /* boot protocol, 0x020c or later here */
	gpa_t load;                         /* where the protected-mode kernel was put */
	uint64_t
		init_size; /* bytes from load that the kernel uses before it looks at a memory map */
	gpa_t entry;       /* 64-bit entry: load + 0x200 */
	uint32_t cmdline_max; /* bytes without the NUL */
	gpa_t initrd_max;     /* highest address that the initrd's last byte may have */
};

/*
 * Load the kernel where it will run: at its preferred address; or, when it is relocatable and that is
 * not RAM, at the lowest multiple of its alignment above it with init_size bytes of RAM below 4 GiB.
 * (Lower addresses do not help: a kernel that was loaded below its preferred address moves up to it.)
 * 0; or -errno after one log_error(): truncated, too old (before 2.12), no 64-bit entry
 * (XLF_KERNEL_64), does not fit into memory.
 */
int bzimage_load(const struct image_file *f, const struct gmem *m, struct bzimage *out);

#endif
