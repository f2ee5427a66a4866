/* SPDX-License-Identifier: Apache-2.0 */
/* devices/vq.h - device side of a virtqueue (virtio 1.2, 2.6)
 *
 * One interface, and a file for each layout of the ring: vq_split.c. What is done to every frame is chosen
 * at the end of this file, by a branch that the processor foresees; what is done once is in vq.c.
 */
#ifndef DOORBELL_VQ_H
#define DOORBELL_VQ_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/core/gmem.h"

struct iovec;
struct vq_desc; /* ring layouts are private to their files */
struct vq_avail;
struct vq_used;

/*
 * Entries of a ring at most; and buffers of a chain at most, whatever the size of its ring. Drivers
 * must not make a chain longer than the ring (virtio 1.2, 2.7.5.3.1), but Linux does: its network
 * driver puts up to 19 buffers into an indirect table without a look at the size of the ring.
 */
#define VQ_NUM_MAX 1024u

/* What the driver wrote, unchecked: plain numbers until vq_start() says yes. */
struct vq_addr {
	uint32_t num; /* entries */
	gpa_t desc, avail, used;
};

/*
 * Private to vq*.c; public only so that it can be embedded. One user thread. All indices run free over
 * 16 bits. What the driver has given and not seen back is next_avail - published, never above num.
 */
struct vq {
	const struct gmem *mem;
	struct vq_desc
		*desc; /* guest memory: every word is read once, or written, and that is all */
	struct vq_avail *avail; /* likewise */
	struct vq_used *used;   /* likewise */
	uint16_t num;           /* 0 = stopped */
	uint16_t next_avail;    /* next to pop; our copy, never re-read from the guest */
	uint16_t next_used;     /* next to push; likewise */
	uint16_t seen_avail;    /* avail index when last read: no read while entries remain */
	uint16_t published;     /* next_used when the index was last written for the driver */
	uint16_t judged;        /* published when vq_want_interrupt() last answered */
	bool event_idx;
	bool indirect;   /* INDIRECT_DESC was accepted; a table without it is a broken rule */
	const char *why; /* the broken rule behind the last -EPROTO; static string */
};

/*
 * One request. The caller owns iov[] and sets iov and room; vq_pop() fills the rest. Readable
 * entries come first: iov[0 .. nr_out), then nr_in writable ones.
 */
struct vq_chain {
	struct iovec *iov;
	unsigned room; /* entries in iov */
	unsigned nr_out, nr_in;
	unsigned entries;         /* descriptors of the ring that it takes: a table counts as one */
	uint32_t out_len, in_len; /* bytes; a chain of 4 GiB or more is refused */
	uint16_t head;            /* token for vq_push() */
};

/*
 * Size (1 .. VQ_NUM_MAX, power of two), alignments (16, 2, 4), and each part inside one region of
 * guest memory? The parts are as long as virtio 1.2, 2.7 says: with the event words at their ends,
 * whether EVENT_IDX is used or not. 0; -EINVAL bad size or alignment; -EFAULT outside memory.
 */
int vq_check(const struct gmem *m, const struct vq_addr *a);

/* What the driver accepted, as far as the ring cares. */
struct vq_features {
	bool event_idx; /* VIRTIO_F_EVENT_IDX */
	bool indirect;  /* VIRTIO_F_INDIRECT_DESC */
};
struct vq_features vq_features_of(uint64_t accepted);

/*
 * vq_check(), then cache host pointers: no later call looks at these addresses again. Nothing is
 * written to guest memory; kicks are on, as the driver has zeroed the rings. 0 or as vq_check().
 */
int vq_start(struct vq *q, const struct gmem *m, const struct vq_addr *a, struct vq_features f);
/* Zeroes @q. A stopped queue is empty, and all calls below do nothing to it. */
void vq_stop(struct vq *q);
bool vq_running(const struct vq *q);

/*
 * Somebody else may serve a queue that is running, with all pushes published: from vq_position(), the
 * free-running index of the next request to take, up to the @position of vq_resume(). The used index
 * is then read back from the ring. 0; -EPROTO, q->why says it: what is between the two is more than
 * the ring has entries, and the queue must be stopped.
 */
uint32_t vq_position(const struct vq *q);
int vq_resume(struct vq *q, uint32_t position);

/*
 * Take the next request. 1 got one; 0 none waiting; -ENOBUFS the chain is legal but has more pieces
 * (nr_out + nr_in) than room; -EPROTO the driver broke a rule, named in q->why: index or next out of
 * range, loop, writable before readable, hole, zero length, a table inside a table, with a next, or
 * in two regions, a table that was not negotiated or is empty or longer than any ring may be, a chain
 * of more than VQ_NUM_MAX buffers, more requests than entries. Nothing is consumed unless it is 1.
 * After -EPROTO the queue must be stopped; the host is never harmed.
 */
static inline int vq_pop(struct vq *q, struct vq_chain *c);
/* Give back the last @n that were popped; none of them pushed. vq_pop() finds the oldest one first. */
static inline void vq_unpop(struct vq *q, unsigned n);

/*
 * Record that @head is done and @written bytes went into its writable part. Not visible to the
 * driver before vq_publish(): a frame over several chains appears as one (virtio 1.2, 5.1.6.4.1).
 */
static inline void vq_push(struct vq *q, uint16_t head, uint32_t written);
/* Make all pushes visible to the driver; nothing when there were none. */
static inline void vq_publish(struct vq *q);
/*
 * After vq_publish(): does the driver want an interrupt for what was published since the last time
 * this was asked? Once per batch: it costs a full barrier.
 */
static inline bool vq_want_interrupt(struct vq *q);

/* Kicks are not needed until vq_kicks_on(); advice, some may still come. */
static inline void vq_kicks_off(struct vq *q);
/*
 * Ask for a kick at the next request. False: asked, and nothing is waiting. True: something is waiting
 * already, so go round once more (whether a kick will come for it is open).
 */
static inline bool vq_kicks_on(struct vq *q);

/* ---- the layouts: what they do for the calls above, and for vq.c */

int vq_split_check(const struct gmem *m, const struct vq_addr *a);
void vq_split_start(struct vq *q, const struct vq_addr *a); /* good ones; the rest of @q is set */
uint32_t vq_split_position(const struct vq *q);
int vq_split_resume(struct vq *q, uint32_t position);
int vq_split_pop(struct vq *q, struct vq_chain *c);
void vq_split_unpop(struct vq *q, unsigned n);
void vq_split_push(struct vq *q, uint16_t head, uint32_t written);
void vq_split_publish(struct vq *q);
bool vq_split_want_interrupt(struct vq *q);
void vq_split_kicks_off(struct vq *q);
bool vq_split_kicks_on(struct vq *q);

static inline int vq_pop(struct vq *q, struct vq_chain *c)
{
	return vq_split_pop(q, c);
}

static inline void vq_unpop(struct vq *q, unsigned n)
{
	vq_split_unpop(q, n);
}

static inline void vq_push(struct vq *q, uint16_t head, uint32_t written)
{
	vq_split_push(q, head, written);
}

static inline void vq_publish(struct vq *q)
{
	vq_split_publish(q);
}

static inline bool vq_want_interrupt(struct vq *q)
{
	return vq_split_want_interrupt(q);
}

static inline void vq_kicks_off(struct vq *q)
{
	vq_split_kicks_off(q);
}

static inline bool vq_kicks_on(struct vq *q)
{
	return vq_split_kicks_on(q);
}

#endif
