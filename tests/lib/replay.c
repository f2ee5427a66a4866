/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/replay.h"

#include <errno.h>
#include <linux/virtio_mmio.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check/record.h"
#include "devices/net_features.h"
#include "tests/lib/replay_priv.h"
#include "vmm/core/le.h"

#define TURNS 4096u /* of a queue that does not come to rest */

struct rig {
	struct trace_reader in;
	struct record *record;
	void (*spoil)(struct virtio_net *n);
	struct replay_nic nic[TRACE_NICS];
	bool provoked[TRACE_NICS]; /* at any time */
	struct replay_outcome *out;
};

static int refuse(struct rig *r, int err, const char *why)
{
	snprintf(r->out->why, sizeof(r->out->why), "%s", why);
	return err;
}

/* ---- the device */

static void no_wire(unused void *arg, unused unsigned gsi, unused bool level)
{
}

static void end_life(struct replay_nic *nic)
{
	replay_provoke_end(nic);
	virtio_net_destroy(nic->n);
	if (nic->net[0])
		net_destroy(&nic->net[0]->backend);
	for (unsigned i = 0; i < nic->pairs; i++)
		if (nic->loop[i])
			loop_destroy(nic->loop[i]);
	gmem_destroy(&nic->mem);
	*nic = (struct replay_nic){.out = nic->out};
}

static int make_device(struct rig *r, const struct trace_record *t)
{
	const struct trace_device *d = &t->u.device;
	struct replay_nic *nic = &r->nic[t->nic];
	struct virtio_net_params p = {.name = r->in.device[t->nic].name,
	                              .mtu = d->mtu,
	                              .queue_size = trace_num_max_at(t, 0),
	                              .more_pairs = nic->pairs - 1,
	                              .more_loops = nic->loop + 1};
	struct record_nic info = {.index = t->nic, .mtu = d->mtu, .legacy = d->legacy};
	struct virtio_dev *dev;
	int ret;

	/* Whatever else was offered nobody had, but somebody provoked it. */
	p.features = d->offered & virtio_net_can(nic->net[0]->backend.can, d->mtu != 0);
	memcpy(p.mac, d->mac, sizeof(p.mac));
	memcpy(info.mac, d->mac, sizeof(info.mac));
	ret = virtio_net_create(&p, &nic->net[0]->backend, &nic->mem, nic->loop[0], &nic->n);
	if (ret < 0)
		return refuse(r, ret, "no such device");
	dev = virtio_net_dev(nic->n);
	dev->offered = d->offered;
	for (unsigned i = 0; i < dev->nr_queues && i < d->nr_queues; i++)
		dev->queue[i].num_max = trace_num_max_at(t, i);
	if (d->legacy)
		virtio_mmio_legacy_init(&nic->mmio, dev, (struct irq_line){.set = no_wire});
	else
		virtio_mmio_init(&nic->mmio, dev, (struct irq_line){.set = no_wire});
	if (r->provoked[t->nic])
		replay_provoke_begin(nic);
	dev->watch = record_device(r->record, dev, &info);
	if (r->spoil)
		r->spoil(nic->n);
	return 0;
}

static int begin_life(struct rig *r, const struct trace_record *t)
{
	struct gmem_range range[GMEM_MAX_REGIONS];
	const struct trace_device *d = &t->u.device;
	struct replay_nic *nic = &r->nic[t->nic];
	int ret;

	end_life(nic);
	nic->pairs = d->nr_queues / NET_PAIR_QUEUES;
	if (nic->pairs < 1 || nic->pairs > VIRTIO_NET_PAIRS_MAX)
		return refuse(r, -ENOTSUP, "so many queues has no device");
	for (unsigned i = 0; i < TRACE_QUEUES; i++) {
		nic->queue[i].nic = nic;
		nic->queue[i].index = u16_of(i);
	}
	for (unsigned i = 0; i < d->nr_regions; i++)
		trace_region_at(t, i, &range[i].base, &range[i].size);
	ret = gmem_create(&nic->mem, range, d->nr_regions, false);
	if (ret < 0)
		return refuse(r, ret, "no such memory");
	for (unsigned i = 0; i < nic->pairs; i++) {
		ret = loop_create(&nic->loop[i]);
		if (ret < 0)
			return refuse(r, ret, "no loop");
		nic->net[i] = i ? fake_net_add_pair(nic->net[0])
		                : fake_net_create(NET_GUEST_OFFLOADS | NET_HOST_OFFLOADS);
	}
	return make_device(r, t);
}

/* ---- what the driver did */

static void put_word(struct replay_nic *nic, gpa_t at, uint16_t word)
{
	uint8_t raw[2];

	put_le16(raw, word);
	(void)!gmem_write(&nic->mem, at, raw, sizeof(raw));
}

static bool readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

/* As the loop would. */
static bool run_watch(const struct loop_fd *w)
{
	if (!w->loop || !readable(w->fd))
		return false;
	w->fn(w->arg, POLLIN);
	return true;
}

/* It may have waited for buffers since before those came that the recorded one had found. */
static void look_for_buffers(struct replay_nic *nic, unsigned pair)
{
	struct net_pair *p = &nic->n->pair[pair];

	if (!nic->provoked || !p->rx.stalled)
		return;
	virtio_kick(virtio_net_dev(nic->n), NET_PAIR_QUEUES * pair + NET_RX);
	(void)run_watch(&p->queue[NET_RX].kick);
}

void replay_take_frames(struct replay_nic *nic)
{
	for (unsigned i = 0; nic->n && i < nic->pairs; i++) {
		if (fake_net_queued(nic->net[i]))
			look_for_buffers(nic, i);
		while (fake_net_queued(nic->net[i]) && fake_net_can_recv(nic->net[i]))
			;
	}
}

static void access_register(struct replay_nic *nic, const struct virtio_access *a)
{
	if (a->write && a->off == VIRTIO_MMIO_STATUS)
		replay_take_frames(nic);
	if (a->write)
		virtio_mmio_bus_ops.write(&nic->mmio, a->off, a->size, a->val);
	else
		(void)virtio_mmio_bus_ops.read(&nic->mmio, a->off, a->size);
}

/* What has become of the last write is known: it is made. */
static void write_register(struct replay_nic *nic)
{
	if (!nic->writes)
		return;
	nic->writes = nic->late = false;
	access_register(nic, &nic->write);
}

/* The descriptors of a chain, where they stood, as they lie in memory. */
static void put_chain(struct replay_nic *nic, const struct trace_record *t)
{
	for (unsigned i = 0; i < t->u.chain.nr; i++)
		(void)!gmem_write(&nic->mem, trace_desc_at(t, i).at,
		                  t->data + TRACE_DESC * (size_t)i + 8, TRACE_DESC - 8);
}

/* Of a packed ring that was all. */
static void put_avail(struct replay_nic *nic, const struct trace_record *t)
{
	const struct vq_addr *a = &nic->queue[t->queue].addr;

	if (t->packed)
		return;
	for (uint32_t i = 0; i < t->len / 2; i++)
		put_word(nic, a->avail + 4 + 2 * ((t->u.index.from + i) & (gpa_t)(a->num - 1)),
		         trace_head_at(t, i));
	put_word(nic, a->avail, t->u.index.flags);
	put_word(nic, a->avail + 2, t->u.index.to);
}

static void put_wish(struct replay_nic *nic, const struct trace_record *t)
{
	const struct vq_addr *a = &nic->queue[t->queue].addr;
	const bool event_idx = nic->accepted & FEATURE(VIRTIO_RING_F_EVENT_IDX);

	if (t->packed) {
		put_word(nic, a->avail, (uint16_t)t->u.wish.word);
		put_word(nic, a->avail + 2, (uint16_t)(t->u.wish.word >> 16));
	} else {
		put_word(nic, a->avail + (event_idx ? 4 + 2 * (gpa_t)a->num : 0),
		         (uint16_t)t->u.wish.word);
	}
}

/* One turn of whoever serves that queue. False: there is nothing to do. */
static bool turn(struct replay_nic *nic, unsigned queue)
{
	struct virtio_net *n = nic->n;
	struct net_pair *p = &n->pair[queue / NET_PAIR_QUEUES % nic->pairs];
	bool any = run_watch(&n->news);

	if (n->ctrl.kick.loop && n->ctrl.vq == &n->vq[queue].vq)
		return run_watch(&n->ctrl.kick) || any;
	any |= p->inbox && run_watch(net_inbox_watch(p));
	any |= run_watch(&p->queue[queue % NET_PAIR_QUEUES].kick);
	/* Frames that wait until it has found buffers. */
	if (queue % NET_PAIR_QUEUES == NET_RX && fake_net_queued(nic->net[p->index]))
		any |= fake_net_can_recv(nic->net[p->index]);
	return any;
}

/* The device serves this queue until it has nothing to do: one batch, as the driver has done nothing meanwhile. */
static void serve(struct replay_nic *nic, const struct trace_record *t)
{
	const unsigned pair = t->queue / NET_PAIR_QUEUES;

	nic->owed += t->u.wish.interrupt;
	put_wish(nic, t);
	if (t->queue % NET_PAIR_QUEUES == NET_RX && pair < nic->pairs)
		fake_net_can_recv(nic->net[pair]);
	virtio_kick(virtio_net_dev(nic->n), t->queue);
	for (unsigned turns = 0; turns < TURNS && turn(nic, t->queue); turns++)
		if (nic->provoked && !nic->queue[t->queue].due)
			break;
}

/* An index that cannot be, so nothing was recorded of what it leads to. */
static bool cannot_be(const struct trace_record *t)
{
	return !t->packed && !t->len && t->u.index.from != t->u.index.to;
}

/* This device is to find that out, too, by the time that the recorded one says that it needs a reset. */
static void serve_broken(struct replay_nic *nic, uint32_t bits)
{
	if (!nic->broken || !(bits & VIRTIO_ISR_CONFIG))
		return;
	nic->broken = false;
	virtio_kick(virtio_net_dev(nic->n), nic->broken_queue);
	for (unsigned turns = 0; turns < TURNS && turn(nic, nic->broken_queue); turns++)
		;
}

static void give_frame(struct replay_nic *nic, const struct trace_record *t)
{
	const unsigned pair = t->queue / NET_PAIR_QUEUES;

	if (!t->u.frame.to_guest || t->len <= NET_HDR_LEN || pair >= nic->pairs)
		return;
	fake_net_queue(nic->net[pair], (const void *)t->data, t->data + NET_HDR_LEN,
	               t->len - NET_HDR_LEN);
	nic->queue[t->queue].frame = nic->provoked;
}

/* What a vCPU does, at any time. */
static bool is_access(const struct trace_record *t)
{
	const unsigned place = t->kind == TRACE_PROVOKE ? t->u.provoke.place : TRACE_AT_NONE;

	return t->kind == TRACE_READ || t->kind == TRACE_WRITE || t->kind == TRACE_KICK ||
	       place == TRACE_AT_READ || place == TRACE_AT_WRITE;
}

/*
 * A device that is provoked takes a frame where the recorded one has taken it, which may drop it as well, and shows it when
 * it is time. Only what becomes of its header has to be known before: that is what its thread has recorded next.
 */
static void take_frames(struct replay_nic *nic, const struct trace_record *next)
{
	const bool header = next->kind == TRACE_PROVOKE && next->u.provoke.place == TRACE_AT_HEADER;

	for (unsigned i = 0; i < nic->pairs && !is_access(next); i++) {
		const unsigned queue = NET_PAIR_QUEUES * i + NET_RX;

		if (!nic->queue[queue].frame || (header && next->queue == queue) ||
		    (next->queue != TRACE_NO_QUEUE && next->queue / NET_PAIR_QUEUES != i))
			continue;
		nic->queue[queue].frame = false;
		look_for_buffers(nic, i);
		(void)fake_net_can_recv(nic->net[i]);
	}
}

static void note_used(struct replay_nic *nic, const struct trace_record *t)
{
	struct replay_queue *q = &nic->queue[t->queue];

	q->due = true;
	q->from = t->u.index.from;
	q->to = t->u.index.to;
}

static void replay_access(struct replay_nic *nic, const struct trace_record *t)
{
	if (!nic->provoked || t->kind == TRACE_READ) {
		replay_read(nic, &t->u.access);
		access_register(nic, &t->u.access);
		if (nic->provoked)
			replay_plug(nic);
		return;
	}
	nic->write = t->u.access;
	nic->writes = true;
}

static void replay_one(struct replay_nic *nic, const struct trace_record *t)
{
	switch (t->kind) {
	case TRACE_READ:
	case TRACE_WRITE:
	case TRACE_KICK:
		replay_access(nic, t);
		break;
	case TRACE_QUEUE:
		nic->queue[t->queue].addr = t->u.ring.addr;
		nic->accepted = t->u.ring.accepted;
		break;
	case TRACE_CHAIN:
		put_chain(nic, t);
		break;
	case TRACE_MEMORY:
		(void)!gmem_write(&nic->mem, t->u.addr, t->data, t->len);
		break;
	case TRACE_AVAIL:
		put_avail(nic, t);
		nic->broken |= cannot_be(t);
		nic->broken_queue = cannot_be(t) ? t->queue : nic->broken_queue;
		break;
	case TRACE_FRAME:
		give_frame(nic, t);
		break;
	case TRACE_WRITTEN:
		if (t->queue % NET_PAIR_QUEUES == NET_RX && t->queue / NET_PAIR_QUEUES < nic->pairs)
			look_for_buffers(nic, t->queue / NET_PAIR_QUEUES);
		break;
	case TRACE_USED:
		note_used(nic, t);
		break;
	case TRACE_WISH:
		serve(nic, t);
		break;
	case TRACE_PROVOKE:
		replay_provoked(nic, t);
		break;
	case TRACE_INTERRUPT:
		serve_broken(nic, t->u.bits);
		replay_interrupt(nic, t->u.bits);
		break;
	default:
		break;
	}
}

/* The recorded device did this within the last write, which had no effect yet: it still received frames, say. */
static bool within_write(struct replay_nic *nic, const struct trace_record *t)
{
	nic->late |= nic->writes && replay_is_late(t);
	return nic->late && !is_access(t);
}

static int replay_record(struct rig *r, const struct trace_record *t)
{
	struct replay_nic *nic = &r->nic[t->nic];
	const bool of_write = t->kind == TRACE_PROVOKE && t->u.provoke.place == TRACE_AT_WRITE;

	if (t->kind == TRACE_DEVICE)
		return begin_life(r, t);
	if (t->kind >= TRACE_KINDS || t->kind == TRACE_END)
		return 0;
	nic->event = r->in.records;
	take_frames(nic, t);
	if (!of_write && !within_write(nic, t))
		write_register(nic);
	replay_one(nic, t);
	if (of_write)
		write_register(nic);
	return 0;
}

static int replay_all(struct rig *r)
{
	struct trace_record t;
	int ret;

	while ((ret = trace_next(&r->in, &t)) == 1) {
		ret = replay_record(r, &t);
		if (ret < 0)
			return ret;
	}
	for (unsigned i = 0; i < TRACE_NICS; i++) {
		write_register(&r->nic[i]);
		replay_take_frames(&r->nic[i]);
	}
	return ret < 0 ? refuse(r, ret, r->in.why) : 0;
}

/* A device is provoked from its beginning on, or not at all. */
static int look_for_provocations(struct rig *r, FILE *was)
{
	struct trace_record t;
	int ret = trace_open(&r->in, was);

	while (ret == 0 && (ret = trace_next(&r->in, &t)) == 1) {
		r->provoked[t.nic] |= t.kind == TRACE_PROVOKE;
		ret = 0;
	}
	if (ret < 0)
		refuse(r, ret, r->in.why);
	trace_close(&r->in);
	rewind(was);
	return ret;
}

static int replay_file(struct rig *r, FILE *was, FILE *is)
{
	FILE *to = fdopen(dup(fileno(is)), "w");
	int ret = to ? record_create(to, "replay", &r->record) : -errno;

	if (ret == 0)
		ret = look_for_provocations(r, was);
	if (ret == 0)
		ret = trace_open(&r->in, was);
	if (ret == 0)
		ret = replay_all(r);
	for (unsigned i = 0; i < TRACE_NICS; i++)
		end_life(&r->nic[i]);
	(void)record_destroy(r->record);
	trace_close(&r->in);
	return ret;
}

int replay(const char *path, void (*spoil)(struct virtio_net *n), struct replay_outcome *out)
{
	struct rig *r = calloc(1, sizeof(*r));
	FILE *was, *is;
	int ret;

	*out = (struct replay_outcome){.reads = 0};
	if (!r)
		return -ENOMEM;
	r->spoil = spoil;
	r->out = out;
	for (unsigned i = 0; i < TRACE_NICS; i++)
		r->nic[i].out = out;
	was = fopen(path, "r");
	is = was ? tmpfile() : NULL;
	ret = is ? replay_file(r, was, is) : -errno;
	if (ret == 0)
		ret = replay_compare(was, is, out);
	if (was)
		fclose(was);
	if (is)
		fclose(is);
	free(r);
	return ret;
}
