/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/cmd/net_subject.c - subjects are opened into a network namespace of their own, which vanishes with their last
 * process: there is no interface of ours that anything could leave behind
 */
#include "bench/cmd/net_subject.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/cmd/aside.h"
#include "bench/cmd/net_load.h"
#include "bench/cmd/own_network.h"
#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"
#include "vmm/host.h"

/* ---- what a subject needs */

static int can_open(const char *file, const char *what, char *why)
{
	int fd = open(file, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return bench_why(why, -errno, "%s: %s: %s", file, strerror(errno), what);
	close(fd);
	return 0;
}

static int can_guest(const struct bench_env *env, const struct net_setup *t, char *why)
{
	char release[128];
	int ret = can_open("/dev/kvm", "guests need it", why);

	if (ret < 0)
		return ret;
	if (!host_kvm_module())
		return bench_why(why, -EOPNOTSUPP,
		                 "KVM here only emulates (no vmx, no svm): Linux would not boot; "
		                 "there is tests/lab/run.sh");
	if (!env->kernel)
		return bench_why(why, -ENOENT,
		                 "no kernel for the guests: --kernel, or tests/setup.sh kernels");
	ret = net_kernel_release(env->kernel, release, sizeof(release));
	if (ret < 0)
		return bench_why(why, ret, "%s: no bzImage", env->kernel);
	if ((t->vmm == NET_MICROVM || t->vmm == NET_PC) && !host_has_program("qemu-system-x86_64"))
		return bench_why(why, -ENOENT, "no qemu-system-x86_64: package qemu-system-x86");
	if (t->vmm == NET_PEER && !env->peer_cmd)
		return bench_why(why, -ENOENT, "no --peer-cmd");
	return access(env->initrd, R_OK) == 0 ? 0 : bench_initrd_make(env, env->initrd, why);
}

static int try_network(unused const void *arg, unused double v[ASIDE_VALUES], char *why)
{
	const char *what;

	return enter_own_network(&what) ? 0 : bench_why(why, -EPERM, "%s", what);
}

static int can(const struct bench_env *env, const struct bench_subject *subject, char *why)
{
	const struct net_setup *t = subject->arg;
	const struct aside network = {.fn = try_network, .limit_s = 60, .stop = env->stop};
	double none[ASIDE_VALUES];
	int ret = aside_run(&network, none, why);

	if (ret == 0 && t->guests)
		ret = can_guest(env, t, why);
	if (ret == 0 && net_has_tap(t))
		ret = can_open("/dev/net/tun", "TAP needs it", why);
	if (ret == 0 && t->way == NET_DPDK && !host_has_program("dpdk-testpmd"))
		ret = bench_why(why, -ENOENT, "no dpdk-testpmd: package dpdk");
	if (ret == 0 && t->vhost)
		ret = can_open("/dev/vhost-net", "vhost needs it: root, or the group that owns it",
		               why);
	return ret;
}

/* ---- opening */

static int start(struct net_state *s, struct net_proc *p, char *const *argv, const char *name,
                 bool own, char *why)
{
	char log[256];
	const struct net_spawn how = {
		.argv = argv,
		.log = log,
		.own_network = own,
		.beside = s->outer.pid, /* 0: this is it */
	};

	snprintf(log, sizeof(log), "%s/%s-%s.log", s->env->tmp, s->subject->name, name);
	return net_proc_start(p, &how, why);
}

static int start_load(struct net_state *s, struct net_proc *p, const char *name, bool own,
                      char *why)
{
	char path[64];
	char *argv[] = {path, NULL};
	int fd = net_load_open(why), ret;

	if (fd < 0)
		return fd;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ret = start(s, p, argv, name, own, why);
	fd_close(&fd);
	if (ret == 0)
		ret = net_proc_expect(s->env, p, "@ready", s->env->answer_ms, NULL, why);
	return ret;
}

static int ask_features(struct net_state *s, unsigned i, char *why)
{
	char line[NET_LINE_MAX];
	int ret = net_proc_say(&s->vm[i], "features");

	if (ret < 0)
		return bench_why(why, ret, "it ended before it said its features");
	ret = net_proc_expect(s->env, &s->vm[i], "@ok 0x", s->env->answer_ms, line, why);
	if (ret == 0)
		s->features[i] = strtoull(line + 4, NULL, 16);
	return ret;
}

static int start_guest(struct net_state *s, unsigned i, char *why)
{
	const char *name = i ? "guest1" : "guest0";
	struct net_argv a = {0};
	int ret;

	snprintf(s->control[i], sizeof(s->control[i]), "%s/%s-%u", s->env->tmp, s->subject->name,
	         i);
	ret = net_argv_guest(s, i, &a);
	if (ret < 0)
		return bench_why(why, ret, "%s", strerror(-ret));
	ret = start(s, &s->vm[i], a.word, name, false, why);
	net_argv_free(&a);
	if (ret == 0)
		ret = net_proc_expect(s->env, &s->vm[i], "@ready", s->env->boot_ms, NULL, why);
	if (ret == 0)
		ret = net_network_join(s, i, why);
	if (ret == 0)
		ret = ask_features(s, i, why);
	return ret;
}

static bool has_backend(const struct net_setup *t)
{
	return t->way == NET_PAIR || t->way == NET_VHOST_USER || t->way == NET_DPDK;
}

static int start_backend(struct net_state *s, char *why)
{
	struct net_argv a = {0};
	char path[256];
	int ret;

	for (unsigned i = 0; i < 2; i++) { /* of the subject before */
		snprintf(path, sizeof(path), "%s/vu%u", s->env->tmp, i);
		(void)unlink(path);
	}
	ret = net_argv_backend(s, &a);
	if (ret < 0)
		return bench_why(why, ret, "%s", strerror(-ret));
	ret = start(s, &s->backend, a.word, "backend", false, why);
	net_argv_free(&a);
	return ret; /* the front ends wait for its sockets */
}

static int open_all(struct net_state *s, char *why)
{
	const struct net_setup *t = s->subject->arg;
	int ret = start_load(s, &s->outer, "outside", true, why);

	if (ret == 0 && net_has_far(t))
		ret = start_load(s, &s->far, "far", t->way != NET_LOOP, why);
	if (ret == 0)
		ret = net_network_make(s, why);
	if (ret == 0 && has_backend(t))
		ret = start_backend(s, why);
	for (unsigned i = 0; ret == 0 && i < t->guests; i++)
		ret = start_guest(s, i, why);
	return ret;
}

static void close_subject(void *state)
{
	struct net_state *s = state;

	net_proc_end(&s->vm[0]);
	net_proc_end(&s->vm[1]);
	net_proc_end(&s->backend);
	net_proc_end(&s->far);
	net_proc_end(&s->outer);
	(void)unlink(s->control[0]);
	(void)unlink(s->control[1]);
	free(s);
}

static int open_subject(const struct bench_env *env, const struct bench_subject *subject,
                        void **state, char *why)
{
	const struct net_setup *t = subject->arg;
	struct net_state *s = calloc(1, sizeof(*s));
	int ret = 0;

	if (!s)
		return bench_why(why, -ENOMEM, "no memory");
	s->env = env;
	s->subject = subject;
	s->outer = s->far = s->backend = s->vm[0] = s->vm[1] = NET_PROC_NONE;
	if (t->guests && access(env->initrd, R_OK) != 0)
		ret = bench_initrd_make(env, env->initrd, why);
	if (ret == 0) {
		ret = open_all(s, why);
		if (ret < 0 && ret != -EINTR)
			net_subject_explain(s, why);
	}
	if (ret < 0) {
		close_subject(s);
		return ret;
	}
	net_network_ends(s);
	net_subject_pause(s);
	*state = s;
	return 0;
}

/* ---- what became of its processes */

static void add_explanation(struct net_proc *p, const char *name, char *why)
{
	const size_t len = strlen(why);
	char words[3 * NET_LAST_MAX];

	net_proc_explain(p, words, sizeof(words));
	if (words[0])
		snprintf(why + len, BENCH_WHY_MAX - len, " (%s %s)", name, words);
}

void net_subject_explain(struct net_state *s, char *why)
{
	const struct {
		const char *name;
		struct net_proc *p;
		bool talks; /* also when it has not ended its last words may say why */
	} all[] = {
		{"guest0", &s->vm[0], true},           {"guest1", &s->vm[1], true},
		{"backend", &s->backend, true},        {"the far end", &s->far, false},
		{"the end outside", &s->outer, false},
	};
	bool ended[ARRAY_SIZE(all)], any = false;

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		any |= ended[i] = net_proc_ended(all[i].p);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (any ? ended[i] : all[i].talks)
			add_explanation(all[i].p, all[i].name, why);
}

/* Guests first: nothing is then on its way to somebody who rests. */
void net_subject_pause(struct net_state *s)
{
	net_proc_pause(&s->vm[0]);
	net_proc_pause(&s->vm[1]);
	net_proc_pause(&s->backend);
	net_proc_pause(&s->far);
	net_proc_pause(&s->outer);
}

void net_subject_resume(struct net_state *s)
{
	net_proc_resume(&s->outer);
	net_proc_resume(&s->far);
	net_proc_resume(&s->backend);
	net_proc_resume(&s->vm[1]);
	net_proc_resume(&s->vm[0]);
}

/* ---- what there is */

#define SUBJECT(id_, name_, label_, ...)                       \
	[id_] = {                                              \
		.name = name_,                                 \
		.label = label_,                               \
		.can = can,                                    \
		.open = open_subject,                          \
		.close = close_subject,                        \
		.card = net_card,                              \
		.open_ms = 3000,                               \
		.arg = &(const struct net_setup){__VA_ARGS__}, \
	}

/* Of what QEMU has, too, doorbell has all: without the rest the features are the same. */
#define COMMON     ",features=default-speed_duplex"
#define NO_OFFLOAD COMMON "-csum-guest_csum"
#define CSUM_ONLY  COMMON "-host_tso4-host_tso6-host_ufo-guest_tso4-guest_tso6-guest_ufo"
/* Behind vhost nobody filters what comes: doorbell offers no filter there, QEMU offers one that does nothing. */
#define NO_FILTER ",ctrl_rx=off,ctrl_vlan=off"

const struct bench_subject net_subjects[NET_SUBJECTS] = {
	SUBJECT(NS_LOOPBACK, "loopback", "loopback, no guest", .way = NET_LOOP),
	SUBJECT(NS_VETH, "veth", "veth, no guest", .way = NET_VETH),
	SUBJECT(NS_QEMU_TAP, "qemu-microvm-tap", "QEMU microvm, TAP", .vmm = NET_MICROVM,
                .way = NET_TAP, .guests = 1),
	SUBJECT(NS_QEMU_VHOST, "qemu-microvm-vhost", "QEMU microvm, TAP and vhost",
                .vmm = NET_MICROVM, .way = NET_TAP, .guests = 1, .vhost = true, .qemu = NO_FILTER),
	SUBJECT(NS_QEMU_USER, "qemu-microvm-user", "QEMU microvm, user", .vmm = NET_MICROVM,
                .way = NET_USER, .guests = 1),
	SUBJECT(NS_PC_TAP, "qemu-pc-tap", "QEMU pc, TAP", .vmm = NET_PC, .way = NET_TAP,
                .guests = 1),
	SUBJECT(NS_PC_VHOST, "qemu-pc-vhost", "QEMU pc, TAP and vhost", .vmm = NET_PC,
                .way = NET_TAP, .guests = 1, .vhost = true, .qemu = NO_FILTER),
	SUBJECT(NS_PC_USER, "qemu-pc-user", "QEMU pc, user", .vmm = NET_PC, .way = NET_USER,
                .guests = 1),
	SUBJECT(NS_PURE, "pure", "doorbell, TAP", .vmm = NET_DOORBELL, .way = NET_TAP, .guests = 1,
                .keys = COMMON),
	SUBJECT(NS_PURE_TX0, "pure-tx0", "doorbell, TAP, tx-usecs=0", .vmm = NET_DOORBELL,
                .way = NET_TAP, .guests = 1, .keys = COMMON ",tx-usecs=0"),
	SUBJECT(NS_PURE_POLL, "pure-poll", "doorbell, TAP, poll=on", .vmm = NET_DOORBELL,
                .way = NET_TAP, .guests = 1, .keys = COMMON ",poll=on"),
	SUBJECT(NS_VHOST, "vhost", "doorbell, TAP and vhost", .vmm = NET_DOORBELL, .way = NET_TAP,
                .guests = 1, .vhost = true, .keys = COMMON),
	SUBJECT(NS_VHOST_BUSYLOOP, "vhost-busyloop", "doorbell, TAP and vhost, busyloop=1000",
                .vmm = NET_DOORBELL, .way = NET_TAP, .guests = 1, .vhost = true,
                .keys = COMMON ",busyloop=1000"),
	SUBJECT(NS_SLIRP, "slirp", "doorbell, user", .vmm = NET_DOORBELL, .way = NET_USER,
                .guests = 1, .keys = COMMON),
	SUBJECT(NS_VHOST_USER, "vhost-user",
                "doorbell, vhost-user to a doorbell backend with a TAP", .vmm = NET_DOORBELL,
                .way = NET_VHOST_USER, .guests = 1, .keys = COMMON),
	SUBJECT(NS_PAIR, "pair", "two doorbells, joined by a doorbell backend", .vmm = NET_DOORBELL,
                .way = NET_PAIR, .guests = 2, .keys = COMMON),
	SUBJECT(NS_PURE_TWO, "pure-two", "two doorbells, TAPs on a bridge", .vmm = NET_DOORBELL,
                .way = NET_TAP, .guests = 2, .keys = COMMON),
	SUBJECT(NS_VHOST_TWO, "vhost-two", "two doorbells, TAPs on a bridge, vhost",
                .vmm = NET_DOORBELL, .way = NET_TAP, .guests = 2, .vhost = true, .keys = COMMON),
	SUBJECT(NS_SLIRP_TWO, "slirp-two", "two doorbells, user", .vmm = NET_DOORBELL,
                .way = NET_USER, .guests = 2, .keys = COMMON),
	SUBJECT(NS_PAIR_NONE, "pair-none", "two doorbells, joined by a backend, no offloads",
                .vmm = NET_DOORBELL, .way = NET_PAIR, .guests = 2, .keys = NO_OFFLOAD),
	SUBJECT(NS_PAIR_CSUM, "pair-csum", "two doorbells, joined by a backend, checksums alone",
                .vmm = NET_DOORBELL, .way = NET_PAIR, .guests = 2, .keys = CSUM_ONLY),
	SUBJECT(NS_TWO_NONE, "pure-two-none", "two doorbells, TAPs on a bridge, no offloads",
                .vmm = NET_DOORBELL, .way = NET_TAP, .guests = 2, .keys = NO_OFFLOAD),
	SUBJECT(NS_TWO_CSUM, "pure-two-csum", "two doorbells, TAPs on a bridge, checksums alone",
                .vmm = NET_DOORBELL, .way = NET_TAP, .guests = 2, .keys = CSUM_ONLY),
	SUBJECT(NS_PURE_NONE, "pure-none", "doorbell, TAP, no offloads", .vmm = NET_DOORBELL,
                .way = NET_TAP, .guests = 1, .keys = NO_OFFLOAD),
	SUBJECT(NS_PURE_CSUM, "pure-csum", "doorbell, TAP, checksums alone", .vmm = NET_DOORBELL,
                .way = NET_TAP, .guests = 1, .keys = CSUM_ONLY),
	SUBJECT(NS_VHOST_NONE, "vhost-none", "doorbell, vhost, no offloads", .vmm = NET_DOORBELL,
                .way = NET_TAP, .guests = 1, .vhost = true, .keys = NO_OFFLOAD),
	SUBJECT(NS_VHOST_CSUM, "vhost-csum", "doorbell, vhost, checksums alone",
                .vmm = NET_DOORBELL, .way = NET_TAP, .guests = 1, .vhost = true, .keys = CSUM_ONLY),
	SUBJECT(NS_PURE_BRIDGED, "pure-bridged", "doorbell, TAP on a bridge", .vmm = NET_DOORBELL,
                .way = NET_TAP, .guests = 1, .mode = NET_BRIDGED, .keys = COMMON),
	SUBJECT(NS_VHOST_BRIDGED, "vhost-bridged", "doorbell, vhost, TAP on a bridge",
                .vmm = NET_DOORBELL, .way = NET_TAP, .guests = 1, .mode = NET_BRIDGED,
                .vhost = true, .keys = COMMON),
	SUBJECT(NS_PURE_NAT, "pure-nat", "doorbell, TAP behind a router that translates",
                .vmm = NET_DOORBELL, .way = NET_TAP, .guests = 1, .mode = NET_NAT, .keys = COMMON),
	SUBJECT(NS_VHOST_NAT, "vhost-nat", "doorbell, vhost, TAP behind a router that translates",
                .vmm = NET_DOORBELL, .way = NET_TAP, .guests = 1, .mode = NET_NAT, .vhost = true,
                .keys = COMMON),
	SUBJECT(NS_PURE_9000, "pure-9000", "doorbell, TAP, no offloads, MTU 9000",
                .vmm = NET_DOORBELL, .way = NET_TAP, .guests = 1, .mtu = 9000, .keys = NO_OFFLOAD),
	SUBJECT(NS_VHOST_9000, "vhost-9000", "doorbell, vhost, no offloads, MTU 9000",
                .vmm = NET_DOORBELL, .way = NET_TAP, .guests = 1, .mtu = 9000, .vhost = true,
                .keys = NO_OFFLOAD),
	SUBJECT(NS_SLIRP_9000, "slirp-9000", "doorbell, user, MTU 9000", .vmm = NET_DOORBELL,
                .way = NET_USER, .guests = 1, .keys = COMMON ",mtu=9000"),
	SUBJECT(NS_DPDK, "vhost-user-dpdk", "doorbell, vhost-user to DPDK's testpmd with a TAP",
                .vmm = NET_DOORBELL, .way = NET_DPDK, .guests = 1, .keys = NO_OFFLOAD),
	SUBJECT(NS_PEER, "peer", "the VMM of --peer-cmd, TAP", .vmm = NET_PEER, .way = NET_TAP,
                .guests = 1),
};
