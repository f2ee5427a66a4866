/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/core/loop.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"
#include "vmm/core/loop_priv.h"
#include "vmm/core/tasks.h"
#include "vmm/core/thread.h"

#define LOOP_BATCH 64

/* A call that waits for the loop thread; lives on the caller's stack. */
struct pending {
	void (*fn)(void *arg);
	void *arg;
	struct pending *next;
	bool done;
};

struct loop {
	int epoll_fd;
	int wake_fd;
	struct epoll_event batch[LOOP_BATCH]; /* being dispatched: loop_del() blanks entries */
	int batch_nr, batch_at;
	unsigned users, starters; /* of these, have called loop_thread_start() */
	bool again;               /* loop_again() */
	struct loop_hook *hooks;
	struct loop_hook *next_hook; /* of those being run: loop_hook_del() moves it on */
	struct loop_late *late;
	struct loop_late *next_late; /* of those being looked at: loop_late_del() moves it on */
	struct loop_poll *poll;      /* all of them; NULL: none */
	struct loop_poll *next_poll; /* of those being asked: loop_poll_stop() moves it on */
	uint64_t asked_ns;           /* when epoll was asked last between two looks */
	uint64_t rested_ns; /* when it slept last: for that kicks were asked for, and come still */
	unsigned hurried;   /* watches that epoll knows of and that are not patient */
	atomic_bool stop;
	/* wake_fd was set since epoll was asked between two looks: it is not put off. Partners: ring(), look(). */
	atomic_bool rung;
	/* struct loop_stats */
	_Atomic uint64_t wakeups, changes, calls, timers, polls, poll_asks, poll_hits, poll_checks,
		poll_yields, turns_waited;

	pthread_t thread; /* valid with has_thread */
	bool has_thread;
	bool visits;   /* loop_let_visit() */
	bool held;     /* the loop's thread works under @turn: loop_run() */
	bool stale;    /* a visitor has taken something out since the loop's thread fell asleep */
	char name[16]; /* of the thread, for who looks at it from outside */
	struct task ended; /* tid 0: no thread has */

	/*
	 * With loop_let_visit(): who holds it may touch what stands above and is not atomic, and all that is watched. The
	 * loop's thread does, but while it sleeps. Taken before @lock.
	 */
	pthread_mutex_t turn;
	/* The loop's thread waits for @turn: nobody comes before it, or one visitor after another would. */
	atomic_bool turn_wanted;

	/* Everything below is under lock. */
	pthread_mutex_t lock;
	pthread_cond_t done;
	bool running; /* some thread is in loop_run(), or about to be (loop_thread_start) */
	bool owned;   /* owner is valid */
	pthread_t owner;
	struct pending *first, **last;
};

/* One thread writes, others read. */
static void count(_Atomic uint64_t *c)
{
	atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + 1,
	                      memory_order_relaxed);
}

int loop_create(struct loop **out)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = NULL};
	struct loop *l = calloc(1, sizeof(*l));
	int ret;

	*out = NULL;
	if (!l)
		return -ENOMEM;
	l->users = 1;
	l->epoll_fd = l->wake_fd = -1;
	l->last = &l->first;
	pthread_mutex_init(&l->turn, NULL);
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->done, NULL);
	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll_fd < 0) {
		ret = -errno;
		goto fail;
	}
	ret = fd_eventfd();
	if (ret < 0)
		goto fail;
	l->wake_fd = ret;
	if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, l->wake_fd, &ev) < 0) {
		ret = -errno;
		goto fail;
	}
	*out = l;
	return 0;
fail:
	loop_destroy(l);
	return ret;
}

struct loop *loop_share(struct loop *l)
{
	l->users++;
	return l;
}

void loop_destroy(struct loop *l)
{
	if (!l || --l->users > 0)
		return;
	loop_thread_stop(l);
	fd_close(&l->wake_fd);
	fd_close(&l->epoll_fd);
	pthread_cond_destroy(&l->done);
	pthread_mutex_destroy(&l->lock);
	pthread_mutex_destroy(&l->turn);
	free(l);
}

static int tell_epoll(const struct loop *l, int op, struct loop_fd *w, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = w};

	return epoll_ctl(l->epoll_fd, op, w->fd, &ev) < 0 ? -errno : 0;
}

static unsigned hurries(const struct loop_fd *w)
{
	return w->loop && w->events && !w->patient;
}

int loop_add(struct loop *l, struct loop_fd *w)
{
	int ret = w->events ? tell_epoll(l, EPOLL_CTL_ADD, w, w->events) : 0;

	if (ret < 0)
		return ret;
	w->loop = l;
	l->hurried += hurries(w);
	return 0;
}

/* epoll reports EPOLLERR and EPOLLHUP whatever it is asked for: muted means not in its set. */
int loop_set(struct loop_fd *w, uint32_t events)
{
	int op = !w->events ? EPOLL_CTL_ADD : !events ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
	int ret;

	if (w->events == events)
		return 0;
	ret = tell_epoll(w->loop, op, w, events);
	count(&w->loop->changes);
	if (ret == 0) {
		w->loop->hurried -= hurries(w);
		w->events = events;
		w->loop->hurried += hurries(w);
	}
	return ret;
}

void loop_patient(struct loop_fd *w, bool patient)
{
	const unsigned was = hurries(w);

	w->patient = patient;
	if (w->loop)
		w->loop->hurried += hurries(w) - was;
}

void loop_del(struct loop_fd *w)
{
	struct loop *l = w->loop;

	if (!l)
		return;
	if (w->events)
		epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
	for (int i = l->batch_at; i < l->batch_nr; i++)
		if (l->batch[i].data.ptr == w)
			l->batch[i].events = 0;
	l->stale = true;
	l->hurried -= hurries(w);
	w->loop = NULL;
}

void loop_count_timer(struct loop *l)
{
	count(&l->timers);
}

uint64_t loop_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void loop_hook_add(struct loop *l, struct loop_hook *h)
{
	h->next = l->hooks;
	l->hooks = h;
}

void loop_hook_del(struct loop *l, struct loop_hook *h)
{
	if (l->next_hook == h)
		l->next_hook = h->next;
	for (struct loop_hook **p = &l->hooks; *p; p = &(*p)->next) {
		if (*p == h) {
			*p = h->next;
			return;
		}
	}
}

/* ---- deadlines */

void loop_late_add(struct loop *l, struct loop_late *t)
{
	t->at_ns = 0;
	t->next = l->late;
	l->late = t;
}

void loop_late_del(struct loop *l, struct loop_late *t)
{
	if (l->next_late == t)
		l->next_late = t->next;
	for (struct loop_late **p = &l->late; *p; p = &(*p)->next) {
		if (*p == t) {
			*p = t->next;
			return;
		}
	}
}

/* The first of all, or UINT64_MAX. */
static uint64_t first_late(const struct loop *l)
{
	uint64_t at = UINT64_MAX;

	for (const struct loop_late *t = l->late; t; t = t->next)
		if (t->at_ns)
			at = min_u64(at, t->at_ns);
	return at;
}

/* Those that have come. Were there any? */
static bool run_late(struct loop *l)
{
	bool any = false;
	uint64_t now;

	if (first_late(l) == UINT64_MAX)
		return false;
	now = loop_now_ns();
	for (struct loop_late *t = l->late; t; t = l->next_late) {
		l->next_late = t->next;
		if (!t->at_ns || t->at_ns > now)
			continue;
		t->at_ns = 0;
		t->fn(t->arg);
		any = true;
	}
	return any;
}

/* epoll_wait() that ends at @at, a deadline: then 0. */
static int wait_until(struct loop *l, int timeout_ms, uint64_t at)
{
	struct timespec left = {0};
	uint64_t now, ns;
	int nr;

	if (at == UINT64_MAX || timeout_ms == 0)
		return epoll_wait(l->epoll_fd, l->batch, LOOP_BATCH, timeout_ms);
	now = loop_now_ns();
	ns = at > now ? at - now : 0;
	if (timeout_ms > 0)
		ns = min_u64(ns, (uint64_t)timeout_ms * 1000000u);
	left.tv_sec = (time_t)(ns / 1000000000u);
	left.tv_nsec = (long)(ns % 1000000000u);
	nr = epoll_pwait2(l->epoll_fd, l->batch, LOOP_BATCH, &left, NULL);
	if (nr == 0)
		count(ns ? &l->wakeups : &l->poll_asks);
	return nr;
}

/* ---- looking before sleeping */

void loop_poll_start(struct loop *l, struct loop_poll *p)
{
	struct loop_poll **last = &l->poll;

	while (*last)
		last = &(*last)->next;
	p->next = NULL;
	*last = p;
}

void loop_poll_stop(struct loop *l, struct loop_poll *p)
{
	struct loop_poll **at = &l->poll;

	while (*at && *at != p)
		at = &(*at)->next;
	if (!*at)
		return;
	*at = p->next;
	if (l->next_poll == p)
		l->next_poll = p->next;
}

/* Was there something for one of them? Each may stop itself, or others. */
static bool look_all(struct loop *l)
{
	bool worked = false;

	for (struct loop_poll *p = l->poll; p; p = l->next_poll) {
		l->next_poll = p->next;
		worked |= p->look(p->arg);
	}
	return worked;
}

static bool rest_all(struct loop *l)
{
	bool agreed = true;

	for (struct loop_poll *p = l->poll; p; p = l->next_poll) {
		l->next_poll = p->next;
		agreed &= p->rest(p->arg);
	}
	return agreed;
}

/* Whose budget counts. There is one. */
static struct loop_poll *governing(const struct loop *l)
{
	struct loop_poll *found = l->poll;

	for (struct loop_poll *p = l->poll; p; p = p->next) {
		if (p->budget.mode == POLL_ON)
			return p;
		if (p->budget.mode == POLL_TRY)
			found = p;
	}
	return found;
}

/* Without waiting. What epoll_wait() returns, 0 if it is not asked; @worked: something was found in memory. */
static int look(struct loop *l, uint64_t now, bool *worked)
{
	int nr = 0;

	*worked = look_all(l);
	if (l->hurried || now - l->asked_ns >= LOOP_ASK_NS || now - l->rested_ns < LOOP_ASK_NS ||
	    atomic_load_explicit(&l->rung, memory_order_relaxed)) {
		/* First this: who rings later is asked for again. Acquire: what ring() has set before, epoll tells. */
		atomic_exchange_explicit(&l->rung, false, memory_order_acquire);
		l->asked_ns = now;
		nr = epoll_wait(l->epoll_fd, l->batch, LOOP_BATCH, 0);
		count(&l->poll_asks);
	}
	count(&l->polls);
	if (nr > 0 || *worked)
		count(&l->poll_hits);
	return nr;
}

/* Is there a CPU for it? */
static void check_share(struct loop *l, uint64_t now)
{
	struct poll_budget *b = &governing(l)->budget;

	if (!poll_budget_check_due(b, now))
		return;
	count(&l->poll_checks);
	if (poll_budget_check(b, now, task_delay_ns()))
		count(&l->poll_yields);
}

static void take_turn(struct loop *l)
{
	if (pthread_mutex_trylock(&l->turn) == 0)
		return;
	/* Relaxed: a visitor who does not see it yet takes one turn more. */
	atomic_store_explicit(&l->turn_wanted, true, memory_order_relaxed);
	count(&l->turns_waited);
	pthread_mutex_lock(&l->turn);
	atomic_store_explicit(&l->turn_wanted, false, memory_order_relaxed);
}

/* As epoll_wait(); who visits has the turn meanwhile. */
static int sleep_visited(struct loop *l, int timeout_ms)
{
	const uint64_t at = first_late(l); /* they do not put one in front of it */
	int nr, err;

	l->stale = false;
	pthread_mutex_unlock(&l->turn);
	nr = wait_until(l, timeout_ms, at);
	err = errno;
	take_turn(l);
	errno = err;
	if (!l->stale || nr <= 0)
		return nr;
	/* Some of it may be about what is not watched any more. The rest is told again. */
	count(&l->wakeups);
	return 0;
}

/* Sleep, when those who poll agree. As epoll_wait(). *there: they do not, and what was there is done. */
static int rest(struct loop *l, int timeout_ms, bool *there)
{
	int nr;

	*there = !rest_all(l);
	if (*there) {
		look_all(l);
		timeout_ms = 0;
	}
	if (l->held && timeout_ms)
		nr = sleep_visited(l, timeout_ms);
	else
		nr = wait_until(l, timeout_ms, first_late(l));
	if (nr > 0)
		count(&l->wakeups);
	else if (nr == 0 && timeout_ms == 0)
		count(&l->poll_asks);
	return nr;
}

/*
 * As epoll_wait(), but what is there to be found is looked for first. Returns as soon as there was something, 0
 * when it was in memory and has been done.
 */
static int wait_looking(struct loop *l, int timeout_ms)
{
	const uint64_t from = loop_now_ns();
	const uint64_t limit = timeout_ms < 0 ? UINT64_MAX : (uint64_t)timeout_ms * 1000000u;
	const uint64_t budget = min_u64(poll_budget_ns(&governing(l)->budget, from), limit);
	uint64_t now = from, at; /* when the last look began: how long its work took says nothing */
	bool worked;
	int nr;

	while (now - from < budget) {
		at = now;
		nr = look(l, at, &worked);
		if (!l->poll) /* it did away with itself */
			return nr;
		now = loop_now_ns();
		check_share(l, now);
		if (nr == 0 && !worked && now < first_late(l))
			continue;
		poll_budget_hit(&governing(l)->budget, at - from);
		return nr;
	}
	nr = rest(l, budget == limit ? 0 : timeout_ms, &worked);
	l->rested_ns = loop_now_ns();
	if (l->poll && (budget || !worked))
		poll_budget_slept(&governing(l)->budget, budget, l->rested_ns - from);
	return nr;
}

/* Whatever the loop does, it comes to look at what is behind wake_fd. */
static void ring(struct loop *l)
{
	fd_event_set(l->wake_fd);
	/* Release: the line above. Partner: look(). */
	atomic_store_explicit(&l->rung, true, memory_order_release);
}

void loop_call(struct loop *l, void (*fn)(void *arg), void *arg)
{
	struct pending call = {.fn = fn, .arg = arg};

	pthread_mutex_lock(&l->lock);
	if (!l->running || (l->owned && pthread_equal(l->owner, pthread_self()))) {
		pthread_mutex_unlock(&l->lock);
		fn(arg);
		return;
	}
	*l->last = &call;
	l->last = &call.next;
	ring(l);
	while (!call.done)
		pthread_cond_wait(&l->done, &l->lock);
	pthread_mutex_unlock(&l->lock);
}

/* Called with the lock held; drops it around each call. */
static void run_pending(struct loop *l)
{
	while (l->first) {
		struct pending *call = l->first;

		l->first = call->next;
		if (!l->first)
			l->last = &l->first;
		pthread_mutex_unlock(&l->lock);
		call->fn(call->arg);
		pthread_mutex_lock(&l->lock);
		call->done = true; /* from here on *call belongs to its caller's stack again */
		pthread_cond_broadcast(&l->done);
	}
}

static void take_calls(struct loop *l)
{
	fd_event_take(l->wake_fd);
	count(&l->calls);
	pthread_mutex_lock(&l->lock);
	run_pending(l);
	pthread_mutex_unlock(&l->lock);
}

static void dispatch(struct loop *l)
{
	for (l->batch_at = 0; l->batch_at < l->batch_nr; l->batch_at++) {
		struct epoll_event *ev = &l->batch[l->batch_at];
		struct loop_fd *w = ev->data.ptr;

		if (ev->events == 0) /* blanked by loop_del() */
			continue;
		if (!w)
			take_calls(l);
		else
			w->fn(w->arg, ev->events);
	}
	l->batch_nr = 0;
}

static void run_hooks(struct loop *l)
{
	l->next_hook = l->hooks;
	while (l->next_hook) {
		struct loop_hook *h = l->next_hook;

		l->next_hook = h->next;
		h->fn(h->arg);
	}
}

void loop_again(struct loop *l)
{
	l->again = true;
}

int loop_turn(struct loop *l, int timeout_ms)
{
	bool worked;
	int nr;

	l->again = false;
	if (run_late(l))
		return 0; /* as after events: what they left to do comes first */
	run_hooks(l);
	if (!l->poll)
		nr = rest(l, l->again ? 0 : timeout_ms, &worked);
	else if (l->again) /* it does not sleep now: nobody is asked to wake it */
		nr = look(l, loop_now_ns(), &worked);
	else
		nr = wait_looking(l, timeout_ms);
	if (nr < 0)
		return errno == EINTR ? 0 : -errno;
	l->batch_nr = nr;
	dispatch(l);
	return nr;
}

int loop_run(struct loop *l)
{
	int ret = 0;

	if (l->visits) {
		pthread_mutex_lock(&l->turn);
		l->held = true;
	}
	pthread_mutex_lock(&l->lock);
	l->running = true;
	l->owner = pthread_self();
	l->owned = true;
	pthread_mutex_unlock(&l->lock);
	while (ret >= 0 && !atomic_load_explicit(&l->stop, memory_order_acquire))
		ret = loop_turn(l, -1);
	/* Nobody may be left waiting: later calls are plain ones. */
	pthread_mutex_lock(&l->lock);
	run_pending(l);
	l->running = false;
	l->owned = false;
	pthread_mutex_unlock(&l->lock);
	if (l->held) {
		l->held = false;
		pthread_mutex_unlock(&l->turn);
	}
	return ret < 0 ? ret : 0;
}

/* ---- visitors */

void loop_let_visit(struct loop *l)
{
	l->visits = true;
}

/* With the turn, which the loop's thread gives away only while it sleeps: the caller is the owner, as loop_call() sees it. */
static bool become_owner(struct loop *l, pthread_t *was)
{
	bool ok;

	pthread_mutex_lock(&l->lock);
	ok = l->owned && !l->hooks;
	if (ok) {
		*was = l->owner;
		l->owner = pthread_self();
	}
	pthread_mutex_unlock(&l->lock);
	return ok;
}

bool loop_visit(struct loop *l, bool (*fn)(void *arg), void *arg)
{
	bool done = false;
	pthread_t was;

	if (!l->visits || atomic_load_explicit(&l->turn_wanted, memory_order_relaxed) ||
	    pthread_mutex_trylock(&l->turn) != 0)
		return false;
	if (become_owner(l, &was)) {
		done = fn(arg);
		/* Those who poll have agreed to sleep before fn(): do they still? */
		if (!rest_all(l))
			fd_event_set(l->wake_fd);
		pthread_mutex_lock(&l->lock);
		l->owner = was;
		pthread_mutex_unlock(&l->lock);
	}
	pthread_mutex_unlock(&l->turn);
	return done;
}

void loop_stop(struct loop *l)
{
	/* Release: what the stopper did before is seen by the loop's owner; pairs with loop_run(). */
	atomic_store_explicit(&l->stop, true, memory_order_release);
	ring(l);
}

void loop_unstop(struct loop *l)
{
	atomic_store_explicit(&l->stop, false, memory_order_relaxed);
}

static void *thread_main(void *arg)
{
	struct loop *l = arg;

	/* By itself: for others it is a file in /proc, and they are in a hurry. */
	pthread_setname_np(pthread_self(), l->name);
	loop_run(l);
	task_self(&l->ended);
	return NULL;
}

int loop_thread_start(struct loop *l, const char *name)
{
	sigset_t all, old;
	int ret;

	if (++l->starters == 1)
		snprintf(l->name, sizeof(l->name), "%s", name);
	if (l->starters < l->users)
		return 0;
	/* Signals are the main thread's business, but for one that an access of this thread raises: vmm/sigbus.h. */
	sigfillset(&all);
	sigdelset(&all, SIGBUS);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	l->running = true; /* calls that come before the thread is up wait for it */
	ret = thread_start(&l->thread, thread_main, l);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (ret < 0) {
		l->running = false;
		return ret;
	}
	l->has_thread = true;
	return 0;
}

void loop_thread_stop(struct loop *l)
{
	l->starters = 0;
	if (!l->has_thread)
		return;
	loop_stop(l);
	pthread_join(l->thread, NULL);
	l->has_thread = false;
}

bool loop_thread_ended(const struct loop *l, struct task *out)
{
	if (l->has_thread || l->ended.tid == 0)
		return false;
	*out = l->ended;
	return true;
}

void loop_stats(const struct loop *l, struct loop_stats *out)
{
	*out = (struct loop_stats){
		.wakeups = atomic_load_explicit(&l->wakeups, memory_order_relaxed),
		.changes = atomic_load_explicit(&l->changes, memory_order_relaxed),
		.calls = atomic_load_explicit(&l->calls, memory_order_relaxed),
		.timers = atomic_load_explicit(&l->timers, memory_order_relaxed),
		.polls = atomic_load_explicit(&l->polls, memory_order_relaxed),
		.poll_asks = atomic_load_explicit(&l->poll_asks, memory_order_relaxed),
		.poll_hits = atomic_load_explicit(&l->poll_hits, memory_order_relaxed),
		.poll_checks = atomic_load_explicit(&l->poll_checks, memory_order_relaxed),
		.poll_yields = atomic_load_explicit(&l->poll_yields, memory_order_relaxed),
		.turns_waited = atomic_load_explicit(&l->turns_waited, memory_order_relaxed),
	};
}

uint64_t loop_wakeups(const struct loop *l)
{
	return atomic_load_explicit(&l->wakeups, memory_order_relaxed);
}
