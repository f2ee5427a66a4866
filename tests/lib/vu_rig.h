/* SPDX-License-Identifier: Apache-2.0 */
/* tests/lib/vu_rig.h - a network device between the fake driver and a vhost-user peer
 *
 * The peer runs elsewhere (a fake_peer, or DPDK); the device's loop is turned by the test, so each step
 * of the device is in the test's thread. What does not come within RIG_PATIENCE_S ends the process.
 */
#ifndef DOORBELL_TESTS_VU_RIG_H
#define DOORBELL_TESTS_VU_RIG_H

#include <stdbool.h>
#include <stdint.h>

#include "devices/net_features.h"
#include "devices/virtio_net_priv.h"
#include "net/net_backend.h"
#include "tests/lib/fake_driver.h"
#include "vmm/core/loop.h"

#define VU_RIG_QUEUE 64u
#define VU_RIG_PAIRS 3u   /* at most */
#define VU_RIG_FRAME 100u /* bytes, without header */

/* A queue pair as the driver has it. */
struct vu_lane {
	struct fake_vq vq[NET_PAIR_QUEUES];
	struct fake_buf tx_free[VU_RIG_QUEUE], tx_of[VU_RIG_QUEUE], rx_of[VU_RIG_QUEUE];
	unsigned nr_tx_free;
	uint32_t sent, received, last; /* frames; number of the last that came */
};

struct vu_rig {
	struct fake_mem m;
	struct loop *loop;
	struct net_backend *b;
	struct virtio_net *n; /* NULL before vu_rig_prepare() */
	struct fake_dev dev;
	struct vu_lane lane[VU_RIG_PAIRS];
	unsigned nr_lanes; /* in use: one after vu_rig_up() */
	struct fake_vq ctrl;
	struct loop *more_loops[VU_RIG_PAIRS - 1]; /* all of them are @loop */
	unsigned more_pairs;
	struct loop_fd call; /* the device's interrupt; its fd is owned */
	unsigned interrupts;
	uint64_t features; /* offered */
	uint64_t by_name;  /* of NET_ONLY_BY_NAME, what the driver takes; after vu_rig_create() */
	char why[256];     /* of vu_rig_prepare() */
};

/* As --net vhost-user,KEYS, with 1 + common->more_pairs queue pairs. 0 or what create() answers. */
int vu_rig_create(struct vu_rig *r, const char *keys, const struct net_common *common);
/* Wait for the peer, and make the device. 0 or what prepare() answers. */
int vu_rig_prepare(struct vu_rig *r);
void vu_rig_drop_device(struct vu_rig *r); /* and vu_rig_prepare() makes the next, as at a reboot */
void vu_rig_destroy(struct vu_rig *r);

/* Reset, then DRIVER_OK with what is offered but @without, and of NET_ONLY_BY_NAME only by_name; rx buffers are posted. */
void vu_rig_up(struct vu_rig *r, uint64_t without);
/* By the control queue: @nr pairs are used from now on. False: refused. */
bool vu_rig_ask_pairs(struct vu_rig *r, unsigned nr);
/* Likewise, and it must not be. */
void vu_rig_use_pairs(struct vu_rig *r, unsigned nr);

/* Turn the loop until cond(arg). */
void vu_rig_until(struct vu_rig *r, bool (*cond)(void *arg), void *arg, const char *what);
void vu_rig_until_link(struct vu_rig *r, bool up);
void vu_rig_turn(struct vu_rig *r, unsigned ms); /* whatever comes in that time */

/* On each pair in use send up to @nr numbered frames, as far as the ring has room; take back what is used. */
void vu_rig_send(struct vu_rig *r, unsigned nr);
/*
 * Look at the rings. Each frame that came is whole, and its number is above the one before; the rest of
 * the numbers was lost.
 */
void vu_rig_reap(struct vu_rig *r);
/* Frames go out and come back until @nr more have come, on each pair in use. */
void vu_rig_traffic(struct vu_rig *r, unsigned nr);

#endif
