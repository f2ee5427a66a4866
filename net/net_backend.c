/* SPDX-License-Identifier: Apache-2.0 */
#include "net/net_backend.h"

#include <string.h>

#include "net/net_kinds.h"

const struct net_kind *const net_kinds[] = {
	&net_kind_user, &net_kind_tap,  &net_kind_pipe, &net_kind_vhost_user,
	&net_kind_echo, &net_kind_sink, &net_kind_null, &net_kind_socket,
	&net_kind_gen,  &net_kind_pair, NULL,
};

const struct net_kind *net_kind_find(const char *name)
{
	for (unsigned i = 0; net_kinds[i]; i++)
		if (strcmp(net_kinds[i]->name, name) == 0)
			return net_kinds[i];
	return NULL;
}

void net_destroy(struct net_backend *b)
{
	if (b)
		b->destroy(b);
}
