/* SPDX-License-Identifier: Apache-2.0 */
#include "boot/initrd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "vmm/core/compiler.h"
#include "vmm/core/log.h"

#define PAGE_BYTES 4096u

/* The highest page in region @r from which @size bytes end at or below @max and begin at or above @min. */
static bool place_in(const struct gmem_region *r, uint64_t size, gpa_t min, gpa_t max, gpa_t *base)
{
	const gpa_t last = min_u64(r->base + (r->size - 1), max);
	const gpa_t first = r->base > min ? r->base : min;

	if (last < first || last - first < size - 1)
		return false;
	*base = (last - (size - 1)) & ~(gpa_t)(PAGE_BYTES - 1);
	return *base >= first;
}

int initrd_load(const struct image_file *f, const struct gmem *m, gpa_t min, gpa_t max,
                struct initrd *out)
{
	struct stat st;
	unsigned i = m->nr;
	int ret;

	*out = (struct initrd){0};
	while (i > 0 && !place_in(&m->region[i - 1], f->size, min, max, &out->base))
		i--;
	if (i == 0) {
		log_error("%s '%s' of %" PRIu64 " KiB does not fit: it may be between %#" PRIx64
		          " and %#" PRIx64 ", and the guest has %" PRIu64 " KiB in all",
		          f->what, f->path, (f->size + 1023) / 1024, min, max,
		          gmem_bytes(m) / 1024);
		return -E2BIG;
	}
	/* Straight from the page cache to its place, which place_in() has shown to be RAM. */
	ret = image_read(f, 0, gmem_ptr(m, out->base, f->size), f->size);
	if (ret < 0)
		return ret;
	/* A shorter file failed above; a longer one is half of something. */
	if (fstat(f->fd, &st) < 0 || (uint64_t)st.st_size != f->size) {
		log_error("%s '%s' changed while it was read", f->what, f->path);
		return -EINVAL;
	}
	out->size = f->size;
	return 0;
}
