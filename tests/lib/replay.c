/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/replay.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/virtio_mmio.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check/record.h"
#include "check/registers.h"
#include "check/trace.h"
#include "devices/net_features.h"
#include "devices/virtio_mmio.h"
#include "devices/virtio_net_priv.h"
#include "devices/virtio_watch.h"
#include "tests/lib/fake_net.h"
#include "vmm/core/le.h"

struct rig {
	struct trace_reader in;
	struct record *record;
	void (*spoil)(struct virtio_net *n);
	/* Of this life of the guest. */
	struct gmem mem;
	struct loop *loop;
	struct fake_net *net;
	struct virtio_net *n;
	struct virtio_mmio mmio;
	struct vq_addr ring[NET_QUEUES];
	bool event_idx;
	char *why;
	size_t why_size;
};

static int refuse(struct rig *r, int err, const char *why)
{
	snprintf(r->why, r->why_size, "%s", why);
	return err;
}

/* ---- the device */

static void no_wire(unused void *arg, unused unsigned gsi, unused bool level)
{
}

static void end_life(struct rig *r)
{
	virtio_net_destroy(r->n);
	if (r->net)
		net_destroy(&r->net->backend);
	if (r->loop)
		loop_destroy(r->loop);
	gmem_destroy(&r->mem);
	r->n = NULL;
	r->net = NULL;
	r->loop = NULL;
}

static int make_device(struct rig *r, const struct trace_record *t)
{
	const struct trace_device *d = &t->u.device;
	struct virtio_net_params p = {.name = d->name,
	                              .mtu = d->mtu,
	                              .queue_size = trace_num_max_at(t, 0),
	                              .features = d->offered};
	struct record_nic nic = {.mtu = d->mtu};
	struct virtio_dev *dev;
	int ret;

	memcpy(p.mac, d->mac, sizeof(p.mac));
	memcpy(nic.mac, d->mac, sizeof(nic.mac));
	ret = virtio_net_create(&p, &r->net->backend, &r->mem, r->loop, &r->n);
	if (ret < 0)
		return refuse(r, ret, "no such device");
	dev = virtio_net_dev(r->n);
	virtio_mmio_init(&r->mmio, dev, (struct irq_line){.set = no_wire});
	dev->watch = record_device(r->record, dev, &nic);
	if (r->spoil)
		r->spoil(r->n);
	return 0;
}

static int begin_life(struct rig *r, const struct trace_record *t)
{
	struct gmem_range range[GMEM_MAX_REGIONS];
	const struct trace_device *d = &t->u.device;
	int ret;

	end_life(r);
	if (t->nic != 0 || d->nr_queues > NET_QUEUES || d->nr_queues < 2)
		return refuse(r, -ENOTSUP, "one NIC with one pair is what can be replayed");
	for (unsigned i = 0; i < d->nr_regions; i++)
		trace_region_at(t, i, &range[i].base, &range[i].size);
	ret = gmem_create(&r->mem, range, d->nr_regions, false);
	if (ret < 0)
		return refuse(r, ret, "no such memory");
	ret = loop_create(&r->loop);
	if (ret < 0)
		return refuse(r, ret, "no loop");
	r->net = fake_net_create(NET_GUEST_OFFLOADS | NET_HOST_OFFLOADS);
	return make_device(r, t);
}

/* ---- what the driver did */

static void put_word(struct rig *r, gpa_t at, uint16_t word)
{
	uint8_t raw[2];

	put_le16(raw, word);
	(void)!gmem_write(&r->mem, at, raw, sizeof(raw));
}

/* Frames that the recorded device took and dropped: nothing in the file asks for them. */
static void take_rest(struct rig *r)
{
	while (r->net && fake_net_queued(r->net) && fake_net_can_recv(r->net))
		;
}

static void access_register(struct rig *r, const struct virtio_access *a)
{
	if (a->write && a->off == VIRTIO_MMIO_STATUS)
		take_rest(r);
	if (a->write)
		virtio_mmio_bus_ops.write(&r->mmio, a->off, a->size, a->val);
	else
		(void)virtio_mmio_bus_ops.read(&r->mmio, a->off, a->size);
}

/* The descriptors of a chain, where they stood. */
static void put_chain(struct rig *r, const struct trace_record *t)
{
	for (unsigned i = 0; i < t->u.chain.nr; i++) {
		const struct trace_desc d = trace_desc_at(t, i);
		uint8_t raw[16];

		put_le64(raw, d.addr);
		put_le32(raw + 8, d.len);
		put_le16(raw + 12, d.flags);
		put_le16(raw + 14, d.next);
		(void)!gmem_write(&r->mem, d.at, raw, sizeof(raw));
	}
}

static void put_avail(struct rig *r, const struct trace_record *t)
{
	const struct vq_addr *a = &r->ring[t->queue];

	for (uint32_t i = 0; i < t->len / 2; i++)
		put_word(r, a->avail + 4 + 2 * ((t->u.index.from + i) & (gpa_t)(a->num - 1)),
		         trace_head_at(t, i));
	put_word(r, a->avail, t->u.index.flags);
	put_word(r, a->avail + 2, t->u.index.to);
}

static bool readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

/* The device serves this queue until it has nothing to do: one batch, as the driver has done nothing meanwhile. */
static void serve(struct rig *r, const struct trace_record *t)
{
	const struct vq_addr *a = &r->ring[t->queue];
	const struct loop_fd *kick =
		t->queue == NET_CTRL ? &r->n->ctrl.kick : &r->n->pair[0].queue[t->queue].kick;

	put_word(r, a->avail + (r->event_idx ? 4 + 2 * (gpa_t)a->num : 0), t->u.wish.word);
	if (t->queue == NET_RX)
		fake_net_can_recv(r->net);
	virtio_kick(virtio_net_dev(r->n), t->queue);
	for (unsigned turns = 0; kick->loop && readable(kick->fd) && turns < 1000; turns++)
		kick->fn(kick->arg, POLLIN);
}

static int replay_one(struct rig *r, const struct trace_record *t)
{
	switch (t->kind) {
	case TRACE_DEVICE:
		return begin_life(r, t);
	case TRACE_READ:
	case TRACE_WRITE:
	case TRACE_KICK:
		access_register(r, &t->u.access);
		return 0;
	case TRACE_QUEUE:
		r->ring[t->queue] = t->u.ring.addr;
		r->event_idx = t->u.ring.accepted & FEATURE(VIRTIO_RING_F_EVENT_IDX);
		return 0;
	case TRACE_CHAIN:
		put_chain(r, t);
		return 0;
	case TRACE_MEMORY:
		(void)!gmem_write(&r->mem, t->u.addr, t->data, t->len);
		return 0;
	case TRACE_AVAIL:
		put_avail(r, t);
		return 0;
	case TRACE_FRAME:
		if (t->u.frame.to_guest && t->len > NET_HDR_LEN)
			fake_net_queue(r->net, (const void *)t->data, t->data + NET_HDR_LEN,
			               t->len - NET_HDR_LEN);
		return 0;
	case TRACE_WISH:
		serve(r, t);
		return 0;
	default: /* what the device did */
		return 0;
	}
}

static int replay_all(struct rig *r)
{
	struct trace_record t;
	int ret;

	while ((ret = trace_next(&r->in, &t)) == 1) {
		ret = replay_one(r, &t);
		if (ret < 0)
			return ret;
	}
	take_rest(r);
	return ret < 0 ? refuse(r, ret, r->in.why) : 0;
}

/* ---- the comparison */

/* Of these kinds each queue has a sequence, in either recording; those about none stand at the end. */
static bool compared(const struct trace_record *t)
{
	switch (t->kind) {
	case TRACE_READ:
		return t->u.access.off != VIRTIO_MMIO_INTERRUPT_STATUS;
	case TRACE_USED:
	case TRACE_WISH:
	case TRACE_INTERRUPT:
	case TRACE_FRAME:
		return true;
	default:
		return false;
	}
}

/* The next record of @kind and @queue. 1; 0 none; or -errno. */
static int next_of(struct trace_reader *r, unsigned kind, uint16_t queue, struct trace_record *t)
{
	int ret;

	while ((ret = trace_next(r, t)) == 1)
		if (t->kind == kind && t->queue == queue && compared(t))
			return 1;
	return ret;
}

static bool same(const struct trace_record *a, const struct trace_record *b)
{
	uint8_t x[TRACE_HEAD + TRACE_FIXED_MAX], y[TRACE_HEAD + TRACE_FIXED_MAX];
	struct trace_record b_then = *b;
	size_t len;

	b_then.ns = a->ns;
	len = trace_encode(a, x);
	if (a->len != b->len || trace_encode(&b_then, y) != len || memcmp(x, y, len) != 0)
		return false;
	return !a->len || memcmp(a->data, b->data, a->len) == 0;
}

static void count(struct replay_outcome *out, unsigned kind)
{
	out->reads += kind == TRACE_READ;
	out->used += kind == TRACE_USED;
	out->wishes += kind == TRACE_WISH;
	out->interrupts += kind == TRACE_INTERRUPT;
	out->frames += kind == TRACE_FRAME;
}

/* Compares the sequences of one kind and queue. 0 or -errno; out->why: where they part. */
static int compare_sequence(struct trace_reader *was, struct trace_reader *is, unsigned kind,
                            uint16_t queue, struct replay_outcome *out)
{
	for (unsigned i = 0;; i++) {
		struct trace_record a, b;
		const int x = next_of(was, kind, queue, &a), y = next_of(is, kind, queue, &b);

		if (x < 0 || y < 0)
			return x < 0 ? x : y;
		if (x == 1 && y == 1 && same(&a, &b)) {
			count(out, kind);
			continue;
		}
		if (x || y)
			snprintf(out->why, sizeof(out->why),
			         "%s %u of queue %d: %s, recorded at %.6f s", trace_kind_name(kind),
			         i, queue == TRACE_NO_QUEUE ? -1 : queue,
			         !y   ? "missing"
			         : !x ? "one too many"
			              : "another",
			         x ? (double)a.ns / 1e9 : 0.0);
		return 0;
	}
}

static int compare_files(FILE *was, FILE *is, unsigned kind, uint16_t queue,
                         struct replay_outcome *out)
{
	struct trace_reader a, b = {.buf = NULL};
	int ret;

	rewind(was);
	rewind(is);
	ret = trace_open(&a, was);
	if (ret == 0)
		ret = trace_open(&b, is);
	if (ret == 0)
		ret = compare_sequence(&a, &b, kind, queue, out);
	trace_close(&a);
	trace_close(&b);
	return ret;
}

static int compare(FILE *was, FILE *is, struct replay_outcome *out)
{
	static const struct {
		enum trace_kind kind;
		bool by_queue;
	} all[] = {{TRACE_READ, false},
	           {TRACE_FRAME, true},
	           {TRACE_USED, true},
	           {TRACE_WISH, true},
	           {TRACE_INTERRUPT, false}};
	int ret = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(all); i++) {
		const unsigned nr = all[i].by_queue ? NET_QUEUES : 1;

		for (unsigned q = 0; q < nr && ret == 0 && !out->why[0]; q++)
			ret = compare_files(was, is, all[i].kind,
			                    all[i].by_queue ? u16_of(q) : TRACE_NO_QUEUE, out);
	}
	return ret;
}

int replay(const char *path, void (*spoil)(struct virtio_net *n), struct replay_outcome *out)
{
	struct rig r = {.spoil = spoil, .why = out->why, .why_size = sizeof(out->why)};
	FILE *was = fopen(path, "r"), *is = tmpfile();
	FILE *to = is ? fdopen(dup(fileno(is)), "w") : NULL;
	int ret = was && to ? record_create(to, "replay", &r.record) : -errno;

	*out = (struct replay_outcome){.reads = 0};
	if (ret == 0)
		ret = trace_open(&r.in, was);
	if (ret == 0)
		ret = replay_all(&r);
	end_life(&r);
	(void)record_destroy(r.record);
	trace_close(&r.in);
	if (ret == 0)
		ret = compare(was, is, out);
	if (was)
		fclose(was);
	if (is)
		fclose(is);
	return ret;
}
