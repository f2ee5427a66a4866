/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "tests/lib/net_rig.h"
#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"
#include "vmm/core/loop.h"

/* A watched eventfd that counts its calls and may do something in them. */
struct watched {
	struct loop_fd w;
	struct loop *loop;
	unsigned calls;
	void (*then)(struct watched *me);
	struct watched *other;
};

static void fired(void *arg, unused uint32_t revents)
{
	struct watched *me = arg;

	me->calls++;
	if (me->then)
		me->then(me);
}

static void watch(struct watched *me, struct loop *l)
{
	me->loop = l;
	me->w = (struct loop_fd){.fd = fd_eventfd(), .events = EPOLLIN, .fn = fired, .arg = me};
	assert_true(me->w.fd >= 0);
	assert_int_equal(loop_add(l, &me->w), 0);
}

static void unwatch(struct watched *me)
{
	loop_del(&me->w);
	fd_close(&me->w.fd);
}

static int setup(void **state)
{
	struct loop *l;
	int ret = loop_create(&l);

	*state = l;
	return ret;
}

static int teardown(void **state)
{
	loop_destroy(*state);
	return 0;
}

static void stop_me(struct watched *me)
{
	fd_event_take(me->w.fd);
	loop_stop(me->loop);
}

static void event_is_dispatched_and_stop_ends(void **state)
{
	struct watched a = {.then = stop_me};

	watch(&a, *state);
	fd_event_set(a.w.fd);
	assert_int_equal(loop_run(*state), 0);
	assert_int_equal(a.calls, 1);
	assert_int_equal(loop_wakeups(*state), 1);
	unwatch(&a);
}

static void remove_other_and_stop(struct watched *me)
{
	if (me->other)
		loop_del(&me->other->w);
	loop_stop(me->loop);
}

/* Both are ready in one batch; whoever comes first removes the other one. */
static void watch_removed_in_the_same_batch_is_not_called(void **state)
{
	struct watched a = {.then = remove_other_and_stop}, b = {.then = remove_other_and_stop};

	a.other = &b;
	b.other = &a;
	watch(&a, *state);
	watch(&b, *state);
	fd_event_set(a.w.fd);
	fd_event_set(b.w.fd);
	assert_int_equal(loop_run(*state), 0);
	assert_int_equal(a.calls + b.calls, 1);
	unwatch(&a);
	unwatch(&b);
}

static void muted_watch_is_silent(void **state)
{
	struct watched a = {0}, b = {.then = stop_me};

	watch(&a, *state);
	watch(&b, *state);
	assert_int_equal(loop_set(&a.w, 0), 0);
	fd_event_set(a.w.fd);
	fd_event_set(b.w.fd);
	assert_int_equal(loop_run(*state), 0);
	assert_int_equal(a.calls, 0);
	unwatch(&a);
	unwatch(&b);
}

static void hung_up(void *arg, uint32_t revents)
{
	unsigned *calls = arg;

	(void)revents;
	++*calls;
}

/* epoll tells of a hang-up also who did not ask: the loop span. */
static void muted_watch_is_silent_when_the_other_side_hangs_up(void **state)
{
	struct watched b = {.then = stop_me};
	unsigned calls = 0;
	struct loop_fd w = {.events = 0, .fn = hung_up, .arg = &calls};
	int fds[2];

	assert_int_equal(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
	w.fd = fds[0];
	assert_int_equal(loop_add(*state, &w), 0);
	fd_close(&fds[1]);
	watch(&b, *state);
	fd_event_set(b.w.fd);
	assert_int_equal(loop_run(*state), 0);
	assert_int_equal(calls, 0);
	assert_int_equal(loop_set(&w, EPOLLIN), 0);
	assert_int_equal(loop_set(&w, 0), 0);
	loop_del(&w);
	fd_close(&fds[0]);
	unwatch(&b);
}

struct ticker {
	struct loop_timer t;
	struct loop *loop;
	unsigned calls, wanted;
};

static void ticked(void *arg)
{
	struct ticker *k = arg;

	if (++k->calls == k->wanted)
		loop_stop(k->loop);
	else
		assert_int_equal(loop_timer_at(k->loop, &k->t, loop_now_ns()), 0);
}

static void timer_fires_once_per_arming(void **state)
{
	struct ticker k = {.loop = *state, .wanted = 3};

	k.t = (struct loop_timer){.fn = ticked, .arg = &k};
	assert_int_equal(loop_timer_at(*state, &k.t, 0), 0); /* long past */
	assert_int_equal(loop_run(*state), 0);
	assert_int_equal(k.calls, 3);
	loop_timer_off(&k.t);
	loop_timer_off(&k.t);
}

static void timer_that_was_switched_off_is_silent(void **state)
{
	struct ticker k = {.loop = *state, .wanted = 9};
	struct watched b = {.then = stop_me};

	k.t = (struct loop_timer){.fn = ticked, .arg = &k};
	watch(&b, *state);
	assert_int_equal(loop_timer_at(*state, &k.t, 1), 0);
	loop_timer_off(&k.t);
	fd_event_set(b.w.fd);
	assert_int_equal(loop_run(*state), 0);
	assert_int_equal(k.calls, 0);
	unwatch(&b);
}

static void timer_that_rests_is_silent_and_needs_no_descriptor_to_be_set(void **state)
{
	struct ticker k = {.loop = *state, .wanted = 1};
	struct watched b = {.then = stop_me};
	rlim_t was;

	k.t = (struct loop_timer){.fn = ticked, .arg = &k};
	watch(&b, *state);
	assert_int_equal(loop_timer_make(*state, &k.t), 0);
	assert_int_equal(loop_timer_at(*state, &k.t, 1), 0);
	loop_timer_rest(&k.t);
	fd_event_set(b.w.fd);
	assert_int_equal(loop_run(*state), 0);
	assert_int_equal(k.calls, 0);
	was = limit_fds(0);
	assert_int_equal(loop_timer_at(*state, &k.t, 1), 0);
	limit_fds(was);
	assert_true(loop_turn(*state, -1) >= 0);
	assert_int_equal(k.calls, 1);
	loop_timer_off(&k.t);
	unwatch(&b);
}

struct caller {
	struct loop *loop;
	unsigned *counter; /* of the loop: no lock */
	unsigned times;
};

static void bump(void *arg)
{
	++*(unsigned *)arg;
}

static void *call_often(void *arg)
{
	struct caller *c = arg;

	for (unsigned i = 0; i < c->times; i++)
		loop_call(c->loop, bump, c->counter);
	return NULL;
}

static void calls_of_many_threads_are_serialised(void **state)
{
	unsigned counter = 0;
	struct caller c = {*state, &counter, 500};
	pthread_t t[4];

	assert_int_equal(loop_thread_start(*state, "under-test"), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++)
		assert_int_equal(pthread_create(&t[i], NULL, call_often, &c), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++)
		pthread_join(t[i], NULL);
	loop_thread_stop(*state);
	assert_int_equal(counter, 2000);
	loop_call(*state, bump, &counter); /* plain once it is stopped */
	assert_int_equal(counter, 2001);
}

static void call_again(void *arg)
{
	struct caller *c = arg;

	loop_call(c->loop, bump, c->counter);
}

static void call_from_the_loop_itself_is_plain(void **state)
{
	unsigned counter = 0;
	struct caller c = {*state, &counter, 1};

	assert_int_equal(loop_thread_start(*state, "under-test"), 0);
	loop_call(*state, call_again, &c);
	loop_thread_stop(*state);
	assert_int_equal(counter, 1);
}

/* Callers that race with the end of the loop must all come back. */
static void nobody_is_left_waiting_when_the_loop_stops(void **state)
{
	unsigned counter = 0;
	struct caller c = {*state, &counter, 2000};
	pthread_t t;

	assert_int_equal(loop_thread_start(*state, "under-test"), 0);
	assert_int_equal(pthread_create(&t, NULL, call_often, &c), 0);
	loop_thread_stop(*state);
	pthread_join(t, NULL);
	assert_int_equal(counter, 2000);
}

static void loop_that_was_stopped_may_run_again(void **state)
{
	struct watched a = {.then = stop_me};

	watch(&a, *state);
	loop_stop(*state);
	assert_int_equal(loop_run(*state), 0); /* sticky: at once */
	for (unsigned i = 1; i <= 3; i++) {
		loop_unstop(*state);
		fd_event_set(a.w.fd);
		assert_int_equal(loop_run(*state), 0);
		assert_int_equal(a.calls, i);
	}
	unwatch(&a);
}

struct hooked {
	struct loop_hook h;
	struct loop *loop;
	struct hooked *other;
	unsigned calls;
};

static void hook(void *arg)
{
	struct hooked *k = arg;

	if (++k->calls == 2)
		loop_stop(k->loop);
}

static void hook_runs_before_every_wait(void **state)
{
	struct hooked k = {.loop = *state};
	struct watched a = {0};

	k.h = (struct loop_hook){.fn = hook, .arg = &k};
	loop_hook_add(*state, &k.h);
	watch(&a, *state);
	fd_event_set(a.w.fd);
	assert_int_equal(loop_run(*state), 0);
	assert_int_equal(k.calls, 2);
	loop_hook_del(*state, &k.h);
	unwatch(&a);
}

static void hook_twice(void *arg)
{
	struct hooked *k = arg;

	if (++k->calls < 3)
		loop_again(k->loop);
}

static void hook_that_has_more_to_do_is_called_again_without_a_wait(void **state)
{
	struct hooked k = {.loop = *state};

	k.h = (struct loop_hook){.fn = hook_twice, .arg = &k};
	loop_hook_add(*state, &k.h);
	for (unsigned i = 1; i <= 2; i++) {
		assert_int_equal(loop_turn(*state, -1), 0); /* which would be for ever */
		assert_int_equal(k.calls, i);
	}
	assert_int_equal(loop_turn(*state, 0), 0);
	loop_hook_del(*state, &k.h);
}

static void who_calls(void *arg)
{
	*(pthread_t *)arg = pthread_self();
}

static void loop_of_two_users_runs_and_lives_for_both(void **state)
{
	struct loop *l = loop_share(*state);
	struct watched a = {0};
	pthread_t caller;

	watch(&a, l);
	for (unsigned round = 0; round < 2; round++) { /* it may begin anew */
		loop_unstop(l);
		assert_int_equal(loop_thread_start(l, "one"), 0);
		loop_call(l, who_calls, &caller); /* no thread has it yet */
		assert_true(pthread_equal(caller, pthread_self()));
		assert_int_equal(loop_thread_start(l, "two"), 0);
		loop_call(l, who_calls, &caller);
		assert_false(pthread_equal(caller, pthread_self()));
		loop_thread_stop(l);
		loop_thread_stop(l);
	}
	loop_destroy(l);
	unwatch(&a); /* the other one still has it */
}

static void remove_the_other_hook(void *arg)
{
	struct hooked *k = arg;

	k->calls++;
	loop_hook_del(k->loop, &k->other->h);
	loop_stop(k->loop);
}

/* Whichever of the two runs first: the other one, the next in the list, is gone. */
static void hook_that_another_hook_removed_is_not_called(void **state)
{
	struct hooked k[3] = {{.loop = *state}, {.loop = *state}, {.loop = *state}};

	k[0].other = &k[1];
	k[1].other = &k[0];
	for (unsigned i = 0; i < 2; i++)
		k[i].h = (struct loop_hook){.fn = remove_the_other_hook, .arg = &k[i]};
	k[2].h = (struct loop_hook){.fn = hook, .arg = &k[2]};
	for (unsigned i = 0; i < 3; i++)
		loop_hook_add(*state, &k[i].h);
	assert_int_equal(loop_run(*state), 0);
	assert_int_equal(k[0].calls + k[1].calls, 1);
	assert_int_equal(k[2].calls, 1); /* and those that stay are */
	for (unsigned i = 0; i < 3; i++)
		loop_hook_del(*state, &k[i].h);
}

static void a_turn_handles_what_is_there_and_returns(void **state)
{
	struct watched a = {0};

	watch(&a, *state);
	assert_int_equal(loop_turn(*state, 0), 0);
	assert_int_equal(a.calls, 0);
	fd_event_set(a.w.fd);
	assert_int_equal(loop_turn(*state, -1), 1);
	assert_int_equal(loop_turn(*state, 0), 1); /* nobody took the count */
	assert_int_equal(a.calls, 2);
	unwatch(&a);
}

struct late {
	struct loop_late t, *gone;
	struct loop *l;
	unsigned calls;
};

static void late_fired(void *arg)
{
	struct late *me = arg;

	me->calls++;
	if (me->gone)
		loop_late_del(me->l, me->gone);
}

static void deadline_ends_the_wait_and_comes_once(void **state)
{
	struct late a = {.t = {.fn = late_fired, .arg = &a}};

	loop_late_add(*state, &a.t);
	a.t.at_ns = loop_now_ns() + 1000000;
	while (a.calls == 0)
		assert_int_equal(loop_turn(*state, -1), 0);
	assert_int_equal(a.t.at_ns, 0);
	assert_int_equal(loop_turn(*state, 0), 0);
	assert_int_equal(a.calls, 1);
	a.t.at_ns = UINT64_MAX - 1; /* put off: it does not come */
	assert_int_equal(loop_turn(*state, 0), 0);
	assert_int_equal(a.calls, 1);
	loop_late_del(*state, &a.t);
}

static void deadline_that_another_one_removed_does_not_come(void **state)
{
	struct late b = {.t = {.fn = late_fired, .arg = &b}};
	struct late a = {.t = {.fn = late_fired, .arg = &a}, .gone = &b.t, .l = *state};

	loop_late_add(*state, &b.t);
	loop_late_add(*state, &a.t);
	a.t.at_ns = b.t.at_ns = 1;
	loop_turn(*state, 0);
	assert_int_equal(a.calls, 1);
	assert_int_equal(b.calls, 0);
	loop_late_del(*state, &a.t);
	loop_late_del(*state, &b.t);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(event_is_dispatched_and_stop_ends),
		CASE(watch_removed_in_the_same_batch_is_not_called),
		CASE(muted_watch_is_silent),
		CASE(muted_watch_is_silent_when_the_other_side_hangs_up),
		CASE(timer_fires_once_per_arming),
		CASE(timer_that_was_switched_off_is_silent),
		CASE(timer_that_rests_is_silent_and_needs_no_descriptor_to_be_set),
		CASE(calls_of_many_threads_are_serialised),
		CASE(call_from_the_loop_itself_is_plain),
		CASE(nobody_is_left_waiting_when_the_loop_stops),
		CASE(loop_that_was_stopped_may_run_again),
		CASE(hook_runs_before_every_wait),
		CASE(hook_that_has_more_to_do_is_called_again_without_a_wait),
		CASE(loop_of_two_users_runs_and_lives_for_both),
		CASE(hook_that_another_hook_removed_is_not_called),
		CASE(a_turn_handles_what_is_there_and_returns),
		CASE(deadline_ends_the_wait_and_comes_once),
		CASE(deadline_that_another_one_removed_does_not_come),
	};

	return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
