/* SPDX-License-Identifier: Apache-2.0 */
/* net/socket_link.h - a peer behind a unix socket that comes and goes: who is told, and when it is looked for
 *
 * Loop thread only. Nobody is told anything from inside a call: a timer does it, from the loop.
 */
#ifndef DOORBELL_SOCKET_LINK_H
#define DOORBELL_SOCKET_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "net/net_backend.h"
#include "vmm/core/loop.h"

struct socket_link {
	/* Set before link_init(). */
	struct net_backend *b; /* its peer and its reconnects are kept */
	const char *nic;
	struct loop *loop;
	void (*look)(
		void *arg); /* for a peer: link_up() when there is one, else link_retry() or wait for it */
	void *arg;

	bool up;

	/* Private. */
	bool told, was_up;
	struct loop_timer timer;
	uint64_t next_ns, pause_ns; /* when to look again; how long after the last attempt */
	char said[160];             /* the reason that was logged last, "" after success */
	void (*tell)(void *arg, bool up);
	void *tell_arg;
};

int link_init(struct socket_link *k); /* 0 or -errno; link_free() in any case */
void link_free(struct socket_link *k);
/* There is one. */
void link_up(struct socket_link *k);
/* There is none any more, for the reason @why. @refused: it broke a rule, so give it more time. */
void link_lost(struct socket_link *k, bool refused, const char *why);
void link_retry(struct socket_link *k); /* look again in a while */
/* attend() of struct net_backend. */
bool link_attend(struct socket_link *k, void (*tell)(void *arg, bool up), void *arg);

#endif
