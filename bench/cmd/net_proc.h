/* SPDX-License-Identifier: Apache-2.0 */
/* bench/cmd/net_proc.h - programs of a measurement, which end with us, and the lines that they say */
#ifndef DOORBELL_BENCH_NET_PROC_H
#define DOORBELL_BENCH_NET_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct bench_env;

#define NET_LAST_MAX 96u /* of last words, for a reason: what is longer is cut */

struct net_proc {
	pid_t pid; /* 0: none */
	int fd;    /* its standard input and output; -1: none */
	int log;   /* where its standard error goes; -1: none */
	bool stopped;
	bool closed; /* it does not read, or say, anything any more: most likely it has ended */
	size_t len;  /* of what has been read and is no whole line yet */
	char text[2048];
	char last
		[NET_LAST_MAX]; /* the last line that was not for us: what a kernel says, or a VMM */
};

#define NET_PROC_NONE               \
	(struct net_proc)           \
	{                           \
		.fd = -1, .log = -1 \
	}

#define NET_LINE_MAX 1024u /* what is longer is cut */
/* What says more while one line of it is waited for, or on its standard error, says it for no purpose. */
#define NET_FLOOD_BYTES (UINT64_C(16) << 20)

struct net_spawn {
	char *const *argv; /* argv[0]: a path, or a name to be looked for in PATH */
	const char *log;   /* where its standard error goes, for net_proc_explain() */
	bool own_network;  /* in a network namespace of its own, or else ... */
	pid_t beside;      /* ... in that of this process, 0: in ours */
};

/* 0; or -errno with a line in @why. Whatever becomes of us, the program is killed. */
int net_proc_start(struct net_proc *p, const struct net_spawn *how, char *why);
/* Kill it, with what it has started, and wait for that. No-op on NET_PROC_NONE. */
void net_proc_end(struct net_proc *p);
/* It does nothing, and takes no time, until it goes on. */
void net_proc_pause(struct net_proc *p);
void net_proc_resume(struct net_proc *p);

/* A line to it, with a newline behind. 0 or -errno. */
int net_proc_say(struct net_proc *p, const char *line);
/*
 * Wait until it says a line that begins with @want, which is left in @line (NET_LINE_MAX; may be NULL). Lines
 * that do not begin with '@' are passed over. 0; -EREMOTEIO: it said @error, with the reason in @why; -ETIMEDOUT
 * after @ms; -EPIPE: it has ended; -EFBIG: it said more than NET_FLOOD_BYTES; -EINTR: the user wants to end. A line in
 * @why each time.
 */
int net_proc_expect(const struct bench_env *env, struct net_proc *p, const char *want, unsigned ms,
                    char *line, char *why);
/* Both. */
int net_proc_ask(const struct bench_env *env, struct net_proc *p, const char *line, unsigned ms,
                 char *why);

/* Has it ended? What has closed its end is waited for, a moment. False too of NET_PROC_NONE. */
bool net_proc_ended(struct net_proc *p);
/*
 * How it ended, if it did, and what it said last, into @out: "ended by signal 9 (Killed); console: LINE; standard error:
 * LINE". "" when there is nothing to say.
 */
void net_proc_explain(struct net_proc *p, char *out, size_t size);
uint64_t net_now_ns(void);
/* Sleep; -EINTR when the user wants to end. */
int net_sleep(const struct bench_env *env, unsigned ms);

#endif
