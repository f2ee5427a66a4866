/* SPDX-License-Identifier: Apache-2.0 */
/* tests/lib/check_ring_rig.h - doorbell check, one queue that our device's code serves, and a driver that does what a test says
 *
 * The set-up is short: only rules about rings are to be looked at. Failures end the test.
 */
#ifndef DOORBELL_TESTS_CHECK_RING_RIG_H
#define DOORBELL_TESTS_CHECK_RING_RIG_H

#include "check/state.h"
#include "devices/vq.h"
#include "tests/lib/check_rig.h"
#include "vmm/core/gmem.h"

#define EVENT    FEATURE(VIRTIO_RING_F_EVENT_IDX)
#define TABLES   FEATURE(VIRTIO_RING_F_INDIRECT_DESC)
#define PACKED   FEATURE(VIRTIO_F_RING_PACKED)
#define IN_ORDER FEATURE(VIRTIO_F_IN_ORDER)

#define AVAIL_BIT (1u << VRING_PACKED_DESC_F_AVAIL)
#define USED_BIT  (1u << VRING_PACKED_DESC_F_USED)
#define N         VRING_DESC_F_NEXT
#define D         VRING_DESC_F_WRITE
#define I         VRING_DESC_F_INDIRECT

#define RING   0x0000u
#define DRIVER 0x1000u
#define DEVICE 0x2000u
#define TABLE  0x3000u
#define BUF    0x8000u
#define MEMORY 0x20000u
#define NUM    4u

enum { RX, TX };

struct ring_rig {
	struct gmem mem;
	struct check *c;
	struct vq vq;
	struct vq_addr addr;
	unsigned queue;
	bool packed;
	uint8_t status;
	unsigned place; /* packed: of the driver's next descriptor, over two laps */
	uint16_t avail; /* split: its index */
	uint16_t head[16], popped;
};

void *rrig_at(const struct ring_rig *r, gpa_t where);
void rrig_reg(struct ring_rig *r, uint32_t off, bool write, uint64_t val);
#define W(reg, v) rrig_reg(r, VIRTIO_MMIO_##reg, true, v)
#define R(reg, v) rrig_reg(r, VIRTIO_MMIO_##reg, false, v)

/* Up to FEATURES_OK; then r->addr may be changed; QueueReady; DRIVER_OK, and the device serves @queue. */
void rrig_create(struct ring_rig *r, uint64_t accept, unsigned queue, unsigned num);
void rrig_ready(struct ring_rig *r);
void rrig_live(struct ring_rig *r, uint64_t accept);
void rrig_begin(struct ring_rig *r, uint64_t accept, unsigned queue, unsigned num); /* all three */
/* @t NULL: what was kept does not count. */
void rrig_end(struct ring_rig *r, struct check_tally *t);

void rrig_expect_broken(const struct ring_rig *r, struct check_tally *t, const char *id);
void rrig_expect_clean(const struct ring_rig *r, const char *what);
/* Of the rules that @mine says yes to. */
void rrig_expect_both(const struct check_tally *t, bool (*mine)(const char *id));

/* ---- the driver */

#define RAW 0x10000u /* the marks of these flags are as they are */

struct rrig_piece {
	uint64_t addr;
	uint32_t len;
	uint16_t link; /* id, or next */
	uint32_t flags;
};

void rrig_put_at(const struct ring_rig *r, gpa_t where, const struct rrig_piece *p, uint32_t marks);
void rrig_put_table(const struct ring_rig *r, const struct rrig_piece *p, unsigned nr);
/* The next descriptors of a packed ring. */
void rrig_put(struct ring_rig *r, const struct rrig_piece *p, unsigned nr);
/* The next entry of a split ring's available ring. */
void rrig_offer(struct ring_rig *r, uint16_t head);
/* A buffer of one descriptor, in either layout; split: descriptor @id. */
void rrig_offer_one(struct ring_rig *r, uint16_t id);
void rrig_kick(struct ring_rig *r);

/* ---- the device */

/* Takes all that there is; what vq_pop() has said at the end. */
int rrig_take(struct ring_rig *r);
/* The one taken as number @i, from 0, is done. */
void rrig_use(struct ring_rig *r, unsigned i);
/* All are, and shown. */
void rrig_use_all(struct ring_rig *r);
/* More than a second. */
void rrig_look_often(struct ring_rig *r);

#endif
