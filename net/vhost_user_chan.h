/* SPDX-License-Identifier: Apache-2.0 */
/* net/vhost_user_chan.h - a stream socket with whole vhost-user messages on it */
#ifndef DOORBELL_VHOST_USER_CHAN_H
#define DOORBELL_VHOST_USER_CHAN_H

#include "net/vhost_user_msg.h"
#include "vmm/core/loop.h"

/* Loop thread. */
struct vu_chan {
	struct loop_fd watch; /* its fd is owned; -1: closed */
	struct vu_msg in;     /* being received; its descriptors are ours */
	size_t have;          /* bytes of it; 0 when the connection ended between two */
	bool whole;           /* the last vu_chan_read() gave it out */
	/*
	 * It was sent a file that is not fd_is_local(). To close that may take as long as its server likes, so it stays
	 * open; and that none come to it, this is never open again.
	 */
	bool barred;
};

void vu_chan_init(struct vu_chan *c); /* closed */
/* @fd is non-blocking and owned from here on, also on failure; fn(arg) when it is readable. 0; -EPERM barred; or -errno. */
int vu_chan_open(struct vu_chan *c, struct loop *l, int fd, void (*fn)(void *arg, uint32_t revents),
                 void *arg);
void vu_chan_close(struct vu_chan *c); /* no-op when closed */

/*
 * Read on. 1: c->in is a whole message with a good header, and stays until the next call (whoever takes
 * a descriptor makes it -1, and each is fd_is_local()); 0: not yet; -EPIPE the end; -EPROTO; another -errno; with the
 * reason in @why. At most one message per call, so that a flood leaves time for others.
 */
int vu_chan_read(struct vu_chan *c, char *why, size_t why_size);

/*
 * Send @m whole, or not at all: its flags get the version. Descriptors stay the caller's. 0; -EAGAIN
 * the peer does not read; or another -errno.
 */
int vu_chan_send(const struct vu_chan *c, const struct vu_msg *m);

#endif
