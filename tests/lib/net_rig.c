/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/net_rig.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "vmm/core/compiler.h"
#include "vmm/core/loop.h"

#define MAX_PIECES 64u

struct rig_held {
	struct rig_held *next;
	uint8_t data[];
};

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "net_rig: %s\n", what);
	abort();
}

/* ---- the sink: loop thread */

static void keep(struct rig *r, const uint8_t *data, size_t len)
{
	struct rig_frame f = {.data = malloc(len), .len = len};

	must(f.data, "out of memory");
	memcpy(f.data, data, len);
	if (len <= NET_HDR_LEN)
		r->partial = true;
	if (r->nr_got == RIG_FRAMES)
		free(f.data);
	else
		r->got[r->nr_got++] = f;
}

/* Where recv() may write: the pieces have bytes around them that it may not touch. */
static unsigned make_room(uint8_t *buf, unsigned pieces, struct iovec *iov)
{
	size_t left = NET_RECV_MAX, part;

	if (pieces <= 1) {
		iov[0] = (struct iovec){buf, left};
		return 1;
	}
	iov[0] = (struct iovec){buf, NET_HDR_LEN - 1}; /* a header in two pieces */
	left -= NET_HDR_LEN - 1;
	part = left / pieces + 1;
	for (unsigned i = 1; i <= pieces; i++) {
		iov[i].iov_base = (uint8_t *)iov[i - 1].iov_base + iov[i - 1].iov_len;
		iov[i].iov_len = part < left ? part : left;
		left -= iov[i].iov_len;
	}
	return pieces + 1;
}

/* One more call of a kind that *nr counts. */
static void called(struct rig *r, unsigned *nr)
{
	pthread_mutex_lock(&r->lock);
	++*nr;
	if (r->in_call)
		r->nr_reentered++;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

/* What was sent, as far as it is done or @all of it. */
static void free_held(struct rig *r, bool all)
{
	unsigned nr = r->b && r->b->frame->done ? r->b->frame->done(r->b) : 0;

	while (r->held && (all || nr)) {
		struct rig_held *h = r->held;

		r->held = h->next;
		free(h);
		nr -= nr > 0;
	}
	must(!nr, "done() counted more than was sent");
	if (!r->held)
		r->behind = &r->held;
}

static void stop(struct rig *r)
{
	r->b->frame->stop(r->b);
	free_held(r, true);
}

static void stop_here(struct rig *r)
{
	r->stop_in = RIG_NONE;
	stop(r);
	called(r, &r->nr_stopped);
}

/* Until there are none, or @budget (not 0) of them. */
static void take_frames(struct rig *r, unsigned budget)
{
	struct iovec iov[MAX_PIECES + 1];
	uint8_t *buf = malloc(NET_RECV_MAX + 1);
	unsigned taken = 0;
	unsigned nr = make_room(buf, r->pieces, iov);
	ssize_t len;

	must(buf, "out of memory");
	while (!budget || taken < budget) {
		memset(buf, 0xa5, NET_HDR_LEN);
		buf[NET_RECV_MAX] = 0x5a;
		r->in_call = true;
		len = r->b->frame->recv(r->b, iov, nr);
		r->in_call = false;
		must(buf[NET_RECV_MAX] == 0x5a, "recv() wrote behind its buffer");
		must(len >= 0 && len <= (ssize_t)NET_RECV_MAX, "recv() answered nonsense");
		if (len == 0)
			break;
		must(buf[10] == 0 && buf[11] == 0, "recv() left num_buffers unset");
		taken++;
		pthread_mutex_lock(&r->lock);
		keep(r, buf, (size_t)len);
		pthread_cond_broadcast(&r->changed);
		pthread_mutex_unlock(&r->lock);
	}
	free(buf);
}

static void sink_can_recv(void *arg)
{
	struct rig *r = arg;
	const bool stop = r->stop_in == RIG_CAN_RECV;

	called(r, &r->nr_can_recv);
	take_frames(r, stop ? 1 : r->budget);
	if (stop)
		stop_here(r);
}

static void sink_can_send(void *arg)
{
	struct rig *r = arg;

	called(r, &r->nr_can_send);
	if (r->stop_in == RIG_CAN_SEND)
		stop_here(r);
}

static void sink_sent(void *arg)
{
	free_held(arg, false);
}

static void sink_gone(void *arg, int err)
{
	struct rig *r = arg;

	r->gone_err = err;
	called(r, &r->nr_gone);
	if (r->stop_in == RIG_GONE)
		stop_here(r);
}

/* ---- set-up */

void rig_init(struct rig *r)
{
	pthread_condattr_t attr;

	memset(r, 0, sizeof(*r));
	r->behind = &r->held;
	pthread_mutex_init(&r->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&r->changed, &attr);
	must(loop_create(&r->loop) == 0, "no loop");
}

int rig_open(struct rig *r, const char *kind, const char *keys, uint16_t mtu)
{
	const struct net_kind *k = net_kind_find(kind);
	struct net_common common = {.nic = "net0",
	                            .mac = {2, 0, 0, 0, 0, 1},
	                            .mtu = mtu,
	                            .more_pairs = r->more_pairs,
	                            .more_loops = r->more_loops,
	                            .pairs = r->pairs};
	alignas(16) uint8_t config[NET_CONFIG_MAX] = {0};
	struct opt_group group = {.target = config};
	int ret;

	must(k && k->config_size <= sizeof(config), "no such kind");
	group.defs = k->keys;
	if (k->config_init)
		k->config_init(config);
	ret = opt_parse_keys(&group, 1, kind, keys[0] ? keys : NULL);
	if (ret == 0)
		ret = k->create(config, &common, r->loop, &r->b);
	/* Whatever create() needs of it, it has copied. */
	opt_keys_free(k->keys, config);
	memset(config, 0x5a, sizeof(config));
	return ret;
}

void rig_share(struct rig *r, const struct rig *with)
{
	loop_destroy(r->loop);
	r->loop = loop_share(with->loop);
}

void rig_run(struct rig *r)
{
	must(loop_thread_start(r->loop, "net0") == 0, "no thread");
	r->running = true;
}

void rig_close(struct rig *r)
{
	if (r->running)
		loop_thread_stop(r->loop);
	net_destroy(r->b);
	r->b = NULL;
	free_held(r, true);
	loop_destroy(r->loop);
	rig_forget(r);
	pthread_cond_destroy(&r->changed);
	pthread_mutex_destroy(&r->lock);
	memset(r, 0, sizeof(*r));
}

/* ---- calls on the loop thread */

struct call {
	struct rig *r;
	uint64_t offloads;
	struct iovec iov[3];
	struct rig_held *held;
	bool on;
	ssize_t ret;
};

static void do_start(void *arg)
{
	struct call *c = arg;
	const struct net_sink sink = {.can_recv = sink_can_recv,
	                              .can_send = sink_can_send,
	                              .sent = sink_sent,
	                              .gone = sink_gone,
	                              .arg = c->r};

	c->ret = c->r->b->frame->start(c->r->b, c->offloads, &sink);
}

int rig_start(struct rig *r, uint64_t offloads)
{
	struct call c = {.r = r, .offloads = offloads};

	loop_call(r->loop, do_start, &c);
	return (int)c.ret;
}

static void do_stop(void *arg)
{
	const struct call *c = arg;

	stop(c->r);
}

void rig_stop(struct rig *r)
{
	struct call c = {.r = r};

	loop_call(r->loop, do_stop, &c);
}

static void do_forget(void *arg)
{
	struct call *c = arg;

	if (c->r->b->frame->forget)
		c->r->b->frame->forget(c->r->b);
}

void rig_forget_frames(struct rig *r)
{
	struct call c = {.r = r};

	loop_call(r->loop, do_forget, &c);
}

static void do_want_recv(void *arg)
{
	struct call *c = arg;

	c->r->b->frame->want_recv(c->r->b, c->on);
}

void rig_want_recv(struct rig *r, bool on)
{
	struct call c = {.r = r, .on = on};

	loop_call(r->loop, do_want_recv, &c);
}

static void do_set_offloads(void *arg)
{
	struct call *c = arg;

	c->ret = c->r->b->frame->set_offloads(c->r->b, c->offloads);
}

int rig_set_offloads(struct rig *r, uint64_t offloads)
{
	struct call c = {.r = r, .offloads = offloads};

	loop_call(r->loop, do_set_offloads, &c);
	return (int)c.ret;
}

static void do_send(void *arg)
{
	struct call *c = arg;
	struct rig *r = c->r;

	r->in_call = true;
	c->ret = r->b->frame->send(r->b, c->iov, ARRAY_SIZE(c->iov));
	r->in_call = false;
	if (c->ret < 0 || !r->b->frame->done) {
		free(c->held);
		return;
	}
	*r->behind = c->held;
	r->behind = &c->held->next;
}

ssize_t rig_send(struct rig *r, const struct virtio_net_hdr_v1 *hdr, const void *frame, size_t len)
{
	struct virtio_net_hdr_v1 h = {0};
	struct call c = {.r = r, .held = malloc(sizeof(*c.held) + len)};
	uint8_t *copy;

	must(c.held, "out of memory");
	c.held->next = NULL;
	copy = c.held->data;
	if (hdr)
		h = *hdr;
	memcpy(copy, frame, len);
	/* As drivers place it: the header by itself, the frame in two pieces. */
	c.iov[0] = (struct iovec){&h, sizeof(h)};
	c.iov[1] = (struct iovec){copy, len / 2};
	c.iov[2] = (struct iovec){copy + len / 2, len - len / 2};
	loop_call(r->loop, do_send, &c);
	return c.ret;
}

static void do_take(void *arg)
{
	struct call *c = arg;
	struct rig *r = c->r;

	r->in_call = true;
	c->ret = r->b->frame->recv(r->b, c->iov, 1);
	r->in_call = false;
}

size_t rig_take(struct rig *r, uint8_t *buf, size_t room)
{
	struct call c = {.r = r};
	uint8_t *frame = malloc(NET_RECV_MAX);
	size_t len;

	must(frame, "out of memory");
	c.iov[0] = (struct iovec){frame, NET_RECV_MAX};
	loop_call(r->loop, do_take, &c);
	len = c.ret > 0 ? (size_t)c.ret - NET_HDR_LEN : 0;
	must(len <= room, "a larger frame than expected");
	memcpy(buf, frame + NET_HDR_LEN, len);
	free(frame);
	return len;
}

static void nothing(unused void *arg)
{
}

void rig_settle(struct rig *r)
{
	/* Each call wakes the loop; by the second one the batch of the first has been handled whole. */
	for (int i = 0; i < 4; i++)
		loop_call(r->loop, nothing, NULL);
}

/* ---- waiting */

static struct timespec deadline(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_sec += RIG_PATIENCE_S;
	return ts;
}

static bool wait_for(struct rig *r, const unsigned *what, unsigned nr)
{
	struct timespec end = deadline();
	int err = 0;
	bool ok;

	pthread_mutex_lock(&r->lock);
	while (*what < nr && err == 0)
		err = pthread_cond_timedwait(&r->changed, &r->lock, &end);
	ok = *what >= nr;
	pthread_mutex_unlock(&r->lock);
	return ok;
}

bool rig_wait_frames(struct rig *r, unsigned nr)
{
	return wait_for(r, &r->nr_got, nr);
}

bool rig_wait_can_send(struct rig *r, unsigned nr)
{
	return wait_for(r, &r->nr_can_send, nr);
}

bool rig_wait_gone(struct rig *r)
{
	return wait_for(r, &r->nr_gone, 1);
}

bool rig_wait_stopped(struct rig *r, unsigned nr)
{
	return wait_for(r, &r->nr_stopped, nr);
}

const struct rig_frame *
rig_find(struct rig *r, bool (*match)(const uint8_t *frame, size_t len, void *arg), void *arg)
{
	struct timespec end = deadline();
	const struct rig_frame *found = NULL;
	unsigned i = 0;
	int err = 0;

	pthread_mutex_lock(&r->lock);
	while (!found) {
		for (; i < r->nr_got && !found; i++)
			if (match(r->got[i].data + NET_HDR_LEN, r->got[i].len - NET_HDR_LEN, arg))
				found = &r->got[i];
		if (found || err)
			break;
		err = pthread_cond_timedwait(&r->changed, &r->lock, &end);
	}
	pthread_mutex_unlock(&r->lock);
	return found;
}

void rig_forget(struct rig *r)
{
	pthread_mutex_lock(&r->lock);
	for (unsigned i = 0; i < r->nr_got; i++)
		free(r->got[i].data);
	r->nr_got = 0;
	pthread_mutex_unlock(&r->lock);
}

/* ---- the rest */

unsigned count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned nr = 0;

	must(d, "no /proc");
	while (readdir(d))
		nr++;
	closedir(d);
	return nr;
}

rlim_t limit_fds(rlim_t nr)
{
	struct rlimit l;
	rlim_t was;

	must(getrlimit(RLIMIT_NOFILE, &l) == 0, "getrlimit()");
	was = l.rlim_cur;
	l.rlim_cur = nr;
	must(setrlimit(RLIMIT_NOFILE, &l) == 0, "setrlimit()");
	return was;
}

int listen_on(int type, uint16_t *port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(*port)};
	socklen_t len = sizeof(a);
	int s = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	must(s >= 0 && bind(s, (const struct sockaddr *)&a, sizeof(a)) == 0, "no socket");
	must(type != SOCK_STREAM || listen(s, 16) == 0, "listen()");
	must(getsockname(s, (struct sockaddr *)&a, &len) == 0, "getsockname()");
	*port = ntohs(a.sin_port);
	return s;
}
