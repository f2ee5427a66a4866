/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nobody is on the other side: every frame is taken, none is given. null looks at nothing; sink looks for frames with
 * numbers (net/numbered.h), such as another doorbell's gen sends, and counts what has become of them.
 */
#include <errno.h>
#include <linux/virtio_net.h>
#include <stdio.h>
#include <stdlib.h>

#include "net/net_kinds.h"
#include "net/net_offload.h"
#include "net/numbered.h"
#include "vmm/core/compiler.h"
#include "vmm/core/iov.h"
#include "vmm/core/log.h"

struct net_null {
	struct net_backend b; /* first */
	bool started;
};

struct net_sink_kind {
	struct net_null null; /* first */
	struct numbered_check check;
	struct numbered_filler filler;
};

static struct net_null *null_of(struct net_backend *b)
{
	return container_of(b, struct net_null, b);
}

static int null_start(struct net_backend *b, unused uint64_t offloads,
                      unused const struct net_sink *s)
{
	struct net_null *n = null_of(b);

	if (n->started)
		return -EBUSY;
	n->started = true;
	return 0;
}

static void null_stop(struct net_backend *b)
{
	null_of(b)->started = false;
}

static int null_set_offloads(unused struct net_backend *b, unused uint64_t offloads)
{
	return 0;
}

static ssize_t null_send(struct net_backend *b, const struct iovec *iov, unsigned nr)
{
	const size_t len = iov_bytes(iov, nr);

	if (len <= NET_HDR_LEN) {
		b->stats.send_errors++;
		return -EINVAL;
	}
	b->stats.sends++;
	b->stats.send_bytes += len;
	return (ssize_t)len;
}

static ssize_t sink_send(struct net_backend *b, const struct iovec *iov, unsigned nr)
{
	struct net_sink_kind *s = container_of(b, struct net_sink_kind, null.b);
	ssize_t len = null_send(b, iov, nr);

	if (len > 0)
		numbered_look(&s->check, iov, nr, NET_HDR_LEN, (size_t)len - NET_HDR_LEN);
	return len;
}

static ssize_t null_recv(unused struct net_backend *b, unused const struct iovec *iov,
                         unused unsigned nr)
{
	return 0;
}

static void null_want_recv(unused struct net_backend *b, unused bool on)
{
}

static int null_set_pairs(unused struct net_backend *b, unused unsigned nr)
{
	return 0;
}

static void null_destroy(struct net_backend *b)
{
	while (b) {
		struct net_null *n = null_of(b);

		b = b->next;
		free(n);
	}
}

#define OPS(send_)                                                                         \
	{                                                                                  \
		.start = null_start, .stop = null_stop, .set_offloads = null_set_offloads, \
		.send = (send_), .recv = null_recv, .want_recv = null_want_recv,           \
	}

static const struct net_frame_ops null_ops = OPS(null_send);
static const struct net_frame_ops sink_ops = OPS(sink_send);

static void init(struct net_null *n, const char *kind, const struct net_frame_ops *ops)
{
	n->b.kind = kind;
	snprintf(n->b.label, sizeof(n->b.label), "%s", kind);
	n->b.can = NET_OFFLOADS_ALL;
	n->b.frame = ops;
	n->b.destroy = null_destroy;
}

static int null_create(unused const void *config, const struct net_common *common,
                       unused struct loop *l, struct net_backend **out)
{
	const unsigned more = common->more_pairs;
	struct net_null *n = NULL;

	*out = NULL;
	for (unsigned i = 0; i <= more; i++) { /* the last pair first */
		n = calloc(1, sizeof(*n));
		if (!n) {
			log_error("%s: null: out of memory", common->nic);
			net_destroy(*out);
			*out = NULL;
			return -ENOMEM;
		}
		init(n, "null", &null_ops);
		n->b.next = *out;
		*out = &n->b;
	}
	if (more) {
		n->b.set_pairs = null_set_pairs;
		n->b.can |= FEATURE(VIRTIO_NET_F_MQ);
	}
	return 0;
}

static int sink_create(unused const void *config, const struct net_common *common,
                       unused struct loop *l, struct net_backend **out)
{
	struct net_sink_kind *s = calloc(1, sizeof(*s));

	*out = NULL;
	if (!s) {
		log_error("%s: sink: out of memory", common->nic);
		return -ENOMEM;
	}
	init(&s->null, "sink", &sink_ops);
	numbered_filler_make(&s->filler);
	s->check.filler = &s->filler;
	s->null.b.numbered = &s->check.stats;
	*out = &s->null.b;
	return 0;
}

static const struct opt_def no_keys[] = {OPT_END};

const struct net_kind net_kind_null = {
	.name = "null",
	.help = "nothing: takes every frame, gives none",
	.keys = no_keys,
	.create = null_create,
};

const struct net_kind net_kind_sink = {
	.name = "sink",
	.help = "as null, and looks for frames with numbers, such as gen sends: what was lost?",
	.keys = no_keys,
	.one_queue = "it looks for one order of the frames",
	.create = sink_create,
};
