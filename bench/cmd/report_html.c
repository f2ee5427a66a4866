/* SPDX-License-Identifier: Apache-2.0 */
/* bench/cmd/report_html.c - one page; the plots lie beside it */
#include <stdlib.h>
#include <string.h>

#include "bench/cmd/equation.h"
#include "bench/cmd/metric.h"
#include "bench/cmd/plot.h"
#include "bench/cmd/report.h"
#include "vmm/core/xml.h"

static void put_cell(const char *text, FILE *out)
{
	fputs("<td>", out);
	xml_put(text, out);
	fputs("</td>", out);
}

/* ---- plots */

/* Nothing, where it was not drawn. */
static void put_chart(const struct bench_report *rep, const struct bench_chart *c, FILE *out)
{
	char file[128], text[160];

	if (bench_is_drawn(rep, c, "svg"))
		fprintf(out, "<img alt=\"%s\" src=\"%s\">\n",
		        bench_chart_text(c, text, sizeof(text)),
		        bench_chart_file(c, "svg", file, sizeof(file)));
}

static void put_charts(const struct bench_report *rep, const char *set, FILE *out)
{
	struct bench_chart chart[BENCH_CHARTS_MAX];
	const size_t nr = bench_charts(rep->run, chart);

	for (size_t k = 0; k < nr; k++)
		if (strcmp(chart[k].set, set) == 0)
			put_chart(rep, &chart[k], out);
}

/* ---- tables */

static void put_line(const char *name, const char *value, FILE *out)
{
	fputs("<tr><th>", out);
	xml_put(name, out);
	fputs("</th>", out);
	put_cell(value, out);
	fputs("</tr>\n", out);
}

static void put_card(const struct bench_card *c, FILE *out)
{
	char text[96];

	fputs("<table>\n", out);
	put_line("host", c->host, out);
	put_line("CPU", c->cpu, out);
	snprintf(text, sizeof(text), "%u, used: %s", c->cpus, c->pinned);
	put_line("CPUs", text, out);
	put_line("KVM", c->kvm, out);
	put_line("governor", c->governor, out);
	for (unsigned i = 0; i < COSTS; i++) {
		snprintf(text, sizeof(text), "%.0f ns", c->cost[i].ns);
		put_line(costs[i].help, c->cost[i].ns > 0 ? text : c->cost[i].why, out);
	}
	fputs("</table>\n", out);
}

static void put_metric(const struct bench_run *run, size_t i, enum bench_metric_id id, FILE *out)
{
	const struct bench_figure *f = bench_figure(run, i, id);
	const char *verdict = f->has_ratio ? bench_verdict_name(f->verdict, id) : "";
	char text[96];

	fputs("<tr>", out);
	put_cell(run->result[i].row->name, out);
	put_cell(bench_metrics[id].name, out);
	put_cell(bench_interval_text(text, sizeof(text), &f->value), out);
	put_cell(bench_expected_text(text, sizeof(text), f), out);
	put_cell(bench_metrics[id].unit, out);
	put_cell(f->has_ratio ? bench_interval_text(text, sizeof(text), &f->ratio) : "", out);
	put_cell(f->has_ratio ? run->result[i].row->against : "", out);
	fprintf(out, "<td class=\"%s\">%s</td></tr>\n", verdict, verdict);
}

static void put_note(const char *name, const char *what, const char *why, FILE *out)
{
	fputs("<tr>", out);
	put_cell(name, out);
	fprintf(out, "<td colspan=\"7\">%s: ", what);
	xml_put(why, out);
	fputs("</td></tr>\n", out);
}

static void put_set(const struct bench_report *rep, const char *set, FILE *out)
{
	const struct bench_run *run = rep->run;

	fputs("<table>\n<tr><th>row</th><th>metric</th><th>median (95 % lie in)</th>"
	      "<th>expected</th><th>unit</th>"
	      "<th>ratio (95 % lie in)</th><th>against</th><th>verdict</th></tr>\n",
	      out);
	for (size_t i = 0; i < run->nr; i++) {
		if (strcmp(run->result[i].row->set, set) != 0)
			continue;
		for (unsigned id = 0; id < BENCH_METRICS; id++)
			if (bench_figure(run, i, id)->nr)
				put_metric(run, i, id, out);
		bench_notes(run, i, put_note, out);
	}
	fputs("</table>\n", out);
}

/* ---- loss over rate */

static void put_points(const struct bench_line *l, FILE *out)
{
	char text[96];

	for (size_t k = 0; k < l->nr; k++) {
		fputs("<tr>", out);
		put_cell(l->subject, out);
		put_cell(l->point[k].row, out);
		put_cell(bench_number(text, sizeof(text), l->point[k].sent), out);
		put_cell(bench_interval_text(text, sizeof(text), &l->point[k].loss->value), out);
		fputs("</tr>\n", out);
	}
}

static void put_curves(const struct bench_report *rep, FILE *out)
{
	struct bench_line *lines = calloc(BENCH_LINES_MAX, sizeof(*lines));
	const size_t nr = lines ? bench_lines(rep->run, lines) : 0;
	char most[BENCH_NUMBER_MAX];

	if (nr) {
		fputs("<h2>Loss over rate</h2>\n", out);
		put_charts(rep, BENCH_CURVE, out);
		fputs("<table>\n<tr><th>subject</th><th>row</th><th>sent per second</th><th>lost, "
		      "of 1 (95 % lie in)</th></tr>\n",
		      out);
	}
	for (size_t i = 0; i < nr; i++)
		put_points(&lines[i], out);
	if (nr)
		fputs("</table>\n<p>The most that was sent with nothing lost, there or at "
		      "less:</p>\n<ul>\n",
		      out);
	for (size_t i = 0; i < nr; i++)
		fprintf(out, "<li>%s, %s: %s per second</li>\n", lines[i].subject,
		        bench_way_text(lines[i].way),
		        bench_number(most, sizeof(most), bench_lossless(&lines[i])));
	if (nr)
		fputs("</ul>\n", out);
	free(lines);
}

/* ---- the article's terms */

static void put_term(const struct bench_run *run, size_t i, const struct bench_term *t,
                     enum bench_frames frames, FILE *out)
{
	struct bench_term_texts text;

	bench_term_texts(run, i, t, frames, &text);
	fputs("<tr>", out);
	put_cell(t->name, out);
	put_cell(text.article, out);
	put_cell(text.expected, out);
	put_cell(text.observed, out);
	put_cell(t->is, out);
	fputs("</tr>\n", out);
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
			fputs("<h2>The article's equations, measured</h2>\n", out);
		any = true;
		fprintf(out, "<h3>%s (%s)</h3>\n<p>%s</p>\n", run->result[i].row->name, e->path,
		        bench_equation_text(e, frames, text, sizeof(text)));
		fputs("<table>\n<tr><th>term</th><th>the article, per frame</th><th>expected</th>"
		      "<th>observed</th><th>what was counted</th></tr>\n",
		      out);
		for (size_t k = 0; k < e->nr; k++)
			put_term(run, i, &e->term[k], frames, out);
		fputs("</table>\n", out);
	}
}

/* Rounds that do not hold, of each group. */
static void put_thrown(const struct bench_run *run, FILE *out)
{
	char text[256];

	fputs("<ul>\n", out);
	for (size_t i = 0; i < run->nr; i++)
		if (bench_thrown_of(run, i, text, sizeof(text)))
			fprintf(out, "<li>%s: %s</li>\n", run->result[i].row->name, text);
	fputs("</ul>\n", out);
}

static void put_subjects(const struct bench_run *run, FILE *out)
{
	fputs("<table>\n<tr><th>subject</th><th></th><th>how it was set up</th></tr>\n", out);
	for (size_t k = 0; k < run->nr_opened; k++) {
		fputs("<tr>", out);
		put_cell(run->opened[k].subject->name, out);
		put_cell(run->opened[k].subject->label, out);
		fputs("<td>", out);
		bench_put_setup(&run->opened[k], out);
		fputs("</td></tr>\n", out);
	}
	fputs("</table>\n", out);
}

int bench_write_html(const struct bench_report *rep, FILE *out)
{
	const struct bench_run *run = rep->run;
	char text[160];

	fputs("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
	      "<title>doorbell bench</title>\n<style>\n"
	      "body { font-family: sans-serif; margin: 2em; max-width: 75em }\n"
	      "table { border-collapse: collapse; margin: 1em 0 }\n"
	      "td, th { border: 1px solid #ccc; padding: .2em .6em; text-align: left }\n"
	      ".better, .faster { background: #dfd } .worse, .slower { background: #fdd }\n"
	      "img { max-width: 100% }\n</style></head><body>\n",
	      out);
	fprintf(out, "<h1>doorbell bench, version %s</h1>\n", DOORBELL_VERSION);
	put_card(rep->card, out);
	fprintf(out, "<p>%s</p>\n", bench_rounds_text(rep, text, sizeof(text)));
	put_thrown(run, out);
	if (run->nr_opened)
		put_subjects(run, out);
	for (size_t i = 0; i < run->nr; i++) {
		const char *set = run->result[i].row->set;

		if (!bench_opens_set(run, i))
			continue;
		fprintf(out, "<h2>%s</h2>\n", set);
		put_charts(rep, set, out);
		put_set(rep, set, out);
	}
	put_curves(rep, out);
	put_equations(run, out);
	fputs("</body></html>\n", out);
	return 0;
}
