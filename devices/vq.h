/* SPDX-License-Identifier: Apache-2.0 */
/* devices/vq.h - device side of a split virtqueue (virtio 1.2, 2.7) */
#ifndef DOORBELL_VQ_H
#define DOORBELL_VQ_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/core/gmem.h"

struct iovec;
struct vq_desc; /* ring layouts are private to vq.c */
struct vq_avail;
struct vq_used;

#define VQ_NUM_MAX 1024u

/* What the driver wrote, unchecked: plain numbers until vq_start() says yes. */
struct vq_addr {
	uint32_t num; /* entries */
	gpa_t desc, avail, used;
};

/* Private to vq.c; public only so that it can be embedded. One user thread. */
struct vq {
	const struct gmem *mem;
	struct vq_desc *desc;   /* guest memory: every access is atomic or a copy out */
	struct vq_avail *avail; /* likewise */
	struct vq_used *used;   /* likewise */
	uint16_t num;           /* 0 = stopped */
	uint16_t next_avail;    /* free running; our copy, never re-read from the guest */
	uint16_t next_used;     /* free running; likewise */
	uint16_t seen_avail;    /* avail index when last read: no read while entries remain */
	uint16_t told_used; /* next_used when the driver was last told (event index arithmetic) */
	uint16_t published; /* next_used when the index was last written for the driver */
	uint16_t in_flight; /* popped, not yet pushed; <= num */
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
	uint32_t out_len, in_len; /* bytes; a chain of 4 GiB or more is refused */
	uint16_t head;            /* token for vq_push() */
};

/*
 * Size (1 .. VQ_NUM_MAX, power of two), alignments (16, 2, 4), and all three parts inside guest
 * memory? 0; -EINVAL bad size or alignment; -EFAULT outside memory.
 */
int vq_check(const struct gmem *m, const struct vq_addr *a);

/* What the driver accepted, as far as the ring cares. */
struct vq_features {
	bool event_idx; /* VIRTIO_F_EVENT_IDX */
	bool indirect;  /* VIRTIO_F_INDIRECT_DESC */
};

/* vq_check(), then cache host pointers. No later call looks at addresses again. */
int vq_start(struct vq *q, const struct gmem *m, const struct vq_addr *a, struct vq_features f);
void vq_stop(struct vq *q); /* zeroes @q; a stopped queue is always empty */
bool vq_running(const struct vq *q);

/*
 * Take the next request. 1 got one; 0 none waiting; -ENOBUFS the chain is legal but has more pieces
 * than room (nothing is consumed); -EPROTO the driver broke a rule, named in q->why: index or next
 * out of range, loop, writable before readable, hole, zero length, a table inside a table, a table
 * that was not negotiated or is empty or longer than the ring, more requests than entries. After
 * -EPROTO the queue must be stopped; the host is never harmed.
 */
int vq_pop(struct vq *q, struct vq_chain *c);
void vq_unpop(struct vq *q,
              unsigned n); /* give the last n popped back, newest first; none of them pushed */

/*
 * Record that @head is done and @written bytes went into its writable part. Not visible to the
 * driver before vq_publish(): a frame over several chains appears as one (virtio 1.2, 5.1.6.4.1).
 */
void vq_push(struct vq *q, uint16_t head, uint32_t written);
/* Make all pushes visible to the driver; nothing when there were none. */
void vq_publish(struct vq *q);
/*
 * After vq_publish(): does the driver want an interrupt for what was published since the last true
 * answer? At most once per batch.
 */
bool vq_want_interrupt(struct vq *q);

void vq_kicks_off(struct vq *q);
/* Ask for kicks again. True: work slipped in meanwhile, so go round once more (kicks may stay on). */
bool vq_kicks_on(struct vq *q);

#endif
