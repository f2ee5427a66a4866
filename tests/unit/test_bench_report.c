/* SPDX-License-Identifier: Apache-2.0 */
/* One run in all forms: the table, JSON that compare takes, CSV, Markdown, the page, the plots. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/cmd/card.h"
#include "bench/cmd/plot.h"
#include "bench/cmd/report.h"
#include "bench/cmd/saved.h"
#include "tests/lib/bench_rig.h"
#include "tests/lib/capture.h"
#include "vmm/core/compiler.h"

struct fixture {
	struct bench_rig rig;
	struct bench_card card;
	struct bench_report rep;
};

/* Two rows with subjects that differ, and one that cannot be. */
static int begin(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	bench_rig_begin(&f->rig);
	*bench_rig_add(&f->rig, "t/a", NULL, 0) =
		(struct bench_rig_row){.rig = &f->rig,
	                               .ns = 100,
	                               .exits = 1,
	                               .expected = 2,
	                               .checked = true,
	                               .note = "one thing was not measured"};
	*bench_rig_add(&f->rig, "t/b", "t/a", 1) =
		(struct bench_rig_row){.rig = &f->rig, .ns = 50, .exits = 1, .expected = 2};
	bench_rig_add(&f->rig, "t/c", NULL, 2);
	f->rig.fake_subject[1].card = "{\"features\": \"mac\"}";
	f->rig.fake_subject[2].can = -EPERM;
	if (bench_rig_measure(&f->rig, 9) < 0)
		return -1;
	f->card = (struct bench_card){.host = "Linux 6.1",
	                              .cpu = "CPU <1> & \"2\"",
	                              .cpus = 2,
	                              .pinned = "0-1",
	                              .kvm = "kvm_amd",
	                              .governor = "not known",
	                              .cost[COST_SYSCALL] = {.ns = 100},
	                              .cost[COST_TAP_WRITE] = {.why = "no right"}};
	f->rep = (struct bench_report){
		.run = &f->rig.run, .card = &f->card, .began = 86400, .seconds = 1.5};
	*state = f;
	return 0;
}

static int end(void **state)
{
	struct fixture *f = *state;

	bench_rig_end(&f->rig);
	free(f);
	return 0;
}

static void json_is_what_compare_reads(void **state)
{
	struct fixture *f = *state;
	char *text = bench_rig_written(&f->rep, bench_write_json), why[BENCH_WHY_MAX];
	struct bench_saved s;

	assert_int_equal(bench_saved_parse(text, strlen(text), &s, why), 0);
	assert_int_equal(s.nr, 3);
	assert_string_equal(s.row[1].name, "t/b");
	assert_int_equal(s.row[1].nr[BM_NS], 9);
	assert_true(s.row[1].v[BM_NS][0] > 49 && s.row[1].v[BM_NS][0] < 51);
	assert_int_equal(s.row[2].nr[BM_NS], 0);
	assert_string_equal(json_string_value(json_object_get(s.row[1].setup, "features")), "mac");
	assert_string_equal(s.word[SAVED_KVM], "kvm_amd");
	assert_true(s.cost_ns[COST_SYSCALL] > 99);
	assert_has(text, "\"began\": \"1970-01-02T00:00:00Z\"");
	assert_has(text, "\"unlike\": \"other features than pure\"");
	assert_has(text, "\"why\": \"peer needs a right\"");
	assert_has(text, "\"verdict\": \"faster\"");
	assert_has(text, "\"tap-write\": \"no right\"");
	assert_has(text, "\"expected\": 2.0,");
	assert_has(text, "\"kicks\": {");
	assert_has(text, "\"agree\": false");
	bench_saved_free(&s);
	free(text);
}

static void csv_has_a_line_for_each_row_and_metric(void **state)
{
	struct fixture *f = *state;
	char *text = bench_rig_written(&f->rep, bench_write_csv);

	assert_string_equal(
		text, "row,set,subject,state,note,metric,unit,samples,median,low,high,"
		      "expected,at_most,against,ratio,"
		      "ratio_low,ratio_high,verdict,unlike,rounds,thrown_out\r\n"
		      "\"t/a\",set,pure,measured,\"one thing was not measured\",exits,per "
		      "packet,9,1,1,1,2,1,,,,,,\"\",9,0\r\n"
		      "\"t/a\",set,pure,measured,\"one thing was not "
		      "measured\",ns,ns,9,100,100,100,,,,,,,,\"\",9,0\r\n"
		      "\"t/b\",set,vhost,measured,\"\",exits,per "
		      "packet,9,1,1,1,2,1,t/a,1,1,1,equal,\"other features than pure\",9,0\r\n"
		      "\"t/b\",set,vhost,measured,\"\",ns,ns,9,50,50,50,,,t/a,0.5,"
		      "0.5,0.5,faster,\"other features than pure\",9,0\r\n"
		      "\"t/c\",set,peer,cannot,\"peer needs a "
		      "right\",,,,,,,,,,,,,,\"\",0,0\r\n");
	free(text);
}

/* In results.csv a note took the place of what it is unlike. */
static void row_with_a_note_is_marked_unlike_all_the_same(void **state)
{
	struct fixture *f = *state;
	char *text;

	snprintf(f->rig.run.result[1].why, BENCH_WHY_MAX, "not traced");
	text = bench_rig_written(&f->rep, bench_write_csv);
	assert_has(text, "measured,\"not traced\",ns");
	assert_has(text, "faster,\"other features than pure\",9,0\r\n");
	free(text);
}

static void every_document_has_the_rounds_that_were_thrown_out(void **state)
{
	struct fixture *f = *state;
	char *text;

	f->rig.run.restarts = 1;
	f->rig.run.group[0].rounds = 10; /* as if */
	f->rig.run.group[0].moved = 1;
	text = bench_rig_written(&f->rep, bench_write_markdown);
	assert_has(text, "\n9 rounds in 2 starts, 2 s.\n");
	assert_has(text, "- t/a: 1 of 10 rounds thrown out: costs of the machine moved in 1, ");
	free(text);
	text = bench_rig_written(&f->rep, bench_write_html);
	assert_has(text, "<p>9 rounds in 2 starts, 2 s.</p>\n");
	assert_has(text, "<li>t/a: 1 of 10 rounds thrown out: costs of the machine moved in 1, ");
	free(text);
	text = bench_rig_written(&f->rep, bench_write_csv);
	assert_has(text, ",10,1\r\n");
	free(text);
	text = bench_rig_written(&f->rep, bench_write_json);
	assert_has(text, "\"restarts\": 1,");
	assert_has(text, "\"thrown_out\": 1,");
	free(text);
}

static void markdown_has_card_rows_and_reasons(void **state)
{
	struct fixture *f = *state;
	char *text = bench_rig_written(&f->rep, bench_write_markdown);

	assert_has(text, "| KVM | kvm_amd |\n");
	assert_has(text, "| a system call that does nothing | 100 ns |\n");
	assert_has(text, "dropped | no right |\n");
	assert_has(text, "\n## set\n");
	assert_has(text,
	           "| t/b | ns | 50.00 (50.00 .. 50.00) |  | ns | 0.500 (0.500 .. 0.500) | t/a | "
	           "faster |\n");
	assert_has(text, "- t/b: unlike: other features than pure\n");
	assert_has(text, "- t/c: cannot: peer needs a right\n");
	assert_has(text, "| vhost | vhost | features mac |\n");
	assert_has(text, "| peer | peer | peer needs a right |\n");
	free(text);
}

static void page_escapes_what_it_shows(void **state)
{
	struct fixture *f = *state;
	char *text;

	free(f->rig.run.opened[1].card);
	f->rig.run.opened[1].card = strdup("{\"features\": \"m<ac|\", \"guests\": 1, \"x\": true}");
	text = bench_rig_written(&f->rep, bench_write_html);

	assert_has(text, "CPU &lt;1&gt; &amp; &quot;2&quot;");
	assert_has(text, "<td class=\"faster\">faster</td>");
	assert_has(text, "cannot: peer needs a right");
	assert_has(text, "<td>vhost</td><td>vhost</td><td>features m?ac?, guests 1, x yes</td>");
	assert_null(strstr(text, "<img")); /* nothing was drawn */
	free(text);
}

static void plots_have_one_chart_for_each_metric_of_a_set(void **state)
{
	struct fixture *f = *state;
	struct bench_chart chart[BENCH_CHARTS_MAX];
	char *text = bench_rig_written(&f->rep, bench_write_plots), file[64];

	assert_int_equal(bench_charts(&f->rig.run, chart), 2);
	assert_string_equal(bench_chart_file(&chart[1], "svg", file, sizeof(file)), "set-ns.svg");
	assert_has(text, "set output \"set-exits.\".kind\n");
	assert_has(text, "\"t/b\" 50 50 50\nEND\n");
	free(text);
}

/* Forty beside each other were drawn 2410 pixels wide, which nobody could read in the page. */
static void many_rows_make_a_chart_longer_and_not_wider(void **state)
{
	char *text = bench_rig_written(&((struct fixture *)*state)->rep, bench_write_plots);

	assert_has(text, "set terminal svg noenhanced size 860,168 "); /* of two rows */
	assert_has(text, "set yrange [1.5:-0.5]\n");
	free(text);
}

/* gnuplot warned of each such chart, on the user's terminal. */
static void chart_of_nothing_but_0_has_a_range(void **state)
{
	struct fixture *f = *state;
	char *text = bench_rig_written(&f->rep, bench_write_plots);

	assert_null(strstr(text, "set xrange [0:1]\n"));
	free(text);
	for (size_t i = 0; i < f->rig.run.nr; i++)
		f->rig.run.figure[i * BENCH_METRICS + BM_EXITS].value.median = 0;
	text = bench_rig_written(&f->rep, bench_write_plots);
	assert_has(text, "set xrange [0:1]\n");
	free(text);
}

static void table_lists_figures_and_reasons(void **state)
{
	struct fixture *f = *state;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	f->rig.run.group[0].rounds = 10; /* as if */
	f->rig.run.group[0].stolen = 1;
	for (size_t g = 0; g < f->rig.run.nr_groups; g++)
		bench_table_group(out, &f->rig.run, g);
	bench_table_end(out, &f->rep);
	fclose(out);
	assert_has(text, "0.500 (0.500 .. 0.500) faster\n");
	assert_has(text, "unlike: other features than pure\n");
	assert_has(text, "note: one thing was not measured\n");
	assert_has(text, " <= 2.000 ");
	assert_has(text, "tracepoints: exits 10 and 12, kicks 10 and 14 (!): differ\n");
	assert_has(
		text,
		"events of 1 rows were counted by the kernel's tracepoints, too: they agree in 0, "
		"differ in 1\n");
	assert_has(text, "cannot: peer needs a right\n");
	assert_has(text,
	           "1 of 10 rounds thrown out: costs of the machine moved in 0, the host took time "
	           "away in 1\n");
	assert_has(text,
	           "2 rows measured, 1 cannot be here, 0 failed; 1 of 10 rounds thrown out; 2 s\n");
	free(text);
}

/* ---- the card */

static void stolen_time_is_the_eighth_field(unused void **state)
{
	struct bench_cpu_time t;

	assert_true(bench_cpu_time("cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1", &t));
	assert_int_equal(t.all, 36);
	assert_int_equal(t.stolen, 8);
	assert_false(bench_cpu_time("cpu  1 2 3 4 5 6 7", &t));
	assert_false(bench_cpu_time("cpu0 1 2 3 4 5 6 7 8", &t));
	assert_false(bench_cpu_time("", &t));
}

static void card_of_this_machine_has_no_empty_words(unused void **state)
{
	struct bench_card *c = calloc(1, sizeof(*c));
	struct bench_probe now;
	struct bench_prober p = {0};

	assert_non_null(c);
	bench_card_take(c);
	assert_true(c->host[0] && c->cpu[0] && c->pinned[0] && c->kvm[0] && c->governor[0]);
	assert_true(c->cpus > 0);
	for (unsigned i = 0; i < COSTS; i++)
		assert_true(c->cost[i].ns > 0 || c->cost[i].why[0]);
	bench_probe_now(&p, &now);
	bench_probe_now(&p, &now);
	assert_true(now.syscall_ns > 0 && now.steal >= 0 && now.steal <= 1);
	free(c);
}

static int cannot_row(unused const struct bench_env *env, unused const struct bench_row *row,
                      char *why)
{
	snprintf(why, BENCH_WHY_MAX, "no such program");
	return -ENOENT;
}

/* Where Linux does not boot a list had the same reason below each of 239 rows. */
static void list_has_each_reason_once(unused void **state)
{
	static const char expected[] =
		"row                                  set          core  seconds  what\n"
		"t/a                                  set          yes       2.0  a row (cannot "
		"here: 1)\n"
		"t/b                                  set          yes       2.0  a row\n"
		"t/c                                  set                    1.9  a row (cannot "
		"here: 2)\n"
		"t/d                                  set          yes       2.0  a row (cannot "
		"here: 1)\n"
		"\nCannot be measured here:\n"
		"1 (2 rows): peer needs a right\n"
		"2 (1 row): no such program\n"
		"\n4 rows, 3 of them the core; 1 can be measured here, 1 of them the core, in "
		"about 1:05 minutes\n";
	struct bench_rig r;
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	bench_rig_begin(&r);
	bench_rig_add(&r, "t/a", NULL, 2);
	bench_rig_add(&r, "t/b", NULL, 0);
	bench_rig_add(&r, "t/c", "t/b", 0);
	bench_rig_add(&r, "t/d", NULL, 2);
	for (size_t i = 0; i < r.nr; i++)
		r.row[i].ms = 1000 - BENCH_PROBE_MS;
	r.row[2].can = cannot_row;
	r.row[2].core = false;
	r.subject[0].open_ms = 63000;
	r.fake_subject[2].can = -EPERM;
	r.run = (struct bench_run){.env = &r.env, .ops = &r.ops, .rounds = 2};
	assert_int_equal(bench_run_init(&r.run, r.rows, r.nr), 0);
	assert_int_equal(bench_refuse(&r.run), 0);
	bench_list(out, &r.run);
	assert_int_equal(fclose(out), 0);
	assert_string_equal(text, expected);
	free(text);
	bench_rig_end(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)
		CASE(json_is_what_compare_reads),
		CASE(csv_has_a_line_for_each_row_and_metric),
		CASE(row_with_a_note_is_marked_unlike_all_the_same),
		CASE(every_document_has_the_rounds_that_were_thrown_out),
		CASE(markdown_has_card_rows_and_reasons),
		CASE(page_escapes_what_it_shows),
		CASE(plots_have_one_chart_for_each_metric_of_a_set),
		CASE(many_rows_make_a_chart_longer_and_not_wider),
		CASE(chart_of_nothing_but_0_has_a_range),
		CASE(table_lists_figures_and_reasons),
		cmocka_unit_test(list_has_each_reason_once),
		cmocka_unit_test(stolen_time_is_the_eighth_field),
		cmocka_unit_test(card_of_this_machine_has_no_empty_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
