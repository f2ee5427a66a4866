/* SPDX-License-Identifier: Apache-2.0 */
/* tests/lib/vnet_lanes.h - numbered frames both ways on every queue pair of a struct vrig
 *
 * A lane is a pair's traffic: what its driver sends and the outside finds, and the other way round, in
 * order and unchanged, or the cmocka test fails. Guest memory is the rig's, so no vrig_forget().
 */
#ifndef DOORBELL_TESTS_VNET_LANES_H
#define DOORBELL_TESTS_VNET_LANES_H

#include <stdint.h>

#include "tests/lib/vnet_rig.h"

#define LANE_FRAME  100u /* bytes of a frame */
#define LANE_RX_LEN 256u /* of a receive buffer */

struct lane {
	struct vrig *r;
	unsigned pair;
	uint32_t sent, seen, queued, received;
	struct fake_buf rx_free[VQ_NUM_MAX], tx_free[VQ_NUM_MAX]; /* not posted */
	struct fake_buf rx_of[VQ_NUM_MAX], tx_of[VQ_NUM_MAX];     /* by head */
	unsigned nr_rx_free, nr_tx_free;
};

/* After vrig_up(). */
void lane_init(struct lane *l, struct vrig *r, unsigned pair);
/* The driver's side; any one thread. At most @n, as far as there are buffers. */
void lane_post_rx(struct lane *l, unsigned n);
void lane_send(struct lane *l, unsigned n);
void lane_reap(struct lane *l); /* takes what is used, and checks what was received */
/* The outside; the pair's loop thread, or while no loop runs. */
void lane_arrive(struct lane *l,
                 unsigned n);        /* queued at the pair's backend, as far as there is room */
void lane_check_out(struct lane *l); /* what was sent is the next, and is forgotten */
/* Either side of @r runs for a while: the peer, up to @max requests of each ring; or the device. While no loop runs. */
void lanes_run(struct vrig *r, unsigned max);
/* Until nothing is left anywhere on the first @nr of @lane; while no loop runs. */
void lanes_drain(struct lane *lane, unsigned nr);
/* Frames both ways on the first @nr of @lane, and lanes_drain(). */
void lanes_traffic(struct lane *lane, unsigned nr);
/* Bytes of lane @pair's frame number @i, @in to the guest or out of it. */
void lane_frame(uint8_t frame[LANE_FRAME], unsigned pair, bool in, uint32_t i);

#endif
