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

int signals_begin(struct signals *s, struct loop *l, void (*fn)(void *arg), void *arg)
{
	/* All that would end the process otherwise, with the terminal still raw. */
	static const int ends[] = {SIGINT,  SIGTERM, SIGHUP,    SIGQUIT, SIGUSR1,
	                           SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGXCPU};
	struct sigaction was;
	sigset_t mask;
	int ret;

	sigemptyset(&mask);
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		/* A signalfd would take what nohup(1), or a shell for its background, has switched off. */
		if (sigaction(ends[i], NULL, &was) < 0 || was.sa_handler != SIG_IGN)
			sigaddset(&mask, ends[i]);
	}
	pthread_sigmask(SIG_BLOCK, &mask, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a file that grew too large is an error of write() */
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
