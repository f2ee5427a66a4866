/* SPDX-License-Identifier: Apache-2.0 */
/* devices/virtio_net_priv.h - what the files of the network device share, and nobody else */
#ifndef DOORBELL_VIRTIO_NET_PRIV_H
#define DOORBELL_VIRTIO_NET_PRIV_H

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "devices/rx_filter.h"
#include "devices/rx_window.h"
#include "devices/virtio.h"
#include "devices/virtio_net.h"
#include "devices/vnet_hdr.h"
#include "devices/vq.h"
#include "net/net_backend.h"
#include "vmm/core/loop.h"

enum { NET_RX, NET_TX, NET_CTRL, NET_QUEUES };

#define NET_CTRL_QUEUE_SIZE 64u

/* Pieces of one chain: as many buffers as vq_pop() takes, each across two memory regions. */
#define NET_CHAIN_ROOM (2 * VQ_NUM_MAX)

/*
 * One turn on the loop: when any of these is reached, the queue puts itself at the end of the line
 * by ringing its own kick, so that the others have theirs. Large enough to batch, small enough
 * (well below a millisecond of work) that nobody waits; pieces are what a driver multiplies at will.
 */
#define NET_TURN_FRAMES 256u
#define NET_TURN_BYTES  MIB(1)
#define NET_TURN_PIECES 4096u

struct net_turn {
	unsigned frames, pieces;
	uint64_t bytes;
};

static inline bool net_turn_over(const struct net_turn *t)
{
	return t->frames >= NET_TURN_FRAMES || t->pieces >= NET_TURN_PIECES ||
	       t->bytes >= NET_TURN_BYTES;
}

/* Where a queue counts, in struct virtio_net_stats. */
struct net_counters {
	uint64_t *kicks, *interrupts, *suppressed;
};

struct net_queue {
	struct virtio_net *n;
	struct vq *vq;       /* of the core; not running while the driver has not set it up */
	struct loop_fd kick; /* the queue's eventfd */
	bool again;          /* we rang the kick ourselves */
	unsigned pushed;     /* chains in the batch that is not published yet */
	struct net_counters count;
};

struct net_rx {
	bool stalled;     /* waiting for the driver to post buffers; kicks are on, want_recv off */
	bool spread;      /* MRG_RXBUF: a frame may use several chains */
	uint64_t reach;   /* with spread: bytes of buffers to have ready for the next frame */
	uint32_t min_len; /* bytes of a chain in which a frame can begin */
	/*
	 * The frame in hand: @waiting bytes with header, the last @spilled of them in the spill buffer,
	 * the rest in the window. 0 = none; between two turns only a frame that needs more buffers.
	 */
	uint32_t waiting, spilled;
	struct virtio_net_hdr_v1 hdr; /* of the frame in hand */
	struct rx_window window;
	uint8_t spill
		[NET_RECV_MAX]; /* behind the window in every recv(); pages touched when needed */
};

struct net_tx {
	bool blocked; /* the backend is full; can_send will come, kicks stay off */
	struct iovec iov[1 + NET_CHAIN_ROOM]; /* [0] is for our copy of the header */
	uint8_t gather[VNET_FRAME_MAX];       /* pages touched when needed */
};

enum net_path {
	NET_PATH_NONE, /* the device is stopped */
	NET_PATH_FRAMES,
	NET_PATH_RINGS, /* a peer serves rx and tx: their vq are frozen, their kicks not ours */
};

struct virtio_net {
	struct virtio_dev dev; /* first */
	struct virtio_queue vq[NET_QUEUES];
	struct net_queue queue[NET_QUEUES];
	struct virtio_net_params params;
	struct net_backend *backend; /* borrowed */
	struct net_sink sink;        /* what the backend calls */
	bool backend_started;        /* its frame table, that is */
	enum net_path path;          /* in force */
	bool rings_wanted;           /* virtio_net_set_path() */
	bool releasing;              /* the driver is taking rx or tx back just now */
	bool link_wanted;            /* virtio_net_set_link() */
	bool gone;                   /* the backend lost its peer, for good */
	bool announce;               /* VIRTIO_NET_S_ANNOUNCE */
	uint64_t offloads;           /* guest offloads switched on; subset of what was accepted */
	struct rx_filter filter;
	struct virtio_net_stats stats;
	struct net_rx rx;
	struct net_tx tx;
	struct iovec ctrl_iov[NET_CHAIN_ROOM];
};

/* All on the loop thread. virtio_net.c: */

bool net_link(const struct virtio_net *n);                           /* frames flow */
bool net_has(const struct virtio_net *n, unsigned feature_bit);      /* accepted */
void net_push(struct net_queue *q, uint16_t head, uint32_t written); /* to the batch */
void net_publish(struct net_queue *q); /* ends the batch: one index write, one interrupt at most */
void net_again(struct net_queue *q);   /* come back in the next turn of the loop */
void net_take_kick(struct net_queue *q);
/*
 * The driver broke a rule: publish what was done, then stop. When it returns the device is stopped
 * (virtio_broken()) and the caller must not touch queues any more.
 */
void net_broken(struct virtio_net *n, struct net_queue *q, int err);
void net_set_offloads(struct virtio_net *n,
                      uint64_t offloads); /* closed; ours, not the backend's */

/* virtio_net_path.c: */

/* The device starts: serve rx and tx by the path that is wanted. 0 or -errno, then nothing runs. */
int net_path_start(struct virtio_net *n);
void net_path_stop(struct virtio_net *n); /* the device stops; the rings are not looked at again */
/*
 * Something changed that the choice of the path depends on. On return the wanted path serves; or, after
 * a log_error(), the other one; or the device is stopped and needs a reset. No-op when stopped.
 */
void net_path_review(struct virtio_net *n);

/* virtio_net_rx.c: */

void net_rx_start(struct virtio_net *n);
void net_rx_stop(struct virtio_net *n); /* window given back, half-received frame dropped */
void net_rx_link_down(struct virtio_net *n);
void net_rx_can_recv(void *arg); /* sink call; arg = struct virtio_net */
void net_rx_kick(void *arg, uint32_t revents);

/* virtio_net_ctrl.c: */

void net_ctrl_kick(void *arg, uint32_t revents);

#endif
