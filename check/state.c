/* SPDX-License-Identifier: Apache-2.0 */
#include "check/state.h"

#include <string.h>

unsigned check_ctrl_queue(const struct check *c)
{
	return net_has_several(c) ? c->dev.nr_queues - 1 : 2;
}

enum queue_kind check_queue_kind(const struct check *c, unsigned index)
{
	if (index == check_ctrl_queue(c) && accepted(c, VIRTIO_NET_F_CTRL_VQ))
		return QUEUE_CTRL;
	return index % 2 ? QUEUE_TX : QUEUE_RX;
}

void state_forget_ring(struct check_queue *q)
{
	q->offered = q->tail_known = false;
	early_forget(q);
	q->most = q->told = 0;
	q->outstanding = q->looked = q->kicked = q->shown = q->avail_at_used = q->stall_avail = 0;
	q->in_turn = q->looked_at = q->shown_at = q->avail_at_event = q->begun = 0;
	q->lost = q->event_known = q->event_passed = q->event_moved = q->kick.told = false;
	q->unkicked = q->unreaped = q->unwritten = q->strayed = q->stall_looks = 0;
	memset(&q->said, 0, sizeof(q->said));
	q->stall = (struct check_stall){0};
	memset(q->owner, 0xff, sizeof(q->owner));
}

static void forget_queue(struct check_queue *q)
{
	q->addr = (struct vq_addr){0};
	q->align = 0;
	q->halves = 0;
	q->max_read = q->num_written = q->ready_read = q->ready = q->served = false;
	q->found_ready = q->stopping = false;
	q->dry = 0;
	q->kick_ns = 0;
	q->idle_known = false;
	state_forget_ring(q);
}

void state_forget(struct check *c)
{
	c->status_written = c->ok_written = c->ok_read = c->refused = false;
	c->found_begun = false;
	c->offer_refused = c->behind_mac = false;
	c->device_sel = c->driver_sel = c->queue_sel = false;
	c->device_page = c->driver_page = c->queue_nr = c->pages_written = 0;
	c->unknown_seen = false;
	c->asked = 0;
	c->beyond = c->beyond_page = 0;
	c->mac_reads = c->mac_bytes = 0;
	c->generation_before = false;
	c->torn = 0;
	c->resetting = 0;
	c->isr_seen = c->isr_twice = c->isr_late = c->isr_up = 0;
	memset(c->isr_ignored, 0, sizeof(c->isr_ignored));
	c->isr_looked = false;
	memset(&c->irq, 0, sizeof(c->irq));
	c->live = c->received = c->answered = false;
	c->failed = c->hopes = 0;
	net_forget(c);
	for (unsigned i = 0; i < CHECK_QUEUES; i++)
		forget_queue(&c->queue[i]);
}

static void track_status(struct check *c, const struct virtio_access *a)
{
	if (!a->write) {
		if (c->live && !c->failed && (a->val & VIRTIO_CONFIG_S_NEEDS_RESET))
			c->failed = 1;
		if (c->ok_written) {
			c->ok_read = true;
			c->refused = !(a->val & VIRTIO_CONFIG_S_FEATURES_OK);
		}
	} else if (a->val == 0) {
		/* A handler on another CPU may be about to acknowledge what it has seen before. */
		const uint32_t late = c->isr_seen | c->isr_late;

		state_forget(c);
		c->isr_late = late;
		c->was_reset = true;
	} else {
		c->status_written = true;
		if (!c->dev.legacy &&
		    (a->val & ~(uint64_t)a->status & VIRTIO_CONFIG_S_FEATURES_OK)) {
			c->ok_written = true;
			c->ok_read = c->refused = false; /* asked once more: a new answer */
		}
		if (a->val & VIRTIO_CONFIG_S_DRIVER_OK)
			c->was_live = c->live = true;
	}
}

static void set_half(gpa_t *addr, bool high, uint32_t val)
{
	const unsigned shift = high ? 32 : 0;

	*addr = (*addr & ~((gpa_t)UINT32_MAX << shift)) | (gpa_t)val << shift;
}

static void track_address(struct check_queue *q, uint32_t off, uint32_t val)
{
	gpa_t *const part[] = {&q->addr.desc, &q->addr.avail, &q->addr.used};
	const unsigned i = (off - VIRTIO_MMIO_QUEUE_DESC_LOW) / 16;
	const bool high = off % 16 == 4;

	if (!q->served)
		set_half(part[i], high, val);
	q->halves |= (uint8_t)(1u << (2 * i + high));
}

/* A register of the queue that is selected. */
static void track_queue(struct check *c, const struct virtio_access *a)
{
	struct check_queue *q = selected(c);

	if (!q)
		return;
	switch (a->off) {
	case VIRTIO_MMIO_QUEUE_NUM_MAX:
		q->max_read |= !a->write;
		q->max = a->write ? q->max : u32_of(a->val);
		break;
	case VIRTIO_MMIO_QUEUE_NUM:
		q->num_written = true;
		if (!q->served)
			q->addr.num = u32_of(a->val);
		break;
	case VIRTIO_MMIO_QUEUE_READY:
		q->ready_read |= !a->write;
		if (a->write) {
			q->stopping = !(a->val & 1) && (q->ready || q->found_ready);
			q->ready = a->val & 1;
			q->found_ready = false;
		} else
			q->found_ready = a->val & 1;
		if (a->write && !q->ready)
			q->served = false;
		break;
	default:
		if (is_ring_address(a->off))
			track_address(q, a->off, u32_of(a->val));
		break;
	}
}

/* A read that has nothing new begins the next reading. */
static void track_mac(struct check *c, const struct virtio_access *a)
{
	const uint32_t from = a->off - VIRTIO_MMIO_CONFIG;
	const unsigned all = (1u << sizeof(c->mac_now)) - 1;
	const unsigned its = ((1u << min_u32(a->size, sizeof(c->mac_now))) - 1) << from & all;

	if ((c->mac_have & its) == its)
		c->mac_have = 0;
	for (uint32_t i = 0; i < a->size && from + i < sizeof(c->mac_now); i++)
		c->mac_now[from + i] = (uint8_t)(a->val >> 8 * i);
	c->mac_have |= its;
	if (c->mac_have != all)
		return;
	c->mac_agrees =
		c->mac_readings > 0 && memcmp(c->mac_now, c->mac_before, sizeof(c->mac_now)) == 0;
	memcpy(c->mac_before, c->mac_now, sizeof(c->mac_now));
	c->mac_readings++;
	c->mac_have = 0;
}

/* What stands between two reads of the generation may be all of the config space. */
static void track_config(struct check *c, const struct virtio_access *a)
{
	const bool generation = reads(a, VIRTIO_MMIO_CONFIG_GENERATION);

	if (reads_config(a)) {
		if (a->off + a->size > VIRTIO_MMIO_CONFIG + 6)
			c->behind_mac = c->was_behind_mac = true;
		if (a->off >= VIRTIO_MMIO_CONFIG + 6)
			return;
		if (c->mac_reads++ == 0) {
			c->torn = 0;
			c->mac_have = c->mac_readings = 0;
			c->mac_agrees = false;
		}
		c->mac_bytes += a->size;
		track_mac(c, a);
		return;
	}
	if (c->mac_reads > 1 && c->generation_before && generation)
		c->torn = a->val != c->generation;
	c->generation_before = generation;
	c->generation = a->val;
	c->mac_reads = c->mac_bytes = 0;
}

static void track_interrupt(struct check *c, const struct virtio_access *a)
{
	const uint32_t bits = u32_of(a->val);

	c->irq.looked |=
		reads(a, VIRTIO_MMIO_INTERRUPT_STATUS) || writes(a, VIRTIO_MMIO_INTERRUPT_ACK);
	if (reads(a, VIRTIO_MMIO_INTERRUPT_STATUS)) {
		c->isr_looked = true;
		c->isr_twice |= c->isr_seen & bits;
		c->isr_seen |= bits;
		c->isr_up &= ~bits;
		for (unsigned i = 0; i < ARRAY_SIZE(c->isr_ignored); i++)
			c->isr_ignored[i] += bits >> i & 1;
	} else if (writes(a, VIRTIO_MMIO_INTERRUPT_ACK)) {
		c->isr_late = (c->isr_late & ~bits) | (c->isr_twice & bits);
		c->isr_twice &= ~bits;
		c->isr_seen &= ~bits;
		for (unsigned i = 0; i < ARRAY_SIZE(c->isr_ignored); i++)
			c->isr_ignored[i] = bits >> i & 1 ? 0 : c->isr_ignored[i];
		c->isr_looked = false;
	}
}

/* On version 1 it may without DRIVER_OK. */
bool state_is_served(const struct check *c)
{
	for (unsigned i = 0; i < c->dev.nr_queues; i++)
		if (c->queue[i].served)
			return true;
	return false;
}

/* Bits 42 to 49, and all from 64 on: no version of the specification has them. */
static bool knows_nobody(uint32_t page, uint32_t word)
{
	return page > 1 ? word != 0 : page == 1 && (word & (0xffu << 10));
}

static void track_feature(struct check *c, const struct virtio_access *a)
{
	const unsigned shift = 32 * (c->driver_page & 1);

	if (writes(a, VIRTIO_MMIO_DEVICE_FEATURES_SEL)) {
		c->device_sel = true;
		c->device_page = u32_of(a->val);
	}
	if (reads(a, VIRTIO_MMIO_DEVICE_FEATURES) && c->device_page <= 1)
		c->offer_known |= (uint64_t)UINT32_MAX << 32 * c->device_page;
	if (reads(a, VIRTIO_MMIO_DEVICE_FEATURES))
		c->unknown_seen |= knows_nobody(c->device_page, u32_of(a->val));
	if (writes(a, VIRTIO_MMIO_DRIVER_FEATURES_SEL)) {
		c->driver_sel = true;
		c->driver_page = u32_of(a->val);
	}
	if (!writes(a, VIRTIO_MMIO_DRIVER_FEATURES) ||
	    (a->status & (VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK)) ||
	    state_is_served(c))
		return;
	if (c->driver_page > 1) {
		if (a->val || c->beyond_page == c->driver_page) {
			c->beyond = u32_of(a->val);
			c->beyond_page = c->driver_page;
		}
		return;
	}
	c->pages_written |= 1u << c->driver_page;
	c->asked = (c->asked & ~((uint64_t)UINT32_MAX << shift)) | (a->val & UINT32_MAX) << shift;
}

static void track_probe(struct check *c, const struct virtio_access *a)
{
	if (reads(a, VIRTIO_MMIO_MAGIC_VALUE) && a->status != 0)
		c->found_begun = true;
	if (reads(a, VIRTIO_MMIO_MAGIC_VALUE))
		c->probe |= PROBE_MAGIC;
	else if (reads(a, VIRTIO_MMIO_VERSION))
		c->probe |= PROBE_VERSION;
	else
		c->probe |= PROBE_OVER;
}

void state_track(struct check *c, const struct virtio_access *a)
{
	track_probe(c, a);
	if (!is_of_anybody(a))
		track_config(c, a);
	net_track(c, a);
	if (a->size == 4) {
		track_feature(c, a);
		track_interrupt(c, a);
		track_queue(c, a);
		legacy_track(c, a);
		if (writes(a, VIRTIO_MMIO_QUEUE_SEL)) {
			c->queue_sel = true;
			c->queue_nr = u32_of(a->val);
		}
		if (a->off == VIRTIO_MMIO_STATUS)
			track_status(c, a);
	}
	if (!is_of_anybody(a))
		c->last = *a;
	c->was_written |= a->write;
	c->accesses++;
}
