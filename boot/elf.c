/* SPDX-License-Identifier: Apache-2.0 */
#include "boot/elf.h"

#include <elf.h>
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "vmm/core/compiler.h"
#include "vmm/core/le.h"
#include "vmm/core/log.h"

_Static_assert(__BYTE_ORDER == __LITTLE_ENDIAN, "ELF headers are used as they are in the file");

#define MAX_PHDRS  64u    /* a vmlinux has about five */
#define NOTES_MAX  16384u /* bytes of one PT_NOTE; a vmlinux has some hundreds */
#define ENTRY_END  GIB(4) /* the 64-bit entry finds these mapped, the 32-bit entry has no more */
#define PVH_OWNER  "Xen"  /* with its NUL, as notes have it */
#define PVH_PHYS32 18u    /* XEN_ELFNOTE_PHYS32_ENTRY */

struct phdrs {
	Elf64_Phdr p[MAX_PHDRS];
	unsigned nr;
};

static int read_headers(const struct image_file *f, Elf64_Ehdr *eh, struct phdrs *ph)
{
	int ret = image_read(f, 0, eh, sizeof(*eh));

	if (ret < 0)
		return ret;
	if (memcmp(eh->e_ident, ELFMAG, SELFMAG) != 0 || eh->e_ident[EI_CLASS] != ELFCLASS64 ||
	    eh->e_ident[EI_DATA] != ELFDATA2LSB || eh->e_machine != EM_X86_64 ||
	    eh->e_type != ET_EXEC) {
		log_error("kernel '%s' is not an x86-64 ELF executable", f->path);
		return -EINVAL;
	}
	if (eh->e_phentsize != sizeof(Elf64_Phdr) || eh->e_phnum == 0 || eh->e_phnum > MAX_PHDRS) {
		log_error("kernel '%s' has %u ELF program headers of %u bytes, allowed are 1 to %u "
		          "of %zu bytes",
		          f->path, eh->e_phnum, eh->e_phentsize, MAX_PHDRS, sizeof(Elf64_Phdr));
		return -EINVAL;
	}
	ph->nr = eh->e_phnum;
	if (eh->e_phoff > f->size) {
		log_error("kernel '%s' is truncated: its ELF program headers are at byte %" PRIu64
		          ", the file has %" PRIu64,
		          f->path, (uint64_t)eh->e_phoff, f->size);
		return -EINVAL;
	}
	return image_read(f, eh->e_phoff, ph->p, ph->nr * sizeof(ph->p[0]));
}

static int check_segment(const struct image_file *f, const struct gmem *m, gpa_t min,
                         const Elf64_Phdr *p)
{
	if (p->p_filesz > p->p_memsz) {
		log_error("kernel '%s': the ELF segment at %#" PRIx64
		          " has more bytes in the file (%" PRIu64 ") than in memory (%" PRIu64 ")",
		          f->path, p->p_paddr, p->p_filesz, p->p_memsz);
		return -EINVAL;
	}
	/* A segment of .bss only may point anywhere. */
	if (p->p_filesz > 0 && (p->p_offset > f->size || p->p_filesz > f->size - p->p_offset)) {
		log_error("kernel '%s' is truncated: the ELF segment at %#" PRIx64 " needs %" PRIu64
		          " bytes from byte %" PRIu64 " on, the file has %" PRIu64,
		          f->path, p->p_paddr, p->p_filesz, p->p_offset, f->size);
		return -EINVAL;
	}
	if (p->p_paddr < min) {
		log_error("kernel '%s': an ELF segment is loaded at %#" PRIx64
		          ", allowed is %#" PRIx64 " or above",
		          f->path, p->p_paddr, min);
		return -EINVAL;
	}
	if (!gmem_ptr(m, p->p_paddr, p->p_memsz)) {
		log_error("kernel '%s' does not fit: its ELF segment of %" PRIu64
		          " KiB at %#" PRIx64 " is not RAM, the guest has %" PRIu64 " KiB in all",
		          f->path, p->p_memsz / 1024, p->p_paddr, gmem_bytes(m) / 1024);
		return -E2BIG;
	}
	return 0;
}

/* Keep only segments that occupy memory, in file order, and check them against file, RAM and each other. */
static int check_segments(const struct image_file *f, const struct gmem *m, gpa_t min,
                          const struct phdrs *all, struct phdrs *load)
{
	load->nr = 0;
	for (unsigned i = 0; i < all->nr; i++) {
		const Elf64_Phdr *p = &all->p[i];
		int ret;

		if (p->p_type != PT_LOAD || (p->p_memsz == 0 && p->p_filesz == 0))
			continue;
		ret = check_segment(f, m, min, p);
		if (ret < 0)
			return ret;
		for (unsigned j = 0; j < load->nr; j++) {
			const Elf64_Phdr *q = &load->p[j];

			/* Both lie in RAM, so these sums do not wrap. */
			if (p->p_paddr >= q->p_paddr + q->p_memsz ||
			    q->p_paddr >= p->p_paddr + p->p_memsz)
				continue;
			log_error("kernel '%s': the ELF segments at %#" PRIx64 " and %#" PRIx64
			          " overlap",
			          f->path, q->p_paddr, p->p_paddr);
			return -EINVAL;
		}
		load->p[load->nr++] = *p;
	}
	if (load->nr > 0)
		return 0;
	log_error("kernel '%s' is an ELF file with nothing to load", f->path);
	return -EINVAL;
}

/*
 * The PVH entry among the notes of one PT_NOTE. Name and descriptor are padded to 8 bytes in a segment
 * of that alignment, else to 4, whatever p_align says (0 and 1 are common). Stops without complaint
 * where a note exceeds the segment.
 */
static bool find_pvh(const uint8_t *notes, uint64_t len, uint64_t align, uint64_t *entry)
{
	uint64_t at = 0;

	align = align == 8 ? 8 : 4;
	while (len - at >= sizeof(Elf64_Nhdr)) {
		const uint8_t *name = notes + at + sizeof(Elf64_Nhdr);
		uint64_t desc_at, end;
		Elf64_Nhdr nh;

		memcpy(&nh, notes + at, sizeof(nh));
		desc_at = align_up(at + sizeof(nh) + nh.n_namesz, align);
		end = desc_at + nh.n_descsz; /* of 32-bit numbers: no wrap */
		if (end > len)
			return false;
		if (nh.n_type == PVH_PHYS32 && nh.n_namesz == sizeof(PVH_OWNER) &&
		    memcmp(name, PVH_OWNER, sizeof(PVH_OWNER)) == 0) {
			if (nh.n_descsz == 8)
				*entry = get_le64(notes + desc_at);
			else if (nh.n_descsz == 4)
				*entry = get_le32(notes + desc_at);
			else
				return false;
			return true;
		}
		at = min_u64(align_up(end, align), len); /* the last one's padding may be missing */
	}
	return false;
}

static int look_for_pvh(const struct image_file *f, const struct phdrs *all, struct elf_image *out)
{
	uint8_t notes[NOTES_MAX];

	for (unsigned i = 0; i < all->nr && !out->has_pvh; i++) {
		const Elf64_Phdr *p = &all->p[i];
		int ret;

		if (p->p_type != PT_NOTE)
			continue;
		if (p->p_filesz > sizeof(notes) || p->p_offset > f->size) {
			log_error("kernel '%s': its ELF notes have %" PRIu64
			          " bytes at byte %" PRIu64
			          ", allowed are %u bytes inside the file",
			          f->path, p->p_filesz, p->p_offset, NOTES_MAX);
			return -EINVAL;
		}
		ret = image_read(f, p->p_offset, notes, p->p_filesz);
		if (ret < 0)
			return ret;
		out->has_pvh = find_pvh(notes, p->p_filesz, p->p_align, &out->pvh_entry);
	}
	return 0;
}

/* Is there a byte of the file at @entry? */
static int check_entry(const struct image_file *f, const struct phdrs *load, gpa_t entry)
{
	for (unsigned i = 0; i < load->nr && entry < ENTRY_END; i++) {
		const Elf64_Phdr *p = &load->p[i];

		if (entry >= p->p_paddr && entry - p->p_paddr < p->p_filesz)
			return 0;
	}
	log_error("kernel '%s': its entry %#" PRIx64
	          " is not a physical address below 4 GiB inside a loaded ELF segment",
	          f->path, entry);
	return -EINVAL;
}

int elf_load(const struct image_file *f, const struct gmem *m, gpa_t min, struct elf_image *out)
{
	struct phdrs all, load;
	Elf64_Ehdr eh;
	int ret;

	memset(out, 0, sizeof(*out));
	ret = read_headers(f, &eh, &all);
	if (ret < 0)
		return ret;
	ret = check_segments(f, m, min, &all, &load);
	if (ret < 0)
		return ret;
	ret = look_for_pvh(f, &all, out);
	if (ret < 0)
		return ret;
	/* With a PVH entry e_entry is not used, and may well be a virtual address. */
	if (!out->has_pvh)
		out->entry = eh.e_entry;
	ret = check_entry(f, &load, out->has_pvh ? out->pvh_entry : out->entry);
	if (ret < 0)
		return ret;
	out->low = UINT64_MAX;
	for (unsigned i = 0; i < load.nr; i++) {
		const Elf64_Phdr *p = &load.p[i];

		if (p->p_filesz > 0)
			ret = image_read(f, p->p_offset, gmem_ptr(m, p->p_paddr, p->p_filesz),
			                 p->p_filesz);
		if (ret < 0)
			return ret;
		out->low = min_u64(out->low, p->p_paddr);
		if (p->p_paddr + p->p_memsz > out->high)
			out->high = p->p_paddr + p->p_memsz;
	}
	return 0;
}
