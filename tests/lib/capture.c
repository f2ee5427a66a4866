/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/capture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void capture_begin(struct capture *c)
{
	c->text[0] = '\0';
	c->fd = memfd_create("stderr", MFD_CLOEXEC);
	assert_true(c->fd >= 0);
	c->saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	assert_true(c->saved >= 0);
	assert_true(dup2(c->fd, STDERR_FILENO) >= 0);
}

void capture_end(struct capture *c)
{
	ssize_t n;

	assert_true(dup2(c->saved, STDERR_FILENO) >= 0);
	close(c->saved);
	n = pread(c->fd, c->text, sizeof(c->text) - 1, 0);
	close(c->fd);
	assert_true(n >= 0);
	c->text[n] = '\0';
}

void assert_one_line(const struct capture *c, const char *part)
{
	const char *nl = strchr(c->text, '\n');

	if (strncmp(c->text, "doorbell: ", 10) != 0 || !nl || nl[1] != '\0' ||
	    !strstr(c->text, part))
		fail_msg("expected one log line with '%s', got '%s'", part, c->text);
}

void assert_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("'%s' is not in: %s", part, text);
}
