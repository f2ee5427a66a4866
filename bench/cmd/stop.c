/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/cmd/stop.h"

#include <signal.h>

#include "vmm/core/compiler.h"

/* A handler is given nothing that it could find another place by. */
static volatile int stop_signal;

static void on_end(int signo)
{
	if (!stop_signal)
		stop_signal = signo;
}

/* write() then says why it failed. */
static void on_limit(unused int signo)
{
}

static void handle(int signo, void (*fn)(int))
{
	struct sigaction was, a = {.sa_handler = fn};

	sigemptyset(&a.sa_mask);
	if (sigaction(signo, NULL, &was) == 0 && was.sa_handler != SIG_IGN)
		sigaction(signo, &a, NULL);
}

const volatile int *bench_stop_begin(void)
{
	static const int ends[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE};

	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		handle(ends[i], on_end);
	handle(SIGXFSZ, on_limit);
	return &stop_signal;
}
