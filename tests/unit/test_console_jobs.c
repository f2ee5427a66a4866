/* SPDX-License-Identifier: Apache-2.0 */
/* The terminal of a console whose process dies, is stopped or in the background. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/console_rig.h"
#include "vmm/console.h"
#include "vmm/core/loop.h"

/* A console on the terminal that is stdin, until it is told to end. */
static _Noreturn void be_doorbell(struct console_rig *r, bool crash)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that is ended leaves nothing behind */
	make_guest(r);
	if (console_start(r->c) < 0)
		_exit(10);
	if (crash)
		abort();
	guest_says(r, "up\n");
	_exit(loop_run(r->loop) < 0 ? 11 : 12);
}

static void fatal_signal_gives_the_terminal_back(void **state)
{
	struct console_rig *r = *state;
	int status;
	pid_t pid;

	pty_as_stdio(r);
	pid = fork();
	if (pid == 0)
		be_doorbell(r, true);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
	assert_false(is_raw(r->far_in));
}

/* A job that a shell started, in a group of its own; whether it gets the terminal is the caller's choice. */
static pid_t start_job(struct console_rig *r, bool foreground)
{
	int go[2];
	pid_t pid;

	if (pipe2(go, O_CLOEXEC) < 0)
		_exit(20);
	pid = fork();
	if (pid == 0) {
		char c;

		if (read(go[0], &c, 1) != 1) /* the "shell" has set us up */
			_exit(21);
		be_doorbell(r, false);
	}
	setpgid(pid, pid);
	if (foreground)
		tcsetpgrp(STDIN_FILENO, pid);
	if (write(go[1], "g", 1) != 1)
		_exit(22);
	return pid;
}

/* Only the shell's side of the terminal: 0 when all went as it should, else which step did not. */
static int shell_stops_and_continues(struct console_rig *r)
{
	pid_t job = start_job(r, true);
	int status;

	assert_seen(r->far_out, "up\n");
	if (!is_raw(r->far_in))
		return 1;
	kill(job, SIGTSTP);
	if (waitpid(job, &status, WUNTRACED) != job || !WIFSTOPPED(status))
		return 2;
	if (is_raw(r->far_in))
		return 3;
	kill(job, SIGCONT);
	while (!is_raw(r->far_in))
		sched_yield();
	kill(job, SIGKILL);
	waitpid(job, &status, 0);
	return 0;
}

static int shell_brings_to_the_front(struct console_rig *r)
{
	pid_t job = start_job(r, false);
	int status;

	assert_seen(r->far_out, "up\r\n"); /* not raw: the terminal makes the \r */
	if (is_raw(r->far_in))
		return 1;
	type(r, "for the shell\n");
	tcsetpgrp(STDIN_FILENO, job); /* and no SIGCONT, as it was never stopped */
	while (!is_raw(r->far_in))
		sched_yield();
	kill(job, SIGKILL);
	waitpid(job, &status, 0);
	return 0;
}

static void run_shell(struct console_rig *r, int (*shell)(struct console_rig *r))
{
	int status;
	pid_t pid;

	pty_as_stdio(r);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGTTOU, SIG_IGN); /* as shells do */
		if (setsid() < 0 || ioctl(STDIN_FILENO, TIOCSCTTY, 0) < 0)
			_exit(30);
		_exit(shell(r));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void stopped_job_gives_the_terminal_to_the_shell(void **state)
{
	run_shell(*state, shell_stops_and_continues);
}

static void background_job_leaves_the_terminal_alone(void **state)
{
	run_shell(*state, shell_brings_to_the_front);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, console_rig_setup, console_rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(fatal_signal_gives_the_terminal_back),
		CASE(stopped_job_gives_the_terminal_to_the_shell),
		CASE(background_job_leaves_the_terminal_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
