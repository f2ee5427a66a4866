/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/guest/load_nat.c - this network passes frames on and hides who sent them, by nf_tables (linux/netfilter/nf_tables.h)
 *
 * One transaction: begin, a table, a chain at the end of routing, its only rule "masquerade", end.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "bench/guest/load.h"

#define HEADER sizeof(struct nlattr) /* nothing between it and what it has */

#define TABLE "bench"
#define CHAIN "post"

/* All that is put in has a bounded length, and is less together. */
struct transaction {
	_Alignas(NLMSG_ALIGNTO) char data[1024];
	size_t len, last; /* where the message begins that is being made */
	unsigned acks;    /* messages that are answered */
};

static void *take(struct transaction *t, size_t len)
{
	void *at = t->data + t->len;

	memset(at, 0, NLMSG_ALIGN(len));
	t->len += NLMSG_ALIGN(len);
	return at;
}

static void message(struct transaction *t, unsigned type, unsigned flags, unsigned family,
                    unsigned res)
{
	struct nlmsghdr *h;
	struct nfgenmsg *g;

	t->last = t->len;
	h = take(t, sizeof(*h));
	g = take(t, sizeof(*g));
	*h = (struct nlmsghdr){.nlmsg_type = (unsigned short)type,
	                       .nlmsg_flags = (unsigned short)(NLM_F_REQUEST | flags),
	                       .nlmsg_len = (unsigned)(t->len - t->last)};
	*g = (struct nfgenmsg){.nfgen_family = (unsigned char)family,
	                       .version = NFNETLINK_V0,
	                       .res_id = htons((unsigned short)res)};
	t->acks += (flags & NLM_F_ACK) != 0;
}

static void attribute(struct transaction *t, unsigned type, const void *data, size_t len)
{
	struct nlattr *a = take(t, HEADER + len);

	*a = (struct nlattr){.nla_type = (unsigned short)type,
	                     .nla_len = (unsigned short)(HEADER + len)};
	if (len)
		memcpy((char *)a + HEADER, data, len);
	((struct nlmsghdr *)(void *)(t->data + t->last))->nlmsg_len = (unsigned)(t->len - t->last);
}

static void text(struct transaction *t, unsigned type, const char *s)
{
	attribute(t, type, s, strlen(s) + 1);
}

static void number(struct transaction *t, unsigned type, unsigned v)
{
	const unsigned be = htonl(v);

	attribute(t, type, &be, sizeof(be));
}

/* What is put between stands in an attribute of @type. */
static size_t nest(struct transaction *t, unsigned type)
{
	const size_t at = t->len;

	attribute(t, type | NLA_F_NESTED, NULL, 0);
	return at;
}

static void nest_end(struct transaction *t, size_t at)
{
	((struct nlattr *)(void *)(t->data + at))->nla_len = (unsigned short)(t->len - at);
}

static void add(struct transaction *t, unsigned what, unsigned flags)
{
	message(t, (NFNL_SUBSYS_NFTABLES << 8) | what, NLM_F_ACK | NLM_F_CREATE | flags,
	        NFPROTO_IPV4, 0);
}

static void make(struct transaction *t)
{
	size_t hook, list, rule, data;

	*t = (struct transaction){.len = 0};
	message(t, NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
	add(t, NFT_MSG_NEWTABLE, 0);
	text(t, NFTA_TABLE_NAME, TABLE);
	add(t, NFT_MSG_NEWCHAIN, 0);
	text(t, NFTA_CHAIN_TABLE, TABLE);
	text(t, NFTA_CHAIN_NAME, CHAIN);
	hook = nest(t, NFTA_CHAIN_HOOK);
	number(t, NFTA_HOOK_HOOKNUM, NF_INET_POST_ROUTING);
	number(t, NFTA_HOOK_PRIORITY, NF_IP_PRI_NAT_SRC);
	nest_end(t, hook);
	text(t, NFTA_CHAIN_TYPE, "nat");
	add(t, NFT_MSG_NEWRULE, NLM_F_APPEND);
	text(t, NFTA_RULE_TABLE, TABLE);
	text(t, NFTA_RULE_CHAIN, CHAIN);
	list = nest(t, NFTA_RULE_EXPRESSIONS);
	rule = nest(t, NFTA_LIST_ELEM);
	text(t, NFTA_EXPR_NAME, "masq");
	data = nest(t, NFTA_EXPR_DATA);
	nest_end(t, data);
	nest_end(t, rule);
	nest_end(t, list);
	message(t, NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
}

/* One answer to each message that asks for it, or to the first that is wrong. 0 or -errno. */
static int answers(int s, unsigned nr)
{
	struct {
		struct nlmsghdr h;
		struct nlmsgerr e;
		char more[512];
	} answer;

	for (; nr > 0; nr--) {
		const ssize_t n = recv(s, &answer, sizeof(answer), 0);

		if (n < 0)
			return -errno;
		if ((size_t)n < sizeof(answer.h) + sizeof(answer.e) ||
		    answer.h.nlmsg_type != NLMSG_ERROR)
			return -EPROTO;
		if (answer.e.error)
			return answer.e.error;
	}
	return 0;
}

static int send_all(const struct transaction *t)
{
	const struct timeval patience = {.tv_sec = LOAD_WAIT_MS / 1000};
	int s = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER), ret = 0;

	if (s < 0)
		return -errno;
	if (setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
	    send(s, t->data, t->len, 0) < 0)
		ret = -errno;
	if (ret == 0)
		ret = answers(s, t->acks);
	(void)close(s);
	return ret;
}

int load_net_nat(void)
{
	struct transaction t;
	const int fd = open("/proc/sys/net/ipv4/ip_forward", O_WRONLY | O_CLOEXEC);
	int ret = fd < 0 || write(fd, "1", 1) != 1 ? -errno : 0;

	if (fd >= 0)
		(void)close(fd);
	if (ret < 0)
		return ret;
	make(&t);
	return send_all(&t);
}
