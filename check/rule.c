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

/* Levenshtein's. */
size_t word_distance(const char *a, const char *b)
{
	const size_t la = min_size(strlen(a), ID_MAX), lb = min_size(strlen(b), ID_MAX);
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

const struct rule *rule_closest(const char *id)
{
	const struct rule *best = &rules[0];

	for (size_t i = 1; i < nr_rules; i++)
		if (word_distance(id, rules[i].id) < word_distance(id, best->id))
			best = &rules[i];
	return best;
}
