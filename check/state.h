/* SPDX-License-Identifier: Apache-2.0 */
/* check/state.h - what is known of a driver, and how rules judge it; private to check/ */
#ifndef DOORBELL_CHECK_STATE_H
#define DOORBELL_CHECK_STATE_H

#include <linux/virtio_config.h>
#define VIRTIO_MMIO_NO_LEGACY
#include <linux/virtio_mmio.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <pthread.h>

#include "check/check.h"
#include "devices/virtio_watch.h"
#include "devices/vq.h"
#include "vmm/core/compiler.h"

#define CHECK_QUEUES ARRAY_SIZE(((struct check_device *)0)->num_max)
#define NO_OWNER     UINT16_MAX

/* What the driver has said of a queue since the last reset, and what it has offered in it. */
struct check_queue {
	struct check *c;
	unsigned index;
	struct vq_watch watch;
	struct vq_addr addr;
	uint8_t halves; /* of the six of its addresses, those that were written */
	bool max_read, num_written, ready_read, ready;
	/* Rings: owner[i] is the head of the chain that descriptor i is in while the device has it. */
	uint16_t owner[VQ_NUM_MAX];
	uint16_t outstanding; /* chains */
	uint16_t looked;      /* entries up to this index have been seen by the device */
	uint16_t kicked;      /* the available index at the last kick */
	bool served;          /* the device has it: addr is what it uses, and judged */
	/* stall.c: the index at the last look, and for how many looks something has been missing. */
	uint16_t stall_avail;
	/* What was used last, and the available index then. */
	uint16_t shown, avail_at_used;
	unsigned unkicked, unreaped;
	uint64_t kick_ns; /* the last kick; 0: none */
};

/* A rule, found by its name before. */
struct check_known {
	const char *id;
	const struct rule *rule;
};

struct check {
	struct virtio_watch watch;
	struct check_device dev;
	pthread_mutex_t lock;
	uint64_t began_ns;
	struct check_result *result;                       /* nr_rules */
	struct check_known known[512];                     /* by address of the name */
	char why[sizeof(((struct check_result *)0)->why)]; /* of the rule that is broken just now */
	/* What is judged just now: an access, by the thread of the vCPU; or a queue; or neither. */
	const struct virtio_access *now;
	const struct check_queue *looking;

	/* From the first access on. */
	unsigned accesses;
	bool was_reset, was_live;
	/* Since the last reset. */
	struct virtio_access last; /* the access before */
	bool status_written, ok_written, ok_read, refused, bring_up_over;
	bool device_sel, driver_sel, queue_sel;
	uint32_t driver_page, queue_nr;
	uint32_t pages_written; /* bit n: DriverFeatures with selector n */
	uint64_t asked;
	unsigned mac_reads;     /* of the address in the config space, one behind the other */
	bool generation_before; /* ... and the access before them was one to its generation */
	uint32_t isr_seen;      /* bits that were read and not acknowledged */
	unsigned isr_ignored; /* reads that found bit 0, without an acknowledgement between them */
	struct check_queue queue[CHECK_QUEUES];
};

enum verdict { SILENT, KEPT, BROKEN };

/* What @c knows is from before the access. */
struct access_rule {
	const char *id;
	enum verdict (*judge)(struct check *c, const struct virtio_access *a);
};
extern const struct access_rule init_rules[], mmio_rules[],
	config_rules[]; /* each ended by id NULL */

/* A chain, as far as it could be followed. */
struct check_chain {
	struct check_queue *q;
	uint16_t head;
	uint64_t out_len, in_len; /* bytes */
	uint8_t start[64];        /* what the readable part begins with */
	uint32_t started;         /* bytes of it */
	unsigned pieces, entries; /* of the latter those in the ring */
};
struct chain_rule {
	const char *id;
	enum verdict (*judge)(struct check *c, const struct check_chain *ch);
};
extern const struct chain_rule net_rules[];

/* "why" with the facts; returns BROKEN. */
enum verdict broken(struct check *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* shown.c: fills in what of @r says where it was found. */
void shown_at(struct check *c, struct check_result *r);
/* Counts what a rule has found. @id: a literal, since its address is remembered. */
void judged(struct check *c, const char *id, enum verdict v);
static inline enum verdict keeps(bool yes)
{
	return yes ? KEPT : SILENT;
}

static inline bool writes(const struct virtio_access *a, uint32_t off)
{
	return a->write && a->off == off;
}

static inline bool reads(const struct virtio_access *a, uint32_t off)
{
	return !a->write && a->off == off;
}

static inline bool accepted(const struct check *c, unsigned bit)
{
	return c->asked & FEATURE(bit);
}

/* The queue that QueueSel has chosen; NULL: there is none. */
static inline struct check_queue *selected(struct check *c)
{
	return c->queue_nr < c->dev.nr_queues ? &c->queue[c->queue_nr] : NULL;
}

enum queue_kind { QUEUE_RX, QUEUE_TX, QUEUE_CTRL };
enum queue_kind check_queue_kind(const struct check *c, unsigned index);

/* state.c: what an access changes. */
/* A register with half an address of the selected queue. */
bool is_ring_address(uint32_t off);
void state_forget(struct check *c); /* as after a reset */
void state_track(struct check *c, const struct virtio_access *a);

/* ring.c: of split rings. */
void ring_avail(struct check_queue *q, uint16_t from, uint16_t to);
void ring_used(struct check_queue *q, uint16_t from, uint16_t to);
void ring_ready(struct check_queue *q); /* QueueReady is about to be 1 */
/* Words of the rings as they are now. False: they are not in memory. */
bool ring_avail_word(const struct check_queue *q, unsigned word,
                     uint16_t *out); /* 0 flags, 1 idx, 2 + num used_event */
bool ring_used_word(const struct check_queue *q, unsigned word,
                    uint16_t *out); /* 0 flags, 1 idx, 2 + 4 * num avail_event */

/* stall.c */
void stall_look(struct check *c);
void stall_at_kick(struct check *c, uint16_t queue);
void stall_at_reset(struct check *c);

#endif
