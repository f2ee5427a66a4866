/* SPDX-License-Identifier: Apache-2.0 */
/* bench/cmd/net_network.c - what is between the guest's NIC and the other end, made by the load generators in their networks */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bench/cmd/net_load.h"
#include "bench/cmd/net_subject.h"

/* 192.168.76.0: the network of the guests, 2 and 3. 192.168.77.0: that of a cable. */
#define US      "192.168.76.1"
#define GUEST   "192.168.76.2"
#define GUEST_2 "192.168.76.3"
#define ROUTER  "192.168.77.1"
#define FAR     "192.168.77.2"

static const struct net_setup *setup_of(const struct net_state *s)
{
	return s->subject->arg;
}

/* @line, to be said by whoever has to do it, unless something has gone wrong before. */
static void tell(struct net_state *s, struct net_proc *p, const char *line, int *ret, char *why)
{
	if (*ret == 0)
		*ret = net_proc_ask(s->env, p, line, s->env->answer_ms, why);
}

bool net_has_far(const struct net_setup *t)
{
	return t->guests == 0 || t->mode != NET_HOST_ONLY;
}

bool net_has_tap(const struct net_setup *t)
{
	return t->way == NET_TAP || t->way == NET_VHOST_USER || t->way == NET_DPDK;
}

/* From c0 here to c1 where the far end is, which is there. */
static int make_cable(struct net_state *s, char *why)
{
	char line[64];
	int ret = 0;

	snprintf(line, sizeof(line), "veth c0 c1 %d", (int)s->far.pid);
	tell(s, &s->outer, line, &ret, why);
	return ret;
}

static int make_host_only(struct net_state *s, char *why)
{
	const bool two = setup_of(s)->guests == 2;
	int ret = 0;

	if (two) {
		tell(s, &s->outer, "tap b1", &ret, why);
		tell(s, &s->outer, "bridge br0 b0 b1", &ret, why);
	}
	tell(s, &s->outer, two ? "net br0 " US "/24" : "net b0 " US "/24", &ret, why);
	return ret;
}

static int make_bridged(struct net_state *s, char *why)
{
	int ret = make_cable(s, why);

	tell(s, &s->outer, "bridge br0 b0 c0", &ret, why);
	tell(s, &s->outer, "net br0 192.168.76.254/24", &ret, why);
	tell(s, &s->far, "net c1 " US "/24", &ret, why);
	return ret;
}

/* -EOPNOTSUPP: the kernel of this host has no such router. */
static int translate(struct net_state *s, char *why)
{
	char said[BENCH_WHY_MAX] = "";
	int ret = 0;

	tell(s, &s->outer, "nat", &ret, said);
	if (ret != -EREMOTEIO)
		return ret < 0 ? bench_why(why, ret, "%s", said) : 0;
	return bench_why(why, -EOPNOTSUPP,
	                 "no NAT in this kernel (modules nft_chain_nat, nft_masq): %s", said);
}

static int make_nat(struct net_state *s, char *why)
{
	int ret = make_cable(s, why);

	tell(s, &s->outer, "net b0 " US "/24", &ret, why);
	tell(s, &s->outer, "net c0 " ROUTER "/24", &ret, why);
	if (ret == 0)
		ret = translate(s, why);
	tell(s, &s->far, "net c1 " FAR "/24", &ret, why);
	return ret;
}

static int make_taps(struct net_state *s, char *why)
{
	static int (*const modes[])(struct net_state * s, char *why) = {
		[NET_HOST_ONLY] = make_host_only,
		[NET_BRIDGED] = make_bridged,
		[NET_NAT] = make_nat,
	};
	const struct net_setup *t = setup_of(s);
	char line[32];
	int ret = 0;

	/* DPDK opens a TAP for several queues, also when it uses one. */
	tell(s, &s->outer, t->way == NET_DPDK ? "tap b0 queues" : "tap b0", &ret, why);
	snprintf(line, sizeof(line), "mtu b0 %u", t->mtu);
	if (t->mtu)
		tell(s, &s->outer, line, &ret, why);
	s->interface = "b0";
	return ret < 0 ? ret : modes[t->mode](s, why);
}

int net_network_make(struct net_state *s, char *why)
{
	const struct net_setup *t = setup_of(s);
	int ret;

	if (net_has_tap(t))
		return make_taps(s, why);
	if (t->way != NET_VETH)
		return 0;
	ret = make_cable(s, why);
	tell(s, &s->outer, "net c0 " ROUTER "/24", &ret, why);
	tell(s, &s->far, "net c1 " FAR "/24", &ret, why);
	s->interface = "c0";
	return ret;
}

int net_network_join(struct net_state *s, unsigned guest, char *why)
{
	const struct net_setup *t = setup_of(s);
	char line[64];
	int ret = 0;

	snprintf(line, sizeof(line), "mtu eth0 %u", t->mtu);
	if (t->mtu)
		tell(s, &s->vm[guest], line, &ret, why);
	if (t->way == NET_USER)
		snprintf(line, sizeof(line), "net eth0 10.0.2.15/24 10.0.2.2");
	else
		snprintf(line, sizeof(line), "net eth0 %s/24%s", guest ? GUEST_2 : GUEST,
		         t->mode == NET_NAT ? " " US : "");
	tell(s, &s->vm[guest], line, &ret, why);
	return ret;
}

/* ---- who reaches whom */

static void choose_alone(struct net_state *s)
{
	const bool loop = setup_of(s)->way == NET_LOOP;

	s->end[0] = (struct net_end){&s->far, loop ? "127.0.0.1" : ROUTER, 7000};
	s->end[1] = (struct net_end){&s->outer, loop ? "127.0.0.1" : FAR, 7100};
}

static void choose_user(struct net_state *s)
{
	const bool two = setup_of(s)->guests == 2;

	s->end[0] = (struct net_end){&s->vm[0], "10.0.2.2", two ? 7200 : 7000};
	s->end[1] =
		(struct net_end){two ? &s->vm[1] : &s->outer, two ? "10.0.2.2" : "127.0.0.1", 7100};
}

void net_network_ends(struct net_state *s)
{
	const struct net_setup *t = setup_of(s);
	const bool two = t->guests == 2;

	if (t->guests == 0) {
		choose_alone(s);
		return;
	}
	if (t->way == NET_USER) {
		choose_user(s);
		return;
	}
	s->end[0] = (struct net_end){&s->vm[0],
	                             two                  ? GUEST_2
	                             : t->mode == NET_NAT ? FAR
	                                                  : US,
	                             7000};
	s->end[1] = (struct net_end){two                        ? &s->vm[1]
	                             : t->mode == NET_HOST_ONLY ? &s->outer
	                                                        : &s->far,
	                             GUEST, 7100};
}
