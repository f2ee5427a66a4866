/* SPDX-License-Identifier: Apache-2.0 */
/* Eventfds whose other holder is hostile: it fills them and takes O_NONBLOCK off while we signal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"
#include "vmm/core/fd_signal.h"

/* A test that blocks ends by SIGALRM. */
#define PATIENCE_S 10u

#define FULL   (UINT64_MAX - 1) /* what write() can make of it */
#define ROUNDS 20000u

static struct fixture {
	struct fd_signal with, without; /* asynchronous I/O */
	int fd;
} f;

static int setup(void **state)
{
	*state = &f;
	f = (struct fixture){.fd = fd_eventfd()};
	alarm(PATIENCE_S);
	return f.fd < 0 || fd_signal_open(&f.with) < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	alarm(0);
	fd_signal_close(&f.with);
	fd_close(&f.fd);
	return 0;
}

static void make_blocking(int fd)
{
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
}

static void fill(int fd)
{
	const uint64_t full = FULL;

	assert_int_equal(write(fd, &full, sizeof(full)), sizeof(full));
}

static void each_signal_adds_one(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 1000; i++) /* far more than can be under way */
		fd_signal_set(&f.with, f.fd);
	assert_int_equal(fd_event_take(f.fd), 1000);
	fd_signal_set(&f.without, f.fd);
	assert_int_equal(fd_event_take(f.fd), 1);
}

static void a_full_event_that_blocks_does_not_hold_us(void **state)
{
	(void)state;
	fill(f.fd);
	make_blocking(f.fd);
	fd_signal_set(&f.without, f.fd);
	assert_true(fd_event_take(f.fd) == FULL);
	fill(f.fd);
	for (unsigned i = 0; i < 3; i++) /* past the largest count, too */
		fd_signal_set(&f.with, f.fd);
	assert_true(fd_event_take(f.fd) == UINT64_MAX);
	fd_signal_set(&f.with, f.fd);
	assert_int_equal(fd_event_take(f.fd), 1);
}

static void who_waits_for_it_is_woken(void **state)
{
	struct epoll_event ev = {.events = EPOLLIN};
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	(void)state;
	assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, f.fd, &ev), 0);
	assert_int_equal(epoll_wait(epoll, &ev, 1, 0), 0);
	fd_signal_set(&f.with, f.fd);
	assert_int_equal(epoll_wait(epoll, &ev, 1, -1), 1);
	close(epoll);
}

static atomic_bool over;

/* Between any two of our instructions the event is made full, and blocking. */
static void *hostile(void *arg)
{
	const uint64_t full = FULL;
	const int fd = *(const int *)arg;

	while (!atomic_load(&over)) {
		fd_set_nonblock(fd);
		if (write(fd, &full, sizeof(full)) < 0)
			fd_event_take(fd);
		make_blocking(fd);
	}
	return NULL;
}

static void nobody_can_fill_it_between_our_lines(void **state)
{
	pthread_t peer;

	(void)state;
	atomic_store(&over, false);
	assert_int_equal(pthread_create(&peer, NULL, hostile, &f.fd), 0);
	for (unsigned i = 0; i < ROUNDS; i++)
		fd_signal_set(&f.with, f.fd);
	atomic_store(&over, true);
	assert_int_equal(pthread_join(peer, NULL), 0);
}

static void *signal_often(void *arg)
{
	for (unsigned i = 0; i < ROUNDS; i++)
		fd_signal_set(&f.with, *(const int *)arg);
	return NULL;
}

static void several_threads_may_signal_at_once(void **state)
{
	struct pollfd p = {.fd = f.fd, .events = POLLIN};
	uint64_t nr = 0;
	pthread_t other;

	(void)state;
	assert_int_equal(pthread_create(&other, NULL, signal_often, &f.fd), 0);
	signal_often(&f.fd);
	assert_int_equal(pthread_join(other, NULL), 0);
	/* What met the other's signal is added by a worker of the kernel, a little later (fs/aio.c, aio_poll_wake()). */
	while (nr < 2 * ROUNDS && poll(&p, 1, 10000) > 0)
		nr += fd_event_take(f.fd);
	assert_int_equal(nr, 2 * ROUNDS);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(each_signal_adds_one),
		CASE(a_full_event_that_blocks_does_not_hold_us),
		CASE(who_waits_for_it_is_woken),
		CASE(nobody_can_fill_it_between_our_lines),
		CASE(several_threads_may_signal_at_once),
	};

	return cmocka_run_group_tests_name("fd_signal", tests, NULL, NULL);
}
