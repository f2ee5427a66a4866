/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/cmd/saved.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/cmd/method.h"
#include "bench/cmd/metric.h"
#include "bench/cmd/report.h"
#include "vmm/core/compiler.h"

const char *bench_saved_word_name(enum bench_saved_word w)
{
	static const char *const names[SAVED_WORDS] = {
		[SAVED_HOST] = "host",     [SAVED_CPU] = "cpu", [SAVED_CPUS] = "cpus",
		[SAVED_PINNED] = "pinned", [SAVED_KVM] = "kvm", [SAVED_GOVERNOR] = "governor",
		[SAVED_QUICK] = "quick",
	};

	return names[w];
}

/* @what is ours; numbers say where. */
static int refuse(char *why, const char *what, size_t row)
{
	if (row == SIZE_MAX)
		snprintf(why, BENCH_WHY_MAX, "%s", what);
	else
		snprintf(why, BENCH_WHY_MAX, "row %zu: %s", row, what);
	return -EINVAL;
}

/* Terminals obey control characters, and tables have their own meaning of |. */
static bool is_plain(const char *text)
{
	size_t len = 0;

	for (; text[len]; len++)
		if (text[len] < ' ' || text[len] > '~' || text[len] == '|')
			return false;
	return len <= BENCH_SAVED_TEXT;
}

/* ---- the card */

static int take_word(const json_t *o, enum bench_saved_word w, struct bench_saved *out, char *why)
{
	const json_t *v = json_object_get(o, bench_saved_word_name(w));
	char *to = out->word[w];

	if (json_is_string(v) && is_plain(json_string_value(v)))
		snprintf(to, BENCH_SAVED_TEXT + 1, "%s", json_string_value(v));
	else if (json_is_integer(v))
		snprintf(to, BENCH_SAVED_TEXT + 1, "%lld", (long long)json_integer_value(v));
	else if (json_is_boolean(v))
		snprintf(to, BENCH_SAVED_TEXT + 1, "%s", json_is_true(v) ? "yes" : "no");
	else if (v)
		return refuse(why, "the card has something that is no plain text", SIZE_MAX);
	return 0;
}

static int take_card(struct bench_saved *out, char *why)
{
	const json_t *card = json_object_get(out->root, "card"), *cost;
	int ret = 0;

	if (!json_is_object(card))
		return refuse(why, "there is no \"card\"", SIZE_MAX);
	for (unsigned w = 0; w < SAVED_WORDS && ret == 0; w++)
		ret = take_word(w == SAVED_QUICK ? out->root : card, w, out, why);
	cost = json_object_get(out->root, "rounds");
	out->few_rounds = json_is_integer(cost) && json_integer_value(cost) < BENCH_ROUNDS;
	cost = json_object_get(card, "cost_ns");
	for (unsigned i = 0; i < COSTS && ret == 0; i++) {
		const double ns = json_number_value(json_object_get(cost, costs[i].name));

		out->cost_ns[i] = ns > 0 && ns < 1e12 ? ns : 0;
	}
	return ret;
}

/* ---- rows */

/* -EINVAL also when it is too much or too little to be a sample: ratios of them stay finite. */
static int take_samples(const json_t *samples, double *v)
{
	const json_t *s;
	size_t i;

	json_array_foreach(samples, i, s)
	{
		v[i] = json_number_value(s);
		if (!json_is_number(s) || !(v[i] == 0 || (v[i] > 1e-100 && v[i] < 1e100)))
			return -EINVAL;
	}
	return 0;
}

static int take_metric(const json_t *o, unsigned id, struct bench_saved_row *row)
{
	const json_t *samples = json_object_get(o, "samples");
	const size_t nr = json_array_size(samples);

	if (!json_is_array(samples) || nr > BENCH_SAMPLE_MAX)
		return -EINVAL;
	if (nr == 0)
		return 0;
	row->v[id] = calloc(nr, sizeof(*row->v[id]));
	if (!row->v[id])
		return -ENOMEM;
	row->nr[id] = nr;
	return take_samples(samples, row->v[id]);
}

static const json_t *setup_of(const json_t *root, const json_t *row)
{
	const char *subject = json_string_value(json_object_get(row, "subject"));
	const json_t *s =
		subject ? json_object_get(json_object_get(root, "subjects"), subject) : NULL;

	return json_object_get(s, "card");
}

static const char *text_or_empty(const json_t *v)
{
	return json_is_string(v) ? json_string_value(v) : "";
}

static int take_row(const json_t *o, size_t i, struct bench_saved *out, char *why)
{
	const json_t *metrics = json_object_get(o, "metrics");
	struct bench_saved_row *row = &out->row[i];
	int ret;

	row->name = json_string_value(json_object_get(o, "name"));
	if (!row->name || !row->name[0] || !is_plain(row->name))
		return refuse(why, "its \"name\" is no plain text", i);
	if (bench_saved_row(out, row->name))
		return refuse(why, "its \"name\" is that of another one", i);
	out->nr++;
	row->failed = strcmp(text_or_empty(json_object_get(o, "state")),
	                     bench_state_name(BENCH_FAILED)) == 0;
	row->unsteady = json_is_true(json_object_get(o, "unsteady"));
	row->setup = setup_of(out->root, o);
	/* What this version does not know is not compared. */
	for (unsigned id = 0; id < BENCH_METRICS; id++) {
		const json_t *m = json_object_get(metrics, bench_metrics[id].name);

		ret = m ? take_metric(m, id, row) : 0;
		if (ret == -EINVAL)
			return refuse(why, "a metric's \"samples\" are no list of numbers", i);
		if (ret < 0)
			return ret;
		out->samples += row->nr[id];
	}
	/* Each is drawn a few thousand times. */
	if (out->samples > BENCH_SAVED_SAMPLES)
		return refuse(why, "with its samples there are too many: over 524288", i);
	return 0;
}

/* Cards are compared once for each row. */
static int judge_cards(const struct bench_saved *out, char *why)
{
	json_t *subjects = json_object_get(out->root, "subjects"), *s;
	const char *name;

	json_object_foreach(subjects, name, s)
	{
		const json_t *card = json_object_get(s, "card");

		if (card &&
		    json_dumpb(card, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY) > BENCH_CARD_MAX)
			return refuse(why, "the card of one of its \"subjects\" is too long",
			              SIZE_MAX);
	}
	return 0;
}

static int take_rows(struct bench_saved *out, char *why)
{
	const json_t *rows = json_object_get(out->root, "rows"), *o;
	int ret = 0;
	size_t i;

	if (!json_is_array(rows) || json_array_size(rows) > BENCH_SAVED_ROWS)
		return refuse(why, "\"rows\" is no list, or too long", SIZE_MAX);
	out->row = calloc(json_array_size(rows) + 1, sizeof(*out->row));
	if (!out->row)
		return -ENOMEM;
	json_array_foreach(rows, i, o)
	{
		ret = take_row(o, i, out, why);
		if (ret < 0)
			break;
	}
	return ret;
}

/* Before anything is made of it: a value takes a hundred times as many bytes as the two that it is in the text. */
static bool is_too_much(const char *text, size_t len)
{
	size_t values = 1, containers = 0;
	bool in_string = false;

	for (size_t i = 0; i < len; i++) {
		if (in_string && text[i] == '\\')
			i++;
		else if (text[i] == '"')
			in_string = !in_string;
		else if (!in_string && (text[i] == '[' || text[i] == '{'))
			containers++;
		else if (!in_string && text[i] == ',')
			values++;
	}
	return values + containers > BENCH_SAVED_VALUES || containers > BENCH_SAVED_CONTAINERS;
}

int bench_saved_parse(const char *text, size_t len, struct bench_saved *out, char *why)
{
	json_error_t err;
	const char *schema;
	int ret;

	*out = (struct bench_saved){.root = NULL};
	*why = '\0';
	if (is_too_much(text, len))
		return refuse(why, "no results of doorbell bench: there is too much in it",
		              SIZE_MAX);
	out->root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &err);
	if (!out->root) {
		snprintf(why, BENCH_WHY_MAX, "no JSON: line %d, column %d", err.line, err.column);
		return -EINVAL;
	}
	schema = json_string_value(json_object_get(out->root, "schema"));
	if (!schema || strcmp(schema, BENCH_SCHEMA) != 0)
		ret = refuse(why, "no results of doorbell bench: \"schema\" is not " BENCH_SCHEMA,
		             SIZE_MAX);
	else
		ret = take_card(out, why);
	if (ret == 0)
		ret = judge_cards(out, why);
	if (ret == 0)
		ret = take_rows(out, why);
	if (ret < 0)
		bench_saved_free(out);
	if (ret == -ENOMEM)
		snprintf(why, BENCH_WHY_MAX, "no memory for it");
	return ret;
}

static int read_stream(FILE *in, char **text, size_t *len)
{
	size_t room = 65536, n;

	*len = 0;
	*text = calloc(1, room); /* gcc's analyser does not know that fread() fills it */
	while (*text && (n = fread(*text + *len, 1, room - *len, in)) > 0) {
		char *more;

		*len += n;
		if (*len > BENCH_SAVED_BYTES)
			return -EFBIG;
		if (*len < room)
			continue;
		more = realloc(*text, room *= 2);
		if (!more)
			return -ENOMEM;
		*text = more;
	}
	if (!*text)
		return -ENOMEM;
	return ferror(in) ? -errno : 0;
}

int bench_saved_read(const char *path, struct bench_saved *out, char *why)
{
	FILE *in = fopen(path, "re");
	char *text = NULL;
	size_t len = 0;
	int ret = in ? read_stream(in, &text, &len) : -errno;

	if (ret < 0)
		snprintf(why, BENCH_WHY_MAX, "%s", strerror(-ret));
	else
		ret = bench_saved_parse(text, len, out, why);
	free(text);
	if (in)
		fclose(in);
	return ret;
}

void bench_saved_free(struct bench_saved *s)
{
	for (size_t i = 0; s->row && i < s->nr; i++)
		for (unsigned id = 0; id < BENCH_METRICS; id++)
			free(s->row[i].v[id]);
	free(s->row);
	json_decref(s->root);
	*s = (struct bench_saved){.root = NULL};
}

const struct bench_saved_row *bench_saved_row(const struct bench_saved *s, const char *name)
{
	for (size_t i = 0; i < s->nr; i++)
		if (strcmp(s->row[i].name, name) == 0)
			return &s->row[i];
	return NULL;
}
