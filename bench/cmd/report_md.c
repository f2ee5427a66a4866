/* SPDX-License-Identifier: Apache-2.0 */
/* bench/cmd/report_md.c - Markdown: the card, then a table for each set */
#include <stdlib.h>
#include <string.h>

#include "bench/cmd/equation.h"
#include "bench/cmd/metric.h"
#include "bench/cmd/plot.h"
#include "bench/cmd/report.h"

static void put_card(const struct bench_card *c, FILE *out)
{
	fprintf(out, "| machine | |\n|---|---|\n| host | %s |\n| CPU | %u of %s, used: %s |\n",
	        c->host, c->cpus, c->cpu, c->pinned);
	fprintf(out, "| KVM | %s |\n| governor | %s |\n", c->kvm, c->governor);
	for (unsigned i = 0; i < COSTS; i++) {
		if (c->cost[i].ns > 0)
			fprintf(out, "| %s | %.0f ns |\n", costs[i].help, c->cost[i].ns);
		else
			fprintf(out, "| %s | %s |\n", costs[i].help, c->cost[i].why);
	}
}

static void put_metric(const struct bench_run *run, size_t i, enum bench_metric_id id, FILE *out)
{
	const struct bench_figure *f = bench_figure(run, i, id);
	char value[96], ratio[96], expected[BENCH_NUMBER_MAX + 4];

	fprintf(out, "| %s | %s | %s | %s | %s |", run->result[i].row->name, bench_metrics[id].name,
	        bench_interval_text(value, sizeof(value), &f->value),
	        bench_expected_text(expected, sizeof(expected), f), bench_metrics[id].unit);
	if (f->has_ratio)
		fprintf(out, " %s | %s | %s |\n",
		        bench_interval_text(ratio, sizeof(ratio), &f->ratio),
		        run->result[i].row->against, bench_verdict_name(f->verdict, id));
	else
		fputs(" | | |\n", out);
}

static void put_note(const char *row, const char *kind, const char *text, FILE *out)
{
	fprintf(out, "- %s: %s: %s\n", row, kind, text);
}

static void put_charts(const struct bench_report *rep, const char *set, FILE *out)
{
	struct bench_chart chart[BENCH_CHARTS_MAX];
	const size_t nr = bench_charts(rep->run, chart);
	char file[128], text[160];

	fputc('\n', out);
	for (size_t i = 0; i < nr; i++)
		if (strcmp(chart[i].set, set) == 0 && bench_is_drawn(rep, &chart[i], "svg"))
			fprintf(out, "![%s](%s)\n", bench_chart_text(&chart[i], text, sizeof(text)),
			        bench_chart_file(&chart[i], "svg", file, sizeof(file)));
}

static void put_set(const struct bench_report *rep, size_t first, FILE *out)
{
	const struct bench_run *run = rep->run;
	const char *set = run->result[first].row->set;

	fprintf(out,
	        "\n## %s\n\n| row | metric | median (95 %% lie in) | expected | unit | ratio (95 "
	        "%% lie in) | against | verdict |\n|---|---|---|---|---|---|---|---|\n",
	        set);
	for (size_t i = first; i < run->nr; i++)
		for (unsigned id = 0; id < BENCH_METRICS; id++)
			if (strcmp(run->result[i].row->set, set) == 0 &&
			    bench_figure(run, i, id)->nr)
				put_metric(run, i, id, out);
	fputc('\n', out);
	for (size_t i = first; i < run->nr; i++)
		if (strcmp(run->result[i].row->set, set) == 0)
			bench_notes(run, i, put_note, out);
	put_charts(rep, set, out);
}

/* ---- loss over rate */

static void put_line(const struct bench_line *l, FILE *out)
{
	char sent[BENCH_NUMBER_MAX], lost[96];

	for (size_t k = 0; k < l->nr; k++)
		fprintf(out, "| %s | %s | %s | %s |\n", l->subject, l->point[k].row,
		        bench_number(sent, sizeof(sent), l->point[k].sent),
		        bench_interval_text(lost, sizeof(lost), &l->point[k].loss->value));
}

static void put_curves(const struct bench_report *rep, FILE *out)
{
	struct bench_line *lines = calloc(BENCH_LINES_MAX, sizeof(*lines));
	const size_t nr = lines ? bench_lines(rep->run, lines) : 0;
	char most[BENCH_NUMBER_MAX];

	if (nr)
		fputs("\n## Loss over rate\n\n| subject | row | sent per second | lost, of 1 (95 % "
		      "lie in) |\n|---|---|---|---|\n",
		      out);
	for (size_t i = 0; i < nr; i++)
		put_line(&lines[i], out);
	if (nr)
		fputs("\nThe most that was sent with nothing lost, there or at less:\n\n", out);
	for (size_t i = 0; i < nr; i++)
		fprintf(out, "- %s, %s: %s per second\n", lines[i].subject,
		        bench_way_text(lines[i].way),
		        bench_number(most, sizeof(most), bench_lossless(&lines[i])));
	if (nr)
		put_charts(rep, BENCH_CURVE, out);
	free(lines);
}

/* ---- the article's terms */

static void put_term(const struct bench_run *run, size_t i, const struct bench_term *t,
                     enum bench_frames frames, FILE *out)
{
	struct bench_term_texts text;

	bench_term_texts(run, i, t, frames, &text);
	fprintf(out, "| %s | %s | %s | %s | %s |\n", t->name, text.article, text.expected,
	        text.observed, t->is);
}

static void put_equations(const struct bench_run *run, FILE *out)
{
	bool any = false;

	for (size_t i = 0; i < run->nr; i++) {
		enum bench_frames frames;
		const struct bench_equations *e = bench_measured_equations(run, i, &frames);
		char text[BENCH_EQUATION_MAX];

		if (!e)
			continue;
		if (!any)
			fputs("\n## The article's equations, measured\n", out);
		any = true;
		fprintf(out,
		        "\n**%s** (%s): %s\n\n| term | the article, per frame | expected | "
		        "observed | what was counted |\n|---|---|---|---|---|\n",
		        run->result[i].row->name, e->path,
		        bench_equation_text(e, frames, text, sizeof(text)));
		for (size_t k = 0; k < e->nr; k++)
			put_term(run, i, &e->term[k], frames, out);
	}
}

static void put_thrown(const struct bench_run *run, FILE *out)
{
	char text[256];

	for (size_t i = 0; i < run->nr; i++)
		if (bench_thrown_of(run, i, text, sizeof(text)))
			fprintf(out, "- %s: %s\n", run->result[i].row->name, text);
}

static void put_subjects(const struct bench_run *run, FILE *out)
{
	if (run->nr_opened)
		fputs("\n| subject | | how it was set up |\n|---|---|---|\n", out);
	for (size_t k = 0; k < run->nr_opened; k++) {
		const struct bench_opened *o = &run->opened[k];

		fprintf(out, "| %s | %s | ", o->subject->name, o->subject->label);
		bench_put_setup(o, out);
		fputs(" |\n", out);
	}
}

int bench_write_markdown(const struct bench_report *rep, FILE *out)
{
	const struct bench_run *run = rep->run;
	char text[160];

	fprintf(out, "# doorbell bench, version %s\n\n", DOORBELL_VERSION);
	put_card(rep->card, out);
	fprintf(out, "\n%s\n", bench_rounds_text(rep, text, sizeof(text)));
	put_thrown(run, out);
	put_subjects(run, out);
	for (size_t i = 0; i < run->nr; i++)
		if (bench_opens_set(run, i))
			put_set(rep, i, out);
	put_curves(rep, out);
	put_equations(run, out);
	return 0;
}
