/* SPDX-License-Identifier: Apache-2.0 */
/* tests/lib/net_rig.h - a backend on a running loop, with a sink that keeps what it is given
 *
 * The test's thread stands where a vCPU or the outside world stands; everything that belongs to the
 * loop thread goes there by loop_call(), as in the product. Waits end after RIG_PATIENCE_S seconds
 * with a false, so that a lost event is a failed case and not a hang.
 */
#ifndef DOORBELL_TESTS_NET_RIG_H
#define DOORBELL_TESTS_NET_RIG_H

#include <linux/virtio_net.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

#include "bench/cmd/own_network.h" /* enter_own_network() */
#include "net/net_backend.h"

#define RIG_FRAMES     4096u
#define RIG_PATIENCE_S 30

struct rig_frame {
	uint8_t *data; /* header and frame */
	size_t len;    /* bytes, header included */
};

struct rig {
	struct loop *loop;
	struct net_backend *b;
	/* Set before rig_open(), which opens them; the calls below are about the first pair. */
	unsigned more_pairs;
	struct loop *const *more_loops;
	struct net_pairs *pairs;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool running;

	/* Under lock. */
	struct rig_frame got[RIG_FRAMES]; /* oldest first */
	unsigned nr_got;
	unsigned nr_can_recv, nr_can_send, nr_gone, nr_reentered, nr_stopped;
	int gone_err;
	bool partial; /* a frame did not come whole (its header was not written) */

	/* What can_recv does; set before rig_start(). */
	unsigned budget; /* frames per call; 0: until there are none */
	unsigned pieces; /* 0 or 1: one buffer; else header apart and the rest in so many */

	/* The next call of this kind stops the backend, can_recv after one frame. Once. */
	enum rig_call { RIG_NONE, RIG_CAN_RECV, RIG_CAN_SEND, RIG_GONE } stop_in;

	bool in_call; /* loop thread only */
	struct rig_held
		*held; /* likewise: what was sent and is not done, oldest first; see done() */
	struct rig_held **behind; /* the last of these */
};

void rig_init(struct rig *r);
/* It has no loop of its own but that of @with, whose thread runs when both were told to. Before rig_open(). */
void rig_share(struct rig *r, const struct rig *with);
/* Parse @keys and create; the loop is not running yet. What create() or the parser answered. */
int rig_open(struct rig *r, const char *kind, const char *keys, uint16_t mtu);
void rig_run(struct rig *r);   /* start the loop's thread */
void rig_close(struct rig *r); /* stop the thread, destroy what there is */

/* On the loop thread. */
int rig_start(struct rig *r, uint64_t offloads);
void rig_stop(struct rig *r);
void rig_forget_frames(struct rig *r); /* forget() of the backend, if it has that */
void rig_want_recv(struct rig *r, bool on);
int rig_set_offloads(struct rig *r, uint64_t offloads); /* what set_offloads() answered */
/* @hdr NULL: all zero. What send() answered. */
ssize_t rig_send(struct rig *r, const struct virtio_net_hdr_v1 *hdr, const void *frame, size_t len);
/* One recv(): its bytes without the header in @buf; 0: there was no frame. */
size_t rig_take(struct rig *r, uint8_t *buf, size_t room);
/* Go round: every event that was pending before this call has been handled when it returns. */
void rig_settle(struct rig *r);

bool rig_wait_frames(struct rig *r, unsigned nr); /* at least so many received since rig_forget() */
bool rig_wait_can_send(struct rig *r, unsigned nr);
bool rig_wait_gone(struct rig *r);
bool rig_wait_stopped(struct rig *r, unsigned nr); /* by stop_in */
/*
 * Is there a frame that @match says yes to, among those received? Waits for one. The answer is valid
 * until rig_forget().
 */
const struct rig_frame *
rig_find(struct rig *r, bool (*match)(const uint8_t *frame, size_t len, void *arg), void *arg);
void rig_forget(struct rig *r); /* forget received frames */

unsigned count_fds(void); /* open descriptors of this process */
/* From now on they are below @nr; 0: nobody gets another. What the limit was, for the call that gives it back. */
rlim_t limit_fds(rlim_t nr);
/* A socket of @type on 127.0.0.1; *port 0: the kernel picks, and it is told there. */
int listen_on(int type, uint16_t *port);

#endif
