/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A peer process that serves the rings, found by a unix socket: the front-end of vhost-user. We connect
 * to it, or with server=on it to us.
 *
 *	         connected            asked what it can do
 *	WAITING -----------> ASKING ------------------------> THERE (the link is up)
 *	   ^                   |                                |
 *	   +-------------------+--------------------------------+
 *	          lost: soon tried again, and ever later if none of them serves
 *
 * What a peer was told outlives it: the next one is told the same and goes on where the used indexes of
 * the rings stand. While none is there the device serves them, and drops, as with any link that is
 * down; but not when the peer keeps notes about what it has begun (VU_GET_INFLIGHT_FD), which only a
 * peer can read, nor when it did not go but was given up, silent or breaking rules, and may still be at
 * them: then the rings wait for the next one.
 */
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/net_kinds.h"
#include "net/vhost_user_peer.h"
#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"
#include "vmm/core/fd_signal.h"
#include "vmm/core/le.h"
#include "vmm/core/listener.h"
#include "vmm/core/log.h"
#include "vmm/core/unix_socket.h"

/* Between two attempts: doubled by each peer that does not serve. */
#define RETRY_NS     UINT64_C(100000000)
#define RETRY_MAX_NS UINT64_C(6400000000)
/* One that stayed so long has served, whatever ended it; one that went by itself, if it used a buffer. */
#define SERVED_NS UINT64_C(1000000000)

/* Frames would have to pass through us, or the peer be told later on. */
#define NEVER                                                                          \
	(FEATURE(VIRTIO_NET_F_CTRL_RX) | FEATURE(VIRTIO_NET_F_CTRL_RX_EXTRA) |         \
	 FEATURE(VIRTIO_NET_F_CTRL_VLAN) | FEATURE(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) | \
	 FEATURE(VIRTIO_NET_F_HASH_REPORT) | FEATURE(VIRTIO_NET_F_RSS))

struct vhost_user_config {
	const char *socket;
	bool server;
};

struct net_vhost_user {
	struct net_backend b; /* first */
	const char *nic;      /* borrowed */
	struct loop *loop;
	struct sockaddr_un addr;
	struct listener listener; /* server=on; off while a peer is there */
	struct loop_timer retry;
	uint64_t retry_ns, deadline_ns;
	uint64_t found_ns;  /* when the peer was found */
	unsigned used_then; /* used_sum() when it was told of the rings */
	struct vu_peer peer;
	struct vu_rings rings;
	struct fd_signal signal;
	struct net_backend *more; /* of the other pairs, an array; owned; NULL: one pair */
	int hopeless;             /* -errno of the last attempt, when waiting does not help */
	bool pinned;              /* what the device offers is settled */
	bool found;               /* there is a peer, and it was told what there is to serve */
	bool was_there;           /* a peer, ever */
	bool loose;               /* who was given up with the rings may still be at them */
	bool told;                /* the link that was told */
	char said[160];           /* the reason that was logged last, "" after success */
	void (*tell)(void *arg, bool up);
	void *tell_arg;
};

static struct net_vhost_user *vu_of(struct net_backend *b)
{
	return container_of(b, struct net_vhost_user, b);
}

/* ---- peers come and go */

static bool there(const struct net_vhost_user *v)
{
	return v->peer.ready && v->peer.link;
}

static bool packed(const struct net_vhost_user *v)
{
	return v->rings.accepted & FEATURE(VIRTIO_F_RING_PACKED);
}

/* UINT32_MAX: the ring does not say. */
static uint32_t used_of(const struct net_vhost_user *v, const struct net_ring *r)
{
	le16 idx;

	if (packed(v) || gmem_read(v->peer.mem, r->used + 2, &idx, sizeof(idx)) < 0)
		return UINT32_MAX;
	return le16_get(idx);
}

/*
 * The rings of a peer that died go on where the driver has seen them: what it began is begun again. A packed
 * ring does not say where that is, once a peer was @told of it: the device has to be reset.
 */
static void resume_at_used(struct net_vhost_user *v, bool told)
{
	if (packed(v) && !told)
		return;
	for (unsigned i = 0; i < v->rings.nr; i++)
		v->rings.ring[i].next_avail = used_of(v, &v->rings.ring[i]);
}

/* Something that moves when any of the rings does, if they are split. */
static unsigned used_sum(const struct net_vhost_user *v)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < v->rings.nr; i++)
		sum += used_of(v, &v->rings.ring[i]);
	return sum;
}

static void start_peer(struct net_vhost_user *v)
{
	v->used_then = used_sum(v);
	vu_peer_start(&v->peer);
}

static bool has_served(const struct net_vhost_user *v)
{
	return v->found && (loop_now_ns() - v->found_ns >= SERVED_NS ||
	                    (!v->peer.refused && used_sum(v) != v->used_then));
}

static void say(struct net_vhost_user *v, const char *why)
{
	if (strcmp(v->said, why) == 0)
		return;
	snprintf(v->said, sizeof(v->said), "%s", why);
	log_warn("%s: vhost-user %s: the peer is lost: %s", v->nic, v->b.label, why);
}

static void retry_later(struct net_vhost_user *v)
{
	v->b.peer = "waiting";
	loop_timer_at(v->loop, &v->retry, loop_now_ns() + v->retry_ns);
}

static void use(struct net_vhost_user *v, int fd)
{
	v->b.peer = "asking";
	vu_peer_open(&v->peer, fd);
}

static void on_connect(void *arg, int fd)
{
	struct net_vhost_user *v = arg;

	listener_off(&v->listener); /* the next one waits until this one is gone */
	use(v, fd);
}

/* Look for a peer. */
static void try_again(void *arg)
{
	struct net_vhost_user *v = arg;
	int ret;

	if (listener_is_open(&v->listener)) {
		listener_on(&v->listener);
		return;
	}
	ret = unix_connect(&v->addr);
	if (ret >= 0) {
		use(v, ret);
		return;
	}
	v->hopeless = ret == -ENOENT || ret == -ECONNREFUSED || ret == -EAGAIN ? 0 : ret;
	retry_later(v);
}

/* The rings can be taken by a next peer only: what was begun in them the peer knows alone, or it may still be at them. */
static bool to_be_held(const struct net_vhost_user *v)
{
	return v->rings.nr > 0 && !packed(v) &&
	       (v->rings.inflight_fd >= 0 || v->loose || vu_peer_is_loose(&v->peer));
}

static void lost(struct net_vhost_user *v)
{
	const bool told = v->found;

	if (v->rings.nr > 0 && vu_peer_is_loose(&v->peer))
		v->loose = true;
	v->b.ring_held = to_be_held(v);
	v->retry_ns = has_served(v) ? RETRY_NS : min_u64(2 * v->retry_ns, RETRY_MAX_NS);
	say(v, v->peer.why);
	vu_peer_close(&v->peer);
	v->peer.lost = v->found = false;
	resume_at_used(v, told);
	if (told && packed(v) && v->rings.nr > 0)
		log_warn("%s: vhost-user %s: only the peer knew where the packed rings stand: the "
		         "driver has to reset the device",
		         v->nic, v->b.label);
	retry_later(v);
}

static void found(struct net_vhost_user *v)
{
	if (v->said[0])
		log_warn("%s: vhost-user %s: the peer is there again", v->nic, v->b.label);
	v->said[0] = '\0';
	v->b.peer = "connected";
	v->found = true;
	v->found_ns = loop_now_ns();
	if (v->was_there)
		v->b.stats.reconnects++;
	v->was_there = true;
	if (v->loose) /* and has perhaps gone on until now */
		resume_at_used(v, true);
	v->b.ring_held = v->loose = false;
	if (v->rings.nr == 0)
		return;
	/* Started, and this one was not told. */
	start_peer(v);
	/* Kicks and interrupts may have been lost with the one before. */
	for (unsigned i = 0; i < v->rings.nr; i++)
		fd_signal_set(&v->signal, v->rings.ring[i].kick_fd);
	fd_signal_set(&v->signal, v->rings.ring[0].call_fd);
}

static void peer_changed(void *arg)
{
	struct net_vhost_user *v = arg;
	const bool held = v->b.ring_held;

	if (v->peer.lost)
		lost(v);
	else if (v->peer.ready && !v->found)
		found(v);
	/* Also of a link that stays down, when there is somebody again to take the rings from. */
	if (v->told == there(v) && (!held || v->b.ring_held))
		return;
	v->told = there(v);
	if (v->tell)
		v->tell(v->tell_arg, v->told);
}

static bool vu_attend(struct net_backend *b, void (*tell)(void *arg, bool up), void *arg)
{
	struct net_vhost_user *v = vu_of(b);

	v->tell = tell;
	v->tell_arg = arg;
	v->told = there(v);
	return v->told;
}

/* ---- before the guest starts: wait for the first peer */

static void on_deadline(void *arg)
{
	bool *over = arg;

	*over = true;
}

/* 0; or -errno with the reason. Signals are not blocked yet: they end the process. */
static int wait_for_peer(struct net_vhost_user *v, char *why, size_t why_size)
{
	bool said = false, over = false;
	struct loop_timer deadline = {.fn = on_deadline, .arg = &over};
	int ret = v->deadline_ns ? loop_timer_at(v->loop, &deadline, v->deadline_ns) : 0;

	try_again(v);
	while (ret >= 0 && !v->peer.ready) {
		if (!said && strcmp(v->b.peer, "waiting") == 0 && v->hopeless == 0) {
			log_warn("%s: waiting for a vhost-user peer %s %s", v->nic,
			         listener_is_open(&v->listener) ? "to connect to" : "at",
			         v->b.label);
			said = true;
		}
		if (v->peer.lost && v->peer.refused)
			ret = -EPROTO;
		else if (v->hopeless < 0)
			ret = v->hopeless;
		else if (over)
			ret = -ETIMEDOUT;
		else
			ret = loop_turn(v->loop, -1);
	}
	loop_timer_off(&deadline);
	if (ret == -EPROTO)
		snprintf(why, why_size, "the peer at %s: %s", v->b.label, v->peer.why);
	else if (ret < 0)
		snprintf(why, why_size, "no peer at %s: %s", v->b.label,
		         ret == -ETIMEDOUT ? "the time of --timeout is over" : strerror(-ret));
	return ret < 0 ? ret : 0;
}

static int vu_prepare(struct net_backend *b, const struct gmem *m, char *why, size_t why_size)
{
	struct net_vhost_user *v = vu_of(b);
	struct vu_msg memory;
	int ret;

	if (v->peer.mem)
		return 0;
	ret = vu_memory_of(m, &memory);
	if (ret < 0) {
		snprintf(why, why_size, "guest memory is not shared memory");
		return ret;
	}
	v->peer.mem = m;
	if (v->pinned) { /* the guest has rebooted, and has to take what it finds */
		try_again(v);
		return 0;
	}
	ret = wait_for_peer(v, why, why_size);
	if (ret < 0)
		return ret;
	b->ring_cannot = NEVER | (vu_peer_features() & ~v->peer.features);
	v->pinned = true;
	return 0;
}

static void vu_forget(struct net_backend *b)
{
	struct net_vhost_user *v = vu_of(b);

	vu_peer_close(&v->peer);
	loop_timer_rest(&v->retry);
	listener_off(&v->listener);
	v->peer.mem = NULL;
	v->peer.lost = v->found = false;
	v->b.peer = "waiting";
	v->retry_ns = RETRY_NS;
}

/* ---- the rings */

static int vu_start(struct net_backend *b, uint64_t accepted, unused uint64_t offloads,
                    struct net_ring *ring, unsigned nr, unused const struct net_sink *s)
{
	struct net_vhost_user *v = vu_of(b);

	if (nr > VU_RINGS_MAX)
		return -EINVAL;
	memcpy(v->rings.ring, ring, nr * sizeof(*ring));
	v->rings.nr = nr;
	v->rings.accepted = accepted;
	if (v->found) /* otherwise the next one is told when it is */
		start_peer(v);
	return 0;
}

/* They are with nobody: @gave says whether the peer told where they stand. */
static void end_rings(struct net_vhost_user *v, struct net_ring *ring, bool gave)
{
	struct vu_rings *s = &v->rings;

	if (!gave)
		resume_at_used(v, v->found);
	/* Some may have been finished out of order: nobody knows which. */
	for (unsigned i = 0; i < s->nr && !gave && s->inflight_fd >= 0; i++)
		s->ring[i].next_avail = UINT32_MAX;
	if (v->loose || vu_peer_is_loose(&v->peer))
		log_error("%s: vhost-user %s: the peer was given up with the rings, and may still "
		          "write to the guest's memory",
		          v->nic, v->b.label);
	v->loose = false;
	for (unsigned i = 0; i < s->nr; i++)
		ring[i].next_avail = s->ring[i].next_avail;
	s->nr = 0;
	fd_close(&s->inflight_fd);
	v->b.ring_held = false;
}

/* Does the peer say where the first @nr rings stand? They are ours to end. */
static bool ask_back(struct net_vhost_user *v, unsigned nr)
{
	bool gave;

	v->rings.nr = nr;
	/* One that was not told of the rings yet has nothing to say about them. */
	gave = v->found && vu_peer_stop(&v->peer);
	v->rings.nr = nr;
	return gave;
}

static void vu_stop(struct net_backend *b, struct net_ring *ring, unsigned nr)
{
	struct net_vhost_user *v = vu_of(b);

	end_rings(v, ring, ask_back(v, nr));
}

/* The peer that does not answer is lost by that: the rings wait for the next one, as if it had been a moment earlier. */
static bool vu_hand_back(struct net_backend *b, struct net_ring *ring, unsigned nr)
{
	struct net_vhost_user *v = vu_of(b);
	const bool gave = ask_back(v, nr);

	if (!gave && to_be_held(v))
		return false;
	end_rings(v, ring, gave);
	return true;
}

static int vu_set_offloads(unused struct net_backend *b, unused uint64_t offloads)
{
	return -ENOTSUP; /* CTRL_GUEST_OFFLOADS is not offered */
}

static const struct net_ring_ops ring_ops = {
	.name = "vhost-user",
	.prepare = vu_prepare,
	.start = vu_start,
	.stop = vu_stop,
	.hand_back = vu_hand_back,
	.set_offloads = vu_set_offloads,
	.forget = vu_forget,
};

/* ---- frames: while nobody serves the rings, nobody is on the other side */

static int no_start(unused struct net_backend *b, unused uint64_t offloads,
                    unused const struct net_sink *s)
{
	return 0;
}

static void no_stop(unused struct net_backend *b)
{
}

static int no_offloads(unused struct net_backend *b, unused uint64_t offloads)
{
	return 0;
}

static ssize_t no_send(struct net_backend *b, unused const struct iovec *iov, unused unsigned nr)
{
	b->stats.send_errors++;
	return -ENETDOWN;
}

static ssize_t no_recv(unused struct net_backend *b, unused const struct iovec *iov,
                       unused unsigned nr)
{
	return 0;
}

static void no_want_recv(unused struct net_backend *b, unused bool on)
{
}

static const struct net_frame_ops frame_ops = {
	.start = no_start,
	.stop = no_stop,
	.set_offloads = no_offloads,
	.send = no_send,
	.recv = no_recv,
	.want_recv = no_want_recv,
};

/* ---- life */

static void vu_destroy(struct net_backend *b)
{
	struct net_vhost_user *v = vu_of(b);

	vu_forget(b);
	vu_peer_free(&v->peer);
	loop_timer_off(&v->retry);
	listener_close(&v->listener);
	fd_close(&v->rings.inflight_fd);
	fd_signal_close(&v->signal);
	free(v->more);
	free(v);
}

/* The pairs behind the first, for the device's sake: all of them are served by the peer, or by nobody. 0 or -errno. */
static int add_pairs(struct net_vhost_user *v, unsigned nr)
{
	if (nr == 0)
		return 0;
	if (nr >= VU_PAIRS_MAX)
		return -EINVAL;
	v->more = calloc(nr, sizeof(*v->more));
	if (!v->more)
		return -ENOMEM;
	for (unsigned i = 0; i < nr; i++) {
		v->more[i] = (struct net_backend){.kind = v->b.kind, .frame = &frame_ops};
		v->more[i].next = i + 1 < nr ? &v->more[i + 1] : NULL;
	}
	v->b.next = v->more;
	v->b.can |= FEATURE(VIRTIO_NET_F_MQ);
	v->peer.pairs = 1 + nr;
	v->peer.needs = FEATURE(VIRTIO_NET_F_MQ); /* until the driver says what it needs */
	return 0;
}

/* NULL; or one that vu_destroy() frees, and *ret says whether it can be used. */
static struct net_vhost_user *make(const struct net_common *common, struct loop *l, int *ret)
{
	struct net_vhost_user *v = calloc(1, sizeof(*v));

	*ret = -ENOMEM;
	if (!v)
		return NULL;
	v->nic = common->nic;
	v->loop = l;
	v->deadline_ns = common->deadline_ns;
	v->retry_ns = RETRY_NS;
	v->retry = (struct loop_timer){.fn = try_again, .arg = v};
	listener_init(&v->listener, l, on_connect, v);
	v->rings.inflight_fd = -1;
	*ret = fd_signal_open(&v->signal);
	if (*ret < 0)
		log_warn("%s: vhost-user: no asynchronous I/O (%s): a malicious peer may be able "
		         "to block doorbell",
		         common->nic, strerror(-*ret));
	*ret = vu_peer_init(&v->peer, l);
	if (*ret == 0)
		*ret = loop_timer_make(l, &v->retry); /* or there may be no next peer, ever */
	v->peer.rings = &v->rings;
	v->peer.mtu = common->mtu;
	v->peer.changed = peer_changed;
	v->peer.arg = v;
	v->b = (struct net_backend){
		.kind = "vhost-user",
		.can = vu_peer_features() & ~FEATURE(VIRTIO_NET_F_MQ),
		.frame = &frame_ops,
		.ring = &ring_ops,
		.ring_cannot = NEVER,
		.ring_first = true,
		.ring_only = true,
		.signal = &v->signal,
		.peer = "waiting",
		.attend = vu_attend,
		.destroy = vu_destroy,
	};
	if (*ret == 0)
		*ret = add_pairs(v, common->more_pairs);
	return v;
}

static int vu_create(const void *config, const struct net_common *common, struct loop *l,
                     struct net_backend **out)
{
	const struct vhost_user_config *cfg = config;
	struct net_vhost_user *v;
	int ret;

	*out = NULL;
	if (!cfg->socket) {
		log_error("%s: vhost-user needs socket=PATH", common->nic);
		return -EINVAL;
	}
	v = make(common, l, &ret);
	if (ret < 0) {
		log_error("%s: vhost-user: %s", common->nic, strerror(-ret));
		if (v)
			vu_destroy(&v->b);
		return ret;
	}
	snprintf(v->b.label, sizeof(v->b.label), "%s", cfg->socket);
	ret = unix_address(cfg->socket, &v->addr);
	if (ret == 0 && !cfg->server)
		ret = unix_look(&v->addr);
	else if (ret == 0)
		ret = listener_open(&v->listener, &v->addr, 1);
	if (ret < 0) {
		log_error("%s: vhost-user: socket=%s: %s", common->nic, cfg->socket,
		          unix_reason(ret));
		vu_destroy(&v->b);
		return ret;
	}
	*out = &v->b;
	return 0;
}

static const struct opt_def vhost_user_keys[] = {
	{.name = "socket",
         .type = OPT_STRING,
         .offset = offsetof(struct vhost_user_config, socket),
         .exclusive = 1,
         .arg = "PATH",
         .help = "unix socket of the peer, which may come later; needed"},
	{.name = "server",
         .type = OPT_BOOL,
         .offset = offsetof(struct vhost_user_config, server),
         .arg = "on|off",
         .help = "listen there, the peer connects (default: off, doorbell connects)"},
	OPT_END,
};

const struct net_kind net_kind_vhost_user = {
	.name = "vhost-user",
	.help = "another process serves the rings, over a unix socket",
	.keys = vhost_user_keys,
	.config_size = sizeof(struct vhost_user_config),
	.shares_memory = true,
	.create = vu_create,
};
