/* SPDX-License-Identifier: Apache-2.0 */
#include "boot/image.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"
#include "vmm/core/le.h"
#include "vmm/core/log.h"

/* Multiboot's header lies within the first 8 KiB, everything else that we look for sooner. */
#define SNIFF_BYTES 8192u

/* What was read of the beginning of a file. */
struct head {
	uint8_t byte[SNIFF_BYTES];
	size_t len;
};

/* The first row that fits decides. */
struct magic {
	const char *bytes;
	uint16_t len;
	uint16_t off;
	enum image_kind kind;
	bool initrd; /* Linux takes it as initrd */
	const char *text;
};

#define MAGIC(at, string) (string), sizeof(string) - 1, (at)
#define INITRD            true
#define NO_INITRD         false

static const struct magic magics[] = {
	/* Kernels first: most of them also begin like a PE file or a boot sector. */
	{MAGIC(0x202, "HdrS"), IMAGE_BZIMAGE, NO_INITRD, "a Linux kernel for x86 (bzImage)"},
	{MAGIC(56, "ARM\x64"), IMAGE_ARM64_IMAGE, NO_INITRD, "an arm64 Image"},
	{MAGIC(56, "RSC\x05"), IMAGE_OTHER, NO_INITRD, "a RISC-V Image"},
	{MAGIC(0x24, "\x18\x28\x6f\x01"), IMAGE_OTHER, NO_INITRD, "a 32-bit Arm zImage"},
	{MAGIC(4, "zimg"), IMAGE_OTHER, NO_INITRD, "an EFI zboot kernel, unpack it first"},
	{MAGIC(0, "MZ"), IMAGE_OTHER, NO_INITRD,
         "a PE file (an EFI program or a unified kernel image), give the vmlinuz itself"},

	{MAGIC(0, "070701"), IMAGE_OTHER, INITRD, "a cpio archive (initramfs), give it as initrd"},
	{MAGIC(0, "070702"), IMAGE_OTHER, INITRD, "a cpio archive (initramfs), give it as initrd"},
	{MAGIC(0, "070707"), IMAGE_OTHER, NO_INITRD, "an old cpio archive (initramfs are newc)"},
	{MAGIC(0, "\xc7\x71"), IMAGE_OTHER, NO_INITRD, "an old cpio archive (initramfs are newc)"},

	{MAGIC(0, "\x1f\x8b"), IMAGE_OTHER, INITRD, "gzip, unpack it first"},
	{MAGIC(0, "\xfd\x37zXZ\0"), IMAGE_OTHER, INITRD, "xz, unpack it first"},
	{MAGIC(0, "\x28\xb5\x2f\xfd"), IMAGE_OTHER, INITRD, "zstd, unpack it first"},
	{MAGIC(0, "\x04\x22\x4d\x18"), IMAGE_OTHER, NO_INITRD, "lz4, unpack it first"},
	{MAGIC(0, "\x02\x21\x4c\x18"), IMAGE_OTHER, INITRD, "lz4 (legacy format), unpack it first"},
	{MAGIC(0, "BZh"), IMAGE_OTHER, INITRD, "bzip2, unpack it first"},
	{MAGIC(0, "\x5d\0\0"), IMAGE_OTHER, INITRD, "lzma, unpack it first"},
	{MAGIC(0, "\x89LZO\0"), IMAGE_OTHER, INITRD, "lzop, unpack it first"},

	{MAGIC(0, "\x27\x05\x19\x56"), IMAGE_OTHER, NO_INITRD,
         "a U-Boot image (uImage), unpack it first"},
	{MAGIC(0, "\xd0\x0d\xfe\xed"), IMAGE_OTHER, NO_INITRD, "a device tree blob or a FIT image"},
	{MAGIC(0, "ANDROID!"), IMAGE_OTHER, NO_INITRD, "an Android boot image, unpack it first"},
	{MAGIC(0x8001, "CD001"), IMAGE_OTHER, NO_INITRD, "an ISO image, give the kernel in it"},
	{MAGIC(0, "QFI\xfb"), IMAGE_OTHER, NO_INITRD, "a qcow2 disk image"},
	{MAGIC(0, "KDMV"), IMAGE_OTHER, NO_INITRD, "a VMDK disk image"},
	{MAGIC(0, "vhdxfile"), IMAGE_OTHER, NO_INITRD, "a VHDX disk image"},
	{MAGIC(0, "hsqs"), IMAGE_OTHER, INITRD, "a squashfs file system"},
	{MAGIC(0x438, "\x53\xef"), IMAGE_OTHER, INITRD, "an ext file system"},
	{MAGIC(257, "ustar"), IMAGE_OTHER, NO_INITRD, "a tar archive"},
	{MAGIC(0, "!<arch>\ndebian-binary"), IMAGE_OTHER, NO_INITRD,
         "a Debian package, unpack it first (dpkg-deb -x)"},
	{MAGIC(0, "\xed\xab\xee\xdb"), IMAGE_OTHER, NO_INITRD, "an RPM package, unpack it first"},
	{MAGIC(0, "PK\x03\x04"), IMAGE_OTHER, NO_INITRD, "a zip archive, unpack it first"},
	{MAGIC(0, "#!"), IMAGE_OTHER, NO_INITRD, "a script"},
	/* Last, because bootable images of every other kind have it, too. */
	{MAGIC(0x1fe, "\x55\xaa"), IMAGE_OTHER, NO_INITRD, "a boot sector or a disk image"},
};

static const struct {
	uint16_t machine;
	const char *text;
} elf_machines[] = {
	{EM_AARCH64, "an ELF file for arm64"}, {EM_RISCV, "an ELF file for RISC-V"},
	{EM_PPC64, "an ELF file for POWER"},   {EM_S390, "an ELF file for s390"},
	{EM_MIPS, "an ELF file for MIPS"},     {EM_LOONGARCH, "an ELF file for LoongArch"},
	{EM_SPARCV9, "an ELF file for SPARC"}, {EM_IA_64, "an ELF file for Itanium"},
};

/* 0, or -errno with the reason in *why. */
static int refuse_type(const struct stat *st, const char **why)
{
	if (S_ISREG(st->st_mode))
		return 0;
	if (S_ISDIR(st->st_mode)) {
		*why = "is a directory";
		return -EISDIR;
	}
	if (S_ISFIFO(st->st_mode))
		*why = "is a pipe";
	else if (S_ISSOCK(st->st_mode))
		*why = "is a socket";
	else
		*why = "is a device";
	return -EINVAL;
}

static int open_failed(const char *path, const char *what, int err)
{
	if (err == ENOENT)
		log_error("%s '%s' does not exist", what, path);
	else
		log_error("%s '%s' cannot be opened: %s", what, path, strerror(err));
	return -err;
}

int image_open(struct image_file *f, const char *path, const char *what)
{
	const char *why = NULL;
	struct stat st;
	int ret;

	*f = (struct image_file){.what = what, .path = path, .fd = -1};
	/* Asked before the open: opening a device node can do things (a watchdog, a tape). */
	if (stat(path, &st) < 0)
		return open_failed(path, what, errno);
	ret = refuse_type(&st, &why);
	if (ret < 0)
		goto refused;
	/* Asked again after it: another file may have taken the name, and a fifo must not block. */
	f->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (f->fd < 0 || fstat(f->fd, &st) < 0) {
		ret = open_failed(path, what, errno);
		goto out;
	}
	ret = refuse_type(&st, &why);
	if (ret < 0)
		goto refused;
	if (st.st_size > 0) {
		f->size = (uint64_t)st.st_size;
		return 0;
	}
	log_error("%s '%s' is empty", what, path);
	ret = -EINVAL;
	goto out;
refused:
	log_error("%s '%s' %s, a regular file is needed", what, path, why);
out:
	fd_close(&f->fd);
	return ret;
}

void image_close(struct image_file *f)
{
	fd_close(&f->fd);
}

int image_read(const struct image_file *f, uint64_t off, void *dst, size_t len)
{
	int ret = fd_pread_all(f->fd, dst, len, off);

	if (ret == -ENODATA) {
		log_error("%s '%s' is truncated: it ends before byte %" PRIu64, f->what, f->path,
		          off + len);
		return -EINVAL;
	}
	if (ret < 0)
		log_error("%s '%s' cannot be read: %s", f->what, f->path, strerror(-ret));
	return ret;
}

/* As many bytes as there are, up to @len; or -errno. */
static ssize_t peek(const struct image_file *f, uint64_t off, void *dst, size_t len)
{
	size_t got = 0;

	while (got < len) {
		ssize_t n = pread(f->fd, (uint8_t *)dst + got, len - got, (off_t)(off + got));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		got += (size_t)n;
	}
	return (ssize_t)got;
}

static bool magic_fits(const struct image_file *f, const struct head *h, const struct magic *mg)
{
	uint8_t far[8];

	if ((size_t)mg->off + mg->len <= h->len)
		return memcmp(h->byte + mg->off, mg->bytes, mg->len) == 0;
	/* Only an ISO image shows itself behind the head. */
	if (mg->off < SNIFF_BYTES || mg->len > sizeof(far))
		return false;
	return peek(f, mg->off, far, mg->len) == mg->len && memcmp(far, mg->bytes, mg->len) == 0;
}

/* The magic of a Multiboot 1 or 2 header, at the alignment that each demands. */
static bool has_multiboot(const struct head *h)
{
	for (size_t i = 0; i + 4 <= h->len; i += 4) {
		uint32_t word = get_le32(h->byte + i);

		if (word == 0x1badb002u || (word == 0xe85250d6u && i % 8 == 0))
			return true;
	}
	return false;
}

/* A program for an operating system names its dynamic linker. */
static bool has_interpreter(const struct head *h, const Elf64_Ehdr *eh)
{
	for (unsigned i = 0; i < eh->e_phnum; i++) {
		size_t skip = i * sizeof(Elf64_Phdr);

		if (eh->e_phoff > h->len || h->len - eh->e_phoff < skip + sizeof(Elf64_Phdr))
			break;
		if (get_le32(h->byte + eh->e_phoff + skip) == PT_INTERP) /* p_type comes first */
			return true;
	}
	return false;
}

static enum image_kind sniff_elf(const struct head *h, const char **text)
{
	Elf64_Ehdr eh;

	if (h->len < sizeof(eh)) {
		*text = "an ELF file that is cut off inside its header";
		return IMAGE_OTHER;
	}
	memcpy(&eh, h->byte, sizeof(eh));
	if (eh.e_ident[EI_CLASS] != ELFCLASS64) {
		*text = has_multiboot(h)
		                ? "a 32-bit Multiboot kernel, only 64-bit kernels boot here"
		                : "a 32-bit ELF file";
		return IMAGE_OTHER;
	}
	if (eh.e_ident[EI_DATA] != ELFDATA2LSB) {
		*text = "a big-endian ELF file";
		return IMAGE_OTHER;
	}
	if (eh.e_machine != EM_X86_64) {
		*text = "an ELF file for another kind of CPU";
		for (size_t i = 0; i < ARRAY_SIZE(elf_machines); i++)
			if (eh.e_machine == elf_machines[i].machine)
				*text = elf_machines[i].text;
		return IMAGE_OTHER;
	}
	switch (eh.e_type) {
	case ET_EXEC:
		if (has_interpreter(h, &eh))
			break;
		*text = "an x86-64 ELF executable";
		return IMAGE_ELF64;
	case ET_REL:
		*text = "an ELF object file, not an executable";
		return IMAGE_OTHER;
	case ET_CORE:
		*text = "a core dump, not an executable";
		return IMAGE_OTHER;
	case ET_DYN:
		if (has_interpreter(h, &eh))
			break;
		*text = "a position-independent ELF file, link it at a fixed address (-no-pie)";
		return IMAGE_OTHER;
	default:
		*text = "an ELF file of unknown type";
		return IMAGE_OTHER;
	}
	*text = "a program for an operating system (dynamically linked ELF)";
	return IMAGE_OTHER;
}

/* Nothing but printable ASCII, white space and UTF-8's high bytes. */
static bool is_text(const struct head *h)
{
	for (size_t i = 0; i < h->len; i++) {
		uint8_t c = h->byte[i];

		if (c == 0x7f || (c < ' ' && c != '\n' && c != '\r' && c != '\t' && c != '\f'))
			return false;
	}
	return true;
}

/* As image_sniff(), and whether Linux could take it as initrd. */
static enum image_kind sniff(const struct image_file *f, const char **text, bool *initrd)
{
	struct head h;
	ssize_t n = peek(f, 0, h.byte, sizeof(h.byte));

	*initrd = false;
	if (n <= 0) {
		*text = "a file that cannot be read";
		return IMAGE_UNKNOWN;
	}
	h.len = (size_t)n;
	if (h.len >= SELFMAG && memcmp(h.byte, ELFMAG, SELFMAG) == 0)
		return sniff_elf(&h, text);
	for (size_t i = 0; i < ARRAY_SIZE(magics); i++) {
		if (!magic_fits(f, &h, &magics[i]))
			continue;
		*text = magics[i].text;
		*initrd = magics[i].initrd;
		return magics[i].kind;
	}
	if (has_multiboot(&h)) {
		*text = "a Multiboot kernel that is not ELF";
		return IMAGE_OTHER;
	}
	if (is_text(&h)) {
		*text = "text";
		return IMAGE_OTHER;
	}
	*text = "a file of no known kind";
	*initrd = true;
	return IMAGE_UNKNOWN;
}

enum image_kind image_sniff(const struct image_file *f, const char **text)
{
	bool initrd;

	return sniff(f, text, &initrd);
}

int image_check_initrd(const struct image_file *f)
{
	const char *text;
	bool initrd;

	sniff(f, &text, &initrd);
	if (initrd)
		return 0;
	log_error("%s '%s': this is %s; Linux takes a cpio archive (newc), plain or compressed",
	          f->what, f->path, text);
	return -EINVAL;
}
