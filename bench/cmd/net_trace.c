/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/cmd/net_trace.h"

#include <dirent.h>
#include <linux/virtio_mmio.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "audit/report.h"
#include "audit/text.h"
#include "audit/trace.h"
#include "vmm/core/compiler.h"
#include "vmm/core/num.h"
#include "vmm/core/tasks.h"

/* The numbers that are names in @path, at most @room of them. */
static size_t numbers_in(const char *path, int *out, size_t room)
{
	const struct dirent *e;
	DIR *dir = opendir(path);
	uint64_t n;
	size_t nr = 0;

	while (dir && nr < room && (e = readdir(dir)))
		if (num_at(e->d_name, 10, &n) && n <= INT32_MAX)
			out[nr++] = (int)n;
	if (dir)
		closedir(dir);
	return nr;
}

size_t net_trace_threads(pid_t group, int *tids, size_t room)
{
	const struct dirent *e;
	size_t nr = 0;
	char path[64];
	uint64_t n;
	DIR *dir = opendir("/proc");

	while (dir && (e = readdir(dir))) {
		if (!num_at(e->d_name, 10, &n) || n > INT32_MAX || getpgid((pid_t)n) != group)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task", (int)n);
		nr += numbers_in(path, tids + nr, room - nr);
	}
	if (dir)
		closedir(dir);
	return nr;
}

struct trace *net_trace_begin(pid_t group, char *why)
{
	struct trace *t = NULL;
	int tids[TASKS_MAX];
	const size_t nr = net_trace_threads(group, tids, ARRAY_SIZE(tids));

	if (trace_begin_host(tids, nr, &t, why, BENCH_WHY_MAX) < 0)
		return NULL;
	return t;
}

void net_traced_drop(struct net_traced *t)
{
	json_decref(t->at[0]);
	json_decref(t->at[1]);
	*t = (struct net_traced){{NULL, NULL}};
}

/* ---- rows [KEY, ..., HITS] of an event */

/* Which of them are meant: those for which all that is set holds. */
struct wanted {
	const char *event;
	const char *symbol;   /* the first key, a function */
	uint64_t write_to;    /* kvm_mmio: a write to this address; 0: any */
	const json_t *thread; /* the first key, one of these threads of "stats" ... */
	const char *name;     /* ... of this name */
};

/* kvm_mmio: 0 a read that was asked for, 1 one that has its value, 2 a write. */
#define MMIO_WRITE 2

static bool is_thread(const json_t *threads, const char *name, json_int_t tid)
{
	const json_t *t;
	size_t i;

	json_array_foreach(threads, i, t)
	{
		if (json_integer_value(json_object_get(t, "tid")) == tid)
			return strcmp(text_of(t, "name"), name) == 0;
	}
	return false;
}

static bool is_wanted(const struct wanted *w, const json_t *row)
{
	const json_t *key = json_array_get(row, 0);
	const char *symbol = json_string_value(key);

	if (w->symbol && (!symbol || strcmp(symbol, w->symbol) != 0))
		return false;
	if (w->write_to && (json_integer_value(key) != MMIO_WRITE ||
	                    json_integer_value(json_array_get(row, 1)) != (json_int_t)w->write_to))
		return false;
	return !w->thread || is_thread(w->thread, w->name, json_integer_value(key));
}

static uint64_t hits_in(const json_t *trace, const struct wanted *w)
{
	const json_t *rows = json_object_get(trace, w->event), *row;
	uint64_t sum = 0;
	size_t i;

	json_array_foreach(rows, i, row)
	{
		const size_t len = json_array_size(row);

		if (len && is_wanted(w, row))
			sum += (uint64_t)json_integer_value(json_array_get(row, len - 1));
	}
	return sum;
}

/* Between the two readings. False: nobody counted it. */
static bool hits(const struct net_traced *t, const struct wanted *w, uint64_t *out)
{
	const uint64_t a = hits_in(t->at[0], w), b = hits_in(t->at[1], w);

	*out = b > a ? b - a : 0;
	return json_object_get(t->at[0], w->event) && json_object_get(t->at[1], w->event);
}

void net_count_trace(const struct net_traced *t, double frames, bool vhost, struct bench_sample *s)
{
	static const struct {
		struct wanted what;
		enum bench_metric_id id;
	} counted[] = {
		{{.event = "kvm_exit"}, BM_EXITS},
		{{.event = "kvm_userspace_exit"}, BM_USERSPACE_EXITS},
		{{.event = "kvm_msi_set_irq"}, BM_INTERRUPTS},
		{{.event = "workqueue_queue_work", .symbol = "irqfd_inject"}, BM_WORKER_RUNS},
	};
	uint64_t nr;

	for (size_t i = 0; frames > 0 && i < ARRAY_SIZE(counted); i++)
		if (hits(t, &counted[i].what, &nr) && !(vhost && counted[i].id == BM_INTERRUPTS))
			bench_set(s, counted[i].id, (double)nr / frames);
}

/* ---- counted twice */

/* Neighbour and router discovery of either side, the last words on the console: there is no moment without. */
#define STRAYS 16u

/* What the audit says was observed; false: it does not know. */
static bool observed(const json_t *rows, const char *direction, const char *event, uint64_t *out)
{
	const json_t *row, *v;
	size_t i;

	json_array_foreach(rows, i, row)
	{
		if (strcmp(text_of(row, "event"), event) != 0 ||
		    strcmp(text_of(row, "direction"), direction) != 0)
			continue;
		v = json_object_get(row, "observed");
		*out = (uint64_t)json_integer_value(v);
		return json_is_integer(v);
	}
	return false;
}

static void add_check(struct bench_sample *s, const char *what, uint64_t counted, double edges,
                      const struct net_traced *t, const struct wanted *w)
{
	uint64_t traced;

	if (s->nr_checks < BENCH_CHECKS && hits(t, w, &traced))
		s->check[s->nr_checks++] = (struct bench_check){
			what, counted, traced, STRAYS + (uint64_t)((double)counted * edges)};
}

static void check_machine(const json_t *report, const struct net_traced *t, double rest,
                          struct bench_sample *s)
{
	const json_t *rows = json_object_get(json_object_get(report, "machine"), "rows");
	uint64_t nr;

	/* A guest that rests has its timer still: less often than one that works. */
	if (observed(rows, "both", "exits", &nr))
		add_check(s, "exits", nr, rest, t, &(struct wanted){.event = "kvm_exit"});
	if (observed(rows, "both", "exits to userspace", &nr))
		add_check(s, "userspace_exits", nr, 0, t,
		          &(struct wanted){.event = "kvm_userspace_exit"});
}

static void check_nic(const json_t *report, const struct net_moment *last,
                      const struct net_traced *t, struct bench_sample *s)
{
	const json_t *rows =
		json_object_get(json_array_get(json_object_get(report, "nics"), 0), "rows");
	const json_t *nic = json_array_get(json_object_get(last->status, "nics"), 0);
	const uint64_t base = (uint64_t)json_integer_value(json_object_get(nic, "address"));
	uint64_t nr, more;

	if (!base)
		return;
	if (observed(rows, "tx", "kicks", &nr) && observed(rows, "rx", "kicks", &more))
		add_check(s, "kicks", nr + more, 0, t,
		          &(struct wanted){.event = "kvm_mmio",
		                           .write_to = base + VIRTIO_MMIO_QUEUE_NOTIFY});
	/* Under vhost the kernel raises them, and nobody but its tracepoints counts that. */
	if (strcmp(text_of(nic, "path"), "pure") == 0 &&
	    observed(rows, "both", "interrupts raised", &nr))
		add_check(s, "interrupts", nr, 0, t,
		          &(struct wanted){.event = "kvm_msi_set_irq",
		                           .thread = json_object_get(last->stats, "threads"),
		                           .name = text_of(nic, "name")});
	if (observed(rows, "both", "interrupts taken", &nr))
		add_check(s, "interrupts_taken", nr, 0, t,
		          &(struct wanted){.event = "kvm_mmio",
		                           .write_to = base + VIRTIO_MMIO_INTERRUPT_ACK});
}

void net_check(const struct net_moment m[2], const struct net_traced *t, double rest,
               struct bench_sample *s)
{
	const struct audit_input in = {
		.status_before = m[0].status,
		.status_after = m[1].status,
		.before = m[0].stats,
		.after = m[1].stats,
		.no_trace = "",
	};
	json_t *report;

	if (!m[0].stats || !m[1].stats || !audit_same_life(m[0].stats, m[1].stats))
		return;
	report = audit_report(&in);
	check_machine(report, t, rest, s);
	check_nic(report, &m[1], t, s);
	json_decref(report);
}
