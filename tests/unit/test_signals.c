/* SPDX-License-Identifier: Apache-2.0 */
/* Each case asks a process of its own, which a signal may end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmm/core/compiler.h"
#include "vmm/core/log.h"
#include "vmm/core/loop.h"
#include "vmm/signals.h"

enum { AS_EVENT = 40, NOT_AT_ALL, NOT_SET_UP };

static void on_end(void *arg)
{
	loop_stop(arg);
}

static _Noreturn void child(int signo, bool ignored)
{
	struct signals s = SIGNALS_NONE;
	struct pollfd pfd = {.events = POLLIN};
	struct loop *l;

	log_set_verbosity(0, true);
	if (ignored)
		signal(signo, SIG_IGN);
	if (loop_create(&l) < 0 || signals_begin(&s, l, on_end, l) < 0)
		_exit(NOT_SET_UP);
	kill(getpid(), signo);
	pfd.fd = s.watch.fd;
	if (poll(&pfd, 1, 0) == 1)
		loop_run(l);
	_exit(s.signo == signo ? AS_EVENT : NOT_AT_ALL);
}

/* The wait status of a process that is sent @signo. */
static int sent(int signo, bool ignored)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		child(signo, ignored);
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	if (WIFSTOPPED(status)) {
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
	}
	return status;
}

/* What ends a process that has done nothing about it. */
static bool ends_a_process(int signo)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		signal(signo, SIG_DFL);
		kill(getpid(), signo);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	if (!WIFSTOPPED(status))
		return WIFSIGNALED(status);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	return false;
}

static bool has_its_own_handling(int signo)
{
	static const int own[] = {SIGKILL, SIGABRT, SIGBUS,  SIGFPE,  SIGILL,
	                          SIGSEGV, SIGSYS,  SIGTRAP, SIGPIPE, SIGXFSZ};

	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		if (own[i] == signo)
			return true;
	return signo >= __SIGRTMIN && signo <= SIGRTMIN;
}

static void every_signal_that_ends_a_process_is_an_event(unused void **state)
{
	unsigned nr = 0;

	for (int signo = 1; signo <= SIGRTMAX; signo++) {
		int status;

		if (has_its_own_handling(signo) || !ends_a_process(signo))
			continue;
		status = sent(signo, false);
		if (!WIFEXITED(status) || WEXITSTATUS(status) != AS_EVENT)
			fail_msg("signal %d (%s): wait status %#x", signo, strsignal(signo),
			         (unsigned)status);
		nr++;
	}
	assert_true(nr > 40);
}

static void signal_that_was_ignored_stays_ignored(unused void **state)
{
	assert_int_equal(WEXITSTATUS(sent(SIGHUP, true)), NOT_AT_ALL);
	assert_int_equal(WEXITSTATUS(sent(SIGRTMAX, true)), NOT_AT_ALL);
}

static void job_control_and_what_ends_nothing_are_left_alone(unused void **state)
{
	static const int harmless[] = {SIGCHLD, SIGURG, SIGWINCH, SIGCONT, SIGPIPE, SIGXFSZ};

	for (size_t i = 0; i < ARRAY_SIZE(harmless); i++)
		assert_int_equal(WEXITSTATUS(sent(harmless[i], false)), NOT_AT_ALL);
	assert_true(WIFSTOPPED(sent(SIGSTOP, false)));
	assert_true(WIFSIGNALED(sent(SIGRTMIN, false))); /* without a vCPU, whose it is */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_signal_that_ends_a_process_is_an_event),
		cmocka_unit_test(signal_that_was_ignored_stays_ignored),
		cmocka_unit_test(job_control_and_what_ends_nothing_are_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
