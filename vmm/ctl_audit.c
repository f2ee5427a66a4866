/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doorbell ctl SOCKET audit: all of it happens here, from what the running doorbell says to "status" and "stats".
 * So tracefs is needed by whoever audits and not by whoever runs the guest, and nothing is left over there.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "audit/report.h"
#include "audit/trace.h"
#include "vmm/core/fd.h"
#include "vmm/core/log.h"
#include "vmm/core/loop.h"
#include "vmm/core/tasks.h"
#include "vmm/ctl.h"
#include "vmm/json_file.h"
#include "vmm/run.h"

#define SECONDS_TIME    10u
#define SECONDS_PACKETS 60u

struct session {
	const struct ctl_audit *o;
	int fd;      /* the control socket */
	int signals; /* signalfd: whoever wants to end this gets the report so far */
	struct trace *trace;
	char no_trace[256];
	json_t *status_before, *before, *begun, *after; /* begun: NULL without a trace */
};

static json_t *request(const struct session *s, const char *command)
{
	json_t *r = json_pack("{s:s}", "command", command);
	json_t *result = ctl_request(s->fd, s->signals, r);

	json_decref(r);
	return result;
}

/* Blocked from here on, so that the way out passes by trace_end(). */
static int catch_signals(void)
{
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGHUP);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	return signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void begin_trace(struct session *s, const json_t *stats)
{
	const json_t *t;
	int tids[TASKS_MAX];
	size_t i, nr = 0;

	if (!ctl_is_peer(s->fd, json_integer_value(json_object_get(s->status_before, "pid")))) {
		snprintf(s->no_trace, sizeof(s->no_trace),
		         "the doorbell is in another PID namespace: its threads have other numbers "
		         "here");
		return;
	}
	json_array_foreach(json_object_get(stats, "threads"), i, t)
	{
		const json_int_t tid = json_integer_value(json_object_get(t, "tid"));

		if (tid > 0 && tid <= INT32_MAX && nr < TASKS_MAX)
			tids[nr++] = (int)tid;
	}
	trace_begin_host(tids, nr, &s->trace, s->no_trace, sizeof(s->no_trace));
}

/* Numbers of two lives have nothing to do with each other. */
static bool one_life(const json_t *before, const json_t *after)
{
	if (audit_same_life(before, after))
		return true;
	log_error("audit: the guest has rebooted meanwhile, and what it counts began anew");
	return false;
}

/* False, logged: no doorbell any more, or another guest. */
static bool begin(struct session *s)
{
	json_t *stats;
	bool ok;

	s->status_before = request(s, "status");
	stats = s->status_before ? request(s, "stats") : NULL;
	if (!stats)
		return false;
	begin_trace(s, stats);
	s->before = request(s, "stats");
	if (s->trace) /* at the end both are read in this order, too */
		trace_restart(s->trace);
	s->begun = s->before && s->trace ? request(s, "stats") : NULL;
	ok = s->before && (!s->trace || s->begun) && one_life(stats, s->before);
	json_decref(stats);
	return ok;
}

static void show_progress(const struct session *s, uint64_t frames, uint64_t left_ns)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r%llu frames, at most %llu s to go ", (unsigned long long)frames,
		        (unsigned long long)(left_ns / 1000000000u));
	(void)s;
}

/* Leaves the last counters in s->after. False, logged: no doorbell any more, or another guest. */
static bool watch(struct session *s)
{
	const uint64_t limit = s->o->seconds   ? s->o->seconds
	                       : s->o->packets ? SECONDS_PACKETS
	                                       : SECONDS_TIME;
	const uint64_t end = loop_now_ns() + limit * 1000000000u;
	const uint64_t first = audit_frames(s->before);
	struct pollfd p = {.fd = s->signals, .events = POLLIN};
	uint64_t frames = 0, now;
	bool stop = false;

	fprintf(stderr, "counting, for at most %llu s; Ctrl-C ends it early\n",
	        (unsigned long long)limit);
	while (!stop) {
		now = loop_now_ns();
		stop = now >= end || (s->o->packets && frames >= s->o->packets) ||
		       poll(&p, 1,
		            end - now < 1000000000u ? (int)((end - now) / 1000000) + 1 : 1000) > 0;
		json_decref(s->after);
		s->after = request(s, "stats");
		if (!s->after || !one_life(s->before, s->after))
			return false;
		frames = audit_frames(s->after) - first;
		show_progress(s, frames, now < end ? end - now : 0);
	}
	if (isatty(STDERR_FILENO))
		fputc('\n', stderr);
	if (s->o->packets > frames)
		log_warn("audit: %llu of %llu frames when it ended", (unsigned long long)frames,
		         (unsigned long long)s->o->packets);
	return true;
}

static int report(const struct session *s)
{
	json_t *trace = s->trace ? trace_read(s->trace) : NULL;
	json_t *done = trace ? request(s, "stats") : NULL;
	json_t *status_after = request(s, "status");
	const struct audit_input in = {
		.status_before = s->status_before,
		.status_after = status_after,
		.before = s->before,
		.after = s->after,
		.trace = trace,
		.no_trace = s->no_trace,
		.begun = s->begun,
		.done = done,
	};
	json_t *r = status_after ? audit_report(&in) : NULL;
	int status = EXIT_HOST;

	if (r && s->o->json)
		(void)json_print(r, stdout);
	else if (r)
		audit_print(r, stdout);
	if (r && ctl_flush() == 0)
		status = EXIT_OK;
	json_decref(trace);
	json_decref(done);
	json_decref(status_after);
	json_decref(r);
	return status;
}

int ctl_audit(const char *path, const struct ctl_audit *o)
{
	struct session s = {.o = o, .signals = -1, .fd = ctl_connect(path)};
	int status = EXIT_HOST;

	if (s.fd >= 0) {
		s.signals = catch_signals();
		if (s.signals < 0)
			log_error("audit: signalfd: %s", strerror(errno));
		else if (begin(&s) && watch(&s))
			status = report(&s);
	}
	trace_end(s.trace);
	json_decref(s.status_before);
	json_decref(s.before);
	json_decref(s.begun);
	json_decref(s.after);
	fd_close(&s.signals);
	fd_close(&s.fd);
	return status;
}
