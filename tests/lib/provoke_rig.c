/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/provoke_rig.h"

#include <linux/virtio_mmio.h>
#include <stdio.h>
#include <stdlib.h>

#include "devices/virtio.h"

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "provoke_rig: %s\n", what);
	abort();
}

static void on_line(void *arg, unused unsigned gsi, bool level)
{
	struct prig *r = arg;

	r->pulses += level;
}

static void begin(struct prig *r, provoke_set set, uint64_t seed, unsigned pairs)
{
	vrig_create(&r->v, (struct vrig_options){.vq_size = 16, .pairs = pairs});
	virtio_mmio_init(&r->mmio, r->v.dev.core, (struct irq_line){.set = on_line, .arg = r});
	r->pulses = 0;
	must(provoke_create(set, seed, &r->p) == 0, "no memory");
	provoke_device(r->p, r->v.n);
	r->v.dev.mmio = &r->mmio;
}

void prig_begin_seeded(struct prig *r, provoke_set set, uint64_t seed)
{
	begin(r, set, seed, 1);
}

void prig_begin_pairs(struct prig *r, provoke_set set, unsigned pairs)
{
	begin(r, set, 1, pairs);
}

void prig_begin(struct prig *r, provoke_set set)
{
	prig_begin_seeded(r, set, 1);
}

void prig_end(struct prig *r)
{
	vrig_destroy(&r->v);
	provoke_destroy(r->p);
}

void prig_up(struct prig *r, enum provoke_id id, uint64_t features)
{
	prig_begin(r, PROVOKE_BIT(id));
	vrig_up(&r->v, features);
	provoke_switch(r->p, (int)id);
}

uint64_t prig_times(const struct prig *r, enum provoke_id id)
{
	return r->p->times[id];
}

uint32_t prig_reg(struct prig *r, uint32_t off)
{
	return fake_readl(&r->v.dev, off);
}

void prig_set_reg(struct prig *r, uint32_t off, uint32_t val)
{
	fake_writel(&r->v.dev, off, val);
}

uint8_t prig_config8(const struct prig *r, uint32_t off)
{
	return (uint8_t)virtio_mmio_bus_ops.read((void *)(uintptr_t)&r->mmio,
	                                         VIRTIO_MMIO_CONFIG + off, 1);
}

int prig_post_tx(struct prig *r, unsigned i)
{
	uint8_t bytes[NET_HDR_LEN + PRIG_LEN] = {0};
	struct fake_buf b;

	vrig_frame(bytes + NET_HDR_LEN, PRIG_LEN, vrig_mac, i);
	b = fake_out(&r->v.m, bytes, sizeof(bytes));
	return fake_vq_add(&r->v.vq[NET_TX], &b, 1);
}

void prig_send(struct prig *r, unsigned nr, unsigned *heads)
{
	for (unsigned i = 0; i < nr; i++) {
		const int head = prig_post_tx(r, i);

		must(head >= 0, "no room for a frame");
		if (heads)
			heads[i] = (unsigned)head;
	}
	fake_vq_publish(&r->v.vq[NET_TX]);
	fake_kick(&r->v.dev, NET_TX);
}

uint16_t prig_shown(const struct prig *r, unsigned queue)
{
	return r->v.vq[queue].used->idx;
}

struct vring_used_elem prig_used(const struct prig *r, unsigned queue, unsigned i)
{
	return r->v.vq[queue].used->ring[i % r->v.vq[queue].num];
}

void prig_receive(struct prig *r, unsigned nr, uint32_t room)
{
	prig_receive_long(r, nr, 1, room);
}

void prig_receive_long(struct prig *r, unsigned nr, unsigned parts, uint32_t room)
{
	uint8_t frame[PRIG_LEN];

	for (unsigned i = 0; i < nr * parts; i++) {
		const struct fake_buf b = fake_in(&r->v.m, room);

		must(fake_vq_add(&r->v.vq[NET_RX], &b, 1) >= 0, "no room for a buffer");
	}
	vrig_go(&r->v, NET_RX);
	for (unsigned i = 0; i < nr; i++) {
		vrig_frame(frame, sizeof(frame), vrig_mac, i);
		fake_net_queue(r->v.net, NULL, frame, sizeof(frame));
	}
	fake_net_can_recv(r->v.net);
	vrig_pump(&r->v);
}
