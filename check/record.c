/* SPDX-License-Identifier: Apache-2.0 */
#include "check/record.h"

#define VIRTIO_MMIO_NO_LEGACY

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "check/check.h"
#include "check/trace_write.h"
#include "devices/virtio.h"
#include "net/net_backend.h"
#include "vmm/core/compiler.h"
#include "vmm/core/iov.h"
#include "vmm/core/le.h"

/* Bytes of a chain that are kept at most: more than any frame or command has. */
#define MEMORY_MAX KIB(128)
#define PIECE_MAX  KIB(64) /* in one record */
/* Descriptors of a chain: those of the ring, and a table. */
#define DESC_MAX (2 * VQ_NUM_MAX)

_Static_assert(PIECE_MAX <= TRACE_DATA_MAX && DESC_MAX * TRACE_DESC <= TRACE_DATA_MAX &&
                       NET_RECV_MAX <= TRACE_DATA_MAX,
               "all that is recorded fits into a record");

struct device;

struct queue {
	struct vq_watch watch;
	struct device *d;
	uint16_t index;
	struct vq_addr addr;
	uint16_t looked; /* entries of the available ring up to here are in the file */
};

struct device {
	struct virtio_watch watch;
	struct record *r;
	struct virtio_dev *dev;
	uint8_t index;
	struct queue queue[TRACE_QUEUES];
};

struct record {
	struct trace_writer *w;
	/* With the writer's lock: */
	uint8_t desc[DESC_MAX * TRACE_DESC], heads[2 * VQ_NUM_MAX], used[8 * VQ_NUM_MAX];
	uint8_t frame[NET_RECV_MAX];
	struct device device[TRACE_NICS];
};

static struct trace_record record_of(const struct device *d, enum trace_kind kind)
{
	return (struct trace_record){.kind = kind, .nic = d->index, .queue = TRACE_NO_QUEUE};
}

static void put_plain(struct device *d, struct trace_record *t)
{
	trace_lock(d->r->w);
	trace_put(d->r->w, t, NULL, 0);
	trace_unlock(d->r->w);
}

/* ---- registers, interrupts, frames */

static void on_access(struct virtio_watch *w, const struct virtio_access *a)
{
	struct device *d = container_of(w, struct device, watch);
	const bool kick = a->write && a->off == VIRTIO_MMIO_QUEUE_NOTIFY;
	struct trace_record t = record_of(d, !a->write ? TRACE_READ
	                                     : kick    ? TRACE_KICK
	                                               : TRACE_WRITE);

	if (kick && a->val < min_u32(d->dev->nr_queues, TRACE_QUEUES))
		t.queue = u16_of(a->val);
	t.u.access = *a;
	put_plain(d, &t);
}

static void on_interrupt(struct virtio_watch *w, uint32_t bits)
{
	struct device *d = container_of(w, struct device, watch);
	struct trace_record t = record_of(d, TRACE_INTERRUPT);

	t.u.bits = bits;
	put_plain(d, &t);
}

static void on_frame(struct virtio_watch *w, unsigned queue, const struct iovec *iov, unsigned nr,
                     size_t bytes)
{
	struct device *d = container_of(w, struct device, watch);
	struct trace_record t = record_of(d, TRACE_FRAME);
	uint8_t *const frame = d->r->frame;
	struct iovec all = {.iov_base = frame};

	t.queue = u16_of(queue);
	t.u.frame.bytes = u32_of(bytes);
	t.u.frame.to_guest = queue % 2 == 0;
	trace_lock(d->r->w);
	all.iov_len = iov_read(iov, nr, 0, frame, min_size(bytes, sizeof(d->r->frame)));
	trace_put(d->r->w, &t, &all, 1);
	trace_unlock(d->r->w);
}

/* ---- rings; with the lock */

/* A word of a ring that was judged. 0: it is not in memory (any more). */
static uint16_t ring_word(const struct queue *q, gpa_t at)
{
	const uint16_t *word = gmem_ptr(q->d->dev->mem, at, sizeof(*word));

	return word ? le16toh(__atomic_load_n(word, __ATOMIC_RELAXED)) : 0;
}

struct walk {
	struct queue *q;
	unsigned nr; /* of record.desc[] */
	bool cut;
};

/* The descriptor at @at, noted. False: there is none, or too many are. */
static bool take_desc(struct walk *w, gpa_t at, struct trace_desc *d)
{
	uint8_t *const p = w->q->d->r->desc + (size_t)w->nr * TRACE_DESC;
	uint8_t raw[16];

	if (w->nr == DESC_MAX || gmem_read(w->q->d->dev->mem, at, raw, sizeof(raw)) < 0)
		return false;
	put_le64(p, at);
	memcpy(p + 8, raw, sizeof(raw));
	w->nr++;
	*d = (struct trace_desc){at, get_le64(raw), get_le32(raw + 8), get_le16(raw + 12),
	                         get_le16(raw + 14)};
	return true;
}

/*
 * From descriptor @at of the ring on, and on in the table that one of them leads to. As far as it goes: what is wrong
 * with it is the device's to say.
 */
static void walk(struct walk *w, uint16_t at)
{
	gpa_t table = w->q->addr.desc;
	uint32_t nr = w->q->addr.num;
	bool in_table = false;
	struct trace_desc d;

	w->cut = true;
	while (at < nr && take_desc(w, table + 16 * (gpa_t)at, &d)) {
		if (d.flags & VRING_DESC_F_INDIRECT) {
			if (in_table)
				return;
			in_table = true;
			table = d.addr;
			nr = min_u32(d.len / 16, VQ_NUM_MAX);
			at = 0;
			continue;
		}
		if (!(d.flags & VRING_DESC_F_NEXT)) {
			w->cut = false;
			return;
		}
		at = d.next;
	}
}

/* @len bytes at @addr that the device is to read; @left: how many more are kept of this chain. */
static void put_memory(struct queue *q, gpa_t addr, uint32_t len, uint64_t *left)
{
	struct trace_record t = record_of(q->d, TRACE_MEMORY);

	t.queue = q->index;
	len = u32_of(min_u64(len, *left));
	*left -= len;
	while (len > 0) {
		const uint32_t part = min_u32(len, PIECE_MAX);
		struct iovec iov[GMEM_MAX_REGIONS];
		const int n = gmem_iov(q->d->dev->mem, addr, part, iov, ARRAY_SIZE(iov));

		if (n < 0)
			return;
		t.u.addr = addr;
		trace_put(q->d->r->w, &t, iov, (unsigned)n);
		addr += part;
		len -= part;
	}
}

static void put_chain(struct queue *q, uint16_t head)
{
	struct record *r = q->d->r;
	struct trace_record t = record_of(q->d, TRACE_CHAIN);
	struct walk w = {.q = q};
	uint64_t left = MEMORY_MAX;

	walk(&w, head);
	t.queue = q->index;
	t.u.chain.head = head;
	t.u.chain.nr = u16_of(w.nr);
	t.u.chain.cut = w.cut;
	t.data = r->desc;
	trace_put(r->w, &t, &(struct iovec){r->desc, (size_t)w.nr * TRACE_DESC}, 1);
	for (unsigned i = 0; i < w.nr; i++) {
		const struct trace_desc d = trace_desc_at(&t, i);

		if (!(d.flags & (VRING_DESC_F_WRITE | VRING_DESC_F_INDIRECT)))
			put_memory(q, d.addr, d.len, &left);
	}
}

/* What the entries that are new name, then that they are there. */
static void put_avail(struct queue *q, uint16_t to)
{
	struct record *r = q->d->r;
	const uint16_t mask = u16_of(q->addr.num - 1);
	struct trace_record t = record_of(q->d, TRACE_AVAIL);
	struct iovec heads = {.iov_base = r->heads};

	t.queue = q->index;
	t.u.index.from = q->looked;
	t.u.index.to = to;
	t.u.index.flags = ring_word(q, q->addr.avail);
	t.u.index.event = ring_word(q, q->addr.avail + 4 + 2 * (gpa_t)q->addr.num);
	if ((uint16_t)(to - q->looked) <= q->addr.num)
		for (; q->looked != to; q->looked++) {
			const uint16_t head =
				ring_word(q, q->addr.avail + 4 + 2 * (gpa_t)(q->looked & mask));

			put_chain(q, head);
			put_le16(r->heads + heads.iov_len, head);
			heads.iov_len += 2;
		}
	trace_put(r->w, &t, &heads, 1);
}

static void on_avail(struct vq_watch *w, unused uint16_t from, uint16_t to)
{
	struct queue *q = container_of(w, struct queue, watch);

	trace_lock(q->d->r->w);
	if (q->looked != to) /* the device asks again while what it has found stays where it is */
		put_avail(q, to);
	trace_unlock(q->d->r->w);
}

static void on_used(struct vq_watch *w, uint16_t from, uint16_t to)
{
	struct queue *q = container_of(w, struct queue, watch);
	struct record *r = q->d->r;
	struct trace_record t = record_of(q->d, TRACE_USED);
	struct iovec all = {.iov_base = r->used};

	t.queue = q->index;
	t.u.index.from = from;
	t.u.index.to = to;
	trace_lock(r->w);
	for (; from != to; from++) {
		const gpa_t at = q->addr.used + 4 + 8 * (gpa_t)(from & (q->addr.num - 1));

		(void)gmem_read(q->d->dev->mem, at, r->used + all.iov_len, 8);
		all.iov_len += 8;
	}
	trace_put(r->w, &t, &all, 1);
	trace_unlock(r->w);
}

static void on_wish(struct vq_watch *w, uint32_t word, bool interrupt)
{
	struct queue *q = container_of(w, struct queue, watch);
	struct trace_record t = record_of(q->d, TRACE_WISH);

	t.queue = q->index;
	t.u.wish.word = u16_of(word); /* of a split ring: on_queue() */
	t.u.wish.interrupt = interrupt;
	put_plain(q->d, &t);
}

static struct vq_watch *on_queue(struct virtio_watch *w, unsigned queue, const struct vq_addr *a)
{
	struct device *d = container_of(w, struct device, watch);
	struct trace_record t = record_of(d, TRACE_QUEUE);
	struct queue *q;

	if (queue >= TRACE_QUEUES)
		return NULL;
	q = &d->queue[queue];
	q->addr = *a;
	q->looked = 0;
	t.queue = q->index;
	t.u.ring.addr = *a;
	t.u.ring.accepted = d->dev->accepted;
	put_plain(d, &t);
	/* Of a packed ring, whose entries are told otherwise, nothing more is recorded. */
	return d->dev->accepted & FEATURE(VIRTIO_F_RING_PACKED) ? NULL : &q->watch;
}

/* ---- life */

static void begin_device(struct device *d, struct record *r, struct virtio_dev *dev, uint8_t index)
{
	*d = (struct device){.watch = {.access = on_access,
	                               .queue = on_queue,
	                               .interrupt = on_interrupt,
	                               .frame = on_frame},
	                     .r = r,
	                     .dev = dev,
	                     .index = index};
	for (unsigned i = 0; i < TRACE_QUEUES; i++) {
		d->queue[i].watch =
			(struct vq_watch){.avail = on_avail, .used = on_used, .wish = on_wish};
		d->queue[i].d = d;
		d->queue[i].index = u16_of(i);
	}
}

struct virtio_watch *record_device(struct record *r, struct virtio_dev *dev,
                                   const struct record_nic *nic)
{
	struct device *d = &r->device[nic->index];
	uint8_t data[16 * GMEM_MAX_REGIONS + 4 * TRACE_QUEUES], *p = data;
	struct trace_record t = {
		.kind = TRACE_DEVICE, .nic = u8_of(nic->index), .queue = TRACE_NO_QUEUE};
	struct trace_device *what = &t.u.device;

	begin_device(d, r, dev, t.nic);
	*what = (struct trace_device){.offered = dev->offered,
	                              .config_len = dev->ops->config_len,
	                              .nr_queues = u16_of(min_u32(dev->nr_queues, TRACE_QUEUES)),
	                              .nr_regions = u16_of(dev->mem->nr),
	                              .mtu = nic->mtu};
	memcpy(what->mac, nic->mac, sizeof(what->mac));
	snprintf(what->name, sizeof(what->name), "%s", dev->name);
	for (unsigned i = 0; i < dev->mem->nr; i++, p += 16) {
		put_le64(p, dev->mem->region[i].base);
		put_le64(p + 8, dev->mem->region[i].size);
	}
	for (unsigned i = 0; i < what->nr_queues; i++, p += 4)
		put_le32(p, dev->queue[i].num_max);
	trace_lock(r->w);
	trace_put(r->w, &t, &(struct iovec){data, (size_t)(p - data)}, 1);
	trace_unlock(r->w);
	return &d->watch;
}

void record_finding(struct record *r, unsigned nic, const struct rule *rule,
                    const struct check_result *res)
{
	char text[sizeof(res->why) + 64];
	struct trace_record t = record_of(&r->device[nic], TRACE_FINDING);
	const int len = snprintf(text, sizeof(text), "%s: %s", rule->id, res->why);

	t.u.finding.has_pc = res->has_pc;
	t.u.finding.pc = res->pc;
	trace_lock(r->w);
	trace_put(r->w, &t, &(struct iovec){text, min_size((size_t)len, sizeof(text) - 1)}, 1);
	trace_unlock(r->w);
}

int record_create(FILE *out, const char *path, struct record **result)
{
	struct record *r = calloc(1, sizeof(*r));
	int ret;

	*result = NULL;
	if (!r) {
		fclose(out);
		return -ENOMEM;
	}
	ret = trace_writer_create(out, path, &r->w);
	if (ret < 0)
		free(r);
	else
		*result = r;
	return ret;
}

int record_destroy(struct record *r)
{
	int ret;

	if (!r)
		return 0;
	ret = trace_writer_destroy(r->w);
	free(r);
	return ret;
}
