/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/echo_device.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"

static struct echo *echo_of(struct virtio_dev *d)
{
	return container_of(d, struct echo, dev);
}

/* Bytes copied from the readable to the writable part. */
static uint32_t copy_chain(const struct vq_chain *c)
{
	const struct iovec *in = c->iov + c->nr_out;
	size_t from = 0, to = 0, total = 0;

	for (unsigned o = 0, i = 0; o < c->nr_out && i < c->nr_in;) {
		const size_t left = c->iov[o].iov_len - from, room = in[i].iov_len - to;
		const size_t n = left < room ? left : room;

		/* Hostile buffers may overlap. */
		memmove((uint8_t *)in[i].iov_base + to, (uint8_t *)c->iov[o].iov_base + from, n);
		total += n;
		from += n;
		to += n;
		if (from == c->iov[o].iov_len)
			o++, from = 0;
		if (to == in[i].iov_len)
			i++, to = 0;
	}
	return u32_of(total);
}

static void pump(struct echo *e, struct virtio_queue *vq)
{
	struct vq_chain c = {.iov = e->iov, .room = ARRAY_SIZE(e->iov)};
	int rc;

	do {
		vq_kicks_off(&vq->vq);
		while ((rc = vq_pop(&vq->vq, &c)) == 1) {
			if (e->inspect)
				e->inspect(e, &vq->vq, &c);
			vq_push(&vq->vq, c.head, copy_chain(&c));
			e->served++;
		}
		vq_publish(&vq->vq);
		if (vq_want_interrupt(&vq->vq))
			virtio_used(&e->dev);
	} while (rc == 0 && vq_kicks_on(&vq->vq));
	if (rc < 0)
		virtio_broken(&e->dev, rc == -EPROTO ? vq->vq.why : "chain in too many pieces");
}

static void kicked(void *arg, unused uint32_t revents)
{
	struct echo_port *p = arg;

	fd_event_take(p->q->kick_fd);
	pump(p->echo, p->q);
}

static void echo_stop(struct virtio_dev *d)
{
	for (unsigned i = 0; i < ECHO_QUEUES; i++)
		loop_del(&echo_of(d)->port[i].watch);
}

static int echo_start(struct virtio_dev *d)
{
	struct echo *e = echo_of(d);

	for (unsigned i = 0; i < ECHO_QUEUES; i++) {
		struct echo_port *p = &e->port[i];
		int rc;

		*p = (struct echo_port){.echo = e, .q = &e->queue[i]};
		p->watch = (struct loop_fd){
			.fd = e->queue[i].kick_fd, .events = EPOLLIN, .fn = kicked, .arg = p};
		rc = loop_add(d->loop, &p->watch);
		if (rc < 0) {
			echo_stop(d);
			return rc;
		}
		fd_event_set(e->queue[i].kick_fd); /* what was offered before DRIVER_OK */
	}
	return 0;
}

static void config_read(struct virtio_dev *d, uint32_t off, void *buf, uint32_t len)
{
	memcpy(buf, echo_of(d)->config + off, len);
}

static void config_write(struct virtio_dev *d, uint32_t off, const void *buf, uint32_t len)
{
	memcpy(echo_of(d)->config + off, buf, len);
}

static const struct virtio_dev_ops echo_ops = {
	.id = ECHO_ID,
	.config_len = ECHO_CONFIG,
	.config_read = config_read,
	.config_write = config_write,
	.start = echo_start,
	.stop = echo_stop,
};

int echo_create(struct echo *e, const struct gmem *mem, struct loop *loop)
{
	memset(e, 0, sizeof(*e));
	e->dev.ops = &echo_ops;
	e->dev.name = "echo0";
	e->dev.mem = mem;
	e->dev.offered = ECHO_FEATURES;
	e->dev.queue = e->queue;
	e->dev.nr_queues = ECHO_QUEUES;
	e->dev.loop = loop;
	for (unsigned i = 0; i < ECHO_QUEUES; i++)
		e->queue[i].num_max = ECHO_NUM_MAX;
	return virtio_init(&e->dev);
}

void echo_destroy(struct echo *e)
{
	virtio_fini(&e->dev);
}
