/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --net user: a network of its own for the guest, translated to sockets of this process by libslirp.
 * No privilege needed.
 *
 * libslirp hands out frames whenever it likes, also from inside slirp_input(), which is inside our
 * send(). They go into a ring, and the device hears of them from the loop's hook, so never
 * re-entrantly and without a system call.
 *
 * libslirp is told of an MTU that is larger than the guest's: by what a segment costs it, a few large ones are cheaper.
 * To the guest everything is as its own MTU has it: what comes out of libslirp leaves the ring as a frame with a
 * gso_size, with those that follow it in the same connection; or cut up, if the driver of the moment does not take that.
 *
 * Several NICs of this kind on threads of their own share libslirp's idea of the current time and its
 * cache of the host's name server: words that each thread overwrites with the same thing.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/virtio_net.h>
#include <slirp/libslirp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/csum.h"
#include "net/ip_cut.h"
#include "net/ip_join.h"
#include "net/net_kinds.h"
#include "net/slirp_fds.h"
#include "net/slirp_lib.h"
#include "net/slirp_opt.h"
#include "net/tcp_join.h"
#include "vmm/core/compiler.h"
#include "vmm/core/frame_ring.h"
#include "vmm/core/iov.h"
#include "vmm/core/le.h"
#include "vmm/core/log.h"

#define NS_PER_MS UINT64_C(1000000)

/* Four TCP windows of the largest size that libslirp offers. */
#define RING_BYTES KIB(256)
#define FRAME_MAX  (NET_RECV_MAX - NET_HDR_LEN)
#define MTU_MAX    65521u /* libslirp's own limit */
#define MTU_USUAL  1500u  /* when none is asked for */

/*
 * Bytes of a packet before its payload, as libslirp reckons for IPv4, too: it makes up its mind on how large segments are before
 * it knows the family, and does not look into the SYN of a guest.
 */
#define HEADERS 60u

/* What slirp_pollfds_fill() answers at most, even when it has nothing to wait for. */
#define IDLE_MS 1000u

struct net_slirp {
	struct net_backend b; /* first */
	struct slirp_api api;
	Slirp *slirp;
	struct loop *loop;
	struct net_sink sink;
	uint64_t offloads; /* of the driver */
	size_t mtu;        /* of its network, bytes of a packet */
	size_t payload;    /* of TCP in these */
	unsigned
		segments; /* of so many bytes that libslirp has in one of its own; 1: it has them as they are */
	bool joins; /* segments for it, if it takes them */
	bool started, want_recv;
	bool busy;    /* libslirp's state may have changed: ask it again before the wait */
	bool told;    /* libslirp knows what time it is, this side of the wait */
	bool probing; /* what it says now answers something that the guest did not send */
	uint64_t
		now_ns; /* which is this: it asks for each frame, and one answer will do; 0: not asked yet */
	struct loop_hook hook;
	struct loop_timer timer; /* libslirp's, and ours when the device left frames behind */
	uint64_t timer_ns;       /* what it is set to while armed */
	struct slirp_fds fds;
	struct frame_ring ring; /* towards the guest */
	size_t cut; /* bytes of payload that the guest has already of the oldest one there */
	uint8_t frame[FRAME_MAX]; /* from the guest */
	struct ip_join join;      /* likewise */
};

static struct net_slirp *slirp_of(struct net_backend *b)
{
	return container_of(b, struct net_slirp, b);
}

/* ---- what libslirp calls */

static ssize_t cb_send_packet(const void *buf, size_t len, void *opaque)
{
	uint8_t copy[TCP_SEG_LOOK];
	struct net_slirp *s = opaque;

	/* The ACK before it ended the connection, or had a RST already. */
	if (s->probing && tcp_seg_is_rst(buf, len))
		return (ssize_t)len;
	/* A SYN: what libslirp would take from others goes into packets on the guest's network all the same. */
	if (s->segments > 1 && len <= sizeof(copy)) {
		memcpy(copy, buf, len);
		tcp_seg_mss(copy, len, s->mtu, 0);
		buf = copy;
	}
	/* The guest is slow or not there: as on any network, TCP will find out. */
	if (!s->started || len > FRAME_MAX || frame_ring_push(&s->ring, buf, len) < 0)
		s->b.stats.recv_dropped++;
	else
		s->b.stats.bytes_copied += len;
	return (ssize_t)len;
}

static void cb_guest_error(const char *msg, unused void *opaque)
{
	log_guest("user: %s", msg);
}

static uint64_t now_of(struct net_slirp *s)
{
	if (!s->now_ns)
		s->now_ns = loop_now_ns();
	return s->now_ns;
}

static int64_t cb_clock_get_ns(void *opaque)
{
	return (int64_t)now_of(opaque);
}

struct slirp_timer {
	struct net_slirp *owner;
	SlirpTimerCb fn;
	void *arg;
	struct loop_timer timer;
};

static void timer_fired(void *arg)
{
	struct slirp_timer *t = arg;

	t->owner->busy = true;
	t->owner->now_ns = 0; /* also while stopped, without before_wait() */
	t->fn(t->arg);
}

/* Made by slirp_new() only: router advertisements. NULL, without memory, is a timer that never fires. */
static void *cb_timer_new(SlirpTimerCb fn, void *arg, void *opaque)
{
	struct slirp_timer *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	*t = (struct slirp_timer){.owner = opaque, .fn = fn, .arg = arg};
	t->timer = (struct loop_timer){.fn = timer_fired, .arg = t};
	return t;
}

static void cb_timer_free(void *timer, unused void *opaque)
{
	struct slirp_timer *t = timer;

	if (t)
		loop_timer_off(&t->timer);
	free(t);
}

static void cb_timer_mod(void *timer, int64_t expire_ms, unused void *opaque)
{
	struct slirp_timer *t = timer;

	if (t)
		loop_timer_at(t->owner->loop, &t->timer, (uint64_t)expire_ms * NS_PER_MS);
}

static void cb_register_poll_fd(unused int fd, unused void *opaque)
{
	/* slirp_pollfds_fill() will name it when there is something to wait for. */
}

static void cb_unregister_poll_fd(int fd, void *opaque)
{
	struct net_slirp *s = opaque;

	slirp_fds_drop(&s->fds, fd);
}

static void cb_notify(void *opaque)
{
	struct net_slirp *s = opaque;

	s->busy = true;
}

static const SlirpCb callbacks = {
	.send_packet = cb_send_packet,
	.guest_error = cb_guest_error,
	.clock_get_ns = cb_clock_get_ns,
	.timer_new = cb_timer_new,
	.timer_free = cb_timer_free,
	.timer_mod = cb_timer_mod,
	.register_poll_fd = cb_register_poll_fd,
	.unregister_poll_fd = cb_unregister_poll_fd,
	.notify = cb_notify,
};

/* ---- the loop */

static int cb_get_revents(int index, void *opaque)
{
	struct net_slirp *s = opaque;

	return slirp_fds_revents(&s->fds, index);
}

static int cb_add_poll(int fd, int events, void *opaque)
{
	struct net_slirp *s = opaque;

	return slirp_fds_add(&s->fds, fd, events);
}

/* Let libslirp look at the clock and at its sockets. */
static void tell(struct net_slirp *s)
{
	s->fds.ready = false;
	s->told = true;
	s->api.poll(s->slirp, 0, cb_get_revents, s);
}

static void wake_at(struct net_slirp *s, uint64_t when_ns)
{
	/* Too early does no harm, and saves the system call. */
	if (s->timer.armed && s->timer_ns <= when_ns)
		return;
	s->timer_ns = when_ns;
	loop_timer_at(s->loop, &s->timer, when_ns);
}

static void woken(void *arg)
{
	struct net_slirp *s = arg;

	s->busy = true;
}

static void ask(struct net_slirp *s)
{
	uint32_t timeout_ms = UINT32_MAX;

	slirp_fds_begin(&s->fds);
	s->api.fill(s->slirp, &timeout_ms, cb_add_poll, s);
	slirp_fds_end(&s->fds);
	if (timeout_ms < IDLE_MS)
		wake_at(s, now_of(s) + timeout_ms * NS_PER_MS);
}

/* Before each wait of the loop. */
static void before_wait(void *arg)
{
	struct net_slirp *s = arg;
	bool changed = s->busy || s->fds.ready;

	s->busy = false;
	if (changed)
		tell(s);
	if (s->want_recv && !frame_ring_empty(&s->ring))
		s->sink.can_recv(s->sink.arg);
	if (!s->started)
		return;
	if (s->busy) { /* the device used the occasion to send */
		s->busy = false;
		changed = true;
		tell(s);
	}
	if (changed)
		ask(s);
	/* The device had enough for this turn, or there is more by now: come back at once. */
	if (s->want_recv && !frame_ring_empty(&s->ring))
		wake_at(s, 0);
	s->told = false;
	s->now_ns = 0;
}

/* ---- what the device calls */

static int slirp_start(struct net_backend *b, uint64_t offloads, const struct net_sink *sink)
{
	struct net_slirp *s = slirp_of(b);
	int ret;

	if (s->started)
		return -EBUSY;
	/* The first question, and the timer's descriptor before a guest can use up all there are. */
	s->timer_ns = 0;
	ret = loop_timer_at(s->loop, &s->timer, 0);
	if (ret < 0)
		return ret;
	s->sink = *sink;
	s->now_ns = 0;
	s->offloads = offloads;
	s->started = true;
	s->want_recv = true;
	loop_hook_add(s->loop, &s->hook);
	return 0;
}

/* While stopped, connections from the outside wait in the backlog of their listening socket. */
static void slirp_stop(struct net_backend *b)
{
	struct net_slirp *s = slirp_of(b);

	if (!s->started)
		return;
	s->started = false;
	s->want_recv = false;
	loop_hook_del(s->loop, &s->hook);
	loop_timer_off(&s->timer);
	slirp_fds_drop_all(&s->fds);
	b->stats.recv_dropped += frame_ring_clear(&s->ring);
	s->cut = 0;
}

/* What waits in the ring is whole, with full checksums: nothing of it was made for the old ones. */
static int slirp_set_offloads(struct net_backend *b, uint64_t offloads)
{
	slirp_of(b)->offloads = offloads;
	return 0;
}

static void slirp_want_recv(struct net_backend *b, bool on)
{
	slirp_of(b)->want_recv = on;
}

/*
 * Always a copy, also of a frame in one piece: libslirp reads some bytes twice, and these are guest
 * memory. The copy is what is judged and what libslirp sees. Length of the frame, or -EINVAL.
 */
static ssize_t take_frame(struct net_slirp *s, const struct iovec *iov, unsigned nr)
{
	struct virtio_net_hdr_v1 hdr;
	size_t len = iov_bytes(iov, nr);

	if (len < sizeof(hdr) + ETH_HLEN || len - sizeof(hdr) > sizeof(s->frame))
		return -EINVAL;
	len -= sizeof(hdr);
	iov_read(iov, nr, 0, &hdr, sizeof(hdr));
	iov_read(iov, nr, sizeof(hdr), s->frame, len);
	s->b.stats.bytes_copied += len;
	if ((hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) &&
	    csum_complete(s->frame, len, get_le16(&hdr.csum_start), get_le16(&hdr.csum_offset)) < 0)
		return -EINVAL;
	return (ssize_t)len;
}

/* libslirp answers a few other things (NC-SI), which no guest of ours needs. */
static bool for_slirp(const uint8_t *frame)
{
	const unsigned proto = (unsigned)frame[12] << 8 | frame[13];

	return proto == ETH_P_IP || proto == ETH_P_IPV6 || proto == ETH_P_ARP;
}

static ssize_t slirp_send(struct net_backend *b, const struct iovec *iov, unsigned nr)
{
	struct net_slirp *s = slirp_of(b);
	ssize_t len = take_frame(s, iov, nr);
	const size_t large = s->segments * s->payload;
	const uint8_t *whole = NULL;
	size_t whole_len = (size_t)len;

	if (len < 0) {
		b->stats.send_errors++;
		return len;
	}
	if (!s->told) /* the loop may have slept for hours: do not let connections expire by that */
		tell(s);
	/* A SYN: that answers libslirp's own, and it looks at the MSS. */
	if (s->segments > 1 && tcp_join_taken(s->frame, s->offloads))
		tcp_seg_mss(s->frame, (size_t)len, s->mtu, large);
	if (for_slirp(s->frame))
		whole = ip_join(&s->join, s->frame, &whole_len);
	if (whole)
		s->api.input(s->slirp, whole, (int)whole_len);
	/*
	 * A window without room for a large segment, nor for half of what it was at most: there libslirp would wait for its
	 * persist timer, 5 seconds each time, unless it has to answer.
	 */
	if (s->segments > 1 && tcp_seg_probe(s->frame, (size_t)len, s->payload, large)) {
		s->probing = true;
		s->api.input(s->slirp, s->frame, (int)len);
		s->probing = false;
	}
	s->busy = true;
	b->stats.sends++;
	b->stats.send_bytes += (uint64_t)len + NET_HDR_LEN;
	return len + (ssize_t)NET_HDR_LEN;
}

/* The oldest frame that waits: its length and place, and the start of it in @head. */
static size_t look(const struct frame_ring *r, size_t *at, uint8_t head[TCP_SEG_LOOK])
{
	const struct iovec iov = {head, TCP_SEG_LOOK};
	const size_t len = frame_ring_peek(r, at);

	if (len)
		frame_ring_read(r, *at, min_size(len, TCP_SEG_LOOK), &iov, 1, 0);
	return len;
}

/*
 * @done bytes are at @iov, of a frame that @j has begun: append those that follow. Bytes of the frame, or
 * -EMSGSIZE.
 */
static ssize_t append(struct net_slirp *s, struct tcp_join *j, const struct iovec *iov, unsigned nr,
                      ssize_t done)
{
	size_t len, at, off = NET_HDR_LEN + (size_t)done;
	const size_t head_len = j->seg.head_len;
	uint8_t head[TCP_SEG_LOOK];

	while (done > 0 && (len = look(&s->ring, &at, head)) && tcp_join_next(j, head, len)) {
		ssize_t more;

		/* From where the last one ended: there may be dozens of pieces and of segments. */
		for (; nr && off >= iov->iov_len; iov++, nr--)
			off -= iov->iov_len;
		more = frame_ring_read(&s->ring, at + head_len, len - head_len, iov, nr, off);
		frame_ring_drop(&s->ring);
		off += len - head_len;
		done = more < 0 ? more : done + more;
	}
	return done;
}

/* The oldest frame, and what can be joined with it. */
static ssize_t take_joined(struct net_slirp *s, struct tcp_join *j, const struct iovec *iov,
                           unsigned nr, struct virtio_net_hdr_v1 *hdr)
{
	ssize_t ret = frame_ring_pop(&s->ring, iov, nr, NET_HDR_LEN);

	ret = append(s, j, iov, nr, ret);
	if (ret > 0 && tcp_join_segments(j) > 1) {
		tcp_join_end(j, hdr);
		iov_write(iov, nr, NET_HDR_LEN, j->head, j->seg.head_len);
		s->b.stats.recv_joined += tcp_join_segments(j) - 1;
	}
	return ret;
}

/* The next piece of the oldest frame, which is @len bytes at @at. */
static ssize_t take_piece(struct net_slirp *s, struct ip_cut *c, size_t at, const struct iovec *iov,
                          unsigned nr)
{
	const size_t part = ip_cut_piece(c, s->cut), off = NET_HDR_LEN + c->head_len;
	ssize_t ret = frame_ring_read(&s->ring, at + c->head_len + s->cut, part, iov, nr, off);

	if (ret >= 0) {
		iov_write(iov, nr, NET_HDR_LEN, c->head, c->head_len);
		if (c->csum_start)
			csum_complete_iov(iov, nr, off + part, NET_HDR_LEN + c->csum_start,
			                  c->csum_offset);
		ret += (ssize_t)c->head_len;
	}
	s->cut += part;
	if (s->cut == c->payload) {
		frame_ring_drop(&s->ring);
		s->cut = 0;
	}
	return ret;
}

/*
 * As frame_ring_pop(), with the header that says how segments became one. What libslirp made too large for the driver of
 * the moment is cut: one piece each time.
 */
static ssize_t take_out(struct net_slirp *s, const struct iovec *iov, unsigned nr)
{
	struct virtio_net_hdr_v1 hdr = {0};
	uint8_t head[TCP_SEG_LOOK];
	size_t at, len = look(&s->ring, &at, head);
	struct tcp_join j;
	struct ip_cut c;
	ssize_t ret;

	if (len && s->joins && s->cut == 0 && tcp_join_taken(head, s->offloads) &&
	    tcp_join_first(&j, head, len, s->mtu, s->payload))
		ret = take_joined(s, &j, iov, nr, &hdr);
	else if (len > ETH_HLEN + s->mtu && ip_cut_begin(&c, head, len, s->mtu, s->payload))
		ret = take_piece(s, &c, at, iov, nr);
	else
		ret = frame_ring_pop(&s->ring, iov, nr, NET_HDR_LEN);
	iov_write(iov, nr, 0, &hdr, sizeof(hdr));
	return ret;
}

static ssize_t slirp_recv(struct net_backend *b, const struct iovec *iov, unsigned nr)
{
	struct net_slirp *s = slirp_of(b);
	ssize_t len = take_out(s, iov, nr);

	if (len <= 0) {
		if (len == 0)
			b->stats.recv_empty++;
		else
			b->stats.recv_dropped++;
		return 0;
	}
	b->stats.recvs++;
	b->stats.recv_bytes += (uint64_t)len + NET_HDR_LEN;
	b->stats.bytes_copied += (uint64_t)len;
	return len + (ssize_t)NET_HDR_LEN;
}

static void slirp_destroy(struct net_backend *b)
{
	struct net_slirp *s = slirp_of(b);

	slirp_stop(b);
	if (s->slirp)
		s->api.cleanup(s->slirp);
	frame_ring_free(&s->ring);
	free(s);
}

static const struct net_frame_ops slirp_ops = {
	.start = slirp_start,
	.stop = slirp_stop,
	.set_offloads = slirp_set_offloads,
	.send = slirp_send,
	.recv = slirp_recv,
	.want_recv = slirp_want_recv,
};

/* ---- set-up */

/*
 * Of how many of the guest's segments one of libslirp's may be. Its window ends at 65535, and it tells a guest that waits for one
 * only when it opened by two segments: so that two, and one of the guest's own, are less.
 */
static unsigned segments_of(size_t mtu, size_t payload)
{
	const size_t nr = (UINT16_MAX - mtu) / 2 / payload;

	return nr ? (unsigned)nr : 1;
}

static Slirp *new_slirp(struct net_slirp *s, const struct slirp_config *cfg)
{
	SlirpConfig c = {
		.version = 1,
		.restricted = cfg->restricted,
		.in_enabled = true,
		.vnetwork.s_addr = htonl(SLIRP_NET),
		.vnetmask.s_addr = htonl(SLIRP_MASK),
		.vhost.s_addr = htonl(SLIRP_GATEWAY),
		.vdhcp_start.s_addr = htonl(SLIRP_GUEST),
		.vnameserver.s_addr = htonl(SLIRP_DNS),
		.in6_enabled = cfg->ipv6,
		.vprefix_len = 64,
		.vhostname = cfg->hostname[0] ? cfg->hostname : NULL,
	};

	inet_pton(AF_INET6, "fec0::", &c.vprefix_addr6);
	inet_pton(AF_INET6, "fec0::2", &c.vhost6);
	inet_pton(AF_INET6, "fec0::3", &c.vnameserver6);
	c.if_mtu = c.if_mru = u32_of(s->segments * s->payload) + HEADERS;
	return s->api.create(&c, &callbacks, s);
}

static int add_forwards(struct net_slirp *s, const struct slirp_config *cfg, const char *nic)
{
	char text[SLIRP_FWD_TEXT];

	for (unsigned i = 0; i < cfg->nr_fwd; i++) {
		const struct slirp_fwd *f = &cfg->fwd[i];
		int ret = slirp_fwd_try(f);

		if (ret == 0 && s->api.add_hostfwd(s->slirp, f->udp, f->host, f->host_port,
		                                   f->guest, f->guest_port) < 0)
			ret = -EADDRINUSE;
		if (ret == 0)
			continue;
		slirp_fwd_print(f, text);
		if (ret == -EADDRNOTAVAIL)
			log_error("%s: user: hostfwd=%s: the host has no such address", nic, text);
		else
			log_error("%s: user: hostfwd=%s: port %u of the host: %s", nic, text,
			          f->host_port, strerror(-ret));
		return ret;
	}
	return 0;
}

static int slirp_create(const void *config, const struct net_common *common, struct loop *l,
                        struct net_backend **out)
{
	const struct slirp_config *cfg = config;
	struct net_slirp *s = calloc(1, sizeof(*s));
	int ret;

	*out = NULL;
	if (!s || frame_ring_init(&s->ring, RING_BYTES) < 0) {
		log_error("%s: user: out of memory", common->nic);
		free(s);
		return -ENOMEM;
	}
	s->loop = s->fds.loop = l;
	s->joins = cfg->join;
	s->hook = (struct loop_hook){.fn = before_wait, .arg = s};
	s->timer = (struct loop_timer){.fn = woken, .arg = s};
	s->b.kind = "user";
	strcpy(s->b.label, SLIRP_LABEL);
	/*
	 * libslirp sums up checksums itself and takes IPv4 packets of any size, so that a segment
	 * of 64 KiB goes into the host's socket as it is; but it refuses IPv6 above the MTU. To the guest
	 * nothing has ECN: what is joined has no flag but ACK and PSH.
	 */
	s->b.can = FEATURE(VIRTIO_NET_F_CSUM) | FEATURE(VIRTIO_NET_F_GUEST_CSUM) |
	           FEATURE(VIRTIO_NET_F_HOST_TSO4) | FEATURE(VIRTIO_NET_F_HOST_ECN) |
	           FEATURE(VIRTIO_NET_F_GUEST_TSO4) | FEATURE(VIRTIO_NET_F_GUEST_TSO6);
	s->b.frame = &slirp_ops;
	s->b.destroy = slirp_destroy;
	ret = slirp_lib_open(&s->api, common->nic);
	if (ret < 0)
		goto fail;
	s->mtu = common->mtu ? min_u32(common->mtu, MTU_MAX) : MTU_USUAL;
	s->payload = s->mtu - HEADERS;
	s->segments = cfg->join ? segments_of(s->mtu, s->payload) : 1;
	s->slirp = new_slirp(s, cfg);
	if (!s->slirp) {
		log_error("%s: user: libslirp refuses to start", common->nic);
		ret = -EINVAL;
		goto fail;
	}
	ret = add_forwards(s, cfg, common->nic);
	if (ret < 0)
		goto fail;
	*out = &s->b;
	return 0;
fail:
	slirp_destroy(&s->b);
	return ret;
}

_Static_assert(sizeof(struct slirp_config) <= NET_CONFIG_MAX, "many forwards");

const struct net_kind net_kind_user = {
	.one_queue = "libslirp is one thread's work",
	.name = "user",
	.help = "a network of its own behind sockets of this process; needs no privilege",
	.keys = slirp_keys,
	.config_size = sizeof(struct slirp_config),
	.config_init = slirp_defaults,
	.create = slirp_create,
};
