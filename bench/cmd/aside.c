/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/cmd/aside.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/cmd/bench.h"
#include "vmm/core/fd.h"
#include "vmm/core/loop.h"

#define LOOK_MS 200 /* how often somebody asks whether the user wants to end */

/* What the child says. */
struct told {
	int ret;
	double v[ASIDE_VALUES];
	char why[BENCH_WHY_MAX];
};

static _Noreturn void child(const struct aside *a, pid_t parent, struct told *t)
{
	char why[BENCH_WHY_MAX] = "";
	sigset_t none;
	int ret;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent) /* it was too late for that */
		_exit(0);
	/* What it starts shall be as started by a shell. */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	ret = a->fn(a->arg, t->v, why);
	memcpy(t->why, why, sizeof(why)); /* until then it says that we were ended */
	t->ret = ret;
	_exit(0);
}

/* 0 when the child has ended. */
static int wait_for(const struct aside *a, pid_t pid)
{
	const uint64_t end_ns = loop_now_ns() + a->limit_s * UINT64_C(1000000000);
	struct pollfd pfd = {.fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN};
	int ret = pfd.fd < 0 ? -errno : 0;

	while (ret == 0 && poll(&pfd, 1, LOOK_MS) != 1) {
		if (a->stop && *a->stop)
			ret = -EINTR;
		else if (loop_now_ns() >= end_ns)
			ret = -ETIMEDOUT;
	}
	fd_close(&pfd.fd);
	return ret;
}

static int take(const struct aside *a, struct told *t, char *why)
{
	const pid_t parent = getpid(), pid = fork();
	int ret;

	if (pid == 0)
		child(a, parent, t);
	if (pid < 0) {
		ret = -errno;
		snprintf(why, BENCH_WHY_MAX, "fork: %s", strerror(-ret));
		return ret;
	}
	ret = wait_for(a, pid);
	if (ret < 0)
		kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (ret == -ETIMEDOUT)
		snprintf(why, BENCH_WHY_MAX, "nothing came of it within %u s", a->limit_s);
	else if (ret < 0)
		snprintf(why, BENCH_WHY_MAX, "waiting for it: %s", strerror(-ret));
	else
		snprintf(why, BENCH_WHY_MAX, "%s", t->why);
	return ret < 0 ? ret : t->ret;
}

int aside_run(const struct aside *a, double v[ASIDE_VALUES], char *why)
{
	struct told *t =
		mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int ret;

	if (t == MAP_FAILED) {
		ret = -errno;
		snprintf(why, BENCH_WHY_MAX, "no memory: %s", strerror(-ret));
		return ret;
	}
	t->ret = -ECHILD;
	snprintf(t->why, sizeof(t->why), "the process that measures was ended");
	ret = take(a, t, why);
	memcpy(v, t->v, sizeof(t->v));
	munmap(t, sizeof(*t));
	return ret;
}
