/* SPDX-License-Identifier: Apache-2.0 */
/* The client of the control socket, against a doorbell that says what the test wants. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/capture.h"
#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"
#include "vmm/core/unix_socket.h"
#include "vmm/ctl.h"
#include "vmm/json_file.h"
#include "vmm/run.h"

static void put(int fd, const char *text)
{
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
}

/* What a request gets that is answered with @answer. */
static json_t *result_of(const char *answer, int quit)
{
	json_t *request = json_object(), *result;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	put(pair[1], answer);
	result = ctl_request(pair[0], quit, request);
	json_decref(request);
	close(pair[0]);
	close(pair[1]);
	return result;
}

static void an_answer_without_result_is_one(unused void **state)
{
	json_t *r = result_of("{\"ok\":true}\n", -1);

	assert_true(json_is_null(r));
	json_decref(r);
}

/* The request is answered by nobody, and the signal has come already. */
static void who_wants_to_end_waits_no_longer(unused void **state)
{
	struct capture c;
	json_t *r;
	int quit = fd_eventfd();

	fd_event_set(quit);
	CAPTURED(&c, &r, result_of("", quit));
	assert_null(r);
	assert_one_line(&c, "ctl: no answer");
	CAPTURED(&c, &r, result_of("{\"ok\":true,\"result\":\"late\"}\n", quit));
	assert_string_equal(json_string_value(r), "late"); /* what is there is taken */
	json_decref(r);
	close(quit);
}

static void a_peer_that_calls_itself_otherwise_is_told(unused void **state)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_true(ctl_is_peer(pair[0], getpid()));
	assert_false(
		ctl_is_peer(pair[0], getpid() == 1 ? 2 : 1)); /* as in a namespace of its own */
	assert_false(ctl_is_peer(pair[0], 0));                /* or has said nothing */
	close(pair[0]);
	close(pair[1]);
}

static void assert_prints(json_t *value, const char *expected)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_int_equal(json_print(value, out), 0);
	fclose(out);
	assert_string_equal(text, expected);
	free(text);
	json_decref(value);
}

static void every_value_is_printed_as_it_was_written(unused void **state)
{
	assert_prints(json_string("text"), "\"text\"\n");
	assert_prints(json_integer(7), "7\n");
	assert_prints(json_real(30303070 / 1e9), "0.03030307\n");
}

/* The second request of two goes to a socket that the other side has closed. */
static void a_doorbell_that_ends_between_two_requests_is_named(unused void **state)
{
	char dir[] = "/tmp/doorbell-ctl-XXXXXX", path[64], line[64];
	char *argv[] = {path, (char[]){"-"}, NULL};
	struct sockaddr_un addr;
	int in[2], status, listener, null, fd;
	pid_t pid;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);
	assert_int_equal(unix_address(path, &addr), 0);
	listener = unix_listen(&addr, 1);
	assert_true(listener >= 0);
	assert_int_equal(fcntl(listener, F_SETFL, 0), 0);
	assert_int_equal(pipe(in), 0);
	pid = fork();
	if (pid == 0) {
		signal(SIGPIPE, SIG_DFL);
		close(in[1]);
		dup2(in[0], STDIN_FILENO);
		null = open("/dev/null", O_WRONLY | O_CLOEXEC);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		exit(cmd_ctl(2, argv));
	}
	fd = accept(listener, NULL, NULL);
	assert_true(fd >= 0);
	put(in[1], "{}\n");
	assert_int_equal(read(fd, line, sizeof(line)), 3);
	put(fd, "{\"ok\":true}\n");
	close(fd);
	put(in[1], "{}\n");
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 1);
	close(in[0]);
	close(in[1]);
	close(listener);
	unlink(path);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_without_result_is_one),
		cmocka_unit_test(who_wants_to_end_waits_no_longer),
		cmocka_unit_test(a_peer_that_calls_itself_otherwise_is_told),
		cmocka_unit_test(every_value_is_printed_as_it_was_written),
		cmocka_unit_test(a_doorbell_that_ends_between_two_requests_is_named),
	};

	return cmocka_run_group_tests_name("ctl", tests, NULL, NULL);
}
