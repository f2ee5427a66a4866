/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/bench_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "vmm/core/compiler.h"

static void note(struct bench_rig *r, const char *before, const char *text)
{
	const size_t len = strlen(r->log);

	snprintf(r->log + len, sizeof(r->log) - len, "%s%s", before, text);
}

static int measure(unused const struct bench_env *env, const struct bench_row *row,
                   unused void *state, struct bench_sample *s, char *why)
{
	struct bench_rig_row *f = (void *)(uintptr_t)row->arg;
	const int round = ++f->calls;

	note(f->rig, "", (char[]){row->name[strlen(row->name) - 1], 0});
	if (f->stop_round == round)
		f->rig->stop = 2;
	if (f->fail_round && round >= f->fail_round &&
	    (!f->fail_times || round < f->fail_round + f->fail_times)) {
		snprintf(why, BENCH_WHY_MAX, "%s", f->why ? f->why : "");
		return f->err;
	}
	bench_set(s, BM_NS, f->ns + f->step * round);
	bench_set(s, BM_EXITS, f->exits);
	if (f->sent > 0) {
		bench_set(s, BM_SENT, f->sent);
		bench_set(s, BM_LOSS, f->loss);
	}
	if (f->expected > 0)
		bench_expect(s, BM_EXITS, f->expected, true);
	if (f->checked && s->first) {
		s->check[0] = (struct bench_check){"exits", 10, 12, 3};
		s->check[1] = (struct bench_check){"kicks", 10, 14, 3};
		s->nr_checks = 2;
	}
	if (f->note)
		snprintf(why, BENCH_WHY_MAX, "%s", f->note);
	return 0;
}

static int can(unused const struct bench_env *env, const struct bench_subject *s, char *why)
{
	const struct bench_rig_subject *f = s->arg;

	if (f->can < 0)
		snprintf(why, BENCH_WHY_MAX, "%s needs a right", s->name);
	return f->can;
}

static int open_subject(unused const struct bench_env *env, const struct bench_subject *s,
                        void **state, unused char *why)
{
	struct bench_rig_subject *f = (void *)(uintptr_t)s->arg;

	note(f->rig, "+", s->name);
	note(f->rig, " ", "");
	*state = f;
	f->is_open = f->open == 0;
	return f->open;
}

static void close_subject(void *state)
{
	struct bench_rig_subject *f = state;

	note(f->rig, " -", f->rig->subject[f - f->rig->fake_subject].name);
	note(f->rig, " ", "");
	f->is_open = false;
}

static int card(void *state, char *text, size_t size)
{
	const struct bench_rig_subject *f = state;

	snprintf(text, size, "%s", f->card ? f->card : "");
	return f->card ? 0 : -1;
}

static void probe(void *arg, struct bench_probe *now)
{
	struct bench_rig *r = arg;

	*now = r->probes < ARRAY_SIZE(r->probe) ? r->probe[r->probes] : (struct bench_probe){0};
	r->probes++;
	now->syscall_ns = now->syscall_ns > 0 ? now->syscall_ns : 100;
	now->wake_same_ns = now->wake_same_ns > 0 ? now->wake_same_ns : 1000;
}

void bench_rig_begin(struct bench_rig *r)
{
	static const char *const names[] = {"pure", "vhost", "peer"};

	*r = (struct bench_rig){.env = {.self = "self", .tmp = "/nowhere", .seconds_div = 1}};
	r->env.stop = &r->stop;
	r->ops = (struct bench_ops){.probe = probe, .arg = r};
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		r->fake_subject[i] = (struct bench_rig_subject){
			.rig = r, .card = "{\"features\": \"mac,csum\"}"};
		r->subject[i] = (struct bench_subject){.name = names[i],
		                                       .label = names[i],
		                                       .can = can,
		                                       .open = open_subject,
		                                       .close = close_subject,
		                                       .card = card,
		                                       .arg = &r->fake_subject[i]};
	}
}

struct bench_rig_row *bench_rig_add(struct bench_rig *r, const char *name, const char *against,
                                    int subject)
{
	struct bench_rig_row *f = &r->fake[r->nr];

	*f = (struct bench_rig_row){.rig = r, .ns = 100, .exits = 1};
	r->row[r->nr] = (struct bench_row){.name = name,
	                                   .set = "set",
	                                   .what = "a row",
	                                   .against = against,
	                                   .subject = subject < 0 ? NULL : &r->subject[subject],
	                                   .ms = 10,
	                                   .core = true,
	                                   .measure = measure,
	                                   .arg = f};
	r->rows[r->nr] = &r->row[r->nr];
	r->nr++;
	return f;
}

int bench_rig_measure(struct bench_rig *r, unsigned rounds)
{
	int ret;

	r->run = (struct bench_run){.env = &r->env,
	                            .ops = &r->ops,
	                            .rounds = rounds,
	                            .restarts = r->restarts,
	                            .seed = 1};
	ret = bench_run_init(&r->run, r->rows, r->nr);
	return ret < 0 ? ret : bench_measure(&r->run);
}

void bench_rig_end(struct bench_rig *r)
{
	bench_run_free(&r->run);
}

char *bench_rig_written(const struct bench_report *rep,
                        int (*fn)(const struct bench_report *rep, FILE *out))
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	assert_int_equal(fn(rep, out), 0);
	fclose(out);
	return text;
}
