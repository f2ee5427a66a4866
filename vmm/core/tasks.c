/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/core/tasks.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "vmm/core/fd.h"
#include "vmm/core/num.h"

#define VHOST "vhost-" /* and the thread that asked for it */

/* The beginning of a file of /proc as text. False: there is none. */
static bool read_text(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);

	fd_close(&fd);
	buf[n > 0 ? n : 0] = '\0';
	return n > 0;
}

/* The number behind @key at the beginning of a line. */
static bool number_of(const char *text, const char *key, uint64_t *out)
{
	const char *at = strstr(text, key);

	return at && num_at(at + strlen(key), 10, out);
}

bool task_parse_status(const char *text, struct task *t)
{
	t->ready = strstr(text, "\nState:\tR");
	return sscanf(text, "Name:\t%15[^\n]", t->name) == 1 &&
	       number_of(text, "\nvoluntary_ctxt_switches:", &t->voluntary_switches) &&
	       number_of(text, "\nnonvoluntary_ctxt_switches:", &t->involuntary_switches);
}

bool task_parse_schedstat(const char *text, struct task *t)
{
	return num_next(&text, 10, &t->cpu_ns) && num_next(&text, 10, &t->runqueue_ns);
}

static uint64_t ns_of(struct timeval t)
{
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_usec * 1000u;
}

void task_self(struct task *t)
{
	struct rusage u;

	*t = (struct task){.tid = gettid()};
	pthread_getname_np(pthread_self(), t->name, sizeof(t->name));
	if (getrusage(RUSAGE_THREAD, &u) < 0)
		return;
	t->voluntary_switches = (uint64_t)u.ru_nvcsw;
	t->involuntary_switches = (uint64_t)u.ru_nivcsw;
	t->cpu_ns = ns_of(u.ru_utime) + ns_of(u.ru_stime);
}

uint64_t task_delay_ns(void)
{
	struct task t = {0};
	char text[128];

	if (read_text("/proc/thread-self/schedstat", text, sizeof(text)))
		(void)task_parse_schedstat(text, &t);
	return t.runqueue_ns;
}

/* All of it, however many groups the thread is in: what we want comes behind them. */
static bool read_status(const char *path, struct task *t)
{
	FILE *in = fopen(path, "re");
	char *text = NULL;
	size_t size = 0;
	bool ok = in && getdelim(&text, &size, '\0', in) > 0 && task_parse_status(text, t);

	free(text);
	if (in)
		fclose(in);
	return ok;
}

static bool read_task(const char *dir, int tid, struct task *t)
{
	char path[64], text[128];

	*t = (struct task){.tid = tid};
	snprintf(path, sizeof(path), "%s/%d/status", dir, tid);
	if (!read_status(path, t))
		return false;
	snprintf(path, sizeof(path), "%s/%d/schedstat", dir, tid);
	if (read_text(path, text, sizeof(text)))
		(void)task_parse_schedstat(text, t);
	return true;
}

bool task_read(int tid, struct task *t)
{
	return read_task("/proc/self/task", tid, t);
}

/* The next entry of @d that is a number; 0 at the end. */
static int next_number(DIR *d)
{
	const struct dirent *e;
	long n;

	while ((e = readdir(d)) != NULL) {
		n = strtol(e->d_name, NULL, 10);
		if (n > 0 && n <= INT32_MAX)
			return (int)n;
	}
	return 0;
}

/* Is that process a vhost worker of one of the @nr threads? It is named after who asked for it. */
static bool works_for(int pid, const struct task *t, unsigned nr)
{
	char path[64], name[32];
	uint64_t owner;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	if (!read_text(path, name, sizeof(name)) || strncmp(name, VHOST, strlen(VHOST)) != 0 ||
	    !num_at(name + strlen(VHOST), 10, &owner))
		return false;
	for (unsigned i = 0; i < nr; i++)
		if ((uint64_t)t[i].tid == owner)
			return true;
	return false;
}

static unsigned add_vhost(struct task *out, unsigned nr, unsigned room)
{
	const unsigned ours = nr;
	DIR *d = opendir("/proc");
	int pid;

	if (!d)
		return nr;
	while (nr < room && (pid = next_number(d)) != 0)
		if (works_for(pid, out, ours) && read_task("/proc", pid, &out[nr]))
			nr++;
	closedir(d);
	return nr;
}

unsigned tasks_read(struct task *out, unsigned room, bool vhost)
{
	DIR *d = opendir("/proc/self/task");
	unsigned nr = 0;
	int tid;

	if (!d)
		return 0;
	while (nr < room && (tid = next_number(d)) != 0) {
		if (!task_read(tid, &out[nr]))
			continue;
		if (strncmp(out[nr].name, VHOST, strlen(VHOST)) == 0)
			vhost = false; /* of 6.4 and later */
		nr++;
	}
	closedir(d);
	return vhost ? add_vhost(out, nr, room) : nr;
}
