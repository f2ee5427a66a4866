/* SPDX-License-Identifier: Apache-2.0 */
/* bench/cmd/cpio_out.h - newc archives (Linux, Documentation/driver-api/early-userspace/buffer-format.rst) */
#ifndef DOORBELL_BENCH_CPIO_OUT_H
#define DOORBELL_BENCH_CPIO_OUT_H

#include <stddef.h>
#include <stdio.h>

struct cpio_out {
	FILE *out; /* borrowed; what goes wrong stays with it (ferror) */
	unsigned files;
};

#define CPIO_DIR  0040755u
#define CPIO_FILE 0100644u
#define CPIO_PROG 0100755u

/* @name without '/' at its begin; directories before what is in them, without data. */
void cpio_add(struct cpio_out *c, const char *name, unsigned mode, const void *data, size_t len);
void cpio_end(struct cpio_out *c);

#endif
