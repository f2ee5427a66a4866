/* SPDX-License-Identifier: Apache-2.0 */
/* devices/virtio_provoke.h - somebody has a device do what few devices do: doorbell check --provoke
 *
 * Set before any vCPU runs, and never while there is a driver. Without one (NULL) an access to a register costs a branch,
 * and so does each publication of used entries and each time that kicks are switched off; a frame costs nothing.
 *
 * What is decided here is what a driver gets to see. The device's own books are what they would be without, so no
 * decision can make it touch what it must not.
 */
#ifndef DOORBELL_VIRTIO_PROVOKE_H
#define DOORBELL_VIRTIO_PROVOKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/core/le.h"

struct iovec;
struct virtio_net_hdr_v1;
struct vq;

struct vq_used_elem { /* virtio 1.2, 2.7.8 */
	le32 id;
	le32 len;
};

/*
 * Used entries of a packed ring that the driver has not been shown. Where an entry stands there follows from those before
 * it, so until it is shown it is here.
 */
struct vq_log {
	struct vq_used_elem *entry;
	uint16_t *
		slots; /* of the ring that each takes, and a mark of vq_packed.c's: moves along with its entry */
	uint16_t nr;
};

/* Used entries that the driver has not been shown. */
struct vq_batch {
	const struct vq *vq; /* whose they are: vq_second(), vq_free_ids() */
	/* entry[i % num], in guest memory or of a vq_log; NULL: a packed ring without one */
	struct vq_used_elem *entry;
	uint16_t
		requests; /* entry NULL: that it is for, as far as they go without entries of their own */
	uint16_t *slots; /* of a vq_log, likewise; or NULL */
	uint16_t num;
	/* From @from up to @to, which run free. A smaller @to keeps the rest back; entry NULL: all or nothing. */
	uint16_t from, to;
	uint16_t lie;   /* the index claims so many more; split */
	uint16_t flags; /* more flags of each used descriptor; with a vq_log */
	bool content; /* what is kept back need not be asked about again before there is something new */
};

/* Of the buffers that a received frame has taken what is behind it: @len bytes from byte @from of @iov[0 .. nr) on. */
struct vq_tail {
	const struct iovec *iov;
	unsigned nr;
	size_t from, len;
};

/* What tells the driver not to kick. */
struct vq_quiet {
	uint16_t flags, event; /* of the used ring */
	uint16_t next_avail;   /* the next entry that the device will take */
};

/* Of one queue, on the thread that serves it. */
struct vq_provoke {
	/*
	 * The batch may be put into another order or changed, in place; what is kept back comes again in the next turn.
	 * After so many of them it goes, or is @content: a queue that stops, but not by a reset, has all of them at once.
	 */
	void (*publish)(struct vq_provoke *p, struct vq_batch *b);
	/* Split: kicks are not needed until further notice, so any words are right. */
	void (*kicks_off)(struct vq_provoke *p, struct vq_quiet *words);
	/* Of a received frame, as the driver is about to get it. */
	void (*rx_header)(struct vq_provoke *p, struct virtio_net_hdr_v1 *h);
	/* Likewise: a device may write there what it likes (virtio 1.2, 2.7.8.2). */
	void (*rx_tail)(struct vq_provoke *p, const struct vq_tail *tail);
	struct vq_log *
		log; /* of a packed ring, with room for VQ_NUM_MAX; NULL: a batch is shown as a whole, or not */
};

struct virtio_provoke {
	/* Any vCPU's thread, several at once: the register @off reads @val, and what it is to read. */
	uint32_t (*read)(struct virtio_provoke *p, uint32_t off, uint32_t val);
	/* Likewise, before it has an effect; false: it has none. */
	bool (*write)(struct virtio_provoke *p, uint32_t off, uint32_t *val);
	/* Loop thread: @len bytes of the config space from @off on, which may lie behind its end. */
	void (*config_read)(struct virtio_provoke *p, uint32_t off, uint8_t *buf, uint32_t len);
	/* Loop thread: is a command of that class to be answered with ERR? And the answer, done or not. */
	bool (*ctrl_refused)(struct virtio_provoke *p, uint8_t class);
	uint8_t (*ctrl_ack)(struct virtio_provoke *p, uint8_t ack);
	/* Loop thread, at DRIVER_OK: who looks after @queue; never NULL. */
	struct vq_provoke *(*queue)(struct virtio_provoke *p, unsigned queue);
	bool first_kick; /* queues are not looked at before the first kick of each after DRIVER_OK */
};

#endif
