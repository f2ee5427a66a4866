/* SPDX-License-Identifier: Apache-2.0 */
/* net/net_kinds.h - what net_backend.c lists; everybody else uses net_kinds[] */
#ifndef DOORBELL_NET_KINDS_H
#define DOORBELL_NET_KINDS_H

#include "net/net_backend.h"

extern const struct net_kind net_kind_echo;       /* net/echo.c */
extern const struct net_kind net_kind_gen;        /* net/gen.c */
extern const struct net_kind net_kind_null;       /* net/null.c */
extern const struct net_kind net_kind_sink;       /* net/null.c */
extern const struct net_kind net_kind_pair;       /* net/pair.c */
extern const struct net_kind net_kind_pipe;       /* net/pipe.c */
extern const struct net_kind net_kind_socket;     /* net/socket.c */
extern const struct net_kind net_kind_tap;        /* net/tap.c */
extern const struct net_kind net_kind_user;       /* net/slirp.c */
extern const struct net_kind net_kind_vhost_user; /* net/vhost_user.c */

#endif
