/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the standard wants of a network device as a whole, seen by a driver: the clauses that no test of a part of it
 * has shown. In each layout of the ring, each with and without IN_ORDER.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "devices/virtio.h"
#include "devices/virtio_watch.h"
#include "net/csum.h"
#include "tests/lib/pkt.h"
#include "tests/lib/vnet_lanes.h"
#include "tests/lib/vnet_layouts.h"
#include "vmm/core/le.h"

#define F     VRIG_F
#define PAIRS 4u

static struct vrig rig;
static struct lane lane[PAIRS];
static uint8_t frame[PKT_MAX], other[PKT_MAX];

static void create(struct vrig_options o)
{
	vrig_create(&rig, o);
}

static int setup(void **state)
{
	*state = &rig;
	create((struct vrig_options){.mtu = 1500});
	return 0;
}

static int teardown(void **state)
{
	vrig_destroy(*state);
	return 0;
}

static int setup_pairs(void **state)
{
	*state = &rig;
	create((struct vrig_options){.pairs = PAIRS, .vq_size = 64});
	vrig_up(&rig, VRIG_ALL);
	for (unsigned i = 0; i < PAIRS; i++)
		lane_init(&lane[i], &rig, i);
	return 0;
}

static void add(unsigned queue, const struct fake_buf *b, unsigned n)
{
	assert_true(fake_vq_add(&rig.vq[queue], b, n) >= 0);
}

/* ---- whose memory it is */

static const struct virtio_net_hdr_v1 headers[] = {
	{0},
	{.flags = 0xff, .csum_start = 34, .csum_offset = 16},
	{.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
         .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
         .hdr_len = 0xffff,
         .gso_size = 1448,
         .csum_start = 34,
         .csum_offset = 16},
	{.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 0xffff},
	{.gso_type = 0x60, .num_buffers = 0xffff},
};

/* Header @i and a frame in one buffer, as pieces of 7, 12 and the rest; a table has the last two. */
static struct fake_buf post_pieces(unsigned i, bool table)
{
	struct fake_buf whole, b[3];

	memcpy(frame, &headers[i], NET_HDR_LEN);
	vrig_frame(frame + NET_HDR_LEN, 1500, vrig_mac, i);
	whole = fake_out(&rig.m, frame, NET_HDR_LEN + 1500);
	b[0] = fake_part(whole, 0, 7);
	b[1] = fake_part(whole, 7, 12);
	b[2] = fake_part(whole, 19, whole.len - 19);
	if (table)
		assert_true(fake_vq_add_table(&rig.vq[NET_TX], b, 3, 1) >= 0);
	else
		add(NET_TX, b, 3);
	return whole;
}

/*
 * dev.desc.no-write-readable, dev.desc.no-write-table, dev.packed.no-write-readable: a good frame or a bad one
 */
static void what_the_driver_sends_is_never_written(unused void **state)
{
	const gpa_t begin = rig.m.gmem.region[0].base;
	const struct fake_vq *tx = &rig.vq[NET_TX];
	uint8_t *before, *now;
	size_t len;

	vrig_up(&rig, VRIG_ALL);
	for (unsigned i = 0; i < ARRAY_SIZE(headers); i++) {
		post_pieces(i, false);
		post_pieces(i, true);
	}
	len = rig.m.next - begin;
	now = fake_at(&rig.m, begin, len);
	before = malloc(len);
	assert_non_null(before);
	memcpy(before, now, len);
	vrig_go(&rig, NET_TX);
	assert_true(rig.net->nr_sent >= 2);
	/* Buffers and indirect tables, all of which were made behind the rings. */
	assert_memory_equal(now + (rig.mark - begin), before + (rig.mark - begin),
	                    len - (rig.mark - begin));
	if (!tx->packed)
		assert_memory_equal(tx->desc, before + (tx->addr.desc - begin),
		                    16 * (size_t)tx->num);
	free(before);
}

/* dev.desc.no-write-readable: that is the command itself */
static void a_command_is_never_written(unused void **state)
{
	static const uint8_t command[4] = {VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_ADD, 5, 1};
	struct fake_buf b[2];

	vrig_up(&rig, VRIG_ALL);
	b[0] = fake_out(&rig.m, command, sizeof(command));
	b[1] = fake_in(&rig.m, 1);
	add(rig.ctrl, b, 2);
	vrig_go(&rig, rig.ctrl);
	assert_int_equal(fake_vq_nr_used(&rig.vq[rig.ctrl]), 1);
	assert_memory_equal(fake_at(&rig.m, b[0].addr, 4), command, 4);
}

/* ---- in the order in which it was offered */

/* All that is used on @queue, which began with @heads[0]. Number of chains. */
static unsigned reap_in_order(unsigned queue, const unsigned *heads)
{
	unsigned head, n = 0;
	uint32_t len;

	while (fake_vq_reap(&rig.vq[queue], &head, &len)) {
		assert_int_equal(head, heads[n]);
		n++;
	}
	return n;
}

/* dev.feat.in-order-kept: what is not sent does not overtake what the backend still has */
static void sent_chains_come_back_in_their_order(unused void **state)
{
	static const uint8_t bytes[NET_HDR_LEN + 60];
	unsigned heads[9], done = 0;

	fake_net_hold(rig.net);
	vrig_up(&rig, VRIG_ALL);
	for (unsigned i = 0; i < ARRAY_SIZE(heads); i++) {
		struct fake_buf b = fake_out(&rig.m, bytes, i % 3 == 1 ? 5 : sizeof(bytes));

		heads[i] = (unsigned)fake_vq_add(&rig.vq[NET_TX], &b, 1);
	}
	vrig_go(&rig, NET_TX);
	while (rig.net->nr_held) {
		done += reap_in_order(NET_TX, heads + done);
		fake_net_finish(rig.net, 1);
	}
	done += reap_in_order(NET_TX, heads + done);
	assert_int_equal(done, ARRAY_SIZE(heads));
}

/*
 * dev.feat.in-order-kept: useless ones among them, a frame over several, and one that is for somebody else
 */
static void receive_chains_come_back_in_their_order(unused void **state)
{
	static const uint32_t size[] = {5, 2048, 70, 20, 70, 9, 2048};
	static const uint8_t somebody[6] = {0x52, 0x54, 0, 1, 2, 3};
	unsigned heads[ARRAY_SIZE(size)];

	vrig_up(&rig, VRIG_ALL);
	for (unsigned i = 0; i < ARRAY_SIZE(size); i++) {
		struct fake_buf b = fake_in(&rig.m, size[i]);

		heads[i] = (unsigned)fake_vq_add(&rig.vq[NET_RX], &b, 1);
	}
	vrig_go(&rig, NET_RX);
	vrig_frame(frame, 100, vrig_mac, 1);
	vrig_frame(other, 100, somebody, 1);
	for (unsigned i = 0; i < 3; i++) {
		fake_net_queue(rig.net, NULL, frame, 100);
		fake_net_queue(rig.net, NULL, other, 100);
	}
	fake_net_can_recv(rig.net);
	vrig_pump(&rig);
	assert_int_equal(reap_in_order(NET_RX, heads), ARRAY_SIZE(size));
}

/* ---- frames over several chains */

/* Stands at the receive queue and sees what is shown at once. */
struct notes {
	struct virtio_watch watch;
	struct vq_watch queue;
	unsigned shows, chains; /* of the last one */
};

static void on_avail(unused struct vq_watch *w, unused uint16_t from, unused uint16_t to)
{
}

static void on_used(struct vq_watch *w, uint16_t from, uint16_t to)
{
	struct notes *n = container_of(w, struct notes, queue);

	n->shows++;
	n->chains = u16_of(to - from);
}

static struct vq_watch *on_queue(struct virtio_watch *w, unsigned queue,
                                 unused const struct vq_addr *a)
{
	return queue == NET_RX ? &container_of(w, struct notes, watch)->queue : NULL;
}

/* dev.rx.publish-together: of a packed ring that is a test of the ring itself */
static void all_chains_of_a_frame_are_shown_at_once(unused void **state)
{
	struct notes n = {.watch = {.queue = on_queue},
	                  .queue = {.avail = on_avail, .used = on_used}};

	rig.dev.core->watch = &n.watch;
	vrig_up(&rig, VRIG_ALL);
	if (rig.vq[NET_RX].packed)
		return;
	for (unsigned i = 0; i < 12; i++) {
		struct fake_buf b = fake_in(&rig.m, 100);

		add(NET_RX, &b, 1);
	}
	vrig_go(&rig, NET_RX);
	vrig_frame(frame, 300, vrig_mac, 1);
	for (unsigned i = 1; i <= 3; i++) {
		fake_net_queue(rig.net, NULL, frame, 300);
		fake_net_can_recv(rig.net);
		assert_int_equal(n.shows, i);
		assert_int_equal(n.chains, 4);
	}
	virtio_set_status(rig.dev.core, 0); /* before @n ends */
}

/* ---- the MTU */

static uint16_t mtu_shown(void)
{
	struct virtio_net_config c;

	virtio_config_read(rig.dev.core, 0, &c, sizeof(c));
	return get_le16(&c.mtu);
}

/* dev.net.mtu-const, dev.net.mtu-range */
static void the_mtu_is_what_it_was_whatever_happens(unused void **state)
{
	static const uint16_t mtus[] = {68, 1280, 1500, 65535};
	static const uint8_t bytes[sizeof(struct virtio_net_config)] = {0};

	for (unsigned i = 0; i < ARRAY_SIZE(mtus); i++) {
		vrig_destroy(&rig);
		create((struct vrig_options){.mtu = mtus[i]});
		assert_int_equal(mtu_shown(), mtus[i]);
		vrig_up(&rig, VRIG_ALL);
		assert_int_equal(mtu_shown(), mtus[i]);
		virtio_config_write(rig.dev.core, 0, bytes, sizeof(bytes));
		virtio_net_set_link(rig.n, false);
		assert_int_equal(mtu_shown(), mtus[i]);
		virtio_net_set_link(rig.n, true);
		vrig_up(&rig, VRIG_ALL & ~F(MTU));
		assert_int_equal(mtu_shown(), mtus[i]);
		virtio_set_status(rig.dev.core, 0);
		assert_int_equal(mtu_shown(), mtus[i]);
	}
}

/* dev.net.mtu-tx: with a VLAN tag too, which belongs to the header */
static void frames_up_to_the_mtu_go_out_in_one_piece(unused void **state)
{
	static const uint16_t mtus[] = {68, 1280, 1500, 9000, 65000};

	for (unsigned i = 0; i < ARRAY_SIZE(mtus); i++) {
		vrig_destroy(&rig);
		create((struct vrig_options){.mtu = mtus[i]});
		vrig_up(&rig, VRIG_ALL);
		for (unsigned tag = 0; tag <= 4; tag += 4) {
			const uint32_t len = mtus[i] + 14u + tag;
			struct fake_buf b;

			memset(frame, 0, NET_HDR_LEN);
			vrig_frame(frame + NET_HDR_LEN, len, vrig_mac, tag);
			if (tag)
				memcpy(frame + NET_HDR_LEN + 12, "\x81\x00\x00\x07", 4);
			b = fake_out(&rig.m, frame, NET_HDR_LEN + len);
			add(NET_TX, &b, 1);
			vrig_go(&rig, NET_TX);
			assert_int_equal(rig.net->nr_sent, 1);
			assert_int_equal(rig.net->sent[0].len, NET_HDR_LEN + len);
			assert_memory_equal(rig.net->sent[0].data, frame, NET_HDR_LEN + len);
			fake_net_forget_sent(rig.net);
		}
	}
}

/* ---- checksums of received frames */

/* A frame of @len bytes behind @hdr comes; where it is in guest memory, behind its header. */
static uint8_t *arrives(const struct virtio_net_hdr_v1 *hdr, size_t len,
                        struct virtio_net_hdr_v1 *got)
{
	struct fake_buf b = fake_in(&rig.m, 2048);
	unsigned head;
	uint32_t used;

	add(NET_RX, &b, 1);
	vrig_go(&rig, NET_RX);
	fake_net_queue(rig.net, hdr, frame, len);
	fake_net_can_recv(rig.net);
	vrig_pump(&rig);
	assert_true(fake_vq_reap(&rig.vq[NET_RX], &head, &used));
	assert_int_equal(used, NET_HDR_LEN + len);
	memcpy(got, fake_at(&rig.m, b.addr, b.len), sizeof(*got));
	return (uint8_t *)fake_at(&rig.m, b.addr, b.len) + NET_HDR_LEN;
}

static const struct pkt_ends ends = {
	{2, 0, 0, 0, 0, 1}, {0x52, 0x54, 0x00, 0x12, 0x34, 0x56}, 0x0a000001, 0x0a000002, 80, 4000};

/* dev.rx.csum-pseudo, dev.rx.csum-range */
static void a_checksum_that_is_left_open_can_be_completed(unused void **state)
{
	const struct virtio_net_hdr_v1 hdr = pkt_tcp_hdr(0);
	struct virtio_net_hdr_v1 got;
	uint8_t *p;

	vrig_up(&rig, VRIG_ALL);
	for (size_t len = 0; len <= sizeof(headers); len += 7) {
		struct pkt_tcp t = {.seq = 1, .ack = 2, .window = 3, .partial = true};
		size_t all = pkt_tcp(frame, &ends, &t, headers, len);

		p = arrives(&hdr, all, &got);
		assert_int_equal(got.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
		assert_memory_equal(p, frame, all);
		t.partial = false;
		pkt_tcp(other, &ends, &t, headers, len);
		assert_int_equal(csum_complete(p, all, get_le16(&got.csum_start),
		                               get_le16(&got.csum_offset)),
		                 0);
		assert_memory_equal(p, other, all);
	}
}

/*
 * dev.rx.csum-preceding, dev.rx.data-valid: we verify none ourselves, so what those say who made the frame is all that we
 * say to the driver
 */
static void nobody_but_its_backend_vouches_for_a_frame(unused void **state)
{
	const struct pkt_tcp t = {.window = 3};
	struct virtio_net_hdr_v1 got, hdr = {0};
	size_t len;

	vrig_up(&rig, VRIG_ALL);
	len = pkt_tcp(frame, &ends, &t, "data", 4);
	arrives(&hdr, len, &got);
	assert_int_equal(got.flags, 0);
	frame[24] ^= 1; /* the checksum of the IP header */
	frame[50] ^= 1; /* and that of TCP */
	arrives(&hdr, len, &got);
	assert_int_equal(got.flags, 0);
	hdr = pkt_tcp_hdr(0);
	arrives(&hdr, len, &got);
	assert_int_equal(got.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	hdr = (struct virtio_net_hdr_v1){.flags = VIRTIO_NET_HDR_F_DATA_VALID};
	arrives(&hdr, len, &got);
	assert_int_equal(got.flags, VIRTIO_NET_HDR_F_DATA_VALID);
}

/* ---- several pairs */

static int set_pairs(unsigned nr)
{
	const uint8_t data[2] = {u8_of(nr), 0};

	return vrig_command(&rig, VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, data,
	                    sizeof(data));
}

/* Frames wait at the backend of every pair. */
static void frames_everywhere(void)
{
	for (unsigned i = 0; i < PAIRS; i++)
		lane_arrive(&lane[i], 5);
	for (unsigned i = 0; i < PAIRS; i++)
		fake_net_can_recv(rig.nets[i]);
	vrig_pump(&rig);
	for (unsigned i = 0; i < PAIRS; i++)
		lane_reap(&lane[i]);
}

/* dev.mq.default-one */
static void other_queues_are_left_alone_until_they_are_asked_for(unused void **state)
{
	for (unsigned i = 0; i < PAIRS; i++)
		lane_post_rx(&lane[i], 20);
	vrig_pump(&rig);
	frames_everywhere();
	assert_int_equal(lane[0].received, 5);
	for (unsigned i = 1; i < PAIRS; i++) {
		assert_int_equal(lane[i].received, 0);
		assert_int_equal(vq_position(&rig.n->vq[NET_PAIR_QUEUES * i].vq) & 0x7fff, 0);
	}
}

/*
 * dev.mq.within-pairs: each pair in use has what its backend's queue has, the others nothing
 */
static void queues_beyond_the_number_get_nothing(unused void **state)
{
	static const unsigned numbers[] = {PAIRS, 2, 3, 1};
	unsigned had[PAIRS] = {0};

	for (size_t k = 0; k < ARRAY_SIZE(numbers); k++) {
		for (unsigned i = 0; i < PAIRS; i++)
			lane_post_rx(&lane[i], 20);
		vrig_pump(&rig);
		assert_int_equal(set_pairs(numbers[k]), VIRTIO_NET_OK);
		frames_everywhere();
		for (unsigned i = 0; i < PAIRS; i++) {
			if (i < numbers[k])
				assert_int_equal(lane[i].received, lane[i].queued);
			else
				assert_int_equal(lane[i].received, had[i]);
			had[i] = lane[i].received;
		}
	}
}

#define CASE(name)   cmocka_unit_test_setup_teardown(name, setup, teardown)
#define PAIRED(name) cmocka_unit_test_setup_teardown(name, setup_pairs, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(what_the_driver_sends_is_never_written),
		CASE(a_command_is_never_written),
		CASE(sent_chains_come_back_in_their_order),
		CASE(receive_chains_come_back_in_their_order),
		CASE(all_chains_of_a_frame_are_shown_at_once),
		CASE(the_mtu_is_what_it_was_whatever_happens),
		CASE(frames_up_to_the_mtu_go_out_in_one_piece),
		CASE(a_checksum_that_is_left_open_can_be_completed),
		CASE(nobody_but_its_backend_vouches_for_a_frame),
		PAIRED(other_queues_are_left_alone_until_they_are_asked_for),
		PAIRED(queues_beyond_the_number_get_nothing),
	};

	return VRIG_RUN_LAYOUTS(tests);
}
