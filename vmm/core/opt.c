/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/core/opt.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/core/compiler.h"
#include "vmm/core/log.h"

#define OPT_TEXT_MAX 512u /* bytes of a message's part: what is allowed, why not */

/* Where a value came from, for messages: "--mem" or "--net tap: key ifname". */
struct origin {
	const char *what; /* "--net tap", or NULL on the command line */
	const char *name; /* as the user wrote it */
};

int opt_parse_uint(const char *text, uint64_t *out)
{
	const bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	const char *digits = hex ? text + 2 : text;
	char *end;

	/* strtoull takes blanks, signs and octal; we do not. */
	if (digits[strspn(digits, hex ? "0123456789abcdefABCDEF" : "0123456789")] != '\0' ||
	    *digits == '\0')
		return -EINVAL;
	errno = 0;
	*out = strtoull(digits, &end, hex ? 16 : 10);
	return errno ? -EINVAL : 0;
}

int opt_parse_size(const char *text, uint64_t *out)
{
	static const char suffix[] = "KMG";
	size_t len = strlen(text);
	char number[24];
	const char *s;
	unsigned shift = 0;

	if (len == 0 || len >= sizeof(number))
		return -EINVAL;
	memcpy(number, text, len + 1);
	s = strchr(suffix, number[len - 1] & ~0x20);
	if (s) {
		shift = 10 * (unsigned)(s - suffix + 1);
		number[len - 1] = '\0';
	}
	if (opt_parse_uint(number, out) < 0 || *out > (UINT64_C(1) << 63) >> shift)
		return -EINVAL;
	*out <<= shift;
	return 0;
}

/* "512M" where it is a whole number of them, so that limits read as they are typed. */
static void print_size(uint64_t v, char *buf, size_t size)
{
	static const char *const unit[] = {"", "K", "M", "G"};
	unsigned u = 0;

	while (u < 3 && v != 0 && v % 1024 == 0) {
		v /= 1024;
		u++;
	}
	snprintf(buf, size, "%llu%s", (unsigned long long)v, unit[u]);
}

static void join(char *buf, size_t size, const char *word)
{
	size_t len = strlen(buf);

	if (len < size)
		snprintf(buf + len, size - len, "%s%s", len ? ", " : "", word);
}

static void describe_allowed(const struct opt_def *d, char *buf, size_t size)
{
	char lo[32], hi[32];

	buf[0] = '\0';
	switch (d->type) {
	case OPT_BOOL:
		snprintf(buf, size, "on or off");
		break;
	case OPT_UINT:
		snprintf(buf, size, "a number from %llu to %llu", (unsigned long long)d->min,
		         (unsigned long long)d->max);
		break;
	case OPT_SIZE:
		print_size(d->min, lo, sizeof(lo));
		print_size(d->max, hi, sizeof(hi));
		snprintf(buf, size, "a size from %s to %s, with K, M or G", lo, hi);
		break;
	case OPT_CHOICE:
		for (unsigned i = 0; d->choices[i]; i++)
			join(buf, size, d->choices[i]);
		break;
	case OPT_COUNT:
	case OPT_STRING:
	case OPT_CALL:
		break;
	}
}

static int refuse(const struct origin *o, const char *value, const char *allowed)
{
	if (o->what)
		log_error("%s: %s=%s is not possible, allowed: %s", o->what, o->name, value,
		          allowed);
	else
		log_error("%s %s is not possible, allowed: %s", o->name, value, allowed);
	return -EINVAL;
}

static int store_string(const struct origin *o, void *at, const char *value)
{
	char *copy;

	if (!o->what) { /* argv lives as long as the process */
		memcpy(at, &value, sizeof(value));
		return 0;
	}
	copy = strdup(value);
	if (!copy) {
		log_error("%s: out of memory", o->what);
		return -ENOMEM;
	}
	memcpy(at, &copy, sizeof(copy));
	return 0;
}

static int store_choice(const struct opt_def *d, unsigned *at, const char *value)
{
	for (unsigned i = 0; d->choices[i]; i++) {
		if (strcmp(d->choices[i], value) == 0) {
			*at = i;
			return 0;
		}
	}
	return -EINVAL;
}

static int store_number(const struct opt_def *d, uint64_t *at, const char *value)
{
	uint64_t v;
	int ret = d->type == OPT_SIZE ? opt_parse_size(value, &v) : opt_parse_uint(value, &v);

	if (ret < 0 || v < d->min || v > d->max)
		return -EINVAL;
	*at = v;
	return 0;
}

static int store_bool(bool *at, const char *value)
{
	if (!value || strcmp(value, "on") == 0)
		*at = true;
	else if (strcmp(value, "off") == 0)
		*at = false;
	else
		return -EINVAL;
	return 0;
}

static int store_call(const struct opt_def *d, void *target, const struct origin *o,
                      const char *value)
{
	char why[OPT_TEXT_MAX] = "";
	int ret = d->parse(target, value, why, sizeof(why));

	if (ret == 0)
		return 0;
	if (why[0] == '\0') /* parse() has said it itself */
		return -EINVAL;
	if (o->what)
		log_error("%s: %s=%s: %s", o->what, o->name, value, why);
	else
		log_error("%s %s: %s", o->name, value, why);
	return -EINVAL;
}

/* @value NULL: none was given. */
static int store(const struct opt_def *d, void *target, const struct origin *o, const char *value)
{
	void *at = (char *)target + d->offset;
	char allowed[OPT_TEXT_MAX];
	int ret = -EINVAL;

	switch (d->type) {
	case OPT_BOOL:
		ret = store_bool(at, value);
		break;
	case OPT_COUNT:
		++*(unsigned *)at;
		return 0;
	case OPT_STRING:
		return store_string(o, at, value ? value : "");
	case OPT_CALL:
		return store_call(d, target, o, value ? value : "");
	case OPT_UINT:
	case OPT_SIZE:
		ret = store_number(d, at, value);
		break;
	case OPT_CHOICE:
		ret = store_choice(d, at, value);
		break;
	}
	if (ret == 0)
		return 0;
	describe_allowed(d, allowed, sizeof(allowed));
	return refuse(o, value ? value : "", allowed);
}

struct found {
	const struct opt_def *def;
	void *target;
	unsigned bit; /* position over all groups */
};

static bool find(const struct opt_group *groups, unsigned nr, const char *name, size_t len,
                 char letter, struct found *out)
{
	unsigned bit = 0;

	for (unsigned g = 0; g < nr; g++) {
		for (const struct opt_def *d = groups[g].defs; d && d->name; d++, bit++) {
			bool hit = letter ? d->letter == letter
			                  : strlen(d->name) == len && !memcmp(d->name, name, len);

			if (hit) {
				*out = (struct found){d, groups[g].target, bit};
				return true;
			}
		}
	}
	return false;
}

static void list_names(const struct opt_group *groups, unsigned nr, const char *dash, char *buf,
                       size_t size)
{
	char word[64];

	buf[0] = '\0';
	for (unsigned g = 0; g < nr; g++) {
		for (const struct opt_def *d = groups[g].defs; d && d->name; d++) {
			snprintf(word, sizeof(word), "%s%s", dash, d->name);
			join(buf, size, word);
		}
	}
}

static int unknown(const struct opt_group *groups, unsigned nr, const char *what, const char *word)
{
	char names[OPT_TEXT_MAX];

	list_names(groups, nr, what ? "" : "--", names, sizeof(names));
	if (what)
		log_error("%s: unknown key '%s', there are: %s", what, word,
		          names[0] ? names : "no keys");
	else
		log_error("unknown option %s, there are: %s", word, names);
	return -EINVAL;
}

struct words {
	int argc, at;
	char **argv;
};

/* The value of the option @f: behind "=" or "letter", or the next word. */
static int take_value(const struct found *f, const struct origin *o, const char *inl,
                      struct words *w, const char **value)
{
	*value = inl;
	if (!f->def->arg) {
		if (inl) {
			log_error("%s takes no value, given was '%s'", o->name, inl);
			return -EINVAL;
		}
		return 0;
	}
	if (inl || f->def->arg_optional)
		return 0;
	if (w->at + 1 >= w->argc) {
		log_error("%s needs a value: %s %s", o->name, o->name, f->def->arg);
		return -EINVAL;
	}
	*value = w->argv[++w->at];
	return 0;
}

static int long_option(const struct opt_group *groups, unsigned nr, struct words *w)
{
	const char *word = w->argv[w->at];
	size_t len = strcspn(word + 2, "=");
	const char *inl = word[2 + len] == '=' ? word + 2 + len + 1 : NULL;
	char name[64];
	struct origin o = {.name = name};
	struct found f;
	const char *value;
	int ret;

	if (len >= sizeof(name) - 2 || !find(groups, nr, word + 2, len, 0, &f))
		return unknown(groups, nr, NULL, word);
	snprintf(name, sizeof(name), "--%.*s", (int)len, word + 2);
	ret = take_value(&f, &o, inl, w, &value);
	return ret < 0 ? ret : store(f.def, f.target, &o, value);
}

/* -m 512M, -m512M, -vv */
static int short_options(const struct opt_group *groups, unsigned nr, struct words *w)
{
	const char *word = w->argv[w->at];

	for (const char *p = word + 1; *p; p++) {
		char name[64];
		struct origin o = {.name = name};
		struct found f;
		const char *value;
		int ret;

		snprintf(name, sizeof(name), "-%c", *p);
		if (!find(groups, nr, NULL, 0, *p, &f))
			return unknown(groups, nr, NULL, name);
		snprintf(name, sizeof(name), "-%c/--%s", *p, f.def->name);
		ret = take_value(&f, &o, f.def->arg && p[1] ? p + 1 : NULL, w, &value);
		if (ret == 0)
			ret = store(f.def, f.target, &o, value);
		if (ret < 0)
			return ret;
		if (f.def->arg)
			break;
	}
	return 0;
}

int opt_parse_argv(const struct opt_group *groups, unsigned nr, int argc, char **argv)
{
	struct words w = {.argc = argc, .argv = argv};
	bool options = true;
	int others = 0;

	for (; w.at < argc; w.at++) {
		char *word = argv[w.at];
		int ret = 0;

		if (options && strcmp(word, "--") == 0)
			options = false;
		else if (options && word[0] == '-' && word[1] == '-')
			ret = long_option(groups, nr, &w);
		else if (options && word[0] == '-' && word[1] != '\0')
			ret = short_options(groups, nr, &w);
		else
			argv[others++] = word;
		if (ret < 0)
			return -EINVAL;
	}
	return others;
}

/* Cut the next piece at a single comma, undoing ",,". Returns where the rest begins, NULL at the end. */
static const char *next_piece(const char *text, char *piece)
{
	for (; *text; text++) {
		if (*text == ',') {
			if (text[1] != ',') {
				*piece = '\0';
				return text + 1;
			}
			text++;
		}
		*piece++ = *text;
	}
	*piece = '\0';
	return NULL;
}

static int one_key(const struct opt_group *groups, unsigned nr, const char *what, char *piece,
                   uint64_t *seen)
{
	char *eq = strchr(piece, '=');
	struct origin o = {.what = what, .name = piece};
	struct found f;

	if (eq)
		*eq = '\0';
	if (!find(groups, nr, piece, strlen(piece), 0, &f))
		return unknown(groups, nr, what, piece);
	if (!eq && f.def->type != OPT_BOOL) {
		log_error("%s: key %s needs a value: %s=%s", what, piece, piece,
		          f.def->arg ? f.def->arg : "VALUE");
		return -EINVAL;
	}
	if (!f.def->repeatable && f.bit < 64) {
		if (*seen & FEATURE(f.bit)) {
			log_error("%s: key %s is given twice", what, piece);
			return -EINVAL;
		}
		*seen |= FEATURE(f.bit);
	}
	return store(f.def, f.target, &o, eq ? eq + 1 : NULL);
}

int opt_parse_keys(const struct opt_group *groups, unsigned nr, const char *what, const char *text)
{
	char *piece;
	uint64_t seen = 0;
	int ret = 0;

	if (!text)
		return 0;
	piece = malloc(strlen(text) + 1);
	if (!piece) {
		log_error("%s: out of memory", what);
		return -ENOMEM;
	}
	while (text && ret == 0) {
		text = next_piece(text, piece);
		ret = one_key(groups, nr, what, piece, &seen);
	}
	free(piece);
	return ret;
}

void opt_keys_free(const struct opt_def *defs, void *target)
{
	for (const struct opt_def *d = defs; d && d->name; d++) {
		char **at = (char **)(void *)((char *)target + d->offset);

		if (d->type != OPT_STRING)
			continue;
		free(*at);
		*at = NULL;
	}
}

static bool same(const struct opt_def *d, const void *a, const void *b, char *value, size_t size)
{
	const void *at_a = (const char *)a + d->offset, *at_b = (const char *)b + d->offset;

	if (d->type == OPT_STRING) {
		const char *text = *(const char *const *)at_a, *other = *(const char *const *)at_b;

		if (!text || !other || strcmp(text, other) != 0)
			return false;
		snprintf(value, size, "%s", text);
		return true;
	}
	if (*(const uint64_t *)at_a != *(const uint64_t *)at_b || *(const uint64_t *)at_a > d->max)
		return false;
	snprintf(value, size, "%llu", *(const unsigned long long *)at_a);
	return true;
}

const struct opt_def *opt_clash(const struct opt_def *defs, const void *a, const void *b,
                                char *value, size_t size)
{
	for (const struct opt_def *d = defs; d && d->name; d++)
		if (d->exclusive && same(d, a, b, value, size))
			return d;
	return NULL;
}

static void help_left(const struct opt_def *d, int keys, char *buf, size_t size)
{
	char letter[8] = "    ";

	if (keys) {
		snprintf(buf, size, "%s%s%s", d->name, d->arg ? "=" : "", d->arg ? d->arg : "");
		return;
	}
	if (d->letter)
		snprintf(letter, sizeof(letter), "-%c, ", d->letter);
	snprintf(buf, size, "%s--%s%s%s%s", letter, d->name,
	         !d->arg           ? ""
	         : d->arg_optional ? "[="
	                           : " ",
	         d->arg ? d->arg : "", d->arg && d->arg_optional ? "]" : "");
}

void opt_help_tables(FILE *out, const struct opt_def *const *tables, int indent, int keys)
{
	char left[128];
	int width = 0;

	for (const struct opt_def *const *t = tables; *t; t++)
		for (const struct opt_def *d = *t; d->name; d++) {
			help_left(d, keys, left, sizeof(left));
			if ((int)strlen(left) > width)
				width = (int)strlen(left);
		}
	for (const struct opt_def *const *t = tables; *t; t++)
		for (const struct opt_def *d = *t; d->name; d++) {
			help_left(d, keys, left, sizeof(left));
			fprintf(out, "%*s%-*s  %s\n", indent, "", width, left, d->help);
		}
}

void opt_help(FILE *out, const struct opt_def *defs, int indent, int keys)
{
	const struct opt_def *const tables[] = {defs, NULL};

	opt_help_tables(out, tables, indent, keys);
}
