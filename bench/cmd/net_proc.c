/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/cmd/net_proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/cmd/bench.h"
#include "bench/cmd/net_load.h"
#include "bench/cmd/own_network.h"
#include "vmm/core/fd.h"

#define SLICE_MS \
	100 /* how long the user's wish to end may go unseen, should the signal come before poll() */

uint64_t net_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- in the child */

static int open_namespace(pid_t pid, const char *kind)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, kind);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* The user namespace first, which the network belongs to; when it is ours that is refused, and needless. */
static void enter_user_of(pid_t pid)
{
	int user = open_namespace(pid, "user");

	if (user >= 0)
		(void)setns(user, CLONE_NEWUSER);
	fd_close(&user);
}

static int enter_network_of(pid_t pid)
{
	int net = open_namespace(pid, "net"), ret = 0;

	enter_user_of(pid);
	if (net < 0 || setns(net, CLONE_NEWNET) < 0)
		ret = -errno;
	fd_close(&net);
	return ret;
}

static int child_network(const struct net_spawn *how, const char **what)
{
	int ret = 0;

	/* One cable joins both: only within one user namespace may an end of it be handed to the other network. */
	if (how->own_network && how->beside)
		enter_user_of(how->beside);
	if (how->own_network)
		return enter_own_network(what) ? 0 : -EPERM;
	if (how->beside)
		ret = enter_network_of(how->beside);
	if (ret < 0)
		*what = "the network of the measurement";
	return ret;
}

__attribute__((noreturn)) static void child(const struct net_spawn *how, int fd, pid_t parent)
{
	int log = open(how->log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	const char *what = how->argv[0];
	sigset_t none;
	int ret;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	/* A group of its own: Ctrl-C is for us, who end it in order. */
	(void)setpgid(0, 0);
	if (log < 0 || dup2(fd, STDIN_FILENO) < 0 || dup2(fd, STDOUT_FILENO) < 0 ||
	    dup2(log, STDERR_FILENO) < 0)
		_exit(126);
	ret = child_network(how, &what);
	/* After a change of namespaces, which undoes it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (ret == 0 && getppid() == parent) {
		execvp(how->argv[0], how->argv);
		ret = -errno;
	}
	dprintf(STDERR_FILENO, "%s: %s\n", what, strerror(-ret));
	_exit(127);
}

/* ---- outside */

int net_proc_start(struct net_proc *p, const struct net_spawn *how, char *why)
{
	const pid_t parent = getpid();
	int pair[2];

	*p = NET_PROC_NONE;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return bench_why(why, -errno, "socketpair: %s", strerror(errno));
	p->pid = fork();
	if (p->pid == 0)
		child(how, pair[1], parent);
	fd_close(&pair[1]);
	if (p->pid < 0) {
		const int ret = -errno;

		p->pid = 0;
		fd_close(&pair[0]);
		return bench_why(why, ret, "fork: %s", strerror(-ret));
	}
	(void)setpgid(p->pid, p->pid); /* as the child does: whoever comes first */
	p->fd = pair[0];
	return 0;
}

void net_proc_end(struct net_proc *p)
{
	if (p->pid > 0) {
		kill(-p->pid, SIGKILL);
		while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	fd_close(&p->fd);
	*p = NET_PROC_NONE;
}

void net_proc_pause(struct net_proc *p)
{
	if (p->pid > 0 && !p->stopped)
		kill(-p->pid, SIGSTOP);
	p->stopped = true;
}

void net_proc_resume(struct net_proc *p)
{
	if (p->pid > 0 && p->stopped)
		kill(-p->pid, SIGCONT);
	p->stopped = false;
}

int net_proc_say(struct net_proc *p, const char *line)
{
	char text[1024];
	const int len = snprintf(text, sizeof(text), "%s\n", line);

	if (len < 0 || (size_t)len >= sizeof(text))
		return -E2BIG;
	/* Ours is the only end that writes, and SIGPIPE is ignored by whoever calls us or would end the program. */
	return send(p->fd, text, (size_t)len, MSG_NOSIGNAL) == len ? 0 : -EPIPE;
}

/* A line that is there already, taken out of the buffer without its end. */
static bool next_line(struct net_proc *p, char *line, size_t size)
{
	char *end = memchr(p->text, '\n', p->len);
	size_t len, whole;

	if (!end && p->len < sizeof(p->text))
		return false;
	whole = end ? (size_t)(end - p->text) + 1
	            : p->len; /* too long for one of ours: away with it */
	len = end ? whole - 1 : 0;
	while (len > 0 && p->text[len - 1] == '\r')
		len--;
	if (len >= size)
		len = size - 1;
	memcpy(line, p->text, len);
	line[len] = '\0';
	p->len -= whole;
	memmove(p->text, p->text + whole, p->len);
	return true;
}

/* 0: there may be a line now. */
static int read_more(const struct bench_env *env, struct net_proc *p, uint64_t end)
{
	struct pollfd fd = {.fd = p->fd, .events = POLLIN};
	ssize_t n;

	if (*env->stop)
		return -EINTR;
	if (net_now_ns() >= end)
		return -ETIMEDOUT;
	if (poll(&fd, 1, SLICE_MS) <= 0)
		return 0;
	n = read(p->fd, p->text + p->len, sizeof(p->text) - p->len);
	if (n == 0 || (n < 0 && errno != EINTR))
		return -EPIPE;
	p->len += n > 0 ? (size_t)n : 0;
	return 0;
}

/* A line that begins with '@'. As net_proc_expect(), without reasons. */
static int hear(const struct bench_env *env, struct net_proc *p, uint64_t end,
                char line[NET_LINE_MAX])
{
	int ret;

	for (;;) {
		while (next_line(p, line, NET_LINE_MAX))
			if (line[0] == '@')
				return 0;
		ret = read_more(env, p, end);
		if (ret < 0)
			return ret;
	}
}

int net_proc_expect(const struct bench_env *env, struct net_proc *p, const char *want, unsigned ms,
                    char *line, char *why)
{
	const uint64_t end = net_now_ns() + (uint64_t)ms * 1000000u;
	char text[NET_LINE_MAX] = "";
	int ret;

	while ((ret = hear(env, p, end, text)) == 0) {
		if (strncmp(text, "@error", 6) == 0)
			return bench_why(why, -EREMOTEIO, "the load generator:%s", text + 6);
		if (strncmp(text, want, strlen(want)) != 0)
			continue;
		if (line)
			memcpy(line, text, sizeof(text));
		return 0;
	}
	if (ret == -EINTR)
		return bench_why(why, ret, "interrupted");
	if (ret == -EPIPE)
		return bench_why(why, ret, "it ended before it said %s", want);
	return bench_why(why, ret, "it hangs: no %s within %u s", want, ms / 1000);
}

int net_proc_ask(const struct bench_env *env, struct net_proc *p, const char *line, unsigned ms,
                 char *why)
{
	if (net_proc_say(p, line) < 0)
		return bench_why(why, -EPIPE, "it has ended");
	return net_proc_expect(env, p, "@ok", ms, NULL, why);
}

void net_last_line(const char *path, char *out, size_t size)
{
	FILE *in = fopen(path, "re");
	char line[BENCH_WHY_MAX];

	out[0] = '\0';
	while (in && fgets(line, sizeof(line), in)) {
		line[strcspn(line, "\r\n")] = '\0';
		if (line[0])
			snprintf(out, size, "%s", line);
	}
	if (in)
		fclose(in);
}

int net_sleep(const struct bench_env *env, unsigned ms)
{
	const uint64_t end = net_now_ns() + (uint64_t)ms * 1000000u;
	uint64_t now;

	while (!*env->stop && (now = net_now_ns()) < end) {
		const uint64_t left = (end - now) / 1000000u + 1;

		(void)poll(NULL, 0, left < SLICE_MS ? (int)left : SLICE_MS);
	}
	return *env->stop ? -EINTR : 0;
}
