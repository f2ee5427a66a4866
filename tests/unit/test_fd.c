/* SPDX-License-Identifier: Apache-2.0 */
/* Eventfds that another process shares: what it does to them must not stop us. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <unistd.h>

#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"

/* A test that blocks ends by SIGALRM. */
#define PATIENCE_S 10u

#define FULL (UINT64_MAX - 1)

static int setup(void **state)
{
	static int fd;

	fd = fd_eventfd();
	*state = &fd;
	alarm(PATIENCE_S);
	return fd < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	alarm(0);
	fd_close(*state);
	return 0;
}

static void make_blocking(int fd)
{
	assert_int_equal(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK), 0);
}

static void taking_a_drained_event_does_not_block_when_o_nonblock_was_taken_off(void **state)
{
	const int fd = *(int *)*state;

	make_blocking(fd);
	assert_int_equal(fd_event_take(fd), 0);
	fd_event_set(fd);
	fd_event_set(fd);
	assert_int_equal(fd_event_take(fd), 2);
	assert_int_equal(fd_event_take(fd), 0);
}

static void a_full_event_of_ours_is_left_as_it_is(void **state)
{
	const int fd = *(int *)*state;
	const uint64_t full = FULL;

	assert_int_equal(write(fd, &full, sizeof(full)), sizeof(full));
	fd_event_set(fd);
	assert_true(fd_event_peek(fd) == FULL);
	assert_true(fd_event_take(fd) == FULL);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(taking_a_drained_event_does_not_block_when_o_nonblock_was_taken_off),
		CASE(a_full_event_of_ours_is_left_as_it_is),
	};

	return cmocka_run_group_tests_name("fd", tests, NULL, NULL);
}
