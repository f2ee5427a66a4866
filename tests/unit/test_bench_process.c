/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "bench/cmd/aside.h"
#include "bench/cmd/bench.h"
#include "bench/cmd/process.h"
#include "vmm/core/compiler.h"

#define LIMIT_S 100

#define SHELL(text) ((const char *const[]){"/bin/sh", "-c", (text), NULL})

struct result {
	int ret;
	double v[ASIDE_VALUES];
	char why[BENCH_WHY_MAX];
};

static struct result look(int (*fn)(const void *job, double *v, char *why), struct process_job job)
{
	const struct aside a = {.fn = fn, .arg = &job, .limit_s = LIMIT_S};
	struct result r = {0};

	r.ret = aside_run(&a, r.v, r.why);
	return r;
}

static void expect(const struct result *r, int ret, const char *word)
{
	if (r->ret != ret || !strstr(r->why, word))
		fail_msg("%d, '%s' instead of %d, '%s'", r->ret, r->why, ret, word);
}

static void a_command_that_ends_well_has_a_time(unused void **state)
{
	struct result r = look(process_whole, (struct process_job){.argv = SHELL("exit 0")});

	expect(&r, 0, "");
	assert_true(r.v[0] > 0);
}

static void one_that_fails_is_quoted(unused void **state)
{
	struct result r = look(
		process_whole,
		(struct process_job){.argv = SHELL("echo first >&2; echo last words >&2; exit 3")});

	expect(&r, -EPROTO, "it ended with status 3: last words");
	r = look(process_whole, (struct process_job){.argv = SHELL("kill -9 $$")});
	expect(&r, -EPROTO, "it was ended by signal 9");
}

static void one_that_does_not_exist_is_named(unused void **state)
{
	struct result r = look(
		process_whole,
		(struct process_job){.argv = (const char *const[]){"/nonexistent/command", NULL}});

	expect(&r, -EPROTO, "/nonexistent/command");
}

static void a_marker_has_a_time_and_the_number_behind_it(unused void **state)
{
	struct result r = look(
		process_marker,
		(struct process_job){.argv = SHELL("echo hello; printf 'noise here 17 us\\r\\n'"),
	                             .marker = "here "});

	expect(&r, 0, "");
	assert_true(r.v[0] > 0);
	assert_true(r.v[1] == 17.0);
}

static void a_marker_that_does_not_come_is_missed(unused void **state)
{
	struct result r = look(process_marker,
	                       (struct process_job){.argv = SHELL("echo hello"), .marker = "here"});

	expect(&r, -EPROTO, "it ended and had not said 'here'");
}

static void memory_is_what_is_not_the_guests(unused void **state)
{
	struct process_job job = {.argv = SHELL("echo ready; while :; do :; done"),
	                          .marker = "ready"};
	struct result r = look(process_memory, job);

	expect(&r, 0, "");
	assert_true(r.v[0] > 0 && r.v[0] <= r.v[1]);
	job.ram_kib = 1024;
	assert_string_equal(r.why, ""); /* that we ended it ourselves is not worth a word */
	r = look(process_memory, job);
	expect(&r, -EPROTO, "it has 0 KiB of memory that could be its guest's, which has 1024");
}

static void one_that_runs_no_guest_has_no_start(unused void **state)
{
	struct result r = look(process_start, (struct process_job){.argv = SHELL("exit 0")});

	/* Where nobody may trace, that is said. */
	if (r.ret == -EPERM)
		skip();
	expect(&r, -EPROTO, "it ended and never ran a guest");
}

static void what_hangs_is_ended(unused void **state)
{
	const struct process_job job = {.argv = SHELL("exec sleep 1000")};
	const int user = SIGINT;
	struct aside a = {.fn = process_whole, .arg = &job, .limit_s = 0};
	struct result r;

	r.ret = aside_run(&a, r.v, r.why);
	expect(&r, -ETIMEDOUT, "nothing came of it");
	a.limit_s = LIMIT_S;
	a.stop = &user;
	r.ret = aside_run(&a, r.v, r.why);
	assert_int_equal(r.ret, -EINTR);
}

static int die(unused const void *arg, unused double *v, unused char *why)
{
	raise(SIGKILL);
	return 0;
}

static void a_measurement_that_is_killed_fails(unused void **state)
{
	const struct aside a = {.fn = die, .limit_s = LIMIT_S};
	struct result r;

	r.ret = aside_run(&a, r.v, r.why);
	expect(&r, -ECHILD, "was ended");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_command_that_ends_well_has_a_time),
		cmocka_unit_test(one_that_fails_is_quoted),
		cmocka_unit_test(one_that_does_not_exist_is_named),
		cmocka_unit_test(a_marker_has_a_time_and_the_number_behind_it),
		cmocka_unit_test(a_marker_that_does_not_come_is_missed),
		cmocka_unit_test(memory_is_what_is_not_the_guests),
		cmocka_unit_test(one_that_runs_no_guest_has_no_start),
		cmocka_unit_test(what_hangs_is_ended),
		cmocka_unit_test(a_measurement_that_is_killed_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
