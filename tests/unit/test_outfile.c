/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"
#include "vmm/core/loop.h"
#include "vmm/core/outfile.h"

struct place {
	char dir[64], file[80], link[80];
};

static int setup(void **state)
{
	static struct place p; /* one case at a time */

	strcpy(p.dir, "/tmp/doorbell-outfile-XXXXXX");
	if (!mkdtemp(p.dir))
		return -1;
	snprintf(p.file, sizeof(p.file), "%s/file", p.dir);
	snprintf(p.link, sizeof(p.link), "%s/link", p.dir);
	*state = &p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;

	unlink(p->file);
	unlink(p->link);
	return rmdir(p->dir);
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
	close(fd);
}

static void assert_has(const char *path, const char *text)
{
	char buf[64] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(read(fd, buf, sizeof(buf) - 1), strlen(text));
	assert_string_equal(buf, text);
	close(fd);
}

static void what_was_in_it_is_lost_only_when_writing_begins(void **state)
{
	const struct place *p = *state;
	struct outfile f;

	put(p->file, "old");
	assert_int_equal(outfile_open(&f, p->file), 0);
	outfile_close(&f);
	assert_int_equal(f.fd, -1);
	assert_has(p->file, "old");
	assert_int_equal(outfile_open(&f, p->file), 0);
	assert_int_equal(outfile_begin(&f), 0);
	assert_int_equal(fd_write_all(f.fd, "n", 1), 0);
	outfile_close(&f);
	assert_has(p->file, "n");
}

static void what_was_made_for_nothing_goes_again(void **state)
{
	const struct place *p = *state;
	struct outfile f;

	assert_int_equal(outfile_open(&f, p->file), 0);
	assert_int_equal(access(p->file, F_OK), 0);
	outfile_close(&f);
	outfile_close(&f);
	assert_int_equal(access(p->file, F_OK), -1);
	assert_int_equal(outfile_open(&f, p->file), 0);
	assert_int_equal(outfile_begin(&f), 0);
	outfile_close(&f);
	assert_has(p->file, "");
}

static void link_to_a_missing_file_makes_it(void **state)
{
	const struct place *p = *state;
	struct outfile f;

	assert_int_equal(symlink(p->file, p->link), 0);
	assert_int_equal(outfile_open(&f, p->link), 0);
	assert_int_equal(outfile_begin(&f), 0);
	outfile_close(&f);
	assert_has(p->file, "");
}

static void what_cannot_be_emptied_is_written_as_it_is(void **state)
{
	struct outfile f;

	(void)state;
	assert_int_equal(outfile_open(&f, "/dev/null"), 0);
	assert_int_equal(outfile_begin(&f), 0);
	outfile_close(&f);
	assert_int_equal(access("/dev/null", F_OK), 0);
	f = OUTFILE_NONE;
	assert_int_equal(outfile_begin(&f), 0);
	outfile_close(&f);
}

static void what_cannot_be_opened_says_why(void **state)
{
	const struct place *p = *state;
	struct outfile f;

	assert_int_equal(outfile_open(&f, "/nowhere/at/all"), -ENOENT);
	assert_int_equal(f.fd, -1);
	assert_int_equal(outfile_open(&f, p->dir), -EISDIR);
	assert_int_equal(mkfifo(p->file, 0600), 0);
	assert_int_equal(outfile_open(&f, p->file), -ENXIO);
	outfile_close(&f);
	assert_int_equal(access(p->file, F_OK), 0);
}

static void stream_writes_and_closes_it(void **state)
{
	const struct place *p = *state;
	struct outfile f;
	FILE *out;

	assert_int_equal(outfile_open(&f, p->file), 0);
	assert_int_equal(outfile_begin(&f), 0);
	out = outfile_stream(&f);
	assert_non_null(out);
	assert_int_equal(f.fd, -1);
	outfile_close(&f);
	fprintf(out, "%s", "text");
	assert_int_equal(fclose(out), 0);
	assert_has(p->file, "text");
}

static void a_fifo_without_a_reader_is_waited_for_until_the_deadline(void **state)
{
	const struct place *p = *state;
	struct outfile f;

	assert_int_equal(mkfifo(p->file, 0600), 0);
	assert_int_equal(outfile_open_by(&f, p->file, loop_now_ns() + 1000000u), -ETIMEDOUT);
	assert_int_equal(f.fd, -1);
	outfile_close(&f);
	assert_int_equal(access(p->file, F_OK), 0);
}

static void *read_all(void *arg)
{
	char buf[64] = "";
	int fd = open(arg, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(read(fd, buf, sizeof(buf) - 1), 4);
	assert_string_equal(buf, "live");
	close(fd);
	return NULL;
}

static void a_reader_who_comes_gets_what_is_written(void **state)
{
	struct place *p = *state;
	struct outfile f;
	pthread_t reader;
	FILE *out;

	assert_int_equal(mkfifo(p->file, 0600), 0);
	assert_int_equal(pthread_create(&reader, NULL, read_all, p->file), 0);
	assert_int_equal(outfile_open_by(&f, p->file, 0), 0);
	assert_int_equal(outfile_begin(&f), 0);
	out = outfile_stream(&f);
	assert_non_null(out);
	fputs("live", out);
	assert_int_equal(fflush(out), 0);
	pthread_join(reader, NULL);
	assert_int_equal(fclose(out), 0);
}

/* @shared: as a standard output is, whose O_NONBLOCK is not ours. The program's time limit is the judge of a wait. */
static void stall(const struct place *p, bool shared)
{
	struct outfile f;
	char buf[4096];
	int reader;
	FILE *out;

	assert_int_equal(mkfifo(p->file, 0600), 0);
	reader = open(p->file, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(reader >= 0);
	assert_true(fcntl(reader, F_SETPIPE_SZ, 4096) >= 4096);
	memset(buf, 'x', sizeof(buf));
	buf[sizeof(buf) - 1] = '\0';
	assert_int_equal(outfile_open(&f, p->file), 0);
	if (shared)
		assert_int_equal(fcntl(f.fd, F_SETFL, 0), 0);
	out = outfile_stream(&f);
	assert_non_null(out);
	fputs("the first", out);
	assert_int_equal(fflush(out), 0);
	do
		fputs(buf, out);
	while (fflush(out) == 0);
	assert_int_equal(errno, ETIMEDOUT);
	assert_non_null(strstr(outfile_strerror(errno), "nobody reads"));
	/* Given up: also for a reader who reads on. */
	while (read(reader, buf, sizeof(buf)) > 0)
		;
	fputs("x", out);
	assert_int_not_equal(fflush(out), 0);
	errno = 0;
	assert_int_not_equal(fclose(out), 0);
	assert_int_equal(errno, ETIMEDOUT);
	close(reader);
}

static void a_reader_who_stalls_is_given_up(void **state)
{
	stall(*state, false);
}

static void a_reader_who_stalls_is_given_up_on_a_blocking_descriptor_too(void **state)
{
	stall(*state, true);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(what_was_in_it_is_lost_only_when_writing_begins),
		CASE(what_was_made_for_nothing_goes_again),
		CASE(link_to_a_missing_file_makes_it),
		CASE(what_cannot_be_emptied_is_written_as_it_is),
		CASE(what_cannot_be_opened_says_why),
		CASE(stream_writes_and_closes_it),
		CASE(a_fifo_without_a_reader_is_waited_for_until_the_deadline),
		CASE(a_reader_who_comes_gets_what_is_written),
		CASE(a_reader_who_stalls_is_given_up),
		CASE(a_reader_who_stalls_is_given_up_on_a_blocking_descriptor_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
