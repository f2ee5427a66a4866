/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <slirp/libslirp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/slirp_fds.h"
#include "tests/lib/capture.h"
#include "vmm/core/compiler.h"

struct fixture {
	struct loop *loop;
	struct slirp_fds *fds;
	int pair[2]; /* pair[0] is watched */
	struct loop_hook hook;
	unsigned turns;
};

/* The loop is run for one batch: the hook before the second wait ends it. */
static void before_wait(void *arg)
{
	struct fixture *f = arg;

	if (f->turns++ == 1)
		loop_stop(f->loop);
}

static void set_up(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	assert_int_equal(loop_create(&f->loop), 0);
	f->fds = calloc(1, sizeof(*f->fds));
	assert_non_null(f->fds);
	f->fds->loop = f->loop;
	f->hook = (struct loop_hook){.fn = before_wait, .arg = f};
	loop_hook_add(f->loop, &f->hook);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, f->pair), 0);
}

static void tear_down(struct fixture *f)
{
	slirp_fds_drop_all(f->fds);
	assert_int_equal(f->fds->nr, 0);
	close(f->pair[0]);
	close(f->pair[1]);
	loop_destroy(f->loop);
	free(f->fds);
}

static int one_round(struct fixture *f, int fd, int events)
{
	int index;

	slirp_fds_begin(f->fds);
	index = slirp_fds_add(f->fds, fd, events);
	slirp_fds_end(f->fds);
	return index;
}

static void events_are_told_once(unused void **state)
{
	struct fixture f;
	int i;

	set_up(&f);
	i = one_round(&f, f.pair[0], SLIRP_POLL_IN | SLIRP_POLL_HUP | SLIRP_POLL_ERR);
	assert_true(i >= 0);
	assert_int_equal(send(f.pair[1], "x", 1, 0), 1);
	assert_int_equal(loop_run(f.loop), 0);
	assert_true(f.fds->ready);
	assert_int_equal(slirp_fds_revents(f.fds, i), SLIRP_POLL_IN);
	assert_int_equal(slirp_fds_revents(f.fds, i), 0);
	tear_down(&f);
}

static void number_of_a_closed_socket_is_watched_anew(unused void **state)
{
	struct fixture f;
	int old, i, other[2];

	set_up(&f);
	old = f.pair[0];
	assert_true(one_round(&f, old, SLIRP_POLL_IN) >= 0);
	/* libslirp: unregister, close, and the next connection gets the number; all before a fill. */
	slirp_fds_drop(f.fds, old);
	close(old);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, other), 0);
	assert_int_equal(other[0], old);
	i = one_round(&f, old, SLIRP_POLL_IN);
	assert_int_equal(send(other[1], "x", 1, 0), 1);
	assert_int_equal(loop_run(f.loop), 0);
	assert_int_equal(slirp_fds_revents(f.fds, i), SLIRP_POLL_IN);
	close(other[1]);
	tear_down(&f);
}

static void socket_closed_behind_our_back_is_watched_when_its_events_differ(unused void **state)
{
	struct fixture f;
	int old, i, other[2];

	set_up(&f);
	old = f.pair[0];
	assert_true(one_round(&f, old, SLIRP_POLL_IN) >= 0);
	close(old);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, other), 0);
	assert_int_equal(other[0], old);
	i = one_round(&f, old, SLIRP_POLL_OUT);
	assert_true(i >= 0);
	assert_int_equal(loop_run(f.loop), 0);
	assert_int_equal(slirp_fds_revents(f.fds, i), SLIRP_POLL_OUT);
	close(other[1]);
	tear_down(&f);
}

static void what_is_not_added_again_is_dropped(unused void **state)
{
	struct fixture f;
	int fd[64];

	set_up(&f);
	for (unsigned i = 0; i < 64; i++) {
		fd[i] = fcntl(f.pair[0], F_DUPFD_CLOEXEC, 0);
		assert_true(fd[i] >= 0);
	}
	for (unsigned step = 1; step < 9; step++) {
		unsigned nr = 0;

		slirp_fds_begin(f.fds);
		for (unsigned i = 0; i < 64; i += step, nr++)
			assert_int_equal(slirp_fds_add(f.fds, fd[i], SLIRP_POLL_IN), fd[i]);
		slirp_fds_end(f.fds);
		assert_int_equal(f.fds->nr, nr);
		for (unsigned i = 0; i < 64; i++)
			assert_int_equal(f.fds->fd[fd[i]].watch.loop != NULL, i % step == 0);
	}
	/* One by one, in any order, some twice. */
	for (unsigned i = 0; i < 128; i++)
		slirp_fds_drop(f.fds, fd[i * 5 % 64]);
	assert_int_equal(f.fds->nr, 0);
	for (unsigned i = 0; i < 64; i++)
		close(fd[i]);
	tear_down(&f);
}

static void descriptor_out_of_range_is_not_watched(unused void **state)
{
	struct capture c;
	struct fixture f;
	int ret;

	set_up(&f);
	CAPTURED(&c, &ret, one_round(&f, SLIRP_FDS, SLIRP_POLL_IN));
	assert_int_equal(ret, -1);
	CAPTURED(&c, &ret, one_round(&f, -1, SLIRP_POLL_IN));
	assert_int_equal(ret, -1);
	assert_one_line(&c, "cannot be watched");
	slirp_fds_drop(f.fds, -1);
	slirp_fds_drop(f.fds, SLIRP_FDS);
	assert_int_equal(slirp_fds_revents(f.fds, -1), 0);
	assert_int_equal(slirp_fds_revents(f.fds, SLIRP_FDS), 0);
	tear_down(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_are_told_once),
		cmocka_unit_test(number_of_a_closed_socket_is_watched_anew),
		cmocka_unit_test(socket_closed_behind_our_back_is_watched_when_its_events_differ),
		cmocka_unit_test(what_is_not_added_again_is_dropped),
		cmocka_unit_test(descriptor_out_of_range_is_not_watched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
