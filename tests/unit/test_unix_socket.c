/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/core/unix_socket.h"

static char dir[32];
static struct sockaddr_un addr;

static int setup(void **state)
{
	char path[64];

	(void)state;
	strcpy(dir, "/tmp/doorbell-unix-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/socket", dir);
	return unix_address(path, &addr);
}

static int teardown(void **state)
{
	(void)state;
	unlink(addr.sun_path);
	return rmdir(dir);
}

static void paths_that_cannot_be_are_refused(void **state)
{
	struct sockaddr_un a;
	char path[200];

	(void)state;
	memset(path, 'x', sizeof(path));
	path[107] = '\0';
	assert_int_equal(unix_address(path, &a), 0);
	path[107] = 'x';
	path[108] = '\0';
	assert_int_equal(unix_address(path, &a), -ENAMETOOLONG);
	assert_int_equal(unix_address("", &a), -EINVAL);
	assert_non_null(strstr(unix_reason(-ENAMETOOLONG), "107"));
}

static void a_client_finds_who_listens(void **state)
{
	int server = unix_listen(&addr, 1), client = unix_connect(&addr);

	(void)state;
	assert_true(server >= 0 && client >= 0);
	close(client);
	close(server);
	assert_int_equal(unix_connect(&addr), -ECONNREFUSED);
	unlink(addr.sun_path);
	assert_int_equal(unix_connect(&addr), -ENOENT);
}

static void only_the_owner_may_connect(void **state)
{
	int server = unix_listen(&addr, 1);
	struct stat st;

	(void)state;
	assert_int_equal(stat(addr.sun_path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	close(server);
}

static void what_a_dead_listener_left_is_replaced(void **state)
{
	int server = unix_listen(&addr, 1);

	(void)state;
	close(server);
	server = unix_listen(&addr, 1);
	assert_true(server >= 0);
	close(server);
}

static void a_living_listener_is_left_alone(void **state)
{
	int server = unix_listen(&addr, 1);

	(void)state;
	assert_int_equal(unix_listen(&addr, 1), -EADDRINUSE);
	close(server);
}

static void a_file_of_that_name_is_left_alone(void **state)
{
	FILE *f = fopen(addr.sun_path, "w");

	(void)state;
	assert_non_null(f);
	fclose(f);
	assert_int_equal(unix_listen(&addr, 1), -EEXIST);
	assert_int_equal(access(addr.sun_path, F_OK), 0);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(paths_that_cannot_be_are_refused), CASE(a_client_finds_who_listens),
		CASE(only_the_owner_may_connect),       CASE(what_a_dead_listener_left_is_replaced),
		CASE(a_living_listener_is_left_alone),  CASE(a_file_of_that_name_is_left_alone),
	};

	return cmocka_run_group_tests_name("unix_socket", tests, NULL, NULL);
}
