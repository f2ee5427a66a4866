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
#include <unistd.h>

#include "tests/lib/net_rig.h"
#include "vmm/core/listener.h"
#include "vmm/core/unix_socket.h"

static struct loop *loop;
static struct listener listener;
static char dir[32];
static struct sockaddr_un addr;
static unsigned fds_before, clients;

static void taken(void *arg, int fd)
{
	(void)arg;
	clients++;
	close(fd);
}

static int setup(void **state)
{
	char path[64];

	(void)state;
	clients = 0;
	fds_before = count_fds();
	strcpy(dir, "/tmp/doorbell-ln-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/socket", dir);
	if (unix_address(path, &addr) < 0 || loop_create(&loop) < 0)
		return -1;
	listener_init(&listener, loop, taken, NULL);
	return listener_open(&listener, &addr, 4);
}

static int teardown(void **state)
{
	(void)state;
	listener_close(&listener);
	loop_destroy(loop);
	return rmdir(dir) == 0 && count_fds() == fds_before ? 0 : -1;
}

static void turn_until(unsigned nr)
{
	while (clients < nr)
		assert_true(loop_turn(loop, 1000) >= 0);
}

static void clients_are_taken_while_it_is_on(void **state)
{
	int a = unix_connect(&addr), b;

	(void)state;
	assert_int_equal(loop_turn(loop, 0), 0);
	listener_on(&listener);
	turn_until(1);
	listener_off(&listener);
	b = unix_connect(&addr);
	assert_true(a >= 0 && b >= 0);
	assert_int_equal(loop_turn(loop, 0), 0); /* in the backlog */
	listener_on(&listener);
	turn_until(2);
	close(a);
	close(b);
}

static void a_client_without_a_descriptor_for_it_does_not_spin_the_loop(void **state)
{
	int client = unix_connect(&addr);
	rlim_t was = limit_fds(0);

	(void)state;
	listener_on(&listener);
	for (unsigned i = 0; i < 3; i++) {
		/* The socket is readable, and looked at once; then the loop sleeps until the timer ends it. */
		assert_int_equal(loop_turn(loop, 1000), 1);
		assert_int_equal(listener.watch.events, 0);
		assert_int_equal(loop_turn(loop, 1000), 1);
		assert_int_not_equal(listener.watch.events, 0);
	}
	assert_int_equal(clients, 0);
	limit_fds(was);
	turn_until(1);
	close(client);
}

static void one_that_rests_can_be_switched_off(void **state)
{
	int client = unix_connect(&addr);
	rlim_t was = limit_fds(0);

	(void)state;
	listener_on(&listener);
	assert_int_equal(loop_turn(loop, 1000), 1);
	listener_off(&listener);
	limit_fds(was);
	assert_false(listener.rest.armed);
	assert_int_equal(loop_turn(loop, 0), 0);
	listener_on(&listener);
	turn_until(1);
	close(client);
}

static void what_cannot_be_listened_at_leaves_nothing_behind(void **state)
{
	struct listener second;

	(void)state;
	listener_init(&second, loop, taken, NULL);
	assert_int_equal(listener_open(&second, &addr, 1), -EADDRINUSE);
	assert_false(listener_is_open(&second));
	listener_on(&second);
	listener_off(&second);
	listener_close(&second);
	assert_int_equal(access(addr.sun_path, F_OK), 0); /* that of the first */
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(clients_are_taken_while_it_is_on),
		CASE(a_client_without_a_descriptor_for_it_does_not_spin_the_loop),
		CASE(one_that_rests_can_be_switched_off),
		CASE(what_cannot_be_listened_at_leaves_nothing_behind),
	};

	return cmocka_run_group_tests_name("listener", tests, NULL, NULL);
}
