/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boot/cpio.h"
#include "vmm/core/compiler.h"

struct archive {
	uint8_t bytes[1024];
	size_t len;
};

/* On a copy of exactly that size: what is read behind it is seen by a sanitizer. */
static bool is_cut(const struct archive *a, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);
	bool cut;

	assert_non_null(copy);
	memcpy(copy, a->bytes, len);
	cut = cpio_is_cut(copy, len);
	free(copy);
	return cut;
}

/* A header, a name and @size bytes that are not zero; both padded. */
static void add_sized(struct archive *a, const char *name, unsigned size, unsigned said)
{
	char *p = (char *)a->bytes + a->len;
	size_t len = strlen(name) + 1;

	snprintf(p, sizeof(a->bytes) - a->len,
	         "070701%08X%08X%08X%08X%08X%08X%08x%08X%08X%08X%08X%08zX%08X%s", 1u, 0100644u, 0u,
	         0u, 1u, 0u, said, 0u, 0u, 0u, 0u, len, 0u, name);
	a->len = (a->len + 110 + len + 3) & ~(size_t)3;
	memset(a->bytes + a->len, 'x', size);
	a->len = (a->len + size + 3) & ~(size_t)3;
}

static void add(struct archive *a, const char *name, unsigned size)
{
	add_sized(a, name, size, size);
}

static void archive_is_cut_anywhere_but_between_its_files(void **state unused)
{
	struct archive a = {.len = 0};
	size_t first, second;

	add(&a, "init", 0xab);
	first = a.len;
	add(&a, "etc", 0);
	second = a.len;
	add(&a, "TRAILER!!!", 0);
	for (size_t len = 6; len < a.len; len++) {
		/* What is left of a magic is none, and what is left out of the padding is nothing. */
		const bool between = (len >= first - 1 && len < first + 6) ||
		                     (len >= second - 2 && len < second + 6) || len >= a.len - 3;

		if (is_cut(&a, len) == between)
			fail_msg("%zu of %zu bytes", len, a.len);
	}
	assert_false(is_cut(&a, a.len));
}

static void archives_that_follow_are_looked_at(void **state unused)
{
	struct archive a = {.len = 0};

	add(&a, "microcode", 5);
	add(&a, "TRAILER!!!", 0);
	a.len += 64; /* zeros, as to the next sector */
	add(&a, "init", 100);
	assert_false(is_cut(&a, a.len));
	assert_true(is_cut(&a, a.len - 50));
}

static void packed_archive_that_follows_is_not_looked_into(void **state unused)
{
	struct archive a = {.len = 0};

	add(&a, "microcode", 5);
	add(&a, "TRAILER!!!", 0);
	memcpy(a.bytes + a.len, "\x28\xb5\x2f\xfd and so on", 14);
	assert_false(is_cut(&a, a.len + 14));
}

static void what_is_no_archive_is_not_cut(void **state unused)
{
	struct archive a = {.len = 0};

	assert_false(is_cut(&a, 0));
	assert_false(is_cut(&a, sizeof(a.bytes)));
	add(&a, "init", 4);
	a.bytes[60] = 'g'; /* of the size of the file */
	assert_false(is_cut(&a, 118));
}

static void largest_numbers_are_not_wrapped(void **state unused)
{
	struct archive a = {.len = 0};

	add_sized(&a, "init", 4, UINT32_MAX);
	assert_true(is_cut(&a, a.len));
	memset(a.bytes + 94, 'F', 8); /* the size of the name */
	assert_true(is_cut(&a, a.len));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(archive_is_cut_anywhere_but_between_its_files),
		cmocka_unit_test(archives_that_follow_are_looked_at),
		cmocka_unit_test(packed_archive_that_follows_is_not_looked_into),
		cmocka_unit_test(what_is_no_archive_is_not_cut),
		cmocka_unit_test(largest_numbers_are_not_wrapped),
	};

	return cmocka_run_group_tests_name("cpio", tests, NULL, NULL);
}
