/* SPDX-License-Identifier: Apache-2.0 */
/* What a matrix has found, as a grid and for programs. */
#include <stdlib.h>
#include <string.h>

#include "check/junit.h"
#include "check/matrix.h"
#include "check/report.h"
#include "check/rule.h"
#include "vmm/core/compiler.h"
#include "vmm/core/xml.h"
#include "vmm/run.h"

/* ---- one cell */

static bool is(const json_t *o, const char *key, const char *text)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s && strcmp(s, text) == 0;
}

/* The number of a rule that is broken, in the JSON of one; SIZE_MAX: it is not, or is ignored. */
static size_t broken_rule(const json_t *o, const bool *ignored)
{
	const char *id = json_string_value(json_object_get(o, "rule"));
	const struct rule *rule = id && is(o, "state", "broken") ? rule_find(id) : NULL;
	const size_t i = rule ? (size_t)(rule - rules) : SIZE_MAX;

	return rule && !ignored[i] ? i : SIZE_MAX;
}

/* Of one device; *first and *nr go on from those before. */
static void look_for_findings(const json_t *device, const bool *ignored, const struct rule **first,
                              unsigned *nr)
{
	const json_t *list = json_object_get(device, "rules");

	for (size_t i = 0; i < json_array_size(list); i++) {
		const size_t k = broken_rule(json_array_get(list, i), ignored);

		if (k == SIZE_MAX)
			continue;
		++*nr;
		if (!*first || rules[k].level < (*first)->level)
			*first = &rules[k];
	}
}

/* The first one of the worst level, and how many there are. */
static const struct rule *first_finding(const json_t *report, const bool *ignored, unsigned *nr)
{
	const json_t *devices = json_object_get(report, "devices");
	const struct rule *first = NULL;

	*nr = 0;
	for (size_t i = 0; i < json_array_size(devices); i++)
		look_for_findings(json_array_get(devices, i), ignored, &first, nr);
	return first;
}

bool matrix_left_alone(const json_t *report)
{
	const json_t *devices = json_object_get(report, "devices");

	for (size_t i = 0; i < json_array_size(devices); i++)
		if (!json_is_true(json_object_get(json_array_get(devices, i), "left_alone")))
			return false;
	return json_array_size(devices) > 0;
}

/* As with one run: --timeout is also how a driver that goes on for ever ends, and what it did by then was judged. */
static bool without_fault(int status)
{
	return status == EXIT_OK || status == EXIT_TIMEOUT;
}

/* @found: something was, and is said before this. */
static const char *word_of(int status, const char *said, bool found)
{
	static const struct {
		int status;
		const char *word;
	} words[] = {
		{EXIT_OK, "clean"},
		{EXIT_FINDINGS, "rules were broken"},
		{EXIT_NO_DRIVER, "no driver worked, or the guest died"},
		{EXIT_GUEST_DIED, "the guest died"},
	};

	if (status == EXIT_TIMEOUT)
		return found ? "ended by --timeout" : "clean, and ended by --timeout";
	for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
		if (status == words[i].status)
			return words[i].word;
	return said[0] ? said : "ended";
}

/* Why there is no driver that works, as the report says it; NULL: it does not. */
static const char *trouble(const json_t *report)
{
	const char *said = json_string_value(json_object_get(report, "dead"));
	const json_t *devices = json_object_get(report, "devices");

	for (size_t i = 0; i < json_array_size(devices) && !said; i++)
		said = json_string_value(json_object_get(json_array_get(devices, i), "trouble"));
	return said;
}

/* It may have a name that a user has given: whatever bytes that are, the grid, JSON and XML can have them. */
static void to_ascii(char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}

void matrix_verdict(char *text, size_t size, int status, const json_t *report, const bool *ignored,
                    const char *said)
{
	unsigned nr;
	const struct rule *first = first_finding(report, ignored, &nr);
	const char *why = status == EXIT_NO_DRIVER ? trouble(report) : NULL;
	int len = 0;

	text[0] = '\0';
	if (first)
		len = snprintf(text, size, "%s %s", rule_level_name(first->level), first->id);
	if (nr > 1)
		len += snprintf(text + len, size - (size_t)len, " and %u more", nr - 1);
	if (first && (status == EXIT_OK || status == EXIT_FINDINGS))
		return;
	if (!why)
		why = report && status == EXIT_OK && matrix_left_alone(report)
		              ? "left alone"
		              : word_of(status, said, first != NULL);
	snprintf(text + len, size - (size_t)len, "%s%s", first ? "; " : "", why);
	to_ascii(text);
}

bool matrix_worse(int status, int other)
{
	/* From bad to worse; what is in none of them is what the guest says of itself. */
	static const int order[] = {EXIT_OK,         EXIT_TIMEOUT,   -1,         EXIT_FINDINGS,
	                            EXIT_GUEST_DIED, EXIT_NO_DRIVER, EXIT_USAGE, EXIT_HOST};
	unsigned rank[2] = {2, 2};

	for (unsigned i = 0; i < ARRAY_SIZE(order); i++) {
		if (order[i] == status)
			rank[0] = i;
		if (order[i] == other)
			rank[1] = i;
	}
	return rank[0] > rank[1];
}

/* ---- the grid */

static bool is_factor(const char *key, const json_t *value)
{
	return json_is_string(value) && strcmp(key, "keys") != 0 && strcmp(key, "result") != 0;
}

static const char *result_of(const json_t *cell)
{
	const char *s = json_string_value(json_object_get(cell, "result"));

	return s ? s : "not run";
}

static size_t width_of(const json_t *cells, const char *key)
{
	size_t width = strlen(key);

	for (size_t i = 0; i < json_array_size(cells); i++) {
		const json_t *cell = json_array_get(cells, i);
		const size_t len = json_string_length(json_object_get(cell, key));

		width = width > len ? width : len;
	}
	return width;
}

/* A line of the grid; @cell NULL: the heads of its columns. */
static void print_line(const json_t *cells, const json_t *cell, FILE *out)
{
	json_t *first = json_array_get(cells, 0);

	if (cell)
		fprintf(out, "%4lld", (long long)json_integer_value(json_object_get(cell, "cell")));
	else
		fputs("cell", out);
	for (void *at = json_object_iter(first); at; at = json_object_iter_next(first, at)) {
		const char *key = json_object_iter_key(at);

		if (is_factor(key, json_object_iter_value(at)))
			fprintf(out, "  %-*s", (int)width_of(cells, key),
			        cell ? json_string_value(json_object_get(cell, key)) : key);
	}
	fprintf(out, "  %s\n", cell ? result_of(cell) : "result");
}

void matrix_text(const json_t *cells, FILE *out)
{
	unsigned run = 0, good = 0;

	print_line(cells, NULL, out);
	for (size_t i = 0; i < json_array_size(cells); i++) {
		const json_t *cell = json_array_get(cells, i);
		const json_t *status = json_object_get(cell, "status");

		print_line(cells, cell, out);
		run += status != NULL;
		good += status && without_fault((int)json_integer_value(status));
	}
	fprintf(out, "%zu cells, %u run, %u of them without fault\n", json_array_size(cells), run,
	        good);
}

/* ---- for programs */

json_t *matrix_json(const json_t *cells, int status)
{
	return json_pack("{s:s, s:i, s:O}", "doorbell", DOORBELL_VERSION, "status", status, "cells",
	                 cells);
}

static void junit_cell(const json_t *cell, FILE *out)
{
	const json_t *status = json_object_get(cell, "status");

	fprintf(out, "    <testcase classname=\"matrix\" name=\"");
	xml_put(json_string_value(json_object_get(cell, "keys")), out);
	fputs("\">", out);
	if (!status)
		fputs("<skipped message=\"not run\"/>", out);
	else if (!without_fault((int)json_integer_value(status))) {
		fputs("<failure message=\"", out);
		xml_put(result_of(cell), out);
		fputs("\"/>", out);
	}
	fputs("</testcase>\n", out);
}

int matrix_junit(const json_t *cells, FILE *out)
{
	struct junit suite;
	int ret = junit_begin(&suite);

	if (ret < 0)
		return ret;
	for (size_t i = 0; i < json_array_size(cells); i++)
		junit_cell(json_array_get(cells, i), suite.cases);
	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n", out);
	ret = junit_end(&suite, "doorbell check: matrix", out);
	fputs("</testsuites>\n", out);
	return ret;
}
