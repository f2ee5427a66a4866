/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <time.h>

#include "bench/cmd/curve.h"
#include "bench/cmd/equation.h"
#include "bench/cmd/metric.h"
#include "bench/cmd/report.h"
#include "vmm/json_file.h"

static json_t *interval_json(const struct bench_interval *v)
{
	return json_pack("{s:f, s:f, s:f}", "median", v->median, "low", v->low, "high", v->high);
}

static json_t *samples_json(const struct bench_run *run, size_t i, enum bench_metric_id id)
{
	double v[BENCH_SAMPLE_MAX];
	const size_t nr = bench_values(run, i, id, v);
	json_t *a = json_array();

	for (size_t k = 0; k < nr; k++)
		json_array_append_new(a, json_real(v[k]));
	return a;
}

static json_t *figure_json(const struct bench_run *run, size_t i, enum bench_metric_id id)
{
	const struct bench_figure *f = bench_figure(run, i, id);
	json_t *o = interval_json(&f->value), *ratio;

	json_object_set_new(o, "samples", samples_json(run, i, id));
	if (f->has_expected)
		json_object_set_new(o, "expected", json_real(f->expected));
	if (f->at_most)
		json_object_set_new(o, "at_most", json_true());
	if (f->has_ratio) {
		ratio = interval_json(&f->ratio);
		json_object_set_new(ratio, "verdict",
		                    json_string(bench_verdict_name(f->verdict, id)));
		json_object_set_new(o, "ratio", ratio);
	}
	return o;
}

static json_t *checks_json(const struct bench_sample *s)
{
	json_t *o = json_object();

	for (unsigned k = 0; k < s->nr_checks; k++) {
		const struct bench_check *c = &s->check[k];

		json_object_set_new(
			o, c->what,
			json_pack("{s:I, s:I, s:I, s:b}", "counted", (json_int_t)c->counted,
		                  "traced", (json_int_t)c->traced, "may_differ",
		                  (json_int_t)c->may_differ, "agree", (int)bench_agrees(c)));
	}
	return o;
}

static json_t *row_json(const struct bench_run *run, size_t i)
{
	const struct bench_result *r = &run->result[i];
	const struct bench_group *g = &run->group[r->group];
	json_t *metrics = json_object();
	json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:i, s:i, s:b}", "name", r->row->name, "set",
	                      r->row->set, "what", r->row->what, "state",
	                      bench_state_name(r->state), "rounds", (int)g->rounds, "thrown_out",
	                      (int)(g->rounds - g->kept), "unsteady", (int)g->unsteady);

	for (unsigned id = 0; id < BENCH_METRICS; id++)
		if (bench_figure(run, i, id)->nr)
			json_object_set_new(metrics, bench_metrics[id].name,
			                    figure_json(run, i, id));
	json_object_set_new(o, "metrics", metrics);
	if (r->row->subject)
		json_object_set_new(o, "subject", json_string(r->row->subject->name));
	if (r->row->against)
		json_object_set_new(o, "against", json_string(r->row->against));
	if (r->why[0])
		json_object_set_new(o, "why", json_string(r->why));
	if (bench_checked(run, i))
		json_object_set_new(o, "tracepoints", checks_json(bench_checked(run, i)));
	if (r->anew[0])
		json_object_set_new(o, "started_anew", json_string(r->anew));
	if (r->unlike[0])
		json_object_set_new(o, "unlike", json_string(r->unlike));
	return o;
}

static json_t *subjects_json(const struct bench_run *run)
{
	json_t *all = json_object();

	for (size_t i = 0; i < run->nr_opened; i++) {
		const struct bench_opened *s = &run->opened[i];
		json_t *o = json_pack("{s:s}", "label", s->subject->label);

		if (s->card)
			json_object_set_new(o, "card", json_loads(s->card, 0, NULL));
		if (s->why[0])
			json_object_set_new(o, "why", json_string(s->why));
		json_object_set_new(all, s->subject->name, o);
	}
	return all;
}

/* So that a reader of the file needs no other. */
static json_t *metrics_json(void)
{
	json_t *all = json_object();

	for (unsigned id = 0; id < BENCH_METRICS; id++) {
		const struct bench_metric *m = &bench_metrics[id];

		json_object_set_new(all, m->name,
		                    json_pack("{s:s, s:s, s:s, s:s}", "unit", m->unit, "help",
		                              m->help, "better", bench_want_name(m->want), "kind",
		                              bench_trust_name(m->trust)));
	}
	return all;
}

json_t *bench_json(const struct bench_report *rep)
{
	const struct bench_run *run = rep->run;
	json_t *rows = json_array();
	char when[32] = "";
	const time_t began = (time_t)rep->began;
	struct tm tm;

	if (gmtime_r(&began, &tm))
		strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	for (size_t i = 0; i < run->nr; i++)
		json_array_append_new(rows, row_json(run, i));
	return json_pack("{s:s, s:s, s:s, s:f, s:b, s:i, s:i, s:I, s:o, s:o, s:o, s:o, s:o, s:o}",
	                 "schema", BENCH_SCHEMA, "doorbell", DOORBELL_VERSION, "began", when,
	                 "seconds", rep->seconds, "quick", (int)rep->quick, "rounds",
	                 (int)run->rounds, "restarts", (int)run->restarts, "seed",
	                 (json_int_t)run->seed, "card", bench_card_json(rep->card), "metrics",
	                 metrics_json(), "subjects", subjects_json(run), "rows", rows,
	                 "loss_over_rate", bench_lines_json(run), "equations",
	                 bench_equations_json(run));
}

int bench_write_json(const struct bench_report *rep, FILE *out)
{
	json_t *json = bench_json(rep);
	const int ret = json_print(json, out);

	json_decref(json);
	return ret;
}
