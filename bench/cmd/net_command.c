/* SPDX-License-Identifier: Apache-2.0 */
/* bench/cmd/net_argv_guest.c - how each VMM is started, so that all of them have the same machine and the same network */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/cmd/net_subject.h"

#define GUEST_MIB 160

/*
 * A guest rests while others are measured, and its clocks see that: no watchdog of its is to wake up and complain.
 * Ports that are forwarded to a guest behind a network of its own: 7100 from outside, 7200 from another guest.
 */
static const char append[] =
	"console=ttyS0 quiet panic=-1 nowatchdog rcupdate.rcu_cpu_stall_suppress=1";
static const char forwards[] = ",hostfwd=tcp:127.0.0.1:%u-:%u,hostfwd=udp:127.0.0.1:%u-:%u";

__attribute__((format(printf, 2, 3))) static void word(struct net_argv *a, const char *fmt, ...)
{
	va_list ap;

	if (a->nr + 1 >= NET_ARGS_MAX)
		return;
	va_start(ap, fmt);
	if (vasprintf(&a->word[a->nr], fmt, ap) < 0)
		a->word[a->nr] = NULL;
	va_end(ap);
	a->nr++;
}

static void words(struct net_argv *a, const char *const *w)
{
	for (; *w; w++)
		word(a, "%s", *w);
}

void net_argv_free(struct net_argv *a)
{
	for (unsigned i = 0; i < a->nr; i++)
		free(a->word[i]);
	*a = (struct net_argv){0};
}

/* A word that could not be made ends the line, which then is none. */
static int whole(struct net_argv *a)
{
	for (unsigned i = 0; i < a->nr; i++)
		if (!a->word[i]) {
			net_argv_free(a);
			return -ENOMEM;
		}
	a->word[a->nr] = NULL;
	return 0;
}

static const char *text(const char *or_null)
{
	return or_null ? or_null : "";
}

static const struct net_setup *setup_of(const struct net_state *s)
{
	return s->subject->arg;
}

/* The guest's forwards: @i 0 is reached from outside, 1 from the other guest. */
static void forward(char *out, size_t size, unsigned i)
{
	const unsigned port = i ? 7200 : 7100;

	snprintf(out, size, forwards, port, port, port, port);
}

/* ---- doorbell */

static void doorbell_net(const struct net_state *s, unsigned i, struct net_argv *a)
{
	const struct net_setup *t = setup_of(s);
	char more[160];

	forward(more, sizeof(more), i);
	word(a, "--net");
	switch (t->way) {
	case NET_USER:
		word(a, "user%s%s", more, text(t->keys));
		break;
	case NET_PAIR:
	case NET_VHOST_USER:
	case NET_DPDK:
		word(a, "vhost-user,socket=%s/vu%u,mac=02:64:62:00:01:%02x%s", s->env->tmp, i, i,
		     text(t->keys));
		break;
	default:
		word(a, "tap,ifname=b%u,mac=02:64:62:00:01:%02x,path=%s%s", i, i,
		     t->vhost ? "vhost" : "pure", text(t->keys));
		break;
	}
}

static int doorbell(const struct net_state *s, unsigned i, struct net_argv *a)
{
	word(a, "%s", s->env->self);
	word(a, "run");
	word(a, "-q");
	word(a, "-m");
	word(a, "%dM", GUEST_MIB);
	word(a, "-i");
	word(a, "%s", s->env->initrd);
	word(a, "-a");
	word(a, "%s", append);
	word(a, "--control");
	word(a, "%s", s->control[i]);
	doorbell_net(s, i, a);
	word(a, "%s", s->env->kernel);
	return whole(a);
}

/* One thread polls, the other one sleeps; what comes from one of its two ports leaves by the other one. */
static int testpmd(const struct net_state *s, struct net_argv *a)
{
	static const char *const eal[] = {"dpdk-testpmd", "-l", "0,1",      "--no-huge",
	                                  "-m",           "64", "--no-pci", "--no-telemetry",
	                                  "--no-shconf",  "-v", NULL};
	static const char *const ports[] = {"--vdev",
	                                    "net_tap0,iface=b0,mac=fixed",
	                                    "--",
	                                    "--no-mlockall",
	                                    "--forward-mode=io",
	                                    "--auto-start",
	                                    "--no-lsc-interrupt",
	                                    "--nb-cores=1",
	                                    "--total-num-mbufs=4096",
	                                    "--no-flush-rx",
	                                    "--disable-link-check",
	                                    "--stats-period",
	                                    "1000",
	                                    NULL};

	words(a, eal);
	word(a, "--file-prefix=bench%d", (int)getpid());
	word(a, "--vdev");
	word(a, "net_vhost0,iface=%s/vu0,queues=1", s->env->tmp);
	words(a, ports);
	return whole(a);
}

int net_argv_backend(const struct net_state *s, struct net_argv *a)
{
	const struct net_setup *t = setup_of(s);

	*a = (struct net_argv){0};
	if (t->way == NET_DPDK)
		return testpmd(s, a);
	word(a, "%s", s->env->self);
	word(a, "backend");
	word(a, "-q");
	for (unsigned i = 0; i < t->guests; i++) {
		word(a, "--socket");
		word(a, "%s/vu%u", s->env->tmp, i);
		word(a, "--net");
		word(a, "%s", t->way == NET_PAIR ? "pair,name=p" : "tap,ifname=b0");
	}
	return whole(a);
}

/* ---- QEMU */

static int qemu(const struct net_state *s, unsigned i, struct net_argv *a)
{
	static const char *const common[] = {
		"-cpu",     "host", "-smp",    "1",     "-nodefaults", "-no-user-config",
		"-display", "none", "-serial", "stdio", "-no-reboot",  "-m",
		NULL};
	const struct net_setup *t = setup_of(s);
	char more[160];

	word(a, "qemu-system-x86_64");
	word(a, "-M");
	/* Without a clock chip Linux waits five seconds for it; option ROMs are of no use to it. */
	word(a, "%s",
	     t->vmm == NET_PC ? "pc,accel=kvm" : "microvm,accel=kvm,x-option-roms=off,rtc=on");
	words(a, common);
	word(a, "%d", GUEST_MIB);
	word(a, "-netdev");
	if (t->way == NET_USER) {
		forward(more, sizeof(more), i);
		word(a, "user,id=n%s", more);
	} else {
		word(a, "tap,id=n,ifname=b%u,script=no,downscript=no,vhost=%s", i,
		     t->vhost ? "on" : "off");
	}
	/* Or it is a device of before the standard. */
	if (t->vmm == NET_MICROVM) {
		word(a, "-global");
		word(a, "virtio-mmio.force-legacy=false");
	}
	word(a, "-device");
	word(a, "%s,netdev=n,mac=02:64:62:00:01:%02x%s%s",
	     t->vmm == NET_PC ? "virtio-net-pci" : "virtio-net-device", i,
	     t->vmm == NET_PC ? ",romfile=" : "", text(t->qemu));
	word(a, "-kernel");
	word(a, "%s", s->env->kernel);
	word(a, "-initrd");
	word(a, "%s", s->env->initrd);
	word(a, "-append");
	word(a, "%s", append);
	return whole(a);
}

/* ---- any other: a command for the shell, which finds in its environment what it is to do */

static int peer(const struct net_state *s, struct net_argv *a)
{
	word(a, "env");
	word(a, "BENCH_KERNEL=%s", s->env->kernel);
	word(a, "BENCH_INITRD=%s", s->env->initrd);
	word(a, "BENCH_APPEND=%s", append);
	word(a, "BENCH_TAP=b0");
	word(a, "BENCH_MAC=02:64:62:00:01:00");
	word(a, "BENCH_MEM=%d", GUEST_MIB);
	word(a, "/bin/sh");
	word(a, "-c");
	word(a, "%s",
	     s->env->peer_cmd); /* what is ended, and rests, is the process group of the shell */
	return whole(a);
}

int net_argv_guest(const struct net_state *s, unsigned i, struct net_argv *a)
{
	*a = (struct net_argv){0};
	switch (setup_of(s)->vmm) {
	case NET_DOORBELL:
		return doorbell(s, i, a);
	case NET_MICROVM:
	case NET_PC:
		return qemu(s, i, a);
	case NET_PEER:
		return peer(s, a);
	default:
		return -EINVAL;
	}
}
