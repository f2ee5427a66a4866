/* SPDX-License-Identifier: Apache-2.0 */
/* What a device was provoked to do is done again when its recording is replayed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <linux/virtio_mmio.h>
#include <string.h>

#include "devices/virtio.h"
#include "devices/virtio_watch.h"
#include "tests/lib/replay_rig.h"

#define PACKED FEATURE(VIRTIO_F_RING_PACKED)

static const enum provoke_id rounds[] = {P_EVENT_WORDS,   P_BOTH_BITS, P_REORDER,    P_DELAY,
                                         P_HEADER_POISON, P_USED_LEN,  P_CONFIG_IRQ, P_LINK_FLAP};
#define AT_BOOT                                                                                 \
	(PROVOKE_BIT(P_STRICT_STATUS) | PROVOKE_BIT(P_DIRTY_HANDOVER) |                         \
	 PROVOKE_BIT(P_LATE_QUEUES) | PROVOKE_BIT(P_TORN_CONFIG) | PROVOKE_BIT(P_CONFIG_TAIL) | \
	 PROVOKE_BIT(P_QUEUE_SIZES) | PROVOKE_BIT(P_POISON) | PROVOKE_BIT(P_STATUS_BITS) |      \
	 PROVOKE_BIT(P_UNKNOWN_FEATURES) | PROVOKE_BIT(P_CTRL_ERROR))

/* What a driver reads, and what is answered to its commands. */
static void look_around(struct replay_rig *g)
{
	const struct fake_dev *d = &g->r.dev;
	uint8_t on = 1;

	for (unsigned i = 0; i < 24; i++)
		(void)virtio_mmio_bus_ops.read(&g->mmio, VIRTIO_MMIO_CONFIG + i, 1);
	(void)fake_readl(d, VIRTIO_MMIO_CONFIG_GENERATION);
	(void)fake_readl(d, VIRTIO_MMIO_QUEUE_SEL);
	(void)fake_readl(d, VIRTIO_MMIO_INTERRUPT_STATUS);
	(void)vrig_command(&g->r, VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, &on, 1);
	(void)vrig_command(&g->r, VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_ALLMULTI, &on, 1);
}

/* Those that hold back what was used: the driver takes what it gets. */
static void exchange(struct replay_rig *g)
{
	struct fake_buf in = fake_in(&g->r.m, 300);
	uint8_t frame[12 + 100] = {0};
	struct fake_buf out;
	unsigned head;
	uint32_t len;

	vrig_frame(frame + 12, 100, vrig_mac, 5);
	out = fake_out(&g->r.m, frame, sizeof(frame));
	if (fake_vq_add(&g->r.vq[NET_RX], &in, 1) >= 0)
		vrig_go(&g->r, NET_RX);
	if (fake_vq_add(&g->r.vq[NET_TX], &out, 1) >= 0)
		vrig_go(&g->r, NET_TX);
	fake_net_queue(g->r.net, NULL, frame + 12, 100);
	fake_net_can_recv(g->r.net);
	vrig_pump(&g->r);
	provoke_act(g->provoke);
	if (provoke_changes(g->provoke)) {
		fake_writel(&g->r.dev, VIRTIO_MMIO_INTERRUPT_ACK, 3);
		provoke_ask(g->provoke, ACT_CHANGE);
		provoke_act(g->provoke);
		(void)virtio_mmio_bus_ops.read(&g->mmio, VIRTIO_MMIO_CONFIG + 6, 2);
	}
	while (fake_vq_reap(&g->r.vq[NET_TX], &head, &len))
		;
	while (fake_vq_reap(&g->r.vq[NET_RX], &head, &len))
		;
	fake_net_forget_sent(g->r.net);
}

static void what_was_provoked_can_be_replayed(unused void **state)
{
	static const uint64_t layouts[] = {0, PACKED};

	for (unsigned i = 0; i < ARRAY_SIZE(layouts); i++) {
		struct replay_rig g = {.record = NULL};
		struct replay_outcome o;

		vrig_layout(layouts[i]);
		replay_rig_file(&g);
		assert_int_equal(provoke_create(AT_BOOT, 3, &g.provoke), 0);
		replay_rig_nic(&g, 0, (struct vrig_options){.mem_bytes = 0});
		(void)fake_readl(&g.r.dev, VIRTIO_MMIO_STATUS);
		vrig_up(&g.r, VRIG_ALL & ~VRIG_F(MRG_RXBUF));
		look_around(&g);
		for (unsigned k = 0; k < ARRAY_SIZE(rounds); k++) {
			provoke_switch(g.provoke, (int)rounds[k]);
			for (unsigned n = 0; n < 12; n++)
				exchange(&g);
		}
		look_around(&g);
		replay_rig_end(&g);
		provoke_destroy(g.provoke);
		o = replay_rig_same(&g);
		assert_true(o.used > 40 && o.frames >= 100 && o.changes > 40 && o.written > 40);
	}
	vrig_layout(0);
}

/* Header and frame in a descriptor each. What comes back is not reaped: it is none of what is out. */
static void send_chains(struct replay_rig *g, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++) {
		uint8_t frame[12 + 60] = {0};
		struct fake_buf b;

		vrig_frame(frame + 12, 60, vrig_mac, i);
		b = fake_out(&g->r.m, frame, sizeof(frame));
		assert_true(
			fake_vq_add(&g->r.vq[NET_TX],
		                    (struct fake_buf[]){fake_part(b, 0, 12), fake_part(b, 12, 60)},
		                    2) >= 0);
		vrig_go(&g->r, NET_TX);
	}
}

static void ids_that_are_none_can_be_replayed(unused void **state)
{
	static const struct {
		uint64_t layout;
		enum provoke_id id;
	} all[] = {{0, P_BAD_ID},
	           {0, P_CHAIN_ID},
	           {0, P_FREE_ID},
	           {PACKED, P_BAD_ID},
	           {PACKED, P_FREE_ID}};

	for (unsigned i = 0; i < ARRAY_SIZE(all); i++) {
		struct replay_rig g = {.record = NULL};
		struct replay_outcome o;

		vrig_layout(all[i].layout);
		replay_rig_file(&g);
		assert_int_equal(provoke_create(PROVOKE_BIT(all[i].id), 3, &g.provoke), 0);
		replay_rig_nic(&g, 0, (struct vrig_options){.mem_bytes = 0});
		vrig_up(&g.r, VRIG_ALL);
		provoke_switch(g.provoke, (int)all[i].id);
		send_chains(&g, 8);
		assert_true(provoke_times(g.provoke, all[i].id) > 0);
		replay_rig_end(&g);
		o = replay_rig_same(&g);
		assert_int_equal(o.changes, provoke_times(g.provoke, all[i].id));
		assert_int_equal(o.used, 8);
		provoke_destroy(g.provoke);
	}
	vrig_layout(0);
}

/* A driver that writes to a buffer that it believes to have back: before the device reads it, and when it has. */
static struct {
	struct virtio_watch first, last; /* around the recorder */
	struct vq_watch ring;
	uint8_t *byte; /* of the frame */
} writer;

static void when_it_is_found(unused struct vq_watch *w, unused uint16_t from, unused uint16_t to)
{
	*writer.byte ^= 1;
}

static struct vq_watch *on_tx(unused struct virtio_watch *w, unsigned queue,
                              unused const struct vq_addr *a)
{
	return queue == NET_TX ? &writer.ring : NULL;
}

static void when_it_is_sent(unused struct virtio_watch *w, unused unsigned queue,
                            unused const struct iovec *iov, unused unsigned nr, unused size_t bytes)
{
	*writer.byte ^= 2;
}

static void write_meanwhile(struct replay_rig *g)
{
	struct virtio_dev *d = g->r.dev.core;

	writer.ring.avail = when_it_is_found;
	writer.first = (struct virtio_watch){.frame = when_it_is_sent, .next = d->watch};
	writer.last = (struct virtio_watch){.queue = on_tx};
	d->watch->next = &writer.last;
	d->watch = &writer.first;
}

/* Longer than what the device copies in any case. */
static void post_long(struct replay_rig *g, unsigned seed)
{
	uint8_t frame[12 + 1000] = {0};
	struct fake_buf b;

	vrig_frame(frame + 12, 1000, vrig_mac, seed);
	b = fake_out(&g->r.m, frame, sizeof(frame));
	writer.byte = fake_at(&g->r.m, b.addr + 500, 1);
	assert_true(fake_vq_add(&g->r.vq[NET_TX],
	                        (struct fake_buf[]){fake_part(b, 0, 300), fake_part(b, 300, 712)},
	                        2) >= 0);
}

static void frames_that_are_written_to_meanwhile_can_be_replayed(unused void **state)
{
	static const uint64_t layouts[] = {0, PACKED};

	for (unsigned i = 0; i < ARRAY_SIZE(layouts); i++) {
		struct replay_rig g = {.record = NULL};

		vrig_layout(layouts[i]);
		replay_rig_file(&g);
		assert_int_equal(provoke_create(PROVOKE_BIT(P_USED_TWICE), 3, &g.provoke), 0);
		replay_rig_nic(&g, 0, (struct vrig_options){.mem_bytes = 0});
		write_meanwhile(&g);
		vrig_up(&g.r, VRIG_ALL);
		for (unsigned k = 0; k < 3; k++) {
			provoke_switch(g.provoke, k < 2 ? (int)P_USED_TWICE : -1);
			post_long(&g, 0);
			post_long(&g, 1);
			vrig_go(&g.r, NET_TX);
		}
		assert_true(provoke_times(g.provoke, P_USED_TWICE) > 0);
		replay_rig_end(&g);
		assert_int_equal(replay_rig_same(&g).frames, 6);
		provoke_destroy(g.provoke);
	}
	vrig_layout(0);
}

static void post_and_turn(struct replay_rig *g, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++)
		post_long(g, i);
	fake_vq_publish(&g->r.vq[NET_TX]);
	fake_kick(&g->r.dev, NET_TX);
	vrig_pump_once(&g->r);
}

/* One stays behind, others are put before it, and none is shown before the round is over. */
static void what_was_kept_back_beyond_its_round_can_be_replayed(unused void **state)
{
	struct replay_rig g = {.record = NULL};
	unsigned head, tries = 0;
	uint32_t len;

	replay_rig_file(&g);
	assert_int_equal(provoke_create(PROVOKE_BIT(P_REORDER), 3, &g.provoke), 0);
	replay_rig_nic(&g, 0, (struct vrig_options){.mem_bytes = 0});
	vrig_up(&g.r, VRIG_ALL);
	provoke_switch(g.provoke, (int)P_REORDER);
	for (; !g.provoke->queue[NET_TX].starving && tries < 20; tries++) {
		post_and_turn(&g, 4);
		while (fake_vq_reap(&g.r.vq[NET_TX], &head, &len))
			;
	}
	assert_true(tries < 20);
	post_and_turn(&g, 1);
	provoke_switch(g.provoke, -1);
	vrig_pump(&g.r);
	assert_int_equal(fake_vq_nr_used(&g.r.vq[NET_TX]), 2);
	replay_rig_end(&g);
	provoke_destroy(g.provoke);
	(void)replay_rig_same(&g);
}

/* Who provokes, and what becomes of the link while it is being read: on another thread it may. */
static struct replay_rig *read_by;

static void read_and_act(unused struct virtio_provoke *hooks, uint32_t off, uint8_t *buf,
                         uint32_t len)
{
	struct virtio_provoke *real = read_by->real;

	real->config_read(real, off, buf, len);
	provoke_act(read_by->provoke);
}

static void the_cable_may_overtake_the_read_that_it_comes_of(unused void **state)
{
	struct virtio_provoke overtaken = {.config_read = read_and_act};
	struct replay_rig g = {.record = NULL};

	replay_rig_file(&g);
	assert_int_equal(provoke_create(PROVOKE_BIT(P_LINK_FLAP), 3, &g.provoke), 0);
	replay_rig_nic(&g, 0, (struct vrig_options){.mem_bytes = 0});
	vrig_up(&g.r, VRIG_ALL);
	g.real = g.r.dev.core->provoke;
	read_by = &g;
	for (unsigned i = 0; i < 2; i++) {
		provoke_ask(g.provoke, ACT_LINK);
		provoke_act(g.provoke);
		assert_false(virtio_net_link(g.r.n));
		g.r.dev.core->provoke = &overtaken;
		/* A byte, then both: the link is down, and is up when it is recorded. */
		assert_int_equal(virtio_mmio_bus_ops.read(&g.mmio, VIRTIO_MMIO_CONFIG + 6, 1 + i),
		                 0);
		g.r.dev.core->provoke = g.real;
		assert_true(virtio_net_link(g.r.n));
		assert_int_equal(virtio_mmio_bus_ops.read(&g.mmio, VIRTIO_MMIO_CONFIG + 6, 2), 1);
	}
	replay_rig_end(&g);
	provoke_destroy(g.provoke);
	assert_int_equal(replay_rig_same(&g).changes, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_provoked_can_be_replayed),
		cmocka_unit_test(frames_that_are_written_to_meanwhile_can_be_replayed),
		cmocka_unit_test(what_was_kept_back_beyond_its_round_can_be_replayed),
		cmocka_unit_test(the_cable_may_overtake_the_read_that_it_comes_of),
		cmocka_unit_test(ids_that_are_none_can_be_replayed),
	};

	return cmocka_run_group_tests_name("replay_provoke", tests, NULL, NULL);
}
