/* SPDX-License-Identifier: Apache-2.0 */
/* check/provoke_priv.h - what provoke*.c and the peer share, and nobody else */
#ifndef DOORBELL_CHECK_PROVOKE_PRIV_H
#define DOORBELL_CHECK_PROVOKE_PRIV_H

#include <stdatomic.h>

#include "check/provoke.h"
#include "devices/virtio_net.h"
#include "devices/virtio_provoke.h"
#include "devices/vq.h"
#include "vmm/core/compiler.h"

/* So long a question waits for its answer before it is asked again. */
#define PROVOKE_AGAIN_NS UINT64_C(200000000)

#define PROVOKE_QUEUES (2 * VIRTIO_NET_PAIRS_MAX + 1)
#define PROVOKE_SPEEDS 5u /* that P_SPEED chooses among */

/* Numbers that follow from a seed and from how many were drawn before. */
struct dice {
	uint64_t seed;
	_Atomic uint64_t drawn;
};
uint64_t dice_roll(struct dice *d);
static inline unsigned dice_below(struct dice *d, unsigned n)
{
	return (unsigned)(dice_roll(d) % n);
}

/* Of one queue; belongs to the thread that serves it, but for what says otherwise. */
struct provoke_queue {
	struct vq_provoke hooks;
	struct provoke *p;
	unsigned index, kind; /* receive, transmit, control: provoke_ring.c */
	bool ordered;         /* its buffers must come back in order */
	bool in_parts;        /* a frame that is not shown yet takes several */
	struct dice dice;
	unsigned waited;   /* turns that a batch has been kept back */
	unsigned patience; /* turns that it will be */
	unsigned
		starving; /* reorder: others that are to pass the one that stays behind; 0: none does */
	unsigned gathered; /* dry-ring: so many wait */
	bool kept;         /* kept: there is one, */
	uint32_t kept_id;  /* of that name */
	struct vq_log log; /* packed: what is not shown yet, in: */
	struct vq_used_elem logged[VQ_NUM_MAX];
	uint16_t slots[VQ_NUM_MAX];
	bool holds;                /* one-interrupt: sent buffers, until there is a frame */
	bool shown;                /* ack-race: a batch was, and has not been acknowledged */
	_Atomic bool acknowledged; /* set by a vCPU */
	unsigned lies;             /* of this round */
	/* Buffers of each received frame that is not shown yet, in their order. */
	uint16_t frames[VQ_NUM_MAX];
	unsigned nr_frames;
	/* Those of a batch, while it is put into another order. */
	struct vq_used_elem moved[VQ_NUM_MAX];
	uint16_t moved_slots[VQ_NUM_MAX];
	uint64_t left_out; /* interrupts, in all, when it was last asked */
	bool showed;       /* something, then */
};

/* What cannot be done inside of a hook: bits of struct provoke's todo. */
enum {
	ACT_LINK = 1,
	ACT_LINK_UP = 2,
	ACT_ANNOUNCE = 4,
	ACT_SPURIOUS = 8,
	ACT_NEEDS_RESET = 16,
	ACT_EARLY_ANNOUNCE = 32,
	ACT_UNASKED = 64,
	ACT_JOIN = 128,
	ACT_SHARED_LINE = 256,
	ACT_LINE = 512,
	ACT_CHANGE = 1024
};

#define PROVOKE_SLOTS 4u

/* Feature bits that no version of the specification has, 42 to 49, in word 1. */
#define PROVOKE_UNKNOWN_WORD1 0x3fc00u

/* Registers without a device; any vCPU. */
struct provoke_slot {
	struct provoke *p;
	unsigned index;
	uint32_t magic, version; /* that they say */
};

struct provoke {
	struct virtio_provoke hooks;
	provoke_set set;
	bool legacy;      /* registers of version 1 */
	struct dice dice; /* of registers, the config space and the boot */
	/* Of this life, from before any vCPU runs. */
	unsigned speed;    /* that the driver is told, below PROVOKE_SPEEDS */
	uint64_t demanded; /* feature without which FEATURES_OK is refused; 0: any */
	_Atomic uint64_t on
		[2]; /* in force, bit n % 64 of n / 64: any thread reads, the device's loop writes */
	struct virtio_net *net; /* borrowed */
	struct virtio_dev *dev; /* its own */
	struct provoke_queue queue[PROVOKE_QUEUES];
	_Atomic uint64_t times[NR_PROVOCATIONS];
	struct provoke_result result[NR_PROVOCATIONS];

	/* Registers; any vCPU. */
	_Atomic uint32_t queue_sel, feature_sel, ready; /* bit n: queue n */
	_Atomic unsigned slow_ready;
	_Atomic unsigned slow_reset;    /* reads of Status that are still answered with ... */
	_Atomic uint32_t slow_status;   /* ... this */
	_Atomic bool refused, refusing; /* FEATURES_OK: in some bring-up, in this one */
	_Atomic bool failed, failing;   /* P_EARLY_FAILURE, likewise */
	_Atomic bool insisted;          /* the driver went on all the same */
	_Atomic bool
		known_only; /* P_UNKNOWN_FEATURES: it gave up, and is offered no unknown ones any more */
	_Atomic bool blind; /* it has not shown that it knows of the failure of this bring-up */
	/* P_KICK_RACE: frames were shown in a kick, and no register has been looked at since. Set by the loop's thread, too. */
	_Atomic bool raced;
	/* Loop thread. */
	unsigned tears;
	bool torn, was_live; /* the latter: some time the driver got as far as DRIVER_OK */
	unsigned ctrl_commands[256];
	bool link_down, early_announce; /* the latter is to come, once */
	unsigned interrupts;            /* spurious ones, of this round */
	unsigned changes, change_tries; /* P_BOTH_BITS: of the link, of this round */
	bool down_seen;       /* the driver has read the status since the link went down */
	unsigned neighbours;  /* those of P_SHARED_LINE, of this life */
	bool never_kicked;    /* the device polls */
	bool in_kick, baited; /* P_KICK_RACE: the driver is in one; has been shown a frame since */
	/* P_ONE_INTERRUPT: all queues are just being shown; they were, and nothing has been sent since. */
	bool joining, joined;
	unsigned
		overlooked; /* frames that were shown so, of this round: times that nobody looked */

	_Atomic unsigned todo;
	int act_fd; /* an eventfd of the peer's: somebody look at todo; -1: there is no peer */

	struct provoke_slot slot[PROVOKE_SLOTS];
	struct check *slot_check; /* who judges what is done to them; borrowed; NULL: nobody */

	void (*late)(
		void *arg); /* the peer's, of the loop's thread: frames for a driver that is just leaving; or NULL */
	void *late_arg;
	bool gave_up; /* provoke_gave_up() */

	void (*on_illegal)(void *arg);
	void *on_illegal_arg;

	/* The peer's; the loop's thread. */
	unsigned lives;    /* of the guest */
	int round;         /* being asked: index of provocations[]; -1: none of them */
	uint64_t accepted; /* features, when it began */
	_Atomic unsigned
		parts; /* received frames in several buffers, since; of the queue's thread */
	_Atomic bool done;
	_Atomic bool paused;                           /* the guest: provoke_wait() */
	void (*cpu_time)(void *arg, struct task *now); /* provoke_cpu_time(); or NULL */
	void *cpu_time_arg;
	uint64_t again_ns; /* PROVOKE_AGAIN_NS, but for tests */
	unsigned mtu;      /* that the driver is told; 0: none */
	provoke_set tried; /* rounds that were begun */
	bool cut;          /* provoke_cut() */
	bool baseline;     /* the driver answered with nothing but what is there at boot */
};

static inline bool provoke_on(const struct provoke *p, enum provoke_id id)
{
	/* Relaxed: a decision is about nothing else in memory. */
	return atomic_load_explicit(&p->on[id / 64], memory_order_relaxed) >> id % 64 & 1;
}

static inline void provoke_count(struct provoke *p, enum provoke_id id)
{
	atomic_fetch_add_explicit(&p->times[id], 1, memory_order_relaxed);
}

/*
 * provoke_ring.c: the loop's thread, from none of the device's calls. No answers have come for so many PROVOKE_AGAIN_NS that
 * the guest could use. True: the driver does not look where it has to (P_KICK_RACE, P_ONE_INTERRUPT), and has had its chances.
 */
bool provoke_unanswered(struct provoke *p, unsigned tries);

/* provoke_ring.c: a queue's thread. */
void provoke_queue_init(struct provoke_queue *q, struct provoke *p, unsigned index);
void provoke_queue_begin(struct provoke_queue *q); /* at DRIVER_OK */
/* provoke_ring.c: the loop's thread, from none of the device's calls: P_ONE_INTERRUPT has found something in both directions. */
void provoke_join(struct provoke *p);

/* provoke.c: likewise. P_BOTH_BITS, all questions are answered: is ACT_CHANGE to be asked once more? */
bool provoke_changes(const struct provoke *p);

/* provoke_config.c */
void provoke_config_read(struct virtio_provoke *hooks, uint32_t off, uint8_t *buf, uint32_t len);

/* provoke_shape.c: before any vCPU runs. */
void provoke_shape(struct provoke *p);
/* Any vCPU: what the maximum of @queue, which is @max, reads with P_ODD_QUEUES. */
uint32_t provoke_num_max(struct provoke *p, unsigned queue, uint32_t max);

/* provoke.c; the loop's thread, from none of the device's calls. */
void provoke_ask(struct provoke *p, unsigned acts); /* any thread: provoke_act() is to do this */
void provoke_act(struct provoke *p);
/* In force from now on are those of the boot and @round (-1: none). */
void provoke_switch(struct provoke *p, int round);
/* What became of @round, or with -1 of all that is there since the boot. */
void provoke_note(struct provoke *p, int round, const struct provoke_result *r);

#endif
