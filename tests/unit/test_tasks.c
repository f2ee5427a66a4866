/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel counts for us outside of KVM: threads, interfaces, eventfds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <grp.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"
#include "vmm/core/loop.h"
#include "vmm/core/tasks.h"
#include "vmm/interface.h"

static void status_and_schedstat_are_read(unused void **state)
{
	struct task t = {0};

	assert_true(task_parse_status("Name:\tvhost-12\nUmask:\t0022\n"
	                              "voluntary_ctxt_switches:\t17\n"
	                              "nonvoluntary_ctxt_switches:\t3\n",
	                              &t));
	assert_string_equal(t.name, "vhost-12");
	assert_int_equal(t.voluntary_switches, 17);
	assert_int_equal(t.involuntary_switches, 3);
	assert_false(t.ready);
	assert_true(task_parse_status("Name:\tvcpu0\nState:\tR (running)\n"
	                              "voluntary_ctxt_switches:\t1\n"
	                              "nonvoluntary_ctxt_switches:\t0\n",
	                              &t));
	assert_true(t.ready);
	assert_true(task_read(gettid(), &t) && t.ready);
	assert_false(task_read(0, &t));
	assert_true(task_parse_schedstat("123 45 6\n", &t));
	assert_int_equal(t.cpu_ns, 123);
	assert_int_equal(t.runqueue_ns, 45);
}

static void other_texts_are_no_status(unused void **state)
{
	static const char *const texts[] = {
		"", "Name:", "Name:\tx\n", "Name:\tx\nvoluntary_ctxt_switches:\t1\n",
		"Name:\tx\nvoluntary_ctxt_switches:\t1\nnonvoluntary_ctxt_switches:\tmany\n"};
	struct task t;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_false(task_parse_status(texts[i], &t));
	assert_false(task_parse_schedstat("12", &t));
}

static const struct task *find(const struct task *t, unsigned nr, int tid)
{
	for (unsigned i = 0; i < nr; i++)
		if (t[i].tid == tid)
			return &t[i];
	return NULL;
}

static void own_threads_are_among_the_tasks(unused void **state)
{
	struct task t[TASKS_MAX], self, ended;
	struct loop *l;
	unsigned nr;

	assert_int_equal(loop_create(&l), 0);
	assert_int_equal(loop_thread_start(l, "net7"), 0);
	task_self(&self);
	nr = tasks_read(t, TASKS_MAX, true);
	assert_true(nr >= 2);
	assert_non_null(find(t, nr, self.tid));
	assert_string_equal(find(t, nr, self.tid)->name, self.name);
	assert_int_equal(tasks_read(t, 1, true), 1);
	assert_false(loop_thread_ended(l, &ended));
	loop_thread_stop(l);
	assert_true(loop_thread_ended(l, &ended));
	assert_string_equal(ended.name, "net7");
	assert_true(ended.tid > 0);
	loop_destroy(l);
}

/* Their numbers are several pages of text, before what is looked for. */
static void a_thread_of_many_groups_is_found(unused void **state)
{
	static gid_t groups[3000];
	static struct task t[TASKS_MAX];
	int status;
	pid_t pid;

	for (unsigned i = 0; i < ARRAY_SIZE(groups); i++)
		groups[i] = 1000000 + i;
	if (geteuid() != 0)
		skip();
	pid = fork();
	if (pid == 0)
		_exit(setgroups(ARRAY_SIZE(groups), groups) < 0            ? 2
		      : find(t, tasks_read(t, TASKS_MAX, false), gettid()) ? 0
		                                                           : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 2) /* root in a user namespace may not */
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

static const char dev[] =
	"Inter-|   Receive                            |  Transmit\n"
	" face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets\n"
	"    lo:     100       1    0    0    0     0          0         0 7 7 0 0 0 0 0 0\n"
	"  tap0: 200 2 0 3 0 0 0 0 400 4 0 5 0 0 0 0\n"
	"tap01:9 9 0 9 0 0 0 0 9 9 0 9 0 0 0 0\n";

static void an_interface_is_found_by_its_whole_name(unused void **state)
{
	struct interface_stats s;

	assert_true(interface_parse(dev, "tap0", &s));
	assert_int_equal(s.rx_bytes, 200);
	assert_int_equal(s.rx_packets, 2);
	assert_int_equal(s.rx_dropped, 3);
	assert_int_equal(s.tx_bytes, 400);
	assert_int_equal(s.tx_packets, 4);
	assert_int_equal(s.tx_dropped, 5);
	assert_true(interface_parse(dev, "lo", &s));
	assert_false(interface_parse(dev, "tap", &s));
	assert_false(interface_parse(dev, "", &s));
	assert_false(interface_parse("tap0: 1 2 3\n", "tap0", &s));
	assert_true(interface_read("lo", &s));
	assert_false(interface_read("no such one", &s));
}

static void an_eventfd_can_be_looked_at_without_taking(unused void **state)
{
	int fd = fd_eventfd();

	assert_int_equal(fd_event_peek(fd), 0);
	for (unsigned i = 0; i < 20; i++)
		fd_event_set(fd);
	assert_int_equal(fd_event_peek(fd), 20);
	assert_int_equal(fd_event_take(fd), 20);
	assert_int_equal(fd_event_peek(fd), 0);
	close(fd);
	assert_int_equal(fd_event_peek(fd), 0);
	assert_int_equal(fd_event_peek(-1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(status_and_schedstat_are_read),
		cmocka_unit_test(other_texts_are_no_status),
		cmocka_unit_test(own_threads_are_among_the_tasks),
		cmocka_unit_test(a_thread_of_many_groups_is_found),
		cmocka_unit_test(an_interface_is_found_by_its_whole_name),
		cmocka_unit_test(an_eventfd_can_be_looked_at_without_taking),
	};

	return cmocka_run_group_tests_name("tasks", tests, NULL, NULL);
}
