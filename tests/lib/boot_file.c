/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/boot_file.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/core/fd.h"

struct image_file boot_file(const void *bytes, size_t len)
{
	struct image_file f = {.what = "kernel", .path = "test.img", .size = len};

	f.fd = memfd_create("image", MFD_CLOEXEC);
	/* Not an assertion of cmocka: fuzz targets use this, too. */
	if (f.fd < 0 || ftruncate(f.fd, (off_t)len) < 0)
		abort();
	if (bytes && fd_write_all(f.fd, bytes, len) < 0)
		abort();
	return f;
}
