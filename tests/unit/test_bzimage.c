/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "boot/bzimage.h"
#include "tests/lib/boot_file.h"
#include "tests/lib/capture.h"
#include "tests/lib/pattern.h"
#include "vmm/core/compiler.h"
#include "vmm/core/le.h"

#define SECTS     3u
#define SETUP     ((size_t)(SECTS + 1) * 512)
#define KERNEL    40960u /* bytes of protected-mode code */
#define TRAILER   100u   /* a signature behind it */
#define FILE_SIZE (SETUP + KERNEL + TRAILER)

/* A good kernel file in memory, to be spoilt by a case. */
static uint8_t file[FILE_SIZE];

static int setup(void **state)
{
	(void)state;
	pattern_fill(file, sizeof(file), 0);
	memset(file, 0, SETUP);
	file[0x1f1] = SECTS;
	put_le32(file + 0x1f4, KERNEL / 16);
	file[0x201] = 0x6a;
	put_le32(file + 0x202, 0x53726448); /* "HdrS" */
	put_le16(file + 0x206, 0x020f);
	file[0x211] = 1;
	put_le32(file + 0x22c, 0x7fffffff);
	put_le32(file + 0x230, 0x200000);
	file[0x234] = 1;
	put_le16(file + 0x236, 0x7f);
	put_le32(file + 0x238, 2047);
	put_le64(file + 0x258, MIB(16));
	put_le32(file + 0x260, (uint32_t)MIB(3));
	return 0;
}

static const struct gmem_range ram_32m[] = {{0, MIB(32)}};

static int load(const struct gmem_range *ram, unsigned nr, struct gmem *m, struct bzimage *b)
{
	struct image_file f = boot_file(file, sizeof(file));
	int ret;

	assert_int_equal(gmem_create(m, ram, nr, false), 0);
	ret = bzimage_load(&f, m, b);
	image_close(&f);
	return ret;
}

static void loaded_at(const struct gmem_range *ram, unsigned nr, gpa_t want)
{
	struct bzimage b;
	struct gmem m;

	assert_int_equal(load(ram, nr, &m, &b), 0);
	assert_int_equal(b.load, want);
	assert_int_equal(b.entry, want + 0x200);
	assert_memory_equal(gmem_ptr(&m, want, KERNEL), file + SETUP, KERNEL);
	gmem_destroy(&m);
}

static void refused_with(const struct gmem_range *ram, unsigned nr, int want, const char *part)
{
	struct bzimage b;
	struct capture c;
	struct gmem m;
	int ret;

	CAPTURED(&c, &ret, load(ram, nr, &m, &b));
	gmem_destroy(&m);
	assert_one_line(&c, part);
	assert_non_null(strstr(c.text, "'test.img'"));
	assert_int_equal(ret, want);
}

static void refused(int want, const char *part)
{
	refused_with(ram_32m, 1, want, part);
}

static void kernel_goes_to_its_preferred_address(void **state)
{
	static const uint8_t zeros[4096];
	struct bzimage b;
	struct gmem m;

	(void)state;
	assert_int_equal(load(ram_32m, 1, &m, &b), 0);
	assert_int_equal(b.load, MIB(16));
	assert_int_equal(b.entry, MIB(16) + 0x200);
	assert_int_equal(b.init_size, MIB(3));
	assert_int_equal(b.version, 0x020f);
	assert_int_equal(b.cmdline_max, 2047);
	assert_int_equal(b.initrd_max, 0x7fffffff);
	assert_memory_equal(gmem_ptr(&m, b.load, KERNEL), file + SETUP, KERNEL);
	/* Neither the signature behind the kernel nor anything in front of it. */
	assert_memory_equal(gmem_ptr(&m, b.load + KERNEL, 4096), zeros, 4096);
	assert_memory_equal(gmem_ptr(&m, b.load - 4096, 4096), zeros, 4096);
	gmem_destroy(&m);
}

static void header_is_copied_up_to_its_end(void **state)
{
	const unsigned len = 0x202 + 0x6a - 0x1f1;
	struct bzimage b;
	struct gmem m;

	(void)state;
	memset(file + 0x26c, 0xcc, 0x20); /* code behind the header */
	assert_int_equal(load(ram_32m, 1, &m, &b), 0);
	assert_int_equal(b.header_len, len);
	assert_memory_equal(b.header, file + 0x1f1, len);
	for (unsigned i = len; i < BZIMAGE_HEADER_MAX; i++)
		assert_int_equal(b.header[i], 0);
	gmem_destroy(&m);
}

static void header_of_a_later_protocol_is_cut(void **state)
{
	struct bzimage b;
	struct gmem m;

	(void)state;
	file[0x201] = 0xff;
	assert_int_equal(load(ram_32m, 1, &m, &b), 0);
	assert_int_equal(b.header_len, BZIMAGE_HEADER_MAX);
	gmem_destroy(&m);
}

static void no_setup_sects_means_four(void **state)
{
	struct bzimage b;
	struct gmem m;

	(void)state;
	file[0x1f1] = 0;
	put_le32(file + 0x1f4, (KERNEL - 512) / 16);
	assert_int_equal(load(ram_32m, 1, &m, &b), 0);
	assert_memory_equal(gmem_ptr(&m, b.load, KERNEL - 512), file + 2560, KERNEL - 512);
	gmem_destroy(&m);
}

static void relocatable_kernel_moves_up_to_ram(void **state)
{
	static const struct gmem_range ram[] = {
		{0, MIB(2)}, {MIB(16), MIB(2)}, {MIB(33), MIB(4)}, {MIB(64), MIB(8)}};

	(void)state;
	/* 34 MiB is the first multiple of 2 MiB above the preferred address with 3 MiB of RAM. */
	loaded_at(ram, 4, MIB(34));
}

static void fixed_kernel_stays_at_its_address(void **state)
{
	static const struct gmem_range hole[] = {{0, MIB(2)}, {MIB(32), MIB(8)}};

	(void)state;
	file[0x234] = 0;
	put_le32(file + 0x230, 0); /* then the alignment means nothing */
	loaded_at(ram_32m, 1, MIB(16));
	refused_with(hole, 2, -E2BIG, "does not fit: it needs 3072 KiB of RAM at 0x1000000, ");
	put_le64(file + 0x258, 4096);
	refused_with(hole, 2, -E2BIG, "does not fit");
}

static void kernel_without_preference_goes_to_1_mib_or_its_alignment(void **state)
{
	(void)state;
	put_le64(file + 0x258, 0);
	loaded_at(ram_32m, 1, MIB(2));
	put_le32(file + 0x230, 4096);
	loaded_at(ram_32m, 1, MIB(1));
}

static void kernel_is_not_put_below_its_preferred_address(void **state)
{
	static const struct gmem_range ram[] = {{0, MIB(18)}};

	(void)state;
	refused_with(ram, 1, -E2BIG,
	             "does not fit: it needs 3072 KiB of RAM at 0x1000000 or above (below 4 GiB), "
	             "the guest has 18432 KiB");
}

static void kernel_is_not_put_above_4_gib(void **state)
{
	static const struct gmem_range ram[] = {{0, MIB(2)}, {GIB(4), MIB(64)}};

	(void)state;
	refused_with(ram, 2, -E2BIG, "below 4 GiB");
}

static void kernel_larger_than_its_init_size_needs_its_own_size(void **state)
{
	struct bzimage b;
	struct gmem m;

	(void)state;
	put_le32(file + 0x260, 1);
	assert_int_equal(load(ram_32m, 1, &m, &b), 0);
	assert_int_equal(b.init_size, KERNEL);
	gmem_destroy(&m);
}

static void hostile_addresses_and_sizes_do_not_fit(void **state)
{
	static const uint64_t prefs[] = {
		UINT64_MAX, UINT64_MAX - MIB(1), GIB(4) - 4096, GIB(4), MIB(32), MIB(31)};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(prefs); i++) {
		put_le64(file + 0x258, prefs[i]);
		refused(-E2BIG, "does not fit");
		file[0x234] ^= 1;
		refused(-E2BIG, "does not fit");
	}
	setup(NULL);
	put_le32(file + 0x260, UINT32_MAX);
	refused(-E2BIG, "does not fit: it needs 4194304 KiB");
	setup(NULL);
	put_le32(file + 0x230, 0x80000000u);
	refused(-E2BIG, "does not fit");
}

static void truncated_kernel_is_refused(void **state)
{
	static const size_t sizes[] = {1, 0x1f1, 0x278, SETUP, SETUP + KERNEL - 1};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct image_file f = boot_file(file, sizes[i]);
		struct bzimage b;
		struct capture c;
		struct gmem m;
		int ret;

		assert_int_equal(gmem_create(&m, ram_32m, 1, false), 0);
		CAPTURED(&c, &ret, bzimage_load(&f, &m, &b));
		assert_one_line(&c, "is truncated");
		assert_int_equal(ret, -EINVAL);
		image_close(&f);
		gmem_destroy(&m);
	}
	put_le32(file + 0x1f4, UINT32_MAX);
	refused(-EINVAL,
	        "is truncated: its header announces 68719478768 bytes, the file has 43108");
}

static void kernel_that_shrinks_while_it_is_read_is_refused(void **state)
{
	struct image_file f = boot_file(file, sizeof(file));
	struct bzimage b;
	struct capture c;
	struct gmem m;
	int ret;

	(void)state;
	assert_int_equal(ftruncate(f.fd, SETUP + 1000), 0); /* f.size stays */
	assert_int_equal(gmem_create(&m, ram_32m, 1, false), 0);
	CAPTURED(&c, &ret, bzimage_load(&f, &m, &b));
	assert_one_line(&c, "is truncated: it ends before byte 43008");
	assert_int_equal(ret, -EINVAL);
	image_close(&f);
	gmem_destroy(&m);
}

static void kernel_that_cannot_boot_is_refused_with_the_reason(void **state)
{
	(void)state;
	put_le16(file + 0x206, 0x020b);
	refused(-EINVAL, "boot protocol 2.11, needed is 2.12");
	setup(NULL);
	put_le16(file + 0x236, 0x7e);
	refused(-EINVAL, "is a 32-bit kernel");
	setup(NULL);
	file[0x211] = 0;
	refused(-EINVAL, "is a zImage");
	setup(NULL);
	file[0x202] = 'h';
	refused(-EINVAL, "is not a bzImage");
}

static void damaged_header_is_refused(void **state)
{
	(void)state;
	file[0x201] = 0x65;
	refused(-EINVAL, "damaged header: it ends at 0x267");
	setup(NULL);
	put_le32(file + 0x1f4, 0);
	refused(-EINVAL, "damaged header: 0 bytes of kernel");
	setup(NULL);
	put_le32(file + 0x230, 0);
	refused(-EINVAL, "alignment 0");
	put_le32(file + 0x230, 0x300000);
	refused(-EINVAL, "alignment 0x300000");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(kernel_goes_to_its_preferred_address, setup),
		cmocka_unit_test_setup(header_is_copied_up_to_its_end, setup),
		cmocka_unit_test_setup(header_of_a_later_protocol_is_cut, setup),
		cmocka_unit_test_setup(no_setup_sects_means_four, setup),
		cmocka_unit_test_setup(relocatable_kernel_moves_up_to_ram, setup),
		cmocka_unit_test_setup(fixed_kernel_stays_at_its_address, setup),
		cmocka_unit_test_setup(kernel_without_preference_goes_to_1_mib_or_its_alignment,
	                               setup),
		cmocka_unit_test_setup(kernel_is_not_put_below_its_preferred_address, setup),
		cmocka_unit_test_setup(kernel_is_not_put_above_4_gib, setup),
		cmocka_unit_test_setup(kernel_larger_than_its_init_size_needs_its_own_size, setup),
		cmocka_unit_test_setup(hostile_addresses_and_sizes_do_not_fit, setup),
		cmocka_unit_test_setup(truncated_kernel_is_refused, setup),
		cmocka_unit_test_setup(kernel_that_shrinks_while_it_is_read_is_refused, setup),
		cmocka_unit_test_setup(kernel_that_cannot_boot_is_refused_with_the_reason, setup),
		cmocka_unit_test_setup(damaged_header_is_refused, setup),
	};

	return cmocka_run_group_tests_name("bzimage", tests, NULL, NULL);
}
