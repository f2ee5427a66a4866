/* SPDX-License-Identifier: Apache-2.0 */
/* net/net_msg.h - a frame is a message of a unix socket, without header and offloads
 *
 * Shared by the backends that speak so. @iov is as in struct net_frame_ops; the frame's bytes go straight from and
 * to it. Counts in b->stats.
 */
#ifndef DOORBELL_NET_MSG_H
#define DOORBELL_NET_MSG_H

#include <limits.h>
#include <stdbool.h>

#include "net/net_backend.h"
#include "vmm/core/iov.h"

/* Scratch space. */
struct net_msg {
	struct iovec iov[IOV_MAX];
};

/* As send() of struct net_frame_ops: the bytes with header; -EAGAIN; or another -errno. */
ssize_t net_msg_send(struct net_msg *m, struct net_backend *b, int fd, const struct iovec *iov,
                     unsigned nr);
/* The bytes with header; 0 nothing now, or a message that is no frame; -EPIPE the end; or another -errno. */
ssize_t net_msg_recv(struct net_msg *m, struct net_backend *b, int fd, const struct iovec *iov,
                     unsigned nr);

#endif
