/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/core/name_watch.h - hear of the end of what a path names
 *
 * A file, or a socket, ends when its name is gone and nobody has it open: whoever dies and comes back removes what it left
 * behind before it makes the next. Loop thread.
 */
#ifndef DOORBELL_NAME_WATCH_H
#define DOORBELL_NAME_WATCH_H

#include "vmm/core/loop.h"

struct name_watch {
	struct loop_fd in;     /* private: an inotify descriptor, owned */
	int wd;                /* private; -1: nothing is watched */
	void (*fn)(void *arg); /* it has ended, and is watched no longer */
	void *arg;
};

/* 0 or -errno; name_watch_free() in any case. */
int name_watch_init(struct name_watch *w, struct loop *l, void (*fn)(void *arg), void *arg);
void name_watch_free(struct name_watch *w); /* a zeroed one is fine */
/* What @path names now, in place of what was watched before. 0 or -errno: nothing is watched. */
int name_watch_begin(struct name_watch *w, const char *path);
void name_watch_end(struct name_watch *w); /* no-op when nothing is watched */

#endif
