/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/terminal.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <termios.h>
#include <unistd.h>

#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"
#include "vmm/core/log.h"

static const int fatal[] = {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP};

#define NR_FATAL ARRAY_SIZE(fatal)

/* Written before the handlers are there and after they are gone, but for is_raw. */
static struct {
	bool taken;
	bool saved; /* cooked is */
	int fd;
	int wake_fd;
	struct termios cooked;
	atomic_bool is_raw;
	struct sigaction old_stop, old_cont, old_fatal[NR_FATAL];
} term;

static void set_raw_flag(bool raw)
{
	atomic_store_explicit(&term.is_raw, raw, memory_order_relaxed);
	log_set_raw(raw && isatty(STDERR_FILENO));
}

/* A terminal that is not our controlling one has no foreground group to ask for. */
static bool in_foreground(void)
{
	pid_t group = tcgetpgrp(term.fd);

	return group < 0 || group == getpgrp();
}

bool terminal_raw(void)
{
	struct termios raw;

	if (!in_foreground()) {
		set_raw_flag(false); /* the shell has set it to its own liking */
		return false;
	}
	if (atomic_load_explicit(&term.is_raw, memory_order_relaxed))
		return true;
	/*
	 * Not earlier: while we are in the background it has the shell's settings for its prompt. Not
	 * again: after a SIGSTOP a shell may give us back what we had made of it.
	 */
	if (!term.saved) {
		if (tcgetattr(term.fd, &term.cooked) < 0)
			return true;
		term.saved = true;
	}
	raw = term.cooked;
	cfmakeraw(&raw);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	/* The flag first: a signal between the two restores once too often, not once too little. */
	set_raw_flag(true);
	if (tcsetattr(term.fd, TCSANOW, &raw) < 0)
		set_raw_flag(false);
	return true;
}

void terminal_restore(void)
{
	int saved = errno;

	/* TCSANOW: a terminal that does not take our output must not keep us from ending. */
	if (atomic_exchange_explicit(&term.is_raw, false, memory_order_relaxed)) {
		if (in_foreground())
			tcsetattr(term.fd, TCSANOW, &term.cooked);
		log_set_raw(false);
	}
	errno = saved;
}

static void on_stop(int sig);

static void watch_stop(void)
{
	struct sigaction sa = {.sa_handler = on_stop, .sa_flags = SA_RESTART};

	sigaction(SIGTSTP, &sa, NULL);
}

static void on_stop(int sig)
{
	struct sigaction dfl = {.sa_handler = SIG_DFL};
	int saved = errno;
	sigset_t set;

	terminal_restore();
	sigaction(sig, &dfl, NULL);
	raise(sig);
	sigemptyset(&set);
	sigaddset(&set, sig);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL); /* stops here */
	/* Here we are again, or nobody wanted us to stop. The terminal follows on the loop. */
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	watch_stop();
	fd_event_set(term.wake_fd);
	errno = saved;
}

static void on_cont(int sig unused)
{
	/* After SIGSTOP nobody had restored anything: whatever the shell did counts. */
	atomic_store_explicit(&term.is_raw, false, memory_order_relaxed);
	fd_event_set(term.wake_fd);
}

static void on_fatal(int sig, siginfo_t *info, void *context unused)
{
	terminal_restore();
	for (size_t i = 0; i < NR_FATAL; i++)
		if (fatal[i] == sig)
			sigaction(sig, &term.old_fatal[i], NULL);
	/* The instruction that faulted is run again and finds the old handler. Sent by hand, it is not. */
	if (info->si_code <= 0)
		raise(sig);
}

int terminal_take(int fd, int wake_fd)
{
	struct sigaction cont = {.sa_handler = on_cont, .sa_flags = SA_RESTART};
	struct sigaction crash = {.sa_sigaction = on_fatal, .sa_flags = SA_SIGINFO};

	if (term.taken)
		return -EBUSY;
	term.saved = false;
	term.fd = fd;
	term.wake_fd = wake_fd;
	sigaction(SIGTSTP, NULL, &term.old_stop);
	if (term.old_stop.sa_handler != SIG_IGN) /* a shell without job control wants no stopping */
		watch_stop();
	sigaction(SIGCONT, &cont, &term.old_cont);
	for (size_t i = 0; i < NR_FATAL; i++)
		sigaction(fatal[i], &crash, &term.old_fatal[i]);
	term.taken = true;
	return 0;
}

void terminal_release(void)
{
	if (!term.taken)
		return;
	terminal_restore();
	sigaction(SIGTSTP, &term.old_stop, NULL);
	sigaction(SIGCONT, &term.old_cont, NULL);
	for (size_t i = 0; i < NR_FATAL; i++)
		sigaction(fatal[i], &term.old_fatal[i], NULL);
	term.taken = false;
}
