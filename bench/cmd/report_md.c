/* SPDX-License-Identifier: Apache-2.0 */
/* bench/cmd/report_md.c - Markdown: the card, then a table for each set */
#include <string.h>

#include "bench/cmd/metric.h"
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
	char value[96], ratio[96];

	fprintf(out, "| %s | %s | %s | %s |", run->result[i].row->name, bench_metrics[id].name,
	        bench_interval_text(value, sizeof(value), &f->value), bench_metrics[id].unit);
	if (f->has_ratio)
		fprintf(out, " %s | %s | %s |\n",
		        bench_interval_text(ratio, sizeof(ratio), &f->ratio),
		        run->result[i].row->against, bench_verdict_name(f->verdict, id));
	else
		fputs(" | | |\n", out);
}

static void put_row(const struct bench_run *run, size_t i, FILE *out)
{
	const struct bench_result *r = &run->result[i];

	for (unsigned id = 0; id < BENCH_METRICS; id++)
		if (bench_figure(run, i, id)->nr)
			put_metric(run, i, id, out);
	if (r->state != BENCH_MEASURED)
		fprintf(out, "| %s | %s: %s | | | | | |\n", r->row->name,
		        bench_state_name(r->state), r->why);
	if (r->unlike[0])
		fprintf(out, "| %s | unlike: %s | | | | | |\n", r->row->name, r->unlike);
}

static void put_set(const struct bench_run *run, size_t first, FILE *out)
{
	const char *set = run->result[first].row->set;

	fprintf(out,
	        "\n## %s\n\n| row | metric | median (95 %% lie in) | unit | ratio (95 %% lie in) | "
	        "against | verdict |\n|---|---|---|---|---|---|---|\n",
	        set);
	for (size_t i = first; i < run->nr; i++)
		if (strcmp(run->result[i].row->set, set) == 0)
			put_row(run, i, out);
}

static void put_thrown(const struct bench_run *run, FILE *out)
{
	char text[160];

	for (size_t i = 0; i < run->nr; i++) {
		const struct bench_group *g = &run->group[run->result[i].group];

		if (run->result[i].against == BENCH_NO_ROW && g->rounds > g->kept)
			fprintf(out, "- %s: %s%s\n", run->result[i].row->name,
			        bench_thrown_text(g, text, sizeof(text)),
			        g->unsteady ? "; figures are of all rounds" : "");
	}
}

int bench_write_markdown(const struct bench_report *rep, FILE *out)
{
	const struct bench_run *run = rep->run;

	fprintf(out, "# doorbell bench, version %s\n\n", DOORBELL_VERSION);
	put_card(rep->card, out);
	fprintf(out, "\n%u rounds%s, %.0f s.\n", run->rounds, rep->quick ? ", --quick" : "",
	        rep->seconds);
	put_thrown(run, out);
	for (size_t i = 0; i < run->nr; i++)
		if (bench_opens_set(run, i))
			put_set(run, i, out);
	return 0;
}
