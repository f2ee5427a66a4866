// SPDX-License-Identifier: Apache-2.0
/*
 * A frame out of the guest. The driver's write to QueueNotify sets the eventfd of the tx queue, and the pair's loop calls
 * net_tx_kick() -> tx_turn() -> tx_one() -> tx_send(): the frame is in the hands of the backend (net/). At the end of the
 * turn its buffers are shown to the driver as used, with an interrupt if it wants one: virtio_net_batch.c.
 *
 * A frame into the guest: virtio_net_rx.c. On the ring path (vhost-net, vhost-user) neither happens here.
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
#include "devices/virtio_provoke.h"
#include "devices/virtio_watch.h"
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

/* ---- what both sides agreed on */

bool net_link(const struct virtio_net *n)
{
	return n->link_wanted && !n->gone;
}

bool net_has(const struct virtio_net *n, unsigned feature_bit)
{
	return n->dev.accepted & FEATURE(feature_bit);
}

uint32_t net_hdr_len(const struct virtio_net *n)
{
	if (net_has(n, VIRTIO_NET_F_HASH_REPORT))
		return sizeof(struct net_ring_hdr);
	return net_has(n, VIRTIO_F_VERSION_1) || net_has(n, VIRTIO_NET_F_MRG_RXBUF)
	               ? NET_HDR_LEN
	               : NET_LEGACY_HDR_LEN;
}

/* ---- transmission */

/* Header and frame in one piece: short ones, and chains that one writev() does not take. */
static void tx_copy(struct net_pair *p, struct iovec *iov, unsigned nr)
{
	const size_t len = iov_read(iov + 1, nr - 1, 0, p->tx.gather, sizeof(p->tx.gather));

	p->stats.tx_bytes_copied += len;
	memcpy(&p->tx.whole, iov->iov_base, sizeof(p->tx.whole));
	*iov = (struct iovec){&p->tx.whole, sizeof(p->tx.whole) + len};
}

static void tx_count(struct net_pair *p, uint32_t len)
{
	p->stats.tx_frames++;
	p->stats.tx_bytes += len;
}

/*
 * Push what the backend is done with, and behind each what waited for it only. Most are done with a frame when send()
 * returns; a pair has done(), as its frames stay in this ring until the other end takes them.
 */
static void tx_collect(struct net_pair *p)
{
	const struct net_frame_ops *ops = p->backend->frame;
	struct net_tx *tx = &p->tx;
	unsigned done = ops->done ? ops->done(p->backend) : 0;

	for (; tx->nr; tx->nr--) {
		const struct net_tx_chain *c = &tx->chain[tx->first];

		if (c->sent && !done)
			break;
		if (c->sent) {
			done--;
			tx_count(p, c->len);
		}
		net_push(&p->queue[NET_TX], c->head, 0);
		tx->first = (tx->first + 1) % VQ_NUM_MAX;
	}
}

/* Done with the chain that was popped last, or (@sent) as soon as the backend says so. */
static void tx_finish(struct net_pair *p, const struct vq_chain *c, bool sent)
{
	struct net_tx *tx = &p->tx;

	if (!sent && !tx->nr)
		net_push(&p->queue[NET_TX], c->head, 0); /* writes nothing: virtio 1.2, 2.7.8 */
	else
		tx->chain[(tx->first + tx->nr++) % VQ_NUM_MAX] =
			(struct net_tx_chain){c->head, sent, c->out_len};
}

/* Somebody wants to have what is judged and sent, even if the driver changes it meanwhile. */
static void tx_go_by_copy(struct net_pair *p, struct vq_chain *c)
{
	uint8_t *const copy =
		virtio_watch_copy(p->n->dev.watch, net_queue_number(&p->queue[NET_TX]), c->iov,
	                          c->nr_out, c->out_len);

	if (!copy)
		return;
	c->iov[0] = (struct iovec){copy, c->out_len};
	c->nr_out = 1;
}

/*
 * Hand over the frame in @c, whose iovec has a free entry in front. 0: done with it, sent or not; 1: the backend
 * is not yet; -EAGAIN: it is full, nothing happened.
 */
static int tx_send(struct net_pair *p, struct vq_chain *c)
{
	/* What is behind these bytes in a longer header says nothing in this direction. */
	const uint32_t hdr_len = net_hdr_len(p->n);
	const struct net_frame_ops *ops = p->backend->frame;
	struct virtio_net_hdr_v1 hdr;
	const char *why = "shorter than its header";
	struct iovec *iov;
	unsigned used, nr;
	ssize_t sent;

	if (unlikely(p->n->dev.watch) && !ops->done)
		tx_go_by_copy(p, c);
	/* Our copy is what is judged and what is sent, wherever the driver placed it or changes it. */
	iov_read(c->iov, c->nr_out, 0, &hdr, sizeof(hdr));
	if (c->out_len < hdr_len ||
	    vnet_hdr_check_tx(&hdr, c->out_len - hdr_len, p->n->dev.accepted, &why)) {
		log_guest("%s: a frame is not sent: %s", p->n->dev.name, why);
		p->stats.tx_dropped++;
		return 0;
	}
	if (!p->view.link) {
		p->stats.tx_dropped++;
		return 0;
	}
	used = iov_skip(c->iov, c->nr_out, hdr_len);
	iov = c->iov + used - 1;
	nr = c->nr_out - used + 1;
	iov[0] = (struct iovec){&hdr, sizeof(hdr)};
	if ((c->out_len <= NET_COPY_MAX || nr > IOV_MAX) && !ops->done) {
		tx_copy(p, iov, nr);
		nr = 1;
	}
	sent = ops->send(p->backend, iov, nr);
	if (sent == -EAGAIN)
		return -EAGAIN;
	if (sent < 0) {
		p->stats.tx_dropped++;
		return 0;
	}
	if (unlikely(p->n->dev.watch))
		virtio_watch_frame(p->n->dev.watch, net_queue_number(&p->queue[NET_TX]), iov, nr,
		                   (size_t)sent);
	if (ops->done)
		return 1;
	tx_count(p, c->out_len);
	return 0;
}

/* One chain. 1 done with it; 0 none; -EAGAIN backend full; -EPROTO, -ENOBUFS broken rule. */
static int tx_one(struct net_pair *p, struct net_turn *t)
{
	struct net_queue *q = &p->queue[NET_TX];
	struct vq_chain c = {.iov = p->tx.iov + 1, .room = NET_CHAIN_ROOM};
	int r = vq_pop(q->vq, &c);
	unsigned parts;

	if (r != 1)
		return r;
	parts = !vq_waiting(q->vq); /* before it is sent: that takes long */
	r = tx_send(p, &c);
	if (r == -EAGAIN) {
		vq_unpop(q->vq, 1);
		return -EAGAIN;
	}
	tx_finish(p, &c, r == 1);
	t->frames++;
	t->pieces += c.nr_out + c.nr_in;
	t->bytes += c.out_len;
	t->parts += parts;
	return 1;
}

/* Up to @frames; net_turn_over() says when it is over in any case. */
static void tx_turn(struct net_pair *p, unsigned frames)
{
	struct net_queue *q = &p->queue[NET_TX];
	struct net_turn t = {0};
	bool told, burst;
	int r = 1;

	p->stats.tx_turns++;
	net_hold_kicked(p); /* whoever has not kicked */
	told = net_hold_end(p);
	tx_collect(p);
	vq_kicks_off(q->vq);
	while (r == 1 && t.frames < frames && !net_turn_over(&t)) {
		r = tx_one(p, &t);
		/* Who looks again before the loop sleeps asks for no kick until then: net_tx_rest(). */
		if (r == 0 && !p->polls && vq_kicks_on(q->vq)) {
			vq_kicks_off(q->vq);
			r = 1;
		}
	}
	if (r == 1) {
		net_again(q);
	} else if (r == -EAGAIN) {
		p->stats.tx_full++;
		p->tx.blocked = true;
	} else if (r < 0) {
		net_broken(q, r);
		return;
	}
	burst = net_burst_sent(p, &t);
	if (!net_show(q))
		return;
	/* About a lone frame, or a burst, the driver is told now or later: virtio_net_hold.c. */
	if (r == 0 && (t.frames == 1 || burst) && !told)
		net_hold(p);
	else
		net_tell_used(q);
}

void net_tx_kick(void *arg, unused uint32_t revents)
{
	struct net_pair *p = arg;
	const bool again = p->queue[NET_TX].again; /* it may be our own */

	net_take_kick(&p->queue[NET_TX]);
	net_hold_kicked(p);
	if (p->tx.blocked || (!again && net_burst_waits(p)))
		return;
	tx_turn(p, NET_TURN_FRAMES);
}

void net_tx_now(struct net_pair *p)
{
	if (p->queue[NET_TX].live && !p->tx.blocked)
		tx_turn(p, NET_TURN_FRAMES);
	net_try(p);
}

/* Is a kick at @now one of many? See NET_INLINE_GAP_NS. */
static bool in_a_stream(struct net_pair *p, uint64_t now)
{
	struct net_tx *t = &p->tx;
	const uint64_t since = now - t->kicked_ns, came = p->stats.rx_frames - t->kicked_rx;
	const bool slow = t->inline_ns > NET_INLINE_GAP_NS / NET_INLINE_GAP_TURNS;
	const uint64_t gap = slow ? NET_INLINE_GAP_TURNS * t->inline_ns : NET_INLINE_GAP_NS;
	const bool stream = since < gap || (came > 1 && since < NET_INLINE_RECENT * gap);

	t->kicked_ns = now;
	t->kicked_rx = p->stats.rx_frames;
	if (stream)
		t->inline_ns /= 2; /* it may have taken long by chance */
	return stream;
}

bool net_tx_kick_inline(void *arg)
{
	struct net_pair *p = arg;
	const struct net_queue *q = &p->queue[NET_TX];
	const struct net_backend *b = p->backend;
	struct virtio_net_stats *s = &p->stats;
	const uint64_t interrupts = s->tx_interrupts;
	const uint64_t calls = b->stats.syscalls_send + s->self_kicks;
	const uint64_t now = loop_now_ns();

	/* Who watches or provokes the driver expects each queue's work on its own thread. */
	if (in_a_stream(p, now) || !q->live || q->again || p->tx.blocked || q->n->dev.watch ||
	    q->n->dev.provoke)
		return false;
	s->tx_kicks++;
	s->tx_inline++;
	tx_turn(p, NET_INLINE_FRAMES);
	p->tx.inline_ns = loop_now_ns() - now;
	s->tx_inline_interrupts += s->tx_interrupts - interrupts;
	s->tx_inline_calls += b->stats.syscalls_send + s->self_kicks - calls;
	return true;
}

void net_tx_can_send(void *arg)
{
	struct net_pair *p = arg;

	if (!p->tx.blocked)
		return;
	p->tx.blocked = false;
	tx_turn(p, NET_TURN_FRAMES);
}

bool net_tx_look(struct net_pair *p)
{
	struct net_queue *q = &p->queue[NET_TX];
	const bool due = net_take_due(q);

	if (!q->live || p->tx.blocked || (!due && !vq_waiting(q->vq)))
		return false;
	tx_turn(p, NET_TURN_FRAMES);
	return true;
}

bool net_tx_rest(struct net_pair *p)
{
	const struct net_queue *q = &p->queue[NET_TX];

	return !q->live || p->tx.blocked || (!q->due && !vq_kicks_on(q->vq));
}

void net_tx_sent(void *arg)
{
	struct net_pair *p = arg;

	tx_collect(p);
	net_publish(&p->queue[NET_TX]);
}

void net_tx_stop(struct net_pair *p)
{
	net_tx_sent(p);
	net_hold_end(p);
	vq_unpop(p->queue[NET_TX].vq, p->tx.nr);
	p->tx.nr = 0;
	p->tx.blocked = false;
}

void net_tx_recall(struct net_pair *p)
{
	const struct net_frame_ops *ops = p->backend->frame;

	if (!p->tx.nr || !ops->done)
		return;
	ops->recall(p->backend, true);
	net_tx_stop(p);
	net_again(&p->queue[NET_TX]);
}

void net_tx_release(struct net_pair *p)
{
	const struct net_frame_ops *ops = p->backend->frame;

	/* Also when nothing is on its way: what was taken back before, in a pause, does not come either. */
	if (ops->done) {
		ops->recall(p->backend, false);
		ops->done(p->backend);
	}
	p->tx.nr = 0;
	p->tx.blocked = false;
	p->hold.late.at_ns = 0;
	p->burst.late.at_ns = 0;
}

/* ---- link */

/* @was: net_link() before the change. */
static void link_changed(struct virtio_net *n, bool was)
{
	/*
	 * Before the pairs hear of a link that is up: a frame that one of them took at once, and had no buffers for,
	 * would keep the rings from their peer.
	 */
	if (!was && net_link(n))
		net_path_review(n);
	net_pairs_update(n); /* from here on nothing that was before is delivered */
	if (net_link(n) == was)
		return;
	log_info("%s: link %s", n->dev.name, was ? "down" : "up");
	if (!n->dev.started || net_has(n, VIRTIO_NET_F_STATUS))
		virtio_config(&n->dev);
	else
		virtio_config_unheard(&n->dev);
	if (!n->dev.started)
		return;
	if (was)
		net_path_review(n);
	net_pairs_link(n);
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

void net_backend_gone(struct virtio_net *n, int err)
{
	const bool was = net_link(n);

	if (n->gone)
		return;

	log_warn("%s: %s %s is gone: %s", n->dev.name, n->backend->kind, n->backend->label,
	         strerror(-err));
	n->gone = true;
	link_changed(n, was);
}

/* As the backend tells it that said so to attend(). */
static void peer_changed(void *arg, bool up)
{
	struct virtio_net *n = arg;
	bool was = net_link(n);

	n->gone = !up;
	link_changed(n, was);
	if (n->dev.started) /* also when the link stays down: who serves may be another */
		net_path_review(n);
	if (up) /* to whom it may be new where we are */
		virtio_net_announce(n);
}

int virtio_net_use(struct virtio_net *n, struct net_backend *b)
{
	if (n->rings_wanted)
		return -EBUSY;
	n->backend = b;
	return net_pairs_call(n, n->nr_pairs, net_pair_use);
}

void net_bad_ring(struct virtio_net *n, unsigned ring)
{
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
	if (d->offered & NET_SEVERAL_PAIRS)
		put_le16(&c.max_virtqueue_pairs, u16_of(n->nr_pairs));
	if (d->offered & FEATURE(VIRTIO_NET_F_RSS))
		put_le16(&c.rss_max_indirection_table_length, RSS_TABLE_MAX);
	if (d->offered & (FEATURE(VIRTIO_NET_F_RSS) | FEATURE(VIRTIO_NET_F_HASH_REPORT))) {
		c.rss_max_key_size = RSS_KEY_MAX;
		put_le32(&c.supported_hash_types, RSS_HASH_TYPES);
	}
	memcpy(buf, (const uint8_t *)&c + off, len);
}

/*
 * Of a legacy device its driver may write the address, at any time (virtio 1.2, 5.1.4.3, 3.1.2): byte by byte, so
 * what stands there in between is nobody's fault.
 */
static void config_write(struct virtio_dev *d, uint32_t off, const void *buf, uint32_t len)
{
	struct virtio_net *n = container_of(d, struct virtio_net, dev);
	const uint64_t fixed = FEATURE(VIRTIO_F_VERSION_1);

	if ((d->offered & fixed) || !(d->offered & FEATURE(VIRTIO_NET_F_MAC)) ||
	    off >= sizeof(n->filter.mac))
		return;
	memcpy(n->filter.mac + off, buf, min_u32(len, u32_of(sizeof(n->filter.mac)) - off));
	net_pairs_update(n);
}

static bool features_ok(unused const struct virtio_dev *d, uint64_t accepted)
{
	return !net_features_missing(accepted);
}

uint64_t virtio_net_can(uint64_t backend_can, bool has_mtu)
{
	uint64_t its = NET_GUEST_OFFLOADS | NET_HOST_OFFLOADS | FEATURE(VIRTIO_NET_F_MQ);
	uint64_t can =
		(net_features_known() & ~its & ~FEATURE(VIRTIO_F_ANY_LAYOUT)) | (backend_can & its);

	if (!(can & FEATURE(VIRTIO_NET_F_MQ)))
		can &= ~FEATURE(VIRTIO_NET_F_RSS); /* nothing to choose among */

	if (!has_mtu)
		can &= ~FEATURE(VIRTIO_NET_F_MTU);
	if (!(can & NET_GUEST_OFFLOADS))
		can &= ~FEATURE(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS);
	return net_features_close(can);
}

/* ---- life */

static void net_pause(struct virtio_dev *d)
{
	struct virtio_net *n = container_of(d, struct virtio_net, dev);

	loop_del(&n->ctrl.kick);
	net_path_pause(n);
	net_pairs_forget(n);
}

/* Who is received for is as it was in the beginning: a legacy driver may have written the address before a start. */
static void net_reset(struct virtio_dev *d)
{
	struct virtio_net *n = container_of(d, struct virtio_net, dev);

	if (memcmp(n->filter.mac, n->params.mac, sizeof(n->params.mac)) != 0)
		atomic_fetch_add(&d->config_generation, 1);
	rx_filter_init(&n->filter, n->params.mac, false, false);
}

static void net_stop(struct virtio_dev *d)
{
	struct virtio_net *n = container_of(d, struct virtio_net, dev);

	net_pause(d);
	net_path_stop(n);
	n->announce = n->pairs_by_queues = false;
	n->report = (struct rss_hash){0};
	net_reset(d);
}

static int start_ctrl(struct virtio_net *n)
{
	const bool several = n->dev.accepted & NET_SEVERAL_PAIRS;
	struct net_queue *q = &n->ctrl;
	/* Where it is depends on what the driver knows of pairs (virtio 1.2, 5.1.2). */
	struct virtio_queue *vq = &n->vq[several ? NET_PAIR_QUEUES * n->nr_pairs : NET_CTRL];

	q->vq = &vq->vq;
	q->kick.fd = vq->kick_fd;
	q->pushed = 0;
	q->again = false;
	if (!net_has(n, VIRTIO_NET_F_CTRL_VQ) || !vq_running(q->vq))
		return 0;
	/* What was posted before DRIVER_OK is looked at now; an early kick is no kick. */
	fd_event_take(q->kick.fd);
	if (!net_waits_for_kick(n))
		net_again(q);
	return loop_add(n->dev.loop, &q->kick);
}

static int net_start(struct virtio_dev *d)
{
	struct virtio_net *n = container_of(d, struct virtio_net, dev);
	uint8_t mac[sizeof(n->filter.mac)];
	int r;

	memcpy(mac, n->filter.mac, sizeof(mac)); /* which a legacy driver may have written */
	rx_filter_init(&n->filter, mac, net_has(n, VIRTIO_NET_F_CTRL_RX),
	               net_has(n, VIRTIO_NET_F_CTRL_VLAN));
	n->offloads = net_features_close(d->accepted & NET_GUEST_OFFLOADS);
	r = net_path_start(n);
	if (r == 0)
		r = start_ctrl(n);
	if (r < 0)
		net_stop(d);
	return r;
}

static int net_resume(struct virtio_dev *d)
{
	struct virtio_net *n = container_of(d, struct virtio_net, dev);
	int r = net_path_resume(n);

	if (r == 0)
		r = start_ctrl(n);
	/* A driver that has this queue uses one pair until it says more. */
	if (r == 0 && n->ctrl.kick.loop && n->pairs_by_queues) {
		n->pairs_by_queues = false;
		r = net_path_steer(n, &(struct net_steering){.pairs = 1});
	}
	if (r < 0)
		net_stop(d);
	return r;
}

int virtio_net_use_pairs(struct virtio_net *n, unsigned nr)
{
	const struct net_steering want = {.pairs = nr};

	if (!n->dev.started || nr < 1 || nr > n->nr_pairs)
		return -EINVAL;
	if (n->ctrl.kick.loop)
		return 0;
	n->pairs_by_queues = true;
	return net_path_steer(n, &want);
}

/* A peer must not touch the queue any more, so all of them are ours; nor must the pair's thread. */
static void net_release(struct virtio_dev *d, unsigned i)
{
	struct virtio_net *n = container_of(d, struct virtio_net, dev);

	if (i >= NET_PAIR_QUEUES * n->steering.pairs)
		return;
	n->releasing = &n->pair[i / NET_PAIR_QUEUES].queue[i % NET_PAIR_QUEUES];
	net_path_review(n);
	net_pairs_release(n);
	n->releasing = NULL;
}

/* Frames out of the guest only: all else is rare, or not urgent. */
static bool net_kick(struct virtio_dev *d, unsigned queue)
{
	struct virtio_net *n = container_of(d, struct virtio_net, dev);
	const unsigned pair = queue / NET_PAIR_QUEUES;

	if (!n->params.kick_inline || queue % NET_PAIR_QUEUES != NET_TX || pair >= n->nr_pairs)
		return false;
	return loop_visit(n->pair[pair].loop, net_tx_kick_inline, &n->pair[pair]);
}

static const struct virtio_dev_ops net_ops = {
	.id = VIRTIO_ID_NET,
	.config_len = sizeof(struct virtio_net_config),
	.config_read = config_read,
	.config_write = config_write,
	.features_ok = features_ok,
	.start = net_start,
	.stop = net_stop,
	.release = net_release,
	.kick = net_kick,
	.pause = net_pause,
	.resume = net_resume,
	.reset = net_reset,
};

static bool params_ok(const struct virtio_net_params *p, uint64_t can)
{
	bool with_mtu = p->features & FEATURE(VIRTIO_NET_F_MTU);
	bool legacy = !(p->features & FEATURE(VIRTIO_F_VERSION_1));

	if (legacy)
		can = net_features_legacy(can);
	return !(p->features & ~can) && !net_features_missing(p->features) &&
	       !(legacy && p->rings) && p->queue_size >= 2 && p->queue_size <= VQ_NUM_MAX &&
	       !(p->queue_size & (p->queue_size - 1)) && (!with_mtu || p->mtu >= 68) &&
	       p->more_pairs < VIRTIO_NET_PAIRS_MAX;
}

int virtio_net_create(const struct virtio_net_params *p, struct net_backend *backend,
                      const struct gmem *mem, struct loop *loop, struct virtio_net **out)
{
	struct virtio_net *n;
	struct virtio_net_stats *s;
	int r;

	*out = NULL;
	if (!params_ok(p, virtio_net_can(backend->can, p->mtu != 0)) ||
	    (p->rings && (!backend->ring || (p->features & backend->ring_cannot))))
		return -EINVAL;
	n = calloc(1, sizeof(*n));
	if (!n)
		return -ENOMEM;
	n->news.fd = -1;
	n->params = *p;
	n->backend = backend;
	n->link_wanted = !p->link_down;
	n->rings_wanted = p->rings;
	n->nr_pairs = p->features & NET_SEVERAL_PAIRS ? 1 + p->more_pairs : 1;
	n->gone = backend->attend && !backend->attend(backend, peer_changed, n);
	rx_filter_init(&n->filter, p->mac, false, false);
	n->dev = (struct virtio_dev){
		.ops = &net_ops,
		.name = p->name,
		.mem = mem,
		.offered = p->features,
		.queue = n->vq,
		.nr_queues = NET_PAIR_QUEUES * n->nr_pairs,
		.loop = loop,
		.signal = backend->signal,
	};
	for (unsigned i = 0; i < n->dev.nr_queues; i++)
		n->vq[i].num_max = p->queue_size;
	if (p->features & FEATURE(VIRTIO_NET_F_CTRL_VQ))
		n->vq[n->dev.nr_queues++].num_max = NET_CTRL_QUEUE_SIZE;
	r = virtio_init(&n->dev);
	if (r == 0)
		r = net_pairs_create(n);
	if (r < 0) {
		virtio_net_destroy(n);
		return r;
	}
	s = &n->pair[0].stats;
	n->ctrl = (struct net_queue){
		.n = n,
		.kick = {.fd = -1,
	                 .events = EPOLLIN,
	                 .fn = net_ctrl_kick,
	                 .arg = n,
	                 .patient = true},
		.count = {&s->ctrl_kicks, &s->ctrl_kick_reads, &s->self_kicks, &s->ctrl_interrupts,
	                  &s->ctrl_interrupts_suppressed},
	};
	*out = n;
	return 0;
}

void virtio_net_destroy(struct virtio_net *n)
{
	if (!n)
		return;
	if (n->backend->attend)
		n->backend->attend(n->backend, NULL, NULL);
	virtio_fini(&n->dev);
	net_pairs_destroy(n);
	free(n);
}

struct virtio_dev *virtio_net_dev(struct virtio_net *n)
{
	return &n->dev;
}

unsigned virtio_net_pairs(const struct virtio_net *n, bool *by_rss)
{
	*by_rss = n->steering.by_rss;
	return n->steering.pairs;
}

const struct virtio_net_stats *virtio_net_stats(const struct virtio_net *n)
{
	return virtio_net_pair_stats(n, 0);
}

unsigned virtio_net_nr_pairs(const struct virtio_net *n)
{
	return n->nr_pairs;
}

const struct virtio_net_stats *virtio_net_pair_stats(const struct virtio_net *n, unsigned pair)
{
	return &n->pair[pair].stats;
}
