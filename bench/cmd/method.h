/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/cmd/method.h - rows in turns, round by round; what came of them
 *
 * Rows that are measured against one another are a group. Groups are measured one after the other; within one, each round
 * measures every row once, every other round backwards (A B B A). What disturbs the machine for longer than a row thereby
 * hits all of them. Before and after each round a few costs of the machine are measured (card.h): when they moved, the
 * round is thrown out and measured once more.
 *
 * A subject is opened when its first row is due and closed behind its last one, or when a row of it failed: it may hang.
 * All of that happens once for each part of the rounds: a VM that is started anew is another one, some percent faster or
 * slower, which rounds of one start cannot show.
 */
#ifndef DOORBELL_BENCH_METHOD_H
#define DOORBELL_BENCH_METHOD_H

#include "bench/cmd/bench.h"
#include "bench/cmd/stats.h"

/* Rounds that verdicts are made of, unless told otherwise; and how many of them may have to be measured again. */
#define BENCH_ROUNDS     9u
#define BENCH_ROUNDS_MAX 500u /* half of BENCH_SAMPLE_MAX: each may be measured twice */
#define BENCH_RESTARTS   1u   /* of subjects, unless told otherwise */
#define BENCH_NO_ROW     SIZE_MAX
/* About what the probe behind a round takes. */
#define BENCH_PROBE_MS 70u

/* By more than this share the costs of a machine must not move within a round, nor differ between two runs. */
#define BENCH_MAY_MOVE 0.10

enum bench_state {
	BENCH_WAITS,    /* its turn did not come: the user ended the run */
	BENCH_MEASURED, /* in all rounds that hold */
	BENCH_CANNOT,   /* here; why says what is missing */
	BENCH_FAILED,   /* why says at what; rounds before that may be there */
};

/* What the machine costs at one moment; times in ns, 0: not measured. */
struct bench_probe {
	double syscall_ns, wake_same_ns;
	double steal; /* share of all CPU time since the one before, 0 .. 1 */
};

struct bench_result {
	const struct bench_row *row;
	size_t against; /* which result, before this one; BENCH_NO_ROW: none */
	size_t group;
	size_t subject; /* which of the run's; BENCH_NO_ROW: none */
	enum bench_state state;
	char why[BENCH_WHY_MAX]; /* why it was not; or, of a measured one, what of it could not be; or "" */
	char unlike
		[BENCH_WHY_MAX];  /* "": its features are those of the row it is measured against */
	char anew[BENCH_WHY_MAX]; /* "": its subject never ended or hung in the middle of a round */
	struct bench_sample *sample; /* of each round of its group, as far as it came; owned */
	size_t nr;
};

struct bench_group {
	size_t rounds; /* measured, those that were thrown out included */
	size_t kept;
	size_t moved, stolen; /* thrown out: the costs moved; the host took time away */
	bool *thrown;         /* of each round; owned */
	bool done;
	/*
	 * So few were kept that nothing can be concluded from times: figures are of all rounds then. Known when the group is
	 * done.
	 */
	bool unsteady;
};

/* One number of the reports. */
struct bench_figure {
	struct bench_interval value;
	size_t nr;                  /* samples; 0: it was not measured */
	bool has_expected, at_most; /* what it should be is known; as a bound */
	double expected;            /* median of the rounds */
	bool has_ratio;
	struct bench_interval ratio; /* median of the ratios of the rounds */
	enum bench_verdict verdict;
};

struct bench_opened {
	const struct bench_subject *subject;
	enum { BENCH_CLOSED, BENCH_OPEN, BENCH_REFUSED } state;
	void *handle;
	char why[BENCH_WHY_MAX]; /* BENCH_REFUSED: can() or open() said so */
	int err;                 /* of it */
	bool cannot;             /* it was can() */
	char *card;              /* JSON, checked to be an object; NULL: none. Owned */
	unsigned starts;         /* in the first so many parts it was opened, or had its turn */
	double took_ms;          /* to be opened, the last time; 0: not yet */
};

struct bench_run;

/* What a run needs of outside; the tests have their own. */
struct bench_ops {
	/* What the machine costs now; a few milliseconds. */
	void (*probe)(void *arg, struct bench_probe *now);
	/* Before each measurement: row @i, round @round of its group's, from 0. */
	void (*progress)(void *arg, const struct bench_run *run, size_t i, size_t round);
	/* A group is done: results @first .. that have its number are final. */
	void (*group_done)(void *arg, const struct bench_run *run, size_t group);
	void *arg;
};

struct bench_run {
	const struct bench_env *env;
	const struct bench_ops *ops;
	unsigned rounds;   /* to be kept of each row */
	unsigned restarts; /* of subjects, each behind an equal part of the rounds */
	uint64_t seed;
	struct bench_result *result; /* owned, in the order of the tables */
	size_t nr;
	struct bench_figure *figure; /* BENCH_METRICS of each result; owned */
	struct bench_group *group;   /* owned */
	size_t nr_groups;
	struct bench_opened *opened; /* owned */
	size_t nr_opened;
	unsigned part;     /* which of the starts, from 0 */
	uint64_t began_ns; /* CLOCK_MONOTONIC */
	uint64_t done_ms;  /* measured, as the rows estimate themselves */
	double opening_ms; /* spent on opening subjects */
};

/* Of @rows, @nr, those before which they are measured among them. 0 or -ENOMEM; bench_run_free() it either way. */
int bench_run_init(struct bench_run *run, const struct bench_row *const *rows, size_t nr);
/* Which rows cannot be measured here: their state, and why. 0; -EINTR when *env->stop was set. */
int bench_refuse(struct bench_run *run);
/*
 * All of it, which begins with bench_refuse(). 0; -EINTR when *env->stop was set; -ENOMEM. Whatever it returns, every subject is closed.
 * What became of each row is in run->result.
 */
int bench_measure(struct bench_run *run);
void bench_run_free(struct bench_run *run);

/* Milliseconds that @row takes in @rounds rounds, when its subject is open. */
uint64_t bench_estimate_ms(const struct bench_env *env, const struct bench_row *row,
                           unsigned rounds);
/* How often a subject is started for @rounds rounds: not more often than there are rounds. */
unsigned bench_starts(unsigned rounds, unsigned restarts);
/*
 * Seconds that are left for the rows that can be measured, as far as one can say: what rows and subjects say of themselves,
 * until some of them have been measured, and opened, to judge them by.
 */
uint64_t bench_left_s(const struct bench_run *run);

/* Values of metric @id in the rounds that hold, into @out (BENCH_SAMPLE_MAX); their number. */
size_t bench_values(const struct bench_run *run, size_t i, enum bench_metric_id id, double *out);
/* What was counted twice in row @i; NULL: nothing was. */
const struct bench_sample *bench_checked(const struct bench_run *run, size_t i);
/* What is counted per packet does not depend on what the machine costs. */
bool bench_may_judge(enum bench_metric_id id, bool unsteady);
/* Of the results of a group that is done; 0 or -ENOMEM. */
int bench_fill_figures(struct bench_run *run, size_t group);
/* One of them. */
const struct bench_figure *bench_figure(const struct bench_run *run, size_t i,
                                        enum bench_metric_id id);

/* Why rounds were thrown out, in words: "2 rounds thrown out (1 the machine's costs moved, 1 stolen time)"; "" if none. */
const char *bench_thrown_text(const struct bench_group *g, char *buf, size_t size);

#endif
