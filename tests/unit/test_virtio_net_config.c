/* SPDX-License-Identifier: Apache-2.0 */
/* Features and config space of the network device. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/virtio.h"
#include "tests/lib/vnet_rig.h"
#include "vmm/core/le.h"

#define F VRIG_F

static struct vrig rig;

static int setup(void **state)
{
	*state = &rig;
	vrig_create(&rig, (struct vrig_options){.mtu = 1500, .hash_report = true});
	return 0;
}

static int teardown(void **state)
{
	vrig_destroy(*state);
	return 0;
}

static struct virtio_net_config config(void)
{
	struct virtio_net_config c;

	virtio_config_read(rig.dev.core, 0, &c, sizeof(c));
	return c;
}

/* dev.cfg.read-early, dev.net.speed, dev.net.duplex */
static void config_shows_mac_status_mtu_speed_and_duplex_before_negotiation(unused void **state)
{
	struct virtio_net_config c = config();

	assert_memory_equal(c.mac, vrig_mac, 6);
	assert_int_equal(get_le16(&c.status), VIRTIO_NET_S_LINK_UP);
	assert_int_equal(get_le16(&c.mtu), 1500);
	assert_int_equal(get_le16(&c.max_virtqueue_pairs), 0);
	assert_true(get_le32(&c.speed) <= 0x7fffffff || get_le32(&c.speed) == UINT32_MAX);
	assert_int_equal(c.duplex, 1);
	assert_int_equal(c.rss_max_key_size, RSS_KEY_MAX);
	assert_int_equal(get_le32(&c.supported_hash_types), RSS_HASH_TYPES);
	assert_int_equal(get_le16(&c.rss_max_indirection_table_length), 0);
}

/* dev.mmio.cfg-bytes */
static void config_can_be_read_in_any_pieces(unused void **state)
{
	struct virtio_net_config c = config();
	uint8_t byte[4];

	for (uint32_t off = 0; off < sizeof(c); off++) {
		virtio_config_read(rig.dev.core, off, byte, 1);
		assert_int_equal(byte[0], ((uint8_t *)&c)[off]);
	}
	virtio_config_read(rig.dev.core, sizeof(c), byte, 4);
	assert_int_equal(get_le32(byte), 0);
}

/* dev.net.cfg-readonly */
static void config_cannot_be_written(unused void **state)
{
	struct virtio_net_config before = config(), after;
	uint8_t bytes[sizeof(before)];

	vrig_up(&rig, VRIG_ALL);
	memset(bytes, 0xee, sizeof(bytes));
	for (uint32_t off = 0; off < sizeof(before); off++)
		virtio_config_write(rig.dev.core, off, bytes, 1);
	virtio_config_write(rig.dev.core, 0, bytes, sizeof(bytes));
	after = config();
	assert_memory_equal(&before, &after, sizeof(before));
}

static void fields_whose_feature_is_not_offered_read_zero(unused void **state)
{
	static const struct virtio_net_config zero;
	struct virtio_net_config c;

	vrig_destroy(&rig);
	vrig_create(&rig, (struct vrig_options){.without = F(MAC) | F(STATUS) | F(MTU) |
	                                                   F(SPEED_DUPLEX) | F(GUEST_ANNOUNCE)});
	c = config();
	assert_memory_equal(&c, &zero, sizeof(c));
}

/* All of it with one pair. */
#define KNOWN \
	(net_features_known() & ~FEATURE(VIRTIO_F_ANY_LAYOUT)) /* of a device with VERSION_1 */
#define ONE_PAIR (KNOWN & ~NET_SEVERAL_PAIRS)

/* dev.feat.offer-consistent */
static void only_what_is_implemented_is_offered(unused void **state)
{
	assert_int_equal(fake_offered(&rig.dev), ONE_PAIR);
	assert_int_equal(virtio_net_can(VRIG_ALL, true), KNOWN);
	assert_int_equal(virtio_net_can(VRIG_ALL, false), KNOWN & ~F(MTU));
	assert_int_equal(virtio_net_can(VRIG_ALL & ~F(MQ), true), ONE_PAIR);
	/* A backend without offloads: none of them, and nothing to switch. */
	assert_int_equal(virtio_net_can(0, true) &
	                         (NET_GUEST_OFFLOADS | NET_HOST_OFFLOADS | F(CTRL_GUEST_OFFLOADS)),
	                 0);
	/* Only what is closed is offered. */
	assert_int_equal(virtio_net_can(F(GUEST_TSO4) | F(HOST_ECN) | F(HOST_TSO4), true) &
	                         (NET_GUEST_OFFLOADS | NET_HOST_OFFLOADS),
	                 0);
}

/*
 * The numbers of virtio 1.2, 5.1.3 and 6, not the names of our own table. Missing are, among others, those of other
 * transports and of what we have no code for: ACCESS_PLATFORM 33, SR_IOV 37, NOTIFICATION_DATA 38, RING_RESET 40,
 * ADMIN_VQ 41, RSC_EXT 61.
 */
/*
 * dev.feat.no-unsupported-offer, dev.feat.no-sriov, dev.feat.offer-access-platform, dev.mmio.no-admin-vq
 */
static void every_bit_on_offer_is_one_that_there_is_code_for(unused void **state)
{
	static const uint8_t bits[] = {
		0,  1,  2,  3,  5,          /* checksums, their switch, MTU, MAC */
		7,  8,  9,  10,             /* guest segmentation */
		11, 12, 13, 14,             /* host segmentation */
		15, 16, 17, 18, 19, 20, 21, /* buffers, link, commands */
		22, 23, 28, 29, 32, 34, 35,
		38, /* pairs, address; indirect, event index, 1, packed, in order, position of a kick */
		54, 55, 56, 57, 60, 63, /* UDP segmentation, hashes, RSS, speed */
	};
	uint64_t all = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(bits); i++)
		all |= FEATURE(bits[i]);
	assert_true(virtio_net_can(VRIG_ALL, true) == all);
	assert_true((fake_offered(&rig.dev) & ~all) == 0);
	for (uint32_t page = 2; page < 10; page++)
		assert_int_equal(virtio_offered(rig.dev.core, page), 0);
}

/* dev.feat.accept-subsets, dev.feat.reject-bad */
static void every_consistent_subset_is_accepted_and_no_other(unused void **state)
{
	srand(7);
	for (unsigned i = 0; i < 3000; i++) {
		uint64_t want = (uint64_t)rand() << 42 ^ (uint64_t)rand() << 21 ^ (uint64_t)rand();
		bool consistent;

		want &= ONE_PAIR;
		if (i & 1)
			want = net_features_close(want);
		want |= FEATURE(VIRTIO_F_VERSION_1);
		consistent = !net_features_missing(want);
		assert_int_equal(fake_negotiate(&rig.dev, want), consistent ? 0 : -ENODEV);
	}
	assert_int_equal(fake_negotiate(&rig.dev, F(CSUM)), -ENODEV); /* no VERSION_1 */
}

/* dev.feat.stable-renegotiation */
static void a_set_that_worked_works_again(unused void **state)
{
	for (unsigned i = 0; i < 100; i++)
		vrig_up(&rig, VRIG_ALL);
	assert_int_equal(rig.net->nr_starts, 100);
	assert_int_equal(rig.net->nr_stops, 99);
}

/* dev.feat.offer-version-1, dev.feat.offer-consistent, dev.net.mtu-range */
static void parameters_that_cannot_be_are_refused(unused void **state)
{
	const struct virtio_net_params good = {
		.name = "net1", .mtu = 1500, .queue_size = 256, .features = ONE_PAIR};
	struct virtio_net_params p;
	struct virtio_net *n;

#define REFUSED(change)                                                                      \
	do {                                                                                 \
		p = good;                                                                    \
		change;                                                                      \
		assert_int_equal(                                                            \
			virtio_net_create(&p, &rig.net->backend, &rig.m.gmem, rig.loop, &n), \
			-EINVAL);                                                            \
		assert_null(n);                                                              \
	} while (0)
	REFUSED(p.queue_size = 0);
	REFUSED(p.queue_size = 1);
	REFUSED(p.queue_size = 100);
	REFUSED(p.queue_size = 2 * VQ_NUM_MAX);
	REFUSED(p.mtu = 67);
	REFUSED(p.mtu = 0);
	REFUSED(p.features &= ~FEATURE(VIRTIO_F_VERSION_1));
	REFUSED(p.features &= ~F(CSUM));
	REFUSED(p.features |= F(MQ));
	REFUSED(p.features |= F(RSS));
	REFUSED(p.more_pairs = VIRTIO_NET_PAIRS_MAX);
#undef REFUSED
	assert_int_equal(virtio_net_create(&good, &rig.net->backend, &rig.m.gmem, rig.loop, &n), 0);
	virtio_net_destroy(n);
	virtio_net_destroy(NULL);
}

/* dev.ctrl.position */
static void without_ctrl_vq_there_are_two_queues(unused void **state)
{
	assert_int_equal(rig.dev.core->nr_queues, 3);
	vrig_destroy(&rig);
	vrig_create(&rig,
	            (struct vrig_options){.without = F(CTRL_VQ) | F(CTRL_RX) | F(CTRL_VLAN) |
	                                             F(CTRL_RX_EXTRA) | F(CTRL_MAC_ADDR) |
	                                             F(GUEST_ANNOUNCE) | F(CTRL_GUEST_OFFLOADS)});
	assert_int_equal(rig.dev.core->nr_queues, 2);
	vrig_up(&rig, VRIG_ALL);
	assert_true(rig.net->started);
}

/* The driver was there first. */
static void a_peer_that_comes_later_is_heard(unused void **state)
{
	uint8_t frame[60];
	struct fake_buf b;

	vrig_destroy(&rig);
	vrig_create(&rig, (struct vrig_options){.lonely = true});
	vrig_up(&rig, VRIG_ALL);
	assert_false(virtio_net_link(rig.n));
	for (unsigned i = 0; i < 2; i++) {
		fake_net_peer(rig.net, true);
		vrig_pump(&rig);
		assert_true(virtio_net_link(rig.n));
		b = fake_in(&rig.m, 2048);
		assert_true(fake_vq_add(&rig.vq[NET_RX], &b, 1) >= 0);
		vrig_go(&rig, NET_RX);
		vrig_frame(frame, sizeof(frame), vrig_mac, i);
		fake_net_queue(rig.net, NULL, frame, sizeof(frame));
		assert_true(fake_net_can_recv(rig.net)); /* false: it was not started */
		assert_int_equal(fake_vq_nr_used(&rig.vq[NET_RX]), 1);
		fake_net_peer(rig.net, false);
		vrig_up(&rig, VRIG_ALL); /* another driver meets nobody, too */
	}
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(config_shows_mac_status_mtu_speed_and_duplex_before_negotiation),
		CASE(config_can_be_read_in_any_pieces),
		CASE(config_cannot_be_written),
		CASE(fields_whose_feature_is_not_offered_read_zero),
		CASE(only_what_is_implemented_is_offered),
		CASE(every_bit_on_offer_is_one_that_there_is_code_for),
		CASE(every_consistent_subset_is_accepted_and_no_other),
		CASE(a_set_that_worked_works_again),
		CASE(parameters_that_cannot_be_are_refused),
		CASE(a_peer_that_comes_later_is_heard),
		CASE(without_ctrl_vq_there_are_two_queues),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
