/* SPDX-License-Identifier: Apache-2.0 */
/* tests/lib/boot_file.h - files for boot/, made in memory */
#ifndef DOORBELL_TESTS_BOOT_FILE_H
#define DOORBELL_TESTS_BOOT_FILE_H

#include <stddef.h>

#include "boot/image.h"

/* A file of @len bytes, called "kernel" 'test.img' in messages; zeros when @bytes is NULL. image_close() it. */
struct image_file boot_file(const void *bytes, size_t len);

#endif
