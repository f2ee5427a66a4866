/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A NIC and a vhost-user peer that is not ours: DPDK's net_vhost, which sends every frame back, but
 * for those that it drops because it finds no receive buffer at that moment.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "devices/virtio.h"
#include "tests/lib/vu_proc.h"
#include "vmm/core/log.h"

#define PROGRAM "/usr/bin/dpdk-testpmd"
#define DEATHS  20u

static struct vu_proc proc;
static struct vu_rig *const rig = &proc.rig;

/* @how: ",client=1" or nothing. */
static void run_peer(struct vu_proc *p, const char *how)
{
	char vdev[128], prefix[48], rxq[16], txq[16];

	unlink(p->path); /* DPDK does not replace it */
	snprintf(vdev, sizeof(vdev), "net_vhost0,iface=%s,queues=%u%s", p->path, p->pairs, how);
	snprintf(rxq, sizeof(rxq), "--rxq=%u", p->pairs);
	snprintf(txq, sizeof(txq), "--txq=%u", p->pairs);
	snprintf(prefix, sizeof(prefix), "unit%d", (int)getpid());
	if (!vu_proc_fork(p))
		return;
	/* Both threads on one CPU: the other one is for us. */
	dup2(open("/dev/null", O_RDWR | O_CLOEXEC), STDIN_FILENO);
	dup2(STDIN_FILENO, STDOUT_FILENO);
	dup2(STDIN_FILENO, STDERR_FILENO);
	execl(PROGRAM, PROGRAM, "--lcores", "0@0,1@0", "--no-huge", "-m", "64", "--no-pci",
	      "--no-telemetry", "--no-shconf", "--file-prefix", prefix, "--vdev", vdev, "--",
	      "--no-mlockall", "--forward-mode=io", "--auto-start", "--no-lsc-interrupt",
	      "--port-topology=loop", "--total-num-mbufs=4096", "--no-flush-rx",
	      "--disable-link-check", "--stats-period=1000", rxq, txq, (char *)NULL);
	_exit(127);
}

static void start(struct vu_proc *p)
{
	run_peer(p, "");
}

static int setup(void **state)
{
	(void)state;
	return vu_proc_setup(&proc);
}

static int teardown(void **state)
{
	(void)state;
	return vu_proc_teardown(&proc);
}

static void come_up(const char *more, const char *how)
{
	if (access(PROGRAM, X_OK) < 0) {
		vu_proc_create(&proc, more);
		skip();
	}
	run_peer(&proc, how);
	vu_proc_create(&proc, more);
	assert_int_equal(vu_rig_prepare(rig), 0);
	vu_rig_up(rig, 0);
	vu_rig_traffic(rig, 2000);
}

static void dpdk_serves_the_rings(void **state)
{
	(void)state;
	come_up("", "");
	assert_true(rig->interrupts > 0);
	/* And with what else a driver may accept. */
	vu_rig_up(rig, FEATURE(VIRTIO_RING_F_EVENT_IDX));
	vu_rig_traffic(rig, 1000);
	vu_rig_up(rig, FEATURE(VIRTIO_RING_F_INDIRECT_DESC) | FEATURE(VIRTIO_NET_F_MRG_RXBUF));
	vu_rig_traffic(rig, 1000);
}

static void traffic_goes_on_after_each_death_of_dpdk(void **state)
{
	(void)state;
	come_up("", "");
	for (unsigned i = 0; i < DEATHS; i++) {
		vu_proc_die(&proc, start);
		vu_rig_traffic(rig, 2000);
	}
}

static bool running(void)
{
	return fake_status(&rig->dev) == (VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |
	                                  VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK);
}

static void dpdk_serves_packed_rings_and_takes_their_place_with_it(void **state)
{
	(void)state;
	come_up("", "");
	rig->by_name = FEATURE(VIRTIO_F_RING_PACKED);
	assert_true(rig->features & rig->by_name);
	for (unsigned i = 0; i < 3; i++) {
		/* The second time with what was taken back from it where it stood. */
		vu_rig_up(rig, i ? FEATURE(VIRTIO_RING_F_EVENT_IDX) : 0);
		assert_true(rig->lane[0].vq[NET_TX].packed);
		/* Taken back in laps of either wrap counter. */
		for (unsigned nr = 1000; nr < 1120; nr += 40) {
			vu_rig_traffic(rig, nr);
			virtio_net_set_link(rig->n, false);
			virtio_net_set_link(rig->n, true);
		}
		vu_rig_traffic(rig, 1000);
		assert_true(running());
	}
	/* Nobody else knows where the rings stand: the driver has to begin anew. */
	vu_proc_kill(&proc);
	vu_rig_until_link(rig, false);
	assert_false(running());
	start(&proc);
	vu_rig_until_link(rig, true);
	assert_false(running());
	vu_rig_up(rig, 0);
	vu_rig_traffic(rig, 1000);
}

static void dpdk_may_connect_to_us(void **state)
{
	(void)state;
	come_up(",server=on", ",client=1");
	vu_proc_kill(&proc);
	vu_rig_until_link(rig, false);
}

static void dpdk_serves_two_pairs(void **state)
{
	static const unsigned steps[] = {2, 1, 2};

	(void)state;
	proc.pairs = 2;
	come_up("", "");
	for (unsigned i = 0; i < 3; i++) {
		vu_rig_use_pairs(rig, steps[i]);
		vu_rig_traffic(rig, 1000);
	}
	vu_proc_die(&proc, start);
	vu_rig_traffic(rig, 1000);
	vu_rig_up(rig, FEATURE(VIRTIO_NET_F_MQ));
	vu_rig_traffic(rig, 1000);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(dpdk_serves_the_rings),
		CASE(traffic_goes_on_after_each_death_of_dpdk),
		CASE(dpdk_serves_packed_rings_and_takes_their_place_with_it),
		CASE(dpdk_may_connect_to_us),
		CASE(dpdk_serves_two_pairs),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests_name("vhost_user_dpdk", tests, NULL, NULL);
}
