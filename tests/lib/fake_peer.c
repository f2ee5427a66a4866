/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/fake_peer.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"
#include "vmm/core/iov.h"

enum { RX, TX };

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "fake_peer: %s\n", what);
	abort();
}

/* ---- rings */

/* One frame from tx to rx of the pair whose first ring is @rx. False: there is none, or no room for it. */
static bool send_back(struct fake_peer *p, struct peer_ring *rx)
{
	struct peer_ring *tx = rx + TX;
	struct iovec out[64], in[64];
	struct vq_chain from = {.iov = out, .room = ARRAY_SIZE(out)};
	struct vq_chain to = {.iov = in, .room = ARRAY_SIZE(in)};
	uint8_t frame[4096];
	size_t len;

	if (vq_pop(&tx->vq, &from) != 1)
		return false;
	if (vq_pop(&rx->vq, &to) != 1) {
		vq_unpop(&tx->vq, 1);
		return false;
	}
	len = iov_read(from.iov, from.nr_out, 0, frame, sizeof(frame));
	must(len <= to.in_len, "a frame does not fit");
	memset(frame, 0, 12); /* the header */
	frame[10] = 1;        /* num_buffers */
	must(iov_write(to.iov + to.nr_out, to.nr_in, 0, frame, len) == len, "iov_write");
	vq_push(&tx->vq, from.head, 0);
	vq_push(&rx->vq, to.head, (uint32_t)len);
	p->frames++;
	return true;
}

static void serve_pair(struct fake_peer *p, struct peer_ring *rx)
{
	struct peer_ring *tx = rx + TX;
	bool more;

	if (p->idle || !rx->enabled || !tx->enabled)
		return;
	do {
		while (send_back(p, rx))
			;
		for (struct peer_ring *r = rx; r <= tx; r++) {
			vq_publish(&r->vq);
			if (vq_want_interrupt(&r->vq))
				fd_event_set(r->call_fd);
		}
		more = vq_kicks_on(&tx->vq);
		more &= vq_kicks_on(&rx->vq);
	} while (more && send_back(p, rx));
}

static void serve(struct fake_peer *p)
{
	for (unsigned i = 0; i < FAKE_PEER_RINGS; i += 2)
		serve_pair(p, &p->ring[i + RX]);
}

static void on_kick(void *arg, unused uint32_t revents)
{
	struct peer_ring *r = arg;

	fd_event_take(r->kick.fd);
	serve(r->p);
}

static gpa_t from_user(const struct fake_peer *p, uint64_t user)
{
	for (unsigned i = 0; i < p->mem.nr; i++)
		if (user - p->user[i] < p->mem.region[i].size)
			return p->mem.region[i].base + (user - p->user[i]);
	must(false, "a ring outside the memory that was given");
	return 0;
}

static void stop_ring(struct peer_ring *r)
{
	if (vq_running(&r->vq))
		r->base = vq_position(&r->vq);
	vq_stop(&r->vq);
	r->enabled = false;
	loop_del(&r->kick);
	fd_close(&r->kick.fd);
	fd_close(&r->call_fd);
}

static void start_ring(struct fake_peer *p, struct peer_ring *r)
{
	const struct vq_addr a = {
		.num = r->num,
		.desc = from_user(p, r->addr.desc_user_addr),
		.avail = from_user(p, r->addr.avail_user_addr),
		.used = from_user(p, r->addr.used_user_addr),
	};
	const struct vq_features f = vq_features_of(p->accepted);

	must(r->call_fd >= 0 && r->kick.fd >= 0, "a ring without eventfds");
	must(vq_start(&r->vq, &p->mem, &a, f) == 0, "a ring that cannot be");
	must(vq_resume(&r->vq, r->base) == 0, "a base that does not fit");
	r->p = p;
	r->kick.events = EPOLLIN;
	r->kick.fn = on_kick;
	r->kick.arg = r;
	must(loop_add(p->loop, &r->kick) == 0, "loop_add");
	r->enabled = true;
	if (!p->lazy)
		serve(p);
}

/* ---- messages */

static void forget_memory(struct fake_peer *p)
{
	for (unsigned i = 0; i < p->mem.nr; i++)
		munmap(p->mem.region[i].host, p->mem.region[i].size);
	p->mem.nr = 0;
}

static void take_memory(struct fake_peer *p, const struct vu_msg *m)
{
	must(m->nr_fds == m->p.memory.nr && m->nr_fds > 0, "descriptors of the memory");
	forget_memory(p);
	for (unsigned i = 0; i < m->nr_fds; i++) {
		const struct vu_region *r = &m->p.memory.region[i];
		void *at = mmap(NULL, r->size, PROT_READ | PROT_WRITE, MAP_SHARED, m->fd[i],
		                (off_t)r->offset);

		must(at != MAP_FAILED, "guest memory cannot be mapped");
		p->user[i] = r->user;
		p->mem.region[i] = (struct gmem_region){
			.base = r->guest, .size = r->size, .host = at, .fd = -1};
	}
	p->mem.nr = m->nr_fds;
}

static int keep(int *where, struct vu_msg *m)
{
	must(m->nr_fds == 1, "a message without its descriptor");
	fd_close(where);
	*where = m->fd[0];
	m->fd[0] = -1;
	return *where;
}

static void disconnect(struct fake_peer *p)
{
	for (unsigned i = 0; i < FAKE_PEER_RINGS; i++)
		stop_ring(&p->ring[i]);
	forget_memory(p);
	vu_chan_close(&p->main);
	fd_close(&p->back_fd);
	fd_close(&p->inflight_fd);
}

static bool is_faulty(struct fake_peer *p, uint32_t request, enum peer_fault fault)
{
	return p->times > 0 && p->faulty == request && p->fault == fault;
}

static void send_with_file(struct fake_peer *p, struct vu_msg *a)
{
	int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);

	a->fd[a->nr_fds++] = fd;
	vu_chan_send(&p->main, a);
	fd_close(&fd);
}

/* Change a good answer. False: nothing is sent any more. */
static bool break_rules(struct fake_peer *p, struct vu_msg *a)
{
	const struct vu_header huge = {a->h.request, VU_VERSION | VU_REPLY, 1u << 30};

	if (p->times == 0 || p->faulty != a->h.request)
		return true;
	p->times--;
	switch (p->fault) {
	case PEER_IS_SILENT:
		return false;
	case PEER_CLOSES:
		disconnect(p);
		return false;
	case PEER_OTHER_VERSION:
		a->h.flags |= 2;
		return true;
	case PEER_OTHER_REQUEST:
		a->h.request ^= 1;
		return true;
	case PEER_NO_REPLY_BIT:
		a->h.flags &= ~VU_REPLY;
		return true;
	case PEER_SHORT:
		a->h.size -= 4;
		return true;
	case PEER_LONG:
		a->h.size += 4;
		return true;
	case PEER_HUGE:
		fake_peer_say(p, &huge, sizeof(huge));
		return false;
	case PEER_HALF:
		fake_peer_say(p, &huge, 6);
		return false;
	case PEER_EXTRA_FD:
		a->fd[a->nr_fds++] = p->main.watch.fd;
		return true;
	case PEER_MANY_FDS:
		while (a->nr_fds < VU_FDS_MAX)
			a->fd[a->nr_fds++] = p->main.watch.fd;
		vu_chan_send(&p->main, a);
		a->h.request = 0;
		return true;
	case PEER_OTHER_FILE:
		send_with_file(p, a);
		return false;
	case PEER_NO_FD:
		a->nr_fds = 0;
		return true;
	case PEER_TWICE:
		vu_chan_send(&p->main, a);
		return true;
	case PEER_WRONG_VALUE:
		memset(&a->p, 0xff, sizeof(a->p));
		return true;
	}
	return true;
}

static void answer(struct fake_peer *p, struct vu_msg *a)
{
	a->h.flags = VU_REPLY;
	if (break_rules(p, a))
		vu_chan_send(&p->main, a); /* who asked may be gone */
}

static void give_inflight(struct fake_peer *p, struct vu_msg *a)
{
	int fd = memfd_create("inflight", MFD_CLOEXEC);

	must(fd >= 0 && ftruncate(fd, 4096) == 0, "no memory");
	a->p.inflight.size = 4096;
	a->fd[0] = fd;
	a->nr_fds = 1;
	answer(p, a);
	fd_close(&fd);
}

static void take_question(struct fake_peer *p, const struct vu_msg *m)
{
	struct vu_msg a = {.h = m->h, .p = m->p};
	struct peer_ring *r;

	a.h.size = sizeof(a.p.number);
	switch (m->h.request) {
	case VU_GET_FEATURES:
		a.p.number = p->features;
		break;
	case VU_GET_PROTOCOL_FEATURES:
		a.p.number = p->protocol;
		break;
	case VU_GET_QUEUE_NUM:
		a.p.number = p->pairs;
		break;
	case VU_GET_STATUS:
		a.p.number = p->status;
		break;
	case VU_GET_CONFIG:
		a.h.size = m->h.size;
		memcpy(a.p.config.bytes, p->config, m->p.config.size);
		break;
	case VU_GET_INFLIGHT_FD:
		a.h.size = m->h.size;
		give_inflight(p, &a);
		return;
	default: /* VU_GET_VRING_BASE */
		r = &p->ring[m->p.ring.index];
		stop_ring(r);
		a.p.ring.num = r->base;
		break;
	}
	answer(p, &a);
}

static void take_ring_message(struct fake_peer *p, struct vu_msg *m)
{
	struct peer_ring *r = &p->ring[m->p.ring.index & 0xff];

	must((m->p.ring.index & 0xff) < FAKE_PEER_RINGS, "a ring that is not there");
	switch (m->h.request) {
	case VU_SET_VRING_NUM:
		r->num = m->p.ring.num;
		break;
	case VU_SET_VRING_BASE:
		r->base = p->first_base[m->p.ring.index] = m->p.ring.num;
		break;
	case VU_SET_VRING_ADDR:
		r->addr = m->p.addr;
		break;
	case VU_SET_VRING_CALL:
		keep(&r->call_fd, m);
		break;
	case VU_SET_VRING_KICK:
		keep(&r->kick.fd, m);
		if (!(p->features & FEATURE(VU_F_PROTOCOL_FEATURES)))
			start_ring(p, r);
		break;
	default: /* VU_SET_VRING_ENABLE */
		r->was_enabled = m->p.ring.num;
		if (m->p.ring.num)
			start_ring(p, r);
		else
			must(!vq_running(&r->vq), "a ring that was not stopped is switched off");
		break;
	}
}

static void take_setting(struct fake_peer *p, struct vu_msg *m)
{
	switch (m->h.request) {
	case VU_SET_FEATURES:
		p->accepted = m->p.number;
		break;
	case VU_SET_STATUS:
		p->status = m->p.number;
		break;
	case VU_NET_SET_MTU:
		p->mtu = m->p.number;
		break;
	case VU_SET_MEM_TABLE:
		take_memory(p, m);
		break;
	case VU_SET_BACKEND_REQ_FD:
		keep(&p->back_fd, m);
		break;
	case VU_SET_INFLIGHT_FD:
		p->inflight = m->p.inflight;
		keep(&p->inflight_fd, m);
		break;
	case VU_SET_OWNER:
	case VU_SET_PROTOCOL_FEATURES:
		break;
	default:
		take_ring_message(p, m);
		break;
	}
}

static void on_message(void *arg, unused uint32_t revents)
{
	struct fake_peer *p = arg;
	struct vu_msg *m = &p->main.in;
	struct vu_msg ack = {.h.size = sizeof(ack.p.number)};
	char why[120];
	int ret = vu_chan_read(&p->main, why, sizeof(why));

	if (ret < 0)
		disconnect(p);
	if (ret != 1)
		return;
	must(m->h.request < FAKE_PEER_REQUESTS && strcmp(vu_name(m->h.request), "?") != 0,
	     "a request that nobody knows");
	p->seen[m->h.request]++;
	ack.h.request = m->h.request;
	if (vu_is_question(m->h.request)) {
		take_question(p, m);
		return;
	}
	take_setting(p, m);
	if (m->h.flags & VU_NEED_REPLY)
		answer(p, &ack);
	else if (is_faulty(p, m->h.request, PEER_CLOSES))
		disconnect(p);
}

/* ---- life */

static void adopt(struct fake_peer *p, int fd)
{
	p->nr_connections++;
	must(vu_chan_open(&p->main, p->loop, fd, on_message, p) == 0, "vu_chan_open");
}

static void on_connection(void *arg, unused uint32_t revents)
{
	struct fake_peer *p = arg;
	int fd = accept4(p->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	disconnect(p);
	adopt(p, fd);
}

static void do_listen(void *arg)
{
	struct fake_peer *p = arg;

	p->listener = (struct loop_fd){.events = EPOLLIN, .fn = on_connection, .arg = p};
	p->listener.fd = unix_listen(&p->addr, 4);
	must(p->listener.fd >= 0 && loop_add(p->loop, &p->listener) == 0, "cannot listen");
}

static void do_connect(void *arg)
{
	struct fake_peer *p = arg;
	int fd;

	while ((fd = unix_connect(&p->addr)) < 0)
		poll(NULL, 0, 1);
	adopt(p, fd);
}

static void do_die(void *arg)
{
	struct fake_peer *p = arg;

	disconnect(p);
	loop_del(&p->listener);
	fd_close(&p->listener.fd);
}

void fake_peer_create(struct fake_peer *p, const char *path)
{
	memset(p, 0, sizeof(*p));
	p->features = ~UINT64_C(0) & ~FEATURE(34); /* packed rings */
	p->protocol = ~UINT64_C(0);
	p->config[6] = 1; /* the link is up */
	p->pairs = FAKE_PEER_RINGS / 2;
	p->back_fd = p->inflight_fd = p->listener.fd = -1;
	vu_chan_init(&p->main);
	for (unsigned i = 0; i < FAKE_PEER_RINGS; i++)
		p->ring[i].call_fd = p->ring[i].kick.fd = -1;
	must(unix_address(path, &p->addr) == 0, path);
	must(loop_create(&p->loop) == 0 && loop_thread_start(p->loop, "peer") == 0, "no thread");
}

void fake_peer_destroy(struct fake_peer *p)
{
	fake_peer_die(p);
	loop_destroy(p->loop);
	unlink(p->addr.sun_path);
}

void fake_peer_listen(struct fake_peer *p)
{
	loop_call(p->loop, do_listen, p);
}

void fake_peer_connect(struct fake_peer *p)
{
	loop_call(p->loop, do_connect, p);
}

void fake_peer_die(struct fake_peer *p)
{
	loop_call(p->loop, do_die, p);
}

struct words {
	struct fake_peer *p;
	const void *bytes;
	size_t len;
	struct iovec answer[2];
	bool ok;
};

static void is_alone(void *arg)
{
	struct words *w = arg;

	w->ok = w->p->main.watch.fd < 0;
}

void fake_peer_until_alone(struct fake_peer *p)
{
	struct words w = {.p = p};

	while (loop_call(p->loop, is_alone, &w), !w.ok)
		poll(NULL, 0, 1);
}

struct look {
	const void *at;
	uint64_t value;
	bool wide;
};

static void look(void *arg)
{
	struct look *l = arg;

	l->value = l->wide ? *(const uint64_t *)l->at : *(const unsigned *)l->at;
}

unsigned fake_peer_seen(struct fake_peer *p, uint32_t request)
{
	return fake_peer_number(p, &p->seen[request]);
}

unsigned fake_peer_number(struct fake_peer *p, const unsigned *what)
{
	struct look l = {.at = what};

	loop_call(p->loop, look, &l);
	return (unsigned)l.value;
}

uint64_t fake_peer_wide(struct fake_peer *p, const uint64_t *what)
{
	struct look l = {.at = what, .wide = true};

	loop_call(p->loop, look, &l);
	return l.value;
}

static void say_main(void *arg)
{
	struct words *w = arg;

	w->ok = send(w->p->main.watch.fd, w->bytes, w->len, MSG_NOSIGNAL) == (ssize_t)w->len;
}

static void say_back(void *arg)
{
	struct words *w = arg;

	w->ok = send(w->p->back_fd, w->bytes, w->len, MSG_NOSIGNAL) == (ssize_t)w->len;
}

static void hear_back(void *arg)
{
	struct words *w = arg;
	const size_t len = w->answer[0].iov_len + w->answer[1].iov_len;

	w->ok = readv(w->p->back_fd, w->answer, 2) == (ssize_t)len;
}

bool fake_peer_say(struct fake_peer *p, const void *bytes, size_t len)
{
	struct words w = {.p = p, .bytes = bytes, .len = len};

	loop_call(p->loop, say_main, &w);
	return w.ok;
}

bool fake_peer_ask(struct fake_peer *p, const void *bytes, size_t len)
{
	struct words w = {.p = p, .bytes = bytes, .len = len};

	loop_call(p->loop, say_back, &w);
	return w.ok;
}

bool fake_peer_answer(struct fake_peer *p, struct vu_header *h, uint64_t *number)
{
	struct words w = {.p = p, .answer = {{h, sizeof(*h)}, {number, sizeof(*number)}}};

	loop_call(p->loop, hear_back, &w);
	return w.ok;
}

static void set_link(void *arg)
{
	struct words *w = arg;

	w->p->config[6] = w->ok;
}

void fake_peer_set_link(struct fake_peer *p, bool up)
{
	struct words w = {.p = p, .ok = up};

	loop_call(p->loop, set_link, &w);
}

struct fault {
	struct fake_peer *p;
	uint32_t request;
	enum peer_fault fault;
	unsigned times;
};

static void set_fault(void *arg)
{
	const struct fault *f = arg;

	f->p->faulty = f->request;
	f->p->fault = f->fault;
	f->p->times = f->times;
}

void fake_peer_misbehave(struct fake_peer *p, uint32_t request, enum peer_fault fault,
                         unsigned times)
{
	struct fault f = {p, request, fault, times};

	loop_call(p->loop, set_fault, &f);
}
