// SPDX-License-Identifier: Apache-2.0
/* The hash against the values that Microsoft publishes for it, and which frames have one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <linux/virtio_net.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "devices/rss.h"
#include "tests/lib/toeplitz.h"
#include "vmm/core/compiler.h"
#include "vmm/core/le.h"

#define IP4  ((uint32_t)VIRTIO_NET_RSS_HASH_TYPE_IPv4)
#define TCP4 ((uint32_t)VIRTIO_NET_RSS_HASH_TYPE_TCPv4)
#define UDP4 ((uint32_t)VIRTIO_NET_RSS_HASH_TYPE_UDPv4)
#define IP6  ((uint32_t)VIRTIO_NET_RSS_HASH_TYPE_IPv6)
#define TCP6 ((uint32_t)VIRTIO_NET_RSS_HASH_TYPE_TCPv6)
#define UDP6 ((uint32_t)VIRTIO_NET_RSS_HASH_TYPE_UDPv6)

/* A frame with the addresses and ports of a vector. */
static uint8_t frame[TOEPLITZ_FRAME];

static size_t make(int family, const struct toeplitz_vector *v, uint8_t proto)
{
	return toeplitz_frame(frame, family, v, proto);
}

static struct rss with(uint32_t types)
{
	struct rss r = {.hash.types = types, .pairs = 1};

	memcpy(r.hash.key, toeplitz_key, sizeof(toeplitz_key));
	return r;
}

static void expect(uint32_t types, size_t len, uint32_t want)
{
	struct rss r = with(types);
	uint32_t got = ~want;

	assert_int_not_equal(rss_hash(&r.hash, frame, len, &got), VIRTIO_NET_HASH_REPORT_NONE);
	assert_int_equal(got, want);
}

static void expect_none(uint32_t types, size_t len)
{
	struct rss r = with(types);
	uint32_t got = 1;

	assert_int_equal(rss_hash(&r.hash, frame, len, &got), VIRTIO_NET_HASH_REPORT_NONE);
	assert_int_equal(got, 0);
}

static void expect_report(uint32_t types, size_t len, uint16_t want)
{
	struct rss r = with(types);
	uint32_t value;

	assert_int_equal(rss_hash(&r.hash, frame, len, &value), want);
}

static void the_published_values_come_out_for_ipv4(unused void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(toeplitz_ip4); i++) {
		const struct toeplitz_vector *v = &toeplitz_ip4[i];
		size_t len = make(AF_INET, v, IPPROTO_TCP);

		expect(IP4 | TCP4, len, v->with_ports);
		expect(TCP4, len, v->with_ports);
		expect(IP4, len, v->addresses);
		expect_none(UDP4 | IP6 | TCP6 | UDP6, len);
	}
}

static void the_published_values_come_out_for_ipv6(unused void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(toeplitz_ip6); i++) {
		const struct toeplitz_vector *v = &toeplitz_ip6[i];
		size_t len = make(AF_INET6, v, IPPROTO_TCP);

		expect(IP6 | TCP6, len, v->with_ports);
		expect(TCP6, len, v->with_ports);
		expect(IP6, len, v->addresses);
		expect_none(UDP6 | IP4 | TCP4 | UDP4, len);
	}
}

static void udp_is_the_same_computation(unused void **state)
{
	size_t len = make(AF_INET, &toeplitz_ip4[0], IPPROTO_UDP);

	expect(RSS_HASH_TYPES, len, toeplitz_ip4[0].with_ports);
	expect(RSS_HASH_TYPES & ~UDP4, len, toeplitz_ip4[0].addresses);
	len = make(AF_INET6, &toeplitz_ip6[0], IPPROTO_UDP);
	expect(RSS_HASH_TYPES, len, toeplitz_ip6[0].with_ports);
	expect(RSS_HASH_TYPES & ~UDP6, len, toeplitz_ip6[0].addresses);
}

static void other_protocols_have_addresses_only(unused void **state)
{
	expect(RSS_HASH_TYPES, make(AF_INET, &toeplitz_ip4[0], IPPROTO_ICMP),
	       toeplitz_ip4[0].addresses);
	expect(RSS_HASH_TYPES, make(AF_INET6, &toeplitz_ip6[0], IPPROTO_ICMPV6),
	       toeplitz_ip6[0].addresses);
	frame[12] = 0x08; /* ARP */
	frame[13] = 0x06;
	expect_none(RSS_HASH_TYPES, 60);
}

static void all_fragments_of_a_datagram_have_one_hash(unused void **state)
{
	size_t len = make(AF_INET, &toeplitz_ip4[0], IPPROTO_UDP);

	frame[14 + 6] = 0x20; /* the first */
	expect(RSS_HASH_TYPES, len, toeplitz_ip4[0].addresses);
	frame[14 + 6] = 0x00; /* the last */
	frame[14 + 7] = 0x10;
	expect(RSS_HASH_TYPES, len, toeplitz_ip4[0].addresses);
	frame[14 + 6] = 0x40; /* not to be fragmented */
	frame[14 + 7] = 0x00;
	expect(RSS_HASH_TYPES, len, toeplitz_ip4[0].with_ports);
	len = make(AF_INET6, &toeplitz_ip6[0], IPPROTO_FRAGMENT);
	expect(RSS_HASH_TYPES, len, toeplitz_ip6[0].addresses);
}

static void options_and_extension_headers_are_stepped_over(unused void **state)
{
	uint8_t ports[4];

	make(AF_INET, &toeplitz_ip4[0], IPPROTO_TCP);
	memcpy(ports, frame + 34, 4);
	memset(frame + 34, 1, 40);
	memcpy(frame + 74, ports, 4);
	frame[14] = 0x4f;
	expect(RSS_HASH_TYPES, 94, toeplitz_ip4[0].with_ports);
	make(AF_INET6, &toeplitz_ip6[0], IPPROTO_HOPOPTS);
	memcpy(ports, frame + 54, 4);
	memset(frame + 54, 0, 24);
	frame[54] = IPPROTO_DSTOPTS;
	frame[62] = IPPROTO_TCP;
	frame[63] = 1;
	memcpy(frame + 78, ports, 4);
	expect(RSS_HASH_TYPES, 98, toeplitz_ip6[0].with_ports);
}

static void one_vlan_tag_is_looked_past(unused void **state)
{
	size_t len = make(AF_INET, &toeplitz_ip4[0], IPPROTO_TCP);

	memmove(frame + 16, frame + 12, len - 12);
	memcpy(frame + 12, "\x81\x00\x00\x07", 4);
	expect(RSS_HASH_TYPES, len + 4, toeplitz_ip4[0].with_ports);
	memmove(frame + 16, frame + 12, len - 8);
	expect_none(RSS_HASH_TYPES, len + 8);
}

static void a_frame_that_ends_early_is_read_no_further(unused void **state)
{
	size_t len = make(AF_INET, &toeplitz_ip4[0], IPPROTO_TCP);
	uint32_t hash;

	for (size_t n = 0; n <= len; n++) {
		struct rss r = with(RSS_HASH_TYPES);

		assert_int_equal(rss_hash(&r.hash, frame, n, &hash),
		                 n < 34   ? VIRTIO_NET_HASH_REPORT_NONE
		                 : n < 38 ? VIRTIO_NET_HASH_REPORT_IPv4
		                          : VIRTIO_NET_HASH_REPORT_TCPv4);
		assert_true(n < 34 || hash == (n < 38 ? toeplitz_ip4[0].addresses
		                                      : toeplitz_ip4[0].with_ports));
	}
	frame[14] = 0x44; /* a header that is too short for itself */
	expect_none(RSS_HASH_TYPES, len);
	len = make(AF_INET6, &toeplitz_ip6[0], IPPROTO_HOPOPTS);
	frame[54] = IPPROTO_HOPOPTS;
	frame[55] = 255;
	expect(RSS_HASH_TYPES, len, toeplitz_ip6[0].addresses);
	frame[14] = 0x40;
	expect_none(RSS_HASH_TYPES, len);
}

static void the_report_names_what_was_hashed(unused void **state)
{
	size_t len = make(AF_INET, &toeplitz_ip4[0], IPPROTO_TCP);

	expect_report(RSS_HASH_TYPES, len, VIRTIO_NET_HASH_REPORT_TCPv4);
	expect_report(RSS_HASH_TYPES & ~TCP4, len, VIRTIO_NET_HASH_REPORT_IPv4);
	len = make(AF_INET, &toeplitz_ip4[0], IPPROTO_UDP);
	expect_report(RSS_HASH_TYPES, len, VIRTIO_NET_HASH_REPORT_UDPv4);
	len = make(AF_INET6, &toeplitz_ip6[0], IPPROTO_TCP);
	expect_report(RSS_HASH_TYPES, len, VIRTIO_NET_HASH_REPORT_TCPv6);
	len = make(AF_INET6, &toeplitz_ip6[0], IPPROTO_UDP);
	expect_report(RSS_HASH_TYPES, len, VIRTIO_NET_HASH_REPORT_UDPv6);
	expect_report(IP6, len, VIRTIO_NET_HASH_REPORT_IPv6);
	expect_report(0, len, VIRTIO_NET_HASH_REPORT_NONE);
}

/* dev.rss.steer */
static void the_table_names_the_pair(unused void **state)
{
	struct rss r = with(RSS_HASH_TYPES);
	size_t len = make(AF_INET, &toeplitz_ip4[0], IPPROTO_TCP);

	r.table_mask = 127;
	r.table[0x51ccc178 & 127] = 3;
	r.unclassified = 2;
	assert_int_equal(rss_pair(&r, frame, len), 3);
	frame[13] = 0x06;
	assert_int_equal(rss_pair(&r, frame, len), 2);
}

/* ---- the command */

static uint8_t config[RSS_CONFIG_MAX + 8];

static size_t config_of(uint32_t types, unsigned entries, uint16_t tx, uint8_t key_len)
{
	uint8_t *p = config;

	put_le32(p, types);
	put_le16(p + 4, u16_of(entries - 1u));
	put_le16(p + 6, 1);
	p += 8;
	for (unsigned i = 0; i < entries; i++, p += 2)
		put_le16(p, i & 1);
	put_le16(p, tx);
	p[2] = key_len;
	memcpy(p + 3, toeplitz_key, min_size(key_len, sizeof(toeplitz_key)));
	return (size_t)(p - config) + 3 + key_len;
}

static void what_linux_sends_is_taken(unused void **state)
{
	size_t len = config_of(RSS_HASH_TYPES, 128, 2, 40);
	struct rss r;

	assert_int_equal(len, RSS_CONFIG_MAX);
	assert_true(rss_parse(&r, config, len, 4));
	assert_int_equal(r.hash.types, RSS_HASH_TYPES);
	assert_int_equal(r.table_mask, 127);
	assert_int_equal(r.unclassified, 1);
	assert_int_equal(r.table[127], 1);
	assert_int_equal(r.pairs, 2);
	assert_memory_equal(r.hash.key, toeplitz_key, sizeof(toeplitz_key));
}

static void all_pairs_that_are_named_are_in_use(unused void **state)
{
	size_t len = config_of(0, 1, 3, 0);
	struct rss r;

	assert_true(rss_parse(&r, config, len, 4));
	assert_int_equal(r.pairs, 3); /* to transmit on */
	len = config_of(0, 1, 1, 0);
	assert_true(rss_parse(&r, config, len, 4));
	assert_int_equal(r.pairs, 2); /* unclassified */
	put_le16(config + 8, 3);
	assert_true(rss_parse(&r, config, len, 4));
	assert_int_equal(r.pairs, 4); /* in the table */
}

static void what_cannot_be_is_refused(unused void **state)
{
	struct rss r = {.hash.types = 77};
	size_t len;

	for (uint32_t bit = 64; bit; bit <<= 1)
		assert_false(rss_parse(&r, config, config_of(bit, 4, 1, 40), 2));
	for (unsigned entries = 1; entries <= 128; entries++) {
		bool good = (entries & (entries - 1)) == 0;

		assert_int_equal(rss_parse(&r, config, config_of(0, entries, 1, 40), 2), good);
	}
	r.hash.types = 77;
	len = config_of(0, 128, 1, 40);
	put_le16(config + 4, 255); /* longer than the table may be */
	assert_false(rss_parse(&r, config, len, 2));
	assert_false(rss_parse(&r, config, config_of(0, 4, 0, 40), 2));
	assert_false(rss_parse(&r, config, config_of(0, 4, 3, 40), 2));
	assert_false(rss_parse(&r, config, config_of(0, 4, 1, 41), 2));
	assert_false(rss_parse(&r, config, config_of(0, 4, 1, 40), 1)); /* the table */
	len = config_of(0, 1, 1, 40);
	put_le16(config + 6, 2); /* unclassified */
	assert_false(rss_parse(&r, config, len, 2));
	put_le16(config + 6, 0x8000); /* the reserved bit */
	assert_false(rss_parse(&r, config, len, 2));
	assert_int_equal(r.hash.types, 77); /* and nothing is changed */
}

static void any_other_length_is_refused(unused void **state)
{
	size_t len = config_of(0, 16, 2, 40);
	struct rss r;

	for (size_t n = 0; n < len + 8; n++)
		assert_int_equal(rss_parse(&r, config, n, 2), n == len);
}

static size_t hash_config_of(uint32_t types, uint8_t key_len)
{
	memset(config, 0xee, sizeof(config)); /* the reserved bytes among them */
	put_le32(config, types);
	config[12] = key_len;
	memcpy(config + 13, toeplitz_key, min_size(key_len, sizeof(toeplitz_key)));
	return 13u + key_len;
}

static void how_to_hash_is_taken_without_a_table(unused void **state)
{
	struct rss_hash h = {0};
	size_t len = hash_config_of(TCP4 | IP6, 40);

	assert_true(rss_parse_hash(&h, config, len));
	assert_int_equal(h.types, TCP4 | IP6);
	assert_memory_equal(h.key, toeplitz_key, sizeof(toeplitz_key));
	len = hash_config_of(RSS_HASH_TYPES, 4); /* zeros behind a short key */
	assert_true(rss_parse_hash(&h, config, len));
	assert_memory_equal(h.key, toeplitz_key, 4);
	for (size_t i = 4; i < RSS_KEY_MAX; i++)
		assert_int_equal(h.key[i], 0);
}

static void how_not_to_hash_is_refused(unused void **state)
{
	struct rss_hash h = {.types = 77};
	size_t len;

	for (uint32_t bit = 64; bit; bit <<= 1)
		assert_false(rss_parse_hash(&h, config, hash_config_of(bit, 40)));
	assert_false(rss_parse_hash(&h, config, hash_config_of(IP4, 41)));
	len = hash_config_of(IP4, 40);
	for (size_t n = 0; n < len; n++)
		assert_false(rss_parse_hash(&h, config, n));
	assert_false(rss_parse_hash(&h, config, len + 1));
	assert_int_equal(h.types, 77);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_published_values_come_out_for_ipv4),
		cmocka_unit_test(the_published_values_come_out_for_ipv6),
		cmocka_unit_test(udp_is_the_same_computation),
		cmocka_unit_test(other_protocols_have_addresses_only),
		cmocka_unit_test(all_fragments_of_a_datagram_have_one_hash),
		cmocka_unit_test(options_and_extension_headers_are_stepped_over),
		cmocka_unit_test(one_vlan_tag_is_looked_past),
		cmocka_unit_test(a_frame_that_ends_early_is_read_no_further),
		cmocka_unit_test(the_report_names_what_was_hashed),
		cmocka_unit_test(the_table_names_the_pair),
		cmocka_unit_test(what_linux_sends_is_taken),
		cmocka_unit_test(all_pairs_that_are_named_are_in_use),
		cmocka_unit_test(what_cannot_be_is_refused),
		cmocka_unit_test(any_other_length_is_refused),
		cmocka_unit_test(how_to_hash_is_taken_without_a_table),
		cmocka_unit_test(how_not_to_hash_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
