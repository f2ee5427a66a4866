// SPDX-License-Identifier: Apache-2.0
/* The hash against the values that Microsoft publishes for it, and which frames have one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <linux/virtio_net.h>
#include <netinet/in.h>
#include <string.h>

#include "devices/rss.h"
#include "vmm/core/compiler.h"
#include "vmm/core/le.h"

#define IP4  ((uint32_t)VIRTIO_NET_RSS_HASH_TYPE_IPv4)
#define TCP4 ((uint32_t)VIRTIO_NET_RSS_HASH_TYPE_TCPv4)
#define UDP4 ((uint32_t)VIRTIO_NET_RSS_HASH_TYPE_UDPv4)
#define IP6  ((uint32_t)VIRTIO_NET_RSS_HASH_TYPE_IPv6)
#define TCP6 ((uint32_t)VIRTIO_NET_RSS_HASH_TYPE_TCPv6)
#define UDP6 ((uint32_t)VIRTIO_NET_RSS_HASH_TYPE_UDPv6)

/* "Verifying the RSS Hash Calculation": the key, and below the packets. */
static const uint8_t key[RSS_KEY_MAX] = {
	0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
	0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
	0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
};

static const struct vector {
	const char *dst, *src;
	uint16_t dport, sport;
	uint32_t addresses, with_ports;
} vectors4[] =
	{
		{"161.142.100.80", "66.9.149.187", 1766, 2794, 0x323e8fc2, 0x51ccc178},
		{"65.69.140.83", "199.92.111.2", 4739, 14230, 0xd718262a, 0xc626b0ea},
		{"12.22.207.184", "24.19.198.95", 38024, 12898, 0xd2d0a5de, 0x5c2b394a},
		{"209.142.163.6", "38.27.205.30", 2217, 48228, 0x82989176, 0xafc7327f},
		{"202.188.127.2", "153.39.163.191", 1303, 44251, 0x5d1809c5, 0x10e828a2},
},
  vectors6[] = {
	  {"3ffe:2501:200:3::1", "3ffe:2501:200:1fff::7", 1766, 2794, 0x2cc18cd5, 0x40207d3d},
	  {"ff02::1", "3ffe:501:8::260:97ff:fe40:efab", 4739, 14230, 0x0f0c461c, 0xdde51bbf},
	  {"fe80::200:f8ff:fe21:67cf", "3ffe:1900:4545:3:200:f8ff:fe21:67cf", 38024, 44251,
           0x4b61e985, 0x02d1feef},
};

/* A frame with these addresses and ports; its length. Ports are where @at says, 0: behind the IP header. */
static uint8_t frame[RSS_LOOK + 64];

static size_t make(int family, const struct vector *v, uint8_t proto)
{
	const bool v6 = family == AF_INET6;
	uint8_t *ip = frame + 14, *l4 = ip + (v6 ? 40 : 20);
	const uint16_t ports[2] = {htons(v->sport), htons(v->dport)};

	memset(frame, 0, sizeof(frame));
	memcpy(frame + 12, v6 ? "\x86\xdd" : "\x08\x00", 2);
	ip[0] = v6 ? 0x60 : 0x45;
	ip[v6 ? 6 : 9] = proto;
	assert_int_equal(inet_pton(family, v->src, ip + (v6 ? 8 : 12)), 1);
	assert_int_equal(inet_pton(family, v->dst, ip + (v6 ? 24 : 16)), 1);
	memcpy(l4, ports, sizeof(ports));
	return (size_t)(l4 - frame) + 20;
}

static struct rss with(uint32_t types)
{
	struct rss r = {.hash_types = types, .pairs = 1};

	memcpy(r.key, key, sizeof(key));
	return r;
}

static void expect(uint32_t types, size_t len, uint32_t want)
{
	struct rss r = with(types);
	uint32_t got = ~want;

	assert_true(rss_hash(&r, frame, len, &got));
	assert_int_equal(got, want);
}

static void expect_none(uint32_t types, size_t len)
{
	struct rss r = with(types);
	uint32_t got;

	assert_false(rss_hash(&r, frame, len, &got));
}

static void the_published_values_come_out_for_ipv4(unused void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(vectors4); i++) {
		const struct vector *v = &vectors4[i];
		size_t len = make(AF_INET, v, IPPROTO_TCP);

		expect(IP4 | TCP4, len, v->with_ports);
		expect(TCP4, len, v->with_ports);
		expect(IP4, len, v->addresses);
		expect_none(UDP4 | IP6 | TCP6 | UDP6, len);
	}
}

static void the_published_values_come_out_for_ipv6(unused void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(vectors6); i++) {
		const struct vector *v = &vectors6[i];
		size_t len = make(AF_INET6, v, IPPROTO_TCP);

		expect(IP6 | TCP6, len, v->with_ports);
		expect(TCP6, len, v->with_ports);
		expect(IP6, len, v->addresses);
		expect_none(UDP6 | IP4 | TCP4 | UDP4, len);
	}
}

static void udp_is_the_same_computation(unused void **state)
{
	size_t len = make(AF_INET, &vectors4[0], IPPROTO_UDP);

	expect(RSS_HASH_TYPES, len, vectors4[0].with_ports);
	expect(RSS_HASH_TYPES & ~UDP4, len, vectors4[0].addresses);
	len = make(AF_INET6, &vectors6[0], IPPROTO_UDP);
	expect(RSS_HASH_TYPES, len, vectors6[0].with_ports);
	expect(RSS_HASH_TYPES & ~UDP6, len, vectors6[0].addresses);
}

static void other_protocols_have_addresses_only(unused void **state)
{
	expect(RSS_HASH_TYPES, make(AF_INET, &vectors4[0], IPPROTO_ICMP), vectors4[0].addresses);
	expect(RSS_HASH_TYPES, make(AF_INET6, &vectors6[0], IPPROTO_ICMPV6), vectors6[0].addresses);
	frame[12] = 0x08; /* ARP */
	frame[13] = 0x06;
	expect_none(RSS_HASH_TYPES, 60);
}

static void all_fragments_of_a_datagram_have_one_hash(unused void **state)
{
	size_t len = make(AF_INET, &vectors4[0], IPPROTO_UDP);

	frame[14 + 6] = 0x20; /* the first */
	expect(RSS_HASH_TYPES, len, vectors4[0].addresses);
	frame[14 + 6] = 0x00; /* the last */
	frame[14 + 7] = 0x10;
	expect(RSS_HASH_TYPES, len, vectors4[0].addresses);
	frame[14 + 6] = 0x40; /* not to be fragmented */
	frame[14 + 7] = 0x00;
	expect(RSS_HASH_TYPES, len, vectors4[0].with_ports);
	len = make(AF_INET6, &vectors6[0], IPPROTO_FRAGMENT);
	expect(RSS_HASH_TYPES, len, vectors6[0].addresses);
}

static void options_and_extension_headers_are_stepped_over(unused void **state)
{
	uint8_t ports[4];

	make(AF_INET, &vectors4[0], IPPROTO_TCP);
	memcpy(ports, frame + 34, 4);
	memset(frame + 34, 1, 40);
	memcpy(frame + 74, ports, 4);
	frame[14] = 0x4f;
	expect(RSS_HASH_TYPES, 94, vectors4[0].with_ports);
	make(AF_INET6, &vectors6[0], IPPROTO_HOPOPTS);
	memcpy(ports, frame + 54, 4);
	memset(frame + 54, 0, 24);
	frame[54] = IPPROTO_DSTOPTS;
	frame[62] = IPPROTO_TCP;
	frame[63] = 1;
	memcpy(frame + 78, ports, 4);
	expect(RSS_HASH_TYPES, 98, vectors6[0].with_ports);
}

static void one_vlan_tag_is_looked_past(unused void **state)
{
	size_t len = make(AF_INET, &vectors4[0], IPPROTO_TCP);

	memmove(frame + 16, frame + 12, len - 12);
	memcpy(frame + 12, "\x81\x00\x00\x07", 4);
	expect(RSS_HASH_TYPES, len + 4, vectors4[0].with_ports);
	memmove(frame + 16, frame + 12, len - 8);
	expect_none(RSS_HASH_TYPES, len + 8);
}

static void a_frame_that_ends_early_is_read_no_further(unused void **state)
{
	size_t len = make(AF_INET, &vectors4[0], IPPROTO_TCP);
	uint32_t hash;

	for (size_t n = 0; n <= len; n++) {
		struct rss r = with(RSS_HASH_TYPES);

		assert_int_equal(rss_hash(&r, frame, n, &hash), n >= 34);
		assert_true(n < 34 ||
		            hash == (n < 38 ? vectors4[0].addresses : vectors4[0].with_ports));
	}
	frame[14] = 0x44; /* a header that is too short for itself */
	expect_none(RSS_HASH_TYPES, len);
	len = make(AF_INET6, &vectors6[0], IPPROTO_HOPOPTS);
	frame[54] = IPPROTO_HOPOPTS;
	frame[55] = 255;
	expect(RSS_HASH_TYPES, len, vectors6[0].addresses);
	frame[14] = 0x40;
	expect_none(RSS_HASH_TYPES, len);
}

static void the_table_names_the_pair(unused void **state)
{
	struct rss r = with(RSS_HASH_TYPES);
	size_t len = make(AF_INET, &vectors4[0], IPPROTO_TCP);

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
	memcpy(p + 3, key, min_size(key_len, sizeof(key)));
	return (size_t)(p - config) + 3 + key_len;
}

static void what_linux_sends_is_taken(unused void **state)
{
	size_t len = config_of(RSS_HASH_TYPES, 128, 2, 40);
	struct rss r;

	assert_int_equal(len, RSS_CONFIG_MAX);
	assert_true(rss_parse(&r, config, len, 4));
	assert_int_equal(r.hash_types, RSS_HASH_TYPES);
	assert_int_equal(r.table_mask, 127);
	assert_int_equal(r.unclassified, 1);
	assert_int_equal(r.table[127], 1);
	assert_int_equal(r.pairs, 2);
	assert_memory_equal(r.key, key, sizeof(key));
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
	struct rss r = {.hash_types = 77};
	size_t len;

	for (uint32_t bit = 64; bit; bit <<= 1)
		assert_false(rss_parse(&r, config, config_of(bit, 4, 1, 40), 2));
	for (unsigned entries = 1; entries <= 128; entries++) {
		bool good = (entries & (entries - 1)) == 0;

		assert_int_equal(rss_parse(&r, config, config_of(0, entries, 1, 40), 2), good);
	}
	r.hash_types = 77;
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
	assert_int_equal(r.hash_types, 77); /* and nothing is changed */
}

static void any_other_length_is_refused(unused void **state)
{
	size_t len = config_of(0, 16, 2, 40);
	struct rss r;

	for (size_t n = 0; n < len + 8; n++)
		assert_int_equal(rss_parse(&r, config, n, 2), n == len);
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
		cmocka_unit_test(the_table_names_the_pair),
		cmocka_unit_test(what_linux_sends_is_taken),
		cmocka_unit_test(all_pairs_that_are_named_are_in_use),
		cmocka_unit_test(what_cannot_be_is_refused),
		cmocka_unit_test(any_other_length_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
