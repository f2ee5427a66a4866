/* SPDX-License-Identifier: Apache-2.0 */
/* boot/cpio.h - is this initramfs whole? (Linux, Documentation/driver-api/early-userspace/buffer-format.rst) */
#ifndef DOORBELL_CPIO_H
#define DOORBELL_CPIO_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Does a newc archive at the beginning of @len bytes end within one of its files? Archives and zeros that
 * follow it are looked at too. What is no such archive, or is packed, is nothing that could be seen: false.
 */
bool cpio_is_cut(const void *data, size_t len);

#endif
