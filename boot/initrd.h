/* SPDX-License-Identifier: Apache-2.0 */
/* boot/initrd.h - where the initial RAM disk goes */
#ifndef DOORBELL_INITRD_H
#define DOORBELL_INITRD_H

#include <stdint.h>

#include "boot/image.h"
#include "vmm/core/gmem.h"

struct initrd {
	gpa_t base;    /* page aligned */
	uint64_t size; /* bytes; 0 = none */
};

/*
 * Load @f as high as possible so that its last byte is at or below @max and nothing below @min is
 * touched (the kernel and what it needs are there). 0; or -errno after one log_error() with the
 * sizes: it does not fit, it cannot be read.
 */
int initrd_load(const struct image_file *f, const struct gmem *m, gpa_t min, gpa_t max,
                struct initrd *out);

#endif
