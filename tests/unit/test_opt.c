/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/core/compiler.h"
#include "vmm/core/opt.h"

struct target {
	bool flag;
	unsigned verbose, colour;
	const char *file;
	uint64_t number, size;
	unsigned calls;
};

static int parse_even(void *t, const char *value, char *why, size_t size)
{
	struct target *target = t;

	target->calls++;
	if (strlen(value) % 2 == 0)
		return 0;
	snprintf(why, size, "of odd length");
	return -EINVAL;
}

static const char *const colours[] = {"red", "green", NULL};

#define AT(m) offsetof(struct target, m)

static const struct opt_def defs[] = {
	{.name = "flag", .letter = 'f', .type = OPT_BOOL, .offset = AT(flag), .help = "a flag"},
	{.name = "verbose",
         .letter = 'v',
         .type = OPT_COUNT,
         .offset = AT(verbose),
         .help = "more"},
	{.name = "file",
         .letter = 'i',
         .type = OPT_STRING,
         .offset = AT(file),
         .arg = "FILE",
         .help = "a file"},
	{.name = "number",
         .type = OPT_UINT,
         .offset = AT(number),
         .min = 1,
         .max = 99,
         .arg = "N",
         .help = "a number"},
	{.name = "size",
         .letter = 'm',
         .type = OPT_SIZE,
         .offset = AT(size),
         .min = MIB(1),
         .max = GIB(2),
         .arg = "SIZE",
         .help = "a size"},
	{.name = "colour",
         .type = OPT_CHOICE,
         .offset = AT(colour),
         .choices = colours,
         .arg = "C",
         .help = "a colour"},
	{.name = "even",
         .type = OPT_CALL,
         .parse = parse_even,
         .repeatable = 1,
         .arg = "S",
         .arg_optional = 1,
         .help = "even"},
	OPT_END,
};

/* Parse words given as one string; what went to stderr is in @err. */
static int parse(struct target *t, const char *words, char *err, size_t err_size)
{
	const struct opt_group g = {defs, t};
	char *text = strdup(words), *argv[32], *save = NULL;
	FILE *f = tmpfile();
	int argc = 0, ret, old = dup(STDERR_FILENO);
	size_t n;

	for (char *w = strtok_r(text, " ", &save); w; w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	dup2(fileno(f), STDERR_FILENO);
	ret = opt_parse_argv(&g, 1, argc, argv);
	dup2(old, STDERR_FILENO);
	close(old);
	rewind(f);
	n = fread(err, 1, err_size - 1, f);
	err[n] = '\0';
	fclose(f);
	if (ret > 0) /* the words live in text: only their number is looked at by callers */
		t->file = NULL;
	free(text);
	return ret;
}

static void words_and_options_may_be_mixed(unused void **state)
{
	struct target t = {0};
	char err[512];

	assert_int_equal(parse(&t, "one -vv --size=4M two -f --number 7 --colour green -- -x", err,
	                       sizeof(err)),
	                 3);
	assert_true(t.flag);
	assert_int_equal(t.verbose, 2);
	assert_int_equal(t.size, MIB(4));
	assert_int_equal(t.number, 7);
	assert_int_equal(t.colour, 1);
	assert_string_equal(err, "");
}

static void value_may_stick_to_its_letter(unused void **state)
{
	struct target t = {0};
	char err[512];

	assert_int_equal(parse(&t, "-m1G", err, sizeof(err)), 0);
	assert_int_equal(t.size, GIB(1));
	assert_int_equal(parse(&t, "-vm 2M", err, sizeof(err)), 0);
	assert_int_equal(t.size, MIB(2));
}

static void optional_value_only_comes_with_equals(unused void **state)
{
	struct target t = {0};
	char err[512];

	assert_int_equal(parse(&t, "--even word", err, sizeof(err)), 1);
	assert_int_equal(parse(&t, "--even=odd", err, sizeof(err)), -EINVAL);
	assert_string_equal(err, "doorbell: --even odd: of odd length\n");
	assert_int_equal(t.calls, 2);
}

static void messages_name_option_value_and_what_is_allowed(unused void **state)
{
	const struct {
		const char *words, *message;
	} table[] = {
		{"--size 4Q", "doorbell: --size 4Q is not possible, allowed: a size from 1M to 2G, "
	                      "with K, M or G\n"},
		{"--size 4G", "doorbell: --size 4G is not possible, allowed: a size from 1M to 2G, "
	                      "with K, M or G\n"},
		{"--number 100",
	         "doorbell: --number 100 is not possible, allowed: a number from 1 to 99\n"},
		{"--number -1",
	         "doorbell: --number -1 is not possible, allowed: a number from 1 to 99\n"},
		{"--colour blue", "doorbell: --colour blue is not possible, allowed: red, green\n"},
		{"--nope", "doorbell: unknown option --nope, there are: --flag, --verbose, --file, "
	                   "--number, --size, --colour, --even\n"},
		{"--flags", "doorbell: unknown option --flags, there are: --flag, --verbose, "
	                    "--file, --number, --size, --colour, --even\n"},
		{"-m 1Q", "doorbell: -m/--size 1Q is not possible, allowed: a size from 1M to 2G, "
	                  "with K, M or G\n"},
		{"-x", "doorbell: unknown option -x, there are: --flag, --verbose, --file, "
	               "--number, --size, --colour, --even\n"},
		{"--file", "doorbell: --file needs a value: --file FILE\n"},
		{"--verbose=3", "doorbell: --verbose takes no value, given was '3'\n"},
	};
	struct target t = {0};
	char err[512];

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		assert_int_equal(parse(&t, table[i].words, err, sizeof(err)), -EINVAL);
		assert_string_equal(err, table[i].message);
	}
}

static int keys(struct target *t, const char *text)
{
	const struct opt_group g = {defs, t};

	return opt_parse_keys(&g, 1, "--net test", text);
}

static void keys_are_stored_and_freed(unused void **state)
{
	struct target t = {0};

	assert_int_equal(keys(&t, "file=/a,,b,flag,size=1M,even=ab,even=cd"), 0);
	assert_string_equal(t.file, "/a,b");
	assert_true(t.flag);
	assert_int_equal(t.calls, 2);
	opt_keys_free(defs, &t);
	assert_null(t.file);
	assert_int_equal(keys(&t, "flag=off"), 0);
	assert_false(t.flag);
	assert_int_equal(keys(&t, NULL), 0);
}

static void bad_keys_are_refused(unused void **state)
{
	struct target t = {0};

	assert_int_equal(keys(&t, "unknown=1"), -EINVAL);
	assert_int_equal(keys(&t, "fla"), -EINVAL);
	assert_int_equal(keys(&t, "size"), -EINVAL);
	assert_int_equal(keys(&t, "flag=maybe"), -EINVAL);
	assert_int_equal(keys(&t, "number=1,number=2"), -EINVAL);
	assert_int_equal(keys(&t, ",flag"), -EINVAL);
	assert_int_equal(keys(&t, "even=odd"), -EINVAL);
	opt_keys_free(defs, &t);
}

static void numbers_are_read_strictly(unused void **state)
{
	uint64_t v;

	assert_int_equal(opt_parse_uint("0x1F", &v), 0);
	assert_int_equal(v, 31);
	assert_int_equal(opt_parse_uint("18446744073709551615", &v), 0);
	assert_int_equal(opt_parse_uint("18446744073709551616", &v), -EINVAL);
	assert_int_equal(opt_parse_uint("", &v), -EINVAL);
	assert_int_equal(opt_parse_uint("0x", &v), -EINVAL);
	assert_int_equal(opt_parse_uint(" 1", &v), -EINVAL);
	assert_int_equal(opt_parse_uint("+1", &v), -EINVAL);
	assert_int_equal(opt_parse_size("1g", &v), 0);
	assert_int_equal(v, GIB(1));
	assert_int_equal(opt_parse_size("8589934592G", &v), 0);
	assert_int_equal(opt_parse_size("8589934593G", &v), -EINVAL);
	assert_int_equal(opt_parse_size("M", &v), -EINVAL);
	assert_int_equal(opt_parse_size("1MM", &v), -EINVAL);
	assert_int_equal(opt_parse_size("1T", &v), -EINVAL);
}

static void help_lists_every_row(unused void **state)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	opt_help(f, defs, 2, 0);
	fclose(f);
	for (const struct opt_def *d = defs; d->name; d++)
		assert_non_null(strstr(text, d->help));
	assert_non_null(strstr(text, "  -m, --size SIZE"));
	assert_non_null(strstr(text, "--even[=S]"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_and_options_may_be_mixed),
		cmocka_unit_test(value_may_stick_to_its_letter),
		cmocka_unit_test(optional_value_only_comes_with_equals),
		cmocka_unit_test(messages_name_option_value_and_what_is_allowed),
		cmocka_unit_test(keys_are_stored_and_freed),
		cmocka_unit_test(bad_keys_are_refused),
		cmocka_unit_test(numbers_are_read_strictly),
		cmocka_unit_test(help_lists_every_row),
	};

	return cmocka_run_group_tests_name("opt", tests, NULL, NULL);
}
