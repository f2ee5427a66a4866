/* SPDX-License-Identifier: Apache-2.0 */
/* VMMs that do not do what they should, with a shell in their place: what is said of them, and that nothing is left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/cmd/net_proc.h"
#include "bench/cmd/net_run.h"
#include "bench/cmd/net_subject.h"
#include "vmm/core/compiler.h"

#define LONG_MS  60000u
#define SHORT_MS 100u

/* What a guest of ours says until it is told to run something. */
#define BOOTED "echo @ready; read net; echo @ok; read features; echo '@ok 0x1'; read run; "

struct rig {
	char dir[64], initrd[80];
	volatile int stop;
	struct bench_env env;
	char why[BENCH_WHY_MAX];
	void *state; /* of the subject, when it is open */
};

static int set_up(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	FILE *initrd;

	assert_non_null(r);
	snprintf(r->dir, sizeof(r->dir), "/tmp/test-bench-peer-XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	snprintf(r->initrd, sizeof(r->initrd), "%s/initrd", r->dir);
	initrd = fopen(r->initrd, "we");
	assert_non_null(initrd);
	assert_int_equal(fclose(initrd), 0);
	r->env = (struct bench_env){.tmp = r->dir,
	                            .self = "/bin/false",
	                            .kernel = "none",
	                            .initrd = r->initrd,
	                            .seconds_div = 1,
	                            .boot_ms = LONG_MS,
	                            .answer_ms = LONG_MS,
	                            .stop = &r->stop};
	*state = r;
	return 0;
}

static int tear_down(void **state)
{
	struct rig *r = *state;
	char command[128];

	/* A program of ours that were left would be a child still. */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	snprintf(command, sizeof(command), "rm -rf %s", r->dir);
	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): a directory of ours */
	free(r);
	return 0;
}

/* With @command as the VMM. Skips where no TAP in a network of our own can be had. */
static int open_peer(struct rig *r, const char *command)
{
	const struct bench_subject *s = &net_subjects[NS_PEER], *alone = &net_subjects[NS_LOOPBACK];

	if (alone->can(&r->env, alone, r->why) < 0 || access("/dev/net/tun", R_OK | W_OK) < 0) {
		print_message("no TAP in a network of our own: /dev/net/tun %s\n", r->why);
		skip();
	}
	r->env.peer_cmd = command;
	return s->open(&r->env, s, &r->state, r->why);
}

static void has(const struct rig *r, const char *part)
{
	if (!strstr(r->why, part))
		fail_msg("'%s' lacks '%s'", r->why, part);
}

/* One round of round trips; then it is closed. */
static int measure(struct rig *r)
{
	static const struct net_work rr = {.work = LOAD_RR, .dir = NET_OUT, .size = 1};
	const struct bench_row row = {.ms = 100, .arg = &rr};
	struct bench_sample s = {0};
	const int ret = net_measure(&r->env, &row, r->state, &s, r->why);

	net_subjects[NS_PEER].close(r->state);
	return ret;
}

static void peer_that_dies_at_once_is_quoted_with_its_status(void **state)
{
	struct rig *r = *state;

	assert_int_equal(open_peer(r, "echo on the console; echo the reason >&2; exit 3"), -EPIPE);
	assert_string_equal(r->why, "it ended before it said @ready (guest0 ended with status 3; "
	                            "console: on the console; standard error: the reason)");
}

static void peer_that_never_says_a_word_hangs(void **state)
{
	struct rig *r = *state;

	r->env.boot_ms = SHORT_MS;
	/* Nobody says anything to it before it is ready. */
	assert_int_equal(open_peer(r, "echo waiting >&2; read never"), -ETIMEDOUT);
	has(r, "it hangs: no @ready within");
}

static void peer_that_floods_its_console_is_ended(void **state)
{
	struct rig *r = *state;

	assert_int_equal(open_peer(r, "exec yes too much"), -EFBIG);
	has(r, "it says too much: over 16 MiB, and no @ready (guest0 console: ");
}

static void peer_that_floods_its_standard_error_fills_no_disk(void **state)
{
	struct rig *r = *state;

	assert_int_equal(open_peer(r, "exec yes too much >&2"), -EFBIG);
	has(r, "standard error: ");
}

static void peer_that_says_the_same_for_ever_is_no_answer(void **state)
{
	struct rig *r = *state;

	assert_int_equal(open_peer(r, "exec yes @ready"), -EFBIG);
	has(r, "and no @ok");
}

/* As a guest of a run of four ended once, and nothing said how. */
static void guest_that_ends_on_the_way_does_not_do_so_without_a_word(void **state)
{
	struct rig *r = *state;

	assert_int_equal(open_peer(r, BOOTED "echo panic; echo triple fault >&2; kill -KILL $$"),
	                 0);
	assert_int_equal(measure(r), -EPIPE);
	has(r, "(guest0 ended by signal 9 (Killed); console: panic; standard error: triple fault)");
}

static void words_without_an_end_are_last_words_too(void **state)
{
	struct rig *r = *state;

	assert_int_equal(open_peer(r, BOOTED "printf 'not syncing'; printf 'cut' >&2"), 0);
	assert_int_equal(measure(r), -EPIPE);
	has(r, "(guest0 ended with status 0; console: not syncing; standard error: cut)");
}

static void guest_that_hangs_on_the_way_is_quoted_and_ended(void **state)
{
	struct rig *r = *state;

	/* Its words are there when the time begins in which the end outside has to answer, too. */
	assert_int_equal(open_peer(r, "echo @ready; read net; echo @ok; read features; "
	                              "printf '@ok 0x1\\nstuck\\n'; read run; read never"),
	                 0);
	r->env.answer_ms = 10 * SHORT_MS;
	assert_int_equal(measure(r), -ETIMEDOUT);
	has(r, "it hangs: no @running");
	has(r, "(guest0 console: stuck)");
}

/* It is the guest that hangs then, and the back end that ended. */
static void whoever_has_ended_is_named_and_not_who_waits(void **state)
{
	struct rig *r = *state;
	struct net_state *s;

	assert_int_equal(open_peer(r, BOOTED "read never"), 0);
	s = r->state;
	kill(s->outer.pid, SIGKILL);
	/* It is dead for sure when a second one waits for it; who takes it is its owner. */
	assert_int_equal(waitid(P_PID, (id_t)s->outer.pid, &(siginfo_t){0}, WEXITED | WNOWAIT), 0);
	assert_int_equal(measure(r), -EPIPE);
	has(r, "(the end outside ended by signal 9 (Killed))");
	assert_null(strstr(r->why, "guest0"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		CASE(peer_that_dies_at_once_is_quoted_with_its_status),
		CASE(peer_that_never_says_a_word_hangs),
		CASE(peer_that_floods_its_console_is_ended),
		CASE(peer_that_floods_its_standard_error_fills_no_disk),
		CASE(peer_that_says_the_same_for_ever_is_no_answer),
		CASE(guest_that_ends_on_the_way_does_not_do_so_without_a_word),
		CASE(words_without_an_end_are_last_words_too),
		CASE(guest_that_hangs_on_the_way_is_quoted_and_ended),
		CASE(whoever_has_ended_is_named_and_not_who_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
