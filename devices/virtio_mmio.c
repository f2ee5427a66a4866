/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/virtio_mmio.h"

/* Version 2 of the registers only. */
#define VIRTIO_MMIO_NO_LEGACY

#include <inttypes.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>

#include "devices/virtio.h"
#include "devices/virtio_mmio_priv.h"
#include "devices/virtio_provoke.h"
#include "devices/virtio_watch.h"
#include "vmm/core/compiler.h"
#include "vmm/core/le.h"
#include "vmm/core/log.h"
#include "vmm/core/loop.h"

_Static_assert(VIRTIO_ISR_USED == VIRTIO_MMIO_INT_VRING &&
                       VIRTIO_ISR_CONFIG == VIRTIO_MMIO_INT_CONFIG,
               "InterruptStatus is the isr");
_Static_assert(VIRTIO_MMIO_CONFIG < VIRTIO_MMIO_SIZE, "config space lies in the region");
_Static_assert(VIRTIO_MMIO_PAGE_REGS * sizeof(uint32_t) == VIRTIO_MMIO_CONFIG,
               "the page has all registers");

#define VERSION 2u
#define NO_SHM  UINT32_MAX /* virtio 1.2, 4.2.2: length of a region that does not exist */

/* One access on its way from a vCPU to the loop thread. */
struct access {
	struct virtio_mmio *t;
	uint32_t off;
	unsigned size;
	uint64_t val;
};

static void interrupt(void *transport)
{
	const struct virtio_mmio *t = transport;

	irq_pulse(&t->irq);
}

/* ---- what registers read */

/* Any thread. Write-only ones, and those that do not exist: 0. */
static uint32_t fixed_reg(const struct virtio_mmio *t, uint64_t off)
{
	switch (off) {
	case VIRTIO_MMIO_MAGIC_VALUE:
		return VIRTIO_MMIO_MAGIC;
	case VIRTIO_MMIO_VERSION:
		return VERSION;
	case VIRTIO_MMIO_DEVICE_ID:
		return t->dev->ops->id;
	case VIRTIO_MMIO_VENDOR_ID:
		return VIRTIO_MMIO_VENDOR;
	case VIRTIO_MMIO_SHM_LEN_LOW:
	case VIRTIO_MMIO_SHM_LEN_HIGH:
	case VIRTIO_MMIO_SHM_BASE_LOW:
	case VIRTIO_MMIO_SHM_BASE_HIGH:
		return NO_SHM;
	default:
		return 0;
	}
}

/* Loop thread. */
static uint32_t moving_reg(const struct virtio_mmio *t, uint32_t off)
{
	const struct virtio_queue *q = virtio_queue_at(t->dev, t->queue_sel, false);

	switch (off) {
	case VIRTIO_MMIO_DEVICE_FEATURES:
		return virtio_offered(t->dev, t->feature_sel);
	case VIRTIO_MMIO_QUEUE_NUM_MAX:
		return q ? q->num_max : 0;
	case VIRTIO_MMIO_QUEUE_READY:
		return q ? q->ready : 0;
	default: /* VIRTIO_MMIO_STATUS */
		return t->dev->status;
	}
}

/* Any thread. */
static uint32_t generation(const struct virtio_mmio *t)
{
	return atomic_load_explicit(&t->dev->config_generation, memory_order_relaxed);
}

/* ---- the register page; loop thread */

static void set_page(const struct virtio_mmio *t, uint32_t off, uint32_t val)
{
	/*
	 * Release: whoever reads this finds all that it is about. The partner is the guest's load, or
	 * the way back of the vCPU whose access we serve.
	 */
	atomic_store_explicit(&t->page.reg[off / 4], val, memory_order_release);
}

/* The bits that no ACK clears. */
static uint32_t always_up(const struct virtio_mmio *t)
{
	return t->dev->status & VIRTIO_CONFIG_S_DRIVER_OK ? VIRTIO_ISR_USED : 0;
}

/* All that an access may have changed, without asking which one it was: that is rare and this is cheap. */
static void update_page(const struct virtio_mmio *t)
{
	static const uint32_t moving[] = {VIRTIO_MMIO_DEVICE_FEATURES, VIRTIO_MMIO_QUEUE_NUM_MAX,
	                                  VIRTIO_MMIO_QUEUE_READY, VIRTIO_MMIO_STATUS};

	if (!t->page.reg)
		return;
	for (unsigned i = 0; i < ARRAY_SIZE(moving); i++)
		set_page(t, moving[i], moving_reg(t, moving[i]));
	set_page(t, VIRTIO_MMIO_CONFIG_GENERATION, generation(t));
	/* Relaxed: a maybe is about nothing in particular. */
	atomic_fetch_or_explicit(t->dev->isr, always_up(t), memory_order_relaxed);
}

static int swallow_acks(struct virtio_mmio *t, bool on)
{
	int ret = 0;

	if (!t->page.reg || t->acks_vanish == on)
		return 0;
	ret = t->page.swallow_acks(t->page.arg, on);
	if (ret == 0)
		t->acks_vanish = on;
	return ret;
}

static void config_changed(void *transport, bool tell)
{
	struct virtio_mmio *t = transport;

	update_page(t);
	if (tell)
		swallow_acks(t, false);
}

static void page_ack(void *arg)
{
	struct access *a = arg;
	struct virtio_mmio *t = a->t;

	virtio_isr_ack(t->dev, u32_of(a->val) & ~always_up(t));
	if (!(virtio_isr(t->dev) & VIRTIO_ISR_CONFIG))
		swallow_acks(t, true);
}

static const struct virtio_transport_ops transport_ops = {
	.interrupt = interrupt,
	.config_changed = config_changed,
};

static uint32_t read_reg(struct virtio_mmio *t, uint32_t off);
static void write_reg(struct virtio_mmio *t, uint32_t off, uint32_t val);

static const struct virtio_mmio_version version_2 = {
	.status = UINT8_MAX,
	.read = read_reg,
	.write = write_reg,
};

void virtio_mmio_init(struct virtio_mmio *t, struct virtio_dev *dev, struct irq_line irq)
{
	*t = (struct virtio_mmio){.dev = dev, .irq = irq, .version = &version_2};
	dev->tops = &transport_ops;
	dev->transport = t;
}

int virtio_mmio_use_page(struct virtio_mmio *t, const struct virtio_mmio_page *page)
{
	t->page = *page;
	for (uint32_t off = 0; off < VIRTIO_MMIO_CONFIG; off += 4)
		set_page(t, off, fixed_reg(t, off));
	t->dev->isr = &t->page.reg[VIRTIO_MMIO_INTERRUPT_STATUS / 4];
	update_page(t);
	return swallow_acks(t, true);
}

/* ---- on the loop thread */

static void config_read(void *arg)
{
	struct access *a = arg;
	uint8_t buf[8] = {0};

	virtio_config_read(a->t->dev, a->off - VIRTIO_MMIO_CONFIG, buf, a->size);
	a->val = get_le64(buf);
}

static void config_write(void *arg)
{
	struct access *a = arg;
	uint8_t buf[8];

	put_le64(buf, a->val);
	virtio_config_write(a->t->dev, a->off - VIRTIO_MMIO_CONFIG, buf, a->size);
}

static void reg_read(void *arg)
{
	struct access *a = arg;

	a->val = moving_reg(a->t, a->off);
}

static void set_low(gpa_t *addr, uint32_t half)
{
	*addr = (*addr & ~(gpa_t)UINT32_MAX) | half;
}

static void set_high(gpa_t *addr, uint32_t half)
{
	*addr = (*addr & UINT32_MAX) | (gpa_t)half << 32;
}

/* What the driver wants of the selected queue: judged at DRIVER_OK, ignored when it comes too late. */
static void queue_write(struct virtio_mmio *t, uint32_t off, uint32_t val)
{
	struct virtio_queue *q = virtio_queue_at(t->dev, t->queue_sel, true);

	if (!q)
		return;
	switch (off) {
	case VIRTIO_MMIO_QUEUE_NUM:
		q->addr.num = val;
		break;
	case VIRTIO_MMIO_QUEUE_DESC_LOW:
		set_low(&q->addr.desc, val);
		break;
	case VIRTIO_MMIO_QUEUE_DESC_HIGH:
		set_high(&q->addr.desc, val);
		break;
	case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
		set_low(&q->addr.avail, val);
		break;
	case VIRTIO_MMIO_QUEUE_AVAIL_HIGH:
		set_high(&q->addr.avail, val);
		break;
	case VIRTIO_MMIO_QUEUE_USED_LOW:
		set_low(&q->addr.used, val);
		break;
	case VIRTIO_MMIO_QUEUE_USED_HIGH:
		set_high(&q->addr.used, val);
		break;
	default: /* read-only, or none */
		break;
	}
}

static void status_write(struct virtio_mmio *t, uint32_t val)
{
	virtio_set_status(t->dev, val);
	if (val == 0) {
		t->feature_sel = t->accept_sel = t->queue_sel = 0;
		swallow_acks(t, true);
	}
}

static void reg_write(void *arg)
{
	struct access *a = arg;
	struct virtio_mmio *t = a->t;
	const uint32_t val = u32_of(a->val);

	switch (a->off) {
	case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
		t->feature_sel = val;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
		t->accept_sel = val;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES:
		virtio_accept(t->dev, t->accept_sel, val);
		break;
	case VIRTIO_MMIO_QUEUE_SEL:
		t->queue_sel = val;
		break;
	case VIRTIO_MMIO_QUEUE_READY:
		virtio_queue_ready(t->dev, t->queue_sel, val != 0);
		break;
	case VIRTIO_MMIO_STATUS:
		status_write(t, val);
		break;
	default:
		queue_write(t, a->off, val);
		break;
	}
	update_page(t);
}

/* ---- on vCPU threads */

static void count(struct virtio_mmio *t, uint64_t off)
{
	struct virtio_mmio_stats *s = &t->stats;
	_Atomic uint64_t *c = &s->others;

	if (off >= VIRTIO_MMIO_CONFIG || off == VIRTIO_MMIO_CONFIG_GENERATION)
		c = &s->config;
	else if (off == VIRTIO_MMIO_INTERRUPT_STATUS)
		c = &s->isr_reads;
	else if (off == VIRTIO_MMIO_INTERRUPT_ACK)
		c = &s->acks;
	else if (off == VIRTIO_MMIO_QUEUE_NOTIFY)
		c = &s->notifies;
	atomic_fetch_add_explicit(c, 1, memory_order_relaxed); /* a number, about nothing else */
}

/* Control registers take aligned 32-bit accesses only (virtio 1.2, 4.2.2). */
static bool width_ok(const struct virtio_mmio *t, uint64_t off, unsigned size)
{
	if (size == 4 && off % 4 == 0)
		return true;
	log_guest("%s: access of %u bytes to register 0x%03" PRIx64
	          ": only 4, aligned, have a meaning",
	          t->dev->name, size, off);
	return false;
}

static void tell_watch(struct virtio_mmio *t, const struct access *a, bool write, uint8_t status)
{
	const struct virtio_access seen = {a->off, a->size, write, a->val, status};

	virtio_watch_access(t->dev->watch, &seen);
}

uint8_t virtio_mmio_status(const struct virtio_mmio *t)
{
	const uint8_t unsaid = unlikely(t->v1.early) ? VIRTIO_CONFIG_S_DRIVER_OK : 0;

	return t->dev->status & t->version->status & (uint8_t)~unsaid;
}

static uint32_t read_reg(struct virtio_mmio *t, uint32_t off)
{
	struct access a = {.t = t, .off = off};

	switch (off) {
	case VIRTIO_MMIO_INTERRUPT_STATUS: /* at every interrupt, so without a trip to the loop */
		return virtio_isr(t->dev);
	case VIRTIO_MMIO_CONFIG_GENERATION:
		return generation(t);
	case VIRTIO_MMIO_DEVICE_FEATURES:
	case VIRTIO_MMIO_QUEUE_NUM_MAX:
	case VIRTIO_MMIO_QUEUE_READY:
	case VIRTIO_MMIO_STATUS:
		loop_call(t->dev->loop, reg_read, &a);
		return u32_of(a.val);
	default:
		return fixed_reg(t, off);
	}
}

/*
 * With NOTIFICATION_DATA the upper half says where the driver will offer next (virtio 1.2, 4.2.3.3): a hint, of which nothing
 * is believed, as the ring itself says so.
 */
static uint32_t kicked_queue(const struct virtio_mmio *t, uint32_t val)
{
	return t->dev->accepted & FEATURE(VIRTIO_F_NOTIFICATION_DATA) ? val & UINT16_MAX : val;
}

static void write_reg(struct virtio_mmio *t, uint32_t off, uint32_t val)
{
	struct access a = {.t = t, .off = off, .val = val};

	switch (off) {
	case VIRTIO_MMIO_QUEUE_NOTIFY: /* only when no ioeventfd took it */
		virtio_kick(t->dev, kicked_queue(t, val));
		break;
	case VIRTIO_MMIO_INTERRUPT_ACK:
		if (t->page.reg) /* before DRIVER_OK, or a config change is pending */
			loop_call(t->dev->loop, page_ack, &a);
		else
			virtio_isr_ack(t->dev, val);
		break;
	default:
		loop_call(t->dev->loop, reg_write, &a);
		break;
	}
}

static uint64_t read_any(struct access *a)
{
	if (a->off >= VIRTIO_MMIO_CONFIG) {
		loop_call(a->t->dev->loop, config_read, a);
		return a->val;
	}
	return width_ok(a->t, a->off, a->size) ? a->t->version->read(a->t, a->off) : 0;
}

/* One that has a meaning. */
static bool is_register(const struct access *a)
{
	return a->off < VIRTIO_MMIO_CONFIG && a->size == 4 && a->off % 4 == 0;
}

static uint64_t mmio_read(void *dev, uint64_t off, unsigned size)
{
	struct virtio_mmio *t = dev;
	struct access a = {.t = t, .off = u32_of(off), .size = size};
	uint8_t status;

	count(t, off);
	if (likely(!t->dev->watch && !t->dev->provoke))
		return read_any(&a);
	status = virtio_mmio_status(t);
	a.val = read_any(&a);
	if (t->dev->provoke && is_register(&a))
		a.val = t->dev->provoke->read(t->dev->provoke, a.off, u32_of(a.val));
	if (t->dev->watch)
		tell_watch(t, &a, false, status);
	return a.val;
}

static void mmio_write(void *dev, uint64_t off, unsigned size, uint64_t val)
{
	struct virtio_mmio *t = dev;
	struct access a = {.t = t, .off = u32_of(off), .size = size, .val = val};

	count(t, off);
	if (unlikely(t->dev->watch))
		tell_watch(t, &a, true, virtio_mmio_status(t));
	if (unlikely(t->dev->provoke) && is_register(&a)) {
		uint32_t its = u32_of(val);

		if (!t->dev->provoke->write(t->dev->provoke, a.off, &its))
			return;
		a.val = val = its;
	}
	if (off >= VIRTIO_MMIO_CONFIG)
		loop_call(t->dev->loop, config_write, &a);
	else if (width_ok(t, off, size))
		t->version->write(t, a.off, u32_of(val));
}

const struct bus_ops virtio_mmio_bus_ops = {
	.read = mmio_read,
	.write = mmio_write,
};
