/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "net/tcp_join.h"
#include "tests/lib/pkt.h"
#include "vmm/core/compiler.h"

#define SIZE    1460u
#define V4_HEAD 54u
#define V6_HEAD 74u

#define MTU     1500u
#define MTU_ANY 65535u /* whatever comes is one segment */

static const struct pkt_ends ends = {
	.src_mac = {2, 1, 1, 1, 1, 1},
	.dst_mac = {2, 2, 2, 2, 2, 2},
	.src = 0x0a000202,
	.dst = 0x0a00020f,
	.sport = 80,
	.dport = 40000,
};
/* Nothing, nothing, and a timestamp. */
static const uint8_t options[12] = {1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2};

struct fixture {
	uint8_t *data, *whole, *joined;
	uint8_t *seg[2]; /* the first and the second of the frame that was made last */
	size_t len;      /* of whole */
	size_t seg_len[2];
	struct tcp_join j;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->data = calloc(1, PKT_MAX);
	f->whole = calloc(1, PKT_MAX);
	f->joined = calloc(1, PKT_MAX);
	f->seg[0] = calloc(1, PKT_MAX);
	f->seg[1] = calloc(1, PKT_MAX);
	for (size_t i = 0; i < PKT_MAX; i++)
		f->data[i] = (uint8_t)(i * 7 + i / 251);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	free(f->seg[1]);
	free(f->seg[0]);
	free(f->joined);
	free(f->whole);
	free(f->data);
	free(f);
	return 0;
}

/* As one that a driver with GUEST_TSO takes, with @len bytes of payload. */
static void make(struct fixture *f, const struct pkt_tcp *t, size_t len, uint16_t gso_size)
{
	struct pkt_tcp as = *t;

	as.partial = true;
	as.flags |= TH_ACK;
	as.window = 8760;
	as.ack = 77;
	f->len = pkt_tcp(f->whole, &ends, &as, f->data, len);
	for (unsigned i = 0; i < 2; i++)
		f->seg_len[i] = pkt_tcp_cut(f->seg[i], f->whole, f->len, gso_size, i);
}

static void make_two(struct fixture *f, bool v6)
{
	const struct pkt_tcp t = {.seq = 1000, .id = 5, .v6 = v6};

	make(f, &t, 2 * SIZE, SIZE);
}

static bool first(struct fixture *f)
{
	return tcp_join_first(&f->j, f->seg[0], f->seg_len[0], MTU_ANY, MTU_ANY);
}

static bool second(struct fixture *f)
{
	return tcp_join_next(&f->j, f->seg[1], f->seg_len[1]);
}

static bool both(struct fixture *f)
{
	return first(f) && second(f);
}

static void put16(uint8_t *p, size_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* ---- what comes of it */

/* All segments of f->whole, joined. Bytes of the frame in f->joined. */
static size_t join_all(struct fixture *f, uint16_t gso_size, struct virtio_net_hdr_v1 *hdr)
{
	uint8_t *seg = f->seg[1];
	size_t at = 0, len;

	for (unsigned i = 0; (len = pkt_tcp_cut(seg, f->whole, f->len, gso_size, i)); i++) {
		size_t from = 0;

		if (i == 0) {
			assert_true(tcp_join_first(&f->j, seg, len, MTU_ANY, MTU_ANY));
		} else {
			assert_true(tcp_join_next(&f->j, seg, len));
			from = f->j.seg.head_len;
		}
		memcpy(f->joined + at, seg + from, len - from);
		at += len - from;
		assert_int_equal(tcp_join_segments(&f->j), i + 1);
	}
	tcp_join_end(&f->j, hdr);
	memcpy(f->joined, f->j.head, f->j.seg.head_len);
	return at;
}

static void assert_joins(struct fixture *f, const struct pkt_tcp *t, size_t len, uint16_t size)
{
	const size_t head = (t->v6 ? V6_HEAD : V4_HEAD) + t->options_len;
	struct virtio_net_hdr_v1 hdr;
	size_t n;

	make(f, t, len, size);
	assert_int_equal(join_all(f, size, &hdr), f->len);
	assert_memory_equal(f->joined, f->whole, f->len);
	assert_int_equal(hdr.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	assert_int_equal(hdr.gso_type, t->v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4);
	assert_int_equal(hdr.gso_size, size);
	assert_int_equal(hdr.hdr_len, head);
	assert_int_equal(hdr.csum_start, t->v6 ? 54 : 34);
	assert_int_equal(hdr.csum_offset, 16);
	assert_int_equal(hdr.num_buffers, 0);
	/* And cut once more, they are what was joined. */
	for (unsigned i = 0; (n = pkt_tcp_cut(f->seg[0], f->whole, f->len, size, i)); i++) {
		assert_int_equal(pkt_tcp_cut(f->seg[1], f->joined, f->len, size, i), n);
		assert_memory_equal(f->seg[0], f->seg[1], n);
	}
}

static void joined_frame_cut_again_is_the_segments_byte_by_byte(void **state)
{
	static const uint16_t sizes[] = {1, 2, 535, 1448, SIZE, 8960, 30000};
	struct fixture *f = *state;

	for (unsigned kind = 0; kind < 8; kind++) {
		const struct pkt_tcp t = {
			.v6 = kind & 1,
			.options_len = kind & 2 ? sizeof(options) : 0,
			.options = options,
			.flags = kind & 4 ? TH_PUSH : 0,
			.seq = UINT32_MAX - 1000, /* both wrap round */
			.id = 0xfffe,
		};

		for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
			assert_joins(f, &t, 2 * sizes[i], sizes[i]);
			if (sizes[i] > 1)
				assert_joins(f, &t, sizes[i] + 1u, sizes[i]);
			assert_joins(f, &t, 65000, sizes[i]);
		}
	}
}

static void dont_fragment_and_type_of_service_stay(void **state)
{
	struct fixture *f = *state;
	struct virtio_net_hdr_v1 hdr;

	make_two(f, false);
	for (unsigned i = 0; i < 2; i++) {
		f->seg[i][15] = 0x10;
		f->seg[i][20] = 0x40;
	}
	assert_true(both(f));
	tcp_join_end(&f->j, &hdr);
	assert_int_equal(f->j.head[15], 0x10);
	assert_int_equal(f->j.head[20], 0x40);
}

/* ---- what does not */

struct change {
	const char *what;
	size_t at;    /* byte of the frame */
	uint8_t flip; /* bits of it */
};

/* In the second segment alone. */
static const struct change differs4[] = {
	{"destination's MAC", 0, 1},
	{"source's MAC", 11, 1},
	{"ethertype", 13, 0x06},
	{"version", 14, 0x20},
	{"IP options", 14, 0x03},
	{"type of service", 15, 0x10},
	{"ECN", 15, 1},
	{"length of the packet", 17, 1},
	{"reserved bit of IP", 20, 0x80},
	{"don't fragment", 20, 0x40},
	{"more fragments", 20, 0x20},
	{"fragment offset", 21, 1},
	{"time to live", 22, 1},
	{"protocol", 23, 6 ^ 17},
	{"source", 29, 1},
	{"destination", 30, 1},
	{"source port", 35, 1},
	{"destination port", 36, 1},
	{"sequence number, one too far", 41, (1000 + SIZE) % 256 ^ ((1000 + SIZE + 1) % 256)},
	{"sequence number, high", 38, 0x80},
	{"ACK number", 45, 1},
	{"length of the TCP header", 46, 0x10},
	{"length of the TCP header, too short", 46, 0x10 | 0x40},
	{"reserved bits of TCP", 46, 1},
	{"FIN", 47, TH_FIN},
	{"SYN", 47, TH_SYN},
	{"RST", 47, TH_RST},
	{"no ACK", 47, TH_ACK},
	{"URG", 47, TH_URG},
	{"ECE", 47, 0x40},
	{"CWR", 47, 0x80},
	{"window", 49, 1},
	{"urgent pointer", 53, 1},
};
static const struct change differs6[] = {
	{"version", 14, 0x20},
	{"traffic class", 15, 0x10},
	{"flow label", 17, 1},
	{"length of the packet", 19, 1},
	{"extension header", 20, 6},
	{"hop limit", 21, 1},
	{"source", 22, 1},
	{"destination", 53, 1},
	{"source port", 55, 1},
	{"sequence number", 61, 1},
	{"ACK number", 65, 1},
	{"FIN", 67, TH_FIN},
	{"length of TCP", 66, 0x10},
	{"window", 69, 1},
	{"urgent pointer", 73, 0x80},
};
/* Also when it is in both: there is no frame that could be cut so. */
static const struct change never4[] = {
	{"reserved bit of IP", 20, 0x80},
	{"more fragments", 20, 0x20},
	{"fragment offset", 21, 1},
	{"IP options", 14, 0x03},
	{"version", 14, 0x20},
	{"protocol", 23, 6 ^ 17},
	{"ethertype", 12, 0x89},
	{"length of the packet", 17, 1},
	{"reserved bits of TCP", 46, 1},
	{"TCP header too short", 46, 0x10 | 0x40},
	{"FIN", 47, TH_FIN},
	{"SYN", 47, TH_SYN},
	{"RST", 47, TH_RST},
	{"URG", 47, TH_URG},
	{"no ACK", 47, TH_ACK},
	{"ECE", 47, 0x40},
	{"CWR", 47, 0x80},
};
static const struct change never6[] = {
	{"version", 14, 0x20},
	{"extension header", 20, 6},
	{"length of the packet", 19, 1},
	{"FIN", 67, TH_FIN},
};

static void change(struct fixture *f, unsigned i, const struct change *c)
{
	f->seg[i][c->at] ^= c->flip;
}

static void assert_apart(struct fixture *f, bool v6, const struct change *c, bool in_both)
{
	make_two(f, v6);
	assert_true(both(f)); /* it would */
	make_two(f, v6);
	change(f, 1, c);
	if (in_both)
		change(f, 0, c);
	if (first(f) == in_both || (!in_both && second(f)))
		fail_msg("IPv%c: joined with another %s", v6 ? '6' : '4', c->what);
	if (!in_both)
		assert_int_equal(tcp_join_segments(&f->j), 1);
}

static void any_other_header_keeps_segments_apart(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(differs4); i++)
		assert_apart(f, false, &differs4[i], false);
	for (unsigned i = 0; i < ARRAY_SIZE(differs6); i++)
		assert_apart(f, true, &differs6[i], false);
}

static void what_is_not_plain_data_is_not_begun_with(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(never4); i++)
		assert_apart(f, false, &never4[i], true);
	for (unsigned i = 0; i < ARRAY_SIZE(never6); i++)
		assert_apart(f, true, &never6[i], true);
}

static void other_tcp_options_keep_segments_apart(void **state)
{
	struct fixture *f = *state;
	const struct pkt_tcp t = {.options = options, .options_len = sizeof(options)};

	for (size_t i = 0; i < sizeof(options); i++) {
		make(f, &t, 2 * SIZE, SIZE);
		f->seg[1][V4_HEAD + i] ^= 1;
		assert_true(first(f));
		assert_false(second(f));
	}
}

static void ipv4_and_ipv6_do_not_mix(void **state)
{
	struct fixture *f = *state;
	uint8_t *v4;
	size_t len;

	make_two(f, false);
	assert_true(first(f));
	v4 = f->seg[0];
	f->seg[0] = calloc(1, PKT_MAX);
	make_two(f, true);
	assert_false(second(f));
	/* And the other way round, of the same length. */
	assert_true(first(f));
	len = f->seg_len[0];
	make_two(f, false);
	assert_false(tcp_join_next(&f->j, f->seg[1], len));
	free(v4);
}

/* The second segment with @len bytes of payload. */
static void resize(struct fixture *f, unsigned i, size_t len)
{
	put16(f->seg[i] + 16, V4_HEAD - 14 + len);
	f->seg_len[i] = V4_HEAD + len;
}

static void only_the_last_segment_is_shorter_and_none_is_longer(void **state)
{
	struct fixture *f = *state;

	make_two(f, false);
	resize(f, 1, SIZE + 1);
	assert_true(first(f));
	assert_false(second(f));
	resize(f, 1, SIZE - 1);
	assert_true(second(f));
	assert_int_equal(f->j.seg.payload, 2 * SIZE - 1);
	/* One behind that, as long as the first or as short as the last. */
	for (unsigned i = 0; i < 2; i++) {
		put16(f->seg[1] + 18, 7);
		put16(f->seg[1] + 40, 1000 + 2 * SIZE - 1);
		resize(f, 1, SIZE - i);
		assert_false(second(f));
	}
}

static void segment_without_payload_is_none(void **state)
{
	struct fixture *f = *state;

	make_two(f, false);
	resize(f, 1, 0);
	assert_true(first(f));
	assert_false(second(f));
	resize(f, 0, 0);
	assert_false(first(f));
}

static void nothing_follows_psh(void **state)
{
	struct fixture *f = *state;

	make_two(f, false);
	f->seg[0][47] |= TH_PUSH;
	assert_true(first(f));
	assert_false(second(f));
	make_two(f, false);
	f->seg[1][47] |= TH_PUSH;
	assert_true(both(f));
	put16(f->seg[1] + 18, 7);
	put16(f->seg[1] + 40, 1000 + 2 * SIZE);
	f->seg[1][47] = TH_ACK;
	assert_false(second(f));
}

static void no_packet_is_larger_than_65535_bytes(void **state)
{
	struct fixture *f = *state;

	for (unsigned v6 = 0; v6 < 2; v6++) {
		const struct pkt_tcp t = {.v6 = v6};
		const size_t max = 65535 - (v6 ? V6_HEAD : V4_HEAD) + 14;

		make(f, &t, max, (uint16_t)(max - 1000));
		assert_true(both(f));
		assert_int_equal(f->j.seg.head_len + f->j.seg.payload, 14 + 65535);
		/* Longer than any frame can be that IPv4 would call so long. */
		f->len = pkt_tcp(f->whole, &ends, &(struct pkt_tcp){.v6 = v6, .flags = TH_ACK},
		                 f->data, max - 1000);
		memcpy(f->seg[0], f->whole, f->len);
		f->seg_len[0] = f->len;
		assert_true(first(f));
		f->seg_len[1] = pkt_tcp(
			f->seg[1], &ends,
			&(struct pkt_tcp){
				.v6 = v6, .flags = TH_ACK, .id = 1, .seq = (uint32_t)max - 1000},
			f->data, 1001);
		assert_false(second(f));
		f->seg_len[1] = pkt_tcp(
			f->seg[1], &ends,
			&(struct pkt_tcp){
				.v6 = v6, .flags = TH_ACK, .id = 1, .seq = (uint32_t)max - 1000},
			f->data, 1000);
		assert_true(second(f));
	}
}

static void driver_that_does_not_take_it_gets_segments(void **state)
{
	struct fixture *f = *state;
	const uint64_t csum = FEATURE(VIRTIO_NET_F_GUEST_CSUM);
	const uint64_t tso4 = FEATURE(VIRTIO_NET_F_GUEST_TSO4);
	const uint64_t tso6 = FEATURE(VIRTIO_NET_F_GUEST_TSO6);

	for (unsigned v6 = 0; v6 < 2; v6++) {
		const uint64_t its = v6 ? tso6 : tso4, other = v6 ? tso4 : tso6;

		make_two(f, v6);
		assert_true(tcp_join_taken(f->seg[0], csum | its));
		assert_false(tcp_join_taken(f->seg[0], csum | other));
		assert_false(tcp_join_taken(f->seg[0], csum));
		assert_false(tcp_join_taken(f->seg[0], its));
		assert_false(tcp_join_taken(f->seg[0], 0));
	}
}

/* @len bytes of payload, of the stream from @from on. */
static size_t make_part(struct fixture *f, uint8_t *out, bool v6, size_t from, size_t len)
{
	const struct pkt_tcp t = {
		.v6 = v6, .flags = TH_ACK, .seq = 1000 + (uint32_t)from, .window = 8760};

	return pkt_tcp(out, &ends, &t, f->data + from, len);
}

/* Some of 11 segments in a packet, then less, as they come when libslirp is told of a large MTU. */
static void what_is_larger_than_the_mtu_is_cut_by_it(void **state)
{
	struct fixture *f = *state;

	for (unsigned v6 = 0; v6 < 2; v6++) {
		const size_t head = v6 ? V6_HEAD : V4_HEAD, size = MTU - 60;
		const size_t parts[] = {11 * size, 11 * size, size, 3 * size + 1};
		struct virtio_net_hdr_v1 hdr;
		size_t at = 0;

		for (unsigned i = 0; i < ARRAY_SIZE(parts); i++) {
			const size_t len = make_part(f, f->joined, v6, at, parts[i]);

			assert_true(i ? tcp_join_next(&f->j, f->joined, len)
			              : tcp_join_first(&f->j, f->joined, len, MTU, size));
			at += parts[i];
			assert_int_equal(tcp_join_segments(&f->j), (at + size - 1) / size);
		}
		f->len = make_part(f, f->whole, v6, 0, at);
		tcp_join_end(&f->j, &hdr);
		assert_int_equal(f->j.seg.head_len, head);
		assert_int_equal(hdr.gso_size, size);
		/* The headers of the whole, but for the checksum that is the driver's. */
		memset(f->whole + head - 4, 0, 2);
		memset(f->j.head + head - 4, 0, 2);
		assert_memory_equal(f->j.head, f->whole, head);
		/* Nothing follows what is not a multiple, also when the first one is that. */
		f->len = make_part(f, f->whole, v6, at, size);
		assert_false(tcp_join_next(&f->j, f->whole, f->len));
		f->len = make_part(f, f->whole, v6, 0, 2 * size + 1);
		assert_true(tcp_join_first(&f->j, f->whole, f->len, MTU, size));
		f->len = make_part(f, f->whole, v6, 2 * size + 1, size);
		assert_false(tcp_join_next(&f->j, f->whole, f->len));
		/* A large one behind one that is smaller than it could be: that is its sender's MTU. */
		f->len = make_part(f, f->whole, v6, 0, size - 1);
		assert_true(tcp_join_first(&f->j, f->whole, f->len, MTU, size));
		f->len = make_part(f, f->whole, v6, size - 1, size);
		assert_false(tcp_join_next(&f->j, f->whole, f->len));
		f->len = make_part(f, f->whole, v6, size - 1, size - 1);
		assert_true(tcp_join_next(&f->j, f->whole, f->len));
		/* One that fits is a segment as it is; what is larger than that does not follow. */
		f->len = make_part(f, f->whole, v6, 0, MTU + 14 - head);
		assert_true(tcp_join_first(&f->j, f->whole, f->len, MTU, size));
		assert_int_equal(f->j.size, MTU + 14 - head);
		f->len = make_part(f, f->whole, v6, MTU + 14 - head, 11 * size);
		assert_int_equal(tcp_join_next(&f->j, f->whole, f->len), v6);
		f->len = make_part(f, f->whole, v6, MTU + 14 - head, MTU + 14 - head);
		assert_int_equal(tcp_join_next(&f->j, f->whole, f->len), !v6);
		/* No room for a byte of payload. */
		assert_false(tcp_join_first(&f->j, f->whole, f->len, head - 14, size));
		assert_true(tcp_join_first(&f->j, f->whole, f->len, head - 13, size));
	}
}

/* Each in a block of its own length, whose end a sanitizer guards. */
static void short_frames_are_no_segments(void **state)
{
	struct fixture *f = *state;

	for (unsigned v6 = 0; v6 < 2; v6++) {
		for (size_t len = 0; len < TCP_SEG_LOOK; len++) {
			uint8_t *cut;

			make_two(f, v6);
			assert_true(first(f));
			cut = malloc(len + 1);
			memcpy(cut, f->seg[0], len);
			if (len > 19) /* ... which its packet claims to have */
				put16(cut + (v6 ? 18 : 16), len - (v6 && len > 54 ? 54 : 14));
			assert_int_equal(tcp_join_first(&f->j, cut, len, MTU_ANY, MTU_ANY),
			                 len > (v6 ? V6_HEAD : V4_HEAD));
			free(cut);
		}
	}
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(joined_frame_cut_again_is_the_segments_byte_by_byte),
		CASE(dont_fragment_and_type_of_service_stay),
		CASE(any_other_header_keeps_segments_apart),
		CASE(what_is_not_plain_data_is_not_begun_with),
		CASE(other_tcp_options_keep_segments_apart),
		CASE(ipv4_and_ipv6_do_not_mix),
		CASE(only_the_last_segment_is_shorter_and_none_is_longer),
		CASE(segment_without_payload_is_none),
		CASE(nothing_follows_psh),
		CASE(no_packet_is_larger_than_65535_bytes),
		CASE(driver_that_does_not_take_it_gets_segments),
		CASE(what_is_larger_than_the_mtu_is_cut_by_it),
		CASE(short_frames_are_no_segments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
