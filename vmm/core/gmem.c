/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/core/gmem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "vmm/core/fd.h"

#define GMEM_PAGE     4096u
#define GMEM_BIG_PAGE MIB(2)

static int check_ranges(const struct gmem_range *want, unsigned nr)
{
	uint64_t end = 0;

	if (nr == 0)
		return -EINVAL;
	if (nr > GMEM_MAX_REGIONS)
		return -E2BIG;
	for (unsigned i = 0; i < nr; i++) {
		const struct gmem_range *r = &want[i];

		if (r->size == 0 || (r->base | r->size) % GMEM_PAGE != 0)
			return -EINVAL;
		if (r->base < end || r->base + r->size < r->base)
			return -EINVAL;
		end = r->base + r->size;
	}
	return 0;
}

static int map_shared(struct gmem_region *r)
{
	void *p;

	r->fd = memfd_create("doorbell-ram", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (r->fd < 0)
		return -errno;
	if (ftruncate(r->fd, (off_t)r->size) < 0)
		return -errno;
	/* Who gets this descriptor could cut the file, and we would die of SIGBUS. */
	if (fcntl(r->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return -errno;
	p = mmap(NULL, r->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, r->fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	r->host = p;
	return 0;
}

/*
 * KVM maps a huge page into the guest only where host and guest address agree modulo its size, so
 * the mapping is made larger by one huge page and its ends are given back.
 */
static int map_private(struct gmem_region *r)
{
	const uint64_t total = r->size + GMEM_BIG_PAGE;
	uint64_t head, tail;
	uint8_t *p;

	if (total < r->size)
		return -ENOMEM;
	p = mmap(NULL, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
	         -1, 0);
	if (p == MAP_FAILED)
		return -errno;
	head = (r->base - (uintptr_t)p) & (GMEM_BIG_PAGE - 1);
	tail = GMEM_BIG_PAGE - head;
	if (head > 0)
		munmap(p, head);
	munmap(p + head + r->size, tail);
	r->host = p + head;
	/*
	 * Not the first one at address 0: boot tables are in it, and to clear 2 MiB for them delays the
	 * start. A kernel without transparent huge pages refuses, and nothing is lost.
	 */
	head = r->base == 0 ? GMEM_BIG_PAGE : 0;
	if (r->size > head)
		(void)madvise(r->host + head, r->size - head, MADV_HUGEPAGE);
	return 0;
}

int gmem_create(struct gmem *m, const struct gmem_range *want, unsigned nr, bool shared)
{
	int ret = check_ranges(want, nr);

	memset(m, 0, sizeof(*m));
	if (ret < 0)
		return ret;
	for (unsigned i = 0; i < nr; i++) {
		struct gmem_region *r = &m->region[i];

		*r = (struct gmem_region){.base = want[i].base, .size = want[i].size, .fd = -1};
		m->nr = i + 1;
		ret = shared ? map_shared(r) : map_private(r);
		if (ret < 0) {
			gmem_destroy(m);
			return ret;
		}
		/* A core dump of ours is about us, and guest memory is the guest's secret. */
		(void)madvise(r->host, r->size, MADV_DONTDUMP);
	}
	return 0;
}

/* ---- memory of somebody else */

/*
 * Pages that @fd can be mapped in; 0 and the reason, when it cannot or is too short for @end bytes. A file of FUSE is not
 * asked anything: its server may be the very process that it is about, and not answer.
 */
static uint64_t page_of_file(int fd, uint64_t end, char *why, size_t why_size)
{
	struct statfs fs;
	struct stat st;

	if (!fd_is_local(fd)) {
		snprintf(why, why_size, "its file system is no memory and no disk of this machine");
		return 0;
	}
	if (fstat(fd, &st) < 0 || fstatfs(fd, &fs) < 0) {
		snprintf(why, why_size, "%s", strerror(errno));
		return 0;
	}
	if (!S_ISREG(st.st_mode)) {
		snprintf(why, why_size, "its descriptor is no file of memory");
		return 0;
	}
	if (end > (uint64_t)st.st_size) {
		snprintf(why, why_size, "it ends at %" PRIu64 " of a file of %" PRIu64 " bytes",
		         end, (uint64_t)st.st_size);
		return 0;
	}
	return fs.f_type == HUGETLBFS_MAGIC ? (uint64_t)fs.f_bsize : GMEM_PAGE;
}

static int map_file(struct gmem_region *r, const struct gmem_file *f, char *why, size_t why_size)
{
	const uint64_t end = f->offset + r->size;
	uint64_t page, from;
	uint8_t *p;

	if (f->offset % GMEM_PAGE != 0 || end < r->size || end > INT64_MAX) {
		snprintf(why, why_size, "0x%" PRIx64 " is no offset in a file", f->offset);
		return -EINVAL;
	}
	page = page_of_file(f->fd, end, why, why_size);
	if (page == 0)
		return -EINVAL;
	from = f->offset & ~(page - 1);
	r->lead = f->offset - from;
	r->tail = align_up(end, page) - end;
	p = mmap(NULL, end + r->tail - from, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
	         f->fd, (off_t)from);
	if (p == MAP_FAILED) {
		snprintf(why, why_size, "%s", strerror(errno));
		return -errno;
	}
	r->host = p + r->lead;
	return 0;
}

static int by_base(const void *a, const void *b)
{
	const struct gmem_file *x = a, *y = b;

	return x->range.base < y->range.base ? -1 : x->range.base > y->range.base;
}

static int import(struct gmem *m, const struct gmem_file *want, unsigned nr, char *why,
                  size_t why_size)
{
	struct gmem_range range[GMEM_MAX_REGIONS] = {0};
	char reason[100];
	int ret;

	for (unsigned i = 0; i < nr; i++)
		range[i] = want[i].range;
	ret = check_ranges(range, nr);
	if (ret < 0) {
		snprintf(why, why_size,
		         "regions of memory that overlap, wrap, or are not in whole pages");
		return ret;
	}
	for (unsigned i = 0; i < nr && ret == 0; i++) {
		struct gmem_region *r = &m->region[i];

		*r = (struct gmem_region){.base = range[i].base, .size = range[i].size, .fd = -1};
		m->nr = i + 1;
		ret = map_file(r, &want[i], reason, sizeof(reason));
		if (ret < 0)
			snprintf(why, why_size, "memory at 0x%" PRIx64 ", 0x%" PRIx64 " bytes: %s",
			         r->base, r->size, reason);
		else
			(void)madvise(r->host - r->lead, r->lead + r->size + r->tail,
			              MADV_DONTDUMP);
	}
	return ret;
}

int gmem_import(struct gmem *m, struct gmem_file *want, unsigned nr, char *why, size_t why_size)
{
	int ret;

	memset(m, 0, sizeof(*m));
	if (nr == 0 || nr > GMEM_MAX_REGIONS) {
		snprintf(why, why_size, "%u regions of memory, possible are 1 to %u", nr,
		         GMEM_MAX_REGIONS);
		return nr ? -E2BIG : -EINVAL;
	}
	qsort(want, nr, sizeof(*want), by_base);
	ret = import(m, want, nr, why, why_size);
	if (ret < 0)
		gmem_destroy(m);
	return ret;
}

void gmem_destroy(struct gmem *m)
{
	for (unsigned i = 0; i < m->nr; i++) {
		struct gmem_region *r = &m->region[i];

		if (r->host)
			munmap(r->host - r->lead, r->lead + r->size + r->tail);
		fd_close(&r->fd);
	}
	memset(m, 0, sizeof(*m));
}

uint64_t gmem_bytes(const struct gmem *m)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < m->nr; i++)
		sum += m->region[i].size;
	return sum;
}

int gmem_iov(const struct gmem *m, gpa_t gpa, uint32_t len, struct iovec *iov, unsigned room)
{
	uint64_t left = len;
	unsigned n = 0;

	if (len == 0)
		return -EINVAL;
	while (left > 0) {
		const struct gmem_region *r = gmem_region_of(m, gpa);
		uint64_t off, part;

		if (!r)
			return -EFAULT;
		if (n == room)
			return -ENOBUFS;
		off = gpa - r->base;
		part = min_u64(left, r->size - off);
		iov[n++] = (struct iovec){.iov_base = r->host + off, .iov_len = part};
		gpa += part;
		left -= part;
	}
	return (int)n;
}

enum copy_dir { FROM_GUEST, TO_GUEST };

static int copy(const struct gmem *m, gpa_t gpa, uint8_t *host, size_t len, enum copy_dir dir)
{
	struct iovec iov[GMEM_MAX_REGIONS];
	int n;

	if (len == 0)
		return 0;
	if (len > UINT32_MAX)
		return -EFAULT;
	n = gmem_iov(m, gpa, (uint32_t)len, iov, ARRAY_SIZE(iov));
	if (n < 0)
		return -EFAULT;
	for (int i = 0; i < n; i++) {
		if (dir == FROM_GUEST)
			memcpy(host, iov[i].iov_base, iov[i].iov_len);
		else
			memcpy(iov[i].iov_base, host, iov[i].iov_len);
		host += iov[i].iov_len;
	}
	return 0;
}

int gmem_read(const struct gmem *m, gpa_t gpa, void *dst, size_t len)
{
	return copy(m, gpa, dst, len, FROM_GUEST);
}

int gmem_write(const struct gmem *m, gpa_t gpa, const void *src, size_t len)
{
	/* copy() only reads from it in this direction. */
	return copy(m, gpa, (uint8_t *)(uintptr_t)src, len, TO_GUEST);
}
