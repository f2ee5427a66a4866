// SPDX-License-Identifier: Apache-2.0
/* RSS: frames reach the pair that the driver's table names, wherever the backend had them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "devices/virtio.h"
#include "tests/lib/vnet_layouts.h"
#include "tests/lib/vnet_rig.h"
#include "vmm/core/le.h"

#define F     VRIG_F
#define PAIRS 3u
#define FRAME 80u

static struct vrig rig;
static uint8_t config[RSS_CONFIG_MAX];
static size_t config_len;
static struct rss want;
static unsigned queued[PAIRS], received[PAIRS]; /* by the pair that is named */
static gpa_t rx_at[PAIRS][VQ_NUM_MAX];

static int setup(void **state)
{
	*state = &rig;
	vrig_create(&rig, (struct vrig_options){.pairs = PAIRS, .peer = true, .vq_size = 64});
	memset(queued, 0, sizeof(queued));
	memset(received, 0, sizeof(received));
	return 0;
}

static int teardown(void **state)
{
	vrig_destroy(*state);
	return 0;
}

/* A table of @entries that names all pairs in turn, frames without a hash to the last. */
static void make_config(unsigned entries, unsigned pairs)
{
	uint8_t *p = config;

	put_le32(p, RSS_HASH_TYPES);
	put_le16(p + 4, u16_of(entries - 1u));
	put_le16(p + 6, u16_of(pairs - 1u));
	p += 8;
	for (unsigned i = 0; i < entries; i++, p += 2)
		put_le16(p, u16_of(i % pairs));
	put_le16(p, u16_of(pairs));
	p[2] = RSS_KEY_MAX;
	for (unsigned i = 0; i < RSS_KEY_MAX; i++)
		p[3 + i] = u8_of(0x6d + 41 * i);
	config_len = (size_t)(p - config) + 3 + RSS_KEY_MAX;
}

static int set_rss(void)
{
	return vrig_command(&rig, VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_RSS_CONFIG, config,
	                    (uint32_t)config_len);
}

static unsigned in_use(bool *by_rss)
{
	return virtio_net_pairs(rig.n, by_rss);
}

static void post(unsigned pair, unsigned n)
{
	struct fake_vq *v = &rig.vq[NET_PAIR_QUEUES * pair];

	while (n-- && v->nr_free) {
		struct fake_buf b = fake_in(&rig.m, 128);
		int head = fake_vq_add(v, &b, 1);

		assert_true(head >= 0);
		rx_at[pair][head] = b.addr;
	}
	vrig_go(&rig, NET_PAIR_QUEUES * pair);
}

/* UDP of flow @flow, number @i of its pair. */
static void make_frame(uint8_t f[FRAME], unsigned flow, unsigned i)
{
	vrig_frame(f, FRAME, vrig_mac, flow);
	memcpy(f + 12, "\x08\x00\x45\x00", 4);
	memset(f + 20, 0, 2);
	f[23] = 17;
	put_le32(f + 60, i);
}

/* @n frames of many flows at the backend's queues, which has no idea of what the table says. */
static void arrive(unsigned n)
{
	static unsigned flow;
	uint8_t f[FRAME];

	for (; n; n--, flow++) {
		unsigned pair;

		make_frame(f, flow % 29, 0);
		pair = rss_pair(&want, f, FRAME);
		make_frame(f, flow % 29, queued[pair]++);
		/* The frames of one pair all come by one queue: there they have an order. */
		fake_net_queue(rig.nets[(pair + 1) % PAIRS], NULL, f, FRAME);
	}
	for (unsigned i = 0; i < PAIRS; i++)
		fake_net_can_recv(rig.nets[i]);
	vrig_pump(&rig);
}

/* Each is for this pair, and the next one. */
static void reap(unsigned pair)
{
	struct fake_vq *v = &rig.vq[NET_PAIR_QUEUES * pair];
	unsigned head;
	uint32_t len;

	while (fake_vq_reap(v, &head, &len)) {
		const uint8_t *f = fake_at(&rig.m, rx_at[pair][head], 128);

		assert_int_equal(len, NET_HDR_LEN + FRAME);
		assert_int_equal(rss_pair(&want, f + NET_HDR_LEN, FRAME), pair);
		assert_int_equal(get_le32(f + NET_HDR_LEN + 60), received[pair]++);
	}
}

static void up(unsigned entries, unsigned pairs)
{
	vrig_up(&rig, VRIG_ALL);
	make_config(entries, pairs);
	assert_true(rss_parse(&want, config, config_len, PAIRS));
	assert_int_equal(set_rss(), VIRTIO_NET_OK);
}

/* dev.rss.steer */
static void frames_reach_the_pair_that_the_table_names(unused void **state)
{
	bool by_rss;
	uint64_t sum = 0;

	up(32, PAIRS);
	assert_int_equal(in_use(&by_rss), PAIRS);
	assert_true(by_rss);
	for (unsigned round = 0; round < 50; round++) {
		for (unsigned i = 0; i < PAIRS; i++)
			post(i, 40);
		arrive(30);
		for (unsigned i = 0; i < PAIRS; i++)
			reap(i);
	}
	for (unsigned i = 0; i < PAIRS; i++) {
		assert_true(queued[i] > 100);
		assert_int_equal(received[i], queued[i]);
		assert_int_equal(virtio_net_pair_stats(rig.n, i)->rx_frames, queued[i]);
		assert_int_equal(virtio_net_pair_stats(rig.n, i)->rx_dropped, 0);
		sum += virtio_net_pair_stats(rig.n, i)->rx_steered;
	}
	assert_int_equal(sum, 1500);
}

/* dev.rss.steer */
static void a_frame_without_a_hash_goes_to_the_unclassified_queue(unused void **state)
{
	uint8_t f[FRAME];

	up(16, PAIRS);
	for (unsigned i = 0; i < PAIRS; i++)
		post(i, 10);
	vrig_frame(f, FRAME, vrig_mac, 1);
	memcpy(f + 12, "\x08\x06", 2);
	fake_net_queue(rig.nets[0], NULL, f, FRAME);
	fake_net_can_recv(rig.nets[0]);
	vrig_pump(&rig);
	assert_int_equal(fake_vq_nr_used(&rig.vq[NET_PAIR_QUEUES * (PAIRS - 1)]), 1);
}

static void a_pair_without_buffers_does_not_hold_up_the_others(unused void **state)
{
	up(16, PAIRS);
	post(1, 64);
	post(2, 64);
	arrive(60);
	reap(1);
	reap(2);
	assert_int_equal(received[1], queued[1]);
	assert_int_equal(received[2], queued[2]);
	assert_int_equal(received[0], 0);
	post(0, 64);
	reap(0);
	assert_int_equal(received[0], queued[0]);
}

static void what_a_driver_never_takes_is_dropped_and_counted(unused void **state)
{
	uint64_t dropped = 0, in_rings = 0;
	const unsigned rounds = 500;

	up(16, PAIRS);
	for (unsigned i = 0; i < rounds; i++)
		arrive(60);
	for (unsigned i = 0; i < PAIRS; i++) {
		dropped += virtio_net_pair_stats(rig.n, i)->rx_dropped;
		in_rings += virtio_net_pair_stats(rig.n, i)->rx_steered;
	}
	assert_true(dropped > 0);
	assert_int_equal(dropped + in_rings, 60 * rounds);
	for (unsigned i = 0; i < PAIRS; i++)
		post(i, 10);
	for (unsigned i = 0; i < PAIRS; i++)
		reap(i);
	assert_int_equal(received[0], 10);
}

static void large_frames_do_not_overrun_an_inbox_that_is_looked_after(unused void **state)
{
	enum { BIG = 60 * 1024, NR = 40 };
	const struct virtio_net_stats *s;
	uint8_t *f = malloc(BIG);

	vrig_destroy(&rig);
	vrig_create(&rig,
	            (struct vrig_options){.pairs = PAIRS, .vq_size = 64, .mem_bytes = MIB(8)});
	vrig_up(&rig, VRIG_ALL);
	make_config(4, PAIRS);
	memset(config + 8, 0, 8); /* all of the table: to pair 0 */
	assert_int_equal(set_rss(), VIRTIO_NET_OK);
	for (unsigned i = 0; i < NR + 10; i++) {
		struct fake_buf b = fake_in(&rig.m, NET_HDR_LEN + BIG);

		assert_true(fake_vq_add(&rig.vq[0], &b, 1) >= 0);
	}
	vrig_go(&rig, 0);
	assert_non_null(f);
	make_frame(f, 1, 0);
	for (unsigned i = 0; i < NR; i++)
		fake_net_queue(rig.nets[0], NULL, f, BIG);
	free(f);
	while (fake_net_queued(rig.nets[0])) {
		fake_net_can_recv(rig.nets[0]);
		vrig_pump(&rig);
	}
	s = virtio_net_pair_stats(rig.n, 0);
	assert_int_equal(s->rx_dropped, 0);
	assert_int_equal(s->rx_frames, NR);
	assert_int_equal(fake_vq_nr_used(&rig.vq[0]), NR);
}

static void a_header_without_a_frame_is_dropped_and_counted(unused void **state)
{
	up(16, PAIRS);
	fake_net_queue(rig.nets[1], NULL, NULL, 0);
	fake_net_can_recv(rig.nets[1]);
	vrig_pump(&rig);
	assert_int_equal(virtio_net_pair_stats(rig.n, 1)->rx_dropped, 1);
	assert_int_equal(virtio_net_pair_stats(rig.n, 1)->rx_steered, 0);
}

static void a_new_table_counts_from_its_command_on(unused void **state)
{
	bool by_rss;

	up(32, PAIRS);
	arrive(60); /* nobody takes them yet */
	make_config(1, 1);
	assert_true(rss_parse(&want, config, config_len, PAIRS));
	assert_int_equal(set_rss(), VIRTIO_NET_OK);
	assert_int_equal(in_use(&by_rss), 1);
	assert_false(rig.nets[1]->started);
	queued[0] = received[0] = 0;
	virtio_net_set_link(rig.n, false);
	vrig_pump(&rig);
	virtio_net_set_link(rig.n, true);
	for (unsigned i = 0; i < 20; i++) {
		uint8_t f[FRAME];

		make_frame(f, i, queued[0]++);
		fake_net_queue(rig.nets[0], NULL, f, FRAME);
	}
	post(0, 64);
	fake_net_can_recv(rig.nets[0]);
	vrig_pump(&rig);
	reap(0);
	assert_int_equal(received[0], 20);
}

static void what_waited_is_gone_after_a_table_with_one_pair(unused void **state)
{
	up(32, PAIRS);
	arrive(60); /* nobody takes them */
	make_config(1, 1);
	assert_int_equal(set_rss(), VIRTIO_NET_OK);
	for (unsigned i = 0; i < PAIRS; i++)
		assert_int_equal(virtio_net_pair_stats(rig.n, i)->rx_dropped, queued[i]);
	make_config(32, PAIRS);
	assert_int_equal(set_rss(), VIRTIO_NET_OK);
	for (unsigned i = 0; i < PAIRS; i++) {
		post(i, 40);
		assert_int_equal(fake_vq_nr_used(&rig.vq[NET_PAIR_QUEUES * i]), 0);
	}
}

/* dev.mq.auto-steer */
static void pairs_set_ends_rss(unused void **state)
{
	const uint8_t two[2] = {2};
	uint8_t f[FRAME];
	bool by_rss;

	up(32, PAIRS);
	assert_int_equal(
		vrig_command(&rig, VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, two, 2),
		VIRTIO_NET_OK);
	assert_int_equal(in_use(&by_rss), 2);
	assert_false(by_rss);
	post(0, 10);
	post(1, 10);
	for (unsigned i = 0; i < 5; i++) {
		make_frame(f, i, 0);
		fake_net_queue(rig.nets[1], NULL, f, FRAME);
	}
	fake_net_can_recv(rig.nets[1]);
	assert_int_equal(fake_vq_nr_used(&rig.vq[2]), 5);
	assert_int_equal(fake_vq_nr_used(&rig.vq[0]), 0);
}

static void refused(uint32_t len)
{
	bool by_rss;

	assert_int_equal(
		vrig_command(&rig, VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_RSS_CONFIG, config, len),
		VIRTIO_NET_ERR);
	assert_int_equal(in_use(&by_rss), 1);
	assert_false(by_rss);
	vrig_forget(&rig);
}

static void what_cannot_be_is_refused_and_changes_nothing(unused void **state)
{
	vrig_up(&rig, VRIG_ALL);
	make_config(4, PAIRS);
	for (uint32_t len = 0; len < config_len; len++)
		refused(len);
	make_config(4, PAIRS + 1); /* pairs that there are not */
	refused((uint32_t)config_len);
	make_config(3, PAIRS); /* no power of two */
	refused((uint32_t)config_len);
	make_config(4, PAIRS); /* an unknown hash type */
	config[0] |= 0x40;
	refused((uint32_t)config_len);
	make_config(4, PAIRS); /* a reserved bit */
	config[9] |= 0x80;
	refused((uint32_t)config_len);
	make_config(4, PAIRS); /* no queue to send on */
	memset(config + 16, 0, 2);
	refused((uint32_t)config_len);
	make_config(4, PAIRS); /* a key of another length than the bytes that follow */
	config[18]--;
	refused((uint32_t)config_len);
	make_config(4, PAIRS); /* queues that are not set up */
	virtio_queue_ready(rig.dev.core, 4, false);
	refused((uint32_t)config_len);
	make_config(4, PAIRS - 1);
	assert_int_equal(set_rss(), VIRTIO_NET_OK);
}

static void more_than_any_command_has_is_refused(unused void **state)
{
	static uint8_t much[RSS_CONFIG_MAX + 1];

	vrig_up(&rig, VRIG_ALL);
	make_config(128, PAIRS);
	memcpy(much, config, config_len);
	assert_int_equal(config_len, RSS_CONFIG_MAX);
	assert_int_equal(vrig_command(&rig, VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_RSS_CONFIG, much,
	                              sizeof(much)),
	                 VIRTIO_NET_ERR);
	assert_int_equal(set_rss(), VIRTIO_NET_OK);
}

static void without_the_feature_it_is_refused(unused void **state)
{
	vrig_up(&rig, VRIG_ALL & ~F(RSS));
	make_config(4, PAIRS);
	refused((uint32_t)config_len);
}

static void rss_alone_makes_several_pairs(unused void **state)
{
	vrig_up(&rig, VRIG_ALL & ~F(MQ));
	assert_int_equal(rig.ctrl, NET_PAIR_QUEUES * PAIRS);
	make_config(32, PAIRS);
	assert_true(rss_parse(&want, config, config_len, PAIRS));
	assert_int_equal(set_rss(), VIRTIO_NET_OK);
	for (unsigned i = 0; i < PAIRS; i++)
		post(i, 40);
	arrive(30);
	for (unsigned i = 0; i < PAIRS; i++) {
		reap(i);
		assert_int_equal(received[i], queued[i]);
	}
}

static void a_reset_ends_rss(unused void **state)
{
	bool by_rss;

	up(32, PAIRS);
	arrive(10);
	vrig_up(&rig, VRIG_ALL);
	assert_int_equal(in_use(&by_rss), 1);
	assert_false(by_rss);
	post(0, 10);
	assert_int_equal(fake_vq_nr_used(&rig.vq[0]), 0); /* nothing of the life before */
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(frames_reach_the_pair_that_the_table_names),
		CASE(a_frame_without_a_hash_goes_to_the_unclassified_queue),
		CASE(a_pair_without_buffers_does_not_hold_up_the_others),
		CASE(what_a_driver_never_takes_is_dropped_and_counted),
		CASE(large_frames_do_not_overrun_an_inbox_that_is_looked_after),
		CASE(a_header_without_a_frame_is_dropped_and_counted),
		CASE(a_new_table_counts_from_its_command_on),
		CASE(what_waited_is_gone_after_a_table_with_one_pair),
		CASE(pairs_set_ends_rss),
		CASE(what_cannot_be_is_refused_and_changes_nothing),
		CASE(more_than_any_command_has_is_refused),
		CASE(without_the_feature_it_is_refused),
		CASE(rss_alone_makes_several_pairs),
		CASE(a_reset_ends_rss),
	};

	return VRIG_RUN_LAYOUTS(tests);
}
