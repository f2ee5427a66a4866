/* SPDX-License-Identifier: Apache-2.0 */
/* Frames out of the guest, the link, and the life of the network device. */
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
#include "tests/lib/pattern.h"
#include "tests/lib/vnet_layouts.h"
#include "tests/lib/vnet_rig.h"
#include "vmm/core/le.h"

#define F VRIG_F

static struct vrig rig;
static uint8_t buf[NET_RECV_MAX + 64];
static const struct virtio_net_hdr_v1 zero_hdr;

static int setup(void **state)
{
	*state = &rig;
	vrig_create(&rig, (struct vrig_options){.mtu = 1500});
	return 0;
}

static int teardown(void **state)
{
	vrig_destroy(*state);
	return 0;
}

static const struct virtio_net_stats *stats(void)
{
	return virtio_net_stats(rig.n);
}

/* A header and a frame of @len bytes in buf[]. */
static void prepare(const struct virtio_net_hdr_v1 *hdr, uint32_t len, unsigned seed)
{
	memcpy(buf, hdr, NET_HDR_LEN);
	if (len >= 14)
		vrig_frame(buf + NET_HDR_LEN, len, vrig_mac, seed);
	else
		pattern_fill(buf + NET_HDR_LEN, len, seed);
}

/* Post what is in buf[] for transmission in one buffer; nothing runs. */
static void post(uint32_t total)
{
	struct fake_buf b = fake_out(&rig.m, buf, total);

	assert_true(fake_vq_add(&rig.vq[NET_TX], &b, 1) >= 0);
}

static void send(const struct virtio_net_hdr_v1 *hdr, uint32_t len, unsigned seed)
{
	prepare(hdr, len, seed);
	post(NET_HDR_LEN + len);
	vrig_go(&rig, NET_TX);
}

/* Frame @i that the backend took is @len bytes made by prepare() behind a zero header. */
static void assert_sent(unsigned i, uint32_t len, unsigned seed)
{
	prepare(&zero_hdr, len, seed);
	assert_true(i < rig.net->nr_sent);
	assert_int_equal(rig.net->sent[i].len, NET_HDR_LEN + len);
	assert_memory_equal(rig.net->sent[i].data, buf, NET_HDR_LEN + len);
}

/* All that was posted is back, with length 0. */
static unsigned reap_tx(void)
{
	unsigned head, n = 0;
	uint32_t len;

	while (fake_vq_reap(&rig.vq[NET_TX], &head, &len)) {
		assert_int_equal(len, 0);
		n++;
	}
	return n;
}

static bool needs_reset(void)
{
	return fake_status(&rig.dev) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

static bool link_shown(void)
{
	struct virtio_net_config c;

	virtio_config_read(rig.dev.core, 0, &c, sizeof(c));
	return get_le16(&c.status) & VIRTIO_NET_S_LINK_UP;
}

/* ---- frames out of the guest */

/* dev.tx.used-len-0 */
static void a_frame_goes_out_in_one_call_without_a_copy(unused void **state)
{
	struct fake_buf b;

	vrig_up(&rig, VRIG_ALL);
	prepare(&zero_hdr, 1514, 1);
	b = fake_out(&rig.m, buf, NET_HDR_LEN + 1514);
	assert_true(fake_vq_add(&rig.vq[NET_TX], &b, 1) >= 0);
	vrig_go(&rig, NET_TX);
	assert_int_equal(rig.net->nr_sends, 1);
	assert_int_equal(rig.net->last_iov_n, 2);
	assert_sent(0, 1514, 1);
	assert_int_equal(reap_tx(), 1);
	assert_int_equal(stats()->tx_frames, 1);
	assert_int_equal(stats()->tx_bytes, NET_HDR_LEN + 1514);
	assert_int_equal(stats()->tx_bytes_copied, 0);
}

/* Send @total bytes of buf[] cut at the places that @cut_every gives, in plain or indirect chains. */
static void send_cut(uint32_t total, uint32_t first, uint32_t then, int direct)
{
	struct fake_buf whole = fake_out(&rig.m, buf, total), b[VQ_NUM_MAX];
	unsigned n = 0;

	for (uint32_t at = 0, len = first; at < total; at += len, len = then) {
		if (len > total - at)
			len = total - at;
		b[n++] = fake_part(whole, at, len);
	}
	if (direct < 0)
		assert_true(fake_vq_add(&rig.vq[NET_TX], b, n) >= 0);
	else
		assert_true(fake_vq_add_table(&rig.vq[NET_TX], b, n, (unsigned)direct) >= 0);
	vrig_go(&rig, NET_TX);
	assert_int_equal(reap_tx(), 1);
}

/* dev.framing.any */
static void the_header_may_lie_anywhere(unused void **state)
{
	vrig_up(&rig, VRIG_ALL);
	for (uint32_t first = 1; first <= 40; first++) {
		for (int direct = -1; direct < 2; direct++) {
			prepare(&zero_hdr, 100, first);
			send_cut(NET_HDR_LEN + 100, first, 57, direct);
			assert_sent(0, 100, first);
			prepare(&zero_hdr, 100, first);
			send_cut(NET_HDR_LEN + 100, first, 1, direct);
			assert_sent(1, 100, first);
			fake_net_forget_sent(rig.net);
			vrig_forget(&rig);
		}
	}
}

/* Where the kernel would have to be told of more than one piece. */
static void a_short_frame_is_copied_into_one_piece(unused void **state)
{
	vrig_up(&rig, VRIG_ALL);
	prepare(&zero_hdr, NET_COPY_MAX - NET_HDR_LEN, 1);
	send_cut(NET_COPY_MAX, 5, 100, -1);
	assert_sent(0, NET_COPY_MAX - NET_HDR_LEN, 1);
	assert_int_equal(rig.net->last_iov_n, 1);
	assert_int_equal(stats()->tx_bytes_copied, NET_COPY_MAX - NET_HDR_LEN);
	prepare(&zero_hdr, NET_COPY_MAX - NET_HDR_LEN + 1, 2);
	send_cut(NET_COPY_MAX + 1, NET_HDR_LEN, NET_COPY_MAX, -1);
	assert_sent(1, NET_COPY_MAX - NET_HDR_LEN + 1, 2);
	assert_int_equal(rig.net->last_iov_n, 2);
	assert_int_equal(stats()->tx_bytes_copied, NET_COPY_MAX - NET_HDR_LEN);
}

static void frames_of_every_size_arrive_as_they_are(unused void **state)
{
	vrig_up(&rig, VRIG_ALL);
	for (uint32_t len = 14; len <= VNET_FRAME_MAX; len += len < 1600 ? 1 : 997) {
		prepare(&zero_hdr, len, len);
		send_cut(NET_HDR_LEN + len, 1 + len % 31, 500 + len % 4096, len % 3 ? -1 : 0);
		assert_sent(0, len, len);
		fake_net_forget_sent(rig.net);
		vrig_forget(&rig);
	}
	prepare(&zero_hdr, VNET_FRAME_MAX, 3);
	send_cut(NET_HDR_LEN + VNET_FRAME_MAX, NET_HDR_LEN, 4096, -1);
	assert_sent(0, VNET_FRAME_MAX, 3);
	assert_int_equal(stats()->tx_dropped, 0);
}

static void a_frame_in_more_pieces_than_writev_takes_is_sent(unused void **state)
{
	vrig_destroy(&rig);
	vrig_create(&rig, (struct vrig_options){.vq_size = VQ_NUM_MAX});
	vrig_up(&rig, VRIG_ALL);
	prepare(&zero_hdr, VQ_NUM_MAX + 12 - NET_HDR_LEN, 5);
	send_cut(VQ_NUM_MAX + 12, 13, 1, -1); /* 13 + 1023 * 1 bytes: all entries */
	assert_sent(0, VQ_NUM_MAX + 12 - NET_HDR_LEN, 5);
	assert_int_equal(stats()->tx_bytes_copied, VQ_NUM_MAX);
	assert_int_equal(rig.net->last_iov_n, 1);
}

/* What Linux does on a short ring: it was declared broken. */
static void a_frame_of_nineteen_pieces_is_sent_on_a_ring_of_sixteen(unused void **state)
{
	for (uint32_t num = 2; num <= 16; num *= 2) {
		vrig_destroy(&rig);
		vrig_create(&rig, (struct vrig_options){.vq_size = num});
		vrig_up(&rig, VRIG_ALL);
		for (unsigned i = 0; i < 3 * num; i++) {
			prepare(&zero_hdr, 18 * 80, i);
			send_cut(NET_HDR_LEN + 18 * 80, NET_HDR_LEN, 80, 0);
			assert_sent(i, 18 * 80, i);
		}
		assert_false(needs_reset());
	}
}

static void writable_parts_of_a_tx_chain_are_left_alone(unused void **state)
{
	struct fake_buf b[2];

	vrig_up(&rig, VRIG_ALL);
	prepare(&zero_hdr, 60, 1);
	b[0] = fake_out(&rig.m, buf, NET_HDR_LEN + 60);
	b[1] = fake_in(&rig.m, 64);
	assert_true(fake_vq_add(&rig.vq[NET_TX], b, 2) >= 0);
	vrig_go(&rig, NET_TX);
	assert_sent(0, 60, 1);
	assert_int_equal(reap_tx(), 1);
	memset(buf, 0xa5, 64);
	assert_memory_equal(fake_at(&rig.m, b[1].addr, 64), buf, 64);
}

/* dev.tx.runt */
static void runts_come_back_and_are_not_sent(unused void **state)
{
	struct fake_buf in;

	vrig_up(&rig, VRIG_ALL);
	for (uint32_t total = 1; total < NET_HDR_LEN + VNET_FRAME_MIN; total++) {
		prepare(&zero_hdr, VNET_FRAME_MIN, 1);
		post(total);
		vrig_go(&rig, NET_TX);
		assert_int_equal(reap_tx(), 1);
	}
	/* No readable byte at all. */
	in = fake_in(&rig.m, 100);
	assert_true(fake_vq_add(&rig.vq[NET_TX], &in, 1) >= 0);
	vrig_go(&rig, NET_TX);
	assert_int_equal(reap_tx(), 1);
	assert_int_equal(rig.net->nr_sends, 0);
	assert_int_equal(stats()->tx_dropped, NET_HDR_LEN + VNET_FRAME_MIN);
	send(&zero_hdr, VNET_FRAME_MIN, 2);
	assert_sent(0, VNET_FRAME_MIN, 2);
	assert_false(needs_reset());
}

static void a_frame_longer_than_any_packet_is_not_sent(unused void **state)
{
	struct fake_buf b[80], page;

	vrig_up(&rig, VRIG_ALL);
	page = fake_out(&rig.m, buf, 4096);
	memset(fake_at(&rig.m, page.addr, 16), 0, 16);
	for (unsigned i = 0; i < 80; i++)
		b[i] = page; /* the same page again and again: a guest can claim gigabytes */
	assert_true(fake_vq_add(&rig.vq[NET_TX], b, 80) >= 0);
	vrig_go(&rig, NET_TX);
	assert_int_equal(reap_tx(), 1);
	assert_int_equal(rig.net->nr_sends, 0);
	assert_int_equal(stats()->tx_dropped, 1);
}

/* dev.tx.csum-complete */
static void a_bad_header_comes_back_and_the_next_frame_goes(unused void **state)
{
	struct virtio_net_hdr_v1 bad = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
	                                .csum_start = htole16(50),
	                                .csum_offset = htole16(16)};

	vrig_up(&rig, VRIG_ALL);
	send(&bad, 60, 1);
	bad = (struct virtio_net_hdr_v1){.gso_type = VIRTIO_NET_HDR_GSO_TCPV4};
	send(&bad, 60, 2);
	assert_int_equal(rig.net->nr_sends, 0);
	send(&zero_hdr, 60, 3);
	assert_sent(0, 60, 3);
	assert_int_equal(reap_tx(), 3);
	assert_int_equal(stats()->tx_dropped, 2);
	assert_false(needs_reset());
}

/* dev.tx.ignore-flags, dev.tx.csum-fields, dev.tx.no-trust-csum */
static void unknown_flags_and_poisoned_csum_fields_do_not_reach_the_backend(unused void **state)
{
	struct virtio_net_hdr_v1 h = {.flags = 0xfe,
	                              .csum_start = 0xffff,
	                              .csum_offset = 0xffff,
	                              .hdr_len = 0xffff,
	                              .gso_size = 0xffff,
	                              .num_buffers = 0xffff};

	vrig_up(&rig, VRIG_ALL);
	send(&h, 60, 1);
	assert_sent(0, 60, 1);
}

/* dev.tx.csum-complete */
static void an_offload_request_reaches_the_backend(unused void **state)
{
	struct virtio_net_hdr_v1 h = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
	                              .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
	                              .hdr_len = htole16(54),
	                              .gso_size = htole16(1448),
	                              .csum_start = htole16(34),
	                              .csum_offset = htole16(16)};

	vrig_up(&rig, VRIG_ALL);
	send(&h, 9000, 1);
	assert_int_equal(rig.net->nr_sent, 1);
	assert_memory_equal(rig.net->sent[0].data, &h, sizeof(h));
	/* The same without the feature. */
	vrig_up(&rig, VRIG_ALL & ~(F(HOST_TSO4) | F(HOST_TSO6) | F(HOST_ECN)));
	send(&h, 9000, 1);
	assert_int_equal(rig.net->nr_sent, 1);
}

static void a_full_backend_keeps_the_order_and_loses_nothing(unused void **state)
{
	vrig_up(&rig, VRIG_ALL);
	fake_net_fail_send(rig.net, 3, -EAGAIN, UINT_MAX);
	for (unsigned i = 0; i < 10; i++) {
		prepare(&zero_hdr, 60 + i, i);
		post(NET_HDR_LEN + 60 + i);
	}
	vrig_go(&rig, NET_TX);
	assert_int_equal(rig.net->nr_sent, 3);
	assert_int_equal(reap_tx(), 3);
	assert_int_equal(stats()->tx_full, 1);
	/* Kicks do not make it try again. */
	fake_kick(&rig.dev, NET_TX);
	vrig_pump(&rig);
	assert_int_equal(rig.net->nr_sends, 4);
	assert_true(fake_net_can_send(rig.net));
	vrig_pump(&rig);
	assert_int_equal(reap_tx(), 7);
	for (unsigned i = 0; i < 10; i++)
		assert_sent(i, 60 + i, i);
	send(&zero_hdr, 60, 99);
	assert_sent(10, 60, 99);
	assert_int_equal(stats()->tx_frames, 11);
	assert_int_equal(stats()->tx_dropped, 0);
}

static void the_driver_is_not_asked_for_kicks_while_the_backend_is_full(unused void **state)
{
	struct fake_vq *tx = &rig.vq[NET_TX];

	vrig_up(&rig, VRIG_ALL & ~FEATURE(VIRTIO_RING_F_EVENT_IDX));
	fake_net_fail_send(rig.net, 0, -EAGAIN, UINT_MAX);
	send(&zero_hdr, 60, 1);
	prepare(&zero_hdr, 60, 2);
	post(NET_HDR_LEN + 60);
	fake_vq_publish(tx);
	assert_false(fake_vq_wants_kick(tx));
	fake_net_can_send(rig.net);
	assert_int_equal(reap_tx(), 2);
	post(NET_HDR_LEN + 60);
	fake_vq_publish(tx);
	assert_true(fake_vq_wants_kick(tx));
}

static void can_send_without_need_does_nothing(unused void **state)
{
	vrig_up(&rig, VRIG_ALL);
	fake_net_can_send(rig.net);
	assert_int_equal(rig.net->nr_sends, 0);
	send(&zero_hdr, 60, 1);
	assert_sent(0, 60, 1);
}

static void a_frame_that_the_host_refuses_is_dropped_and_the_next_goes(unused void **state)
{
	vrig_up(&rig, VRIG_ALL);
	fake_net_fail_send(rig.net, 1, -EIO, 1);
	for (unsigned i = 0; i < 3; i++) {
		prepare(&zero_hdr, 60, i);
		post(NET_HDR_LEN + 60);
	}
	vrig_go(&rig, NET_TX);
	assert_int_equal(reap_tx(), 3);
	assert_sent(0, 60, 0);
	assert_sent(1, 60, 2);
	assert_int_equal(stats()->tx_dropped, 1);
	assert_int_equal(stats()->tx_frames, 2);
}

/* dev.notif.must, dev.notif.suppress */
static void one_interrupt_for_a_batch(unused void **state)
{
	vrig_up(&rig, VRIG_ALL & ~FEATURE(VIRTIO_RING_F_EVENT_IDX));
	for (unsigned i = 0; i < 20; i++) {
		prepare(&zero_hdr, 60, i);
		post(NET_HDR_LEN + 60);
	}
	vrig_go(&rig, NET_TX);
	assert_int_equal(rig.dev.core->interrupts, 1);
	assert_int_equal(virtio_isr(rig.dev.core), VIRTIO_MMIO_INT_VRING);
	assert_int_equal(stats()->tx_interrupts, 1);
	assert_int_equal(reap_tx(), 20);

	fake_vq_irq_off(&rig.vq[NET_TX]);
	send(&zero_hdr, 60, 1);
	assert_int_equal(reap_tx(), 1);
	assert_int_equal(rig.dev.core->interrupts, 1);
	assert_int_equal(stats()->tx_interrupts_suppressed, 1);
}

/* dev.notif.spurious-kick */
static void kicks_are_counted_and_empty_ones_do_no_harm(unused void **state)
{
	vrig_up(&rig, VRIG_ALL);
	assert_int_equal(stats()->tx_kicks, 0); /* the first look was ours */
	for (unsigned i = 0; i < 100; i++)
		for (unsigned q = 0; q < 5; q++)
			fake_kick(&rig.dev, q);
	vrig_pump(&rig);
	assert_int_equal(stats()->tx_kicks, 100);
	assert_int_equal(stats()->rx_kicks, 100);
	assert_int_equal(stats()->ctrl_kicks, 100);
	assert_int_equal(stats()->tx_frames | stats()->rx_frames | stats()->ctrl_commands, 0);
	assert_int_equal(rig.dev.core->interrupts, 0);
}

/* dev.status.no-consume-early */
static void frames_posted_before_driver_ok_are_sent_after_it_without_a_kick(unused void **state)
{
	struct fake_vq *tx = &rig.vq[NET_TX];
	struct fake_buf b;

	prepare(&zero_hdr, 60, 1);
	assert_int_equal(fake_negotiate(&rig.dev, FEATURE(VIRTIO_F_VERSION_1)), 0);
	fake_vq_init(tx, &rig.m, 256, 0);
	fake_set_queue(&rig.dev, NET_TX, &tx->addr);
	b = fake_out(&rig.m, buf, NET_HDR_LEN + 60);
	assert_true(fake_vq_add(tx, &b, 1) >= 0);
	fake_vq_publish(tx);
	fake_kick(&rig.dev, NET_TX); /* early: against the rules, and without effect */
	vrig_pump(&rig);
	assert_int_equal(fake_vq_nr_used(tx), 0);
	assert_int_equal(rig.dev.core->interrupts, 0);
	fake_add_status(&rig.dev, VIRTIO_CONFIG_S_DRIVER_OK);
	vrig_pump(&rig);
	assert_sent(0, 60, 1);
	assert_int_equal(stats()->tx_kicks, 0);
}

static void a_long_queue_is_served_in_turns(unused void **state)
{
	vrig_destroy(&rig);
	vrig_create(&rig, (struct vrig_options){.vq_size = VQ_NUM_MAX});
	vrig_up(&rig, VRIG_ALL & ~FEATURE(VIRTIO_RING_F_EVENT_IDX));
	for (unsigned i = 0; i < 400; i++) {
		prepare(&zero_hdr, 60, i);
		post(NET_HDR_LEN + 60);
	}
	fake_vq_publish(&rig.vq[NET_TX]);
	fake_kick(&rig.dev, NET_TX);
	assert_true(vrig_pump_once(&rig));
	assert_int_equal(reap_tx(), NET_TURN_FRAMES); /* published, others may run now */
	assert_true(vrig_pump_once(&rig));
	assert_int_equal(reap_tx(), 400 - NET_TURN_FRAMES);
	assert_false(vrig_pump_once(&rig));
	assert_int_equal(stats()->tx_kicks, 1);
	assert_int_equal(stats()->tx_interrupts, 2);
}

static void large_frames_and_many_pieces_end_a_turn_early(unused void **state)
{
	struct fake_buf b[128];

	vrig_destroy(&rig);
	vrig_create(&rig, (struct vrig_options){.vq_size = VQ_NUM_MAX, .mem_bytes = MIB(8)});
	vrig_up(&rig, VRIG_ALL);
	for (unsigned i = 0; i < 40; i++) {
		prepare(&zero_hdr, 60000, i);
		post(NET_HDR_LEN + 60000);
	}
	fake_vq_publish(&rig.vq[NET_TX]);
	fake_kick(&rig.dev, NET_TX);
	assert_true(vrig_pump_once(&rig));
	assert_in_range(rig.net->nr_sent, 17, 18); /* 1 MiB */
	vrig_pump(&rig);
	assert_int_equal(rig.net->nr_sent, 40);
	assert_int_equal(reap_tx(), 40);

	vrig_up(&rig, VRIG_ALL);
	fake_net_forget_sent(rig.net);
	prepare(&zero_hdr, 128 - NET_HDR_LEN, 1);
	b[0] = fake_out(&rig.m, buf, 128);
	for (unsigned i = 1; i < 128; i++)
		b[i] = fake_part(b[0], i, 1);
	b[0].len = 1;
	for (unsigned i = 0; i < 40; i++)
		assert_true(fake_vq_add_table(&rig.vq[NET_TX], b, 128, 0) >= 0);
	fake_vq_publish(&rig.vq[NET_TX]);
	fake_kick(&rig.dev, NET_TX);
	assert_true(vrig_pump_once(&rig));
	assert_int_equal(rig.net->nr_sent, NET_TURN_PIECES / 128);
}

/* ---- link and backend */

static void while_the_link_is_down_frames_come_back_and_are_not_sent(unused void **state)
{
	vrig_up(&rig, VRIG_ALL);
	virtio_net_set_link(rig.n, false);
	assert_int_equal(virtio_isr(rig.dev.core), VIRTIO_MMIO_INT_CONFIG);
	assert_false(link_shown());
	send(&zero_hdr, 60, 1);
	assert_int_equal(reap_tx(), 1);
	assert_int_equal(rig.net->nr_sends, 0);
	assert_int_equal(stats()->tx_dropped, 1);
	virtio_net_set_link(rig.n, true);
	vrig_pump(&rig);
	send(&zero_hdr, 60, 2);
	assert_sent(0, 60, 2);
}

/* dev.cfg.change-irq */
static void link_changes_are_told_once_and_only_to_who_accepted_status(unused void **state)
{
	uint32_t generation;

	vrig_up(&rig, VRIG_ALL);
	generation = rig.dev.core->config_generation;
	virtio_net_set_link(rig.n, true);
	assert_int_equal(rig.dev.core->interrupts, 0);
	virtio_net_set_link(rig.n, false);
	virtio_net_set_link(rig.n, false);
	assert_int_equal(rig.dev.core->interrupts, 1);
	assert_int_not_equal(rig.dev.core->config_generation, generation);
	vrig_up(&rig, VRIG_ALL & ~(F(STATUS)));
	virtio_net_set_link(rig.n, true);
	assert_int_equal(rig.dev.core->interrupts, 1);
}

static void the_link_state_survives_a_reset(unused void **state)
{
	virtio_net_set_link(rig.n, false);
	vrig_up(&rig, VRIG_ALL);
	assert_false(link_shown());
	send(&zero_hdr, 60, 1);
	assert_int_equal(rig.net->nr_sends, 0);
}

static void a_blocked_queue_is_drained_when_the_link_goes_down(unused void **state)
{
	vrig_up(&rig, VRIG_ALL);
	fake_net_fail_send(rig.net, 0, -EAGAIN, UINT_MAX);
	send(&zero_hdr, 60, 1);
	assert_int_equal(reap_tx(), 0);
	virtio_net_set_link(rig.n, false);
	vrig_pump(&rig);
	assert_int_equal(reap_tx(), 1);
	fake_net_can_send(rig.net);
	assert_int_equal(rig.net->nr_sent, 0);
}

static void a_lost_backend_is_a_link_that_stays_down(unused void **state)
{
	vrig_up(&rig, VRIG_ALL);
	fake_net_fail_send(rig.net, 0, -EAGAIN, UINT_MAX);
	send(&zero_hdr, 60, 1);
	assert_true(fake_net_gone(rig.net, -EIO));
	vrig_pump(&rig);
	assert_int_equal(reap_tx(), 1);
	assert_int_equal(virtio_isr(rig.dev.core), VIRTIO_MMIO_INT_CONFIG | VIRTIO_MMIO_INT_VRING);
	virtio_net_set_link(rig.n, true);
	assert_false(link_shown());
	/* The driver may come and go; nobody calls the backend. */
	vrig_up(&rig, VRIG_ALL);
	send(&zero_hdr, 60, 2);
	assert_int_equal(reap_tx(), 1);
	assert_int_equal(rig.net->nr_starts, 1);
	assert_int_equal(rig.net->nr_stops, 1);
}

/* ---- broken rules and the end of a life */

/* dev.status.needs-reset, dev.status.needs-reset-irq */
static void a_broken_ring_needs_a_reset_and_only_that(unused void **state)
{
	vrig_up(&rig, VRIG_ALL);
	prepare(&zero_hdr, 60, 1);
	post(NET_HDR_LEN + 60); /* a good one first: it is published */
	fake_vq_raw_head(&rig.vq[NET_TX], 999);
	fake_vq_publish(&rig.vq[NET_TX]);
	fake_kick(&rig.dev, NET_TX);
	vrig_pump(&rig);
	assert_true(needs_reset());
	assert_int_equal(reap_tx(), 1);
	assert_sent(0, 60, 1);
	assert_int_equal(rig.dev.core->broken, 1);
	assert_true(virtio_isr(rig.dev.core) & VIRTIO_MMIO_INT_CONFIG);
	assert_false(rig.net->started);
	/* Nothing works until the reset, then all does. */
	fake_kick(&rig.dev, NET_TX);
	vrig_pump(&rig);
	fake_net_can_recv(rig.net);
	vrig_up(&rig, VRIG_ALL);
	send(&zero_hdr, 60, 2);
	assert_sent(1, 60, 2);
	assert_false(needs_reset());
}

static void a_broken_ring_seen_from_a_backend_call_is_survived(unused void **state)
{
	vrig_up(&rig, VRIG_ALL);
	fake_net_fail_send(rig.net, 0, -EAGAIN, UINT_MAX);
	prepare(&zero_hdr, 60, 1);
	post(NET_HDR_LEN + 60);
	fake_vq_raw_head(&rig.vq[NET_TX], 999);
	vrig_go(&rig, NET_TX);
	assert_false(needs_reset());
	assert_true(fake_net_can_send(rig.net));
	assert_true(needs_reset());
}

static void reset_while_blocked_forgets_the_frame(unused void **state)
{
	vrig_up(&rig, VRIG_ALL);
	fake_net_fail_send(rig.net, 0, -EAGAIN, 1);
	send(&zero_hdr, 60, 1);
	vrig_up(&rig, VRIG_ALL);
	assert_int_equal(rig.net->nr_sent, 0);
	send(&zero_hdr, 60, 2);
	assert_sent(0, 60, 2);
}

/* dev.reset.quiesce */
static void reset_in_the_middle_of_a_long_queue_leaves_nothing_behind(unused void **state)
{
	vrig_destroy(&rig);
	vrig_create(&rig, (struct vrig_options){.vq_size = VQ_NUM_MAX});
	vrig_up(&rig, VRIG_ALL);
	for (unsigned i = 0; i < 400; i++) {
		prepare(&zero_hdr, 60, i);
		post(NET_HDR_LEN + 60);
	}
	fake_vq_publish(&rig.vq[NET_TX]);
	fake_kick(&rig.dev, NET_TX);
	vrig_pump_once(&rig);
	assert_int_equal(rig.net->nr_sent, NET_TURN_FRAMES);
	virtio_set_status(rig.dev.core, 0);
	vrig_pump(&rig);
	assert_int_equal(rig.net->nr_sent, NET_TURN_FRAMES);
	vrig_up(&rig, VRIG_ALL);
	assert_int_equal(rig.net->nr_sent, NET_TURN_FRAMES);
	assert_int_equal(stats()->tx_kicks, 1);
}

static void a_backend_that_does_not_start_needs_a_reset(unused void **state)
{
	rig.net->start_err = -EBUSY;
	assert_int_equal(vrig_try_up(&rig, VRIG_ALL), -EIO);
	assert_true(needs_reset());
	assert_int_equal(rig.net->nr_stops, 0);
	rig.net->start_err = 0;
	vrig_up(&rig, VRIG_ALL);
	send(&zero_hdr, 60, 1);
	assert_sent(0, 60, 1);
}

static void the_backend_is_told_the_accepted_offloads(unused void **state)
{
	vrig_up(&rig, VRIG_ALL);
	assert_int_equal(rig.net->offloads, NET_GUEST_OFFLOADS);
	vrig_up(&rig, F(GUEST_CSUM) | F(CSUM) | F(HOST_TSO4));
	assert_int_equal(rig.net->offloads, F(GUEST_CSUM));
	vrig_up(&rig, 0);
	assert_int_equal(rig.net->offloads, 0);
}

static void a_driver_with_only_one_queue_is_served(unused void **state)
{
	struct fake_vq *vqs[3] = {NULL, &rig.vq[NET_TX], NULL};

	fake_vq_init(vqs[1], &rig.m, 256, fake_offered(&rig.dev));
	assert_int_equal(fake_probe(&rig.dev, fake_offered(&rig.dev), vqs, 3), 0);
	vrig_pump(&rig);
	assert_false(rig.net->want_recv);
	send(&zero_hdr, 60, 1);
	assert_sent(0, 60, 1);
	fake_net_queue(rig.net, NULL, buf, 60);
	fake_net_can_recv(rig.net);
	virtio_net_set_link(rig.n, false);
	virtio_net_set_link(rig.n, true);
	vrig_pump(&rig);
	assert_int_equal(rig.net->nr_recvs, 0);
}

static void memory_that_is_not_needed_is_not_touched(unused void **state)
{
	vrig_up(&rig, VRIG_ALL);
	send(&zero_hdr, 60, 1);
	for (size_t i = 0; i < sizeof(rig.n->pair[0].rx.spill); i++)
		assert_int_equal(rig.n->pair[0].rx.spill[i], 0);
	assert_true(sizeof(struct virtio_net) + sizeof(struct net_pair) -
	                    sizeof(rig.n->pair[0].rx.spill) - sizeof(rig.n->pair[0].tx.gather) -
	                    sizeof(rig.n->pair[0].tx.chain) <
	            KIB(200));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_frame_goes_out_in_one_call_without_a_copy),
		CASE(the_header_may_lie_anywhere),
		CASE(a_short_frame_is_copied_into_one_piece),
		CASE(frames_of_every_size_arrive_as_they_are),
		CASE(a_frame_in_more_pieces_than_writev_takes_is_sent),
		CASE(a_frame_of_nineteen_pieces_is_sent_on_a_ring_of_sixteen),
		CASE(writable_parts_of_a_tx_chain_are_left_alone),
		CASE(runts_come_back_and_are_not_sent),
		CASE(a_frame_longer_than_any_packet_is_not_sent),
		CASE(a_bad_header_comes_back_and_the_next_frame_goes),
		CASE(unknown_flags_and_poisoned_csum_fields_do_not_reach_the_backend),
		CASE(an_offload_request_reaches_the_backend),
		CASE(a_full_backend_keeps_the_order_and_loses_nothing),
		CASE(the_driver_is_not_asked_for_kicks_while_the_backend_is_full),
		CASE(can_send_without_need_does_nothing),
		CASE(a_frame_that_the_host_refuses_is_dropped_and_the_next_goes),
		CASE(one_interrupt_for_a_batch),
		CASE(kicks_are_counted_and_empty_ones_do_no_harm),
		CASE(frames_posted_before_driver_ok_are_sent_after_it_without_a_kick),
		CASE(a_long_queue_is_served_in_turns),
		CASE(large_frames_and_many_pieces_end_a_turn_early),
		CASE(while_the_link_is_down_frames_come_back_and_are_not_sent),
		CASE(link_changes_are_told_once_and_only_to_who_accepted_status),
		CASE(the_link_state_survives_a_reset),
		CASE(a_blocked_queue_is_drained_when_the_link_goes_down),
		CASE(a_lost_backend_is_a_link_that_stays_down),
		CASE(a_broken_ring_needs_a_reset_and_only_that),
		CASE(a_broken_ring_seen_from_a_backend_call_is_survived),
		CASE(reset_while_blocked_forgets_the_frame),
		CASE(reset_in_the_middle_of_a_long_queue_leaves_nothing_behind),
		CASE(a_backend_that_does_not_start_needs_a_reset),
		CASE(the_backend_is_told_the_accepted_offloads),
		CASE(a_driver_with_only_one_queue_is_served),
		CASE(memory_that_is_not_needed_is_not_touched),
	};

	return VRIG_RUN_LAYOUTS(tests);
}
