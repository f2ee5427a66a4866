/* SPDX-License-Identifier: Apache-2.0 */
/* net/rtnl.h - to ask the kernel about an interface: one question, one answer (rtnetlink(7)) */
#ifndef DOORBELL_RTNL_H
#define DOORBELL_RTNL_H

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <sys/types.h>

#define RTNL_CALLS 2u /* system calls of one rtnl_ask() */

/* A socket for the network namespace of this thread, owned by the caller; or -errno. */
int rtnl_open(void);

/*
 * Sends @ask, of @ask->nlmsg_len bytes, and puts what is said to it into @answer, @room bytes and aligned as a struct nlmsghdr.
 * The kernel answers while it is asked; most questions wait for its lock of all interfaces (RTNL), so behind one that
 * is being deleted. The length of an answer of @type with at least @fixed bytes in front of
 * its attributes; -errno: the kernel's own, or -EPROTO, it is another one.
 */
ssize_t rtnl_ask(int fd, const struct nlmsghdr *ask, unsigned type, size_t fixed, void *answer,
                 size_t room);

/* The attribute @type among those in @len bytes at @at; it is in there whole. NULL: none. */
const struct rtattr *rtnl_find(const void *at, size_t len, unsigned type);

#endif
