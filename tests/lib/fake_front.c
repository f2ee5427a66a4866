/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/fake_front.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/lib/net_rig.h"
#include "tests/lib/pattern.h"
#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"
#include "vmm/core/loop.h"
#include "vmm/core/unix_socket.h"

#define FRAME  60u
#define HEADER NET_HDR_LEN

static const uint8_t mac[6] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "fake front end: %s\n", what);
	abort();
}

/* ---- the NIC */

static int create_fake(const void *config, const struct net_common *common, unused struct loop *l,
                       struct net_backend **out)
{
	struct front *f = *(struct front *const *)config;

	f->net = fake_net_create(0);
	for (unsigned i = 0; i < common->more_pairs; i++)
		fake_net_add_pair(f->net);
	*out = &f->net->backend;
	return 0;
}

static const struct net_kind fake_kind = {.name = "fake", .create = create_fake};

/* The NIC of f->cfg, its socket, and what a front end has. */
static void create(struct front *f, bool sockets)
{
	strcpy(f->dir, "/tmp/doorbell-front-XXXXXX");
	f->fd = -1;
	f->sockets = sockets;
	must(mkdtemp(f->dir) != NULL, "no directory");
	snprintf(f->path, sizeof(f->path), "%s/socket", f->dir);
	memcpy(f->cfg.mac, mac, sizeof(mac));
	must(nic_open(&f->nic, &f->cfg, 0, NULL) == 0, "no NIC");
	must(vhost_server_create(f->path, &f->nic, &f->server) == 0, "no server");
	fake_mem_create_shared(&f->mem, MIB(1));
	for (unsigned i = 0; i < FRONT_RINGS; i++) {
		int pair[2];

		f->kick[i] = fd_eventfd();
		if (sockets)
			must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "no sockets");
		else
			pair[0] = pair[1] = fd_eventfd();
		f->call[i] = pair[0];
		f->their_call[i] = pair[1];
		must(f->kick[i] >= 0 && f->call[i] >= 0, "no descriptors");
	}
}

void front_create(struct front *f, unsigned pairs, bool sockets, const char *features)
{
	*f = (struct front){.cfg = {.name = "net0",
	                            .kind = &fake_kind,
	                            .queue_size = 256,
	                            .queues = pairs,
	                            .features = features}};
	*(struct front **)(void *)f->cfg.backend = f;
	create(f, sockets);
}

void front_create_running(struct front *f, const char *net)
{
	*f = (struct front){.running = true};
	must(nic_config_parse(&f->cfg, 0, net, false) == 0, "no such network");
	create(f, false);
	must(nic_start(&f->nic) == 0, "no thread");
}

void front_leave(struct front *f)
{
	fd_close(&f->fd);
	front_turn(f);
}

void front_destroy(struct front *f)
{
	front_leave(f);
	if (f->running)
		nic_stop(&f->nic);
	vhost_server_destroy(f->server);
	nic_close(&f->nic);
	if (f->running)
		nic_config_free(&f->cfg);
	for (unsigned i = 0; i < FRONT_RINGS; i++) {
		fd_close(&f->kick[i]);
		fd_close(&f->call[i]);
		if (f->sockets)
			fd_close(&f->their_call[i]);
	}
	fake_mem_destroy(&f->mem);
	rmdir(f->dir);
}

void front_turn(struct front *f)
{
	for (unsigned i = 0; i < 1000 && !f->running; i++)
		if (loop_turn(f->nic.loop, 0) <= 0)
			return;
	must(f->running, "the loop spins");
}

/* ---- messages */

void front_connect(struct front *f)
{
	struct sockaddr_un addr;

	front_leave(f);
	must(unix_address(f->path, &addr) == 0, "no address");
	f->fd = unix_connect(&addr);
	must(f->fd >= 0, "no connection");
	front_turn(f);
}

void front_send(struct front *f, const struct vu_msg *m)
{
	_Alignas(struct cmsghdr) uint8_t room[CMSG_SPACE(sizeof(m->fd))] = {0};
	struct iovec iov[2] = {{(void *)(uintptr_t)&m->h, sizeof(m->h)},
	                       {(void *)(uintptr_t)&m->p, m->h.size}};
	struct msghdr h = {.msg_iov = iov, .msg_iovlen = 2};
	struct cmsghdr *c = (void *)room;

	if (m->nr_fds > 0) {
		h.msg_control = room;
		h.msg_controllen = CMSG_SPACE(m->nr_fds * sizeof(int));
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(m->nr_fds * sizeof(int));
		memcpy(CMSG_DATA(c), m->fd, m->nr_fds * sizeof(int));
	}
	must(sendmsg(f->fd, &h, MSG_NOSIGNAL) >= 0 || errno == EPIPE || errno == ECONNRESET,
	     "a message is not sent");
	front_turn(f);
}

bool front_answer(struct front *f, struct vu_msg *m)
{
	_Alignas(struct cmsghdr) uint8_t room[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec iov = {&m->h, sizeof(m->h)};
	struct msghdr h = {.msg_iov = &iov,
	                   .msg_iovlen = 1,
	                   .msg_control = room,
	                   .msg_controllen = sizeof(room)};
	struct pollfd p = {.fd = f->fd, .events = POLLIN};
	struct cmsghdr *c;

	*m = (struct vu_msg){.nr_fds = 0};
	if (f->running)
		(void)poll(&p, 1, RIG_PATIENCE_S * 1000);
	if (recvmsg(f->fd, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) != (ssize_t)sizeof(m->h))
		return false;
	c = CMSG_FIRSTHDR(&h);
	if (c) {
		memcpy(m->fd, CMSG_DATA(c), sizeof(int));
		m->nr_fds = 1;
	}
	must(m->h.size <= sizeof(m->p), "an answer of that size");
	return recv(f->fd, &m->p, m->h.size, MSG_DONTWAIT) == (ssize_t)m->h.size;
}

bool front_closed(struct front *f)
{
	struct pollfd p = {.fd = f->fd, .events = POLLIN};

	return poll(&p, 1, 0) > 0 && (p.revents & POLLHUP);
}

static void fill_ring_addr(const struct fake_vq *v, unsigned ring, struct vhost_vring_addr *a)
{
	*a = (struct vhost_vring_addr){.index = ring,
	                               .desc_user_addr = FRONT_USER + v->addr.desc,
	                               .avail_user_addr = FRONT_USER + v->addr.avail,
	                               .used_user_addr = FRONT_USER + v->addr.used};
}

struct vu_msg front_msg(struct front *f, uint32_t request, unsigned ring, uint64_t number)
{
	struct vu_msg m = {.h = {request, VU_VERSION, 0}};

	switch (request) {
	case VU_SET_MEM_TABLE:
		must(vu_memory_of(&f->mem.gmem, &m) == 0, "memory is not shared");
		m.h.request = request;
		m.h.flags = VU_VERSION;
		for (unsigned i = 0; i < m.p.memory.nr; i++)
			m.p.memory.region[i].user = FRONT_USER + m.p.memory.region[i].guest;
		break;
	case VU_SET_VRING_ADDR:
		m.h.size = sizeof(m.p.addr);
		fill_ring_addr(&f->vq[ring], ring, &m.p.addr);
		break;
	case VU_SET_VRING_NUM:
	case VU_SET_VRING_BASE:
	case VU_GET_VRING_BASE:
	case VU_SET_VRING_ENABLE:
		m.h.size = sizeof(m.p.ring);
		m.p.ring = (struct vhost_vring_state){ring, (unsigned)number};
		break;
	case VU_SET_VRING_KICK:
	case VU_SET_VRING_CALL:
		m.h.size = sizeof(m.p.number);
		m.p.number = ring;
		m.fd[0] = request == VU_SET_VRING_KICK ? f->kick[ring] : f->their_call[ring];
		m.nr_fds = 1;
		break;
	case VU_GET_CONFIG:
		m.h.size = VU_CONFIG_HEADER + (uint32_t)number;
		m.p.config.size = (uint32_t)number;
		break;
	case VU_SET_OWNER:
	case VU_GET_FEATURES:
	case VU_GET_PROTOCOL_FEATURES:
	case VU_GET_STATUS:
	case VU_GET_QUEUE_NUM:
		break;
	default:
		m.h.size = sizeof(m.p.number);
		m.p.number = number;
		break;
	}
	return m;
}

uint64_t front_do(struct front *f, uint32_t request, unsigned ring, uint64_t number)
{
	struct vu_msg m = front_msg(f, request, ring, number), answer;
	bool any;

	if (f->running && !vu_is_question(request))
		m.h.flags |= VU_NEED_REPLY;
	front_send(f, &m);
	any = front_answer(f, &answer);
	must(any || !f->running, "no answer");
	if (!any)
		return 0;
	if (answer.h.request == VU_GET_VRING_BASE)
		return answer.p.ring.num;
	return answer.p.number;
}

void front_up(struct front *f, uint64_t features, unsigned nr)
{
	front_connect(f);
	if (f->running)
		front_do(f, VU_SET_PROTOCOL_FEATURES, 0, FEATURE(VU_PROTOCOL_REPLY_ACK));
	front_do(f, VU_SET_OWNER, 0, 0);
	front_do(f, VU_SET_FEATURES, 0, features | FEATURE(VU_F_PROTOCOL_FEATURES));
	front_do(f, VU_SET_MEM_TABLE, 0, 0);
	for (unsigned i = 0; i < nr; i++) {
		fake_vq_init(&f->vq[i], &f->mem, FRONT_NUM, features);
		front_do(f, VU_SET_VRING_NUM, i, FRONT_NUM);
		front_do(f, VU_SET_VRING_BASE, i, 0);
		front_do(f, VU_SET_VRING_ADDR, i, 0);
		front_do(f, VU_SET_VRING_KICK, i, 0);
		front_do(f, VU_SET_VRING_CALL, i, 0);
		front_do(f, VU_SET_VRING_ENABLE, i, 1);
	}
	must(!front_closed(f), "the connection was closed");
}

/* ---- frames */

bool front_interrupted(struct front *f, unsigned ring)
{
	uint64_t count = 0;
	bool any = false;

	if (!f->sockets)
		return fd_event_take(f->call[ring]) > 0;
	while (recv(f->call[ring], &count, sizeof(count), MSG_DONTWAIT) > 0)
		any = true;
	return any;
}

bool front_sends(struct front *f)
{
	uint8_t frame[HEADER + FRAME] = {0};
	const unsigned before = f->net->nr_sent;
	struct fake_buf b;
	unsigned head;
	uint32_t len;

	pattern_fill(frame + HEADER, FRAME, before);
	b = fake_out(&f->mem, frame, sizeof(frame));
	if (fake_vq_add(&f->vq[1], &b, 1) < 0)
		return false;
	fake_vq_publish(&f->vq[1]);
	fd_event_set(f->kick[1]);
	front_turn(f);
	return f->net->nr_sent == before + 1 &&
	       memcmp(f->net->sent[before].data, frame, sizeof(frame)) == 0 &&
	       fake_vq_reap(&f->vq[1], &head, &len) && front_interrupted(f, 1);
}

bool front_receives(struct front *f)
{
	struct fake_buf b = fake_in(&f->mem, 2048);
	uint8_t frame[FRAME];
	unsigned head;
	uint32_t len;

	pattern_fill(frame, sizeof(frame), 7);
	memcpy(frame, mac, sizeof(mac));
	if (fake_vq_add(&f->vq[0], &b, 1) < 0)
		return false;
	fake_vq_publish(&f->vq[0]);
	fd_event_set(f->kick[0]);
	front_turn(f);
	fake_net_queue(f->net, NULL, frame, sizeof(frame));
	if (!fake_net_can_recv(f->net))
		return false;
	front_turn(f);
	return fake_vq_reap(&f->vq[0], &head, &len) && len == HEADER + FRAME &&
	       memcmp(fake_at(&f->mem, b.addr + HEADER, FRAME), frame, FRAME) == 0 &&
	       front_interrupted(f, 0);
}
