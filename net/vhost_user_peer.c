/* SPDX-License-Identifier: Apache-2.0 */
#include "net/vhost_user_peer.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"
#include "vmm/core/le.h"
#include "vmm/core/log.h"

#define F(name) FEATURE(VIRTIO_NET_F_##name)

/* Up to the status and the MTU; the fields behind are ours. */
#define CONFIG_BYTES 12u
_Static_assert(CONFIG_BYTES >= offsetof(struct virtio_net_config, mtu) + 2, "status and mtu");

#define WANTED_PROTOCOL                                                                            \
	(FEATURE(VU_PROTOCOL_MQ) | FEATURE(VU_PROTOCOL_REPLY_ACK) | FEATURE(VU_PROTOCOL_NET_MTU) | \
	 FEATURE(VU_PROTOCOL_BACKEND) | FEATURE(VU_PROTOCOL_CONFIG) |                              \
	 FEATURE(VU_PROTOCOL_INFLIGHT) | FEATURE(VU_PROTOCOL_STATUS))

uint64_t vu_peer_features(void)
{
	const uint64_t offloads = F(CSUM) | F(GUEST_CSUM) | F(GUEST_TSO4) | F(GUEST_TSO6) |
	                          F(GUEST_ECN) | F(GUEST_UFO) | F(HOST_TSO4) | F(HOST_TSO6) |
	                          F(HOST_ECN) | F(HOST_UFO);

	return offloads | F(MRG_RXBUF) | F(MQ) | FEATURE(VIRTIO_F_VERSION_1) |
	       FEATURE(VIRTIO_RING_F_INDIRECT_DESC) | FEATURE(VIRTIO_RING_F_EVENT_IDX) |
	       FEATURE(VIRTIO_F_RING_PACKED) | FEATURE(VIRTIO_F_IN_ORDER);
}

static bool speaks(const struct vu_peer *p, unsigned protocol_bit)
{
	return p->protocol & FEATURE(protocol_bit);
}

/* ---- the end */

static void tell(void *arg)
{
	struct vu_peer *p = arg;

	p->changed(p->arg);
}

static void tell_later(struct vu_peer *p)
{
	loop_timer_at(p->loop, &p->tell, loop_now_ns());
}

static void disconnect(struct vu_peer *p)
{
	loop_timer_rest(&p->silence);
	vu_chan_close(&p->main);
	vu_chan_close(&p->back);
	p->nr_sent = 0;
	p->ready = false;
}

static void PRINTF_LIKE(3, 4) lose(struct vu_peer *p, bool refused, const char *fmt, ...)
{
	va_list ap;

	if (p->lost)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(p->why, sizeof(p->why), fmt, ap);
	va_end(ap);
	p->lost = true;
	p->refused = refused;
	disconnect(p);
	tell_later(p);
}

/* As vu_chan_read() and vu_chan_send() answer. */
static void lose_by(struct vu_peer *p, int err, const char *why)
{
	lose(p, err != -EPIPE && err != -ECONNRESET, "%s", why);
}

void vu_peer_close(struct vu_peer *p)
{
	disconnect(p);
	loop_timer_rest(&p->tell);
}

bool vu_peer_is_open(const struct vu_peer *p)
{
	return p->main.watch.fd >= 0;
}

/* ---- to the peer */

static void on_silence(void *arg)
{
	struct vu_peer *p = arg;

	lose(p, true, "it does not answer %s", vu_name(p->sent[p->sent_head].request));
}

static void await_answer(struct vu_peer *p)
{
	uint64_t patience = VU_PATIENCE_NS;

	/* It may touch every page before it answers. */
	if (p->sent[p->sent_head].request == VU_SET_MEM_TABLE)
		patience += gmem_bytes(p->mem) / MIB(16) * 1000000000u;
	loop_timer_at(p->loop, &p->silence, loop_now_ns() + patience);
}

/* What it is and how many bytes it has stands in @m. @to: about the answer; NULL: nothing special. */
static void send_msg(struct vu_peer *p, struct vu_msg *m, const struct vu_sent *to)
{
	const bool protocol = m->h.request == VU_SET_PROTOCOL_FEATURES;
	const bool question = vu_is_question(m->h.request);
	const bool answered = question || (speaks(p, VU_PROTOCOL_REPLY_ACK) && !protocol);
	int ret;

	if (p->lost || !vu_peer_is_open(p))
		return;
	if (answered && p->nr_sent == VU_SENT_MAX) {
		lose(p, true, "it leaves %u messages without an answer", p->nr_sent);
		return;
	}
	m->h.flags = answered && !question ? VU_NEED_REPLY : 0;
	ret = vu_chan_send(&p->main, m);
	if (ret < 0) {
		lose(p, ret != -EPIPE && ret != -ECONNRESET, "it does not take %s: %s",
		     vu_name(m->h.request), strerror(-ret));
		return;
	}
	if (!answered)
		return;
	p->sent[(p->sent_head + p->nr_sent) % VU_SENT_MAX] =
		to ? *to : (struct vu_sent){.request = m->h.request};
	if (p->nr_sent++ == 0)
		await_answer(p);
}

static void send_plain(struct vu_peer *p, uint32_t request)
{
	struct vu_msg m = {.h.request = request};

	send_msg(p, &m, NULL);
}

static void send_number(struct vu_peer *p, uint32_t request, uint64_t number)
{
	struct vu_msg m = {.h = {request, 0, sizeof(number)}, .p.number = number};

	send_msg(p, &m, NULL);
}

static void send_ring(struct vu_peer *p, uint32_t request, unsigned i, uint32_t num)
{
	struct vu_msg m = {.h = {request, 0, sizeof(m.p.ring)}, .p.ring = {i, num}};
	const struct vu_sent to = {.request = request, .index = i};

	send_msg(p, &m, &to);
}

static void send_ring_fd(struct vu_peer *p, uint32_t request, unsigned i, int fd)
{
	struct vu_msg m = {.h = {request, 0, sizeof(m.p.number)}, .p.number = i};

	m.fd[0] = fd;
	m.nr_fds = 1;
	send_msg(p, &m, NULL);
}

static void send_status(struct vu_peer *p, uint64_t status)
{
	if (speaks(p, VU_PROTOCOL_STATUS))
		send_number(p, VU_SET_STATUS, status);
}

/* One at a time, however often it says that there is news. */
static void ask_config(struct vu_peer *p)
{
	struct vu_msg m = {.h = {VU_GET_CONFIG, 0, VU_CONFIG_HEADER + CONFIG_BYTES},
	                   .p.config.size = CONFIG_BYTES};
	const struct vu_sent to = {.request = VU_GET_CONFIG, .size = CONFIG_BYTES};

	/* Without STATUS its config space has nothing that is not ours. */
	if (!speaks(p, VU_PROTOCOL_CONFIG) || !(p->features & F(STATUS)))
		return;
	p->config_again = p->config_asked;
	if (p->config_asked)
		return;
	p->config_asked = true;
	send_msg(p, &m, &to);
}

/* ---- the rings */

static void send_address(struct vu_peer *p, unsigned i, const struct net_ring *r)
{
	struct vu_msg m = {.h = {VU_SET_VRING_ADDR, 0, sizeof(m.p.addr)}};

	m.p.addr = (struct vhost_vring_addr){
		.index = i,
		.desc_user_addr = (uintptr_t)gmem_ptr(p->mem, r->desc, 1),
		.avail_user_addr = (uintptr_t)gmem_ptr(p->mem, r->avail, 1),
		.used_user_addr = (uintptr_t)gmem_ptr(p->mem, r->used, 1),
	};
	send_msg(p, &m, NULL);
}

static void send_rings(struct vu_peer *p)
{
	const struct vu_rings *s = p->rings;

	const bool enables = p->features & FEATURE(VU_F_PROTOCOL_FEATURES);

	p->serving = true;
	for (unsigned i = 0; i < s->nr; i++) {
		const struct net_ring *r = &s->ring[i];

		send_ring(p, VU_SET_VRING_NUM, i, r->num);
		send_ring(p, VU_SET_VRING_BASE, i, r->next_avail);
		send_address(p, i, r);
		send_ring_fd(p, VU_SET_VRING_CALL, i, r->call_fd);
		send_ring_fd(p, VU_SET_VRING_KICK, i, r->kick_fd);
	}
	/* Without protocol features a ring begins with its kick. Those of pairs not in use any more are stopped. */
	for (unsigned i = 0; enables && (i < s->nr || i < p->nr_told); i++)
		send_ring(p, VU_SET_VRING_ENABLE, i, i < s->nr);
	p->nr_told = s->nr > p->nr_told ? s->nr : p->nr_told;
	send_status(p, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |
	                       VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK);
}

static void send_inflight(struct vu_peer *p)
{
	struct vu_msg m = {.h = {VU_SET_INFLIGHT_FD, 0, sizeof(m.p.inflight)},
	                   .p.inflight = p->rings->inflight,
	                   .nr_fds = 1};

	m.fd[0] = p->rings->inflight_fd;
	send_msg(p, &m, NULL);
	send_rings(p);
}

static void ask_inflight(struct vu_peer *p)
{
	struct vu_rings *s = p->rings;
	struct vu_msg m = {.h = {VU_GET_INFLIGHT_FD, 0, sizeof(m.p.inflight)}};
	uint32_t longest = 0;

	for (unsigned i = 0; i < s->nr; i++)
		longest = s->ring[i].num > longest ? s->ring[i].num : longest;
	s->inflight = (struct vu_inflight){.nr_rings = u16_of(s->nr), .ring_size = u16_of(longest)};
	m.p.inflight = s->inflight;
	send_msg(p, &m, NULL);
}

void vu_peer_start(struct vu_peer *p)
{
	struct vu_rings *s = p->rings;
	const uint64_t ours = s->accepted & vu_peer_features();
	const uint8_t driver = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;

	p->needs = ours;
	if (ours & ~p->features) {
		lose(p, true, "it lacks features 0x%llx that the driver has accepted",
		     (unsigned long long)(ours & ~p->features));
		return;
	}
	send_status(p, driver);
	send_number(p, VU_SET_FEATURES, ours | (p->features & FEATURE(VU_F_PROTOCOL_FEATURES)));
	send_status(p, driver | VIRTIO_CONFIG_S_FEATURES_OK);
	if (speaks(p, VU_PROTOCOL_STATUS))
		send_plain(p, VU_GET_STATUS);
	if (!speaks(p, VU_PROTOCOL_INFLIGHT) || (ours & FEATURE(VIRTIO_F_RING_PACKED))) {
		/*
		 * Notes from before, which it does not keep up, would be wrong later; those of packed rings
		 * are for one who knows where the rings stand, and that dies with a peer.
		 */
		fd_close(&s->inflight_fd);
		send_rings(p);
	} else if (s->inflight_fd >= 0) {
		send_inflight(p);
	} else {
		ask_inflight(p);
	}
}

/* ---- what the peer says */

/* The memory does not change, so before there is a driver that would have to wait. */
static void send_memory(struct vu_peer *p)
{
	struct vu_msg m;

	vu_memory_of(p->mem, &m);
	m.h.request = VU_SET_MEM_TABLE;
	send_msg(p, &m, NULL);
}

static void serves_too_few(struct vu_peer *p, uint64_t pairs)
{
	lose(p, true, "it serves %llu queue pairs, %u are asked for", (unsigned long long)pairs,
	     p->pairs);
}

static void took_features(struct vu_peer *p, uint64_t features)
{
	const uint64_t lacks = (p->needs | FEATURE(VIRTIO_F_VERSION_1)) & ~features;

	p->features = features;
	if (lacks)
		lose(p, true, "it lacks features 0x%llx that are needed",
		     (unsigned long long)lacks);
	else if (features & FEATURE(VU_F_PROTOCOL_FEATURES))
		send_plain(p, VU_GET_PROTOCOL_FEATURES);
	else if (p->pairs > 1)
		serves_too_few(p, 1);
	else
		send_memory(p);
}

static void on_back(void *arg, uint32_t revents);

static void open_back(struct vu_peer *p)
{
	struct vu_msg m = {.h.request = VU_SET_BACKEND_REQ_FD, .nr_fds = 1};
	int fds[2], ret;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) {
		lose(p, false, "no socket for its requests: %s", strerror(errno));
		return;
	}
	/* The peer's end stays blocking, as peers expect. */
	ret = fd_set_nonblock(fds[0]);
	if (ret < 0)
		fd_close(&fds[0]);
	else
		ret = vu_chan_open(&p->back, p->loop, fds[0], on_back, p);
	m.fd[0] = fds[1];
	if (ret < 0)
		lose(p, false, "no socket for its requests: %s", strerror(-ret));
	else
		send_msg(p, &m, NULL);
	fd_close(&fds[1]);
}

static void took_protocol(struct vu_peer *p, uint64_t protocol)
{
	p->protocol = protocol & WANTED_PROTOCOL;
	if (p->pairs == 1) {
		p->protocol &= ~FEATURE(VU_PROTOCOL_MQ);
	} else if (!speaks(p, VU_PROTOCOL_MQ)) {
		serves_too_few(p, 1);
		return;
	}
	send_number(p, VU_SET_PROTOCOL_FEATURES, p->protocol);
	if (speaks(p, VU_PROTOCOL_MQ))
		send_plain(p, VU_GET_QUEUE_NUM);
	if (speaks(p, VU_PROTOCOL_BACKEND))
		open_back(p);
	if (speaks(p, VU_PROTOCOL_NET_MTU) && p->mtu)
		send_number(p, VU_NET_SET_MTU, p->mtu);
	ask_config(p);
	send_memory(p);
}

static void took_config(struct vu_peer *p, const struct vu_config *c)
{
	const uint16_t status = get_le16(c->bytes + offsetof(struct virtio_net_config, status));
	const bool link = status & VIRTIO_NET_S_LINK_UP;

	p->config_asked = false;
	if (p->config_again)
		ask_config(p);
	if (p->link == link)
		return;
	p->link = link;
	tell_later(p);
}

static void took_inflight(struct vu_peer *p, struct vu_msg *m)
{
	struct vu_rings *s = p->rings;

	if (s->nr == 0) /* stopped meanwhile */
		return;
	s->inflight.size = m->p.inflight.size;
	s->inflight.offset = m->p.inflight.offset;
	s->inflight_fd = m->fd[0];
	m->fd[0] = -1;
	send_inflight(p);
}

/* As vq_resume() has it. DPDK says where the next request is and no more: nothing is under way, so that is all. */
static void took_base(struct vu_peer *p, uint32_t ring, uint32_t base)
{
	const bool packed = p->rings->accepted & FEATURE(VIRTIO_F_RING_PACKED);

	if (packed && base <= UINT16_MAX)
		base |= base << 16;
	if (packed || base <= UINT16_MAX)
		p->rings->ring[ring].next_avail = base;
	else
		lose(p, true, "ring %u cannot be at %u", ring, base);
}

static void took_answer(struct vu_peer *p, const struct vu_sent *to)
{
	struct vu_msg *m = &p->main.in;

	switch (to->request) {
	case VU_GET_FEATURES:
		took_features(p, m->p.number);
		break;
	case VU_GET_PROTOCOL_FEATURES:
		took_protocol(p, m->p.number);
		break;
	case VU_GET_QUEUE_NUM: /* for a NIC it counts pairs, as QEMU and DPDK understand it */
		if (m->p.number < p->pairs)
			serves_too_few(p, m->p.number);
		break;
	case VU_GET_CONFIG:
		took_config(p, &m->p.config);
		break;
	case VU_GET_STATUS:
		if (!(m->p.number & VIRTIO_CONFIG_S_FEATURES_OK))
			lose(p, true, "it does not agree to the features of the driver");
		break;
	case VU_GET_INFLIGHT_FD:
		took_inflight(p, m);
		break;
	case VU_GET_VRING_BASE:
		took_base(p, to->index, m->p.ring.num);
		break;
	default: /* 0, or it would not have been accepted */
		break;
	}
}

static void settled(struct vu_peer *p)
{
	if (p->lost)
		return;
	if (p->nr_sent > 0) {
		await_answer(p);
		return;
	}
	loop_timer_rest(&p->silence);
	if (p->ready)
		return;
	p->ready = true;
	tell_later(p);
}

static void on_main(void *arg, unused uint32_t revents)
{
	struct vu_peer *p = arg;
	struct vu_sent to;
	char why[120];
	int ret = vu_chan_read(&p->main, why, sizeof(why));

	if (ret == 1 && p->nr_sent == 0) {
		snprintf(why, sizeof(why), "message %u when nothing was asked",
		         p->main.in.h.request);
		ret = -EPROTO;
	} else if (ret == 1) {
		to = p->sent[p->sent_head];
		ret = vu_check_answer(&p->main.in, &to, why, sizeof(why));
		ret = ret < 0 ? ret : 1;
	}
	if (ret < 0) {
		lose_by(p, ret, why);
	} else if (ret == 1) {
		p->sent_head = (p->sent_head + 1) % VU_SENT_MAX;
		p->nr_sent--;
		took_answer(p, &to);
		settled(p);
	}
}

static void on_back(void *arg, unused uint32_t revents)
{
	struct vu_peer *p = arg;
	struct vu_msg answer = {.h = {.flags = VU_REPLY, .size = sizeof(answer.p.number)}};
	char why[120];
	int ret = vu_chan_read(&p->back, why, sizeof(why));

	if (ret == 1)
		ret = vu_check_back_request(&p->back.in, why, sizeof(why)) < 0 ? -EPROTO : 1;
	if (ret == -EPIPE || ret == -ECONNRESET) /* whether it has requests is its business */
		vu_chan_close(&p->back);
	else if (ret < 0)
		lose_by(p, ret, why);
	if (ret <= 0)
		return;
	answer.h.request = p->back.in.h.request;
	if (answer.h.request == VU_BACK_CONFIG_CHANGED)
		ask_config(p);
	else /* none that was negotiated */
		answer.p.number = 1;
	if (!p->lost && (p->back.in.h.flags & VU_NEED_REPLY) && vu_chan_send(&p->back, &answer) < 0)
		lose(p, true, "it does not take the answers to its requests");
}

/* ---- from connection to end */

int vu_peer_init(struct vu_peer *p, struct loop *l)
{
	int ret;

	*p = (struct vu_peer){.loop = l, .pairs = 1};
	vu_chan_init(&p->main);
	vu_chan_init(&p->back);
	p->silence = (struct loop_timer){.fn = on_silence, .arg = p};
	p->tell = (struct loop_timer){.fn = tell, .arg = p};
	ret = loop_timer_make(l, &p->silence);
	return ret < 0 ? ret : loop_timer_make(l, &p->tell);
}

void vu_peer_free(struct vu_peer *p)
{
	vu_peer_close(p);
	loop_timer_off(&p->silence);
	loop_timer_off(&p->tell);
}

void vu_peer_open(struct vu_peer *p, int fd)
{
	int ret;

	p->features = p->protocol = 0;
	p->lost = p->refused = p->serving = p->ready = false;
	p->link = true;
	p->config_asked = p->config_again = false;
	p->sent_head = p->nr_sent = p->nr_told = 0;
	ret = vu_chan_open(&p->main, p->loop, fd, on_main, p);
	if (ret < 0) {
		lose(p, false, "%s", strerror(-ret));
		return;
	}
	send_plain(p, VU_SET_OWNER);
	send_plain(p, VU_GET_FEATURES);
}

/* Until every answer is there, or it is @end. The driver's reset waits meanwhile. */
static void wait_for_answers(struct vu_peer *p, uint64_t end)
{
	while (p->nr_sent > 0 && !p->lost) {
		struct pollfd fds[2] = {{.fd = p->main.watch.fd, .events = POLLIN},
		                        {.fd = p->back.watch.fd, .events = POLLIN}};
		const uint64_t now = loop_now_ns();

		if (now >= end) {
			on_silence(p);
			break;
		}
		if (poll(fds, ARRAY_SIZE(fds), (int)((end - now) / 1000000 + 1)) <= 0)
			continue;
		if (fds[0].revents)
			on_main(p, 0);
		if (fds[1].revents && !p->lost)
			on_back(p, 0);
	}
}

bool vu_peer_stop(struct vu_peer *p)
{
	struct vu_rings *s = p->rings;
	const uint64_t end = loop_now_ns() + VU_STOP_NS;
	const unsigned nr = s->nr;

	if (!p->ready)
		return false;
	/* Answers that are still due come first; one to GET_INFLIGHT_FD sends the rings. */
	wait_for_answers(p, end);
	s->nr = 0;
	for (unsigned i = 0; i < nr; i++)
		send_ring(p, VU_GET_VRING_BASE, i, 0);
	wait_for_answers(p, end);
	send_status(p, 0);
	if (!p->lost)
		p->serving = false;
	return !p->lost;
}

bool vu_peer_is_loose(const struct vu_peer *p)
{
	return p->lost && p->refused && p->serving;
}
