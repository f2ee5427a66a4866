/* SPDX-License-Identifier: Apache-2.0 */
/* What comes back for a frame; whether a real network stack believes it is asked in test_echo.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "net/turn_round.h"
#include "tests/lib/pkt.h"
#include "vmm/core/compiler.h"

static const uint8_t mac_a[6] = {2, 0, 0, 0, 0, 1};
static const uint8_t mac_b[6] = {2, 0, 0, 0, 0, 2};

#define IP_A 0x0a090901u
#define IP_B 0x0a090902u

static struct pkt_ends ends(void)
{
	struct pkt_ends e = {.src = IP_A, .dst = IP_B, .sport = 1000, .dport = 7};

	memcpy(e.src_mac, mac_a, 6);
	memcpy(e.dst_mac, mac_b, 6);
	return e;
}

/* What the other end would send in answer, by the same functions that made the question. */
static struct pkt_ends ends_back(void)
{
	struct pkt_ends e = {.src = IP_B, .dst = IP_A, .sport = 7, .dport = 1000};

	memcpy(e.src_mac, mac_b, 6);
	memcpy(e.dst_mac, mac_a, 6);
	return e;
}

/* A VLAN tag between the addresses and the type. */
static size_t tag(uint8_t *f, size_t len)
{
	memmove(f + 16, f + 12, len - 12);
	memcpy(f + 12, "\x81\x00\x00\x05", 4);
	return len + 4;
}

static void udp_comes_back_as_the_other_end_would_send_it(unused void **state)
{
	const struct pkt_ends to = ends(), back = ends_back();
	uint8_t f[256], want[256];
	size_t len = pkt_udp(f, &to, "some data", 9);

	assert_int_equal(pkt_udp(want, &back, "some data", 9), len);
	turn_round(f, len);
	assert_memory_equal(f, want, len);
	/* Behind a tag, too. */
	len = pkt_udp(f, &to, "some data", 9);
	len = tag(f, len);
	tag(want, len - 4);
	turn_round(f, len);
	assert_memory_equal(f, want, len);
}

static void checksum_that_is_only_begun_stays_right(unused void **state)
{
	const struct pkt_ends to = ends(), back = ends_back();
	const struct pkt_tcp t = {.seq = 1, .ack = 2, .flags = 0x10, .partial = true};
	uint8_t f[256], want[256];
	size_t len = pkt_tcp(f, &to, &t, "some data", 9);

	assert_int_equal(pkt_tcp(want, &back, &t, "some data", 9), len);
	turn_round(f, len);
	assert_memory_equal(f, want, len);
}

static void only_the_first_fragment_has_ports(unused void **state)
{
	const struct pkt_ends to = ends();
	uint8_t whole[256], f[256], was[256];
	uint8_t data[100] = {1, 2, 3, 4, 5};
	size_t len;

	len = pkt_udp(whole, &to, data, sizeof(data));
	len = pkt_fragment(f, whole, len, 64, 108);
	memcpy(was, f, len);
	turn_round(f, len);
	assert_memory_equal(f + 34, was + 34, len - 34);
	assert_int_equal(pkt_be32(f + 26), IP_B);
	assert_int_equal(pkt_be32(f + 30), IP_A);
}

static void arp_request_is_answered_by_whoever_was_asked_for(unused void **state)
{
	uint8_t f[64];
	size_t len = pkt_arp_request(f, mac_a, IP_A, IP_B);

	turn_round(f, len);
	assert_true(pkt_is_arp_reply(f, len, IP_B));
	assert_memory_equal(f, mac_a, 6);
	assert_memory_equal(f + 6, turn_round_mac, 6);
	assert_memory_equal(f + 14 + 8, turn_round_mac, 6);
	assert_memory_equal(f + 14 + 18, mac_a, 6);
	assert_int_equal(pkt_be32(f + 14 + 24), IP_A);
}

/* RFC 5227: an answer would be a conflict, and the address not be used. */
static void nobody_has_the_address_that_one_is_about_to_take(unused void **state)
{
	uint8_t f[64];
	size_t len = pkt_arp_request(f, mac_a, 0, IP_A);

	turn_round(f, len);
	assert_int_equal(f[21], 1);
	len = pkt_arp_request(f, mac_a, IP_A, IP_A);
	turn_round(f, len);
	assert_int_equal(f[21], 1);
}

static void frame_to_a_group_comes_from_one_host(unused void **state)
{
	uint8_t f[60] = {0x33, 0x33, 0, 0, 0, 1, 2, 0, 0, 0, 0, 1, 0x86, 0xdd, 0x60};

	turn_round(f, sizeof(f));
	assert_memory_equal(f, mac_a, 6);
	assert_memory_equal(f + 6, turn_round_mac, 6);
	assert_int_equal(f[14], 0x60);
}

static void other_frames_have_their_addresses_swapped_and_nothing_else(unused void **state)
{
	uint8_t f[60], was[60];

	for (size_t i = 0; i < sizeof(f); i++)
		f[i] = (uint8_t)(2 * i);
	memcpy(was, f, sizeof(f));
	turn_round(f, sizeof(f));
	assert_memory_equal(f, was + 6, 6);
	assert_memory_equal(f + 6, was, 6);
	assert_memory_equal(f + 12, was + 12, sizeof(f) - 12);
}

/* Each length in a block of its own, so that a look behind its end is found by the sanitizer. */
static void frame_that_is_cut_short_is_not_looked_behind(unused void **state)
{
	const struct pkt_ends to = ends();
	const struct pkt_tcp t = {.flags = 0x10};
	uint8_t f[256];

	for (unsigned kind = 0; kind < 6; kind++) {
		size_t len = kind % 3 == 0   ? pkt_udp(f, &to, "x", 1)
		             : kind % 3 == 1 ? pkt_tcp(f, &to, &t, "x", 1)
		                             : pkt_arp_request(f, mac_a, IP_A, IP_B);

		if (kind >= 3)
			len = tag(f, len);
		for (size_t part = 0; part <= len; part++) {
			uint8_t *copy = malloc(part ? part : 1);

			assert_non_null(copy);
			memcpy(copy, f, part);
			turn_round(copy, part);
			free(copy);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(udp_comes_back_as_the_other_end_would_send_it),
		cmocka_unit_test(checksum_that_is_only_begun_stays_right),
		cmocka_unit_test(only_the_first_fragment_has_ports),
		cmocka_unit_test(arp_request_is_answered_by_whoever_was_asked_for),
		cmocka_unit_test(nobody_has_the_address_that_one_is_about_to_take),
		cmocka_unit_test(frame_to_a_group_comes_from_one_host),
		cmocka_unit_test(other_frames_have_their_addresses_swapped_and_nothing_else),
		cmocka_unit_test(frame_that_is_cut_short_is_not_looked_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
