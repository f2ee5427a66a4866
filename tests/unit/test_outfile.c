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
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"
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
	assert_int_equal(outfile_open(&f, p->file, 0), 0);
	outfile_close(&f);
	assert_int_equal(f.fd, -1);
	assert_has(p->file, "old");
	assert_int_equal(outfile_open(&f, p->file, 0), 0);
	assert_int_equal(outfile_begin(&f), 0);
	assert_int_equal(fd_write_all(f.fd, "n", 1), 0);
	outfile_close(&f);
	assert_has(p->file, "n");
}

static void what_was_made_for_nothing_goes_again(void **state)
{
	const struct place *p = *state;
	struct outfile f;

	assert_int_equal(outfile_open(&f, p->file, 0), 0);
	assert_int_equal(access(p->file, F_OK), 0);
	outfile_close(&f);
	outfile_close(&f);
	assert_int_equal(access(p->file, F_OK), -1);
	assert_int_equal(outfile_open(&f, p->file, 0), 0);
	assert_int_equal(outfile_begin(&f), 0);
	outfile_close(&f);
	assert_has(p->file, "");
}

static void link_to_a_missing_file_makes_it(void **state)
{
	const struct place *p = *state;
	struct outfile f;

	assert_int_equal(symlink(p->file, p->link), 0);
	assert_int_equal(outfile_open(&f, p->link, 0), 0);
	assert_int_equal(outfile_begin(&f), 0);
	outfile_close(&f);
	assert_has(p->file, "");
}

static void what_cannot_be_emptied_is_written_as_it_is(void **state)
{
	struct outfile f;

	(void)state;
	assert_int_equal(outfile_open(&f, "/dev/null", 0), 0);
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

	assert_int_equal(outfile_open(&f, "/nowhere/at/all", 0), -ENOENT);
	assert_int_equal(f.fd, -1);
	assert_int_equal(outfile_open(&f, p->dir, 0), -EISDIR);
	assert_int_equal(mkfifo(p->file, 0600), 0);
	assert_int_equal(outfile_open(&f, p->file, O_NONBLOCK), -ENXIO);
	outfile_close(&f);
	assert_int_equal(access(p->file, F_OK), 0);
}

static void who_takes_it_closes_it(void **state)
{
	const struct place *p = *state;
	struct outfile f;
	int fd;

	assert_int_equal(outfile_open(&f, p->file, 0), 0);
	assert_int_equal(outfile_begin(&f), 0);
	fd = outfile_take(&f);
	outfile_close(&f);
	assert_int_equal(fd_write_all(fd, "x", 1), 0);
	close(fd);
	assert_has(p->file, "x");
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
		CASE(who_takes_it_closes_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
