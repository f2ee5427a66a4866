/* SPDX-License-Identifier: Apache-2.0 */
/* tests/lib/boot_file.h - files for boot/, made in memory */
#ifndef DOORBELL_TESTS_BOOT_FILE_H
#define DOORBELL_TESTS_BOOT_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "boot/image.h"

/* A file of @len bytes, called "kernel" 'test.img' in messages; zeros when @bytes is NULL. image_close() it. */
struct image_file boot_file(const void *bytes, size_t len);
/* Bytes that differ from page to page, so that data in the wrong place is seen. */
void boot_file_pattern(uint8_t *dst, size_t len);

#endif
