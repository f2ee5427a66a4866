/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/signals.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"
#include "vmm/core/log.h"

static void on_signal(void *arg, unused uint32_t revents)
{
	struct signals *s = arg;
	struct signalfd_siginfo info;

	if (read(s->watch.fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	s->signo = (int)info.ssi_signo;
	log_info("ended by %s", strsignal(s->signo));
	s->fn(s->arg);
}

/*
 * All that would end the process otherwise, with the terminal still raw (signal(7)); but not SIGRTMIN, with which vCPUs
 * are taken out of the guest.
 */
static void set_of_ends(sigset_t *mask)
{
	static const int others[] = {
		SIGKILL, SIGSTOP,                                              /* nobody's choice */
		SIGCONT, SIGTSTP, SIGTTIN,  SIGTTOU,                           /* job control */
		SIGCHLD, SIGURG,  SIGWINCH,                                    /* end nothing */
		SIGABRT, SIGBUS,  SIGFPE,   SIGILL,  SIGSEGV, SIGSYS, SIGTRAP, /* terminal.c */
		SIGPIPE, SIGXFSZ, /* an error of write() */
	};
	struct sigaction was;

	sigemptyset(mask);
	for (int signo = 1; signo <= SIGRTMAX; signo++) {
		/* What lies between belongs to the C library. */
		if (signo >= __SIGRTMIN && signo <= SIGRTMIN)
			continue;
		/* A signalfd would take what nohup(1), or a shell for its background, has switched off. */
		if (sigaction(signo, NULL, &was) < 0 || was.sa_handler != SIG_IGN)
			sigaddset(mask, signo);
	}
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		sigdelset(mask, others[i]);
}

int signals_begin(struct signals *s, struct loop *l, void (*fn)(void *arg), void *arg)
{
	sigset_t mask;
	int ret;

	set_of_ends(&mask);
	pthread_sigmask(SIG_BLOCK, &mask, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	*s = (struct signals){
		.watch = {.events = EPOLLIN, .fn = on_signal, .arg = s}, .fn = fn, .arg = arg};
	s->watch.fd = signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC);
	ret = s->watch.fd < 0 ? -errno : loop_add(l, &s->watch);
	if (ret < 0)
		log_error("signals cannot be watched: %s", strerror(-ret));
	return ret;
}

void signals_end(struct signals *s)
{
	loop_del(&s->watch);
	fd_close(&s->watch.fd);
}
