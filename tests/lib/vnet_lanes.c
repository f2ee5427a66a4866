// SPDX-License-Identifier: Apache-2.0
#include "tests/lib/vnet_lanes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct fake_vq *queue(const struct lane *l, unsigned which)
{
	return &l->r->vq[NET_PAIR_QUEUES * l->pair + which];
}

void lane_frame(uint8_t frame[LANE_FRAME], unsigned pair, bool in, uint32_t i)
{
	vrig_frame(frame, LANE_FRAME, vrig_mac, i | (in ? 1u << 24 : 0) | pair << 25);
}

void lane_init(struct lane *l, struct vrig *r, unsigned pair)
{
	static const uint8_t zero[NET_HDR_LEN + LANE_FRAME];

	memset(l, 0, sizeof(*l));
	l->r = r;
	l->pair = pair;
	for (unsigned i = 0; i < r->vq_size; i++) {
		l->rx_free[l->nr_rx_free++] = fake_in(&r->m, LANE_RX_LEN);
		l->tx_free[l->nr_tx_free++] = fake_out(&r->m, zero, sizeof(zero));
	}
}

static void publish(struct lane *l, unsigned which)
{
	fake_vq_publish(queue(l, which));
	if (fake_vq_wants_kick(queue(l, which)))
		fake_kick(&l->r->dev, NET_PAIR_QUEUES * l->pair + which);
}

void lane_post_rx(struct lane *l, unsigned n)
{
	for (; n && l->nr_rx_free; n--) {
		struct fake_buf b = l->rx_free[--l->nr_rx_free];
		int head = fake_vq_add(queue(l, NET_RX), &b, 1);

		assert_true(head >= 0);
		l->rx_of[head] = b;
	}
	publish(l, NET_RX);
}

void lane_send(struct lane *l, unsigned n)
{
	for (; n && l->nr_tx_free; n--) {
		struct fake_buf b = l->tx_free[--l->nr_tx_free];
		uint8_t *p = fake_at(&l->r->m, b.addr, b.len);
		int head = fake_vq_add(queue(l, NET_TX), &b, 1);

		assert_true(head >= 0);
		lane_frame(p + NET_HDR_LEN, l->pair, false, l->sent++);
		l->tx_of[head] = b;
	}
	publish(l, NET_TX);
}

void lane_reap(struct lane *l)
{
	uint8_t want[LANE_FRAME];
	unsigned head;
	uint32_t len;

	while (fake_vq_reap(queue(l, NET_TX), &head, &len))
		l->tx_free[l->nr_tx_free++] = l->tx_of[head];
	while (fake_vq_reap(queue(l, NET_RX), &head, &len)) {
		const uint8_t *p = fake_at(&l->r->m, l->rx_of[head].addr, LANE_RX_LEN);

		assert_int_equal(len, NET_HDR_LEN + LANE_FRAME);
		lane_frame(want, l->pair, true, l->received++);
		assert_memory_equal(p + NET_HDR_LEN, want, LANE_FRAME);
		l->rx_free[l->nr_rx_free++] = l->rx_of[head];
	}
}

void lane_arrive(struct lane *l, unsigned n)
{
	struct fake_net *net = l->r->nets[l->pair];
	uint8_t frame[LANE_FRAME];

	for (; n && fake_net_queued(net) < 200; n--) {
		lane_frame(frame, l->pair, true, l->queued++);
		fake_net_queue(net, NULL, frame, LANE_FRAME);
	}
}

void lane_check_out(struct lane *l)
{
	struct fake_net *net = l->r->nets[l->pair];
	uint8_t want[LANE_FRAME];

	for (unsigned i = 0; i < net->nr_sent; i++) {
		lane_frame(want, l->pair, false, l->seen++);
		assert_int_equal(net->sent[i].len, NET_HDR_LEN + LANE_FRAME);
		assert_memory_equal(net->sent[i].data + NET_HDR_LEN, want, LANE_FRAME);
	}
	fake_net_forget_sent(net);
}

/* ---- all of them */

void lanes_run(struct vrig *r, unsigned max)
{
	if (r->peer.started) {
		fake_ring_run(&r->peer, max);
		return;
	}
	for (unsigned i = 0; i < r->pairs; i++)
		fake_net_can_recv(r->nets[i]);
	vrig_pump(r);
}

void lanes_drain(struct lane *lane, unsigned nr)
{
	for (unsigned round = 0; round < 50; round++) {
		lanes_run(lane->r, 64);
		for (unsigned i = 0; i < nr; i++) {
			lane_check_out(&lane[i]);
			lane_reap(&lane[i]);
			lane_post_rx(&lane[i], 64);
		}
	}
	for (unsigned i = 0; i < nr; i++) {
		assert_int_equal(lane[i].received, lane[i].queued);
		assert_int_equal(lane[i].seen, lane[i].sent);
	}
}

void lanes_traffic(struct lane *lane, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++) {
		lane_post_rx(&lane[i], 20);
		lane_arrive(&lane[i], 10 + i);
		lane_send(&lane[i], 10 + i);
	}
	lanes_drain(lane, nr);
}
