/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of --net user that are refused: one line that names what was given and what is allowed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/lib/capture.h"
#include "tests/lib/net_rig.h"
#include "vmm/core/compiler.h"

static void refuse(const char *keys, const char *named, const char *allowed)
{
	struct capture c;
	struct rig r;
	unsigned fds = count_fds();
	int ret;

	rig_init(&r);
	CAPTURED(&c, &ret, rig_open(&r, "user", keys, 0));
	assert_true(ret < 0);
	assert_null(r.b);
	assert_one_line(&c, named);
	assert_one_line(&c, allowed);
	rig_close(&r);
	assert_int_equal(count_fds(), fds);
}

static void bad_keys_are_named(unused void **state)
{
	static const char *const bad[] = {
		"",
		"tcp",
		"tcp:",
		"tcp::80",
		"tcp::80-",
		"tcp::80-:",
		"tcp::-:80",
		"tcp:80-:80",
		"icmp::80-:80",
		"tcp::0-:80",
		"tcp::80-:0",
		"tcp::65536-:80",
		"tcp::80-:65536",
		"tcp::80-:80x",
		"tcp:localhost:80-:80",
		"tcp:1.2.3:80-:80",
		"tcp::80-:80-:80",
		"tcp:::80-:80",
		"TCP::80-:80",
		"tcp::-80-:80",
		"tcp::+80-:80",
		"tcp-::80:80",
		"tcp:127.0.0.1:80-10.0.2.15:80 with words that make it longer than any of these",
	};
	char keys[256];

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		snprintf(keys, sizeof(keys), "hostfwd=%s", bad[i]);
		refuse(keys, bad[i], "tcp|udp:[ADDR]:PORT-[GUESTADDR]:PORT");
	}
	refuse("hostfwd=tcp::8080-10.0.3.1:80", "10.0.3.1", "10.0.2.0/24");
	refuse("hostfwd=tcp::8080-10.0.2.2:80", "10.0.2.2", "10.0.2.0/24");
	refuse("restrict=maybe", "maybe", "on or off");
	refuse("join=yes", "yes", "on or off");
	refuse("hostname=a b", "a b", "letters");
	refuse("hostname=", "hostname", "letters");
	refuse("tftp=/etc", "tftp", "hostfwd, restrict, ipv6, join, hostname");
}

static void port_in_use_is_named(unused void **state)
{
	uint16_t tcp = 0, udp = 0;
	int st = listen_on(SOCK_STREAM, &tcp), su = listen_on(SOCK_DGRAM, &udp), one = 1;
	char keys[64], port[16];

	snprintf(keys, sizeof(keys), "hostfwd=tcp::%u-:80", tcp);
	snprintf(port, sizeof(port), "port %u", tcp);
	refuse(keys, port, "in use");
	/* libslirp by itself would share this one, and one of the two would hear nothing. */
	setsockopt(su, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	snprintf(keys, sizeof(keys), "hostfwd=udp:127.0.0.1:%u-:80", udp);
	snprintf(port, sizeof(port), "port %u", udp);
	refuse(keys, port, "in use");
	/* Twice the same in one command. */
	close(st);
	snprintf(keys, sizeof(keys), "hostfwd=tcp::%u-:80,hostfwd=tcp::%u-:81", tcp, tcp);
	snprintf(port, sizeof(port), "port %u", tcp);
	refuse(keys, port, "in use");
	refuse("hostfwd=tcp:192.0.2.1:8080-:80", "192.0.2.1", "the host has no such address");
	close(su);
}

static void many_forwards_are_possible_but_not_any_number(unused void **state)
{
	char keys[4096];
	size_t len = 0;
	uint16_t port[33];
	int s[33];

	for (unsigned i = 0; i < 33; i++) {
		port[i] = 0;
		s[i] = listen_on(SOCK_STREAM, &port[i]);
	}
	for (unsigned i = 0; i < 33; i++) {
		struct rig r;

		close(s[i]);
		len += (size_t)snprintf(keys + len, sizeof(keys) - len, "%shostfwd=tcp::%u-:80",
		                        i ? "," : "", port[i]);
		if (i == 31) {
			rig_init(&r);
			assert_int_equal(rig_open(&r, "user", keys, 0), 0);
			rig_close(&r);
		}
	}
	refuse(keys, "hostfwd", "32");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_keys_are_named),
		cmocka_unit_test(port_in_use_is_named),
		cmocka_unit_test(many_forwards_are_possible_but_not_any_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
