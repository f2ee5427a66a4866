/* SPDX-License-Identifier: Apache-2.0 */
/* bench/cmd/report_csv.c - a line for each row and metric, as RFC 4180 has it */
#include "bench/cmd/metric.h"
#include "bench/cmd/report.h"

static void put_text(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text; text++) {
		if (*text == '"')
			fputc('"', out);
		fputc(*text, out);
	}
	fputc('"', out);
}

static void put_row(const struct bench_run *run, size_t i, FILE *out)
{
	const struct bench_result *r = &run->result[i];

	put_text(out, r->row->name);
	fprintf(out, ",%s,%s,%s,", r->row->set, r->row->subject ? r->row->subject->name : "",
	        bench_state_name(r->state));
	put_text(out, r->why);
}

/* Both a note and that it is unlike may be true of a row. */
static void put_end(const struct bench_run *run, size_t i, FILE *out)
{
	const struct bench_result *r = &run->result[i];
	const struct bench_group *g = &run->group[r->group];

	fputc(',', out);
	put_text(out, r->unlike);
	fprintf(out, ",%zu,%zu\r\n", g->rounds, g->rounds - g->kept);
}

static void put_interval(FILE *out, const struct bench_interval *v)
{
	fprintf(out, ",%.15g,%.15g,%.15g", v->median, v->low, v->high);
}

int bench_write_csv(const struct bench_report *rep, FILE *out)
{
	const struct bench_run *run = rep->run;

	fputs("row,set,subject,state,note,metric,unit,samples,median,low,high,expected,at_most,"
	      "against,ratio,"
	      "ratio_low,ratio_high,verdict,unlike,rounds,thrown_out\r\n",
	      out);
	for (size_t i = 0; i < run->nr; i++) {
		bool any = false;

		for (unsigned id = 0; id < BENCH_METRICS; id++) {
			const struct bench_figure *f = bench_figure(run, i, id);

			if (!f->nr)
				continue;
			any = true;
			put_row(run, i, out);
			fprintf(out, ",%s,%s,%zu", bench_metrics[id].name, bench_metrics[id].unit,
			        f->nr);
			put_interval(out, &f->value);
			if (f->has_expected)
				fprintf(out, ",%.15g,%d", f->expected, f->at_most);
			else
				fputs(",,", out);
			fprintf(out, ",%s", f->has_ratio ? run->result[i].row->against : "");
			if (f->has_ratio)
				put_interval(out, &f->ratio);
			else
				fputs(",,,", out);
			fprintf(out, ",%s", f->has_ratio ? bench_verdict_name(f->verdict, id) : "");
			put_end(run, i, out);
		}
		if (!any) {
			put_row(run, i, out);
			fputs(",,,,,,,,,,,,,", out);
			put_end(run, i, out);
		}
	}
	return 0;
}
