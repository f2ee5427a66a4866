// SPDX-License-Identifier: Apache-2.0
/* HASH_REPORT: frames whose header says how they were hashed, and is longer for that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "devices/virtio.h"
#include "tests/lib/toeplitz.h"
#include "tests/lib/vnet_rx.h"
#include "vmm/core/le.h"

#define F     VRIG_F
#define HDR   20u
#define PAIRS 2u

static struct vnet_rx x;
static uint8_t frame[TOEPLITZ_FRAME];

static int setup(void **state)
{
	*state = &x;
	memset(&x, 0, sizeof(x));
	vrig_create(&x.rig, (struct vrig_options){
				    .pairs = PAIRS, .mem_bytes = MIB(8), .hash_report = true});
	return 0;
}

static int teardown(unused void **state)
{
	vnet_rx_destroy(&x);
	return 0;
}

static int mq_command(uint8_t cmd, const void *data, size_t len)
{
	return vrig_command(&x.rig, VIRTIO_NET_CTRL_MQ, cmd, data, (uint32_t)len);
}

/* The published key. */
static int hash_config(uint32_t types)
{
	uint8_t config[13 + RSS_KEY_MAX] = {[12] = RSS_KEY_MAX};

	put_le32(config, types);
	memcpy(config + 13, toeplitz_key, RSS_KEY_MAX);
	return mq_command(VIRTIO_NET_CTRL_MQ_HASH_CONFIG, config, sizeof(config));
}

/* Likewise, with a table that names one pair for all frames. */
static int rss_config(uint32_t types, uint8_t pair)
{
	uint8_t config[13 + RSS_KEY_MAX] = {
		[6] = pair, [8] = pair, [10] = PAIRS, [12] = RSS_KEY_MAX};

	put_le32(config, types);
	memcpy(config + 13, toeplitz_key, RSS_KEY_MAX);
	return mq_command(VIRTIO_NET_CTRL_MQ_RSS_CONFIG, config, sizeof(config));
}

static void up(uint64_t accept)
{
	vnet_rx_up(&x, accept);
	for (unsigned i = 0; i < 8; i++)
		vnet_rx_post(&x, 2048);
	vnet_rx_go(&x);
}

static size_t make(int family, const struct toeplitz_vector *v, uint8_t proto)
{
	size_t len = toeplitz_frame(frame, family, v, proto);

	memcpy(frame, vrig_mac, sizeof(vrig_mac));
	return len;
}

static void arrive(size_t len)
{
	fake_net_queue(x.rig.net, NULL, frame, len);
	fake_net_can_recv(x.rig.net);
	vrig_pump(&x.rig);
}

/* The next frame is the one that was made, with this report. */
static void expect(size_t len, uint16_t report, uint32_t value)
{
	assert_int_equal(vnet_rx_take(&x), HDR + len);
	assert_memory_equal(x.got + HDR, frame, len);
	assert_int_equal(get_le32(x.got + 12), value);
	assert_int_equal(get_le16(x.got + 16), report);
	assert_int_equal(get_le16(x.got + 18), 0); /* reserved */
}

/* dev.hash.report, dev.hash.hash-command, dev.hash.config-command */
static void the_published_values_are_reported(unused void **state)
{
	up(VRIG_ALL);
	assert_int_equal(hash_config(RSS_HASH_TYPES), VIRTIO_NET_OK);
	for (unsigned i = 0; i < TOEPLITZ_IP4; i++) {
		const struct toeplitz_vector *v = &toeplitz_ip4[i];
		size_t len = make(AF_INET, v, IPPROTO_TCP);

		arrive(len);
		expect(len, VIRTIO_NET_HASH_REPORT_TCPv4, v->with_ports);
	}
	for (unsigned i = 0; i < TOEPLITZ_IP6; i++) {
		const struct toeplitz_vector *v = &toeplitz_ip6[i];
		size_t len = make(AF_INET6, v, IPPROTO_UDP);

		vnet_rx_post(&x, 2048);
		vnet_rx_go(&x);
		arrive(len);
		expect(len, VIRTIO_NET_HASH_REPORT_UDPv6, v->with_ports);
	}
}

/* dev.hash.report */
static void nothing_is_reported_before_the_driver_says_how(unused void **state)
{
	size_t len = make(AF_INET, &toeplitz_ip4[0], IPPROTO_TCP);

	up(VRIG_ALL);
	arrive(len);
	expect(len, VIRTIO_NET_HASH_REPORT_NONE, 0);
	assert_int_equal(hash_config(VIRTIO_NET_RSS_HASH_TYPE_IPv4), VIRTIO_NET_OK);
	arrive(len);
	expect(len, VIRTIO_NET_HASH_REPORT_IPv4, toeplitz_ip4[0].addresses);
	assert_int_equal(hash_config(VIRTIO_NET_RSS_HASH_TYPE_IPv6), VIRTIO_NET_OK);
	arrive(len);
	expect(len, VIRTIO_NET_HASH_REPORT_NONE, 0);
}

static void a_reset_forgets_how_to_hash(unused void **state)
{
	size_t len = make(AF_INET, &toeplitz_ip4[0], IPPROTO_TCP);

	up(VRIG_ALL);
	assert_int_equal(hash_config(RSS_HASH_TYPES), VIRTIO_NET_OK);
	up(VRIG_ALL);
	arrive(len);
	expect(len, VIRTIO_NET_HASH_REPORT_NONE, 0);
}

static void without_the_feature_headers_are_short_and_the_command_is_refused(unused void **state)
{
	size_t len = make(AF_INET, &toeplitz_ip4[0], IPPROTO_TCP);

	up(VRIG_ALL & ~F(HASH_REPORT));
	assert_int_equal(hash_config(RSS_HASH_TYPES), VIRTIO_NET_ERR);
	arrive(len);
	assert_int_equal(vnet_rx_take(&x), NET_HDR_LEN + len);
	assert_memory_equal(x.got + NET_HDR_LEN, frame, len);
}

static void bad_commands_change_nothing(unused void **state)
{
	size_t len = make(AF_INET, &toeplitz_ip4[0], IPPROTO_TCP);
	uint8_t config[RSS_CONFIG_MAX + 1] = {0};

	up(VRIG_ALL);
	assert_int_equal(hash_config(RSS_HASH_TYPES), VIRTIO_NET_OK);
	assert_int_equal(hash_config(RSS_HASH_TYPES + 1), VIRTIO_NET_ERR);
	for (size_t n = 0; n < sizeof(config); n++) {
		vrig_forget(&x.rig);
		if (n != 13) /* which says: no types */
			assert_int_equal(mq_command(VIRTIO_NET_CTRL_MQ_HASH_CONFIG, config, n),
			                 VIRTIO_NET_ERR);
	}
	up(VRIG_ALL);
	assert_int_equal(hash_config(RSS_HASH_TYPES), VIRTIO_NET_OK);
	assert_int_equal(hash_config(RSS_HASH_TYPES + 1), VIRTIO_NET_ERR);
	arrive(len);
	expect(len, VIRTIO_NET_HASH_REPORT_TCPv4, toeplitz_ip4[0].with_ports);
}

/* dev.hash.rss-command */
static void a_table_says_how_to_hash_as_long_as_it_is_in_force(unused void **state)
{
	const uint8_t one[2] = {1};
	size_t len = make(AF_INET, &toeplitz_ip4[0], IPPROTO_TCP);

	up(VRIG_ALL);
	assert_int_equal(rss_config(VIRTIO_NET_RSS_HASH_TYPE_IPv4, 0), VIRTIO_NET_OK);
	assert_int_equal(hash_config(RSS_HASH_TYPES), VIRTIO_NET_ERR);
	fake_net_queue(x.rig.nets[1], NULL, frame, len); /* which is not where the table wants it */
	fake_net_can_recv(x.rig.nets[1]);
	vrig_pump(&x.rig);
	assert_int_equal(virtio_net_pair_stats(x.rig.n, 1)->rx_steered, 1);
	expect(len, VIRTIO_NET_HASH_REPORT_IPv4, toeplitz_ip4[0].addresses);
	assert_int_equal(mq_command(VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, one, 2), VIRTIO_NET_OK);
	arrive(len);
	expect(len, VIRTIO_NET_HASH_REPORT_IPv4, toeplitz_ip4[0].addresses);
	assert_int_equal(hash_config(RSS_HASH_TYPES), VIRTIO_NET_OK);
	arrive(len);
	expect(len, VIRTIO_NET_HASH_REPORT_TCPv4, toeplitz_ip4[0].with_ports);
}

static void the_longer_header_may_be_cut_anywhere(unused void **state)
{
	size_t len = make(AF_INET, &toeplitz_ip4[0], IPPROTO_TCP);

	for (unsigned mrg = 0; mrg < 2; mrg++)
		for (uint32_t first = 1; first < HDR + 40; first++) {
			vnet_rx_up(&x, mrg ? VRIG_ALL : VRIG_ALL & ~F(MRG_RXBUF));
			assert_int_equal(hash_config(RSS_HASH_TYPES), VIRTIO_NET_OK);
			assert_true(vnet_rx_post_cut(&x, 1600, first, 50, 0));
			vnet_rx_go(&x);
			arrive(len);
			expect(len, VIRTIO_NET_HASH_REPORT_TCPv4, toeplitz_ip4[0].with_ports);
			assert_int_equal(get_le16(x.got + 10), 1); /* num_buffers */
		}
}

static void a_frame_is_spread_behind_the_longer_header(unused void **state)
{
	for (uint32_t chain = HDR; chain < 80; chain++) {
		size_t len = make(AF_INET6, &toeplitz_ip6[0], IPPROTO_TCP);

		vnet_rx_up(&x, VRIG_ALL);
		assert_int_equal(hash_config(RSS_HASH_TYPES), VIRTIO_NET_OK);
		/* Too few at first: the frame waits, and part of it in the spill buffer. */
		vnet_rx_post(&x, chain);
		vnet_rx_go(&x);
		arrive(len);
		for (unsigned i = 0; i < 8; i++)
			vnet_rx_post(&x, chain);
		vnet_rx_go(&x);
		expect(len, VIRTIO_NET_HASH_REPORT_TCPv6, toeplitz_ip6[0].with_ports);
		assert_int_equal(get_le16(x.got + 10), (HDR + len + chain - 1) / chain);
	}
}

static void a_chain_without_room_for_header_and_frame_comes_back_empty(unused void **state)
{
	size_t len = make(AF_INET, &toeplitz_ip4[0], IPPROTO_TCP);

	vnet_rx_up(&x, VRIG_ALL & ~F(MRG_RXBUF));
	vnet_rx_post(&x, HDR + VNET_FRAME_MIN - 1);
	vnet_rx_post(&x, 2048);
	vnet_rx_go(&x);
	arrive(len);
	vnet_rx_expect_useless(&x);
	expect(len, VIRTIO_NET_HASH_REPORT_NONE, 0);
}

static void what_is_sent_has_the_longer_header_too(unused void **state)
{
	uint8_t buf[HDR + 60] = {[12] = 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee};
	struct fake_vq *tx = &x.rig.vq[NET_TX];

	up(VRIG_ALL);
	vrig_frame(buf + HDR, 60, vrig_mac, 3);
	for (uint32_t total = 1; total <= HDR + 60; total++) {
		struct fake_buf whole = fake_out(&x.rig.m, buf, total), b[2];
		uint32_t first = 1 + total % 23;
		unsigned head;
		uint32_t used;

		if (first >= total)
			first = total - 1;
		b[0] = fake_part(whole, 0, first);
		b[1] = fake_part(whole, first, total - first);
		assert_true(fake_vq_add(tx, first ? b : b + 1, first ? 2 : 1) >= 0);
		vrig_go(&x.rig, NET_TX);
		assert_true(fake_vq_reap(tx, &head, &used));
		assert_int_equal(x.rig.net->nr_sent, total >= HDR + VNET_FRAME_MIN);
		if (!x.rig.net->nr_sent)
			continue;
		assert_int_equal(x.rig.net->sent[0].len, total - HDR + NET_HDR_LEN);
		assert_memory_equal(x.rig.net->sent[0].data + NET_HDR_LEN, buf + HDR, total - HDR);
		fake_net_forget_sent(x.rig.net);
	}
}

/* dev.hash.hash-command */
static void one_pair_has_the_command_too(unused void **state)
{
	vrig_destroy(&x.rig);
	vrig_create(&x.rig, (struct vrig_options){.hash_report = true});
	up(VRIG_ALL);
	assert_int_equal(hash_config(RSS_HASH_TYPES), VIRTIO_NET_OK);
}

static void frames_of_the_time_without_a_link_are_dropped_whole(unused void **state)
{
	size_t len = make(AF_INET, &toeplitz_ip4[0], IPPROTO_TCP);

	up(VRIG_ALL);
	virtio_net_set_link(x.rig.n, false);
	vrig_pump(&x.rig);
	arrive(len);
	virtio_net_set_link(x.rig.n, true);
	vrig_pump(&x.rig);
	frame[6] = 0x02;
	arrive(len);
	expect(len, VIRTIO_NET_HASH_REPORT_NONE, 0);
	assert_int_equal(vnet_rx_take(&x), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(the_published_values_are_reported),
		CASE(nothing_is_reported_before_the_driver_says_how),
		CASE(a_reset_forgets_how_to_hash),
		CASE(without_the_feature_headers_are_short_and_the_command_is_refused),
		CASE(bad_commands_change_nothing),
		CASE(a_table_says_how_to_hash_as_long_as_it_is_in_force),
		CASE(the_longer_header_may_be_cut_anywhere),
		CASE(a_frame_is_spread_behind_the_longer_header),
		CASE(a_chain_without_room_for_header_and_frame_comes_back_empty),
		CASE(what_is_sent_has_the_longer_header_too),
		CASE(one_pair_has_the_command_too),
		CASE(frames_of_the_time_without_a_link_are_dropped_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
