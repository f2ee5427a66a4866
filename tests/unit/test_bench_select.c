/* SPDX-License-Identifier: Apache-2.0 */
/* Which rows are measured, and where their results go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/cmd/out.h"
#include "bench/cmd/select.h"
#include "tests/lib/capture.h"
#include "vmm/core/compiler.h"

static const struct bench_row rows[] = {
	{.name = "tcp/g2h/pure", .set = "core", .core = true},
	{.name = "tcp/g2h/vhost", .set = "core", .core = true, .against = "tcp/g2h/pure"},
	{.name = "tcp/g2hx/pure", .set = "more"},
	{.name = "tcp/g2h/peer", .set = "more", .against = "tcp/g2h/pure"},
	{.name = "syscall", .set = "micro"},
	{.name = "syscall/slow", .set = "micro", .against = "syscall"},
};

#define NR ARRAY_SIZE(rows)

/* Names of what is chosen, with spaces between; or the error. */
static long choose(const char *only, bool full, char *names, size_t size)
{
	const struct bench_row *all[NR], *out[NR];
	const struct bench_choice choice = {.only = {only}, .nr_only = only != NULL, .full = full};
	long nr;

	for (size_t i = 0; i < NR; i++)
		all[i] = &rows[i];
	nr = bench_select(all, NR, &choice, out);
	names[0] = '\0';
	for (long i = 0; i < nr; i++) {
		const size_t len = strlen(names);

		snprintf(names + len, size - len, "%s%s", i ? " " : "", out[i]->name);
	}
	return nr;
}

static void is_chosen(const char *only, bool full, const char *names)
{
	char found[200];

	assert_true(choose(only, full, found, sizeof(found)) >= 0);
	assert_string_equal(found, names);
}

static void core_rows_are_measured_by_default_and_all_with_full(unused void **state)
{
	is_chosen(NULL, false, "tcp/g2h/pure tcp/g2h/vhost");
	is_chosen(NULL, true,
	          "tcp/g2h/pure tcp/g2h/vhost tcp/g2hx/pure tcp/g2h/peer syscall "
	          "syscall/slow");
}

static void set_row_and_first_parts_of_a_name_choose(unused void **state)
{
	is_chosen("micro", false, "syscall syscall/slow");
	is_chosen("tcp/g2h", false, "tcp/g2h/pure tcp/g2h/vhost tcp/g2h/peer");
	is_chosen("tcp/g2hx,syscall", false, "tcp/g2hx/pure syscall syscall/slow");
}

static void row_brings_the_one_that_it_is_measured_against(unused void **state)
{
	is_chosen("tcp/g2h/vhost", false, "tcp/g2h/pure tcp/g2h/vhost");
	is_chosen("syscall/slow", false, "syscall syscall/slow");
}

static void peer_is_beside_what_it_is_measured_against(unused void **state)
{
	const struct bench_row *all[NR], *out[NR];
	struct bench_choice choice = {.beside = "peer"};

	for (size_t i = 0; i < NR; i++)
		all[i] = &rows[i];
	assert_int_equal(bench_select(all, NR, &choice, out), 3);
	assert_string_equal(out[2]->name, "tcp/g2h/peer");
	choice = (struct bench_choice){.beside = "peer", .only = {"syscall"}, .nr_only = 1};
	/* Nothing of it is beside that. */
	assert_int_equal(bench_select(all, NR, &choice, out), 2);
	choice = (struct bench_choice){.only = {"tcp/g2h/vhost"}, .nr_only = 1};
	assert_int_equal(bench_select(all, NR, &choice, out), 2);
	choice.only[choice.nr_only++] = "syscall"; /* said once more: both */
	assert_int_equal(bench_select(all, NR, &choice, out), 4);
}

static void word_that_is_no_row_is_named_with_the_sets(unused void **state)
{
	struct capture c;
	char names[200];
	long ret;

	CAPTURED(&c, &ret, choose("tcp/g2", false, names, sizeof(names)));
	assert_int_equal(ret, -EINVAL);
	assert_one_line(&c, "'tcp/g2'");
	assert_one_line(&c, "core, more, micro");
	CAPTURED(&c, &ret, choose("micro,", false, names, sizeof(names)));
	assert_int_equal(ret, -EINVAL);
}

static bool is_plain(const char *name)
{
	for (; *name; name++)
		if (*name <= ' ' || *name > '~' || strchr("|\"'<>&,", *name))
			return false;
	return true;
}

static void rows_that_there_are_are_sound(unused void **state)
{
	const size_t nr = bench_row_count();

	assert_true(nr <= BENCH_ROWS_MAX);
	for (size_t i = 0; i < nr; i++) {
		const struct bench_row *r = bench_row(i);
		bool found = !r->against;

		assert_true(is_plain(r->name) && is_plain(r->set));
		assert_true(strchr(r->set, '/') == NULL); /* part of a file's name */
		assert_true(r->what && r->measure && r->ms > 0);
		for (size_t k = 0; k < i; k++) {
			assert_string_not_equal(bench_row(k)->name, r->name);
			found |= r->against && strcmp(bench_row(k)->name, r->against) == 0;
		}
		if (!found)
			fail_msg("%s: there is no %s before it", r->name, r->against);
	}
	assert_null(bench_row(nr));
}

/* ---- files */

static int write_ok(const void *arg, FILE *out)
{
	return fputs(arg, out) < 0 ? -EIO : 0;
}

static int write_half(const void *arg, FILE *out)
{
	fputs(arg, out);
	fflush(out);
	return -ENOSPC;
}

static void assert_content(const char *dir, const char *name, const char *text)
{
	char path[200], buf[64] = "";
	FILE *in;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	in = fopen(path, "r");
	assert_non_null(in);
	assert_non_null(fgets(buf, sizeof(buf), in));
	fclose(in);
	assert_string_equal(buf, text);
}

static void file_that_fails_leaves_what_was_there(unused void **state)
{
	char tmp[200], dir[300], file[310];
	struct bench_out o;
	struct capture c;
	int ret;

	assert_int_equal(bench_tmp_make(tmp, sizeof(tmp)), 0);
	snprintf(dir, sizeof(dir), "%s/new", tmp);
	assert_int_equal(bench_out_begin(&o, dir), 0);
	assert_int_equal(bench_out_write(&o, "a", write_ok, "whole"), 0);
	CAPTURED(&c, &ret, bench_out_write(&o, "a", write_half, "hal"));
	assert_int_equal(ret, -ENOSPC);
	assert_one_line(&c, strerror(ENOSPC));
	assert_content(dir, "a", "whole");
	bench_out_end(&o);
	assert_content(dir, "a", "whole"); /* it is not empty */
	snprintf(file, sizeof(file), "%s/a", dir);
	unlink(file);
	assert_int_equal(rmdir(dir), 0); /* nothing else was left in it */
	bench_tmp_remove(tmp);
	assert_int_equal(access(tmp, F_OK), -1);
}

static void folder_that_was_made_for_nothing_goes_away(unused void **state)
{
	char tmp[200], dir[300];
	struct bench_out o;

	assert_int_equal(bench_tmp_make(tmp, sizeof(tmp)), 0);
	snprintf(dir, sizeof(dir), "%s/new", tmp);
	assert_int_equal(bench_out_begin(&o, dir), 0);
	assert_int_equal(access(dir, F_OK), 0);
	bench_out_end(&o);
	assert_int_equal(access(dir, F_OK), -1);
	bench_tmp_remove(tmp);
}

static void folder_that_cannot_be_made_is_named(unused void **state)
{
	struct bench_out o;
	struct capture c;
	int ret;

	CAPTURED(&c, &ret, bench_out_begin(&o, "/dev/null/results"));
	assert_int_equal(ret, -ENOTDIR);
	assert_one_line(&c, "--out /dev/null/results: ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(core_rows_are_measured_by_default_and_all_with_full),
		cmocka_unit_test(set_row_and_first_parts_of_a_name_choose),
		cmocka_unit_test(row_brings_the_one_that_it_is_measured_against),
		cmocka_unit_test(peer_is_beside_what_it_is_measured_against),
		cmocka_unit_test(word_that_is_no_row_is_named_with_the_sets),
		cmocka_unit_test(rows_that_there_are_are_sound),
		cmocka_unit_test(file_that_fails_leaves_what_was_there),
		cmocka_unit_test(folder_that_was_made_for_nothing_goes_away),
		cmocka_unit_test(folder_that_cannot_be_made_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
