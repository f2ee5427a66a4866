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
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
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

/* What it writes while nobody looks, as its standard error while packets flow, fills no disk; guests' memory may be a file. */
#define FILE_BYTES (UINT64_C(1) << 30)

static void limit_files(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_FSIZE, &r) == 0 && r.rlim_cur > FILE_BYTES) {
		r.rlim_cur = FILE_BYTES;
		(void)setrlimit(RLIMIT_FSIZE, &r);
	}
}

__attribute__((noreturn)) static void child(const struct net_spawn *how, int fd, int log,
                                            pid_t parent)
{
	const char *what = how->argv[0];
	sigset_t none;
	int ret;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	/* A group of its own: Ctrl-C is for us, who end it in order. */
	(void)setpgid(0, 0);
	if (dup2(fd, STDIN_FILENO) < 0 || dup2(fd, STDOUT_FILENO) < 0 ||
	    dup2(log, STDERR_FILENO) < 0)
		_exit(126);
	limit_files();
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
	p->log = open(how->log, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (p->log < 0)
		return bench_why(why, -errno, "%s: %s", how->log, strerror(errno));
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		const int ret = -errno;

		fd_close(&p->log);
		return bench_why(why, ret, "socketpair: %s", strerror(-ret));
	}
	p->pid = fork();
	if (p->pid == 0)
		child(how, pair[1], p->log, parent);
	fd_close(&pair[1]);
	if (p->pid < 0) {
		const int ret = -errno;

		p->pid = 0;
		fd_close(&pair[0]);
		fd_close(&p->log);
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
	fd_close(&p->log);
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
	p->closed |= send(p->fd, text, (size_t)len, MSG_NOSIGNAL) != len;
	return p->closed ? -EPIPE : 0;
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

/* How long one line is waited for, and what was read meanwhile. */
struct patience {
	uint64_t end_ns, heard;
};

static bool floods(const struct net_proc *p, const struct patience *until)
{
	struct stat st;

	return until->heard > NET_FLOOD_BYTES ||
	       (fstat(p->log, &st) == 0 && (uint64_t)st.st_size > NET_FLOOD_BYTES);
}

/* 0: there may be a line now. */
static int read_more(const struct bench_env *env, struct net_proc *p, struct patience *until)
{
	struct pollfd fd = {.fd = p->fd, .events = POLLIN};
	ssize_t n;

	if (*env->stop)
		return -EINTR;
	if (net_now_ns() >= until->end_ns)
		return -ETIMEDOUT;
	if (floods(p, until))
		return -EFBIG;
	if (poll(&fd, 1, SLICE_MS) <= 0)
		return 0;
	n = read(p->fd, p->text + p->len, sizeof(p->text) - p->len);
	p->closed |= n == 0 || (n < 0 && errno != EINTR);
	if (p->closed)
		return -EPIPE;
	p->len += n > 0 ? (size_t)n : 0;
	until->heard += n > 0 ? (uint64_t)n : 0;
	return 0;
}

/* A line that begins with '@'. As net_proc_expect(), without reasons. */
static int hear(const struct bench_env *env, struct net_proc *p, struct patience *until,
                char line[NET_LINE_MAX])
{
	int ret;

	for (;;) {
		while (next_line(p, line, NET_LINE_MAX)) {
			if (line[0] == '@')
				return 0;
			if (line[0])
				snprintf(p->last, sizeof(p->last), "%.*s", (int)NET_LAST_MAX - 1,
				         line);
		}
		ret = read_more(env, p, until);
		if (ret < 0)
			return ret;
	}
}

int net_proc_expect(const struct bench_env *env, struct net_proc *p, const char *want, unsigned ms,
                    char *line, char *why)
{
	struct patience until = {.end_ns = net_now_ns() + (uint64_t)ms * 1000000u};
	char text[NET_LINE_MAX] = "";
	int ret;

	while ((ret = hear(env, p, &until, text)) == 0) {
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
	if (ret == -EFBIG)
		return bench_why(why, ret, "it says too much: over %u MiB, and no %s",
		                 (unsigned)(NET_FLOOD_BYTES >> 20), want);
	return bench_why(why, ret, "it hangs: no %s within %u s", want, ms / 1000);
}

int net_proc_ask(const struct bench_env *env, struct net_proc *p, const char *line, unsigned ms,
                 char *why)
{
	if (net_proc_say(p, line) < 0)
		return bench_why(why, -EPIPE, "it has ended");
	return net_proc_expect(env, p, "@ok", ms, NULL, why);
}

/* ---- what became of it */

#define END_MS \
	2000 /* from the end of what it has to say to its own end; a core may have to be written */

bool net_proc_ended(struct net_proc *p)
{
	struct pollfd fd = {.fd = -1, .events = POLLIN};
	siginfo_t info = {.si_pid = 0};

	if (p->pid <= 0)
		return false;
	if (p->closed)
		fd.fd = (int)syscall(SYS_pidfd_open, p->pid, 0);
	if (fd.fd >= 0)
		(void)poll(&fd, 1, END_MS);
	fd_close(&fd.fd);
	/* net_proc_end() is who takes it. */
	return waitid(P_PID, (id_t)p->pid, &info, WEXITED | WNOWAIT | WNOHANG) == 0 && info.si_pid;
}

static void how_it_ended(struct net_proc *p, char *out, size_t size)
{
	siginfo_t info = {.si_pid = 0};

	if (!net_proc_ended(p) ||
	    waitid(P_PID, (id_t)p->pid, &info, WEXITED | WNOWAIT | WNOHANG) < 0)
		return;
	if (info.si_code == CLD_EXITED)
		snprintf(out, size, "ended with status %d", info.si_status);
	else
		snprintf(out, size, "ended by signal %d (%s)", info.si_status,
		         strsignal(info.si_status));
}

/* The last line that is not empty, of text without its end, too. */
static void last_line_of(char *text, size_t len, char out[NET_LAST_MAX])
{
	char *line, *rest = text;

	text[len] = '\0';
	while ((line = strsep(&rest, "\r\n")))
		if (*line)
			snprintf(out, NET_LAST_MAX, "%.*s", (int)NET_LAST_MAX - 1, line);
}

static void last_of_log(int fd, char out[NET_LAST_MAX])
{
	char text[1024];
	struct stat st;
	ssize_t n;
	off_t from;

	if (fd < 0 || fstat(fd, &st) < 0)
		return;
	from = st.st_size - (off_t)(sizeof(text) - 1);
	n = pread(fd, text, sizeof(text) - 1, from > 0 ? from : 0);
	if (n > 0)
		last_line_of(text, (size_t)n, out);
}

static void last_of_console(const struct net_proc *p, char out[NET_LAST_MAX])
{
	char text[sizeof(p->text) + 1];

	snprintf(out, NET_LAST_MAX, "%s", p->last);
	memcpy(text, p->text, p->len);
	last_line_of(text, p->len, out);
}

static void add_words(char *out, size_t size, const char *what, const char *words)
{
	const size_t len = strlen(out);

	if (words[0])
		snprintf(out + len, size - len, "%s%s: %s", len ? "; " : "", what, words);
}

void net_proc_explain(struct net_proc *p, char *out, size_t size)
{
	char words[NET_LAST_MAX] = "";

	out[0] = '\0';
	how_it_ended(p, out, size);
	last_of_console(p, words);
	add_words(out, size, "console", words);
	words[0] = '\0';
	last_of_log(p->log, words);
	add_words(out, size, "standard error", words);
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
