/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our front end and our back end, which runs in a process of its own, sends every frame back, and is killed under
 * load: what was in flight must not stop the rings.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <unistd.h>

#include "devices/virtio.h"
#include "tests/lib/vu_proc.h"
#include "vmm/core/log.h"
#include "vmm/nic.h"
#include "vmm/vhost_server.h"

#define DEATHS 10u

static struct vu_proc proc;
static const char *net; /* what is behind its socket */

static void start(struct vu_proc *p)
{
	struct nic_config cfg;
	struct vhost_server *s;
	struct nic n;

	if (!vu_proc_fork(p))
		return;
	signal(SIGPIPE, SIG_IGN);
	if (nic_config_parse(&cfg, 0, net, false) < 0 || nic_open(&n, &cfg, 0, NULL) < 0 ||
	    vhost_server_create(p->path, &n, &s) < 0 || nic_start(&n) < 0)
		_exit(1);
	for (;;)
		pause();
}

static int setup(void **state)
{
	net = *state ? *state : "echo";
	if (vu_proc_setup(&proc) < 0)
		return -1;
	start(&proc);
	vu_proc_create(&proc, "");
	assert_int_equal(vu_rig_prepare(&proc.rig), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return vu_proc_teardown(&proc);
}

static void our_back_end_serves_our_front_end(void **state)
{
	struct vu_rig *r = &proc.rig;

	(void)state;
	vu_rig_up(r, 0);
	vu_rig_traffic(r, 2000);
	assert_true(r->interrupts > 0);
	vu_rig_up(r, FEATURE(VIRTIO_RING_F_EVENT_IDX));
	vu_rig_traffic(r, 1000);
	vu_rig_up(r, FEATURE(VIRTIO_RING_F_INDIRECT_DESC) | FEATURE(VIRTIO_NET_F_MRG_RXBUF));
	vu_rig_traffic(r, 1000);
}

static void our_back_end_serves_packed_rings_and_gives_them_back_where_they_stand(void **state)
{
	struct vu_rig *r = &proc.rig;

	(void)state;
	r->by_name = FEATURE(VIRTIO_F_RING_PACKED);
	assert_true(r->features & r->by_name);
	for (unsigned i = 0; i < 2; i++) {
		vu_rig_up(r, i ? FEATURE(VIRTIO_RING_F_EVENT_IDX) : 0);
		assert_true(r->lane[0].vq[NET_TX].packed);
		/* Taken back in laps of either wrap counter. */
		for (unsigned nr = 1000; nr < 1120; nr += 40) {
			vu_rig_traffic(r, nr);
			virtio_net_set_link(r->n, false);
			virtio_net_set_link(r->n, true);
		}
		vu_rig_traffic(r, 1000);
	}
}

static void a_back_end_killed_under_load_is_followed_by_the_next(void **state)
{
	(void)state;
	vu_rig_up(&proc.rig, 0);
	for (unsigned i = 0; i < DEATHS; i++) {
		vu_rig_traffic(&proc.rig, 500);
		vu_proc_die(&proc, start);
	}
	vu_rig_traffic(&proc.rig, 500);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	static char packed[] = "echo,features=default+packed";
	const struct CMUnitTest tests[] = {
		CASE(our_back_end_serves_our_front_end),
		{.name = "our_back_end_serves_packed_rings_and_gives_them_back_where_they_stand",
	         .test_func = our_back_end_serves_packed_rings_and_gives_them_back_where_they_stand,
	         .setup_func = setup,
	         .teardown_func = teardown,
	         .initial_state = packed},
		CASE(a_back_end_killed_under_load_is_followed_by_the_next),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests_name("vhost_user_backend", tests, NULL, NULL);
}
