/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "vmm/core/gmem.h"

#define PAGE 4096u

/* [0, 2 pages) [2 pages, 3 pages) touch; [8 pages, 9 pages) stands alone. */
static const struct gmem_range layout[] = {{0, 2 * PAGE}, {2 * PAGE, PAGE}, {8 * PAGE, PAGE}};

static int setup(void **state)
{
	static struct gmem m;

	*state = &m;
	return gmem_create(&m, layout, ARRAY_SIZE(layout), false);
}

static int setup_shared(void **state)
{
	static struct gmem m;

	*state = &m;
	return gmem_create(&m, layout, ARRAY_SIZE(layout), true);
}

static int teardown(void **state)
{
	gmem_destroy(*state);
	return 0;
}

static void memory_begins_zeroed_and_sums_up(void **state)
{
	const struct gmem *m = *state;
	const uint8_t *p = gmem_ptr(m, 0, 2 * PAGE);

	assert_int_equal(gmem_bytes(m), 4 * PAGE);
	for (unsigned i = 0; i < 2 * PAGE; i++)
		assert_int_equal(p[i], 0);
}

static void pointer_needs_every_byte_in_one_region(void **state)
{
	const struct gmem *m = *state;

	assert_non_null(gmem_ptr(m, 0, 1));
	assert_non_null(gmem_ptr(m, 2 * PAGE - 1, 1));
	assert_null(gmem_ptr(m, 2 * PAGE - 1, 2));
	assert_null(gmem_ptr(m, 3 * PAGE, 1));
	assert_null(gmem_ptr(m, 7 * PAGE, PAGE + 1));
	assert_non_null(gmem_ptr(m, 8 * PAGE, PAGE));
	assert_null(gmem_ptr(m, 8 * PAGE, PAGE + 1));
	assert_null(gmem_ptr(m, 0, 0));
}

static void lengths_that_wrap_are_refused(void **state)
{
	const struct gmem *m = *state;

	assert_null(gmem_ptr(m, PAGE, UINT64_MAX));
	assert_null(gmem_ptr(m, UINT64_MAX, 1));
	assert_null(gmem_ptr(m, UINT64_MAX - 1, UINT64_MAX));
	assert_int_equal(gmem_write(m, UINT64_MAX, "x", 1), -EFAULT);
}

static void iov_splits_where_regions_touch(void **state)
{
	const struct gmem *m = *state;
	struct iovec iov[2];

	assert_int_equal(gmem_iov(m, 2 * PAGE - 4, 8, iov, 2), 2);
	assert_int_equal(iov[0].iov_len, 4);
	assert_int_equal(iov[1].iov_len, 4);
	assert_ptr_equal(iov[1].iov_base, gmem_ptr(m, 2 * PAGE, 4));
	assert_int_equal(gmem_iov(m, 2 * PAGE - 4, 8, iov, 1), -ENOBUFS);
	assert_int_equal(gmem_iov(m, 3 * PAGE - 4, 8, iov, 2), -EFAULT);
	assert_int_equal(gmem_iov(m, 4 * PAGE, 1, iov, 2), -EFAULT);
	assert_int_equal(gmem_iov(m, 0, 0, iov, 2), -EINVAL);
}

static void copies_are_all_or_nothing(void **state)
{
	const struct gmem *m = *state;
	char buf[8] = "";

	assert_int_equal(gmem_write(m, 2 * PAGE - 4, "01234567", 8), 0);
	assert_int_equal(gmem_read(m, 2 * PAGE - 4, buf, 8), 0);
	assert_memory_equal(buf, "01234567", 8);
	assert_int_equal(gmem_write(m, 3 * PAGE - 4, "abcdefgh", 8), -EFAULT);
	assert_int_equal(gmem_read(m, 3 * PAGE - 4, buf, 4), 0);
	assert_memory_equal(buf, "\0\0\0\0", 4);
	assert_int_equal(gmem_read(m, 4 * PAGE, buf, 0), 0);
}

static void bad_layouts_are_refused_and_leave_nothing(unused void **state)
{
	const struct gmem_range overlap[] = {{0, 2 * PAGE}, {PAGE, PAGE}};
	const struct gmem_range crooked[] = {{0, PAGE + 1}};
	const struct gmem_range wrap[] = {{UINT64_MAX - PAGE + 1, 2 * PAGE}};
	const struct gmem_range empty[] = {{0, 0}};
	const struct gmem_range many[GMEM_MAX_REGIONS + 1] = {{0, PAGE}};
	struct gmem m;

	assert_int_equal(gmem_create(&m, overlap, 2, false), -EINVAL);
	assert_int_equal(gmem_create(&m, crooked, 1, false), -EINVAL);
	assert_int_equal(gmem_create(&m, wrap, 1, false), -EINVAL);
	assert_int_equal(gmem_create(&m, empty, 1, false), -EINVAL);
	assert_int_equal(gmem_create(&m, many, 0, false), -EINVAL);
	assert_int_equal(gmem_create(&m, many, GMEM_MAX_REGIONS + 1, false), -E2BIG);
	assert_int_equal(m.nr, 0);
}

static void shared_memory_is_seen_through_its_descriptor(void **state)
{
	const struct gmem *m = *state;
	char *other = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, m->region[2].fd, 0);

	assert_ptr_not_equal(other, MAP_FAILED);
	assert_int_equal(gmem_write(m, 8 * PAGE, "here", 5), 0);
	assert_string_equal(other, "here");
	munmap(other, PAGE);
}

static void who_is_given_shared_memory_cannot_cut_it(void **state)
{
	const struct gmem *m = *state;

	assert_int_equal(ftruncate(m->region[0].fd, 0), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ftruncate(m->region[0].fd, 4 * PAGE), -1);
	assert_int_equal(errno, EPERM);
}

static void big_memory_is_aligned_for_huge_pages(unused void **state)
{
	const struct gmem_range big[] = {{0, MIB(64)}, {GIB(4), MIB(64)}};
	struct gmem m;

	assert_int_equal(gmem_create(&m, big, 2, false), 0);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(((uintptr_t)m.region[i].host - m.region[i].base) % MIB(2), 0);
	gmem_destroy(&m);
	gmem_destroy(&m); /* an empty one is fine */
}

static void pieces_of_a_file_are_sorted_and_each_is_where_it_is(unused void **state)
{
	const int fd = memfd_create("pieces", MFD_CLOEXEC);
	struct gmem_file file[] = {{{MIB(2), PAGE}, fd, 3 * PAGE}, {{MIB(1), 2 * PAGE}, fd, PAGE}};
	struct gmem m;
	char why[160], text[5];

	assert_int_equal(ftruncate(fd, 4 * PAGE), 0);
	assert_int_equal(pwrite(fd, "high", 5, 3 * PAGE), 5);
	assert_int_equal(pwrite(fd, "low.", 5, PAGE), 5);
	assert_int_equal(gmem_import(&m, file, 2, why, sizeof(why)), 0);
	assert_int_equal(gmem_read(&m, MIB(1), text, 5), 0);
	assert_string_equal(text, "low.");
	assert_int_equal(gmem_read(&m, MIB(2), text, 5), 0);
	assert_string_equal(text, "high");
	assert_null(gmem_ptr(&m, MIB(2), PAGE + 1));
	gmem_destroy(&m);
	close(fd);
}

static void files_that_are_not_what_is_said_of_them_are_refused(unused void **state)
{
	const int fd = memfd_create("short", MFD_CLOEXEC);
	const struct gmem_file good = {{MIB(1), 2 * PAGE}, fd, PAGE};
	struct gmem_file bad[5] = {good, good, good, good, good};
	struct gmem m;
	char why[160];

	assert_int_equal(ftruncate(fd, 3 * PAGE), 0);
	bad[0].range.size = 3 * PAGE;
	bad[1].offset = 2 * PAGE;
	bad[2].offset = 1;
	bad[3].offset = UINT64_MAX - PAGE + 1;
	bad[4].fd = STDIN_FILENO;
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		why[0] = '\0';
		assert_int_equal(gmem_import(&m, &bad[i], 1, why, sizeof(why)), -EINVAL);
		assert_int_equal(m.nr, 0);
		assert_true(why[0] != '\0');
	}
	close(fd);
}

static void a_file_of_no_memory_and_no_disk_is_refused_unasked(unused void **state)
{
	const int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	struct gmem_file file = {{MIB(1), PAGE}, fd, 0};
	struct gmem m;
	char why[160] = "";

	assert_int_equal(gmem_import(&m, &file, 1, why, sizeof(why)), -EINVAL);
	assert_non_null(strstr(why, "no memory and no disk of this machine"));
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(memory_begins_zeroed_and_sums_up, setup, teardown),
		cmocka_unit_test_setup_teardown(pointer_needs_every_byte_in_one_region, setup,
	                                        teardown),
		cmocka_unit_test_setup_teardown(lengths_that_wrap_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(iov_splits_where_regions_touch, setup, teardown),
		cmocka_unit_test_setup_teardown(copies_are_all_or_nothing, setup, teardown),
		cmocka_unit_test(bad_layouts_are_refused_and_leave_nothing),
		cmocka_unit_test_setup_teardown(shared_memory_is_seen_through_its_descriptor,
	                                        setup_shared, teardown),
		cmocka_unit_test_setup_teardown(who_is_given_shared_memory_cannot_cut_it,
	                                        setup_shared, teardown),
		cmocka_unit_test(big_memory_is_aligned_for_huge_pages),
		cmocka_unit_test(a_file_of_no_memory_and_no_disk_is_refused_unasked),
		cmocka_unit_test(pieces_of_a_file_are_sorted_and_each_is_where_it_is),
		cmocka_unit_test(files_that_are_not_what_is_said_of_them_are_refused),
	};

	return cmocka_run_group_tests_name("gmem", tests, NULL, NULL);
}
