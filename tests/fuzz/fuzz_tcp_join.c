/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any two frames, one behind the other: what is joined of them has to be what can be cut into them again.
 *
 * Input: offloads (1 byte), the length of the first frame (2), its bytes, and those of the second. Each in a block of its
 * own, whose ends the address sanitizer guards; the second again and again, going on where it ended, as long as that is taken.
 */
#include <linux/virtio_net.h>
#include <stdint.h>

#include "devices/vnet_hdr.h"
#include "net/net_backend.h"
#include "net/tcp_join.h"
#include "tests/fuzz/input.h"
#include "tests/lib/pkt.h"
#include "vmm/core/compiler.h"
#include "vmm/core/le.h"

#define SEGMENTS_MAX 80u

/* Of the headers: where the checksums are, which nobody looks at. */
#define IP_CHECK  24u
#define TCP_CHECK 16u

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

/* Equal but for checksums. */
static bool same(const struct tcp_join *j, uint8_t *cut, uint8_t *frame, size_t len)
{
	for (unsigned i = 0; i < 2; i++) {
		uint8_t *f = i ? cut : frame;

		memset(f + j->tcp + TCP_CHECK, 0, 2);
		if (j->tcp == 34)
			memset(f + IP_CHECK, 0, 2);
	}
	return memcmp(cut, frame, len) == 0;
}

struct joined {
	struct tcp_join j;
	uint8_t frame[NET_RECV_MAX], cut[PKT_MAX];
	size_t len;
};

/* The frame is one for the device; cut again, its first and its last segment are what they were. */
static void judge(struct joined *w, uint64_t offloads, uint8_t *first, size_t first_len,
                  uint8_t *last, size_t last_len)
{
	struct virtio_net_hdr_v1 hdr, checked;

	tcp_join_end(&w->j, &hdr);
	memcpy(w->frame, w->j.head, w->j.head_len);
	checked = hdr;
	REQUIRE(w->len == w->j.head_len + w->j.payload && w->len <= 14 + 65535);
	REQUIRE(vnet_hdr_check_rx(&checked, (uint32_t)w->len, offloads) == 0);
	REQUIRE(memcmp(&checked, &hdr, sizeof(hdr)) == 0);
	REQUIRE(pkt_tcp_cut(w->cut, w->frame, w->len, get_le16(&hdr.gso_size), 0) == first_len);
	REQUIRE(same(&w->j, w->cut, first, first_len));
	REQUIRE(pkt_tcp_cut(w->cut, w->frame, w->len, get_le16(&hdr.gso_size), w->j.nr - 1) ==
	        last_len);
	REQUIRE(same(&w->j, w->cut, last, last_len));
	REQUIRE(pkt_tcp_cut(w->cut, w->frame, w->len, get_le16(&hdr.gso_size), w->j.nr) == 0);
}

static void join(struct joined *w, uint64_t offloads, uint8_t *first, size_t first_len,
                 uint8_t *next, size_t next_len)
{
	if (!tcp_join_first(&w->j, first, first_len, offloads))
		return;
	REQUIRE(first_len <= sizeof(w->frame));
	memcpy(w->frame, first, first_len);
	w->len = first_len;
	while (w->j.nr < SEGMENTS_MAX && tcp_join_next(&w->j, next, next_len)) {
		const size_t more = next_len - w->j.head_len;

		REQUIRE(w->len + more <= sizeof(w->frame));
		memcpy(w->frame + w->len, next + w->j.head_len, more);
		w->len += more;
		if (w->j.nr == 2)
			judge(w, offloads, first, first_len, next, next_len);
		put_be(next + w->j.tcp + 4, get_be32(first + w->j.tcp + 4) + (uint32_t)w->j.payload,
		       4);
		if (w->j.tcp == 34)
			put_be(next + 18, get_be16(first + 18) + w->j.nr, 2);
		/* tcp_join_end() is for once: the headers as they were. */
		memcpy(w->j.head, first, w->j.head_len);
	}
	REQUIRE(w->len <= 14 + 65535);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint64_t some[] = {
		FEATURE(VIRTIO_NET_F_GUEST_CSUM) | FEATURE(VIRTIO_NET_F_GUEST_TSO4) |
			FEATURE(VIRTIO_NET_F_GUEST_TSO6),
		FEATURE(VIRTIO_NET_F_GUEST_CSUM) | FEATURE(VIRTIO_NET_F_GUEST_TSO4),
		FEATURE(VIRTIO_NET_F_GUEST_CSUM) | FEATURE(VIRTIO_NET_F_GUEST_TSO6),
		FEATURE(VIRTIO_NET_F_GUEST_TSO4),
	};
	static struct joined w;
	struct input in = {data, size};
	const uint64_t offloads = some[take(&in, 1) % ARRAY_SIZE(some)];
	size_t len = take(&in, 2);
	uint8_t *first, *next;

	if (len > in.left)
		len = in.left;
	first = block(in.p, len);
	next = block(in.p + len, in.left - len);
	join(&w, offloads, first, len, next, in.left - len);
	free(next);
	free(first);
	return 0;
}
