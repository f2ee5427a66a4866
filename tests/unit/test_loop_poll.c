/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <sys/epoll.h>

#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"
#include "vmm/core/loop.h"

/* Work in memory: so many looks find something. */
struct work {
	struct loop_poll poll;
	struct loop *loop;
	unsigned due, done, looks, rests;
	unsigned late;      /* comes between the last look and the sleep */
	uint64_t takes_ns;  /* the work itself */
	bool leave;         /* with the first that is done */
	bool fired;         /* a timer has */
	struct loop_fd end; /* an eventfd: the loop ends */
};

static bool work_look(void *arg)
{
	struct work *w = arg;

	w->looks++;
	if (!w->due)
		return false;
	for (const uint64_t from = loop_now_ns();
	     w->takes_ns && loop_now_ns() - from < w->takes_ns;)
		;
	w->due--;
	w->done++;
	if (w->leave)
		loop_poll_stop(w->loop, &w->poll);
	return true;
}

static bool work_rest(void *arg)
{
	struct work *w = arg;

	w->rests++;
	w->due += w->late;
	w->late = 0;
	return w->due == 0;
}

static void on_end(void *arg, unused uint32_t revents)
{
	struct work *w = arg;

	fd_event_take(w->end.fd);
	loop_stop(w->loop);
}

static void on_timer(void *arg)
{
	struct work *w = arg;

	w->fired = true;
}

static int setup(void **state)
{
	static struct work w;

	w = (struct work){.poll = {.look = work_look, .rest = work_rest, .arg = &w}};
	w.end = (struct loop_fd){.fd = fd_eventfd(), .events = EPOLLIN, .fn = on_end, .arg = &w};
	*state = &w;
	if (w.end.fd < 0 || loop_create(&w.loop) < 0)
		return -1;
	return loop_add(w.loop, &w.end);
}

static int teardown(void **state)
{
	struct work *w = *state;

	loop_del(&w->end);
	loop_destroy(w->loop);
	fd_close(&w->end.fd);
	return 0;
}

static struct loop_stats stats_of(const struct work *w)
{
	struct loop_stats s;

	loop_stats(w->loop, &s);
	return s;
}

static void what_is_found_in_memory_wakes_nobody(void **state)
{
	struct work *w = *state;

	w->poll.budget.mode = POLL_ON;
	w->due = 3;
	loop_poll_start(w->loop, &w->poll);
	for (unsigned i = 1; i <= 3; i++) {
		assert_int_equal(loop_turn(w->loop, 1000), 0);
		assert_int_equal(w->done, i);
	}
	assert_int_equal(w->rests, 0);
	assert_int_equal(stats_of(w).polls, 3);
	assert_int_equal(stats_of(w).poll_hits, 3);
	assert_int_equal(stats_of(w).wakeups, 0);
}

/* As for the two ends of a pair. */
static void two_that_share_a_thread_are_both_looked_at(void **state)
{
	struct work *w = *state, other = {.loop = w->loop, .due = 1, .leave = true};

	w->poll.budget.mode = other.poll.budget.mode = POLL_AUTO;
	other.poll = (struct loop_poll){.look = work_look, .rest = work_rest, .arg = &other};
	w->late = 1;
	loop_poll_start(w->loop, &other.poll);
	loop_poll_start(w->loop, &w->poll);
	assert_int_equal(loop_turn(w->loop, -1), 0);
	assert_int_equal(other.rests, 1);
	assert_int_equal(w->rests, 1);
	assert_int_equal(other.done, 1);
	assert_int_equal(w->done, 1);
	w->late = 1;
	assert_int_equal(loop_turn(w->loop, -1), 0); /* the first one has gone */
	assert_int_equal(other.rests, 1);
	assert_int_equal(w->done, 2);
	loop_poll_stop(w->loop, &other.poll);
	loop_poll_stop(w->loop, &w->poll);
}

/* Each is an epoll_wait(), as the kernel sees it. */
static void a_sleep_that_is_not_to_be_is_counted_as_asking(void **state)
{
	struct work *w = *state;
	struct loop_late late = {.fn = on_timer, .arg = w};

	w->poll.budget.mode = POLL_AUTO;
	w->late = 1;
	loop_poll_start(w->loop, &w->poll);
	assert_int_equal(loop_turn(w->loop, -1), 0);
	assert_int_equal(w->done, 1);
	assert_int_equal(stats_of(w).polls, 0);
	assert_int_equal(stats_of(w).poll_asks, 1);
	loop_poll_stop(w->loop, &w->poll);
	assert_int_equal(loop_turn(w->loop, 0), 0);
	assert_int_equal(stats_of(w).poll_asks, 2);
	loop_late_add(w->loop, &late);
	late.at_ns = loop_now_ns() + 200000000;
	assert_int_equal(loop_turn(w->loop, -1), 0); /* it slept */
	assert_int_equal(stats_of(w).poll_asks, 2);
	assert_int_equal(stats_of(w).wakeups, 1);
	loop_late_del(w->loop, &late);
}

/* With POLL_ON it would look for ever. And it is the one that tries whose patience counts. */
static void who_tries_sleeps_when_nothing_comes(void **state)
{
	struct work *w = *state, other = {.loop = w->loop};

	w->poll.budget.mode = POLL_TRY;
	other.poll = (struct loop_poll){
		.look = work_look, .rest = work_rest, .arg = &other, .budget.mode = POLL_AUTO};
	w->late = 1;
	loop_poll_start(w->loop, &other.poll);
	loop_poll_start(w->loop, &w->poll);
	assert_int_equal(loop_turn(w->loop, -1), 0);
	assert_int_equal(w->rests, 1);
	assert_int_equal(w->done, 1);
	assert_true(stats_of(w).polls > 0);
	assert_int_equal(stats_of(w).poll_hits, 0);
	loop_poll_stop(w->loop, &other.poll);
	loop_poll_stop(w->loop, &w->poll);
}

struct again {
	struct loop_hook hook;
	struct loop *loop;
	unsigned times;
};

static void ask_again(void *arg)
{
	struct again *a = arg;

	if (a->times) {
		a->times--;
		loop_again(a->loop);
	}
}

/* What a hook has left to do is no sleep: kicks stay off. */
static void a_turn_that_comes_again_is_no_sleep(void **state)
{
	struct work *w = *state;
	struct again a = {.hook = {.fn = ask_again}, .loop = w->loop, .times = 3};

	a.hook.arg = &a;
	w->poll.budget.mode = POLL_AUTO;
	loop_hook_add(w->loop, &a.hook);
	loop_poll_start(w->loop, &w->poll);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(loop_turn(w->loop, 1000), 0);
	assert_int_equal(w->looks, 3);
	assert_int_equal(w->rests, 0);
	assert_int_equal(loop_turn(w->loop, 1), 0);
	assert_int_equal(w->rests, 1);
	loop_hook_del(w->loop, &a.hook);
}

/* Turns that find work, @nr of them. How often epoll was asked, and might have been by the clock. */
static uint64_t asked_in(struct work *w, unsigned nr, uint64_t *may)
{
	const uint64_t before = stats_of(w).poll_asks, from = loop_now_ns();

	w->due = nr;
	while (w->due)
		assert_true(loop_turn(w->loop, 1000) >= 0);
	*may = (loop_now_ns() - from) / LOOP_ASK_NS + 1;
	return stats_of(w).poll_asks - before;
}

static void epoll_is_asked_by_each_look_unless_all_are_patient(void **state)
{
	struct work *w = *state;
	struct loop_timer t = {.fn = on_timer, .arg = w};
	uint64_t may;

	w->poll.budget.mode = POLL_ON;
	loop_poll_start(w->loop, &w->poll);
	assert_int_equal(asked_in(w, 5000, &may), 5000);
	loop_patient(&w->end, true);
	assert_true(asked_in(w, 5000, &may) <= may);
	loop_patient(&w->end, false);
	assert_int_equal(asked_in(w, 5000, &may), 5000);
	assert_int_equal(loop_set(&w->end, 0), 0); /* muted: it can bring nothing */
	assert_true(asked_in(w, 5000, &may) <= may);
	assert_int_equal(loop_set(&w->end, EPOLLIN), 0);
	assert_int_equal(asked_in(w, 50, &may), 50);
	loop_patient(&w->end, true);
	assert_int_equal(loop_timer_at(w->loop, &t, UINT64_MAX), 0);
	assert_int_equal(asked_in(w, 50, &may), 50);
	loop_timer_rest(&t);
	assert_true(asked_in(w, 5000, &may) <= may);
	assert_int_equal(loop_timer_at(w->loop, &t, loop_now_ns()), 0);
	while (!w->fired)
		asked_in(w, 1, &may);
	assert_true(asked_in(w, 5000, &may) <= may);
	loop_timer_off(&t);
	loop_del(&w->end);
	assert_true(asked_in(w, 5000, &may) <= may);
}

static void what_is_patient_is_found_in_the_end(void **state)
{
	struct work *w = *state;

	w->poll.budget.mode = POLL_ON;
	loop_patient(&w->end, true);
	loop_poll_start(w->loop, &w->poll);
	fd_event_set(w->end.fd);
	assert_int_equal(loop_run(w->loop), 0);
	assert_int_equal(w->rests, 0);
}

/* As loop_call(), which is the same for this. Behind a look that has asked, the next one would not. */
static void who_stops_a_loop_is_not_put_off(void **state)
{
	struct work *w = *state;
	uint64_t may, asks;

	w->poll.budget.mode = POLL_ON;
	loop_patient(&w->end, true);
	loop_poll_start(w->loop, &w->poll);
	asked_in(w, 1, &may);
	asks = stats_of(w).poll_asks;
	loop_stop(w->loop);
	w->due = 1;
	assert_int_equal(loop_turn(w->loop, 1000), 1);
	assert_int_equal(stats_of(w).poll_asks, asks + 1);
}

static void a_descriptor_is_found_while_looking(void **state)
{
	struct work *w = *state;

	w->poll.budget.mode = POLL_ON;
	loop_poll_start(w->loop, &w->poll);
	fd_event_set(w->end.fd);
	assert_int_equal(loop_run(w->loop), 0);
	assert_int_equal(w->rests, 0);
	assert_int_equal(stats_of(w).poll_hits, 1);
	assert_int_equal(stats_of(w).wakeups, 0);
}

static void what_comes_at_the_last_moment_is_done_and_not_slept_over(void **state)
{
	struct work *w = *state;

	w->poll.budget.mode = POLL_AUTO;
	w->late = 1;
	loop_poll_start(w->loop, &w->poll);
	assert_int_equal(loop_turn(w->loop, -1), 0);
	assert_int_equal(w->done, 1);
	assert_int_equal(w->rests, 1);
	assert_int_equal(stats_of(w).polls, 0);
}

static void who_stops_it_while_it_looks_is_not_asked_again(void **state)
{
	struct work *w = *state;

	w->poll.budget.mode = POLL_ON;
	w->leave = true;
	w->due = 2;
	loop_poll_start(w->loop, &w->poll);
	assert_int_equal(loop_turn(w->loop, 0),
	                 0); /* no time to look: it is asked before a sleep */
	assert_int_equal(w->done, 1);
	fd_event_set(w->end.fd);
	assert_int_equal(loop_run(w->loop), 0);
	assert_int_equal(w->looks, 1);
	assert_int_equal(w->rests, 1);
	assert_int_equal(stats_of(w).wakeups, 1);
}

static void a_turn_with_a_limit_ends(void **state)
{
	struct work *w = *state;

	w->poll.budget.mode = POLL_ON;
	loop_poll_start(w->loop, &w->poll);
	assert_int_equal(loop_turn(w->loop, 1), 0);
	assert_true(w->looks > 0);
	assert_int_equal(w->rests, 1);
	assert_int_equal(stats_of(w).poll_hits, 0);
}

static void add_work(void *arg)
{
	struct work *w = arg;

	w->due++;
}

static void calls_and_the_end_reach_a_loop_that_never_sleeps(void **state)
{
	struct work *w = *state;

	w->poll.budget.mode = POLL_ON;
	loop_poll_start(w->loop, &w->poll);
	assert_int_equal(loop_thread_start(w->loop, "poll"), 0);
	for (unsigned i = 0; i < 200; i++)
		loop_call(w->loop, add_work, w);
	loop_thread_stop(w->loop);
	assert_true(w->done >= 199); /* the last may have come with the end */
	assert_int_equal(w->rests, 0);
	assert_int_equal(stats_of(w).wakeups, 0);
}

/* auto: what comes at once makes it look, and when nothing does any more it sleeps. */
static void work_that_comes_soon_is_looked_for_and_then_no_more(void **state)
{
	struct work *w = *state;
	struct loop_timer t = {.fn = on_timer, .arg = w};

	w->poll.budget.mode = POLL_AUTO;
	loop_poll_start(w->loop, &w->poll);
	/* A few are enough where nobody else wants the CPU. */
	for (unsigned i = 0; i < 100000 && !stats_of(w).poll_hits; i++) {
		assert_int_equal(loop_timer_at(w->loop, &t, loop_now_ns() + 20000), 0);
		assert_true(loop_turn(w->loop, -1) >= 0);
	}
	assert_true(stats_of(w).poll_hits > 0);
	loop_timer_off(&t);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(loop_turn(w->loop, 1), 0);
	w->looks = 0;
	assert_int_equal(loop_turn(w->loop, 1), 0);
	assert_int_equal(w->looks, 0);
}

/* What the work takes says nothing of when it came. */
static void long_work_that_was_there_already_is_no_reason_to_look(void **state)
{
	struct work *w = *state;

	w->poll.budget.mode = POLL_AUTO;
	w->takes_ns = 2 * POLL_NONE_NS;
	loop_poll_start(w->loop, &w->poll);
	w->due = 100;
	while (w->due)
		assert_int_equal(loop_turn(w->loop, -1), 0);
	assert_int_equal(stats_of(w).polls, 0);
}

static void on_kick(void *arg, unused uint32_t revents)
{
	struct work *w = arg;

	fd_event_take(w->end.fd);
}

/* Kicks were asked for before the loop slept: one for work that a look has found does not end the next sleep. */
static void a_kick_for_work_that_was_found_ends_no_sleep(void **state)
{
	struct work *w = *state;
	int nr = 0;

	w->end.fn = on_kick;
	w->poll.budget.mode = POLL_AUTO;
	loop_patient(&w->end, true);
	loop_poll_start(w->loop, &w->poll);
	assert_int_equal(loop_turn(w->loop, 1), 0); /* it has slept */
	w->poll.budget.hope = 3;                    /* and looks */
	for (unsigned i = 0; i < 2; i++) {
		w->due = 1;
		fd_event_set(w->end.fd);
		while (w->due)
			nr += loop_turn(w->loop, 1000);
	}
	assert_true(nr > 0);
	assert_int_equal(loop_turn(w->loop, 1), 0);
	assert_int_equal(stats_of(w).wakeups, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(what_is_found_in_memory_wakes_nobody),
		CASE(two_that_share_a_thread_are_both_looked_at),
		CASE(a_sleep_that_is_not_to_be_is_counted_as_asking),
		CASE(who_tries_sleeps_when_nothing_comes),
		CASE(a_turn_that_comes_again_is_no_sleep),
		CASE(epoll_is_asked_by_each_look_unless_all_are_patient),
		CASE(what_is_patient_is_found_in_the_end),
		CASE(who_stops_a_loop_is_not_put_off),
		CASE(a_descriptor_is_found_while_looking),
		CASE(what_comes_at_the_last_moment_is_done_and_not_slept_over),
		CASE(who_stops_it_while_it_looks_is_not_asked_again),
		CASE(a_turn_with_a_limit_ends),
		CASE(calls_and_the_end_reach_a_loop_that_never_sleeps),
		CASE(work_that_comes_soon_is_looked_for_and_then_no_more),
		CASE(a_kick_for_work_that_was_found_ends_no_sleep),
		CASE(long_work_that_was_there_already_is_no_reason_to_look),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
