/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/cmd/net_count.h"

#include <stdio.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "audit/report.h"
#include "bench/cmd/net_load.h"
#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"
#include "vmm/core/num.h"
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

/* Of an event: what was counted, and bits of metrics of which a part was not, or is not known how much it should be. */
struct counted {
	struct bench_sample *s;
	uint32_t unknown, no_rule;
};

/* Add @row, of one event, if it is that one. */
static void add_row(const json_t *row, size_t event, double frames, struct counted *c)
{
	const char *name = json_string_value(json_object_get(row, "event"));
	const json_t *observed = json_object_get(row, "observed");
	const json_t *expected = json_object_get(row, "expected");
	const enum bench_metric_id id = events[event].id;
	const uint32_t bit = 1u << id;
	const double had = c->s->has & bit ? c->s->v[id] : 0;
	const double rule = c->s->expects & bit ? c->s->expected[id] : 0;

	if (!name || strcmp(name, events[event].event) != 0)
		return;
	if (json_is_number(observed))
		bench_set(c->s, id, had + json_number_value(observed) / frames);
	else
		c->unknown |= bit;
	if (json_is_number(expected))
		bench_expect(c->s, id, rule + json_number_value(expected) / frames,
		             json_is_true(json_object_get(row, "at_most")));
	else
		c->no_rule |= bit;
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

json_t *net_span_report(const struct net_span *g)
{
	const struct audit_input in = {
		.status_before = g->at[0].status,
		.status_after = g->at[1].status,
		.before = g->at[0].stats,
		.after = g->at[1].stats,
		.no_trace = "",
	};

	if (!g->at[0].stats || !g->at[1].stats || !audit_same_life(g->at[0].stats, g->at[1].stats))
		return NULL;
	return audit_report(&in);
}

/* What one of them costs is added to what is there. */
static void add_guest(const json_t *report, double frames, struct counted *c)
{
	const json_t *nics = json_object_get(report, "nics"), *nic;
	size_t i;

	json_array_foreach(nics, i, nic)
	{
		add_rows(json_object_get(nic, "rows"), false, frames, c);
	}
	add_rows(json_object_get(json_object_get(report, "machine"), "rows"), true, frames, c);
}

bool net_count_doorbell(const struct net_span *guest, unsigned nr, double others,
                        struct bench_sample *s)
{
	struct counted c = {.s = s};
	json_t *report[NET_GUESTS] = {NULL};
	double frames = (double)audit_frames(guest[0].at[1].stats) -
	                (double)audit_frames(guest[0].at[0].stats);
	bool known = nr > 0 && nr <= NET_GUESTS;

	frames = frames > 0 ? frames : others;
	known &= frames > 0;
	/* All of them or none: the costs of one are not those of a frame. */
	for (unsigned i = 0; known && i < nr; i++) {
		report[i] = net_span_report(&guest[i]);
		known = report[i] != NULL;
	}
	for (unsigned i = 0; known && i < nr; i++)
		add_guest(report[i], frames, &c);
	s->has &= ~c.unknown;
	s->expects &= ~c.no_rule & s->has;
	for (unsigned i = 0; i < NET_GUESTS; i++)
		json_decref(report[i]);
	return known;
}
