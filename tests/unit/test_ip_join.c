/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "net/csum.h"
#include "net/ip_join.h"
#include "tests/lib/pkt.h"
#include "vmm/core/compiler.h"

#define ETH 14u
#define IP  20u

struct fixture {
	struct ip_join *join;
	uint8_t *whole, *piece, *data;
	size_t len; /* of the whole frame */
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->join = calloc(1, sizeof(*f->join));
	f->whole = calloc(1, PKT_MAX);
	f->piece = calloc(1, PKT_MAX);
	f->data = calloc(1, PKT_MAX);
	for (size_t i = 0; i < PKT_MAX; i++)
		f->data[i] = (uint8_t)(i * 7 + i / 251);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	free(f->data);
	free(f->piece);
	free(f->whole);
	free(f->join);
	free(f);
	return 0;
}

static void put16(uint8_t *p, size_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void seal(uint8_t *frame, size_t header)
{
	uint16_t sum;

	put16(frame + ETH + 10, 0);
	sum = (uint16_t)~csum_sum(frame + ETH, header);
	memcpy(frame + ETH + 10, &sum, 2);
}

/* A datagram with @len bytes of UDP payload from port @sport; the same ports, the same id. */
static void make_whole(struct fixture *f, uint16_t sport, size_t len)
{
	struct pkt_ends e = {.src = 0x0a00020f, .dst = 0x0a000202, .sport = sport, .dport = 9};

	f->len = pkt_udp(f->whole, &e, f->data, len);
	put16(f->whole + ETH + 4, sport);
	seal(f->whole, IP);
}

/* Bytes [from, to) of what stands behind the IP header, as a fragment. */
static const uint8_t *give(struct fixture *f, size_t from, size_t to, size_t *len)
{
	*len = pkt_fragment(f->piece, f->whole, f->len, from, to);
	return ip_join(f->join, f->piece, len);
}

static void assert_whole(const struct fixture *f, const uint8_t *got, size_t len)
{
	assert_non_null(got);
	assert_int_equal(len, f->len);
	assert_memory_equal(got, f->whole, len);
}

/* This fragment is the last one that was missing. */
static void assert_completes(struct fixture *f, size_t from, size_t to)
{
	size_t len;
	const uint8_t *got = give(f, from, to, &len);

	assert_whole(f, got, len);
}

static void whole_packets_pass_untouched(void **state)
{
	struct fixture *f = *state;
	size_t len;

	make_whole(f, 1, 1000);
	len = f->len;
	assert_ptr_equal(ip_join(f->join, f->whole, &len), f->whole);
	put16(f->whole + ETH + 6, 0x4000); /* "don't fragment" */
	assert_ptr_equal(ip_join(f->join, f->whole, &len), f->whole);
	/* Neither are these ours to judge. */
	len = 14;
	assert_ptr_equal(ip_join(f->join, f->whole, &len), f->whole);
	len = 33;
	assert_ptr_equal(ip_join(f->join, f->whole, &len), f->whole);
	len = f->len;
	put16(f->whole + ETH + 6, 0x2000);
	f->whole[12] = 0x86;
	f->whole[13] = 0xdd;
	assert_ptr_equal(ip_join(f->join, f->whole, &len), f->whole);
}

static void fragments_in_order_become_the_datagram(void **state)
{
	static const size_t mtus[] = {8, 64, 576, 1480, 9000, 32768};
	static const size_t sizes[] = {1, 8, 1473, 2000, 8192, 40000, 65507};
	struct fixture *f = *state;
	size_t len;

	for (unsigned m = 0; m < ARRAY_SIZE(mtus); m++) {
		for (unsigned s = 0; s < ARRAY_SIZE(sizes); s++) {
			const uint8_t *got = NULL;
			size_t end = sizes[s] + 8;

			make_whole(f, (uint16_t)(100 + s), sizes[s]);
			if (end <= mtus[m])
				continue;
			for (size_t at = 0; at < end; at += mtus[m]) {
				assert_null(got);
				got = give(f, at, at + mtus[m], &len);
			}
			assert_whole(f, got, len);
		}
	}
}

static void four_datagrams_may_be_mixed(void **state)
{
	struct fixture *f = *state;
	size_t len;

	for (size_t at = 0; at < 4008; at += 1480) {
		for (uint16_t i = 0; i < IP_JOIN_SLOTS; i++) {
			const uint8_t *got;

			make_whole(f, i, 4000);
			got = give(f, at, at + 1480, &len);
			if (at + 1480 >= 4008)
				assert_whole(f, got, len);
			else
				assert_null(got);
		}
	}
}

static void unfinished_datagrams_give_way_to_new_ones(void **state)
{
	struct fixture *f = *state;
	size_t len;

	for (uint16_t i = 0; i < 1000; i++) {
		make_whole(f, i, 4000);
		assert_null(give(f, 0, 1480, &len));
	}
	make_whole(f, 2000, 2000);
	assert_null(give(f, 0, 1480, &len));
	assert_completes(f, 1480, 3000);
}

static void last_fragment_first_is_dropped(void **state)
{
	struct fixture *f = *state;
	size_t len;

	/* What brings libslirp 4.7.0 down. */
	make_whole(f, 1, 2000);
	assert_null(give(f, 1480, 3000, &len));
	assert_null(give(f, 0, 1480, &len));
	/* Sent once more in order, it passes. */
	assert_null(give(f, 0, 1480, &len));
	assert_completes(f, 1480, 3000);
}

static void gap_and_overlap_end_the_datagram(void **state)
{
	struct fixture *f = *state;
	size_t len;

	make_whole(f, 1, 4000);
	assert_null(give(f, 0, 800, &len));
	assert_null(give(f, 808, 1600, &len)); /* 8 bytes are missing */
	assert_null(give(f, 800, 9999, &len));
	assert_null(give(f, 0, 800, &len));
	assert_null(give(f, 792, 1600, &len)); /* 8 bytes twice */
	assert_null(give(f, 800, 9999, &len));
	assert_null(give(f, 0, 800, &len));
	assert_null(give(f, 800, 1600, &len));
	assert_null(give(f, 800, 1600, &len)); /* the same again */
	assert_null(give(f, 1600, 9999, &len));
	assert_null(give(f, 0, 800, &len));
	assert_null(give(f, 0, 1600, &len)); /* begins anew */
	assert_completes(f, 1600, 9999);
}

static void datagram_of_more_than_64k_is_dropped(void **state)
{
	struct fixture *f = *state;
	size_t len, at;

	/* The "ping of death": the last one would end behind 65535. */
	make_whole(f, 1, 8000);
	for (at = 0; at < 0x1fff * 8; at += 8000) {
		memcpy(f->piece, f->whole, ETH + IP + 8000);
		put16(f->piece + ETH + 2, IP + 8000);
		put16(f->piece + ETH + 6, at / 8 | (at + 8000 < 0x1fff * 8 ? 0x2000u : 0));
		seal(f->piece, IP);
		len = ETH + IP + 8000;
		assert_null(ip_join(f->join, f->piece, &len));
	}
}

static void nonsense_is_dropped(void **state)
{
	struct fixture *f = *state;
	size_t len;

#define BAD(change)                                            \
	do {                                                   \
		make_whole(f, 1, 2000);                        \
		assert_null(give(f, 0, 1480, &len));           \
		change;                                        \
		assert_null(ip_join(f->join, f->piece, &len)); \
		assert_null(give(f, 0, 1480, &len));           \
		assert_completes(f, 1480, 3000);               \
	} while (0)

	BAD(f->piece[ETH + 10] ^= 1);                                  /* header checksum */
	BAD(f->piece[ETH] = 0x65; seal(f->piece, IP));                 /* version 6 */
	BAD(f->piece[ETH] = 0x44; seal(f->piece, IP));                 /* header of 16 bytes */
	BAD(f->piece[ETH] = 0x4f; len = ETH + 59);                     /* header behind the end */
	BAD(put16(f->piece + ETH + 2, IP); seal(f->piece, IP));        /* no payload */
	BAD(put16(f->piece + ETH + 2, 19); seal(f->piece, IP));        /* shorter than its header */
	BAD(len--);                                                    /* longer than the frame */
	BAD(put16(f->piece + ETH + 2, IP + 1479); seal(f->piece, IP)); /* not in units of 8 */
	BAD(put16(f->piece + ETH + 6, 0xa000); seal(f->piece, IP));    /* reserved bit */
	BAD(put16(f->piece + ETH + 6, 0x8000); seal(f->piece, IP));    /* only that one */
#undef BAD
}

static void options_of_the_first_fragment_are_kept(void **state)
{
	struct fixture *f = *state;
	const uint8_t *got;
	size_t len;

	make_whole(f, 1, 2000);
	/* 4 bytes of no-operation behind the header of the first fragment. */
	memcpy(f->piece, f->whole, ETH + IP);
	memset(f->piece + ETH + IP, 1, 4);
	memcpy(f->piece + ETH + IP + 4, f->whole + ETH + IP, 1480);
	f->piece[ETH] = 0x46;
	put16(f->piece + ETH + 2, IP + 4 + 1480);
	put16(f->piece + ETH + 6, 0x2000);
	seal(f->piece, IP + 4);
	len = ETH + IP + 4 + 1480;
	assert_null(ip_join(f->join, f->piece, &len));
	got = give(f, 1480, 3000, &len);
	assert_non_null(got);
	assert_int_equal(len, f->len + 4);
	assert_int_equal(got[ETH], 0x46);
	assert_int_equal(pkt_be16(got + ETH + 2), f->len + 4 - ETH);
	assert_int_equal(csum_sum(got + ETH, IP + 4), 0xffff);
	assert_memory_equal(got + ETH + IP + 4, f->whole + ETH + IP, f->len - ETH - IP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(whole_packets_pass_untouched, set_up, tear_down),
		cmocka_unit_test_setup_teardown(fragments_in_order_become_the_datagram, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(four_datagrams_may_be_mixed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(unfinished_datagrams_give_way_to_new_ones, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(last_fragment_first_is_dropped, set_up, tear_down),
		cmocka_unit_test_setup_teardown(gap_and_overlap_end_the_datagram, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(datagram_of_more_than_64k_is_dropped, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(nonsense_is_dropped, set_up, tear_down),
		cmocka_unit_test_setup_teardown(options_of_the_first_fragment_are_kept, set_up,
	                                        tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
