/* SPDX-License-Identifier: Apache-2.0 */
/* What a path named has ended: who is told, and when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/net_rig.h"
#include "vmm/core/name_watch.h"

struct fixture {
	struct loop *loop;
	struct name_watch w;
	char dir[40], path[64];
	unsigned ended, fds;
};

static void on_end(void *arg)
{
	struct fixture *f = arg;

	f->ended++;
}

static int setup(void **state)
{
	static struct fixture f;

	f = (struct fixture){.fds = count_fds(), .dir = "/tmp/doorbell-watch-XXXXXX"};
	if (!mkdtemp(f.dir) || loop_create(&f.loop) < 0)
		return -1;
	snprintf(f.path, sizeof(f.path), "%s/file", f.dir);
	*state = &f;
	return name_watch_init(&f.w, f.loop, on_end, &f);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	name_watch_free(&f->w);
	loop_destroy(f->loop);
	unlink(f->path);
	return rmdir(f->dir) == 0 && count_fds() == f->fds ? 0 : -1;
}

static int make(const struct fixture *f)
{
	int fd = open(f->path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	return fd;
}

/* Events of inotify are there when the call that made them has returned. */
static void turn(struct fixture *f)
{
	while (loop_turn(f->loop, 0) > 0)
		;
}

static void end_is_told_when_name_and_last_descriptor_have_gone(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 1; i <= 3; i++) {
		int fd = make(f);

		assert_int_equal(name_watch_begin(&f->w, f->path), 0);
		fchmod(fd, 0640);
		unlink(f->path);
		turn(f);
		assert_int_equal(f->ended, i - 1);
		close(fd);
		turn(f);
		assert_int_equal(f->ended, i);
	}
}

static void end_of_what_was_watched_before_is_not_told(void **state)
{
	struct fixture *f = *state;

	close(make(f));
	assert_int_equal(name_watch_begin(&f->w, f->path), 0);
	unlink(f->path); /* it is queued */
	close(make(f));
	assert_int_equal(name_watch_begin(&f->w, f->path), 0);
	turn(f);
	assert_int_equal(f->ended, 0);
	name_watch_end(&f->w);
	unlink(f->path);
	turn(f);
	assert_int_equal(f->ended, 0);
}

static void path_that_names_nothing_is_not_watched(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(name_watch_begin(&f->w, f->path), -ENOENT);
	assert_int_equal(name_watch_begin(&f->w, ""), -ENOENT);
	turn(f);
	assert_int_equal(f->ended, 0);
}

static void watch_that_was_never_made_does_nothing(void **state)
{
	struct name_watch none = {.wd = -1};

	(void)state;
	name_watch_end(&none);
	assert_int_equal(name_watch_begin(&none, "/"), -EBADF);
	name_watch_free(&none);
	none = (struct name_watch){.wd = 0};
	name_watch_free(&none);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(end_is_told_when_name_and_last_descriptor_have_gone),
		CASE(end_of_what_was_watched_before_is_not_told),
		CASE(path_that_names_nothing_is_not_watched),
		CASE(watch_that_was_never_made_does_nothing),
	};

	return cmocka_run_group_tests_name("name_watch", tests, NULL, NULL);
}
