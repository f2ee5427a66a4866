/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "boot/image.h"
#include "tests/lib/boot_file.h"
#include "tests/lib/capture.h"
#include "vmm/core/compiler.h"
#include "vmm/core/le.h"

/* A directory of its own for each case; removed with what the case listed in names[]. */
struct rig {
	char dir[64];
	char path[96];
};

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	strcpy(r->dir, "/tmp/doorbell-image-XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	assert_int_equal(chmod(r->dir, 0755), 0);
	(void)snprintf(r->path, sizeof(r->path), "%s/file", r->dir);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	unlink(r->path);
	assert_int_equal(rmdir(r->dir), 0);
	free(r);
	return 0;
}

static void write_file(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (int)strlen(text));
	close(fd);
}

static unsigned open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void refused(const char *path, int want, const char *part)
{
	const unsigned before = open_fds();
	struct image_file f;
	struct capture c;
	int ret;

	CAPTURED(&c, &ret, image_open(&f, path, "kernel"));
	assert_one_line(&c, part);
	assert_non_null(strstr(c.text, path));
	assert_int_equal(ret, want);
	assert_int_equal(f.fd, -1);
	assert_int_equal(open_fds(), before);
	image_close(&f);
}

static void regular_file_is_opened(void **state)
{
	struct rig *r = *state;
	struct image_file f;
	char buf[3];

	write_file(r->path, "abc", 0600);
	assert_int_equal(image_open(&f, r->path, "initrd"), 0);
	assert_int_equal(f.size, 3);
	assert_string_equal(f.what, "initrd");
	assert_int_equal(image_read(&f, 0, buf, 3), 0);
	assert_memory_equal(buf, "abc", 3);
	image_close(&f);
	assert_int_equal(f.fd, -1);
	image_close(&f);
}

static void missing_file_is_refused(void **state)
{
	struct rig *r = *state;

	refused(r->path, -ENOENT, "does not exist");
}

static void path_through_a_file_is_refused(void **state)
{
	struct rig *r = *state;
	char below[128];

	write_file(r->path, "abc", 0600);
	(void)snprintf(below, sizeof(below), "%s/x", r->path);
	refused(below, -ENOTDIR, "Not a directory");
}

static void directory_is_refused(void **state)
{
	struct rig *r = *state;

	refused(r->dir, -EISDIR, "is a directory");
}

static void device_is_refused(void **state)
{
	(void)state;
	refused("/dev/null", -EINVAL, "is a device");
}

static void fifo_is_refused_without_waiting(void **state)
{
	struct rig *r = *state;

	assert_int_equal(mkfifo(r->path, 0600), 0);
	refused(r->path, -EINVAL, "is a pipe");
}

static void socket_is_refused(void **state)
{
	struct rig *r = *state;
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s", r->path);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	refused(r->path, -EINVAL, "is a socket");
	close(fd);
}

static void empty_file_is_refused(void **state)
{
	struct rig *r = *state;

	write_file(r->path, "", 0600);
	refused(r->path, -EINVAL, "is empty");
}

static void unreadable_file_is_refused(void **state)
{
	struct rig *r = *state;
	const uid_t me = geteuid();

	write_file(r->path, "abc", 0);
	if (me == 0)
		assert_int_equal(seteuid(65534), 0);
	refused(r->path, -EACCES, "Permission denied");
	if (me == 0)
		assert_int_equal(seteuid(me), 0);
}

static void file_that_shrank_is_truncated(void **state)
{
	struct image_file f = boot_file(NULL, 4096);
	char buf[4096];
	struct capture c;
	int ret;

	(void)state;
	assert_int_equal(ftruncate(f.fd, 100), 0);
	CAPTURED(&c, &ret, image_read(&f, 0, buf, sizeof(buf)));
	assert_one_line(&c, "kernel 'test.img' is truncated: it ends before byte 4096");
	assert_int_equal(ret, -EINVAL);
	image_close(&f);
}

/* A file of 36 KiB with @len bytes at @off in zeros. */
static struct image_file file_with(size_t off, const void *bytes, size_t len)
{
	struct image_file f = boot_file(NULL, 36864);

	assert_int_equal(pwrite(f.fd, bytes, len, (off_t)off), (int)len);
	return f;
}

static void assert_kind(struct image_file *f, enum image_kind want, const char *part)
{
	const char *text = "";
	enum image_kind kind = image_sniff(f, &text);

	if (kind != want || !strstr(text, part))
		fail_msg("expected kind %d, '%s', got kind %d, '%s'", (int)want, part, (int)kind,
		         text);
	image_close(f);
}

struct sample {
	size_t off;
	const char *bytes;
	size_t len;
	enum image_kind kind;
	bool initrd; /* Linux takes it */
	const char *part;
};

#define BYTES(s) (s), sizeof(s) - 1

static const struct sample samples[] = {
	{0x202, BYTES("HdrS"), IMAGE_BZIMAGE, false, "bzImage"},
	{56, BYTES("ARM\x64"), IMAGE_ARM64_IMAGE, false, "an arm64 Image"},
	{56, BYTES("RSC\x05"), IMAGE_OTHER, false, "RISC-V"},
	{0x24, BYTES("\x18\x28\x6f\x01"), IMAGE_OTHER, false, "32-bit Arm"},
	{0, BYTES("MZ\0\0zimg"), IMAGE_OTHER, false, "zboot"},
	{0, BYTES("MZ\x90\0"), IMAGE_OTHER, false, "a PE file"},
	{0, BYTES("070701000"), IMAGE_OTHER, true, "cpio archive (initramfs)"},
	{0, BYTES("070702000"), IMAGE_OTHER, true, "cpio archive (initramfs)"},
	{0, BYTES("070707000"), IMAGE_OTHER, false, "old cpio"},
	{0, BYTES("\x1f\x8b\x08"), IMAGE_OTHER, true, "gzip, unpack it first"},
	{0, BYTES("\xfd\x37zXZ\0"), IMAGE_OTHER, true, "xz, unpack"},
	{0, BYTES("\x28\xb5\x2f\xfd"), IMAGE_OTHER, true, "zstd, unpack"},
	{0, BYTES("\x04\x22\x4d\x18"), IMAGE_OTHER, false, "lz4, unpack"},
	{0, BYTES("\x02\x21\x4c\x18"), IMAGE_OTHER, true, "lz4 (legacy"},
	{0, BYTES("BZh91AY"), IMAGE_OTHER, true, "bzip2, unpack"},
	{0, BYTES("\x5d\0\0\x80"), IMAGE_OTHER, true, "lzma, unpack"},
	{0, BYTES("\x89LZO\0"), IMAGE_OTHER, true, "lzop, unpack"},
	{0, BYTES("\x27\x05\x19\x56"), IMAGE_OTHER, false, "uImage"},
	{0, BYTES("\xd0\x0d\xfe\xed"), IMAGE_OTHER, false, "device tree"},
	{0, BYTES("ANDROID!"), IMAGE_OTHER, false, "Android"},
	{0x8001, BYTES("CD001"), IMAGE_OTHER, false, "ISO"},
	{0, BYTES("QFI\xfb"), IMAGE_OTHER, false, "qcow2"},
	{0, BYTES("KDMV"), IMAGE_OTHER, false, "VMDK"},
	{0, BYTES("vhdxfile"), IMAGE_OTHER, false, "VHDX"},
	{0, BYTES("hsqs"), IMAGE_OTHER, true, "squashfs"},
	{0x438, BYTES("\x53\xef"), IMAGE_OTHER, true, "ext file system"},
	{257, BYTES("ustar"), IMAGE_OTHER, false, "tar"},
	{0, BYTES("!<arch>\ndebian-binary"), IMAGE_OTHER, false, "Debian package"},
	{0, BYTES("\xed\xab\xee\xdb"), IMAGE_OTHER, false, "RPM"},
	{0, BYTES("PK\x03\x04"), IMAGE_OTHER, false, "zip"},
	{0, BYTES("#!/bin/sh\n"), IMAGE_OTHER, false, "script"},
	{0x1fe, BYTES("\x55\xaa"), IMAGE_OTHER, false, "boot sector"},
	{64, BYTES("\x02\xb0\xad\x1b"), IMAGE_OTHER, false, "Multiboot"},
	{128, BYTES("\xd6\x50\x52\xe8"), IMAGE_OTHER, false, "Multiboot"},
	{0, BYTES("\x01\x02\x03"), IMAGE_UNKNOWN, true, "no known kind"},
	{0,
         BYTES("\x7f"
               "ELF"),
         IMAGE_OTHER, false, "32-bit ELF"},
};

static void every_kind_is_named_for_what_it_is(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		const struct sample *s = &samples[i];
		struct image_file f = file_with(s->off, s->bytes, s->len);

		assert_kind(&f, s->kind, s->part);
	}
}

static void initrd_of_a_wrong_kind_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		const struct sample *s = &samples[i];
		struct image_file f = file_with(s->off, s->bytes, s->len);
		struct capture c;
		int ret;

		f.what = "initrd";
		CAPTURED(&c, &ret, image_check_initrd(&f));
		if (s->initrd) {
			assert_string_equal(c.text, "");
			assert_int_equal(ret, 0);
		} else {
			assert_one_line(&c, s->part);
			assert_int_equal(ret, -EINVAL);
		}
		image_close(&f);
	}
}

static void magic_that_is_cut_off_is_not_taken(void **state)
{
	struct image_file f = boot_file("\x1f", 1);

	(void)state;
	assert_kind(&f, IMAGE_UNKNOWN, "no known kind");
	f = boot_file(NULL, 0x203);
	assert_int_equal(pwrite(f.fd, "H", 1, 0x202), 1);
	assert_kind(&f, IMAGE_UNKNOWN, "no known kind");
	f = boot_file(NULL, 0x8003);
	assert_int_equal(pwrite(f.fd, "CD", 2, 0x8001), 2);
	assert_kind(&f, IMAGE_UNKNOWN, "no known kind");
}

static void text_is_named(void **state)
{
	static const char text[] = "Gr\xc3\xbc\xc3\x9f Gott,\n\tthis is no kernel.\n";
	struct image_file f = boot_file(text, sizeof(text) - 1);

	(void)state;
	assert_kind(&f, IMAGE_OTHER, "text");
}

static void file_that_shrank_to_nothing_is_named(void **state)
{
	struct image_file f = boot_file(NULL, 100);

	(void)state;
	assert_int_equal(ftruncate(f.fd, 0), 0);
	assert_kind(&f, IMAGE_UNKNOWN, "cannot be read");
}

static Elf64_Ehdr good_elf(void)
{
	Elf64_Ehdr eh = {
		.e_ident = ELFMAG,
		.e_type = ET_EXEC,
		.e_machine = EM_X86_64,
		.e_phoff = sizeof(eh),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 1,
	};

	eh.e_ident[EI_CLASS] = ELFCLASS64;
	eh.e_ident[EI_DATA] = ELFDATA2LSB;
	return eh;
}

static void assert_elf(const Elf64_Ehdr *eh, enum image_kind want, const char *part)
{
	struct image_file f = file_with(0, eh, sizeof(*eh));

	assert_kind(&f, want, part);
}

static void elf_files_are_told_apart(void **state)
{
	static const struct {
		uint16_t machine;
		const char *part;
	} machines[] = {
		{EM_AARCH64, "arm64"},       {EM_RISCV, "RISC-V"},
		{EM_PPC64, "POWER"},         {EM_S390, "s390"},
		{EM_LOONGARCH, "LoongArch"}, {EM_ALPHA, "another kind of CPU"},
	};
	static const struct {
		uint16_t type;
		const char *part;
	} types[] = {
		{ET_REL, "object file"},
		{ET_CORE, "core dump"},
		{ET_DYN, "position-independent"},
		{77, "unknown type"},
	};
	Elf64_Ehdr eh = good_elf();

	(void)state;
	assert_elf(&eh, IMAGE_ELF64, "x86-64 ELF");
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		eh.e_type = types[i].type;
		assert_elf(&eh, IMAGE_OTHER, types[i].part);
	}
	eh = good_elf();
	for (size_t i = 0; i < ARRAY_SIZE(machines); i++) {
		eh.e_machine = machines[i].machine;
		assert_elf(&eh, IMAGE_OTHER, machines[i].part);
	}
	eh = good_elf();
	eh.e_ident[EI_CLASS] = ELFCLASS32;
	assert_elf(&eh, IMAGE_OTHER, "32-bit ELF");
	eh = good_elf();
	eh.e_ident[EI_DATA] = ELFDATA2MSB;
	assert_elf(&eh, IMAGE_OTHER, "big-endian");
}

static void elf_that_is_cut_off_is_named(void **state)
{
	Elf64_Ehdr eh = good_elf();
	struct image_file f = boot_file(&eh, sizeof(eh) - 1);

	(void)state;
	assert_kind(&f, IMAGE_OTHER, "cut off");
}

static void multiboot_elf_of_32_bit_is_named(void **state)
{
	Elf64_Ehdr eh = good_elf();
	struct image_file f;
	uint8_t magic[4];

	(void)state;
	eh.e_ident[EI_CLASS] = ELFCLASS32;
	f = file_with(0, &eh, sizeof(eh));
	put_le32(magic, 0x1badb002u);
	assert_int_equal(pwrite(f.fd, magic, 4, 8188), 4);
	assert_kind(&f, IMAGE_OTHER, "32-bit Multiboot");
}

static void program_with_interpreter_is_named(void **state)
{
	Elf64_Ehdr eh = good_elf();
	Elf64_Phdr ph = {.p_type = PT_INTERP};
	struct image_file f;

	(void)state;
	f = file_with(0, &eh, sizeof(eh));
	assert_int_equal(pwrite(f.fd, &ph, sizeof(ph), sizeof(eh)), (int)sizeof(ph));
	assert_kind(&f, IMAGE_OTHER, "program for an operating system");
	eh.e_type = ET_DYN;
	f = file_with(0, &eh, sizeof(eh));
	assert_int_equal(pwrite(f.fd, &ph, sizeof(ph), sizeof(eh)), (int)sizeof(ph));
	assert_kind(&f, IMAGE_OTHER, "program for an operating system");
	f = file_with(0, &eh, sizeof(eh));
	eh.e_phoff = UINT64_MAX; /* looked for inside of what was read, and nowhere else */
	assert_int_equal(pwrite(f.fd, &eh, sizeof(eh), 0), (int)sizeof(eh));
	assert_kind(&f, IMAGE_OTHER, "position-independent");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(regular_file_is_opened, setup, teardown),
		cmocka_unit_test_setup_teardown(missing_file_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(path_through_a_file_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(directory_is_refused, setup, teardown),
		cmocka_unit_test(device_is_refused),
		cmocka_unit_test_setup_teardown(fifo_is_refused_without_waiting, setup, teardown),
		cmocka_unit_test_setup_teardown(socket_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(empty_file_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(unreadable_file_is_refused, setup, teardown),
		cmocka_unit_test(file_that_shrank_is_truncated),
		cmocka_unit_test(every_kind_is_named_for_what_it_is),
		cmocka_unit_test(initrd_of_a_wrong_kind_is_refused),
		cmocka_unit_test(magic_that_is_cut_off_is_not_taken),
		cmocka_unit_test(text_is_named),
		cmocka_unit_test(file_that_shrank_to_nothing_is_named),
		cmocka_unit_test(elf_files_are_told_apart),
		cmocka_unit_test(elf_that_is_cut_off_is_named),
		cmocka_unit_test(multiboot_elf_of_32_bit_is_named),
		cmocka_unit_test(program_with_interpreter_is_named),
	};

	return cmocka_run_group_tests_name("image", tests, NULL, NULL);
}
