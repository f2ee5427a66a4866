/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/core/outfile.h - a file that a run writes, opened before it is known whether there will be a run
 *
 * Opening says whether it can be written; what was in it is lost only when the writing begins, and what
 * opening had to make goes again if it never does.
 */
#ifndef DOORBELL_OUTFILE_H
#define DOORBELL_OUTFILE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* How long one write of outfile_stream() waits for a reader: nobody else may be held up by one that does not read. */
#define OUTFILE_PATIENCE_MS 1000

struct outfile {
	int fd;           /* owned; -1: none */
	const char *path; /* borrowed */
	bool made;        /* by us, and the writing has not begun */
};

#define OUTFILE_NONE     \
	(struct outfile) \
	{                \
		.fd = -1 \
	}

/*
 * Waits for nobody: a FIFO without a reader is -ENXIO. The descriptor is non-blocking. 0; or -errno, with
 * f->fd -1.
 */
int outfile_open(struct outfile *f, const char *path);
/* Likewise, but waits for the reader of a FIFO until @deadline_ns (CLOCK_MONOTONIC, 0: no limit): -ETIMEDOUT. */
int outfile_open_by(struct outfile *f, const char *path, uint64_t deadline_ns);
/* The standard output, or what it leads to opened once more: O_NONBLOCK of the former is not ours to change. */
int outfile_open_stdout(struct outfile *f);
/* From here on it is the run's: empty it, if it is a regular file. No-op when not open. 0 or -errno. */
int outfile_begin(struct outfile *f);
/* Is it the file that is open as @fd, by this name or another, and no device? False when one of them is -1. */
bool outfile_is(const struct outfile *f, int fd);
/*
 * After outfile_begin(): a stream that writes to it, and closes it. A write that the reader has not taken after
 * OUTFILE_PATIENCE_MS fails with ETIMEDOUT, and all later ones do so at once. NULL: errno says why.
 */
FILE *outfile_stream(struct outfile *f);
/* strerror() for what these return, but for a reader's fault. @err: errno, or its negative. */
const char *outfile_strerror(int err);
void outfile_close(struct outfile *f); /* no-op when not open */

#endif
