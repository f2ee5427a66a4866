/* SPDX-License-Identifier: Apache-2.0 */
/* Devicetree Specification 0.4, chapter 5: a header, then a stream of tokens. It comes from the machine and is trusted. */
#include "tree.h"

enum { BEGIN_NODE = 1, END_NODE = 2, PROP = 3, END = 9 };

struct walk {
	const uint8_t *at;
	const char *strings;
	const char *name; /* of the property, and ... */
	const uint8_t *value;
};

static uint32_t be32(const uint8_t *p)
{
	return __builtin_bswap32(*(const uint32_t *)p);
}

static bool same(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

static struct walk begin(const uint8_t *tree)
{
	return (struct walk){.at = tree + be32(tree + 8),
	                     .strings = (const char *)tree + be32(tree + 12)};
}

static uint32_t next(struct walk *w)
{
	const uint32_t token = be32(w->at);

	w->at += 4;
	if (token == BEGIN_NODE) {
		while (*w->at++)
			;
	} else if (token == PROP) {
		w->name = w->strings + be32(w->at + 4);
		w->value = w->at + 8;
		w->at += 8 + be32(w->at);
	}
	w->at = (const uint8_t *)(((uint64_t)w->at + 3) & ~3ull);
	return token;
}

static bool in_words(const char *words, const char *word)
{
	while (*words) {
		const char *w = word;

		while (*words && *words == *w)
			words++, w++;
		if (!*w && (*words == ' ' || !*words))
			return true;
		while (*words && *words++ != ' ')
			;
	}
	return false;
}

bool tree_has_word(const void *tree, const char *word)
{
	struct walk w = begin(tree);
	uint32_t token;

	while ((token = next(&w)) != END)
		if (token == PROP && same(w.name, "bootargs"))
			return in_words((const char *)w.value, word);
	return false;
}

bool tree_find(const void *tree, const char *compatible, unsigned nth, uint64_t *base,
               unsigned *line)
{
	struct walk w = begin(tree);
	bool match = false;
	uint32_t token;

	while ((token = next(&w)) != END) {
		if (token == BEGIN_NODE || token == END_NODE) { /* properties come before nodes */
			if (match && nth-- == 0)
				return true;
			match = false;
		} else if (token == PROP && same(w.name, "compatible")) {
			match = same((const char *)w.value, compatible);
		} else if (token == PROP && same(w.name, "reg")) {
			*base = (uint64_t)be32(w.value) << 32 | be32(w.value + 4);
		} else if (token == PROP && same(w.name, "interrupts")) {
			*line = be32(w.value);
		}
	}
	return false;
}
