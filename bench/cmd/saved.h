/* SPDX-License-Identifier: Apache-2.0 */
/* bench/cmd/saved.h - a results.json, read back: anybody may have written it */
#ifndef DOORBELL_BENCH_SAVED_H
#define DOORBELL_BENCH_SAVED_H

#include <jansson.h>

#include "bench/cmd/bench.h"
#include "bench/cmd/cost.h"
#include "bench/cmd/stats.h"

/*
 * What one file may have of each, so that neither memory nor the time to compare depends on who wrote it: several times what
 * all rows give in nine rounds. Containers are lists and objects.
 */
#define BENCH_SAVED_ROWS       2000u
#define BENCH_SAVED_BYTES      (UINT64_C(64) << 20)
#define BENCH_SAVED_VALUES     (1u << 20)
#define BENCH_SAVED_CONTAINERS (256u << 10)
#define BENCH_SAVED_SAMPLES    (512u << 10)
#define BENCH_SAVED_TEXT \
	160u /* characters of a text that is printed: no control characters, no | */

/* What of a card must be the same, as text; "" when it is not there. */
enum bench_saved_word {
	SAVED_HOST,
	SAVED_CPU,
	SAVED_CPUS,
	SAVED_PINNED,
	SAVED_KVM,
	SAVED_GOVERNOR,
	SAVED_QUICK, /* of the run, but rows of other lengths are not the same either */
	SAVED_WORDS,
};

struct bench_saved_row {
	const char *name;
	bool unsteady;
	bool failed;              /* on the way, perhaps behind rounds that it has samples of */
	const json_t *setup;      /* the card of its subject: features, versions; NULL: not known */
	double *v[BENCH_METRICS]; /* samples, finite and not negative; owned */
	size_t nr[BENCH_METRICS]; /* 0 .. BENCH_SAMPLE_MAX */
};

struct bench_saved {
	bool few_rounds; /* fewer were asked for than anything is concluded from */
	json_t *root;    /* owned; what names and setups point into */
	size_t samples;  /* all of them */
	char word[SAVED_WORDS][BENCH_SAVED_TEXT + 1];
	double cost_ns[COSTS];       /* 0: not known */
	struct bench_saved_row *row; /* owned; no name is there twice */
	size_t nr;
};

/* Key of a word in the JSON: "host". */
const char *bench_saved_word_name(enum bench_saved_word w);

/*
 * Of @text, @len bytes. 0; -EINVAL with a line in @why (BENCH_WHY_MAX) when it is no results file; -ENOMEM. On success
 * bench_saved_free() it.
 */
int bench_saved_parse(const char *text, size_t len, struct bench_saved *out, char *why);
/* The same of a file; other errors too, with @why. */
int bench_saved_read(const char *path, struct bench_saved *out, char *why);
void bench_saved_free(struct bench_saved *s);

/* That of the same name; NULL: there is none. */
const struct bench_saved_row *bench_saved_row(const struct bench_saved *s, const char *name);

#endif
