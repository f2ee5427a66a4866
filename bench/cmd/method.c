/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/cmd/method.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/core/loop.h"

/* ---- before the run */

static size_t index_of_row(const struct bench_run *run, const char *name)
{
	for (size_t i = 0; name && i < run->nr; i++)
		if (strcmp(run->result[i].row->name, name) == 0)
			return i;
	return BENCH_NO_ROW;
}

static size_t index_of_subject(struct bench_run *run, const struct bench_subject *s)
{
	size_t i = 0;

	if (!s)
		return BENCH_NO_ROW;
	while (i < run->nr_opened && run->opened[i].subject != s)
		i++;
	if (i == run->nr_opened)
		run->opened[run->nr_opened++].subject = s;
	return i;
}

/* That of the row that it is measured against, or one of its own. */
static size_t group_of(struct bench_run *run, const struct bench_result *r)
{
	return r->against == BENCH_NO_ROW ? run->nr_groups++ : run->result[r->against].group;
}

static int give_room(struct bench_run *run)
{
	const size_t rounds = 2 * (size_t)run->rounds;

	for (size_t i = 0; i < run->nr; i++) {
		run->result[i].sample = calloc(rounds, sizeof(*run->result[i].sample));
		if (!run->result[i].sample)
			return -ENOMEM;
	}
	for (size_t g = 0; g < run->nr_groups; g++) {
		run->group[g].thrown = calloc(rounds, sizeof(*run->group[g].thrown));
		if (!run->group[g].thrown)
			return -ENOMEM;
	}
	return 0;
}

int bench_run_init(struct bench_run *run, const struct bench_row *const *rows, size_t nr)
{
	run->nr = run->nr_groups = run->nr_opened = 0;
	run->result = calloc(nr, sizeof(*run->result));
	run->group = calloc(nr, sizeof(*run->group));
	run->opened = calloc(nr, sizeof(*run->opened));
	run->figure = calloc(nr, BENCH_METRICS * sizeof(*run->figure));
	if (!run->result || !run->group || !run->opened || !run->figure)
		return -ENOMEM;
	for (size_t i = 0; i < nr; i++) {
		struct bench_result *r = &run->result[i];

		r->row = rows[i];
		r->against = index_of_row(run, rows[i]->against);
		r->group = group_of(run, r);
		r->subject = index_of_subject(run, rows[i]->subject);
		run->nr++;
	}
	return give_room(run);
}

void bench_run_free(struct bench_run *run)
{
	for (size_t i = 0; i < run->nr; i++)
		free(run->result[i].sample);
	for (size_t g = 0; g < run->nr_groups; g++)
		free(run->group[g].thrown);
	for (size_t i = 0; i < run->nr_opened; i++)
		free(run->opened[i].card);
	free(run->result);
	free(run->group);
	free(run->opened);
	free(run->figure);
	run->figure = NULL;
	run->result = NULL;
	run->group = NULL;
	run->opened = NULL;
	run->nr = run->nr_groups = run->nr_opened = 0;
}

/* ---- subjects */

static bool stopped(const struct bench_run *run)
{
	return *run->env->stop != 0;
}

static void close_subject(struct bench_opened *o)
{
	if (o->state != BENCH_OPEN)
		return;
	o->subject->close(o->handle);
	o->handle = NULL;
	o->state = BENCH_CLOSED;
}

/* What it says of itself, if that is JSON; it is the same each time that it is opened. */
static void take_card(struct bench_opened *o)
{
	char *text = o->card || !o->subject->card ? NULL : calloc(1, BENCH_CARD_MAX);
	json_t *json = NULL;

	if (text && o->subject->card(o->handle, text, BENCH_CARD_MAX) == 0)
		json = json_loads(text, 0, NULL);
	if (json_is_object(json))
		o->card = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(json);
	free(text);
}

/* It may quote a program, or a guest: terminals obey control characters, and JSON has none that are no UTF-8. */
static void make_plain(char *why)
{
	for (; *why; why++)
		if (*why < ' ' || *why > '~')
			*why = '?';
}

static void refuse_subject(struct bench_opened *o, int err, bool cannot)
{
	o->state = BENCH_REFUSED;
	o->err = err;
	o->cannot = cannot;
	make_plain(o->why);
	if (!o->why[0])
		snprintf(o->why, sizeof(o->why), "%s", strerror(-err));
}

static void open_subject(struct bench_run *run, struct bench_opened *o)
{
	const struct bench_subject *s = o->subject;
	const uint64_t begin_ns = loop_now_ns();
	double ms;
	int ret;

	if (o->state != BENCH_CLOSED)
		return;
	ret = s->open(run->env, s, &o->handle, o->why);
	ms = (double)(loop_now_ns() - begin_ns) / 1e6;
	run->opening_ms += ms;
	o->starts = run->part + 1;
	if (ret < 0) {
		refuse_subject(o, ret, ret == -EOPNOTSUPP);
		return;
	}
	o->state = BENCH_OPEN;
	o->took_ms = ms;
	make_plain(o->why);
	take_card(o);
}

static bool is_used_from(const struct bench_run *run, size_t subject, size_t group)
{
	for (size_t i = 0; i < run->nr; i++)
		if (run->result[i].subject == subject && run->result[i].group >= group)
			return true;
	return false;
}

static void close_unused(struct bench_run *run, size_t group)
{
	for (size_t i = 0; i < run->nr_opened; i++)
		if (!is_used_from(run, i, group))
			close_subject(&run->opened[i]);
}

/* ---- rows */

static bool goes_on(const struct bench_result *r)
{
	return r->state == BENCH_WAITS || r->state == BENCH_MEASURED;
}

/* Its subject is none. */
static void refuse_row(struct bench_result *r, const struct bench_opened *o)
{
	snprintf(r->why, sizeof(r->why), "%s", o->why);
	r->state = o->cannot ? BENCH_CANNOT : BENCH_FAILED;
}

int bench_refuse(struct bench_run *run)
{
	for (size_t i = 0; i < run->nr_opened && !stopped(run); i++) {
		struct bench_opened *o = &run->opened[i];
		const int ret = o->subject->can ? o->subject->can(run->env, o->subject, o->why) : 0;

		if (ret < 0)
			refuse_subject(o, ret, true);
	}
	for (size_t i = 0; i < run->nr && !stopped(run); i++) {
		struct bench_result *r = &run->result[i];

		if (r->subject != BENCH_NO_ROW && run->opened[r->subject].state == BENCH_REFUSED)
			refuse_row(r, &run->opened[r->subject]);
		else if (r->row->can && r->row->can(run->env, r->row, r->why) < 0)
			r->state = BENCH_CANNOT;
		make_plain(r->why);
	}
	return stopped(run) ? -EINTR : 0;
}

/* 0: @r can be measured, with *@handle. -EINTR: the user ends the run. Otherwise it was given up. */
static int prepare(struct bench_run *run, struct bench_result *r, void **handle)
{
	struct bench_opened *o;

	*handle = NULL;
	if (r->subject == BENCH_NO_ROW)
		return 0;
	o = &run->opened[r->subject];
	open_subject(run, o);
	if (stopped(run))
		return -EINTR;
	*handle = o->handle;
	if (o->state == BENCH_OPEN)
		return 0;
	refuse_row(r, o);
	return -ENODEV;
}

static bool is_sound(const struct bench_sample *s)
{
	for (int id = 0; id < BENCH_METRICS; id++)
		if (s->has & 1u << id && !(isfinite(s->v[id]) && s->v[id] >= 0))
			return false;
	return s->has != 0;
}

static void row_failed(struct bench_run *run, struct bench_result *r, int err)
{
	if (!r->why[0])
		snprintf(r->why, sizeof(r->why), "%s", strerror(-err));
	r->state = err == -EOPNOTSUPP ? BENCH_CANNOT : BENCH_FAILED;
	if (r->subject != BENCH_NO_ROW) {
		close_subject(&run->opened[r->subject]);
		run->opened[r->subject].starts = run->part; /* once more for the next row */
	}
}

/* 0; -EINTR; or why it failed, in words if there are some. */
static int attempt(struct bench_run *run, struct bench_result *r, void *handle, size_t round)
{
	struct bench_sample *s = &r->sample[round];
	int ret;

	*s = (struct bench_sample){.first = round == 0, .again = round >= run->rounds};
	ret = r->row->measure(run->env, r->row, handle, s, r->why);
	make_plain(r->why);
	if (stopped(run))
		return -EINTR;
	if (ret == 0 && !is_sound(s)) {
		snprintf(r->why, sizeof(r->why), "what was measured is no number");
		ret = -ERANGE;
	}
	return ret;
}

/* Its guest, or what else it needs, is gone or does not answer: once for a row, which says so ever after. */
static bool starts_anew(struct bench_run *run, struct bench_result *r, int err, size_t round)
{
	struct bench_opened *o;

	if ((err != -EPIPE && err != -ETIMEDOUT) || r->subject == BENCH_NO_ROW || r->anew[0])
		return false;
	o = &run->opened[r->subject];
	snprintf(r->anew, sizeof(r->anew), "in round %zu, for it failed: %.400s", round + 1,
	         r->why);
	r->why[0] = '\0';
	close_subject(o);
	o->starts = run->part; /* what was to come is still to come */
	return true;
}

/* 0, also when the row failed; -EINTR. */
static int measure_row(struct bench_run *run, struct bench_result *r, size_t round)
{
	void *handle;
	int ret;

	if (stopped(run))
		return -EINTR;
	if (run->ops->progress)
		run->ops->progress(run->ops->arg, run, (size_t)(r - run->result), round);
	do {
		ret = prepare(run, r, &handle);
		if (ret < 0)
			return ret == -EINTR ? ret : 0;
		ret = attempt(run, r, handle, round);
	} while (starts_anew(run, r, ret, round));
	if (ret == -EINTR)
		return ret;
	if (ret < 0) {
		row_failed(run, r, ret);
		return 0;
	}
	r->state = BENCH_MEASURED;
	r->nr = round + 1;
	run->done_ms += bench_estimate_ms(run->env, r->row, 1);
	return 0;
}

/* ---- rounds */

static double moved_by(double a, double b)
{
	if (a <= 0 || b <= 0)
		return 0;
	return (a > b ? a / b : b / a) - 1;
}

/* A round ended; does it hold? */
static void judge_round(struct bench_group *g, const struct bench_probe *before,
                        const struct bench_probe *after)
{
	const bool moved = moved_by(before->syscall_ns, after->syscall_ns) > BENCH_MAY_MOVE ||
	                   moved_by(before->wake_same_ns, after->wake_same_ns) > BENCH_MAY_MOVE;
	const bool stolen = after->steal > BENCH_MAY_MOVE;

	g->stolen += stolen;
	g->moved += moved && !stolen;
	g->thrown[g->rounds] = moved || stolen;
	g->kept += !moved && !stolen;
	g->rounds++;
}

static bool is_of(const struct bench_run *run, size_t i, size_t group)
{
	return run->result[i].group == group && goes_on(&run->result[i]);
}

static size_t nr_alive(const struct bench_run *run, size_t group)
{
	size_t nr = 0;

	for (size_t i = 0; i < run->nr; i++)
		nr += is_of(run, i, group);
	return nr;
}

/* 0 or -EINTR. */
static int measure_round(struct bench_run *run, size_t group, size_t round)
{
	int ret = 0;

	for (size_t k = 0; k < run->nr && ret == 0; k++) {
		const size_t i = round % 2 ? run->nr - 1 - k : k;

		if (is_of(run, i, group))
			ret = measure_row(run, &run->result[i], round);
	}
	return ret;
}

static void say_unlike(struct bench_result *r, const struct bench_opened *mine,
                       const struct bench_opened *theirs)
{
	json_t *a = mine->card ? json_loads(mine->card, 0, NULL) : NULL;
	json_t *b = theirs->card ? json_loads(theirs->card, 0, NULL) : NULL;
	const json_t *fa = json_object_get(a, "features"), *fb = json_object_get(b, "features");

	if (!fa || !fb)
		snprintf(r->unlike, sizeof(r->unlike), "the features of %s are not known",
		         fa ? theirs->subject->name : mine->subject->name);
	else if (!json_equal(fa, fb))
		snprintf(r->unlike, sizeof(r->unlike), "other features than %s",
		         theirs->subject->name);
	json_decref(a);
	json_decref(b);
}

/* Of the rows whose subjects are open, and those that they are measured against. */
static void mark_unlike(struct bench_run *run, size_t group)
{
	for (size_t i = 0; i < run->nr; i++) {
		struct bench_result *r = &run->result[i];
		const struct bench_result *a =
			r->against == BENCH_NO_ROW ? NULL : &run->result[r->against];

		if (r->group != group || !a || r->subject == BENCH_NO_ROW ||
		    a->subject == BENCH_NO_ROW || a->subject == r->subject)
			continue;
		if (run->opened[r->subject].state == BENCH_OPEN &&
		    run->opened[a->subject].state == BENCH_OPEN)
			say_unlike(r, &run->opened[r->subject], &run->opened[a->subject]);
	}
}

/* All of them before the first round, in which one may have to wait for another otherwise. 0 or -EINTR. */
static int open_group(struct bench_run *run, size_t group)
{
	void *handle;

	for (size_t i = 0; i < run->nr; i++) {
		if (stopped(run))
			return -EINTR;
		if (is_of(run, i, group) && prepare(run, &run->result[i], &handle) == -EINTR)
			return -EINTR;
	}
	mark_unlike(run, group);
	return 0;
}

/* How many rounds are to be kept by the end of part @part; all of them at once where nothing is started. */
static size_t rounds_until(const struct bench_run *run, size_t group, unsigned part)
{
	const size_t starts = bench_starts(run->rounds, run->restarts);

	for (size_t i = 0; i < run->nr; i++)
		if (run->result[i].group == group && run->result[i].subject != BENCH_NO_ROW)
			return ((part + 1) * (size_t)run->rounds + starts - 1) / starts;
	return run->rounds;
}

static bool has_round(const struct bench_run *run, size_t group, size_t until)
{
	const struct bench_group *g = &run->group[group];

	return g->kept < until && g->rounds < 2 * until && nr_alive(run, group) > 0;
}

/* 0 or -EINTR. */
static int measure_rounds(struct bench_run *run, size_t group, size_t until)
{
	struct bench_group *g = &run->group[group];
	struct bench_probe before = {0}, after = {0};
	int ret = open_group(run, group);

	if (ret == 0)
		run->ops->probe(run->ops->arg, &before);
	while (ret == 0 && has_round(run, group, until)) {
		ret = measure_round(run, group, g->rounds);
		if (ret == 0 && nr_alive(run, group)) { /* or there was no round */
			run->ops->probe(run->ops->arg, &after);
			judge_round(g, &before, &after);
			before = after;
		}
	}
	close_unused(run, group + 1);
	return ret;
}

static int finish_group(struct bench_run *run, size_t group)
{
	struct bench_group *g = &run->group[group];
	int ret;

	g->unsteady = g->kept < BENCH_VERDICT_MIN && g->kept < g->rounds;
	g->done = true;
	ret = bench_fill_figures(run, group);
	if (ret == 0 && run->ops->group_done)
		run->ops->group_done(run->ops->arg, run, group);
	return ret;
}

static int measure_group(struct bench_run *run, size_t group, unsigned part)
{
	const size_t until = rounds_until(run, group, part);
	const int ret = has_round(run, group, until) ? measure_rounds(run, group, until) : 0;
	const bool more = until < run->rounds && nr_alive(run, group);

	return ret == 0 && !more ? finish_group(run, group) : ret;
}

int bench_measure(struct bench_run *run)
{
	const unsigned starts = bench_starts(run->rounds, run->restarts);
	int ret = bench_refuse(run);

	run->began_ns = loop_now_ns();
	for (run->part = 0; run->part < starts && ret == 0; run->part++)
		for (size_t g = 0; g < run->nr_groups && ret == 0; g++)
			if (!run->group[g].done)
				ret = measure_group(run, g, run->part);
	for (size_t i = 0; i < run->nr_opened; i++)
		close_subject(&run->opened[i]);
	return ret;
}
