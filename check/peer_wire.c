/* SPDX-License-Identifier: Apache-2.0 */
#include "check/peer_wire.h"

#include <errno.h>
#include <string.h>

#include "check/questions.h"
#include "net/net_offload.h"
#include "vmm/core/iov.h"
#include "vmm/core/loop.h"

#define PIPE_BYTES MIB(2)

static struct wire_pair *pair_of(struct net_backend *b)
{
	return container_of(b, struct wire_pair, b);
}

static bool put_on(struct wire_pair *p, const uint8_t *frame, size_t len)
{
	uint8_t *at = frame_pipe_room(&p->pipe, NET_HDR_LEN + len);

	if (!at)
		return false;
	memset(at, 0, NET_HDR_LEN);
	memcpy(at + NET_HDR_LEN, frame, len);
	frame_pipe_push(&p->pipe, NET_HDR_LEN + len);
	loop_again(p->wire->loop);
	return true;
}

/* Which pair a frame comes by is the device's choice (virtio 1.2, 5.1.6.5.5): so it is each one's turn that runs. */
bool wire_put(struct peer_wire *w, const uint8_t *frame, size_t len)
{
	struct wire_pair *p = w->pair;

	for (unsigned i = 0; i < w->in_use; i++) {
		p = &w->pair[w->turn++ % w->in_use];
		if (p->feed.started)
			break;
	}
	return put_on(p, frame, len);
}

bool wire_started(const struct peer_wire *w)
{
	return w->pair[0].feed.started;
}

bool wire_push(struct peer_wire *w, const uint8_t *frame, size_t len)
{
	struct net_feed *f = &w->pair[0].feed;

	if (!f->started || !f->want_recv || !put_on(&w->pair[0], frame, len))
		return false;
	f->sink.can_recv(f->sink.arg);
	return true;
}

/* ---- the device's calls */

static ssize_t wire_send(struct net_backend *b, const struct iovec *iov, unsigned nr)
{
	struct peer_wire *w = pair_of(b)->wire;
	const size_t len = iov_bytes(iov, nr);
	uint8_t frame[QUESTION_MAX + 4];
	size_t kept;

	b->stats.sends++;
	b->stats.send_bytes += len;
	if (len < NET_HDR_LEN + 14)
		return (ssize_t)len;
	kept = iov_read(iov, nr, NET_HDR_LEN, frame, sizeof(frame));
	w->ops->frame(w->arg, frame, kept, len - NET_HDR_LEN);
	return (ssize_t)len;
}

static ssize_t wire_recv(struct net_backend *b, const struct iovec *iov, unsigned nr)
{
	struct wire_pair *p = pair_of(b);
	size_t len;
	const uint8_t *frame = frame_pipe_front(&p->pipe, &len);

	if (!frame)
		return 0;
	iov_write(iov, nr, 0, frame, len);
	frame_pipe_pop(&p->pipe);
	b->stats.recvs++;
	b->stats.recv_bytes += len;
	return (ssize_t)len;
}

static bool wire_ready(void *arg)
{
	const struct wire_pair *p = arg;

	return !frame_pipe_empty(&p->pipe);
}

static int wire_set_offloads(unused struct net_backend *b, unused uint64_t offloads)
{
	return 0;
}

static int wire_start(struct net_backend *b, unused uint64_t offloads, const struct net_sink *s)
{
	struct wire_pair *p = pair_of(b);
	const int ret = feed_start(&p->feed, s);

	if (ret == 0 && p == p->wire->pair)
		p->wire->ops->started(p->wire->arg);
	return ret;
}

static void wire_stop(struct net_backend *b)
{
	feed_stop(&pair_of(b)->feed);
}

static void clear(struct wire_pair *p)
{
	p->b.stats.recv_dropped += frame_pipe_clear(&p->pipe);
}

static void wire_forget(struct net_backend *b)
{
	pair_of(b)->wire->was_reset = true;
	clear(pair_of(b));
}

static void wire_want_recv(struct net_backend *b, bool on)
{
	pair_of(b)->feed.want_recv = on;
}

/* What waits for those that are not in use any more is lost, as on any network: who has asked asks again. */
static int wire_set_pairs(struct net_backend *b, unsigned nr)
{
	struct peer_wire *w = pair_of(b)->wire;

	for (unsigned i = nr; i < w->nr; i++)
		clear(&w->pair[i]);
	w->in_use = nr;
	return 0;
}

static void wire_destroy(struct net_backend *b)
{
	struct peer_wire *w = pair_of(b)->wire;

	w->ops->destroy(w->arg);
}

static const struct net_frame_ops wire_frame_ops = {
	.start = wire_start,
	.stop = wire_stop,
	.set_offloads = wire_set_offloads,
	.send = wire_send,
	.recv = wire_recv,
	.want_recv = wire_want_recv,
	.forget = wire_forget,
};

void wire_free(struct peer_wire *w)
{
	for (unsigned i = 0; i < w->nr; i++) {
		feed_stop(&w->pair[i].feed);
		frame_pipe_free(&w->pair[i].pipe);
	}
}

int wire_init(struct peer_wire *w, unsigned nr)
{
	const bool several = nr > 1;
	int ret = 0;

	w->in_use = 1;
	for (w->nr = 0; w->nr < nr && ret == 0; w->nr++) {
		struct wire_pair *p = &w->pair[w->nr];

		p->wire = w;
		p->b = (struct net_backend){.kind = "peer",
		                            .label = "check",
		                            .can = NET_OFFLOADS_ALL,
		                            .frame = &wire_frame_ops,
		                            .set_pairs = several ? wire_set_pairs : NULL,
		                            .next = w->nr + 1 < nr ? &p[1].b : NULL,
		                            .destroy = wire_destroy};
		if (several)
			p->b.can |= FEATURE(VIRTIO_NET_F_MQ);
		p->feed = (struct net_feed){.loop = w->loop, .ready = wire_ready, .arg = p};
		ret = frame_pipe_init(&p->pipe, PIPE_BYTES);
	}
	return ret;
}
