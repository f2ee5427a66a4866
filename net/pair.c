/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two NICs of this process, joined: what one sends the other receives. One copy out of the sender's memory and one into
 * the receiver's, and no system call while both are awake.
 *
 * Each way is a frame_pipe. The receiver, before it sleeps, leaves word that it wants to be woken by the next
 * frame; so does a sender that found the pipe full, for when half of it is free. A word is left and taken by an exchange on one
 * variable, each side's look at the pipe being on the right side of it: of two that meet, one sees the other.
 *
 * A frame keeps its header, since what one driver leaves to be done another takes; as in echo.c if it does not.
 */
#include "net/pair.h"

#include <errno.h>
#include <linux/virtio_net.h>
#include <stdatomic.h>
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

#define PIPE_BYTES MIB(1)

#define ETH_HEADER 14u
#define NAME_MAX_  31u

struct pair_config {
	const char *name;
};

struct net_pair_end {
	struct net_backend b; /* first */
	struct net_feed feed;
	bool takes_partial;         /* a checksum may be left to the driver */
	struct net_pair_end *other; /* NULL: not there yet. Constant while loops run */
	char name[NAME_MAX_ + 1];
	struct net_pairs *all;
	struct net_pair_end *next; /* of all */
	struct frame_pipe in;      /* header and frame, to us; written by the other end's thread */
	/* A line of the cache that only the other end's thread uses while both are busy. */
	alignas(CACHE_LINE) union {
		struct {
			atomic_bool started;    /* somebody takes what is sent here */
			atomic_bool want_frame; /* we sleep: ring for the next frame */
			atomic_bool want_room;  /* we wait: ring for room in other->in */
		};
		uint8_t line[CACHE_LINE];
	};
};

static struct net_pair_end *end_of(struct net_backend *b)
{
	return container_of(b, struct net_pair_end, b);
}

/*
 * Leave word. Acquire: what the other did to the pipe before it last looked for a word is seen after this. Pairs with
 * take_word(), which is a release of that.
 */
static void leave_word(atomic_bool *word)
{
	atomic_exchange_explicit(word, true, memory_order_acq_rel);
}

/* Take the word that @e left, after a change to the pipe that it waits for; and wake it. */
static void take_word(struct net_pair_end *e, atomic_bool *word)
{
	if (unlikely(atomic_exchange_explicit(word, false, memory_order_acq_rel)))
		feed_ring(&e->feed);
}

/* ---- what the feed asks */

static bool pair_ready(void *arg)
{
	struct net_pair_end *e = arg;

	if (!frame_pipe_empty(&e->in))
		return true;
	/* All was taken: half of it is free. */
	take_word(e->other, &e->other->want_room);
	leave_word(&e->want_frame);
	return !frame_pipe_empty(&e->in);
}

static bool has_room(struct net_pair_end *e)
{
	return !atomic_load_explicit(&e->other->started, memory_order_relaxed) ||
	       frame_pipe_room(&e->other->in, NET_RECV_MAX);
}

static bool pair_room(void *arg)
{
	struct net_pair_end *e = arg;

	if (has_room(e))
		return true;
	leave_word(&e->want_room);
	return has_room(e);
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
	atomic_store_explicit(&e->started, true, memory_order_relaxed);
	return pair_set_offloads(b, offloads);
}

static void pair_stop(struct net_backend *b)
{
	struct net_pair_end *e = end_of(b);

	if (!e->feed.started)
		return;
	feed_stop(&e->feed);
	/* A frame that is on its way just now is the first one of the next start. */
	atomic_store_explicit(&e->started, false, memory_order_relaxed);
	b->stats.recv_dropped += frame_pipe_clear(&e->in);
	take_word(e->other, &e->other->want_room);
}

static ssize_t pair_send(struct net_backend *b, const struct iovec *iov, unsigned nr)
{
	struct net_pair_end *e = end_of(b), *to = e->other;
	const size_t len = iov_bytes(iov, nr);
	uint8_t *at;

	if (len < NET_HDR_LEN + ETH_HEADER || len > NET_RECV_MAX) {
		b->stats.send_errors++;
		return -EINVAL;
	}
	if (!atomic_load_explicit(&to->started, memory_order_relaxed)) {
		b->stats.send_errors++;
		return -ENETDOWN;
	}
	at = frame_pipe_room(&to->in, len);
	if (!at && !pair_room(e)) {
		e->feed.want_send = true;
		b->stats.send_again++;
		return -EAGAIN;
	}
	if (!at)
		at = frame_pipe_room(&to->in, len);
	if (!at) {
		b->stats.send_errors++;
		return -ENETDOWN;
	}
	iov_read(iov, nr, 0, at, len);
	memset(at + offsetof(struct virtio_net_hdr_v1, num_buffers), 0, 2);
	frame_pipe_push(&to->in, len);
	take_word(to, &to->want_frame);
	b->stats.sends++;
	b->stats.send_bytes += len;
	b->stats.bytes_copied += len - NET_HDR_LEN;
	return (ssize_t)len;
}

static ssize_t pair_recv(struct net_backend *b, const struct iovec *iov, unsigned nr)
{
	struct net_pair_end *e = end_of(b);
	size_t len;
	uint8_t *frame = frame_pipe_front(&e->in, &len);

	if (!frame) {
		b->stats.recv_empty++;
		return 0;
	}
	if (!e->takes_partial)
		net_offload_complete(&(struct iovec){frame, len}, 1, len);
	iov_write(iov, nr, 0, frame, len);
	frame_pipe_pop(&e->in);
	if (unlikely(atomic_load_explicit(&e->other->want_room, memory_order_relaxed)) &&
	    frame_pipe_used(&e->in) <= PIPE_BYTES / 2)
		take_word(e->other, &e->other->want_room);
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
	if (e->other)
		pair_stop(&e->other->b);
	while (*at && *at != e)
		at = &(*at)->next;
	if (*at)
		*at = e->next;
	if (e->other)
		e->other->other = NULL;
	feed_free(&e->feed);
	frame_pipe_free(&e->in);
	free(e);
}

static const struct net_frame_ops pair_ops = {
	.start = pair_start,
	.stop = pair_stop,
	.set_offloads = pair_set_offloads,
	.send = pair_send,
	.recv = pair_recv,
	.want_recv = pair_want_recv,
};

/* NULL; or one that pair_destroy() frees, and *ret says whether it can be used. */
static struct net_pair_end *make(struct net_pairs *all, const char *name, struct loop *l, int *ret)
{
	struct net_pair_end *e = aligned_alloc(CACHE_LINE, sizeof(*e));

	*ret = -ENOMEM;
	if (!e)
		return NULL;
	memset(e, 0, sizeof(*e));
	e->all = all;
	snprintf(e->name, sizeof(e->name), "%s", name);
	e->feed = (struct net_feed){.loop = l, .ready = pair_ready, .room = pair_room, .arg = e};
	e->b.kind = "pair";
	snprintf(e->b.label, sizeof(e->b.label), "%s", name);
	e->b.can = NET_OFFLOADS_ALL;
	e->b.frame = &pair_ops;
	e->b.destroy = pair_destroy;
	*ret = feed_init(&e->feed);
	if (*ret == 0)
		*ret = frame_pipe_init(&e->in, PIPE_BYTES);
	return e;
}

static int check_name(const struct net_common *common, const char *name)
{
	unsigned nr = 0;

	if (!name || !name[0] || strlen(name) > NAME_MAX_) {
		log_error("%s: pair needs name=NAME, of 1 to %u characters", common->nic,
		          NAME_MAX_);
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
			o->other = e;
			e->other = o;
		}
	e->next = common->pairs->first;
	common->pairs->first = e;
	*out = &e->b;
	return 0;
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
	.one_queue = "it is one pipe each way",
	.create = pair_create,
};
