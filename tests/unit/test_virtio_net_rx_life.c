/* SPDX-License-Identifier: Apache-2.0 */
/* Frames into the guest: which are not delivered, batches and turns, and the end of a life. */
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

/* ---- what is not delivered */

static void a_frame_for_somebody_else_consumes_nothing(unused void **state)
{
	static const uint8_t other[6] = {0x52, 0x54, 0, 1, 2, 3};

	x.reused = true;
	vnet_rx_up(&x, VRIG_ALL);
	vnet_rx_post(&x, 2048);
	vnet_rx_go(&x);
	vnet_rx_queue(&x, other, 1514, 1);
	fake_net_can_recv(x.rig.net);
	assert_int_equal(stats()->rx_filtered, 1);
	assert_int_equal(vnet_rx_take(&x), 0);
	vnet_rx_arrive(&x, 60, 2);
	vnet_rx_expect(&x, 60, 2, 1);
	assert_int_equal(stats()->rx_chains, 1);
	assert_int_equal(x.rig.dev.core->interrupts, 1);
}

static void the_filter_looks_at_frames_that_lie_in_pieces(unused void **state)
{
	static const uint8_t other[6] = {0x52, 0x54, 0, 0x12, 0x34, 0x57};

	x.reused = true;
	vnet_rx_up(&x, VRIG_ALL);
	/* Two bytes of the address lie there, the rest in the spill buffer. */
	assert_true(vnet_rx_post_cut(&x, 14, 1, 1, -1));
	vnet_rx_go(&x);
	vnet_rx_queue(&x, other, 60, 1);
	fake_net_can_recv(x.rig.net);
	assert_int_equal(stats()->rx_filtered, 1);
	vnet_rx_arrive(&x, 60, 2);
	assert_int_equal(vnet_rx_take(&x), 0); /* waits for room */
	vnet_rx_post(&x, 100);
	vnet_rx_go(&x);
	vnet_rx_expect(&x, 60, 2, 2);
}

/* dev.net.mtu-rx */
static void frames_over_the_mtu_are_not_passed_up(unused void **state)
{
	struct virtio_net_hdr_v1 gso = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
	                                .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
	                                .hdr_len = htole16(54),
	                                .gso_size = htole16(1000),
	                                .csum_start = htole16(34),
	                                .csum_offset = htole16(16)};

	vnet_rx_destroy(&x);
	vnet_rx_create(&x, 256, 1280);
	x.reused = true;
	vnet_rx_up(&x, VRIG_ALL & ~F(CTRL_VLAN));
	for (unsigned i = 0; i < 10; i++)
		vnet_rx_post(&x, 4096);
	vnet_rx_go(&x);
	vnet_rx_arrive(&x, 1294, 1);
	vnet_rx_expect(&x, 1294, 1, 1);
	vnet_rx_arrive(&x, 1295, 2);
	assert_int_equal(stats()->rx_dropped, 1);
	/* A VLAN tag belongs to the link header. */
	vrig_frame(x.frame, 1298, vrig_mac, 3);
	x.frame[12] = 0x81;
	x.frame[13] = 0;
	fake_net_queue(x.rig.net, NULL, x.frame, 1298);
	fake_net_can_recv(x.rig.net);
	assert_int_equal(vnet_rx_take(&x), NET_HDR_LEN + 1298);
	/* What will be cut up may be longer. */
	vnet_rx_arrive_hdr(&x, &gso, 9000, 4);
	assert_int_equal(vnet_rx_take(&x), NET_HDR_LEN + 9000);
	/* Without MTU in force there is no limit. */
	vnet_rx_up(&x, VRIG_ALL & ~F(MTU));
	vnet_rx_post(&x, 4096);
	vnet_rx_go(&x);
	vnet_rx_arrive(&x, 2000, 5);
	vnet_rx_expect(&x, 2000, 5, 1);
}

/* dev.rx.flags-0, dev.rx.gso-tcpv6, dev.rx.csum-range */
static void headers_of_the_backend_are_judged_by_what_was_accepted(unused void **state)
{
	struct virtio_net_hdr_v1 h = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
	                              .gso_type = VIRTIO_NET_HDR_GSO_TCPV6,
	                              .hdr_len = htole16(74),
	                              .gso_size = htole16(1400),
	                              .csum_start = htole16(54),
	                              .csum_offset = htole16(16)};

	x.reused = true;
	vnet_rx_up(&x, VRIG_ALL);
	vnet_rx_post(&x, 4096);
	vnet_rx_go(&x);
	vnet_rx_arrive_hdr(&x, &h, 3000, 1);
	assert_int_equal(vnet_rx_take(&x), NET_HDR_LEN + 3000);
	assert_memory_equal(x.got, &h, 10);

	vnet_rx_up(&x, VRIG_ALL & ~F(GUEST_TSO6));
	vnet_rx_post(&x, 4096);
	vnet_rx_go(&x);
	vnet_rx_arrive_hdr(&x, &h, 3000, 1);
	assert_int_equal(stats()->rx_dropped, 1);
	h = (struct virtio_net_hdr_v1){.flags = VIRTIO_NET_HDR_F_DATA_VALID};
	vnet_rx_arrive_hdr(&x, &h, 3000, 1);
	assert_int_equal(vnet_rx_take(&x), NET_HDR_LEN + 3000);
	assert_int_equal(x.got[0], VIRTIO_NET_HDR_F_DATA_VALID);

	vnet_rx_up(&x, VRIG_ALL & ~NET_GUEST_OFFLOADS);
	vnet_rx_post(&x, 4096);
	vnet_rx_go(&x);
	vnet_rx_arrive_hdr(&x, &h, 3000, 1);
	assert_int_equal(vnet_rx_take(&x), NET_HDR_LEN + 3000);
	assert_int_equal(x.got[0], 0);
}

static void runts_of_the_backend_are_dropped(unused void **state)
{
	vnet_rx_up(&x, VRIG_ALL);
	vnet_rx_post(&x, 2048);
	vnet_rx_go(&x);
	fake_net_queue(x.rig.net, NULL, vrig_mac, 6);
	fake_net_queue(x.rig.net, NULL, x.frame, 13);
	fake_net_can_recv(x.rig.net);
	assert_int_equal(stats()->rx_dropped, 2);
	vnet_rx_arrive(&x, 14, 1);
	vnet_rx_expect(&x, 14, 1, 1);
}

static void while_the_link_is_down_frames_are_lost(unused void **state)
{
	vnet_rx_up(&x, VRIG_ALL);
	vnet_rx_post(&x, 2048);
	vnet_rx_go(&x);
	virtio_net_set_link(x.rig.n, false);
	vrig_pump(&x.rig);
	for (unsigned i = 0; i < 5; i++)
		vnet_rx_arrive(&x, 60, i);
	assert_int_equal(stats()->rx_dropped, 5);
	assert_int_equal(vnet_rx_take(&x), 0);
	virtio_net_set_link(x.rig.n, true);
	vrig_pump(&x.rig);
	vnet_rx_arrive(&x, 60, 9);
	vnet_rx_expect(&x, 60, 9, 1);
}

/* They were kept in the backend, and the other end of a pair waited for its buffers. */
static void so_they_are_without_a_queue_to_receive_into(unused void **state)
{
	vnet_rx_up(&x, VRIG_ALL);
	virtio_queue_ready(x.rig.dev.core, NET_RX, false);
	vnet_rx_arrive(&x, 60, 1); /* while the link is up there may be a better driver to come */
	assert_int_equal(fake_net_queued(x.rig.net), 1);
	virtio_net_set_link(x.rig.n, false);
	for (unsigned i = 0; i < 400; i++)
		vnet_rx_queue(&x, vrig_mac, 60, i);
	while (fake_net_queued(x.rig.net)) /* as often as the backend has some */
		assert_true(fake_net_can_recv(x.rig.net));
	assert_int_equal(stats()->rx_dropped, 401);
	virtio_net_set_link(x.rig.n, true);
	vrig_pump(&x.rig);
	vnet_rx_arrive(&x, 60, 2);
	assert_int_equal(fake_net_queued(x.rig.net), 1);
	assert_false(x.rig.net->want_recv);
	virtio_net_set_link(x.rig.n, false);
	assert_true(fake_net_can_recv(x.rig.net));
	vnet_rx_up(&x, VRIG_ALL); /* the next driver finds the link down as well */
	virtio_queue_ready(x.rig.dev.core, NET_RX, false);
	vnet_rx_arrive(&x, 60, 3);
	assert_int_equal(fake_net_queued(x.rig.net), 0);
	assert_int_equal(stats()->rx_dropped, 403);
}

static void nothing_old_is_delivered_after_the_link_was_down(unused void **state)
{
	x.reused = true;
	vnet_rx_up(&x, VRIG_ALL);
	vnet_rx_arrive(&x, 60, 1); /* no buffers: the backend keeps it */
	virtio_net_set_link(x.rig.n, false);
	vrig_pump(&x.rig);
	assert_int_equal(fake_net_queued(x.rig.net), 0);
	virtio_net_set_link(x.rig.n, true);
	vrig_pump(&x.rig);
	vnet_rx_post(&x, 100);
	vnet_rx_go(&x);
	vnet_rx_arrive(&x, 3000, 2); /* half-delivered when the link goes */
	virtio_net_set_link(x.rig.n, false);
	virtio_net_set_link(x.rig.n, true);
	vrig_pump(&x.rig);
	vnet_rx_post(&x, 2048);
	vnet_rx_go(&x);
	assert_int_equal(vnet_rx_take(&x), 0);
	vnet_rx_arrive(&x, 60, 3);
	vnet_rx_expect(&x, 60, 3, 1);
	assert_int_equal(stats()->rx_dropped, 2);
}

/* ---- turns and interrupts */

static void one_publication_and_one_interrupt_for_a_batch(unused void **state)
{
	vnet_rx_up(&x, VRIG_ALL & ~FEATURE(VIRTIO_RING_F_EVENT_IDX));
	for (unsigned i = 0; i < 20; i++)
		vnet_rx_post(&x, 2048);
	vnet_rx_go(&x);
	for (unsigned i = 0; i < 10; i++) {
		vnet_rx_queue(&x, vrig_mac, 60, i);
	}
	fake_net_can_recv(x.rig.net);
	assert_int_equal(x.rig.dev.core->interrupts, 1);
	assert_int_equal(stats()->rx_interrupts, 1);
	for (unsigned i = 0; i < 10; i++)
		vnet_rx_expect(&x, 60, i, 1);
	fake_vq_irq_off(&x.rig.vq[NET_RX]);
	vnet_rx_arrive(&x, 60, 1);
	assert_int_equal(stats()->rx_interrupts_suppressed, 1);
}

static void a_flood_is_served_in_turns(unused void **state)
{
	use_ring_of(VQ_NUM_MAX);
	vnet_rx_up(&x, VRIG_ALL);
	for (unsigned i = 0; i < 500; i++)
		vnet_rx_post(&x, 128);
	vnet_rx_go(&x);
	for (unsigned i = 0; i < 400; i++) {
		vnet_rx_queue(&x, vrig_mac, 60, i);
	}
	fake_net_can_recv(x.rig.net);
	assert_int_equal(fake_vq_nr_used(&x.rig.vq[NET_RX]), NET_TURN_FRAMES);
	assert_true(vrig_pump_once(&x.rig)); /* by itself */
	assert_int_equal(fake_vq_nr_used(&x.rig.vq[NET_RX]), 400);
	assert_int_equal(stats()->rx_kicks, 1);
	for (unsigned i = 0; i < 400; i++)
		vnet_rx_expect(&x, 60, i, 1);
}

static void many_pieces_end_a_turn_early(unused void **state)
{
	vnet_rx_destroy(&x);
	vnet_rx_create(&x, VQ_NUM_MAX, 0);
	vnet_rx_up(&x, NO_MRG);
	for (unsigned i = 0; i < 40; i++)
		assert_true(vnet_rx_post_cut(&x, 128, 1, 1, 0));
	vnet_rx_go(&x);
	for (unsigned i = 0; i < 40; i++)
		vnet_rx_queue(&x, vrig_mac, 60, i);
	fake_net_can_recv(x.rig.net);
	/* The first one was walked at the kick. */
	assert_int_equal(fake_vq_nr_used(&x.rig.vq[NET_RX]), 1 + NET_TURN_PIECES / 128);
	vrig_pump(&x.rig);
	assert_int_equal(fake_vq_nr_used(&x.rig.vq[NET_RX]), 40);
}

/* Nearly all of each chain is readable: no frame ever takes such pieces, and to walk them is work all the same. */
static void a_ring_of_long_chains_is_walked_in_turns(unused void **state)
{
	enum { CHAINS = 256, PIECES = 256 };
	struct fake_buf b[PIECES];
	const struct vq *q;

	use_ring_of(VQ_NUM_MAX);
	vnet_rx_up(&x, VRIG_ALL);
	q = &x.rig.dev.core->queue[NET_RX].vq;
	for (unsigned i = 0; i + 1 < PIECES; i++)
		b[i] = fake_out(&x.rig.m, "", 1);
	for (unsigned i = 0; i < CHAINS; i++) {
		b[PIECES - 1] = fake_in(&x.rig.m, 64);
		assert_true(fake_vq_add_table(&x.rig.vq[NET_RX], b, PIECES, 0) >= 0);
	}
	fake_vq_publish(&x.rig.vq[NET_RX]);
	fake_kick(&x.rig.dev, NET_RX);
	/* What a turn may walk, and as much behind it, ahead of the frames. */
	for (unsigned walked = 0; vrig_pump_once(&x.rig); walked = q->next_avail)
		assert_true(q->next_avail - walked <= 2 * (NET_TURN_PIECES / PIECES + 1));
	vnet_rx_queue(&x, vrig_mac, 1000, 1);
	fake_net_can_recv(x.rig.net);
	vrig_pump(&x.rig);
	assert_int_equal(stats()->rx_frames, 1);
	assert_int_equal(stats()->rx_chains, (NET_HDR_LEN + 1000 + 63) / 64);
}

/* The last pages of guest memory become regions of their own. Where the first of them begins. */
static gpa_t cut_memory(struct gmem *m)
{
	struct gmem_region *all = &m->region[0];
	const uint64_t page = 4096;

	all->size -= (GMEM_MAX_REGIONS - 1) * page;
	for (m->nr = 1; m->nr < GMEM_MAX_REGIONS; m->nr++) {
		const uint64_t at = all->size + (m->nr - 1) * page;

		m->region[m->nr] = (struct gmem_region){
			.base = all->base + at, .size = page, .host = all->host + at, .fd = -1};
	}
	return all->base + all->size;
}

/* It is walked for each frame, as long as there are buffers before it. */
static void a_chain_that_fits_no_window_ends_a_turn(unused void **state)
{
	static struct fake_buf b[VQ_NUM_MAX];
	gpa_t cut;

	use_ring_of(VQ_NUM_MAX);
	cut = cut_memory(&x.rig.m.gmem);
	vnet_rx_up(&x, VRIG_ALL);
	for (unsigned i = 0; i < 20; i++)
		vnet_rx_post(&x, 128);
	for (unsigned i = 0; i < VQ_NUM_MAX; i++) /* each in eight regions */
		b[i] = (struct fake_buf){.addr = cut - 1, .len = 6 * 4096 + 2, .write = true};
	assert_true(fake_vq_add_table(&x.rig.vq[NET_RX], b, VQ_NUM_MAX, 0) >= 0);
	vnet_rx_go(&x);
	for (unsigned i = 0; i < 10; i++)
		vnet_rx_queue(&x, vrig_mac, 60, i);
	fake_net_can_recv(x.rig.net);
	assert_int_equal(stats()->rx_frames, 1);
	vrig_pump(&x.rig);
	for (unsigned i = 0; i < 10; i++)
		vnet_rx_expect(&x, 60, i, 1);
	assert_false(needs_reset());
}

static void frames_of_somebody_else_end_a_turn_too(unused void **state)
{
	static const uint8_t other[6] = {0x52, 0x54, 0, 1, 2, 3};

	vnet_rx_up(&x, VRIG_ALL);
	vnet_rx_post(&x, 2048);
	vnet_rx_go(&x);
	for (unsigned i = 0; i < 400; i++) {
		vnet_rx_queue(&x, other, 60, i);
	}
	fake_net_can_recv(x.rig.net);
	assert_int_equal(stats()->rx_filtered, NET_TURN_FRAMES);
	vrig_pump(&x.rig);
	assert_int_equal(stats()->rx_filtered, 400);
}

static void the_driver_is_not_asked_for_kicks_while_buffers_last(unused void **state)
{
	vnet_rx_up(&x, VRIG_ALL & ~FEATURE(VIRTIO_RING_F_EVENT_IDX));
	vnet_rx_post(&x, 2048);
	vnet_rx_go(&x);
	fake_vq_publish(&x.rig.vq[NET_RX]);
	vnet_rx_post(&x, 2048);
	fake_vq_publish(&x.rig.vq[NET_RX]);
	assert_false(fake_vq_wants_kick(&x.rig.vq[NET_RX]));
	vnet_rx_arrive(&x, 60, 1);
	vnet_rx_arrive(&x, 60, 2);
	vnet_rx_expect(&x, 60, 1, 1);
	vnet_rx_expect(&x, 60, 2, 1);
	vnet_rx_arrive(&x, 60, 3); /* finds nothing posted */
	vnet_rx_post(&x, 2048);
	fake_vq_publish(&x.rig.vq[NET_RX]);
	assert_true(fake_vq_wants_kick(&x.rig.vq[NET_RX]));
}

/* ---- the end of a life */

/* dev.reset.quiesce */
static void buffers_are_not_written_after_a_reset(unused void **state)
{
	struct fake_buf b;

	vnet_rx_up(&x, VRIG_ALL);
	b = fake_in(&x.rig.m, 2048);
	assert_true(fake_vq_add(&x.rig.vq[NET_RX], &b, 1) >= 0);
	vnet_rx_go(&x);
	fake_net_can_recv(x.rig.net); /* the chain is in the window now */
	virtio_set_status(x.rig.dev.core, 0);
	fake_net_can_recv(x.rig.net);
	vnet_rx_arrive(&x, 60, 1);
	for (unsigned i = 0; i < 2048; i++)
		assert_int_equal(*(uint8_t *)fake_at(&x.rig.m, b.addr + i, 1), 0xa5);
	assert_int_equal(fake_vq_nr_used(&x.rig.vq[NET_RX]), 0);
}

static void a_stop_gives_back_what_was_not_used(unused void **state)
{
	struct virtio_dev *d = x.rig.dev.core;

	vnet_rx_up(&x, VRIG_ALL);
	for (unsigned i = 0; i < 10; i++)
		vnet_rx_post(&x, 2000);
	vnet_rx_go(&x);
	vnet_rx_arrive(&x, 60, 1);
	assert_int_equal(d->queue[NET_RX].vq.next_avail, 10);
	/* The core's part of a stop, without the end of the queues: whoever goes on finds nine. */
	d->started = false;
	d->ops->stop(d);
	assert_int_equal(d->queue[NET_RX].vq.next_avail, 1);
	assert_int_equal(d->queue[NET_RX].vq.next_used, 1);
}

/* More than a frame may need, with MRG_RXBUF; behind a turn, so that the next one has them. */
static void posted_buffers_are_taken_ahead_and_given_back(unused void **state)
{
	struct virtio_dev *d = x.rig.dev.core;
	const struct vq *q = &d->queue[NET_RX].vq;

	vnet_rx_up(&x, VRIG_ALL);
	for (unsigned i = 0; i < 100; i++)
		vnet_rx_post(&x, 2000);
	vnet_rx_go(&x);
	assert_int_equal(q->next_avail, 100);
	for (unsigned i = 0; i < 10; i++)
		vnet_rx_post(&x, 2000);
	fake_vq_publish(&x.rig.vq[NET_RX]);
	vnet_rx_arrive(&x, 60, 1);
	vnet_rx_expect(&x, 60, 1, 1);
	/* A recv() is given no more of them than the largest frame takes, our header and the spill buffer. */
	assert_int_equal(x.rig.net->last_iov_n, 33 + 2);
	assert_int_equal(q->next_avail, 110);
	vnet_rx_arrive(&x, 65000, 2);
	vnet_rx_expect(&x, 65000, 2, 33);
	d->started = false;
	d->ops->stop(d);
	assert_int_equal(q->next_avail, 34);
	assert_int_equal(q->next_used, 34);
}

static void what_breaks_ahead_of_the_frames_needs_a_reset_behind_them(unused void **state)
{
	vnet_rx_up(&x, VRIG_ALL);
	for (unsigned i = 0; i < 40; i++)
		vnet_rx_post(&x, 2000);
	fake_vq_raw_head(&x.rig.vq[NET_RX], 999);
	vnet_rx_queue(&x, vrig_mac, 60, 1);
	vnet_rx_go(&x);
	assert_true(needs_reset());
	assert_int_equal(x.rig.dev.core->broken, 1);
	vnet_rx_expect(&x, 60, 1, 1);
}

static void a_frame_that_waits_is_dropped_by_a_reset(unused void **state)
{
	vnet_rx_up(&x, VRIG_ALL);
	vnet_rx_post(&x, 100);
	vnet_rx_go(&x);
	vnet_rx_arrive(&x, 3000, 1);
	vnet_rx_up(&x, VRIG_ALL);
	vnet_rx_post(&x, 4096);
	vnet_rx_go(&x);
	assert_int_equal(vnet_rx_take(&x), 0);
	vnet_rx_arrive(&x, 60, 2);
	vnet_rx_expect(&x, 60, 2, 1);
}

/* dev.mmio.no-access-unready */
static void a_queue_that_the_driver_took_back_is_not_used_any_more(unused void **state)
{
	struct fake_buf b;

	vnet_rx_up(&x, VRIG_ALL);
	b = fake_in(&x.rig.m, 2048);
	assert_true(fake_vq_add(&x.rig.vq[NET_RX], &b, 1) >= 0);
	vnet_rx_go(&x);
	fake_net_can_recv(x.rig.net);
	virtio_queue_ready(x.rig.dev.core, NET_RX, false);
	vnet_rx_arrive(&x, 60, 1);
	fake_kick(&x.rig.dev, NET_RX);
	vrig_pump(&x.rig);
	for (unsigned i = 0; i < 2048; i++)
		assert_int_equal(*(uint8_t *)fake_at(&x.rig.m, b.addr + i, 1), 0xa5);
	assert_false(needs_reset());
}

static void a_broken_ring_needs_a_reset(unused void **state)
{
	vnet_rx_up(&x, VRIG_ALL);
	vnet_rx_post(&x, 2048);
	fake_vq_raw_head(&x.rig.vq[NET_RX], 999);
	vnet_rx_go(&x);
	assert_true(needs_reset());
	assert_int_equal(x.rig.dev.core->broken, 1);
	assert_false(x.rig.net->started);
	vnet_rx_up(&x, VRIG_ALL);
	vnet_rx_post(&x, 2048);
	vnet_rx_go(&x);
	vnet_rx_arrive(&x, 60, 1);
	vnet_rx_expect(&x, 60, 1, 1);
}

static void a_ring_that_breaks_while_a_frame_waits_needs_a_reset(unused void **state)
{
	vnet_rx_up(&x, VRIG_ALL);
	vnet_rx_post(&x, 100);
	vnet_rx_go(&x);
	vnet_rx_arrive(&x, 3000, 1);
	fake_vq_raw_head(&x.rig.vq[NET_RX], 999);
	vnet_rx_go(&x);
	assert_true(needs_reset());
	assert_int_equal(fake_vq_nr_used(&x.rig.vq[NET_RX]), 0);
}

static void a_lost_backend_is_not_asked_for_frames_any_more(unused void **state)
{
	unsigned before;

	vnet_rx_up(&x, VRIG_ALL);
	vnet_rx_post(&x, 100);
	vnet_rx_go(&x);
	vnet_rx_arrive(&x, 3000, 1); /* waits, and is lost too */
	assert_true(fake_net_gone(x.rig.net, -ENODEV));
	before = x.rig.net->nr_recvs;
	vrig_pump(&x.rig);
	vnet_rx_post(&x, 4096);
	vnet_rx_go(&x);
	fake_kick(&x.rig.dev, NET_RX);
	vrig_pump(&x.rig);
	assert_int_equal(x.rig.net->nr_recvs, before);
	assert_int_equal(stats()->rx_dropped, 1);
	assert_int_equal(vnet_rx_take(&x), 0);
}

static void a_broken_ring_seen_from_a_backend_call_is_survived(unused void **state)
{
	vnet_rx_up(&x, NO_MRG);
	vnet_rx_post(&x, 2048);
	vnet_rx_go(&x);
	fake_vq_raw_head(&x.rig.vq[NET_RX], 999);
	fake_vq_publish(&x.rig.vq[NET_RX]);
	vnet_rx_queue(&x, vrig_mac, 60, 1);
	fake_net_queue(x.rig.net, NULL, x.frame, 60);
	fake_net_can_recv(x.rig.net);
	assert_true(needs_reset());
	vnet_rx_expect(&x, 60, 1, 1); /* what was delivered before is published */
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_frame_for_somebody_else_consumes_nothing),
		CASE(the_filter_looks_at_frames_that_lie_in_pieces),
		CASE(frames_over_the_mtu_are_not_passed_up),
		CASE(headers_of_the_backend_are_judged_by_what_was_accepted),
		CASE(runts_of_the_backend_are_dropped),
		CASE(while_the_link_is_down_frames_are_lost),
		CASE(so_they_are_without_a_queue_to_receive_into),
		CASE(nothing_old_is_delivered_after_the_link_was_down),
		CASE(one_publication_and_one_interrupt_for_a_batch),
		CASE(a_flood_is_served_in_turns),
		CASE(many_pieces_end_a_turn_early),
		CASE(a_ring_of_long_chains_is_walked_in_turns),
		CASE(a_chain_that_fits_no_window_ends_a_turn),
		CASE(frames_of_somebody_else_end_a_turn_too),
		CASE(the_driver_is_not_asked_for_kicks_while_buffers_last),
		CASE(buffers_are_not_written_after_a_reset),
		CASE(a_stop_gives_back_what_was_not_used),
		CASE(a_frame_that_waits_is_dropped_by_a_reset),
		CASE(a_queue_that_the_driver_took_back_is_not_used_any_more),
		CASE(posted_buffers_are_taken_ahead_and_given_back),
		CASE(what_breaks_ahead_of_the_frames_needs_a_reset_behind_them),
		CASE(a_broken_ring_needs_a_reset),
		CASE(a_ring_that_breaks_while_a_frame_waits_needs_a_reset),
		CASE(a_lost_backend_is_not_asked_for_frames_any_more),
		CASE(a_broken_ring_seen_from_a_backend_call_is_survived),
	};

	return VRIG_RUN_LAYOUTS(tests);
}
