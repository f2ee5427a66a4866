/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/cmd/net_trace.h"

#include <dirent.h>
#include <linux/virtio_mmio.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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

struct trace *net_trace_begin(const pid_t *group, unsigned nr, char *why)
{
	struct trace *t = NULL;
	int tids[TASKS_MAX];
	size_t all = 0;

	for (unsigned i = 0; i < nr; i++)
		all += net_trace_threads(group[i], tids + all, ARRAY_SIZE(tids) - all);
	if (trace_begin_host(tids, all, &t, why, BENCH_WHY_MAX) < 0)
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

/* Of a guest: neighbour and router discovery of either side, the last words on the console: there is no moment without. */
#define STRAYS UINT64_C(16)

/* What the audit says was observed is added to *@out; false: it does not know. */
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
		*out += (uint64_t)json_integer_value(v);
		return json_is_integer(v);
	}
	return false;
}

/* One of the guests. */
struct checked {
	json_t *report;     /* of its audit; owned */
	const json_t *nic;  /* of its status, the first one */
	const json_t *last; /* stats; both borrowed */
};

static const json_t *rows_of(const struct checked *g, bool machine)
{
	const json_t *o = machine ? json_object_get(g->report, "machine")
	                          : json_array_get(json_object_get(g->report, "nics"), 0);

	return json_object_get(o, "rows");
}

/* What is counted in one or two lines of the audit ... */
struct line {
	const char *what; /* struct bench_check */
	bool machine;
	const char *direction, *event, *also; /* @also: another direction, or NULL */
	struct wanted traced;
};

/* ... of all guests; false: one of them does not know. */
static bool counted_by_all(const struct checked *g, unsigned nr, const struct line *l,
                           uint64_t *out)
{
	bool known = nr > 0;

	*out = 0;
	for (unsigned i = 0; i < nr; i++) {
		const json_t *rows = rows_of(&g[i], l->machine);

		known &= observed(rows, l->direction, l->event, out) &&
		         (!l->also || observed(rows, l->also, l->event, out));
	}
	return known;
}

static void add_check(struct bench_sample *s, const char *what, uint64_t counted, uint64_t traced,
                      uint64_t may_differ)
{
	if (s->nr_checks < BENCH_CHECKS)
		s->check[s->nr_checks++] = (struct bench_check){what, counted, traced, may_differ};
}

/* Events of all threads that are looked at, and so of all guests. @edges: a share of them that may differ. */
static void check_all(const struct checked *g, unsigned nr, const struct line *l, double edges,
                      const struct net_traced *t, struct bench_sample *s)
{
	uint64_t counted, traced;

	if (counted_by_all(g, nr, l, &counted) && hits(t, &l->traced, &traced))
		add_check(s, l->what, counted, traced,
		          nr * STRAYS + (uint64_t)((double)counted * edges));
}

/* Under vhost the kernel raises them, and nobody but its tracepoints counts that. */
static void check_interrupts(const struct checked *g, unsigned nr, const struct net_traced *t,
                             struct bench_sample *s)
{
	uint64_t counted, traced = 0, of_one;
	bool known = counted_by_all(
		g, nr, &(struct line){.direction = "both", .event = "interrupts raised"}, &counted);

	for (unsigned i = 0; i < nr && known; i++) {
		known = strcmp(text_of(g[i].nic, "path"), "pure") == 0 &&
		        hits(t,
		             &(struct wanted){.event = "kvm_msi_set_irq",
		                              .thread = json_object_get(g[i].last, "threads"),
		                              .name = text_of(g[i].nic, "name")},
		             &of_one);
		traced += known ? of_one : 0;
	}
	if (known)
		add_check(s, "interrupts", counted, traced, nr * STRAYS);
}

static void check(const struct checked *g, unsigned nr, const struct net_traced *t, double rest,
                  struct bench_sample *s)
{
	/* All of them have their registers at one place. */
	const uint64_t base = (uint64_t)json_integer_value(json_object_get(g[0].nic, "address"));
	const struct line exits = {.what = "exits",
	                           .machine = true,
	                           .direction = "both",
	                           .event = "exits",
	                           .traced = {.event = "kvm_exit"}};
	const struct line served = {.what = "userspace_exits",
	                            .machine = true,
	                            .direction = "both",
	                            .event = "exits to userspace",
	                            .traced = {.event = "kvm_userspace_exit"}};
	const struct line kicks = {
		.what = "kicks",
		.direction = "tx",
		.event = "kicks",
		.also = "rx",
		.traced = {.event = "kvm_mmio", .write_to = base + VIRTIO_MMIO_QUEUE_NOTIFY}};
	const struct line taken = {
		.what = "interrupts_taken",
		.direction = "both",
		.event = "interrupts taken",
		.traced = {.event = "kvm_mmio", .write_to = base + VIRTIO_MMIO_INTERRUPT_ACK}};

	/* A guest that rests has its timer still: less often than one that works. */
	check_all(g, nr, &exits, rest, t, s);
	check_all(g, nr, &served, 0, t, s);
	if (!base)
		return;
	check_all(g, nr, &kicks, 0, t, s);
	check_interrupts(g, nr, t, s);
	check_all(g, nr, &taken, 0, t, s);
}

void net_check(const struct net_span *guest, unsigned nr, const struct net_traced *t, double rest,
               struct bench_sample *s)
{
	struct checked g[NET_GUESTS] = {{NULL, NULL, NULL}};
	bool known = nr > 0 && nr <= NET_GUESTS;

	for (unsigned i = 0; known && i < nr; i++) {
		g[i].report = net_span_report(&guest[i]);
		g[i].nic = json_array_get(json_object_get(guest[i].at[1].status, "nics"), 0);
		g[i].last = guest[i].at[1].stats;
		known = g[i].report != NULL;
	}
	if (known)
		check(g, nr, t, rest, s);
	for (unsigned i = 0; i < NET_GUESTS; i++)
		json_decref(g[i].report);
}
