/* SPDX-License-Identifier: Apache-2.0 */
/* tests/lib/vnet_rx.h - receive buffers of a driver, and the frames that it finds in them
 *
 * For cmocka tests of the network device, with one struct vrig at a time, which the test creates.
 */
#ifndef DOORBELL_TESTS_VNET_RX_H
#define DOORBELL_TESTS_VNET_RX_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/lib/vnet_rig.h"

struct vnet_rx {
	struct vrig rig;
	bool reused; /* a frame that was not delivered may have left bytes in a chain */
	uint8_t frame[NET_RECV_MAX];             /* the last one that arrived */
	uint8_t got[NET_RECV_MAX + KIB(64)];     /* the last one that was taken, header included */
	struct vnet_posted *by_head[VQ_NUM_MAX]; /* chains at the device */
};

/* A device with @entries in its queues and @mtu (0: none), 8 MiB of guest memory. */
void vnet_rx_create(struct vnet_rx *x, uint32_t entries, uint16_t mtu);
void vnet_rx_destroy(struct vnet_rx *x);
/* vrig_up(); what was posted before is forgotten. */
void vnet_rx_up(struct vnet_rx *x, uint64_t accept);

/*
 * Post @total bytes, the first piece @first long, the others @then; in an indirect table from piece
 * @direct on (-1: none). False when the ring is full.
 */
bool vnet_rx_post_cut(struct vnet_rx *x, uint32_t total, uint32_t first, uint32_t then, int direct);
void vnet_rx_post(struct vnet_rx *x, uint32_t total); /* in one piece */
void vnet_rx_go(struct vnet_rx *x);                   /* publish, kick, run */

/* The outside sends a frame of @len bytes made of @seed; the device runs. @hdr NULL: zeros. */
void vnet_rx_arrive(struct vnet_rx *x, uint32_t len, unsigned seed);
void vnet_rx_arrive_hdr(struct vnet_rx *x, const struct virtio_net_hdr_v1 *hdr, uint32_t len,
                        unsigned seed);
/* Likewise, but nothing runs. */
void vnet_rx_queue(struct vnet_rx *x, const uint8_t dst[6], uint32_t len, unsigned seed);

/*
 * Take one frame the way a driver does. Its length with header, 0 when none is there. What the
 * standard says about counts and lengths is asserted.
 */
uint32_t vnet_rx_take(struct vnet_rx *x);
/* The next frame is @len bytes made of @seed behind a zero header, in @chains chains. */
void vnet_rx_expect(struct vnet_rx *x, uint32_t len, unsigned seed, unsigned chains);
/* The next chain came back without a byte. */
void vnet_rx_expect_useless(struct vnet_rx *x);

#endif
