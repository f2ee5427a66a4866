/* SPDX-License-Identifier: Apache-2.0 */
/* check/provoke.h - a device that does what few devices do, and a peer that sees whether its driver bears it
 *
 * What can be provoked is a table (provoke_table.c). Some of it is there from the boot on; the rest is switched on one by
 * one, in rounds of questions that the peer (peer.c) asks by ARP, ping and UDP echo. Every decision is drawn from a seed
 * and from what the driver has done so far, never from the time: the same seed, the same decisions.
 */
#ifndef DOORBELL_CHECK_PROVOKE_H
#define DOORBELL_CHECK_PROVOKE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct check;
struct nic_config;
struct provoke; /* opaque: of one device */
struct task;
struct virtio_net;
struct vm_config;

enum provoke_tag {
	PROVOKE_LEGAL,     /* other devices do it, too */
	PROVOKE_RARE,      /* allowed, and seldom seen */
	PROVOKE_ILLEGAL,   /* no device may */
	PROVOKE_HARDENING, /* what no driver needs to bear to be right */
};

enum provoke_when {
	PROVOKE_AT_BOOT, /* from the first access on */
	PROVOKE_ROUND,   /* in a round of its own */
};

struct provocation {
	const char *name;
	unsigned number; /* F1 to F35 of the list that they are from */
	enum provoke_tag tag;
	enum provoke_when when;
	const char *does; /* what the device does */
	const char *rule; /* what a driver has to keep to bear it; an id, or words */
};

/* One in an index of provocations[], Only ever added to at the end. */
enum provoke_id {
	P_STRICT_STATUS,
	P_DIRTY_HANDOVER,
	P_FEATURES_REFUSED,
	P_LATE_QUEUES,
	P_TORN_CONFIG,
	P_CONFIG_TAIL,
	P_QUEUE_SIZES,
	P_SLOW_READY,
	P_LOCKED_QUEUES,
	P_FIRST_KICK,
	P_STRICT_INTERRUPTS,
	P_EVENT_WORDS,
	P_POLLING,
	P_ACK_RACE,
	P_BOTH_BITS,
	P_REORDER,
	P_DELAY,
	P_FLOOD,
	P_LENGTHS,
	P_NUM_BUFFERS,
	P_BAD_CHECKSUMS,
	P_HEADER_POISON,
	P_USED_LEN,
	P_LATE_FRAMES,
	P_BAD_ID,
	P_USED_TWICE,
	P_INDEX_JUMP,
	P_WRONG_WORDS,
	P_ISR_BITS,
	P_SPURIOUS,
	P_CONFIG_IRQ,
	P_NEEDS_RESET,
	P_FEWER_FEATURES,
	P_UNKNOWN_FEATURES,
	P_INDEX_WRAP,
	P_POISON,
	P_IN_ORDER,
	P_LINK_FLAP,
	P_ANNOUNCE,
	P_STATUS_BITS,
	P_MTU,
	P_CTRL_ERROR,
	P_CTRL_ACK,
	P_SLOTS,
	P_STRICT_FEATURES,
	P_LATE_LINK,
	P_EARLY_ANNOUNCE,
	P_SHORT_CONFIG,
	P_GATED_CONFIG,
	P_TINY_QUEUES,
	P_ODD_QUEUES,
	P_VERSION_ALONE,
	P_ORPHANS,
	P_NEVER_OK,
	P_EARLY_FAILURE,
	P_DRY_RING,
	P_KEPT,
	P_SHORT_LEN,
	P_JUMBO,
	P_HDR_LEN,
	P_RX_FLAGS,
	P_TX_LEN,
	P_UNASKED,
	P_DEMANDED_FEATURE,
	P_BUFFER_TAIL,
	P_SPEED,
	P_USED_NEXT,
	P_BATCHES,
	P_KICK_RACE,
	P_SLOW_RESET,
	P_ONE_INTERRUPT,
	P_SHARED_LINE,
	P_CHAIN_ID,
	P_FREE_ID,
	NR_PROVOCATIONS
};
extern const struct provocation provocations[NR_PROVOCATIONS];

/* A set of them: there are more than a word has bits. */
__extension__ typedef unsigned __int128 provoke_set;
#define PROVOKE_BIT(id) ((provoke_set)1 << (id))

const char *provoke_tag_name(enum provoke_tag tag);
bool provoke_by_name(enum provoke_id id); /* is it in none of the groups? */

/*
 * NAME[,...], legal (tags legal and rare), hostile (the others) or all: masks of provoke_id in *set. 0; or -EINVAL with
 * the closest name in @why.
 */
int provoke_parse(provoke_set *set, const char *text, char *why, size_t size);
void provoke_list(FILE *out);

int provoke_create(provoke_set set, uint64_t seed, struct provoke **out); /* 0 or -ENOMEM */
void provoke_destroy(struct provoke *p);                                  /* NULL is fine */

/* Before the machine is made: @nic gets our peer for its network. */
void provoke_nic(struct provoke *p, struct nic_config *nic);
/*
 * provoke_slots.c. Once for a machine, before it is made: with P_SLOTS it gets registers without a device, as far as there
 * is room for them. @p is borrowed and outlives it. Then, before any vCPU runs, who judges what is done to those.
 */
void provoke_slots(struct provoke *p, struct vm_config *cfg);
void provoke_slots_check(struct provoke *p, struct check *c);
/*
 * @fn(@arg) is called, on the device's thread, before something illegal is done in a round, and on a vCPU's when the driver has
 * not waited for a reset (P_SLOW_RESET), which is behind what judges that: what it does from then on is not its fault.
 */
void provoke_on_illegal(struct provoke *p, void (*fn)(void *arg), void *arg);
/* Before any vCPU runs: @net, which is new, is to be provoked. What it offers has changed when this returns. */
void provoke_device(struct provoke *p, struct virtio_net *net);

/* Any thread. The guest is paused: nobody may expect answers. */
void provoke_wait(struct provoke *p, bool paused);

/*
 * Before any vCPU runs: fn(@arg, now) says, on the device's thread, what the guest's CPUs have had of the host's so far. Time
 * in which they stood in line for one is no time in which the driver might have answered. Without one all time is.
 */
void provoke_cpu_time(struct provoke *p, void (*fn)(void *arg, struct task *now), void *arg);

/* Any thread. How often has the device done it; and might it at any moment? */
uint64_t provoke_times(const struct provoke *p, enum provoke_id id);
bool provoke_in_force(const struct provoke *p, enum provoke_id id);

/* Behind that: bytes of the config space. */
uint32_t provoke_config_len(const struct provoke *p);

/* Is what P_SPEED shows in this life no speed, or no duplex? */
bool provoke_speed_unknown(const struct provoke *p);

/* Any thread. Have all rounds been asked? */
bool provoke_done(const struct provoke *p);

/* Of one provocation, when the guest has ended. */
enum provoke_verdict {
	PROVOKE_UNUSED,   /* not asked for */
	PROVOKE_SURVIVED, /* all answers came, and were right */
	PROVOKE_NO_OCCASION, /* likewise, but the driver did nothing that it could have been tried on */
	PROVOKE_LOST,        /* they came at last: frames were lost */
	PROVOKE_REBOOTED,  /* they came at last: the guest has booted once more */
	PROVOKE_CORRUPTED, /* wrong answers */
	PROVOKE_STUCK,     /* no answers, while it was on or afterwards */
	PROVOKE_NOT_TRIED, /* the driver had stuck before, or the run was ended from outside */
};
struct provoke_result {
	enum provoke_verdict verdict;
	uint64_t times; /* the device did it */
	bool rebooted;  /* the guest, meanwhile */
	/* Stuck: the run ended before it could be said whether answers come, and the driver has not given up by FAILED. */
	bool cut;
	uint64_t accepted; /* features, when the round began */
	unsigned parts;    /* received frames in several buffers, meanwhile */
	unsigned asked, lost,
		corrupt; /* questions, those that only had an answer when asked again, wrong answers */
};

/*
 * Before provoke_end(): it is not the guest that has ended the run, but who has started it, or (@late) --timeout. Of the
 * round that was on nothing is known then. A driver that has never answered was given all of that time.
 */
void provoke_cut(struct provoke *p, bool late);
/* After the last vCPU and the device's threads have stopped. */
void provoke_end(struct provoke *p);
/* Is it the only one of those that are there since the boot? */
bool provoke_alone(const struct provoke *p, enum provoke_id id);
const struct provoke_result *provoke_result(const struct provoke *p, enum provoke_id id);
bool provoke_failed(const struct provoke *p); /* is one of them stuck or corrupted? */
/* Did the driver give up, as it may when its features are refused? Then none has to be there. */
bool provoke_gave_up(const struct provoke *p);

/* provoke_report.c */
void provoke_text(const struct provoke *p, FILE *out);
json_t *provoke_json(const struct provoke *p); /* NULL: no memory */
void provoke_junit(const struct provoke *p, const char *device, FILE *out);

#endif
