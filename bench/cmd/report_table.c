/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "bench/cmd/metric.h"
#include "bench/cmd/report.h"

#define NAME_WIDTH 36

const char *bench_state_name(enum bench_state s)
{
	static const char *const names[] = {[BENCH_WAITS] = "not reached",
	                                    [BENCH_MEASURED] = "measured",
	                                    [BENCH_CANNOT] = "cannot",
	                                    [BENCH_FAILED] = "failed"};

	return names[s];
}

bool bench_opens_set(const struct bench_run *run, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (strcmp(run->result[k].row->set, run->result[i].row->set) == 0)
			return false;
	return true;
}

const char *bench_rounds_text(const struct bench_report *rep, char *buf, size_t size)
{
	const struct bench_run *run = rep->run;
	const unsigned starts = bench_starts(run->rounds, run->restarts);

	snprintf(buf, size, "%u rounds in %u start%s%s, %.0f s.", run->rounds, starts,
	         starts == 1 ? "" : "s", rep->quick ? ", --quick" : "", rep->seconds);
	return buf;
}

bool bench_thrown_of(const struct bench_run *run, size_t i, char *buf, size_t size)
{
	const struct bench_group *g = &run->group[run->result[i].group];
	char text[160];

	if (run->result[i].against != BENCH_NO_ROW || g->rounds == g->kept)
		return false;
	snprintf(buf, size, "%s%s", bench_thrown_text(g, text, sizeof(text)),
	         g->unsteady ? "; figures are of all rounds" : "");
	return true;
}

/* They may quote a program: what means something in a table, or in a page, is not kept. */
static void put_plain(const char *text, FILE *out)
{
	for (; *text; text++)
		fputc(strchr("|<>&", *text) || *text < ' ' || *text > '~' ? '?' : *text, out);
}

static void put_member(const char *key, const json_t *v, FILE *out)
{
	put_plain(key, out);
	fputc(' ', out);
	if (json_is_string(v))
		put_plain(json_string_value(v), out);
	else if (json_is_boolean(v))
		fputs(json_is_true(v) ? "yes" : "no", out);
	else if (json_is_integer(v))
		fprintf(out, "%lld", (long long)json_integer_value(v));
	else
		fputs("?", out);
}

void bench_put_setup(const struct bench_opened *o, FILE *out)
{
	json_t *card = o->card ? json_loads(o->card, 0, NULL) : NULL, *v;
	const char *key, *between = "";

	if (!card)
		put_plain(o->why, out);
	json_object_foreach(card, key, v)
	{
		fputs(between, out);
		put_member(key, v, out);
		between = ", ";
	}
	json_decref(card);
}

const char *bench_interval_text(char *buf, size_t size, const struct bench_interval *v)
{
	char median[BENCH_NUMBER_MAX], low[BENCH_NUMBER_MAX], high[BENCH_NUMBER_MAX];

	snprintf(buf, size, "%s (%s .. %s)", bench_number(median, sizeof(median), v->median),
	         bench_number(low, sizeof(low), v->low), bench_number(high, sizeof(high), v->high));
	return buf;
}

const char *bench_expected_text(char *buf, size_t size, const struct bench_figure *f)
{
	char number[BENCH_NUMBER_MAX];

	buf[0] = '\0';
	if (f->has_expected)
		snprintf(buf, size, "%s%s", f->at_most ? "<= " : "",
		         bench_number(number, sizeof(number), f->expected));
	return buf;
}

const char *bench_checks_text(char *buf, size_t size, const struct bench_run *run, size_t i)
{
	const struct bench_sample *s = bench_checked(run, i);
	bool agree = true;
	size_t len = 0;

	buf[0] = '\0';
	for (unsigned k = 0; s && k < s->nr_checks && len < size; k++) {
		const struct bench_check *c = &s->check[k];

		agree &= bench_agrees(c);
		len += (size_t)snprintf(buf + len, size - len, "%s%s %llu and %llu%s",
		                        k ? ", " : "", c->what, (unsigned long long)c->counted,
		                        (unsigned long long)c->traced,
		                        bench_agrees(c) ? "" : " (!)");
	}
	if (s && len < size)
		snprintf(buf + len, size - len, ": %s", agree ? "agree" : "differ");
	return buf;
}

void bench_notes(const struct bench_run *run, size_t i,
                 void (*put)(const char *row, const char *kind, const char *text, FILE *out),
                 FILE *out)
{
	const struct bench_result *r = &run->result[i];
	char checks[BENCH_CHECKS_MAX];

	if (r->state != BENCH_MEASURED)
		put(r->row->name, bench_state_name(r->state), r->why, out);
	else if (r->why[0])
		put(r->row->name, "note", r->why, out);
	if (r->anew[0])
		put(r->row->name, "started anew", r->anew, out);
	if (r->unlike[0])
		put(r->row->name, "unlike", r->unlike, out);
	if (bench_checks_text(checks, sizeof(checks), run, i)[0])
		put(r->row->name, "counted here and by the kernel's tracepoints", checks, out);
}

void bench_table_head(FILE *out)
{
	fprintf(out, "%-*s %-16s %-30s %-12s %-14s %s\n", NAME_WIDTH, "row", "metric",
	        "median (95 % lie in)", "expected", "unit",
	        "ratio to the row it is measured against");
}

static void print_metric(FILE *out, const struct bench_run *run, size_t i, enum bench_metric_id id)
{
	const struct bench_metric *m = &bench_metrics[id];
	const struct bench_figure *f = bench_figure(run, i, id);
	char value[96], ratio[96], expected[BENCH_NUMBER_MAX + 4];

	fprintf(out, "%-*s %-16s %-30s %-12s %-14s", NAME_WIDTH, run->result[i].row->name, m->name,
	        bench_interval_text(value, sizeof(value), &f->value),
	        bench_expected_text(expected, sizeof(expected), f), m->unit);
	if (f->has_ratio)
		fprintf(out, " %s %s", bench_interval_text(ratio, sizeof(ratio), &f->ratio),
		        bench_verdict_name(f->verdict, id));
	fputc('\n', out);
}

static void print_note(const char *row, const char *kind, const char *text, FILE *out)
{
	fprintf(out, "%-*s %s: %s\n", NAME_WIDTH, row, kind, text);
}

static void print_row(FILE *out, const struct bench_run *run, size_t i)
{
	for (unsigned id = 0; id < BENCH_METRICS; id++)
		if (bench_figure(run, i, id)->nr)
			print_metric(out, run, i, id);
	bench_notes(run, i, print_note, out);
}

void bench_table_group(FILE *out, const struct bench_run *run, size_t group)
{
	const struct bench_group *g = &run->group[group];
	char thrown[160];
	size_t first = 0;

	while (first < run->nr && run->result[first].group != group)
		first++;
	for (size_t i = first; i < run->nr; i++)
		if (run->result[i].group == group)
			print_row(out, run, i);
	if (g->rounds > g->kept)
		fprintf(out, "%-*s %s%s\n", NAME_WIDTH, run->result[first].row->name,
		        bench_thrown_text(g, thrown, sizeof(thrown)),
		        g->unsteady
		                ? "; figures are of all rounds, and nothing is concluded from times"
		                : "");
	fflush(out);
}

/* Rows of which events were counted twice, and in how many of these not alike. */
static void print_checked(FILE *out, const struct bench_run *run)
{
	size_t checked = 0, differ = 0;

	for (size_t i = 0; i < run->nr; i++) {
		const struct bench_sample *s = bench_checked(run, i);
		bool agree = true;

		for (unsigned k = 0; s && k < s->nr_checks; k++)
			agree &= bench_agrees(&s->check[k]);
		checked += s != NULL;
		differ += !agree;
	}
	if (checked)
		fprintf(out,
		        "The events of %zu rows were counted by the kernel's tracepoints, too: "
		        "they "
		        "agree in %zu, differ in %zu\n",
		        checked, checked - differ, differ);
}

static size_t nr_of(const struct bench_run *run, enum bench_state s)
{
	size_t nr = 0;

	for (size_t i = 0; i < run->nr; i++)
		nr += run->result[i].state == s;
	return nr;
}

void bench_table_end(FILE *out, const struct bench_report *rep)
{
	const struct bench_run *run = rep->run;
	size_t thrown = 0, rounds = 0;

	for (size_t g = 0; g < run->nr_groups; g++) {
		rounds += run->group[g].rounds;
		thrown += run->group[g].rounds - run->group[g].kept;
	}
	fprintf(out,
	        "\n%zu rows measured, %zu cannot be here, %zu failed; %zu of %zu rounds thrown "
	        "out; "
	        "%.0f s\n",
	        nr_of(run, BENCH_MEASURED), nr_of(run, BENCH_CANNOT), nr_of(run, BENCH_FAILED),
	        thrown, rounds, rep->seconds);
	print_checked(out, run);
	if (run->rounds < BENCH_ROUNDS)
		fprintf(out, "Fewer than %u rounds: nothing is concluded.\n", BENCH_ROUNDS);
}
