/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/cmd/compare.h"

#include <errno.h>
#include <string.h>

#include "bench/cmd/method.h"
#include "bench/cmd/metric.h"
#include "bench/cmd/report.h"
#include "bench/cmd/saved.h"
#include "vmm/core/compiler.h"
#include "vmm/core/log.h"
#include "vmm/core/opt.h"
#include "vmm/run.h"

/* ---- may they be compared? */

static bool costs_differ(double a, double b)
{
	return a > 0 && b > 0 && (a > b ? a / b : b / a) > 1 + BENCH_MAY_MOVE;
}

bool bench_cards_differ(const struct bench_saved *a, const struct bench_saved *b, bool counts_only,
                        char *why)
{
	for (unsigned w = 0; w < SAVED_WORDS; w++) {
		if (strcmp(a->word[w], b->word[w]) == 0)
			continue;
		snprintf(why, BENCH_WHY_MAX, "%s is '%.90s' in one and '%.90s' in the other",
		         bench_saved_word_name(w), a->word[w], b->word[w]);
		return true;
	}
	for (unsigned i = 0; i < COSTS && !counts_only; i++) {
		if (!costs_differ(a->cost_ns[i], b->cost_ns[i]))
			continue;
		snprintf(why, BENCH_WHY_MAX, "%s took %.0f ns in one and %.0f ns in the other",
		         costs[i].name, a->cost_ns[i], b->cost_ns[i]);
		return true;
	}
	return false;
}

/* ---- the table */

static void count(struct bench_compare *c, enum bench_verdict v)
{
	c->compared++;
	c->better += v == BENCH_BETTER;
	c->worse += v == BENCH_WORSE;
	c->equal += v == BENCH_EQUAL;
	c->unsure += v == BENCH_UNSURE;
}

static bool other_setup(const struct bench_saved_row *a, const struct bench_saved_row *b)
{
	return a->setup && b->setup && !json_equal(a->setup, b->setup);
}

static void print_line(FILE *out, const struct bench_saved_row *a, const struct bench_saved_row *b,
                       unsigned id, const struct bench_interval *ratio, bool unlike)
{
	char of_a[BENCH_NUMBER_MAX], of_b[BENCH_NUMBER_MAX], text[96];
	const enum bench_verdict v =
		bench_judge(ratio, min_size(a->nr[id], b->nr[id]), bench_metrics[id].want);

	fprintf(out, "| %s | %s, %s | %s | %s | %s | %s%s |\n", a->name, bench_metrics[id].name,
	        bench_metrics[id].unit,
	        bench_number(of_a, sizeof(of_a), bench_median(a->v[id], a->nr[id])),
	        bench_number(of_b, sizeof(of_b), bench_median(b->v[id], b->nr[id])),
	        bench_interval_text(text, sizeof(text), ratio), bench_verdict_name(v, id),
	        unlike ? ", another setup" : "");
}

/*
 * Of a count, for the gate: less than this is how many packets happened to go by at once, and of hundreds of figures some
 * always differ by chance.
 */
#define GATE_SLACK 1.10

static int compare_metric(struct bench_compare *c, const struct bench_saved_row *a,
                          const struct bench_saved_row *b, unsigned id, bool unlike, FILE *out)
{
	const struct bench_side of_a = {a->v[id], a->nr[id]}, of_b = {b->v[id], b->nr[id]};
	struct bench_interval ratio;
	enum bench_verdict v = BENCH_UNSURE;
	int ret = bench_ratio_interval(of_b, of_a, bench_metrics[id].floor, c->seed, &ratio);

	if (ret == 0 && !c->few_rounds && bench_may_judge(id, a->unsteady || b->unsteady))
		v = bench_judge(&ratio, min_size(of_a.nr, of_b.nr), bench_metrics[id].want);
	if (c->counts_only && v == BENCH_WORSE && ratio.low <= GATE_SLACK)
		v = BENCH_EQUAL;
	if (ret < 0 &&
	    ret != -EDOM) /* -EDOM: nothing was measured that a ratio could be made with */
		return ret;
	count(c, v);
	if (v != BENCH_EQUAL && v != BENCH_UNSURE)
		print_line(out, a, b, id, &ratio, unlike);
	return 0;
}

/* For the gate: the row failed on the way, or there is too little to say anything, where there was enough before. */
static bool fell_short(const struct bench_compare *c, const struct bench_saved_row *a,
                       const struct bench_saved_row *b, unsigned id)
{
	return c->counts_only && ((b->failed && !a->failed) || (a->nr[id] >= BENCH_VERDICT_MIN &&
	                                                        b->nr[id] < BENCH_VERDICT_MIN));
}

static int compare_row(struct bench_compare *c, const struct bench_saved_row *a,
                       const struct bench_saved_row *b, FILE *out)
{
	const bool unlike = b && other_setup(a, b);
	int ret = 0;

	c->unlike += unlike;
	for (unsigned id = 0; id < BENCH_METRICS && ret == 0; id++) {
		const bool is_count = bench_metrics[id].trust == BENCH_COUNT;

		/* Of what is neither better nor worse there is nothing to say. */
		if (!a->nr[id] || (c->counts_only && !is_count) ||
		    bench_metrics[id].want == BENCH_NEITHER)
			continue;
		if (b && b->nr[id] && !fell_short(c, a, b, id))
			ret = compare_metric(c, a, b, id, unlike, out);
		else if (is_count)
			c->counts_lost++;
	}
	return ret;
}

static size_t nr_missing(const struct bench_saved *from, const struct bench_saved *of)
{
	size_t nr = 0;

	for (size_t i = 0; i < of->nr; i++)
		nr += !bench_saved_row(from, of->row[i].name);
	return nr;
}

int bench_compare(struct bench_compare *c, const struct bench_saved *a, const struct bench_saved *b,
                  FILE *out)
{
	int ret = 0;

	c->few_rounds = a->few_rounds || b->few_rounds;
	fputs("| row | metric | A | B | B / A (95 % lie in) | B is |\n|---|---|---|---|---|---|\n",
	      out);
	for (size_t i = 0; i < a->nr && ret == 0; i++)
		ret = compare_row(c, &a->row[i], bench_saved_row(b, a->row[i].name), out);
	fprintf(out,
	        "\n%zu figures compared: %zu better, %zu worse, %zu equal and %zu unsure (not "
	        "listed).",
	        c->compared, c->better, c->worse, c->equal, c->unsure);
	fprintf(out, " Rows only in A: %zu, only in B: %zu.\n", nr_missing(b, a), nr_missing(a, b));
	if (c->unlike)
		fprintf(out,
		        "Rows whose subject is set up otherwise in B than in A (features, queues, "
		        "versions): %zu.\n",
		        c->unlike);
	if (c->few_rounds)
		fprintf(out, "Fewer than %u rounds: nothing is concluded.\n", BENCH_ROUNDS);
	return ret;
}

/* ---- the command */

struct compare_command {
	bool help, force;
	unsigned gate; /* enum gate */
	uint64_t seed;
	struct bench_saved a, b;
};

enum gate { GATE_NONE, GATE_COUNTS };

static int parse_gate(void *target, const char *value, char *why, size_t size)
{
	struct compare_command *c = target;

	if (strcmp(value, "counts") == 0) {
		c->gate = GATE_COUNTS;
		return 0;
	}
	snprintf(why, size, "allowed: counts (times are no grounds to refuse a change)");
	return -EINVAL;
}

#define CMD(member) offsetof(struct compare_command, member)

static const struct opt_def compare_options[] = {
	{.name = "force",
         .type = OPT_BOOL,
         .offset = CMD(force),
         .help = "also when the machines, or what they cost, differ"},
	{.name = "gate",
         .type = OPT_CALL,
         .parse = parse_gate,
         .arg = "counts",
         .help = "exit status 10 when something that is counted per packet got worse by more than "
                 "a tenth"},
	{.name = "seed",
         .type = OPT_UINT,
         .offset = CMD(seed),
         .max = INT64_MAX,
         .arg = "N",
         .help = "the same seed and samples, the same intervals (default: 1)"},
	{.name = "help", .letter = 'h', .type = OPT_BOOL, .offset = CMD(help), .help = "this text"},
	OPT_END,
};

void bench_compare_options(FILE *out)
{
	opt_help(out, compare_options, 2, 0);
}

static void help(void)
{
	puts("Usage: doorbell bench compare [options] A.json B.json\n\n"
	     "What differs in the results B from A, as Markdown.\n\nOptions:");
	bench_compare_options(stdout);
	puts("\nExit status: 0; 2 usage, no results, or machines that differ; 10 --gate: a count "
	     "got worse\nby more than a tenth, or is missing in B.");
}

static int gate(const struct bench_compare *c)
{
	if (c->compared == c->unsure && !c->counts_lost) {
		log_error("--gate counts: there is nothing counted in these results that can be "
		          "judged");
		return EXIT_USAGE;
	}
	if (c->worse || c->counts_lost) {
		log_error("--gate counts: %zu got worse, %zu are missing in the second results",
		          c->worse, c->counts_lost);
		return EXIT_FINDINGS;
	}
	return EXIT_OK;
}

static int compare_both(const struct compare_command *cmd)
{
	struct bench_compare c = {.counts_only = cmd->gate == GATE_COUNTS, .seed = cmd->seed};
	char why[BENCH_WHY_MAX];

	if (bench_cards_differ(&cmd->a, &cmd->b, c.counts_only, why)) {
		if (!cmd->force) {
			log_error("these are not results of one machine: %s (--force compares "
			          "them)",
			          why);
			return EXIT_USAGE;
		}
		printf("Not results of one machine: %s.\n\n", why);
	}
	if (bench_compare(&c, &cmd->a, &cmd->b, stdout) < 0) {
		log_error("no memory to compare");
		return EXIT_HOST;
	}
	return c.counts_only ? gate(&c) : EXIT_OK;
}

static int read_one(const char *path, struct bench_saved *s)
{
	char why[BENCH_WHY_MAX];
	const int ret = bench_saved_read(path, s, why);

	if (ret < 0)
		log_error("%s: %s", path, why);
	return ret;
}

static int compare_files(struct compare_command *c, char **path)
{
	int status = EXIT_USAGE;

	if (read_one(path[0], &c->a) == 0 && read_one(path[1], &c->b) == 0)
		status = compare_both(c);
	bench_saved_free(&c->a);
	bench_saved_free(&c->b);
	return status;
}

int bench_compare_command(int argc, char **argv)
{
	struct compare_command c = {.seed = 1};
	const struct opt_group group = {compare_options, &c};
	const int words = opt_parse_argv(&group, 1, argc, argv);

	if (words >= 0 && c.help) {
		help();
		return EXIT_OK;
	}
	if (words == 2)
		return compare_files(&c, argv);
	if (words >= 0)
		log_error("two results are compared, given were %d: doorbell bench compare A.json "
		          "B.json",
		          words);
	return EXIT_USAGE;
}
