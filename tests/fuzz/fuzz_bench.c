// SPDX-License-Identifier: Apache-2.0
/*
 * Results that anybody has written, for doorbell bench compare: all of it is judged once, and what was taken can be
 * compared with itself without a number that is none.
 */
#include <string.h>

#include "bench/cmd/compare.h"
#include "bench/cmd/saved.h"
#include "tests/fuzz/input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Many resamples of many samples take long, and are no other code. */
#define FIGURES_MAX 4u

static size_t figures(const struct bench_saved *s)
{
	size_t nr = 0;

	for (size_t i = 0; i < s->nr; i++)
		for (unsigned id = 0; id < BENCH_METRICS; id++) {
			REQUIRE(s->row[i].nr[id] <= BENCH_SAMPLE_MAX);
			nr += s->row[i].nr[id] / 32 + (s->row[i].nr[id] > 0);
		}
	return nr;
}

static void use(const struct bench_saved *s)
{
	struct bench_compare c = {.seed = 1};
	char why[BENCH_WHY_MAX];
	FILE *out;
	int ret;

	REQUIRE(!bench_cards_differ(s, s, false, why));
	if (figures(s) > FIGURES_MAX)
		return;
	out = fopen("/dev/null", "w");
	if (!out)
		abort();
	ret = bench_compare(&c, s, s, out);
	REQUIRE(ret == 0);
	REQUIRE(c.better + c.worse == 0 && c.counts_lost == 0);
	REQUIRE(c.compared == c.equal + c.unsure);
	fclose(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char why[BENCH_WHY_MAX];
	struct bench_saved s;
	int ret = bench_saved_parse((const char *)data, size, &s, why);

	REQUIRE(ret == 0 || (ret < 0 && why[0]));
	if (ret == 0) {
		use(&s);
		bench_saved_free(&s);
	}
	return 0;
}
