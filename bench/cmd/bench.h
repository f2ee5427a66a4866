/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/cmd/bench.h - what can be measured, and what came of it: the words that rows, method and reports share
 *
 * A subject is something that carries packets (or nothing at all, for the micro rows): it is opened once for each part of
 * the rounds and stays up for all of them, because booting it costs more than measuring it. A row is one measurement of
 * one subject; rows of one comparison are measured in turns (A B B A), so that a machine that changes hits both sides
 * alike.
 */
#ifndef DOORBELL_BENCH_H
#define DOORBELL_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Long enough for one line to a user. */
#define BENCH_WHY_MAX 512
/* What a subject says of itself, as JSON's text. */
#define BENCH_CARD_MAX 16384

enum bench_want {
	BENCH_LESS, /* is better */
	BENCH_MORE,
	BENCH_NEITHER,
};

/* In the order of trust: what is counted comes before what is timed. */
enum bench_trust {
	BENCH_COUNT,   /* an event per packet */
	BENCH_CPU,     /* CPU time per packet, of the whole machine */
	BENCH_PER_CPU, /* packets or bytes per CPU-second */
	BENCH_LATENCY,
	BENCH_RATE,
	BENCH_SIZE,
};

/* bench/cmd/metric.c: the table; names are stable, they are the keys of the JSON. */
struct bench_metric {
	const char *name;
	const char *unit;
	const char *help;
	enum bench_want want;
	enum bench_trust trust;
	double floor; /* less than this is taken for this in ratios: 0 against 0 is equal; 0: no such thing */
};

enum bench_metric_id {
	BM_EXITS, /* per packet, as all counts */
	BM_USERSPACE_EXITS,
	BM_KICKS,
	BM_INTERRUPTS,
	BM_WAKEUPS,
	BM_SYSCALLS,
	BM_WORKER_RUNS,
	BM_COPIES,
	BM_CPU_NS,          /* per packet, of the whole machine without its idle cost */
	BM_PACKETS_PER_CPU, /* per CPU-second */
	BM_BYTES_PER_CPU,
	BM_P50_NS,
	BM_P99_NS,
	BM_P999_NS,
	BM_PACKETS, /* per second */
	BM_BITS,    /* per second */
	BM_SENT,    /* per second, of which some may be lost */
	BM_LOSS,    /* share of what was sent, 0 .. 1 */
	BM_NS,      /* micro rows: one time */
	BM_BYTES,   /* memory */
	BENCH_METRICS,
};

extern const struct bench_metric bench_metrics[BENCH_METRICS];

/* Of one kind of event, counted twice: by who makes it or serves it, and by the kernel's tracepoints. */
struct bench_check {
	const char *what; /* stable, a key of the JSON */
	uint64_t counted, traced;
	uint64_t may_differ; /* by so many they may, because of the edges of the window */
};

#define BENCH_CHECKS 5u

/* What one round of one row gave. */
struct bench_sample {
	double v[BENCH_METRICS];
	uint32_t has; /* bit of each bench_metric_id that was measured */
	/* Of counts: what the mechanisms that were active should have cost (docs/audit.md). */
	double expected[BENCH_METRICS];
	uint32_t expects, at_most; /* bits: it is known; it is a bound */
	/*
	 * From the method. The first round: only then what is the same in all of them needs to be looked at. One that is
	 * measured again, for times; counts are those of rounds that do not hold, too, and need not be made any more.
	 */
	bool first, again;
	struct bench_check check[BENCH_CHECKS];
	unsigned nr_checks;
};

static inline void bench_set(struct bench_sample *s, enum bench_metric_id id, double v)
{
	s->v[id] = v;
	s->has |= 1u << id;
}

static inline void bench_expect(struct bench_sample *s, enum bench_metric_id id, double v,
                                bool at_most)
{
	s->expected[id] = v;
	s->expects |= 1u << id;
	s->at_most |= (uint32_t)at_most << id;
}

static inline bool bench_agrees(const struct bench_check *c)
{
	const uint64_t apart =
		c->traced > c->counted ? c->traced - c->counted : c->counted - c->traced;

	return apart <= c->may_differ;
}

/* What the run may use; made from the options by bench/cmd/command.c, valid for the whole run. */
struct bench_env {
	const char *self;     /* the path of this program, to run guests with */
	const char *tmp;      /* a directory that is removed at the end */
	const char *kernel;   /* of the guests; NULL: none was given and none was found */
	const char *initrd;   /* in tmp; who needs it first makes it: our load generator as init */
	const char *peer_cmd; /* --peer-cmd, NULL without */
	unsigned seconds_div; /* rows are shortened by it: 1 full, more with --quick */
	/* For so long what should boot, or answer beside what it was asked for, is waited for: then it hangs. */
	unsigned boot_ms, answer_ms;
	const volatile int
		*stop; /* a signal's number when the user wants to end: return -EINTR soon */
};

/* An emulated machine under load may be slow; what hangs, hangs longer. */
#define BENCH_BOOT_MS   180000u
#define BENCH_ANSWER_MS 60000u

struct bench_subject {
	const char *name;  /* stable, for JSON: "pure", "vhost", "qemu-microvm-tap" */
	const char *label; /* for people */
	/* 0, or -errno with a line in @why (BENCH_WHY_MAX): what it needs and does not have here. */
	int (*can)(const struct bench_env *env, const struct bench_subject *s, char *why);
	/*
	 * Until it can be measured; 0 or -errno with a line in @why, -EOPNOTSUPP: as for can(). On failure
	 * nothing is left.
	 */
	int (*open)(const struct bench_env *env, const struct bench_subject *s, void **state,
	            char *why);
	/* Everything that open made, also when the guest hangs. */
	void (*close)(void *state);
	/*
	 * How the subject is set up, as a JSON object's text in @text; what both sides agreed on is its member "features",
	 * any value: rows whose subject's differs from that of the row they are measured against are marked. NULL: nothing
	 * to say.
	 */
	int (*card)(void *state, char *text, size_t size);
	unsigned open_ms; /* until it can be measured, about */
	const void *arg;
};

struct bench_row {
	const char *name;    /* stable, unique: "tcp-stream/g2h/pure" */
	const char *set;     /* of --only and of tables: "core", "micro", "latency" */
	const char *what;    /* one line for people */
	const char *against; /* the row that this one's ratios are made with, NULL: none */
	const struct bench_subject *subject; /* NULL: none needed */
	unsigned ms;                         /* of one round, about, with seconds_div 1 */
	unsigned more_ms; /* what a round takes beside, whatever seconds_div is */
	bool whole;       /* @ms is not divided: it is what one thing takes */
	bool core;        /* measured by default */
	/* As that of its subject: NULL, nothing but what its subject needs. */
	int (*can)(const struct bench_env *env, const struct bench_row *row, char *why);
	/*
	 * One round: at least one metric, all finite and none negative. 0, perhaps with a line in @why: what of it could not be
	 * measured. Or -errno with a line in @why: the row is marked, its subject closed and the rest goes on; -EOPNOTSUPP when
	 * it cannot be measured on this host.
	 */
	int (*measure)(const struct bench_env *env, const struct bench_row *row, void *state,
	               struct bench_sample *s, char *why);
	const void *arg;
};

/* What a bench/cmd/rows_*.c has: "const struct bench_rows rows_net", listed in bench/cmd/rows.c. */
struct bench_rows {
	const struct bench_row *row;
	size_t nr;
};

#define BENCH_ROWS_MAX 1000u

/* bench/cmd/rows.c: all there is, BENCH_ROWS_MAX at most. A row that others are measured against stands before them. */
size_t bench_row_count(void);
const struct bench_row *bench_row(size_t i);

#endif
