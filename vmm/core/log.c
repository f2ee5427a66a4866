/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/core/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

/*
 * The only mutable state of the process that no struct owns: a log line must be possible from
 * everywhere, also where there is no context to hand through.
 */
static atomic_int log_level = LOG_WARN;
static atomic_bool log_raw;

#define LOG_LINE_MAX 1024u

void log_set_level(enum log_level level)
{
	atomic_store_explicit(&log_level, (int)level, memory_order_relaxed);
}

void log_set_verbosity(unsigned verbose, bool quiet)
{
	log_set_level(quiet          ? LOG_ERROR
	              : verbose == 0 ? LOG_WARN
	              : verbose == 1 ? LOG_INFO
	                             : LOG_DEBUG);
}

void log_set_raw(bool raw)
{
	atomic_store_explicit(&log_raw, raw, memory_order_relaxed);
}

void log_line(enum log_level level, const char *fmt, ...)
{
	static const char *const prefix[] = {"", "warning: ", "", "debug: "};
	char line[LOG_LINE_MAX];
	int saved = errno;
	va_list ap;
	size_t len;
	int n;

	if ((int)level > atomic_load_explicit(&log_level, memory_order_relaxed))
		return;
	n = snprintf(line, sizeof(line), "doorbell: %s", prefix[level]);
	len = n > 0 ? (size_t)n : 0;
	va_start(ap, fmt);
	n = vsnprintf(line + len, sizeof(line) - len - 2, fmt, ap);
	va_end(ap);
	if (n > 0)
		len += (size_t)n;
	if (len > sizeof(line) - 3) /* cut: the buffer holds one less than the size it was given */
		len = sizeof(line) - 3;
	if (atomic_load_explicit(&log_raw, memory_order_relaxed))
		line[len++] = '\r';
	line[len++] = '\n';
	/* A lost log line has nobody to be told to. */
	if (write(STDERR_FILENO, line, len) < 0)
		errno = 0;
	errno = saved;
}

bool log_guest_may(atomic_uint *said)
{
	unsigned n = atomic_load_explicit(said, memory_order_relaxed);

	/* Not fetch_add: a guest that tries 2^32 times must not make it start again. */
	if (n >= LOG_GUEST_MAX)
		return false;
	n = atomic_fetch_add_explicit(said, 1, memory_order_relaxed) + 1;
	if (n == LOG_GUEST_MAX)
		log_line(LOG_WARN, "the next message has come %u times and is not repeated",
		         LOG_GUEST_MAX);
	return n <= LOG_GUEST_MAX;
}
