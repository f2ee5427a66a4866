/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/virtio.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/virtio_config.h>
#include <stdio.h>
#include <string.h>

#include "devices/virtio_provoke.h"
#include "devices/virtio_watch.h"
#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"
#include "vmm/core/fd_signal.h"
#include "vmm/core/log.h"

/* The steps of a driver in their order (virtio 1.2, 3.1.1). Several may come in one write. */
static const struct step {
	uint8_t bit;
	uint8_t needs; /* what must be set before */
	const char *name;
} steps[] = {
	{VIRTIO_CONFIG_S_ACKNOWLEDGE, 0, "ACKNOWLEDGE"},
	{VIRTIO_CONFIG_S_DRIVER, VIRTIO_CONFIG_S_ACKNOWLEDGE, "DRIVER"},
	{VIRTIO_CONFIG_S_FEATURES_OK, VIRTIO_CONFIG_S_DRIVER, "FEATURES_OK"},
	{VIRTIO_CONFIG_S_DRIVER_OK, VIRTIO_CONFIG_S_FEATURES_OK, "DRIVER_OK"},
};

int virtio_init(struct virtio_dev *d)
{
	int rc = 0;

	d->isr = &d->own_isr;
	d->call_fd = -1;
	for (unsigned i = 0; i < d->nr_queues; i++)
		d->queue[i].kick_fd = -1;
	for (unsigned i = 0; i < d->nr_queues && rc == 0; i++) {
		d->queue[i].kick_fd = fd_eventfd();
		rc = d->queue[i].kick_fd < 0 ? d->queue[i].kick_fd : 0;
	}
	if (rc < 0)
		virtio_fini(d);
	return rc;
}

/* Where somebody else would go on is known from then on. */
static void stop_queues(struct virtio_dev *d)
{
	for (unsigned i = 0; i < d->nr_queues; i++) {
		struct virtio_queue *q = &d->queue[i];

		if (!vq_running(&q->vq))
			continue;
		q->next_avail = vq_position(&q->vq);
		q->goes_on = true;
		vq_stop(&q->vq);
	}
}

/* Nothing of the device runs and no queue is served after this. */
static void halt(struct virtio_dev *d)
{
	if (d->started || d->paused) {
		d->started = d->paused = false;
		d->ops->stop(d);
	}
	stop_queues(d);
}

void virtio_fini(struct virtio_dev *d)
{
	halt(d);
	for (unsigned i = 0; i < d->nr_queues; i++)
		fd_close(&d->queue[i].kick_fd);
}

/* ---- interrupts */

/* DRIVER_OK, and no broken rule since. */
static bool live(const struct virtio_dev *d)
{
	return (d->status & (VIRTIO_CONFIG_S_DRIVER_OK | VIRTIO_CONFIG_S_NEEDS_RESET)) ==
	       VIRTIO_CONFIG_S_DRIVER_OK;
}

static void raise_isr(struct virtio_dev *d, uint32_t bit)
{
	if (unlikely(d->watch))
		virtio_watch_interrupt(d->watch, bit);
	/* Release: what the interrupt is about comes before its bit. Partner: virtio_isr(). */
	atomic_fetch_or_explicit(d->isr, bit, memory_order_release);
	atomic_fetch_add_explicit(&d->interrupts, 1, memory_order_relaxed);
}

static void raise_interrupt(struct virtio_dev *d, uint32_t bit)
{
	raise_isr(d, bit);
	if (d->tops && !d->holds_line)
		d->tops->interrupt(d->transport);
}

uint32_t virtio_isr(const struct virtio_dev *d)
{
	/*
	 * Acquire: partner raise_interrupt(). isr_always first: partner virtio_isr_always(), which
	 * raises the bit before it lets go of the mask, so one of the two loads finds it.
	 */
	uint32_t always = atomic_load_explicit(&d->isr_always, memory_order_acquire);

	return always | atomic_load_explicit(d->isr, memory_order_acquire);
}

void virtio_isr_always(struct virtio_dev *d, bool on)
{
	if (!on)
		virtio_used(d);
	/* Release: partner virtio_isr(). */
	atomic_store_explicit(&d->isr_always, on ? VIRTIO_ISR_USED : 0, memory_order_release);
}

void virtio_isr_ack(struct virtio_dev *d, uint32_t bits)
{
	/*
	 * Acquire: a driver that scans its rings after the ack finds whatever the bits that it has
	 * just cleared were about. Partner: raise_interrupt().
	 */
	atomic_fetch_and_explicit(d->isr, ~bits, memory_order_acq_rel);
}

static void config_changed(struct virtio_dev *d, bool tell)
{
	if (d->tops && d->tops->config_changed)
		d->tops->config_changed(d->transport, tell);
	if (tell)
		raise_interrupt(d, VIRTIO_ISR_CONFIG);
}

void virtio_used(struct virtio_dev *d)
{
	if (live(d))
		raise_interrupt(d, VIRTIO_ISR_USED);
}

void virtio_used_in(struct virtio_dev *d, unsigned queue)
{
	if (!d->tops || !d->tops->used) {
		virtio_used(d);
	} else if (live(d)) {
		raise_isr(d, VIRTIO_ISR_USED);
		d->tops->used(d->transport, queue);
	}
}

void virtio_config(struct virtio_dev *d)
{
	/*
	 * Relaxed: config space is read on the loop thread, as this runs, and a driver that saw the
	 * new bytes got them from there, so it sees the new generation as well.
	 */
	atomic_fetch_add_explicit(&d->config_generation, 1, memory_order_relaxed);
	config_changed(d, live(d));
}

void virtio_config_unheard(struct virtio_dev *d)
{
	/* As above. */
	atomic_fetch_add_explicit(&d->config_generation, 1, memory_order_relaxed);
	config_changed(d, false);
}

void virtio_signal(const struct virtio_dev *d, int fd)
{
	if (d->signal)
		fd_signal_set(d->signal, fd);
	else
		fd_event_set(fd);
}

void virtio_kick(struct virtio_dev *d, uint32_t queue)
{
	if (queue >= d->nr_queues || (d->ops->kick && d->ops->kick(d, queue)))
		return;
	virtio_signal(d, d->queue[queue].kick_fd);
}

/* ---- when it goes wrong */

static void needs_reset(struct virtio_dev *d)
{
	const bool tell = live(d);

	halt(d);
	d->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	config_changed(d, tell); /* virtio 1.2, 2.1.2 */
}

void virtio_failed(struct virtio_dev *d, const char *why)
{
	if (d->status & VIRTIO_CONFIG_S_NEEDS_RESET)
		return;
	log_error("%s: %s", d->name, why);
	needs_reset(d);
}

void virtio_broken(struct virtio_dev *d, const char *why)
{
	if (d->status & VIRTIO_CONFIG_S_NEEDS_RESET)
		return;
	d->broken++;
	log_guest("%s: driver broke a rule: %s", d->name, why);
	needs_reset(d);
}

/* ---- features */

uint32_t virtio_offered(const struct virtio_dev *d, uint32_t page)
{
	return page > 1 ? 0 : u32_of(d->offered >> (32 * page));
}

void virtio_accept(struct virtio_dev *d, uint32_t page, uint32_t bits)
{
	const unsigned shift = 32 * (page & 1);

	if (page > 1)
		return;
	/* After FEATURES_OK this is of no consequence: accepted is a copy. */
	d->asked &= ~((uint64_t)UINT32_MAX << shift);
	d->asked |= (uint64_t)bits << shift;
}

bool virtio_features_fit(const struct virtio_dev *d, uint64_t features)
{
	const char *why = NULL;

	if (features & ~d->offered)
		why = "bits that were not offered";
	else if (d->offered & ~features & FEATURE(VIRTIO_F_VERSION_1))
		why = "VERSION_1 is missing";
	else if (d->ops->features_ok && !d->ops->features_ok(d, features))
		why = "bits without those that they need";
	if (!why)
		return true;
	log_guest("%s: features 0x%" PRIx64 " of the driver refused: %s (offered: 0x%" PRIx64 ")",
	          d->name, features, why, d->offered);
	return false;
}

/* ---- queues */

struct virtio_queue *virtio_queue_at(struct virtio_dev *d, uint32_t sel, bool to_change)
{
	const uint8_t state = d->status & (VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_DRIVER_OK |
	                                   VIRTIO_CONFIG_S_NEEDS_RESET);

	if (sel >= d->nr_queues)
		return NULL;
	if (to_change && !d->paused && (state != VIRTIO_CONFIG_S_DRIVER || d->queue[sel].ready))
		return NULL;
	return &d->queue[sel];
}

void virtio_queue_ready(struct virtio_dev *d, uint32_t sel, bool ready)
{
	struct virtio_queue *q = virtio_queue_at(d, sel, ready);

	if (!q)
		return;
	if (!ready && d->started && d->ops->release)
		d->ops->release(d, sel);
	q->ready = ready;
	if (!ready)
		vq_stop(&q->vq);
}

/* False after virtio_broken(). */
static bool start_queue(struct virtio_dev *d, unsigned i)
{
	const struct vq_features f = vq_features_of(d->accepted);
	struct virtio_queue *q = &d->queue[i];
	struct vq_watch *watch =
		q->goes_on ? q->vq.watch : NULL; /* it knows where the ring stands */
	char why[160];
	int rc = -EINVAL;

	if (q->addr.num <= q->num_max)
		rc = vq_start(&q->vq, d->mem, &q->addr, f);
	if (rc == 0 && q->goes_on && vq_resume(&q->vq, q->next_avail) < 0) {
		snprintf(why, sizeof(why), "queue %u begins at %" PRIu32 ": %s", i, q->next_avail,
		         q->vq.why);
		virtio_broken(d, why);
		return false;
	}
	if (rc == 0) {
		if (d->watch)
			q->vq.watch = watch ? watch : virtio_watch_queue(d->watch, i, &q->addr);
		if (d->provoke)
			q->vq.provoke = d->provoke->queue(d->provoke, i);
		return true;
	}
	snprintf(why, sizeof(why),
	         "queue %u (%" PRIu32 " of at most %" PRIu32 " entries at 0x%" PRIx64 ", 0x%" PRIx64
	         ", 0x%" PRIx64 "): %s",
	         i, q->addr.num, q->num_max, q->addr.desc, q->addr.avail, q->addr.used,
	         rc == -EFAULT ? "outside guest memory" : "bad size or alignment");
	virtio_broken(d, why);
	return false;
}

/* ---- status */

static bool start_queues(struct virtio_dev *d)
{
	for (unsigned i = 0; i < d->nr_queues; i++)
		if (d->queue[i].ready && !start_queue(d, i))
			return false;
	return true;
}

/* @begin: start() or resume() of the device. */
static void start(struct virtio_dev *d, int (*begin)(struct virtio_dev *d))
{
	int rc = begin(d);

	if (rc < 0) {
		log_error("%s: cannot start: %s", d->name, strerror(-rc));
		needs_reset(d);
		return;
	}
	d->started = true;
	if (!live(d)) /* the device looked into its queues at once and found a broken rule */
		halt(d);
}

void virtio_pause(struct virtio_dev *d)
{
	if (!d->started)
		return;
	d->started = false;
	d->paused = true;
	d->ops->pause(d);
	stop_queues(d);
}

void virtio_resume(struct virtio_dev *d)
{
	if (!d->paused || !start_queues(d))
		return;
	d->paused = false;
	start(d, d->ops->resume);
}

static void reset(struct virtio_dev *d)
{
	halt(d);
	if (d->ops->reset)
		d->ops->reset(d);
	for (unsigned i = 0; i < d->nr_queues; i++) {
		struct virtio_queue *q = &d->queue[i];

		q->addr = (struct vq_addr){0};
		q->ready = false;
		q->goes_on = false;
		fd_event_take(q->kick_fd);
	}
	d->asked = 0;
	d->accepted = 0;
	d->status = 0;
	/* After halt(): nobody sets a bit any more. ConfigGeneration goes on counting. */
	atomic_store_explicit(&d->isr_always, 0, memory_order_relaxed);
	atomic_store_explicit(d->isr, 0, memory_order_relaxed);
}

void virtio_set_status(struct virtio_dev *d, uint32_t status)
{
	if (status == 0) {
		reset(d);
		return;
	}
	/* Bits that are set stay set (virtio 1.2, 2.1.1), whatever is written. */
	d->status |= status & VIRTIO_CONFIG_S_FAILED;
	for (unsigned i = 0; i < ARRAY_SIZE(steps); i++) {
		const struct step *s = &steps[i];

		if (!(status & s->bit) || (d->status & s->bit))
			continue;
		if ((d->status & s->needs) != s->needs ||
		    (d->status & (VIRTIO_CONFIG_S_FAILED | VIRTIO_CONFIG_S_NEEDS_RESET))) {
			log_guest("%s: status 0x%02x to 0x%02" PRIx32 ": %s is not the next step",
			          d->name, d->status, status, s->name);
			return;
		}
		if (s->bit == VIRTIO_CONFIG_S_FEATURES_OK) {
			if (!virtio_features_fit(d, d->asked))
				return;
			d->accepted = d->asked;
		}
		d->status |= s->bit;
		if (s->bit == VIRTIO_CONFIG_S_DRIVER_OK && start_queues(d))
			start(d, d->ops->start);
	}
}

/* ---- config space */

void virtio_config_read(struct virtio_dev *d, uint32_t off, void *buf, uint32_t len)
{
	memset(buf, 0, len);
	if (off < d->ops->config_len)
		d->ops->config_read(d, off, buf, min_u32(len, d->ops->config_len - off));
	if (unlikely(d->provoke))
		d->provoke->config_read(d->provoke, off, buf, len);
}

void virtio_config_write(struct virtio_dev *d, uint32_t off, const void *buf, uint32_t len)
{
	if (d->ops->config_write && off < d->ops->config_len)
		d->ops->config_write(d, off, buf, min_u32(len, d->ops->config_len - off));
}
