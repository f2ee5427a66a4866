/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "net/csum.h"
#include "net/ip_cut.h"
#include "net/ip_join.h"
#include "tests/lib/pkt.h"
#include "vmm/core/compiler.h"

#define MTU  1500u
#define SIZE 1440u /* of a segment */

static const struct pkt_ends ends = {
	.src_mac = {2, 1, 1, 1, 1, 1},
	.dst_mac = {2, 2, 2, 2, 2, 2},
	.src = 0x0a000202,
	.dst = 0x0a00020f,
	.sport = 80,
	.dport = 40000,
};

struct fixture {
	uint8_t *data, *whole, *piece, *wanted;
	size_t len; /* of whole */
	struct ip_cut c;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->data = calloc(1, PKT_MAX);
	f->whole = calloc(1, PKT_MAX);
	f->piece = calloc(1, PKT_MAX);
	f->wanted = calloc(1, PKT_MAX);
	for (size_t i = 0; i < PKT_MAX; i++)
		f->data[i] = (uint8_t)(i * 7 + i / 251);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	free(f->wanted);
	free(f->piece);
	free(f->whole);
	free(f->data);
	free(f);
	return 0;
}

static bool begin(struct fixture *f, size_t mtu)
{
	return ip_cut_begin(&f->c, f->whole, f->len, mtu, SIZE);
}

/* The piece of the frame from byte @from of its payload on, as it goes to the driver. Its length. */
static size_t piece(struct fixture *f, size_t *from)
{
	const size_t part = ip_cut_piece(&f->c, *from);

	memcpy(f->piece, f->c.head, f->c.head_len);
	memcpy(f->piece + f->c.head_len, f->whole + f->c.head_len + *from, part);
	if (f->c.csum_start)
		assert_int_equal(csum_complete(f->piece, f->c.head_len + part, f->c.csum_start,
		                               f->c.csum_offset),
		                 0);
	*from += part;
	return f->c.head_len + part;
}

static void tcp_is_cut_as_segmentation_offload_has_it(void **state)
{
	static const size_t mtus[] = {576, MTU, 9000};
	static const size_t sizes[] = {9001, 16060, 32768};
	struct fixture *f = *state;

	for (unsigned i = 0; i < 18; i++) {
		const size_t mtu = mtus[i % 3];
		const struct pkt_tcp t = {.seq = UINT32_MAX - 3000,
		                          .ack = 77,
		                          .window = 8760,
		                          .v6 = i / 9,
		                          .id = 0xfffe,
		                          .flags = TH_ACK | TH_PUSH | TH_FIN};
		const uint16_t size = mtu < MTU ? (uint16_t)(mtu - (t.v6 ? 60 : 40)) : SIZE;
		size_t from = 0, n;

		f->len = pkt_tcp(f->whole, &ends, &t, f->data, sizes[i / 3 % 3]);
		assert_true(begin(f, mtu));
		for (unsigned k = 0; (n = pkt_tcp_cut(f->wanted, f->whole, f->len, size, k)); k++) {
			assert_int_equal(piece(f, &from), n);
			assert_memory_equal(f->piece, f->wanted, n);
		}
		assert_int_equal(from, f->c.payload);
	}
}

static void urgent_data_ends_where_it_did(void **state)
{
	struct fixture *f = *state;
	const struct pkt_tcp t = {.seq = 1000, .flags = TH_ACK | TH_URG};
	size_t from = 0;

	f->len = pkt_tcp(f->whole, &ends, &t, f->data, 4000);
	f->whole[53] = 2000 & 0xff; /* the urgent pointer */
	f->whole[52] = 2000 >> 8;
	assert_true(begin(f, MTU));
	piece(f, &from);
	assert_int_equal(f->piece[47], TH_ACK | TH_URG);
	assert_int_equal(pkt_be16(f->piece + 52), 2000);
	piece(f, &from);
	assert_int_equal(f->piece[47], TH_ACK | TH_URG);
	assert_int_equal(pkt_be16(f->piece + 52), 2000 - 1440);
	piece(f, &from);
	assert_int_equal(f->piece[47], TH_ACK);
	assert_int_equal(from, 4000);
}

static void other_ipv4_becomes_fragments(void **state)
{
	static const size_t sizes[] = {1473, 1480 + 1472, 1480 + 1473, 4000, 16000};
	static const size_t mtus[] = {MTU, 1499, 577, 68};
	struct fixture *f = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++)
		for (unsigned m = 0; m < ARRAY_SIZE(mtus); m++) {
			const size_t size = (mtus[m] - 20) / 8 * 8;
			size_t from = 0;

			f->len = pkt_udp(f->whole, &ends, f->data, sizes[i]);
			assert_true(begin(f, mtus[m]));
			while (from < f->c.payload) {
				const size_t at = from, n = piece(f, &from);

				assert_int_equal(n, pkt_fragment(f->wanted, f->whole, f->len, at,
				                                 at + size));
				assert_memory_equal(f->piece, f->wanted, n);
			}
			assert_int_equal(from, sizes[i] + 8);
		}
}

/* As libslirp makes them of what is larger still. */
static void fragment_becomes_smaller_ones(void **state)
{
	struct fixture *f = *state;
	struct ip_join *join = calloc(1, sizeof(*join));
	const uint8_t *got = NULL;
	uint8_t *datagram = malloc(PKT_MAX);
	size_t len = pkt_udp(datagram, &ends, f->data, 60000), n = 0;

	for (size_t at = 0; at < 60008; at += 16080) {
		size_t from = 0;

		f->len = pkt_fragment(f->whole, datagram, len, at, at + 16080);
		assert_true(begin(f, MTU));
		while (from < f->c.payload) {
			assert_null(got);
			n = piece(f, &from);
			assert_true(n <= 14 + MTU);
			got = ip_join(join, f->piece, &n);
		}
	}
	assert_non_null(got);
	assert_int_equal(n, len);
	assert_memory_equal(got, datagram, len);
	free(datagram);
	free(join);
}

/* As libslirp has it when it knows of no smaller MTU: all of a datagram that nobody was there for. */
static void icmpv6_error_quotes_less(void **state)
{
	struct fixture *f = *state;
	size_t from = 0, n;

	f->len = pkt_udp6(f->whole, &ends, f->data, 1500);
	f->whole[20] = 58;
	f->whole[54] = 1; /* unreachable */
	assert_true(begin(f, MTU));
	n = piece(f, &from);
	assert_int_equal(n, 14 + MTU);
	assert_int_equal(from, f->c.payload);
	assert_int_equal(pkt_be16(f->piece + 18), MTU - 40);
	assert_memory_equal(f->piece + 62, f->whole + 62, n - 62);
	/* With the pseudo header's sum, all of it is 0. */
	assert_int_equal(csum_sum((uint16_t[]){csum_pseudo(f->piece + 22, 32, 58, MTU - 40),
	                                       csum_sum(f->piece + 54, MTU - 40)},
	                          4),
	                 UINT16_MAX);
	/* No error: an echo. */
	f->whole[54] = 129;
	assert_false(begin(f, MTU));
}

static void what_cannot_be_cut_is_said(void **state)
{
	struct fixture *f = *state;
	const struct pkt_tcp t = {.flags = TH_ACK};

	f->len = pkt_udp6(f->whole, &ends, f->data, 4000);
	assert_false(begin(f, MTU));
	f->len = pkt_udp(f->whole, &ends, f->data, 4000);
	f->whole[14] = 0x46; /* options */
	assert_false(begin(f, MTU));
	f->len = pkt_udp(f->whole, &ends, f->data, 4000);
	assert_true(begin(f, MTU));
	f->len++;
	assert_false(begin(f, MTU));
	f->len = pkt_udp(f->whole, &ends, f->data, 4000);
	f->whole[13] = 6;
	assert_false(begin(f, MTU));
	/* TCP has to have room for data. */
	f->len = pkt_tcp(f->whole, &ends, &t, f->data, 4000);
	assert_true(begin(f, 41));
	assert_false(begin(f, 40));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(tcp_is_cut_as_segmentation_offload_has_it),
		CASE(urgent_data_ends_where_it_did),
		CASE(other_ipv4_becomes_fragments),
		CASE(fragment_becomes_smaller_ones),
		CASE(icmpv6_error_quotes_less),
		CASE(what_cannot_be_cut_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
