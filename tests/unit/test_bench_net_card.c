/* SPDX-License-Identifier: Apache-2.0 */
/* What the card of a subject says of programs that are not ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/cmd/net_subject.h"
#include "bench/cmd/net_trace.h"
#include "bench/cmd/out.h"
#include "vmm/core/compiler.h"

struct rig {
	char dir[200];
	struct bench_env env;
	struct net_state s;
};

static int set_up(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	assert_int_equal(bench_tmp_make(r->dir, sizeof(r->dir)), 0);
	r->env.tmp = r->dir;
	r->s.env = &r->env;
	r->s.features[0] = 0x130000020;
	*state = r;
	return 0;
}

static int tear_down(void **state)
{
	struct rig *r = *state;

	bench_tmp_remove(r->dir);
	free(r);
	return 0;
}

static void write_file(const struct rig *r, const char *name, const void *data, size_t len,
                       char path[256])
{
	FILE *out;

	snprintf(path, 256, "%s/%s", r->dir, name);
	out = fopen(path, "we");
	assert_non_null(out);
	assert_int_equal(fwrite(data, 1, len, out), len);
	assert_int_equal(fclose(out), 0);
}

/* The member @key of the card of subject @id; "": it has none. */
static const char *said(struct rig *r, enum net_subject_id id, const char *key, char value[200])
{
	char text[1024];
	json_t *card;

	r->s.subject = &net_subjects[id];
	assert_int_equal(net_card(&r->s, text, sizeof(text)), 0);
	card = json_loads(text, 0, NULL);
	assert_true(json_is_object(card));
	assert_string_equal(json_string_value(json_object_get(card, "features")), "0x130000020");
	snprintf(value, 200, "%s",
	         json_object_get(card, key) ? json_string_value(json_object_get(card, key)) : "");
	json_decref(card);
	return value;
}

static void the_guests_kernel_is_named_by_its_release(void **state)
{
	struct rig *r = *state;
	uint8_t image[0x400] = {0};
	char path[256], value[200];

	assert_string_equal(said(r, NS_PURE, "kernel", value), "");
	memcpy(image + 0x202, "HdrS", 4);
	image[0x20f] = 1; /* 0x200 further on */
	memcpy(image + 0x300, "6.1.0-9-amd64 (someone)", 24);
	write_file(r, "vmlinuz", image, sizeof(image), path);
	r->env.kernel = path;
	assert_string_equal(said(r, NS_PURE, "kernel", value), "6.1.0-9-amd64");
	assert_string_equal(said(r, NS_PURE, "vmm", value), ""); /* the results say doorbell's */
}

static void qemu_is_asked_for_its_version(void **state)
{
	static const char script[] = "#!/bin/sh\nprintf 'QEMU 9.9 \\033[31m\"x\"\\ncopyright\\n'\n";
	struct rig *r = *state;
	const char *had = getenv("PATH");
	char path[256], value[200], *before = strdup(had ? had : "/usr/bin:/bin");

	assert_non_null(before);
	write_file(r, "qemu-system-x86_64", script, sizeof(script) - 1, path);
	assert_int_equal(chmod(path, 0755), 0);
	assert_int_equal(setenv("PATH", r->dir, 1), 0);
	said(r, NS_QEMU_TAP, "vmm", value);
	assert_int_equal(setenv("PATH", before, 1), 0);
	free(before);
	assert_string_equal(value, "QEMU 9.9 ?[31m\"x\"");
}

static void dpdk_says_its_version_in_its_log(void **state)
{
	static const char log[] = "EAL: Detected\nEAL: RTE Version: 'DPDK 99.1'\nmore\n";
	struct rig *r = *state;
	char path[256], value[200];

	assert_string_equal(said(r, NS_DPDK, "backend", value), "");
	write_file(r, "vhost-user-dpdk-backend.log", log, sizeof(log) - 1, path);
	assert_string_equal(said(r, NS_DPDK, "backend", value), "'DPDK 99.1'");
}

static void features_of_two_guests_are_one_word_unless_they_differ(void **state)
{
	struct rig *r = *state;
	char text[1024], value[200];

	r->s.features[1] = r->s.features[0];
	said(r, NS_PAIR, "kernel", value);
	r->s.features[1] = 0x20;
	assert_int_equal(net_card(&r->s, text, sizeof(text)), 0);
	assert_non_null(strstr(text, "\"features\":[\"0x130000020\",\"0x20\"]"));
}

static void what_has_no_guest_has_no_card_and_a_card_needs_room(void **state)
{
	struct rig *r = *state;
	char text[1024];

	r->s.subject = &net_subjects[NS_VETH];
	assert_int_equal(net_card(&r->s, text, sizeof(text)), -ENODATA);
	r->s.subject = &net_subjects[NS_PURE];
	assert_int_equal(net_card(&r->s, text, 20), -E2BIG);
}

/* A peer's shell was, and it did nothing. */
static void what_a_shell_runs_is_counted(void **state)
{
	int tids[64], to[2];
	size_t nr, found = 0;
	char *end, line[32] = "";
	pid_t shell, child;

	(void)state;
	assert_int_equal(pipe(to), 0);
	shell = fork();
	assert_true(shell >= 0);
	if (shell == 0) {
		setpgid(0, 0);
		dup2(to[1], 1);
		execl("/bin/sh", "sh", "-c", "sh -c 'echo $$; exec sleep 1000'; true", NULL);
		_exit(127);
	}
	assert_true(read(to[0], line, sizeof(line) - 1) > 0);
	child = (pid_t)strtol(line, &end, 10);
	assert_int_equal(*end, '\n');
	nr = net_trace_threads(shell, tids, ARRAY_SIZE(tids));
	for (size_t i = 0; i < nr; i++)
		found += tids[i] == shell || tids[i] == child;
	kill(-shell, SIGKILL);
	waitpid(shell, NULL, 0);
	close(to[0]);
	close(to[1]);
	assert_int_equal(found, 2);
	assert_int_equal(nr, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		CASE(the_guests_kernel_is_named_by_its_release),
		CASE(qemu_is_asked_for_its_version),
		CASE(dpdk_says_its_version_in_its_log),
		CASE(features_of_two_guests_are_one_word_unless_they_differ),
		cmocka_unit_test(what_a_shell_runs_is_counted),
		CASE(what_has_no_guest_has_no_card_and_a_card_needs_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
