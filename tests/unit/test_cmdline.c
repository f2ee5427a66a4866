/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "boot/cmdline.h"
#include "tests/lib/capture.h"

static const struct machine_map two_nics = {
	.virtio = {{.base = 0xd0000f00, .size = 0x200, .gsi = 5, .name = "net0"},
                   {.base = 0xd0002f00, .size = 0x200, .gsi = 6, .name = "net1"}},
	.nr_virtio = 2,
};

#define NICS "virtio_mmio.device=0x200@0xd0000f00:5 virtio_mmio.device=0x200@0xd0002f00:6"

static void words_are_parted_by_one_blank(void **state)
{
	struct cmdline c;

	(void)state;
	cmdline_init(&c);
	assert_string_equal(c.text, "");
	assert_int_equal(cmdline_add(&c, ""), 0);
	assert_int_equal(cmdline_add(&c, "console=ttyS0"), 0);
	assert_int_equal(cmdline_add(&c, ""), 0);
	assert_int_equal(cmdline_add(&c, "quiet panic=-1"), 0);
	assert_string_equal(c.text, "console=ttyS0 quiet panic=-1");
	assert_int_equal(c.len, strlen(c.text));
}

/* A word of @len bytes. */
static const char *word(char *buf, size_t len)
{
	memset(buf, 'x', len);
	buf[len] = '\0';
	return buf;
}

static void line_may_fill_its_buffer_and_no_more(void **state)
{
	char buf[CMDLINE_MAX + 100];
	struct cmdline c;

	(void)state;
	cmdline_init(&c);
	assert_int_equal(cmdline_add(&c, word(buf, CMDLINE_MAX)), -E2BIG);
	assert_int_equal(c.len, 0);
	assert_int_equal(cmdline_add(&c, word(buf, CMDLINE_MAX + 99)), -E2BIG);
	assert_int_equal(cmdline_add(&c, word(buf, CMDLINE_MAX - 1)), 0);
	assert_int_equal(c.len, CMDLINE_MAX - 1);
	assert_int_equal(c.text[c.len], '\0');
	assert_int_equal(cmdline_add(&c, "y"), -E2BIG);
	assert_int_equal(c.len, CMDLINE_MAX - 1);

	cmdline_init(&c);
	assert_int_equal(cmdline_add(&c, word(buf, CMDLINE_MAX - 3)), 0);
	assert_int_equal(cmdline_add(&c, "yy"), -E2BIG);
	assert_int_equal(c.len, CMDLINE_MAX - 3);
	assert_int_equal(c.text[c.len], '\0');
	assert_int_equal(cmdline_add(&c, "y"), 0);
	assert_string_equal(c.text + CMDLINE_MAX - 4, "x y");
}

static void devices_come_before_the_words_of_the_user(void **state)
{
	struct cmdline c;

	(void)state;
	cmdline_init(&c);
	assert_int_equal(cmdline_add_virtio(&c, &two_nics), 0);
	assert_string_equal(c.text, NICS);
	cmdline_init(&c);
	assert_int_equal(cmdline_add(&c, "quiet -- for init"), 0);
	assert_int_equal(cmdline_add_virtio(&c, &two_nics), 0);
	assert_string_equal(c.text, NICS " quiet -- for init");
	assert_int_equal(c.len, strlen(c.text));
}

static void no_device_adds_nothing(void **state)
{
	static const struct machine_map none;
	struct cmdline c;

	(void)state;
	cmdline_init(&c);
	assert_int_equal(cmdline_add(&c, "quiet"), 0);
	assert_int_equal(cmdline_add_virtio(&c, &none), 0);
	assert_string_equal(c.text, "quiet");
}

static void largest_numbers_of_a_device_are_written_in_full(void **state)
{
	static const struct machine_map map = {
		.virtio = {{.base = UINT64_MAX, .size = UINT64_MAX, .gsi = UINT32_MAX}},
		.nr_virtio = 1,
	};
	struct cmdline c;

	(void)state;
	cmdline_init(&c);
	assert_int_equal(cmdline_add_virtio(&c, &map), 0);
	assert_string_equal(c.text,
	                    "virtio_mmio.device=0xffffffffffffffff@0xffffffffffffffff:4294967295");
}

static void devices_that_do_not_fit_leave_the_line_alone(void **state)
{
	char buf[CMDLINE_MAX];
	struct cmdline c;

	(void)state;
	cmdline_init(&c);
	assert_int_equal(cmdline_add(&c, word(buf, CMDLINE_MAX - sizeof(NICS))), 0);
	assert_int_equal(cmdline_add_virtio(&c, &two_nics), -E2BIG);
	assert_int_equal(c.len, CMDLINE_MAX - sizeof(NICS));
	assert_string_equal(c.text, buf);

	cmdline_init(&c);
	assert_int_equal(cmdline_add(&c, word(buf, CMDLINE_MAX - sizeof(NICS) - 1)), 0);
	assert_int_equal(cmdline_add_virtio(&c, &two_nics), 0);
	assert_int_equal(c.len, CMDLINE_MAX - 1);
}

static void line_longer_than_the_kernel_takes_is_refused(void **state)
{
	char buf[CMDLINE_MAX];
	struct capture cap;
	struct cmdline c;
	int ret;

	(void)state;
	cmdline_init(&c);
	assert_int_equal(cmdline_check(&c, 0), 0);
	assert_int_equal(cmdline_add(&c, word(buf, 2048)), 0);
	assert_int_equal(cmdline_check(&c, 2048), 0);
	CAPTURED(&cap, &ret, cmdline_check(&c, 2047));
	assert_one_line(&cap, "the kernel command line has 2048 bytes, this kernel takes 2047");
	assert_int_equal(ret, -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_are_parted_by_one_blank),
		cmocka_unit_test(line_may_fill_its_buffer_and_no_more),
		cmocka_unit_test(devices_come_before_the_words_of_the_user),
		cmocka_unit_test(no_device_adds_nothing),
		cmocka_unit_test(largest_numbers_of_a_device_are_written_in_full),
		cmocka_unit_test(devices_that_do_not_fit_leave_the_line_alone),
		cmocka_unit_test(line_longer_than_the_kernel_takes_is_refused),
	};

	return cmocka_run_group_tests_name("cmdline", tests, NULL, NULL);
}
