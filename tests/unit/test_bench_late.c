/* SPDX-License-Identifier: Apache-2.0 */
/* What is read behind a run, by a doorbell that takes its time to answer; both ends of the run are shells. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bench/cmd/net_proc.h"
#include "bench/cmd/net_run.h"
#include "bench/cmd/net_subject.h"
#include "vmm/core/fd.h"
#include "vmm/core/unix_socket.h"

#define RUN_MS  100u
#define LONG_MS 60000u

/* All that an end says; what it is told to do it does not do. */
#define END                                                                              \
	"while read -r line; do case $line in *role=server*) echo @listening;; *) echo " \
	"@running;; "                                                                    \
	"esac; echo '@done messages=1 bytes=1 ns=1 frames=1 p50=1 p99=1 p999=1'; done"

struct rig {
	char dir[64];
	volatile int stop;
	struct bench_env env;
	struct net_setup setup;
	struct bench_subject subject;
	struct net_state s;
	char why[BENCH_WHY_MAX];
	/* The doorbell, on a thread of its own; from begin to end of that. */
	int listener;
	unsigned slow_looks; /* so many runs have a second reading that ends behind them */
	unsigned looks;
};

/* The run began before its first look, so that at this time it is over. */
static void wait_until_behind(uint64_t first_look_ns)
{
	const uint64_t ns = first_look_ns + (RUN_MS + 10) * UINT64_C(1000000);
	const struct timespec t = {.tv_sec = (time_t)(ns / 1000000000),
	                           .tv_nsec = (long)(ns % 1000000000)};

	(void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

/* Two requests for each look, two looks for each run; until nobody can come any more. */
static void *be_doorbell(void *arg)
{
	struct rig *r = arg;
	static const char answer[] = "{\"ok\":true,\"result\":{}}\n";
	uint64_t first = 0;
	char line[256];
	int fd;

	while ((fd = accept(r->listener, NULL, NULL)) >= 0) {
		const bool second = r->looks % 2;

		if (!second)
			first = net_now_ns();
		if (second && r->looks / 2 < r->slow_looks)
			wait_until_behind(first);
		while (read(fd, line, sizeof(line)) > 0)
			if (fd_write_all(fd, answer, strlen(answer)) < 0)
				break;
		close(fd);
		r->looks++;
	}
	return NULL;
}

static struct net_proc shell(struct rig *r)
{
	char sh[] = "/bin/sh", c[] = "-c", text[] = END, log[128];
	char *argv[] = {sh, c, text, NULL};
	struct net_proc p;

	snprintf(log, sizeof(log), "%s/log", r->dir);
	assert_int_equal(net_proc_start(&p, &(struct net_spawn){.argv = argv, .log = log}, r->why),
	                 0);
	return p;
}

static int set_up(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct net_state *s;
	struct sockaddr_un addr;

	assert_non_null(r);
	s = &r->s;
	snprintf(r->dir, sizeof(r->dir), "/tmp/test-bench-late-XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	r->env = (struct bench_env){.tmp = r->dir,
	                            .seconds_div = 1,
	                            .boot_ms = LONG_MS,
	                            .answer_ms = LONG_MS,
	                            .stop = &r->stop};
	r->setup = (struct net_setup){.vmm = NET_DOORBELL, .guests = 1};
	r->subject = (struct bench_subject){.name = "pure", .arg = &r->setup};
	*s = (struct net_state){.env = &r->env, .subject = &r->subject};
	s->far = s->backend = s->vm[1] = NET_PROC_NONE;
	s->outer = shell(r);
	s->vm[0] = shell(r);
	s->end[0] = (struct net_end){.p = &s->vm[0], .reach = "here", .port = 1};
	s->end[1] = (struct net_end){.p = &s->outer, .reach = "here", .port = 1};
	snprintf(s->control[0], sizeof(s->control[0]), "%s/s", r->dir);
	assert_int_equal(unix_address(s->control[0], &addr), 0);
	r->listener = unix_listen(&addr, 1);
	assert_true(r->listener >= 0);
	assert_int_equal(fcntl(r->listener, F_SETFL, 0), 0);
	*state = r;
	return 0;
}

static int tear_down(void **state)
{
	struct rig *r = *state;
	char command[128];

	net_proc_end(&r->s.vm[0]);
	net_proc_end(&r->s.outer);
	fd_close(&r->listener);
	snprintf(command, sizeof(command), "rm -rf %s", r->dir);
	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): a directory of ours */
	free(r);
	return 0;
}

/* One round of round trips, of whose runs so many are read too late; how many runs there were. */
static unsigned runs(struct rig *r, unsigned slow)
{
	static const struct net_work rr = {.work = LOAD_RR, .dir = NET_OUT, .size = 1};
	const struct bench_row row = {.ms = RUN_MS, .arg = &rr};
	struct bench_sample sample = {0};
	pthread_t thread;

	r->slow_looks = slow;
	assert_int_equal(pthread_create(&thread, NULL, be_doorbell, r), 0);
	assert_int_equal(net_measure(&r->env, &row, &r->s, &sample, r->why), 0);
	assert_int_equal(shutdown(r->listener, SHUT_RD), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(sample.has & 1u << BM_P50_NS); /* what both ends say themselves */
	return r->s.next_id;
}

/* The CPU time was read in time, and the counts behind it, with a word of the guest's console in them. */
static void a_reading_that_ends_behind_the_run_is_late(void **state)
{
	assert_true(runs(*state, 1) >= 2); /* more on a machine that is late itself */
}

static void a_run_that_is_always_late_is_made_four_times(void **state)
{
	assert_int_equal(runs(*state, 100), 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		CASE(a_reading_that_ends_behind_the_run_is_late),
		CASE(a_run_that_is_always_late_is_made_four_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
