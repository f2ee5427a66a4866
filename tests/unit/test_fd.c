/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors that another process shares, or has given us: what it does to them must not stop us. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/lib/fuse_file.h"
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

/* Is it, of one that is closed here? */
static bool is_local(int fd)
{
	bool local;

	assert_true(fd >= 0);
	local = fd_is_local(fd);
	close(fd);
	return local;
}

static void memory_disks_and_what_is_no_file_end_at_this_kernel(unused void **state)
{
	int s[2], p[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s), 0);
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_true(is_local(s[0]) && is_local(s[1]) && is_local(p[0]) && is_local(p[1]));
	assert_true(is_local(fd_eventfd()));
	assert_true(is_local(memfd_create("m", MFD_CLOEXEC)));
	assert_true(is_local(memfd_create("m", MFD_CLOEXEC | MFD_ALLOW_SEALING)));
	assert_true(is_local(open("/dev/null", O_RDWR | O_CLOEXEC)));
	/* No memory and no disk. */
	assert_false(is_local(open("/proc/self/status", O_RDONLY | O_CLOEXEC)));
}

static void a_file_of_a_server_that_is_silent_is_found_without_asking_it(unused void **state)
{
	struct fuse_file f;

	if (fuse_file_begin(&f) < 0) {
		print_message("%s\n", f.why);
		skip();
	}
	assert_false(fd_is_local(f.fd));
	fuse_file_end(&f);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(taking_a_drained_event_does_not_block_when_o_nonblock_was_taken_off),
		CASE(a_full_event_of_ours_is_left_as_it_is),
		CASE(memory_disks_and_what_is_no_file_end_at_this_kernel),
		CASE(a_file_of_a_server_that_is_silent_is_found_without_asking_it),
	};

	return cmocka_run_group_tests_name("fd", tests, NULL, NULL);
}
