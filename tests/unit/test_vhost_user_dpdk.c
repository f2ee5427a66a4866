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
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "devices/virtio.h"
#include "tests/lib/vu_rig.h"
#include "vmm/core/log.h"

#define PROGRAM "/usr/bin/dpdk-testpmd"
#define DEATHS  20u

static struct vu_rig rig;
static char dir[32], path[64];
static pid_t peer = -1;
static unsigned pairs;

/* @how: ",client=1" or nothing. */
static void start_peer(const char *how)
{
	char vdev[128], prefix[48], rxq[16], txq[16];

	unlink(path); /* DPDK does not replace it */
	snprintf(vdev, sizeof(vdev), "net_vhost0,iface=%s,queues=%u%s", path, pairs, how);
	snprintf(rxq, sizeof(rxq), "--rxq=%u", pairs);
	snprintf(txq, sizeof(txq), "--txq=%u", pairs);
	snprintf(prefix, sizeof(prefix), "unit%d", (int)getpid());
	peer = fork();
	assert_true(peer >= 0);
	if (peer > 0)
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

static void kill_peer(void)
{
	if (peer < 0)
		return;
	kill(peer, SIGKILL);
	waitpid(peer, NULL, 0);
	peer = -1;
}

static int setup(void **state)
{
	*state = &rig;
	pairs = 1;
	strcpy(dir, "/tmp/doorbell-pmd-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/socket", dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	kill_peer();
	vu_rig_destroy(&rig);
	unlink(path);
	return rmdir(dir);
}

static void create(const char *more)
{
	const struct net_common common = {
		.nic = "net0", .mac = {2, 0, 0, 0, 0, 1}, .mtu = 1500, .more_pairs = pairs - 1};
	char keys[128];

	snprintf(keys, sizeof(keys), "socket=%s%s", path, more);
	assert_int_equal(vu_rig_create(&rig, keys, &common), 0);
}

static void come_up(const char *more, const char *how)
{
	if (access(PROGRAM, X_OK) < 0) {
		create(more);
		skip();
	}
	start_peer(how);
	create(more);
	assert_int_equal(vu_rig_prepare(&rig), 0);
	vu_rig_up(&rig, 0);
	vu_rig_traffic(&rig, 2000);
}

static void dpdk_serves_the_rings(void **state)
{
	(void)state;
	come_up("", "");
	assert_true(rig.interrupts > 0);
	/* And with what else a driver may accept. */
	vu_rig_up(&rig, FEATURE(VIRTIO_RING_F_EVENT_IDX));
	vu_rig_traffic(&rig, 1000);
	vu_rig_up(&rig, FEATURE(VIRTIO_RING_F_INDIRECT_DESC) | FEATURE(VIRTIO_NET_F_MRG_RXBUF));
	vu_rig_traffic(&rig, 1000);
}

static void traffic_goes_on_after_each_death_of_dpdk(void **state)
{
	(void)state;
	come_up("", "");
	for (unsigned i = 1; i <= DEATHS; i++) {
		vu_rig_send(&rig, 32);
		kill_peer();
		vu_rig_until_link(&rig, false);
		vu_rig_send(&rig, 32);
		start_peer("");
		vu_rig_until_link(&rig, true);
		vu_rig_traffic(&rig, 2000);
		assert_int_equal(rig.b->stats.reconnects, i);
	}
}

static bool running(void)
{
	return fake_status(&rig.dev) == (VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |
	                                 VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK);
}

static void dpdk_serves_packed_rings_and_takes_their_place_with_it(void **state)
{
	(void)state;
	come_up("", "");
	rig.by_name = FEATURE(VIRTIO_F_RING_PACKED);
	assert_true(rig.features & rig.by_name);
	for (unsigned i = 0; i < 3; i++) {
		/* The second time with what was taken back from it where it stood. */
		vu_rig_up(&rig, i ? FEATURE(VIRTIO_RING_F_EVENT_IDX) : 0);
		assert_true(rig.lane[0].vq[NET_TX].packed);
		/* Taken back in laps of either wrap counter. */
		for (unsigned nr = 1000; nr < 1120; nr += 40) {
			vu_rig_traffic(&rig, nr);
			virtio_net_set_link(rig.n, false);
			virtio_net_set_link(rig.n, true);
		}
		vu_rig_traffic(&rig, 1000);
		assert_true(running());
	}
	/* Nobody else knows where the rings stand: the driver has to begin anew. */
	kill_peer();
	vu_rig_until_link(&rig, false);
	assert_false(running());
	start_peer("");
	vu_rig_until_link(&rig, true);
	assert_false(running());
	vu_rig_up(&rig, 0);
	vu_rig_traffic(&rig, 1000);
}

static void dpdk_may_connect_to_us(void **state)
{
	(void)state;
	come_up(",server=on", ",client=1");
	kill_peer();
	vu_rig_until_link(&rig, false);
}

static void dpdk_serves_two_pairs(void **state)
{
	static const unsigned steps[] = {2, 1, 2};

	(void)state;
	pairs = 2;
	come_up("", "");
	for (unsigned i = 0; i < 3; i++) {
		vu_rig_use_pairs(&rig, steps[i]);
		vu_rig_traffic(&rig, 1000);
	}
	vu_rig_send(&rig, 32);
	kill_peer();
	vu_rig_until_link(&rig, false);
	start_peer("");
	vu_rig_until_link(&rig, true);
	vu_rig_traffic(&rig, 1000);
	vu_rig_up(&rig, FEATURE(VIRTIO_NET_F_MQ));
	vu_rig_traffic(&rig, 1000);
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
