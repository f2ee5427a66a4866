/* SPDX-License-Identifier: Apache-2.0 */
#include "net/rtnl.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

int rtnl_open(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	return fd < 0 ? -errno : fd;
}

/* What the kernel says in place of an answer. */
static int refusal(const struct nlmsghdr *answer)
{
	const struct nlmsgerr *e = (const void *)(answer + 1);

	return answer->nlmsg_len >= NLMSG_LENGTH(sizeof(*e)) && e->error < 0 ? e->error : -EPROTO;
}

ssize_t rtnl_ask(int fd, const struct nlmsghdr *ask, unsigned type, size_t fixed, void *answer,
                 size_t room)
{
	const struct nlmsghdr *head = answer;
	ssize_t len = send(fd, ask, ask->nlmsg_len, 0);

	if (len >= 0)
		len = recv(fd, answer, room, MSG_DONTWAIT);
	if (len < 0)
		return -errno;
	if ((size_t)len < sizeof(*head) || head->nlmsg_len > (size_t)len)
		return -EPROTO;
	if (head->nlmsg_type == NLMSG_ERROR)
		return refusal(head);
	return head->nlmsg_type == type && head->nlmsg_len >= NLMSG_LENGTH(fixed)
	               ? (ssize_t)head->nlmsg_len
	               : -EPROTO;
}

const struct rtattr *rtnl_find(const void *at, size_t len, unsigned type)
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
