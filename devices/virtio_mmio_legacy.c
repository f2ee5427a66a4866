/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registers of version 1 (virtio 1.2, 4.2.4), from before there was a standard. What is different:
 *
 * - 32 feature bits, none of them VERSION_1, and no step at which the device may refuse them: they are final when the
 *   device is used for the first time.
 * - A queue is one piece of memory (2.7.2), named by the number of its first page; 0 takes the queue back.
 * - No generation of the config space, and its address may be written.
 * - A driver may kick before it says DRIVER_OK (3.1.2), and set up further queues after that.
 */
#include <inttypes.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>

#include "devices/virtio.h"
#include "devices/virtio_mmio_priv.h"
#include "vmm/core/compiler.h"
#include "vmm/core/log.h"
#include "vmm/core/loop.h"

#define VERSION 1u

#define LIVE (VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK)
#define BITS                                                                                \
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_DRIVER_OK | \
	 VIRTIO_CONFIG_S_FAILED)

/* ---- what does not change; any thread */

static uint32_t magic(unused struct virtio_mmio *t)
{
	return VIRTIO_MMIO_MAGIC;
}

static uint32_t version(unused struct virtio_mmio *t)
{
	return VERSION;
}

static uint32_t device_id(struct virtio_mmio *t)
{
	return t->dev->ops->id;
}

static uint32_t vendor(unused struct virtio_mmio *t)
{
	return VIRTIO_MMIO_VENDOR;
}

/* ---- features; loop thread */

static uint32_t host_features(struct virtio_mmio *t)
{
	return virtio_offered(t->dev, t->feature_sel);
}

static void select_host_features(struct virtio_mmio *t, uint32_t val)
{
	t->feature_sel = val;
}

static void guest_features(struct virtio_mmio *t, uint32_t val)
{
	virtio_accept(t->dev, t->accept_sel, val);
}

static void select_guest_features(struct virtio_mmio *t, uint32_t val)
{
	t->accept_sel = val;
}

/* ---- queues; loop thread */

static struct virtio_queue *selected(struct virtio_mmio *t)
{
	return t->queue_sel < VIRTIO_MMIO_V1_QUEUES ? virtio_queue_at(t->dev, t->queue_sel, false)
	                                            : NULL;
}

static void select_queue(struct virtio_mmio *t, uint32_t val)
{
	t->queue_sel = val;
}

/* Before any queue, and for all of them: what a page is that QueuePFN counts. There is no usual size. */
static void guest_page_size(struct virtio_mmio *t, uint32_t val)
{
	if (is_power_of_two(val))
		t->v1.page_size = val;
	else
		log_guest("%s: GuestPageSize %" PRIu32 " is not a power of two", t->dev->name, val);
}

static uint32_t queue_num_max(struct virtio_mmio *t)
{
	const struct virtio_queue *q = selected(t);

	return q ? q->num_max : 0;
}

/* Of a queue that is not in use; the rest of its address follows from QueuePFN. */
static void queue_num(struct virtio_mmio *t, uint32_t val)
{
	struct virtio_queue *q = selected(t);

	if (q && !q->ready)
		q->addr.num = val;
}

static void queue_align(struct virtio_mmio *t, uint32_t val)
{
	if (!selected(t))
		return;
	if (is_power_of_two(val))
		t->v1.align[t->queue_sel] = val;
	else
		log_guest("%s: QueueAlign %" PRIu32 " of queue %" PRIu32 " is not a power of two",
		          t->dev->name, val, t->queue_sel);
}

static uint32_t queue_pfn(struct virtio_mmio *t)
{
	const struct virtio_queue *q = selected(t);

	return q && q->ready ? u32_of(q->addr.desc / t->v1.page_size) : 0;
}

/* virtio 1.2, 2.7.2: the used ring begins at the next boundary. No sum of these numbers leaves 64 bits. */
static struct vq_addr lay_out(uint64_t page, uint32_t num, uint32_t align)
{
	struct vq_addr a = {.num = num, .desc = page};

	a.avail = a.desc + 16 * (uint64_t)num;
	a.used = align_up(a.avail + 2 * (3 + (uint64_t)num), align);
	return a;
}

/* The queue is taken as it is when the device is used; only then it is judged. */
static void give_queue(struct virtio_mmio *t, struct virtio_queue *q, uint32_t pfn)
{
	const uint32_t align = t->v1.align[t->queue_sel];
	const bool live = t->dev->started;

	if (q->ready || !t->v1.page_size || !align) {
		log_guest("%s: QueuePFN %" PRIu32 " of queue %" PRIu32 " is ignored: %s",
		          t->dev->name, pfn, t->queue_sel,
		          q->ready           ? "the queue is in use"
		          : !t->v1.page_size ? "GuestPageSize was not written before"
		                             : "QueueAlign was not written before");
		return;
	}
	if (live)
		virtio_pause(t->dev);
	if (virtio_queue_at(t->dev, t->queue_sel, true)) {
		q->addr = lay_out((uint64_t)pfn * t->v1.page_size, q->addr.num, align);
		q->goes_on = false; /* a new ring */
		virtio_queue_ready(t->dev, t->queue_sel, true);
	}
	if (live)
		virtio_resume(t->dev);
}

static void set_queue_pfn(struct virtio_mmio *t, uint32_t val)
{
	struct virtio_queue *q = selected(t);

	if (!q)
		return;
	if (val == 0)
		virtio_queue_ready(t->dev, t->queue_sel, false);
	else
		give_queue(t, q, val);
}

/* ---- status; loop thread */

static uint32_t status(struct virtio_mmio *t)
{
	return virtio_mmio_status(t);
}

/* The step that this version does not have is taken with the one behind it. */
static void set_status(struct virtio_mmio *t, uint32_t val)
{
	const uint32_t step = val & VIRTIO_CONFIG_S_DRIVER_OK ? VIRTIO_CONFIG_S_FEATURES_OK : 0;

	if (val == 0 || step)
		t->v1.early = false;
	if (val != 0) {
		if (val & BITS)
			virtio_set_status(t->dev, (val & BITS) | step);
		return;
	}
	virtio_set_status(t->dev, 0);
	t->feature_sel = t->accept_sel = t->queue_sel = 0;
	for (unsigned i = 0; i < VIRTIO_MMIO_V1_QUEUES; i++)
		t->v1.align[i] = 0;
}

/* A kick before DRIVER_OK: the device works from now on, with the queues that there are (virtio 1.2, 3.1.2). */
static void use_early(struct virtio_mmio *t, uint32_t queue)
{
	const struct virtio_queue *q = virtio_queue_at(t->dev, queue, false);

	if (!q || !q->ready || (t->dev->status & VIRTIO_CONFIG_S_DRIVER_OK))
		return;
	t->v1.early = true;
	virtio_set_status(t->dev, t->dev->status | LIVE);
}

/* ---- the way from a vCPU */

struct call {
	struct virtio_mmio *t;
	uint32_t val;
	uint32_t (*read)(struct virtio_mmio *t);
	void (*write)(struct virtio_mmio *t, uint32_t val);
};

static void do_read(void *arg)
{
	struct call *c = arg;

	c->val = c->read(c->t);
}

static void do_write(void *arg)
{
	const struct call *c = arg;

	c->write(c->t, c->val);
}

/* Kicks and interrupts make no trip to the loop; vCPU thread. */

static void queue_notify(struct virtio_mmio *t, uint32_t val)
{
	struct call early = {.t = t, .val = val, .write = use_early};

	if (unlikely(!(t->dev->status & VIRTIO_CONFIG_S_DRIVER_OK)))
		loop_call(t->dev->loop, do_write, &early);
	virtio_kick(t->dev, val);
}

static uint32_t interrupt_status(struct virtio_mmio *t)
{
	return virtio_isr(t->dev);
}

static void interrupt_ack(struct virtio_mmio *t, uint32_t val)
{
	virtio_isr_ack(t->dev, val);
}

static const struct reg {
	uint32_t off;
	bool at_once; /* on the vCPU's thread */
	uint32_t (*read)(struct virtio_mmio *t);
	void (*write)(struct virtio_mmio *t, uint32_t val);
} regs[] = {
	{VIRTIO_MMIO_MAGIC_VALUE, true, magic, NULL},
	{VIRTIO_MMIO_VERSION, true, version, NULL},
	{VIRTIO_MMIO_DEVICE_ID, true, device_id, NULL},
	{VIRTIO_MMIO_VENDOR_ID, true, vendor, NULL},
	{VIRTIO_MMIO_DEVICE_FEATURES, false, host_features, NULL},
	{VIRTIO_MMIO_DEVICE_FEATURES_SEL, false, NULL, select_host_features},
	{VIRTIO_MMIO_DRIVER_FEATURES, false, NULL, guest_features},
	{VIRTIO_MMIO_DRIVER_FEATURES_SEL, false, NULL, select_guest_features},
	{VIRTIO_MMIO_GUEST_PAGE_SIZE, false, NULL, guest_page_size},
	{VIRTIO_MMIO_QUEUE_SEL, false, NULL, select_queue},
	{VIRTIO_MMIO_QUEUE_NUM_MAX, false, queue_num_max, NULL},
	{VIRTIO_MMIO_QUEUE_NUM, false, NULL, queue_num},
	{VIRTIO_MMIO_QUEUE_ALIGN, false, NULL, queue_align},
	{VIRTIO_MMIO_QUEUE_PFN, false, queue_pfn, set_queue_pfn},
	{VIRTIO_MMIO_QUEUE_NOTIFY, true, NULL, queue_notify},
	{VIRTIO_MMIO_INTERRUPT_STATUS, true, interrupt_status, NULL},
	{VIRTIO_MMIO_INTERRUPT_ACK, true, NULL, interrupt_ack},
	{VIRTIO_MMIO_STATUS, false, status, set_status},
};

static const struct reg *find(uint32_t off)
{
	for (unsigned i = 0; i < ARRAY_SIZE(regs); i++)
		if (regs[i].off == off)
			return &regs[i];
	return NULL;
}

/* Write-only ones, and those that do not exist: 0. */
static uint32_t read_reg(struct virtio_mmio *t, uint32_t off)
{
	const struct reg *r = find(off);
	struct call c = {.t = t};

	if (!r || !r->read)
		return 0;
	if (r->at_once)
		return r->read(t);
	c.read = r->read;
	loop_call(t->dev->loop, do_read, &c);
	return c.val;
}

static void write_reg(struct virtio_mmio *t, uint32_t off, uint32_t val)
{
	const struct reg *r = find(off);
	struct call c = {.t = t, .val = val};

	if (!r || !r->write)
		return;
	if (r->at_once) {
		r->write(t, val);
		return;
	}
	c.write = r->write;
	loop_call(t->dev->loop, do_write, &c);
}

static const struct virtio_mmio_version version_1 = {
	.status = BITS,
	.read = read_reg,
	.write = write_reg,
};

void virtio_mmio_legacy_init(struct virtio_mmio *t, struct virtio_dev *dev, struct irq_line irq)
{
	virtio_mmio_init(t, dev, irq);
	t->version = &version_1;
}
