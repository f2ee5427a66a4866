/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/lib/capture.h"
#include "vmm/control.h"
#include "vmm/core/compiler.h"
#include "vmm/core/loop.h"

struct rig {
	char dir[32], path[64];
	struct loop *loop;
	struct control *control;
};

/* "say" gives the value back, "big" a lot of text, anything else is refused. */
static int answer(unused void *arg, const json_t *request, json_t **result, char *why, size_t size)
{
	const char *command = json_string_value(json_object_get(request, "command"));

	if (command && strcmp(command, "say") == 0) {
		*result = json_copy(json_object_get(request, "value"));
		return 0;
	}
	if (command && strcmp(command, "big") == 0) {
		char *text = calloc(1, 1u << 20);

		memset(text, 'x', (1u << 20) - 1);
		*result = json_string(text);
		free(text);
		return 0;
	}
	snprintf(why, size, "no such command");
	return -EINVAL;
}

static int setup(void **state)
{
	static struct rig r;

	r = (struct rig){.dir = "/tmp/doorbell-test-XXXXXX"};
	assert_non_null(mkdtemp(r.dir));
	snprintf(r.path, sizeof(r.path), "%s/s", r.dir);
	assert_int_equal(loop_create(&r.loop), 0);
	assert_int_equal(control_create(r.path, r.loop, answer, NULL, &r.control), 0);
	assert_int_equal(loop_thread_start(r.loop, "control"), 0);
	*state = &r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	loop_thread_stop(r->loop);
	control_destroy(r->control);
	loop_destroy(r->loop);
	assert_int_equal(access(r->path, F_OK), -1);
	return rmdir(r->dir);
}

static int dial(const struct rig *r)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", r->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* One line without its newline; "" at the end of the connection. */
static const char *line(int fd)
{
	static char buf[2048];
	size_t len = 0;

	while (len < sizeof(buf) - 1 && recv(fd, buf + len, 1, 0) == 1 && buf[len] != '\n')
		len++;
	buf[len] = '\0';
	return buf;
}

static void request_is_answered_with_its_id(void **state)
{
	int fd = dial(*state);

	say(fd, "{\"command\":\"say\",\"value\":[1,2],\"id\":7}\n");
	assert_string_equal(line(fd), "{\"ok\":true,\"result\":[1,2],\"id\":7}");
	say(fd, "{\"command\":\"nope\"}\n");
	assert_string_equal(line(fd), "{\"ok\":false,\"error\":\"no such command\"}");
	close(fd);
}

static void many_requests_in_one_piece_are_answered_in_order(void **state)
{
	int fd = dial(*state);

	say(fd,
	    "{\"command\":\"say\",\"value\":1}\n{\"command\":\"say\",\"value\":2}\n{\"command\":");
	assert_string_equal(line(fd), "{\"ok\":true,\"result\":1}");
	assert_string_equal(line(fd), "{\"ok\":true,\"result\":2}");
	say(fd, "\"say\",\"value\":3}\n");
	assert_string_equal(line(fd), "{\"ok\":true,\"result\":3}");
	close(fd);
}

static void garbage_is_refused_and_the_line_goes_on(void **state)
{
	static const char *const junk[] = {
		"\n",   "nonsense\n",    "[1]\n",     "{\"a\":1,\"a\":2}\n",
		"{]\n", "\"\\ud800\"\n", "\xff\xfe\n"};
	int fd = dial(*state);

	for (size_t i = 0; i < ARRAY_SIZE(junk); i++) {
		say(fd, junk[i]);
		assert_non_null(strstr(line(fd), "\"ok\":false"));
	}
	assert_int_equal(send(fd, "\0\n", 2, MSG_NOSIGNAL), 2);
	assert_non_null(strstr(line(fd), "\"ok\":false"));
	say(fd, "{\"command\":\"say\",\"value\":1}\n");
	assert_string_equal(line(fd), "{\"ok\":true,\"result\":1}");
	close(fd);
}

/* A parser that quotes it cannot be quoted: the client was hung up on. */
static void garbage_whose_error_is_no_utf_8_has_an_answer(void **state)
{
	int fd = dial(*state);

	say(fd, "\"\\u\xdd\x9c\xc7\xcf\xcf\xdd\xf5\xa4\xce]\n");
	assert_string_equal(
		line(fd),
		"{\"ok\":false,\"error\":\"not JSON, and what it is cannot be written as JSON\"}");
	say(fd, "{\"command\":\"say\",\"value\":1}\n");
	assert_string_equal(line(fd), "{\"ok\":true,\"result\":1}");
	close(fd);
}

static void megabyte_without_newline_is_cut_off(void **state)
{
	char block[4096];
	int fd = dial(*state);

	memset(block, 'x', sizeof(block));
	for (unsigned i = 0; i < 256; i++)
		if (send(fd, block, sizeof(block), MSG_NOSIGNAL) < 0)
			break; /* the other side has closed: what we want */
	assert_non_null(strstr(line(fd), "too long"));
	assert_string_equal(line(fd), "");
	close(fd);
}

static void half_a_line_and_a_hang_up_do_no_harm(void **state)
{
	for (unsigned i = 0; i < 100; i++) {
		int fd = dial(*state);

		say(fd, "{\"command\":");
		close(fd);
	}
	request_is_answered_with_its_id(state);
}

static void hundred_clients_are_too_many(void **state)
{
	static const char request[] = "{\"command\":\"say\",\"value\":1}\n";
	int fd[100];
	unsigned refused = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(fd); i++)
		fd[i] = dial(*state);
	for (unsigned i = 0; i < ARRAY_SIZE(fd); i++) {
		/* One that was turned away may be closed already: then the answer is waiting. */
		if (send(fd[i], request, sizeof(request) - 1, MSG_NOSIGNAL) < 0)
			assert_true(errno == EPIPE || errno == ECONNRESET);
		refused += strstr(line(fd[i]), "too many clients") != NULL;
	}
	assert_int_equal(refused, ARRAY_SIZE(fd) - CONTROL_CLIENTS_MAX);
	for (unsigned i = 0; i < ARRAY_SIZE(fd); i++)
		close(fd[i]);
}

static void slow_reader_gets_all_of_a_big_answer(void **state)
{
	int fd = dial(*state), small = 4096;
	size_t total = 0;
	char buf[65536];

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	say(fd, "{\"command\":\"big\"}\n{\"command\":\"say\",\"value\":1}\n");
	/* Another client is served while the first one does not read. */
	request_is_answered_with_its_id(state);
	while (total < (1u << 20) + 22) {
		ssize_t n = recv(fd, buf, min_u64(sizeof(buf), (1u << 20) + 22 - total), 0);

		assert_true(n > 0);
		total += (size_t)n;
	}
	assert_string_equal(line(fd), "");
	assert_string_equal(line(fd), "{\"ok\":true,\"result\":1}");
	close(fd);
}

static void socket_is_private_and_not_taken_twice(void **state)
{
	struct rig *r = *state;
	struct control *second;
	struct capture cap;
	struct stat st;
	int ret;

	assert_int_equal(stat(r->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	CAPTURED(&cap, &ret, control_create(r->path, r->loop, answer, NULL, &second));
	assert_int_equal(ret, -EADDRINUSE);
	assert_one_line(&cap, "another program listens there");
	assert_null(second);
}

static void bad_paths_are_refused(void **state)
{
	struct rig *r = *state;
	struct control *c;
	struct capture cap;
	char file[64], longer[256];
	int ret, fd;

	snprintf(file, sizeof(file), "%s/file", r->dir);
	fd = open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	close(fd);
	CAPTURED(&cap, &ret, control_create(file, r->loop, answer, NULL, &c));
	assert_int_equal(ret, -EEXIST);
	assert_one_line(&cap, "something else of that name");
	assert_int_equal(unlink(file), 0);
	CAPTURED(&cap, &ret, control_create("/nowhere/s", r->loop, answer, NULL, &c));
	assert_int_equal(ret, -ENOENT);
	assert_one_line(&cap, "/nowhere/s");
	CAPTURED(&cap, &ret, control_create("", r->loop, answer, NULL, &c));
	assert_int_equal(ret, -EINVAL);
	assert_one_line(&cap, "the path is empty");
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	CAPTURED(&cap, &ret, control_create(longer, r->loop, answer, NULL, &c));
	assert_int_equal(ret, -ENAMETOOLONG);
	assert_one_line(&cap, "too long");
}

/* A doorbell that was killed leaves its socket behind. */
static void stale_socket_is_replaced(void **state)
{
	struct rig *r = *state;
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct loop *l;
	struct control *c;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/stale", r->dir);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	close(fd);
	assert_int_equal(loop_create(&l), 0);
	assert_int_equal(control_create(addr.sun_path, l, answer, NULL, &c), 0);
	control_destroy(c);
	loop_destroy(l);
	assert_int_equal(access(addr.sun_path, F_OK), -1);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(request_is_answered_with_its_id),
		CASE(many_requests_in_one_piece_are_answered_in_order),
		CASE(garbage_is_refused_and_the_line_goes_on),
		CASE(garbage_whose_error_is_no_utf_8_has_an_answer),
		CASE(megabyte_without_newline_is_cut_off),
		CASE(half_a_line_and_a_hang_up_do_no_harm),
		CASE(hundred_clients_are_too_many),
		CASE(slow_reader_gets_all_of_a_big_answer),
		CASE(socket_is_private_and_not_taken_twice),
		CASE(bad_paths_are_refused),
		CASE(stale_socket_is_replaced),
	};

	return cmocka_run_group_tests_name("control", tests, NULL, NULL);
}
