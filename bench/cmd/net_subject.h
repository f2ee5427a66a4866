/* SPDX-License-Identifier: Apache-2.0 */
/* bench/cmd/net_subject.h - what carries packets: a VMM with a guest, or nothing but the host's own network */
#ifndef DOORBELL_BENCH_NET_SUBJECT_H
#define DOORBELL_BENCH_NET_SUBJECT_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/cmd/bench.h"
#include "bench/cmd/net_proc.h"

enum net_vmm { NET_NO_VMM, NET_DOORBELL, NET_MICROVM, NET_PC, NET_PEER };

enum net_way {
	NET_LOOP, /* no guest: both ends behind one loopback interface ... */
	NET_VETH, /* ... or behind the two of a cable, in networks of their own */
	NET_TAP,  /* and, with two guests, a bridge between the TAPs */
	NET_USER,
	NET_PAIR,       /* two guests, joined by a doorbell backend over vhost-user */
	NET_VHOST_USER, /* a doorbell backend with a TAP behind it */
	NET_DPDK,       /* the same, with DPDK's testpmd as the backend */
};

/* Behind the TAP of a guest that is alone. */
enum net_mode {
	NET_HOST_ONLY, /* the other end has an address on it */
	NET_BRIDGED,   /* a bridge, and the other end at the far end of a cable */
	NET_NAT,       /* a router that translates, likewise */
};

/* bench_subject.arg */
struct net_setup {
	enum net_vmm vmm;
	enum net_way way;
	unsigned guests; /* 0, 1 or 2 */
	enum net_mode mode;
	unsigned mtu; /* of the guest's NIC and its TAP; 0: as they come, 1500 */
	bool vhost;
	const char *keys; /* for doorbell's --net, with a comma before; or NULL */
	const char *qemu; /* properties for QEMU's device, likewise */
};

/* One of the two that talk. */
struct net_end {
	struct net_proc *p; /* borrowed */
	const char *reach;  /* how the other one is reached from here */
	unsigned port;      /* and where it listens */
};

struct net_state {
	const struct bench_env *env;
	const struct bench_subject *subject;
	struct net_proc outer; /* the generator outside, whose network the VMMs share */
	struct net_proc
		far; /* of NET_LOOP and NET_VETH the other one, and behind a bridge or a router */
	struct net_proc backend;
	struct net_proc vm[2];
	struct net_end end[2]; /* the guest, and the other */
	char control[2][128];  /* of doorbells */
	const char *interface; /* where frames can be counted, in the network of outer; or NULL */
	uint64_t features[2];
	uint32_t next_id;
	/* What the machine did, and for how long, while all of us rested: of all rounds, as one alone is too coarse. */
	double idle_busy_ns, idle_ns;
	bool broken; /* an end does not answer any more */
	/* Why the kernel does not count for us; "": not tried yet, or it does. */
	char no_trace[BENCH_WHY_MAX];
};

extern const struct bench_subject net_subjects[];

/* Indices into it. */
enum net_subject_id {
	NS_LOOPBACK,
	NS_VETH,
	NS_QEMU_TAP,
	NS_QEMU_VHOST,
	NS_QEMU_USER,
	NS_PC_TAP,
	NS_PC_VHOST,
	NS_PC_USER,
	NS_PURE,
	NS_PURE_POLL,
	NS_PURE_TX0,
	NS_VHOST,
	NS_VHOST_BUSYLOOP,
	NS_SLIRP,
	NS_VHOST_USER,
	NS_PAIR,
	NS_PURE_TWO,
	NS_VHOST_TWO,
	NS_SLIRP_TWO,
	NS_PAIR_NONE,
	NS_PAIR_CSUM,
	NS_TWO_NONE,
	NS_TWO_CSUM,
	NS_PURE_NONE,
	NS_PURE_CSUM,
	NS_VHOST_NONE,
	NS_VHOST_CSUM,
	NS_PURE_BRIDGED,
	NS_VHOST_BRIDGED,
	NS_PURE_NAT,
	NS_VHOST_NAT,
	NS_PURE_9000,
	NS_VHOST_9000,
	NS_SLIRP_9000,
	NS_DPDK,
	NS_PEER,
	NET_SUBJECTS,
};

/*
 * To @why, which says what failed: which of the processes have ended, how, and their last words; or else those of the
 * guests and the back end. In @why is room for BENCH_WHY_MAX.
 */
void net_subject_explain(struct net_state *s, char *why);
/* All processes of it rest, or go on. */
void net_subject_pause(struct net_state *s);
void net_subject_resume(struct net_state *s);

/* ---- bench/cmd/net_network.c: 0 or -errno with a line in @why (BENCH_WHY_MAX) */

/* Is there another end but the one outside? It is started before the network is made. */
bool net_has_far(const struct net_setup *t);
bool net_has_tap(const struct net_setup *t);
/* TAPs, bridges, cables and addresses, before guests and back ends. */
int net_network_make(struct net_state *s, char *why);
/* The address of guest @guest, which runs, as it is reached by what was made. */
int net_network_join(struct net_state *s, unsigned guest, char *why);
/* s->end. */
void net_network_ends(struct net_state *s);

/* bench/cmd/net_card.c: as bench_subject.card; @state is a struct net_state. */
int net_card(void *state, char *text, size_t size);

/* bench/cmd/net_command.c: the command line of a VMM, in memory that net_argv_free() frees; NULL: none left. */
#define NET_ARGS_MAX 48
struct net_argv {
	char *word[NET_ARGS_MAX];
	unsigned nr;
};

/* The words of guest @i. 0, -ENOMEM. */
int net_argv_guest(const struct net_state *s, unsigned i, struct net_argv *a);
/* That of NET_PAIR, NET_VHOST_USER and NET_DPDK. */
int net_argv_backend(const struct net_state *s, struct net_argv *a);
void net_argv_free(struct net_argv *a);

#endif
