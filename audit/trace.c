/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/trace.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/hist.h"
#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"
#include "vmm/core/log.h"
#include "vmm/core/num.h"

#define PREFIX "doorbell-"

/* PROC_PID_INIT_INO: a number of the kernel's, the same since 3.8. */
#define INITIAL_PID_NS 0xeffffffcu

/* One histogram of a few hundred rows prints less. */
#define HIST_BYTES KIB(512)

static const struct trace_event {
	const char *name, *path, *keys;
} events[] = {
	{"kvm_exit", "kvm/kvm_exit", "exit_reason,isa"},
	{"kvm_userspace_exit", "kvm/kvm_userspace_exit", "reason"},
	{"kvm_mmio", "kvm/kvm_mmio", "type,gpa"},
	{"kvm_msi_set_irq", "kvm/kvm_msi_set_irq", "common_pid"},
	{"kvm_set_irq", "kvm/kvm_set_irq", "gsi,level"},
	{"workqueue_queue_work", "workqueue/workqueue_queue_work", "function.sym"},
	{"sys_enter", "raw_syscalls/sys_enter", "common_pid,id"},
};

struct trace {
	char dir[PATH_MAX - 256]; /* of the instance */
	char *text;               /* HIST_BYTES */
	bool has[ARRAY_SIZE(events)];
};

/* ---- files */

static int write_text(const char *dir, const char *file, const char *text)
{
	char path[PATH_MAX];
	int fd, ret;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* At once: to these files each write() is a command of its own. */
	ret = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	fd_close(&fd);
	return ret;
}

static int read_text(const char *dir, const char *file, char *buf, size_t size)
{
	char path[PATH_MAX];
	size_t len = 0;
	ssize_t n = 1;
	int fd;

	buf[0] = '\0';
	snprintf(path, sizeof(path), "%s/%s", dir, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (len < size - 1 && n > 0) {
		n = read(fd, buf + len, size - 1 - len);
		if (n > 0)
			len += (size_t)n;
	}
	buf[len] = '\0';
	fd_close(&fd);
	return n < 0 ? -EIO : 0;
}

/* ---- begin and end */

/* Our own is one that somebody left: we make ours later. In a container each time PID 1 comes by. */
static bool is_stale(pid_t pid)
{
	return pid == getpid() || (kill(pid, 0) < 0 && errno == ESRCH);
}

/* Instances of ours whose process is no more. */
static void remove_stale(const char *instances)
{
	DIR *d = opendir(instances);
	const struct dirent *e;
	char path[PATH_MAX];
	uint64_t pid;

	if (!d)
		return;
	while ((e = readdir(d)) != NULL) {
		if (strncmp(e->d_name, PREFIX, strlen(PREFIX)) != 0 ||
		    !num_at(e->d_name + strlen(PREFIX), 10, &pid) || pid == 0 || pid > INT_MAX)
			continue;
		snprintf(path, sizeof(path), "%s/%s", instances, e->d_name);
		if (is_stale((pid_t)pid) && rmdir(path) < 0)
			log_debug("%s: %s", path, strerror(errno));
	}
	closedir(d);
}

static int set_tids(const struct trace *t, const int *tids, size_t nr)
{
	char text[4096];
	size_t len = 0;

	if (nr == 0) /* a filter of nothing is none: it would count the whole host */
		return -ESRCH;
	for (size_t i = 0; i < nr && len < sizeof(text) - 16; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%d ", tids[i]);
	return write_text(t->dir, "set_event_pid", text);
}

static int set_trigger(const struct trace *t, const struct trace_event *e, const char *how)
{
	char path[256], trigger[256];

	snprintf(path, sizeof(path), "events/%s/trigger", e->path);
	snprintf(trigger, sizeof(trigger), "hist:keys=%s:size=4096%s", e->keys, how);
	return write_text(t->dir, path, trigger);
}

static void arm(struct trace *t)
{
	for (size_t i = 0; i < ARRAY_SIZE(events); i++)
		t->has[i] = set_trigger(t, &events[i], "") == 0;
}

void trace_restart(struct trace *t)
{
	for (size_t i = 0; i < ARRAY_SIZE(events); i++)
		if (t->has[i]) /* what cannot be set to 0 is of no use */
			t->has[i] = set_trigger(t, &events[i], ":clear") == 0;
}

int trace_begin(const char *root, const int *tids, size_t nr, struct trace **out, char *why,
                size_t why_size)
{
	struct trace *t = calloc(1, sizeof(*t));
	char instances[PATH_MAX - 512];
	const char *what = "instances";
	int ret = -ENOMEM;

	*out = NULL;
	if (t)
		t->text = malloc(HIST_BYTES);
	if (t && t->text) {
		snprintf(instances, sizeof(instances), "%s/instances", root);
		remove_stale(instances);
		snprintf(t->dir, sizeof(t->dir), "%s/" PREFIX "%d", instances, (int)getpid());
		ret = mkdir(t->dir, S_IRWXU) < 0 ? -errno : 0;
	}
	if (ret < 0) {
		snprintf(why, why_size, "%s/%s: %s", root, what, strerror(-ret));
		if (t)
			free(t->text);
		free(t);
		return ret;
	}
	what = "set_event_pid";
	ret = set_tids(t, tids, nr);
	if (ret == 0) {
		what = "options/event-fork"; /* threads to come */
		ret = write_text(t->dir, what, "1");
	}
	if (ret < 0) {
		snprintf(why, why_size, "%s/%s: %s", root, what, strerror(-ret));
		trace_end(t);
		return ret;
	}
	arm(t);
	*out = t;
	return 0;
}

bool trace_knows_pids(const char *ns)
{
	struct stat st;

	return stat(ns, &st) == 0 && st.st_ino == INITIAL_PID_NS;
}

int trace_begin_host(const int *tids, size_t nr, struct trace **out, char *why, size_t why_size)
{
	if (trace_knows_pids(TRACE_PID_NS))
		return trace_begin(TRACE_ROOT, tids, nr, out, why, why_size);
	*out = NULL;
	snprintf(why, why_size,
	         "this is not the initial PID namespace, by whose numbers tracefs knows threads");
	return -EXDEV;
}

void trace_end(struct trace *t)
{
	if (!t)
		return;
	if (rmdir(t->dir) < 0)
		log_warn("%s is left behind: %s", t->dir, strerror(errno));
	free(t->text);
	free(t);
}

/* ---- reading */

static void add_row(void *arg, const struct hist_row *row)
{
	json_t *a = json_array();

	for (unsigned i = 0; i < row->nr_keys; i++)
		json_array_append_new(a, json_integer((json_int_t)row->key[i]));
	if (row->symbol[0]) /* the address says nothing */
		json_array_set_new(a, 0, json_string(row->symbol));
	json_array_append_new(a, json_integer((json_int_t)row->hits));
	json_array_append_new(arg, a);
}

json_t *trace_read(const struct trace *t)
{
	json_t *all = json_object(), *rows;
	char path[256];
	uint64_t dropped;

	for (size_t i = 0; i < ARRAY_SIZE(events); i++) {
		snprintf(path, sizeof(path), "events/%s/hist", events[i].path);
		if (!t->has[i] || read_text(t->dir, path, t->text, HIST_BYTES) < 0)
			continue;
		rows = json_array();
		dropped = hist_parse(t->text, add_row, rows);
		if (dropped) /* incomplete is worse than nothing */
			json_decref(rows);
		else
			json_object_set_new(all, events[i].name, rows);
	}
	return all;
}
