/* SPDX-License-Identifier: Apache-2.0 */
/* boot/image.h - what kind of file is this? */
#ifndef DOORBELL_IMAGE_H
#define DOORBELL_IMAGE_H

#include <stdint.h>

enum image_kind {
	IMAGE_UNKNOWN,
	IMAGE_BZIMAGE,     /* x86 boot protocol 2.x with a 64-bit entry */
	IMAGE_ELF64,       /* little-endian x86-64 executable: vmlinux or bare-metal */
	IMAGE_ARM64_IMAGE, /* arm64 Image */
	IMAGE_OTHER,       /* recognised, cannot boot here: see text */
};

/*
 * A regular file that is open for reading. The file may change or shrink while we read: every read
 * is checked against what was read, never against @size alone.
 */
struct image_file {
	const char *path; /* for messages; borrowed */
	int fd;           /* owned: image_close() */
	uint64_t size;    /* bytes when opened */
};

/*
 * 0; or -errno after one log_error(): @what ("kernel", "initrd") does not exist, is a directory or a
 * device, may not be read, is empty.
 */
int image_open(struct image_file *f, const char *path, const char *what);
void image_close(struct image_file *f); /* fd -1 is fine */

/*
 * Look at the first bytes. *text is a static description that fits "this is %s": "an arm64 Image",
 * "gzip, unpack it first", "a 32-bit ELF file", "an ELF object file, not an executable", ...
 */
enum image_kind image_sniff(const struct image_file *f, const char **text);

#endif
