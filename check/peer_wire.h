/* SPDX-License-Identifier: Apache-2.0 */
/* check/peer_wire.h - between the peer of a provoked driver and its device: a backend for each queue pair, all on one loop
 *
 * Loop thread only.
 */
#ifndef DOORBELL_CHECK_PEER_WIRE_H
#define DOORBELL_CHECK_PEER_WIRE_H

#include "devices/virtio_net.h"
#include "net/net_feed.h"
#include "vmm/core/frame_pipe.h"

struct wire_ops {
	void (*started)(void *arg); /* the first pair begins */
	/* The driver has sent a frame, of @len bytes; @kept of them are at @frame, to be written to. */
	void (*frame)(void *arg, uint8_t *frame, size_t kept, size_t len);
	void (*destroy)(void *arg); /* the last call */
};

struct wire_pair {
	struct net_backend b; /* first */
	struct net_feed feed;
	struct frame_pipe pipe; /* to the driver: header and frame */
	struct peer_wire *wire;
};

struct peer_wire {
	const struct wire_ops *ops;
	void *arg;
	struct loop *loop;
	unsigned nr, in_use; /* pairs: all, and those that get frames */
	unsigned turn;       /* of them */
	bool was_reset;      /* the device, since it was last set to false */
	struct wire_pair pair[VIRTIO_NET_PAIRS_MAX];
};

/* @w, zeroed but for ops, arg and loop, gets @nr pairs. 0 or -ENOMEM; then wire_free() is to follow, too. */
int wire_init(struct peer_wire *w, unsigned nr);
void wire_free(struct peer_wire *w);
/* A frame without a header, by each pair that is in use in turn. False: no room now. */
bool wire_put(struct peer_wire *w, const uint8_t *frame, size_t len);
bool wire_started(const struct peer_wire *w); /* there is a driver */
/* By the first pair, and the device takes it now. False: there is no room. */
bool wire_push(struct peer_wire *w, const uint8_t *frame, size_t len);

#endif
