/* SPDX-License-Identifier: Apache-2.0 */
#include "check/check.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check/state.h"
#include "vmm/core/loop.h"

enum verdict broken(struct check *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->why, sizeof(c->why), fmt, ap);
	va_end(ap);
	return BROKEN;
}

/* Names are literals, so that of each one few addresses come by: far fewer than there is room for. */
static const struct rule *known_rule(struct check *c, const char *id)
{
	const size_t first = ((uintptr_t)id >> 3) * 31;

	for (size_t i = 0; i < 16; i++) {
		struct check_known *k = &c->known[(first + i) % ARRAY_SIZE(c->known)];
		const struct rule *rule;

		if (k->id == id)
			return &rules[k->rule];
		if (k->id)
			continue;
		rule = rule_find(id);
		if (rule)
			*k = (struct check_known){id, u16_of((size_t)(rule - rules))};
		return rule;
	}
	return rule_find(id);
}

void judged(struct check *c, const char *id, enum verdict v)
{
	const struct rule *rule = v == SILENT ? NULL : known_rule(c, id);
	struct check_result *r;

	if (!rule || c->muted)
		return;
	r = &c->result[rule - rules];
	if (v == KEPT) {
		r->kept++;
	} else if (r->broken++ == 0) {
		r->first_ns = loop_now_ns() - c->began_ns;
		snprintf(r->why, sizeof(r->why), "%s", c->why);
		shown_at(c, r);
		if (c->dev.found)
			c->dev.found(c->dev.arg, rule, r);
	}
}

static void judge_access(struct check *c, const struct access_rule *r,
                         const struct virtio_access *a)
{
	for (; r->id; r++) {
		const enum verdict v = r->judge(c, a);

		if (v != SILENT) /* most are, each time */
			judged(c, r->id, v);
	}
}

static void on_access(struct virtio_watch *w, const struct virtio_access *a)
{
	struct check *c = container_of(w, struct check, watch);

	pthread_mutex_lock(&c->lock);
	c->now = a;
	judge_access(c, init_rules, a);
	judge_access(c, mmio_rules, a);
	judge_access(c, config_rules, a);
	judge_access(c, feature_rules, a);
	judge_access(c, legacy_rules, a);
	judge_access(c, notify_rules, a);
	legacy_ready(c, a);
	if (writes(a, VIRTIO_MMIO_QUEUE_READY) && a->val == 1 && selected(c))
		ring_ready(selected(c));
	if (writes(a, VIRTIO_MMIO_STATUS) && a->val == 0)
		stall_at_reset(c);
	if (writes(a, VIRTIO_MMIO_QUEUE_NOTIFY))
		irq_at_kick(c);
	if (writes(a, VIRTIO_MMIO_QUEUE_NOTIFY) && kicked_queue(c, a) < c->dev.nr_queues)
		stall_at_kick(&c->queue[kicked_queue(c, a)]);
	state_track(c, a);
	c->now = NULL;
	pthread_mutex_unlock(&c->lock);
}

static void on_avail(struct vq_watch *w, uint16_t from, uint16_t to)
{
	struct check_queue *q = container_of(w, struct check_queue, watch);

	pthread_mutex_lock(&q->c->lock);
	q->c->looking = q;
	ring_avail(q, from, to);
	q->c->looking = NULL;
	pthread_mutex_unlock(&q->c->lock);
}

static void on_used(struct vq_watch *w, uint16_t from, uint16_t to)
{
	struct check_queue *q = container_of(w, struct check_queue, watch);

	pthread_mutex_lock(&q->c->lock);
	q->c->looking = q;
	ring_used(q, from, to);
	q->c->looking = NULL;
	pthread_mutex_unlock(&q->c->lock);
}

static void on_command(struct virtio_watch *w, const struct virtio_command *cmd)
{
	struct check *c = container_of(w, struct check, watch);

	pthread_mutex_lock(&c->lock);
	/* Else a reset is on its way, and what was accepted is forgotten. */
	if (state_is_served(c)) {
		c->looking = &c->queue[check_ctrl_queue(c)];
		net_command(c, cmd);
		c->looking = NULL;
	}
	pthread_mutex_unlock(&c->lock);
}

static struct vq_watch *on_queue(struct virtio_watch *w, unsigned queue, const struct vq_addr *a)
{
	struct check *c = container_of(w, struct check, watch);
	struct check_queue *q;

	if (queue >= c->dev.nr_queues)
		return NULL;
	q = &c->queue[queue];
	pthread_mutex_lock(&c->lock);
	q->served = true;
	q->addr = *a; /* what was written and ignored does not count */
	ring_served(q);
	pthread_mutex_unlock(&c->lock);
	return &q->watch;
}

static void on_interrupt(struct virtio_watch *w, uint32_t bits)
{
	struct check *c = container_of(w, struct check, watch);

	pthread_mutex_lock(&c->lock);
	c->isr_up |= bits;
	irq_sent(c, bits);
	if (bits & VIRTIO_MMIO_INT_VRING) /* there is one cause for all queues */
		for (unsigned i = 0; i < c->dev.nr_queues; i++)
			c->queue[i].told = c->queue[i].shown;
	pthread_mutex_unlock(&c->lock);
}

int check_create(const struct check_device *d, struct check **out)
{
	struct check *c = calloc(1, sizeof(*c));

	*out = NULL;
	if (!c)
		return -ENOMEM;
	c->result = calloc(nr_rules, sizeof(*c->result));
	if (!c->result) {
		free(c);
		return -ENOMEM;
	}
	pthread_mutex_init(&c->lock, NULL);
	c->watch = (struct virtio_watch){.access = on_access,
	                                 .queue = on_queue,
	                                 .interrupt = on_interrupt,
	                                 .command = on_command};
	c->dev = *d;
	if (c->dev.nr_queues > CHECK_QUEUES)
		c->dev.nr_queues = CHECK_QUEUES;
	c->began_ns = loop_now_ns();
	for (unsigned i = 0; i < CHECK_QUEUES; i++) {
		c->queue[i].c = c;
		c->queue[i].index = i;
		c->queue[i].watch = (struct vq_watch){.avail = on_avail, .used = on_used};
	}
	state_forget(c);
	*out = c;
	return 0;
}

void check_destroy(struct check *c)
{
	if (!c)
		return;
	pthread_mutex_destroy(&c->lock);
	free(c->result);
	free(c);
}

void check_reboot(struct check *c, const struct check_device *d)
{
	c->dev.offered = d->offered;
	memcpy(c->dev.config, d->config, sizeof(c->dev.config));
	memcpy(c->dev.num_max, d->num_max, sizeof(c->dev.num_max));
	c->was_touched |= c->accesses > 0;
	c->accesses = c->probe = 0;
	c->was_reset = c->unknown_failed = false;
	c->offer_known = 0;
	c->page_size = 0;
	memset(c->slot, 0, sizeof(c->slot));
	state_forget(c);
}

void check_mute(struct check *c)
{
	pthread_mutex_lock(&c->lock);
	c->muted = true;
	pthread_mutex_unlock(&c->lock);
}

struct virtio_watch *check_watch(struct check *c)
{
	return &c->watch;
}

void check_tick(struct check *c)
{
	pthread_mutex_lock(&c->lock);
	stall_look(c);
	late_look(c);
	pthread_mutex_unlock(&c->lock);
}

void check_last_look(struct check *c)
{
	pthread_mutex_lock(&c->lock);
	stall_note_buffers(c);
	late_end(c);
	pthread_mutex_unlock(&c->lock);
}

const char *check_trouble(const struct check *c)
{
	if (!check_was_touched(c))
		return "the kernel never touched the device";
	if (check_was_left_alone(c))
		return "the driver looked at the device and left it alone";
	if (!c->was_live)
		return "the driver never came as far as DRIVER_OK";
	return c->was_filled ? NULL : "the driver never offered a buffer to receive into";
}

const struct check_result *check_result(const struct check *c, size_t rule)
{
	return &c->result[rule];
}

const struct check_stall *check_stall(const struct check *c, unsigned queue)
{
	const struct check_queue *q = &c->queue[queue];

	return q->stall.why ? &q->stall : NULL;
}

unsigned check_nr_queues(const struct check *c)
{
	return c->dev.nr_queues;
}

const char *check_name(const struct check *c)
{
	return c->dev.name;
}

bool check_was_live(const struct check *c)
{
	return c->was_live;
}

bool check_was_left_alone(const struct check *c)
{
	return c->accesses > 0 && !c->was_written;
}

bool check_was_touched(const struct check *c)
{
	return c->was_touched || c->accesses > 0;
}
