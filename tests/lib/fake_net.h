/* SPDX-License-Identifier: Apache-2.0 */
/* tests/lib/fake_net.h - a frame backend that does what the test says and remembers what it was told
 *
 * No descriptors and no loop: the test is the outside. It queues frames and then calls
 * fake_net_can_recv(), as a readable TAP would. All of it on the thread that plays the loop thread;
 * with a running loop go through loop_call().
 *
 * A device that breaks its half of the contract (recv() with less than NET_RECV_MAX bytes of room,
 * send() while stopped or of less than a header, use of a sink call from inside a sink call) ends the
 * test program with a message: these are bugs of ours, never of a guest.
 */
#ifndef DOORBELL_TESTS_FAKE_NET_H
#define DOORBELL_TESTS_FAKE_NET_H

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/net_backend.h"

#define FAKE_NET_FRAMES 512u /* room for sent frames, and for queued ones */

struct fake_ring;

struct fake_frame {
	uint8_t *data; /* header and frame, owned by the fake */
	size_t len;    /* bytes, header included */
};

struct fake_net {
	struct net_backend backend; /* first; hand out &f->backend */

	/* What the device did. */
	bool started;
	unsigned nr_starts, nr_stops, nr_set_offloads;
	uint64_t offloads;           /* last told by start() or set_offloads() */
	bool want_recv;              /* last told; true again at each start() */
	unsigned pairs, pairs_asked; /* last told by set_pairs(), of the first one; 1 before */
	unsigned nr_want_on, nr_want_off;
	unsigned nr_sends, nr_recvs;             /* calls, also failed ones */
	struct fake_frame sent[FAKE_NET_FRAMES]; /* taken frames, oldest first */
	unsigned nr_sent;
	const void *last_iov_base; /* of the first piece of the last send() or recv(): no copy? */
	unsigned last_iov_n;

	/* What the test wants; plain, change at any time. */
	int start_err, offloads_err;   /* -errno that start() and set_offloads() answer, or 0 */
	void (*on_set_offloads)(void); /* called first in set_offloads(), or NULL */
	int pairs_err;                 /* likewise set_pairs(), ... */
	bool pairs_err_once;           /* ... the next time only */
	unsigned send_ok;              /* calls of send() that succeed before ... */
	int send_err;                  /* ... this -errno is answered (0: never), ... */
	unsigned send_err_times;       /* ... this often; UINT_MAX: for ever */
	unsigned nr_forgets;           /* calls of forget() */
	/* After fake_net_hold(): frames that were sent and are not done, and that are and were not counted. */
	unsigned nr_held, nr_done;
	bool gave_up; /* recall() of frames that do not come again */
	/* After fake_net_lonely(). */
	bool peer;

	/* Private. */
	struct fake_ring *rings; /* fake_ring.h; NULL: none */
	struct fake_net *first;
	unsigned index;                           /* of this pair */
	struct fake_frame queue[FAKE_NET_FRAMES]; /* ring: [queue_head, queue_head + nr_queued) */
	unsigned queue_head, nr_queued;
	struct net_sink sink;
	bool in_sink;
	void (*tell)(void *arg, bool up);
	void *tell_arg;
	bool *destroyed;
};

/* @can: offload masks the backend honours. Owned by the caller through net_destroy(&f->backend). */
struct fake_net *fake_net_create(uint64_t can);
/* One more queue pair behind @f, which gets VIRTIO_NET_F_MQ. Owned by @f. */
struct fake_net *fake_net_add_pair(struct fake_net *f);
/* Set *flag when the backend is destroyed, by whomever. */
void fake_net_on_destroy(struct fake_net *f, bool *flag);

/* One more frame for recv(). @hdr NULL is an all-zero header. */
void fake_net_queue(struct fake_net *f, const struct virtio_net_hdr_v1 *hdr, const void *frame,
                    size_t len);
unsigned fake_net_queued(const struct fake_net *f); /* not yet taken by recv() */

/* For fake_ring.c: a frame goes out; the next queued one comes in, bytes stored (0: none queued). */
void fake_net_take_sent(struct fake_net *f, const struct iovec *iov, unsigned nr);
size_t fake_net_give_queued(struct fake_net *f, const struct iovec *iov, unsigned nr);

/* Let send() answer @err (-EAGAIN, -EIO) @times times after @ok good frames. */
void fake_net_fail_send(struct fake_net *f, unsigned ok, int err, unsigned times);
void fake_net_forget_sent(struct fake_net *f); /* sent[] is empty again */
/* From now on it has done() and recall(): a frame is done by fake_net_finish(). Before the first start(). */
void fake_net_hold(struct fake_net *f);
/* It has a peer that comes and goes, and is not there yet. Before the device is made. */
void fake_net_lonely(struct fake_net *f);
void fake_net_peer(struct fake_net *f, bool up); /* tells the device, if somebody listens */
/* The oldest @nr of the held ones are done; tells the device. */
void fake_net_finish(struct fake_net *f, unsigned nr);

/*
 * Call the sink. can_recv and can_send answer false, and do not call, when the device is not to be
 * called: stopped, or want_recv off (can_recv), which is what a real backend does.
 */
bool fake_net_can_recv(struct fake_net *f);
bool fake_net_can_send(struct fake_net *f); /* also ends fake_net_fail_send() */
bool fake_net_gone(struct fake_net *f, int err);

#endif
