// SPDX-License-Identifier: Apache-2.0
/*
 * RSS: frames go from the pair that reads them to the pair that the driver's table names.
 *
 * A backend has a queue per pair, and its own idea of which frame goes where; so each pair reads its own,
 * hashes what it finds and puts it into an inbox, its own too. The frames of a flow stay in one queue of the
 * backend, and an inbox keeps their order. What finds no room there is dropped, as by any network card whose
 * driver is too slow: a queue without buffers must not hold up the others.
 *
 * The inbox is the one thing that two threads share. Its lock is held for the few instructions that move an index;
 * frames are copied in and out without it (frame_ring.h). So a thread that loses its CPU while it copies holds up
 * its own frame and those behind it in that inbox, and no other thread.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "devices/virtio_net_priv.h"
#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"
#include "vmm/core/frame_ring.h"

/* Some frames of the largest size, and hundreds of the usual. */
#define INBOX_BYTES MIB(1)
/* Read in one turn: while a pair reads, it does not empty its own inbox. */
#define STEER_BYTES (INBOX_BYTES / 4)

struct net_inbox {
	pthread_mutex_t lock;
	struct frame_ring ring;      /* header and frame; under lock what frame_ring.h says */
	struct loop_fd wake;         /* an eventfd, owned: the ring is not empty any more */
	uint8_t frame[NET_RECV_MAX]; /* of its own pair's thread: the one that is being looked at */
};

static void on_wake(void *arg, unused uint32_t revents)
{
	struct net_pair *p = arg;

	fd_event_take(p->inbox->wake.fd);
	p->stats.rx_wake_reads++;
	net_rx_turn(p);
}

int net_inbox_create(struct net_pair *p)
{
	struct net_inbox *x = calloc(1, sizeof(*x));
	int r;

	if (!x)
		return -ENOMEM;
	p->inbox = x;
	pthread_mutex_init(&x->lock, NULL);
	x->wake = (struct loop_fd){.events = EPOLLIN, .fn = on_wake, .arg = p};
	r = x->wake.fd = fd_eventfd();
	return r < 0 ? r : frame_ring_init(&x->ring, INBOX_BYTES);
}

void net_inbox_destroy(struct net_pair *p)
{
	struct net_inbox *x = p->inbox;

	if (!x)
		return;
	if (x->wake.fd >= 0)
		fd_close(&x->wake.fd);
	frame_ring_free(&x->ring);
	pthread_mutex_destroy(&x->lock);
	free(x);
	p->inbox = NULL;
}

const struct loop_fd *net_inbox_watch(const struct net_pair *p)
{
	return &p->inbox->wake;
}

int net_inbox_start(struct net_pair *p)
{
	return loop_add(p->loop, &p->inbox->wake);
}

void net_inbox_stop(struct net_pair *p)
{
	loop_del(&p->inbox->wake);
}

void net_inbox_clear(struct net_pair *p)
{
	if (!p->inbox)
		return;
	pthread_mutex_lock(&p->inbox->lock);
	p->stats.rx_dropped += frame_ring_clear(&p->inbox->ring);
	pthread_mutex_unlock(&p->inbox->lock);
}

ssize_t net_inbox_recv(struct net_pair *p, const struct iovec *iov, unsigned nr)
{
	struct net_inbox *x = p->inbox;
	size_t at, len;
	ssize_t ret;

	pthread_mutex_lock(&x->lock);
	len = frame_ring_peek(&x->ring, &at);
	pthread_mutex_unlock(&x->lock);
	if (!len)
		return 0;
	ret = frame_ring_read(&x->ring, at, len, iov, nr, 0);
	pthread_mutex_lock(&x->lock);
	frame_ring_drop(&x->ring);
	pthread_mutex_unlock(&x->lock);
	p->stats.rx_taken++;
	p->stats.rx_steered_bytes += len;
	return ret;
}

static void put(struct net_pair *from, struct net_pair *to, size_t len)
{
	struct net_inbox *x = to->inbox;
	bool first;
	size_t at;
	int r;

	pthread_mutex_lock(&x->lock);
	r = frame_ring_reserve(&x->ring, len, &at);
	pthread_mutex_unlock(&x->lock);
	if (r < 0) {
		from->stats.rx_dropped++;
		return;
	}
	frame_ring_fill(&x->ring, at, from->inbox->frame, len);
	pthread_mutex_lock(&x->lock);
	first = frame_ring_commit(&x->ring, at);
	pthread_mutex_unlock(&x->lock);
	from->stats.rx_steered++;
	from->stats.rx_steered_bytes += len;
	/* Otherwise it has been told, and looks until there is nothing, or until its driver kicks. */
	if (!first)
		return;
	from->stats.rx_wakes++;
	fd_event_set(x->wake.fd);
}

/* To the pair that the table names. @len: of header and frame, as read. */
static void steer(struct net_pair *p, size_t len)
{
	struct virtio_net *n = p->n;
	unsigned to;

	if (len <= NET_HDR_LEN) { /* nothing to hash */
		p->stats.rx_dropped++;
		return;
	}
	to = rss_pair(&n->steering.rss, p->inbox->frame + NET_HDR_LEN, len - NET_HDR_LEN);
	put(p, &n->pair[to], len);
}

void net_steer(struct net_pair *p)
{
	struct iovec iov = {p->inbox->frame, sizeof(p->inbox->frame)};
	struct net_turn t = {0};

	/* The backend calls again while there is more; between two calls the inbox has its turn. */
	while (t.frames < NET_TURN_FRAMES && t.bytes < STEER_BYTES) {
		ssize_t len = p->backend->frame->recv(p->backend, &iov, 1);

		if (len <= 0) {
			p->stats.rx_drained++;
			return;
		}
		steer(p, (size_t)len);
		t.frames++;
		t.bytes += (uint64_t)len;
	}
}
