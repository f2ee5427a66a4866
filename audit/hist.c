/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/hist.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "vmm/core/compiler.h"
#include "vmm/core/num.h"

/* The value behind "NAME:", up to the next comma. */
static bool parse_value(const char *text, struct hist_row *row)
{
	uint64_t *key = &row->key[row->nr_keys];

	text += strspn(text, " ");
	if (*text == '[') {
		text++;
		if (!num_next(&text, 16, key) || *text != ']')
			return false;
		text += 1 + strspn(text + 1, " ");
		snprintf(row->symbol, sizeof(row->symbol), "%.*s", (int)strcspn(text, " "), text);
	} else if (!num_at(text, 10, key)) {
		return false;
	}
	row->nr_keys++;
	return true;
}

/* One line, cut into pieces; it begins with '{'. */
static bool parse_row(char *line, struct hist_row *row)
{
	char *end = strrchr(line, '}'), *hits, *part, *rest;

	*row = (struct hist_row){0};
	hits = end ? strstr(end, "hitcount:") : NULL;
	if (!hits || !num_at(hits + strlen("hitcount:"), 10, &row->hits))
		return false;
	*end = '\0';
	for (rest = line + 1; (part = strsep(&rest, ",")) && row->nr_keys < HIST_KEYS;) {
		const char *colon = strchr(part, ':');

		if (!colon || !parse_value(colon + 1, row))
			return false;
	}
	return row->nr_keys > 0;
}

uint64_t hist_parse(const char *text, void (*fn)(void *arg, const struct hist_row *row), void *arg)
{
	uint64_t dropped = HIST_CUT;
	struct hist_row row;
	char line[512], *at;

	for (const char *end; *text; text = *end ? end + 1 : end) {
		size_t len = strcspn(text, "\n");

		end = text + len;
		len = min_size(len, sizeof(line) - 1);
		memcpy(line, text, len);
		line[len] = '\0';
		if (line[0] == '{' && parse_row(line, &row))
			fn(arg, &row);
		else if ((at = strstr(line, "Dropped:")) != NULL)
			num_at(at + strlen("Dropped:"), 10, &dropped);
	}
	return dropped;
}
