/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "vmm/core/compiler.h"
#include "vmm/samples.h"

static void expect(const struct samples *s, const char *text)
{
	json_t *want = json_loads(text, 0, NULL), *got = samples_json(s);

	assert_non_null(want);
	assert_true(json_equal(got, want));
	json_decref(want);
	json_decref(got);
}

static void nothing_yet_is_all_zero(unused void **state)
{
	static const char zero[] =
		"{\"count\":0,\"min_ns\":0,\"median_ns\":0,\"p99_ns\":0,\"max_ns\":0}";
	static struct samples s;

	expect(&s, zero);
	expect(NULL, zero);
}

static void one_value_is_all_of_them(unused void **state)
{
	static struct samples s;

	samples_add(&s, 5);
	expect(&s, "{\"count\":1,\"min_ns\":5,\"median_ns\":5,\"p99_ns\":5,\"max_ns\":5}");
}

static void quantiles_are_values_that_occurred(unused void **state)
{
	static struct samples s;

	for (uint64_t i = 100; i >= 1; i--)
		samples_add(&s, i * 10);
	expect(&s, "{\"count\":100,\"min_ns\":10,\"median_ns\":500,\"p99_ns\":990,"
	           "\"max_ns\":1000}");
}

static void old_values_make_room(unused void **state)
{
	static struct samples s;

	samples_add(&s, 1000000);
	for (unsigned i = 0; i < SAMPLES_MAX; i++)
		samples_add(&s, 7);
	expect(&s, "{\"count\":1025,\"min_ns\":7,\"median_ns\":7,\"p99_ns\":7,\"max_ns\":7}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_yet_is_all_zero),
		cmocka_unit_test(one_value_is_all_of_them),
		cmocka_unit_test(quantiles_are_values_that_occurred),
		cmocka_unit_test(old_values_make_room),
	};

	return cmocka_run_group_tests_name("samples", tests, NULL, NULL);
}
