/* SPDX-License-Identifier: Apache-2.0 */
/* devices/virtio_vhost_user.h - a virtio device whose driver is behind a vhost-user socket
 *
 * The other transport beside devices/virtio_mmio.h: what the front end's messages say, decoded by whoever reads them
 * (vmm/vhost_server.c), becomes features, memory and queues of the device. QEMU's docs/interop/vhost-user.rst is the
 * specification.
 *
 * A ring is served from the message with its kick descriptor on, while it is enabled and the driver is ready, until
 * its base is asked for or it is set up anew. Each message that changes anything of this pauses the device, and
 * resumes it with what there is then: so memory may be replaced and rings may come and go in mid-traffic.
 *
 * All calls are made on the device's loop thread. Those that return int: 0; or -EPROTO with the reason in @why, and
 * the front end is to be sent away.
 */
#ifndef DOORBELL_VIRTIO_VHOST_USER_H
#define DOORBELL_VIRTIO_VHOST_USER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "vmm/core/fd_signal.h"
#include "vmm/core/gmem.h"

struct virtio_dev;

#define VVU_RINGS_MAX 32u

struct vvu_ring {
	uint32_t num;
	uint32_t base;              /* next request to take, while it is not served */
	uint64_t desc, avail, used; /* where it is in the front end's own address space */
	bool placed;                /* num and these are known */
	bool kicked;                /* there is a kick descriptor: it is started */
	bool enabled;
	bool served;  /* the device has it */
	int own_kick; /* the device's eventfd, while the one of the front end is in its place */
	/*
	 * Of the front end, perhaps a socket; always open, for any thread writes to it: a new one takes its number.
	 */
	int call_fd;
	_Atomic bool call_is_socket;
	int err_fd; /* or -1 */
};

/* A region of memory in the front end's own address space. */
struct vvu_region {
	uint64_t user, size;
	gpa_t guest;
};

struct vvu_memory {
	struct vvu_region region[GMEM_MAX_REGIONS];
	unsigned nr;
};

struct virtio_vhost_user {
	struct virtio_dev *dev; /* borrowed */
	struct fd_signal signal;
	struct gmem mem; /* the front end's; the device's mem points here */
	struct vvu_memory where;
	uint64_t features; /* as last set, without bit 30; 0: not yet */
	bool on_by_kick;   /* bit 30 was not among them: a ring is enabled when it is started */
	bool has_status;
	uint8_t status; /* what the driver wrote last, without FEATURES_OK when we do not run with them */
	bool recover; /* requests that were begun are to be found and done again */
	/* The config space has changed and the driver is to hear of it; loop thread. NULL: it is not told. */
	void (*tell_config)(void *arg);
	void *arg;
	struct vvu_ring ring[VVU_RINGS_MAX];
	char why[200];
};

/*
 * Becomes @dev's transport; dev->mem is &t->mem, which is zeroed. The loop does not run. 0 or -errno, and then
 * vvu_fini() is due all the same.
 */
int vvu_init(struct virtio_vhost_user *t, struct virtio_dev *dev);
void vvu_fini(struct virtio_vhost_user *t); /* a zeroed one is fine */
/* The front end has gone: the device is reset, its memory and descriptors are let go of. */
void vvu_reset(struct virtio_vhost_user *t);

/* @protocol_bit: was the feature of vhost-user itself among them? @features are the rest. */
int vvu_set_features(struct virtio_vhost_user *t, uint64_t features, bool protocol_bit);
/* @m goes over to @t, also on failure. */
int vvu_set_memory(struct virtio_vhost_user *t, const struct gmem *m,
                   const struct vvu_memory *where);

/* Any number for @ring; -EPROTO when there is no such ring. */
int vvu_ring_num(struct virtio_vhost_user *t, uint32_t ring, uint32_t num);
int vvu_ring_base(struct virtio_vhost_user *t, uint32_t ring, uint32_t base);
int vvu_ring_addr(struct virtio_vhost_user *t, uint32_t ring, uint64_t desc, uint64_t avail,
                  uint64_t used);
int vvu_ring_enable(struct virtio_vhost_user *t, uint32_t ring, bool on);
int vvu_ring_stop(struct virtio_vhost_user *t, uint32_t ring, uint32_t *base);
/* @fd is borrowed; call and err: -1 is none. Kick starts the ring. */
int vvu_ring_kick(struct virtio_vhost_user *t, uint32_t ring, int fd);
int vvu_ring_call(struct virtio_vhost_user *t, uint32_t ring, int fd);
int vvu_ring_err(struct virtio_vhost_user *t, uint32_t ring, int fd);

/*
 * Whoever served these rings before may have died over it: from now on a ring that is started goes on behind
 * the last request that the driver saw done. Our device ends requests in the order in which it takes them, so
 * none of those between is lost, and what was begun is done again.
 */
void vvu_recover(struct virtio_vhost_user *t);

int vvu_set_status(struct virtio_vhost_user *t, uint8_t status);
uint8_t vvu_status(const struct virtio_vhost_user *t);
/* Pairs of rings from ring 0 on, all of which are served. */
unsigned vvu_pairs(const struct virtio_vhost_user *t);

#endif
