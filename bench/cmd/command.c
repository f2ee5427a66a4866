/* SPDX-License-Identifier: Apache-2.0 */
/* bench/cmd/command.c - doorbell bench: what each data path costs on this machine */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "bench/cmd/card.h"
#include "bench/cmd/compare.h"
#include "bench/cmd/method.h"
#include "bench/cmd/out.h"
#include "bench/cmd/report.h"
#include "bench/cmd/select.h"
#include "bench/cmd/stop.h"
#include "vmm/core/compiler.h"
#include "vmm/core/log.h"
#include "vmm/core/loop.h"
#include "vmm/core/opt.h"
#include "vmm/outcome.h"
#include "vmm/run.h"

/* --quick: rows take this part of their time. */
#define QUICK_DIV 4u

struct bench_command {
	bool help, quick, full, list;
	struct bench_choice choice;
	uint64_t rounds, restarts, seed;
	const char *out_dir, *peer_cmd, *kernel;

	char self[PATH_MAX], tmp[PATH_MAX - 16], initrd[PATH_MAX], found_kernel[PATH_MAX];
	char default_out[64];
	const struct bench_row *all[BENCH_ROWS_MAX], *chosen[BENCH_ROWS_MAX];
	struct bench_env env;
	struct bench_run run;
	struct bench_ops ops;
	struct bench_prober prober;
	struct bench_card card;
	struct bench_out out;
	bool on_terminal;  /* progress is */
	size_t said_group; /* elsewhere: the last one that was said, from 1 */
	int64_t began;     /* seconds since 1970 */
};

/* ---- options */

#define CMD(member) offsetof(struct bench_command, member)

/* What was said before stays: rows that nobody measured are noticed late. */
static int add_only(void *target, const char *value, char *why, size_t why_size)
{
	struct bench_choice *c = &((struct bench_command *)target)->choice;

	if (c->nr_only == ARRAY_SIZE(c->only)) {
		snprintf(why, why_size,
		         "it may be given %u times, with several names, separated by commas, each",
		         BENCH_ONLY_MAX);
		return -EINVAL;
	}
	c->only[c->nr_only++] = value;
	return 0;
}

static const struct opt_def bench_options[] = {
	{.name = "quick",
         .type = OPT_BOOL,
         .offset = CMD(quick),
         .help = "the core rows, or those of --only, each in a quarter of its time"},
	{.name = "full",
         .type = OPT_BOOL,
         .offset = CMD(full),
         .help = "all rows, not only the core"},
	{.name = "only",
         .type = OPT_CALL,
         .parse = add_only,
         .arg = "SET|ROW[,...]",
         .help = "these, and what they are measured against; the first parts of a row's name "
                 "are enough, core is a set; may be given more than once"},
	{.name = "rounds",
         .type = OPT_UINT,
         .offset = CMD(rounds),
         .min = 1,
         .max = BENCH_ROUNDS_MAX,
         .arg = "N",
         .help = "of each row (default: 9; with fewer nothing is concluded)"},
	{.name = "restarts",
         .type = OPT_UINT,
         .offset = CMD(restarts),
         .max = BENCH_ROUNDS_MAX,
         .arg = "N",
         .help = "how often guests are started anew, each behind an equal part of the rounds "
                 "(default: 1)"},
	{.name = "out",
         .type = OPT_STRING,
         .offset = CMD(out_dir),
         .arg = "DIR",
         .help = "where the results go (default: doorbell-bench-DATE-TIME)"},
	{.name = "list",
         .type = OPT_BOOL,
         .offset = CMD(list),
         .help = "print the rows, what they take, and which cannot be measured here"},
	{.name = "kernel",
         .type = OPT_STRING,
         .offset = CMD(kernel),
         .arg = "FILE",
         .help = "of the guests (default: this host's in /boot, else that of tests/setup.sh)"},
	{.name = "peer-cmd",
         .type = OPT_STRING,
         .offset = CMD(peer_cmd),
         .arg = "COMMAND",
         .help = "another VMM to measure beside each row of pure (docs/bench.md)"},
	{.name = "seed",
         .type = OPT_UINT,
         .offset = CMD(seed),
         .max = INT64_MAX,
         .arg = "N",
         .help = "the same seed and samples, the same intervals (default: 1)"},
	{.name = "help", .letter = 'h', .type = OPT_BOOL, .offset = CMD(help), .help = "this text"},
	OPT_END,
};

static void help(void)
{
	puts("Usage: doorbell bench [options]\n"
	     "       doorbell bench compare [options] A.json B.json\n\n"
	     "Measure what each data path costs on this machine, in rounds in which all that is "
	     "compared\n"
	     "has its turn. Results go to a folder: JSON, CSV, Markdown, plots and a page with all "
	     "of it.\n\nOptions:");
	opt_help(stdout, bench_options, 2, 0);
	puts("\nOptions of compare:");
	bench_compare_options(stdout);
	puts("\nExit status: 0 all that can be measured here was; 1 a row failed, or a file could "
	     "not be\n"
	     "written; 2 usage; 128+N ended by signal N; that of compare: doorbell bench "
	     "compare --help.");
}

/* ---- what the run may use */

/* The one that runs here, or else the one that tests/setup.sh has fetched: $DOORBELL_CACHE as there. */
static void find_kernel(struct bench_command *c)
{
	const char *cache = getenv("DOORBELL_CACHE"), *home = getenv("HOME");
	const size_t room = sizeof(c->found_kernel);
	struct utsname u;
	int n;

	c->env.kernel = c->kernel;
	if (c->kernel || uname(&u) < 0)
		return;
	n = snprintf(c->found_kernel, room, "/boot/vmlinuz-%.80s", u.release);
	if (access(c->found_kernel, R_OK) < 0)
		n = snprintf(c->found_kernel, room, "%s%s/%s/guest/vmlinuz",
		             cache  ? cache
		             : home ? home
		                    : "/root",
		             cache ? "" : "/.cache/doorbell", u.machine);
	if (n > 0 && (size_t)n < room && access(c->found_kernel, R_OK) == 0)
		c->env.kernel = c->found_kernel;
}

static void find_self(struct bench_command *c)
{
	const ssize_t n = readlink("/proc/self/exe", c->self, sizeof(c->self) - 1);

	snprintf(c->self + (n > 0 ? n : 0), sizeof(c->self) - (size_t)(n > 0 ? n : 0), "%s",
	         n > 0 ? "" : "doorbell");
}

static int make_env(struct bench_command *c)
{
	int ret;

	c->env.stop = bench_stop_begin(); /* first: what is made from here on is removed */
	ret = bench_tmp_make(c->tmp, sizeof(c->tmp));
	if (ret < 0)
		return ret;
	snprintf(c->initrd, sizeof(c->initrd), "%s/initrd", c->tmp);
	find_self(c);
	find_kernel(c);
	c->env.self = c->self;
	c->env.tmp = c->tmp;
	c->env.initrd = c->initrd;
	c->env.peer_cmd = c->peer_cmd;
	c->env.seconds_div = c->quick ? QUICK_DIV : 1;
	c->env.boot_ms = BENCH_BOOT_MS;
	c->env.answer_ms = BENCH_ANSWER_MS;
	return 0;
}

/* ---- progress */

static void clear_progress(const struct bench_command *c)
{
	if (c->on_terminal)
		fputs("\r\033[K", stderr);
}

static void on_progress(void *arg, const struct bench_run *run, size_t i, size_t round)
{
	struct bench_command *c = arg;
	const struct bench_result *r = &run->result[i];
	const uint64_t left = bench_left_s(run);
	const size_t kept = run->group[r->group].kept;

	if (!c->on_terminal && c->said_group == r->group + 1)
		return;
	c->said_group = r->group + 1;
	clear_progress(c);
	/* Of those that hold: more may have to be measured than were asked for. */
	fprintf(stderr, "%zu of %zu groups, %s, round %zu of %u%s, about %u:%02u left%s",
	        r->group + 1, run->nr_groups, r->row->name, kept + 1, run->rounds,
	        round > kept ? " (again)" : "", (unsigned)(left / 60), (unsigned)(left % 60),
	        c->on_terminal ? "" : "\n");
	fflush(stderr);
}

static void on_group_done(void *arg, const struct bench_run *run, size_t group)
{
	clear_progress(arg);
	bench_table_group(stdout, run, group);
}

static void on_probe(void *arg, struct bench_probe *now)
{
	struct bench_command *c = arg;

	bench_probe_now(&c->prober, now);
}

/* ---- the run */

static int write_files(struct bench_command *c, const struct bench_report *rep)
{
	int ret = bench_write_all(&c->out, rep);

	if (ret == 0)
		printf("Results are in %s\n", c->out.dir);
	return ret;
}

static int verdict(const struct bench_command *c)
{
	for (size_t i = 0; i < c->run.nr; i++)
		if (c->run.result[i].state == BENCH_FAILED)
			return EXIT_HOST;
	return EXIT_OK;
}

static int interrupted(const struct bench_command *c)
{
	clear_progress(c);
	log_error("ended by %s: no results were written", strsignal(*c->env.stop));
	return EXIT_SIGNAL + *c->env.stop;
}

static int measure(struct bench_command *c)
{
	struct bench_report rep = {.run = &c->run, .card = &c->card, .quick = c->quick};
	int ret;

	bench_card_take(&c->card);
	rep.began = (int64_t)time(NULL);
	bench_table_head(stdout);
	ret = bench_measure(&c->run);
	rep.seconds = (double)(loop_now_ns() - c->run.began_ns) / 1e9;
	if (ret == -EINTR)
		return interrupted(c);
	if (ret < 0)
		return EXIT_HOST;
	bench_table_end(stdout, &rep);
	ret = write_files(c, &rep);
	if (*c->env.stop) { /* meanwhile */
		log_error("ended by %s: what is in %s is whole, plots may be missing",
		          strsignal(*c->env.stop), c->out.dir);
		return EXIT_SIGNAL + *c->env.stop;
	}
	return ret < 0 ? EXIT_HOST : verdict(c);
}

static const char *out_dir(struct bench_command *c)
{
	const time_t now = time(NULL);
	struct tm tm;

	if (c->out_dir)
		return c->out_dir;
	localtime_r(&now, &tm);
	strftime(c->default_out, sizeof(c->default_out), "doorbell-bench-%Y%m%d-%H%M%S", &tm);
	return c->default_out;
}

static int run_rows(struct bench_command *c)
{
	int ret = bench_out_begin(&c->out, out_dir(c)), status;

	if (ret < 0)
		return exit_status_of(ret);
	c->ops = (struct bench_ops){
		.probe = on_probe, .progress = on_progress, .group_done = on_group_done, .arg = c};
	c->on_terminal = isatty(STDERR_FILENO);
	status = measure(c);
	bench_out_end(&c->out);
	return status;
}

static int list_rows(struct bench_command *c)
{
	if (bench_refuse(&c->run) < 0)
		return EXIT_SIGNAL + *c->env.stop;
	c->run.began_ns = loop_now_ns();
	bench_list(stdout, &c->run);
	return EXIT_OK;
}

static int with_rows(struct bench_command *c)
{
	const size_t nr = min_size(bench_row_count(), BENCH_ROWS_MAX);
	int status;
	long chosen;

	for (size_t i = 0; i < nr; i++)
		c->all[i] = bench_row(i);
	c->choice.beside = c->peer_cmd ? "peer" : NULL;
	c->choice.full = c->full || (c->list && !c->quick);
	chosen = bench_select(c->all, nr, &c->choice, c->chosen);
	if (chosen < 0)
		return EXIT_USAGE;
	if (c->kernel && access(c->kernel, R_OK) < 0) {
		log_error("--kernel %s: %s", c->kernel, strerror(errno));
		return EXIT_USAGE;
	}
	if (make_env(c) < 0)
		return EXIT_HOST;
	c->run = (struct bench_run){.env = &c->env,
	                            .ops = &c->ops,
	                            .rounds = (unsigned)c->rounds,
	                            .restarts = (unsigned)c->restarts,
	                            .seed = c->seed};
	if (bench_run_init(&c->run, c->chosen, (size_t)chosen) < 0)
		status = EXIT_HOST;
	else
		status = c->list ? list_rows(c) : run_rows(c);
	bench_run_free(&c->run);
	bench_tmp_remove(c->tmp);
	return status;
}

int cmd_bench(int argc, char **argv)
{
	struct bench_command *c;
	int status = EXIT_USAGE, words;

	if (argc > 0 && strcmp(argv[0], "compare") == 0)
		return bench_compare_command(argc - 1, argv + 1);
	c = calloc(1, sizeof(*c));
	if (!c)
		return EXIT_HOST;
	c->rounds = BENCH_ROUNDS;
	c->restarts = BENCH_RESTARTS;
	c->seed = 1;
	words = opt_parse_argv(&(const struct opt_group){bench_options, c}, 1, argc, argv);
	if (words > 0) {
		log_error("bench takes options, or compare A.json B.json; given was '%s'", argv[0]);
	} else if (words == 0 && c->help) {
		help();
		status = EXIT_OK;
	} else if (words == 0 && c->quick && c->full) {
		log_error("--quick and --full exclude each other");
	} else if (words == 0) {
		status = with_rows(c);
	}
	free(c);
	return status;
}
