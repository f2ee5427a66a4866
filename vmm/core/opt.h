/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/core/opt.h - options from tables: one table parses, prints --help and feeds the messages
 *
 * A table row says where its value goes by offset in a plain struct, so that the result of parsing is
 * data and defaults are an initialised struct. Used twice: for the words of a command line
 * (--mem 512M) and for the keys of one word (tap,ifname=tap0).
 */
#ifndef DOORBELL_OPT_H
#define DOORBELL_OPT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum opt_type {
	OPT_BOOL,   /* bool: a flag; as a key also =on, =off */
	OPT_COUNT,  /* unsigned: one more each time (-v -v) */
	OPT_STRING, /* const char *: borrowed from argv, or duplicated for keys (opt_keys_free) */
	OPT_UINT,   /* uint64_t within min..max, decimal or 0x */
	OPT_SIZE,   /* uint64_t bytes within min..max, suffix K M G */
	OPT_CHOICE, /* unsigned: index into choices, a NULL-ended list of exact words */
	OPT_CALL,   /* parse() decides */
};

struct opt_def {
	const char *name; /* long name without dashes, or key */
	char letter;      /* short option or 0; unused for keys */
	enum opt_type type;
	size_t offset; /* of the value in the target struct */
	uint64_t min, max;
	const char *const *choices;
	/*
	 * OPT_CALL: @target is the struct, not the member. 0 or -errno with the reason in @why
	 * (a sentence without full stop that says what is allowed).
	 */
	int (*parse)(void *target, const char *value, char *why, size_t why_size);
	const char *arg;  /* the value's name in --help; NULL = takes none */
	const char *help; /* one line */
	/* OPT_STRING and OPT_CALL with arg: the value may be left out (--stats[=FILE]); then it is "". */
	int arg_optional;
	int repeatable; /* a key: may be given more than once */
	int exclusive;  /* OPT_STRING, OPT_UINT: what can be used once, see opt_clash() */
};

#define OPT_END              \
	{                    \
		.name = NULL \
	}

/* A table and the struct that its offsets are in. */
struct opt_group {
	const struct opt_def *defs; /* ended by OPT_END */
	void *target;
};

/*
 * Parse argv[0..argc) (without program and command name). Options and other words may be mixed;
 * "--" ends the options. The other words are moved to the front of argv, their number is returned.
 * -EINVAL after one log_error() that names the option, what was given and what is allowed.
 */
int opt_parse_argv(const struct opt_group *groups, unsigned nr, int argc, char **argv);

/*
 * Parse "key=value,key,..." (no leading kind). NULL is fine. @what is what messages call it: "--net tap".
 * ",," in a value stands for one comma. A key given twice is an error, unless it is repeatable.
 * 0 or -EINVAL with one message that names the key, what was given, and the keys that exist.
 * Strings that were stored are duplicates: opt_keys_free() on each target.
 */
int opt_parse_keys(const struct opt_group *groups, unsigned nr, const char *what, const char *text);
void opt_keys_free(const struct opt_def *defs,
                   void *target); /* frees and NULLs OPT_STRING members */

/*
 * The first exclusive key that has the same value in @a and @b, two targets of @defs, with that value as
 * text in @value; NULL: none. NULL strings and numbers above max are not given and no clash.
 */
const struct opt_def *opt_clash(const struct opt_def *defs, const void *a, const void *b,
                                char *value, size_t size);

/* One line per row, aligned, in table order, @indent spaces first; as keys when @keys, else as options. */
void opt_help(FILE *out, const struct opt_def *defs, int indent, int keys);
/* Likewise several tables, as if they were one; NULL-ended. */
void opt_help_tables(FILE *out, const struct opt_def *const *tables, int indent, int keys);

/* "512M" -> bytes. 0 or -EINVAL (not a number, suffix unknown, or over 2^63). */
int opt_parse_size(const char *text, uint64_t *out);
int opt_parse_uint(const char *text, uint64_t *out); /* decimal or 0x; 0 or -EINVAL */

#endif
