/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/vhost_server.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/virtio_net.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "devices/virtio.h"
#include "devices/virtio_vhost_user.h"
#include "net/vhost_user_chan.h"
#include "net/vhost_user_msg.h"
#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"
#include "vmm/core/listener.h"
#include "vmm/core/log.h"
#include "vmm/core/unix_socket.h"
#include "vmm/nic.h"

#define BACKLOG 16

/* Whoever may connect may do so in an endless row: lines about closed connections at once, and then one every so often. */
#define LINES_MAX 100u
#define LINE_NS   UINT64_C(100000000)

#define PROTOCOL                                                                                   \
	(FEATURE(VU_PROTOCOL_MQ) | FEATURE(VU_PROTOCOL_REPLY_ACK) | FEATURE(VU_PROTOCOL_BACKEND) | \
	 FEATURE(VU_PROTOCOL_CONFIG) | FEATURE(VU_PROTOCOL_INFLIGHT) |                             \
	 FEATURE(VU_PROTOCOL_STATUS))

struct vhost_server {
	struct nic *nic;
	const char *path;
	struct listener listener; /* off while there is a front end */
	struct vu_chan chan;      /* to it; closed: there is none */
	struct vu_chan back;      /* requests of ours */
	uint64_t protocol;        /* accepted */
	int inflight;             /* the one region that this front end gets; -1: not yet */
	struct virtio_vhost_user t;
	uint64_t front_ends, refused; /* so far */
	uint64_t said_ns;             /* lines take LINE_NS each: until when those so far do */
	uint64_t unsaid;              /* connections that were closed without a line */
};

static int PRINTF_LIKE(2, 3) bad(struct vhost_server *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(s->t.why, sizeof(s->t.why), fmt, ap);
	va_end(ap);
	return -EPROTO;
}

/* ---- questions */

static int get_features(struct vhost_server *s, unused struct vu_msg *m, struct vu_msg *answer)
{
	answer->p.number = s->t.dev->offered | FEATURE(VU_F_PROTOCOL_FEATURES);
	answer->h.size = sizeof(answer->p.number);
	return 0;
}

/* Nobody but us knows the place in a packed ring: it could not be found again. */
static uint64_t protocol(const struct vhost_server *s)
{
	if (s->t.dev->offered & FEATURE(VIRTIO_F_RING_PACKED))
		return PROTOCOL & ~FEATURE(VU_PROTOCOL_INFLIGHT);
	return PROTOCOL;
}

static int get_protocol(struct vhost_server *s, unused struct vu_msg *m, struct vu_msg *answer)
{
	answer->p.number = protocol(s);
	answer->h.size = sizeof(answer->p.number);
	return 0;
}

/* Of a network device: pairs of them. */
static int get_queue_num(struct vhost_server *s, unused struct vu_msg *m, struct vu_msg *answer)
{
	answer->p.number = virtio_net_nr_pairs(s->nic->net);
	answer->h.size = sizeof(answer->p.number);
	return 0;
}

static int get_status(struct vhost_server *s, unused struct vu_msg *m, struct vu_msg *answer)
{
	answer->p.number = vvu_status(&s->t);
	answer->h.size = sizeof(answer->p.number);
	return 0;
}

static int get_ring_base(struct vhost_server *s, struct vu_msg *m, struct vu_msg *answer)
{
	answer->p.ring.index = m->p.ring.index;
	answer->h.size = sizeof(answer->p.ring);
	return vvu_ring_stop(&s->t, m->p.ring.index, &answer->p.ring.num);
}

/* As many bytes as were asked for, or User Mode Linux does not take them; zeros where there are none. */
static int get_config(struct vhost_server *s, struct vu_msg *m, struct vu_msg *answer)
{
	const struct vu_config *c = &m->p.config;

	if (c->size > VU_CONFIG_MAX)
		return bad(s, "GET_CONFIG of %u bytes, at most %u are possible", c->size,
		           VU_CONFIG_MAX);
	answer->p.config.offset = c->offset;
	answer->p.config.size = c->size;
	answer->h.size = VU_CONFIG_HEADER + c->size;
	virtio_config_read(s->t.dev, c->offset, answer->p.config.bytes, c->size);
	return 0;
}

/*
 * What a back-end has begun and not ended, for the one that follows it. Ours ends requests in the order in which it
 * takes them, so the used index says it all (vvu_recover()), and no entry of this is ever set: to another back-end
 * it says the same. The layout is QueueRegionSplit of the specification.
 */
struct inflight_ring {
	uint64_t features;
	uint16_t version, nr, last_batch_head, used_idx;
};
struct inflight_entry {
	uint8_t inflight, padding[5];
	uint16_t next;
	uint64_t counter;
};
_Static_assert(sizeof(struct inflight_ring) == 16 && sizeof(struct inflight_entry) == 16,
               "vhost-user: inflight I/O tracking");

static int check_inflight(struct vhost_server *s, const struct vu_inflight *f)
{
	if (!(protocol(s) & FEATURE(VU_PROTOCOL_INFLIGHT)))
		return bad(s, "an inflight region, which was not offered: rings may be packed");
	if (f->nr_rings == 0 || f->nr_rings > s->t.dev->nr_queues || f->ring_size == 0 ||
	    f->ring_size > VQ_NUM_MAX)
		return bad(s, "an inflight region for %u rings of %u entries", f->nr_rings,
		           f->ring_size);
	return 0;
}

static uint64_t inflight_stride(unsigned ring_size)
{
	return align_up(sizeof(struct inflight_ring) + ring_size * sizeof(struct inflight_entry),
	                64);
}

/* A file that nobody can cut, for the largest region that can be asked for. 0 or -errno. */
static int make_inflight(struct vhost_server *s)
{
	const uint64_t size = s->t.dev->nr_queues * inflight_stride(VQ_NUM_MAX);
	int ret = 0;

	if (s->inflight >= 0)
		return 0;
	s->inflight = memfd_create("doorbell-inflight", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (s->inflight < 0 || ftruncate(s->inflight, (off_t)size) < 0 ||
	    fcntl(s->inflight, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		ret = -errno;
	if (ret < 0)
		fd_close(&s->inflight);
	return ret;
}

/* As new, whatever was in it. 0 or -errno. */
static int clear_inflight(struct vhost_server *s, const struct vu_inflight *f, uint64_t stride)
{
	const struct inflight_ring ring = {.version = 1, .nr = f->ring_size};

	if (fallocate(s->inflight, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
	              (off_t)(s->t.dev->nr_queues * inflight_stride(VQ_NUM_MAX))) < 0)
		return -errno;
	for (unsigned i = 0; i < f->nr_rings; i++)
		if (pwrite(s->inflight, &ring, sizeof(ring), (off_t)(i * stride)) < 0)
			return -errno;
	return 0;
}

static int get_inflight(struct vhost_server *s, struct vu_msg *m, struct vu_msg *answer)
{
	struct vu_inflight *f = &answer->p.inflight;
	uint64_t stride;
	int ret;

	*f = (struct vu_inflight){.nr_rings = m->p.inflight.nr_rings,
	                          .ring_size = m->p.inflight.ring_size};
	if (check_inflight(s, f) < 0)
		return -EPROTO;
	stride = inflight_stride(f->ring_size);
	ret = make_inflight(s);
	if (ret == 0)
		ret = clear_inflight(s, f, stride);
	if (ret < 0)
		return bad(s, "no inflight region: %s", strerror(-ret));
	f->size = stride * f->nr_rings;
	answer->h.size = sizeof(*f);
	answer->fd[0] = s->inflight;
	answer->nr_fds = 1;
	return 0;
}

/* ---- the rest */

static int nothing(unused struct vhost_server *s, unused struct vu_msg *m,
                   unused struct vu_msg *answer)
{
	return 0;
}

/*
 * QEMU and DPDK keep the control queue to themselves and pass on what the driver accepted of the features that hang on
 * it: these are then no business of ours.
 */
static uint64_t without_control_queue(uint64_t f)
{
	const uint64_t by_it = FEATURE(VIRTIO_NET_F_CTRL_RX) | FEATURE(VIRTIO_NET_F_CTRL_RX_EXTRA) |
	                       FEATURE(VIRTIO_NET_F_CTRL_VLAN) |
	                       FEATURE(VIRTIO_NET_F_CTRL_MAC_ADDR) |
	                       FEATURE(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) |
	                       FEATURE(VIRTIO_NET_F_GUEST_ANNOUNCE) | FEATURE(VIRTIO_NET_F_MQ);

	return f & FEATURE(VIRTIO_NET_F_CTRL_VQ) ? f : f & ~by_it;
}

static int set_features(struct vhost_server *s, struct vu_msg *m, unused struct vu_msg *answer)
{
	const uint64_t bit = FEATURE(VU_F_PROTOCOL_FEATURES);

	return vvu_set_features(&s->t, without_control_queue(m->p.number & ~bit),
	                        m->p.number & bit);
}

static int set_protocol(struct vhost_server *s, struct vu_msg *m, unused struct vu_msg *answer)
{
	if (m->p.number & ~protocol(s))
		return bad(s, "protocol features 0x%" PRIx64 " were not offered",
		           m->p.number & ~protocol(s));
	s->protocol = m->p.number;
	return 0;
}

/* In the front end's address space; gmem_import() judges the guest's. */
static int check_user(struct vhost_server *s, const struct vu_memory *m, unsigned i)
{
	const struct vu_region *r = &m->region[i];

	if (r->user + r->size < r->user)
		return bad(s,
		           "memory at 0x%" PRIx64 " of the front end, 0x%" PRIx64 " bytes, wraps",
		           r->user, r->size);
	for (unsigned k = 0; k < i; k++) {
		const struct vu_region *q = &m->region[k];

		if (r->user - q->user < q->size || q->user - r->user < r->size)
			return bad(s,
			           "memory at 0x%" PRIx64 " and at 0x%" PRIx64
			           " of the front end overlaps",
			           q->user, r->user);
	}
	return 0;
}

static int set_memory(struct vhost_server *s, struct vu_msg *m, unused struct vu_msg *answer)
{
	struct gmem_file file[GMEM_MAX_REGIONS];
	struct vvu_memory where = {.nr = m->p.memory.nr};
	struct gmem mem;

	for (unsigned i = 0; i < where.nr; i++) {
		const struct vu_region *r = &m->p.memory.region[i];

		if (check_user(s, &m->p.memory, i) < 0)
			return -EPROTO;
		where.region[i] = (struct vvu_region){r->user, r->size, r->guest};
		file[i] = (struct gmem_file){{r->guest, r->size}, m->fd[i], r->offset};
	}
	if (gmem_import(&mem, file, where.nr, s->t.why, sizeof(s->t.why)) < 0)
		return -EPROTO;
	return vvu_set_memory(&s->t, &mem, &where);
}

static int set_ring_num(struct vhost_server *s, struct vu_msg *m, unused struct vu_msg *answer)
{
	return vvu_ring_num(&s->t, m->p.ring.index, m->p.ring.num);
}

static int set_ring_base(struct vhost_server *s, struct vu_msg *m, unused struct vu_msg *answer)
{
	return vvu_ring_base(&s->t, m->p.ring.index, m->p.ring.num);
}

static int set_ring_addr(struct vhost_server *s, struct vu_msg *m, unused struct vu_msg *answer)
{
	const struct vhost_vring_addr *a = &m->p.addr;

	return vvu_ring_addr(&s->t, a->index, a->desc_user_addr, a->avail_user_addr,
	                     a->used_user_addr);
}

static int set_ring_enable(struct vhost_server *s, struct vu_msg *m, unused struct vu_msg *answer)
{
	if (m->p.ring.num > 1)
		return bad(s, "SET_VRING_ENABLE %u", m->p.ring.num);
	return vvu_ring_enable(&s->t, m->p.ring.index, m->p.ring.num);
}

static uint32_t ring_of(const struct vu_msg *m)
{
	return u32_of(m->p.number & VU_RING_MASK);
}

static int set_ring_kick(struct vhost_server *s, struct vu_msg *m, unused struct vu_msg *answer)
{
	if (m->nr_fds == 0)
		return bad(s, "ring %u without a kick descriptor: it would have to be polled",
		           ring_of(m));
	return vvu_ring_kick(&s->t, ring_of(m), m->fd[0]);
}

static int set_ring_call(struct vhost_server *s, struct vu_msg *m, unused struct vu_msg *answer)
{
	return vvu_ring_call(&s->t, ring_of(m), m->nr_fds ? m->fd[0] : -1);
}

static int set_ring_err(struct vhost_server *s, struct vu_msg *m, unused struct vu_msg *answer)
{
	return vvu_ring_err(&s->t, ring_of(m), m->nr_fds ? m->fd[0] : -1);
}

static int set_status(struct vhost_server *s, struct vu_msg *m, unused struct vu_msg *answer)
{
	if (m->p.number > UINT8_MAX)
		return bad(s, "SET_STATUS 0x%" PRIx64, m->p.number);
	return vvu_set_status(&s->t, u8_of(m->p.number));
}

static int set_inflight(struct vhost_server *s, struct vu_msg *m, unused struct vu_msg *answer)
{
	if (check_inflight(s, &m->p.inflight) < 0)
		return -EPROTO;
	vvu_recover(&s->t);
	return 0;
}

/* Nobody has a reason to write there: it is for answers to what we do not ask. */
static void on_back(void *arg, unused uint32_t revents)
{
	struct vhost_server *s = arg;

	vu_chan_close(&s->back);
}

static int set_back_channel(struct vhost_server *s, struct vu_msg *m, unused struct vu_msg *answer)
{
	int ret;

	vu_chan_close(&s->back);
	ret = vu_chan_open(&s->back, s->nic->loop, m->fd[0], on_back, s);
	m->fd[0] = -1;
	return ret < 0 ? bad(s, "SET_BACKEND_REQ_FD: %s", strerror(-ret)) : 0;
}

static void tell_config(void *arg)
{
	struct vhost_server *s = arg;
	const struct vu_msg m = {.h.request = VU_BACK_CONFIG_CHANGED};

	/* Full: there are some on their way that it has not read. */
	if ((s->protocol & FEATURE(VU_PROTOCOL_CONFIG)) && s->back.watch.fd >= 0)
		(void)vu_chan_send(&s->back, &m);
}

static const struct handler {
	uint32_t request;
	int (*fn)(struct vhost_server *s, struct vu_msg *m, struct vu_msg *answer);
} handlers[] = {
	{VU_GET_FEATURES, get_features},
	{VU_SET_FEATURES, set_features},
	{VU_SET_OWNER, nothing},
	{VU_RESET_OWNER, nothing},
	{VU_SET_MEM_TABLE, set_memory},
	{VU_SET_VRING_NUM, set_ring_num},
	{VU_SET_VRING_ADDR, set_ring_addr},
	{VU_SET_VRING_BASE, set_ring_base},
	{VU_GET_VRING_BASE, get_ring_base},
	{VU_SET_VRING_KICK, set_ring_kick},
	{VU_SET_VRING_CALL, set_ring_call},
	{VU_SET_VRING_ERR, set_ring_err},
	{VU_GET_PROTOCOL_FEATURES, get_protocol},
	{VU_SET_PROTOCOL_FEATURES, set_protocol},
	{VU_GET_QUEUE_NUM, get_queue_num},
	{VU_SET_VRING_ENABLE, set_ring_enable},
	{VU_SET_BACKEND_REQ_FD, set_back_channel},
	{VU_GET_CONFIG, get_config},
	{VU_SET_CONFIG, nothing}, /* there is nothing that could be written */
	{VU_GET_INFLIGHT_FD, get_inflight},
	{VU_SET_INFLIGHT_FD, set_inflight},
	{VU_SET_STATUS, set_status},
	{VU_GET_STATUS, get_status},
};

/* ---- one message after the other */

static const struct handler *handler_of(uint32_t request)
{
	for (size_t i = 0; i < ARRAY_SIZE(handlers); i++)
		if (handlers[i].request == request)
			return &handlers[i];
	return NULL;
}

/* Front ends that keep the control queue to themselves say by their rings how many pairs are in use. */
static void use_pairs(struct vhost_server *s)
{
	const unsigned nr = vvu_pairs(&s->t);
	bool by_rss;

	if (nr > 0 && nr != virtio_net_pairs(s->nic->net, &by_rss) && !by_rss)
		(void)virtio_net_use_pairs(s->nic->net, nr); /* as many as it was, if not */
}

static int handle(struct vhost_server *s, struct vu_msg *m)
{
	const struct handler *h = handler_of(m->h.request);
	const bool ack = (m->h.flags & VU_NEED_REPLY) && !vu_is_question(m->h.request);
	struct vu_msg answer;
	int ret;

	if (vu_check_request(m, s->t.why, sizeof(s->t.why)) < 0)
		return -EPROTO;
	log_debug("%s: %s (%u), %u bytes, %u descriptors: 0x%" PRIx64, s->nic->cfg->name,
	          vu_name(m->h.request), m->h.request, m->h.size, m->nr_fds,
	          m->h.size >= sizeof(m->p.number) ? m->p.number : 0);
	vu_answer(m, &answer);
	ret = h ? h->fn(s, m, &answer) : 0;
	if (ret < 0)
		return ret;
	use_pairs(s);
	if (ack && (s->protocol & FEATURE(VU_PROTOCOL_REPLY_ACK))) {
		answer.p.number = h ? 0 : 1;
		answer.h.size = sizeof(answer.p.number);
	}
	if (answer.h.size > 0)
		ret = vu_chan_send(&s->chan, &answer);
	if (ret < 0)
		bad(s, "it does not take an answer: %s", strerror(-ret));
	return ret;
}

static void let_go(struct vhost_server *s)
{
	vu_chan_close(&s->back);
	vu_chan_close(&s->chan);
	fd_close(&s->inflight);
	vvu_reset(&s->t);
	s->protocol = 0;
	listener_on(&s->listener);
}

static void say_closed(struct vhost_server *s, const char *why)
{
	const uint64_t now = loop_now_ns();

	if (s->said_ns < now)
		s->said_ns = now;
	if (s->said_ns - now >= LINES_MAX * LINE_NS) {
		s->unsaid++;
		return;
	}
	s->said_ns += LINE_NS;
	if (s->unsaid)
		log_warn("%s: %" PRIu64
		         " connections at %s were closed too fast for a line about each",
		         s->nic->cfg->name, s->unsaid, s->path);
	s->unsaid = 0;
	log_warn("%s: connection at %s closed: %s", s->nic->cfg->name, s->path, why);
}

/* It is done, or was killed: between two messages, or before it took an answer. */
static bool has_gone(const struct vhost_server *s, int ret)
{
	return (ret == -EPIPE || ret == -ECONNRESET) && (s->chan.whole || s->chan.have == 0);
}

static void on_message(void *arg, unused uint32_t revents)
{
	struct vhost_server *s = arg;
	int ret = vu_chan_read(&s->chan, s->t.why, sizeof(s->t.why));

	if (ret == 1)
		ret = handle(s, &s->chan.in);
	if (ret >= 0)
		return;
	if (has_gone(s, ret)) {
		log_info("%s: the front end at %s has gone", s->nic->cfg->name, s->path);
	} else {
		s->refused++;
		say_closed(s, s->t.why);
	}
	let_go(s);
}

static void on_connect(void *arg, int fd)
{
	struct vhost_server *s = arg;
	int ret = vu_chan_open(&s->chan, s->nic->loop, fd, on_message, s);

	if (ret < 0) {
		say_closed(s, s->chan.barred ? "one before it has sent a file that may wait for a "
		                               "server for ever"
		                             : strerror(-ret));
		return;
	}
	s->front_ends++;
	listener_off(&s->listener);
	log_info("%s: a front end at %s", s->nic->cfg->name, s->path);
}

/* ---- life */

static int listen_at(struct vhost_server *s)
{
	struct sockaddr_un addr;
	int ret = unix_address(s->path, &addr);

	if (ret == 0)
		ret = listener_open(&s->listener, &addr, BACKLOG);
	if (ret < 0)
		log_error("--socket %s: %s", s->path, unix_reason(ret));
	else
		listener_on(&s->listener);
	return ret;
}

int vhost_server_create(const char *path, struct nic *n, struct vhost_server **out)
{
	struct vhost_server *s = calloc(1, sizeof(*s));
	int ret;

	*out = NULL;
	if (!s) {
		log_error("--socket %s: out of memory", path);
		return -ENOMEM;
	}
	s->nic = n;
	s->path = path;
	s->inflight = -1;
	listener_init(&s->listener, n->loop, on_connect, s);
	vu_chan_init(&s->chan);
	vu_chan_init(&s->back);
	ret = nic_make_device(n, &s->t.mem);
	if (ret == 0) {
		s->t.tell_config = tell_config;
		s->t.arg = s;
		ret = vvu_init(&s->t, virtio_net_dev(n->net));
		if (ret < 0)
			log_error("--socket %s: %s", path, strerror(-ret));
	}
	if (ret == 0)
		ret = listen_at(s);
	if (ret < 0) {
		vhost_server_destroy(s);
		return ret;
	}
	*out = s;
	return 0;
}

void vhost_server_destroy(struct vhost_server *s)
{
	if (!s)
		return;
	listener_close(&s->listener);
	vu_chan_close(&s->back);
	vu_chan_close(&s->chan);
	fd_close(&s->inflight);
	vvu_fini(&s->t);
	free(s);
}

struct look {
	const struct vhost_server *s;
	bool connected;
	uint64_t front_ends, refused;
};

static void look(void *arg)
{
	struct look *l = arg;

	l->connected = l->s->chan.watch.fd >= 0;
	l->front_ends = l->s->front_ends;
	l->refused = l->s->refused;
}

void vhost_server_describe(struct vhost_server *s, json_t *o)
{
	struct look l = {.s = s};

	loop_call(s->nic->loop, look, &l);
	json_object_set_new(o, "socket", json_string(s->path));
	json_object_set_new(o, "front_end", json_string(l.connected ? "connected" : "none"));
	json_object_set_new(o, "front_ends", json_integer((json_int_t)l.front_ends));
	json_object_set_new(o, "refused", json_integer((json_int_t)l.refused));
}
