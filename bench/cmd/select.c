/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/cmd/select.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/core/log.h"

/* "tcp-stream/g2h" is "tcp-stream/g2h/pure", and not "tcp-stream/g2hx/pure". */
static bool is_meant(const struct bench_row *row, const char *word, size_t len)
{
	if (strlen(row->set) == len && strncmp(row->set, word, len) == 0)
		return true;
	if (row->core && len == strlen("core") && strncmp(word, "core", len) == 0)
		return true;
	return strncmp(row->name, word, len) == 0 &&
	       (row->name[len] == '\0' || row->name[len] == '/');
}

static int refuse_word(const struct bench_row *const *all, size_t nr, const char *word, int len)
{
	char sets[400] = "";
	size_t used = 0;

	for (size_t i = 0; i < nr && used < sizeof(sets); i++) {
		bool new = true;

		for (size_t k = 0; k < i; k++)
			new &= strcmp(all[k]->set, all[i]->set) != 0;
		if (new)
			used += (size_t)snprintf(sets + used, sizeof(sets) - used, "%s%s",
			                         used ? ", " : "", all[i]->set);
	}
	log_error("--only '%.*s' is no row and no set, there are the sets core, %s, and the rows "
	          "of --list",
	          len, word, sets);
	return -EINVAL;
}

static int choose_words(const struct bench_row *const *all, size_t nr, const char *only,
                        bool *chosen)
{
	const char *end;

	for (const char *word = only;; word = end + 1) {
		bool found = false;

		end = strchrnul(word, ',');
		for (size_t i = 0; i < nr && end > word; i++)
			if (is_meant(all[i], word, (size_t)(end - word)))
				chosen[i] = found = true;
		if (!found)
			return refuse_word(all, nr, word, (int)(end - word));
		if (!*end)
			return 0;
	}
}

/* A row stands behind the one that it is measured against. */
static void choose_against(const struct bench_row *const *all, size_t nr, bool *chosen)
{
	for (size_t i = nr; i-- > 0;)
		for (size_t k = 0; k < i && chosen[i] && all[i]->against; k++)
			if (strcmp(all[k]->name, all[i]->against) == 0)
				chosen[k] = true;
}

/* Its turn is beside the row that it is measured against, when there is one. */
static void choose_beside(const struct bench_row *const *all, size_t nr, const char *on,
                          bool *chosen)
{
	for (size_t i = 0; i < nr; i++) {
		const char *last = strrchr(all[i]->name, '/');

		if (!last || !all[i]->against || strcmp(last + 1, on) != 0)
			continue;
		for (size_t k = 0; k < i; k++)
			chosen[i] |= chosen[k] && strcmp(all[k]->name, all[i]->against) == 0;
	}
}

long bench_select(const struct bench_row *const *all, size_t nr, const struct bench_choice *choice,
                  const struct bench_row **out)
{
	bool *chosen = calloc(nr + 1, sizeof(*chosen));
	long ret = chosen ? 0 : -ENOMEM;

	for (size_t i = 0; ret == 0 && i < choice->nr_only; i++)
		ret = choose_words(all, nr, choice->only[i], chosen);
	for (size_t i = 0; ret == 0 && choice->nr_only == 0 && i < nr; i++)
		chosen[i] = choice->full || all[i]->core;
	if (ret == 0 && choice->beside)
		choose_beside(all, nr, choice->beside, chosen);
	if (ret == 0)
		choose_against(all, nr, chosen);
	for (size_t i = 0; ret >= 0 && i < nr; i++)
		if (chosen[i])
			out[ret++] = all[i];
	free(chosen);
	return ret;
}
