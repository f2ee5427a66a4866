/* SPDX-License-Identifier: Apache-2.0 */
/* A whole NIC without KVM: what a capture, a change of path and a reboot are to each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/pair.h"
#include "tests/lib/capture.h"
#include "tests/lib/fake_driver.h"
#include "tests/lib/fake_net.h"
#include "tests/lib/fake_ring.h"
#include "vmm/core/compiler.h"
#include "vmm/nic.h"
#include "vmm/stats.h"

struct rig {
	char dir[40], path[64];
	struct fake_mem mem;
	struct fake_ring peer;
	struct nic_config cfg;
	struct nic nic;
};

static int create_fake(const void *config, const struct net_common *common, unused struct loop *l,
                       struct net_backend **out)
{
	struct fake_net *f = fake_net_create(0);

	for (unsigned i = 0; i < common->more_pairs; i++)
		fake_net_add_pair(f);
	fake_ring_add(*(struct fake_ring *const *)config, f, false);
	*out = &f->backend;
	return 0;
}

static const struct net_kind fake_kind = {.name = "fake", .create = create_fake};

static int create_with_rings(const void *config, const struct net_common *common, struct loop *l,
                             struct net_backend **out)
{
	create_fake(config, common, l, out);
	(*out)->ring_first = true;
	(*out)->ring_cannot = FEATURE(VIRTIO_NET_F_CTRL_RX);
	return 0;
}

static const struct net_kind ring_kind = {.name = "fake", .create = create_with_rings};

static const struct net_kind one_loop_kind = {
	.name = "fake", .create = create_fake, .one_loop = true};

static void set_up_kind(struct rig *r, const struct net_kind *kind, unsigned pairs, bool pcap)
{
	*r = (struct rig){.dir = "/tmp/doorbell-nic-XXXXXX"};
	assert_non_null(mkdtemp(r->dir));
	snprintf(r->path, sizeof(r->path), "%s/net0.pcap", r->dir);
	fake_mem_create(&r->mem, MIB(1));
	r->cfg = (struct nic_config){.name = "net0",
	                             .kind = kind,
	                             .queue_size = 256,
	                             .queues = pairs,
	                             .irq = NIC_IRQ_IRQFD,
	                             .regs = NIC_REGS_TRAP,
	                             .pcap = pcap ? r->path : NULL};
	*(struct fake_ring **)(void *)r->cfg.backend = &r->peer;
	assert_int_equal(nic_open(&r->nic, &r->cfg, 0, NULL), 0);
	assert_int_equal(nic_create(&r->nic, &r->mem.gmem, (struct irq_line){.set = NULL}), 0);
	assert_int_equal(nic_start(&r->nic), 0);
}

static void set_up_pairs(struct rig *r, unsigned pairs, bool pcap)
{
	set_up_kind(r, &fake_kind, pairs, pcap);
}

static void set_up(struct rig *r, bool pcap)
{
	set_up_pairs(r, 1, pcap);
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

static void a_nic_with_several_pairs_can_be_captured(unused void **state)
{
	struct rig r;
	char why[256];

	for (unsigned from_the_start = 0; from_the_start < 2; from_the_start++) {
		set_up_pairs(&r, 3, from_the_start);
		for (unsigned i = 0; i < 3; i++) {
			if (!r.nic.pcap)
				assert_int_equal(nic_set_pcap(&r.nic, r.path, why, sizeof(why)), 0);
			assert_ptr_not_equal(r.nic.backend, nic_backend(&r.nic));
			assert_non_null(nic_backend(&r.nic)->ring);
			assert_int_equal(nic_set_pcap(&r.nic, NULL, why, sizeof(why)), 0);
			assert_ptr_equal(r.nic.backend, nic_backend(&r.nic));
		}
		set_path(&r, "fakering");
		assert_int_equal(nic_set_pcap(&r.nic, r.path, why, sizeof(why)), -ENOTSUP);
		nic_stop(&r.nic);
		tear_down(&r);
	}
}

static json_int_t number(const json_t *o, const char *name)
{
	const json_t *v = json_object_get(o, name);

	assert_true(json_is_integer(v));
	return json_integer_value(v);
}

/* What the manual promises. */
static void status_and_stats_are_there_for_each_pair(unused void **state)
{
	static const char *const groups[] = {"device", "backend", "kernel"};
	static const char *const loop[] = {"loop_wakeups", "loop_changes", "loop_calls",
	                                   "loop_timers"};
	json_t *status, *stats, *pairs;
	struct rig r;

	set_up_pairs(&r, 8, false);
	status = nic_status(&r.nic);
	assert_int_equal(number(status, "queues"), 8);
	assert_int_equal(number(status, "pairs_in_use"), 1);
	assert_string_equal(json_string_value(json_object_get(status, "steering")), "automatic");
	stats = stats_of_nic(&r.nic);
	pairs = json_object_get(stats, "pairs");
	assert_int_equal(json_array_size(pairs), 8);
	for (size_t k = 0; k < ARRAY_SIZE(loop); k++) {
		json_int_t sum = 0;

		for (size_t i = 0; i < 8; i++)
			sum += number(json_array_get(pairs, i), loop[k]);
		assert_int_equal(number(stats, loop[k]), sum);
	}
	for (size_t k = 0; k < ARRAY_SIZE(groups); k++)
		for (size_t i = 0; i < 8; i++)
			number(json_object_get(json_array_get(pairs, i), groups[k]),
			       k == 1 ? "syscalls_recv" : "rx_kicks");
	json_decref(stats);
	json_decref(status);
	nic_stop(&r.nic);
	tear_down(&r);
}

static void a_loop_that_all_pairs_are_on_counts_once(unused void **state)
{
	json_t *status, *stats, *pairs;
	struct rig r;

	set_up_kind(&r, &one_loop_kind, 4, false);
	status = nic_status(&r.nic); /* by a call of the loop */
	stats = stats_of_nic(&r.nic);
	pairs = json_object_get(stats, "pairs");
	assert_int_equal(json_array_size(pairs), 4);
	assert_true(number(stats, "loop_calls") > 0);
	assert_int_equal(number(stats, "loop_calls"),
	                 number(json_array_get(pairs, 0), "loop_calls"));
	for (size_t i = 1; i < 4; i++)
		assert_int_equal(number(json_array_get(pairs, i), "loop_calls"), 0);
	json_decref(stats);
	json_decref(status);
	nic_stop(&r.nic);
	tear_down(&r);
}

static void the_ends_of_a_pair_have_one_thread(unused void **state)
{
	static const char *const name = "x";
	struct net_pairs pairs = {NULL};
	struct nic_config cfg[2];
	struct nic nic[2];
	struct fake_mem mem;
	json_t *tasks = json_array();

	fake_mem_create(&mem, MIB(1));
	for (unsigned i = 0; i < 2; i++) {
		cfg[i] = (struct nic_config){.name = "net0",
		                             .kind = net_kind_find("pair"),
		                             .queue_size = 256,
		                             .queues = 1,
		                             .irq = NIC_IRQ_IRQFD,
		                             .regs = NIC_REGS_TRAP};
		cfg[i].name[3] = i ? '1' : '0';
		*(const char **)(void *)cfg[i].backend = name;
		assert_int_equal(nic_open(&nic[i], &cfg[i], 0, &pairs), 0);
		assert_int_equal(nic_create(&nic[i], &mem.gmem, (struct irq_line){.set = NULL}), 0);
	}
	assert_ptr_equal(nic[0].loop, nic[1].loop);
	for (unsigned again = 0; again < 2; again++) {
		for (unsigned i = 0; i < 2; i++)
			assert_int_equal(nic_start(&nic[i]), 0);
		for (unsigned i = 0; i < 2; i++) {
			json_t *status = nic_status(&nic[i]);

			assert_string_equal(json_string_value(json_object_get(status, "kind")),
			                    "pair");
			json_decref(status);
		}
		for (unsigned i = 0; i < 2; i++)
			nic_stop(&nic[i]);
	}
	for (unsigned i = 0; i < 2; i++)
		nic_add_ended_tasks(&nic[i], tasks);
	assert_int_equal(json_array_size(tasks), 1);
	json_decref(tasks);
	for (unsigned i = 0; i < 2; i++)
		nic_close(&nic[i]);
	assert_null(pairs.first);
	fake_mem_destroy(&mem);
}

static void legacy_device_is_served_by_doorbell_itself(unused void **state)
{
	json_t *result = NULL;
	struct capture cap;
	char why[256] = "";
	struct nic late;
	struct rig r;
	int ret;

	set_up(&r, false);
	nic_stop(&r.nic);
	nic_destroy(&r.nic);
	r.nic.features = 0; /* as if none was chosen yet */
	r.cfg.transport = NIC_MMIO_LEGACY;
	assert_int_equal(nic_create(&r.nic, &r.mem.gmem, (struct irq_line){.set = NULL}), 0);
	assert_int_equal(r.nic.features >> 32, 0);
	assert_int_equal(nic_set_path(&r.nic, "fakering", &result, why, sizeof(why)), -ENOTSUP);
	assert_non_null(strstr(why, "legacy device"));
	tear_down(&r);
	/* Nor can it begin otherwise. */
	fake_mem_create(&r.mem, MIB(1));
	r.cfg.kind = &ring_kind;
	CAPTURED(&cap, &ret, nic_open(&late, &r.cfg, 0, NULL));
	assert_int_equal(ret, -EINVAL);
	assert_one_line(&cap, "transport=mmio-legacy and path=fakering exclude each other");
	fake_mem_destroy(&r.mem);
}

/* The peer was waited for first, and no peer could have made it possible. */
static void what_no_peer_can_make_possible_is_refused_before_one_is_waited_for(unused void **state)
{
	static const struct {
		enum nic_irq irq;
		enum nic_kick kick;
		const char *features, *why;
	} table[] = {
		{NIC_IRQ_IOCTL, NIC_KICK_NOT_GIVEN, NULL, "irq=ioctl and path=fakering exclude"},
		{NIC_IRQ_IRQFD, NIC_KICK_NOT_GIVEN, "default+ctrl_rx", "ctrl_rx is not possible"},
		{NIC_IRQ_IRQFD, NIC_KICK_IOEVENTFD, "default+notification_data",
	         "kick=ioeventfd and features=default+notification_data exclude"},
	};
	struct fake_ring peer = {0};

	for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
		struct nic_config cfg = {.name = "net0",
		                         .kind = &ring_kind,
		                         .queue_size = 256,
		                         .queues = 1,
		                         .irq = table[i].irq,
		                         .kick = table[i].kick,
		                         .regs = NIC_REGS_TRAP,
		                         .features = table[i].features};
		struct capture cap;
		struct nic n;
		int ret;

		*(struct fake_ring **)(void *)cfg.backend = &peer;
		CAPTURED(&cap, &ret, nic_open(&n, &cfg, 0, NULL));
		assert_int_equal(ret, -EINVAL);
		assert_one_line(&cap, table[i].why);
	}
	assert_int_equal(peer.nr_prepares, 0);
}

static const char *kick_with(const char *features, enum nic_kick kick)
{
	static char word[16];
	json_t *status = json_object();
	struct fake_mem mem;
	struct fake_ring peer = {0};
	struct nic_config cfg = {.name = "net0",
	                         .kind = &fake_kind,
	                         .queue_size = 256,
	                         .queues = 1,
	                         .irq = NIC_IRQ_IRQFD,
	                         .kick = kick,
	                         .regs = NIC_REGS_TRAP,
	                         .features = features};
	struct nic n;

	*(struct fake_ring **)(void *)cfg.backend = &peer;
	fake_mem_create(&mem, MIB(1));
	assert_int_equal(nic_open(&n, &cfg, 0, NULL), 0);
	assert_int_equal(nic_create(&n, &mem.gmem, (struct irq_line){.set = NULL}), 0);
	nic_describe_registers(&n, status);
	snprintf(word, sizeof(word), "%s", json_string_value(json_object_get(status, "kick")));
	json_decref(status);
	nic_close(&n);
	fake_mem_destroy(&mem);
	return word;
}

static void kicks_are_taken_as_was_asked_for(unused void **state)
{
	const char *const data = "default+notification_data";

	assert_string_equal(kick_with(NULL, NIC_KICK_NOT_GIVEN), "ioeventfd");
	assert_string_equal(kick_with(NULL, NIC_KICK_IOEVENTFD), "ioeventfd");
	assert_string_equal(kick_with(data, NIC_KICK_NOT_GIVEN), "exit");
	assert_string_equal(kick_with(data, NIC_KICK_EXIT), "exit");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(after_the_capture_that_it_began_with_a_peer_can_serve),
		cmocka_unit_test(legacy_device_is_served_by_doorbell_itself),
		cmocka_unit_test(
			what_no_peer_can_make_possible_is_refused_before_one_is_waited_for),
		cmocka_unit_test(kicks_are_taken_as_was_asked_for),
		cmocka_unit_test(a_reboot_during_a_capture_takes_the_memory_from_the_peer),
		cmocka_unit_test(a_nic_with_several_pairs_can_be_captured),
		cmocka_unit_test(status_and_stats_are_there_for_each_pair),
		cmocka_unit_test(a_loop_that_all_pairs_are_on_counts_once),
		cmocka_unit_test(the_ends_of_a_pair_have_one_thread),
	};

	return cmocka_run_group_tests_name("nic", tests, NULL, NULL);
}
