/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a provoked device is from the first access on, and drivers that bear it, and that do not: sizes, features, the config
 * space, the link, refusals, and what still comes while it is being reset.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/virtio_mmio.h>
#include <string.h>

#include "devices/virtio.h"
#include "tests/lib/provoke_rig.h"
#include "vmm/core/le.h"
#include "vmm/nic_config.h"

#define V1     FEATURE(VIRTIO_F_VERSION_1)
#define STATUS offsetof(struct virtio_net_config, status)

static unsigned link_status(const struct prig *r)
{
	return prig_config8(r, STATUS);
}

static void no_line(unused void *arg, unused unsigned gsi, unused bool level)
{
}

static enum provoke_verdict verdict(const struct prig *r, enum provoke_id id)
{
	return provoke_result(r->p, id)->verdict;
}

/* ---- the link */

static void the_link_comes_up_behind_driver_ok_and_says_so(unused void **state)
{
	struct prig r;
	bool once, again;

	prig_begin(&r, PROVOKE_BIT(P_LATE_LINK));
	assert_int_equal(link_status(&r) & VIRTIO_NET_S_LINK_UP, 0);
	provoke_act(r.p); /* nobody would hear of it */
	assert_false(virtio_net_link(r.v.n));
	vrig_up(&r.v, VRIG_ALL);
	once = link_status(&r) & VIRTIO_NET_S_LINK_UP; /* all that a wrong driver looks at */
	provoke_act(r.p);
	assert_true(prig_reg(&r, VIRTIO_MMIO_INTERRUPT_STATUS) & VIRTIO_MMIO_INT_CONFIG);
	again = link_status(&r) & VIRTIO_NET_S_LINK_UP; /* a right one, at that interrupt */
	assert_false(once);
	assert_true(again);
	assert_int_equal(prig_times(&r, P_LATE_LINK), 2); /* down, and up */
	prig_end(&r);
}

static void announce_stands_there_from_the_boot_on_until_it_is_acknowledged(unused void **state)
{
	struct prig r;

	prig_begin(&r, PROVOKE_BIT(P_EARLY_ANNOUNCE));
	assert_true(link_status(&r) & VIRTIO_NET_S_ANNOUNCE);
	vrig_up(&r.v, VRIG_ALL);
	assert_true(link_status(&r) & VIRTIO_NET_S_ANNOUNCE);
	provoke_act(r.p);
	assert_true(link_status(&r) & VIRTIO_NET_S_ANNOUNCE); /* of who does nothing, for ever */
	assert_int_equal(
		vrig_command(&r.v, VIRTIO_NET_CTRL_ANNOUNCE, VIRTIO_NET_CTRL_ANNOUNCE_ACK, NULL, 0),
		VIRTIO_NET_OK);
	assert_false(link_status(&r) & VIRTIO_NET_S_ANNOUNCE);
	provoke_act(r.p);
	assert_false(link_status(&r) & VIRTIO_NET_S_ANNOUNCE);
	assert_int_equal(prig_times(&r, P_EARLY_ANNOUNCE), 1);
	prig_end(&r);
}

/* ---- the config space */

static void a_short_config_space_has_an_address_and_no_more(unused void **state)
{
	static const uint64_t gone = VRIG_F(STATUS) | VRIG_F(MQ) | VRIG_F(MTU) | VRIG_F(RSS);
	struct nic_config nic;
	struct prig r;

	prig_begin(&r, PROVOKE_BIT(P_SHORT_CONFIG));
	assert_false(r.v.dev.core->offered & gone);
	assert_int_equal(net_features_missing(r.v.dev.core->offered), 0);
	assert_int_equal(provoke_config_len(r.p), 6);
	assert_int_equal(prig_config8(&r, 5), vrig_mac[5]);
	assert_int_equal(prig_config8(&r, STATUS), 0xff); /* a wrong driver's status, and its MTU */
	vrig_up(&r.v, VRIG_ALL);
	prig_send(&r, 1, NULL);
	vrig_pump(&r.v);
	assert_int_equal(r.v.net->nr_sent, 1);
	assert_int_equal(nic_config_parse(&nic, 0, "echo", true), 0);
	provoke_nic(r.p, &nic);
	assert_int_equal(nic.window, VIRTIO_MMIO_CONFIG + 6);
	nic_config_free(&nic);
	prig_end(&r);
}

static void a_long_and_a_short_one_exclude_each_other_by_seed(unused void **state)
{
	unsigned shorts = 0;

	for (uint64_t seed = 0; seed < 64; seed++) {
		struct provoke *p;
		provoke_set set = PROVOKE_BIT(P_SHORT_CONFIG) | PROVOKE_BIT(P_CONFIG_TAIL);

		assert_int_equal(provoke_create(set, seed, &p), 0);
		assert_true(p->set && (p->set & (p->set - 1)) == 0);
		shorts += p->set == PROVOKE_BIT(P_SHORT_CONFIG);
		provoke_destroy(p);
	}
	assert_in_range(shorts, 4, 32);
}

static void fields_that_nobody_may_read_read_anything(unused void **state)
{
	const uint32_t at = offsetof(struct virtio_net_config, max_virtqueue_pairs);
	struct prig r;
	unsigned any = 0;

	prig_begin(&r, PROVOKE_BIT(P_GATED_CONFIG));
	r.v.dev.core->offered &= ~(VRIG_F(MQ) | VRIG_F(RSS));
	for (unsigned i = 0; i < 16; i++) /* of who does not look at the features first */
		any |= (unsigned)(prig_config8(&r, at) | prig_config8(&r, at + 1) << 8) & 0xfffe;
	assert_int_not_equal(any, 0);
	assert_int_equal(link_status(&r), VIRTIO_NET_S_LINK_UP); /* of who does */
	assert_true(prig_times(&r, P_GATED_CONFIG) >= 32);
	prig_end(&r);
}

/* ---- sizes and features */

static int up_with(struct prig *r, bool asks)
{
	struct fake_vq q[2], *const vqs[] = {&q[0], &q[1]};

	for (unsigned i = 0; i < 2; i++) {
		const uint32_t max = r->v.dev.core->queue[i].num_max;

		fake_vq_init(&q[i], &r->v.m, asks && max < 16 ? (uint16_t)max : 16, V1);
	}
	return fake_probe(&r->v.dev, V1, vqs, 2);
}

static void tiny_queues_are_for_drivers_that_ask(unused void **state)
{
	unsigned smallest = 16;

	for (uint64_t seed = 0; seed < 8; seed++) {
		bool fits = true;
		struct prig r;

		prig_begin_seeded(&r, PROVOKE_BIT(P_TINY_QUEUES), seed);
		for (unsigned i = 0; i < 2; i++) {
			const uint32_t max = r.v.dev.core->queue[i].num_max;

			assert_in_range(max, 1, 16);
			fits &= max == 16;
			smallest = min_u32(smallest, max);
		}
		assert_int_equal(up_with(&r, false), fits ? 0 : -EIO);
		assert_int_equal(up_with(&r, true), 0);
		prig_end(&r);
	}
	assert_in_range(smallest, 1, 2);
}

static void sizes_of_packed_rings_are_odd_and_of_split_ones_not(unused void **state)
{
	struct prig r;

	for (unsigned packed = 0; packed < 2; packed++) {
		vrig_layout(packed ? FEATURE(VIRTIO_F_RING_PACKED) : 0);
		prig_begin(&r, PROVOKE_BIT(P_ODD_QUEUES));
		r.v.dev.core->queue[NET_TX].num_max = 64;
		assert_int_equal(
			fake_negotiate(&r.v.dev, V1 | (packed ? FEATURE(VIRTIO_F_RING_PACKED) : 0)),
			0);
		prig_set_reg(&r, VIRTIO_MMIO_QUEUE_SEL, NET_TX);
		assert_int_equal(prig_reg(&r, VIRTIO_MMIO_QUEUE_NUM_MAX), packed ? 61 : 64);
		assert_int_equal(prig_times(&r, P_ODD_QUEUES), packed);
		prig_end(&r);
	}
	vrig_layout(0);
}

static void features_come_alone_or_without_what_they_need(unused void **state)
{
	struct prig r;

	prig_begin(&r, PROVOKE_BIT(P_VERSION_ALONE));
	assert_true(r.v.dev.core->offered == V1);
	vrig_up(&r.v, VRIG_ALL);
	prig_end(&r);

	prig_begin(&r, PROVOKE_BIT(P_ORPHANS));
	assert_int_not_equal(net_features_missing(r.v.dev.core->offered), 0);
	assert_int_equal(fake_negotiate(&r.v.dev, r.v.dev.core->offered),
	                 -ENODEV); /* who takes it all */
	assert_int_equal(fake_negotiate(&r.v.dev, net_features_close(r.v.dev.core->offered)), 0);
	prig_end(&r);
}

static void one_of_the_features_may_be_demanded(unused void **state)
{
	for (uint64_t seed = 0; seed < 6; seed++) {
		uint64_t offered, demanded;
		struct prig r;

		prig_begin_seeded(&r, PROVOKE_BIT(P_DEMANDED_FEATURE), seed);
		offered = r.v.dev.core->offered;
		demanded = r.p->demanded;
		assert_true(demanded && !(demanded & (demanded - 1)));
		assert_true((offered & demanded) && demanded != V1);
		/* Who does not take it gives up; who goes on all the same is stuck. */
		assert_int_equal(fake_negotiate(&r.v.dev, net_features_close(offered & ~demanded)),
		                 -ENODEV);
		if (seed % 2)
			prig_set_reg(&r, VIRTIO_MMIO_STATUS, 15);
		provoke_end(r.p);
		assert_int_equal(verdict(&r, P_DEMANDED_FEATURE),
		                 seed % 2 ? PROVOKE_STUCK : PROVOKE_SURVIVED);
		assert_int_equal(fake_negotiate(&r.v.dev, offered), 0);
		prig_end(&r);
	}
}

static void features_that_are_judged_are_counted(unused void **state)
{
	struct prig r;

	prig_begin(&r, PROVOKE_BIT(P_STRICT_FEATURES));
	assert_int_equal(fake_negotiate(&r.v.dev, VRIG_F(MAC)), -ENODEV); /* no VERSION_1 */
	assert_int_equal(prig_times(&r, P_STRICT_FEATURES), 1);
	assert_int_equal(fake_negotiate(&r.v.dev, V1), 0);
	assert_int_equal(prig_times(&r, P_STRICT_FEATURES), 2);
	prig_end(&r);
}

static void in_order_is_offered(unused void **state)
{
	struct prig r;

	prig_begin(&r, 0);
	r.v.dev.core->offered &= ~FEATURE(VIRTIO_F_IN_ORDER);
	prig_end(&r);
	prig_begin(&r, PROVOKE_BIT(P_IN_ORDER));
	assert_true(r.v.dev.core->offered & FEATURE(VIRTIO_F_IN_ORDER));
	vrig_layout(FEATURE(VIRTIO_F_IN_ORDER) | FEATURE(VIRTIO_F_RING_PACKED));
	vrig_up(&r.v, VRIG_ALL);
	provoke_switch(r.p, P_REORDER);
	prig_send(&r, 8, NULL);
	vrig_pump(&r.v);
	/* One used descriptor for all of them; a wrong driver waits for the other seven. */
	assert_int_equal(
		get_le16((const uint8_t *)fake_at(&r.v.m, r.v.vq[NET_TX].addr.desc, 16) + 12), 7);
	assert_int_equal(prig_times(&r, P_REORDER), 0);
	vrig_layout(0);
	prig_end(&r);
}

static void speed_and_duplex_are_any(unused void **state)
{
	const uint32_t at = offsetof(struct virtio_net_config, speed);
	bool unknown = false, known = false, none = false;

	for (uint64_t seed = 0; seed < 64; seed++) {
		uint32_t speed = 0;
		struct prig r;

		prig_begin_seeded(&r, PROVOKE_BIT(P_SPEED), seed);
		for (uint32_t i = 0; i < 4; i++)
			speed |= (uint32_t)prig_config8(&r, at + i) << 8 * i;
		/* A driver that takes any number for one is at 4294967295 Mbit/s. */
		unknown |= speed == UINT32_MAX && prig_config8(&r, at + 4) == 0xff;
		known |= speed <= INT32_MAX && prig_config8(&r, at + 4) <= 1;
		none |= speed == 0x80000000 && prig_config8(&r, at + 4) == 2;
		assert_int_equal(provoke_speed_unknown(r.p), speed > INT32_MAX);
		assert_true(prig_times(&r, P_SPEED) >= 5);
		assert_int_equal(prig_config8(&r, 0), vrig_mac[0]);
		prig_end(&r);
	}
	assert_true(unknown && known && none);
}

static void words_of_features_that_do_not_exist_are_full(unused void **state)
{
	struct prig r;

	prig_begin(&r, PROVOKE_BIT(P_UNKNOWN_FEATURES));
	for (uint32_t word = 2; word < 4; word++) {
		prig_set_reg(&r, VIRTIO_MMIO_DEVICE_FEATURES_SEL, word);
		assert_int_equal(prig_reg(&r, VIRTIO_MMIO_DEVICE_FEATURES), UINT32_MAX);
	}
	prig_set_reg(&r, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
	assert_int_not_equal(prig_reg(&r, VIRTIO_MMIO_DEVICE_FEATURES), UINT32_MAX);
	assert_int_equal(prig_reg(&r, VIRTIO_MMIO_DEVICE_FEATURES) & PROVOKE_UNKNOWN_WORD1,
	                 PROVOKE_UNKNOWN_WORD1);
	/* Whoever gives up finds them gone, and all else there. */
	prig_set_reg(&r, VIRTIO_MMIO_STATUS, 3 | VIRTIO_CONFIG_S_FAILED);
	prig_set_reg(&r, VIRTIO_MMIO_STATUS, 0);
	prig_set_reg(&r, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
	assert_int_equal(prig_reg(&r, VIRTIO_MMIO_DEVICE_FEATURES) & PROVOKE_UNKNOWN_WORD1, 0);
	assert_int_equal(prig_reg(&r, VIRTIO_MMIO_DEVICE_FEATURES) & 1, 1);
	prig_set_reg(&r, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 2);
	assert_int_equal(prig_reg(&r, VIRTIO_MMIO_DEVICE_FEATURES), 0);
	prig_end(&r);
}

/* ---- who is refused */

static void who_is_never_taken_gives_up_or_is_stuck(unused void **state)
{
	struct prig r;

	for (unsigned wrong = 0; wrong < 2; wrong++) {
		prig_begin(&r, PROVOKE_BIT(P_NEVER_OK) | PROVOKE_BIT(P_POISON));
		for (unsigned i = 0; i < 3; i++)
			assert_int_equal(fake_negotiate(&r.v.dev, V1), -ENODEV);
		if (wrong)
			prig_set_reg(&r, VIRTIO_MMIO_STATUS, 15);
		provoke_end(r.p);
		assert_int_equal(provoke_gave_up(r.p), !wrong);
		assert_int_equal(provoke_failed(r.p), wrong);
		assert_int_equal(verdict(&r, P_NEVER_OK), wrong ? PROVOKE_STUCK : PROVOKE_SURVIVED);
		prig_end(&r);
	}
}

static void a_failure_in_the_bring_up_is_looked_at(unused void **state)
{
	struct prig r;

	for (unsigned wrong = 0; wrong < 2; wrong++) {
		prig_begin(&r, PROVOKE_BIT(P_EARLY_FAILURE));
		assert_int_equal(fake_negotiate(&r.v.dev, V1), 0);
		assert_true(prig_reg(&r, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET);
		prig_set_reg(&r, VIRTIO_MMIO_STATUS, 15);
		assert_false(prig_reg(&r, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_DRIVER_OK);
		if (!wrong)
			fake_add_status(&r.v.dev, VIRTIO_CONFIG_S_FAILED);
		provoke_end(r.p);
		assert_int_equal(provoke_gave_up(r.p), !wrong);
		assert_int_equal(provoke_failed(r.p), wrong);
		prig_end(&r);
	}
	prig_begin(&r, PROVOKE_BIT(P_EARLY_FAILURE));
	assert_int_equal(fake_negotiate(&r.v.dev, V1), 0);
	vrig_up(&r.v, VRIG_ALL); /* it resets the device, and that works now */
	assert_false(prig_reg(&r, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET);
	prig_end(&r);
}

/* ---- queues and the end */

static void a_ready_queue_is_locked_and_that_is_counted(unused void **state)
{
	struct prig r;
	uint32_t num;

	prig_begin(&r, PROVOKE_BIT(P_LOCKED_QUEUES));
	vrig_up(&r.v, VRIG_ALL);
	assert_int_equal(prig_times(&r, P_LOCKED_QUEUES), 0); /* a right driver's */
	num = r.v.dev.core->queue[NET_TX].addr.num;
	prig_set_reg(&r, VIRTIO_MMIO_QUEUE_SEL, NET_TX);
	prig_set_reg(&r, VIRTIO_MMIO_QUEUE_NUM, 2);
	assert_int_equal(prig_times(&r, P_LOCKED_QUEUES), 1);
	assert_int_equal(r.v.dev.core->queue[NET_TX].addr.num, num);
	prig_end(&r);
}

static void one_frame_more(void *arg)
{
	struct prig *r = arg;
	uint8_t frame[PRIG_LEN];

	vrig_frame(frame, sizeof(frame), vrig_mac, 1);
	fake_net_queue(r->v.net, NULL, frame, sizeof(frame));
	fake_net_can_recv(r->v.net);
}

/* It still has a buffer then: who has made something else of that before is overwritten. */
static void buffers_are_filled_until_the_reset(unused void **state)
{
	static const uint8_t mine[64] = {1, 2, 3};
	struct fake_buf b;
	struct prig r;
	uint8_t *at;

	for (unsigned early = 0; early < 2; early++) {
		prig_begin(&r, PROVOKE_BIT(P_LATE_FRAMES));
		vrig_up(&r.v, VRIG_ALL);
		r.p->late = one_frame_more;
		r.p->late_arg = &r;
		b = fake_in(&r.v.m, 2048);
		assert_true(fake_vq_add(&r.v.vq[NET_RX], &b, 1) >= 0);
		vrig_go(&r.v, NET_RX);
		at = fake_at(&r.v.m, b.addr, b.len);
		if (early)
			memcpy(at, mine, sizeof(mine));
		prig_set_reg(&r, VIRTIO_MMIO_STATUS, 0);
		assert_int_equal(prig_times(&r, P_LATE_FRAMES), 1);
		if (!early)
			memcpy(at, mine, sizeof(mine));
		prig_set_reg(&r, VIRTIO_MMIO_STATUS, 0); /* not any more */
		assert_int_equal(prig_times(&r, P_LATE_FRAMES), 1);
		assert_int_equal(memcmp(at, mine, sizeof(mine)) == 0, !early);
		prig_end(&r);
	}
}

/* ---- version 1 */

/* As far as DRIVER_OK, with a receive queue; a wrong driver relies on GuestPageSize and on queues that nobody has. */
static bool legacy_up(struct prig *r, bool right)
{
	const gpa_t ring = fake_alloc(&r->v.m, 16384, 4096);

	if (right) {
		prig_set_reg(r, VIRTIO_MMIO_STATUS, 0);
		prig_set_reg(r, VIRTIO_MMIO_GUEST_PAGE_SIZE, 4096);
	}
	prig_set_reg(r, VIRTIO_MMIO_STATUS, 1);
	prig_set_reg(r, VIRTIO_MMIO_STATUS, 3);
	prig_set_reg(r, VIRTIO_MMIO_QUEUE_SEL, 0);
	if (prig_reg(r, VIRTIO_MMIO_QUEUE_PFN) != 0)
		return false; /* somebody's */
	prig_set_reg(r, VIRTIO_MMIO_QUEUE_NUM,
	             prig_reg(r, VIRTIO_MMIO_QUEUE_NUM_MAX) < 16 ? 8 : 16);
	prig_set_reg(r, VIRTIO_MMIO_QUEUE_ALIGN, 4096);
	prig_set_reg(r, VIRTIO_MMIO_QUEUE_PFN, (uint32_t)(ring / 4096));
	prig_set_reg(r, VIRTIO_MMIO_STATUS, 7);
	return r->v.dev.core->started && r->v.dev.core->queue[0].addr.desc == ring;
}

static void version_1_is_provoked_too(unused void **state)
{
	static const provoke_set set = PROVOKE_BIT(P_DIRTY_HANDOVER) | PROVOKE_BIT(P_POISON) |
	                               PROVOKE_BIT(P_STRICT_STATUS) | PROVOKE_BIT(P_LATE_LINK) |
	                               PROVOKE_BIT(P_TORN_CONFIG) | PROVOKE_BIT(P_SLOW_READY);

	for (unsigned right = 0; right < 2; right++) {
		struct nic_config nic;
		struct prig r;

		vrig_create(&r.v, (struct vrig_options){.legacy = true, .vq_size = 16});
		virtio_mmio_legacy_init(&r.mmio, r.v.dev.core, (struct irq_line){.set = no_line});
		assert_int_equal(provoke_create(set, 1, &r.p), 0);
		assert_int_equal(nic_config_parse(&nic, 0, "echo,transport=mmio-legacy", true), 0);
		provoke_nic(r.p, &nic);
		provoke_device(r.p, r.v.n);
		r.v.dev.mmio = &r.mmio;
		assert_int_equal(prig_reg(&r, VIRTIO_MMIO_VERSION), 1);
		assert_int_equal(prig_reg(&r, VIRTIO_MMIO_QUEUE_PFN), 4096);
		assert_int_not_equal(prig_reg(&r, 0x0f0), prig_reg(&r, 0x0f0));
		assert_int_equal(legacy_up(&r, right), right);
		assert_int_equal(prig_config8(&r, 0),
		                 vrig_mac[0]); /* there is nothing to tell that it is torn */
		(void)link_status(&r);
		provoke_act(r.p);
		assert_int_equal(virtio_net_link(r.v.n), right);
		nic_config_free(&nic);
		prig_end(&r);
	}
}

/* ---- both bits of InterruptStatus */

/* What is shown and the config space by one pulse of the line, which a driver at work could not tell apart otherwise. */
static void one_interrupt_is_for_both(unused void **state)
{
	struct prig r;
	unsigned before = 0;

	prig_up(&r, P_BOTH_BITS, VRIG_ALL & ~FEATURE(VIRTIO_RING_F_EVENT_IDX));
	while (!prig_times(&r, P_BOTH_BITS)) {
		prig_set_reg(&r, VIRTIO_MMIO_INTERRUPT_ACK, 3);
		before = r.pulses;
		prig_send(&r, 1, NULL);
		vrig_pump(&r.v);
	}
	assert_int_equal(prig_reg(&r, VIRTIO_MMIO_INTERRUPT_STATUS), 3);
	assert_int_equal(r.pulses, before + 1);
	prig_end(&r);
	/* Who wants none for what is used hears of the config space all the same. */
	prig_up(&r, P_BOTH_BITS, VRIG_ALL & ~FEATURE(VIRTIO_RING_F_EVENT_IDX));
	fake_vq_irq_off(&r.v.vq[NET_TX]);
	before = r.pulses;
	while (!prig_times(&r, P_BOTH_BITS)) {
		prig_send(&r, 1, NULL);
		vrig_pump(&r.v);
	}
	assert_int_equal(r.pulses, before);
	provoke_act(r.p);
	assert_int_equal(r.pulses, before + 1);
	prig_end(&r);
}

static void look_for_a_change(struct prig *r)
{
	provoke_ask(r->p, ACT_CHANGE);
	provoke_act(r->p);
}

/* The link goes down for a driver at rest, and when it has seen that comes up with a used buffer. */
static void a_change_and_used_buffers_come_at_once(unused void **state)
{
	struct prig r;
	unsigned before;

	prig_up(&r, P_BOTH_BITS, VRIG_ALL);
	virtio_used(r.v.dev.core);
	look_for_a_change(&r);
	assert_true(virtio_net_link(r.v.n)); /* it has not looked */
	for (unsigned i = 0; i < 2; i++) {
		uint32_t generation;

		prig_set_reg(&r, VIRTIO_MMIO_INTERRUPT_ACK, 3);
		look_for_a_change(&r);
		assert_false(virtio_net_link(r.v.n));
		assert_int_equal(prig_reg(&r, VIRTIO_MMIO_INTERRUPT_STATUS), 2);
		prig_set_reg(&r, VIRTIO_MMIO_INTERRUPT_ACK, 2);
		provoke_ask(r.p,
		            ACT_LINK_UP); /* the peer's timer; but the driver has not seen it */
		look_for_a_change(&r);
		assert_false(virtio_net_link(r.v.n));
		before = r.pulses;
		generation = prig_reg(&r, VIRTIO_MMIO_CONFIG_GENERATION);
		assert_int_equal(link_status(&r) & VIRTIO_NET_S_LINK_UP, 0);
		provoke_act(r.p);
		assert_int_equal(prig_reg(&r, VIRTIO_MMIO_INTERRUPT_STATUS), 3);
		assert_int_equal(r.pulses, before + 1);
		assert_int_not_equal(prig_reg(&r, VIRTIO_MMIO_CONFIG_GENERATION), generation);
		assert_int_equal(link_status(&r) & VIRTIO_NET_S_LINK_UP, 1);
	}
	prig_set_reg(&r, VIRTIO_MMIO_INTERRUPT_ACK, 3);
	assert_false(provoke_changes(r.p)); /* these were all */
	look_for_a_change(&r);
	assert_true(virtio_net_link(r.v.n));
	prig_end(&r);
}

/* One that does not look is not waited for for ever; one that knows nothing of the link has no such change. */
static void who_does_not_look_at_the_link_gets_it_back(unused void **state)
{
	struct prig r;
	unsigned tries = 0;

	prig_up(&r, P_BOTH_BITS, VRIG_ALL);
	for (; provoke_changes(r.p) && tries < 100; tries++)
		look_for_a_change(&r);
	assert_in_range(tries, 2, 99);
	assert_false(virtio_net_link(r.v.n));
	provoke_ask(r.p, ACT_LINK_UP);
	provoke_act(r.p);
	assert_true(virtio_net_link(r.v.n));
	prig_end(&r);

	prig_up(&r, P_BOTH_BITS, VRIG_ALL & ~VRIG_F(STATUS));
	assert_false(provoke_changes(r.p));
	look_for_a_change(&r);
	assert_true(virtio_net_link(r.v.n));
	prig_end(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_link_comes_up_behind_driver_ok_and_says_so),
		cmocka_unit_test(announce_stands_there_from_the_boot_on_until_it_is_acknowledged),
		cmocka_unit_test(a_short_config_space_has_an_address_and_no_more),
		cmocka_unit_test(a_long_and_a_short_one_exclude_each_other_by_seed),
		cmocka_unit_test(fields_that_nobody_may_read_read_anything),
		cmocka_unit_test(tiny_queues_are_for_drivers_that_ask),
		cmocka_unit_test(sizes_of_packed_rings_are_odd_and_of_split_ones_not),
		cmocka_unit_test(features_come_alone_or_without_what_they_need),
		cmocka_unit_test(one_of_the_features_may_be_demanded),
		cmocka_unit_test(features_that_are_judged_are_counted),
		cmocka_unit_test(in_order_is_offered),
		cmocka_unit_test(speed_and_duplex_are_any),
		cmocka_unit_test(words_of_features_that_do_not_exist_are_full),
		cmocka_unit_test(who_is_never_taken_gives_up_or_is_stuck),
		cmocka_unit_test(a_failure_in_the_bring_up_is_looked_at),
		cmocka_unit_test(a_ready_queue_is_locked_and_that_is_counted),
		cmocka_unit_test(buffers_are_filled_until_the_reset),
		cmocka_unit_test(version_1_is_provoked_too),
		cmocka_unit_test(one_interrupt_is_for_both),
		cmocka_unit_test(a_change_and_used_buffers_come_at_once),
		cmocka_unit_test(who_does_not_look_at_the_link_gets_it_back),
	};

	return cmocka_run_group_tests_name("provoke_shape", tests, NULL, NULL);
}
