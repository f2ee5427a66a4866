/* SPDX-License-Identifier: Apache-2.0 */
/* net/dl.h - open a library when a run asks for what it does
 *
 * A start that needs neither libslirp nor libpcap pays for neither (with glib they cost about a
 * millisecond and half a megabyte), and an installation without them still runs everything else.
 */
#ifndef DOORBELL_DL_H
#define DOORBELL_DL_H

#include <stddef.h>

/* One function: its name in the library, and where the pointer goes in the caller's table. */
struct dl_function {
	const char *name;
	size_t offset;
};

struct dl_library {
	const char *soname;                  /* "libslirp.so.0" */
	const char *package;                 /* Debian's name of it, for the message */
	const struct dl_function *functions; /* ended by name NULL */
};

/*
 * Open @lib and fill @table, a struct of function pointers. The library stays open until the process
 * ends. 0; or, with the reason in @why, -ELIBACC: not there or too old, -EMFILE: this process has too many
 * files open.
 */
int dl_open(const struct dl_library *lib, void *table, char *why, size_t why_size);

#endif
