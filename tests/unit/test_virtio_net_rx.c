/* SPDX-License-Identifier: Apache-2.0 */
/* Frames into the guest: where their bytes land, and what happens when there is no place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <limits.h>
#include <linux/virtio_mmio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/virtio.h"
#include "tests/lib/vnet_rig.h"
#include "vmm/core/le.h"

#define F       VRIG_F
#define NO_MRG  (VRIG_ALL & ~F(MRG_RXBUF))
#define MAX_BUF 1024u

static struct vrig rig;
static uint8_t frame[NET_RECV_MAX], got[NET_RECV_MAX + KIB(64)];

/* One posted chain: where its bytes are. */
struct posted {
	struct fake_buf buf[MAX_BUF];
	unsigned nr;
	uint32_t len;
};

static struct posted *by_head[VQ_NUM_MAX];
static bool reused; /* a frame that was not delivered may have left bytes in a chain */

static int setup(void **state)
{
	reused = false;
	*state = &rig;
	vrig_create(&rig, (struct vrig_options){.mem_bytes = MIB(8)});
	return 0;
}

static void forget_posted(void)
{
	for (unsigned i = 0; i < VQ_NUM_MAX; i++) {
		free(by_head[i]);
		by_head[i] = NULL;
	}
}

static int teardown(void **state)
{
	vrig_destroy(*state);
	forget_posted();
	return 0;
}

static void use_ring_of(uint32_t entries)
{
	vrig_destroy(&rig);
	vrig_create(&rig, (struct vrig_options){.vq_size = entries, .mem_bytes = MIB(8)});
}

static const struct virtio_net_stats *stats(void)
{
	return virtio_net_stats(rig.n);
}

/* Post @total bytes, the first piece @first long, the others @then; in a table from piece @direct on (-1: none). */
static bool post_cut(uint32_t total, uint32_t first, uint32_t then, int direct)
{
	struct posted *p = calloc(1, sizeof(*p));
	struct fake_buf whole = fake_in(&rig.m, total);
	int head;

	assert_non_null(p);
	for (uint32_t at = 0, len = first; at < total; at += len, len = then) {
		if (len > total - at)
			len = total - at;
		assert_true(p->nr < MAX_BUF);
		p->buf[p->nr++] = fake_part(whole, at, len);
	}
	p->len = total;
	head = direct < 0 ? fake_vq_add(&rig.vq[NET_RX], p->buf, p->nr)
	                  : fake_vq_add_table(&rig.vq[NET_RX], p->buf, p->nr, (unsigned)direct);
	if (head < 0) {
		free(p);
		return false;
	}
	assert_null(by_head[head]);
	by_head[head] = p;
	return true;
}

static void post(uint32_t total)
{
	assert_true(post_cut(total, total, 0, -1));
}

static void go(void)
{
	vrig_go(&rig, NET_RX);
}

/* The outside sends a frame of @len bytes made of @seed. */
static void arrive(uint32_t len, unsigned seed)
{
	vrig_frame(frame, len, vrig_mac, seed);
	fake_net_queue(rig.net, NULL, frame, len);
	fake_net_can_recv(rig.net);
	vrig_pump(&rig);
}

/* Bytes of chain @p, all of it, appended at got[at]. */
static void collect(const struct posted *p, uint32_t at)
{
	for (unsigned i = 0; i < p->nr; i++) {
		memcpy(got + at, fake_at(&rig.m, p->buf[i].addr, p->buf[i].len), p->buf[i].len);
		at += p->buf[i].len;
	}
}

/*
 * Take one frame the way a driver does. Its length with header, 0 when none is there. What the
 * standard says about counts and lengths is asserted; got[] holds the bytes.
 */
static uint32_t take(void)
{
	unsigned head, chains = 1;
	uint32_t used, sum = 0;

	for (unsigned i = 0; i < chains; i++) {
		struct posted *p;

		if (!fake_vq_reap(&rig.vq[NET_RX], &head, &used)) {
			assert_int_equal(i, 0); /* all chains of a frame appear as one */
			return 0;
		}
		p = by_head[head];
		by_head[head] = NULL;
		assert_non_null(p);
		assert_true(used <= p->len);
		collect(p, sum);
		if (i == 0)
			chains = get_le16(&((struct virtio_net_hdr_v1 *)(void *)got)->num_buffers);
		if (i + 1 < chains)
			assert_int_equal(used, p->len); /* all but the last are full */
		for (uint32_t at = used; at < p->len && !reused; at++)
			assert_int_equal(got[sum + at], 0xa5);
		sum += used;
		free(p);
	}
	return sum;
}

/* The next frame is @len bytes made of @seed, in @chains chains. */
static void assert_frame(uint32_t len, unsigned seed, unsigned chains)
{
	struct virtio_net_hdr_v1 want = {.num_buffers = htole16(u16_of(chains))};

	vrig_frame(frame, len, vrig_mac, seed);
	assert_int_equal(take(), NET_HDR_LEN + len);
	assert_memory_equal(got, &want, sizeof(want));
	assert_memory_equal(got + NET_HDR_LEN, frame, len);
}

static bool needs_reset(void)
{
	return fake_status(&rig.dev) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

/* ---- where the bytes land */

static void a_frame_lands_in_guest_memory_by_one_recv_without_a_copy(unused void **state)
{
	vrig_up(&rig, VRIG_ALL);
	post(2048);
	go();
	arrive(1514, 1);
	assert_frame(1514, 1, 1);
	assert_int_equal(stats()->rx_frames, 1);
	assert_int_equal(stats()->rx_bytes, NET_HDR_LEN + 1514);
	assert_int_equal(stats()->rx_bytes_copied, 0);
	assert_int_equal(stats()->rx_chains, 1);
}

static void num_buffers_is_one_without_mrg_rxbuf(unused void **state)
{
	vrig_up(&rig, NO_MRG);
	post(2048);
	post(2048);
	go();
	arrive(60, 1);
	arrive(1514, 2);
	assert_frame(60, 1, 1);
	assert_frame(1514, 2, 1);
}

static void the_header_may_lie_anywhere_and_in_any_pieces(unused void **state)
{
	static const uint64_t accept[] = {VRIG_ALL, NO_MRG};

	for (unsigned a = 0; a < ARRAY_SIZE(accept); a++) {
		vrig_up(&rig, accept[a]);
		for (uint32_t first = 1; first <= 40; first++) {
			for (int direct = -1; direct < 3; direct++) {
				assert_true(post_cut(200, first, 57, direct));
				assert_true(post_cut(150, first, 1, -1));
				go();
				arrive(100, first);
				assert_frame(100, first, 1);
				arrive(90, first);
				assert_frame(90, first, 1);
				vrig_forget(&rig);
			}
		}
	}
	assert_int_equal(stats()->rx_bytes_copied, 0);
}

static void frames_of_every_size_arrive_as_they_are_in_one_chain(unused void **state)
{
	vrig_up(&rig, NO_MRG);
	for (uint32_t len = 14; len <= VNET_FRAME_MAX; len += len < 1600 ? 1 : 997) {
		assert_true(post_cut(NET_HDR_LEN + VNET_FRAME_MAX, 1 + len % 31, 500 + len % 4096,
		                     len % 3 ? -1 : 0));
		go();
		arrive(len, len);
		assert_frame(len, len, 1);
		vrig_forget(&rig);
	}
	assert_int_equal(stats()->rx_dropped | stats()->rx_bytes_copied, 0);
}

static void frames_of_every_size_are_spread_over_odd_chains(unused void **state)
{
	static const uint64_t accept[] = {VRIG_ALL, VRIG_ALL & ~NET_GUEST_OFFLOADS,
	                                  VRIG_ALL & ~FEATURE(VIRTIO_RING_F_EVENT_IDX)};
	unsigned seed = 0;

	use_ring_of(VQ_NUM_MAX);
	for (unsigned a = 0; a < ARRAY_SIZE(accept); a++) {
		vrig_up(&rig, accept[a]);
		for (uint32_t len = 14; len <= VNET_FRAME_MAX; len += len < 300 ? 7 : 1999) {
			unsigned before = fake_vq_nr_used(&rig.vq[NET_RX]);

			assert_int_equal(before, 0);
			/* Between 12 bytes and some thousands, three pieces or so each. */
			for (uint32_t sum = 0; sum < len + 100; seed++) {
				uint32_t size = 12 + seed * 7919 % (len < 2000 ? 60 : 3000);

				assert_true(post_cut(size, 1 + seed % 20, 1 + size / 2,
				                     seed % 5 ? -1 : 1));
				sum += size;
			}
			go();
			arrive(len, len);
			assert_int_equal(take(), NET_HDR_LEN + len);
			vrig_frame(frame, len, vrig_mac, len);
			assert_memory_equal(got + NET_HDR_LEN, frame, len);
			/* Start over: what is left in the window would shift the next layout. */
			vrig_up(&rig, accept[a]);
			forget_posted();
		}
	}
	assert_int_equal(stats()->rx_dropped, 0);
}

static void a_stream_of_frames_uses_every_byte_of_small_chains(unused void **state)
{
	vrig_up(&rig, VRIG_ALL);
	for (unsigned i = 0; i < 1500; i++) {
		uint32_t len = 60 + i % 400;

		while (post_cut(64, 30, 34, -1))
			;
		go();
		arrive(len, i);
		assert_int_equal(take(), NET_HDR_LEN + len);
		assert_memory_equal(got + NET_HDR_LEN, frame, len);
	}
	assert_int_equal(stats()->rx_frames, 1500);
	assert_int_equal(stats()->rx_dropped, 0);
}

static void readable_pieces_of_a_receive_buffer_are_left_alone(unused void **state)
{
	struct posted *p = calloc(1, sizeof(*p));
	int head;

	vrig_up(&rig, VRIG_ALL);
	memset(frame, 0x11, 100);
	p->buf[0] = fake_out(&rig.m, frame, 100);
	p->buf[1] = fake_in(&rig.m, 500);
	head = fake_vq_add(&rig.vq[NET_RX], p->buf, 2);
	p->buf[2] = p->buf[0];
	p->buf[0] = p->buf[1];
	p->nr = 1;
	p->len = 500;
	by_head[head] = p;
	go();
	arrive(60, 1);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(*(uint8_t *)fake_at(&rig.m, p->buf[2].addr + i, 1), 0x11);
	assert_frame(60, 1, 1);
}

/* ---- too little room */

static void nothing_is_read_before_buffers_are_posted(unused void **state)
{
	vrig_up(&rig, VRIG_ALL);
	assert_false(rig.net->want_recv);
	arrive(60, 1);
	assert_int_equal(rig.net->nr_recvs, 0);
	assert_int_equal(fake_net_queued(rig.net), 1);
	post(2048);
	go();
	assert_true(rig.net->want_recv || rig.net->nr_want_on);
	assert_frame(60, 1, 1);
	assert_true(stats()->rx_stalls >= 1);
}

static void frames_wait_for_a_late_refill(unused void **state)
{
	static const uint64_t accept[] = {VRIG_ALL, NO_MRG,
	                                  NO_MRG & ~FEATURE(VIRTIO_RING_F_EVENT_IDX)};

	for (unsigned a = 0; a < ARRAY_SIZE(accept); a++) {
		vrig_up(&rig, accept[a]);
		for (unsigned i = 0; i < 20; i++)
			arrive(60 + i, i);
		for (unsigned i = 0; i < 20; i++) {
			assert_int_equal(take(), 0);
			post(200);
			go();
			assert_frame(60 + i, i, 1);
		}
	}
	assert_int_equal(stats()->rx_dropped, 0);
}

static void the_rest_of_a_frame_waits_until_the_driver_posts_more(unused void **state)
{
	vrig_up(&rig, VRIG_ALL);
	post(1000);
	go();
	arrive(3000, 1);
	assert_int_equal(fake_vq_nr_used(&rig.vq[NET_RX]), 0);
	assert_false(rig.net->want_recv);
	post(1000);
	go();
	assert_int_equal(fake_vq_nr_used(&rig.vq[NET_RX]), 0);
	post(1000);
	post(1000);
	go();
	assert_frame(3000, 1, 4);
	assert_int_equal(stats()->rx_bytes_copied, NET_HDR_LEN + 3000 - 1000);
	assert_int_equal(stats()->rx_chains, 4);
	post(1000);
	go();
	arrive(60, 2);
	assert_frame(60, 2, 1);
}

static void a_frame_larger_than_the_whole_ring_is_dropped(unused void **state)
{
	reused = true;
	use_ring_of(4);
	vrig_up(&rig, VRIG_ALL);
	for (unsigned i = 0; i < 4; i++)
		post(500);
	go();
	arrive(5000, 1);
	arrive(60, 2);
	assert_int_equal(stats()->rx_dropped, 1);
	assert_frame(60, 2, 1);
	arrive(1900, 3); /* needs all four, one is at the driver */
	assert_int_equal(take(), 0);
	post(500);
	go();
	assert_frame(1900, 3, 4);
	assert_int_equal(stats()->rx_dropped, 1);
}

static void without_mrg_rxbuf_a_frame_that_does_not_fit_is_dropped_not_spread(unused void **state)
{
	reused = true;
	vrig_up(&rig, NO_MRG);
	for (unsigned i = 0; i < 4; i++)
		post(500);
	go();
	arrive(489, 1);
	arrive(488, 2);
	arrive(9000, 3);
	arrive(60, 4);
	assert_int_equal(stats()->rx_dropped, 2);
	assert_frame(488, 2, 1);
	assert_frame(60, 4, 1);
	assert_int_equal(take(), 0);
	assert_int_equal(stats()->rx_chains, 2);
}

static void a_chain_that_no_frame_fits_comes_back_and_the_queue_moves_on(unused void **state)
{
	unsigned head, useless = 0;
	uint32_t used;

	vrig_up(&rig, NO_MRG);
	for (unsigned i = 0; i < 30; i++)
		post(1 + i % 25);
	post(2048);
	go();
	while (fake_vq_reap(&rig.vq[NET_RX], &head, &used)) {
		assert_int_equal(used, 0);
		useless++;
	}
	assert_int_equal(useless, 30);
	forget_posted();
	arrive(1514, 1);
	assert_int_equal(stats()->rx_frames, 1);
	assert_false(needs_reset());
}

static void with_mrg_rxbuf_a_chain_shorter_than_the_header_cannot_begin_a_frame(unused void **state)
{
	unsigned head;
	uint32_t used;

	vrig_up(&rig, VRIG_ALL);
	post(11);
	post(12); /* the header, nothing else: legal */
	post(100);
	go();
	assert_true(fake_vq_reap(&rig.vq[NET_RX], &head, &used));
	assert_int_equal(used, 0);
	free(by_head[head]);
	by_head[head] = NULL;
	arrive(60, 1);
	assert_frame(60, 1, 2);
}

static void an_empty_chain_comes_back(unused void **state)
{
	struct fake_buf b;
	unsigned head;
	uint32_t used;

	vrig_up(&rig, VRIG_ALL);
	b = fake_out(&rig.m, frame, 100);
	assert_true(fake_vq_add(&rig.vq[NET_RX], &b, 1) >= 0);
	go();
	assert_true(fake_vq_reap(&rig.vq[NET_RX], &head, &used));
	assert_int_equal(used, 0);
}

static void chains_of_one_byte_pieces_work(unused void **state)
{
	reused = true;
	use_ring_of(VQ_NUM_MAX);
	vrig_up(&rig, NO_MRG);
	assert_true(post_cut(VQ_NUM_MAX, 1, 1, 0)); /* more than readv() takes */
	go();
	arrive(VQ_NUM_MAX - NET_HDR_LEN, 1);
	assert_frame(VQ_NUM_MAX - NET_HDR_LEN, 1, 1);
	assert_int_equal(rig.net->last_iov_n <= IOV_MAX, 1);

	vrig_up(&rig, VRIG_ALL);
	forget_posted();
	for (unsigned i = 0; i < 70; i++) /* one table entry each in the ring */
		assert_true(post_cut(VQ_NUM_MAX, 1, 1, 0));
	go();
	arrive(2000, 2);
	assert_frame(2000, 2, 2);
	/* More pieces than the window holds: dropped, and the next one is delivered. */
	arrive(65000, 3);
	assert_int_equal(stats()->rx_dropped, 1);
	arrive(60, 4);
	assert_frame(60, 4, 1);
}

static void single_byte_descriptors_cannot_begin_a_frame_and_come_back(unused void **state)
{
	unsigned head, n = 0;
	uint32_t used;

	use_ring_of(VQ_NUM_MAX);
	vrig_up(&rig, VRIG_ALL);
	for (unsigned i = 0; i < VQ_NUM_MAX; i++)
		post(1);
	fake_net_queue(rig.net, NULL, frame, 60);
	go();
	while (fake_vq_reap(&rig.vq[NET_RX], &head, &used)) {
		assert_int_equal(used, 0);
		n++;
	}
	assert_int_equal(n, VQ_NUM_MAX);
	assert_int_equal(fake_net_queued(rig.net), 1);
	forget_posted();
}

/* ---- what is not delivered */

static void a_frame_for_somebody_else_consumes_nothing(unused void **state)
{
	static const uint8_t other[6] = {0x52, 0x54, 0, 1, 2, 3};

	reused = true;
	vrig_up(&rig, VRIG_ALL);
	post(2048);
	go();
	vrig_frame(frame, 1514, other, 1);
	fake_net_queue(rig.net, NULL, frame, 1514);
	fake_net_can_recv(rig.net);
	assert_int_equal(stats()->rx_filtered, 1);
	assert_int_equal(take(), 0);
	arrive(60, 2);
	assert_frame(60, 2, 1);
	assert_int_equal(stats()->rx_chains, 1);
	assert_int_equal(rig.dev.core->interrupts, 1);
}

static void the_filter_looks_at_frames_that_lie_in_pieces(unused void **state)
{
	static const uint8_t other[6] = {0x52, 0x54, 0, 0x12, 0x34, 0x57};

	reused = true;
	vrig_up(&rig, VRIG_ALL);
	assert_true(post_cut(14, 1, 1,
	                     -1)); /* two bytes of the address, the rest in the spill buffer */
	go();
	vrig_frame(frame, 60, other, 1);
	fake_net_queue(rig.net, NULL, frame, 60);
	fake_net_can_recv(rig.net);
	assert_int_equal(stats()->rx_filtered, 1);
	arrive(60, 2);
	assert_int_equal(take(), 0); /* waits for room */
	post(100);
	go();
	assert_frame(60, 2, 2);
}

static void frames_over_the_mtu_are_not_passed_up(unused void **state)
{
	struct virtio_net_hdr_v1 gso = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
	                                .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
	                                .hdr_len = htole16(54),
	                                .gso_size = htole16(1000),
	                                .csum_start = htole16(34),
	                                .csum_offset = htole16(16)};

	reused = true;
	vrig_destroy(&rig);
	vrig_create(&rig, (struct vrig_options){.mtu = 1280});
	vrig_up(&rig, VRIG_ALL & ~F(CTRL_VLAN));
	for (unsigned i = 0; i < 10; i++)
		post(4096);
	go();
	arrive(1294, 1);
	assert_frame(1294, 1, 1);
	arrive(1295, 2);
	assert_int_equal(stats()->rx_dropped, 1);
	/* A VLAN tag belongs to the link header. */
	vrig_frame(frame, 1298, vrig_mac, 3);
	frame[12] = 0x81;
	frame[13] = 0;
	fake_net_queue(rig.net, NULL, frame, 1298);
	fake_net_can_recv(rig.net);
	assert_int_equal(take(), NET_HDR_LEN + 1298);
	/* What will be cut up may be longer. */
	vrig_frame(frame, 9000, vrig_mac, 4);
	fake_net_queue(rig.net, &gso, frame, 9000);
	fake_net_can_recv(rig.net);
	assert_int_equal(take(), NET_HDR_LEN + 9000);
	/* Without MTU in force there is no limit. */
	vrig_up(&rig, VRIG_ALL & ~F(MTU));
	forget_posted();
	post(4096);
	go();
	arrive(2000, 5);
	assert_frame(2000, 5, 1);
}

static void headers_of_the_backend_are_judged_by_what_was_accepted(unused void **state)
{
	struct virtio_net_hdr_v1 h = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
	                              .gso_type = VIRTIO_NET_HDR_GSO_TCPV6,
	                              .hdr_len = htole16(74),
	                              .gso_size = htole16(1400),
	                              .csum_start = htole16(54),
	                              .csum_offset = htole16(16)};

	reused = true;
	vrig_up(&rig, VRIG_ALL);
	post(4096);
	go();
	vrig_frame(frame, 3000, vrig_mac, 1);
	fake_net_queue(rig.net, &h, frame, 3000);
	fake_net_can_recv(rig.net);
	assert_int_equal(take(), NET_HDR_LEN + 3000);
	assert_memory_equal(got, &h, 10);

	vrig_up(&rig, VRIG_ALL & ~F(GUEST_TSO6));
	forget_posted();
	post(4096);
	go();
	fake_net_queue(rig.net, &h, frame, 3000);
	fake_net_can_recv(rig.net);
	assert_int_equal(stats()->rx_dropped, 1);
	h = (struct virtio_net_hdr_v1){.flags = VIRTIO_NET_HDR_F_DATA_VALID};
	fake_net_queue(rig.net, &h, frame, 3000);
	fake_net_can_recv(rig.net);
	assert_int_equal(take(), NET_HDR_LEN + 3000);
	assert_int_equal(got[0], VIRTIO_NET_HDR_F_DATA_VALID);

	vrig_up(&rig, VRIG_ALL & ~NET_GUEST_OFFLOADS);
	forget_posted();
	post(4096);
	go();
	fake_net_queue(rig.net, &h, frame, 3000);
	fake_net_can_recv(rig.net);
	assert_int_equal(take(), NET_HDR_LEN + 3000);
	assert_int_equal(got[0], 0);
}

static void runts_of_the_backend_are_dropped(unused void **state)
{
	vrig_up(&rig, VRIG_ALL);
	post(2048);
	go();
	fake_net_queue(rig.net, NULL, vrig_mac, 6);
	fake_net_queue(rig.net, NULL, frame, 13);
	fake_net_can_recv(rig.net);
	assert_int_equal(stats()->rx_dropped, 2);
	arrive(14, 1);
	assert_frame(14, 1, 1);
}

static void while_the_link_is_down_frames_are_lost(unused void **state)
{
	vrig_up(&rig, VRIG_ALL);
	post(2048);
	go();
	virtio_net_set_link(rig.n, false);
	vrig_pump(&rig);
	for (unsigned i = 0; i < 5; i++)
		arrive(60, i);
	assert_int_equal(stats()->rx_dropped, 5);
	assert_int_equal(take(), 0);
	virtio_net_set_link(rig.n, true);
	vrig_pump(&rig);
	arrive(60, 9);
	assert_frame(60, 9, 1);
}

static void nothing_old_is_delivered_after_the_link_was_down(unused void **state)
{
	reused = true;
	vrig_up(&rig, VRIG_ALL);
	arrive(60, 1); /* no buffers: the backend keeps it */
	virtio_net_set_link(rig.n, false);
	vrig_pump(&rig);
	assert_int_equal(fake_net_queued(rig.net), 0);
	virtio_net_set_link(rig.n, true);
	vrig_pump(&rig);
	post(100);
	go();
	arrive(3000, 2); /* half-delivered when the link goes */
	virtio_net_set_link(rig.n, false);
	virtio_net_set_link(rig.n, true);
	vrig_pump(&rig);
	post(2048);
	go();
	assert_int_equal(take(), 0);
	arrive(60, 3);
	assert_frame(60, 3, 1);
	assert_int_equal(stats()->rx_dropped, 2);
}

/* ---- turns and interrupts */

static void one_publication_and_one_interrupt_for_a_batch(unused void **state)
{
	vrig_up(&rig, VRIG_ALL & ~FEATURE(VIRTIO_RING_F_EVENT_IDX));
	for (unsigned i = 0; i < 20; i++)
		post(2048);
	go();
	for (unsigned i = 0; i < 10; i++) {
		vrig_frame(frame, 60, vrig_mac, i);
		fake_net_queue(rig.net, NULL, frame, 60);
	}
	fake_net_can_recv(rig.net);
	assert_int_equal(rig.dev.core->interrupts, 1);
	assert_int_equal(stats()->rx_interrupts, 1);
	for (unsigned i = 0; i < 10; i++)
		assert_frame(60, i, 1);
	fake_vq_irq_off(&rig.vq[NET_RX]);
	arrive(60, 1);
	assert_int_equal(stats()->rx_interrupts_suppressed, 1);
}

static void a_flood_is_served_in_turns(unused void **state)
{
	use_ring_of(VQ_NUM_MAX);
	vrig_up(&rig, VRIG_ALL);
	for (unsigned i = 0; i < 500; i++)
		post(128);
	go();
	for (unsigned i = 0; i < 400; i++) {
		vrig_frame(frame, 60, vrig_mac, i);
		fake_net_queue(rig.net, NULL, frame, 60);
	}
	fake_net_can_recv(rig.net);
	assert_int_equal(fake_vq_nr_used(&rig.vq[NET_RX]), NET_TURN_FRAMES);
	assert_true(vrig_pump_once(&rig)); /* by itself */
	assert_int_equal(fake_vq_nr_used(&rig.vq[NET_RX]), 400);
	assert_int_equal(stats()->rx_kicks, 1);
	for (unsigned i = 0; i < 400; i++)
		assert_frame(60, i, 1);
}

static void frames_of_somebody_else_end_a_turn_too(unused void **state)
{
	static const uint8_t other[6] = {0x52, 0x54, 0, 1, 2, 3};

	vrig_up(&rig, VRIG_ALL);
	post(2048);
	go();
	for (unsigned i = 0; i < 400; i++) {
		vrig_frame(frame, 60, other, i);
		fake_net_queue(rig.net, NULL, frame, 60);
	}
	fake_net_can_recv(rig.net);
	assert_int_equal(stats()->rx_filtered, NET_TURN_FRAMES);
	vrig_pump(&rig);
	assert_int_equal(stats()->rx_filtered, 400);
}

static void the_driver_is_not_asked_for_kicks_while_buffers_last(unused void **state)
{
	vrig_up(&rig, VRIG_ALL & ~FEATURE(VIRTIO_RING_F_EVENT_IDX));
	post(2048);
	go();
	fake_vq_publish(&rig.vq[NET_RX]);
	post(2048);
	fake_vq_publish(&rig.vq[NET_RX]);
	assert_false(fake_vq_wants_kick(&rig.vq[NET_RX]));
	arrive(60, 1);
	arrive(60, 2);
	assert_frame(60, 1, 1);
	assert_frame(60, 2, 1);
	arrive(60, 3); /* finds nothing posted */
	post(2048);
	fake_vq_publish(&rig.vq[NET_RX]);
	assert_true(fake_vq_wants_kick(&rig.vq[NET_RX]));
}

/* ---- the end of a life */

static void buffers_are_not_written_after_a_reset(unused void **state)
{
	struct fake_buf b;

	vrig_up(&rig, VRIG_ALL);
	b = fake_in(&rig.m, 2048);
	assert_true(fake_vq_add(&rig.vq[NET_RX], &b, 1) >= 0);
	go();
	fake_net_can_recv(rig.net); /* the chain is in the window now */
	virtio_set_status(rig.dev.core, 0);
	fake_net_can_recv(rig.net);
	arrive(60, 1);
	for (unsigned i = 0; i < 2048; i++)
		assert_int_equal(*(uint8_t *)fake_at(&rig.m, b.addr + i, 1), 0xa5);
	assert_int_equal(fake_vq_nr_used(&rig.vq[NET_RX]), 0);
}

static void a_frame_that_waits_is_dropped_by_a_reset(unused void **state)
{
	vrig_up(&rig, VRIG_ALL);
	post(100);
	go();
	arrive(3000, 1);
	vrig_up(&rig, VRIG_ALL);
	forget_posted();
	post(4096);
	go();
	assert_int_equal(take(), 0);
	arrive(60, 2);
	assert_frame(60, 2, 1);
}

static void a_queue_that_the_driver_took_back_is_not_used_any_more(unused void **state)
{
	struct fake_buf b;

	vrig_up(&rig, VRIG_ALL);
	b = fake_in(&rig.m, 2048);
	assert_true(fake_vq_add(&rig.vq[NET_RX], &b, 1) >= 0);
	go();
	fake_net_can_recv(rig.net);
	virtio_queue_ready(rig.dev.core, NET_RX, false);
	arrive(60, 1);
	fake_kick(&rig.dev, NET_RX);
	vrig_pump(&rig);
	for (unsigned i = 0; i < 2048; i++)
		assert_int_equal(*(uint8_t *)fake_at(&rig.m, b.addr + i, 1), 0xa5);
	assert_false(needs_reset());
}

static void a_broken_ring_needs_a_reset(unused void **state)
{
	vrig_up(&rig, VRIG_ALL);
	post(2048);
	fake_vq_raw_head(&rig.vq[NET_RX], 999);
	go();
	assert_true(needs_reset());
	assert_int_equal(stats()->broken, 1);
	assert_false(rig.net->started);
	vrig_up(&rig, VRIG_ALL);
	forget_posted();
	post(2048);
	go();
	arrive(60, 1);
	assert_frame(60, 1, 1);
}

static void a_broken_ring_seen_from_a_backend_call_is_survived(unused void **state)
{
	vrig_up(&rig, NO_MRG);
	post(2048);
	go();
	fake_vq_raw_head(&rig.vq[NET_RX], 999);
	fake_vq_publish(&rig.vq[NET_RX]);
	vrig_frame(frame, 60, vrig_mac, 1);
	fake_net_queue(rig.net, NULL, frame, 60);
	fake_net_queue(rig.net, NULL, frame, 60);
	fake_net_can_recv(rig.net);
	assert_true(needs_reset());
	assert_frame(60, 1, 1); /* what was delivered before is published */
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_frame_lands_in_guest_memory_by_one_recv_without_a_copy),
		CASE(num_buffers_is_one_without_mrg_rxbuf),
		CASE(the_header_may_lie_anywhere_and_in_any_pieces),
		CASE(frames_of_every_size_arrive_as_they_are_in_one_chain),
		CASE(frames_of_every_size_are_spread_over_odd_chains),
		CASE(a_stream_of_frames_uses_every_byte_of_small_chains),
		CASE(readable_pieces_of_a_receive_buffer_are_left_alone),
		CASE(nothing_is_read_before_buffers_are_posted),
		CASE(frames_wait_for_a_late_refill),
		CASE(the_rest_of_a_frame_waits_until_the_driver_posts_more),
		CASE(a_frame_larger_than_the_whole_ring_is_dropped),
		CASE(without_mrg_rxbuf_a_frame_that_does_not_fit_is_dropped_not_spread),
		CASE(a_chain_that_no_frame_fits_comes_back_and_the_queue_moves_on),
		CASE(with_mrg_rxbuf_a_chain_shorter_than_the_header_cannot_begin_a_frame),
		CASE(an_empty_chain_comes_back),
		CASE(chains_of_one_byte_pieces_work),
		CASE(single_byte_descriptors_cannot_begin_a_frame_and_come_back),
		CASE(a_frame_for_somebody_else_consumes_nothing),
		CASE(the_filter_looks_at_frames_that_lie_in_pieces),
		CASE(frames_over_the_mtu_are_not_passed_up),
		CASE(headers_of_the_backend_are_judged_by_what_was_accepted),
		CASE(runts_of_the_backend_are_dropped),
		CASE(while_the_link_is_down_frames_are_lost),
		CASE(nothing_old_is_delivered_after_the_link_was_down),
		CASE(one_publication_and_one_interrupt_for_a_batch),
		CASE(a_flood_is_served_in_turns),
		CASE(frames_of_somebody_else_end_a_turn_too),
		CASE(the_driver_is_not_asked_for_kicks_while_buffers_last),
		CASE(buffers_are_not_written_after_a_reset),
		CASE(a_frame_that_waits_is_dropped_by_a_reset),
		CASE(a_queue_that_the_driver_took_back_is_not_used_any_more),
		CASE(a_broken_ring_needs_a_reset),
		CASE(a_broken_ring_seen_from_a_backend_call_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
