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

#include "boot/initrd.h"
#include "tests/lib/boot_file.h"
#include "tests/lib/capture.h"
#include "tests/lib/pattern.h"
#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"

#define SIZE 10000u /* bytes; three pages, not all of the last one */

struct rig {
	uint8_t bytes[SIZE];
	struct image_file f;
	struct gmem m;
	struct initrd got;
};

static int setup(void **state)
{
	static const struct gmem_range ram[] = {{0, MIB(2)}, {MIB(4), MIB(2)}, {GIB(4), MIB(1)}};
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	pattern_fill(r->bytes, SIZE, 0);
	r->f = boot_file(r->bytes, SIZE);
	r->f.what = "initrd";
	assert_int_equal(gmem_create(&r->m, ram, ARRAY_SIZE(ram), false), 0);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	gmem_destroy(&r->m);
	image_close(&r->f);
	free(r);
	return 0;
}

static void loaded_at(struct rig *r, gpa_t min, gpa_t max, gpa_t want)
{
	assert_int_equal(initrd_load(&r->f, &r->m, min, max, &r->got), 0);
	assert_int_equal(r->got.base, want);
	assert_int_equal(r->got.size, SIZE);
	assert_memory_equal(gmem_ptr(&r->m, want, SIZE), r->bytes, SIZE);
}

static void refused(struct rig *r, gpa_t min, gpa_t max, int want, const char *part)
{
	struct capture c;
	int ret;

	CAPTURED(&c, &ret, initrd_load(&r->f, &r->m, min, max, &r->got));
	assert_one_line(&c, part);
	assert_non_null(strstr(c.text, "initrd 'test.img'"));
	assert_int_equal(ret, want);
	assert_int_equal(r->got.size, 0);
}

static void initrd_goes_as_high_as_allowed(void **state)
{
	struct rig *r = *state;

	loaded_at(r, 0, UINT64_MAX, GIB(4) + MIB(1) - KIB(12));
	loaded_at(r, 0, GIB(4) - 1, MIB(6) - KIB(12));
	loaded_at(r, 0, MIB(6), MIB(6) - KIB(12));
	loaded_at(r, 0, MIB(6) - 1, MIB(6) - KIB(12));
	/* The last byte may be at max itself: base + SIZE - 1. */
	loaded_at(r, 0, MIB(5) + SIZE - 1, MIB(5));
	loaded_at(r, 0, MIB(5) + SIZE - 2, MIB(5) - 4096);
	/* No room for it below max in the second region. */
	loaded_at(r, 0, MIB(4) + SIZE - 2, MIB(2) - KIB(12));
	loaded_at(r, 0, SIZE - 1, 0);
}

static void nothing_below_min_is_touched(void **state)
{
	struct rig *r = *state;

	loaded_at(r, MIB(5), MIB(5) + SIZE - 1, MIB(5));
	loaded_at(r, MIB(5) - 4095, MIB(5) + SIZE - 1, MIB(5));
	refused(r, MIB(5) + 1, MIB(5) + SIZE - 1, -E2BIG, "does not fit");
	refused(r, MIB(5) + 1, MIB(5) + SIZE, -E2BIG, "does not fit");
	refused(r, MIB(5), MIB(5) + SIZE - 2, -E2BIG,
	        "of 10 KiB does not fit: it may be between 0x500000 and 0x50270e, and the guest "
	        "has "
	        "5120 KiB in all");
}

static void hostile_limits_do_not_fit(void **state)
{
	struct rig *r = *state;

	refused(r, 0, 0, -E2BIG, "does not fit");
	refused(r, 0, SIZE - 2, -E2BIG, "does not fit");
	refused(r, UINT64_MAX, UINT64_MAX, -E2BIG, "does not fit");
	refused(r, MIB(6), MIB(5), -E2BIG, "does not fit");
	refused(r, GIB(4) + MIB(1), UINT64_MAX, -E2BIG, "does not fit");
}

static void initrd_larger_than_memory_is_refused(void **state)
{
	struct rig *r = *state;

	r->f.size = MIB(2) + 1;
	refused(r, 0, UINT64_MAX, -E2BIG, "of 2049 KiB does not fit");
	r->f.size = INT64_MAX;
	refused(r, 0, UINT64_MAX, -E2BIG, "does not fit");
}

static void initrd_as_large_as_a_region_fits(void **state)
{
	struct rig *r = *state;

	assert_int_equal(ftruncate(r->f.fd, (off_t)MIB(2)), 0);
	r->f.size = MIB(2);
	assert_int_equal(initrd_load(&r->f, &r->m, 4096, UINT64_MAX, &r->got), 0);
	assert_int_equal(r->got.base, MIB(4));
	assert_int_equal(r->got.size, MIB(2));
}

static void file_that_shrank_is_refused(void **state)
{
	struct rig *r = *state;

	assert_int_equal(ftruncate(r->f.fd, SIZE - 1), 0);
	refused(r, 0, UINT64_MAX, -EINVAL, "is truncated: it ends before byte 10000");
}

static void file_that_grew_is_refused(void **state)
{
	struct rig *r = *state;

	assert_int_equal(ftruncate(r->f.fd, SIZE + 1), 0);
	refused(r, 0, UINT64_MAX, -EINVAL, "changed while it was read");
}

static void file_that_cannot_be_read_is_refused(void **state)
{
	struct rig *r = *state;

	fd_close(&r->f.fd);
	refused(r, 0, UINT64_MAX, -EBADF, "cannot be read: Bad file descriptor");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(initrd_goes_as_high_as_allowed, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_below_min_is_touched, setup, teardown),
		cmocka_unit_test_setup_teardown(hostile_limits_do_not_fit, setup, teardown),
		cmocka_unit_test_setup_teardown(initrd_larger_than_memory_is_refused, setup,
	                                        teardown),
		cmocka_unit_test_setup_teardown(initrd_as_large_as_a_region_fits, setup, teardown),
		cmocka_unit_test_setup_teardown(file_that_shrank_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(file_that_grew_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(file_that_cannot_be_read_is_refused, setup,
	                                        teardown),
	};

	return cmocka_run_group_tests_name("initrd", tests, NULL, NULL);
}
