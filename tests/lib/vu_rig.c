/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/vu_rig.h"

#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "devices/virtio.h"
#include "tests/lib/net_rig.h"
#include "tests/lib/pattern.h"
#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"
#include "vmm/core/le.h"

#define RX_BYTES (NET_HDR_LEN + 1518u)
#define NUMBER   14u /* where in a frame its number is */

static const uint8_t our_mac[6] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "vu_rig: %s\n", what);
	abort();
}

/* ---- set-up */

int vu_rig_create(struct vu_rig *r, const char *keys, const struct net_common *common)
{
	const struct net_kind *k = net_kind_find("vhost-user");
	alignas(16) uint8_t config[NET_CONFIG_MAX] = {0};
	struct opt_group group = {.target = config};
	struct net_common c = *common;
	int ret;

	memset(r, 0, sizeof(*r));
	r->call.fd = -1;
	must(c.more_pairs < VU_RIG_PAIRS, "too many pairs");
	must(k != NULL, "no such kind");
	fake_mem_create_shared(&r->m, MIB(1));
	must(loop_create(&r->loop) == 0, "no loop");
	r->more_pairs = c.more_pairs;
	c.more_loops = r->more_loops;
	for (unsigned i = 0; i < c.more_pairs; i++)
		r->more_loops[i] = r->loop;
	group.defs = k->keys;
	ret = opt_parse_keys(&group, 1, k->name, keys);
	if (ret == 0)
		ret = k->create(config, &c, r->loop, &r->b);
	opt_keys_free(k->keys, config);
	return ret;
}

static void on_interrupt(void *arg, unused uint32_t revents)
{
	struct vu_rig *r = arg;

	fd_event_take(r->call.fd);
	r->interrupts++;
}

int vu_rig_prepare(struct vu_rig *r)
{
	struct virtio_net_params p = {
		.name = "net0", .mac = {0x52, 0x54, 0, 0x12, 0x34, 0x56}, .rings = true};
	int ret = r->b->ring->prepare(r->b, &r->m.gmem, r->why, sizeof(r->why));

	if (ret < 0)
		return ret;
	p.queue_size = VU_RIG_QUEUE;
	p.more_pairs = r->more_pairs;
	p.more_loops = r->more_loops;
	p.features = net_features_close(virtio_net_can(r->b->can, false) & ~r->b->ring_cannot);
	r->features = p.features;
	must(virtio_net_create(&p, r->b, &r->m.gmem, r->loop, &r->n) == 0, "no device");
	r->dev.core = virtio_net_dev(r->n);
	r->call = (struct loop_fd){.events = EPOLLIN, .fn = on_interrupt, .arg = r};
	r->call.fd = r->dev.core->call_fd = fd_eventfd();
	must(r->call.fd >= 0 && loop_add(r->loop, &r->call) == 0, "no eventfd");
	return 0;
}

void vu_rig_drop_device(struct vu_rig *r)
{
	virtio_net_destroy(r->n);
	r->n = NULL;
	if (r->b)
		r->b->ring->forget(r->b);
	loop_del(&r->call);
	fd_close(&r->call.fd);
}

void vu_rig_destroy(struct vu_rig *r)
{
	vu_rig_drop_device(r);
	net_destroy(r->b);
	loop_destroy(r->loop);
	fake_mem_destroy(&r->m);
}

/* ---- the loop */

void vu_rig_until(struct vu_rig *r, bool (*cond)(void *arg), void *arg, const char *what)
{
	const uint64_t end = loop_now_ns() + RIG_PATIENCE_S * UINT64_C(1000000000);

	while (!cond(arg)) {
		must(loop_now_ns() < end, what);
		must(loop_turn(r->loop, 100) >= 0, "the loop fails");
	}
}

static bool link_up(void *arg)
{
	const struct vu_rig *r = arg;

	return virtio_net_link(r->n);
}

static bool link_down(void *arg)
{
	return !link_up(arg);
}

void vu_rig_until_link(struct vu_rig *r, bool up)
{
	vu_rig_until(r, up ? link_up : link_down, r,
	             up ? "the link stays down" : "the link stays up");
}

void vu_rig_turn(struct vu_rig *r, unsigned ms)
{
	const uint64_t end = loop_now_ns() + ms * UINT64_C(1000000);

	while (loop_now_ns() < end)
		must(loop_turn(r->loop, 1) >= 0, "the loop fails");
}

/* ---- the driver */

static void post_rx(struct vu_lane *l, struct fake_buf b)
{
	int head = fake_vq_add(&l->vq[NET_RX], &b, 1);

	must(head >= 0, "no room for a receive buffer");
	l->rx_of[head] = b;
}

static void go(struct vu_rig *r, struct fake_vq *v, unsigned i)
{
	fake_vq_publish(v);
	if (fake_vq_wants_kick(v))
		fake_kick(&r->dev, i);
}

static void go_lane(struct vu_rig *r, unsigned lane, unsigned i)
{
	go(r, &r->lane[lane].vq[i], NET_PAIR_QUEUES * lane + i);
}

static void init_lane(struct vu_rig *r, struct vu_lane *l, uint64_t accept)
{
	static const uint8_t zero[NET_HDR_LEN + VU_RIG_FRAME];

	memset(l, 0, sizeof(*l));
	for (unsigned i = NET_RX; i <= NET_TX; i++)
		fake_vq_init(&l->vq[i], &r->m, VU_RIG_QUEUE, accept);
	for (unsigned i = 0; i < VU_RIG_QUEUE; i++) {
		post_rx(l, fake_in(&r->m, RX_BYTES));
		l->tx_free[l->nr_tx_free++] = fake_out(&r->m, zero, sizeof(zero));
	}
}

void vu_rig_up(struct vu_rig *r, uint64_t without)
{
	struct fake_vq *vqs[NET_PAIR_QUEUES * VU_RIG_PAIRS + 1];
	const uint64_t wanted = r->features & ~without & ~(NET_ONLY_BY_NAME & ~r->by_name);
	const uint64_t accept = net_features_close(wanted) | (wanted & ~net_features_known());
	const unsigned lanes = accept & FEATURE(VIRTIO_NET_F_MQ) ? 1 + r->more_pairs : 1;
	unsigned nr = 0;

	virtio_set_status(r->dev.core, 0);
	r->m.next = r->m.gmem.region[0].base;
	r->nr_lanes = 1;
	for (unsigned i = 0; i < lanes; i++) {
		init_lane(r, &r->lane[i], accept);
		vqs[nr++] = &r->lane[i].vq[NET_RX];
		vqs[nr++] = &r->lane[i].vq[NET_TX];
	}
	fake_vq_init(&r->ctrl, &r->m, VU_RIG_QUEUE, accept);
	if (r->features & FEATURE(VIRTIO_NET_F_CTRL_VQ))
		vqs[nr++] = &r->ctrl;
	must(fake_probe(&r->dev, accept, vqs, nr) == 0, "the device does not come up");
	for (unsigned i = 0; i < lanes; i++)
		go_lane(r, i, NET_RX);
}

static bool ctrl_answered(void *arg)
{
	struct vu_rig *r = arg;
	unsigned head;
	uint32_t len;

	return fake_vq_reap(&r->ctrl, &head, &len);
}

bool vu_rig_ask_pairs(struct vu_rig *r, unsigned nr)
{
	const uint8_t command[4] = {VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET,
	                            (uint8_t)nr};
	const struct fake_buf b[2] = {fake_out(&r->m, command, sizeof(command)), fake_in(&r->m, 1)};

	must(fake_vq_add(&r->ctrl, b, 2) >= 0, "no room for a command");
	go(r, &r->ctrl, NET_PAIR_QUEUES * (1 + r->more_pairs));
	vu_rig_until(r, ctrl_answered, r, "a command has no answer");
	if (*(uint8_t *)fake_at(&r->m, b[1].addr, 1) != VIRTIO_NET_OK)
		return false;
	r->nr_lanes = nr;
	return true;
}

void vu_rig_use_pairs(struct vu_rig *r, unsigned nr)
{
	must(vu_rig_ask_pairs(r, nr), "a command is refused");
}

static void send_on(struct vu_rig *r, unsigned lane, unsigned nr)
{
	struct vu_lane *l = &r->lane[lane];

	for (; nr && l->nr_tx_free; nr--) {
		struct fake_buf b = l->tx_free[--l->nr_tx_free];
		uint8_t *frame = (uint8_t *)fake_at(&r->m, b.addr, b.len) + NET_HDR_LEN;
		int head = fake_vq_add(&l->vq[NET_TX], &b, 1);

		must(head >= 0, "no room for a frame");
		l->tx_of[head] = b;
		l->sent++;
		pattern_fill(frame, VU_RIG_FRAME, l->sent);
		/* From us to somebody; some peers swap the two. */
		memcpy(frame, our_mac, sizeof(our_mac));
		memcpy(frame + 6, our_mac, sizeof(our_mac));
		put_le16(frame + 12, 0xb588); /* 0x88b5: for experiments */
		put_le32(frame + NUMBER, l->sent);
	}
	go_lane(r, lane, NET_TX);
}

void vu_rig_send(struct vu_rig *r, unsigned nr)
{
	for (unsigned i = 0; i < r->nr_lanes; i++)
		send_on(r, i, nr);
}

static void check_frame(struct vu_lane *l, const uint8_t *frame, uint32_t len)
{
	uint8_t want[VU_RIG_FRAME];
	uint32_t number;

	must(len == NET_HDR_LEN + VU_RIG_FRAME, "a frame of another length");
	number = get_le32(frame + NUMBER);
	pattern_fill(want, sizeof(want), number);
	must(memcmp(frame + 18, want + 18, VU_RIG_FRAME - 18) == 0, "a frame was changed");
	must(number > l->last && number <= l->sent, "a frame came twice, or in disorder");
	l->last = number;
	l->received++;
}

static void reap_once(struct vu_rig *r, unsigned lane)
{
	struct vu_lane *l = &r->lane[lane];
	bool any = false;
	unsigned head;
	uint32_t len;

	while (fake_vq_reap(&l->vq[NET_TX], &head, &len))
		l->tx_free[l->nr_tx_free++] = l->tx_of[head];
	while (fake_vq_reap(&l->vq[NET_RX], &head, &len)) {
		const uint8_t *p = fake_at(&r->m, l->rx_of[head].addr, RX_BYTES);

		check_frame(l, p + NET_HDR_LEN, len);
		post_rx(l, l->rx_of[head]);
		any = true;
	}
	if (any)
		go_lane(r, lane, NET_RX);
}

void vu_rig_reap(struct vu_rig *r)
{
	for (unsigned i = 0; i < r->nr_lanes; i++) {
		bool more;

		do {
			reap_once(r, i);
			more = fake_vq_irq_on(&r->lane[i].vq[NET_RX]);
			more |= fake_vq_irq_on(&r->lane[i].vq[NET_TX]);
		} while (more);
	}
}

struct goal {
	struct vu_rig *r;
	uint32_t received[VU_RIG_PAIRS];
};

static bool more_came(void *arg)
{
	const struct goal *g = arg;
	bool done = true;

	vu_rig_reap(g->r);
	for (unsigned i = 0; i < g->r->nr_lanes; i++)
		done &= g->r->lane[i].received >= g->received[i];
	if (!done)
		vu_rig_send(g->r, 8);
	return done;
}

void vu_rig_traffic(struct vu_rig *r, unsigned nr)
{
	struct goal g = {.r = r};

	for (unsigned i = 0; i < r->nr_lanes; i++)
		g.received[i] = r->lane[i].received + nr;
	vu_rig_until(r, more_came, &g, "frames do not come back");
}
