/* SPDX-License-Identifier: Apache-2.0 */
/* KVM's statistics file, as the kernel describes it and as it should never be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>

#include "vmm/core/compiler.h"
#include "vmm/kvm_stats.h"

#define NAME  16u
#define DESCS 3u
#define DATA  64u /* values */

/* "exits" = 7, "hist" with two values, "halts" = 9. */
struct file {
	struct kvm_stats_header h;
	struct desc { /* struct kvm_stats_desc, with a name of this length */
		uint32_t flags;
		int16_t exponent;
		uint16_t size;
		uint32_t offset, bucket_size;
		char name[NAME];
	} desc[DESCS];
	uint64_t data[DATA];
};

_Static_assert(offsetof(struct desc, name) == sizeof(struct kvm_stats_desc), "the same layout");

static void make(struct file *f)
{
	static const char *const names[DESCS] = {"exits", "hist", "halts"};

	memset(f, 0, sizeof(*f));
	f->h.name_size = NAME;
	f->h.num_desc = DESCS;
	f->h.desc_offset = offsetof(struct file, desc);
	f->h.data_offset = offsetof(struct file, data);
	for (unsigned i = 0; i < DESCS; i++) {
		f->desc[i].size = 1;
		f->desc[i].offset = i * 8;
		snprintf(f->desc[i].name, NAME, "%s", names[i]);
	}
	f->desc[1].size = 2;
	f->desc[1].flags = KVM_STATS_TYPE_LOG_HIST;
	f->desc[2].offset = 24;
	f->data[0] = 7;
	f->data[3] = 9;
}

static int parse(const struct file *f, size_t len, struct kvm_stat *stat)
{
	stat[0] = (struct kvm_stat){.name = "halts"};
	stat[1] = (struct kvm_stat){.name = "exits"};
	stat[2] = (struct kvm_stat){.name = "hist"};
	stat[3] = (struct kvm_stat){.name = "nothing", .found = true};
	return kvm_stats_parse(f, len, stat, 4);
}

static void numbers_are_found_by_name(unused void **state)
{
	struct kvm_stat stat[4];
	struct file f;

	make(&f);
	assert_int_equal(parse(&f, sizeof(f), stat), 0);
	assert_true(stat[0].found && stat[0].value == 9);
	assert_true(stat[1].found && stat[1].value == 7);
	assert_false(stat[2].found); /* no single number */
	assert_false(stat[3].found);
}

static void a_name_without_an_end_is_nobody(unused void **state)
{
	struct kvm_stat stat[4];
	struct file f;

	make(&f);
	memset(f.desc[0].name, 'e', NAME);
	assert_int_equal(parse(&f, sizeof(f), stat), 0);
	assert_false(stat[1].found);
	assert_true(stat[0].found);
}

static void every_offset_is_judged(unused void **state)
{
	static const uint32_t bad[] = {sizeof(struct file) - 7, sizeof(struct file), INT32_MAX,
	                               UINT32_MAX - 7, UINT32_MAX};
	struct kvm_stat stat[4];
	struct file f;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		make(&f);
		f.h.desc_offset = bad[i];
		assert_int_equal(parse(&f, sizeof(f), stat), -EINVAL);
		make(&f);
		f.h.data_offset = bad[i];
		assert_int_equal(parse(&f, sizeof(f), stat), -EINVAL);
		make(&f);
		f.desc[2].offset = bad[i];
		assert_int_equal(parse(&f, sizeof(f), stat), -EINVAL);
		make(&f);
		f.h.num_desc = bad[i];
		assert_int_equal(parse(&f, sizeof(f), stat), -EINVAL);
		make(&f);
		f.h.name_size = bad[i];
		assert_int_equal(parse(&f, sizeof(f), stat), -EINVAL);
	}
	make(&f);
	f.h.name_size = 0;
	assert_int_equal(parse(&f, sizeof(f), stat), -EINVAL);
}

static void a_file_that_is_cut_off_is_refused(unused void **state)
{
	struct kvm_stat stat[4];
	struct file f;

	make(&f);
	for (size_t len = 0; len < offsetof(struct file, data) + 32; len++)
		assert_int_equal(parse(&f, len, stat), -EINVAL);
	assert_int_equal(parse(&f, offsetof(struct file, data) + 32, stat), 0);
}

static void a_descriptor_that_counts_nothing_says_so(unused void **state)
{
	struct kvm_stat stat = {.name = "exits", .found = true};

	assert_true(kvm_stats_read(-1, &stat, 1) < 0);
	assert_false(stat.found);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_found_by_name),
		cmocka_unit_test(a_name_without_an_end_is_nobody),
		cmocka_unit_test(every_offset_is_judged),
		cmocka_unit_test(a_file_that_is_cut_off_is_refused),
		cmocka_unit_test(a_descriptor_that_counts_nothing_says_so),
	};

	return cmocka_run_group_tests_name("kvm_stats", tests, NULL, NULL);
}
