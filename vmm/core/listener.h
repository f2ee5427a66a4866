/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/core/listener.h - a unix socket on which a loop accepts clients */
#ifndef DOORBELL_LISTENER_H
#define DOORBELL_LISTENER_H

#include <stdbool.h>
#include <sys/un.h>

#include "vmm/core/loop.h"

/*
 * Loop thread, or while the loop does not run. A client that cannot be accepted, because the process or the host
 * has no descriptor or no memory to spare, waits in the backlog and leaves the socket readable: then nobody looks for
 * a while, or the loop would do nothing else.
 */
struct listener {
	struct loop *loop;
	struct sockaddr_un addr;
	struct loop_fd watch; /* its fd is owned; -1: not open */
	struct loop_timer rest;
	bool on;                          /* clients are wanted */
	void (*taken)(void *arg, int fd); /* a client; @fd is non-blocking, and the callee's */
	void *arg;
};

/* Not open; every other call is allowed, and does nothing but listener_open(). */
void listener_init(struct listener *ln, struct loop *l, void (*taken)(void *arg, int fd),
                   void *arg);
/* As unix_listen(), which says what is refused: then the loop was not touched. Not on yet. 0 or -errno. */
int listener_open(struct listener *ln, const struct sockaddr_un *addr, int backlog);
bool listener_is_open(const struct listener *ln);
/* Accept clients, or leave them in the backlog. No system call when it is so already. */
void listener_on(struct listener *ln);
void listener_off(struct listener *ln);
void listener_close(struct listener *ln); /* the socket's file goes, too */

#endif
