/* SPDX-License-Identifier: Apache-2.0 */
/* tests/lib/fake_driver.h - the driver's side of a virtio device, for tests and fuzz targets
 *
 * Guest memory with an allocator, split rings as a driver fills them, and the way from reset to
 * DRIVER_OK as Linux walks it, either straight through devices/virtio.h or by register accesses.
 * What cannot go wrong in a correct test (no memory left, address outside) ends the process with a
 * message: callers check nothing. One thread per struct fake_vq.
 *
 *	struct fake_mem m;
 *	struct fake_vq rx, tx, *const vqs[] = {&rx, &tx};
 *	struct fake_dev dev = {.core = virtio_net_dev(n)};
 *
 *	fake_mem_create(&m, MIB(1));          // before the device, which wants &m.gmem
 *	fake_vq_init(&rx, &m, 256, features);
 *	fake_vq_init(&tx, &m, 256, features);
 *	fake_probe(&dev, features, vqs, 2);   // 0: the device is live
 *	head = fake_vq_add(&tx, (struct fake_buf[]){fake_out(&m, frame, sizeof(frame))}, 1);
 *	fake_vq_publish(&tx);
 *	if (fake_vq_wants_kick(&tx))
 *		fake_kick(&dev, 1);
 *	...
 *	while (fake_vq_reap(&tx, &head, &len))
 */
#ifndef DOORBELL_TESTS_FAKE_DRIVER_H
#define DOORBELL_TESTS_FAKE_DRIVER_H

#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stdint.h>

#include "devices/vq.h"
#include "vmm/core/gmem.h"

struct fake_page;
struct virtio_dev;
struct virtio_mmio;

/* ---- guest memory */

#define FAKE_MEM_BASE MIB(1) /* addresses below, 0 among them, are a hole */

struct fake_mem {
	struct gmem gmem;
	gpa_t next, end; /* not handed out yet */
};

void fake_mem_create(struct fake_mem *m, uint64_t bytes);        /* one region, zeroed */
void fake_mem_create_shared(struct fake_mem *m, uint64_t bytes); /* with a descriptor */
void fake_mem_destroy(struct fake_mem *m);
gpa_t fake_alloc(struct fake_mem *m, uint64_t bytes, uint64_t align); /* never given back */
void *fake_at(const struct fake_mem *m, gpa_t gpa, uint64_t len);     /* host pointer */

/* ---- buffers */

struct fake_buf {
	gpa_t addr;
	uint32_t len;
	bool write; /* for the device to write */
};

struct fake_buf fake_out(struct fake_mem *m, const void *src, uint32_t len); /* readable, a copy */
struct fake_buf fake_in(struct fake_mem *m, uint32_t len); /* writable, filled with 0xa5 */
/* The piece [off, off + len) of @b as a buffer of its own. */
struct fake_buf fake_part(struct fake_buf b, uint32_t off, uint32_t len);

/* ---- one virtqueue, split or packed */

struct fake_place { /* in a packed ring */
	uint16_t slot;
	bool wrap; /* the wrap counter there */
};

struct fake_vq {
	struct fake_mem *m;
	struct vq_addr addr; /* what the device is told */
	bool event_idx, packed, in_order;
	struct vring_desc *desc; /* guest memory; open to tests that break rules */
	struct vring_avail *avail;
	struct vring_used *used;
	uint16_t num;
	uint16_t next_avail;         /* entries put into the available ring, free running */
	uint16_t judged_avail;       /* next_avail at the last fake_vq_wants_kick() */
	uint16_t next_used;          /* entries reaped, free running */
	uint16_t free_head, nr_free; /* list of unused descriptors through link[] */
	uint16_t link[VQ_NUM_MAX];   /* the driver's own copy of next */
	uint16_t count[VQ_NUM_MAX];  /* by head: descriptors taken, 0 = not outstanding */
	gpa_t table[VQ_NUM_MAX];     /* by descriptor: its indirect table once it had one, ... */
	uint16_t room[VQ_NUM_MAX];   /* ... and the entries in that */
	/* Packed, where desc, avail and used are NULL and what is said of descriptors above is of ids. */
	struct vring_packed_desc *packed_desc; /* guest memory, as above */
	uint32_t *driver_event, *device_event; /* likewise: slot and wrap counter, then flags */
	struct fake_place at_avail, at_used;   /* next to fill, next to reap */
	bool held;                             /* the flags of a descriptor wait for publish(): */
	uint16_t held_slot, held_flags;        /* of this one, these */
	unsigned unjudged;                     /* filled since the last fake_vq_wants_kick() */
	uint16_t sent[VQ_NUM_MAX];             /* ids outstanding, oldest first */
	unsigned nr_sent;
	uint32_t writable[VQ_NUM_MAX]; /* bytes, by id */
	/* IN_ORDER. Packed: of sent[], known to be used; split: batch_id, which is used with batch_len, is to come */
	unsigned batch, batch_id;
	uint32_t batch_len;
};

/* The VIRTIO_F_* mask that was, or will be, accepted decides about layout, event index and order. */
void fake_vq_init(struct fake_vq *v, struct fake_mem *m, uint32_t num, uint64_t features);
void fake_vq_clear(struct fake_vq *v); /* as new, in the same memory: after a device reset */

/*
 * Put a request into the available ring; the device sees it at fake_vq_publish(). Readable buffers
 * must come first. Returns the head, or -ENOSPC. _table() places the first @direct buffers in plain
 * descriptors and the rest in one indirect table, of up to VQ_NUM_MAX entries as with Linux; in a packed ring,
 * where a table stands alone, all of them when there is a rest.
 */
int fake_vq_add(struct fake_vq *v, const struct fake_buf *b, unsigned n);
int fake_vq_add_table(struct fake_vq *v, const struct fake_buf *b, unsigned n, unsigned direct);

void fake_vq_publish(struct fake_vq *v);
/* After fake_vq_publish(): does the device want a kick? Ask once per batch. */
bool fake_vq_wants_kick(struct fake_vq *v);

/* Take the next used entry: false when there is none. An id that is not outstanding ends the process. */
bool fake_vq_reap(struct fake_vq *v, unsigned *head, uint32_t *len);
unsigned fake_vq_nr_used(const struct fake_vq *v); /* waiting to be reaped */

void fake_vq_irq_off(struct fake_vq *v);
bool fake_vq_irq_on(struct fake_vq *v); /* true: used entries are already waiting */

/*
 * ---- rule breakers: nothing is checked, nothing is accounted
 *
 * Packed: next of a descriptor is its id, and all of its flags are as given; a head inside the ring offers
 * the descriptor that stands where the driver is, one outside a broken one, as does any index; events have
 * the wrap counter in bit 15.
 */

void fake_vq_raw_desc(struct fake_vq *v, unsigned i, struct vring_desc d); /* @i modulo num */
void fake_vq_raw_head(struct fake_vq *v, uint16_t head); /* one more entry; not published */
void fake_vq_raw_avail_idx(struct fake_vq *v, uint16_t idx);
void fake_vq_raw_used_event(struct fake_vq *v, uint16_t idx);
uint16_t fake_vq_raw_avail_event(const struct fake_vq *v);

/* ---- the device */

/*
 * With mmio NULL the functions below call devices/virtio.h: only on the loop's thread or while the
 * loop does not run. Otherwise they go through the registers, from any thread.
 */
struct fake_dev {
	struct virtio_dev *core;
	struct virtio_mmio *mmio;
	struct fake_page *page; /* of mmio; NULL: each access traps */
};

uint32_t fake_status(const struct fake_dev *f);
void fake_set_status(const struct fake_dev *f, uint32_t status); /* as written to the register */
void fake_add_status(const struct fake_dev *f, uint32_t bits);   /* read, or, write */

uint64_t fake_offered(const struct fake_dev *f);
/*
 * Reset, ACKNOWLEDGE, DRIVER, accept @features, FEATURES_OK. 0; -ENODEV when FEATURES_OK did not
 * stick.
 */
int fake_negotiate(const struct fake_dev *f, uint64_t features);
void fake_set_queue(const struct fake_dev *f, uint32_t queue, const struct vq_addr *a);
/* All of it, to DRIVER_OK; vqs[i] NULL leaves queue i alone. 0; -ENODEV; -EIO NEEDS_RESET came back. */
int fake_probe(const struct fake_dev *f, uint64_t features, struct fake_vq *const *vqs,
               unsigned nr);
void fake_kick(const struct fake_dev *f, uint32_t queue);

/* One register or piece of config space; @f must have mmio. */
uint32_t fake_readl(const struct fake_dev *f, uint64_t off);
void fake_writel(const struct fake_dev *f, uint64_t off, uint32_t val);

#endif
