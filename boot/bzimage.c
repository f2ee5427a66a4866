/* SPDX-License-Identifier: Apache-2.0 */
#include "boot/bzimage.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "vmm/core/compiler.h"
#include "vmm/core/le.h"
#include "vmm/core/log.h"

#define PROTOCOL_MIN    0x020cu /* 2.12, Linux 3.8: the first with xloadflags */
#define LOADED_HIGH     0x01u   /* loadflags */
#define XLF_KERNEL_64   0x01u   /* xloadflags */
#define SECTOR          512u
#define SETUP_SECTS_OLD 4u /* what 0 in setup_sects means */
#define ENTRY_64        0x200u
#define LOAD_MIN        MIB(1)
#define LOAD_END        GIB(4) /* where the identity map of the 64-bit entry ends */

/* Fields by their offset in the file, as in the table of boot.rst. */
enum {
	HDR_START = 0x1f1,
	HDR_SETUP_SECTS = 0x1f1,
	HDR_SYSSIZE = 0x1f4,
	HDR_JUMP = 0x201, /* distance from 0x202 to the end of the header */
	HDR_MAGIC = 0x202,
	HDR_VERSION = 0x206,
	HDR_LOADFLAGS = 0x211,
	HDR_INITRD_ADDR_MAX = 0x22c,
	HDR_KERNEL_ALIGNMENT = 0x230,
	HDR_RELOCATABLE = 0x234,
	HDR_XLOADFLAGS = 0x236,
	HDR_CMDLINE_SIZE = 0x238,
	HDR_PREF_ADDRESS = 0x258,
	HDR_INIT_SIZE = 0x260,
	HDR_END_2_12 = 0x268, /* end of the header in the oldest protocol that we take */
};

/* What the header says of the kernel behind the setup code, judged against the file's size only. */
struct payload {
	uint64_t off, len; /* in the file; bytes */
	uint64_t need;     /* bytes of RAM from the load address */
	gpa_t pref;
	uint64_t align; /* a power of two when relocatable */
	bool relocatable;
};

static const uint8_t *field(const struct bzimage *b, unsigned offset)
{
	return b->header + (offset - HDR_START);
}

static int read_header(const struct image_file *f, struct bzimage *b)
{
	uint32_t end;
	int ret = image_read(f, HDR_START, b->header, sizeof(b->header));

	if (ret < 0)
		return ret;
	if (memcmp(field(b, HDR_MAGIC), "HdrS", 4) != 0) {
		log_error("kernel '%s' is not a bzImage", f->path);
		return -EINVAL;
	}
	b->version = get_le16(field(b, HDR_VERSION));
	if (b->version < PROTOCOL_MIN) {
		log_error("kernel '%s' has boot protocol %u.%02u, needed is 2.12 (Linux 3.8) or "
		          "later",
		          f->path, b->version >> 8, b->version & 0xffu);
		return -EINVAL;
	}
	if (!(get_le16(field(b, HDR_XLOADFLAGS)) & XLF_KERNEL_64)) {
		log_error("kernel '%s' is a 32-bit kernel (it has no 64-bit entry)", f->path);
		return -EINVAL;
	}
	if (!(*field(b, HDR_LOADFLAGS) & LOADED_HIGH)) {
		log_error("kernel '%s' is a zImage, a bzImage is needed", f->path);
		return -EINVAL;
	}
	end = HDR_MAGIC + *field(b, HDR_JUMP);
	if (end < HDR_END_2_12) {
		log_error("kernel '%s' has a damaged header: it ends at %#x", f->path, end);
		return -EINVAL;
	}
	/* Newer protocols may be longer than what we copy; code that follows the header is not copied. */
	b->header_len = min_u32(end - HDR_START, BZIMAGE_HEADER_MAX);
	memset(b->header + b->header_len, 0, BZIMAGE_HEADER_MAX - b->header_len);
	return 0;
}

static int find_payload(const struct image_file *f, const struct bzimage *b, struct payload *p)
{
	const uint32_t init_size = get_le32(field(b, HDR_INIT_SIZE));
	uint32_t sects = *field(b, HDR_SETUP_SECTS);

	if (sects == 0)
		sects = SETUP_SECTS_OLD;
	*p = (struct payload){
		.off = (uint64_t)(sects + 1) * SECTOR, /* one more: the boot sector */
		.len = (uint64_t)get_le32(field(b, HDR_SYSSIZE)) * 16,
		.pref = get_le64(field(b, HDR_PREF_ADDRESS)),
		.align = get_le32(field(b, HDR_KERNEL_ALIGNMENT)),
		.relocatable = *field(b, HDR_RELOCATABLE) != 0,
	};
	p->need = p->len > init_size ? p->len : init_size;
	/* What follows (a signature) is not part of the kernel. */
	if (p->off + p->len > f->size) {
		log_error("kernel '%s' is truncated: its header announces %" PRIu64
		          " bytes, the file has %" PRIu64,
		          f->path, p->off + p->len, f->size);
		return -EINVAL;
	}
	if (p->len <= ENTRY_64 ||
	    (p->relocatable && (p->align == 0 || (p->align & (p->align - 1)) != 0))) {
		log_error("kernel '%s' has a damaged header: %" PRIu64
		          " bytes of kernel, alignment %#" PRIx64,
		          f->path, p->len, p->align);
		return -EINVAL;
	}
	return 0;
}

static bool fits(const struct payload *p, const struct gmem *m, gpa_t at)
{
	return at >= LOAD_MIN && at < LOAD_END && p->need <= LOAD_END - at &&
	       gmem_ptr(m, at, p->need) != NULL;
}

/* Where the kernel will run, or 0: nowhere. */
static gpa_t place(const struct payload *p, const struct gmem *m)
{
	const gpa_t first = p->pref < LOAD_MIN ? LOAD_MIN : p->pref;

	if (!p->relocatable)
		return fits(p, m, p->pref) ? p->pref : 0;
	for (unsigned i = 0; i < m->nr && first < LOAD_END; i++) {
		const gpa_t base = m->region[i].base;
		const gpa_t at = align_up(base > first ? base : first, p->align);

		if (fits(p, m, at))
			return at;
	}
	return 0;
}

int bzimage_load(const struct image_file *f, const struct gmem *m, struct bzimage *out)
{
	struct payload p;
	int ret;

	memset(out, 0, sizeof(*out));
	ret = read_header(f, out);
	if (ret < 0)
		return ret;
	ret = find_payload(f, out, &p);
	if (ret < 0)
		return ret;
	out->load = place(&p, m);
	if (out->load == 0) {
		log_error("kernel '%s' does not fit: it needs %" PRIu64 " KiB of RAM at %#" PRIx64
		          "%s, the guest has %" PRIu64 " KiB in all",
		          f->path, (p.need + 1023) / 1024, p.pref,
		          p.relocatable ? " or above (below 4 GiB)" : "", gmem_bytes(m) / 1024);
		return -E2BIG;
	}
	out->init_size = p.need;
	out->entry = out->load + ENTRY_64;
	out->cmdline_max = get_le32(field(out, HDR_CMDLINE_SIZE));
	out->initrd_max = get_le32(field(out, HDR_INITRD_ADDR_MAX));
	/* Straight from the page cache to its place; place() has shown that it is RAM. */
	return image_read(f, p.off, gmem_ptr(m, out->load, p.len), p.len);
}
