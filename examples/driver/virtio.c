/* SPDX-License-Identifier: Apache-2.0 */
#include "virtio.h"

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>

#include "bugs.h"
#include "cpu.h"
#include "queue.h"

#define MAGIC    0x74726976u
#define ACK      VIRTIO_CONFIG_S_ACKNOWLEDGE
#define DRIVER   VIRTIO_CONFIG_S_DRIVER
#define FEATURES VIRTIO_CONFIG_S_FEATURES_OK

/* All accesses to registers are aligned and of 32 bits. [mmio.control-32bit] */
static uint32_t get(const struct device *d, uint32_t off)
{
	return *(volatile uint32_t *)(d->base + off);
}

static void set(const struct device *d, uint32_t off, uint32_t v)
{
	*(volatile uint32_t *)(d->base + off) = v;
}

static uint32_t status(const struct device *d)
{
	return get(d, VIRTIO_MMIO_STATUS);
}

/* Only ever adds bits. [status.no-clear-bit], [status.set-progress] */
static void add_status(const struct device *d, uint32_t bit)
{
	const bool blind = bug(status_one_bit) || (bug(reset_not_awaited) && bit == ACK);

	set(d, VIRTIO_MMIO_STATUS, blind ? bit : status(d) | bit);
}

bool device_probe(const struct device *d, uint32_t id)
{
	if (bug(narrow_register))
		(void)*(volatile uint16_t *)(d->base + VIRTIO_MMIO_MAGIC_VALUE);
	/* In this order, and nothing more when one is wrong. [mmio.probe-magic-version], [mmio.probe-devid] */
	return get(d, VIRTIO_MMIO_MAGIC_VALUE) == MAGIC && get(d, VIRTIO_MMIO_VERSION) == 2 &&
	       get(d, VIRTIO_MMIO_DEVICE_ID) == id;
}

void device_reset(const struct device *d)
{
	if (bug(no_reset))
		return;
	set(d, VIRTIO_MMIO_STATUS, 0);
	if (bug(reset_not_awaited))
		return;
	while (status(d) != 0) /* [reset.wait-for-zero] */
		cpu_relax();
}

static uint64_t read_offered(const struct device *d)
{
	uint64_t bits;

	/* The window is chosen before it is read. [mmio.devfeatsel-first] */
	set(d, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0);
	bits = get(d, VIRTIO_MMIO_DEVICE_FEATURES);
	set(d, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
	return bits | (uint64_t)get(d, VIRTIO_MMIO_DEVICE_FEATURES) << 32;
}

static void write_accepted(const struct device *d, uint64_t bits)
{
	/* [mmio.drvfeatsel-first], [init.features-before-ok] */
	set(d, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	set(d, VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)bits);
	set(d, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	set(d, VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)(bits >> 32));
}

void device_begin(struct device *d)
{
	device_reset(d);       /* whoever had the device before us [init.reset-first] */
	add_status(d, ACK);    /* [init.ack-step] */
	add_status(d, DRIVER); /* [init.driver-step] */
	d->offered = read_offered(d);
}

bool device_accept(struct device *d, uint64_t wanted)
{
	/* Only what is offered [feat.no-unoffered] and known to us [feat.no-undefined-bit] */
	d->accepted = d->offered & wanted;
	if (bug(refusal_ignored)) /* so that there is one */
		d->accepted |= FEATURE(40);
	if (!(d->accepted & FEATURE(VIRTIO_F_VERSION_1)) && !bug(no_version_1))
		return false; /* [feat.accept-version-1], [feat.fail-when-unusable] */
	write_accepted(d, d->accepted);
	add_status(d, FEATURES);
	/* The device may have said no. [init.reread-features-ok], [init.stop-after-failure] */
	return bug(features_unread) || (status(d) & FEATURES) || bug(refusal_ignored);
}

void device_config(const struct device *d, uint32_t off, uint8_t *dst, uint32_t len)
{
	const uint64_t from = d->base + VIRTIO_MMIO_CONFIG + off;
	uint32_t before;

	do { /* [cfg.generation-loop] */
		before = bug(no_generation) ? 0 : get(d, VIRTIO_MMIO_CONFIG_GENERATION);
		if (bug(wide_mac) && len > 4)
			*(uint32_t *)(void *)dst = *(volatile uint32_t *)from;
		else
			for (uint32_t i = 0; i < len; i++)
				dst[i] = *(volatile uint8_t *)(from + i);
	} while (!bug(no_generation) && get(d, VIRTIO_MMIO_CONFIG_GENERATION) != before);
}

uint16_t device_config16(const struct device *d, uint32_t off)
{
	return *(volatile uint16_t *)(d->base + VIRTIO_MMIO_CONFIG + off);
}

static void set_address(const struct device *d, uint32_t low, const void *at)
{
	set(d, low, (uint32_t)(uint64_t)at); /* both halves [mmio.addr-both-halves] */
	set(d, low + 4, (uint32_t)((uint64_t)at >> 32));
}

bool device_add_queue(const struct device *d, uint32_t index, struct queue *q)
{
	uint16_t size = QUEUE_SIZE;
	uint32_t max = bug(max_before_select) ? get(d, VIRTIO_MMIO_QUEUE_NUM_MAX) : 0;

	set(d, VIRTIO_MMIO_QUEUE_SEL, index); /* [mmio.queuesel-first] */
	if (get(d, VIRTIO_MMIO_QUEUE_READY))
		return false; /* somebody's [mmio.queue-not-in-use] */
	if (!bug(max_before_select) && !bug(size_not_asked))
		max = get(d, VIRTIO_MMIO_QUEUE_NUM_MAX);
	if (max == 0 && !bug(size_not_asked))
		return false;                      /* [mmio.qmax0-absent] */
	while (size > max && !bug(size_not_asked)) /* [mmio.qsize-le-max], [split.size-pow2] */
		size /= 2;
	queue_init(q, size, d->accepted);
	set(d, VIRTIO_MMIO_QUEUE_NUM, q->size); /* [mmio.size-before-ready] */
	set_address(d, VIRTIO_MMIO_QUEUE_DESC_LOW, q->desc);
	set_address(d, VIRTIO_MMIO_QUEUE_AVAIL_LOW, &q->driver);
	set_address(d, VIRTIO_MMIO_QUEUE_USED_LOW, &q->device);
	set(d, VIRTIO_MMIO_QUEUE_READY, 1);
	return true;
}

bool device_go(const struct device *d)
{
	add_status(d, VIRTIO_CONFIG_S_DRIVER_OK); /* the last step [init.drvok-last] */
	return !device_needs_reset(d);
}

void device_kick(const struct device *d, uint32_t queue)
{
	set(d, VIRTIO_MMIO_QUEUE_NOTIFY, queue); /* [notify.queue-index-valid] */
}

bool device_config_changed(const struct device *d)
{
	/* Of both causes one is no reason to forget the other. [mmio.irq-read-status], [mmio.irq-both-bits] */
	const uint32_t why = get(d, VIRTIO_MMIO_INTERRUPT_STATUS) &
	                     (VIRTIO_MMIO_INT_VRING | VIRTIO_MMIO_INT_CONFIG);

	/*
	 * Before the rings are looked at: what is used after that look finds the bit down, and raises it.
	 * [mmio.irq-ack], [mmio.intack-handled], [mmio.intack-no-unknown]
	 */
	if (why && !bug(no_ack))
		set(d, VIRTIO_MMIO_INTERRUPT_ACK, why);
	return why & VIRTIO_MMIO_INT_CONFIG;
}

bool device_needs_reset(const struct device *d)
{
	return status(d) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

void device_fail(const struct device *d)
{
	add_status(d, VIRTIO_CONFIG_S_FAILED); /* [init.set-failed-on-error] */
}
