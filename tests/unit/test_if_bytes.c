/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/if_bytes.h"
#include "tests/lib/net_rig.h"
#include "vmm/core/compiler.h"

static bool send_to_ourselves(size_t len)
{
	static const uint8_t text[1000];
	const struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons(9), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	const int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	bool ok = s >= 0 && sendto(s, text, len, 0, (const void *)&to, sizeof(to)) == (ssize_t)len;

	if (s >= 0)
		close(s);
	return ok;
}

static void what_passes_is_counted_both_ways(unused void **state)
{
	const unsigned before = count_fds();
	struct if_bytes b;
	uint64_t was;

	assert_int_equal(if_bytes_open(&b, "lo"), 0);
	was = if_bytes_read(&b);
	assert_true(send_to_ourselves(1000));
	assert_true(if_bytes_read(&b) >= was + 2 * 1000);
	if_bytes_close(&b);
	if_bytes_close(&b);
	assert_int_equal(count_fds(), before);
}

enum { FINE, MISCOUNTED = 40, NO_NAMESPACE };

/* In a network namespace of our own, with the /sys of the other one. */
static int count_elsewhere(void)
{
	struct ifreq up = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	struct if_bytes b;
	uint64_t was, now;
	int s;

	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return NO_NAMESPACE;
	s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s < 0 || ioctl(s, SIOCSIFFLAGS, &up) < 0)
		return NO_NAMESPACE;
	if (if_bytes_open(&b, "lo") < 0)
		return MISCOUNTED;
	was = if_bytes_read(&b);
	if (!send_to_ourselves(1000))
		return MISCOUNTED;
	now = if_bytes_read(&b);
	/* Nobody else sends here; the answer that nobody listens has the first bytes of it. */
	return was < 200 && now >= was + 2 * 1000 && now < was + 2 * 2000 ? FINE : MISCOUNTED;
}

static void interfaces_are_those_of_this_network_namespace(unused void **state)
{
	const pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(count_elsewhere());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == NO_NAMESPACE) {
		print_message("no network namespace of our own\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), FINE);
}

static void an_interface_that_is_not_there_leaves_nothing_open(unused void **state)
{
	const unsigned before = count_fds();
	struct if_bytes b;

	assert_int_equal(if_bytes_open(&b, "not/there"), -ENODEV);
	assert_int_equal(count_fds(), before);
	assert_int_equal(if_bytes_read(&b), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_passes_is_counted_both_ways),
		cmocka_unit_test(interfaces_are_those_of_this_network_namespace),
		cmocka_unit_test(an_interface_that_is_not_there_leaves_nothing_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
