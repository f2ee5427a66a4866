/* SPDX-License-Identifier: Apache-2.0 */
/* Loss over rate: which rows are a line, and that each report has it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/cmd/curve.h"
#include "bench/cmd/plot.h"
#include "bench/cmd/report.h"
#include "bench/cmd/rows_net.h"
#include "tests/lib/bench_rig.h"
#include "tests/lib/capture.h"
#include "vmm/core/compiler.h"

struct fixture {
	struct bench_rig rig;
	struct bench_card card;
	struct bench_report rep;
	char dir[64];
	struct bench_line lines[BENCH_LINES_MAX];
};

static void add(struct fixture *f, const char *name, double sent, double loss)
{
	struct bench_rig_row *row = bench_rig_add(&f->rig, name, NULL, -1);

	row->sent = sent;
	row->loss = loss;
}

/* A line of three points, not in the order of their rates, one of two, and two rows that are none. */
static int begin(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	bench_rig_begin(&f->rig);
	snprintf(f->dir, sizeof(f->dir), "/tmp/test-bench-curve-XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	f->rig.env.tmp = f->dir;
	add(f, "u-max/h2g/vhost", 90000, 0.5);
	add(f, "u-1k/h2g/vhost", 1000, 0);
	add(f, "u-20k/h2g/vhost", 20000, 0.00005);
	add(f, "u-1k/g2h/pure", 1000, 0.25);
	add(f, "u-20k/g2h/pure", 19000, 0.75);
	add(f, "u-1k/h2g/slirp", 1000, 0);
	add(f, "rr/h2g/vhost", 0, 0);
	if (bench_rig_measure(&f->rig, 9) < 0)
		return -1;
	f->card = (struct bench_card){.host = "Linux", .cpus = 1};
	f->rep = (struct bench_report){.run = &f->rig.run, .card = &f->card};
	*state = f;
	return 0;
}

static int end(void **state)
{
	struct fixture *f = *state;
	char command[128];

	bench_rig_end(&f->rig);
	snprintf(command, sizeof(command), "rm -rf %s", f->dir);
	free(f);
	return system(command); /* NOLINT(cert-env33-c): a directory of ours */
}

static void points_of_a_subject_and_a_way_are_a_line_in_the_order_of_their_rates(void **state)
{
	struct fixture *f = *state;
	const struct bench_line *l = f->lines;

	assert_int_equal(bench_lines(&f->rig.run, f->lines), 2); /* one point is no line */
	assert_string_equal(l[0].way, "h2g");
	assert_string_equal(l[0].subject, "vhost");
	assert_int_equal(l[0].nr, 3);
	assert_string_equal(l[0].point[0].row, "u-1k/h2g/vhost");
	assert_string_equal(l[0].point[2].row, "u-max/h2g/vhost");
	assert_true(l[0].point[2].sent > 89999 && l[0].point[2].sent < 90001);
	assert_string_equal(l[1].subject, "pure");
	assert_int_equal(l[1].nr, 2);
}

static void lossless_is_the_most_below_which_nothing_is_lost(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(bench_lines(&f->rig.run, f->lines), 2);
	/* One of 20,000 is none. */
	assert_true(bench_lossless(&f->lines[0]) > 19999 && bench_lossless(&f->lines[0]) < 20001);
	assert_true(bench_lossless(&f->lines[1]) < 1);
}

static void every_report_has_the_curves(void **state)
{
	struct fixture *f = *state;
	char *text = bench_rig_written(&f->rep, bench_write_json);
	json_t *json = json_loads(text, 0, NULL);
	const json_t *line = json_array_get(json_object_get(json, "loss_over_rate"), 0);
	const json_t *point = json_array_get(json_object_get(line, "points"), 2);

	assert_int_equal(json_array_size(json_object_get(json, "loss_over_rate")), 2);
	assert_string_equal(json_string_value(json_object_get(point, "row")), "u-max/h2g/vhost");
	assert_true(json_number_value(json_object_get(point, "sent")) > 89999);
	assert_true(json_number_value(json_object_get(json_object_get(point, "loss"), "median")) >
	            0.49);
	assert_true(json_number_value(json_object_get(line, "lossless")) > 19999);
	json_decref(json);
	free(text);
	text = bench_rig_written(&f->rep, bench_write_markdown);
	assert_has(text, "\n## Loss over rate\n");
	assert_has(text, "| vhost | u-max/h2g/vhost | 90000 | 0.500 (0.500 .. 0.500) |\n");
	assert_has(text, "- vhost, into the guest: 20000 per second\n");
	assert_has(text, "- pure, out of the guest: 0 per second\n");
	free(text);
	text = bench_rig_written(&f->rep, bench_write_html);
	assert_has(text, "<td>vhost</td><td>u-max/h2g/vhost</td><td>90000</td><td>0.500");
	assert_has(text, "<li>vhost, into the guest: 20000 per second</li>");
	free(text);
	text = bench_rig_written(&f->rep, bench_write_csv);
	assert_has(text, "\"u-max/h2g/vhost\",set,,measured,\"\",sent,packets/s,9,90000,");
	assert_has(text, "\"u-max/h2g/vhost\",set,,measured,\"\",loss,of 1,9,0.5,");
	free(text);
}

static void one_chart_for_each_way_has_a_line_for_each_subject(void **state)
{
	struct fixture *f = *state;
	struct bench_chart chart[BENCH_CHARTS_MAX];
	const size_t nr = bench_charts(&f->rig.run, chart);
	char *text = bench_rig_written(&f->rep, bench_write_plots), file[64];

	assert_true(nr >= 2);
	assert_string_equal(bench_chart_file(&chart[nr - 2], "svg", file, sizeof(file)),
	                    "loss-over-rate-h2g.svg");
	assert_string_equal(bench_chart_file(&chart[nr - 1], "png", file, sizeof(file)),
	                    "loss-over-rate-g2h.png");
	assert_has(text, "1000 0 0 0\n20000 5e-05 5e-05 5e-05\n90000 0.5 0.5 0.5\nEND\n");
	assert_has(text,
	           "set yrange [-0.015:0.525]\n"); /* a line of 0 is not hidden by the frame */
	assert_has(text, "plot $line0 using 1:2:3:4 with yerrorlines title \"vhost\"\n");
	assert_has(text, "plot $line1 using 1:2:3:4 with yerrorlines title \"pure\"\n");
	free(text);
}

/* Where gnuplot is; a syntax error in plots.gp would leave the page without any plot. */
static void gnuplot_draws_the_curves(void **state)
{
	struct fixture *f = *state;
	const int ret = bench_draw(&f->rep);
	char path[128], *page;

	if (ret == -ENOENT) {
		print_message("gnuplot is not installed: package gnuplot-nox\n");
		skip();
	}
	assert_int_equal(ret, 0);
	snprintf(path, sizeof(path), "%s/loss-over-rate-h2g.svg", f->dir);
	assert_int_equal(access(path, R_OK), 0);
	snprintf(path, sizeof(path), "%s/loss-over-rate-g2h.png", f->dir);
	assert_int_equal(access(path, R_OK), 0);
	page = bench_rig_written(&f->rep, bench_write_html);
	assert_has(page, "src=\"loss-over-rate-h2g.svg\">");
	assert_has(page, "src=\"loss-over-rate-g2h.svg\">");
	free(page);
}

static void the_rows_of_the_set_loss_are_points_at_other_rates(unused void **state)
{
	size_t nr = 0;

	for (size_t i = 0; i < rows_net.nr; i++)
		if (strcmp(rows_net.row[i].set, "loss") == 0) {
			assert_int_equal(strncmp(rows_net.row[i].name, "udp64-", 6), 0);
			nr++;
		}
	assert_int_equal(nr, 6 * 2 * 4); /* rates, ways, subjects */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)
		CASE(points_of_a_subject_and_a_way_are_a_line_in_the_order_of_their_rates),
		CASE(lossless_is_the_most_below_which_nothing_is_lost),
		CASE(every_report_has_the_curves),
		CASE(one_chart_for_each_way_has_a_line_for_each_subject),
		CASE(gnuplot_draws_the_curves),
		cmocka_unit_test(the_rows_of_the_set_loss_are_points_at_other_rates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
