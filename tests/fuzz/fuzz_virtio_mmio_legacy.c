/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest that writes what it likes to registers of version 1 and to its memory, with a network device behind them. What must hold,
 * besides what sanitizers see: the device comes to rest, a queue that cannot be laid out is not in use, and a reset
 * forgets them all.
 */
#include <linux/virtio_mmio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/virtio.h"
#include "devices/virtio_mmio.h"
#include "tests/fuzz/input.h"
#include "tests/lib/vnet_rig.h"
#include "vmm/core/le.h"
#include "vmm/core/log.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MEM_BYTES KIB(256)
#define PAGE      512u
#define STEPS     64u /* of one input */
#define FRAME     60u

static struct vrig rig;
static struct virtio_mmio mmio;

int LLVMFuzzerInitialize(int *argc unused, char ***argv unused)
{
	log_set_level((enum log_level)(LOG_ERROR - 1));
	vrig_create(&rig,
	            (struct vrig_options){
			    .legacy = true, .mem_bytes = MEM_BYTES, .vq_size = 64, .pairs = 2});
	virtio_mmio_legacy_init(&mmio, rig.dev.core, (struct irq_line){0});
	rig.dev.mmio = &mmio;
	return 0;
}

static void set(uint64_t off, uint64_t val)
{
	fake_writel(&rig.dev, off, u32_of(val));
}

static uint32_t page_of(struct input *in)
{
	return u32_of(FAKE_MEM_BASE / PAGE + take(in, 1) % (MEM_BYTES / PAGE));
}

static void access_register(struct input *in)
{
	const uint64_t off = 4 * (take(in, 1) & 0x1f);
	const unsigned kind = (unsigned)take(in, 1);

	set(off, kind < 16    ? kind
	         : kind < 96  ? page_of(in)
	         : kind < 160 ? 1u << kind % 32
	                      : take(in, 4));
	(void)fake_readl(&rig.dev, off);
}

static void access_anything(struct input *in)
{
	const unsigned size = 1u << (take(in, 1) & 3);
	const uint64_t off = take(in, 2) % (VIRTIO_MMIO_SIZE - size + 1);
	uint64_t got;

	virtio_mmio_bus_ops.write(&mmio, off, size, take(in, 8));
	got = virtio_mmio_bus_ops.read(&mmio, off, size);
	REQUIRE(size == 8 || got >> (8 * size) == 0);
}

static void scribble(struct input *in)
{
	const gpa_t at = FAKE_MEM_BASE + 4 * take(in, 2) % (MEM_BYTES - 16);
	uint8_t buf[16];

	put_le64(buf, take(in, 8));
	put_le64(buf + 8, take(in, 8));
	REQUIRE(gmem_write(&rig.m.gmem, at, buf, sizeof(buf)) == 0);
}

static void give_queue(struct input *in, unsigned i)
{
	set(VIRTIO_MMIO_QUEUE_SEL, i);
	set(VIRTIO_MMIO_QUEUE_NUM, 1u << take(in, 1) % 8);
	set(VIRTIO_MMIO_QUEUE_ALIGN, 1u << take(in, 1) % 13);
	set(VIRTIO_MMIO_QUEUE_PFN, page_of(in));
}

/* The whole way at once, so that the interesting states are never far. */
static void bring_up(struct input *in)
{
	set(VIRTIO_MMIO_GUEST_PAGE_SIZE, PAGE);
	set(VIRTIO_MMIO_STATUS, 0);
	set(VIRTIO_MMIO_STATUS, 3);
	set(VIRTIO_MMIO_DRIVER_FEATURES, rig.dev.core->offered & take(in, 4));
	for (unsigned i = 0; i < 5; i++)
		give_queue(in, i);
	set(VIRTIO_MMIO_STATUS, 7);
}

/* One chain of one piece, with an honest index. */
static void offer(struct input *in)
{
	const struct virtio_queue *q = &rig.dev.core->queue[take(in, 1) % 5];
	const uint64_t at = FAKE_MEM_BASE + take(in, 2), len = take(in, 2);
	uint8_t desc[16], idx[2], zero[2] = {0};

	put_le64(desc, at);
	put_le32(desc + 8, u32_of(len));
	put_le16(desc + 12, u16_of(take(in, 1) & 7));
	put_le16(desc + 14, 0);
	if (!vq_running(&q->vq) || gmem_read(&rig.m.gmem, q->addr.avail + 2, idx, 2) < 0)
		return;
	put_le16(idx, u16_of(get_le16(idx) + 1u));
	(void)!gmem_write(&rig.m.gmem, q->addr.desc, desc, sizeof(desc));
	(void)!gmem_write(&rig.m.gmem, q->addr.avail + 4, zero, sizeof(zero));
	(void)!gmem_write(&rig.m.gmem, q->addr.avail + 2, idx, sizeof(idx));
}

static void frame_comes(void)
{
	uint8_t frame[FRAME];

	vrig_frame(frame, sizeof(frame), vrig_mac, 1);
	if (fake_net_queued(rig.net) < 64)
		fake_net_queue(rig.net, NULL, frame, sizeof(frame));
	fake_net_can_recv(rig.net);
}

/* What is true between any two steps. */
static void check(void)
{
	const struct virtio_dev *d = rig.dev.core;

	REQUIRE((d->accepted & ~d->offered) == 0);
	REQUIRE((fake_readl(&rig.dev, VIRTIO_MMIO_STATUS) & ~0x87u) == 0);
	REQUIRE(!d->started || (d->status & VIRTIO_CONFIG_S_DRIVER_OK));
	for (unsigned i = 0; i < d->nr_queues; i++) {
		const struct virtio_queue *q = &d->queue[i];

		REQUIRE(!q->ready || (mmio.v1.page_size && mmio.v1.align[i]));
		REQUIRE(!vq_running(&q->vq) || (q->ready && q->addr.num <= q->num_max));
	}
}

static void step(struct input *in)
{
	switch (take(in, 1) % 8) {
	case 0:
	case 1:
		access_register(in);
		break;
	case 2:
		access_anything(in);
		break;
	case 3:
		scribble(in);
		break;
	case 4:
		bring_up(in);
		break;
	case 5:
		offer(in);
		break;
	case 6:
		fake_kick(&rig.dev, u32_of(take(in, 1)));
		break;
	default:
		frame_comes();
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {.p = data, .left = size};

	for (unsigned i = 0; i < STEPS && in.left > 0; i++) {
		step(&in);
		vrig_pump(&rig);
		for (unsigned k = 0; k < rig.pairs; k++)
			fake_net_forget_sent(rig.nets[k]);
		check();
	}
	set(VIRTIO_MMIO_STATUS, 0);
	for (unsigned i = 0; i < rig.dev.core->nr_queues; i++) {
		set(VIRTIO_MMIO_QUEUE_SEL, i);
		REQUIRE(fake_readl(&rig.dev, VIRTIO_MMIO_QUEUE_PFN) == 0);
	}
	REQUIRE(!rig.dev.core->started);
	mmio.v1.page_size = 0;
	memset(rig.m.gmem.region[0].host, 0, MEM_BYTES);
	return 0;
}
