/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/virtio_vhost_user.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devices/virtio.h"
#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"
#include "vmm/core/le.h"
#include "vmm/core/log.h"

#define BEFORE_QUEUES \
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK)

static int PRINTF_LIKE(2, 3) bad(struct virtio_vhost_user *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(t->why, sizeof(t->why), fmt, ap);
	va_end(ap);
	return -EPROTO;
}

/* ---- to the front end */

/* Whatever the front end does to its end, we do not wait for it. */
static void interrupt_ring(struct virtio_vhost_user *t, struct vvu_ring *r)
{
	const uint64_t one = 1;

	if (atomic_load_explicit(&r->call_is_socket, memory_order_relaxed) &&
	    (send(r->call_fd, &one, sizeof(one), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0 ||
	     errno != ENOTSOCK))
		return;
	fd_signal_set(&t->signal, r->call_fd);
}

static void used(void *transport, unsigned queue)
{
	struct virtio_vhost_user *t = transport;

	interrupt_ring(t, &t->ring[queue]);
}

/* About no queue in particular, or about the config space: that one has a message of its own. */
static void interrupt(void *transport)
{
	struct virtio_vhost_user *t = transport;

	for (unsigned i = 0; i < t->dev->nr_queues; i++)
		if (t->ring[i].served)
			interrupt_ring(t, &t->ring[i]);
}

static void config_changed(void *transport, bool tell)
{
	const struct virtio_vhost_user *t = transport;

	/* Whether the driver is to hear of it or not yet: a front end has a copy of the config space for it. */
	if (t->tell_config)
		t->tell_config(t->arg);
	if (!tell || !(t->dev->status & VIRTIO_CONFIG_S_NEEDS_RESET))
		return;
	for (unsigned i = 0; i < t->dev->nr_queues; i++)
		if (t->ring[i].err_fd >= 0)
			fd_signal_set(&t->signal, t->ring[i].err_fd);
}

static const struct virtio_transport_ops transport_ops = {
	.interrupt = interrupt,
	.used = used,
	.config_changed = config_changed,
};

/* ---- descriptors */

/* What is at number @at becomes @fd, for all threads at once. 0 or -EPROTO. */
static int replace(struct virtio_vhost_user *t, int at, int fd)
{
	return dup3(fd, at, O_CLOEXEC) < 0 ? bad(t, "a descriptor: %s", strerror(errno)) : 0;
}

static void take_back_fds(struct virtio_vhost_user *t, unsigned i)
{
	struct vvu_ring *r = &t->ring[i];

	fd_close(&r->err_fd);
	/* Cannot fail: all of these are open. */
	(void)replace(t, t->dev->queue[i].kick_fd, r->own_kick);
	(void)replace(t, r->call_fd, r->own_kick);
	fd_event_take(r->own_kick);
}

/* ---- the device, in step with what we were told */

static bool wanted(const struct virtio_vhost_user *t, const struct vvu_ring *r)
{
	return r->kicked && r->enabled &&
	       (!t->has_status || (t->status & VIRTIO_CONFIG_S_DRIVER_OK));
}

/*
 * From here on until serve() nobody touches rings or memory. A device whose driver broke a rule serves nothing until
 * rings are started anew.
 */
static void pause_device(struct virtio_vhost_user *t)
{
	const bool broken = t->dev->status & VIRTIO_CONFIG_S_NEEDS_RESET;

	virtio_pause(t->dev);
	for (unsigned i = 0; i < t->dev->nr_queues; i++) {
		struct vvu_ring *r = &t->ring[i];

		if (r->served)
			r->base = t->dev->queue[i].next_avail;
		r->kicked &= !(r->served && broken);
		r->served = false;
	}
	if (broken)
		virtio_set_status(t->dev, 0);
}

static bool translate(const struct virtio_vhost_user *t, uint64_t user, gpa_t *out)
{
	for (unsigned i = 0; i < t->where.nr; i++) {
		const struct vvu_region *r = &t->where.region[i];

		if (user - r->user >= r->size)
			continue;
		*out = r->guest + (user - r->user);
		return true;
	}
	return false;
}

/*
 * Does a packed ring begin? 0 says so, which User Mode Linux sends; but it is also where a ring stands after a lap
 * with wrap counter 1, and then its first descriptor was used in that lap (virtio 1.2, 2.8.1).
 */
static bool begins(const struct virtio_vhost_user *t, const struct vvu_ring *r,
                   const struct vq_addr *a)
{
	uint8_t flags[2] = {0};

	if (!(t->features & FEATURE(VIRTIO_F_RING_PACKED)) || r->base != 0)
		return false;
	return gmem_read(&t->mem, a->desc + offsetof(struct vring_packed_desc, flags), flags,
	                 sizeof(flags)) < 0 ||
	       !(get_le16(flags) & (1u << VRING_PACKED_DESC_F_USED));
}

/* As vq_resume() has it. DPDK says where the next request is and no more: nothing is under way, so that is all. */
static uint32_t base_of(const struct virtio_vhost_user *t, const struct vvu_ring *r)
{
	if ((t->features & FEATURE(VIRTIO_F_RING_PACKED)) && r->base <= UINT16_MAX)
		return r->base | r->base << 16;
	return r->base;
}

/* Is the ring in order, as far as it can be seen before anybody serves it? */
static int judge(struct virtio_vhost_user *t, unsigned i, struct vq_addr *a)
{
	const struct vvu_ring *r = &t->ring[i];
	struct vq q;
	int ret = -EFAULT;

	*a = (struct vq_addr){.num = r->num};
	if (!r->placed || t->mem.nr == 0 || t->features == 0)
		return bad(t, "ring %u is kicked before %s", i,
		           !r->placed  ? "it has addresses"
		           : t->mem.nr ? "there are features"
		                       : "there is memory");
	if (r->num > t->dev->queue[i].num_max)
		return bad(t, "ring %u has %u entries, at most %u are possible", i, r->num,
		           t->dev->queue[i].num_max);
	if (translate(t, r->desc, &a->desc) && translate(t, r->avail, &a->avail) &&
	    translate(t, r->used, &a->used))
		ret = vq_start(&q, &t->mem, a, vq_features_of(t->features));
	if (ret < 0)
		return bad(t,
		           "ring %u of %u entries at 0x%" PRIx64 ", 0x%" PRIx64 ", 0x%" PRIx64
		           ": %s",
		           i, r->num, r->desc, r->avail, r->used,
		           ret == -EFAULT ? "outside its memory" : "bad size or alignment");
	if (!begins(t, r, a) && vq_resume(&q, base_of(t, r)) < 0)
		return bad(t, "ring %u at %u: %s", i, r->base, q.why);
	return 0;
}

static int give_ring(struct virtio_vhost_user *t, unsigned i)
{
	struct virtio_queue *q;
	struct vq_addr a;
	int ret;

	virtio_queue_ready(t->dev, i, false);
	if (!wanted(t, &t->ring[i]))
		return 0;
	ret = judge(t, i, &a);
	if (ret < 0)
		return ret;
	q = virtio_queue_at(t->dev, i, true);
	if (!q)
		return bad(t, "ring %u cannot be started now", i);
	q->addr = a;
	q->goes_on = !begins(t, &t->ring[i], &a);
	q->next_avail = base_of(t, &t->ring[i]);
	virtio_queue_ready(t->dev, i, true);
	t->ring[i].served = true;
	return 0;
}

static int give_features(struct virtio_vhost_user *t)
{
	struct virtio_dev *d = t->dev;

	virtio_set_status(d, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
	virtio_accept(d, 0, u32_of(t->features));
	virtio_accept(d, 1, u32_of(t->features >> 32));
	virtio_set_status(d, BEFORE_QUEUES);
	if (d->status & VIRTIO_CONFIG_S_FEATURES_OK)
		return 0;
	virtio_set_status(d, 0);
	return bad(t, "features 0x%" PRIx64 " are not possible", t->features);
}

/* After pause_device(): go on with what there is now. */
static int serve(struct virtio_vhost_user *t)
{
	struct virtio_dev *d = t->dev;
	bool any = false, kicked = false;
	int ret = 0;

	for (unsigned i = 0; i < d->nr_queues; i++) {
		any |= wanted(t, &t->ring[i]);
		kicked |= t->ring[i].kicked;
	}
	/* Without a status on the wire this is all that is seen of a driver that goes: its pairs and filters go with it. */
	if (!kicked && !t->has_status)
		virtio_set_status(d, 0);
	if (!any)
		return 0;
	if (d->status == 0 && t->features)
		ret = give_features(t);
	for (unsigned i = 0; i < d->nr_queues && ret == 0; i++)
		ret = give_ring(t, i);
	if (ret < 0)
		return ret;
	if (d->paused)
		virtio_resume(d);
	else
		virtio_set_status(d, BEFORE_QUEUES | VIRTIO_CONFIG_S_DRIVER_OK);
	return 0;
}

/* ---- life */

int vvu_init(struct virtio_vhost_user *t, struct virtio_dev *dev)
{
	int ret;

	assert(dev->mem == &t->mem && dev->nr_queues <= VVU_RINGS_MAX);
	t->dev = dev;
	dev->tops = &transport_ops;
	dev->transport = t;
	ret = fd_signal_open(&t->signal); /* without, it does what it can */
	if (ret < 0)
		log_warn("%s: vhost-user: no asynchronous I/O (%s): a malicious front end may be "
		         "able to block doorbell",
		         dev->name, strerror(-ret));
	dev->signal = &t->signal;
	/* The protocol has no word for a size that is offered: User Mode Linux has 256 for any queue. */
	for (unsigned i = 0; i < dev->nr_queues; i++)
		dev->queue[i].num_max = VQ_NUM_MAX;
	for (unsigned i = 0; i < dev->nr_queues; i++)
		t->ring[i].own_kick = t->ring[i].call_fd = t->ring[i].err_fd = -1;
	for (unsigned i = 0; i < dev->nr_queues; i++) {
		struct vvu_ring *r = &t->ring[i];

		r->own_kick = fcntl(dev->queue[i].kick_fd, F_DUPFD_CLOEXEC, 0);
		r->call_fd = fcntl(dev->queue[i].kick_fd, F_DUPFD_CLOEXEC, 0);
		if (r->own_kick < 0 || r->call_fd < 0)
			return -errno;
	}
	return 0;
}

void vvu_reset(struct virtio_vhost_user *t)
{
	virtio_set_status(t->dev, 0);
	for (unsigned i = 0; i < t->dev->nr_queues; i++) {
		struct vvu_ring *r = &t->ring[i];

		take_back_fds(t, i);
		r->num = r->base = 0;
		r->placed = r->kicked = r->enabled = r->served = false;
	}
	gmem_destroy(&t->mem);
	t->where.nr = 0;
	t->features = 0;
	t->on_by_kick = t->has_status = t->recover = false;
	t->status = 0;
}

void vvu_fini(struct virtio_vhost_user *t)
{
	if (!t->dev)
		return;
	vvu_reset(t);
	for (unsigned i = 0; i < t->dev->nr_queues; i++) {
		fd_close(&t->ring[i].own_kick);
		fd_close(&t->ring[i].call_fd);
	}
	t->dev->signal = NULL;
	fd_signal_close(&t->signal);
	t->dev = NULL;
}

/* ---- what the messages say */

/* A driver reads back whether FEATURES_OK stands (virtio 1.2, 3.1.1). */
static void judge_features(struct virtio_vhost_user *t)
{
	if ((t->status & VIRTIO_CONFIG_S_FEATURES_OK) && !virtio_features_fit(t->dev, t->features))
		t->status = u8_of(t->status & ~(unsigned)VIRTIO_CONFIG_S_FEATURES_OK);
}

int vvu_set_features(struct virtio_vhost_user *t, uint64_t features, bool protocol_bit)
{
	const uint64_t unknown = features & ~t->dev->offered;

	if (unknown)
		return bad(t, "features 0x%" PRIx64 " were not offered", unknown);
	pause_device(t);
	if (features != t->features) {
		virtio_set_status(t->dev, 0);
		t->features = features;
		judge_features(t);
	}
	t->on_by_kick = !protocol_bit;
	return serve(t);
}

int vvu_set_memory(struct virtio_vhost_user *t, const struct gmem *m,
                   const struct vvu_memory *where)
{
	pause_device(t);
	gmem_destroy(&t->mem);
	t->mem = *m;
	t->where = *where;
	return serve(t);
}

static struct vvu_ring *ring_at(struct virtio_vhost_user *t, uint32_t ring)
{
	if (ring < t->dev->nr_queues)
		return &t->ring[ring];
	(void)bad(t, "there is no ring %u, possible are 0 to %u", ring, t->dev->nr_queues - 1);
	return NULL;
}

/* It is set up (anew): it stops, until its next kick descriptor. */
static struct vvu_ring *ring_to_change(struct virtio_vhost_user *t, uint32_t ring)
{
	struct vvu_ring *r = ring_at(t, ring);

	if (!r)
		return NULL;
	pause_device(t);
	r->kicked = false;
	return r;
}

int vvu_ring_num(struct virtio_vhost_user *t, uint32_t ring, uint32_t num)
{
	struct vvu_ring *r = ring_to_change(t, ring);

	if (!r)
		return -EPROTO;
	r->num = num;
	return serve(t);
}

int vvu_ring_base(struct virtio_vhost_user *t, uint32_t ring, uint32_t base)
{
	struct vvu_ring *r = ring_to_change(t, ring);

	if (!r)
		return -EPROTO;
	r->base = base;
	return serve(t);
}

int vvu_ring_addr(struct virtio_vhost_user *t, uint32_t ring, uint64_t desc, uint64_t avail,
                  uint64_t used)
{
	struct vvu_ring *r = ring_to_change(t, ring);

	if (!r)
		return -EPROTO;
	r->desc = desc;
	r->avail = avail;
	r->used = used;
	r->placed = true;
	return serve(t);
}

int vvu_ring_enable(struct virtio_vhost_user *t, uint32_t ring, bool on)
{
	struct vvu_ring *r = ring_at(t, ring);

	if (!r)
		return -EPROTO;
	if (r->enabled == on)
		return 0;
	pause_device(t);
	r->enabled = on;
	return serve(t);
}

int vvu_ring_stop(struct virtio_vhost_user *t, uint32_t ring, uint32_t *base)
{
	struct vvu_ring *r = ring_to_change(t, ring);

	if (!r)
		return -EPROTO;
	*base = r->base;
	return serve(t);
}

void vvu_recover(struct virtio_vhost_user *t)
{
	t->recover = true;
}

/* Where the last request ends that the driver saw done (virtio 1.2, 2.7.8). */
static void find_base(struct virtio_vhost_user *t, struct vvu_ring *r)
{
	uint8_t idx[2];
	gpa_t used;

	if (translate(t, r->used, &used) &&
	    gmem_read(&t->mem, used + offsetof(struct vring_used, idx), idx, sizeof(idx)) == 0)
		r->base = get_le16(idx);
}

int vvu_ring_kick(struct virtio_vhost_user *t, uint32_t ring, int fd)
{
	struct vvu_ring *r = ring_to_change(t, ring);
	struct vq_addr a;
	int ret;

	if (!r)
		return -EPROTO;
	if (!fd_is_eventfd(fd))
		return bad(t, "the kick of ring %u is no eventfd", ring);
	if (t->recover)
		find_base(t, r);
	ret = judge(t, ring, &a);
	if (ret == 0)
		ret = replace(t, t->dev->queue[ring].kick_fd, fd);
	if (ret < 0)
		return ret;
	r->kicked = true;
	r->enabled |= t->on_by_kick;
	ret = serve(t);
	/* Whoever served it before may have had an interrupt in hand. */
	if (ret == 0 && t->recover)
		virtio_used(t->dev);
	return ret;
}

int vvu_ring_call(struct virtio_vhost_user *t, uint32_t ring, int fd)
{
	struct vvu_ring *r = ring_at(t, ring);
	struct stat st;

	if (!r)
		return -EPROTO;
	if (fd < 0)
		return replace(t, r->call_fd, r->own_kick);
	/* User Mode Linux has a socket: SIGIO does not work on an eventfd. */
	if (fstat(fd, &st) < 0 || (!S_ISSOCK(st.st_mode) && !fd_is_eventfd(fd)))
		return bad(t, "the call descriptor of ring %u is neither eventfd nor socket", ring);
	atomic_store_explicit(&r->call_is_socket, S_ISSOCK(st.st_mode), memory_order_relaxed);
	return replace(t, r->call_fd, fd);
}

int vvu_ring_err(struct virtio_vhost_user *t, uint32_t ring, int fd)
{
	struct vvu_ring *r = ring_at(t, ring);

	if (!r)
		return -EPROTO;
	fd_close(&r->err_fd);
	if (fd < 0)
		return 0;
	if (!fd_is_eventfd(fd))
		return bad(t, "the err descriptor of ring %u is no eventfd", ring);
	r->err_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return r->err_fd < 0 ? bad(t, "a descriptor: %s", strerror(errno)) : 0;
}

int vvu_set_status(struct virtio_vhost_user *t, uint8_t status)
{
	pause_device(t);
	if (status == 0) {
		virtio_set_status(t->dev, 0);
		for (unsigned i = 0; i < t->dev->nr_queues; i++)
			t->ring[i].kicked = false;
	}
	t->has_status = true;
	t->status = status;
	judge_features(t);
	return serve(t);
}

uint8_t vvu_status(const struct virtio_vhost_user *t)
{
	return t->status | (t->dev->status & VIRTIO_CONFIG_S_NEEDS_RESET);
}

unsigned vvu_pairs(const struct virtio_vhost_user *t)
{
	unsigned i = 0;

	while (i + 1 < t->dev->nr_queues && t->ring[i].served && t->ring[i + 1].served)
		i += 2;
	return i / 2;
}
