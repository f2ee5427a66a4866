// SPDX-License-Identifier: Apache-2.0
/*
 * A frame out of the guest: tx_kick() -> tx_turn() -> tx_one() -> tx_send(), and it is in the hands
 * of the backend. A frame into the guest: virtio_net_rx.c. On the ring path neither happens here.
 */
#include "devices/virtio_net.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "devices/net_features.h"
#include "devices/virtio_net_priv.h"
#include "devices/vnet_hdr.h"
#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"
#include "vmm/core/iov.h"
#include "vmm/core/le.h"
#include "vmm/core/log.h"

/*
 * A backend has no line rate. A nominal one is reported, because some users of a port refuse one
 * without speed (bonding); like any number here it limits nothing. Full duplex is the truth.
 */
#define NET_SPEED_MBIT  10000u
#define NET_DUPLEX_FULL 1u

/* ---- batches and turns */

bool net_link(const struct virtio_net *n)
{
	return n->link_wanted && !n->gone;
}

bool net_has(const struct virtio_net *n, unsigned feature_bit)
{
	return n->dev.accepted & FEATURE(feature_bit);
}

void net_push(struct net_queue *q, uint16_t head, uint32_t written)
{
	vq_push(q->vq, head, written);
	q->pushed++;
}

void net_publish(struct net_queue *q)
{
	if (!q->pushed)
		return;
	q->pushed = 0;
	vq_publish(q->vq);
	if (!vq_want_interrupt(q->vq)) {
		++*q->count.suppressed;
		return;
	}
	++*q->count.interrupts;
	virtio_used(&q->n->dev);
}

void net_again(struct net_queue *q)
{
	if (q->again)
		return;
	q->again = true;
	fd_event_set(q->kick.fd);
}

void net_take_kick(struct net_queue *q)
{
	uint64_t count = fd_event_take(q->kick.fd);

	if (count && q->again)
		count--;
	q->again = false;
	*q->count.kicks += count;
}

void net_broken(struct virtio_net *n, struct net_queue *q, int err)
{
	const char *why = err == -ENOBUFS ? "a chain of too many pieces" : q->vq->why;

	net_publish(q);
	virtio_broken(&n->dev, why);
}

/* ---- transmission */

/* The frame in one piece behind the header, for chains that one writev() does not take. */
static unsigned tx_gather(struct virtio_net *n, struct iovec *iov, unsigned nr)
{
	size_t len = iov_read(iov + 1, nr - 1, 0, n->tx.gather, sizeof(n->tx.gather));

	n->stats.tx_bytes_copied += len;
	iov[1] = (struct iovec){n->tx.gather, len};
	return 2;
}

/*
 * Hand over the frame in @c, whose iovec has a free entry in front. 0: done with it, sent or not;
 * -EAGAIN: the backend is full, nothing happened.
 */
static int tx_send(struct virtio_net *n, struct vq_chain *c)
{
	struct virtio_net_hdr_v1 hdr;
	const char *why = "shorter than its header";
	struct iovec *iov;
	unsigned used, nr;
	ssize_t sent;

	/* Our copy is what is judged and what is sent, wherever the driver placed it or changes it. */
	if (iov_read(c->iov, c->nr_out, 0, &hdr, sizeof(hdr)) < sizeof(hdr) ||
	    vnet_hdr_check_tx(&hdr, c->out_len - NET_HDR_LEN, n->dev.accepted, &why)) {
		log_guest("%s: a frame is not sent: %s", n->dev.name, why);
		n->stats.tx_dropped++;
		return 0;
	}
	if (!net_link(n)) {
		n->stats.tx_dropped++;
		return 0;
	}
	used = iov_skip(c->iov, c->nr_out, NET_HDR_LEN);
	iov = c->iov + used - 1;
	nr = c->nr_out - used + 1;
	iov[0] = (struct iovec){&hdr, sizeof(hdr)};
	if (nr > IOV_MAX)
		nr = tx_gather(n, iov, nr);

	sent = n->backend->frame->send(n->backend, iov, nr);
	if (sent == -EAGAIN)
		return -EAGAIN;
	if (sent < 0) {
		n->stats.tx_dropped++;
		return 0;
	}
	n->stats.tx_frames++;
	n->stats.tx_bytes += c->out_len;
	return 0;
}

/* One chain. 1 done with it; 0 none; -EAGAIN backend full; -EPROTO, -ENOBUFS broken rule. */
static int tx_one(struct virtio_net *n, struct net_turn *t)
{
	struct net_queue *q = &n->queue[NET_TX];
	struct vq_chain c = {.iov = n->tx.iov + 1, .room = NET_CHAIN_ROOM};
	int r = vq_pop(q->vq, &c);

	if (r != 1)
		return r;
	if (tx_send(n, &c) == -EAGAIN) {
		vq_unpop(q->vq, 1);
		return -EAGAIN;
	}
	net_push(q, c.head, 0); /* a modern device writes nothing here: virtio 1.2, 2.7.8 */
	t->frames++;
	t->pieces += c.nr_out + c.nr_in;
	t->bytes += c.out_len;
	return 1;
}

static void tx_turn(struct virtio_net *n)
{
	struct net_queue *q = &n->queue[NET_TX];
	struct net_turn t = {0};
	int r = 1;

	vq_kicks_off(q->vq);
	while (r == 1 && !net_turn_over(&t)) {
		r = tx_one(n, &t);
		if (r == 0 && vq_kicks_on(q->vq)) {
			vq_kicks_off(q->vq);
			r = 1;
		}
	}
	if (r == 1) {
		net_again(q);
	} else if (r == -EAGAIN) {
		n->stats.tx_full++;
		n->tx.blocked = true;
	} else if (r < 0) {
		net_broken(n, q, r);
		return;
	}
	net_publish(q);
}

static void tx_kick(void *arg, unused uint32_t revents)
{
	struct virtio_net *n = arg;

	net_take_kick(&n->queue[NET_TX]);
	if (!n->tx.blocked)
		tx_turn(n);
}

static void tx_can_send(void *arg)
{
	struct virtio_net *n = arg;

	if (!n->tx.blocked)
		return;
	n->tx.blocked = false;
	tx_turn(n);
}

/* ---- link */

/* @was: net_link() before the change. */
static void link_changed(struct virtio_net *n, bool was)
{
	if (net_link(n) == was)
		return;
	log_info("%s: link %s", n->dev.name, was ? "down" : "up");
	if (!n->dev.started || net_has(n, VIRTIO_NET_F_STATUS))
		virtio_config(&n->dev);
	if (!n->dev.started)
		return;
	if (was && n->path == NET_PATH_FRAMES)
		net_rx_link_down(n);
	net_path_review(n);
	if (n->path != NET_PATH_FRAMES)
		return;
	/* What waits on either side is looked at again under the new state. */
	for (unsigned i = NET_RX; i <= NET_TX; i++)
		if (vq_running(n->queue[i].vq))
			net_again(&n->queue[i]);
	n->tx.blocked = false;
}

void virtio_net_set_link(struct virtio_net *n, bool up)
{
	bool was = net_link(n);

	n->link_wanted = up;
	link_changed(n, was);
}

bool virtio_net_link(const struct virtio_net *n)
{
	return net_link(n);
}

static void backend_gone(void *arg, int err)
{
	struct virtio_net *n = arg;
	bool was = net_link(n);

	log_warn("%s: %s %s is gone: %s", n->dev.name, n->backend->kind, n->backend->label,
	         strerror(-err));
	n->gone = true;
	link_changed(n, was);
}

static void bad_ring(void *arg, unsigned ring)
{
	struct virtio_net *n = arg;
	char why[80];

	snprintf(why, sizeof(why), "%s found queue %u broken", n->backend->ring->name, ring);
	virtio_broken(&n->dev, why);
}

void virtio_net_announce(struct virtio_net *n)
{
	if (!n->dev.started || !net_has(n, VIRTIO_NET_F_GUEST_ANNOUNCE))
		return;
	n->announce = true;
	virtio_config(&n->dev);
}

/* ---- config space and features */

static void config_read(struct virtio_dev *d, uint32_t off, void *buf, uint32_t len)
{
	const struct virtio_net *n = container_of(d, struct virtio_net, dev);
	struct virtio_net_config c = {0};
	unsigned status = 0;

	/* A field exists when its feature is offered; before negotiation too (virtio 1.2, 2.5.2). */
	if (d->offered & FEATURE(VIRTIO_NET_F_MAC))
		memcpy(c.mac, n->filter.mac, sizeof(c.mac));
	if (net_link(n))
		status |= VIRTIO_NET_S_LINK_UP;
	if (n->announce)
		status |= VIRTIO_NET_S_ANNOUNCE;
	if (d->offered & FEATURE(VIRTIO_NET_F_STATUS))
		put_le16(&c.status, u16_of(status));
	if (d->offered & FEATURE(VIRTIO_NET_F_MTU))
		put_le16(&c.mtu, n->params.mtu);
	if (d->offered & FEATURE(VIRTIO_NET_F_SPEED_DUPLEX)) {
		put_le32(&c.speed, NET_SPEED_MBIT);
		c.duplex = NET_DUPLEX_FULL;
	}
	memcpy(buf, (const uint8_t *)&c + off, len);
}

static bool features_ok(unused const struct virtio_dev *d, uint64_t accepted)
{
	return (accepted & FEATURE(VIRTIO_F_VERSION_1)) && !net_features_missing(accepted);
}

uint64_t virtio_net_can(uint64_t backend_can, bool has_mtu)
{
	uint64_t offloads = NET_GUEST_OFFLOADS | NET_HOST_OFFLOADS;
	uint64_t can = (net_features_known() & ~offloads) | (backend_can & offloads);

	if (!has_mtu)
		can &= ~FEATURE(VIRTIO_NET_F_MTU);
	if (!(can & NET_GUEST_OFFLOADS))
		can &= ~FEATURE(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS);
	return net_features_close(can);
}

void net_set_offloads(struct virtio_net *n, uint64_t offloads)
{
	const uint32_t hdr_and_link = NET_HDR_LEN + 18;
	uint32_t mtu = n->params.mtu ? n->params.mtu : 1500;

	n->offloads = offloads;
	/* More than this may come, and goes through the spill buffer then. */
	n->rx.reach = (offloads & NET_GUEST_GSO) ? NET_RECV_MAX : hdr_and_link + mtu;
}

/* ---- life */

static void net_stop(struct virtio_dev *d)
{
	struct virtio_net *n = container_of(d, struct virtio_net, dev);

	loop_del(&n->queue[NET_CTRL].kick);
	net_path_stop(n);
	n->announce = false;
	if (memcmp(n->filter.mac, n->params.mac, sizeof(n->params.mac)) != 0)
		atomic_fetch_add(&d->config_generation, 1);
	rx_filter_init(&n->filter, n->params.mac, false, false);
}

static int start_ctrl(struct virtio_net *n)
{
	struct net_queue *q = &n->queue[NET_CTRL];

	q->pushed = 0;
	q->again = false;
	if (!net_has(n, VIRTIO_NET_F_CTRL_VQ) || !vq_running(q->vq))
		return 0;
	/* What was posted before DRIVER_OK is looked at now; an early kick is no kick. */
	fd_event_take(q->kick.fd);
	net_again(q);
	return loop_add(n->dev.loop, &q->kick);
}

static int net_start(struct virtio_dev *d)
{
	struct virtio_net *n = container_of(d, struct virtio_net, dev);
	int r;

	rx_filter_init(&n->filter, n->params.mac, net_has(n, VIRTIO_NET_F_CTRL_RX),
	               net_has(n, VIRTIO_NET_F_CTRL_VLAN));
	net_set_offloads(n, net_features_close(d->accepted & NET_GUEST_OFFLOADS));
	r = net_path_start(n);
	if (r == 0)
		r = start_ctrl(n);
	if (r < 0)
		net_stop(d);
	return r;
}

/* A peer must not touch the queue any more, so the other one is ours as well. */
static void net_release(struct virtio_dev *d, unsigned i)
{
	struct virtio_net *n = container_of(d, struct virtio_net, dev);

	if (i > NET_TX)
		return;
	n->releasing = true;
	net_path_review(n);
	n->releasing = false;
}

static const struct virtio_dev_ops net_ops = {
	.id = VIRTIO_ID_NET,
	.config_len = offsetof(struct virtio_net_config, rss_max_key_size),
	.config_read = config_read,
	.features_ok = features_ok,
	.start = net_start,
	.stop = net_stop,
	.release = net_release,
};

static bool params_ok(const struct virtio_net_params *p, uint64_t can)
{
	bool with_mtu = p->features & FEATURE(VIRTIO_NET_F_MTU);

	return !(p->features & ~can) && !net_features_missing(p->features) &&
	       (p->features & FEATURE(VIRTIO_F_VERSION_1)) && p->queue_size >= 2 &&
	       p->queue_size <= VQ_NUM_MAX && !(p->queue_size & (p->queue_size - 1)) &&
	       (!with_mtu || p->mtu >= 68);
}

static void init_queue(struct virtio_net *n, unsigned i, void (*kick)(void *arg, uint32_t revents))
{
	struct virtio_net_stats *s = &n->stats;
	struct net_queue *q = &n->queue[i];
	const struct net_counters counters[NET_QUEUES] = {
		[NET_RX] = {&s->rx_kicks, &s->rx_interrupts, &s->rx_interrupts_suppressed},
		[NET_TX] = {&s->tx_kicks, &s->tx_interrupts, &s->tx_interrupts_suppressed},
		[NET_CTRL] = {&s->ctrl_kicks, &s->ctrl_interrupts, &s->ctrl_interrupts_suppressed},
	};

	q->n = n;
	q->vq = &n->vq[i].vq;
	q->count = counters[i];
	q->kick = (struct loop_fd){.fd = n->vq[i].kick_fd, .events = EPOLLIN, .fn = kick, .arg = n};
}

int virtio_net_create(const struct virtio_net_params *p, struct net_backend *backend,
                      const struct gmem *mem, struct loop *loop, struct virtio_net **out)
{
	const bool with_ctrl = p->features & FEATURE(VIRTIO_NET_F_CTRL_VQ);
	struct virtio_net *n;
	int r;

	*out = NULL;
	if (!params_ok(p, virtio_net_can(backend->can, p->mtu != 0)) ||
	    (p->rings && (!backend->ring || (p->features & backend->ring_cannot))))
		return -EINVAL;
	/* Large, and mostly never touched: the kernel gives the pages when they are. */
	n = calloc(1, sizeof(*n));
	if (!n)
		return -ENOMEM;
	n->params = *p;
	n->backend = backend;
	n->link_wanted = !p->link_down;
	n->rings_wanted = p->rings;
	n->sink = (struct net_sink){
		.can_recv = net_rx_can_recv,
		.can_send = tx_can_send,
		.gone = backend_gone,
		.bad_ring = bad_ring,
		.arg = n,
	};
	rx_filter_init(&n->filter, p->mac, false, false);
	n->vq[NET_RX].num_max = n->vq[NET_TX].num_max = p->queue_size;
	n->vq[NET_CTRL].num_max = NET_CTRL_QUEUE_SIZE;
	n->dev = (struct virtio_dev){
		.ops = &net_ops,
		.name = p->name,
		.mem = mem,
		.offered = p->features,
		.queue = n->vq,
		.nr_queues = with_ctrl ? NET_QUEUES : NET_CTRL,
		.loop = loop,
	};
	r = virtio_init(&n->dev);
	if (r < 0) {
		free(n);
		return r;
	}
	init_queue(n, NET_RX, net_rx_kick);
	init_queue(n, NET_TX, tx_kick);
	init_queue(n, NET_CTRL, net_ctrl_kick);
	*out = n;
	return 0;
}

void virtio_net_destroy(struct virtio_net *n)
{
	if (!n)
		return;
	virtio_fini(&n->dev);
	free(n);
}

struct virtio_dev *virtio_net_dev(struct virtio_net *n)
{
	return &n->dev;
}

const struct virtio_net_stats *virtio_net_stats(const struct virtio_net *n)
{
	return &n->stats;
}
