/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/serial_reg.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "devices/uart16550.h"
#include "tests/lib/console_rig.h"
#include "vmm/console.h"
#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"
#include "vmm/core/loop.h"

/* ---- output */

static void line_and_its_start_both_arrive(void **state)
{
	struct console_rig *r = *state;

	pipe_as_stdin(r);
	pipe_as_stdout(r);
	begin_guest(r);
	guest_says(r, "Welcome\r\nlogin: ");
	assert_seen(r->far_out, "Welcome\r\nlogin: ");
}

static void rest_is_written_at_the_end(void **state)
{
	struct console_rig *r = *state;

	pipe_as_stdin(r);
	pipe_as_stdout(r);
	make_guest(r); /* the loop never runs */
	guest_says(r, "no newline");
	end_guest(r);
	assert_seen(r->far_out, "no newline");
}

#define STREAM 300000u /* more than buffer and pipe hold */

static void *count_stream(void *arg)
{
	const struct console_rig *r = arg;
	uint8_t buf[1000];
	size_t at = 0;
	ssize_t n;

	while (at < STREAM && (n = read(r->far_out, buf, sizeof(buf))) > 0) {
		for (ssize_t i = 0; i < n; i++, at++)
			if (buf[i] != (uint8_t)at)
				return NULL;
		sched_yield(); /* slow */
	}
	return at == STREAM ? arg : NULL;
}

static void slow_reader_loses_nothing(void **state)
{
	struct console_rig *r = *state;
	pthread_t reader;
	uint64_t dropped;
	void *good = NULL;

	pipe_as_stdin(r);
	pipe_as_stdout(r);
	begin_guest(r);
	assert_int_equal(pthread_create(&reader, NULL, count_stream, r), 0);
	for (unsigned i = 0; i < STREAM; i++)
		uart16550_bus_ops.write(r->u, UART_TX, 1, i & 0xff);
	dropped = console_dropped(r->c);
	end_guest(r);
	assert_int_equal(pthread_join(reader, &good), 0); /* before anything can end this case */
	assert_int_equal(dropped, 0);
	assert_ptr_equal(good, r);
}

#define KICKS 4u

static atomic_uint kicks_taken;

static void on_kick(int sig unused)
{
	atomic_fetch_add(&kicks_taken, 1);
}

struct kicker {
	const struct console_rig *r;
	pthread_t guest;
	atomic_uint written;
};

/*
 * Reads nothing before the guest has been kicked so often while it waits for the reader: few times, as a kick takes
 * several turns of a busy machine, and together they must not reach CONSOLE_PATIENCE_MS.
 */
static void *kick_then_count_stream(void *arg)
{
	struct kicker *k = arg;
	unsigned last = 0;

	for (unsigned waiting = 0; waiting < KICKS; waiting++) {
		const unsigned before = atomic_load(&kicks_taken);
		unsigned written;

		pthread_kill(k->guest, SIGUSR1);
		while (atomic_load(&kicks_taken) == before)
			sched_yield();
		written = atomic_load(&k->written);
		if (written != last || written < CONSOLE_BUFFER)
			waiting = 0;
		last = written;
	}
	return count_stream((void *)(uintptr_t)k->r);
}

/* What vcpu_pause() does to a vCPU that waits in here. */
static void pause_while_the_reader_stalls_loses_nothing(void **state)
{
	struct console_rig *r = *state;
	const struct sigaction kick = {.sa_handler = on_kick};
	struct kicker k = {.r = r, .guest = pthread_self()};
	struct sigaction old;
	pthread_t reader;
	uint64_t dropped;
	void *good = NULL;

	pipe_as_stdin(r);
	pipe_as_stdout(r);
	begin_guest(r);
	assert_int_equal(sigaction(SIGUSR1, &kick, &old), 0);
	assert_int_equal(pthread_create(&reader, NULL, kick_then_count_stream, &k), 0);
	for (unsigned i = 0; i < STREAM; i++) {
		uart16550_bus_ops.write(r->u, UART_TX, 1, i & 0xff);
		atomic_store(&k.written, i);
	}
	dropped = console_dropped(r->c);
	end_guest(r);
	assert_int_equal(pthread_join(reader, &good), 0);
	assert_int_equal(sigaction(SIGUSR1, &old, NULL), 0);
	assert_int_equal(dropped, 0);
	assert_ptr_equal(good, r);
}

static void reader_that_stopped_costs_output_and_not_the_guest(void **state)
{
	struct console_rig *r = *state;
	unsigned written = 0;
	uint8_t byte;

	pipe_as_stdin(r);
	pipe_as_stdout(r);
	begin_guest(r);
	while (console_dropped(r->c) < 1000) /* waits CONSOLE_PATIENCE_MS once */
		uart16550_bus_ops.write(r->u, UART_TX, 1, written++ & 0xff);
	written -= (unsigned)console_dropped(r->c);
	assert_true(written > CONSOLE_BUFFER);
	for (unsigned i = 0; i < written; i++) { /* what came first was kept */
		assert_int_equal(read(r->far_out, &byte, 1), 1);
		assert_int_equal(byte, i & 0xff);
	}
	guest_says(r, "back\n"); /* and the reader's return was noticed */
	assert_seen(r->far_out, "back\n");
}

static void reader_that_is_gone_ends_output_only(void **state)
{
	struct console_rig *r = *state;

	pipe_as_stdin(r);
	pipe_as_stdout(r);
	begin_guest(r);
	fd_close(&r->far_out);
	guest_says(r, "anybody?\n");
	assert_int_equal(console_dropped(r->c), 9);
	guest_says(r, "no\n");
	assert_int_equal(console_dropped(r->c), 12);
	guest_listens(r);
	type(r, "input goes on");
	assert_guest_hears(r, "input goes on");
}

static void flags_of_stdio_are_left_alone(void **state)
{
	struct console_rig *r = *state;

	pipe_as_stdin(r);
	pipe_as_stdout(r);
	begin_guest(r);
	assert_int_equal(fcntl(STDIN_FILENO, F_GETFL) & O_NONBLOCK, 0);
	assert_int_equal(fcntl(STDOUT_FILENO, F_GETFL) & O_NONBLOCK, 0);
}

static void socket_as_stdio_works(void **state)
{
	struct console_rig *r = *state;
	int p[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p), 0);
	r->far_in = p[0];
	r->far_out = fcntl(p[0], F_DUPFD_CLOEXEC, 3);
	assert_int_equal(dup2(p[1], STDOUT_FILENO), STDOUT_FILENO);
	use_as(p[1], STDIN_FILENO);
	begin_guest(r);
	guest_listens(r);
	type(r, "to the guest");
	assert_guest_hears(r, "to the guest");
	guest_says(r, "from the guest");
	assert_seen(r->far_out, "from the guest");
}

/* ---- input */

static void pipe_is_passed_on_as_it_is(void **state)
{
	struct console_rig *r = *state;

	pipe_as_stdin(r);
	pipe_as_stdout(r);
	type(r, "before\n"); /* waits until the guest listens */
	begin_guest(r);
	guest_listens(r);
	assert_guest_hears(r, "before\n");
	type(r, "\001x\001h\001\001 more than the sixteen bytes of a FIFO");
	assert_guest_hears(r, "\001x\001h\001\001 more than the sixteen bytes of a FIFO");
	assert_int_equal(sem_trywait(&r->quit), -1);
}

static void end_of_a_pipe_is_not_the_end_of_the_guest(void **state)
{
	struct console_rig *r = *state;

	pipe_as_stdin(r);
	pipe_as_stdout(r);
	begin_guest(r);
	guest_listens(r);
	type(r, "last words");
	fd_close(&r->far_in);
	assert_guest_hears(r, "last words");
	guest_says(r, "still here\n");
	assert_seen(r->far_out, "still here\n");
	assert_int_equal(sem_trywait(&r->quit), -1);
}

static void file_as_stdin_is_read_to_its_end(void **state)
{
	struct console_rig *r = *state;
	char path[] = "/tmp/doorbell-test-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	for (unsigned i = 0; i < 5000; i++)
		assert_int_equal(write(fd, &(uint8_t){(uint8_t)i}, 1), 1);
	close(fd);
	file_as_stdin(path);
	unlink(path);
	pipe_as_stdout(r);
	begin_guest(r);
	guest_listens(r);
	for (unsigned i = 0; i < 5000; i++)
		assert_int_equal(guest_hears(r), i & 0xff);
}

static void stdin_that_gives_nothing_is_no_error(void **state)
{
	struct console_rig *r = *state;

	file_as_stdin("/dev/null");
	pipe_as_stdout(r);
	begin_guest(r);
	guest_says(r, "fine\n");
	assert_seen(r->far_out, "fine\n");
}

static void closed_stdio_is_no_error(void **state)
{
	struct console_rig *r = *state;

	close(STDIN_FILENO);
	close(STDOUT_FILENO);
	begin_guest(r);
	guest_says(r, "to nobody\n");
	assert_int_equal(console_dropped(r->c), 10);
}

/* ---- a terminal */

static void terminal_is_raw_while_the_guest_has_it(void **state)
{
	struct console_rig *r = *state;
	struct termios before = {0}, after = {0};

	pty_as_stdio(r);
	assert_int_equal(tcgetattr(r->far_in, &before), 0);
	make_guest(r);
	assert_false(is_raw(r->far_in)); /* errors of the set-up still look right */
	assert_int_equal(console_start(r->c), 0);
	assert_true(is_raw(r->far_in));
	end_guest(r);
	assert_int_equal(tcgetattr(r->far_in, &after), 0);
	assert_memory_equal(&before, &after, sizeof(before));
}

static void keys_reach_the_guest(void **state)
{
	struct console_rig *r = *state;

	pty_as_stdio(r);
	begin_guest(r);
	guest_listens(r);
	type(r, "ls\r\003\004\032\001\001");
	assert_guest_hears(r, "ls\r\003\004\032\001");
}

static void ctrl_a_x_ends_also_a_guest_that_never_listens(void **state)
{
	struct console_rig *r = *state;
	char keys[3000];

	memset(keys, 'k', sizeof(keys) - 1);
	keys[sizeof(keys) - 1] = '\0';
	pty_as_stdio(r);
	begin_guest(r);
	type(r, keys);
	type(r, "\001x");
	assert_int_equal(sem_wait(&r->quit), 0);
}

static void ctrl_a_h_prints_help_between_the_output(void **state)
{
	struct console_rig *r = *state;

	pty_as_stdio(r);
	begin_guest(r);
	guest_says(r, "before\n");
	type(r, "\001q\001h");
	assert_seen(r->far_out, "before\n\r\nCtrl-A h       this help\r\n"
	                        "Ctrl-A x       end the guest\r\n"
	                        "Ctrl-A Ctrl-A  send a Ctrl-A to the guest\r\n");
	guest_says(r, "after\n");
	assert_seen(r->far_out, "after\n");
}

static void terminal_that_hangs_up_is_not_the_end_of_the_guest(void **state)
{
	struct console_rig *r = *state;

	pty_as_stdio(r);
	begin_guest(r);
	fd_close(&r->far_in);
	fd_close(&r->far_out);
	guest_says(r, "anybody?\n");
	assert_int_equal(console_dropped(r->c), 9);
	assert_int_equal(sem_trywait(&r->quit), -1);
}

static void restore_without_a_console_is_harmless(void **state unused)
{
	console_restore();
}

static void hurried_restore_leaves_nothing_to_do(void **state)
{
	struct console_rig *r = *state;

	pty_as_stdio(r);
	begin_guest(r);
	assert_true(is_raw(r->far_in));
	console_restore();
	console_restore();
	assert_false(is_raw(r->far_in));
	end_guest(r);
	assert_false(is_raw(r->far_in));
}

/* ---- files */

static void file_gets_the_output(void **state)
{
	struct console_rig *r = *state;
	char path[] = "/tmp/doorbell-test-XXXXXX";
	int fd = mkstemp(path);

	assert_int_equal(write(fd, "what was in it before", 21), 21);
	r->cfg = (struct vm_config){.console = CONSOLE_FILE, .console_path = path};
	begin_guest(r);
	guest_says(r, "one life\n");
	next_life(r);
	guest_says(r, "and the next");
	end_guest(r);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_seen(fd, "one life\nand the next");
	assert_int_equal(lseek(fd, 0, SEEK_END), 21);
	close(fd);
	unlink(path);
}

/* The machine may be refused after the console was opened. */
static void console_that_does_not_start_leaves_the_file_alone(void **state)
{
	struct console_rig *r = *state;
	char path[] = "/tmp/doorbell-test-XXXXXX";
	int fd = mkstemp(path);

	assert_int_equal(write(fd, "old", 3), 3);
	r->cfg = (struct vm_config){.console = CONSOLE_FILE, .console_path = path};
	make_guest(r);
	end_guest(r);
	assert_int_equal(lseek(fd, 0, SEEK_END), 3);
	unlink(path);
	make_guest(r);
	assert_int_equal(access(path, F_OK), 0);
	end_guest(r);
	assert_int_equal(access(path, F_OK), -1);
	close(fd);
}

static void file_that_cannot_be_opened_is_an_error(void **state)
{
	struct console_rig *r = *state;
	char dir[] = "/tmp/doorbell-test-XXXXXX";
	char fifo[64];

	assert_non_null(mkdtemp(dir));
	snprintf(fifo, sizeof(fifo), "%s/fifo", dir);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	r->cfg = (struct vm_config){.console = CONSOLE_FILE, .console_path = dir};
	assert_int_equal(console_create(&r->cfg, r->loop, on_quit, r, &r->c), -EISDIR);
	assert_null(r->c);
	r->cfg.console_path = "/nonexistent/file";
	assert_int_equal(console_create(&r->cfg, r->loop, on_quit, r, &r->c), -ENOENT);
	r->cfg.console_path = fifo;
	assert_int_equal(console_create(&r->cfg, r->loop, on_quit, r, &r->c), -ENXIO);
	unlink(fifo);
	rmdir(dir);
}

static void no_console_is_a_null_that_nobody_minds(void **state)
{
	struct console_rig *r = *state;

	r->cfg.console = CONSOLE_NONE;
	begin_guest(r);
	assert_null(r->c);
	guest_says(r, "unheard\n");
	assert_int_equal(console_dropped(r->c), 0);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, console_rig_setup, console_rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(line_and_its_start_both_arrive),
		CASE(rest_is_written_at_the_end),
		CASE(slow_reader_loses_nothing),
		CASE(pause_while_the_reader_stalls_loses_nothing),
		CASE(reader_that_stopped_costs_output_and_not_the_guest),
		CASE(reader_that_is_gone_ends_output_only),
		CASE(flags_of_stdio_are_left_alone),
		CASE(socket_as_stdio_works),
		CASE(pipe_is_passed_on_as_it_is),
		CASE(end_of_a_pipe_is_not_the_end_of_the_guest),
		CASE(file_as_stdin_is_read_to_its_end),
		CASE(stdin_that_gives_nothing_is_no_error),
		CASE(closed_stdio_is_no_error),
		CASE(terminal_is_raw_while_the_guest_has_it),
		CASE(keys_reach_the_guest),
		CASE(ctrl_a_x_ends_also_a_guest_that_never_listens),
		CASE(ctrl_a_h_prints_help_between_the_output),
		CASE(terminal_that_hangs_up_is_not_the_end_of_the_guest),
		CASE(restore_without_a_console_is_harmless),
		CASE(hurried_restore_leaves_nothing_to_do),
		CASE(file_gets_the_output),
		CASE(console_that_does_not_start_leaves_the_file_alone),
		CASE(file_that_cannot_be_opened_is_an_error),
		CASE(no_console_is_a_null_that_nobody_minds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
