/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/vnet_rig.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/pattern.h"
#include "vmm/core/fd.h"
#include "vmm/core/le.h"

const uint8_t vrig_mac[6] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "vnet_rig: %s\n", what);
	abort();
}

static uint64_t layout;

void vrig_layout(uint64_t features)
{
	layout = features;
}

void vrig_create(struct vrig *r, struct vrig_options o)
{
	const uint64_t offloads = NET_GUEST_OFFLOADS | NET_HOST_OFFLOADS;
	struct virtio_net_params p = {
		.name = "net0",
		.mtu = o.mtu,
		.rings = o.rings,
		.poll = o.poll,
		.tx_hold_us = o.tx_hold_us,
		.kick_wait_us = o.kick_wait_us,
		.kick_inline = o.kick_inline,
	};
	char why[64];

	memset(r, 0, sizeof(*r));
	r->vq_size = o.vq_size ? o.vq_size : 256;
	r->pairs = o.pairs ? o.pairs : 1;
	fake_mem_create(&r->m, o.mem_bytes ? o.mem_bytes : MIB(4));
	must(loop_create(&r->loop) == 0, "no loop");
	r->net = r->nets[0] = fake_net_create(offloads);
	if (o.lonely)
		fake_net_lonely(r->net);
	for (unsigned i = 1; i < r->pairs; i++) {
		r->nets[i] = fake_net_add_pair(r->net);
		must(loop_create(&r->more_loops[i - 1]) == 0, "no loop");
	}
	for (unsigned i = 0; o.kick_inline && i < r->pairs; i++)
		loop_let_visit(i ? r->more_loops[i - 1] : r->loop);
	if (o.peer)
		fake_ring_add(&r->peer, r->net, o.by_pair);
	if (o.rings)
		must(r->net->backend.ring->prepare(&r->net->backend, &r->m.gmem, why,
		                                   sizeof(why)) == 0,
		     "no rings");
	memcpy(p.mac, vrig_mac, sizeof(p.mac));
	p.queue_size = r->vq_size;
	p.more_pairs = r->pairs - 1;
	p.more_loops = r->more_loops;
	p.features = virtio_net_can(r->net->backend.can, o.mtu != 0);
	if (o.legacy)
		p.features = net_features_legacy(p.features);
	p.features &= ~o.without;
	if (!o.hash_report)
		p.features &= ~VRIG_F(HASH_REPORT);
	must(virtio_net_create(&p, &r->net->backend, &r->m.gmem, r->loop, &r->n) == 0, "no device");
	r->dev.core = virtio_net_dev(r->n);
	if (o.peer)
		must((r->dev.core->call_fd = fd_eventfd()) >= 0, "no eventfd");
}

void vrig_destroy(struct vrig *r)
{
	int call_fd = r->dev.core->call_fd;

	virtio_net_destroy(r->n);
	fd_close(&call_fd);
	net_destroy(&r->net->backend);
	loop_destroy(r->loop);
	for (unsigned i = 1; i < r->pairs; i++)
		loop_destroy(r->more_loops[i - 1]);
	fake_mem_destroy(&r->m);
}

int vrig_try_up(struct vrig *r, uint64_t accept)
{
	struct fake_vq *vqs[NET_QUEUES_MAX] = {0};
	struct virtio_dev *d = r->dev.core;
	unsigned pairs;

	/* The rings of the life before are thrown away with all the rest. */
	virtio_set_status(d, 0);
	r->m.next = r->m.gmem.region[0].base;
	r->features =
		(((accept & ~VRIG_LAYOUTS) | layout) & d->offered) | FEATURE(VIRTIO_F_VERSION_1);
	pairs = r->features & NET_SEVERAL_PAIRS ? r->pairs : 1;
	r->ctrl = NET_PAIR_QUEUES * pairs;
	for (unsigned i = 0; i <= r->ctrl; i++) {
		if (i == r->ctrl && !(r->features & VRIG_F(CTRL_VQ)))
			break;
		vqs[i] = &r->vq[i];
		fake_vq_init(vqs[i], &r->m, i == r->ctrl ? NET_CTRL_QUEUE_SIZE : r->vq_size,
		             r->features);
	}
	r->mark = r->m.next;
	return fake_probe(&r->dev, r->features, vqs, d->nr_queues);
}

void vrig_up(struct vrig *r, uint64_t accept)
{
	must(vrig_try_up(r, accept) == 0, "the device does not come up");
	vrig_pump(r);
}

uint32_t vrig_legacy_queue(struct vrig *r, unsigned i, uint32_t num, uint32_t align,
                           uint64_t features)
{
	struct fake_vq *q = &r->vq[i];
	const uint32_t bytes = vring_size(num, align);
	struct vring vr;
	gpa_t at;

	fake_vq_init(q, &r->m, num, features);
	at = fake_alloc(&r->m, bytes, VRIG_PAGE);
	vring_init(&vr, num, fake_at(&r->m, at, bytes), align);
	q->desc = vr.desc;
	q->avail = vr.avail;
	q->used = vr.used;
	q->addr.desc = at;
	q->addr.avail = at + (gpa_t)((uint8_t *)vr.avail - (uint8_t *)vr.desc);
	q->addr.used = at + (gpa_t)((uint8_t *)vr.used - (uint8_t *)vr.desc);
	fake_vq_clear(q);
	return u32_of(at / VRIG_PAGE);
}

void vrig_forget(struct vrig *r)
{
	r->m.next = r->mark;
	for (unsigned i = 0; i < ARRAY_SIZE(r->vq); i++)
		memset(r->vq[i].table, 0, sizeof(r->vq[i].table));
}

static bool readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

/* As the loop would. False: not watched, or nothing to say. */
static bool run_watch(const struct loop_fd *w)
{
	if (!w->loop || !readable(w->fd))
		return false;
	w->fn(w->arg, POLLIN);
	return true;
}

bool vrig_pump_once(struct vrig *r)
{
	bool any = false;

	for (unsigned i = 0; i < r->n->nr_pairs; i++) {
		struct net_pair *p = &r->n->pair[i];

		for (unsigned k = NET_RX; k <= NET_TX; k++)
			any |= run_watch(&p->queue[k].kick);
		any |= p->inbox && run_watch(net_inbox_watch(p));
	}
	any |= run_watch(&r->n->ctrl.kick);
	return run_watch(&r->n->news) || any;
}

unsigned vrig_pump(struct vrig *r)
{
	unsigned rounds = 0;

	while (vrig_pump_once(r))
		must(++rounds <= 10000, "the device does not come to rest");
	return rounds;
}

void vrig_go(struct vrig *r, unsigned i)
{
	fake_vq_publish(&r->vq[i]);
	if (fake_vq_wants_kick(&r->vq[i]))
		fake_kick(&r->dev, i);
	vrig_pump(r);
}

void vrig_frame(uint8_t *p, size_t len, const uint8_t dst[6], unsigned seed)
{
	static const uint8_t rest[8] = {0x02, 0, 0, 0, 0, 0x01, 0x08, 0x00};

	pattern_fill(p, len, seed);
	memcpy(p, dst, 6);
	memcpy(p + 6, rest, sizeof(rest));
}

int vrig_command(struct vrig *r, uint8_t class, uint8_t cmd, const void *data, uint32_t len)
{
	const uint8_t hdr[2] = {class, cmd};
	struct fake_buf b[3] = {fake_out(&r->m, hdr, sizeof(hdr))};
	unsigned nr = 1, head;
	uint32_t used;

	if (len)
		b[nr++] = fake_out(&r->m, data, len);
	b[nr] = fake_in(&r->m, 1);
	must(fake_vq_add(&r->vq[r->ctrl], b, nr + 1) >= 0, "no room for a command");
	vrig_go(r, r->ctrl);
	must(fake_vq_reap(&r->vq[r->ctrl], &head, &used), "a command did not come back");
	return used == 1 ? *(uint8_t *)fake_at(&r->m, b[nr].addr, 1) : -1;
}

int vrig_set_pairs(struct vrig *r, unsigned nr)
{
	uint8_t data[2];

	put_le16(data, u16_of(nr));
	return vrig_command(r, VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, data, 2);
}

void vrig_post_tx(struct vrig *r)
{
	uint8_t bytes[NET_HDR_LEN + VRIG_FRAME] = {0};
	struct fake_buf b;

	vrig_frame(bytes + NET_HDR_LEN, VRIG_FRAME, vrig_mac, 1);
	b = fake_out(&r->m, bytes, sizeof(bytes));
	must(fake_vq_add(&r->vq[NET_TX], &b, 1) >= 0, "room for a frame");
	fake_vq_publish(&r->vq[NET_TX]);
}

void vrig_receive(struct vrig *r)
{
	uint8_t frame[VRIG_FRAME];
	struct fake_buf b = fake_in(&r->m, 256);

	must(fake_vq_add(&r->vq[NET_RX], &b, 1) >= 0, "room for a buffer");
	fake_vq_publish(&r->vq[NET_RX]);
	fake_kick(&r->dev, NET_RX);
	vrig_frame(frame, sizeof(frame), vrig_mac, 2);
	fake_net_queue(r->net, NULL, frame, sizeof(frame));
	fake_net_can_recv(r->net);
	vrig_pump(r);
}
