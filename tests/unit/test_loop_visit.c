/* SPDX-License-Identifier: Apache-2.0 */
/* A loop whose thread sleeps, and who does its work meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/epoll.h>

#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"
#include "vmm/core/loop.h"

#define TURNS 2000u

struct rig {
	struct loop *loop;
	unsigned visits, calls, events, seen; /* not atomic: who has the turn writes */
	bool refused;
	struct loop_fd w;
	atomic_bool looked;
};

static int setup(void **state)
{
	static struct rig r;

	r = (struct rig){.w.fd = -1};
	*state = &r;
	if (loop_create(&r.loop) < 0)
		return -1;
	loop_let_visit(r.loop);
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	loop_thread_stop(r->loop);
	loop_del(&r->w);
	fd_close(&r->w.fd);
	loop_destroy(r->loop);
	return 0;
}

static void start(struct rig *r)
{
	assert_int_equal(loop_thread_start(r->loop, "visited"), 0);
}

static void fired(void *arg, unused uint32_t revents)
{
	struct rig *r = arg;

	fd_event_take(r->w.fd);
	r->events++;
}

static void watch(struct rig *r)
{
	r->w = (struct loop_fd){.fd = fd_eventfd(), .events = EPOLLIN, .fn = fired, .arg = r};
	assert_int_equal(loop_add(r->loop, &r->w), 0);
}

static bool visit(void *arg)
{
	struct rig *r = arg;

	r->visits++;
	return true;
}

/* Until the loop sleeps, as it does when there is nothing to do. */
static void visit_by(struct rig *r, bool (*fn)(void *arg))
{
	while (!loop_visit(r->loop, fn, r))
		sched_yield();
}

static void nobody_visits_a_loop_that_does_not_run(void **state)
{
	struct rig *r = *state;

	assert_false(loop_visit(r->loop, visit, r));
	start(r);
	visit_by(r, visit);
	loop_thread_stop(r->loop);
	assert_false(loop_visit(r->loop, visit, r));
	assert_int_equal(r->visits, 1);
}

static void nobody_visits_a_loop_that_was_not_told_to_let_him(void **state)
{
	struct rig *r = *state;
	struct loop *l;

	assert_int_equal(loop_create(&l), 0);
	assert_int_equal(loop_thread_start(l, "alone"), 0);
	for (unsigned i = 0; i < 100; i++)
		assert_false(loop_visit(l, visit, r));
	loop_destroy(l);
}

static void try_from_within(void *arg)
{
	struct rig *r = arg;

	r->refused = !loop_visit(r->loop, visit, r);
}

static void nobody_visits_a_loop_that_is_awake(void **state)
{
	struct rig *r = *state;

	start(r);
	loop_call(r->loop, try_from_within, r);
	assert_true(r->refused);
	assert_int_equal(r->visits, 0);
}

static void hook(unused void *arg)
{
}

static void nobody_visits_a_loop_that_has_to_ask_before_it_sleeps(void **state)
{
	struct rig *r = *state;
	struct loop_hook h = {.fn = hook};

	loop_hook_add(r->loop, &h);
	start(r);
	for (unsigned i = 0; i < 100; i++)
		assert_false(loop_visit(r->loop, visit, r));
	loop_thread_stop(r->loop);
	loop_hook_del(r->loop, &h);
	assert_int_equal(r->visits, 0);
}

static void bump(void *arg)
{
	((struct rig *)arg)->calls++;
}

static bool call_the_loop(void *arg)
{
	struct rig *r = arg;
	const unsigned before = r->calls;

	loop_call(r->loop, bump, r);
	assert_int_equal(r->calls, before + 1);
	return true;
}

static void a_visitor_is_the_thread_of_the_loop(void **state)
{
	struct rig *r = *state;

	start(r);
	visit_by(r, call_the_loop);
	/* And it no longer is: this one is handed over. */
	loop_call(r->loop, try_from_within, r);
	assert_true(r->refused);
	assert_int_equal(r->calls, 1);
}

static bool do_nothing(unused void *arg)
{
	return false;
}

static void a_visitor_may_say_that_it_did_nothing(void **state)
{
	struct rig *r = *state;

	start(r);
	visit_by(r, visit);
	assert_false(loop_visit(r->loop, do_nothing, r));
}

/* The loop's thread may have been told of it by then, and waits for its turn. */
static bool ring_and_remove(void *arg)
{
	struct rig *r = arg;

	fd_event_set(r->w.fd);
	sched_yield();
	loop_del(&r->w);
	fd_close(&r->w.fd);
	return true;
}

static void add_watch(void *arg)
{
	watch(arg);
}

static void what_a_visitor_has_removed_is_not_called(void **state)
{
	struct rig *r = *state;

	start(r);
	for (unsigned i = 0; i < TURNS; i++) {
		loop_call(r->loop, add_watch, r);
		visit_by(r, ring_and_remove);
	}
	loop_thread_stop(r->loop);
	assert_int_equal(r->events, 0);
}

static unsigned waited(const struct rig *r)
{
	struct loop_stats s;

	loop_stats(r->loop, &s);
	return (unsigned)s.turns_waited;
}

/* Rings, and stays until the loop's thread has noticed and waits for its turn. */
static bool ring_and_stay(void *arg)
{
	struct rig *r = arg;
	const unsigned before = waited(r);

	fd_event_set(r->w.fd);
	while (waited(r) == before)
		sched_yield();
	return true;
}

static void the_loop_counts_how_often_it_waited_for_a_visitor(void **state)
{
	struct rig *r = *state;

	watch(r);
	start(r);
	for (unsigned i = 1; i <= 100; i++) {
		visit_by(r, ring_and_stay);
		assert_int_equal(waited(r), i);
		loop_call(r->loop, bump, r);
	}
	loop_thread_stop(r->loop);
	assert_int_equal(waited(r), 100);
	assert_int_equal(r->events, 100);
}

static bool see_events(void *arg)
{
	struct rig *r = arg;

	r->seen = r->events;
	return true;
}

static void a_visitor_does_not_come_before_the_loop_that_waits(void **state)
{
	struct rig *r = *state;

	watch(r);
	start(r);
	for (unsigned i = 1; i <= 100; i++) {
		visit_by(r, ring_and_stay);
		visit_by(r, see_events); /* at once, and the mutex alone would let him */
		assert_int_equal(r->seen, i);
	}
	loop_thread_stop(r->loop);
}

static bool look(void *arg)
{
	struct rig *r = arg;

	atomic_store(&r->looked, true);
	return false;
}

static bool rest(void *arg)
{
	const struct rig *r = arg;

	return r->visits == 0 || atomic_load(&r->looked);
}

static void a_visitor_who_leaves_work_behind_wakes_the_loop(void **state)
{
	struct rig *r = *state;
	struct loop_poll p = {.look = look, .rest = rest, .arg = r, .budget.mode = POLL_AUTO};

	loop_poll_start(r->loop, &p);
	start(r);
	visit_by(r, visit);
	while (!atomic_load(&r->looked))
		sched_yield();
	loop_thread_stop(r->loop);
	loop_poll_stop(r->loop, &p);
}

static void *visit_often(void *arg)
{
	for (unsigned i = 0; i < TURNS; i++)
		visit_by(arg, call_the_loop);
	return NULL;
}

static void visitors_callers_and_the_loop_take_turns(void **state)
{
	struct rig *r = *state;
	pthread_t t[2];

	watch(r);
	start(r);
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++)
		assert_int_equal(pthread_create(&t[i], NULL, visit_often, r), 0);
	for (unsigned i = 0; i < TURNS; i++) {
		fd_event_set(r->w.fd);
		loop_call(r->loop, bump, r);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++)
		assert_int_equal(pthread_join(t[i], NULL), 0);
	loop_thread_stop(r->loop);
	assert_int_equal(r->calls, 3 * TURNS);
	assert_true(r->events > 0);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(nobody_visits_a_loop_that_does_not_run),
		CASE(nobody_visits_a_loop_that_was_not_told_to_let_him),
		CASE(nobody_visits_a_loop_that_is_awake),
		CASE(nobody_visits_a_loop_that_has_to_ask_before_it_sleeps),
		CASE(a_visitor_is_the_thread_of_the_loop),
		CASE(a_visitor_may_say_that_it_did_nothing),
		CASE(what_a_visitor_has_removed_is_not_called),
		CASE(the_loop_counts_how_often_it_waited_for_a_visitor),
		CASE(a_visitor_does_not_come_before_the_loop_that_waits),
		CASE(a_visitor_who_leaves_work_behind_wakes_the_loop),
		CASE(visitors_callers_and_the_loop_take_turns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
