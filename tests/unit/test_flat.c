/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "boot/flat.h"
#include "tests/lib/boot_file.h"
#include "tests/lib/capture.h"
#include "tests/lib/pattern.h"
#include "vmm/core/compiler.h"

#define FILE_SIZE 5000u
#define MIN       UINT64_C(0x10000)

/* RAM from 0 to 4 MiB, and from 4 GiB on a mebibyte more. */
static int load(const void *bytes, size_t len, const struct flat_place *p, struct gmem *m,
                gpa_t *end)
{
	static const struct gmem_range ram[] = {{0, MIB(4)}, {GIB(4), MIB(1)}};
	struct image_file f = boot_file(bytes, len);
	int ret;

	assert_int_equal(gmem_create(m, ram, 2, false), 0);
	ret = flat_load(&f, p, m, MIN, end);
	image_close(&f);
	return ret;
}

static const uint8_t *file(void)
{
	static uint8_t bytes[FILE_SIZE];

	pattern_fill(bytes, sizeof(bytes), 0);
	return bytes;
}

static void refused(const void *bytes, size_t len, struct flat_place p, int want, const char *part)
{
	struct capture c;
	struct gmem m;
	gpa_t end;
	int ret;

	CAPTURED(&c, &ret, load(bytes, len, &p, &m, &end));
	gmem_destroy(&m);
	assert_one_line(&c, part);
	assert_non_null(strstr(c.text, "'test.img'"));
	assert_int_equal(ret, want);
}

static void the_whole_file_goes_where_it_was_told(void **state)
{
	static const uint8_t zeros[4096];
	const struct flat_place places[] = {
		{true, MIN, MIN},
		{true, MIB(1) + 3, MIB(1) + 3 + FILE_SIZE - 1},
		{true, MIB(4) - FILE_SIZE, MIB(4) - FILE_SIZE}, /* up to the last byte of RAM */
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
		struct gmem m;
		gpa_t end;

		assert_int_equal(load(file(), FILE_SIZE, &places[i], &m, &end), 0);
		assert_int_equal(end, places[i].load + FILE_SIZE);
		assert_memory_equal(gmem_ptr(&m, places[i].load, FILE_SIZE), file(), FILE_SIZE);
		if (end < MIB(4))
			assert_memory_equal(gmem_ptr(&m, end, 4096), zeros, 4096);
		gmem_destroy(&m);
	}
}

static void places_that_are_not_free_ram_are_refused(void **state)
{
	(void)state;
	refused(file(), FILE_SIZE, (struct flat_place){true, MIN - 1, MIN - 1}, -EINVAL,
	        "below 0x10000");
	refused(file(), FILE_SIZE, (struct flat_place){true, 0, 0}, -EINVAL, "below 0x10000");
	refused(file(), FILE_SIZE,
	        (struct flat_place){true, MIB(4) - FILE_SIZE + 1, MIB(4) - FILE_SIZE + 1}, -E2BIG,
	        "does not fit");
	refused(file(), FILE_SIZE, (struct flat_place){true, MIB(4), MIB(4)}, -E2BIG,
	        "does not fit");
	refused(file(), FILE_SIZE, (struct flat_place){true, UINT64_MAX, UINT64_MAX}, -E2BIG,
	        "does not fit");
}

static void entries_outside_the_file_or_above_4_gib_are_refused(void **state)
{
	(void)state;
	refused(file(), FILE_SIZE, (struct flat_place){true, MIB(1), MIB(1) - 1}, -EINVAL,
	        "not in the file");
	refused(file(), FILE_SIZE, (struct flat_place){true, MIB(1), MIB(1) + FILE_SIZE}, -EINVAL,
	        "not in the file");
	refused(file(), FILE_SIZE, (struct flat_place){true, MIB(1), UINT64_MAX}, -EINVAL,
	        "not in the file");
	refused(file(), FILE_SIZE, (struct flat_place){true, GIB(4), GIB(4)}, -EINVAL,
	        "below 4 GiB");
}

static void what_says_itself_where_it_goes_is_refused(void **state)
{
	static const uint8_t elf[64] = {0x7f, 'E', 'L', 'F', 2, 1, 1, [16] = 2, [18] = 62};
	static const uint8_t linux_kernel[1024] = {[0x202] = 'H', 'd', 'r', 'S'};

	(void)state;
	refused(elf, sizeof(elf), (struct flat_place){true, MIB(1), MIB(1)}, -EINVAL,
	        "without --flat");
	refused(linux_kernel, sizeof(linux_kernel), (struct flat_place){true, MIB(1), MIB(1)},
	        -EINVAL, "bzImage");
}

static void what_looks_like_something_else_is_loaded_with_a_warning(void **state)
{
	static const uint8_t gzip[64] = {0x1f, 0x8b, 8};
	const struct flat_place p = {true, MIB(1), MIB(1)};
	struct capture c;
	struct gmem m;
	gpa_t end;
	int ret;

	(void)state;
	CAPTURED(&c, &ret, load(gzip, sizeof(gzip), &p, &m, &end));
	assert_int_equal(ret, 0);
	assert_one_line(&c, "looks like gzip");
	assert_memory_equal(gmem_ptr(&m, MIB(1), sizeof(gzip)), gzip, sizeof(gzip));
	gmem_destroy(&m);
}

static void places_are_parsed(void **state)
{
	static const struct {
		const char *text;
		struct flat_place want;
	} good[] = {
		{"0x100000", {true, 0x100000, 0x100000}},
		{"1048576", {true, 0x100000, 0x100000}},
		{"0x100000,entry=0x100040", {true, 0x100000, 0x100040}},
		{"0xffffffffffffffff,entry=0", {true, UINT64_MAX, 0}}, /* flat_load() judges it */
	};
	static const char *const bad[] = {
		"",
		",",
		"x",
		"-1",
		"0x100000,",
		"0x100000,entry",
		"0x100000,entry=",
		"0x100000,entry=x",
		"0x100000,0x100040",
		"0x100000,entry=1,entry=2",
		"0x10000000000000000",
		"0000000000000000000000000000000000000000000000000000001",
	};
	struct flat_place p;
	char why[128];

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(flat_parse(&p, good[i].text, why, sizeof(why)), 0);
		assert_int_equal(p.load, good[i].want.load);
		assert_int_equal(p.entry, good[i].want.entry);
		assert_true(p.given);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(flat_parse(&p, bad[i], why, sizeof(why)), -EINVAL);
		assert_non_null(strstr(why, "allowed"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_whole_file_goes_where_it_was_told),
		cmocka_unit_test(places_that_are_not_free_ram_are_refused),
		cmocka_unit_test(entries_outside_the_file_or_above_4_gib_are_refused),
		cmocka_unit_test(what_says_itself_where_it_goes_is_refused),
		cmocka_unit_test(what_looks_like_something_else_is_loaded_with_a_warning),
		cmocka_unit_test(places_are_parsed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
