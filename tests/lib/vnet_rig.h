/* SPDX-License-Identifier: Apache-2.0 */
/* tests/lib/vnet_rig.h - a network device between the fake driver and the fake backend
 *
 * Nothing runs by itself: the loop is never started, vrig_pump() calls the kick handlers whose eventfd
 * is readable, as the loop would. So each step of a test is in one place and one thread. A host
 * failure ends the process with a message.
 */
#ifndef DOORBELL_TESTS_VNET_RIG_H
#define DOORBELL_TESTS_VNET_RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "devices/net_features.h"
#include "devices/virtio_net_priv.h"
#include "tests/lib/fake_driver.h"
#include "tests/lib/fake_net.h"
#include "tests/lib/fake_ring.h"

#define VRIG_F(name) FEATURE(VIRTIO_NET_F_##name)
#define VRIG_ALL     (~UINT64_C(0))

/* Frames that get through every filter, and the device's own address in vrig_create(). */
extern const uint8_t vrig_mac[6];

struct vrig {
	struct fake_mem m;
	struct loop *loop;
	struct fake_net *net;
	struct fake_ring peer; /* the backend's ring table, with options.peer */
	struct virtio_net *n;
	struct fake_dev dev;
	struct fake_net *nets[VIRTIO_NET_PAIRS_MAX]; /* of each pair; the first is @net */
	struct loop *more_loops[VIRTIO_NET_PAIRS_MAX - 1];
	struct fake_vq vq[NET_QUEUES_MAX]; /* the driver's side; valid after vrig_up() */
	unsigned ctrl;                     /* which of them is the control queue, likewise */
	unsigned pairs, vq_size;
	uint64_t features; /* accepted */
	gpa_t mark;        /* guest memory from here on is freed by vrig_forget() */
};

/* What a test may choose; zeroed is one pair, all features, 256 entries, 4 MiB of guest memory, no mtu. */
struct vrig_options {
	uint64_t without; /* features not offered */
	uint64_t mem_bytes;
	uint32_t vq_size;
	uint16_t mtu;
	unsigned pairs; /* 0: one */
	bool peer;    /* the backend has a ring table, and the device an eventfd to interrupt by */
	bool by_pair; /* that takes them pair by pair */
	bool rings;   /* begin with it; with peer */
	enum poll_mode poll;
	unsigned tx_hold_us, kick_wait_us;
	bool kick_inline; /* and the loops let visit */
	bool hash_report; /* offered only then, since it makes all headers longer */
	bool lonely;      /* fake_net_lonely() */
	bool legacy; /* VERSION_1 is not offered: for drivers that are brought up by registers */
};

/*
 * What drivers accept from now on of VRIG_LAYOUTS, whatever a test says that they accept: nothing at first. So
 * main() runs the same cases for several layouts of the ring.
 */
#define VRIG_LAYOUTS (FEATURE(VIRTIO_F_RING_PACKED) | FEATURE(VIRTIO_F_IN_ORDER))
void vrig_layout(uint64_t features);

void vrig_create(struct vrig *r, struct vrig_options o);
void vrig_destroy(struct vrig *r);

/* Reset, then to DRIVER_OK with those of @accept that are offered, and VERSION_1. As fake_probe(). */
int vrig_try_up(struct vrig *r, uint64_t accept);
void vrig_up(struct vrig *r, uint64_t accept); /* must succeed; with a vrig_pump() */

/*
 * One piece of guest memory for virtqueue @i, as version 1 wants it, laid out by the macros of the kernel's header; v->vq[i] is it.
 * The number of its first page, of VRIG_PAGE bytes.
 */
#define VRIG_PAGE 4096u
uint32_t vrig_legacy_queue(struct vrig *r, unsigned i, uint32_t num, uint32_t align,
                           uint64_t features);

/* Call each handler whose kick is set. False: no kick was set. */
bool vrig_pump_once(struct vrig *r);
/* Until none is set. Number of rounds; more than 10000 end the process: the device spins. */
unsigned vrig_pump(struct vrig *r);

/* Publish what was added to virtqueue @i, kick if asked for, pump. */
void vrig_go(struct vrig *r, unsigned i);

/* Guest memory allocated since vrig_up() may be used again. No requests may be outstanding. */
void vrig_forget(struct vrig *r);

/* A frame of @len (>= 14) bytes to @dst from a fixed address; payload by pattern_fill(). */
void vrig_frame(uint8_t *p, size_t len, const uint8_t dst[6], unsigned seed);

#define VRIG_FRAME 100u /* bytes of those that these two make, without a header */
/* The first pair's driver publishes a frame, and does not kick. */
void vrig_post_tx(struct vrig *r);
/* A buffer for the first pair, a kick for it, and a frame that comes. */
void vrig_receive(struct vrig *r);

/* One control command with @data after class and command. The verdict; -1 when none was written. */
int vrig_command(struct vrig *r, uint8_t class, uint8_t cmd, const void *data, uint32_t len);
/* That of MQ which says how many pairs are used. */
int vrig_set_pairs(struct vrig *r, unsigned nr);

#endif
