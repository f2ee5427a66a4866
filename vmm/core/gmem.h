/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/core/gmem.h - guest-physical memory, and the only way to touch it */
#ifndef DOORBELL_GMEM_H
#define DOORBELL_GMEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/core/compiler.h"

struct iovec;

/*
 * A guest-physical byte address. It is a number, never a pointer: nothing may cast it to one.
 * Only the functions below turn it into host memory.
 */
typedef uint64_t gpa_t;

#define GMEM_MAX_REGIONS 8u /* what a vhost-user message has room for */

struct gmem_region {
	gpa_t base;    /* first byte; page aligned */
	uint64_t size; /* bytes; page multiple, never 0 */
	uint8_t *host; /* our mapping; owned by struct gmem */
	int fd;        /* memfd behind it when shared, else -1; owned by struct gmem */
	/* Bytes that are mapped before host and behind host + size: files map in pages of their own. */
	uint64_t lead, tail;
};

/*
 * Filled by gmem_create() before any vCPU runs, constant until gmem_destroy(), so every thread may
 * read it without a lock.
 */
struct gmem {
	struct gmem_region region[GMEM_MAX_REGIONS]; /* ascending, disjoint */
	unsigned nr;
};

struct gmem_range {
	gpa_t base;    /* page aligned */
	uint64_t size; /* bytes, page multiple */
};

/*
 * Back @nr ranges with zeroed memory: a memfd each when @shared (another process will map it:
 * vhost-user), otherwise anonymous memory with transparent huge pages asked for.
 * On success @m owns mappings and fds. On failure @m is empty and needs no destroy.
 * 0; -EINVAL overlap, misalignment or 64-bit wrap; -E2BIG; or the errno of mmap or memfd_create.
 */
WARN_UNUSED int gmem_create(struct gmem *m, const struct gmem_range *want, unsigned nr,
                            bool shared);

/* A piece of a file that somebody else says is guest memory. */
struct gmem_file {
	struct gmem_range range;
	int fd;          /* borrowed until gmem_import() returns */
	uint64_t offset; /* of the first byte in the file; page aligned */
};

/*
 * Map @nr of them, in any order; they are sorted. All of it is hostile: what overlaps, wraps, is not in whole pages,
 * is no regular file or reaches beyond the end of one is refused. A file that can be cut later still can be:
 * touching what is gone raises SIGBUS, see vmm/sigbus.h. As gmem_create(), with the reason in @why.
 */
WARN_UNUSED int gmem_import(struct gmem *m, struct gmem_file *want, unsigned nr, char *why,
                            size_t why_size);
void gmem_destroy(struct gmem *m); /* accepts an empty or zeroed @m */

uint64_t gmem_bytes(const struct gmem *m); /* sum of all regions */

/*
 * Host pointer to the @len bytes at @gpa, or NULL unless every one of them lies in one region and
 * @len > 0. Borrowed; dies with @m. The guest may write these bytes at any moment: copy out first,
 * check the copy, use the copy.
 */
static inline void *gmem_ptr(const struct gmem *m, gpa_t gpa, uint64_t len);

/*
 * Write [gpa, gpa + len) to @iov, splitting where two regions touch.
 * Entries written (>= 1); -EFAULT hole or outside; -ENOBUFS @room too small; -EINVAL len 0.
 */
int gmem_iov(const struct gmem *m, gpa_t gpa, uint32_t len, struct iovec *iov, unsigned room);

/* The region that holds @gpa, NULL. Eight at most, and the first one is nearly always it. */
static inline const struct gmem_region *gmem_region_of(const struct gmem *m, gpa_t gpa)
{
	for (unsigned i = 0; i < m->nr; i++) {
		const struct gmem_region *r = &m->region[i];

		if (likely(gpa - r->base < r->size)) /* below base wraps to a huge number */
			return r;
	}
	return NULL;
}

static inline void *gmem_ptr(const struct gmem *m, gpa_t gpa, uint64_t len)
{
	const struct gmem_region *r = gmem_region_of(m, gpa);
	uint64_t off;

	if (!r || len == 0)
		return NULL;
	off = gpa - r->base;
	if (len > r->size - off)
		return NULL;
	return r->host + off;
}

/* Copy between guest and host memory; all or nothing. 0 or -EFAULT. @len 0 is 0. */
int gmem_read(const struct gmem *m, gpa_t gpa, void *dst, size_t len);
int gmem_write(const struct gmem *m, gpa_t gpa, const void *src, size_t len);

#endif
