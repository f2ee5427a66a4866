/* SPDX-License-Identifier: Apache-2.0 */
/* boot/image.h - what kind of file is this? */
#ifndef DOORBELL_IMAGE_H
#define DOORBELL_IMAGE_H

#include <stddef.h>
#include <stdint.h>

enum image_kind {
	IMAGE_UNKNOWN,
	IMAGE_BZIMAGE,     /* x86 boot protocol; bzimage_load() judges version and 64-bit entry */
	IMAGE_ELF64,       /* little-endian x86-64 executable: vmlinux or bare-metal */
	IMAGE_ARM64_IMAGE, /* arm64 Image */
	IMAGE_OTHER,       /* recognised, cannot boot here: see text */
};

/*
 * A regular file that is open for reading. The file may change or shrink while we read: every read
 * is checked against what was read, never against @size alone.
 */
struct image_file {
	const char *what; /* "kernel", "initrd": for messages; borrowed */
	const char *path; /* for messages; borrowed */
	int fd;           /* owned: image_close() */
	uint64_t size;    /* bytes when opened, never 0 */
};

/*
 * 0; or -errno after one log_error(): @what ("kernel", "initrd") does not exist, is a directory or a
 * device, may not be read, is empty. Never waits for the other end of a fifo. On failure @f holds no
 * descriptor.
 */
int image_open(struct image_file *f, const char *path, const char *what);
void image_close(struct image_file *f); /* fd -1 is fine */

/*
 * Exactly @len bytes at @off, straight to @dst: which may be guest memory. 0; or -errno after one
 * log_error(): -EINVAL when the file ends before.
 */
int image_read(const struct image_file *f, uint64_t off, void *dst, size_t len);

/*
 * Look at the first bytes. *text is a static description that fits "this is %s": "an arm64 Image",
 * "gzip, unpack it first", "a 32-bit ELF file", "an ELF object file, not an executable", ...
 */
enum image_kind image_sniff(const struct image_file *f, const char **text);

/*
 * Could Linux take this as initrd? For callers who know that the kernel is Linux: to another guest an
 * initrd is just bytes. 0; or -EINVAL after one log_error() when it is certainly something else (a
 * kernel, an ELF file, a disk image, text, ...). What is of no known kind passes.
 */
int image_check_initrd(const struct image_file *f);

#endif
