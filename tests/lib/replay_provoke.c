/* SPDX-License-Identifier: Apache-2.0 */
/* A device is provoked as a recording says: it must be about to do what the recorded one was, and does what that one did. */
#include <linux/virtio_mmio.h>
#include <linux/virtio_net.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "devices/virtio.h"
#include "tests/lib/replay_priv.h"
#include "vmm/core/le.h"

#define STATUS u32_of(offsetof(struct virtio_net_config, status))

/* ---- what was changed */

static void keep(struct replay_nic *nic, const struct trace_record *t)
{
	struct replay_change *c = malloc(sizeof(*c) + t->len), **end = &nic->change;

	if (!c)
		abort();
	*c = (struct replay_change){.event = nic->event, .t = *t};
	memcpy(c->data, t->data, t->len);
	c->t.data = c->data;
	while (*end)
		end = &(*end)->next;
	*end = c;
}

/* The first one of that place and queue, and (ANYWHERE: whatever it is) that register or class. */
#define ANYWHERE UINT32_MAX

static struct replay_change **find(struct replay_nic *nic, enum trace_place place, uint16_t queue,
                                   uint32_t at)
{
	struct replay_change **c = &nic->change;

	while (*c && ((*c)->t.u.provoke.place != place || (*c)->t.queue != queue ||
	              (at != ANYWHERE && (*c)->t.u.provoke.at != at)))
		c = &(*c)->next;
	return *c ? c : NULL;
}

static void done(struct replay_nic *nic, struct replay_change **at)
{
	struct replay_change *c = *at;

	nic->out->changes++;
	*at = c->next;
	free(c);
}

static bool has_name(const struct trace_record *t, const char *name)
{
	const size_t len = strlen(name);

	return t->u.provoke.names >= len && memmem(t->data, t->u.provoke.names, name, len);
}

static void differs(struct replay_nic *nic, const struct replay_change *c)
{
	replay_differs(nic->out, c->event,
	               "record %llu: %.*s: the device was about to do something else",
	               (unsigned long long)c->event, c->t.u.provoke.names, (const char *)c->data);
}

/* @val, @len bytes, is to be what it was, and is what it became. False: nothing was changed. */
static bool change(struct replay_nic *nic, enum trace_place place, uint32_t at, void *val,
                   uint32_t len)
{
	struct replay_change **c = find(nic, place, TRACE_NO_QUEUE, at);

	if (!c)
		return false;
	if ((*c)->t.u.provoke.was != len ||
	    (at != VIRTIO_MMIO_INTERRUPT_STATUS && memcmp(trace_was(&(*c)->t), val, len) != 0))
		differs(nic, *c);
	memcpy(val, trace_became(&(*c)->t), min_u32((*c)->t.u.provoke.became, len));
	done(nic, c);
	return true;
}

/* ---- the device's calls */

static struct replay_nic *nic_of(struct virtio_provoke *hooks)
{
	return container_of(hooks, struct replay_nic, hooks);
}

static uint32_t on_read(struct virtio_provoke *hooks, uint32_t off, uint32_t val)
{
	le32 v = le32_of(val);

	change(nic_of(hooks), TRACE_AT_READ, off, &v, sizeof(v));
	return le32_get(v);
}

static bool on_write(struct virtio_provoke *hooks, uint32_t off, uint32_t *val)
{
	struct replay_nic *nic = nic_of(hooks);
	struct replay_change **c = find(nic, TRACE_AT_WRITE, TRACE_NO_QUEUE, off);
	const bool has_effect = !c || (*c)->t.u.provoke.became;
	le32 v = le32_of(*val);

	change(nic, TRACE_AT_WRITE, off, &v, sizeof(v));
	*val = le32_get(v);
	return has_effect;
}

static void on_config_read(struct virtio_provoke *hooks, uint32_t off, uint8_t *buf, uint32_t len)
{
	struct replay_nic *nic = nic_of(hooks);
	struct replay_change **c = find(nic, TRACE_AT_CONFIG, TRACE_NO_QUEUE, off);

	if (nic->overtook)
		buf[STATUS - off] &= (uint8_t)~VIRTIO_NET_S_LINK_UP;
	/* Its second half comes with a new generation. */
	if (c && has_name(&(*c)->t, "torn-config") &&
	    memcmp(trace_was(&(*c)->t), trace_became(&(*c)->t), (*c)->t.u.provoke.was) == 0)
		atomic_fetch_add(&virtio_net_dev(nic->n)->config_generation, 1);
	change(nic, TRACE_AT_CONFIG, off, buf, len);
}

static bool on_ctrl_refused(struct virtio_provoke *hooks, uint8_t class)
{
	uint8_t refused = false;

	change(nic_of(hooks), TRACE_AT_COMMAND, class, &refused, 1);
	return refused;
}

static uint8_t on_ctrl_ack(struct virtio_provoke *hooks, uint8_t ack)
{
	change(nic_of(hooks), TRACE_AT_ACK, ANYWHERE, &ack, 1);
	return ack;
}

/* ---- queues */

static struct replay_queue *queue_of(struct vq_provoke *hooks)
{
	return container_of(hooks, struct replay_queue, hooks);
}

#define SLOTS 0x7fffu /* of struct vq_batch, without the mark */

/* Descriptors of a packed ring that the recorded device had shown. */
static unsigned shown_slots(const struct replay_queue *q, unsigned num)
{
	const unsigned lap = 2 * num, from = q->from % TRACE_WRAP, to = q->to % TRACE_WRAP;

	return (to + (q->to & TRACE_WRAP ? 0 : num) + lap - from -
	        (q->from & TRACE_WRAP ? 0 : num)) %
	       lap;
}

/* Entries that the recorded device had shown; of a packed ring that are not there yet: more than there are. */
static unsigned shown(const struct replay_queue *q, const struct vq_batch *b)
{
	const unsigned nr = (uint16_t)(b->to - b->from);
	unsigned slots, i = 0;

	if (b->entry && !b->slots)
		return (uint16_t)(q->to - q->from);
	slots = shown_slots(q, b->num);
	if (!b->entry)
		return slots;
	while (i < nr && slots > 0) {
		slots -= min_u32(slots, b->slots[i] & SLOTS);
		i++;
	}
	return slots ? nr + 1 : i;
}

/* Entry @i takes the descriptors of the one that had its id before. */
static void move_slots(struct vq_batch *b, const uint16_t *slots, const uint8_t *was, unsigned i,
                       unsigned nr)
{
	for (unsigned k = 0; k < nr; k++)
		if (memcmp(was + 8 * (size_t)k, &b->entry[i].id, sizeof(b->entry[i].id)) == 0)
			b->slots[i] = slots[k];
}

/* What waits becomes what it became. False: not all of that is there yet. */
static bool change_batch(struct replay_queue *q, struct vq_batch *b, struct replay_change **at)
{
	const struct trace_record *t = &(*at)->t;
	const uint8_t *was = trace_was(t) + 4, *became = trace_became(t) + 4;
	const unsigned nr = (t->u.provoke.was - 4) / 8;
	uint16_t slots[VQ_NUM_MAX];
	bool right = true;

	if (!b->entry) {
		done(q->nic, at);
		return true;
	}
	if ((uint16_t)(b->to - b->from) < nr)
		return false;
	if (b->slots)
		memcpy(slots, b->slots, nr * sizeof(*slots));
	for (unsigned i = 0; i < nr; i++) {
		struct vq_used_elem *e = &b->entry[(uint16_t)(b->from + i) % b->num];

		right &= memcmp(e, was + 8 * (size_t)i, 8) == 0;
		memcpy(e, became + 8 * (size_t)i, 8);
		if (b->slots)
			move_slots(b, slots, was, i, nr);
	}
	if (!right)
		differs(q->nic, *at);
	b->lie = get_le16(became - 2);
	done(q->nic, at);
	return true;
}

/* As many as the recorded device had shown, when they are there. */
static void on_publish(struct vq_provoke *hooks, struct vq_batch *b)
{
	struct replay_queue *q = queue_of(hooks);
	const unsigned nr = (uint16_t)(b->to - b->from);
	struct replay_change **c;
	unsigned want;

	while (q->due && (c = find(q->nic, TRACE_AT_BATCH, q->index, ANYWHERE)))
		if (!change_batch(q, b, c))
			break;
	want = q->due ? shown(q, b) : 0;
	if (!want || nr < want) {
		b->to = b->from;
		return;
	}
	q->due = false;
	if (b->entry)
		b->to = (uint16_t)(b->from + want);
}

static void on_kicks_off(unused struct vq_provoke *hooks, unused struct vq_quiet *words)
{
}

/* Not every frame's was changed. */
static void on_rx_header(struct vq_provoke *hooks, struct virtio_net_hdr_v1 *h)
{
	struct replay_queue *q = queue_of(hooks);
	struct replay_change **c = find(q->nic, TRACE_AT_HEADER, q->index, ANYWHERE);

	if (!c || memcmp(trace_was(&(*c)->t), h, sizeof(*h)) != 0)
		return;
	memcpy(h, trace_became(&(*c)->t), sizeof(*h));
	done(q->nic, c);
}

/* Nobody looks at it, but the driver. */
static void on_rx_tail(unused struct vq_provoke *hooks, unused const struct vq_tail *tail)
{
}

static struct vq_provoke *on_queue(struct virtio_provoke *hooks, unsigned queue)
{
	struct replay_queue *q = &nic_of(hooks)->queue[queue % TRACE_QUEUES];

	q->log = (struct vq_log){.entry = q->entry, .slots = q->slots};
	q->hooks = (struct vq_provoke){.publish = on_publish,
	                               .kicks_off = on_kicks_off,
	                               .rx_header = on_rx_header,
	                               .rx_tail = on_rx_tail};
	if (!(virtio_net_dev(q->nic->n)->accepted & FEATURE(VIRTIO_F_IN_ORDER)))
		q->hooks.log = &q->log; /* as check/provoke_ring.c has it */
	return &q->hooks;
}

void replay_provoke_begin(struct replay_nic *nic)
{
	nic->hooks = (struct virtio_provoke){
		.read = on_read,
		.write = on_write,
		.config_read = on_config_read,
		.ctrl_refused = on_ctrl_refused,
		.ctrl_ack = on_ctrl_ack,
		.queue = on_queue,
	};
	nic->provoked = true;
	virtio_net_dev(nic->n)->provoke = &nic->hooks;
}

/* ---- what shows by itself */

/* As doorbell check leaves it, as far as it can be read. */
static void hand_over(struct replay_nic *nic)
{
	struct virtio_dev *d = virtio_net_dev(nic->n);

	for (unsigned i = 0; i < d->nr_queues; i++)
		d->queue[i].ready = true;
	d->status =
		VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK;
	atomic_fetch_or(d->isr, VIRTIO_ISR_USED | VIRTIO_ISR_CONFIG);
	nic->mmio.feature_sel = nic->mmio.accept_sel = 1;
	nic->mmio.queue_sel = d->nr_queues - 1;
}

/*
 * A driver that reads that the cable is out makes it come in, on another thread: then the read is recorded behind that. Is this
 * one that was?
 */
void replay_read(struct replay_nic *nic, const struct virtio_access *a)
{
	const uint32_t at = VIRTIO_MMIO_CONFIG + STATUS;

	nic->overtook = false;
	if (a->off > at || a->off + a->size <= at)
		return;
	nic->overtook = nic->came_up && !(a->val >> 8 * (at - a->off) & VIRTIO_NET_S_LINK_UP);
	nic->came_up = false;
}

/* A read that is not finished yet has seen the cable where it was. */
void replay_plug(struct replay_nic *nic)
{
	if (virtio_net_link(nic->n) == nic->cut &&
	    !find(nic, TRACE_AT_CONFIG, TRACE_NO_QUEUE, ANYWHERE)) {
		replay_take_frames(nic);
		virtio_net_set_link(nic->n, !nic->cut);
	}
}

bool replay_is_late(const struct trace_record *t)
{
	return t->kind == TRACE_PROVOKE && has_name(t, "late-frames");
}

static void act(struct replay_nic *nic, const struct trace_record *t)
{
	if (has_name(t, "both-bits") || has_name(t, "config-irq")) {
		virtio_config(virtio_net_dev(nic->n));
	} else if (has_name(t, "announce")) {
		virtio_net_announce(nic->n);
	} else if (has_name(t, "needs-reset")) {
		replay_take_frames(nic);
		virtio_failed(virtio_net_dev(nic->n), "provoked: it needs a reset");
	} else if (has_name(t, "dirty-handover")) {
		hand_over(nic);
	} else if (has_name(t, "link-flap") || has_name(t, "late-link")) {
		nic->cut = !nic->cut;
		nic->came_up = !nic->cut;
		replay_plug(nic);
	}
}

void replay_provoked(struct replay_nic *nic, const struct trace_record *t)
{
	if (t->u.provoke.place == TRACE_AT_NONE) {
		act(nic, t);
		nic->out->changes++;
	} else if (t->u.provoke.place != TRACE_AT_WORDS) { /* nothing is seen of these */
		keep(nic, t);
	}
}

/* One that no batch was the cause of is for nothing. */
void replay_interrupt(struct replay_nic *nic, uint32_t bits)
{
	if (!(bits & VIRTIO_ISR_USED))
		return;
	if (nic->owed)
		nic->owed--;
	else if (nic->provoked)
		virtio_used(virtio_net_dev(nic->n));
}

void replay_provoke_end(struct replay_nic *nic)
{
	while (nic->change) {
		struct replay_change *c = nic->change;

		replay_differs(nic->out, c->event, "record %llu: %.*s: the device never came to it",
		               (unsigned long long)c->event, c->t.u.provoke.names,
		               (const char *)c->data);
		nic->change = c->next;
		free(c);
	}
}
