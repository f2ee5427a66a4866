/* SPDX-License-Identifier: Apache-2.0 */
/* When and in which order a provoked device gives buffers back, in both layouts of the ring. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <linux/virtio_mmio.h>

#include "devices/virtio.h"
#include "tests/lib/provoke_rig.h"
#include "tests/lib/vnet_lanes.h"
#include "vmm/core/le.h"

#define PACKED FEATURE(VIRTIO_F_RING_PACKED)

static void in_each_layout(void (*test)(void))
{
	test();
	vrig_layout(PACKED);
	test();
	vrig_layout(0);
}

/* Takes all that is there. How many; the heads are in @got. */
static unsigned reap(struct prig *r, unsigned queue, unsigned *got, uint32_t *lens)
{
	unsigned nr = 0;
	uint32_t len;

	while (fake_vq_reap(&r->v.vq[queue], &got[nr], &len))
		lens[nr++] = len;
	return nr;
}

/* A FIFO of the driver's would have taken the first one for each of them. */
static unsigned out_of_turn(const unsigned *posted, const unsigned *got, unsigned nr)
{
	unsigned moved = 0;

	for (unsigned i = 0; i < nr; i++)
		moved += posted[i] != got[i];
	return moved;
}

static void reorder(void)
{
	unsigned heads[8], got[16];
	uint32_t lens[16] = {0};
	struct prig r;

	prig_up(&r, P_REORDER, VRIG_ALL);
	prig_send(&r, 8, heads);
	vrig_pump(&r.v);
	/* fake_vq_reap() goes by the id, and ends the process when it is none that is out. */
	assert_int_equal(reap(&r, NET_TX, got, lens), 8);
	assert_true(out_of_turn(heads, got, 8) > 0);
	assert_true(prig_times(&r, P_REORDER) > 0);
	prig_end(&r);
}

static void sent_buffers_come_back_in_another_order(unused void **state)
{
	in_each_layout(reorder);
}

static void receive_reordered(void)
{
	const unsigned posted[] = {0, 1, 2, 3, 4, 5, 6, 7};
	unsigned got[16];
	uint32_t lens[16] = {0};
	struct prig r;

	prig_up(&r, P_REORDER,
	        VRIG_ALL); /* MRG_RXBUF among it: each frame has a buffer of its own */
	prig_receive(&r, 8, 2048);
	assert_int_equal(reap(&r, NET_RX, got, lens), 8);
	assert_true(out_of_turn(posted, got, 8) > 0);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(lens[i], PRIG_LEN + NET_HDR_LEN);
	prig_end(&r);
}

static void received_buffers_do_so_too(unused void **state)
{
	in_each_layout(receive_reordered);
}

static void receive_parts(void)
{
	unsigned got[16], moved = 0;
	uint32_t lens[16] = {0};
	struct prig r;

	prig_up(&r, P_REORDER, VRIG_ALL);
	for (unsigned k = 0; k < 3; k++) {
		prig_receive_long(&r, 8, 2, PRIG_LEN - 20);
		assert_int_equal(reap(&r, NET_RX, got, lens), 16);
		for (unsigned i = 0; i < 16; i += 2) {
			/* The first part, which is full, and what belongs to it. */
			assert_int_equal(lens[i], PRIG_LEN - 20);
			assert_int_equal(lens[i + 1], 20 + NET_HDR_LEN);
			moved += k == 0 && got[i] != i;
			if (k == 0)
				assert_int_equal(got[i + 1], got[i] + 1);
		}
		vrig_forget(&r.v);
	}
	assert_true(moved > 0 && prig_times(&r, P_REORDER) >= 3);
	/* Such as are one part stand between them. */
	prig_receive(&r, 4, 2048);
	assert_int_equal(reap(&r, NET_RX, got, lens), 4);
	prig_end(&r);
}

static void parts_of_a_received_frame_stay_together(unused void **state)
{
	in_each_layout(receive_parts);
}

static void many_laps(void)
{
	unsigned got[16], sent = 0, back = 0;
	uint32_t lens[16] = {0};
	struct prig r;

	prig_begin(&r, PROVOKE_BIT(P_REORDER));
	vrig_up(&r.v, VRIG_ALL);
	provoke_switch(r.p, P_REORDER);
	for (unsigned i = 0; i < 200; i++) {
		const unsigned nr = 1 + i % 5;

		prig_send(&r, nr, NULL);
		sent += nr;
		vrig_pump(&r.v);
		back += reap(&r, NET_TX, got, lens);
		if (sent == back)
			vrig_forget(&r.v);
	}
	provoke_switch(r.p, -1);
	prig_send(&r, 1, NULL);
	vrig_pump(&r.v);
	back += reap(&r, NET_TX, got, lens);
	assert_int_equal(back, sent + 1);
	prig_end(&r);
}

static void none_is_lost_however_often_the_ring_goes_round(unused void **state)
{
	in_each_layout(many_laps);
}

static void keep(void)
{
	unsigned heads[4], got[16];
	uint32_t lens[16] = {0};
	struct prig r;

	prig_up(&r, P_KEPT, VRIG_ALL);
	prig_send(&r, 4, heads);
	vrig_pump(&r.v);
	assert_int_equal(reap(&r, NET_TX, got, lens), 3);
	for (unsigned i = 0; i < 3; i++)
		assert_int_not_equal(got[i], heads[0]);
	provoke_switch(r.p, -1); /* the round is over, and it is still out */
	for (unsigned i = 0; i < 20; i++) {
		prig_send(&r, 3, NULL);
		assert_true(vrig_pump(&r.v) < 100); /* and nobody spins for it */
		assert_int_equal(reap(&r, NET_TX, got, lens), 3);
	}
	assert_true(prig_times(&r, P_KEPT) > 20); /* of each batch that it was in */
	vrig_up(&r.v, VRIG_ALL);
	prig_send(&r, 4, NULL);
	vrig_pump(&r.v);
	assert_int_equal(reap(&r, NET_TX, got, lens), 4);
	prig_end(&r);
}

static void one_is_kept_until_the_reset_and_the_others_go_on(unused void **state)
{
	in_each_layout(keep);
}

static void who_waits_for_each_buffer_is_stuck_with_one_that_is_kept(unused void **state)
{
	unsigned got[16];
	uint32_t lens[16] = {0};
	struct prig r;

	prig_up(&r, P_KEPT, VRIG_ALL);
	prig_send(&r, 1, NULL);
	vrig_pump(&r.v);
	assert_int_equal(reap(&r, NET_TX, got, lens), 0);
	prig_end(&r);
	/* With IN_ORDER it has to come first. */
	vrig_layout(FEATURE(VIRTIO_F_IN_ORDER));
	prig_up(&r, P_KEPT, VRIG_ALL);
	prig_send(&r, 2, NULL);
	vrig_pump(&r.v);
	assert_int_equal(reap(&r, NET_TX, got, lens), 2);
	vrig_layout(0);
	prig_end(&r);
}

static void merge_sent_ones(uint64_t layout)
{
	unsigned heads[8], got[16];
	uint32_t lens[16] = {0};
	struct prig r;

	vrig_layout(layout | FEATURE(VIRTIO_F_IN_ORDER));
	prig_up(&r, P_BATCHES, VRIG_ALL);
	for (unsigned lap = 1; lap < 70; lap++) {
		prig_send(&r, 8, heads);
		vrig_pump(&r.v);
		if (!layout &&
		    lap == 1) { /* who goes by what is written takes one for done, and another one seven times */
			assert_int_equal(prig_used(&r, NET_TX, 0).id, heads[7]);
			assert_int_equal(prig_used(&r, NET_TX, 1).id, prig_used(&r, NET_TX, 7).id);
		}
		assert_int_equal(reap(&r, NET_TX, got, lens), 8);
		assert_int_equal(out_of_turn(heads, got, 8), 0);
		assert_int_equal(prig_times(&r, P_BATCHES), lap);
	}
	/* A single one waits for company, and goes. */
	prig_send(&r, 1, NULL);
	assert_true(vrig_pump_once(&r.v));
	assert_int_equal(reap(&r, NET_TX, got, lens), 0);
	vrig_pump(&r.v);
	assert_int_equal(reap(&r, NET_TX, got, lens), 1);
	assert_int_equal(prig_times(&r, P_BATCHES), 69);
	/* What was written to has a length of its own. */
	prig_receive(&r, 8, 2048);
	assert_int_equal(reap(&r, NET_RX, got, lens), 8);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(lens[i], PRIG_LEN + NET_HDR_LEN);
	assert_int_equal(prig_times(&r, P_BATCHES), 69);
	vrig_layout(0);
	prig_end(&r);
}

static void one_entry_stands_for_several_sent_buffers(unused void **state)
{
	unsigned got[16];
	uint32_t lens[16] = {0};
	struct prig r;

	merge_sent_ones(0);
	merge_sent_ones(PACKED);
	prig_up(&r, P_BATCHES, VRIG_ALL); /* not without IN_ORDER */
	prig_send(&r, 8, NULL);
	vrig_pump(&r.v);
	assert_int_equal(reap(&r, NET_TX, got, lens), 8);
	assert_int_equal(prig_times(&r, P_BATCHES), 0);
	prig_end(&r);
}

static void run_dry(void)
{
	unsigned got[16];
	uint32_t lens[16] = {0};
	struct prig r;

	prig_up(&r, P_DRY_RING, VRIG_ALL);
	/* A wrong driver, which keeps its counters modulo the size, takes a full ring for an empty one. */
	prig_receive(&r, 16, 2048);
	assert_int_equal(reap(&r, NET_RX, got, lens), 16);
	assert_int_equal(prig_times(&r, P_DRY_RING), 1);
	/* No more come: what there is. */
	prig_receive(&r, 3, 2048);
	assert_int_equal(reap(&r, NET_RX, got, lens), 3);
	assert_int_equal(prig_times(&r, P_DRY_RING), 2);
	prig_end(&r);
}

static void received_frames_come_when_there_is_no_buffer_left(unused void **state)
{
	in_each_layout(run_dry);
}

static void shorten(void)
{
	unsigned got[16], less = 0, without = 0;
	uint32_t lens[16] = {0};
	struct prig r;

	prig_up(&r, P_SHORT_LEN, VRIG_ALL);
	for (unsigned k = 0; k < 8; k++) {
		prig_receive(&r, 8, 2048);
		assert_int_equal(reap(&r, NET_RX, got, lens), 8);
		for (unsigned i = 0; i < 8; i++) {
			assert_in_range(lens[i], 0, PRIG_LEN + NET_HDR_LEN);
			less += lens[i] < PRIG_LEN + NET_HDR_LEN;
			/* len - 12, which a wrong driver takes for the frame's length. */
			without += lens[i] < NET_HDR_LEN;
		}
		vrig_forget(&r.v);
	}
	assert_int_equal(less, prig_times(&r, P_SHORT_LEN));
	assert_true(without > 0 && less > without);
	prig_end(&r);
	prig_up(&r, P_SHORT_LEN, VRIG_ALL);
	prig_receive_long(&r, 8, 2, PRIG_LEN - 20); /* the first part is full, as it has to be */
	assert_int_equal(prig_times(&r, P_SHORT_LEN), 0);
	prig_end(&r);
}

static void lengths_are_less_than_what_was_written(unused void **state)
{
	in_each_layout(shorten);
}

/* What only split rings could be told: that what was pushed is another thing. */
static void a_packed_ring_lies_too(unused void **state)
{
	struct prig r;
	const uint8_t *ring;
	unsigned wrong = 0;

	vrig_layout(PACKED);
	prig_up(&r, P_BAD_ID, VRIG_ALL);
	prig_send(&r, 8, NULL);
	vrig_pump(&r.v);
	ring = fake_at(&r.v.m, r.v.vq[NET_TX].addr.desc, 16 * 16);
	for (unsigned i = 0; i < 8; i++) /* 8 buffers of a descriptor each, from slot 0 on */
		wrong += get_le16(ring + 16 * i + 12) >= 16;
	assert_int_equal(wrong, prig_times(&r, P_BAD_ID));
	prig_end(&r);
	vrig_layout(0);
}

/* The id of used entry @i, of buffers that take @slots entries each of a ring that has not gone round yet. */
static unsigned used_id(const struct prig *r, unsigned queue, unsigned i, unsigned slots)
{
	const struct fake_vq *v = &r->v.vq[queue];

	return v->packed ? get_le16(&v->packed_desc[i * slots].id) : prig_used(r, queue, i).id;
}

/* Nothing is reaped: fake_vq_reap() ends the process when an id is none that is out. */
static void say_free(void)
{
	struct prig r;
	unsigned wrong = 0;

	prig_up(&r, P_FREE_ID, VRIG_ALL);
	for (unsigned i = 0; i < 12; i++) {
		unsigned head, id;

		prig_send(&r, 1, &head);
		vrig_pump(&r.v);
		id = used_id(&r, NET_TX, i, 1);
		assert_in_range(id, 0, 15);
		wrong += id != head;
	}
	assert_in_range(wrong, 1, 4);
	assert_int_equal(wrong, prig_times(&r, P_FREE_ID));
	prig_end(&r);

	prig_up(&r, P_FREE_ID, VRIG_ALL);
	prig_receive(&r, 8, 2048);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(used_id(&r, NET_RX, i, 1), i);
	assert_int_equal(prig_times(&r, P_FREE_ID), 0);
	prig_end(&r);
}

static void a_sent_buffer_comes_back_under_an_id_that_is_free(unused void **state)
{
	in_each_layout(say_free);
}

/* Header and frame in a descriptor each, @nr times, one by one. How many came back under the second one; others: under the first. */
static unsigned send_chains(struct prig *r, unsigned nr)
{
	struct fake_vq *v = &r->v.vq[NET_TX];
	unsigned seconds = 0;

	for (unsigned i = 0; i < nr; i++) {
		uint8_t bytes[NET_HDR_LEN + PRIG_LEN] = {0};
		const struct fake_buf b = fake_out(&r->v.m, bytes, sizeof(bytes));
		const struct fake_buf parts[] = {fake_part(b, 0, NET_HDR_LEN),
		                                 fake_part(b, NET_HDR_LEN, PRIG_LEN)};
		const int head = fake_vq_add(v, parts, 2);
		unsigned id;

		assert_true(head >= 0);
		vrig_go(&r->v, NET_TX);
		id = used_id(r, NET_TX, i, 2);
		if (id == (unsigned)head)
			continue;
		assert_int_equal(id, v->desc[head].next);
		seconds++;
	}
	return seconds;
}

static void a_chain_comes_back_under_its_second_descriptor(unused void **state)
{
	struct prig r;
	unsigned seconds;

	prig_up(&r, P_CHAIN_ID, VRIG_ALL);
	prig_send(&r, 2, NULL); /* which have no second one */
	vrig_pump(&r.v);
	assert_int_equal(prig_times(&r, P_CHAIN_ID), 0);
	prig_end(&r);

	prig_up(&r, P_CHAIN_ID, VRIG_ALL);
	seconds = send_chains(&r, 8);
	assert_in_range(seconds, 1, 4);
	assert_int_equal(seconds, prig_times(&r, P_CHAIN_ID));
	prig_end(&r);

	/* Their ids are no places. */
	vrig_layout(PACKED);
	prig_up(&r, P_CHAIN_ID, VRIG_ALL);
	assert_int_equal(send_chains(&r, 8), 0);
	assert_int_equal(prig_times(&r, P_CHAIN_ID), 0);
	prig_end(&r);
	vrig_layout(0);
}

/* Which of its queues is what follows from what the driver has accepted. */
static void each_queue_of_several_pairs_is_what_it_is(unused void **state)
{
	enum { RX, TX, CTRL };
	static const struct {
		uint64_t accepted;
		unsigned kind[5];
	} all[] = {
		{FEATURE(VIRTIO_NET_F_MQ) | FEATURE(VIRTIO_NET_F_CTRL_VQ), {RX, TX, RX, TX, CTRL}},
		{FEATURE(VIRTIO_NET_F_RSS) | FEATURE(VIRTIO_NET_F_CTRL_VQ), {RX, TX, RX, TX, CTRL}},
		{FEATURE(VIRTIO_NET_F_CTRL_VQ), {RX, TX, CTRL, TX, RX}},
		{0, {RX, TX, RX, TX, RX}},
	};
	struct virtio_dev dev = {.nr_queues = 5};
	struct provoke *p;

	assert_int_equal(provoke_create(PROVOKE_BIT(P_REORDER), 1, &p), 0);
	p->dev = &dev;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		dev.accepted = all[i].accepted;
		for (unsigned k = 0; k < 5; k++) {
			p->hooks.queue(&p->hooks, k);
			assert_int_equal(p->queue[k].kind, all[i].kind[k]);
		}
	}
	provoke_destroy(p);
}

/* ---- several pairs */

/* Both rings of @l full of what is done, and nothing of it shown. */
static void fill_and_keep_back(struct prig *r, struct lane *l)
{
	const unsigned rx = NET_PAIR_QUEUES * l->pair + NET_RX, tx = rx + NET_TX;

	lane_post_rx(l, 16);
	vrig_pump(&r->v);
	lane_arrive(l, 16);
	fake_net_can_recv(r->v.nets[l->pair]);
	lane_send(l, 16);
	vrig_pump_once(&r->v);
	assert_int_equal(r->v.nets[l->pair]->nr_sent, 16);
	assert_int_equal(fake_net_queued(r->v.nets[l->pair]), 0);
	assert_int_equal(fake_vq_nr_used(&r->v.vq[rx]), 0);
	assert_int_equal(fake_vq_nr_used(&r->v.vq[tx]), 0);
}

static void all_is_shown(struct lane *l)
{
	lane_check_out(l);
	lane_reap(l);
	assert_int_equal(l->nr_rx_free, 16);
	assert_int_equal(l->nr_tx_free, 16);
	assert_int_equal(l->received, l->queued);
}

static void keep_back_and_steer(void)
{
	struct lane lane[2];
	struct prig r;

	prig_begin_pairs(&r, PROVOKE_BIT(P_DELAY), 2);
	vrig_up(&r.v, VRIG_ALL);
	for (unsigned i = 0; i < 2; i++)
		lane_init(&lane[i], &r.v, i);
	provoke_switch(r.p, P_DELAY);
	fill_and_keep_back(&r, &lane[0]);
	assert_int_equal(vrig_set_pairs(&r.v, 2), VIRTIO_NET_OK);
	all_is_shown(&lane[0]);
	fill_and_keep_back(&r, &lane[1]);
	assert_int_equal(vrig_set_pairs(&r.v, 1), VIRTIO_NET_OK);
	all_is_shown(&lane[1]);
	fill_and_keep_back(&r, &lane[0]);
	vrig_pump(&r.v);
	all_is_shown(&lane[0]);
	prig_end(&r);
}

static void late_buffers_come_before_other_pairs_are_used(unused void **state)
{
	in_each_layout(keep_back_and_steer);
}

static void post_and_steer(void)
{
	struct lane lane[2];
	struct prig r;

	prig_begin_pairs(&r, PROVOKE_BIT(P_FIRST_KICK), 2);
	vrig_up(&r.v, VRIG_ALL);
	for (unsigned i = 0; i < 2; i++) {
		lane_init(&lane[i], &r.v, i);
		lane_post_rx(&lane[i], 16);
	}
	vrig_pump(&r.v);
	for (unsigned nr = 2; nr >= 1; nr--) {
		assert_int_equal(vrig_set_pairs(&r.v, nr), VIRTIO_NET_OK);
		lanes_traffic(lane, nr);
	}
	prig_end(&r);
}

static void who_has_kicked_need_not_do_so_again_for_other_pairs(unused void **state)
{
	in_each_layout(post_and_steer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sent_buffers_come_back_in_another_order),
		cmocka_unit_test(received_buffers_do_so_too),
		cmocka_unit_test(parts_of_a_received_frame_stay_together),
		cmocka_unit_test(none_is_lost_however_often_the_ring_goes_round),
		cmocka_unit_test(one_is_kept_until_the_reset_and_the_others_go_on),
		cmocka_unit_test(who_waits_for_each_buffer_is_stuck_with_one_that_is_kept),
		cmocka_unit_test(one_entry_stands_for_several_sent_buffers),
		cmocka_unit_test(received_frames_come_when_there_is_no_buffer_left),
		cmocka_unit_test(lengths_are_less_than_what_was_written),
		cmocka_unit_test(a_packed_ring_lies_too),
		cmocka_unit_test(a_sent_buffer_comes_back_under_an_id_that_is_free),
		cmocka_unit_test(a_chain_comes_back_under_its_second_descriptor),
		cmocka_unit_test(each_queue_of_several_pairs_is_what_it_is),
		cmocka_unit_test(late_buffers_come_before_other_pairs_are_used),
		cmocka_unit_test(who_has_kicked_need_not_do_so_again_for_other_pairs),
	};

	return cmocka_run_group_tests_name("provoke_order", tests, NULL, NULL);
}
