// SPDX-License-Identifier: Apache-2.0
#include "net/tun_info.h"

#include <errno.h>
#include <limits.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdalign.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"

/* More than the kernel says about any link. */
#define ANSWER_MAX KIB(16)

struct request {
	struct nlmsghdr head;
	struct ifinfomsg link;
};

/* The attribute @type among those in @len bytes at @at. NULL: none. */
static const struct rtattr *find(const void *at, size_t len, unsigned type)
{
	const uint8_t *p = at;
	struct rtattr a;

	while (len >= sizeof(a)) {
		memcpy(&a, p, sizeof(a));
		if (a.rta_len < sizeof(a) || a.rta_len > len)
			return NULL;
		if ((a.rta_type & NLA_TYPE_MASK) == type)
			return (const void *)p;
		if (RTA_ALIGN(a.rta_len) >= len)
			return NULL;
		p += RTA_ALIGN(a.rta_len);
		len -= RTA_ALIGN(a.rta_len);
	}
	return NULL;
}

static const struct rtattr *find_in(const struct rtattr *a, unsigned type)
{
	return a ? find(a + 1, a->rta_len - sizeof(*a), type) : NULL;
}

static int number_in(const struct rtattr *a, unsigned type)
{
	const struct rtattr *n = find_in(a, type);
	uint32_t v;

	if (!n || n->rta_len != sizeof(*n) + sizeof(v))
		return -ENODATA;
	memcpy(&v, n + 1, sizeof(v));
	return v > INT_MAX / 2 ? -ERANGE : (int)v;
}

static int read_answer(const uint8_t *msg, size_t len)
{
	const size_t fixed = NLMSG_LENGTH(sizeof(struct ifinfomsg));
	const struct rtattr *data;
	struct nlmsghdr head;
	int attached, detached;

	memcpy(&head, msg, min_size(len, sizeof(head)));
	if (len < fixed || head.nlmsg_len > len || head.nlmsg_len < fixed ||
	    head.nlmsg_type != RTM_NEWLINK)
		return -EPROTO;
	data = find_in(find(msg + fixed, head.nlmsg_len - fixed, IFLA_LINKINFO), IFLA_INFO_DATA);
	attached = number_in(data, IFLA_TUN_NUM_QUEUES);
	detached = number_in(data, IFLA_TUN_NUM_DISABLED_QUEUES);
	return attached < 0 ? attached : detached < 0 ? detached : attached + detached;
}

int tun_nr_queues(const char *ifname)
{
	struct request ask = {
		.head = {.nlmsg_len = sizeof(ask),
	                 .nlmsg_type = RTM_GETLINK,
	                 .nlmsg_flags = NLM_F_REQUEST},
		.link = {.ifi_index = (int)if_nametoindex(ifname)},
	};
	alignas(struct nlmsghdr) uint8_t answer[ANSWER_MAX];
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	ssize_t len = -1;
	int ret;

	if (fd < 0)
		return -errno;
	if (send(fd, &ask, sizeof(ask), 0) == (ssize_t)sizeof(ask))
		len = recv(fd, answer, sizeof(answer), 0);
	ret = len < 0 ? -errno : read_answer(answer, (size_t)len);
	fd_close(&fd);
	return ret;
}
