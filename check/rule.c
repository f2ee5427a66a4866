/* SPDX-License-Identifier: Apache-2.0 */
#include "check/rule.h"

#include <string.h>

#include "vmm/core/compiler.h"

#define ID_MAX 48u

const char *rule_level_name(enum rule_level level)
{
	static const char *const names[] = {[RULE_MUST] = "MUST",
	                                    [RULE_MUST_NOT] = "MUST NOT",
	                                    [RULE_SHOULD] = "SHOULD",
	                                    [RULE_SHOULD_NOT] = "SHOULD NOT",
	                                    [RULE_IMPLIED] = "implied"};

	return names[level];
}

bool rule_is_must(const struct rule *r)
{
	return r->level == RULE_MUST || r->level == RULE_MUST_NOT;
}

bool rule_is_should(const struct rule *r)
{
	return r->level == RULE_SHOULD || r->level == RULE_SHOULD_NOT;
}

const struct rule *rule_find(const char *id)
{
	for (size_t i = 0; i < nr_rules; i++)
		if (strcmp(rules[i].id, id) == 0)
			return &rules[i];
	return NULL;
}

/* Only the beginnings of long words are looked at. */
static size_t length(const char *word)
{
	return strnlen(word, ID_MAX);
}

/* Levenshtein's. */
static size_t distance(const char *a, const char *b)
{
	const size_t la = length(a), lb = length(b);
	size_t row[ID_MAX + 1];

	for (size_t k = 0; k <= lb; k++)
		row[k] = k;
	for (size_t i = 1; i <= la; i++) {
		size_t left_above = row[0];

		row[0] = i;
		for (size_t k = 1; k <= lb; k++) {
			const size_t replace = left_above + (a[i - 1] != b[k - 1]);

			left_above = row[k];
			row[k] = min_size(replace, min_size(row[k], row[k - 1]) + 1);
		}
	}
	return row[lb];
}

const char *word_nearer(const char *word, const char *best, const char *other)
{
	const size_t its = distance(word, other), a = length(word), b = length(other);

	if (5 * its > 2 * (a > b ? a : b))
		return best;
	return best && distance(word, best) <= its ? best : other;
}

const char *rule_meant(const char *id)
{
	const char *best = NULL;

	for (size_t i = 0; i < nr_rules; i++)
		best = word_nearer(id, best, rules[i].id);
	return best;
}
