/* SPDX-License-Identifier: Apache-2.0 */
/* Frames into the guest: where their bytes land, and what happens when there is no place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "devices/virtio.h"
#include "tests/lib/vnet_layouts.h"
#include "tests/lib/vnet_rx.h"
#include "vmm/core/le.h"

#define F      VRIG_F
#define NO_MRG (VRIG_ALL & ~F(MRG_RXBUF))

static struct vnet_rx x;

static int setup(void **state)
{
	*state = &x;
	vnet_rx_create(&x, 256, 0);
	return 0;
}

static int teardown(void **state)
{
	vnet_rx_destroy(*state);
	return 0;
}

static void use_ring_of(uint32_t entries)
{
	vnet_rx_destroy(&x);
	vnet_rx_create(&x, entries, 0);
}

static const struct virtio_net_stats *stats(void)
{
	return virtio_net_stats(x.rig.n);
}

static bool needs_reset(void)
{
	return fake_status(&x.rig.dev) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

/* ---- where the bytes land */

static void a_frame_lands_in_guest_memory_by_one_recv_without_a_copy(unused void **state)
{
	vnet_rx_up(&x, VRIG_ALL);
	vnet_rx_post(&x, 2048);
	vnet_rx_go(&x);
	vnet_rx_arrive(&x, 1514, 1);
	vnet_rx_expect(&x, 1514, 1, 1);
	assert_int_equal(stats()->rx_frames, 1);
	assert_int_equal(stats()->rx_bytes, NET_HDR_LEN + 1514);
	assert_int_equal(stats()->rx_bytes_copied, 0);
	assert_int_equal(stats()->rx_chains, 1);
}

static void recv_gets_as_many_buffers_as_a_frame_may_need(unused void **state)
{
	static const struct {
		uint64_t accept;
		unsigned pieces; /* 12 for the header, a spill buffer, and so many of 1500 bytes */
	} row[] = {
		{VRIG_ALL, 2 + (NET_RECV_MAX + 1499) / 1500},
		{VRIG_ALL & ~NET_GUEST_GSO, 2 + 2},
		{NO_MRG, 2 + 1},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		vnet_rx_up(&x, row[i].accept);
		for (unsigned k = 0; k < 100; k++)
			vnet_rx_post(&x, 1500);
		vnet_rx_go(&x);
		assert_int_equal(x.rig.net->last_iov_n, row[i].pieces);
	}
}

static void post_two_pieces(unsigned nr)
{
	while (nr--)
		assert_true(vnet_rx_post_cut(&x, 1500, 600, 900, -1));
	vnet_rx_go(&x);
}

/* So many frames of @len to @len + 39 bytes that one buffer is usual, of whose first piece the header takes some. */
static void only_small_frames_come(unsigned len)
{
	for (unsigned i = 0; i < 600; i++) {
		vnet_rx_arrive(&x, len + i % 40, i);
		vnet_rx_expect(&x, len + i % 40, i, 1);
		post_two_pieces(1);
	}
}

static void small_frames_take_few_pieces_and_a_large_one_among_them_arrives(unused void **state)
{
	unsigned few;

	vnet_rx_up(&x, VRIG_ALL);
	post_two_pieces(100);
	only_small_frames_come(300);
	few = x.rig.net->last_iov_n;
	assert_int_equal(few, 3);
	assert_int_equal(stats()->rx_bytes_copied, 0);
	vnet_rx_arrive(&x, 700, 1); /* into the front buffer, but more than its first piece */
	vnet_rx_expect(&x, 700, 1, 1);
	assert_int_equal(stats()->rx_bytes_copied, NET_HDR_LEN + 700 - 600);
	assert_true(x.rig.net->last_iov_n > few);
	vnet_rx_arrive(&x, 40000, 2); /* after one that was larger than usual all is ready again */
	vnet_rx_expect(&x, 40000, 2, 27);
	assert_int_equal(stats()->rx_bytes_copied, NET_HDR_LEN + 700 - 600);
	post_two_pieces(28);
	only_small_frames_come(300);
	vnet_rx_arrive(&x, VNET_FRAME_MAX, 3);
	vnet_rx_expect(&x, VNET_FRAME_MAX, 3, 44);
	assert_int_equal(stats()->rx_dropped, 0);
}

/* Where the kernel would have to be told of more than one. */
static void short_frames_take_one_piece_and_a_large_one_among_them_arrives(unused void **state)
{
	uint64_t copied;

	vnet_rx_up(&x, VRIG_ALL);
	post_two_pieces(100);
	only_small_frames_come(60);
	assert_int_equal(x.rig.net->last_iov_n, 1);
	copied = stats()->rx_bytes_copied;
	assert_true(copied > 0);
	vnet_rx_arrive(&x, VNET_FRAME_MAX, 1);
	vnet_rx_expect(&x, VNET_FRAME_MAX, 1, 44);
	assert_int_equal(stats()->rx_bytes_copied, copied + VNET_FRAME_MAX);
	assert_true(x.rig.net->last_iov_n > 1);
	vnet_rx_arrive(&x, 60, 2); /* and the next ones are not */
	vnet_rx_expect(&x, 60, 2, 1);
	assert_int_equal(stats()->rx_bytes_copied, copied + VNET_FRAME_MAX);
	assert_int_equal(stats()->rx_dropped, 0);
}

/* dev.rx.num-buffers-1 */
static void num_buffers_is_one_without_mrg_rxbuf(unused void **state)
{
	vnet_rx_up(&x, NO_MRG);
	vnet_rx_post(&x, 2048);
	vnet_rx_post(&x, 2048);
	vnet_rx_go(&x);
	vnet_rx_arrive(&x, 60, 1);
	vnet_rx_arrive(&x, 1514, 2);
	vnet_rx_expect(&x, 60, 1, 1);
	vnet_rx_expect(&x, 1514, 2, 1);
}

/* dev.framing.any */
static void the_header_may_lie_anywhere_and_in_any_pieces(unused void **state)
{
	static const uint64_t accept[] = {VRIG_ALL, NO_MRG};

	for (unsigned a = 0; a < ARRAY_SIZE(accept); a++) {
		vnet_rx_up(&x, accept[a]);
		for (uint32_t first = 1; first <= 40; first++) {
			for (int direct = -1; direct < 3; direct++) {
				assert_true(vnet_rx_post_cut(&x, 200, first, 57, direct));
				assert_true(vnet_rx_post_cut(&x, 150, first, 1, -1));
				vnet_rx_go(&x);
				vnet_rx_arrive(&x, 100, first);
				vnet_rx_expect(&x, 100, first, 1);
				vnet_rx_arrive(&x, 90, first);
				vnet_rx_expect(&x, 90, first, 1);
				vrig_forget(&x.rig);
			}
		}
	}
}

static void frames_of_every_size_arrive_as_they_are_in_one_chain(unused void **state)
{
	vnet_rx_up(&x, NO_MRG);
	for (uint32_t len = 14; len <= VNET_FRAME_MAX; len += len < 1600 ? 1 : 997) {
		assert_true(vnet_rx_post_cut(&x, NET_HDR_LEN + VNET_FRAME_MAX, 1 + len % 31,
		                             500 + len % 4096, len % 3 ? -1 : 0));
		vnet_rx_go(&x);
		vnet_rx_arrive(&x, len, len);
		vnet_rx_expect(&x, len, len, 1);
		vrig_forget(&x.rig);
	}
	assert_int_equal(stats()->rx_dropped | stats()->rx_bytes_copied, 0);
}

/* dev.rx.num-buffers, dev.rx.num-buffers-count, dev.rx.fill-fully, dev.used.data-first */
static void frames_of_every_size_are_spread_over_odd_chains(unused void **state)
{
	static const uint64_t accept[] = {VRIG_ALL, VRIG_ALL & ~NET_GUEST_OFFLOADS,
	                                  VRIG_ALL & ~FEATURE(VIRTIO_RING_F_EVENT_IDX)};
	unsigned seed = 0;

	use_ring_of(VQ_NUM_MAX);
	for (unsigned a = 0; a < ARRAY_SIZE(accept); a++) {
		vnet_rx_up(&x, accept[a]);
		for (uint32_t len = 14; len <= VNET_FRAME_MAX; len += len < 300 ? 7 : 1999) {
			unsigned before = fake_vq_nr_used(&x.rig.vq[NET_RX]);

			assert_int_equal(before, 0);
			/* Between 12 bytes and some thousands, three pieces or so each. */
			for (uint32_t sum = 0; sum < len + 100; seed++) {
				uint32_t size = 12 + seed * 7919 % (len < 2000 ? 60 : 3000);

				assert_true(vnet_rx_post_cut(&x, size, 1 + seed % 20, 1 + size / 2,
				                             seed % 5 ? -1 : 1));
				sum += size;
			}
			vnet_rx_go(&x);
			vnet_rx_arrive(&x, len, len);
			assert_int_equal(vnet_rx_take(&x), NET_HDR_LEN + len);
			vrig_frame(x.frame, len, vrig_mac, len);
			assert_memory_equal(x.got + NET_HDR_LEN, x.frame, len);
			/* Start over: what is left in the window would shift the next layout. */
			vnet_rx_up(&x, accept[a]);
		}
	}
	assert_int_equal(stats()->rx_dropped, 0);
}

static void a_stream_of_frames_uses_every_byte_of_small_chains(unused void **state)
{
	vnet_rx_up(&x, VRIG_ALL);
	for (unsigned i = 0; i < 1500; i++) {
		uint32_t len = 60 + i % 400;

		while (vnet_rx_post_cut(&x, 64, 30, 34, -1))
			;
		vnet_rx_go(&x);
		vnet_rx_arrive(&x, len, i);
		assert_int_equal(vnet_rx_take(&x), NET_HDR_LEN + len);
		assert_memory_equal(x.got + NET_HDR_LEN, x.frame, len);
	}
	assert_int_equal(stats()->rx_frames, 1500);
	assert_int_equal(stats()->rx_dropped, 0);
}

/* What Linux does on a short ring without MRG_RXBUF: it was declared broken. */
static void buffers_of_nineteen_pieces_are_filled_on_a_ring_of_sixteen(unused void **state)
{
	static const uint64_t accept[] = {NO_MRG, VRIG_ALL};

	for (uint32_t num = 2; num <= 16; num *= 2) {
		use_ring_of(num);
		for (unsigned a = 0; a < ARRAY_SIZE(accept); a++) {
			vnet_rx_up(&x, accept[a]);
			for (unsigned i = 0; i < num; i++)
				assert_true(
					vnet_rx_post_cut(&x, 12 + 18 * 100, NET_HDR_LEN, 100, 0));
			vnet_rx_go(&x);
			for (unsigned i = 0; i < num; i++) {
				vnet_rx_arrive(&x, 18 * 100 - i, i);
				vnet_rx_expect(&x, 18 * 100 - i, i, 1);
			}
			assert_false(needs_reset());
		}
	}
	assert_int_equal(stats()->rx_dropped, 0);
}

/* dev.desc.no-write-readable, dev.packed.no-write-readable */
static void readable_pieces_of_a_receive_buffer_are_left_alone(unused void **state)
{
	uint8_t before[100];
	struct fake_buf b[2];
	unsigned head;
	uint32_t used;

	vnet_rx_up(&x, VRIG_ALL);
	memset(before, 0x11, sizeof(before));
	b[0] = fake_out(&x.rig.m, before, sizeof(before));
	b[1] = fake_in(&x.rig.m, 500);
	assert_true(fake_vq_add(&x.rig.vq[NET_RX], b, 2) >= 0);
	vnet_rx_go(&x);
	vnet_rx_arrive(&x, 60, 1);
	assert_memory_equal(fake_at(&x.rig.m, b[0].addr, 100), before, 100);
	assert_true(fake_vq_reap(&x.rig.vq[NET_RX], &head, &used));
	assert_int_equal(used, NET_HDR_LEN + 60);
	assert_memory_equal(fake_at(&x.rig.m, b[1].addr + NET_HDR_LEN, 60), x.frame, 60);
}

/* ---- too little room */

static void nothing_is_read_before_buffers_are_posted(unused void **state)
{
	vnet_rx_up(&x, VRIG_ALL);
	assert_false(x.rig.net->want_recv);
	vnet_rx_arrive(&x, 60, 1);
	assert_int_equal(x.rig.net->nr_recvs, 0);
	assert_int_equal(fake_net_queued(x.rig.net), 1);
	vnet_rx_post(&x, 2048);
	vnet_rx_go(&x);
	assert_true(x.rig.net->want_recv || x.rig.net->nr_want_on);
	vnet_rx_expect(&x, 60, 1, 1);
	assert_true(stats()->rx_stalls >= 1);
}

/* dev.rx.first-queue-kick */
static void frames_wait_for_a_late_refill(unused void **state)
{
	static const uint64_t accept[] = {VRIG_ALL, NO_MRG,
	                                  NO_MRG & ~FEATURE(VIRTIO_RING_F_EVENT_IDX)};

	for (unsigned a = 0; a < ARRAY_SIZE(accept); a++) {
		vnet_rx_up(&x, accept[a]);
		for (unsigned i = 0; i < 20; i++)
			vnet_rx_arrive(&x, 60 + i, i);
		for (unsigned i = 0; i < 20; i++) {
			assert_int_equal(vnet_rx_take(&x), 0);
			vnet_rx_post(&x, 200);
			vnet_rx_go(&x);
			vnet_rx_expect(&x, 60 + i, i, 1);
		}
	}
	assert_int_equal(stats()->rx_dropped, 0);
}

/* dev.rx.publish-together, dev.rx.num-buffers-count */
static void the_rest_of_a_frame_waits_until_the_driver_posts_more(unused void **state)
{
	vnet_rx_up(&x, VRIG_ALL);
	vnet_rx_post(&x, 1000);
	vnet_rx_go(&x);
	vnet_rx_arrive(&x, 3000, 1);
	assert_int_equal(fake_vq_nr_used(&x.rig.vq[NET_RX]), 0);
	assert_false(x.rig.net->want_recv);
	vnet_rx_post(&x, 1000);
	vnet_rx_go(&x);
	assert_int_equal(fake_vq_nr_used(&x.rig.vq[NET_RX]), 0);
	vnet_rx_post(&x, 1000);
	vnet_rx_post(&x, 1000);
	vnet_rx_go(&x);
	vnet_rx_expect(&x, 3000, 1, 4);
	assert_int_equal(stats()->rx_bytes_copied, NET_HDR_LEN + 3000 - 1000);
	assert_int_equal(stats()->rx_chains, 4);
	vnet_rx_post(&x, 1000);
	vnet_rx_go(&x);
	vnet_rx_arrive(&x, 60, 2);
	vnet_rx_expect(&x, 60, 2, 1);
}

static void a_frame_larger_than_the_whole_ring_is_dropped(unused void **state)
{
	use_ring_of(4);
	x.reused = true;
	vnet_rx_up(&x, VRIG_ALL);
	for (unsigned i = 0; i < 4; i++)
		vnet_rx_post(&x, 500);
	vnet_rx_go(&x);
	vnet_rx_arrive(&x, 5000, 1);
	vnet_rx_arrive(&x, 60, 2);
	assert_int_equal(stats()->rx_dropped, 1);
	vnet_rx_expect(&x, 60, 2, 1);
	vnet_rx_arrive(&x, 1900, 3); /* needs all four, one is at the driver */
	assert_int_equal(vnet_rx_take(&x), 0);
	vnet_rx_post(&x, 500);
	vnet_rx_go(&x);
	vnet_rx_expect(&x, 1900, 3, 4);
	assert_int_equal(stats()->rx_dropped, 1);
}

/* It was dropped: eight pieces were taken for eight entries of a ring that has four. */
static void a_frame_waits_for_more_tables_than_one_that_is_longer_than_the_ring(unused void **state)
{
	use_ring_of(4);
	vnet_rx_up(&x, VRIG_ALL);
	assert_true(vnet_rx_post_cut(&x, 800, 100, 100, 0));
	vnet_rx_go(&x);
	vnet_rx_arrive(&x, 1900, 1);
	assert_int_equal(stats()->rx_dropped, 0);
	assert_int_equal(vnet_rx_take(&x), 0);
	assert_true(vnet_rx_post_cut(&x, 800, 100, 100, 0));
	assert_true(vnet_rx_post_cut(&x, 800, 100, 100, 0));
	vnet_rx_go(&x);
	vnet_rx_expect(&x, 1900, 1, 3);
	/* With all four entries full there is nothing to wait for. */
	x.reused = true;
	for (unsigned i = 0; i < 4; i++)
		assert_true(vnet_rx_post_cut(&x, 400, 50, 50, 0));
	vnet_rx_go(&x);
	vnet_rx_arrive(&x, 1900, 2);
	assert_int_equal(stats()->rx_dropped, 1);
	vnet_rx_arrive(&x, 60, 3);
	vnet_rx_expect(&x, 60, 3, 1);
}

/* dev.rx.single-chain, dev.rx.drop-not-stall */
static void without_mrg_rxbuf_a_frame_that_does_not_fit_is_dropped_not_spread(unused void **state)
{
	x.reused = true;
	vnet_rx_up(&x, NO_MRG);
	for (unsigned i = 0; i < 4; i++)
		vnet_rx_post(&x, 500);
	vnet_rx_go(&x);
	vnet_rx_arrive(&x, 489, 1);
	vnet_rx_arrive(&x, 488, 2);
	vnet_rx_arrive(&x, 9000, 3);
	vnet_rx_arrive(&x, 60, 4);
	assert_int_equal(stats()->rx_dropped, 2);
	vnet_rx_expect(&x, 488, 2, 1);
	vnet_rx_expect(&x, 60, 4, 1);
	assert_int_equal(vnet_rx_take(&x), 0);
	assert_int_equal(stats()->rx_chains, 2);
}

/* dev.rx.drop-not-stall */
static void a_chain_that_no_frame_fits_comes_back_and_the_queue_moves_on(unused void **state)
{
	vnet_rx_up(&x, NO_MRG);
	for (unsigned i = 0; i < 30; i++)
		vnet_rx_post(&x, 1 + i % 25);
	vnet_rx_post(&x, 2048);
	vnet_rx_go(&x);
	for (unsigned i = 0; i < 30; i++)
		vnet_rx_expect_useless(&x);
	vnet_rx_arrive(&x, 1514, 1);
	vnet_rx_expect(&x, 1514, 1, 1);
	assert_false(needs_reset());
}

static void with_mrg_rxbuf_a_chain_shorter_than_the_header_cannot_begin_a_frame(unused void **state)
{
	vnet_rx_up(&x, VRIG_ALL);
	vnet_rx_post(&x, 11);
	vnet_rx_post(&x, 12); /* the header, nothing else: legal */
	vnet_rx_post(&x, 100);
	vnet_rx_go(&x);
	vnet_rx_expect_useless(&x);
	vnet_rx_arrive(&x, 60, 1);
	vnet_rx_expect(&x, 60, 1, 2);
}

static void an_empty_chain_comes_back(unused void **state)
{
	struct fake_buf b;
	unsigned head;
	uint32_t used;

	vnet_rx_up(&x, VRIG_ALL);
	b = fake_out(&x.rig.m, x.frame, 100);
	assert_true(fake_vq_add(&x.rig.vq[NET_RX], &b, 1) >= 0);
	vnet_rx_go(&x);
	assert_true(fake_vq_reap(&x.rig.vq[NET_RX], &head, &used));
	assert_int_equal(used, 0);
}

static void chains_of_one_byte_pieces_work(unused void **state)
{
	use_ring_of(VQ_NUM_MAX);
	x.reused = true;
	vnet_rx_up(&x, NO_MRG);
	/* A header and 1023 pieces: more than readv() takes. */
	assert_true(vnet_rx_post_cut(&x, NET_HDR_LEN + 1023, NET_HDR_LEN, 1, 0));
	vnet_rx_go(&x);
	vnet_rx_arrive(&x, 1023, 1);
	vnet_rx_expect(&x, 1023, 1, 1);
	assert_int_equal(stats()->rx_bytes_copied, 1);
	assert_int_equal(x.rig.net->last_iov_n <= IOV_MAX, 1);

	vnet_rx_up(&x, VRIG_ALL);
	for (unsigned i = 0; i < 70; i++) /* one table entry each in the ring */
		assert_true(vnet_rx_post_cut(&x, VQ_NUM_MAX, 1, 1, 0));
	vnet_rx_go(&x);
	/* No farther than one recv() looks. */
	assert_true(x.rig.n->pair[0].rx.window.tail - x.rig.n->pair[0].rx.window.head <=
	            2 * VQ_NUM_MAX);
	assert_int_equal(x.rig.n->pair[0].rx.window.entries, x.rig.n->pair[0].rx.window.nr);
	vnet_rx_arrive(&x, 2000, 2);
	vnet_rx_expect(&x, 2000, 2, 2);
	/* More pieces than the window holds: dropped, and the next one is delivered. */
	vnet_rx_arrive(&x, 65000, 3);
	assert_int_equal(stats()->rx_dropped, 1);
	vnet_rx_arrive(&x, 60, 4);
	vnet_rx_expect(&x, 60, 4, 1);
}

static void single_byte_descriptors_cannot_begin_a_frame_and_come_back(unused void **state)
{
	use_ring_of(VQ_NUM_MAX);
	vnet_rx_up(&x, VRIG_ALL);
	for (unsigned i = 0; i < VQ_NUM_MAX; i++)
		vnet_rx_post(&x, 1);
	vnet_rx_queue(&x, vrig_mac, 60, 1);
	vnet_rx_go(&x);
	for (unsigned i = 0; i < VQ_NUM_MAX; i++)
		vnet_rx_expect_useless(&x);
	assert_int_equal(fake_net_queued(x.rig.net), 1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_frame_lands_in_guest_memory_by_one_recv_without_a_copy),
		CASE(recv_gets_as_many_buffers_as_a_frame_may_need),
		CASE(small_frames_take_few_pieces_and_a_large_one_among_them_arrives),
		CASE(short_frames_take_one_piece_and_a_large_one_among_them_arrives),
		CASE(num_buffers_is_one_without_mrg_rxbuf),
		CASE(the_header_may_lie_anywhere_and_in_any_pieces),
		CASE(frames_of_every_size_arrive_as_they_are_in_one_chain),
		CASE(frames_of_every_size_are_spread_over_odd_chains),
		CASE(a_stream_of_frames_uses_every_byte_of_small_chains),
		CASE(buffers_of_nineteen_pieces_are_filled_on_a_ring_of_sixteen),
		CASE(readable_pieces_of_a_receive_buffer_are_left_alone),
		CASE(nothing_is_read_before_buffers_are_posted),
		CASE(frames_wait_for_a_late_refill),
		CASE(the_rest_of_a_frame_waits_until_the_driver_posts_more),
		CASE(a_frame_larger_than_the_whole_ring_is_dropped),
		CASE(a_frame_waits_for_more_tables_than_one_that_is_longer_than_the_ring),
		CASE(without_mrg_rxbuf_a_frame_that_does_not_fit_is_dropped_not_spread),
		CASE(a_chain_that_no_frame_fits_comes_back_and_the_queue_moves_on),
		CASE(with_mrg_rxbuf_a_chain_shorter_than_the_header_cannot_begin_a_frame),
		CASE(an_empty_chain_comes_back),
		CASE(chains_of_one_byte_pieces_work),
		CASE(single_byte_descriptors_cannot_begin_a_frame_and_come_back),
	};

	return VRIG_RUN_LAYOUTS(tests);
}
