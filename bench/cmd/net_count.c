/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/cmd/net_count.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "audit/report.h"
#include "audit/trace.h"
#include "bench/cmd/net_load.h"
#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"
#include "vmm/core/num.h"
#include "vmm/core/tasks.h"
#include "vmm/ctl.h"
#include "vmm/interface.h"

/* ---- the machine */

/* cpu USER NICE SYSTEM IDLE IOWAIT IRQ SOFTIRQ STEAL GUEST GUEST_NICE (proc_stat(5)); GUEST is in USER, too. */
bool net_busy_parse(const char *text, uint64_t *ticks)
{
	enum { USER, NICE, SYSTEM, IDLE, IOWAIT, IRQ, SOFTIRQ, FIELDS };
	uint64_t v[FIELDS];

	if (strncmp(text, "cpu ", 4) != 0)
		return false;
	text += 4;
	for (size_t i = 0; i < FIELDS; i++)
		if (!num_next(&text, 10, &v[i]))
			return false;
	*ticks = v[USER] + v[NICE] + v[SYSTEM] + v[IRQ] + v[SOFTIRQ];
	return true;
}

static bool read_text(const char *path, char *out, size_t size)
{
	FILE *in = fopen(path, "re");
	size_t n;

	if (!in)
		return false;
	n = fread(out, 1, size - 1, in);
	out[n] = '\0';
	fclose(in);
	return n > 0;
}

uint64_t net_busy_ns(void)
{
	const long hz = sysconf(_SC_CLK_TCK);
	char text[256];
	uint64_t ticks;

	if (hz <= 0 || !read_text("/proc/stat", text, sizeof(text)) ||
	    !net_busy_parse(text, &ticks))
		return 0;
	return ticks * (1000000000u / (uint64_t)hz);
}

bool net_frames(pid_t pid, const char *name, uint64_t *frames)
{
	struct interface_stats s;
	char path[64], text[4096];

	snprintf(path, sizeof(path), "/proc/%d/net/dev", (int)pid);
	if (!read_text(path, text, sizeof(text)) || !interface_parse(text, name, &s))
		return false;
	*frames = s.rx_packets + s.tx_packets;
	return true;
}

/* ---- doorbell */

/* One that does not answer does not hold us up for longer than this. */
#define ASK_S 20

static json_t *ask(int fd, const char *command)
{
	const struct itimerspec limit = {.it_value.tv_sec = ASK_S};
	json_t *r = json_pack("{s:s}", "command", command), *result = NULL;
	int late = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);

	if (r && late >= 0 && timerfd_settime(late, 0, &limit, NULL) == 0)
		result = ctl_request(fd, late, r);
	fd_close(&late);
	json_decref(r);
	return result;
}

bool net_moment_take(const char *control, struct net_moment *m)
{
	int fd = ctl_connect(control);

	*m = (struct net_moment){0};
	if (fd < 0)
		return false;
	m->status = ask(fd, "status");
	m->stats = m->status ? ask(fd, "stats") : NULL;
	fd_close(&fd);
	if (!m->stats)
		net_moment_drop(m);
	return m->stats != NULL;
}

void net_moment_drop(struct net_moment *m)
{
	json_decref(m->status);
	json_decref(m->stats);
	*m = (struct net_moment){0};
}

/* What docs/audit.md calls them. */
static const struct {
	const char *event;
	enum bench_metric_id id;
	bool machine; /* of the whole machine, not of the NICs */
} events[] = {
	{"exits", BM_EXITS, true},
	{"exits to userspace", BM_USERSPACE_EXITS, true},
	{"kicks", BM_KICKS, false},
	{"interrupts raised", BM_INTERRUPTS, false},
	{"wake-ups of the I/O thread", BM_WAKEUPS, false},
	{"wake-ups of vhost's worker", BM_WAKEUPS, false},
	{"system calls of the I/O thread", BM_SYSCALLS, false},
	{"kernel-worker runs", BM_WORKER_RUNS, false},
	{"payload copies", BM_COPIES, false},
};

/* Of an event: what was counted, and bits of metrics of which a part was not. */
struct counted {
	struct bench_sample *s;
	uint32_t unknown;
};

/* Add @row, of one event, if it is that one. */
static void add_row(const json_t *row, size_t event, double frames, struct counted *c)
{
	const char *name = json_string_value(json_object_get(row, "event"));
	const json_t *observed = json_object_get(row, "observed");
	const enum bench_metric_id id = events[event].id;
	const double had = c->s->has & 1u << id ? c->s->v[id] : 0;

	if (!name || strcmp(name, events[event].event) != 0)
		return;
	if (json_is_number(observed))
		bench_set(c->s, id, had + json_number_value(observed) / frames);
	else
		c->unknown |= 1u << id;
}

static void add_rows(const json_t *rows, bool machine, double frames, struct counted *c)
{
	const json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
	{
		for (size_t k = 0; k < ARRAY_SIZE(events); k++)
			if (events[k].machine == machine)
				add_row(row, k, frames, c);
	}
}

bool net_count_doorbell(const struct net_moment *from, const struct net_moment *to,
                        struct bench_sample *s)
{
	const struct audit_input in = {
		.status_before = from->status,
		.status_after = to->status,
		.before = from->stats,
		.after = to->stats,
		.no_trace = "",
	};
	struct counted c = {.s = s};
	const json_t *nics, *nic;
	json_t *report;
	double frames;
	size_t i;

	if (!audit_same_life(from->stats, to->stats))
		return false;
	frames = (double)audit_frames(to->stats) - (double)audit_frames(from->stats);
	report = frames > 0 ? audit_report(&in) : NULL;
	if (!report)
		return false;
	nics = json_object_get(report, "nics");
	json_array_foreach(nics, i, nic)
	{
		add_rows(json_object_get(nic, "rows"), false, frames, &c);
	}
	add_rows(json_object_get(json_object_get(report, "machine"), "rows"), true, frames, &c);
	s->has &= ~c.unknown;
	json_decref(report);
	return true;
}

/* ---- the kernel's tracing, of any VMM */

struct trace *net_trace_begin(pid_t pid, char *why)
{
	struct trace *t = NULL;
	const struct dirent *e;
	int tids[TASKS_MAX];
	uint64_t tid;
	size_t nr = 0;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	while (dir && (e = readdir(dir)) && nr < ARRAY_SIZE(tids))
		if (num_at(e->d_name, 10, &tid) && tid <= INT32_MAX)
			tids[nr++] = (int)tid;
	if (dir)
		closedir(dir);
	if (trace_begin_host(tids, nr, &t, why, BENCH_WHY_MAX) < 0)
		return NULL;
	return t;
}

void net_trace_restart(struct trace *t)
{
	trace_restart(t);
}

static double hits(const json_t *trace, const char *event, const char *symbol)
{
	const json_t *rows = json_object_get(trace, event), *row;
	double sum = 0;
	size_t i;

	json_array_foreach(rows, i, row)
	{
		const char *name = json_string_value(json_array_get(row, 0));
		const size_t last = json_array_size(row);

		if (last && (!symbol || (name && strcmp(name, symbol) == 0)))
			sum += json_number_value(json_array_get(row, last - 1));
	}
	return sum;
}

void net_count_trace(const json_t *trace, double frames, bool vhost, struct bench_sample *s)
{
	const struct {
		const char *event, *symbol;
		enum bench_metric_id id;
	} counted[] = {
		{"kvm_exit", NULL, BM_EXITS},
		{"kvm_userspace_exit", NULL, BM_USERSPACE_EXITS},
		{"kvm_msi_set_irq", NULL, BM_INTERRUPTS},
		{"workqueue_queue_work", "irqfd_inject", BM_WORKER_RUNS},
	};

	if (!trace || frames <= 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(counted); i++)
		if (json_object_get(trace, counted[i].event) &&
		    !(vhost && counted[i].id == BM_INTERRUPTS))
			bench_set(s, counted[i].id,
			          hits(trace, counted[i].event, counted[i].symbol) / frames);
}

json_t *net_trace_end(struct trace *t)
{
	json_t *trace = trace_read(t);

	trace_end(t);
	return trace;
}
