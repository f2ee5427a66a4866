/* SPDX-License-Identifier: Apache-2.0 */
/* What the pipe refuses; how it moves frames is asked of every backend in test_net_contract.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/lib/capture.h"
#include "tests/lib/net_rig.h"
#include "vmm/core/compiler.h"

/* The user's mistake (-EINVAL), one line, nothing left open. */
static void refuse(const char *keys, const char *part)
{
	unsigned fds = count_fds();
	struct capture c;
	struct rig r;
	int ret;

	rig_init(&r);
	CAPTURED(&c, &ret, rig_open(&r, "pipe", keys, 0));
	assert_int_equal(ret, -EINVAL);
	assert_null(r.b);
	assert_one_line(&c, part);
	rig_close(&r);
	assert_int_equal(count_fds(), fds);
}

static void refuse_fd(int fd, const char *part)
{
	char keys[32];

	assert_true(fd >= 0);
	snprintf(keys, sizeof(keys), "fd=%d", fd);
	refuse(keys, keys);
	refuse(keys, part);
	close(fd);
}

static void no_descriptor_is_refused(unused void **state)
{
	refuse("", "pipe needs fd=N");
	refuse("fd=999", "fd=999 is not open");
}

static void descriptor_that_is_no_socketpair_is_refused(unused void **state)
{
	int p[2];

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	refuse_fd(p[0], "is not a socket, needed is one end of a unix socketpair");
	close(p[1]);
	refuse_fd(open("/dev/null", O_RDWR | O_CLOEXEC), "is not a socket");
	refuse_fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "another kind of socket");
	refuse_fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "SOCK_SEQPACKET");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_descriptor_is_refused),
		cmocka_unit_test(descriptor_that_is_no_socketpair_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
