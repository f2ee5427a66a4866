/* SPDX-License-Identifier: Apache-2.0 */
/* Rows in turns: who is measured when, what is opened and closed, and what becomes of a row that fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/bench_rig.h"
#include "vmm/core/compiler.h"
#include "vmm/core/loop.h"

static int begin(void **state)
{
	struct bench_rig *r = malloc(sizeof(*r));

	if (!r)
		return -1;
	bench_rig_begin(r);
	*state = r;
	return 0;
}

static int end(void **state)
{
	struct bench_rig *r = *state;

	bench_rig_end(r);
	free(r);
	return 0;
}

static const struct bench_result *result(const struct bench_rig *r, size_t i)
{
	return &r->run.result[i];
}

static void nothing_is_open(const struct bench_rig *r)
{
	for (size_t i = 0; i < ARRAY_SIZE(r->fake_subject); i++)
		assert_false(r->fake_subject[i].is_open);
}

static void every_other_round_is_backwards(void **state)
{
	struct bench_rig *r = *state;

	bench_rig_add(r, "t/a", NULL, -1);
	bench_rig_add(r, "t/b", "t/a", -1);
	bench_rig_add(r, "t/c", "t/a", -1);
	assert_int_equal(bench_rig_measure(r, 4), 0);
	assert_string_equal(r->log, "abccbaabccba");
}

static void rows_that_are_not_compared_are_measured_one_after_the_other(void **state)
{
	struct bench_rig *r = *state;

	bench_rig_add(r, "t/a", NULL, -1);
	bench_rig_add(r, "t/b", NULL, -1);
	assert_int_equal(bench_rig_measure(r, 2), 0);
	assert_string_equal(r->log, "aabb");
}

static void subject_is_opened_once_and_closed_behind_its_last_row(void **state)
{
	struct bench_rig *r = *state;

	bench_rig_add(r, "t/a", NULL, 0);
	bench_rig_add(r, "t/b", "t/a", 1);
	bench_rig_add(r, "t/c", NULL, 0);
	assert_int_equal(bench_rig_measure(r, 2), 0);
	assert_string_equal(r->log, "+pure +vhost abba -vhost cc -pure ");
	nothing_is_open(r);
}

/* Rounds of one VM cannot show how far another one of the same kind is from it. */
static void subjects_are_started_anew_behind_half_of_the_rounds(void **state)
{
	struct bench_rig *r = *state;

	bench_rig_add(r, "t/a", NULL, 0);
	bench_rig_add(r, "t/b", "t/a", 1);
	bench_rig_add(r, "t/c", NULL, 0);
	bench_rig_add(r, "t/d", NULL, -1); /* which has nothing to be started */
	r->restarts = 1;
	assert_int_equal(bench_rig_measure(r, 3), 0);
	assert_string_equal(r->log, "+pure +vhost abba -vhost cc -pure ddd"
	                            "+pure +vhost ab -vhost c -pure ");
	for (size_t g = 0; g < r->run.nr_groups; g++)
		assert_int_equal(r->run.group[g].kept, 3);
	assert_int_equal(bench_figure(&r->run, 1, BM_NS)->nr, 3);
	nothing_is_open(r);
}

static void nothing_is_started_more_often_than_there_are_rounds(void **state)
{
	struct bench_rig *r = *state;

	bench_rig_add(r, "t/a", NULL, 0);
	r->restarts = 7;
	assert_int_equal(bench_rig_measure(r, 2), 0);
	assert_string_equal(r->log, "+pure a -pure +pure a -pure ");
}

static void rounds_that_do_not_hold_leave_the_next_start_its_own(void **state)
{
	struct bench_rig *r = *state;

	bench_rig_add(r, "t/a", NULL, 0);
	r->restarts = 1;
	for (size_t i = 0; i < ARRAY_SIZE(r->probe); i++)
		r->probe[i].syscall_ns = i % 2 ? 200 : 100;
	assert_int_equal(bench_rig_measure(r, 2), 0);
	assert_string_equal(r->log, "+pure aa -pure +pure aa -pure ");
	assert_int_equal(r->run.group[0].rounds, 4);
}

static void row_that_failed_is_done_and_not_tried_in_the_next_start(void **state)
{
	struct bench_rig *r = *state;
	struct bench_rig_row *a = bench_rig_add(r, "t/a", NULL, 0);

	a->fail_round = 1;
	a->err = -EIO;
	r->restarts = 1;
	assert_int_equal(bench_rig_measure(r, 4), 0);
	assert_string_equal(r->log, "+pure a -pure ");
	assert_int_equal(result(r, 0)->state, BENCH_FAILED);
}

static void figures_are_medians_of_rounds_and_of_ratios(void **state)
{
	struct bench_rig *r = *state;
	const struct bench_figure *f;

	bench_rig_add(r, "t/a", NULL, -1)->ns = 100;
	*bench_rig_add(r, "t/b", "t/a", -1) =
		(struct bench_rig_row){.rig = r, .ns = 50, .exits = 1};
	assert_int_equal(bench_rig_measure(r, 9), 0);
	f = bench_figure(&r->run, 1, BM_NS);
	assert_int_equal(f->nr, 9);
	assert_true(fabs(f->value.median - 50) < 1e-9);
	assert_true(f->has_ratio && fabs(f->ratio.median - 0.5) < 1e-9);
	assert_int_equal(f->verdict, BENCH_BETTER);
	f = bench_figure(&r->run, 1, BM_EXITS);
	assert_int_equal(f->verdict, BENCH_EQUAL);
	assert_false(bench_figure(&r->run, 0, BM_NS)->has_ratio);
	assert_int_equal(bench_figure(&r->run, 0, BM_BITS)->nr, 0);
}

static void fewer_than_nine_rounds_conclude_nothing(void **state)
{
	struct bench_rig *r = *state;

	bench_rig_add(r, "t/a", NULL, -1);
	bench_rig_add(r, "t/b", "t/a", -1)->ns = 50;
	assert_int_equal(bench_rig_measure(r, 8), 0);
	assert_true(bench_figure(&r->run, 1, BM_NS)->has_ratio);
	assert_int_equal(bench_figure(&r->run, 1, BM_NS)->verdict, BENCH_UNSURE);
}

static void round_is_thrown_out_and_measured_again_when_a_cost_moved(void **state)
{
	struct bench_rig *r = *state;

	bench_rig_add(r, "t/a", NULL, -1)->step = 1;
	r->probe[1].syscall_ns = 120; /* behind the first round; and before the second */
	assert_int_equal(bench_rig_measure(r, 9), 0);
	assert_int_equal(r->run.group[0].rounds, 11);
	assert_int_equal(r->run.group[0].kept, 9);
	assert_int_equal(r->run.group[0].moved, 2);
	assert_int_equal(bench_figure(&r->run, 0, BM_NS)->nr, 9);
	assert_true(fabs(bench_figure(&r->run, 0, BM_NS)->value.median - 107) < 1e-9);
}

static void round_is_thrown_out_when_time_was_stolen(void **state)
{
	struct bench_rig *r = *state;

	bench_rig_add(r, "t/a", NULL, -1);
	r->probe[3].steal = 0.11;
	r->probe[4].steal = 0.09;
	assert_int_equal(bench_rig_measure(r, 9), 0);
	assert_int_equal(r->run.group[0].stolen, 1);
	assert_int_equal(r->run.group[0].rounds, 10);
}

static void machine_that_never_rests_ends_and_concludes_nothing_from_times(void **state)
{
	struct bench_rig *r = *state;

	bench_rig_add(r, "t/a", NULL, -1);
	bench_rig_add(r, "t/b", "t/a", -1)->ns = 50;
	for (size_t i = 0; i < ARRAY_SIZE(r->probe); i++)
		r->probe[i].syscall_ns = i % 2 ? 200 : 100;
	assert_int_equal(bench_rig_measure(r, 9), 0);
	assert_int_equal(r->run.group[0].rounds, 18);
	assert_int_equal(r->run.group[0].kept, 0);
	assert_true(r->run.group[0].unsteady);
	assert_int_equal(bench_figure(&r->run, 1, BM_NS)->nr, 18);
	assert_int_equal(bench_figure(&r->run, 1, BM_NS)->verdict, BENCH_UNSURE);
	assert_int_equal(bench_figure(&r->run, 1, BM_EXITS)->verdict, BENCH_EQUAL);
}

static void row_that_fails_is_marked_and_the_rest_goes_on(void **state)
{
	struct bench_rig *r = *state;

	bench_rig_add(r, "t/a", NULL, -1);
	*bench_rig_add(r, "t/b", "t/a", -1) = (struct bench_rig_row){
		.rig = r, .ns = 5, .fail_round = 3, .err = -EIO, .why = "the guest hangs"};
	assert_int_equal(bench_rig_measure(r, 4), 0);
	assert_string_equal(r->log, "abbaaba"); /* b fails in the third and is not asked again */
	assert_int_equal(result(r, 0)->state, BENCH_MEASURED);
	assert_int_equal(result(r, 1)->state, BENCH_FAILED);
	assert_string_equal(result(r, 1)->why, "the guest hangs");
	assert_int_equal(bench_figure(&r->run, 1, BM_NS)->nr, 2);
}

static void guest_that_ends_in_a_round_is_started_anew_and_the_round_made_again(void **state)
{
	struct bench_rig *r = *state;

	*bench_rig_add(r, "t/a", NULL, 0) = (struct bench_rig_row){.rig = r,
	                                                           .ns = 5,
	                                                           .fail_round = 2,
	                                                           .fail_times = 1,
	                                                           .err = -EPIPE,
	                                                           .why = "it ended"};
	bench_rig_add(r, "t/b", NULL, 1);
	assert_int_equal(bench_rig_measure(r, 3), 0);
	assert_string_equal(r->log, "+pure aa -pure +pure aa -pure +vhost bbb -vhost ");
	assert_int_equal(result(r, 0)->state, BENCH_MEASURED);
	assert_string_equal(result(r, 0)->why, "");
	assert_string_equal(result(r, 0)->anew, "in round 2, for it failed: it ended");
	assert_int_equal(bench_figure(&r->run, 0, BM_NS)->nr, 3);
	assert_string_equal(result(r, 1)->anew, "");
	nothing_is_open(r);
}

static void guest_that_hangs_twice_fails_its_row(void **state)
{
	struct bench_rig *r = *state;

	*bench_rig_add(r, "t/a", NULL, 0) = (struct bench_rig_row){
		.rig = r, .ns = 5, .fail_round = 2, .err = -ETIMEDOUT, .why = "it hangs"};
	assert_int_equal(bench_rig_measure(r, 3), 0);
	assert_string_equal(r->log, "+pure aa -pure +pure a -pure ");
	assert_int_equal(result(r, 0)->state, BENCH_FAILED);
	assert_string_equal(result(r, 0)->why, "it hangs");
	assert_non_null(strstr(result(r, 0)->anew, "in round 2"));
}

static void what_a_reason_quotes_is_made_plain(void **state)
{
	struct bench_rig *r = *state;

	bench_rig_add(r, "t/a", NULL, -1)->note = "\033[31mred\377\n";
	*bench_rig_add(r, "t/b", NULL, -1) = (struct bench_rig_row){
		.rig = r, .fail_round = 1, .err = -EIO, .why = "\007it said \303"};
	bench_rig_add(r, "t/c", NULL, 0);
	r->fake_subject[0].can = -EPERM;
	r->subject[0].name = "\033pure";
	assert_int_equal(bench_rig_measure(r, 1), 0);
	assert_string_equal(result(r, 0)->why, "?[31mred??");
	assert_string_equal(result(r, 1)->why, "?it said ?");
	assert_string_equal(result(r, 2)->why, "?pure needs a right");
}

static void rows_that_were_never_measured_have_no_round_to_throw_out(void **state)
{
	struct bench_rig *r = *state;

	*bench_rig_add(r, "t/a", NULL, -1) =
		(struct bench_rig_row){.rig = r, .fail_round = 1, .err = -EOPNOTSUPP};
	r->probe[1].syscall_ns = 200; /* behind what would have been the first */
	assert_int_equal(bench_rig_measure(r, 9), 0);
	assert_int_equal(r->run.group[0].rounds, 0);
	assert_int_equal(r->run.group[0].moved, 0);
}

static void subject_of_a_row_that_failed_is_closed_and_opened_for_the_next(void **state)
{
	struct bench_rig *r = *state;
	struct bench_rig_row *f = bench_rig_add(r, "t/a", NULL, 0);

	f->fail_round = 1;
	f->err = -EIO;
	bench_rig_add(r, "t/b", NULL, 0);
	assert_int_equal(bench_rig_measure(r, 2), 0);
	assert_string_equal(r->log, "+pure a -pure +pure bb -pure ");
	assert_string_equal(result(r, 0)->why, strerror(EIO));
	assert_int_equal(result(r, 1)->state, BENCH_MEASURED);
	nothing_is_open(r);
}

static void row_that_cannot_be_here_is_no_failure(void **state)
{
	struct bench_rig *r = *state;
	struct bench_rig_row *f = bench_rig_add(r, "t/a", NULL, -1);

	f->fail_round = 1;
	f->err = -EOPNOTSUPP;
	f->why = "no KVM";
	bench_rig_add(r, "t/b", NULL, 1);
	r->fake_subject[1].can = -EPERM;
	assert_int_equal(bench_rig_measure(r, 2), 0);
	assert_string_equal(r->log, "a");
	assert_int_equal(result(r, 0)->state, BENCH_CANNOT);
	assert_int_equal(result(r, 1)->state, BENCH_CANNOT);
	assert_string_equal(result(r, 1)->why, "vhost needs a right");
}

static void subject_that_finds_out_when_it_opens_that_it_cannot_be_here_is_no_failure(void **state)
{
	struct bench_rig *r = *state;

	bench_rig_add(r, "t/a", NULL, 0);
	bench_rig_add(r, "t/b", NULL, 1);
	r->fake_subject[0].open = -EOPNOTSUPP;
	r->fake_subject[1].open = -EIO;
	assert_int_equal(bench_rig_measure(r, 2), 0);
	assert_int_equal(result(r, 0)->state, BENCH_CANNOT);
	assert_string_equal(result(r, 0)->why, strerror(EOPNOTSUPP));
	assert_int_equal(result(r, 1)->state, BENCH_FAILED);
}

static void subject_that_does_not_open_is_tried_once_for_all_its_rows(void **state)
{
	struct bench_rig *r = *state;

	bench_rig_add(r, "t/a", NULL, 0);
	bench_rig_add(r, "t/b", NULL, 0);
	r->fake_subject[0].open = -EIO;
	assert_int_equal(bench_rig_measure(r, 2), 0);
	assert_string_equal(r->log, "+pure ");
	assert_int_equal(result(r, 0)->state, BENCH_FAILED);
	assert_int_equal(result(r, 1)->state, BENCH_FAILED);
	assert_string_equal(result(r, 1)->why, strerror(EIO));
}

static void number_that_is_none_fails_its_row(void **state)
{
	struct bench_rig *r = *state;

	bench_rig_add(r, "t/a", NULL, -1)->ns = (double)NAN;
	bench_rig_add(r, "t/b", NULL, -1)->ns = -1;
	assert_int_equal(bench_rig_measure(r, 2), 0);
	assert_int_equal(result(r, 0)->state, BENCH_FAILED);
	assert_int_equal(result(r, 1)->state, BENCH_FAILED);
}

static void ctrl_c_ends_the_run_and_closes_all(void **state)
{
	struct bench_rig *r = *state;

	bench_rig_add(r, "t/a", NULL, 0);
	bench_rig_add(r, "t/b", "t/a", 1)->stop_round = 2;
	bench_rig_add(r, "t/c", NULL, 2);
	assert_int_equal(bench_rig_measure(r, 9), -EINTR);
	assert_string_equal(r->log, "+pure +vhost abb -pure  -vhost ");
	assert_int_equal(result(r, 2)->state, BENCH_WAITS);
	nothing_is_open(r);
}

static void other_features_than_those_of_the_row_compared_with_are_marked(void **state)
{
	struct bench_rig *r = *state;

	bench_rig_add(r, "t/a", NULL, 0);
	bench_rig_add(r, "t/b", "t/a", 1);
	bench_rig_add(r, "t/c", "t/a", 2);
	r->fake_subject[1].card = "{\"features\": \"mac\"}";
	r->fake_subject[2].card = "[no JSON";
	assert_int_equal(bench_rig_measure(r, 1), 0);
	assert_string_equal(result(r, 0)->unlike, "");
	assert_string_equal(result(r, 1)->unlike, "other features than pure");
	assert_string_equal(result(r, 2)->unlike, "the features of peer are not known");
}

static void same_features_are_not_marked(void **state)
{
	struct bench_rig *r = *state;

	bench_rig_add(r, "t/a", NULL, 0);
	bench_rig_add(r, "t/b", "t/a", 1);
	assert_int_equal(bench_rig_measure(r, 1), 0);
	assert_string_equal(result(r, 1)->unlike, "");
}

static void quick_shortens_neither_what_is_whole_nor_probes(void **state)
{
	struct bench_rig *r = *state;
	struct bench_row row = {.ms = 400, .more_ms = 30};

	r->env.seconds_div = 4;
	assert_int_equal(bench_estimate_ms(&r->env, &row, 2), 2 * (100 + 30 + BENCH_PROBE_MS));
	row.whole = true;
	row.against = "t/a"; /* whose probes are its, too */
	assert_int_equal(bench_estimate_ms(&r->env, &row, 2), 2 * (400 + 30));
}

/* ---- what is left */

/* A row of 10 s without its probe; of a run that is not begun, of @rounds rounds. */
static void add_long_row(struct bench_rig *r, const char *name, int subject)
{
	bench_rig_add(r, name, NULL, subject);
	r->row[r->nr - 1].ms = 10000 - BENCH_PROBE_MS;
}

static struct bench_run *init_run(struct bench_rig *r, unsigned rounds)
{
	struct bench_run *run = &r->run;

	*run = (struct bench_run){
		.env = &r->env, .ops = &r->ops, .rounds = rounds, .restarts = r->restarts};
	assert_int_equal(bench_run_init(run, r->rows, r->nr), 0);
	return run;
}

static int cannot_row(unused const struct bench_env *env, unused const struct bench_row *row,
                      char *why)
{
	snprintf(why, BENCH_WHY_MAX, "not on a \377Tuesday");
	return -ENOENT;
}

static void rows_that_cannot_be_measured_are_known_at_once_and_are_not_in_what_is_left(void **state)
{
	struct bench_rig *r = *state;
	const struct bench_run *run;

	add_long_row(r, "t/a", -1);
	add_long_row(r, "t/b", 1);
	add_long_row(r, "t/c", -1);
	r->subject[1].open_ms = 500000;
	r->fake_subject[1].can = -EPERM;
	r->row[2].can = cannot_row;
	run = init_run(r, 2);
	assert_int_equal(bench_refuse(&r->run), 0);
	assert_int_equal(run->result[0].state, BENCH_WAITS);
	assert_int_equal(run->result[1].state, BENCH_CANNOT);
	assert_string_equal(run->result[1].why, "vhost needs a right");
	assert_int_equal(run->result[2].state, BENCH_CANNOT);
	assert_string_equal(run->result[2].why, "not on a ?Tuesday");
	assert_int_equal(bench_left_s(run), 20);
	r->stop = 2;
	assert_int_equal(bench_measure(&r->run), -EINTR);
}

static void row_that_cannot_be_measured_is_not_tried(void **state)
{
	struct bench_rig *r = *state;

	bench_rig_add(r, "t/a", NULL, -1);
	r->row[0].can = cannot_row;
	bench_rig_add(r, "t/b", "t/a", -1);
	assert_int_equal(bench_rig_measure(r, 2), 0);
	assert_string_equal(r->log, "bb");
	assert_int_equal(result(r, 0)->state, BENCH_CANNOT);
}

/* Each takes 3 s as it says, which in the lab may be 12. */
static void subjects_are_as_slow_as_those_that_were_opened(void **state)
{
	struct bench_rig *r = *state;
	struct bench_run *run;

	add_long_row(r, "t/a", 0);
	add_long_row(r, "t/b", 1);
	r->subject[0].open_ms = r->subject[1].open_ms = 3000;
	r->restarts = 1;
	run = init_run(r, 4);
	assert_int_equal(bench_left_s(run), 80 + 4 * 3);
	run->opened[0].took_ms = run->opening_ms = 12000;
	run->opened[0].starts = 1;
	assert_int_equal(bench_left_s(run), 80 + 3 * 12);
	/* Rows, two rounds of the one, take twice as long as they say. */
	run->began_ns = loop_now_ns() - UINT64_C(52000000000);
	run->result[0].nr = run->group[0].rounds = run->group[0].kept = 2;
	run->done_ms = 20000;
	assert_int_equal(bench_left_s(run), 2 * 60 + 3 * 12);
	run->group[0].done = true; /* with all that it needs */
	assert_int_equal(bench_left_s(run), 2 * 40 + 2 * 12);
}

static void rounds_that_do_not_hold_are_left_again(void **state)
{
	struct bench_rig *r = *state;
	struct bench_run *run;

	add_long_row(r, "t/a", -1);
	run = init_run(r, 4);
	run->result[0].nr = run->group[0].rounds = 3;
	run->group[0].kept = 1;
	assert_int_equal(bench_left_s(run), 30);
	run->result[0].nr = 4; /* and its row in the fourth */
	assert_int_equal(bench_left_s(run), 20);
	run->result[0].nr = run->group[0].rounds = 7; /* of eight at most */
	assert_int_equal(bench_left_s(run), 10);
	run->result[0].state = BENCH_FAILED;
	assert_int_equal(bench_left_s(run), 0);
}

static void nothing_is_left_behind_the_last_round(void **state)
{
	struct bench_rig *r = *state;

	bench_rig_add(r, "t/a", NULL, -1);
	bench_rig_add(r, "t/b", "t/a", 0);
	r->row[1].ms = 1000;
	r->row[1].more_ms = 7;
	r->subject[0].open_ms = 500;
	r->restarts = 2;
	assert_int_equal(bench_rig_measure(r, 9), 0);
	assert_int_equal(r->run.done_ms, 90 + 9063 + 9 * BENCH_PROBE_MS);
	assert_int_equal(r->run.opened[0].starts, 3);
	assert_true(r->run.opened[0].took_ms > 0);
	assert_int_equal(bench_left_s(&r->run), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)
		CASE(every_other_round_is_backwards),
		CASE(rows_that_are_not_compared_are_measured_one_after_the_other),
		CASE(subject_is_opened_once_and_closed_behind_its_last_row),
		CASE(subjects_are_started_anew_behind_half_of_the_rounds),
		CASE(nothing_is_started_more_often_than_there_are_rounds),
		CASE(rounds_that_do_not_hold_leave_the_next_start_its_own),
		CASE(row_that_failed_is_done_and_not_tried_in_the_next_start),
		CASE(figures_are_medians_of_rounds_and_of_ratios),
		CASE(fewer_than_nine_rounds_conclude_nothing),
		CASE(round_is_thrown_out_and_measured_again_when_a_cost_moved),
		CASE(round_is_thrown_out_when_time_was_stolen),
		CASE(machine_that_never_rests_ends_and_concludes_nothing_from_times),
		CASE(row_that_fails_is_marked_and_the_rest_goes_on),
		CASE(guest_that_ends_in_a_round_is_started_anew_and_the_round_made_again),
		CASE(guest_that_hangs_twice_fails_its_row),
		CASE(what_a_reason_quotes_is_made_plain),
		CASE(rows_that_were_never_measured_have_no_round_to_throw_out),
		CASE(subject_of_a_row_that_failed_is_closed_and_opened_for_the_next),
		CASE(row_that_cannot_be_here_is_no_failure),
		CASE(subject_that_finds_out_when_it_opens_that_it_cannot_be_here_is_no_failure),
		CASE(subject_that_does_not_open_is_tried_once_for_all_its_rows),
		CASE(number_that_is_none_fails_its_row),
		CASE(ctrl_c_ends_the_run_and_closes_all),
		CASE(other_features_than_those_of_the_row_compared_with_are_marked),
		CASE(same_features_are_not_marked),
		CASE(quick_shortens_neither_what_is_whole_nor_probes),
		CASE(rows_that_cannot_be_measured_are_known_at_once_and_are_not_in_what_is_left),
		CASE(row_that_cannot_be_measured_is_not_tried),
		CASE(subjects_are_as_slow_as_those_that_were_opened),
		CASE(rounds_that_do_not_hold_are_left_again),
		CASE(nothing_is_left_behind_the_last_round),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
