/* SPDX-License-Identifier: Apache-2.0 */
/* check/record_priv.h - what record*.c share, and nobody else */
#ifndef DOORBELL_CHECK_RECORD_PRIV_H
#define DOORBELL_CHECK_RECORD_PRIV_H

#include "check/provoke.h"
#include "check/record.h"
#include "check/trace_write.h"
#include "devices/rx_window.h"
#include "devices/virtio_provoke.h"
#include "devices/virtio_watch.h"
#include "devices/vq.h"
#include "net/net_backend.h"
#include "vmm/core/compiler.h"

/* Descriptors of a chain: those of the ring, and a table. */
#define RECORD_DESCS (2 * VQ_NUM_MAX)

struct record_device;

/* A list of a packed ring that the device has. */
struct record_list {
	uint16_t id;
	uint16_t entries; /* slots that it takes */
};

/* A piece of a chain, to write to. */
struct record_piece {
	gpa_t addr;
	uint32_t len;
	uint16_t head; /* of the chain; packed: its id */
	bool begins;   /* the chain: the same head may have been offered twice */
};

/* Pieces that are remembered: more than a ring of 256 chains has when Linux puts 19 into each. Others are unknown. */
#define RECORD_PIECES (8 * VQ_NUM_MAX)

/* The pieces of those chains of a queue that the device has, oldest first. Pages are touched when they are needed. */
struct record_room {
	unsigned first, nr;
	struct record_piece piece[RECORD_PIECES];
};

struct record_queue {
	struct vq_watch watch;
	struct record_device *d;
	uint16_t index;
	struct vq_addr addr;
	/*
	 * Split: entries of the available ring up to here are in the file; packed: lists up to this slot, with its wrap
	 * counter.
	 */
	uint16_t looked;
	/* Packed: nr lists from list[first] on, oldest first. */
	bool packed, in_order;
	uint16_t first, nr;
	struct record_list list[VQ_NUM_MAX];
	struct record_room room;
	uint8_t copy[NET_RECV_MAX + RX_HDR_MAX]; /* record_copy(); pages likewise */
};

/* Stands between a device and who provokes it; on the thread that the call is on. */
struct record_vq_provoke {
	struct vq_provoke hooks, *real;
	struct record_device *d;
	uint16_t index;
	unsigned held; /* entries of before that wait: they have been kept back */
	uint8_t before[4 + 8 * VQ_NUM_MAX], after[4 + 8 * VQ_NUM_MAX]; /* as in a record */
};

struct record_provoke {
	struct virtio_provoke hooks, *real;
	const struct provoke *by; /* NULL: the device is not provoked */
	uint64_t seed;
	uint64_t seen
		[NR_PROVOCATIONS]; /* of provoke_times(), what is in the file; with the writer's lock */
	struct record_vq_provoke queue[TRACE_QUEUES];
};

struct record_device {
	struct virtio_watch watch;
	struct record *r;
	struct virtio_dev *dev;
	uint8_t index;
	struct record_queue queue[TRACE_QUEUES];
	struct record_provoke provoke;
};

struct record {
	struct trace_writer *w;
	/* With the writer's lock: */
	uint8_t desc[RECORD_DESCS * TRACE_DESC], heads[2 * VQ_NUM_MAX], used[8 * VQ_NUM_MAX];
	uint8_t frame[NET_RECV_MAX + RX_HDR_MAX]; /* and buffers, with the longest header */
	struct record_device device[TRACE_NICS];
};

struct trace_record record_of(const struct record_device *d, enum trace_kind kind);
/* To the file, with what the device has been provoked to do before it. With the lock, or (_plain) without. */
void record_put(struct record_device *d, struct trace_record *t, const struct iovec *iov,
                unsigned nr);
void record_plain(struct record_device *d, struct trace_record *t);

/* record_ring.c and record_packed.c: the device serves @q from now on; its queue->addr is what it is told. */
void record_split(struct record_queue *q);
void record_packed(struct record_queue *q);

/* record_written.c: what the device writes. */
void record_room_begin(struct record_queue *q); /* the queue begins */
void record_room_add(struct record_queue *q, const struct trace_record *chain); /* with the lock */
void record_wrote(struct virtio_watch *w, unsigned queue, uint16_t head, uint32_t bytes);

/* record_ring.c, for both layouts; with the lock. A chain as far as it can be followed. */
struct record_walk {
	struct record_queue *q;
	unsigned nr; /* of record.desc[] */
	bool cut;
};
/* The descriptor at @at, noted. False: there is none, or too many are. */
bool record_desc(struct record_walk *w, gpa_t at, bool packed, struct trace_desc *d);
/* The chain of that head, and what is to be read of it. */
void record_chain(const struct record_walk *w, uint16_t head, bool packed);
/* A word of a ring that was judged. 0: it is not in memory (any more). */
uint16_t record_word(const struct record_queue *q, gpa_t at);
/* What the device reads of a sent frame, once, when its driver may be mistaken about whose the buffer is: P_USED_TWICE. */
uint8_t *record_copy(struct virtio_watch *w, unsigned queue, const struct iovec *iov, unsigned nr,
                     size_t bytes);
void record_wish(struct vq_watch *w, uint32_t word, bool interrupt);

/* record_provoke.c: the device begins, provoked by @nic->provoke. */
void record_provoke_begin(struct record_device *d, const struct record_nic *nic);
/* With the lock: what it has been provoked to do, of all that none of its hooks shows. */
void record_acts(struct record_device *d);

#endif
