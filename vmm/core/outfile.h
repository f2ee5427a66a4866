/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/core/outfile.h - a file that a run writes, opened before it is known whether there will be a run
 *
 * Opening says whether it can be written; what was in it is lost only when the writing begins, and what
 * opening had to make goes again if it never does.
 */
#ifndef DOORBELL_OUTFILE_H
#define DOORBELL_OUTFILE_H

#include <stdbool.h>

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
 * @flags beside those of an output file: O_NONBLOCK. A FIFO without it waits for its reader. 0; or
 * -errno, with f->fd -1.
 */
int outfile_open(struct outfile *f, const char *path, int flags);
/* From here on it is the run's: empty it, if it is a regular file. No-op when not open. 0 or -errno. */
int outfile_begin(struct outfile *f);
/* After outfile_begin(): somebody else closes it. */
int outfile_take(struct outfile *f);
void outfile_close(struct outfile *f); /* no-op when not open */

#endif
