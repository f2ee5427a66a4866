/* SPDX-License-Identifier: Apache-2.0 */
/* What a provoked device puts into its rings and when it interrupts; and that it is a usual one when nothing is on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <linux/virtio_mmio.h>

#include "devices/virtio.h"
#include "tests/lib/provoke_rig.h"
#include "vmm/core/le.h"

#define V1    FEATURE(VIRTIO_F_VERSION_1)
#define EVENT FEATURE(VIRTIO_RING_F_EVENT_IDX)

/* ---- queues */

static void nothing_is_looked_at_before_the_first_kick(unused void **state)
{
	struct prig r;

	prig_begin(&r, PROVOKE_BIT(P_FIRST_KICK));
	vrig_up(&r.v, VRIG_ALL);
	prig_post_tx(&r, 0);
	fake_vq_publish(&r.v.vq[NET_TX]);
	vrig_pump(&r.v);
	assert_int_equal(r.v.net->nr_sent, 0);
	fake_kick(&r.v.dev, NET_TX);
	vrig_pump(&r.v);
	assert_int_equal(r.v.net->nr_sent, 1);
	prig_receive(&r, 1, 2048);
	assert_int_equal(prig_shown(&r, NET_RX), 1);
	prig_end(&r);
}

static void buffers_come_back_in_another_order_and_all_of_them(unused void **state)
{
	struct prig r;
	unsigned heads[8], head, nr = 0, moved = 0;
	bool seen[16] = {false};
	uint32_t len;

	prig_up(&r, P_REORDER, VRIG_ALL);
	prig_send(&r, 8, heads);
	vrig_pump(&r.v);
	while (fake_vq_reap(&r.v.vq[NET_TX], &head, &len)) {
		assert_false(seen[head]);
		seen[head] = true;
		moved += head != heads[nr++];
	}
	assert_int_equal(nr, 8);
	assert_true(moved > 0);
	assert_int_equal(prig_times(&r, P_REORDER), 1);
	prig_end(&r);
}

static void what_has_an_order_keeps_it(unused void **state)
{
	struct prig r;

	vrig_layout(FEATURE(VIRTIO_F_IN_ORDER));
	prig_up(&r, P_REORDER, VRIG_ALL);
	prig_send(&r, 8, NULL);
	vrig_pump(&r.v);
	assert_int_equal(prig_times(&r, P_REORDER), 0);
	vrig_layout(0);
	prig_end(&r);
}

static void late_buffers_come_one_by_one(unused void **state)
{
	struct prig r;
	uint16_t before = 0, now;

	prig_up(&r, P_DELAY, VRIG_ALL);
	prig_send(&r, 4, NULL);
	assert_true(vrig_pump_once(&r.v));
	assert_int_equal(prig_shown(&r, NET_TX), 0);
	assert_int_equal(r.v.net->nr_sent, 4);
	while (vrig_pump_once(&r.v)) {
		now = prig_shown(&r, NET_TX);
		assert_in_range(now, before, before + 1u);
		before = now;
	}
	assert_int_equal(before, 4);
	prig_end(&r);
}

static void a_packed_ring_is_late_as_a_whole(unused void **state)
{
	struct prig r;
	unsigned head, nr = 0;
	uint32_t len;

	vrig_layout(FEATURE(VIRTIO_F_RING_PACKED));
	prig_up(&r, P_DELAY, VRIG_ALL);
	prig_send(&r, 4, NULL);
	assert_true(vrig_pump_once(&r.v));
	assert_int_equal(fake_vq_nr_used(&r.v.vq[NET_TX]), 0);
	vrig_pump(&r.v);
	while (fake_vq_reap(&r.v.vq[NET_TX], &head, &len))
		nr++;
	assert_int_equal(nr, 4);
	vrig_layout(0);
	prig_end(&r);
}

static void an_acknowledgement_comes_behind_more_buffers(unused void **state)
{
	struct prig r;

	prig_up(&r, P_ACK_RACE, VRIG_ALL);
	prig_send(&r, 1, NULL);
	vrig_pump(&r.v);
	assert_int_equal(prig_shown(&r, NET_TX), 1);
	prig_send(&r, 1, NULL);
	assert_true(vrig_pump_once(&r.v));
	assert_int_equal(prig_shown(&r, NET_TX), 1);
	prig_set_reg(&r, VIRTIO_MMIO_INTERRUPT_ACK, 1);
	assert_int_equal(prig_shown(&r, NET_TX), 2);
	assert_int_equal(prig_reg(&r, VIRTIO_MMIO_INTERRUPT_STATUS) & 1, 0);
	assert_int_equal(prig_times(&r, P_ACK_RACE), 1);
	/* Who never acknowledges gets it, too. */
	prig_send(&r, 1, NULL);
	prig_send(&r, 1, NULL);
	vrig_pump(&r.v);
	assert_int_equal(prig_shown(&r, NET_TX), 4);
	prig_end(&r);
}

static void take_all(struct prig *r, unsigned queue)
{
	unsigned head;
	uint32_t len;

	while (fake_vq_reap(&r->v.vq[queue], &head, &len))
		;
}

/* @nr frames, and as many buffers for them; a device that keeps some back does not come to rest. */
static void receive_for_a_while(struct prig *r, unsigned nr)
{
	uint8_t frame[PRIG_LEN];

	for (unsigned i = 0; i < nr; i++) {
		const struct fake_buf b = fake_in(&r->v.m, 2048);

		assert_true(fake_vq_add(&r->v.vq[NET_RX], &b, 1) >= 0);
	}
	fake_vq_publish(&r->v.vq[NET_RX]);
	fake_kick(&r->v.dev, NET_RX);
	vrig_frame(frame, sizeof(frame), vrig_mac, 0);
	for (unsigned i = 0; i < nr; i++)
		fake_net_queue(r->v.net, NULL, frame, sizeof(frame));
	fake_net_can_recv(r->v.net);
	for (unsigned i = 0; i < 20; i++)
		(void)vrig_pump_once(&r->v);
}

/* One frame is shown, the others in the kick, without an interrupt when it wants none; then it is its turn. */
static void a_kick_comes_behind_more_frames(unused void **state)
{
	struct prig r;
	unsigned pulses;

	prig_up(&r, P_KICK_RACE, VRIG_ALL & ~EVENT);
	receive_for_a_while(&r, 4);
	assert_int_equal(prig_shown(&r, NET_RX), 1);
	take_all(&r, NET_RX);
	fake_vq_irq_off(&r.v.vq[NET_RX]);
	prig_set_reg(&r, VIRTIO_MMIO_INTERRUPT_ACK, 1);
	pulses = r.pulses;
	prig_set_reg(&r, VIRTIO_MMIO_QUEUE_NOTIFY, NET_RX);
	assert_int_equal(prig_shown(&r, NET_RX), 1);
	prig_set_reg(&r, VIRTIO_MMIO_QUEUE_NOTIFY, NET_TX);
	assert_int_equal(prig_shown(&r, NET_RX), 4);
	assert_int_equal(r.pulses, pulses);
	assert_int_equal(prig_times(&r, P_KICK_RACE), 1);
	receive_for_a_while(&r, 2); /* it offers buffers, so it is awake: one more is shown */
	assert_int_equal(prig_shown(&r, NET_RX), 5);
	provoke_switch(r.p, -1);
	vrig_pump(&r.v);
	assert_int_equal(prig_shown(&r, NET_RX), 6);
	prig_end(&r);
}

/* Who does nothing has not looked; any access shows that it may have. */
static void who_sleeps_behind_a_kick_has_overlooked_it(unused void **state)
{
	struct prig r;

	prig_up(&r, P_KICK_RACE, VRIG_ALL & ~EVENT);
	for (unsigned i = 0; i < 7; i++) {
		const bool sleeps = i > 3;

		receive_for_a_while(&r, 2);
		prig_set_reg(&r, VIRTIO_MMIO_QUEUE_NOTIFY, NET_TX);
		assert_true(r.p->raced);
		if (!sleeps)
			(void)prig_reg(&r, VIRTIO_MMIO_INTERRUPT_STATUS);
		assert_false(provoke_unanswered(r.p, 14));
		assert_int_equal(provoke_unanswered(r.p, 15), i == 6);
		take_all(&r, NET_RX);
	}
	/* It has had its chances: from then on this is an ordinary device. */
	receive_for_a_while(&r, 4);
	assert_int_equal(fake_vq_nr_used(&r.v.vq[NET_RX]), 4);
	provoke_switch(r.p, -1);
	assert_false(provoke_unanswered(r.p, 15));
	prig_end(&r);
}

/* Answers that need no other kick, as those behind the first with EVENT_IDX: it did not sleep, whatever it did not read. */
static void who_answers_behind_a_kick_has_not_overlooked_it(unused void **state)
{
	struct prig r;

	prig_up(&r, P_KICK_RACE, VRIG_ALL);
	receive_for_a_while(&r, 2);
	(void)prig_post_tx(&r, 0);
	fake_vq_publish(&r.v.vq[NET_TX]);
	prig_set_reg(&r, VIRTIO_MMIO_QUEUE_NOTIFY, NET_TX);
	assert_true(r.p->raced);
	(void)prig_post_tx(&r, 0);
	fake_vq_publish(&r.v.vq[NET_TX]);
	vrig_pump(&r.v);
	assert_false(r.p->raced);
	prig_end(&r);
}

/* Sent buffers wait for a frame, and frames for the driver to come to rest. */
static void make_it_overlook(struct prig *r)
{
	prig_send(r, 1, NULL);
	(void)vrig_pump_once(&r->v);
	receive_for_a_while(r, 2);
	for (unsigned i = 0; i < 2000 && !r->p->todo; i++)
		(void)vrig_pump_once(&r->v);
	provoke_act(r->p);
}

static void frames_are_shown_beside_sent_buffers(unused void **state)
{
	struct prig r;

	prig_up(&r, P_ONE_INTERRUPT, VRIG_ALL & ~EVENT);
	prig_send(&r, 1, NULL);
	(void)vrig_pump_once(&r.v);
	receive_for_a_while(&r, 2);
	assert_int_equal(prig_shown(&r, NET_TX), 0);
	assert_int_equal(prig_shown(&r, NET_RX), 0);
	for (unsigned i = 0; i < 2000 && !r.p->todo; i++)
		(void)vrig_pump_once(&r.v);
	assert_int_equal(prig_shown(&r, NET_TX) + prig_shown(&r, NET_RX), 0);
	provoke_act(r.p);
	assert_int_equal(prig_shown(&r, NET_TX), 1);
	assert_int_equal(prig_shown(&r, NET_RX), 2);
	assert_int_equal(prig_times(&r, P_ONE_INTERRUPT), 1);
	take_all(&r, NET_TX);
	take_all(&r, NET_RX);
	receive_for_a_while(&r, 1); /* it has to show first that it is awake */
	assert_int_equal(prig_shown(&r, NET_RX), 2);
	make_it_overlook(&r);
	assert_int_equal(prig_shown(&r, NET_TX), 2);
	assert_int_equal(prig_shown(&r, NET_RX), 5);
	provoke_switch(r.p, -1);
	prig_send(&r, 1, NULL);
	vrig_pump(&r.v);
	assert_int_equal(prig_shown(&r, NET_TX), 3);
	prig_end(&r);
}

static void who_does_not_answer_behind_one_interrupt_has_overlooked_a_queue(unused void **state)
{
	struct prig r;

	prig_up(&r, P_ONE_INTERRUPT, VRIG_ALL & ~EVENT);
	for (unsigned i = 0; i < 5; i++) {
		make_it_overlook(&r);
		assert_true(r.p->joined);
		(void)prig_reg(
			&r,
			VIRTIO_MMIO_INTERRUPT_STATUS); /* who looks there has not looked at a queue */
		if (i < 2) {                           /* it answers */
			prig_send(&r, 1, NULL);
			(void)vrig_pump_once(&r.v);
		}
		assert_false(provoke_unanswered(r.p, 14));
		assert_int_equal(provoke_unanswered(r.p, 15), i == 4);
		take_all(&r, NET_TX);
		take_all(&r, NET_RX);
	}
	/* It has had its chances: from then on this is an ordinary device. */
	receive_for_a_while(&r, 4);
	assert_int_equal(fake_vq_nr_used(&r.v.vq[NET_RX]), 4);
	provoke_switch(r.p, -1);
	vrig_pump(&r.v);
	prig_end(&r);
}

static void words_are_anything_while_no_kick_is_needed(unused void **state)
{
	struct prig r;

	prig_up(&r, P_EVENT_WORDS, VRIG_ALL);
	for (unsigned i = 0; i < 20; i++) {
		unsigned head;
		uint32_t len;

		prig_post_tx(&r, i);
		/* Whatever stood there: a kick that is needed is asked for. */
		vrig_go(&r.v, NET_TX);
		assert_int_equal(r.v.net->nr_sent, i + 1);
		assert_true(fake_vq_reap(&r.v.vq[NET_TX], &head, &len));
	}
	assert_true(prig_times(&r, P_EVENT_WORDS) >= 20);
	prig_end(&r);
}

static void the_words_of_the_other_way_are_written_too(unused void **state)
{
	struct prig r;

	prig_up(&r, P_WRONG_WORDS, VRIG_ALL);
	prig_send(&r, 1, NULL);
	vrig_pump(&r.v);
	assert_int_equal(r.v.vq[NET_TX].used->flags, VRING_USED_F_NO_NOTIFY);
	provoke_switch(r.p, -1);
	prig_send(&r, 1, NULL);
	vrig_pump(&r.v);
	assert_int_equal(r.v.vq[NET_TX].used->flags, 0);
	prig_end(&r);
	prig_up(&r, P_WRONG_WORDS, VRIG_ALL & ~EVENT);
	for (unsigned i = 0; i < 8 && !fake_vq_raw_avail_event(&r.v.vq[NET_TX]); i++) {
		prig_send(&r, 1, NULL);
		vrig_pump(&r.v);
	}
	assert_int_not_equal(fake_vq_raw_avail_event(&r.v.vq[NET_TX]), 0);
	prig_end(&r);
}

static void lengths_ids_and_the_index_lie(unused void **state)
{
	struct prig r;
	unsigned wrong = 0;

	prig_up(&r, P_USED_LEN, VRIG_ALL);
	prig_receive(&r, 8, 2048);
	for (unsigned i = 0; i < 8; i++)
		wrong += prig_used(&r, NET_RX, i).len != PRIG_LEN + NET_HDR_LEN;
	assert_int_equal(wrong, prig_times(&r, P_USED_LEN));
	assert_true(wrong > 0);
	prig_end(&r);

	prig_up(&r, P_BAD_ID, VRIG_ALL);
	for (unsigned i = 0; i < 16; i++) {
		prig_send(&r, 1, NULL);
		vrig_pump(&r.v);
		wrong = prig_used(&r, NET_TX, i).id >= 16 ? wrong + 1 : wrong;
	}
	assert_in_range(prig_times(&r, P_BAD_ID), 1, 4);
	prig_end(&r);

	prig_up(&r, P_USED_TWICE, VRIG_ALL);
	prig_send(&r, 2, NULL);
	vrig_pump(&r.v);
	assert_int_equal(prig_used(&r, NET_TX, 0).id, prig_used(&r, NET_TX, 1).id);
	prig_end(&r);
}

static void the_index_jumps_and_comes_back(unused void **state)
{
	struct prig r;
	unsigned jumps = 0;

	prig_up(&r, P_INDEX_JUMP, VRIG_ALL);
	for (uint16_t i = 1; i <= 16; i++) {
		prig_send(&r, 1, NULL);
		vrig_pump(&r.v);
		jumps += prig_shown(&r, NET_TX) > i + 16;
	}
	assert_int_equal(jumps, prig_times(&r, P_INDEX_JUMP));
	assert_in_range(jumps, 1, 2);
	provoke_switch(r.p, -1);
	assert_int_equal(r.v.n->vq[NET_TX].vq.published, 16);
	prig_end(&r);
}

static void headers_of_received_frames_are_poisoned(unused void **state)
{
	struct prig r;
	const struct virtio_net_hdr_v1 *h;

	prig_up(&r, P_HEADER_POISON, VRIG_ALL);
	prig_receive(&r, 1, 2048);
	h = fake_at(&r.v.m, r.v.vq[NET_RX].desc[prig_used(&r, NET_RX, 0).id].addr, sizeof(*h));
	assert_int_equal(h->flags, 0);
	assert_int_equal(h->gso_type, 0);
	assert_int_equal(get_le16(&h->num_buffers), 1);
	assert_true(h->csum_start | h->csum_offset | h->hdr_len | h->gso_size);
	prig_end(&r);

	prig_up(&r, P_NUM_BUFFERS, VRIG_ALL);
	prig_receive(&r, 1, 2048);
	h = fake_at(&r.v.m, r.v.vq[NET_RX].desc[prig_used(&r, NET_RX, 0).id].addr, sizeof(*h));
	assert_int_not_equal(get_le16(&h->num_buffers), 1);
	prig_end(&r);
}

/* One of both is what a hint may be; the other one nobody may send. */
static void hints_are_wrong_and_flags_unknown(unused void **state)
{
	static const enum provoke_id ids[] = {P_HDR_LEN, P_RX_FLAGS};

	for (unsigned i = 0; i < ARRAY_SIZE(ids); i++) {
		const struct virtio_net_hdr_v1 *h;
		struct prig r;
		unsigned changed = 0;

		prig_up(&r, ids[i], VRIG_ALL);
		prig_receive(&r, 8, 2048);
		for (unsigned k = 0; k < 8; k++) {
			h = fake_at(&r.v.m, r.v.vq[NET_RX].desc[prig_used(&r, NET_RX, k).id].addr,
			            sizeof(*h));
			assert_int_equal(h->gso_type, 0);
			assert_int_equal(get_le16(&h->num_buffers), 1);
			assert_int_equal(h->flags & 0xf, 0);
			changed += (ids[i] == P_HDR_LEN ? get_le16(&h->hdr_len) : h->flags) != 0;
		}
		assert_in_range(changed, 3, 8);
		assert_int_equal(prig_times(&r, ids[i]), 8);
		prig_end(&r);
	}
}

static void used_descriptors_have_next_which_means_nothing_there(unused void **state)
{
	for (unsigned packed = 0; packed < 2; packed++) {
		struct prig r;
		unsigned head, with = 0, nr = 0;
		uint32_t len;

		vrig_layout(packed ? FEATURE(VIRTIO_F_RING_PACKED) : 0);
		prig_up(&r, P_USED_NEXT, VRIG_ALL);
		prig_send(&r, 4, NULL);
		vrig_pump(&r.v);
		for (unsigned k = 0; packed && k < 4; k++)
			with += (r.v.vq[NET_TX].packed_desc[k].flags & VRING_DESC_F_NEXT) != 0;
		while (fake_vq_reap(&r.v.vq[NET_TX], &head, &len))
			nr++;
		assert_int_equal(nr, 4);
		assert_int_equal(with, packed ? 4 : 0);
		assert_int_equal(prig_times(&r, P_USED_NEXT) > 0, packed);
		vrig_layout(0);
		prig_end(&r);
	}
}

/* Where it means nothing: a split ring of the standard's says how much was written. */
static void lengths_of_what_was_sent_are_anything(unused void **state)
{
	for (unsigned packed = 0; packed < 2; packed++) {
		struct prig r;
		unsigned head, nr = 0, odd = 0;
		uint32_t len, was[4];

		vrig_layout(packed ? FEATURE(VIRTIO_F_RING_PACKED) : 0);
		prig_up(&r, P_TX_LEN, VRIG_ALL);
		prig_send(&r, 4, NULL);
		for (unsigned k = 0; k < 4; k++)
			was[k] = packed ? r.v.vq[NET_TX].packed_desc[k].len : 0;
		vrig_pump(&r.v);
		for (unsigned k = 0; k < 4; k++) /* packed: where the used one stands now, too */
			odd += packed && r.v.vq[NET_TX].packed_desc[k].len != was[k];
		while (fake_vq_reap(&r.v.vq[NET_TX], &head, &len)) {
			nr++;
			assert_int_equal(len, 0); /* that is all that a right driver sees */
		}
		assert_int_equal(nr, 4);
		assert_int_equal(odd, packed ? 4 : 0);
		assert_int_equal(prig_times(&r, P_TX_LEN) > 0, packed);
		vrig_layout(0);
		prig_end(&r);
	}
}

/* What is behind the end of a frame in the buffers that it takes, and how much of that is not as the driver left it. */
static unsigned tail_of(struct prig *r, unsigned used, uint32_t room)
{
	const struct vring_used_elem e = prig_used(r, NET_RX, used);
	const uint8_t *at = fake_at(&r->v.m, r->v.vq[NET_RX].desc[e.id].addr, room);
	unsigned changed = 0;

	for (uint32_t i = e.len; i < room; i++)
		changed += at[i] != 0xa5; /* fake_in() */
	return changed;
}

static void what_is_behind_a_frame_is_overwritten(unused void **state)
{
	const uint32_t room = 200, part = 50; /* the second of two such has 22 bytes of a frame */
	uint8_t frame[PRIG_LEN];
	const uint8_t *at;
	struct prig r;

	prig_up(&r, P_BUFFER_TAIL, VRIG_ALL);
	prig_receive(&r, 1, room);
	assert_int_equal(prig_used(&r, NET_RX, 0).len, PRIG_LEN + NET_HDR_LEN);
	assert_true(tail_of(&r, 0, room) > 100);
	at = fake_at(&r.v.m, r.v.vq[NET_RX].desc[prig_used(&r, NET_RX, 0).id].addr, room);
	vrig_frame(frame, sizeof(frame), vrig_mac, 0);
	assert_memory_equal(at + NET_HDR_LEN, frame, sizeof(frame));
	assert_int_equal(prig_times(&r, P_BUFFER_TAIL), 1);
	prig_receive_long(&r, 1, 2, part);
	assert_int_equal(prig_used(&r, NET_RX, 1).len, part);
	assert_int_equal(prig_used(&r, NET_RX, 2).len, PRIG_LEN + NET_HDR_LEN - part);
	assert_true(tail_of(&r, 2, part) > 10);
	/* And nothing of what the driver did not offer. */
	assert_int_equal(*(const uint8_t *)fake_at(&r.v.m, fake_alloc(&r.v.m, 1, 1), 1), 0);
	provoke_switch(r.p, -1);
	prig_receive(&r, 1, room);
	assert_int_equal(tail_of(&r, 3, room), 0);
	prig_end(&r);
}

/* ---- interrupts and what the device does as a whole */

static void interrupts_that_are_left_out_are_counted(unused void **state)
{
	struct prig r;
	unsigned before;

	prig_begin(&r, PROVOKE_BIT(P_STRICT_INTERRUPTS));
	vrig_up(&r.v, VRIG_ALL);
	/* Who does not move used_event on is not interrupted again. */
	fake_vq_irq_off(&r.v.vq[NET_TX]);
	before = r.pulses;
	for (unsigned i = 0; i < 6; i++) {
		prig_send(&r, 1, NULL);
		vrig_pump(&r.v);
	}
	assert_in_range(r.pulses - before, 0, 1);
	assert_in_range(prig_times(&r, P_STRICT_INTERRUPTS), 4, 6); /* the last one with the next */
	prig_end(&r);
}

static void both_bits_are_up_at_once(unused void **state)
{
	struct prig r;
	bool both = false;

	prig_up(&r, P_BOTH_BITS, VRIG_ALL);
	for (unsigned i = 0; i < 8 && !both; i++) {
		atomic_store(r.v.dev.core->isr, 0);
		prig_send(&r, 1, NULL);
		vrig_pump(&r.v);
		both = prig_reg(&r, VIRTIO_MMIO_INTERRUPT_STATUS) == 3 ||
		       (prig_times(&r, P_BOTH_BITS) && r.v.vq[NET_TX].event_idx);
	}
	assert_true(both && prig_times(&r, P_BOTH_BITS) > 0);
	prig_end(&r);
}

static void config_interrupts_come_for_nothing(unused void **state)
{
	struct prig r;
	uint32_t generation;

	prig_up(&r, P_CONFIG_IRQ, VRIG_ALL);
	generation = prig_reg(&r, VIRTIO_MMIO_CONFIG_GENERATION);
	for (unsigned i = 0; i < 16 && !prig_times(&r, P_CONFIG_IRQ); i++) {
		prig_send(&r, 1, NULL);
		vrig_pump(&r.v);
	}
	assert_int_equal(prig_reg(&r, VIRTIO_MMIO_INTERRUPT_STATUS) & 2, 2);
	assert_int_not_equal(prig_reg(&r, VIRTIO_MMIO_CONFIG_GENERATION), generation);
	prig_end(&r);
}

static void interrupts_come_though_they_are_off(unused void **state)
{
	struct prig r;
	unsigned before;

	prig_up(&r, P_UNASKED, VRIG_ALL & ~FEATURE(VIRTIO_RING_F_EVENT_IDX));
	fake_vq_irq_off(&r.v.vq[NET_TX]);
	before = r.pulses;
	prig_send(&r, 1, NULL);
	vrig_pump(&r.v);
	assert_int_equal(r.pulses, before);
	provoke_act(r.p);
	assert_int_equal(prig_shown(&r, NET_TX), 1); /* and there is something */
	assert_int_equal(r.pulses, before + 1);
	assert_int_equal(prig_times(&r, P_UNASKED), 1);
	prig_end(&r);
}

static void spurious_interrupts_have_an_end(unused void **state)
{
	struct prig r;
	unsigned before;

	prig_up(&r, P_SPURIOUS, VRIG_ALL);
	fake_vq_irq_off(&r.v.vq[NET_TX]);
	before = r.pulses;
	for (unsigned i = 0; i < 300; i++) {
		unsigned head;
		uint32_t len;

		prig_send(&r, 1, NULL);
		vrig_pump(&r.v);
		provoke_act(r.p);
		assert_true(fake_vq_reap(&r.v.vq[NET_TX], &head, &len));
		fake_vq_irq_off(&r.v.vq[NET_TX]);
		if (i % 50 == 49)
			vrig_forget(&r.v);
	}
	assert_int_equal(prig_times(&r, P_SPURIOUS), 200);
	assert_true(r.pulses - before >= 200);
	prig_end(&r);
}

static void the_link_goes_down_and_comes_back_when_that_was_read(unused void **state)
{
	struct prig r;

	prig_up(&r, P_LINK_FLAP, VRIG_ALL);
	provoke_ask(r.p, ACT_LINK);
	provoke_act(r.p);
	assert_false(virtio_net_link(r.v.n));
	assert_int_equal(prig_reg(&r, VIRTIO_MMIO_INTERRUPT_STATUS) & 2, 2);
	assert_int_equal(prig_config8(&r, offsetof(struct virtio_net_config, status)) & 1, 0);
	provoke_act(r.p);
	assert_true(virtio_net_link(r.v.n));
	prig_end(&r);
}

static void an_announcement_is_asked_for_of_who_knows_it(unused void **state)
{
	struct prig r;
	const uint32_t at = offsetof(struct virtio_net_config, status);

	prig_up(&r, P_ANNOUNCE, VRIG_ALL);
	provoke_ask(r.p, ACT_ANNOUNCE);
	provoke_act(r.p);
	assert_int_equal(prig_config8(&r, at) & VIRTIO_NET_S_ANNOUNCE, VIRTIO_NET_S_ANNOUNCE);
	prig_end(&r);
	prig_up(&r, P_ANNOUNCE, VRIG_ALL & ~VRIG_F(GUEST_ANNOUNCE));
	provoke_ask(r.p, ACT_ANNOUNCE);
	provoke_act(r.p);
	assert_int_equal(prig_times(&r, P_ANNOUNCE), 0);
	prig_end(&r);
}

static void a_reset_is_needed_once(unused void **state)
{
	struct prig r;

	prig_up(&r, P_NEEDS_RESET, VRIG_ALL);
	provoke_ask(r.p, ACT_NEEDS_RESET);
	provoke_act(r.p);
	assert_true(prig_reg(&r, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET);
	vrig_up(&r.v, VRIG_ALL);
	provoke_ask(r.p, ACT_NEEDS_RESET);
	provoke_act(r.p);
	assert_false(prig_reg(&r, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET);
	prig_end(&r);
}

/* ---- all of it */

/* What the driver sees of a batch, with everything that the rings can do. */
static uint64_t story(uint64_t seed)
{
	const provoke_set on =
		PROVOKE_BIT(P_REORDER) | PROVOKE_BIT(P_USED_LEN) | PROVOKE_BIT(P_EVENT_WORDS);
	provoke_set all = 0;
	uint64_t sum = 0;
	char why[300];
	struct prig r;

	assert_int_equal(provoke_parse(&all, "all", why, sizeof(why)), 0);
	prig_begin_seeded(&r, all, seed);
	provoke_switch(r.p, -1);
	atomic_store(&r.p->on[0], (uint64_t)on);
	atomic_store(&r.p->on[1], (uint64_t)(on >> 64));
	vrig_up(&r.v, V1 | EVENT);
	for (unsigned k = 0; k < 4; k++) {
		prig_send(&r, 3, NULL);
		vrig_pump(&r.v);
		for (unsigned i = 0; i < 12; i++)
			sum = sum * 31 + prig_used(&r, NET_TX, i).id * 7 +
			      prig_used(&r, NET_TX, i).len;
		sum = sum * 31 + fake_vq_raw_avail_event(&r.v.vq[NET_TX]);
	}
	prig_end(&r);
	return sum;
}

static void the_same_seed_makes_the_same_decisions(unused void **state)
{
	assert_true(story(7) == story(7));
	assert_true(story(7) != story(8));
}

static void nothing_is_changed_by_a_round_of_nothing(unused void **state)
{
	unsigned heads[4];
	struct prig r;

	prig_begin(&r, PROVOKE_BIT(P_REORDER));
	vrig_up(&r.v, VRIG_ALL);
	prig_send(&r, 4, heads);
	assert_true(vrig_pump_once(&r.v));
	assert_int_equal(prig_shown(&r, NET_TX), 4);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(prig_used(&r, NET_TX, i).id, heads[i]);
	for (unsigned i = 0; i < NR_PROVOCATIONS; i++)
		assert_int_equal(prig_times(&r, i), 0);
	prig_end(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_looked_at_before_the_first_kick),
		cmocka_unit_test(buffers_come_back_in_another_order_and_all_of_them),
		cmocka_unit_test(what_has_an_order_keeps_it),
		cmocka_unit_test(late_buffers_come_one_by_one),
		cmocka_unit_test(a_packed_ring_is_late_as_a_whole),
		cmocka_unit_test(an_acknowledgement_comes_behind_more_buffers),
		cmocka_unit_test(a_kick_comes_behind_more_frames),
		cmocka_unit_test(who_sleeps_behind_a_kick_has_overlooked_it),
		cmocka_unit_test(who_answers_behind_a_kick_has_not_overlooked_it),
		cmocka_unit_test(frames_are_shown_beside_sent_buffers),
		cmocka_unit_test(who_does_not_answer_behind_one_interrupt_has_overlooked_a_queue),
		cmocka_unit_test(words_are_anything_while_no_kick_is_needed),
		cmocka_unit_test(the_words_of_the_other_way_are_written_too),
		cmocka_unit_test(lengths_ids_and_the_index_lie),
		cmocka_unit_test(the_index_jumps_and_comes_back),
		cmocka_unit_test(headers_of_received_frames_are_poisoned),
		cmocka_unit_test(what_is_behind_a_frame_is_overwritten),
		cmocka_unit_test(interrupts_that_are_left_out_are_counted),
		cmocka_unit_test(both_bits_are_up_at_once),
		cmocka_unit_test(config_interrupts_come_for_nothing),
		cmocka_unit_test(spurious_interrupts_have_an_end),
		cmocka_unit_test(interrupts_come_though_they_are_off),
		cmocka_unit_test(hints_are_wrong_and_flags_unknown),
		cmocka_unit_test(used_descriptors_have_next_which_means_nothing_there),
		cmocka_unit_test(lengths_of_what_was_sent_are_anything),
		cmocka_unit_test(the_link_goes_down_and_comes_back_when_that_was_read),
		cmocka_unit_test(an_announcement_is_asked_for_of_who_knows_it),
		cmocka_unit_test(a_reset_is_needed_once),
		cmocka_unit_test(the_same_seed_makes_the_same_decisions),
		cmocka_unit_test(nothing_is_changed_by_a_round_of_nothing),
	};

	return cmocka_run_group_tests_name("provoke_ring", tests, NULL, NULL);
}
