/* SPDX-License-Identifier: Apache-2.0 */
/* tests/lib/fuse_file.h - a file whose file system is a process that has fallen silent */
#ifndef DOORBELL_TESTS_FUSE_FILE_H
#define DOORBELL_TESTS_FUSE_FILE_H

#include <sys/types.h>

/*
 * Whatever waits for its server, close() and the end of the process among it, ends with fuse_file_end(), or when
 * RIG_PATIENCE_S are over: no signal ends it.
 */
struct fuse_file {
	int fd;       /* owned; of 1 MiB, read and write */
	pid_t pid;    /* of the server */
	char why[96]; /* it cannot be */
};

/* 0; or -1 with the reason: there is no FUSE, or no right to use it. */
int fuse_file_begin(struct fuse_file *f);
void fuse_file_end(struct fuse_file *f);

#endif
