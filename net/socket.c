/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ethernet frames over a unix socket with a name: the peer is another machine's backend (QEMU, doorbell), or a network in
 * a process (passt, gvproxy). No header goes with a frame, hence no offloads.
 */
#include "net/socket.h"

#include <errno.h>

#include "net/net_kinds.h"
#include "vmm/core/log.h"

/* local= and hello= are for who comes to a peer of datagrams. */
static int check_comes(const struct socket_config *cfg, const struct net_common *common)
{
	const bool comes = cfg->type == SOCKET_DGRAM && !cfg->server;

	if (comes || (!cfg->local && !cfg->hello))
		return 0;
	log_error("%s: socket: %s=%s is possible with type=dgram and without server=on only",
	          common->nic, cfg->local ? "local" : "hello",
	          cfg->local ? cfg->local : cfg->hello);
	return -EINVAL;
}

static int needs(const struct net_common *common, const char *what)
{
	log_error("%s: socket needs %s", common->nic, what);
	return -EINVAL;
}

static int socket_create(const void *config, const struct net_common *common, struct loop *l,
                         struct net_backend **out)
{
	const struct socket_config *cfg = config;

	*out = NULL;
	if (!cfg->path)
		return needs(common, "path=PATH");
	if (check_comes(cfg, common) < 0)
		return -EINVAL;
	if (cfg->type == SOCKET_STREAM)
		return socket_stream_create(cfg, common, l, out);
	if (!cfg->server && !cfg->local)
		return needs(common, "local=PATH, where the peer answers, or server=on with "
		                     "type=dgram");
	return socket_dgram_create(cfg, common, l, out);
}

static const char *const type_names[] = {
	[SOCKET_STREAM] = "stream",
	[SOCKET_DGRAM] = "dgram",
	NULL,
};

static const struct opt_def socket_keys[] = {
	{.name = "path",
         .type = OPT_STRING,
         .offset = offsetof(struct socket_config, path),
         .arg = "PATH",
         .help = "unix socket of the peer, which may come later; needed"},
	{.name = "server",
         .type = OPT_BOOL,
         .offset = offsetof(struct socket_config, server),
         .arg = "on|off",
         .help = "the socket is ours, the peer comes to it (default: off)"},
	{.name = "type",
         .type = OPT_CHOICE,
         .offset = offsetof(struct socket_config, type),
         .choices = type_names,
         .arg = "stream|dgram",
         .help = "frames behind their lengths, or one in each datagram (default: stream)"},
	{.name = "local",
         .type = OPT_STRING,
         .offset = offsetof(struct socket_config, local),
         .exclusive = 1,
         .arg = "PATH",
         .help = "type=dgram: our own socket, where the peer answers"},
	{.name = "hello",
         .type = OPT_STRING,
         .offset = offsetof(struct socket_config, hello),
         .arg = "TEXT",
         .help = "type=dgram: said to the peer before the first frame (vfkit's: VFKT)"},
	OPT_END,
};

const struct net_kind net_kind_socket = {
	.name = "socket",
	.help = "frames over a unix socket, as QEMU, passt and gvproxy speak",
	.keys = socket_keys,
	.config_size = sizeof(struct socket_config),
	.one_queue = "a socket is one queue",
	.create = socket_create,
};
