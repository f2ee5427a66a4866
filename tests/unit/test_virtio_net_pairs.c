// SPDX-License-Identifier: Apache-2.0
/* Several queue pairs: how many are in use, and what goes where. On one thread; test_virtio_net_pairs_threads.c has them all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "devices/virtio.h"
#include "tests/lib/vnet_lanes.h"
#include "tests/lib/vnet_layouts.h"
#include "vmm/core/le.h"

#define F     VRIG_F
#define PAIRS 4u

static struct vrig rig;
static struct lane lane[PAIRS];

static int setup(void **state)
{
	*state = &rig;
	vrig_create(&rig, (struct vrig_options){.pairs = PAIRS, .peer = true, .vq_size = 64});
	return 0;
}

static int teardown(void **state)
{
	vrig_destroy(*state);
	return 0;
}

static bool needs_reset(void)
{
	return fake_status(&rig.dev) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

static void up(uint64_t accept)
{
	vrig_up(&rig, accept);
	for (unsigned i = 0; i < PAIRS; i++)
		lane_init(&lane[i], &rig, i);
}

static int set_pairs(unsigned nr)
{
	return vrig_set_pairs(&rig, nr);
}

/* The same, for which no answer is to be expected. */
static void set_pairs_and_break(unsigned nr)
{
	const uint8_t command[4] = {VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, u8_of(nr)};
	const struct fake_buf b[2] = {fake_out(&rig.m, command, sizeof(command)),
	                              fake_in(&rig.m, 1)};

	assert_true(fake_vq_add(&rig.vq[rig.ctrl], b, 2) >= 0);
	vrig_go(&rig, rig.ctrl);
	assert_int_equal(fake_vq_nr_used(&rig.vq[rig.ctrl]), 0);
	assert_true(needs_reset());
}

static int set_offloads(uint64_t want)
{
	uint8_t set[8];

	put_le64(set, want);
	return vrig_command(&rig, VIRTIO_NET_CTRL_GUEST_OFFLOADS,
	                    VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET, set, sizeof(set));
}

static unsigned in_use(void)
{
	bool by_rss;

	return virtio_net_pairs(rig.n, &by_rss);
}

static void run(unsigned max)
{
	lanes_run(&rig, max);
}

static void traffic(unsigned nr)
{
	lanes_traffic(lane, nr);
}

/* ---- how many */

/* dev.net.max-pairs, dev.net.rss-key, dev.net.rss-table */
static void the_config_space_says_how_many_there_are(unused void **state)
{
	struct virtio_net_config c;

	virtio_config_read(rig.dev.core, 0, &c, sizeof(c));
	assert_int_equal(get_le16(&c.max_virtqueue_pairs), PAIRS);
	assert_int_equal(c.rss_max_key_size, RSS_KEY_MAX);
	assert_true(c.rss_max_key_size >= 40);
	assert_int_equal(get_le16(&c.rss_max_indirection_table_length), RSS_TABLE_MAX);
	assert_true(get_le16(&c.rss_max_indirection_table_length) >= 128);
	assert_int_equal(get_le32(&c.supported_hash_types), RSS_HASH_TYPES);
	assert_int_equal(rig.dev.core->nr_queues, 2 * PAIRS + 1);
}

static void a_driver_begins_with_one_pair(unused void **state)
{
	up(VRIG_ALL);
	assert_int_equal(in_use(), 1);
	assert_true(rig.nets[0]->started);
	for (unsigned i = 1; i < PAIRS; i++)
		assert_false(rig.nets[i]->started);
	traffic(1);
	lane_send(&lane[1], 3); /* not allowed yet, and without effect */
	vrig_pump(&rig);
	assert_int_equal(rig.nets[1]->nr_sent, 0);
}

static void as_many_serve_as_are_asked_for(unused void **state)
{
	static const unsigned numbers[] = {2, 4, 3, 3, 1, 4, 1};

	up(VRIG_ALL);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		assert_int_equal(set_pairs(numbers[i]), VIRTIO_NET_OK);
		assert_int_equal(in_use(), numbers[i]);
		assert_int_equal(rig.net->pairs, numbers[i]);
		for (unsigned k = 0; k < PAIRS; k++)
			assert_int_equal(rig.nets[k]->started, k < numbers[i]);
		traffic(numbers[i]);
	}
	for (unsigned i = 0; i < PAIRS; i++) {
		const struct virtio_net_stats *s = virtio_net_pair_stats(rig.n, i);

		assert_int_equal(s->tx_frames, lane[i].sent);
		assert_int_equal(s->rx_frames, lane[i].received);
		assert_true(s->tx_kicks > 0);
	}
}

static void other_pairs_are_made_once_in_a_turn(unused void **state)
{
	const uint64_t *done = &virtio_net_stats(rig.n)->ctrl_commands;

	up(VRIG_ALL);
	for (unsigned i = 0; i < 8; i++) {
		const uint8_t command[4] = {VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET,
		                            u8_of(1 + i % PAIRS)};
		const struct fake_buf b[2] = {fake_out(&rig.m, command, sizeof(command)),
		                              fake_in(&rig.m, 1)};

		assert_true(fake_vq_add(&rig.vq[rig.ctrl], b, 2) >= 0);
	}
	fake_vq_publish(&rig.vq[rig.ctrl]);
	fake_kick(&rig.dev, rig.ctrl);
	for (unsigned i = 1; i <= 8; i++) {
		vrig_pump_once(&rig);
		assert_int_equal(*done, i);
		assert_int_equal(in_use(), 1 + (i - 1) % PAIRS);
	}
	vrig_pump(&rig);
	assert_int_equal(*done, 8);
	assert_int_equal(set_pairs(2), VIRTIO_NET_OK);
}

/* dev.mq.reject-range */
static void numbers_that_cannot_be_are_refused_and_change_nothing(unused void **state)
{
	static const unsigned bad[] = {0, PAIRS + 1, 8, 9, 0x8000, 0xffff};
	uint8_t data[3] = {1};

	up(VRIG_ALL);
	assert_int_equal(set_pairs(2), VIRTIO_NET_OK);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(set_pairs(bad[i]), VIRTIO_NET_ERR);
	for (uint32_t len = 0; len <= 3; len++)
		if (len != 2)
			assert_int_equal(vrig_command(&rig, VIRTIO_NET_CTRL_MQ,
			                              VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, data, len),
			                 VIRTIO_NET_ERR);
	for (unsigned cmd = 2; cmd < 256; cmd++)
		assert_int_equal(vrig_command(&rig, VIRTIO_NET_CTRL_MQ, u8_of(cmd), data, 2),
		                 VIRTIO_NET_ERR);
	assert_int_equal(in_use(), 2);
	traffic(2);
}

/* dev.ctrl.position */
static void without_mq_there_is_one_pair_and_control_is_queue_two(unused void **state)
{
	up(VRIG_ALL & ~NET_SEVERAL_PAIRS);
	assert_int_equal(rig.ctrl, 2);
	assert_int_equal(
		vrig_command(&rig, VIRTIO_NET_CTRL_ANNOUNCE, VIRTIO_NET_CTRL_ANNOUNCE_ACK, NULL, 0),
		VIRTIO_NET_OK);
	assert_int_equal(set_pairs(1), VIRTIO_NET_ERR);
	traffic(1);
	up(VRIG_ALL); /* and behind the pairs for the next driver, who knows of them */
	assert_int_equal(rig.ctrl, 2 * PAIRS);
	assert_int_equal(set_pairs(2), VIRTIO_NET_OK);
}

static void mq_needs_a_control_queue(unused void **state)
{
	assert_int_equal(vrig_try_up(&rig, VRIG_ALL & ~F(CTRL_VQ)), -ENODEV);
}

/* dev.mq.default-one */
static void a_reset_returns_to_one_pair(unused void **state)
{
	up(VRIG_ALL);
	assert_int_equal(set_pairs(PAIRS), VIRTIO_NET_OK);
	virtio_set_status(rig.dev.core, 0);
	assert_int_equal(in_use(), 1);
	assert_int_equal(rig.net->pairs, 1);
	for (unsigned i = 0; i < PAIRS; i++)
		assert_false(rig.nets[i]->started);
	up(VRIG_ALL);
	assert_int_equal(in_use(), 1);
	assert_int_equal(set_pairs(PAIRS), VIRTIO_NET_OK);
	traffic(PAIRS);
}

/* dev.mq.reject-range */
static void pairs_that_the_driver_has_not_set_up_are_refused(unused void **state)
{
	up(VRIG_ALL);
	virtio_queue_ready(rig.dev.core, 5, false); /* tx of pair 2 */
	assert_int_equal(set_pairs(2), VIRTIO_NET_OK);
	assert_int_equal(set_pairs(3), VIRTIO_NET_ERR);
	traffic(2);
}

static void the_pair_in_use_may_be_asked_for_by_a_driver_that_only_sends(unused void **state)
{
	up(VRIG_ALL);
	virtio_queue_ready(rig.dev.core, NET_RX, false);
	assert_int_equal(set_pairs(1), VIRTIO_NET_OK);
	assert_int_equal(set_pairs(2), VIRTIO_NET_ERR);
	lane_send(&lane[0], 3);
	vrig_pump(&rig);
	lane_check_out(&lane[0]);
	assert_int_equal(lane[0].seen, 3);
}

static void what_the_backend_cannot_do_changes_nothing(unused void **state)
{
	up(VRIG_ALL);
	assert_int_equal(set_pairs(2), VIRTIO_NET_OK);
	rig.net->pairs_err = -EIO;
	assert_int_equal(set_pairs(3), VIRTIO_NET_ERR);
	rig.net->pairs_err = 0;
	rig.nets[2]->start_err = -ENOMEM;
	assert_int_equal(set_pairs(3), VIRTIO_NET_ERR);
	assert_int_equal(in_use(), 2);
	traffic(2);
	rig.nets[2]->start_err = 0;
	assert_int_equal(set_pairs(3), VIRTIO_NET_OK);
	rig.nets[1]->start_err = -ENOMEM; /* neither those that are wanted nor those before */
	set_pairs_and_break(2);
	rig.nets[1]->start_err = 0;
	up(VRIG_ALL);
	traffic(1);
}

static void a_backend_that_failed_is_asked_for_the_old_number_again(unused void **state)
{
	up(VRIG_ALL);
	assert_int_equal(set_pairs(2), VIRTIO_NET_OK);
	rig.net->pairs_err = -EIO;
	rig.net->pairs_err_once = true;
	assert_int_equal(set_pairs(4), VIRTIO_NET_ERR);
	assert_int_equal(rig.net->pairs_asked, 2);
	assert_int_equal(in_use(), 2);
	traffic(2);
}

static void a_backend_that_failed_at_a_reset_is_asked_again(unused void **state)
{
	up(VRIG_ALL);
	assert_int_equal(set_pairs(3), VIRTIO_NET_OK);
	rig.net->pairs_err = -EIO;
	rig.net->pairs_err_once = true;
	virtio_set_status(rig.dev.core, 0);
	assert_int_equal(in_use(), 1);
	assert_int_equal(rig.net->pairs, 3);
	up(VRIG_ALL);
	assert_int_equal(rig.net->pairs, 1);
	traffic(1);
}

/* ---- what is of the device, on each pair */

static void a_broken_rule_on_any_pair_stops_the_device(unused void **state)
{
	for (unsigned i = 0; i < PAIRS; i++) {
		up(VRIG_ALL);
		assert_int_equal(set_pairs(PAIRS), VIRTIO_NET_OK);
		traffic(PAIRS);
		fake_vq_raw_avail_idx(&rig.vq[2 * i + 1], 9999);
		fake_kick(&rig.dev, 2 * i + 1);
		vrig_pump(&rig);
		assert_true(needs_reset());
		for (unsigned k = 0; k < PAIRS; k++)
			assert_false(rig.nets[k]->started);
	}
	assert_int_equal(rig.dev.core->broken, PAIRS);
}

static void news_of_an_earlier_life_are_no_news(unused void **state)
{
	up(VRIG_ALL);
	assert_int_equal(set_pairs(2), VIRTIO_NET_OK);
	fake_vq_raw_avail_idx(&rig.vq[3], 9999);
	fake_kick(&rig.dev, 3);
	rig.n->pair[1].queue[NET_TX].kick.fn(&rig.n->pair[1],
	                                     0); /* it tells, and nobody looks yet */
	assert_false(needs_reset());
	up(VRIG_ALL);
	vrig_pump(&rig);
	assert_false(needs_reset());
	assert_int_equal(set_pairs(2), VIRTIO_NET_OK);
	traffic(2);
}

static void a_backend_that_one_pair_finds_gone_is_gone(unused void **state)
{
	up(VRIG_ALL);
	assert_int_equal(set_pairs(2), VIRTIO_NET_OK);
	fake_net_gone(rig.nets[1], -ENODEV);
	vrig_pump(&rig);
	assert_false(virtio_net_link(rig.n));
	fake_net_gone(rig.nets[0], -ENODEV);
	lane_send(&lane[0], 5);
	lane_send(&lane[1], 5);
	vrig_pump(&rig);
	assert_int_equal(rig.nets[1]->nr_sent + rig.nets[0]->nr_sent, 0);
	assert_int_equal(virtio_net_pair_stats(rig.n, 1)->tx_dropped, 5);
}

static void the_link_is_that_of_all_pairs(unused void **state)
{
	up(VRIG_ALL);
	assert_int_equal(set_pairs(2), VIRTIO_NET_OK);
	traffic(2);
	virtio_net_set_link(rig.n, false);
	for (unsigned i = 0; i < 2; i++) {
		lane_send(&lane[i], 4);
		lane_arrive(&lane[i], 4);
	}
	run(64);
	assert_int_equal(rig.nets[1]->nr_sent, 0);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(virtio_net_pair_stats(rig.n, i)->tx_dropped, 4);
		assert_int_equal(virtio_net_pair_stats(rig.n, i)->rx_dropped, 4);
		lane[i].seen += 4;
		lane[i].received += 4;
	}
	virtio_net_set_link(rig.n, true);
	traffic(2);
}

static void commands_are_for_all_pairs(unused void **state)
{
	const uint8_t mac[6] = {2, 2, 2, 2, 2, 2};

	up(VRIG_ALL);
	assert_int_equal(set_pairs(2), VIRTIO_NET_OK);
	assert_int_equal(vrig_command(&rig, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, mac,
	                              sizeof(mac)),
	                 VIRTIO_NET_OK);
	lane_post_rx(&lane[1], 10);
	lane_arrive(&lane[1], 7);
	run(64);
	assert_int_equal(virtio_net_pair_stats(rig.n, 1)->rx_filtered, 7);
	assert_int_equal(set_offloads(F(GUEST_CSUM)), VIRTIO_NET_OK);
	assert_int_equal(rig.n->pair[1].view.offloads, F(GUEST_CSUM));
	assert_int_equal(rig.nets[1]->offloads, F(GUEST_CSUM));
	assert_int_equal(rig.n->pair[1].rx.reach, NET_HDR_LEN + 18 + 1500);
}

static uint64_t seen_by_the_last; /* what pair 1 took when pair 0's backend was asked to give it */

static void note_offloads(void)
{
	seen_by_the_last = rig.n->pair[1].view.offloads;
}

static void all_pairs_take_offloads_before_a_backend_gives_them(unused void **state)
{
	const uint64_t v4 = F(GUEST_CSUM) | F(GUEST_TSO4), v6 = F(GUEST_CSUM) | F(GUEST_TSO6);

	up(VRIG_ALL);
	assert_int_equal(set_pairs(2), VIRTIO_NET_OK);
	assert_int_equal(set_offloads(0), VIRTIO_NET_OK);
	rig.nets[0]->on_set_offloads = note_offloads;
	assert_int_equal(set_offloads(v4), VIRTIO_NET_OK);
	assert_int_equal(seen_by_the_last, v4);
	assert_int_equal(set_offloads(v6), VIRTIO_NET_OK);
	assert_int_equal(seen_by_the_last, v4 | v6);
	assert_int_equal(rig.n->pair[1].view.offloads, v6);
	rig.nets[1]->offloads_err = -EIO;
	assert_int_equal(set_offloads(v4), VIRTIO_NET_ERR);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(rig.n->pair[i].view.offloads, v6);
}

static void offloads_that_one_backend_refuses_are_as_before(unused void **state)
{
	up(VRIG_ALL);
	assert_int_equal(set_pairs(2), VIRTIO_NET_OK);
	rig.nets[1]->offloads_err = -EIO;
	assert_int_equal(set_offloads(0), VIRTIO_NET_ERR);
	assert_int_equal(rig.nets[0]->offloads, NET_GUEST_OFFLOADS);
	assert_int_equal(rig.n->pair[0].view.offloads, NET_GUEST_OFFLOADS);
}

/* dev.mmio.no-access-unready */
static void a_queue_that_is_taken_back_is_not_touched_any_more(unused void **state)
{
	up(VRIG_ALL);
	assert_int_equal(set_pairs(3), VIRTIO_NET_OK);
	traffic(3);
	lane_post_rx(&lane[2], 10);
	vrig_pump(&rig);
	virtio_queue_ready(rig.dev.core, 4, false); /* rx of pair 2 */
	lane_arrive(&lane[2], 3);
	assert_false(fake_net_can_recv(rig.nets[2]));
	fake_kick(&rig.dev, 4);
	vrig_pump(&rig);
	assert_int_equal(fake_net_queued(rig.nets[2]), 3);
	traffic(2);
	lane_send(&lane[2], 3); /* its other queue goes on */
	vrig_pump(&rig);
	lane_check_out(&lane[2]);
	assert_int_equal(lane[2].seen, lane[2].sent);
	virtio_queue_ready(rig.dev.core, 5, false);
	lane_send(&lane[2], 3);
	fake_kick(&rig.dev, 5);
	vrig_pump(&rig);
	assert_int_equal(rig.nets[2]->nr_sent, 0);
	traffic(2);
	assert_int_equal(set_pairs(2), VIRTIO_NET_OK);
	traffic(2);
}

static void a_pair_receives_on_when_its_queue_to_send_is_taken_back(unused void **state)
{
	up(VRIG_ALL);
	assert_int_equal(set_pairs(2), VIRTIO_NET_OK);
	fake_net_fail_send(rig.nets[1], 0, -EAGAIN, UINT_MAX);
	lane_send(&lane[1], 3); /* which has to wait */
	vrig_pump(&rig);
	virtio_queue_ready(rig.dev.core, 3, false); /* tx of pair 1 */
	fake_net_can_send(rig.nets[1]);
	vrig_pump(&rig);
	assert_int_equal(rig.nets[1]->nr_sent, 0);
	lane_post_rx(&lane[1], 20);
	lane_arrive(&lane[1], 10);
	run(64);
	lane_reap(&lane[1]);
	assert_int_equal(lane[1].received, 10);
	traffic(1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(the_config_space_says_how_many_there_are),
		CASE(a_driver_begins_with_one_pair),
		CASE(as_many_serve_as_are_asked_for),
		CASE(other_pairs_are_made_once_in_a_turn),
		CASE(numbers_that_cannot_be_are_refused_and_change_nothing),
		CASE(without_mq_there_is_one_pair_and_control_is_queue_two),
		CASE(mq_needs_a_control_queue),
		CASE(a_reset_returns_to_one_pair),
		CASE(pairs_that_the_driver_has_not_set_up_are_refused),
		CASE(the_pair_in_use_may_be_asked_for_by_a_driver_that_only_sends),
		CASE(what_the_backend_cannot_do_changes_nothing),
		CASE(a_backend_that_failed_is_asked_for_the_old_number_again),
		CASE(a_backend_that_failed_at_a_reset_is_asked_again),
		CASE(a_broken_rule_on_any_pair_stops_the_device),
		CASE(news_of_an_earlier_life_are_no_news),
		CASE(a_backend_that_one_pair_finds_gone_is_gone),
		CASE(the_link_is_that_of_all_pairs),
		CASE(commands_are_for_all_pairs),
		CASE(all_pairs_take_offloads_before_a_backend_gives_them),
		CASE(offloads_that_one_backend_refuses_are_as_before),
		CASE(a_queue_that_is_taken_back_is_not_touched_any_more),
		CASE(a_pair_receives_on_when_its_queue_to_send_is_taken_back),
	};

	return VRIG_RUN_LAYOUTS(tests);
}
