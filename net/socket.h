/* SPDX-License-Identifier: Apache-2.0 */
/* net/socket.h - the kind socket: what its two types share */
#ifndef DOORBELL_SOCKET_H
#define DOORBELL_SOCKET_H

#include <stdbool.h>

#include "net/net_backend.h"

enum { SOCKET_STREAM, SOCKET_DGRAM }; /* type= */

struct socket_config {
	const char *path, *local, *hello;
	unsigned type;
	bool server;
};

/* As create() of struct net_kind; the keys fit together. */
int socket_stream_create(const struct socket_config *cfg, const struct net_common *common,
                         struct loop *l, struct net_backend **out);
int socket_dgram_create(const struct socket_config *cfg, const struct net_common *common,
                        struct loop *l, struct net_backend **out);

#endif
