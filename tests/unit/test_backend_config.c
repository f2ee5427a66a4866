/* SPDX-License-Identifier: Apache-2.0 */
/* The words behind doorbell backend: what they make, and one line for each that cannot be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "tests/lib/capture.h"
#include "vmm/backend_config.h"
#include "vmm/core/compiler.h"

#define WORDS_MAX 16

/* @text: words with one space between them. */
static int parse(struct backend_config *cfg, const char *text)
{
	static char copy[256];
	char *argv[WORDS_MAX + 1] = {NULL}, *rest = copy;
	int argc = 0;

	assert_true(strlen(text) < sizeof(copy));
	memcpy(copy, text, strlen(text) + 1);
	while (rest && *rest) {
		assert_true(argc < WORDS_MAX);
		argv[argc++] = strsep(&rest, " ");
	}
	return backend_config_parse(cfg, argc, argv);
}

static void each_socket_begins_a_nic(void **state)
{
	struct backend_config cfg;

	(void)state;
	assert_int_equal(parse(&cfg, "--socket /a --socket /b --net null,queues=2 --stats "
	                             "--socket /c --net echo --timeout 3"),
	                 0);
	assert_int_equal(cfg.nr, 3);
	assert_string_equal(cfg.socket[1], "/b");
	assert_string_equal(cfg.nic[0].kind->name, "user");
	assert_int_equal(cfg.nic[1].queues, 2);
	assert_string_equal(cfg.nic[2].name, "net2");
	assert_true(cfg.common.stats && cfg.common.timeout_s == 3);
	backend_config_free(&cfg);
}

static void queues_is_the_key_of_its_socket(void **state)
{
	struct backend_config cfg;

	(void)state;
	assert_int_equal(parse(&cfg, "--socket /a --queues 3 --net null --socket /b --net null "
	                             "--queues 2 --socket /c --queues 1"),
	                 0);
	assert_int_equal(cfg.nic[0].queues, 3);
	assert_int_equal(cfg.nic[1].queues, 2);
	assert_int_equal(cfg.nic[2].queues, 1);
	backend_config_free(&cfg);
}

static void what_cannot_be_has_one_line(void **state)
{
	static const struct {
		const char *text, *part;
	} cases[] = {
		{"", "no socket given"},
		{"--socket /a more", "options only"},
		{"--socket /a --socket /a", "given twice"},
		{"--net null", "no --socket before it"},
		{"--socket /a --net null --net null", "that has no --net yet"},
		{"--queues 2", "no --socket before it"},
		{"--socket /a --queues 2 --queues 2", "that has no --queues yet"},
		{"--socket /a --queues 0", "a number from 1 to 8"},
		{"--socket /a --queues 9", "a number from 1 to 8"},
		{"--socket /a --queues x", "a number from 1 to 8"},
		{"--socket /a --queues 2", "--net user: queues=2: allowed is 1"},
		{"--socket /a --net null,queues=4 --queues 2", "has queues=4 already"},
		{"--socket /a --net vhost-user,socket=/b", "unknown kind"},
		{"--socket /a --timeout 0", "--timeout"},
	};
	struct backend_config cfg;
	struct capture c;
	int ret;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		CAPTURED(&c, &ret, parse(&cfg, cases[i].text));
		backend_config_free(&cfg);
		assert_int_equal(ret, -EINVAL);
		assert_one_line(&c, cases[i].part);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_socket_begins_a_nic),
		cmocka_unit_test(queues_is_the_key_of_its_socket),
		cmocka_unit_test(what_cannot_be_has_one_line),
	};

	return cmocka_run_group_tests_name("backend_config", tests, NULL, NULL);
}
