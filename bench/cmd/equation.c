/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/cmd/equation.h"

#include <stdio.h>

#include "bench/cmd/net_run.h"
#include "bench/cmd/net_subject.h"
#include "bench/cmd/report.h"
#include "vmm/core/compiler.h"

/*
 * The article calls the way from KVM_RUN to the VMM a context switch, which it is not: the thread stays. Both are counted,
 * the exit to userspace that it means and the wake-up of another thread, which is one.
 */
#define VMM_TERMS(switches_)                                                                       \
	{"exit", "exits of the guest, whatever for", BM_EXITS, 1, 1},                              \
		{"context switch", "exits that the VMM had to serve", BM_USERSPACE_EXITS,          \
	         switches_, switches_},                                                            \
		{"context switch", "threads woken that move frames", BM_WAKEUPS, switches_,        \
	         switches_},                                                                       \
		{"VMM work", "system calls of the thread that moves frames", BM_SYSCALLS, -1, -1}, \
		{"kick", "notifications by the driver", BM_KICKS, -1, -1},                         \
		{"interrupt", "interrupts injected", BM_INTERRUPTS, -1, -1},                       \
		{"copy", "copies of the payload", BM_COPIES, 1, 1},                                \
		{"host stack", "part of the CPU time", BENCH_METRICS, -1, -1},                     \
	{                                                                                          \
		"entry", "one for each exit", BM_EXITS, 1, 1                                       \
	}

static const struct bench_term pure[] = {VMM_TERMS(1)}, vhost[] = {VMM_TERMS(0)};

static const struct bench_term peer[] = {
	{"copy", "copies of the payload", BM_COPIES, 1, 1},
	{"NIC doorbell", "notifications by the driver", BM_KICKS, 1, 0},
	{"write(irqfd)", "interrupts injected", BM_INTERRUPTS, 0, 1},
	{"exit", "exits of the guest, whatever for", BM_EXITS, 0, 1},
	{"context switch", "exits that the VMM had to serve", BM_USERSPACE_EXITS, 0, 0},
	{"VMM work", "system calls of the VMM", BM_SYSCALLS, 0, 0},
	{"entry", "one for each exit", BM_EXITS, 0, 1},
};

/* ---- which equations */

enum path { PURE, VHOST, PEER };

static enum path path_of(const struct net_setup *t)
{
	if (t->way == NET_PAIR || t->way == NET_VHOST_USER || t->way == NET_DPDK)
		return PEER;
	return t->vhost ? VHOST : PURE;
}

static const struct bench_equations *equations_of(enum path path)
{
	static const struct bench_equations all[] = {
		[PURE] = {"pure virtio", {0}, pure, ARRAY_SIZE(pure)},
		[VHOST] = {"vhost-net", {.vhost = true}, vhost, ARRAY_SIZE(vhost)},
		[PEER] = {"vhost-user, a polling switch", {.peer = true}, peer, ARRAY_SIZE(peer)},
	};

	return &all[path];
}

const struct bench_equations *bench_equations_of(const struct bench_row *row,
                                                 enum bench_frames *frames)
{
	const struct net_setup *t;
	const struct net_work *w;

	if (row->measure != net_measure || !row->subject)
		return NULL;
	t = row->subject->arg;
	w = row->arg;
	if (t->guests == 0 || t->vmm == NET_PEER || (w->work != LOAD_UDP && w->work != LOAD_RR))
		return NULL;
	if (t->guests == 2)
		*frames = BENCH_FRAMES_THROUGH;
	else if (w->work == LOAD_RR)
		*frames = BENCH_FRAMES_BOTH;
	else
		*frames = w->dir == NET_OUT ? BENCH_FRAMES_TX : BENCH_FRAMES_RX;
	return equations_of(path_of(t));
}

const char *bench_equation_text(const struct bench_equations *e, enum bench_frames frames,
                                char *buf, size_t size)
{
	const char *tx = audit_article_text(&e->how, AUDIT_TX);
	const char *rx = audit_article_text(&e->how, AUDIT_RX);

	if (frames == BENCH_FRAMES_BOTH || frames == BENCH_FRAMES_THROUGH)
		snprintf(buf, size, "out: %s; in: %s", tx, rx);
	else
		snprintf(buf, size, "%s", frames == BENCH_FRAMES_TX ? tx : rx);
	return buf;
}

double bench_article(const struct bench_term *t, enum bench_frames frames)
{
	if (t->tx < 0 || t->rx < 0)
		return -1;
	if (frames == BENCH_FRAMES_BOTH) /* one each way */
		return (t->tx + t->rx) / 2;
	if (frames == BENCH_FRAMES_THROUGH)
		return t->tx + t->rx;
	return frames == BENCH_FRAMES_TX ? t->tx : t->rx;
}

/* ---- what was measured for it */

const struct bench_equations *bench_measured_equations(const struct bench_run *run, size_t i,
                                                       enum bench_frames *frames)
{
	if (run->result[i].state != BENCH_MEASURED || !bench_figure(run, i, BM_EXITS)->nr)
		return NULL;
	return bench_equations_of(run->result[i].row, frames);
}

/* Of a term that is no event there is none. */
static struct bench_figure figure_of(const struct bench_run *run, size_t i,
                                     const struct bench_term *t)
{
	if (t->id == BENCH_METRICS)
		return (struct bench_figure){.nr = 0};
	return *bench_figure(run, i, t->id);
}

void bench_term_texts(const struct bench_run *run, size_t i, const struct bench_term *t,
                      enum bench_frames frames, struct bench_term_texts *out)
{
	const struct bench_figure f = figure_of(run, i, t);
	const double article = bench_article(t, frames);

	*out = (struct bench_term_texts){.article = ""};
	if (article >= 0)
		bench_number(out->article, sizeof(out->article), article);
	if (f.nr)
		bench_number(out->observed, sizeof(out->observed), f.value.median);
	bench_expected_text(out->expected, sizeof(out->expected), &f);
}

static json_t *number_or_null(bool known, double v)
{
	return known ? json_real(v) : json_null();
}

static json_t *term_json(const struct bench_run *run, size_t i, const struct bench_term *t,
                         enum bench_frames frames)
{
	const struct bench_figure f = figure_of(run, i, t);
	const double article = bench_article(t, frames);

	return json_pack("{s:s, s:s, s:o, s:o, s:b, s:o}", "term", t->name, "counted", t->is,
	                 "article", number_or_null(article >= 0, article), "expected",
	                 number_or_null(f.has_expected, f.expected), "at_most", (int)f.at_most,
	                 "observed", number_or_null(f.nr > 0, f.value.median));
}

json_t *bench_equations_json(const struct bench_run *run)
{
	json_t *all = json_array();

	for (size_t i = 0; i < run->nr; i++) {
		enum bench_frames frames;
		const struct bench_equations *e = bench_measured_equations(run, i, &frames);
		json_t *terms = e ? json_array() : NULL;
		char text[BENCH_EQUATION_MAX];

		for (size_t k = 0; e && k < e->nr; k++)
			json_array_append_new(terms, term_json(run, i, &e->term[k], frames));
		if (e)
			json_array_append_new(
				all, json_pack("{s:s, s:s, s:s, s:o}", "row",
			                       run->result[i].row->name, "path", e->path, "article",
			                       bench_equation_text(e, frames, text, sizeof(text)),
			                       "terms", terms));
	}
	return all;
}
