// SPDX-License-Identifier: Apache-2.0
/*
 * A frame into the guest: the backend calls net_rx_can_recv() -> net_rx_turn() -> rx_one(), which takes the steps
 * rx_recv(), rx_judge(), rx_finish() and rx_deliver().
 *
 * Each recv() gets our own 12 bytes for the header, then buffers that the driver posted, as many as frames of late
 * needed, then the spill buffer, so that there always is room for the largest frame. While all frames are short it gets
 * the spill buffer alone, and they are copied: rx_pieces(). What has to be thrown away consumed nothing: the next frame is
 * received over it.
 *
 * With HASH_REPORT the driver's header is longer, and a legacy driver's may be shorter: what a recv() got counts for so
 * much more or less from there on (rx_recv()).
 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "devices/net_features.h"
#include "devices/virtio_net_priv.h"
#include "devices/virtio_provoke.h"
#include "devices/virtio_watch.h"
#include "devices/vnet_hdr.h"
#include "vmm/core/compiler.h"
#include "vmm/core/iov.h"
#include "vmm/core/le.h"

/* Of the pieces that readv() takes, the header and the spill buffer are ours. */
#define RX_PIECES (IOV_MAX - 2u)

/*
 * With MRG_RXBUF so many pieces are taken off the ring behind a turn, when the driver has posted them: then all at once, and
 * what a frame needs is there when it comes. docs/measurements.md has figures.
 */
#define RX_AHEAD 256u

#define RX_USUAL_FRAMES 256u

static struct vq *rx_vq(struct net_pair *p)
{
	return p->queue[NET_RX].vq;
}

/* ---- where frames come from: the backend, or whoever read it and found that they are for us */

static ssize_t source_recv(struct net_pair *p, const struct iovec *iov, unsigned nr)
{
	const ssize_t got = unlikely(p->view.by_rss) ? net_inbox_recv(p, iov, nr)
	                                             : p->backend->frame->recv(p->backend, iov, nr);

	if (unlikely(p->n->dev.watch) && got > 0)
		virtio_watch_frame(p->n->dev.watch, NET_PAIR_QUEUES * p->index + NET_RX, iov, nr,
		                   (size_t)got);
	return got;
}

/* With RSS the backend is read all the same: what it has may be for another pair. */
static void source_want(struct net_pair *p, bool on)
{
	if (p->backend_started && !p->view.by_rss)
		p->backend->frame->want_recv(p->backend, on);
}

/* ---- waiting for the driver */

/* Nothing to receive into: the backend keeps what it has until the driver kicks. */
static void rx_stall(struct net_pair *p)
{
	p->rx.stalled = true;
	source_want(p, false);
}

/* No queue to receive into: the backend keeps what it has, but while the link is down that is lost as ever. */
static void rx_without_queue(struct net_pair *p)
{
	if (p->view.link)
		rx_stall(p);
}

static void rx_unstall(struct net_pair *p)
{
	if (!p->rx.stalled)
		return;
	p->rx.stalled = false;
	vq_kicks_off(rx_vq(p));
	source_want(p, true);
}

/* The ring is empty: ask for a kick. 1 when buffers slipped in meanwhile, else -EAGAIN. */
static int rx_await_kick(struct net_pair *p)
{
	if (p->polls) /* it is asked for when the loop sleeps: net_rx_rest() */
		return vq_waiting(rx_vq(p)) ? 1 : -EAGAIN;
	if (!vq_kicks_on(rx_vq(p)))
		return -EAGAIN;
	vq_kicks_off(rx_vq(p));
	return 1;
}

/* ---- one frame */

/*
 * Bytes of buffers to have before a recv(). Without MRG_RXBUF a frame may use one chain, so one is all
 * that the window ever holds.
 */
static uint64_t rx_want(const struct net_pair *p)
{
	return p->rx.spread ? p->rx.reach : 1;
}

static void rx_drop(struct net_pair *p)
{
	p->rx.waiting = 0;
	p->stats.rx_dropped++;
}

/*
 * Pieces of the window that a recv() is given: enough for frames like the last ones. The kernel looks at each piece
 * that it is given, and to be ready for the largest frame takes dozens of a driver's buffers. *room: bytes of a frame
 * that they have room for, with its header.
 */
static unsigned rx_pieces(const struct net_rx *rx, const struct iovec *iov, unsigned nr,
                          size_t *room)
{
	const uint64_t want = rx->spread ? min_u64(rx->usual, rx->reach) : rx->usual;
	unsigned i = 0;

	*room = rx->hdr_len;
	if (rx->usual <= NET_COPY_MAX)
		return 0;
	while (i < nr && *room < want)
		*room += iov[i++].iov_len;
	return i;
}

/* A larger frame than usual goes through the spill buffer, once: then it is usual for a while. */
static void rx_note_size(struct net_rx *rx)
{
	rx->largest = rx->largest > rx->waiting ? rx->largest : rx->waiting;
	if (rx->waiting > rx->usual) {
		rx->usual = UINT32_MAX;
		rx->noted = 0;
	}
	if (++rx->noted < RX_USUAL_FRAMES)
		return;
	rx->usual = rx->largest;
	rx->largest = rx->noted = 0;
}

/* recv() into the window behind our header, and into the spill buffer behind that. As source_recv(). */
static ssize_t rx_recv_parts(struct net_pair *p, struct iovec *iov, unsigned nr)
{
	struct net_rx *rx = &p->rx;
	const struct iovec behind = iov[nr]; /* perhaps a piece that readv() has no place for */
	ssize_t got;

	iov[-1] = (struct iovec){&rx->hdr.v1, sizeof(rx->hdr.v1)};
	iov[nr] = (struct iovec){rx->spill, sizeof(rx->spill)};
	got = source_recv(p, iov - 1, nr + 2);
	iov[nr] = behind;
	return got;
}

/* All of it into the spill buffer. */
static ssize_t rx_recv_whole(struct net_pair *p)
{
	struct net_rx *rx = &p->rx;
	const struct iovec iov = {&rx->whole, sizeof(rx->whole) + sizeof(rx->spill)};
	const ssize_t got = source_recv(p, &iov, 1);

	rx->hdr.v1 = rx->whole;
	return got;
}

/*
 * recv() into header, window and spill buffer: rx->waiting bytes, the last rx->spilled of them in the
 * spill buffer. False: nothing there.
 */
static bool rx_recv(struct net_pair *p)
{
	struct net_rx *rx = &p->rx;
	struct iovec *iov;
	unsigned nr = rx_window_pieces(&rx->window, &iov);
	size_t room;
	ssize_t got;

	nr = rx_pieces(rx, iov, min_u32(nr, RX_PIECES), &room);
	got = nr ? rx_recv_parts(p, iov, nr) : rx_recv_whole(p);
	if (got <= 0)
		return false;

	/* A frame that is none, with less than a header, is dropped: rx_judge(). */
	rx->waiting =
		rx->hdr_len + ((size_t)got > NET_HDR_LEN ? u32_of((size_t)got) - NET_HDR_LEN : 0);
	rx->spilled = 0;
	rx_note_size(rx);
	if (rx->waiting > room)
		rx->spilled = u32_of(rx->waiting - room);
	return true;
}

/* The start of the frame in hand, @max bytes or all, which the driver cannot change. *head: where; bytes. */
static uint32_t rx_head(struct net_pair *p, const uint8_t **head, uint32_t max)
{
	struct net_rx *rx = &p->rx;
	uint32_t len = min_u32(rx->waiting - rx->hdr_len, max);
	uint32_t direct = min_u32(rx->waiting - rx->hdr_len - rx->spilled, len);
	struct iovec *iov;
	unsigned nr = rx_window_pieces(&rx->window, &iov);

	*head = direct ? rx->head : rx->spill;
	if (likely(direct == RX_FILTER_LOOK && len == direct)) { /* known when compiled */
		iov_read(iov, nr, 0, rx->head, RX_FILTER_LOOK);
	} else if (direct) {
		iov_read(iov, nr, 0, rx->head, direct);
		memcpy(rx->head + direct, rx->spill, len - direct);
	}
	return len;
}

_Static_assert(RSS_LOOK >= RX_FILTER_LOOK, "who hashes sees what the filter looks at");

/* The hash behind the header of the frame in hand, of which @head has the first @len bytes. */
static void rx_report(struct net_pair *p, const uint8_t *head, uint32_t len)
{
	struct net_ring_hdr *h = &p->rx.hdr;
	uint32_t value;

	put_le16(h->hash_report, rss_hash(&p->view.report, head, len, &value));
	put_le32(h->hash_value, value);
}

/*
 * Is the frame in hand for the driver, and in a form that it can take? Otherwise it is counted and
 * gone. Leaves the header as the driver will see it, but for num_buffers.
 */
static bool rx_judge(struct net_pair *p)
{
	struct net_rx *rx = &p->rx;
	const bool report = rx->hdr_len > NET_HDR_LEN;
	const uint8_t *head;
	uint32_t frame_len, len, max;

	if (rx->waiting < rx->hdr_len + VNET_FRAME_MIN) {
		rx_drop(p);
		return false;
	}
	frame_len = rx->waiting - rx->hdr_len;
	len = rx_head(p, &head, report ? RSS_LOOK : RX_FILTER_LOOK);
	if (!rx_filter_wants(&p->view.filter, head, len)) {
		rx->waiting = 0;
		p->stats.rx_filtered++;
		return false;
	}
	if (vnet_hdr_check_rx(&rx->hdr.v1, frame_len, p->view.offloads)) {
		rx_drop(p);
		return false;
	}
	/* virtio 1.2, 5.1.4.1: no larger frame than mtu and link header, unless it is to be cut up. */
	max = p->n->params.mtu + (rx_filter_tagged(head, len) ? 18u : 14u);
	if (net_has(p->n, VIRTIO_NET_F_MTU) && rx->hdr.v1.gso_type == VIRTIO_NET_HDR_GSO_NONE &&
	    frame_len > max) {
		rx_drop(p);
		return false;
	}
	if (report)
		rx_report(p, head, len);
	return true;
}

/* What is in each of the @chains that the frame in hand takes. */
static void rx_tell(struct net_pair *p, unsigned chains)
{
	uint32_t left = p->rx.waiting;

	for (unsigned i = 0; i < chains; i++) {
		const struct rx_chain *c = rx_window_at(&p->rx.window, i);
		const uint32_t used = min_u32(c->len, left);

		left -= used;
		virtio_watch_wrote(p->n->dev.watch, net_queue_number(&p->queue[NET_RX]), c->head,
		                   used);
	}
}

/* What the frame in hand leaves of its @chains is whoever's that provokes the device. */
static void rx_provoke(struct net_pair *p, struct vq_provoke *provoke, unsigned chains)
{
	struct net_rx *rx = &p->rx;
	struct iovec *iov;
	struct vq_tail tail = {.nr = rx_window_pieces(&rx->window, &iov),
	                       .from = rx->waiting - rx->hdr_len};
	uint64_t room = 0;

	for (unsigned i = 0; i < chains; i++)
		room += rx_window_at(&rx->window, i)->len;
	tail.iov = iov;
	tail.len = room - rx->waiting;
	provoke->rx_header(provoke, &rx->hdr.v1);
	provoke->rx_tail(provoke, &tail);
}

/* Not a plain one: with a hash, or of version 1; and while somebody provokes the device, or looks on. */
static void rx_write_header(struct net_pair *p, unsigned chains)
{
	struct net_rx *rx = &p->rx;
	struct vq_provoke *provoke = rx_vq(p)->provoke;

	if (provoke)
		rx_provoke(p, provoke, chains);
	iov_write(rx->window.hdr, rx->window.nr_hdr, 0, &rx->hdr, rx->hdr_len);
	if (p->n->dev.watch)
		rx_tell(p, chains);
}

/* The window holds all of the frame in hand, in its first @chains chains: give them to the driver. */
static void rx_deliver(struct net_pair *p, unsigned chains, struct net_turn *t)
{
	struct net_rx *rx = &p->rx;
	uint32_t left = rx->waiting;
	struct iovec *iov;
	unsigned nr = rx_window_pieces(&rx->window, &iov);

	if (rx->spilled)
		iov_write(iov, nr, rx->waiting - rx->hdr_len - rx->spilled, rx->spill, rx->spilled);
	put_le16(&rx->hdr.v1.num_buffers, u16_of(chains));
	if (unlikely(!rx->plain_hdr))
		rx_write_header(p, chains);
	else /* a length that is known when compiled */
		iov_write(rx->window.hdr, rx->window.nr_hdr, 0, &rx->hdr, NET_HDR_LEN);

	p->stats.rx_bytes_copied += rx->spilled;
	p->stats.rx_bytes += rx->waiting;
	p->stats.rx_frames++;
	p->stats.rx_chains += chains;
	t->bytes += rx->waiting;
	rx->waiting = 0;
	for (; chains; chains--) {
		const struct rx_chain *c = rx_window_front(&rx->window);
		uint32_t used = min_u32(c->len, left);

		left -= used;
		net_push(&p->queue[NET_RX], c->head, used);
		rx_window_drop_front(&rx->window);
	}
}

/* rx_window_fill(), as part of a turn. */
static int rx_fill(struct net_pair *p, struct net_turn *t, uint64_t bytes, unsigned pieces)
{
	struct rx_window *w = &p->rx.window;
	const unsigned from = w->walked;
	int r = rx_window_fill(w, rx_vq(p), bytes, pieces);

	t->pieces += w->walked - from;
	return r;
}

/*
 * Deliver the frame in hand. 1 done with it, or worth another look at once; -EAGAIN it waits for
 * buffers; -EPROTO broken rule.
 */
static int rx_finish(struct net_pair *p, struct net_turn *t)
{
	struct net_rx *rx = &p->rx;
	unsigned chains = rx_window_chains_for(&rx->window, rx->waiting);
	int r = 0;

	if (!chains && rx->spread)
		r = rx_fill(p, t, rx->waiting, UINT_MAX);
	if (r == -EPROTO || r == 1)
		return r;
	/* No driver posts more when all entries of its ring are here: waiting would be for ever. */
	if (r == -EAGAIN && rx->window.entries < p->vq[NET_RX].addr.num)
		return rx_await_kick(p);
	if (!chains)
		chains = rx_window_chains_for(&rx->window, rx->waiting);
	if (chains)
		rx_deliver(p, chains, t);
	else
		rx_drop(p);
	return 1;
}

/*
 * 1 one frame (or a useless chain) less; 0 the backend has none; -EAGAIN no buffers; -EPROTO,
 * -ENOBUFS broken rule.
 */
static int rx_one(struct net_pair *p, struct net_turn *t)
{
	struct rx_window *w = &p->rx.window;
	int r;

	if (p->rx.waiting)
		return rx_judge(p) ? rx_finish(p, t) : 1;

	r = rx_fill(p, t, rx_want(p), RX_PIECES);
	if (r == -EPROTO || (r < 0 && r != -EAGAIN && !w->nr))
		return r;
	if (!w->nr)
		return rx_await_kick(p);
	if (!rx_window_open(w, p->rx.hdr_len, p->rx.min_len)) {
		/* No frame will ever fit, but its owner wants it back: virtio 1.2, 5.1.6.3.1. */
		net_push(&p->queue[NET_RX], rx_window_front(w)->head, 0);
		rx_window_drop_front(w);
		p->stats.rx_chains++;
		return 1;
	}
	if (!rx_recv(p))
		return 0;
	t->frames++;
	return rx_judge(p) ? rx_finish(p, t) : 1;
}

/* While the link is down: what arrives is lost, as on a cable that is not plugged in. As rx_one(). */
static int rx_discard(struct net_pair *p, struct net_turn *t)
{
	struct iovec iov[2] = {
		{&p->rx.hdr.v1, sizeof(p->rx.hdr.v1)},
		{p->rx.spill, sizeof(p->rx.spill)},
	};

	if (!p->backend_started || p->view.gone || source_recv(p, iov, 2) <= 0)
		return 0;
	t->frames++;
	rx_drop(p);
	return 1;
}

/* ---- turns */

/* Nothing is to be done just now: take what was posted meanwhile off the ring. False: the driver broke a rule. */
static bool rx_look_ahead(struct net_pair *p)
{
	struct net_queue *q = &p->queue[NET_RX];
	struct rx_window *w = &p->rx.window;
	int r;

	if (!p->rx.ahead || !q->live || p->rx.stalled || !p->view.link ||
	    w->tail - w->head >= RX_AHEAD || !vq_waiting(q->vq))
		return true;
	r = rx_window_fill(w, q->vq, UINT64_MAX, RX_AHEAD);
	/* A chain that needs the window for itself: each look would walk all of it again, and in vain. */
	if (r == -ENOBUFS)
		p->rx.ahead = false;
	if (r != -EPROTO)
		return true;
	net_broken(q, r);
	return false;
}

void net_rx_turn(struct net_pair *p)
{
	struct net_queue *q = &p->queue[NET_RX];
	struct net_turn t = {0};
	int r = 1;

	if (!q->live && p->view.link) {
		rx_stall(p);
		return;
	}
	p->stats.rx_turns++;
	while (r == 1 && !net_turn_over(&t))
		r = p->view.link ? rx_one(p, &t) : rx_discard(p, &t);
	if (r == 1) {
		if (q->live) /* otherwise the backend calls again, while it has some */
			net_again(q);
	} else if (r == 0) {
		p->stats.rx_drained += !p->view.by_rss;
	} else if (r == -EAGAIN) {
		p->stats.rx_stalls++;
		rx_stall(p);
	} else if (r < 0) {
		net_broken(q, r);
		return;
	}
	net_publish(q);
	rx_look_ahead(p);
}

void net_rx_can_recv(void *arg)
{
	struct net_pair *p = arg;

	if (!p->running)
		return;
	if (unlikely(p->view.by_rss))
		net_steer(p);
	else
		net_rx_turn(p);
	net_try(p);
}

void net_rx_kick(void *arg, unused uint32_t revents)
{
	struct net_pair *p = arg;

	net_take_kick(&p->queue[NET_RX]);
	rx_unstall(p);
	net_rx_turn(p);
	net_try(p);
}

static bool awaits_buffers(const struct net_pair *p)
{
	return p->queue[NET_RX].live && p->rx.stalled;
}

bool net_rx_look(struct net_pair *p)
{
	const bool due = net_take_due(&p->queue[NET_RX]) && p->queue[NET_RX].live;

	/* A ring that was found broken is something, too: hooks of other devices may have to hear of it. */
	if (!rx_look_ahead(p))
		return true;
	if (!due && (!awaits_buffers(p) || !vq_waiting(rx_vq(p))))
		return false;
	rx_unstall(p);
	net_rx_turn(p);
	return true;
}

bool net_rx_rest(struct net_pair *p)
{
	return !p->queue[NET_RX].due && (!awaits_buffers(p) || !vq_kicks_on(rx_vq(p)));
}

/* ---- life */

void net_rx_start(struct net_pair *p)
{
	struct net_rx *rx = &p->rx;

	rx->spread = net_has(p->n, VIRTIO_NET_F_MRG_RXBUF);
	rx->hdr_len = net_hdr_len(p->n);
	rx->plain_hdr = rx->hdr_len == NET_HDR_LEN && !p->n->dev.provoke && !p->n->dev.watch;
	/* Whoever looks on sees chains taken when they are needed, and when is recorded. */
	rx->ahead = rx->spread && !p->n->dev.provoke && !p->n->dev.watch;
	rx->min_len = rx->hdr_len + (rx->spread ? 0 : VNET_FRAME_MIN);
	rx->waiting = 0;
	rx->stalled = false;
	rx->usual = UINT32_MAX;
	rx->largest = rx->noted = 0;
	rx_window_clear(&rx->window);
	if (p->queue[NET_RX].live && !net_waits_for_kick(p->n))
		vq_kicks_off(rx_vq(p));
	else
		rx_without_queue(p); /* a driver that only sends */
}

void net_rx_stop(struct net_pair *p)
{
	rx_window_give_back(&p->rx.window, rx_vq(p));
	if (p->rx.waiting)
		rx_drop(p);
}

void net_rx_release(struct net_pair *p)
{
	rx_window_clear(&p->rx.window);
	if (p->rx.waiting)
		rx_drop(p);
	rx_without_queue(p);
}

void net_rx_link_down(struct net_pair *p)
{
	if (p->rx.waiting)
		rx_drop(p);
	rx_unstall(p); /* so that nothing old is delivered when the link is back */
}
