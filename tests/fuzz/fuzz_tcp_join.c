/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any two frames, one behind the other: what is joined of them has to be what can be cut into them again; and each alone, cut
 * because it is larger than the MTU.
 *
 * Input: which MTU (1 byte), the length of the first frame (2), its bytes, and those of the second. Each in a block of its
 * own, whose ends the address sanitizer guards; the second again and again, going on where it ended, as long as that is taken.
 */
#include <linux/virtio_net.h>
#include <stdint.h>

#include "devices/vnet_hdr.h"
#include "net/ip_cut.h"
#include "net/net_backend.h"
#include "net/tcp_join.h"
#include "tests/fuzz/input.h"
#include "tests/lib/pkt.h"
#include "vmm/core/compiler.h"
#include "vmm/core/le.h"

#define FRAMES_MAX 80u

/* Of IPv4's header: what counts packets, and the checksum over it. */
#define IP_ID    18u
#define IP_CHECK 24u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t *block(const uint8_t *data, size_t len)
{
	uint8_t *b = malloc(len ? len : 1);

	REQUIRE(b);
	memcpy(b, data, len);
	return b;
}

static void put_be(uint8_t *p, uint32_t v, unsigned bytes)
{
	for (; bytes; v >>= 8)
		p[--bytes] = (uint8_t)v;
}

struct joined {
	struct tcp_join j;
	uint8_t frame[NET_RECV_MAX], cut[PKT_MAX], part[PKT_MAX];
	size_t len;
};

/* Segment @i of the joined frame is segment @k of @frame, but for IPv4's id. */
static void same(struct joined *w, uint16_t size, unsigned i, const uint8_t *frame, size_t len,
                 unsigned k)
{
	const size_t n = pkt_tcp_cut(w->cut, w->frame, w->len, size, i);

	REQUIRE(pkt_tcp_cut(w->part, frame, len, size, k) == n);
	if (!w->j.seg.v6) {
		memset(w->cut + IP_ID, 0, 2);
		memset(w->part + IP_ID, 0, 2);
		memset(w->cut + IP_CHECK, 0, 2);
		memset(w->part + IP_CHECK, 0, 2);
	}
	REQUIRE(memcmp(w->cut, w->part, n) == 0);
}

/* The frame is one for the device; cut again, its segments are those of the first and the last frame. */
static void judge(struct joined *w, const uint8_t *first, size_t first_len, const uint8_t *last,
                  size_t last_len)
{
	const uint64_t offloads = FEATURE(VIRTIO_NET_F_GUEST_CSUM) |
	                          FEATURE(VIRTIO_NET_F_GUEST_TSO4) |
	                          FEATURE(VIRTIO_NET_F_GUEST_TSO6);
	const unsigned nr = tcp_join_segments(&w->j);
	struct virtio_net_hdr_v1 hdr, checked;
	size_t ends;

	tcp_join_end(&w->j, &hdr);
	memcpy(w->frame, w->j.head, w->j.seg.head_len);
	checked = hdr;
	REQUIRE(w->len == w->j.seg.head_len + w->j.seg.payload && w->len <= 14 + 65535);
	REQUIRE(vnet_hdr_check_rx(&checked, (uint32_t)w->len, offloads) == 0);
	REQUIRE(memcmp(&checked, &hdr, sizeof(hdr)) == 0);
	REQUIRE(get_le16(&hdr.gso_size) == w->j.size);
	same(w, get_le16(&hdr.gso_size), 0, first, first_len, 0);
	ends = last_len - w->j.seg.head_len;
	same(w, get_le16(&hdr.gso_size), nr - 1, last, last_len,
	     (unsigned)((ends - 1) / w->j.size));
	REQUIRE(pkt_tcp_cut(w->cut, w->frame, w->len, get_le16(&hdr.gso_size), nr) == 0);
}

static void join(struct joined *w, size_t mtu, uint8_t *first, size_t first_len, uint8_t *next,
                 size_t next_len)
{
	if (!tcp_join_first(&w->j, first, first_len, mtu, mtu - 60))
		return;
	REQUIRE(first_len <= sizeof(w->frame));
	memcpy(w->frame, first, first_len);
	w->len = first_len;
	for (unsigned i = 0; i < FRAMES_MAX && tcp_join_next(&w->j, next, next_len); i++) {
		const size_t more = next_len - w->j.seg.head_len;

		REQUIRE(w->len + more <= sizeof(w->frame));
		memcpy(w->frame + w->len, next + w->j.seg.head_len, more);
		w->len += more;
		if (i == 0)
			judge(w, first, first_len, next, next_len);
		put_be(next + w->j.seg.tcp + 4,
		       get_be32(first + w->j.seg.tcp + 4) + (uint32_t)w->j.seg.payload, 4);
		/* tcp_join_end() is for once: the headers as they were. */
		memcpy(w->j.head, first, w->j.seg.head_len);
	}
	REQUIRE(w->len <= 14 + 65535);
}

/* Each piece is one, and of their bytes none is missing. */
static void cut(const uint8_t *frame, size_t len, size_t mtu)
{
	struct ip_cut c;
	size_t from = 0, part;

	if (len <= 14 + mtu || !ip_cut_begin(&c, frame, len, mtu, mtu - 60))
		return;
	REQUIRE(c.payload && c.head_len <= sizeof(c.head) && c.head_len + c.payload <= len);
	for (; from < c.payload; from += part) {
		part = ip_cut_piece(&c, from);
		REQUIRE(part && part <= c.payload - from && c.head_len + part <= 14 + mtu);
		REQUIRE(!c.csum_start || c.csum_start + c.csum_offset + 2 <= c.head_len);
	}
	REQUIRE(from == c.payload);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t some[] = {1500, 65535, 576, 68};
	static struct joined w;
	struct input in = {data, size};
	const size_t mtu = some[take(&in, 1) % ARRAY_SIZE(some)];
	size_t len = take(&in, 2);
	uint8_t *first, *next;

	if (len > in.left)
		len = in.left;
	first = block(in.p, len);
	next = block(in.p + len, in.left - len);
	cut(first, len, mtu);
	cut(next, in.left - len, mtu);
	join(&w, mtu, first, len, next, in.left - len);
	free(next);
	free(first);
	return 0;
}
