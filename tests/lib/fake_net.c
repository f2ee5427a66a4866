/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/fake_net.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "tests/lib/fake_ring.h"
#include "vmm/core/compiler.h"
#include "vmm/core/iov.h"

_Static_assert(sizeof(struct virtio_net_hdr_v1) == NET_HDR_LEN, "header of virtio 1.x");

/* Not cmocka: the fuzz targets, which use this too, do not have it. */
static void must(bool ok, const char *rule)
{
	if (ok)
		return;
	fprintf(stderr, "fake_net: the device broke the contract: %s\n", rule);
	abort();
}

static struct fake_net *fake(struct net_backend *b)
{
	return container_of(b, struct fake_net, backend);
}

static int fake_start(struct net_backend *b, uint64_t offloads, const struct net_sink *s)
{
	struct fake_net *f = fake(b);

	must(!f->started, "start() twice");
	must(f->index < f->first->pairs, "start() of a pair that is not in use");
	must(!f->rings || !f->rings->started, "start() while the ring table is started");
	must((offloads & ~b->can) == 0, "start() with offloads that the backend cannot do");
	must(s && s->can_recv && s->can_send && s->gone, "start() with an incomplete sink");
	f->nr_starts++;
	if (f->start_err)
		return f->start_err;
	f->started = true;
	f->offloads = offloads;
	f->want_recv = true;
	f->sink = *s;
	return 0;
}

static void fake_stop(struct net_backend *b)
{
	struct fake_net *f = fake(b);

	f->nr_stops++;
	f->started = false;
	memset(&f->sink, 0, sizeof(f->sink));
}

static int fake_set_offloads(struct net_backend *b, uint64_t offloads)
{
	struct fake_net *f = fake(b);

	must(f->started, "set_offloads() while stopped");
	must((offloads & ~b->can) == 0, "set_offloads() that the backend cannot do");
	f->nr_set_offloads++;
	if (f->on_set_offloads)
		f->on_set_offloads();
	if (f->offloads_err)
		return f->offloads_err;
	f->offloads = offloads;
	return 0;
}

static struct fake_frame gather(const struct iovec *iov, unsigned nr)
{
	struct fake_frame out = {.len = iov_bytes(iov, nr)};

	out.data = malloc(out.len);
	must(out.data, "(not a rule: out of memory)");
	iov_read(iov, nr, 0, out.data, out.len);
	return out;
}

static ssize_t fake_send(struct net_backend *b, const struct iovec *iov, unsigned nr)
{
	struct fake_net *f = fake(b);

	must(f->started, "send() while stopped");
	must(nr > 0 && (nr <= IOV_MAX || b->frame->done),
	     "send() with a number of pieces that writev() refuses");
	must(!b->frame->done || iov[0].iov_len == NET_HDR_LEN,
	     "send() with more than a header first");
	must(iov_bytes(iov, nr) > NET_HDR_LEN, "send() of less than a header and a byte");
	f->nr_sends++;
	f->last_iov_base = iov[0].iov_base;
	f->last_iov_n = nr;
	if (f->send_ok > 0) {
		f->send_ok--;
	} else if (f->send_err && f->send_err_times > 0) {
		if (f->send_err_times != UINT_MAX)
			f->send_err_times--;
		if (f->send_err == -EAGAIN)
			b->stats.send_again++;
		else
			b->stats.send_errors++;
		return f->send_err;
	}
	b->stats.sends++;
	b->stats.send_bytes += iov_bytes(iov, nr);
	fake_net_take_sent(f, iov, nr);
	f->nr_held += b->frame->done != NULL;
	return (ssize_t)iov_bytes(iov, nr);
}

static unsigned fake_done(struct net_backend *b)
{
	struct fake_net *f = fake(b);
	const unsigned nr = f->nr_done;

	f->nr_done = 0;
	return nr;
}

static void fake_recall(struct net_backend *b, bool again)
{
	struct fake_net *f = fake(b);

	f->gave_up |= !again;
	for (; f->nr_held && f->nr_sent; f->nr_held--)
		free(f->sent[--f->nr_sent].data);
	f->nr_held = 0;
}

static void fake_forget(struct net_backend *b)
{
	must(!fake(b)->started, "forget() while started");
	fake(b)->nr_forgets++;
}

void fake_net_take_sent(struct fake_net *f, const struct iovec *iov, unsigned nr)
{
	struct fake_frame got = gather(iov, nr);

	if (f->nr_sent == FAKE_NET_FRAMES) { /* a fuzzer may send for ever */
		free(f->sent[0].data);
		memmove(&f->sent[0], &f->sent[1], (FAKE_NET_FRAMES - 1) * sizeof(f->sent[0]));
		f->nr_sent--;
	}
	f->sent[f->nr_sent++] = got;
}

size_t fake_net_give_queued(struct fake_net *f, const struct iovec *iov, unsigned nr)
{
	struct fake_frame *q = &f->queue[f->queue_head];
	size_t stored;

	if (f->nr_queued == 0)
		return 0;
	stored = iov_write(iov, nr, 0, q->data, q->len);
	free(q->data);
	q->data = NULL;
	f->queue_head = (f->queue_head + 1) % FAKE_NET_FRAMES;
	f->nr_queued--;
	return stored;
}

static ssize_t fake_recv(struct net_backend *b, const struct iovec *iov, unsigned nr)
{
	struct fake_net *f = fake(b);

	must(f->started, "recv() while stopped");
	must(nr > 0 && nr <= IOV_MAX, "recv() with a number of pieces that readv() refuses");
	must(iov_bytes(iov, nr) >= NET_RECV_MAX, "recv() with less room than NET_RECV_MAX");
	f->nr_recvs++;
	f->last_iov_base = iov[0].iov_base;
	f->last_iov_n = nr;
	if (f->nr_queued == 0) {
		b->stats.recv_empty++;
		return 0;
	}

	const size_t stored = fake_net_give_queued(f, iov, nr);

	b->stats.recvs++;
	b->stats.recv_bytes += stored;
	return (ssize_t)stored;
}

static void fake_want_recv(struct net_backend *b, bool on)
{
	struct fake_net *f = fake(b);

	must(f->started, "want_recv() while stopped");
	f->want_recv = on;
	if (on)
		f->nr_want_on++;
	else
		f->nr_want_off++;
}

static void check_pairs(struct net_backend *b, unsigned nr)
{
	struct fake_net *f = fake(b);

	must(f->first == f, "set_pairs() of a pair that is not the first");
	must(nr > 0, "set_pairs() of none");
	must(!f->rings || !f->rings->started, "set_pairs() while the ring table is started");
	for (struct net_backend *at = b; at; at = at->next, nr -= nr > 0)
		must(!container_of(at, struct fake_net, backend)->started,
		     "set_pairs() while a pair is started");
	must(nr == 0, "set_pairs() of more than there are");
}

static int fake_set_pairs(struct net_backend *b, unsigned nr)
{
	struct fake_net *f = fake(b);

	check_pairs(b, nr);
	f->pairs_asked = nr;
	if (f->pairs_err) {
		int err = f->pairs_err;

		if (f->pairs_err_once)
			f->pairs_err = 0;
		return err;
	}
	f->pairs = nr;
	return 0;
}

static void fake_destroy(struct net_backend *b)
{
	struct fake_net *f = fake(b);

	if (b->next)
		b->next->destroy(b->next);

	must(!f->in_sink, "destroy from inside a sink call");
	fake_net_forget_sent(f);
	for (unsigned i = 0; i < f->nr_queued; i++)
		free(f->queue[(f->queue_head + i) % FAKE_NET_FRAMES].data);
	if (f->destroyed)
		*f->destroyed = true;
	free(f);
}

static const struct net_frame_ops fake_ops = {
	.start = fake_start,
	.stop = fake_stop,
	.set_offloads = fake_set_offloads,
	.send = fake_send,
	.recv = fake_recv,
	.want_recv = fake_want_recv,
	.forget = fake_forget,
};

static void fake_stop_held(struct net_backend *b)
{
	fake_stop(b);
	fake_recall(b, true);
}

static const struct net_frame_ops fake_held_ops = {
	.start = fake_start,
	.stop = fake_stop_held,
	.set_offloads = fake_set_offloads,
	.send = fake_send,
	.done = fake_done,
	.recall = fake_recall,
	.recv = fake_recv,
	.want_recv = fake_want_recv,
	.forget = fake_forget,
};

void fake_net_hold(struct fake_net *f)
{
	f->backend.frame = &fake_held_ops;
}

static bool fake_attend(struct net_backend *b, void (*tell)(void *arg, bool up), void *arg)
{
	struct fake_net *f = fake(b);

	f->tell = tell;
	f->tell_arg = arg;
	return f->peer;
}

void fake_net_lonely(struct fake_net *f)
{
	f->backend.attend = fake_attend;
}

void fake_net_peer(struct fake_net *f, bool up)
{
	f->peer = up;
	if (f->tell)
		f->tell(f->tell_arg, up);
}

struct fake_net *fake_net_create(uint64_t can)
{
	struct fake_net *f = calloc(1, sizeof(*f));

	must(f, "(not a rule: out of memory)");
	f->backend.kind = "fake";
	strcpy(f->backend.label, "fake0");
	f->backend.can = can;
	f->backend.frame = &fake_ops;
	f->backend.destroy = fake_destroy;
	f->want_recv = true;
	f->first = f;
	f->pairs = f->pairs_asked = 1;
	return f;
}

struct fake_net *fake_net_add_pair(struct fake_net *f)
{
	struct fake_net *last = f, *more = fake_net_create(f->backend.can);

	while (last->backend.next)
		last = fake(last->backend.next);
	last->backend.next = &more->backend;
	more->first = f;
	more->index = last->index + 1;
	f->backend.can |= FEATURE(VIRTIO_NET_F_MQ);
	f->backend.set_pairs = fake_set_pairs;
	return more;
}

void fake_net_on_destroy(struct fake_net *f, bool *flag)
{
	*flag = false;
	f->destroyed = flag;
}

void fake_net_queue(struct fake_net *f, const struct virtio_net_hdr_v1 *hdr, const void *frame,
                    size_t len)
{
	static const struct virtio_net_hdr_v1 zero;
	unsigned at = (f->queue_head + f->nr_queued) % FAKE_NET_FRAMES;
	uint8_t *data = malloc(NET_HDR_LEN + len);

	must(data && f->nr_queued < FAKE_NET_FRAMES,
	     "(not a rule: more frames than fake_net holds)");
	must(NET_HDR_LEN + len <= NET_RECV_MAX, "(not a rule: the test queued a giant)");
	memcpy(data, hdr ? hdr : &zero, NET_HDR_LEN);
	if (len)
		memcpy(data + NET_HDR_LEN, frame, len);
	f->queue[at] = (struct fake_frame){.data = data, .len = NET_HDR_LEN + len};
	f->nr_queued++;
}

unsigned fake_net_queued(const struct fake_net *f)
{
	return f->nr_queued;
}

void fake_net_fail_send(struct fake_net *f, unsigned ok, int err, unsigned times)
{
	f->send_ok = ok;
	f->send_err = err;
	f->send_err_times = times;
}

void fake_net_forget_sent(struct fake_net *f)
{
	for (unsigned i = 0; i < f->nr_sent; i++)
		free(f->sent[i].data);
	memset(f->sent, 0, sizeof(f->sent));
	f->nr_sent = 0;
}

/* A copy, because the device may stop() from inside and clear the one in @f. */
static struct net_sink enter(struct fake_net *f)
{
	must(!f->in_sink, "(not a rule: the test called the sink from inside the sink)");
	f->in_sink = true;
	return f->sink;
}

bool fake_net_can_recv(struct fake_net *f)
{
	if (!f->started || !f->want_recv)
		return false;

	struct net_sink s = enter(f);

	s.can_recv(s.arg);
	f->in_sink = false;
	return true;
}

bool fake_net_can_send(struct fake_net *f)
{
	fake_net_fail_send(f, 0, 0, 0);
	if (!f->started)
		return false;

	struct net_sink s = enter(f);

	s.can_send(s.arg);
	f->in_sink = false;
	return true;
}

void fake_net_finish(struct fake_net *f, unsigned nr)
{
	struct net_sink s;

	must(nr <= f->nr_held, "(not a rule: no frame that could be done)");
	f->nr_held -= nr;
	f->nr_done += nr;
	if (!f->started)
		return;
	s = enter(f);
	s.sent(s.arg);
	f->in_sink = false;
}

bool fake_net_gone(struct fake_net *f, int err)
{
	if (!f->started)
		return false;

	struct net_sink s = enter(f);

	s.gone(s.arg, err);
	f->in_sink = false;
	return true;
}
