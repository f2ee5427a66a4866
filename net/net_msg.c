/* SPDX-License-Identifier: Apache-2.0 */
#include "net/net_msg.h"

#include <errno.h>
#include <sys/socket.h>

#define ETH_HEADER 14

ssize_t net_msg_send(struct net_msg *m, struct net_backend *b, int fd, const struct iovec *iov,
                     unsigned nr)
{
	int left = iov_cut(iov, nr, 0, NET_HDR_LEN, m->iov, IOV_MAX);
	struct msghdr msg = {.msg_iov = m->iov};
	ssize_t ret;

	if (left <= 0) {
		b->stats.send_errors++;
		return -EINVAL;
	}
	msg.msg_iovlen = (size_t)left;
	b->stats.syscalls_send++;
	ret = sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (ret >= 0) {
		b->stats.sends++;
		b->stats.send_bytes += (uint64_t)ret + NET_HDR_LEN;
		return ret + (ssize_t)NET_HDR_LEN;
	}
	ret = -errno;
	if (ret == -EAGAIN)
		b->stats.send_again++;
	else
		b->stats.send_errors++;
	return ret;
}

ssize_t net_msg_recv(struct net_msg *m, struct net_backend *b, int fd, const struct iovec *iov,
                     unsigned nr)
{
	int left = iov_cut(iov, nr, 0, NET_HDR_LEN, m->iov, IOV_MAX);
	struct msghdr msg = {.msg_iov = m->iov};
	ssize_t ret;

	if (left <= 0)
		return 0;
	msg.msg_iovlen = (size_t)left;
	b->stats.syscalls_recv++;
	ret = recvmsg(fd, &msg, MSG_DONTWAIT);
	if (ret <= 0) { /* an empty message looks like the end, and is no frame */
		b->stats.recv_empty++;
		if (ret == 0)
			return -EPIPE;
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	}
	if (ret < ETH_HEADER || (msg.msg_flags & MSG_TRUNC)) {
		b->stats.recv_dropped++;
		return 0; /* there may be more: the descriptor stays readable */
	}
	iov_zero(iov, nr, 0, NET_HDR_LEN);
	b->stats.recvs++;
	b->stats.recv_bytes += (uint64_t)ret + NET_HDR_LEN;
	return ret + (ssize_t)NET_HDR_LEN;
}
