/* SPDX-License-Identifier: Apache-2.0 */
/* A whole NIC without KVM: what a capture, a change of path and a reboot are to each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/lib/fake_driver.h"
#include "tests/lib/fake_net.h"
#include "tests/lib/fake_ring.h"
#include "vmm/core/compiler.h"
#include "vmm/nic.h"

struct rig {
	char dir[40], path[64];
	struct fake_mem mem;
	struct fake_ring peer;
	struct nic_config cfg;
	struct nic nic;
};

static int create_fake(const void *config, unused const struct net_common *common,
                       unused struct loop *l, struct net_backend **out)
{
	struct fake_net *f = fake_net_create(0);

	fake_ring_add(*(struct fake_ring *const *)config, f);
	*out = &f->backend;
	return 0;
}

static const struct net_kind fake_kind = {.name = "fake", .create = create_fake};

static void set_up(struct rig *r, bool pcap)
{
	*r = (struct rig){.dir = "/tmp/doorbell-nic-XXXXXX"};
	assert_non_null(mkdtemp(r->dir));
	snprintf(r->path, sizeof(r->path), "%s/net0.pcap", r->dir);
	fake_mem_create(&r->mem, MIB(1));
	r->cfg = (struct nic_config){.name = "net0",
	                             .kind = &fake_kind,
	                             .queue_size = 256,
	                             .queues = 1,
	                             .irq = NIC_IRQ_IRQFD,
	                             .regs = NIC_REGS_TRAP,
	                             .pcap = pcap ? r->path : NULL};
	*(struct fake_ring **)(void *)r->cfg.backend = &r->peer;
	assert_int_equal(nic_open(&r->nic, &r->cfg, 0, NULL), 0);
	assert_int_equal(nic_create(&r->nic, &r->mem.gmem, (struct irq_line){.set = NULL}), 0);
	assert_int_equal(nic_start(&r->nic), 0);
}

static void tear_down(struct rig *r)
{
	nic_close(&r->nic);
	fake_mem_destroy(&r->mem);
	unlink(r->path);
	rmdir(r->dir);
}

static void set_path(struct rig *r, const char *path)
{
	json_t *result = NULL;
	char why[256] = "";
	int ret = nic_set_path(&r->nic, path, &result, why, sizeof(why));

	json_decref(result);
	assert_string_equal(why, "");
	assert_int_equal(ret, 0);
}

static void after_the_capture_that_it_began_with_a_peer_can_serve(unused void **state)
{
	struct rig r;
	char why[256];

	set_up(&r, true);
	assert_int_equal(nic_set_pcap(&r.nic, NULL, why, sizeof(why)), 0);
	set_path(&r, "fakering");
	assert_non_null(r.peer.mem);
	nic_stop(&r.nic);
	tear_down(&r);
}

static void a_reboot_during_a_capture_takes_the_memory_from_the_peer(unused void **state)
{
	struct rig r;
	char why[256];

	set_up(&r, false);
	set_path(&r, "fakering");
	set_path(&r, "pure");
	assert_int_equal(nic_set_pcap(&r.nic, r.path, why, sizeof(why)), 0);
	assert_non_null(r.peer.mem);
	nic_stop(&r.nic);
	nic_destroy(&r.nic);
	assert_null(r.peer.mem);
	tear_down(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(after_the_capture_that_it_began_with_a_peer_can_serve),
		cmocka_unit_test(a_reboot_during_a_capture_takes_the_memory_from_the_peer),
	};

	return cmocka_run_group_tests_name("nic", tests, NULL, NULL);
}
