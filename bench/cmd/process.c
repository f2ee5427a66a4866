/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/cmd/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/cmd/bench.h"
#include "bench/cmd/own_network.h"
#include "vmm/core/loop.h"

/* ---- how it begins */

static int say(const char *what, int err, char *why)
{
	snprintf(why, BENCH_WHY_MAX, "%s: %s", what, strerror(err));
	return -err;
}

/* Written by the child just before exec. */
static uint64_t *share_time(void)
{
	uint64_t *ns =
		mmap(NULL, sizeof(*ns), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (ns == MAP_FAILED)
		return NULL;
	*ns = 0; /* touched: no page fault in the child's way */
	return ns;
}

static _Noreturn void child(const struct process_job *job, const struct process *p,
                            void (*before)(void), uint64_t *exec_ns)
{
	const int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != p->parent) /* it was too late for that */
		_exit(126);
	if (dup2(null, STDIN_FILENO) < 0 || dup2(p->out < 0 ? null : p->out, STDOUT_FILENO) < 0 ||
	    dup2(p->err, STDERR_FILENO) < 0)
		_exit(126);
	if (before)
		before();
	*exec_ns = loop_now_ns();
	execvp(job->argv[0], (char *const *)(uintptr_t)job->argv);
	dprintf(STDERR_FILENO, "%s: %s\n", job->argv[0], strerror(errno));
	_exit(127);
}

int process_begin(struct process *p, const struct process_job *job, void (*before)(void), char *why)
{
	uint64_t *exec_ns = share_time();
	int out[2] = {-1, -1};
	const char *what;

	*p = (struct process){.pid = -1, .parent = getpid(), .out = -1, .exec_ns = exec_ns};
	if (job->own_network && !enter_own_network(&what)) {
		snprintf(why, BENCH_WHY_MAX, "%s", what);
		return -EPERM;
	}
	p->err = memfd_create("stderr", MFD_CLOEXEC);
	if (!exec_ns) {
		say("no memory", ENOMEM, why);
		return -ENOMEM;
	}
	if (p->err < 0 || (job->marker && pipe2(out, O_CLOEXEC) < 0))
		return say("no descriptors", errno, why);
	p->out = out[1];
	p->pid = fork();
	if (p->pid == 0)
		child(job, p, before, exec_ns);
	if (p->pid < 0)
		return say("fork", errno, why);
	if (out[1] >= 0)
		close(out[1]);
	p->out = out[0];
	return 0;
}

/* ---- how it ends */

/* The last line that it said, without its end, behind ": ". */
static void last_words(int err, char *line, size_t size)
{
	const off_t len = lseek(err, 0, SEEK_END);
	char text[1024], *end, *at;
	off_t from = len - (off_t)sizeof(text) + 1;
	ssize_t n = pread(err, text, sizeof(text) - 1, from < 0 ? 0 : from);

	*line = '\0';
	if (n <= 0)
		return;
	for (end = text + n; end > text && strchr("\r\n", end[-1]); end--)
		continue;
	*end = '\0';
	at = strrchr(text, '\n');
	snprintf(line, size, ": %.150s", at ? at + 1 : text);
}

int process_judge(const struct process *p, int status, char *why)
{
	char said[160];

	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	last_words(p->err, said, sizeof(said));
	if (WIFEXITED(status))
		snprintf(why, BENCH_WHY_MAX, "it ended with status %d%s", WEXITSTATUS(status),
		         said);
	else
		snprintf(why, BENCH_WHY_MAX, "it was ended by signal %d%s", WTERMSIG(status), said);
	return -EPROTO;
}

int process_finish(struct process *p, char *why)
{
	int status;

	while (waitpid(p->pid, &status, 0) < 0)
		if (errno != EINTR)
			return say("waitpid", errno, why);
	return process_judge(p, status, why);
}

int process_whole(const void *job, double *v, char *why)
{
	struct process p;
	int ret = process_begin(&p, job, NULL, why);

	if (ret == 0)
		ret = process_finish(&p, why);
	if (ret == 0)
		v[0] = (double)(loop_now_ns() - *p.exec_ns);
	return ret;
}

/* ---- what it prints */

/* It closed its output: why? */
static int no_marker(struct process *p, const char *marker, char *why)
{
	int ret = process_finish(p, why);

	if (ret == 0)
		snprintf(why, BENCH_WHY_MAX, "it ended and had not said '%s'", marker);
	return -EPROTO;
}

int process_line(struct process *p, const char *marker, char line[PROCESS_LINE], uint64_t *at_ns,
                 char *why)
{
	const char *at = NULL;
	size_t len = 0;
	char c;

	for (;;) {
		ssize_t n = read(p->out, &c, 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return no_marker(p, marker, why);
		if (c == '\n' || c == '\r') {
			if (at)
				break;
			len = 0;
			continue;
		}
		if (c == '\0') /* of some firmware */
			c = ' ';
		if (len < PROCESS_LINE - 1)
			line[len++] = c;
		line[len] = '\0';
		if (!at && (at = strstr(line, marker)))
			*at_ns = loop_now_ns();
	}
	memmove(line, at, strlen(at) + 1);
	return 0;
}

int process_marker(const void *arg, double *v, char *why)
{
	const struct process_job *job = arg;
	char line[PROCESS_LINE], drop[4096];
	struct process p;
	uint64_t at_ns = 0;
	int ret = process_begin(&p, job, NULL, why);

	if (ret == 0)
		ret = process_line(&p, job->marker, line, &at_ns, why);
	if (ret < 0)
		return ret;
	v[0] = (double)(at_ns - *p.exec_ns);
	v[1] = (double)strtoull(line + strlen(job->marker), NULL, 10);
	while (read(p.out, drop, sizeof(drop)) > 0)
		continue;
	return process_finish(&p, why);
}
