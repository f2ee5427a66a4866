/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/signals.h - signals that end a command, as events of its loop, where nothing is half done */
#ifndef DOORBELL_SIGNALS_H
#define DOORBELL_SIGNALS_H

#include "vmm/core/loop.h"

struct signals {
	struct loop_fd watch;
	int signo; /* the one that came, or 0 */
	void (*fn)(void *arg);
	void *arg;
};

#define SIGNALS_NONE                 \
	{                            \
		.watch = {.fd = -1 } \
	}

/*
 * Call fn(arg) on @l when one comes. They are blocked in every thread from here on: while there is only one. 0; or
 * -errno after one log_error().
 */
int signals_begin(struct signals *s, struct loop *l, void (*fn)(void *arg), void *arg);
void signals_end(struct signals *s); /* no-op when it has not begun */

#endif
