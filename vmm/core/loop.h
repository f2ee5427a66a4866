/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/core/loop.h - one epoll loop, one thread, callbacks on the caller's memory */
#ifndef DOORBELL_LOOP_H
#define DOORBELL_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/core/poll.h"

struct loop; /* opaque */

/*
 * A watched descriptor. The caller embeds it in its own object, fills the first four fields and
 * keeps it, and the fd, alive until loop_del() has returned. epoll knows a descriptor once: two
 * watches of one fd need a dup().
 */
struct loop_fd {
	int fd;          /* borrowed, non-blocking */
	uint32_t events; /* EPOLLIN | EPOLLOUT, level-triggered; 0 = muted */
	void (*fn)(void *arg, uint32_t revents);
	void *arg;
	struct loop *loop; /* loop.c only; NULL = not watched */
	bool patient;      /* loop_patient(); may be set before loop_add() */
};

/* One-shot; same rules as loop_fd: zero it, fill fn and arg. */
struct loop_timer {
	void (*fn)(void *arg);
	void *arg;
	struct loop_fd watch; /* loop.c only; its timerfd is owned */
	bool armed;           /* loop.c only */
};

/*
 * A deadline that is mostly put off or given up before it comes: neither costs a system call, as it is the time-out of
 * the wait. Zero it, fill fn and arg; both, and at_ns, are the loop thread's. A visitor (loop_visit()) sets none: the
 * wait has begun.
 */
struct loop_late {
	void (*fn)(void *arg); /* at_ns is 0 again when it is called */
	void *arg;
	uint64_t at_ns;         /* CLOCK_MONOTONIC; 0: never */
	struct loop_late *next; /* loop.c only */
};

/*
 * Called on the loop thread before every wait, after all callbacks of the batch. For a library that
 * has to be asked each time what it waits for (libslirp). Rules as for loop_fd.
 */
struct loop_hook {
	void (*fn)(void *arg);
	void *arg;
	struct loop_hook *next; /* loop.c only */
};

/*
 * Work that is in memory, for a loop that looks before it sleeps. Zero it, fill fn, arg and budget.mode; both are
 * called on the loop thread.
 */
struct loop_poll {
	struct loop_poll *next; /* the loop's own */
	/* Do what there is to do: was there something? May call loop_poll_stop(). */
	bool (*look)(void *arg);
	/* The loop is about to sleep: from now on what comes has to wake it. False: something has come already. */
	bool (*rest)(void *arg);
	void *arg;
	struct poll_budget budget;
};

int loop_create(struct loop **out); /* 0 or -errno; on failure *out is NULL */
/*
 * One more user of @l, who calls loop_destroy() too, and loop_thread_start(). While it does not run. Answers @l.
 */
struct loop *loop_share(struct loop *l);
/* NULL is fine. Of its last user: every watch must be gone. */
void loop_destroy(struct loop *l);

/* Loop thread only, or while the loop does not run. 0 or -errno. */
int loop_add(struct loop *l, struct loop_fd *w);
int loop_set(struct loop_fd *w,
             uint32_t events); /* 0 events mutes; no system call when unchanged */

/*
 * After this returns fn is not called again, not even for an event that epoll already handed to the
 * batch being dispatched. No-op when not watched. Loop thread, or while the loop does not run.
 */
void loop_del(struct loop_fd *w);

/* Arm, or re-arm, for an absolute CLOCK_MONOTONIC time in ns; a time in the past fires at once. 0 or -errno. */
int loop_timer_at(struct loop *l, struct loop_timer *t, uint64_t when_ns);
/* Its timerfd, ahead: from then on loop_timer_at() needs nothing that could be used up. 0 or -errno. */
int loop_timer_make(struct loop *l, struct loop_timer *t);
void loop_timer_rest(struct loop_timer *t); /* as loop_timer_off(), but the timerfd stays */
void loop_timer_off(struct loop_timer *t);  /* as loop_del(); also closes the timerfd */
uint64_t loop_now_ns(void);                 /* CLOCK_MONOTONIC; any thread */

/* Loop thread, or while the loop does not run; del() is a no-op for one that was not added. */
void loop_late_add(struct loop *l, struct loop_late *t);
void loop_late_del(struct loop *l, struct loop_late *t);

void loop_hook_add(struct loop *l, struct loop_hook *h);
void loop_hook_del(struct loop *l, struct loop_hook *h);
/*
 * Loop thread. What hooks wait for has come since they were asked, or is there still: they are asked again before the
 * loop sleeps, after a look at its descriptors. No system call by itself.
 */
void loop_again(struct loop *l);

/*
 * Before it sleeps look, as long as @p->budget says, at @p and at all that is watched. Of several, for devices that
 * one thread serves, all are looked at, as long as the budget of one with POLL_ON says, or else POLL_TRY, or else of the first. Between two looks nobody is asked to
 * wake the loop for the sake of @p. Loop thread, or while the loop does not run.
 */
void loop_poll_start(struct loop *l, struct loop_poll *p);
void loop_poll_stop(struct loop *l, struct loop_poll *p); /* no-op when not started */
/*
 * To ask epoll is a system call. While all that is watched is patient a loop that looks into memory does so every
 * LOOP_ASK_NS only, or as soon as loop_call() or loop_stop() wants it. Timers are patient while they are not armed. Loop thread, or
 * while the loop does not run.
 */
#define LOOP_ASK_NS UINT64_C(200000)
void loop_patient(struct loop_fd *w, bool patient);

/*
 * Run fn(arg) on the loop thread and wait until it has returned; a plain call when already there or
 * when the loop does not run. This is how a vCPU thread touches state that the loop owns. The loop
 * must outlive its callers: stop the vCPUs first, the loop last.
 */
void loop_call(struct loop *l, void (*fn)(void *arg), void *arg);

/*
 * A visitor does on its own thread what the loop's would have to be woken for, while that one sleeps. Allowed after
 * loop_let_visit(), from the next loop_run() on.
 *
 * loop_visit() runs fn(arg), which is the loop's thread for as long: it may do all that a callback may. True: done, and
 * fn said so. False: fn did, with nothing done; or the loop is awake, or has a visitor, or hooks, which are asked before it
 * sleeps: in short, ring it instead. Never waits for the loop. The caller holds no lock that a callback takes.
 */
void loop_let_visit(struct loop *l); /* while it does not run */
bool loop_visit(struct loop *l, bool (*fn)(void *arg), void *arg);

/*
 * One turn on the caller's thread while nobody runs @l: wait for events, @timeout_ms at most (-1: for
 * ever), and handle them. How many there were (0 also after a signal handler ran), or -errno.
 */
int loop_turn(struct loop *l, int timeout_ms);
int loop_run(struct loop *l);   /* 0 after loop_stop(), or -errno from epoll_wait */
void loop_stop(struct loop *l); /* any thread, also async-signal-safe; sticky */
/* It may run once more; what it watches is as it was. While it does not run and nobody may stop it. */
void loop_unstop(struct loop *l);

/*
 * A thread of its own for @l, named @name (15 characters at most) for top and perf. 0 or -errno. One that is shared has it
 * when all users have called, with the name that the first one said; and no more when one has stopped it.
 */
int loop_thread_start(struct loop *l, const char *name);
void loop_thread_stop(struct loop *l); /* loop_stop() and join; no-op when not started */

/* What the loop has asked of the kernel. */
struct loop_stats {
	uint64_t
		wakeups; /* times epoll_wait() slept, or could have, and had events or was too late for some loop_late */
	uint64_t changes; /* epoll_ctl() by loop_set(): something muted, or not any more */
	uint64_t calls;   /* times it took what loop_call() left; each is a read() */
	uint64_t
		timers; /* timers that were set, and timers that fired: a timerfd_settime(), a read() */
	uint64_t polls; /* looks instead of sleep */
	/*
	 * It asked epoll without waiting: in some looks; and, when there was nothing, in place of a sleep because somebody had
	 * work left, or a deadline had passed. None of these are wakeups.
	 */
	uint64_t poll_asks;
	uint64_t poll_hits; /* of the looks, found something */
	uint64_t
		poll_checks; /* times it asked whether others want the CPU: three system calls each */
	uint64_t poll_yields; /* times it stopped looking for a while: others wanted the CPU */
	/*
	 * Times it was awake and a visitor had the turn still: a FUTEX_WAIT, and a FUTEX_WAKE that wakes nobody when it gives
	 * the turn away.
	 */
	uint64_t turns_waited;
};

struct task;

/* What the thread of loop_thread_start() did, once loop_thread_stop() has returned. False: there was none. */
bool loop_thread_ended(const struct loop *l, struct task *out);

void loop_stats(const struct loop *l, struct loop_stats *out); /* any thread */
uint64_t loop_wakeups(const struct loop *l);                   /* of these, wakeups */

#endif
