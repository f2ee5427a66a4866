/* SPDX-License-Identifier: Apache-2.0 */
#include "check/record.h"

#define VIRTIO_MMIO_NO_LEGACY

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "check/check.h"
#include "check/record_priv.h"
#include "devices/virtio.h"
#include "vmm/core/iov.h"
#include "vmm/core/le.h"

_Static_assert(NET_RECV_MAX <= TRACE_DATA_MAX, "all that is recorded fits into a record");

struct trace_record record_of(const struct record_device *d, enum trace_kind kind)
{
	return (struct trace_record){.kind = kind, .nic = d->index, .queue = TRACE_NO_QUEUE};
}

void record_put(struct record_device *d, struct trace_record *t, const struct iovec *iov,
                unsigned nr)
{
	record_acts(d);
	trace_put(d->r->w, t, iov, nr);
}

void record_plain(struct record_device *d, struct trace_record *t)
{
	trace_lock(d->r->w);
	record_put(d, t, NULL, 0);
	trace_unlock(d->r->w);
}

/* ---- registers, interrupts, frames */

static void on_access(struct virtio_watch *w, const struct virtio_access *a)
{
	struct record_device *d = container_of(w, struct record_device, watch);
	const bool kick = a->write && a->off == VIRTIO_MMIO_QUEUE_NOTIFY;
	const bool data = d->dev->accepted & FEATURE(VIRTIO_F_NOTIFICATION_DATA);
	const uint64_t kicked = data ? a->val & UINT16_MAX : a->val;
	struct trace_record t = record_of(d, !a->write ? TRACE_READ
	                                     : kick    ? TRACE_KICK
	                                               : TRACE_WRITE);

	if (kick && kicked < min_u32(d->dev->nr_queues, TRACE_QUEUES))
		t.queue = u16_of(kicked);
	t.u.access = *a;
	record_plain(d, &t);
}

static void on_interrupt(struct virtio_watch *w, uint32_t bits)
{
	struct record_device *d = container_of(w, struct record_device, watch);
	struct trace_record t = record_of(d, TRACE_INTERRUPT);

	t.u.bits = bits;
	record_plain(d, &t);
}

static void on_frame(struct virtio_watch *w, unsigned queue, const struct iovec *iov, unsigned nr,
                     size_t bytes)
{
	struct record_device *d = container_of(w, struct record_device, watch);
	struct trace_record t = record_of(d, TRACE_FRAME);
	uint8_t *const frame = d->r->frame;
	struct iovec all = {.iov_base = frame};

	t.queue = u16_of(queue);
	t.u.frame.bytes = u32_of(bytes);
	t.u.frame.to_guest = queue % 2 == 0;
	trace_lock(d->r->w);
	all.iov_len = iov_read(iov, nr, 0, frame, min_size(bytes, sizeof(d->r->frame)));
	record_put(d, &t, &all, 1);
	trace_unlock(d->r->w);
}

/* ---- queues */

static struct vq_watch *on_queue(struct virtio_watch *w, unsigned queue, const struct vq_addr *a)
{
	struct record_device *d = container_of(w, struct record_device, watch);
	struct trace_record t = record_of(d, TRACE_QUEUE);
	struct record_queue *q;

	if (queue >= TRACE_QUEUES)
		return NULL;
	q = &d->queue[queue];
	q->addr = *a;
	t.queue = q->index;
	t.u.ring.addr = *a;
	t.u.ring.accepted = d->dev->accepted;
	record_plain(d, &t);
	record_room_begin(q);
	if (d->dev->accepted & FEATURE(VIRTIO_F_RING_PACKED))
		record_packed(q);
	else
		record_split(q);
	return &q->watch;
}

/* ---- life */

/* All of it but what was seen of provocations, which are counted from the first life on. */
static void begin_device(struct record_device *d, struct record *r, struct virtio_dev *dev,
                         uint8_t index)
{
	d->watch = (struct virtio_watch){.access = on_access,
	                                 .queue = on_queue,
	                                 .interrupt = on_interrupt,
	                                 .frame = on_frame,
	                                 .copy = record_copy,
	                                 .wrote = record_wrote};
	d->r = r;
	d->dev = dev;
	d->index = index;
	for (unsigned i = 0; i < TRACE_QUEUES; i++) {
		d->queue[i].d = d;
		d->queue[i].index = u16_of(i);
	}
}

struct virtio_watch *record_device(struct record *r, struct virtio_dev *dev,
                                   const struct record_nic *nic)
{
	struct record_device *d = &r->device[nic->index];
	uint8_t data[16 * GMEM_MAX_REGIONS + 4 * TRACE_QUEUES], *p = data;
	struct trace_record t = {
		.kind = TRACE_DEVICE, .nic = u8_of(nic->index), .queue = TRACE_NO_QUEUE};
	struct trace_device *what = &t.u.device;

	begin_device(d, r, dev, t.nic);
	*what = (struct trace_device){.offered = dev->offered,
	                              .config_len = nic->provoke ? provoke_config_len(nic->provoke)
	                                                         : dev->ops->config_len,
	                              .nr_queues = u16_of(min_u32(dev->nr_queues, TRACE_QUEUES)),
	                              .nr_regions = u16_of(dev->mem->nr),
	                              .mtu = nic->mtu,
	                              .legacy = nic->legacy};
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
	record_provoke_begin(d, nic);
	record_acts(d); /* it has been provoked already */
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
	record_put(&r->device[nic], &t,
	           &(struct iovec){text, min_size((size_t)len, sizeof(text) - 1)}, 1);
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
