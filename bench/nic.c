/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/nic.h"

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/virtio.h"
#include "devices/virtio_net.h"
#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"

void bench_die(const char *what)
{
	fprintf(stderr, "bench: %s\n", what);
	exit(1);
}

static void interrupt(void *arg)
{
	const struct bench_nic *b = arg;

	fd_event_set(b->call_fd);
}

static const struct virtio_transport_ops tops = {.interrupt = interrupt};

uint8_t *bench_nic_buffer(struct bench_nic *b, unsigned ring, unsigned i)
{
	return fake_at(&b->mem, b->slot[ring] + (gpa_t)i * BENCH_SLOT, BENCH_SLOT);
}

void bench_nic_add(struct bench_nic *b, unsigned ring)
{
	struct fake_vq *v = &b->vq[ring];
	const struct fake_buf buf = {.addr = b->slot[ring] + (gpa_t)v->free_head * BENCH_SLOT,
	                             .len = ring == BENCH_RX ? BENCH_SLOT : BENCH_HDR + BENCH_LEN,
	                             .write = ring == BENCH_RX};

	if (fake_vq_add(v, &buf, 1) < 0)
		bench_die("the ring is full");
}

void bench_nic_publish(struct bench_nic *b, unsigned ring)
{
	fake_vq_publish(&b->vq[ring]);
	if (fake_vq_wants_kick(&b->vq[ring]))
		fake_kick(&b->dev, ring);
}

void bench_frame(uint8_t *p, const uint8_t to[6], const uint8_t from[6])
{
	static const uint8_t type[2] = {0x88, 0xb5};

	memset(p, 0, BENCH_LEN);
	memcpy(p, to, 6);
	memcpy(p + 6, from, 6);
	memcpy(p + 12, type, sizeof(type));
}

void bench_nic_create(struct bench_nic *b, const char *net)
{
	static const uint8_t to[6] = {0x02, 0x02, 0x02, 0x02, 0x02, 0x02};
	/* What decides about the way of a frame, as Linux accepts it. */
	const uint64_t want = FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VIRTIO_RING_F_EVENT_IDX) |
	                      FEATURE(VIRTIO_NET_F_MRG_RXBUF) | FEATURE(VIRTIO_NET_F_GUEST_CSUM) |
	                      FEATURE(VIRTIO_NET_F_GUEST_TSO4);
	struct fake_vq *const vqs[2] = {&b->vq[BENCH_RX], &b->vq[BENCH_TX]};

	if (nic_config_parse(&b->cfg, 0, net, false) < 0)
		bench_die("no NIC");
	b->cfg.kick = b->kick;
	if (nic_open(&b->nic, &b->cfg, 0, NULL) < 0)
		bench_die("no NIC");
	fake_mem_create(&b->mem, MIB(4));
	if (nic_make_device(&b->nic, &b->mem.gmem) < 0)
		bench_die("no device");
	b->dev.core = virtio_net_dev(b->nic.net);
	b->dev.core->tops = &tops;
	b->dev.core->transport = b;
	b->call_fd = fd_eventfd();
	for (unsigned i = 0; i < 2; i++) {
		fake_vq_init(&b->vq[i], &b->mem, BENCH_NUM, want);
		b->slot[i] = fake_alloc(&b->mem, (uint64_t)BENCH_NUM * BENCH_SLOT, 64);
	}
	for (unsigned i = 0; i < BENCH_NUM; i++)
		bench_frame(bench_nic_buffer(b, BENCH_TX, i) + BENCH_HDR, to, b->cfg.mac);
	if (b->call_fd < 0 || fake_probe(&b->dev, want, vqs, 2) < 0)
		bench_die("the device does not come up");
	while (b->vq[BENCH_RX].nr_free)
		bench_nic_add(b, BENCH_RX);
	for (unsigned i = 0; i < 2; i++)
		fake_vq_irq_off(&b->vq[i]);
	bench_nic_publish(b, BENCH_RX);
}

void bench_nic_destroy(struct bench_nic *b)
{
	nic_stop(&b->nic);
	nic_close(&b->nic);
	nic_config_free(&b->cfg);
	fake_mem_destroy(&b->mem);
	fd_close(&b->call_fd);
}
