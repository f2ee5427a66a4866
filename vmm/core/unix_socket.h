/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/core/unix_socket.h - sockets with a name in the file system */
#ifndef DOORBELL_UNIX_SOCKET_H
#define DOORBELL_UNIX_SOCKET_H

#include <sys/un.h>

/* 0; -EINVAL an empty path (to Linux a socket without a file, open to everybody); -ENAMETOOLONG. */
int unix_address(const char *path, struct sockaddr_un *out);
/*
 * Listen there, for us and for root alone; what an earlier run has left behind is removed first. A
 * non-blocking descriptor, the caller unlinks the path when it closes it; -EADDRINUSE somebody
 * listens there; -EEXIST there is something else of that name; or another -errno.
 */
int unix_listen(const struct sockaddr_un *addr, int backlog);
/* A datagram socket of that name, as unix_listen(). */
int unix_bind_datagrams(const struct sockaddr_un *addr);
/* Non-blocking. A descriptor; -ENOENT, -ECONNREFUSED nobody is there (yet); or another -errno. */
int unix_connect(const struct sockaddr_un *addr);
/* Is there nothing yet, or something that may be a socket? 0; -EEXIST; or another -errno. */
int unix_look(const struct sockaddr_un *addr);
const char *unix_reason(int err); /* of an -errno of these, for messages */

#endif
