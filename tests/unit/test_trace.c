/* SPDX-License-Identifier: Apache-2.0 */
/* Histograms as the kernel prints them; and tracefs where there is none. With one: tests/e2e/net_audit.sh. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "audit/hist.h"
#include "audit/trace.h"
#include "vmm/core/compiler.h"

#define ROWS 8u

struct rows {
	struct hist_row row[ROWS];
	unsigned nr;
};

static void keep(void *arg, const struct hist_row *row)
{
	struct rows *r = arg;

	assert_true(r->nr < ROWS);
	r->row[r->nr++] = *row;
}

static const char text[] =
	"# event histogram\n"
	"#\n"
	"# trigger info: hist:keys=exit_reason,isa:vals=hitcount:sort=hitcount:size=4096 [active]\n"
	"#\n"
	"\n"
	"{ exit_reason:        120, isa:          2 } hitcount:          3\n"
	"{ exit_reason:       1024, isa:          2 } hitcount:     100020\n"
	"\n"
	"Totals:\n"
	"    Hits: 100023\n"
	"    Entries: 2\n"
	"    Dropped: 0\n";

static void rows_have_keys_in_order(unused void **state)
{
	struct rows r = {0};

	assert_int_equal(hist_parse(text, keep, &r), 0);
	assert_int_equal(r.nr, 2);
	assert_int_equal(r.row[0].nr_keys, 2);
	assert_int_equal(r.row[1].key[0], 1024);
	assert_int_equal(r.row[1].key[1], 2);
	assert_int_equal(r.row[1].hits, 100020);
}

static void functions_are_known_by_name(unused void **state)
{
	struct rows r = {0};

	hist_parse("{ function: [ffffffffc0a31230] irqfd_inject [kvm]                 } "
	           "hitcount:          9\n",
	           keep, &r);
	assert_int_equal(r.nr, 1);
	assert_string_equal(r.row[0].symbol, "irqfd_inject");
	assert_int_equal(r.row[0].key[0], 0xffffffffc0a31230);
	assert_int_equal(r.row[0].hits, 9);
}

static void an_incomplete_histogram_says_so(unused void **state)
{
	struct rows r = {0};

	assert_int_equal(hist_parse("Totals:\n    Dropped: 12\n", keep, &r), 12);
	assert_int_equal(r.nr, 0);
}

/* Wherever the buffer was full: what was dropped is in the last line. */
static void a_histogram_that_is_cut_says_so(unused void **state)
{
	struct rows r;
	char cut[sizeof(text)];

	for (size_t len = 0; len < sizeof(text) - sizeof("0\n"); len++) {
		r.nr = 0;
		memcpy(cut, text, len);
		cut[len] = '\0';
		assert_int_equal(hist_parse(cut, keep, &r), HIST_CUT);
	}
}

static void what_is_no_row_is_passed_over(unused void **state)
{
	static const char *const junk[] = {"",
	                                   "\n\n",
	                                   "{",
	                                   "{ }",
	                                   "{ a: 1 }",
	                                   "{ a: 1 } hitcount:",
	                                   "{ a } hitcount: 1",
	                                   "{ a: b } hitcount: 1",
	                                   "{ a: [12 } hitcount: 1",
	                                   "} hitcount: 1 {",
	                                   "{ a: 1, b: 2, c: 3, d: } hitcount:"};
	struct rows r = {0};
	char longer[2000];

	for (size_t i = 0; i < ARRAY_SIZE(junk); i++)
		assert_int_equal(hist_parse(junk[i], keep, &r), HIST_CUT);
	memset(longer, '{', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	hist_parse(longer, keep, &r);
	assert_int_equal(r.nr, 0);
}

static void a_host_without_tracefs_says_where_it_looked(unused void **state)
{
	const int tid = 1;
	struct trace *t;
	char why[128];

	assert_int_equal(trace_begin("/nowhere", &tid, 1, &t, why, sizeof(why)), -ENOENT);
	assert_null(t);
	assert_non_null(strstr(why, "/nowhere/instances"));
	trace_end(t);
}

/* A folder that is no tracefs has no files in a new folder: it is removed again. */
static void what_could_not_begin_leaves_nothing(unused void **state)
{
	char root[] = "/tmp/doorbell-trace-XXXXXX", instances[48], stale[96], why[128];
	const int tid = 1;
	struct trace *t;

	assert_non_null(mkdtemp(root));
	snprintf(instances, sizeof(instances), "%s/instances", root);
	/* Of a process that is no more: no pid is that large. */
	snprintf(stale, sizeof(stale), "%s/instances/doorbell-2000000000", root);
	assert_int_equal(mkdir(instances, 0700), 0);
	assert_int_equal(mkdir(stale, 0700), 0);
	assert_int_equal(trace_begin(root, &tid, 1, &t, why, sizeof(why)), -ENOENT);
	assert_null(t);
	assert_non_null(strstr(why, "set_event_pid"));
	assert_int_equal(rmdir(instances), 0);
	assert_int_equal(rmdir(root), 0);
}

/* As in a container, where each audit is PID 1. */
static void an_instance_with_our_own_number_is_stale(unused void **state)
{
	char root[] = "/tmp/doorbell-trace-XXXXXX", instances[48], stale[96], why[128];
	const int tid = 1;
	struct trace *t;

	assert_non_null(mkdtemp(root));
	snprintf(instances, sizeof(instances), "%s/instances", root);
	snprintf(stale, sizeof(stale), "%s/instances/doorbell-%d", root, (int)getpid());
	assert_int_equal(mkdir(instances, 0700), 0);
	assert_int_equal(mkdir(stale, 0700), 0);
	assert_int_equal(trace_begin(root, &tid, 1, &t, why, sizeof(why)), -ENOENT);
	assert_non_null(strstr(why, "set_event_pid")); /* and not: it exists */
	assert_int_equal(rmdir(instances), 0);
	assert_int_equal(rmdir(root), 0);
}

/* An empty filter would be no filter. The files are there, so only we can refuse. */
static void without_threads_the_host_is_not_counted_instead(unused void **state)
{
	char root[] = "/tmp/doorbell-trace-XXXXXX", instances[48], why[128];
	struct trace *t;

	assert_non_null(mkdtemp(root));
	snprintf(instances, sizeof(instances), "%s/instances", root);
	assert_int_equal(mkdir(instances, 0700), 0);
	assert_int_equal(trace_begin(root, NULL, 0, &t, why, sizeof(why)), -ESRCH);
	assert_null(t);
	assert_non_null(strstr(why, "set_event_pid: No such process"));
	assert_int_equal(rmdir(instances), 0);
	assert_int_equal(rmdir(root), 0);
}

/* In a PID namespace of its own; what /proc says of it there is seen from here. */
static int in_namespace(unused void *arg)
{
	struct trace *t;
	char why[128];

	if (trace_knows_pids(TRACE_PID_NS))
		return 1;
	if (trace_begin_host(&(int){1}, 1, &t, why, sizeof(why)) != -EXDEV || t)
		return 2;
	return strstr(why, "PID namespace") ? 0 : 3;
}

static void numbers_of_another_pid_namespace_are_not_used(unused void **state)
{
	static char stack[65536];
	int status, pid;

	assert_false(trace_knows_pids("/dev/null"));
	assert_false(trace_knows_pids("/nowhere"));
	pid = clone(in_namespace, stack + sizeof(stack), CLONE_NEWPID | SIGCHLD, NULL);
	if (pid < 0 && (errno == EPERM || errno == EINVAL))
		skip();
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_have_keys_in_order),
		cmocka_unit_test(functions_are_known_by_name),
		cmocka_unit_test(an_incomplete_histogram_says_so),
		cmocka_unit_test(a_histogram_that_is_cut_says_so),
		cmocka_unit_test(what_is_no_row_is_passed_over),
		cmocka_unit_test(a_host_without_tracefs_says_where_it_looked),
		cmocka_unit_test(what_could_not_begin_leaves_nothing),
		cmocka_unit_test(an_instance_with_our_own_number_is_stale),
		cmocka_unit_test(without_threads_the_host_is_not_counted_instead),
		cmocka_unit_test(numbers_of_another_pid_namespace_are_not_used),
	};

	return cmocka_run_group_tests_name("trace", tests, NULL, NULL);
}
