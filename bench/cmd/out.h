/* SPDX-License-Identifier: Apache-2.0 */
/* bench/cmd/out.h - the folder of results: each file is whole, or not there */
#ifndef DOORBELL_BENCH_OUT_H
#define DOORBELL_BENCH_OUT_H

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>

struct bench_out {
	char dir[PATH_MAX];
	bool made; /* by us, and nothing is in it yet */
};

/* Make @dir, unless it is there, and see whether one can write there. 0; or -errno after one log_error(). */
int bench_out_begin(struct bench_out *o, const char *dir);
/*
 * Its file @name: what @fn writes takes the place of what was there once all of it is on the disk. 0; or -errno after
 * one log_error(), and what was there still is.
 */
int bench_out_write(struct bench_out *o, const char *name, int (*fn)(const void *arg, FILE *out),
                    const void *arg);
/* A folder that we made and have put nothing into goes away. */
void bench_out_end(struct bench_out *o);

/* A folder for this run, in $TMPDIR or /tmp: its path into @path. 0; or -errno after one log_error(). */
int bench_tmp_make(char *path, size_t size);
void bench_tmp_remove(const char *path); /* with all that is in it */

#endif
