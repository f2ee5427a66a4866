/* SPDX-License-Identifier: Apache-2.0 */
/* devices/vq.h - device side of a virtqueue (virtio 1.2, 2.6)
 *
 * One interface, and a file for each layout of the ring: vq_split.c, vq_packed.c. What is done to every frame is chosen
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
struct vq_packed_desc;
struct vq_event;
struct vq_watch;
struct vq_provoke;

/*
 * Entries of a ring at most; and buffers of a chain at most, whatever the size of its ring. Drivers
 * must not make a chain longer than the ring (virtio 1.2, 2.7.5.3.1), but Linux does: its network
 * driver puts up to 19 buffers into an indirect table without a look at the size of the ring.
 */
#define VQ_NUM_MAX 1024u

/* What the driver wrote, unchecked: plain numbers until vq_start() says yes. */
struct vq_addr {
	uint32_t num; /* entries */
	gpa_t desc;
	gpa_t avail, used; /* packed: the driver's and the device's event suppression structure */
};

/* A request of a packed ring that was popped and not pushed. */
struct vq_flight {
	uint16_t id;   /* any number, as the driver says: nothing is looked up by it */
	uint16_t took; /* entries of the ring, and WRITABLE: vq_packed.c */
};

/*
 * Private to vq*.c; public only so that it can be embedded. One user thread. What the driver has given and
 * not seen back is next_avail - published, never above num. Split: the indices run free over 16 bits. Packed:
 * they are positions, see vq_packed.c.
 */
struct vq {
	const struct gmem *mem;
	const struct gmem_region *last; /* of @mem: where the last buffer was */
	/* Guest memory: every word is read once, or written, and that is all. */
	union {
		struct { /* split */
			struct vq_desc *desc;
			struct vq_avail *avail;
			struct vq_used *used;
		};
		struct { /* packed */
			struct vq_packed_desc *packed_desc;
			const struct vq_event *driver;
			struct vq_event *device;
		};
	};
	uint16_t num;        /* 0 = stopped */
	uint16_t next_avail; /* next to pop; our copy, never re-read from the guest */
	uint16_t next_used;  /* next to push; likewise */
	uint16_t published;  /* next_used when the driver was last shown what was pushed */
	bool packed;         /* RING_PACKED was accepted */
	bool event_idx;
	bool indirect; /* INDIRECT_DESC was accepted; a table without it is a broken rule */
	bool in_order; /* IN_ORDER was accepted */
	bool content;  /* @provoke keeps entries back, and knows when they are to come */
	union {
		struct { /* split */
			uint16_t
				seen_avail; /* avail index when last read: no read while entries remain */
			uint16_t judged; /* published when vq_want_interrupt() last answered */
		};
		struct {                      /* packed */
			uint16_t unjudged;    /* published since then, at most two laps */
			uint16_t last_used;   /* where the last used descriptor stands, */
			uint16_t last_flags;  /* its flags, */
			uint16_t first_flags; /* and those of the first one of the batch */
			bool last_open;       /* the next push may take its place: IN_ORDER */
			uint16_t unshown;     /* requests that were pushed since, with @provoke */
			bool kicks_off;       /* what the driver was told */
			uint16_t first_flight, nr_flight; /* in flight[], oldest first */
		};
	};
	const char *why;            /* the broken rule behind the last -EPROTO; static string */
	struct vq_watch *watch;     /* devices/virtio_watch.h; NULL: nobody */
	struct vq_provoke *provoke; /* devices/virtio_provoke.h; NULL: nobody */
	struct vq_flight flight[VQ_NUM_MAX]; /* packed */
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
	uint16_t head;            /* token for vq_push(): any number with a packed ring */
};

/* What the driver accepted, as far as the ring cares. */
struct vq_features {
	bool event_idx; /* VIRTIO_F_EVENT_IDX */
	bool indirect;  /* VIRTIO_F_INDIRECT_DESC */
	bool packed;    /* VIRTIO_F_RING_PACKED */
	bool in_order; /* VIRTIO_F_IN_ORDER: requests are pushed in the order in which they were popped */
};
struct vq_features vq_features_of(uint64_t accepted);

/*
 * Size (1 .. VQ_NUM_MAX; of a split ring a power of two), alignments (16, 2, 4; packed 16, 4, 4), and each
 * part inside one region of guest memory? The parts of a split ring are as long as virtio 1.2, 2.7 says:
 * with the event words at their ends, whether EVENT_IDX is used or not. 0; -EINVAL bad size or
 * alignment; -EFAULT outside memory.
 */
int vq_check(const struct gmem *m, const struct vq_addr *a, bool packed);

/*
 * vq_check(), then cache host pointers: no later call looks at these addresses again. Nothing is
 * written to guest memory; kicks are on, as the driver has zeroed the rings, and a packed ring begins with
 * wrap counters of 1. 0 or as vq_check().
 */
int vq_start(struct vq *q, const struct gmem *m, const struct vq_addr *a, struct vq_features f);
/* A stopped queue is empty, and all calls below do nothing to it. */
void vq_stop(struct vq *q);
bool vq_running(const struct vq *q);

/*
 * Somebody else may serve a queue that is running, with all pushes published: from vq_position() up to the
 * @position of vq_resume(), which is a number as in vhost's SET_VRING_BASE:
 *
 *	split	the free-running index of the next request to take; the used index is read back from the ring
 *	packed	bits 0..14 the slot of the next request to take, bit 15 its wrap counter;
 *	        bits 16..30 and 31 those of the next used descriptor, which the ring does not tell
 *
 * 0; -EPROTO, q->why says it: what is between the two is more than the ring has entries, and the queue
 * must be stopped.
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

/* Would vq_pop() find something? One load; advice, as nothing is ordered by it. */
static inline bool vq_waiting(const struct vq *q);

/*
 * Record that @head is done and @written bytes went into its writable part. Not visible to the
 * driver before vq_publish(): a frame over several chains appears as one (virtio 1.2, 5.1.6.4.1).
 */
static inline void vq_push(struct vq *q, uint16_t head, uint32_t written);
/* Make all pushes visible to the driver; nothing when there were none. */
static inline void vq_publish(struct vq *q);
/* Did devices/virtio_provoke.h keep some of them back? Then they wait for the next vq_publish(). */
static inline bool vq_held_back(const struct vq *q)
{
	return q->published != q->next_used && !q->content;
}
/*
 * After vq_publish(): does the driver want an interrupt for what was published since the last time
 * this was asked? Once per batch: it costs a full barrier.
 */
static inline bool vq_want_interrupt(struct vq *q);
/* Before vq_want_interrupt(); with it vq_unask() makes as if that had not been asked, unless there was more since. */
static inline uint16_t vq_asked(const struct vq *q);
static inline void vq_unask(struct vq *q, uint16_t asked);

/* Kicks are not needed until vq_kicks_on(); advice, some may still come. */
static inline void vq_kicks_off(struct vq *q);
/*
 * Ask for a kick at the next request. False: asked, and nothing is waiting. True: something is waiting
 * already, so go round once more (whether a kick will come for it is open).
 */
static inline bool vq_kicks_on(struct vq *q);
/*
 * Ask for a kick when so many requests, 1 to num - 1 (packed: entries of the ring), wait. True: they do already, and none will
 * come. Only with event_idx, else false.
 */
static inline bool vq_kicks_after(struct vq *q, unsigned entries);

/*
 * Not fast, and for devices/virtio_provoke.h alone. What the driver does meanwhile is seen or not; nothing is believed but for
 * these answers.
 *
 * Of the chain at @head, which was pushed and is not shown: the descriptor behind it. -ENOENT: there is none in the ring
 * itself, or it is packed, and ids are no places.
 */
int vq_second(const struct vq *q, uint32_t head);
/*
 * Into @ids, with room for VQ_NUM_MAX: those below the size of the ring under which the driver has nothing offered that it has
 * not been shown as used (split: descriptors that are part of nothing such), the one that it has offered longest ago, or
 * never, first. How many; 0 also when it is not known: a split ring of which requests were popped and not pushed, a packed one
 * without a log of which some were pushed and not published.
 */
unsigned vq_free_ids(const struct vq *q, uint16_t *ids);

/* ---- the layouts: what they do for the calls above, and for vq.c */

struct vq_ids; /* vq_ring.h */

int vq_split_check(const struct gmem *m, const struct vq_addr *a);
void vq_split_start(struct vq *q, const struct vq_addr *a); /* good ones; the rest of @q is set */
uint32_t vq_split_position(const struct vq *q);
int vq_split_resume(struct vq *q, uint32_t position);
int vq_split_pop(struct vq *q, struct vq_chain *c);
bool vq_split_waiting(const struct vq *q);
void vq_split_unpop(struct vq *q, unsigned n);
void vq_split_push(struct vq *q, uint16_t head, uint32_t written);
void vq_split_publish(struct vq *q);
bool vq_split_want_interrupt(struct vq *q);
void vq_split_kicks_off(struct vq *q);
bool vq_split_kicks_on(struct vq *q);
bool vq_split_kicks_after(struct vq *q, unsigned entries);
int vq_split_second(const struct vq *q, uint32_t head);
bool vq_split_ids(const struct vq *q, struct vq_ids *s); /* false: it is not known */

int vq_packed_check(const struct gmem *m, const struct vq_addr *a);
void vq_packed_start(struct vq *q, const struct vq_addr *a);
uint32_t vq_packed_position(const struct vq *q);
int vq_packed_resume(struct vq *q, uint32_t position);
int vq_packed_pop(struct vq *q, struct vq_chain *c);
bool vq_packed_waiting(const struct vq *q);
void vq_packed_unpop(struct vq *q, unsigned n);
void vq_packed_push(struct vq *q, uint16_t head, uint32_t written);
void vq_packed_publish(struct vq *q);
bool vq_packed_want_interrupt(struct vq *q);
void vq_packed_kicks_off(struct vq *q);
bool vq_packed_kicks_on(struct vq *q);
bool vq_packed_kicks_after(struct vq *q, unsigned entries);
bool vq_packed_ids(const struct vq *q, struct vq_ids *s); /* likewise */

static inline int vq_pop(struct vq *q, struct vq_chain *c)
{
	return q->packed ? vq_packed_pop(q, c) : vq_split_pop(q, c);
}

static inline bool vq_waiting(const struct vq *q)
{
	return q->packed ? vq_packed_waiting(q) : vq_split_waiting(q);
}

static inline void vq_unpop(struct vq *q, unsigned n)
{
	if (q->packed)
		vq_packed_unpop(q, n);
	else
		vq_split_unpop(q, n);
}

static inline void vq_push(struct vq *q, uint16_t head, uint32_t written)
{
	if (q->packed)
		vq_packed_push(q, head, written);
	else
		vq_split_push(q, head, written);
}

static inline void vq_publish(struct vq *q)
{
	if (q->packed)
		vq_packed_publish(q);
	else
		vq_split_publish(q);
}

static inline bool vq_want_interrupt(struct vq *q)
{
	return q->packed ? vq_packed_want_interrupt(q) : vq_split_want_interrupt(q);
}

static inline uint16_t vq_asked(const struct vq *q)
{
	return q->packed ? (uint16_t)q->unjudged : q->judged;
}

static inline void vq_unask(struct vq *q, uint16_t asked)
{
	if (q->packed)
		q->unjudged = asked;
	else
		q->judged = asked;
}

static inline void vq_kicks_off(struct vq *q)
{
	if (q->packed)
		vq_packed_kicks_off(q);
	else
		vq_split_kicks_off(q);
}

static inline bool vq_kicks_on(struct vq *q)
{
	return q->packed ? vq_packed_kicks_on(q) : vq_split_kicks_on(q);
}

static inline bool vq_kicks_after(struct vq *q, unsigned entries)
{
	return q->packed ? vq_packed_kicks_after(q, entries) : vq_split_kicks_after(q, entries);
}

#endif
