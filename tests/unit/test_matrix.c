/* SPDX-License-Identifier: Apache-2.0 */
/* What a matrix says of its cells; its processes run in examples/driver. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "check/matrix.h"
#include "check/rule.h"
#include "tests/lib/capture.h"
#include "vmm/config.h"
#include "vmm/core/compiler.h"
#include "vmm/run.h"

static json_t *rule(const char *id, const char *state)
{
	return json_pack("{s:s, s:s}", "rule", id, "state", state);
}

static json_t *report(bool left_alone, json_t *one, json_t *two)
{
	return json_pack("{s:[{s:b, s:[o, o]}]}", "devices", "left_alone", left_alone, "rules", one,
	                 two);
}

static void expect_words(const char *want, int status, json_t *of, const char *ignored,
                         const char *said)
{
	bool *ignore = calloc(nr_rules, sizeof(*ignore));
	char text[256];

	assert_non_null(ignore);
	if (ignored)
		ignore[rule_find(ignored) - rules] = true;
	matrix_verdict(text, sizeof(text), status, of, ignore, said);
	assert_string_equal(text, want);
	json_decref(of);
	free(ignore);
}

static void expect(const char *want, int status, json_t *of, const char *ignored)
{
	expect_words(want, status, of, ignored, "no KVM");
}

static json_t *two_broken(void)
{
	return report(false, rule("reset.wait-for-zero", "broken"), rule("split.align", "broken"));
}

static void the_worst_finding_comes_first(unused void **state)
{
	expect("MUST split.align and 1 more", EXIT_FINDINGS, two_broken(), NULL);
	expect("MUST split.align", EXIT_FINDINGS, two_broken(), "reset.wait-for-zero");
	expect("SHOULD reset.wait-for-zero", EXIT_OK, two_broken(), "split.align");
	expect("MUST split.align and 1 more; the guest died", EXIT_GUEST_DIED, two_broken(), NULL);
	expect("SHOULD reset.wait-for-zero; ended by --timeout", EXIT_TIMEOUT, two_broken(),
	       "split.align");
}

static void cells_without_finding_say_what_became_of_them(unused void **state)
{
	expect("clean", EXIT_OK, report(false, rule("split.align", "kept"), json_null()), NULL);
	expect("left alone", EXIT_OK, report(true, json_null(), json_null()), NULL);
	expect("clean, and ended by --timeout", EXIT_TIMEOUT, NULL, NULL);
	expect("no driver worked, or the guest died", EXIT_NO_DRIVER, NULL, NULL);
	expect("never touched", EXIT_NO_DRIVER,
	       json_pack("{s:[{}, {s:s}]}", "devices", "trouble", "never touched"), NULL);
	expect("halted for good", EXIT_NO_DRIVER,
	       json_pack("{s:s, s:[{s:s}]}", "dead", "halted for good", "devices", "trouble",
	                 "never touched"),
	       NULL);
	expect("no KVM", EXIT_HOST, NULL, NULL);
	/* What is no report of ours does no harm. */
	expect("clean", EXIT_OK, json_pack("{s:[i, {s:s}]}", "devices", 1, "rules", "x"), NULL);
	expect("clean", EXIT_OK, report(false, rule("no.such", "broken"), json_integer(1)), NULL);
}

static void names_that_are_not_utf_8_are_words_still(unused void **state)
{
	expect_words("k? ?> \": No such file", EXIT_USAGE, NULL, NULL,
	             "k\377 \001> \": No such file");
}

static void the_worst_cell_decides(unused void **state)
{
	static const int order[] = {EXIT_OK,         EXIT_TIMEOUT,   42,         EXIT_FINDINGS,
	                            EXIT_GUEST_DIED, EXIT_NO_DRIVER, EXIT_USAGE, EXIT_HOST};

	for (unsigned i = 0; i < ARRAY_SIZE(order); i++)
		for (unsigned k = 0; k < ARRAY_SIZE(order); k++)
			assert_int_equal(matrix_worse(order[i], order[k]), i > k);
}

static void a_cell_that_goes_on_for_ever_is_no_failure(unused void **state)
{
	json_t *cells =
		json_pack("[{s:i, s:s, s:i, s:s}, {s:i, s:s, s:i, s:s}]", "cell", 1, "keys", "a",
	                  "status", EXIT_TIMEOUT, "result", "clean, and ended by --timeout", "cell",
	                  2, "keys", "b", "status", 5, "result", "ended");
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	matrix_text(cells, out);
	matrix_junit(cells, out);
	fclose(out);
	assert_non_null(strstr(text, "2 cells, 2 run, 1 of them without fault\n"));
	assert_non_null(strstr(text, "name=\"a\"></testcase>"));
	assert_non_null(strstr(text, "name=\"b\"><failure message=\"ended\"/>"));
	json_decref(cells);
	free(text);
}

static json_t *three_cells(void)
{
	return json_pack("[{s:i, s:s, s:s, s:i, s:s}, {s:i, s:s, s:s, s:i, s:s}, {s:i, s:s, s:s}]",
	                 "cell", 1, "ring", "split", "keys", "a&b", "status", 0, "result", "clean",
	                 "cell", 2, "ring", "packed", "keys", "c", "status", 10, "result",
	                 "MUST <x>", "cell", 3, "ring", "split", "keys", "d");
}

static void grid_and_files_have_every_cell(unused void **state)
{
	json_t *cells = three_cells(), *json = matrix_json(cells, 10);
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	matrix_text(cells, out);
	matrix_junit(cells, out);
	fclose(out);
	assert_non_null(strstr(text, "cell  ring    result\n"
	                             "   1  split   clean\n"
	                             "   2  packed  MUST <x>\n"
	                             "   3  split   not run\n"
	                             "3 cells, 2 run, 1 of them without fault\n"));
	assert_non_null(strstr(
		text, "<testsuite name=\"doorbell check: matrix\" tests=\"3\" failures=\"1\" "
		      "errors=\"0\" skipped=\"1\">"));
	assert_non_null(strstr(text, "name=\"a&amp;b\"></testcase>"));
	assert_non_null(strstr(text, "name=\"c\"><failure message=\"MUST &lt;x&gt;\"/>"));
	assert_non_null(strstr(text, "name=\"d\"><skipped"));
	assert_int_equal(json_integer_value(json_object_get(json, "status")), 10);
	assert_int_equal(json_array_size(json_object_get(json, "cells")), 3);
	json_decref(json);
	json_decref(cells);
	free(text);
}

static void what_all_cells_would_have_is_refused(unused void **state)
{
	static const struct {
		const char *option, *why;
	} bad[] = {
		{"--net=echo,features=none", "keys features="},
		{"--net=echo,queues=2", "keys features="},
		{"--net=echo,queue-size=32", "keys features="},
		{"--net=echo,transport=mmio-legacy", "keys features="},
		{"--net=echo,pcap=x", "--matrix and pcap="},
		{"--net=tap,ifname=x", "--jobs 2: ifname="},
		{"--control=x", "--matrix and --control"},
		{"--stats", "--matrix and --stats"},
		{"--audit=x", "--matrix and --audit"},
		{"--console=file=x", "--matrix and --console"},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		char option[64], kernel[] = "k", *argv[] = {option, kernel};
		struct vm_config cfg;
		const struct matrix m = {.cfg = &cfg, .jobs = 2};
		struct capture cap;
		int ret;

		snprintf(option, sizeof(option), "%s", bad[i].option);
		assert_int_equal(config_parse(&cfg, 2, argv), 0);
		CAPTURED(&cap, &ret, matrix_check(&m));
		assert_true(ret < 0);
		assert_one_line(&cap, bad[i].why);
		config_free(&cfg);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_worst_finding_comes_first),
		cmocka_unit_test(cells_without_finding_say_what_became_of_them),
		cmocka_unit_test(names_that_are_not_utf_8_are_words_still),
		cmocka_unit_test(the_worst_cell_decides),
		cmocka_unit_test(a_cell_that_goes_on_for_ever_is_no_failure),
		cmocka_unit_test(grid_and_files_have_every_cell),
		cmocka_unit_test(what_all_cells_would_have_is_refused),
	};

	return cmocka_run_group_tests_name("matrix", tests, NULL, NULL);
}
