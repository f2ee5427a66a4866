/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/cmd/net_run.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "audit/trace.h"
#include "bench/cmd/net_count.h"
#include "bench/cmd/net_load.h"
#include "bench/cmd/net_subject.h"
#include "bench/cmd/net_trace.h"

/* /proc/stat counts in 10 ms: what is short is all rounding, until there is much of it. */
#define IDLE_MS      300u
#define IDLE_MORE_MS 100u
#define IDLE_ENOUGH  2e9 /* ns */

#define SETTLE_MS 200u /* until the last words of a run are out of the guest's console */

/*
 * What is looked at: in the middle of a run, when nothing is said on the consoles and everything flows; or from before
 * the run to after it, when nothing does.
 */
struct watch {
	bool whole;
	bool cpu_late, counts_late; /* read behind the run: of no use. The counts are read last */
	struct net_busy cpu;        /* of the middle, without what looking takes */
	struct net_span guest[NET_GUESTS]; /* of doorbells */
	struct trace *trace;
	struct net_traced traced;
	uint64_t frames[2]; /* of the interface, if there is one */
	uint64_t ns[2], took_ns;
};

/* ---- what is said to the two ends */

static const char *const works[LOAD_WORKS] = {"stream", "udp", "rr", "crr"};

static bool asks(const struct net_work *w)
{
	return w->work == LOAD_RR || w->work == LOAD_CRR;
}

/* Which end waits for the other. What flows one way is always begun by the first: it may be behind a translation. */
static unsigned server_of(const struct net_work *w)
{
	return asks(w) && w->dir == NET_IN ? 0 : 1;
}

static void write_run(const struct net_state *s, const struct net_work *w, unsigned end,
                      unsigned ms, char line[LOAD_LINE_MAX])
{
	const unsigned server = server_of(w);
	const bool sends = (end == 0) == (w->dir == NET_OUT);

	snprintf(line, LOAD_LINE_MAX,
	         "run work=%s role=%s dir=%s addr=%s port=%u id=%u size=%u buffer=%u streams=%u "
	         "ms=%u rate=%u",
	         works[w->work], end == server ? "server" : "client", sends ? "send" : "recv",
	         end == server ? "0.0.0.0" : s->end[end].reach, s->end[!server].port, s->next_id,
	         w->size, w->buffer, w->streams ? w->streams : 1, ms, w->rate);
}

static int finish(struct net_state *s, unsigned end, unsigned ms, struct load_said *said, char *why)
{
	char line[NET_LINE_MAX];
	int ret =
		net_proc_expect(s->env, s->end[end].p, "@done", ms + s->env->answer_ms, line, why);

	if (ret == 0 && !load_said_parse(line, said))
		ret = bench_why(why, -EPROTO, "the load generator has said what is no result");
	return ret;
}

/* ---- looking */

static const struct net_setup *setup_of(const struct net_state *s)
{
	return s->subject->arg;
}

static bool is_doorbell(const struct net_state *s)
{
	return setup_of(s)->vmm == NET_DOORBELL;
}

/*
 * Of others, both times in the same order: what is read one after the other is then read after the same time. A doorbell
 * between two readings of the trace, which sees all that it sees.
 */
static void look(struct net_state *s, struct watch *w, unsigned which)
{
	const bool trace_last = is_doorbell(s) && which == 1;

	w->ns[which] = net_now_ns();
	if (!s->interface || !net_frames(s->outer.pid, s->interface, &w->frames[which]))
		w->frames[which] = 0;
	if (w->trace && !trace_last)
		w->traced.at[which] = trace_read(w->trace);
	for (unsigned i = 0; is_doorbell(s) && i < setup_of(s)->guests; i++)
		(void)net_moment_take(s->control[i], &w->guest[i].at[which]);
	if (w->trace && trace_last)
		w->traced.at[which] = trace_read(w->trace);
	w->took_ns += net_now_ns() - w->ns[which];
}

bool net_is_late(uint64_t begin_ns, uint64_t now_ns, unsigned ms)
{
	return now_ns - begin_ns > (uint64_t)ms * 1000000u;
}

static unsigned ms_until(uint64_t ns)
{
	const uint64_t now = net_now_ns();

	return ns > now ? (unsigned)((ns - now) / 1000000u) : 0;
}

/* It ends at seven eighths, however long the first reading takes: what is left is for the second one. */
static int look_at_middle(struct net_state *s, unsigned ms, struct watch *w)
{
	const uint64_t run = net_now_ns();
	uint64_t begin = 0, busy = 0;
	int ret = net_sleep(s->env, ms / 8);

	if (ret == 0) {
		look(s, w, 0);
		begin = net_now_ns();
		busy = net_busy_ns();
		ret = net_sleep(s->env, ms_until(run + (uint64_t)ms * 875000u));
	}
	if (ret < 0)
		return ret;
	w->cpu.busy_ns = (double)net_busy_ns() - (double)busy;
	w->cpu.span_ns = (double)(net_now_ns() - begin);
	w->cpu_late = net_is_late(run, net_now_ns(), ms);
	look(s, w, 1);
	w->counts_late = net_is_late(run, net_now_ns(), ms);
	return 0;
}

/* For another run; the kernel goes on counting. */
static void watch_forget(struct watch *w)
{
	net_traced_drop(&w->traced);
	for (unsigned i = 0; i < NET_GUESTS; i++) {
		net_moment_drop(&w->guest[i].at[0]);
		net_moment_drop(&w->guest[i].at[1]);
	}
	*w = (struct watch){.whole = w->whole, .trace = w->trace};
}

static void watch_drop(struct watch *w)
{
	watch_forget(w);
	trace_end(w->trace);
	w->trace = NULL;
}

/* ---- a run */

/* Until both ends are at it. */
static int begin_run(struct net_state *s, const struct net_work *w, unsigned ms, char *why)
{
	const unsigned server = server_of(w), client = !server;
	char line[LOAD_LINE_MAX];
	int ret;

	s->next_id++;
	write_run(s, w, server, ms, line);
	ret = net_proc_say(s->end[server].p, line);
	if (ret < 0)
		return bench_why(why, ret, "the load generator has ended");
	ret = net_proc_expect(s->env, s->end[server].p, "@listening", s->env->answer_ms, NULL, why);
	if (ret < 0)
		return ret;
	write_run(s, w, client, ms, line);
	ret = net_proc_say(s->end[client].p, line);
	if (ret < 0)
		return bench_why(why, ret, "the load generator has ended");
	return net_proc_expect(s->env, s->end[client].p, "@running", s->env->answer_ms, NULL, why);
}

static int run_once(struct net_state *s, const struct net_work *w, unsigned ms, struct watch *watch,
                    struct load_said said[2], char *why)
{
	const unsigned server = server_of(w), client = !server;
	int ret;

	if (watch->whole)
		look(s, watch, 0);
	ret = begin_run(s, w, ms, why);
	if (ret == 0 && !watch->whole)
		ret = look_at_middle(s, ms, watch);
	if (ret == 0)
		ret = finish(s, client, ms, &said[client], why);
	if (ret == 0)
		ret = finish(s, server, ms, &said[server], why);
	if (ret == 0 && watch->whole) {
		ret = net_sleep(s->env, SETTLE_MS);
		look(s, watch, 1);
	}
	s->broken |= ret < 0;
	if (ret < 0 && ret != -EINTR)
		net_subject_explain(s, why);
	return ret;
}

/* A run of which was read too late what it is made for is made again, so often at most. */
#define LATE_MAX 3u

static bool is_late(const struct net_state *s, const struct watch *w)
{
	return w->trace || is_doorbell(s) ? w->counts_late : w->cpu_late;
}

static int run_in_time(struct net_state *s, const struct net_work *w, unsigned ms,
                       struct watch *watch, struct load_said *said, char *why)
{
	int ret;

	for (unsigned late = 0;; late++) {
		ret = run_once(s, w, ms, watch, said, why);
		if (ret < 0 || !is_late(s, watch) || late == LATE_MAX)
			return ret;
		watch_forget(watch);
		memset(said, 0, 2 * sizeof(*said));
	}
}

/* ---- what came of it */

/* Of so many @packets and @bytes in @ns those have the CPU time that came while it was looked at. */
static void per_cpu(double packets, double bytes, double ns, const struct net_busy *cpu,
                    struct bench_sample *s)
{
	const double part = ns > 0 ? cpu->span_ns / ns : 0;

	if (cpu->busy_ns <= 0 || part <= 0)
		return;
	if (packets > 0) {
		bench_set(s, BM_CPU_NS, cpu->busy_ns / (packets * part));
		bench_set(s, BM_PACKETS_PER_CPU, packets * part / cpu->busy_ns * 1e9);
	}
	if (bytes > 0)
		bench_set(s, BM_BYTES_PER_CPU, bytes * part / cpu->busy_ns * 1e9);
}

static void sample_asked(const struct load_said *client, const struct net_busy *cpu,
                         struct bench_sample *s)
{
	per_cpu((double)client->messages, 0, (double)client->ns, cpu, s);
	bench_set(s, BM_PACKETS,
	          client->ns ? (double)client->messages / (double)client->ns * 1e9 : 0);
	if (!client->messages)
		return;
	bench_set(s, BM_P50_NS, (double)client->p50);
	bench_set(s, BM_P99_NS, (double)client->p99);
	bench_set(s, BM_P999_NS, (double)client->p999);
}

static void sample_flow(const struct net_work *w, const struct load_said *from,
                        const struct load_said *to, double frames, const struct net_busy *cpu,
                        struct bench_sample *s)
{
	/* The receiver's time of datagrams begins behind the first of them, of which it may have had many at once. */
	const uint64_t ns = w->work == LOAD_UDP && from->ns > to->ns ? from->ns : to->ns;
	const double seconds = (double)ns / 1e9;
	const double packets = w->work == LOAD_UDP ? (double)to->messages : frames;

	per_cpu(packets, (double)to->bytes, (double)ns, cpu, s);
	if (seconds > 0) {
		bench_set(s, BM_BITS, (double)to->bytes * 8 / seconds);
		bench_set(s, BM_PACKETS, packets / seconds);
	}
	if (w->work != LOAD_UDP || !from->messages)
		return;
	if (from->ns)
		bench_set(s, BM_SENT, (double)from->messages / (double)from->ns * 1e9);
	bench_set(s, BM_LOSS,
	          to->messages < from->messages ? 1 - (double)to->messages / (double)from->messages
	                                        : 0);
}

void net_sample(const struct net_work *w, const struct load_said *first,
                const struct load_said *second, const struct net_busy *cpu, struct bench_sample *s)
{
	const bool out = w->dir == NET_OUT;

	if (asks(w))
		sample_asked(out ? first : second, cpu, s);
	else
		sample_flow(w, out ? first : second, out ? second : first, (double)first->frames,
		            cpu, s);
}

/* How many frames passed while the kernel counted: as the interface says, or as the guest does, by time. */
static double frames_watched(const struct watch *w, const struct load_said *guest)
{
	if (w->frames[1] > w->frames[0])
		return (double)(w->frames[1] - w->frames[0]);
	if (!guest->ns)
		return 0;
	return (double)guest->frames * (double)(w->ns[1] - w->ns[0]) / (double)guest->ns;
}

/*
 * In a further run, since to be counted takes time: of other VMMs the counts themselves; of doorbell, in the first round,
 * whether the kernel counts the same.
 */
static int run_traced(struct net_state *s, const struct net_work *w, unsigned ms,
                      struct bench_sample *out, char *why)
{
	const struct net_setup *t = setup_of(s);
	const pid_t group[NET_GUESTS] = {s->vm[0].pid, s->vm[1].pid};
	struct watch watch = {.whole = is_doorbell(s)};
	struct load_said said[2] = {0};
	int ret;

	watch.trace = s->no_trace[0] ? NULL : net_trace_begin(group, t->guests, s->no_trace);
	if (!watch.trace)
		return bench_why(why, 0, "%s: %s",
		                 is_doorbell(s) ? "not compared with the kernel's tracepoints"
		                                : "its events are not counted",
		                 s->no_trace);
	ret = run_in_time(s, w, ms, &watch, said, why);
	if (ret == 0 && watch.whole)
		net_check(watch.guest, t->guests, &watch.traced,
		          (double)watch.took_ns / (double)(watch.ns[1] - watch.ns[0]), out);
	else if (ret == 0 && !watch.counts_late)
		net_count_trace(&watch.traced, frames_watched(&watch, &said[0]), t->vhost, out);
	watch_drop(&watch);
	return ret;
}

static int measure(struct net_state *s, const struct bench_row *row, unsigned ms, double idle,
                   struct bench_sample *out, char *why)
{
	const struct net_setup *t = setup_of(s);
	const struct net_work *w = row->arg;
	struct load_said said[2] = {0};
	struct watch watch = {0};
	int ret = run_in_time(s, w, ms, &watch, said, why);

	if (watch.cpu_late)
		watch.cpu = (struct net_busy){0};
	if (ret == 0) {
		watch.cpu.busy_ns -= idle * watch.cpu.span_ns;
		net_sample(w, &said[0], &said[1], &watch.cpu, out);
		if (is_doorbell(s) && !watch.counts_late)
			(void)net_count_doorbell(watch.guest, t->guests,
			                         frames_watched(&watch, &said[0]), out);
	}
	watch_drop(&watch);
	if (ret == 0 && t->guests && (is_doorbell(s) ? out->first : !out->again))
		ret = run_traced(s, w, ms, out, why);
	if (ret == 0 && !out->has)
		ret = bench_why(why, -ENODATA, "nothing has arrived");
	return ret;
}

int net_measure(const struct bench_env *env, const struct bench_row *row, void *state,
                struct bench_sample *out, char *why)
{
	struct net_state *s = state;
	const unsigned ms = row->ms / (env->seconds_div ? env->seconds_div : 1);
	uint64_t begin, busy;
	double idle;
	int ret;

	if (s->broken)
		return bench_why(why, -EIO, "it hung in an earlier row");
	/* What this machine does without us: everything of the subject rests. */
	begin = net_now_ns();
	busy = net_busy_ns();
	if (net_sleep(env, s->idle_ns < IDLE_ENOUGH ? IDLE_MS : IDLE_MORE_MS) < 0)
		return bench_why(why, -EINTR, "interrupted");
	s->idle_busy_ns += (double)net_busy_ns() - (double)busy;
	s->idle_ns += (double)(net_now_ns() - begin);
	idle = s->idle_busy_ns / s->idle_ns;
	net_subject_resume(s);
	ret = measure(s, row, ms < 100 ? 100 : ms, idle, out, why);
	net_subject_pause(s);
	return ret;
}
