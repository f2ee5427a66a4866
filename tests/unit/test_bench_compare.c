/* SPDX-License-Identifier: Apache-2.0 */
/* Results that are read back: what is refused, and what is said of two of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/cmd/compare.h"
#include "bench/cmd/saved.h"
#include "vmm/core/compiler.h"

#define CARD                                                                                  \
	"'card':{'host':'Linux 6.1','cpu':'Model 1','cpus':2,'pinned':'0-1','kvm':'kvm_amd'," \
	"'governor':'performance','cost_ns':{'syscall':100,'tap-write':'no right'}}"
#define HEAD  "{'schema':'doorbell-bench/1','quick':false," CARD ",'rows':["
#define SAME  "[10,10,11,10,9,10,10,11,9]"
#define HALF  "[5,5,5.5,5,4.5,5,5,5.5,4.5]"
#define NAMED "{'name':'t/a','metrics':"
#define EXITS NAMED "{'exits':{'samples':" SAME "}}}"
#define FEWER NAMED "{'exits':{'samples':" HALF "}}}"
#define TIMED NAMED "{'cpu_ns':{'samples':" SAME "},'exits':{'samples':" SAME "}}}"
#define SLOWER \
	NAMED "{'cpu_ns':{'samples':[30,31,29,30,30,30,30,31,29]},'exits':{'samples':" SAME "}}}"

/* @text with ' for ". */
static int parse(const char *text, struct bench_saved *s, char *why)
{
	char *copy = strdup(text);
	int ret;

	assert_non_null(copy);
	for (char *p = copy; *p; p++)
		if (*p == '\'')
			*p = '"';
	ret = bench_saved_parse(copy, strlen(copy), s, why);
	free(copy);
	return ret;
}

static void refused(const char *text, const char *part)
{
	char why[BENCH_WHY_MAX];
	struct bench_saved s;

	assert_int_equal(parse(text, &s, why), -EINVAL);
	if (!strstr(why, part))
		fail_msg("'%s' lacks '%s'", why, part);
	assert_null(s.root);
}

static struct bench_saved taken(const char *text)
{
	char why[BENCH_WHY_MAX];
	struct bench_saved s;

	if (parse(text, &s, why) < 0)
		fail_msg("%s", why);
	return s;
}

static void what_is_no_result_is_refused(unused void **state)
{
	refused("", "no JSON: line 1");
	refused("{'schema':", "no JSON");
	refused("[]", "schema");
	refused("{'schema':'doorbell-bench/2'}", "schema");
	refused("{'schema':'doorbell-bench/1','rows':[]}", "card");
	refused("{'schema':'doorbell-bench/1'," CARD "}", "rows");
	refused("{'schema':'doorbell-bench/1'," CARD ",'rows':{}}", "rows");
	refused("{'schema':'doorbell-bench/1','schema':'doorbell-bench/1'}", "no JSON");
}

static void row_without_a_plain_name_is_refused(unused void **state)
{
	refused(HEAD "{}]}", "row 0: its \"name\"");
	refused(HEAD "{'name':7}]}", "row 0");
	refused(HEAD "{'name':''}]}", "row 0");
	refused(HEAD "{'name':'\\u001b[2J'}]}", "row 0");
	refused(HEAD "{'name':'a|b'}]}", "row 0");
	refused(HEAD "{'name':'\\u00e4'}]}", "row 0");
	refused(HEAD "{'name':'a'},{'name':'a'}]}", "row 1: its \"name\" is that of another");
	refused("{'schema':'doorbell-bench/1','card':{'host':'a\\nb'},'rows':[]}", "plain text");
}

static void samples_that_are_no_numbers_are_refused(unused void **state)
{
	refused(HEAD NAMED "{'exits':{'samples':7}}}]}", "samples");
	refused(HEAD NAMED "{'exits':{}}}]}", "samples");
	refused(HEAD NAMED "{'exits':{'samples':['7']}}}]}", "samples");
	refused(HEAD NAMED "{'exits':{'samples':[-1]}}}]}", "samples");
	refused(HEAD NAMED "{'exits':{'samples':[1e200]}}}]}", "samples");
	refused(HEAD NAMED "{'exits':{'samples':[1e999]}}}]}", "no JSON");
}

static void too_many_samples_are_refused(unused void **state)
{
	char *text = calloc(1, 8192);
	size_t len;

	assert_non_null(text);
	len = (size_t)sprintf(text, "%s", HEAD NAMED "{'exits':{'samples':[1");
	for (unsigned i = 0; i < BENCH_SAMPLE_MAX; i++)
		len += (size_t)sprintf(text + len, ",1");
	sprintf(text + len, "]}}}]}");
	refused(text, "samples");
	free(text);
}

/* HEAD, then @nr times @part with commas between, then @tail. */
static char *many(const char *head, const char *part, size_t nr, const char *tail)
{
	const size_t len = strlen(part);
	char *text = malloc(strlen(head) + nr * (len + 1) + strlen(tail) + 1), *at = text;

	assert_non_null(text);
	at = stpcpy(at, head);
	for (size_t i = 0; i < nr; i++) {
		at = stpcpy(at, part);
		*at++ = ',';
	}
	memcpy(at - (nr > 0), tail, strlen(tail) + 1);
	return text;
}

static void refused_many(const char *head, const char *part, size_t nr, const char *tail,
                         const char *why)
{
	char *text = many(head, part, nr, tail);

	refused(text, why);
	free(text);
}

/* Memory of lists and objects is a hundred times that of their text. */
static void more_values_than_results_have_are_refused_before_they_are_made(unused void **state)
{
	static const char head[] = "{'schema':'doorbell-bench/1'," CARD ",'rows':[],'more':[";
	char *text;
	struct bench_saved s;

	refused_many(head, "{}", BENCH_SAVED_CONTAINERS, "]}", "too much in it");
	refused_many(head, "1", BENCH_SAVED_VALUES, "]}", "too much in it");
	/* In texts there is no value, whatever they have in them. */
	text = many(head, "'[[{{,,\\\",'", 1000, "]}");
	s = taken(text);
	bench_saved_free(&s);
	free(text);
}

static void more_rows_than_there_can_be_are_refused(unused void **state)
{
	refused_many(HEAD, "{}", BENCH_SAVED_ROWS + 1, "]}", "\"rows\" is no list, or too long");
}

/* Each would be drawn thousands of times. */
static void more_samples_than_can_be_drawn_in_time_are_refused(unused void **state)
{
	const size_t rows = BENCH_SAVED_SAMPLES / BENCH_SAMPLE_MAX + 1;
	char *samples = many("'metrics':{'exits':{'samples':[", "1", BENCH_SAMPLE_MAX, "]}}}");
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	fputs(HEAD, out);
	for (size_t i = 0; i < rows; i++)
		fprintf(out, "%s{'name':'t/%zu',%s", i ? "," : "", i, samples);
	fputs("]}", out);
	fclose(out);
	refused(text, "too many: over 524288");
	free(text);
	free(samples);
}

/* As each row has one of its subject, and both are compared. */
static void card_of_a_subject_that_is_no_card_is_refused(unused void **state)
{
	refused_many("{'schema':'doorbell-bench/1'," CARD ",'subjects':{'a':{'card':{'features':[",
	             "1", BENCH_CARD_MAX / 2, "]}}},'rows':[]}", "is too long");
}

static void what_is_not_known_is_left_out(unused void **state)
{
	struct bench_saved s = taken(HEAD NAMED "{'news':{},'exits':{'samples':[]}}}],'more':1}");

	assert_int_equal(s.nr, 1);
	for (unsigned id = 0; id < BENCH_METRICS; id++)
		assert_int_equal(s.row[0].nr[id], 0);
	assert_string_equal(s.word[SAVED_CPUS], "2");
	assert_string_equal(s.word[SAVED_QUICK], "no");
	assert_true(s.cost_ns[COST_SYSCALL] > 99 && s.cost_ns[COST_TAP_WRITE] < 1);
	bench_saved_free(&s);
}

/* ---- two of them */

static char *compared(struct bench_compare *c, const char *a, const char *b)
{
	struct bench_saved sa = taken(a), sb = taken(b);
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	c->seed = 1;
	assert_int_equal(bench_compare(c, &sa, &sb, out), 0);
	fclose(out);
	bench_saved_free(&sa);
	bench_saved_free(&sb);
	return text;
}

static void equal_runs_have_an_empty_table(unused void **state)
{
	struct bench_compare c = {0};
	char *text = compared(&c, HEAD TIMED "]}", HEAD TIMED "]}");

	assert_int_equal(c.equal, 2);
	assert_int_equal(c.worse + c.better + c.unsure, 0);
	assert_string_equal(text,
	                    "| row | metric | A | B | B / A (95 % lie in) | B is |\n"
	                    "|---|---|---|---|---|---|\n\n"
	                    "2 figures compared: 0 better, 0 worse, 2 equal and 0 unsure (not "
	                    "listed). Rows only in A: 0, only in B: 0.\n");
	free(text);
}

static void what_differs_is_listed_with_its_interval(unused void **state)
{
	struct bench_compare c = {0};
	char *text = compared(&c, HEAD EXITS "]}", HEAD FEWER "]}");

	assert_int_equal(c.better, 1);
	assert_non_null(strstr(text, "| t/a | exits, per packet | 10.00 | 5.000 | 0.500 (0.45"));
	assert_non_null(strstr(text, ") | better |"));
	free(text);
}

static void gate_looks_at_counts_only(unused void **state)
{
	struct bench_compare c = {.counts_only = true};

	free(compared(&c, HEAD TIMED "]}", HEAD SLOWER "]}"));
	assert_int_equal(c.worse, 0);
	assert_int_equal(c.compared, 1);
	c = (struct bench_compare){.counts_only = true};
	free(compared(&c, HEAD FEWER "]}", HEAD EXITS "]}"));
	assert_int_equal(c.worse, 1);
}

static void count_that_is_gone_is_no_improvement(unused void **state)
{
	struct bench_compare c = {.counts_only = true};

	free(compared(&c, HEAD EXITS "]}", HEAD "{'name':'t/b'}]}"));
	assert_int_equal(c.counts_lost, 1);
}

static void unsteady_rows_conclude_nothing_from_times(unused void **state)
{
#define UNSTEADY                                                             \
	"{'name':'t/a','unsteady':true,'metrics':{'cpu_ns':{'samples':" HALF \
	"},'exits':{'samples':" HALF "}}}"
	struct bench_compare c = {0};

	free(compared(&c, HEAD TIMED "]}", HEAD UNSTEADY "]}"));
	assert_int_equal(c.unsure, 1);
	assert_int_equal(c.better, 1); /* the count */
}

static void few_samples_conclude_nothing(unused void **state)
{
	struct bench_compare c = {0};

	free(compared(&c, HEAD EXITS "]}", HEAD NAMED "{'exits':{'samples':[1,1,1,1,1]}}}]}"));
	assert_int_equal(c.unsure, 1);
}

static void fewer_than_nine_rounds_conclude_nothing(unused void **state)
{
#define ROUNDS(nr) "{'schema':'doorbell-bench/1','rounds':" #nr "," CARD ",'rows':["
	struct bench_compare c = {0};
	char *text = compared(&c, ROUNDS(9) EXITS "]}", ROUNDS(8) FEWER "]}");

	assert_int_equal(c.unsure, 1);
	assert_int_equal(c.better, 0);
	assert_non_null(strstr(text, "Fewer than 9 rounds: nothing is concluded.\n"));
	free(text);
	c = (struct bench_compare){0};
	free(compared(&c, ROUNDS(9) EXITS "]}", ROUNDS(9) FEWER "]}"));
	assert_int_equal(c.better, 1);
}

static void row_that_failed_does_not_pass_the_gate(unused void **state)
{
#define FAILED "{'name':'t/a','state':'failed','metrics':{'exits':{'samples':" SAME "}}}"
	struct bench_compare c = {.counts_only = true};

	free(compared(&c, HEAD EXITS "]}", HEAD FAILED "]}"));
	assert_int_equal(c.counts_lost, 1);
	c = (struct bench_compare){.counts_only = true};
	free(compared(&c, HEAD FAILED "]}", HEAD FAILED "]}")); /* it did before, too */
	assert_int_equal(c.counts_lost, 0);
	assert_int_equal(c.equal, 1);
}

static void nothing_against_nothing_has_no_ratio_unless_it_is_a_count(unused void **state)
{
	static const char zero[] =
		HEAD NAMED "{'exits':{'samples':[0,0,0,0,0,0]},'ns':{'samples':[0,0,0,0,0,0]}}}]}";
	struct bench_compare c = {0};

	free(compared(&c, zero, zero));
	assert_int_equal(c.equal, 1);
	assert_int_equal(c.unsure, 1);
}

static void what_was_sent_is_neither_better_nor_worse(unused void **state)
{
	struct bench_compare c = {0};

	free(compared(&c, HEAD NAMED "{'sent':{'samples':" SAME "}}}]}",
	              HEAD NAMED "{'sent':{'samples':" HALF "}}}]}"));
	assert_int_equal(c.compared, 0);
}

static void unlike_cards_are_noticed(unused void **state)
{
	struct bench_saved a = taken(HEAD "]}"), b = taken(HEAD "]}");
	char why[BENCH_WHY_MAX];

	assert_false(bench_cards_differ(&a, &b, false, why));
	b.cost_ns[COST_SYSCALL] = 109;
	assert_false(bench_cards_differ(&a, &b, false, why));
	b.cost_ns[COST_SYSCALL] = 112;
	assert_true(bench_cards_differ(&a, &b, false, why));
	assert_non_null(strstr(why, "syscall took 100 ns"));
	assert_false(bench_cards_differ(&a, &b, true, why)); /* counts do not depend on it */
	strcpy(b.word[SAVED_KVM], "kvm_intel");
	assert_true(bench_cards_differ(&a, &b, true, why));
	assert_string_equal(why, "kvm is 'kvm_amd' in one and 'kvm_intel' in the other");
	bench_saved_free(&a);
	bench_saved_free(&b);
}

static void another_setup_of_the_same_row_is_marked(unused void **state)
{
#define WITH(f, row)                                                                       \
	"{'schema':'doorbell-bench/1'," CARD ",'subjects':{'pure':{'card':{'features':'" f \
	"'}}},'rows':[{'subject':'pure'," row "]}"
	struct bench_compare c = {0};
	char *text =
		compared(&c, WITH("mac", "'name':'t/a','metrics':{'exits':{'samples':" SAME "}}}"),
	                 WITH("csum", "'name':'t/a','metrics':{'exits':{'samples':" HALF "}}}"));

	assert_non_null(strstr(text, "better, another setup |"));
	free(text);
}

static void another_setup_is_said_when_figures_are_equal(unused void **state)
{
	struct bench_compare c = {0};
	char *text =
		compared(&c, WITH("mac", "'name':'t/a','metrics':{'exits':{'samples':" SAME "}}}"),
	                 WITH("csum", "'name':'t/a','metrics':{'exits':{'samples':" SAME "}}}"));

	assert_int_equal(c.equal, 1);
	assert_non_null(strstr(text, "(features, queues, versions): 1.\n"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_no_result_is_refused),
		cmocka_unit_test(row_without_a_plain_name_is_refused),
		cmocka_unit_test(samples_that_are_no_numbers_are_refused),
		cmocka_unit_test(too_many_samples_are_refused),
		cmocka_unit_test(more_values_than_results_have_are_refused_before_they_are_made),
		cmocka_unit_test(more_rows_than_there_can_be_are_refused),
		cmocka_unit_test(more_samples_than_can_be_drawn_in_time_are_refused),
		cmocka_unit_test(card_of_a_subject_that_is_no_card_is_refused),
		cmocka_unit_test(what_is_not_known_is_left_out),
		cmocka_unit_test(equal_runs_have_an_empty_table),
		cmocka_unit_test(what_differs_is_listed_with_its_interval),
		cmocka_unit_test(gate_looks_at_counts_only),
		cmocka_unit_test(count_that_is_gone_is_no_improvement),
		cmocka_unit_test(unsteady_rows_conclude_nothing_from_times),
		cmocka_unit_test(few_samples_conclude_nothing),
		cmocka_unit_test(fewer_than_nine_rounds_conclude_nothing),
		cmocka_unit_test(row_that_failed_does_not_pass_the_gate),
		cmocka_unit_test(nothing_against_nothing_has_no_ratio_unless_it_is_a_count),
		cmocka_unit_test(what_was_sent_is_neither_better_nor_worse),
		cmocka_unit_test(unlike_cards_are_noticed),
		cmocka_unit_test(another_setup_of_the_same_row_is_marked),
		cmocka_unit_test(another_setup_is_said_when_figures_are_equal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
