/* SPDX-License-Identifier: Apache-2.0 */
/* check/rule.h - what the specification asks of drivers, as data: rule_table.c */
#ifndef DOORBELL_RULE_H
#define DOORBELL_RULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* IMPLIED: follows from a description or a table that has no capitalised word. */
enum rule_level { RULE_MUST, RULE_MUST_NOT, RULE_SHOULD, RULE_SHOULD_NOT, RULE_IMPLIED };

struct rule {
	const char *id; /* "init.reset-first" */
	enum rule_level level;
	const char *part;    /* "init" */
	const char *section; /* "1.2, 3.1.1": version, number */
	const char *text;    /* in our words */
	const char
		*advice; /* one sentence; NULL: this version does not check it, see rule_unseen() */
};

extern const struct rule rules[];
extern const size_t nr_rules;

const char *rule_level_name(enum rule_level level); /* "MUST NOT" */
bool rule_is_must(const struct rule *r);
bool rule_is_should(const struct rule *r);
/* What would make the rules of its part come up: words for a report. NULL: its part is not checked. */
const char *rule_exercise(const struct rule *r);
/* Is it checked: by itself; as the sum of others; or not, as nothing here brings it up, or as it leaves no trace. */
enum rule_sight { RULE_SEEN, RULE_SUM, RULE_ABSENT, RULE_UNSEEN };
enum rule_sight rule_sight(const struct rule *r);
/* Why it is not checked: one sentence. NULL: it is. */
const char *rule_unseen(const struct rule *r);
/* NULL: none has that id. */
const struct rule *rule_find(const char *id);
/*
 * Which of two words was @word meant to be: @best (NULL: nothing has been found yet), or @other? Only one that is near, with two
 * letters of five to insert, delete or replace at most. NULL: neither is.
 */
const char *word_nearer(const char *word, const char *best, const char *other);
/* The id that @id was meant to be, likewise; or NULL. */
const char *rule_meant(const char *id);
/* Behind the word for what there are @n of. */
static inline const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

#endif
