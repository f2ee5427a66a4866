/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A TAP interface: one writev() per frame to the host, one readv() per frame from it, straight on
 * the caller's pieces.
 *
 * What is left alone: an interface that existed before keeps its MAC, MTU, flags and up state; we
 * attach to its queue, and put the queue's header size and send buffer back when we leave. One that was
 * handed in as a descriptor keeps its header size, and gets back its blocking mode and the offloads of its owner, who
 * reads on. Else offloads are none when we leave: TUNSETOFFLOAD says what the reader understands, and there is none any
 * more.
 *
 * With several pairs each has a queue of the interface, a descriptor, and a struct net_tap. What is of the
 * interface as a whole (header size, offloads, send buffer) is asked of the first one; the kernel spreads the
 * frames over the queues that are attached: to the one on which the guest last sent for this flow, else by
 * hash.
 *
 * It has a ring table too: there the kernel's vhost-net moves the frames between this queue and the
 * guest's rings, and we only watch.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "net/net_kinds.h"
#include "net/net_offload.h"
#include "net/net_port.h"
#include "net/tap_open.h"
#include "net/vhost_net.h"
#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"
#include "vmm/core/iov.h"
#include "vmm/core/log.h"

/* The header of virtio before 1.0 and of a TAP nobody has told otherwise: no num_buffers. */
#define OLD_HDR_LEN 10u

#define BUSYLOOP_MAX_US 1000000u

/* What frames would have to pass through us for. */
#define VHOST_NEVER                                                            \
	(FEATURE(VIRTIO_NET_F_CTRL_RX) | FEATURE(VIRTIO_NET_F_CTRL_RX_EXTRA) | \
	 FEATURE(VIRTIO_NET_F_CTRL_VLAN) | FEATURE(VIRTIO_NET_F_HASH_REPORT) | \
	 FEATURE(VIRTIO_NET_F_RSS))
/* What of the rings vhost may have or not, depending on the kernel. */
#define VHOST_MAYBE                                                                \
	(FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VIRTIO_NET_F_MRG_RXBUF) |           \
	 FEATURE(VIRTIO_RING_F_INDIRECT_DESC) | FEATURE(VIRTIO_RING_F_EVENT_IDX) | \
	 FEATURE(VIRTIO_F_RING_PACKED) | FEATURE(VIRTIO_F_IN_ORDER))

struct net_tap {
	struct net_backend b; /* first */
	struct net_port port;
	struct net_tap *first; /* of the interface's queues; perhaps itself */
	unsigned index;        /* among them */
	int fd;                /* its queue: that of @tap, or its own */
	bool attached;
	bool takes_partial; /* a checksum may be left to the driver; of this queue's thread */
	struct tap_fd tap;  /* in the first one only */
	struct iovec iov[IOV_MAX]; /* for a queue with old headers only */
	struct vhost_net vhost;
	uint64_t busyloop_us;   /* or VHOST_NET_TRY */
	char busyloop_text[24]; /* for status */
	const struct gmem *mem; /* what vhost was given */
};

static struct net_tap *tap_of(struct net_backend *b)
{
	return container_of(b, struct net_tap, b);
}

static int tap_set_offloads(struct net_backend *b, uint64_t offloads)
{
	struct net_tap *t = tap_of(b);
	int ret = tap_fd_set_offloads(&t->first->tap, offloads);

	t->takes_partial = tap_fd_takes_partial(&t->first->tap);
	return ret;
}

static int tap_start(struct net_backend *b, uint64_t offloads, const struct net_sink *s)
{
	int ret = tap_set_offloads(b, offloads);

	/* A lost interface is not an error here: gone() follows, as it does while running. */
	if (ret < 0 && ret != -EBADFD)
		return ret;
	return port_start(&tap_of(b)->port, s);
}

static void tap_stop(struct net_backend *b)
{
	port_stop(&tap_of(b)->port);
}

static void tap_want_recv(struct net_backend *b, bool on)
{
	port_want_recv(&tap_of(b)->port, on);
}

/* A queue with old headers: the same buffer without num_buffers. Pieces, or 0 when there are too many. */
static int without_num_buffers(struct net_tap *t, const struct iovec *iov, unsigned nr)
{
	int left = iov_cut(iov, nr, OLD_HDR_LEN, NET_HDR_LEN, t->iov, IOV_MAX);

	return left > 0 ? left : 0;
}

static ssize_t tap_send(struct net_backend *b, const struct iovec *iov, unsigned nr)
{
	struct net_tap *t = tap_of(b);
	const bool old = t->first->tap.hdr_len == OLD_HDR_LEN;
	ssize_t ret;

	b->stats.syscalls_send++;
	if (likely(!old && nr == 1)) /* as tap_recv() */
		ret = write(t->fd, iov->iov_base, iov->iov_len);
	else if (likely(!old))
		ret = writev(t->fd, iov, (int)nr);
	else
		ret = writev(t->fd, t->iov, without_num_buffers(t, iov, nr));
	if (likely(ret >= 0)) {
		ret += (ssize_t)(old ? NET_HDR_LEN - OLD_HDR_LEN : 0);
		b->stats.sends++;
		b->stats.send_bytes += (uint64_t)ret;
		return ret;
	}
	if (errno == EAGAIN) {
		b->stats.send_again++;
		port_want_send(&t->port);
		return -EAGAIN;
	}
	ret = -errno; /* EIO: the interface is down; EINVAL: not a frame that it takes */
	b->stats.send_errors++;
	if (ret == -EBADFD)
		port_lost(&t->port, -ENODEV);
	return ret;
}

static ssize_t tap_recv(struct net_backend *b, const struct iovec *iov, unsigned nr)
{
	struct net_tap *t = tap_of(b);
	const bool old = t->first->tap.hdr_len == OLD_HDR_LEN;
	ssize_t ret;

	b->stats.syscalls_recv++;
	if (likely(!old && nr == 1)) /* a tenth less than readv() for a short frame */
		ret = read(t->fd, iov->iov_base, iov->iov_len);
	else if (likely(!old))
		ret = readv(t->fd, iov, (int)nr);
	else
		ret = readv(t->fd, t->iov, without_num_buffers(t, iov, nr));
	if (ret <= 0) {
		b->stats.recv_empty++;
		if (ret < 0 && errno == EBADFD)
			port_lost(&t->port, -ENODEV);
		return 0;
	}
	/* The kernel skips num_buffers without writing it. */
	iov_zero(iov, nr, OLD_HDR_LEN, NET_HDR_LEN - OLD_HDR_LEN);
	ret += (ssize_t)(old ? NET_HDR_LEN - OLD_HDR_LEN : 0);
	/* TUNSETOFFLOAD is for what comes: frames that wait in the queue were made for who had it before. */
	if (!t->takes_partial)
		net_offload_complete(iov, nr, (size_t)ret);
	b->stats.recvs++;
	b->stats.recv_bytes += (uint64_t)ret;
	return ret;
}

/* ---- several queues */

static struct net_tap *next_of(const struct net_tap *t)
{
	return t->b.next ? tap_of(t->b.next) : NULL;
}

/*
 * Should the queue get frames? 0 or -errno. EINVAL is all that the kernel says about a queue whose interface was
 * deleted: no error here, gone() follows as in tap_start().
 */
static int use_queue(struct net_tap *t, bool on)
{
	int ret = 0;

	if (t->first->port.err)
		ret = -EINVAL;
	else if (t->attached != on)
		ret = tap_queue_use(t->fd, on);
	if (ret == 0)
		t->attached = on;
	else if (ret == -EINVAL)
		t->attached = false;
	else
		log_error("%s: queue %u of it: %s", t->b.label, t->index, strerror(-ret));
	return ret == -EINVAL ? 0 : ret;
}

static int tap_set_pairs(struct net_backend *b, unsigned nr)
{
	/* The first is always attached: its interface would lose its carrier. */
	struct net_tap *const second = next_of(tap_of(b));
	unsigned had = nr; /* as many were attached before */
	int ret = 0;

	for (struct net_tap *t = second; t && ret == 0; t = next_of(t)) {
		const bool on = t->index < nr;

		if (on && !t->attached)
			had = min_u32(had, t->index);
		ret = use_queue(t, on);
	}
	/* Nobody reads from those that have just been attached. */
	for (struct net_tap *t = second; t && ret < 0; t = next_of(t))
		if (t->index >= had && t->index < nr)
			use_queue(t, false);
	return ret;
}

/* ---- vhost */

static int vhost_open(struct net_backend *b, const struct gmem *m, char *why, size_t why_size)
{
	int ret = 0;

	for (struct net_tap *t = tap_of(b); t && ret == 0; t = next_of(t))
		ret = vhost_net_open(&t->vhost, m, why, why_size);
	return ret;
}

static int vhost_prepare(struct net_backend *b, const struct gmem *m, char *why, size_t why_size)
{
	struct net_tap *first = tap_of(b);
	int ret;

	if (first->tap.hdr_len != NET_HDR_LEN) {
		snprintf(why, why_size,
		         "the queue was handed in with headers of %u bytes, vhost needs %u",
		         first->tap.hdr_len, NET_HDR_LEN);
		return -EINVAL;
	}
	ret = vhost_open(b, m, why, why_size);
	for (struct net_tap *t = first; t && ret == 0; t = next_of(t))
		ret = vhost_net_watch(&t->vhost, first->busyloop_us, why, why_size);
	if (ret < 0)
		return ret;
	if (first->busyloop_us == VHOST_NET_TRY) /* 0: nobody could say whether it pays */
		b->busyloop = first->vhost.tries ? "try" : "0";
	first->mem = m;
	b->ring_cannot = VHOST_NEVER | (VHOST_MAYBE & ~first->vhost.offered);
	return 0;
}

static void vhost_stop(struct net_backend *b, struct net_ring *ring, unsigned nr)
{
	vhost_net_stop(&tap_of(b)->vhost, ring, nr);
}

static void vhost_let_go(struct net_backend *b)
{
	for (struct net_tap *t = tap_of(b); t; t = next_of(t))
		vhost_net_let_go(&t->vhost);
}

static int vhost_start(struct net_backend *b, uint64_t accepted, uint64_t offloads,
                       struct net_ring *ring, unsigned nr, const struct net_sink *s)
{
	struct net_tap *t = tap_of(b);
	const struct vhost_net_how how = {
		.tap_fd = t->fd,
		.accepted = accepted,
		.first_ring = VHOST_NET_RINGS * t->index,
		.mem = t->first->mem,
	};
	int ret = t == t->first ? tap_fd_unlimited(&t->tap) : 0;

	if (ret < 0 && ret != -EBADFD) {
		log_error("%s: TUNSETSNDBUF: %s", b->label, strerror(-ret));
		return ret;
	}
	ret = tap_set_offloads(b, offloads);
	/* A lost interface: gone() follows, as in tap_start(). */
	if (ret < 0 && ret != -EBADFD)
		return ret;
	return vhost_net_start(&t->vhost, &how, ring, nr, s);
}

static void vhost_forget(struct net_backend *b)
{
	tap_of(b)->mem = NULL;
	for (struct net_tap *t = tap_of(b); t; t = next_of(t))
		vhost_net_close(&t->vhost);
}

static const struct net_ring_ops vhost_ops = {
	.name = "vhost",
	.by_pair = true,
	.open = vhost_open,
	.prepare = vhost_prepare,
	.start = vhost_start,
	.stop = vhost_stop,
	.let_go = vhost_let_go,
	.set_offloads = tap_set_offloads,
	.forget = vhost_forget,
};

/* ---- life */

static void tap_destroy(struct net_backend *b)
{
	struct net_tap *first = tap_of(b), *t;

	/* The others before the first, which puts back what was found. */
	while ((t = next_of(first))) {
		first->b.next = t->b.next;
		port_stop(&t->port);
		vhost_net_close(&t->vhost);
		fd_close(&t->fd);
		free(t);
	}
	port_stop(&first->port);
	vhost_net_close(&first->vhost);
	tap_fd_close(&first->tap);
	free(first);
}

static const struct net_frame_ops tap_ops = {
	.start = tap_start,
	.stop = tap_stop,
	.set_offloads = tap_set_offloads,
	.send = tap_send,
	.recv = tap_recv,
	.want_recv = tap_want_recv,
};

/* What the queues of an interface have in common. */
static void init_queue(struct net_tap *t, struct net_tap *first, struct loop *l)
{
	t->first = first;
	t->attached = true;
	port_init(&t->port, l, t->fd);
	/* All of a ring path runs on the first one's loop. */
	vhost_net_init(&t->vhost, first->port.loop, first->tap.ifname, &first->b.stats);
	t->b.kind = "tap";
	snprintf(t->b.label, sizeof(t->b.label), "%s", first->tap.ifname);
	t->b.interface = t->b.label;
	t->b.frame = &tap_ops;
}

/* The queues behind the first. 0 or -errno, logged. */
static int add_queues(struct net_tap *first, const struct net_common *common)
{
	struct net_tap *last = first;

	for (unsigned i = 0; i < common->more_pairs; i++) {
		struct net_tap *t = calloc(1, sizeof(*t));
		int fd;

		if (!t) {
			log_error("%s: tap: out of memory", common->nic);
			return -ENOMEM;
		}
		fd = tap_fd_more(&first->tap, common);
		if (fd < 0) {
			free(t);
			return fd;
		}
		t->fd = fd;
		t->index = i + 1;
		init_queue(t, first, common->more_loops[i]);
		last->b.next = &t->b;
		last = t;
	}
	first->b.set_pairs = tap_set_pairs;
	first->b.can |= FEATURE(VIRTIO_NET_F_MQ);
	return tap_set_pairs(&first->b, 1);
}

static int tap_create(const void *config, const struct net_common *common, struct loop *l,
                      struct net_backend **out)
{
	const struct tap_config *cfg = config;
	struct net_tap *t = calloc(1, sizeof(*t));
	int ret;

	*out = NULL;
	if (!t) {
		log_error("%s: tap: out of memory", common->nic);
		return -ENOMEM;
	}
	ret = tap_fd_open(&t->tap, cfg, common);
	if (ret < 0) {
		free(t);
		return ret;
	}
	t->fd = t->tap.fd;
	init_queue(t, t, l);
	t->busyloop_us = cfg->busyloop;
	if (t->busyloop_us == VHOST_NET_TRY && cfg->fd != UINT64_MAX)
		t->busyloop_us = 0; /* whose name may be another interface's where we are */
	snprintf(t->busyloop_text, sizeof(t->busyloop_text), "%" PRIu64, t->busyloop_us);
	t->b.busyloop = t->busyloop_us == VHOST_NET_TRY ? "try" : t->busyloop_text;
	t->b.can = t->tap.can;
	t->b.ring = &vhost_ops;
	t->b.ring_cannot = VHOST_NEVER;
	t->b.ring_first = cfg->path == TAP_PATH_VHOST;
	t->b.destroy = tap_destroy;
	ret = common->more_pairs ? add_queues(t, common) : 0;
	if (ret < 0) {
		tap_destroy(&t->b);
		return ret;
	}
	*out = &t->b;
	return 0;
}

static void tap_defaults(void *config)
{
	struct tap_config *cfg = config;

	cfg->fd = UINT64_MAX;
	cfg->busyloop = VHOST_NET_TRY;
}

static int parse_busyloop(void *target, const char *value, char *why, size_t why_size)
{
	struct tap_config *cfg = target;

	if (strcmp(value, "try") == 0) {
		cfg->busyloop = VHOST_NET_TRY;
	} else if (opt_parse_uint(value, &cfg->busyloop) < 0 || cfg->busyloop > BUSYLOOP_MAX_US) {
		snprintf(why, why_size, "allowed is try, or a number from 0 to %u",
		         BUSYLOOP_MAX_US);
		return -EINVAL;
	}
	return 0;
}

static const char *const path_names[] = {
	[TAP_PATH_PURE] = "pure",
	[TAP_PATH_VHOST] = "vhost",
	NULL,
};

static const struct opt_def tap_keys[] = {
	{.name = "ifname",
         .type = OPT_STRING,
         .offset = offsetof(struct tap_config, ifname),
         .exclusive = 1,
         .arg = "NAME",
         .help = "the interface, created when missing (default: a new one, the kernel picks)"},
	{.name = "fd",
         .type = OPT_UINT,
         .offset = offsetof(struct tap_config, fd),
         .max = INT_MAX,
         .exclusive = 1,
         .arg = "N",
         .help = "an open TAP with IFF_VNET_HDR that was handed in; its offloads, O_NONBLOCK and "
                 "send buffer change while the guest runs"},
	{.name = "path",
         .type = OPT_CHOICE,
         .offset = offsetof(struct tap_config, path),
         .choices = path_names,
         .arg = "pure|vhost",
         .help = "who serves the rings: doorbell or the kernel's vhost-net (default: pure)"},
	{.name = "busyloop",
         .type = OPT_CALL,
         .parse = parse_busyloop,
         .arg = "try|USECS",
         .help = "how long vhost polls before it sleeps (0 to 1000000), or try: while that "
                 "makes questions and answers faster (default: try)"},
	OPT_END,
};

const struct net_kind net_kind_tap = {
	.name = "tap",
	.help = "a TAP interface of the host",
	.keys = tap_keys,
	.config_size = sizeof(struct tap_config),
	.kicks_inline = true,
	.config_init = tap_defaults,
	.create = tap_create,
};
