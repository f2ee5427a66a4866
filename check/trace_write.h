/* SPDX-License-Identifier: Apache-2.0 */
/* check/trace_write.h - writes the file of check/trace.h, on a thread of its own
 *
 * Two buffers of TRACE_BUFFER bytes: one is filled while the other is written, at the latest TRACE_LATE_MS after its first
 * record. Nothing is left out: when both are full, whoever has a record waits for the file. A file that takes nothing more, or for
 * OUTFILE_PATIENCE_MS (vmm/core/outfile.h), ends the recording after one log_warn(), and nobody waits again.
 */
#ifndef DOORBELL_CHECK_TRACE_WRITE_H
#define DOORBELL_CHECK_TRACE_WRITE_H

#include <stdio.h>

#include "check/trace.h"

struct iovec;
struct trace_writer;

#define TRACE_BUFFER  MIB(1)
#define TRACE_LATE_MS 20u

/*
 * @out, of which the header is written, is owned by the writer from then on, also on failure. @path: for messages; borrowed.
 * 0 or -errno, with *w NULL.
 */
int trace_writer_create(FILE *out, const char *path, struct trace_writer **w);
/* Any thread. Between the two others wait, and what the caller puts stands one behind the other. */
void trace_lock(struct trace_writer *w);
void trace_unlock(struct trace_writer *w);
/*
 * With the lock: @r, whose time is set here, with @iov as its data, which may be guest memory: each byte is read once. At most
 * TRACE_DATA_MAX bytes. May wait for the file.
 */
void trace_put(struct trace_writer *w, struct trace_record *r, const struct iovec *iov,
               unsigned nr);
/* The end: what is there is written, and TRACE_END. 0; or -errno, which has been said. NULL is fine. */
int trace_writer_destroy(struct trace_writer *w);

#endif
