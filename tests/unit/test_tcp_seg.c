/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "net/tcp_seg.h"
#include "tests/lib/pkt.h"
#include "vmm/core/compiler.h"

#define MTU   1500u
#define LARGE 30240u
#define V4    54u /* bytes of headers without options */
#define V6    74u

static const struct pkt_ends ends = {
	.src_mac = {2, 1, 1, 1, 1, 1},
	.dst_mac = {2, 2, 2, 2, 2, 2},
	.src = 0x0a00020f,
	.dst = 0x0a000202,
	.sport = 40000,
	.dport = 80,
};

/* ---- the MSS of a SYN */

/* What stands before the option: it begins at an even byte, at an odd one, and last. */
static const struct {
	size_t before;
	uint8_t options[24];
	size_t len;
} layouts[] = {
	{0, {2, 4}, 4},
	{0, {2, 4, 0, 0, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7}, 20},
	{1, {1, 2, 4, 0, 0, 4, 2, 0}, 8},
	{3, {3, 3, 7, 2, 4, 0, 0, 1}, 8},
	{16, {1, 1, 4, 2, 1, 1, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 2, 4}, 20},
};

/* A SYN with layout @i and @mss in a block of its own, whose ends a sanitizer guards. */
static uint8_t *syn(unsigned i, bool v6, uint8_t flags, size_t mss, size_t *len)
{
	uint8_t *f = malloc(PKT_MAX), options[24];
	struct pkt_tcp t = {.seq = 0xfffefdfc,
	                    .flags = flags,
	                    .window = 64240,
	                    .v6 = v6,
	                    .options_len = layouts[i].len,
	                    .options = options};

	memcpy(options, layouts[i].options, sizeof(options));
	options[layouts[i].before + 2] = (uint8_t)(mss >> 8);
	options[layouts[i].before + 3] = (uint8_t)mss;
	*len = pkt_tcp(f, &ends, &t, "data of a SYN", i % 2 ? 13 : 0);
	return realloc(f, *len);
}

/* @mss becomes @then; @bytes is what is asked for. */
static void assert_mss(size_t mss, size_t then, size_t bytes, bool v6, uint8_t flags)
{
	for (unsigned i = 0; i < ARRAY_SIZE(layouts); i++) {
		size_t len;
		uint8_t *f = syn(i, v6, flags, mss, &len), *wanted = syn(i, v6, flags, then, &len);

		tcp_seg_mss(f, len, MTU, bytes);
		assert_memory_equal(f, wanted, len);
		/* A checksum that was wrong is not made right. */
		free(f);
		f = syn(i, v6, flags, mss, &len);
		f[(v6 ? V6 : V4) - 4] ^= 0x55;
		tcp_seg_mss(f, len, MTU, bytes);
		assert_memory_not_equal(f, wanted, len);
		free(f);
		free(wanted);
	}
}

static void mss_of_the_mtu_and_above_becomes_another(unused void **state)
{
	static const size_t above[] = {0, 1, 7500, 65535 - 1460};

	for (unsigned i = 0; i < ARRAY_SIZE(above); i++) {
		assert_mss(1460 + above[i], LARGE, LARGE, false, TH_SYN);
		assert_mss(1460 + above[i], LARGE, LARGE, false, TH_SYN | TH_ACK);
		assert_mss(1440 + above[i], LARGE, LARGE, true, TH_SYN);
		assert_mss(1460 + above[i], 1460, 0, false, TH_SYN | TH_ACK);
		assert_mss(1440 + above[i], 1440, 0, true, TH_SYN);
	}
}

/* Who forwards for somebody with a smaller MTU says so by this. */
static void smaller_mss_stays(unused void **state)
{
	static const size_t some[] = {0, 1, 536, 1359, 1439};

	for (unsigned i = 0; i < ARRAY_SIZE(some); i++) {
		assert_mss(some[i], some[i], LARGE, false, TH_SYN);
		assert_mss(some[i], some[i], LARGE, true, TH_SYN);
		assert_mss(some[i], some[i], 0, true, TH_SYN | TH_ACK);
	}
	assert_mss(1459, 1459, LARGE, false, TH_SYN);
}

static void mss_of_what_is_no_syn_stays(unused void **state)
{
	assert_mss(1460, 1460, LARGE, false, TH_ACK);
	assert_mss(1460, 1460, LARGE, true, TH_ACK | TH_PUSH | TH_FIN);
	assert_mss(1460, 1460, LARGE, false, 0);
}

/* As @layout 0, but with what a sender has to be wrong to write, or what is none of TCP's. */
static void options_that_are_none_are_left_alone(unused void **state)
{
	static const struct {
		uint8_t options[8];
		size_t len;
	} bad[] = {
		{{0}, 0},
		{{1, 1, 1, 2}, 4},
		{{1, 1, 2, 4}, 4},
		{{1, 2, 4, 0x10}, 4},
		{{2, 3, 0x10, 0x10}, 4},
		{{2, 0, 0x10, 0x10}, 4},
		{{2, 255, 0x10, 0x10}, 4},
		{{2, 6, 0x10, 0x10, 0x10, 0x10, 1, 1}, 8},
		{{0, 2, 4, 0x10, 0x10, 1, 1, 1}, 8},
		{{8, 0, 2, 4, 0x10, 0x10, 1, 1}, 8},
		{{8, 255, 2, 4, 0x10, 0x10, 1, 1}, 8},
		{{8, 7, 1, 1, 1, 1, 1, 2}, 8},
		{{8, 9, 1, 1, 2, 4, 0x10, 0x10}, 8},
	};

	for (unsigned v6 = 0; v6 < 2; v6++) {
		for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
			const struct pkt_tcp t = {.flags = TH_SYN,
			                          .v6 = v6,
			                          .options_len = bad[i].len,
			                          .options = bad[i].options};
			uint8_t *big = malloc(PKT_MAX), *f;
			size_t len = pkt_tcp(big, &ends, &t, NULL, 0);

			f = malloc(len);
			memcpy(f, big, len);
			tcp_seg_mss(f, len, MTU, LARGE);
			assert_memory_equal(f, big, len);
			free(f);
			free(big);
		}
	}
}

static void other_packets_are_left_alone(unused void **state)
{
	static const struct {
		size_t at;
		uint8_t flip;
	} other[] = {
		{13, 0x06}, /* ethertype */
		{14, 0x20}, /* version */
		{14, 0x03}, /* options */
		{20, 0x20}, /* fragments */
		{21, 1},           {23, 6 ^ 17},
		{46, 0x80},        /* length of the TCP header: larger than the packet */
		{46, 0x60 ^ 0x40}, /* and smaller than a header */
	};

	for (unsigned i = 0; i < ARRAY_SIZE(other); i++) {
		size_t len;
		uint8_t *f = syn(0, false, TH_SYN, 1460, &len), *was = malloc(len);

		f[other[i].at] ^= other[i].flip;
		memcpy(was, f, len);
		tcp_seg_mss(f, len, MTU, LARGE);
		assert_memory_equal(f, was, len);
		free(was);
		free(f);
	}
}

/* Cut anywhere, also where its packet says it would end. */
static void short_frames_are_no_segments(unused void **state)
{
	for (unsigned v6 = 0; v6 < 2; v6++) {
		size_t len;
		uint8_t *f = syn(4, v6, TH_SYN, 1460, &len);

		for (size_t n = 0; n < len; n++) {
			uint8_t *cut = malloc(n + 1);
			struct tcp_seg s;

			memcpy(cut, f, n);
			assert_false(tcp_seg_parse(&s, cut, n));
			tcp_seg_mss(cut, n, MTU, LARGE);
			assert_memory_equal(cut, f, n);
			if (n > 19) {
				cut[v6 ? 18 : 16] = 0;
				cut[v6 ? 19 : 17] = (uint8_t)(n - (v6 ? 54 : 14));
				tcp_seg_mss(cut, n, MTU, LARGE);
				assert_false(tcp_seg_parse(&s, cut, n));
			}
			free(cut);
		}
		free(f);
	}
}

/* ---- the ACK that wants an answer */

static void ack_of_a_small_window_becomes_a_probe(unused void **state)
{
	static const struct {
		size_t len;
		uint32_t seq;
		uint16_t window;
		uint8_t flags;
		bool probe;
	} acks[] = {
		{0, 1000, 1440, TH_ACK, true},
		{0, 0, 2920, TH_ACK, true},
		{0, 0x10000, LARGE - 1, TH_ACK, true},
		{0, 1000, 1439, TH_ACK, false},
		{0, 1000, 0, TH_ACK, false},
		{0, 1000, LARGE, TH_ACK, false},
		{1, 1000, 2920, TH_ACK, false},
		{0, 1000, 2920, TH_ACK | TH_FIN, false},
		{0, 1000, 2920, TH_ACK | TH_SYN, false},
		{0, 1000, 2920, TH_ACK | TH_RST, false},
		{0, 1000, 2920, TH_RST, false},
	};

	for (unsigned i = 0; i < 2 * ARRAY_SIZE(acks); i++) {
		struct pkt_tcp t = {.seq = acks[i / 2].seq,
		                    .ack = 5,
		                    .flags = acks[i / 2].flags,
		                    .window = acks[i / 2].window,
		                    .v6 = i % 2};
		uint8_t *f = malloc(PKT_MAX), *wanted = malloc(PKT_MAX);
		size_t len = pkt_tcp(f, &ends, &t, "x", acks[i / 2].len);

		assert_int_equal(tcp_seg_probe(f, len, 1440, LARGE), acks[i / 2].probe);
		t.seq -= acks[i / 2].probe;
		pkt_tcp(wanted, &ends, &t, "x", acks[i / 2].len);
		assert_memory_equal(f, wanted, len);
		assert_false(tcp_seg_probe(f, len - 1, 1440, LARGE));
		free(wanted);
		free(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mss_of_the_mtu_and_above_becomes_another),
		cmocka_unit_test(smaller_mss_stays),
		cmocka_unit_test(mss_of_what_is_no_syn_stays),
		cmocka_unit_test(options_that_are_none_are_left_alone),
		cmocka_unit_test(other_packets_are_left_alone),
		cmocka_unit_test(ack_of_a_small_window_becomes_a_probe),
		cmocka_unit_test(short_frames_are_no_segments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
