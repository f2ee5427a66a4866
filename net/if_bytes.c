/* SPDX-License-Identifier: Apache-2.0 */
#include "net/if_bytes.h"

#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdalign.h>
#include <string.h>

#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"

#define FIXED sizeof(struct if_stats_msg)

struct request {
	struct nlmsghdr head;
	struct if_stats_msg what;
};

static int ask(const struct if_bytes *b, struct rtnl_link_stats64 *out)
{
	const struct request ask = {
		.head = {.nlmsg_len = sizeof(ask),
	                 .nlmsg_type = RTM_GETSTATS,
	                 .nlmsg_flags = NLM_F_REQUEST},
		.what = {.ifindex = b->index,
	                 .filter_mask = IFLA_STATS_FILTER_BIT(IFLA_STATS_LINK_64)},
	};
	alignas(struct nlmsghdr) uint8_t answer[KIB(1)];
	const ssize_t len = rtnl_ask(b->fd, &ask.head, RTM_NEWSTATS, FIXED, answer, sizeof(answer));
	const struct rtattr *a;

	if (len < 0)
		return (int)len;
	a = rtnl_find(answer + NLMSG_SPACE(FIXED), (size_t)len - NLMSG_LENGTH(FIXED),
	              IFLA_STATS_LINK_64);
	if (!a || a->rta_len < sizeof(*a) + offsetof(struct rtnl_link_stats64, rx_errors))
		return -EPROTO;
	/* A kernel may have more counters than our headers, or fewer. */
	*out = (struct rtnl_link_stats64){0};
	memcpy(out, a + 1, min_size(a->rta_len - sizeof(*a), sizeof(*out)));
	return 0;
}

int if_bytes_open(struct if_bytes *b, const char *ifname)
{
	struct rtnl_link_stats64 s;
	int ret;

	*b = IF_BYTES_NONE;
	ret = rtnl_open();
	if (ret < 0)
		return ret;
	b->fd = ret;
	b->index = if_nametoindex(ifname);
	ret = b->index ? ask(b, &s) : -errno;
	if (ret < 0)
		if_bytes_close(b);
	return ret;
}

uint64_t if_bytes_read(const struct if_bytes *b)
{
	struct rtnl_link_stats64 s;

	return b->fd >= 0 && ask(b, &s) == 0 ? s.rx_bytes + s.tx_bytes : 0;
}

void if_bytes_close(struct if_bytes *b)
{
	fd_close(&b->fd);
}
