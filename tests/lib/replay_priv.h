/* SPDX-License-Identifier: Apache-2.0 */
/* tests/lib/replay_priv.h - what replay*.c share, and nobody else */
#ifndef DOORBELL_TESTS_REPLAY_PRIV_H
#define DOORBELL_TESTS_REPLAY_PRIV_H

#include <stdio.h>

#include "check/trace.h"
#include "devices/virtio_mmio.h"
#include "devices/virtio_net_priv.h"
#include "devices/virtio_provoke.h"
#include "tests/lib/fake_net.h"
#include "tests/lib/replay.h"

/* Something that was changed, and that is to be changed again: a record, kept. */
struct replay_change {
	struct replay_change *next;
	uint64_t event;
	struct trace_record t;
	uint8_t data[]; /* its */
};

struct replay_nic;

struct replay_queue {
	struct vq_addr addr;
	struct vq_provoke hooks;
	/* Of a packed ring, as the recorded device had. */
	struct vq_log log;
	struct vq_used_elem entry[VQ_NUM_MAX];
	uint16_t slots[VQ_NUM_MAX];
	struct replay_nic *nic;
	uint16_t index;
	bool due; /* the recorded device has shown used entries, from here to there, and this one has not */
	uint16_t from, to;
	bool frame; /* one is there to be taken, once it is known what becomes of its header */
};

/* One life of a device. */
struct replay_nic {
	struct replay_outcome *out;
	uint64_t event; /* number of the record that is replayed */
	struct gmem mem;
	struct loop *loop[VIRTIO_NET_PAIRS_MAX];
	struct fake_net *net[VIRTIO_NET_PAIRS_MAX];
	unsigned pairs;
	struct virtio_net *n; /* NULL: there is none */
	struct virtio_mmio mmio;
	uint64_t accepted;
	struct replay_queue queue[TRACE_QUEUES];
	/* replay_provoke.c */
	bool provoked;
	struct virtio_provoke hooks;
	struct replay_change *change;
	struct virtio_access write; /* provoked: waits for what has become of it */
	bool writes;
	bool late;             /* the device goes on until the next access: late-frames */
	unsigned owed;         /* interrupts that were wanted and not raised yet */
	bool cut;              /* the cable is to be out */
	bool broken;           /* an index that cannot be was found ... */
	uint16_t broken_queue; /* ... in this queue */
	bool came_up;          /* it is in again, and the status was not read since */
	bool overtook;         /* ... while the status that is being read had been looked at */
};

/* The first difference stays. @event 0: none of the recording. */
void replay_differs(struct replay_outcome *out, uint64_t event, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* replay_provoke.c: a device begins, and goes by what replay_provoked() is told. */
void replay_provoke_begin(struct replay_nic *nic);
/* What was recorded: a provocation, an interrupt. */
void replay_provoked(struct replay_nic *nic, const struct trace_record *t);
void replay_interrupt(struct replay_nic *nic, uint32_t bits);
void replay_read(struct replay_nic *nic, const struct virtio_access *a);
void replay_plug(struct replay_nic *nic); /* a read is over: the cable may move */
bool replay_is_late(
	const struct trace_record *t); /* frames come within the write to Status before it */
/* The device's life is over: all has been changed that was. */
void replay_provoke_end(struct replay_nic *nic);

/* replay.c: the device takes what is queued, and drops what the recorded one has dropped. */
void replay_take_frames(struct replay_nic *nic);

/* replay_compare.c: 0 or -errno, see @out. */
int replay_compare(FILE *was, FILE *is, struct replay_outcome *out);

#endif
