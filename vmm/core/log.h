/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/core/log.h - one line per event on stderr, "doorbell: ..." */
#ifndef DOORBELL_LOG_H
#define DOORBELL_LOG_H

#include <stdatomic.h>
#include <stdbool.h>

#include "vmm/core/compiler.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* What is printed: LOG_WARN unless told; -q is LOG_ERROR, -v LOG_INFO, -vv LOG_DEBUG. Before threads start. */
void log_set_level(enum log_level level);
void log_set_verbosity(unsigned verbose, bool quiet); /* how often -v was given; and -q */

/*
 * While @raw the terminal needs "\r\n": set by the console when it switches the terminal.
 * Any thread.
 */
void log_set_raw(bool raw);

/* Any thread; one write(2) per line, so lines never mix. errno is left as it was. */
void log_line(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);

#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)

/*
 * Noise that a guest can cause at will: each place in the code speaks at most ten times in the
 * life of the process, the tenth line says so.
 */
#define LOG_GUEST_MAX 10u
bool log_guest_may(atomic_uint *said);
#define log_guest(...)                                   \
	do {                                             \
		static atomic_uint said_;                \
		if (log_guest_may(&said_))               \
			log_line(LOG_WARN, __VA_ARGS__); \
	} while (0)

#endif
