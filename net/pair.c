/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two NICs of this process, joined: what one sends the other receives, by one copy from the memory of the one guest into
 * that of the other. One thread serves both (pair_loop()), so that between them there is no lock, no wake-up and no system
 * call: a kick of the one guest ends in an interrupt of the other in one turn of the loop. A thread for each would have to
 * wake the other one for every frame that finds it asleep, which costs more than all that is done here.
 *
 *	pair_send()  --- header, where the frame lies --->  lane  --->  pair_recv(): copies
 *	pair_done()  <--------------- how many were taken ------------
 *
 * The chains of the sender stay where they are, in its ring, until they are taken. Whenever it needs them back (its
 * driver resets the device, its memory goes) what was not taken is recalled, and sent again if it goes on.
 *
 * A frame keeps its header, since what one driver leaves to be done another takes; as in echo.c if it does not.
 */
#include "net/pair.h"

#include <assert.h>
#include <errno.h>
#include <linux/virtio_net.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/net_feed.h"
#include "net/net_kinds.h"
#include "net/net_offload.h"
#include "vmm/core/compiler.h"
#include "vmm/core/frame_pipe.h"
#include "vmm/core/iov.h"
#include "vmm/core/log.h"

/* More than a ring full of usual chains; a quarter of it holds the longest one. */
#define LANE_BYTES KIB(256)

#define ETH_HEADER 14u
#define NAME_MAX_  31u

struct pair_config {
	const char *name;
};

/* A frame that is on its way: its record in the lane. */
struct parcel {
	struct virtio_net_hdr_v1 hdr;
	unsigned nr;
	size_t len;         /* with the header */
	struct iovec iov[]; /* hdr, and where the frame lies */
};

/* One way, owned by who sends on it. */
struct lane {
	struct frame_pipe pipe;
	unsigned taken; /* frames, since pair_done() was asked */
	size_t refused; /* bytes of the record that had no room */
};

struct net_pair_end {
	struct net_backend b; /* first */
	struct net_feed feed;
	bool takes_partial;         /* a checksum may be left to the driver */
	bool here;                  /* what is sent to this end waits for it */
	struct net_pair_end *other; /* NULL: not there yet. Constant while the loop runs */
	char name[NAME_MAX_ + 1];
	struct net_pairs *all;
	struct net_pair_end *next; /* of all */
	struct lane out;
};

static struct net_pair_end *end_of(struct net_backend *b)
{
	return container_of(b, struct net_pair_end, b);
}

/* ---- what the feed asks */

static bool pair_ready(void *arg)
{
	const struct net_pair_end *e = arg;

	return e->other && !frame_pipe_empty(&e->other->out.pipe);
}

static bool pair_room(void *arg)
{
	struct net_pair_end *e = arg;

	return frame_pipe_room(&e->out.pipe, e->out.refused);
}

static bool pair_sent(void *arg)
{
	const struct net_pair_end *e = arg;

	return e->out.taken > 0;
}

/* The first frame that @from has on its way is done with: only now it was sent, and will not be again. */
static void taken(struct net_pair_end *from, size_t len)
{
	frame_pipe_pop(&from->out.pipe);
	from->out.taken++;
	from->b.stats.sends++;
	from->b.stats.send_bytes += len;
}

/* ---- what the device calls */

static int pair_set_offloads(struct net_backend *b, uint64_t offloads)
{
	end_of(b)->takes_partial = offloads & FEATURE(VIRTIO_NET_F_GUEST_CSUM);
	return 0;
}

static int pair_start(struct net_backend *b, uint64_t offloads, const struct net_sink *s)
{
	struct net_pair_end *e = end_of(b);
	int ret;

	if (!e->other)
		return -ENOTCONN;
	ret = feed_start(&e->feed, s);
	if (ret < 0)
		return ret;
	e->here = true;
	return pair_set_offloads(b, offloads);
}

static unsigned pair_done(struct net_backend *b)
{
	struct lane *l = &end_of(b)->out;
	const unsigned nr = l->taken;

	l->taken = 0;
	return nr;
}

static void pair_recall(struct net_backend *b, unused bool again)
{
	frame_pipe_clear(&end_of(b)->out.pipe);
}

static void pair_stop(struct net_backend *b)
{
	feed_stop(&end_of(b)->feed);
	pair_recall(b, true);
}

static void pair_forget(struct net_backend *b)
{
	struct net_pair_end *e = end_of(b);
	const struct parcel *p;
	size_t bytes;

	e->here = false;
	if (!e->other)
		return;
	while ((p = (const void *)frame_pipe_front(&e->other->out.pipe, &bytes))) {
		taken(e->other, p->len);
		b->stats.recv_dropped++;
	}
	loop_again(e->feed.loop);
}

static ssize_t refuse(struct net_backend *b, int err)
{
	b->stats.send_errors++;
	return err;
}

static ssize_t pair_send(struct net_backend *b, const struct iovec *iov, unsigned nr)
{
	struct net_pair_end *e = end_of(b);
	const size_t len = iov_bytes(iov, nr);
	const size_t bytes = sizeof(struct parcel) + nr * sizeof(struct iovec);
	struct parcel *p;

	if (iov[0].iov_len != NET_HDR_LEN || len < NET_HDR_LEN + ETH_HEADER || len > NET_RECV_MAX ||
	    bytes > LANE_BYTES / 4)
		return refuse(b, -EINVAL);
	if (!e->other || !e->other->here)
		return refuse(b, -ENETDOWN);
	p = (void *)frame_pipe_room(&e->out.pipe, bytes);
	if (!p) {
		e->out.refused = bytes;
		e->feed.want_send = true;
		b->stats.send_again++;
		return -EAGAIN;
	}
	memcpy(&p->hdr, iov[0].iov_base, sizeof(p->hdr));
	p->hdr.num_buffers = 0;
	p->nr = nr;
	p->len = len;
	memcpy(p->iov, iov, nr * sizeof(p->iov[0]));
	p->iov[0].iov_base = &p->hdr;
	frame_pipe_push(&e->out.pipe, bytes);
	loop_again(e->feed.loop);
	return (ssize_t)len;
}

static ssize_t pair_recv(struct net_backend *b, const struct iovec *iov, unsigned nr)
{
	struct net_pair_end *e = end_of(b);
	struct lane *from = e->other ? &e->other->out : NULL;
	const struct parcel *p = NULL;
	size_t len;

	if (from)
		p = (const void *)frame_pipe_front(&from->pipe, &len);
	if (!p) {
		b->stats.recv_empty++;
		return 0;
	}
	len = iov_copy(iov, nr, p->iov, p->nr, p->len);
	taken(e->other, p->len);
	loop_again(e->feed.loop);
	if (!e->takes_partial)
		net_offload_complete(iov, nr, len);
	b->stats.recvs++;
	b->stats.recv_bytes += len;
	b->stats.bytes_copied += len - NET_HDR_LEN;
	return (ssize_t)len;
}

static void pair_want_recv(struct net_backend *b, bool on)
{
	end_of(b)->feed.want_recv = on;
}

/* ---- life */

static void pair_destroy(struct net_backend *b)
{
	struct net_pair_end *e = end_of(b), **at = &e->all->first;

	pair_stop(b);
	if (e->other) {
		pair_stop(&e->other->b);
		pair_forget(b);
		pair_forget(&e->other->b);
	}
	while (*at && *at != e)
		at = &(*at)->next;
	if (*at)
		*at = e->next;
	if (e->other)
		e->other->other = NULL;
	frame_pipe_free(&e->out.pipe);
	free(e);
}

static const struct net_frame_ops pair_ops = {
	.start = pair_start,
	.stop = pair_stop,
	.set_offloads = pair_set_offloads,
	.send = pair_send,
	.done = pair_done,
	.recall = pair_recall,
	.recv = pair_recv,
	.want_recv = pair_want_recv,
	.forget = pair_forget,
};

/* NULL; or one that pair_destroy() frees, and *ret says whether it can be used. */
static struct net_pair_end *make(struct net_pairs *all, const char *name, struct loop *l, int *ret)
{
	struct net_pair_end *e = calloc(1, sizeof(*e));

	*ret = -ENOMEM;
	if (!e)
		return NULL;
	e->all = all;
	snprintf(e->name, sizeof(e->name), "%s", name);
	e->feed = (struct net_feed){
		.loop = l, .ready = pair_ready, .room = pair_room, .sent = pair_sent, .arg = e};
	e->b.kind = "pair";
	snprintf(e->b.label, sizeof(e->b.label), "%s", name);
	e->b.can = NET_OFFLOADS_ALL;
	e->b.frame = &pair_ops;
	e->b.destroy = pair_destroy;
	*ret = frame_pipe_init(&e->out.pipe, LANE_BYTES);
	return e;
}

static int check_name(const struct net_common *common, const char *name)
{
	unsigned nr = 0;

	if (!name) {
		log_error("%s: pair needs name=NAME, of 1 to %u characters", common->nic,
		          NAME_MAX_);
		return -EINVAL;
	}
	if (!name[0] || strlen(name) > NAME_MAX_) {
		log_error("%s: pair: name=%s is not possible, allowed: 1 to %u characters",
		          common->nic, name, NAME_MAX_);
		return -EINVAL;
	}
	if (!common->pairs) {
		log_error("%s: pair: there can be no other end here", common->nic);
		return -ENOTSUP;
	}
	for (const struct net_pair_end *e = common->pairs->first; e; e = e->next)
		nr += strcmp(e->name, name) == 0;
	if (nr < 2)
		return 0;
	log_error("%s: pair: name=%s: both of its ends are taken", common->nic, name);
	return -EINVAL;
}

static int pair_create(const void *config, const struct net_common *common, struct loop *l,
                       struct net_backend **out)
{
	const struct pair_config *cfg = config;
	struct net_pair_end *e;
	int ret;

	*out = NULL;
	ret = check_name(common, cfg->name);
	if (ret < 0)
		return ret;
	e = make(common->pairs, cfg->name, l, &ret);
	if (ret < 0) {
		log_error("%s: pair: %s", common->nic, strerror(-ret));
		if (e)
			pair_destroy(&e->b);
		return ret;
	}
	for (struct net_pair_end *o = common->pairs->first; o; o = o->next)
		if (strcmp(o->name, e->name) == 0) {
			assert(o->feed.loop == l);
			o->other = e;
			e->other = o;
		}
	e->next = common->pairs->first;
	common->pairs->first = e;
	*out = &e->b;
	return 0;
}

static struct loop *pair_loop(const void *config, const struct net_pairs *pairs)
{
	const struct pair_config *cfg = config;

	for (const struct net_pair_end *e = pairs ? pairs->first : NULL; e; e = e->next)
		if (cfg->name && strcmp(e->name, cfg->name) == 0)
			return e->feed.loop;
	return NULL;
}

int net_pairs_check(const struct net_pairs *all)
{
	for (const struct net_pair_end *e = all->first; e; e = e->next) {
		if (e->other)
			continue;
		log_error("--net pair,name=%s is given once, a pair has two ends", e->name);
		return -EINVAL;
	}
	return 0;
}

static const struct opt_def pair_keys[] = {
	{.name = "name",
         .type = OPT_STRING,
         .offset = offsetof(struct pair_config, name),
         .arg = "NAME",
         .help = "the same for both of the NICs that are joined; needed"},
	OPT_END,
};

const struct net_kind net_kind_pair = {
	.name = "pair",
	.help = "joins two NICs of this process: what one sends the other receives",
	.keys = pair_keys,
	.config_size = sizeof(struct pair_config),
	.one_queue = "it is one lane each way",
	.done_later = true,
	.loop = pair_loop,
	.create = pair_create,
};
