/* SPDX-License-Identifier: Apache-2.0 */
/* A device whose loop looks into the queues before it sleeps: no kick is asked for, or needed, meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <limits.h>

#include "devices/virtio.h"
#include "tests/lib/vnet_layouts.h"
#include "tests/lib/vnet_rig.h"

#define RX_LEN 256u
#define FRAME  VRIG_FRAME

static struct vrig rig;

static int setup(void **state)
{
	*state = &rig;
	vrig_create(&rig, (struct vrig_options){.peer = true, .vq_size = 64, .poll = POLL_ON});
	vrig_up(&rig, VRIG_ALL);
	while (loop_turn(rig.loop, 0) > 0) /* what there is at the start */
		;
	return 0;
}

static int teardown(void **state)
{
	vrig_destroy(*state);
	return 0;
}

/* Look until something is found, 10 s at most. */
static void look(void)
{
	assert_true(loop_turn(rig.loop, 10000) >= 0);
}

static struct loop_stats loop_counts(void)
{
	struct loop_stats s;

	loop_stats(rig.loop, &s);
	return s;
}

/* Publish a frame out of the guest. Does the device want to be told? */
static bool post_tx(void)
{
	vrig_post_tx(&rig);
	return fake_vq_wants_kick(&rig.vq[NET_TX]);
}

static bool post_rx(void)
{
	struct fake_buf b = fake_in(&rig.m, RX_LEN);

	assert_true(fake_vq_add(&rig.vq[NET_RX], &b, 1) >= 0);
	fake_vq_publish(&rig.vq[NET_RX]);
	return fake_vq_wants_kick(&rig.vq[NET_RX]);
}

static void receive(void)
{
	uint8_t frame[FRAME];

	vrig_frame(frame, sizeof(frame), vrig_mac, 2);
	fake_net_queue(rig.net, NULL, frame, sizeof(frame));
	fake_net_can_recv(rig.net);
}

static void frames_are_sent_without_a_kick(unused void **state)
{
	/* The first may still be asked for: the loop was about to sleep when the device came up. */
	post_tx();
	look();
	for (unsigned i = 2; i <= 10; i++) {
		assert_false(post_tx());
		look();
		assert_int_equal(virtio_net_stats(rig.n)->tx_frames, i);
	}
	assert_int_equal(virtio_net_stats(rig.n)->tx_kick_reads, 1); /* our own, at the start */
	assert_int_equal(virtio_net_stats(rig.n)->tx_kicks, 0);
}

static void buffers_are_found_without_a_kick(unused void **state)
{
	receive();
	assert_int_equal(virtio_net_stats(rig.n)->rx_frames, 0);
	assert_false(rig.net->want_recv);
	for (unsigned i = 1; i <= 5; i++) {
		post_rx();
		look();
		assert_int_equal(virtio_net_stats(rig.n)->rx_frames, i);
		receive();
		if (i > 1)
			assert_false(rig.net->want_recv);
	}
	assert_int_equal(virtio_net_stats(rig.n)->rx_kicks, 0);
}

static void before_the_loop_sleeps_it_asks_for_kicks(unused void **state)
{
	post_tx();
	look();
	receive(); /* and no buffer for it */
	assert_int_equal(loop_turn(rig.loop, 0), 0);
	assert_true(post_rx());
	assert_true(post_tx());
	fake_kick(&rig.dev, NET_RX);
	fake_kick(&rig.dev, NET_TX);
	vrig_pump(&rig);
	assert_int_equal(virtio_net_stats(rig.n)->rx_frames, 1);
	assert_int_equal(virtio_net_stats(rig.n)->tx_frames, 2);
}

static void a_frame_that_comes_when_it_is_about_to_sleep_is_sent(unused void **state)
{
	post_tx();
	look();
	assert_false(post_tx());
	assert_int_equal(loop_turn(rig.loop, 0), 0);
	assert_int_equal(virtio_net_stats(rig.n)->tx_frames, 2);
}

static void while_the_backend_is_full_nothing_is_looked_for(unused void **state)
{
	fake_net_fail_send(rig.net, 0, -EAGAIN, UINT_MAX);
	post_tx();
	look();
	assert_int_equal(virtio_net_stats(rig.n)->tx_full, 1);
	assert_false(post_tx());
	assert_int_equal(loop_turn(rig.loop, 1), 0);
	assert_int_equal(virtio_net_stats(rig.n)->tx_full, 1);
	assert_true(fake_net_can_send(rig.net));
	assert_int_equal(virtio_net_stats(rig.n)->tx_frames, 2);
}

static void a_broken_ring_ends_the_looking(unused void **state)
{
	const uint64_t polls = loop_counts().polls;

	fake_vq_raw_head(&rig.vq[NET_TX], 64);
	fake_vq_publish(&rig.vq[NET_TX]);
	look();
	assert_int_equal(rig.dev.core->broken, 1);
	assert_int_equal(loop_counts().polls, polls + 1);
	loop_turn(rig.loop, 1);
	assert_int_equal(loop_counts().polls, polls + 1);
}

static void buffers_are_taken_while_nothing_else_is_to_be_done(unused void **state)
{
	const struct vq *q = &rig.dev.core->queue[NET_RX].vq;

	receive();
	post_rx();
	look();
	for (unsigned i = 2; i < 5; i++) {
		post_rx();
		loop_turn(rig.loop, 1);
		assert_int_equal(q->next_avail, i);
	}
	fake_vq_raw_head(&rig.vq[NET_RX], 64);
	fake_vq_publish(&rig.vq[NET_RX]);
	loop_turn(rig.loop, 1);
	assert_int_equal(rig.dev.core->broken, 1);
}

/* The last pages of guest memory become regions of their own: a buffer across all of them is so many pieces. */
#define MANY_PIECES GMEM_MAX_REGIONS

static gpa_t cut_memory(void)
{
	struct gmem *m = &rig.m.gmem;
	struct gmem_region *r = &m->region[0];

	r->size -= (MANY_PIECES - 1) * KIB(4);
	while (m->nr < MANY_PIECES) {
		const uint64_t at = r->size + (m->nr - 1) * KIB(4);

		m->region[m->nr++] = (struct gmem_region){
			.base = r->base + at, .size = KIB(4), .host = r->host + at, .fd = -1};
	}
	rig.m.end = r->base + r->size;
	return rig.m.end - 1;
}

/* A chain of so many pieces from @at on; the address of its table. */
static gpa_t post_pieces(gpa_t at, unsigned pieces)
{
	struct fake_buf b[VQ_NUM_MAX];
	unsigned nr = pieces / MANY_PIECES;
	int head;

	for (unsigned i = 0; i < nr; i++)
		b[i] = (struct fake_buf){
			.addr = at, .len = (MANY_PIECES - 1) * KIB(4) + 1, .write = true};
	head = fake_vq_add_table(&rig.vq[NET_RX], b, nr, 0);
	assert_true(head >= 0);
	fake_vq_publish(&rig.vq[NET_RX]);
	return rig.vq[NET_RX].table[head];
}

static uint64_t rx_frames(void)
{
	return virtio_net_stats(rig.n)->rx_frames;
}

/* More pieces than there is room for, behind a few small buffers. */
static void a_chain_that_fits_no_window_is_walked_for_frames_only(unused void **state)
{
	const struct vq *q = &rig.dev.core->queue[NET_RX].vq;
	struct vring_desc *d; /* of a packed ring: the same, but for id and flags */
	uint32_t len;

	for (unsigned i = 0; i < 3; i++)
		post_rx();
	look();
	assert_int_equal(q->next_avail, 3);
	d = fake_at(&rig.m, post_pieces(cut_memory(), RX_WINDOW_IOV + MANY_PIECES), sizeof(*d));
	loop_turn(rig.loop, 1);
	assert_int_equal(q->next_avail, 3);
	assert_int_equal(rig.dev.core->broken, 0);
	/* A look that walked it would find that it is broken now. */
	len = d->len;
	d->len = 0;
	loop_turn(rig.loop, 1);
	assert_int_equal(rig.dev.core->broken, 0);
	d->len = len;
	for (unsigned i = 1; i <= 3; i++) {
		assert_int_equal(rig.dev.core->broken, 0);
		receive();
		assert_int_equal(rx_frames(), i);
	}
	/* And now it is its turn. */
	assert_int_equal(rig.dev.core->broken, 1);
}

/* It fits when only few others are there. */
static void a_chain_that_needs_the_window_for_itself_gets_it_in_its_turn(unused void **state)
{
	const struct vq *q = &rig.dev.core->queue[NET_RX].vq;
	const gpa_t at = cut_memory();
	unsigned head, nr = 0;
	uint32_t len = 0;

	for (unsigned i = 0; i < 4; i++)
		post_pieces(at, 6 * MANY_PIECES);
	look();
	assert_int_equal(q->next_avail, 4);
	post_pieces(at, RX_WINDOW_IOV - 2 * 6 * MANY_PIECES);
	loop_turn(rig.loop, 1);
	assert_int_equal(q->next_avail, 4);
	for (unsigned i = 1; i <= 5; i++) {
		receive();
		assert_int_equal(rx_frames(), i);
	}
	assert_int_equal(rig.dev.core->broken, 0);
	for (; fake_vq_reap(&rig.vq[NET_RX], &head, &len); nr++)
		assert_int_equal(len, NET_HDR_LEN + FRAME);
	assert_int_equal(nr, 5);
}

static void while_a_peer_serves_the_rings_it_sleeps(unused void **state)
{
	struct virtio_net_switch s;
	uint64_t polls;

	post_tx();
	look();
	assert_int_equal(virtio_net_set_path(rig.n, true, &s), 0);
	polls = loop_counts().polls;
	loop_turn(rig.loop, 1);
	assert_int_equal(loop_counts().polls, polls);
	assert_int_equal(virtio_net_set_path(rig.n, false, &s), 0);
	look();
	assert_true(loop_counts().polls > polls);
	post_tx();
	look();
	assert_int_equal(virtio_net_stats(rig.n)->tx_frames, 2);
}

static void while_the_link_is_down_it_sleeps(unused void **state)
{
	uint64_t polls;

	virtio_net_set_link(rig.n, false);
	vrig_pump(&rig);
	polls = loop_counts().polls;
	loop_turn(rig.loop, 1);
	assert_int_equal(loop_counts().polls, polls);
	assert_true(post_tx());
	fake_kick(&rig.dev, NET_TX);
	vrig_pump(&rig);
	assert_int_equal(virtio_net_stats(rig.n)->tx_dropped, 1);
	virtio_net_set_link(rig.n, true);
	vrig_pump(&rig);
	post_tx();
	look();
	assert_true(loop_counts().polls > polls);
	assert_int_equal(virtio_net_stats(rig.n)->tx_frames, 1);
}

static void a_reset_ends_it(unused void **state)
{
	uint64_t polls;

	virtio_set_status(rig.dev.core, 0);
	polls = loop_counts().polls;
	loop_turn(rig.loop, 1);
	assert_int_equal(loop_counts().polls, polls);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(frames_are_sent_without_a_kick),
		CASE(buffers_are_found_without_a_kick),
		CASE(before_the_loop_sleeps_it_asks_for_kicks),
		CASE(a_frame_that_comes_when_it_is_about_to_sleep_is_sent),
		CASE(while_the_backend_is_full_nothing_is_looked_for),
		CASE(a_broken_ring_ends_the_looking),
		CASE(buffers_are_taken_while_nothing_else_is_to_be_done),
		CASE(a_chain_that_fits_no_window_is_walked_for_frames_only),
		CASE(a_chain_that_needs_the_window_for_itself_gets_it_in_its_turn),
		CASE(while_a_peer_serves_the_rings_it_sleeps),
		CASE(while_the_link_is_down_it_sleeps),
		CASE(a_reset_ends_it),
	};

	return VRIG_RUN_LAYOUTS(tests);
}
