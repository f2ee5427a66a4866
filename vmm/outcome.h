/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/outcome.h - how a command ends: what it writes to files, and the exit status of an error */
#ifndef DOORBELL_OUTCOME_H
#define DOORBELL_OUTCOME_H

#include <jansson.h>

#include "vmm/core/outfile.h"

/*
 * Of an -errno: EXIT_USAGE for what the user's words can cause, EXIT_TIMEOUT for --timeout, before there was anything to
 * end; what is left is the host's fault. The message has been printed where the name was known.
 */
int exit_status_of(int err);

/* outfile_open_by() of what @option names; no-op when @path is NULL. 0; or -errno after one log_error(). */
int outcome_open(struct outfile *f, const char *option, const char *path, uint64_t deadline_ns);
/*
 * --stats: @stats (taken) to @f, which is open, or, when @path is NULL, to standard error. 0; or -errno after one
 * log_error().
 */
int outcome_stats(json_t *stats, const char *path, struct outfile *f);

#endif
