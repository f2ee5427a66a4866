/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames with numbers (net/numbered.h) to the guest, at a rate or as fast as it takes them. Those that come back, from a
 * guest that forwards or echoes, are checked and counted.
 *
 * With a rate, each frame has its time. One timer wakes the loop for those of the next TICK_NS; what a guest that was
 * away for longer than BEHIND_NS missed is not made up for.
 */
#include <errno.h>
#include <linux/virtio_net.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/mac.h"
#include "net/net_feed.h"
#include "net/net_kinds.h"
#include "net/net_offload.h"
#include "net/numbered.h"
#include "vmm/core/compiler.h"
#include "vmm/core/iov.h"
#include "vmm/core/log.h"

#define NS_PER_S UINT64_C(1000000000)

#define TICK_NS   UINT64_C(50000)
#define BEHIND_NS UINT64_C(10000000)

#define RATE_DEFAULT 1000u
#define RATE_MAX     100000000u

struct gen_config {
	uint64_t size, rate, count;
	uint8_t to[6]; /* all zero: the NIC itself */
};

struct net_gen {
	struct net_backend b; /* first */
	struct net_feed feed;
	struct loop_timer timer; /* for the next frame */
	struct gen_config cfg;
	uint64_t due_ns;             /* when the next frame is; CLOCK_MONOTONIC */
	uint64_t rest;               /* of a nanosecond, in parts of 1 / rate */
	uint8_t mac[6];              /* the guest's */
	struct numbered_check check; /* its stream and sent are those of the way there, too */
	struct numbered_filler filler;
};

static const uint8_t own_mac[6] = {0x02, 'd', 'b', 0xff, 0xff, 0xfd};

static struct net_gen *gen_of(struct net_backend *b)
{
	return container_of(b, struct net_gen, b);
}

static bool is_over(const struct net_gen *g)
{
	return g->cfg.count && g->check.sent >= g->cfg.count;
}

static bool is_due(struct net_gen *g)
{
	uint64_t now;

	if (is_over(g))
		return false;
	if (!g->cfg.rate)
		return true;
	now = loop_now_ns();
	if (now < g->due_ns)
		return false;
	if (now - g->due_ns > BEHIND_NS)
		g->due_ns = now;
	return true;
}

static bool gen_ready(void *arg)
{
	struct net_gen *g = arg;
	const uint64_t tick = loop_now_ns() + TICK_NS;

	if (is_due(g))
		return true;
	if (!g->timer.armed && !is_over(g))
		loop_timer_at(g->feed.loop, &g->timer, g->due_ns > tick ? g->due_ns : tick);
	return false;
}

/* The feed asks before the next wait. */
static void woken(unused void *arg)
{
}

static void one_later(struct net_gen *g)
{
	if (!g->cfg.rate)
		return;
	g->due_ns += NS_PER_S / g->cfg.rate;
	g->rest += NS_PER_S % g->cfg.rate;
	if (g->rest >= g->cfg.rate) {
		g->rest -= g->cfg.rate;
		g->due_ns++;
	}
}

static int gen_start(struct net_backend *b, unused uint64_t offloads, const struct net_sink *s)
{
	struct net_gen *g = gen_of(b);

	g->due_ns = loop_now_ns();
	return feed_start(&g->feed, s);
}

static void gen_stop(struct net_backend *b)
{
	struct net_gen *g = gen_of(b);

	feed_stop(&g->feed);
	loop_timer_rest(&g->timer);
}

/* Frames to the guest need nothing of it. */
static int gen_set_offloads(unused struct net_backend *b, unused uint64_t offloads)
{
	return 0;
}

static ssize_t gen_send(struct net_backend *b, const struct iovec *iov, unsigned nr)
{
	struct net_gen *g = gen_of(b);
	const size_t len = iov_bytes(iov, nr);

	if (len <= NET_HDR_LEN) {
		b->stats.send_errors++;
		return -EINVAL;
	}
	numbered_look(&g->check, iov, nr, NET_HDR_LEN, len - NET_HDR_LEN);
	b->stats.sends++;
	b->stats.send_bytes += len;
	return (ssize_t)len;
}

static ssize_t gen_recv(struct net_backend *b, const struct iovec *iov, unsigned nr)
{
	struct net_gen *g = gen_of(b);
	const struct numbered_frame frame = {
		.to = g->cfg.to,
		.from = own_mac,
		.len = (uint32_t)g->cfg.size,
		.number = g->check.sent,
		.stream = g->check.stream,
	};

	if (!is_due(g)) {
		b->stats.recv_empty++;
		return 0;
	}
	iov_zero(iov, nr, 0, NET_HDR_LEN);
	numbered_write(&frame, &g->filler, iov, nr, NET_HDR_LEN);
	g->check.sent++;
	one_later(g);
	b->stats.recvs++;
	b->stats.recv_bytes += g->cfg.size + NET_HDR_LEN;
	b->stats.bytes_copied += g->cfg.size;
	return (ssize_t)(g->cfg.size + NET_HDR_LEN);
}

static void gen_want_recv(struct net_backend *b, bool on)
{
	gen_of(b)->feed.want_recv = on;
}

static void gen_destroy(struct net_backend *b)
{
	struct net_gen *g = gen_of(b);

	feed_stop(&g->feed);
	loop_timer_off(&g->timer);
	free(g);
}

static const struct net_frame_ops gen_ops = {
	.start = gen_start,
	.stop = gen_stop,
	.set_offloads = gen_set_offloads,
	.send = gen_send,
	.recv = gen_recv,
	.want_recv = gen_want_recv,
};

/* Another one for each sender: when it began, and for whom. */
static uint32_t new_stream(const uint8_t mac[6])
{
	const uint64_t now = loop_now_ns();
	uint32_t id;

	memcpy(&id, mac + 2, sizeof(id));
	return id ^ u32_of(now) ^ u32_of(now >> 32);
}

static int gen_create(const void *config, const struct net_common *common, struct loop *l,
                      struct net_backend **out)
{
	static const uint8_t nobody[6];
	struct net_gen *g = calloc(1, sizeof(*g));
	int ret;

	*out = NULL;
	if (!g) {
		log_error("%s: gen: out of memory", common->nic);
		return -ENOMEM;
	}
	memcpy(&g->cfg, config, sizeof(g->cfg));
	if (memcmp(g->cfg.to, nobody, sizeof(nobody)) == 0)
		memcpy(g->cfg.to, common->mac, sizeof(g->cfg.to));
	numbered_filler_make(&g->filler);
	g->check.filler = &g->filler;
	g->check.ours = true;
	g->check.stream = new_stream(common->mac);
	g->timer = (struct loop_timer){.fn = woken};
	g->feed = (struct net_feed){.loop = l, .ready = gen_ready, .arg = g};
	g->b.kind = "gen";
	snprintf(g->b.label, sizeof(g->b.label), "size=%u", (unsigned)g->cfg.size);
	g->b.can = NET_OFFLOADS_ALL;
	g->b.numbered = &g->check.stats;
	g->b.frame = &gen_ops;
	g->b.destroy = gen_destroy;
	ret = loop_timer_make(l, &g->timer);
	if (ret < 0) {
		log_error("%s: gen: %s", common->nic, strerror(-ret));
		gen_destroy(&g->b);
		return ret;
	}
	*out = &g->b;
	return 0;
}

static void gen_defaults(void *config)
{
	struct gen_config *cfg = config;

	cfg->size = NUMBERED_MIN;
	cfg->rate = RATE_DEFAULT;
}

static int parse_to(void *target, const char *value, char *why, size_t why_size)
{
	struct gen_config *cfg = target;
	int ret = mac_parse(value, cfg->to);

	if (ret < 0)
		snprintf(why, why_size,
		         "the address of one NIC, like 52:54:00:12:34:56, is needed");
	return ret;
}

static const struct opt_def gen_keys[] = {
	{.name = "size",
         .type = OPT_UINT,
         .offset = offsetof(struct gen_config, size),
         .min = NUMBERED_MIN,
         .max = NUMBERED_MAX,
         .arg = "BYTES",
         .help = "of each frame, 60 to 65553 (default: 60)"},
	{.name = "rate",
         .type = OPT_UINT,
         .offset = offsetof(struct gen_config, rate),
         .max = RATE_MAX,
         .arg = "N",
         .help = "frames per second; 0: as fast as the guest takes them (default: 1000)"},
	{.name = "count",
         .type = OPT_UINT,
         .offset = offsetof(struct gen_config, count),
         .max = UINT64_MAX,
         .arg = "N",
         .help = "how many; 0: without end (default: 0)"},
	{.name = "to",
         .type = OPT_CALL,
         .parse = parse_to,
         .arg = "MAC",
         .help = "whose they are (default: the address of this NIC)"},
	OPT_END,
};

const struct net_kind net_kind_gen = {
	.name = "gen",
	.help = "frames with numbers to the guest; counts what became of those that come back",
	.keys = gen_keys,
	.config_size = sizeof(struct gen_config),
	.config_init = gen_defaults,
	.one_queue = "its frames have one order",
	.create = gen_create,
};
