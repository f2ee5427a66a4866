/* SPDX-License-Identifier: Apache-2.0 */
/* check/state.h - what is known of a driver, and how rules judge it; private to check/ */
#ifndef DOORBELL_CHECK_STATE_H
#define DOORBELL_CHECK_STATE_H

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <pthread.h>

#include "check/check.h"
#include "check/frame.h"
#include "check/registers.h"
#include "devices/virtio.h"
#include "devices/virtio_watch.h"
#include "devices/vq.h"
#include "vmm/core/compiler.h"

#define CHECK_QUEUES ARRAY_SIZE(((struct check_device *)0)->num_max)
#define NO_OWNER     UINT16_MAX

/* A chain that the device has: of a split ring at the index of its head, of a packed one in the order of offering. */
struct check_list {
	uint16_t id, entries; /* packed: its name, and how many slots it takes */
	uint64_t table;       /* guest address of its table, */
	uint32_t table_len;   /* whose bytes (0: it has none), */
	uint64_t table_sum;   /* had this sum */
};

/* Of what begins at a descriptor: has the device found it since the last kick; split: and at which index was it offered? */
struct check_early {
	bool found;
	uint16_t index;
	uint16_t
		in_slot; /* split: the head that the device found last in this slot of the available ring */
};

/* What the device, or the driver, wants to hear of the other side: what is behind entry @at, for which that is so. */
struct ring_wish {
	enum { WISH_ALL, WISH_NONE, WISH_EVENT } kind;
	uint16_t at;
};

/*
 * What the driver has said of a queue since the last reset, and what it has offered in it. Both layouts count entries
 * from 0 without end, modulo 2^16: chains of a split ring, descriptors of a packed one.
 */
struct check_queue {
	struct check *c;
	unsigned index;
	struct vq_watch watch;
	struct vq_addr addr;
	uint32_t align; /* version 1: bytes, 0 not told */
	uint8_t halves; /* of the six of its addresses, those that were written */
	uint32_t max;   /* as it was read last; with max_read */
	bool max_read, num_written, ready_read, ready;
	bool stopping;    /* QueueReady became 0, and the device had the queue */
	bool found_ready; /* QueueReady was 1 when it was read last */
	/* Rings: owner[i] is the head of the chain that descriptor i is in while the device has it. */
	uint16_t owner[VQ_NUM_MAX];
	uint8_t copy[VQ_NUM_MAX][16]; /* ... and its bytes, as they were offered */
	struct check_list list[VQ_NUM_MAX];
	uint16_t outstanding, most;           /* chains; and how many it were at most */
	struct check_early early[VQ_NUM_MAX]; /* ring_early.c; by head */
	bool tail_known; /* split: what stands where the event would be, if there were events */
	uint16_t tail;
	uint16_t in_turn; /* split, IN_ORDER: the descriptor that the next chain begins with */
	/* Packed: places of the next descriptor to look at, and of the next used one; both count over two laps. */
	uint16_t looked_at, shown_at;
	bool offered; /* something was, since the device serves it */
	/* Packed: a list that was begun behind its head, at that place, in so many free descriptors, whose bytes had this sum. */
	uint16_t begun, begun_at;
	uint64_t begun_sum;
	bool lost;       /* packed: it cannot be said any more where the next list begins */
	uint16_t looked; /* entries up to this index have been seen by the device */
	uint16_t kicked; /* the available index at the last kick */
	bool served;     /* the device has it: addr is what it uses, and judged */
	/* stall.c: the index at the last look, and for how many looks something has been missing. */
	uint16_t stall_avail;
	/* What was used last, and the available index then; and when the event that the driver waits for went by. */
	uint16_t shown, avail_at_used, avail_at_event;
	uint16_t told; /* what was shown when the driver was interrupted last */
	uint16_t event_first;
	bool event_known, event_passed, event_moved;
	unsigned unkicked, unreaped, unwritten;
	struct { /* at the last kick */
		bool told;
		uint16_t avail, looked;
		struct ring_wish wish;
	} kick;
	struct { /* rules_notify.c: the furthest position that a kick has said rightly */
		bool known;
		uint16_t furthest;
		unsigned
			crossed; /* kicks from behind it, since one that named the index as it was */
	} said;
	uint64_t kick_ns; /* the last kick; 0: none */
	/* Kicks of another queue, the last one of which is given, with nothing new there, while one was missing here. */
	unsigned strayed, strayed_to;
	/* Why nothing happens, for so many looks. */
	unsigned stall_looks;
	struct check_stall stall;
	char stall_why[160];
	/* rules_late.c: an rx queue without buffers, for how many looks; the index then, and the frames sent. */
	unsigned dry;
	uint16_t dry_avail;
	uint64_t dry_sent;
	/* A tx queue of a pair that is not in use: the index that must stay. */
	bool idle_known;
	uint16_t idle_avail;
};

/* Looks (CHECK_TICK_NS) since something became due; 0: nothing is. */
typedef unsigned check_due;

/* What a driver has said to the network device as such, and what it has learnt of it; since the last reset. */
struct check_net {
	uint8_t config[CHECK_CONFIG]; /* the config space as it was read last, or as it began */
	/* Its address, that of the config space until it sets another one, and the frames that came from there. */
	uint8_t mac[6];
	bool mac_set, mac_refused; /* ... the latter: it was told that it may not have */
	uint8_t refused_mac[6];    /* ... this one */
	bool mac_moved;            /* before, frames came from another one, */
	uint8_t mac_before[6];     /* this one, which some may still have */
	unsigned own;
	unsigned foreign; /* frames before the first of those */
	uint64_t sent;    /* frames */
	uint64_t vlan[4096 / 64];
	/*
	 * Pairs in use. said: by a command that was carried out, so many looks ago, up to 2; refused: the last one was
	 * not. Which pairs receive a table of RSS may say otherwise.
	 */
	unsigned pairs, pairs_looks;
	uint32_t rx_pairs; /* bit n: pair n receives */
	bool pairs_said, pairs_refused;
	bool link_read, link_up; /* as it was read last */
	bool has_address;        /* a frame has named one, of ARP or IP */
	check_due link_down;     /* since that was read */
	/* An interrupt told of a new status; the link came up; ANNOUNCE was read, which asks for two things. */
	check_due status, speed, announce_ack, announce_peers;
	/* The last access, of which there had been so many: has the bring-up been given up? */
	check_due gave_up, refused;
	unsigned accesses, refused_accesses;
};

/* Rules by the address of their name, so that each is looked up once. */
struct check_known {
	const char *id;
	uint16_t rule;
};

/* What the driver has read of registers without a device, since it read their magic number last. */
struct check_slot {
	uint32_t magic, version;
	bool bad_magic, bad_version, empty;
};

enum { PROBE_MAGIC = 1, PROBE_VERSION = 2, PROBE_BOTH = 3, PROBE_OVER = 4 };

enum verdict { SILENT, KEPT, BROKEN };

struct check {
	struct virtio_watch watch;
	struct check_device dev;
	pthread_mutex_t lock;
	uint64_t began_ns;
	bool muted;                                        /* check_mute() */
	struct check_result *result;                       /* nr_rules */
	char why[sizeof(((struct check_result *)0)->why)]; /* of the rule that is broken just now */
	struct check_known known[1024];
	/* What is judged just now: an access, by the thread of the vCPU; or a queue; or neither. */
	const struct virtio_access *now;
	const struct check_queue *looking;
	const char *bearing; /* ... or what a provocation has shown: its name */

	/* From the first access on. */
	bool unknown_failed; /* it gave up when features were offered that nobody knows */
	bool was_touched;    /* in a life before this one */
	unsigned accesses;
	unsigned probe; /* PROBE_*: what it has looked at */
	bool was_written, was_reset, was_live;
	bool was_behind_mac;  /* behind_mac, of any life */
	bool was_filled;      /* a buffer was offered to receive into */
	uint64_t offer_known; /* the bits of those words of DeviceFeatures that were read */
	/* While muted, which those are by whom it is the device's part to fail: Status showed that, and what the driver did then. */
	enum verdict trust;
	uint32_t page_size; /* version 1: bytes, 0 not told */
	/* Since the last reset. */
	struct virtio_access last; /* the access before, but for is_of_anybody() */
	uint32_t resetting;        /* what Status was after that, when it was not 0 */
	bool found_begun; /* who has looked at MagicValue since has found it so: another driver left it */
	bool status_written, ok_written, ok_read, refused, bring_up_over;
	bool offer_refused; /* it gave up before FEATURES_OK */
	bool behind_mac;    /* it has read what is behind the address in the config space */
	bool device_sel, driver_sel, queue_sel;
	uint32_t device_page, driver_page, queue_nr;
	bool unknown_seen; /* features that no version of the specification has, in what it read */
	uint32_t pages_written; /* bit n: DriverFeatures with selector n */
	uint64_t asked;
	uint32_t beyond, beyond_page; /* features accepted behind the 64 that there are; 0: none */
	unsigned mac_bytes;           /* by all of these: */
	unsigned
		mac_reads; /* of the address, among reads of the config space, one behind the other */
	bool generation_before; /* ... and the access before them was one to its generation, */
	uint64_t generation;    /* which was that; */
	check_due torn; /* since it was another behind them: the address has to be read once more */
	/* Of version 1: the bytes of one reading, as far as it has come (bit n: byte n), and of the one before. */
	uint8_t mac_now[6], mac_before[6];
	unsigned mac_have, mac_readings; /* so many were whole */
	bool mac_agrees;                 /* the last two of those */
	bool isr_looked;    /* InterruptStatus was read since the last acknowledgement */
	uint32_t isr_seen;  /* bits that were read and not acknowledged, */
	uint32_t isr_twice; /* ... by several reads: handlers on several CPUs; */
	uint32_t isr_late;  /* those that one of them has acknowledged, and another one may yet */
	unsigned isr_ignored
		[2]; /* reads that found bit n, without an acknowledgement of it between */
	/* rules_irq.c: InterruptStatus was read, or written to InterruptACK; else an interrupt was sent, and so many were taken. */
	struct {
		bool looked, sent;
		unsigned taken;
	} irq;
	struct check_net net;
	struct check_slot slot[CHECK_SLOTS];
	bool live;          /* DRIVER_OK */
	check_due failed;   /* since Status showed that the device needs a reset */
	unsigned hopes;     /* kicks long after that */
	uint32_t isr_up;    /* bits that were raised and not read */
	uint16_t used_last; /* the queue in which buffers were used last */
	bool received;      /* a received frame was shown; */
	bool answered;      /* ... and something was offered behind that, in any queue */
	struct check_queue queue[CHECK_QUEUES];
};

/* What @c knows is from before the access. */
struct access_rule {
	const char *id;
	enum verdict (*judge)(struct check *c, const struct virtio_access *a);
};
extern const struct access_rule init_rules[], mmio_rules[], config_rules[], feature_rules[],
	legacy_rules[], notify_rules[]; /* each ended by id NULL */

/* A chain, as far as it could be followed. */
struct check_chain {
	struct check_queue *q;
	const struct ring_rules *rules;
	uint16_t head;            /* its first descriptor */
	uint64_t out_len, in_len; /* bytes */
	uint8_t start[2048]; /* what the readable part begins with: a frame of the usual size */
	uint32_t started;    /* bytes of it */
	unsigned pieces, entries; /* of the latter those in the ring */
	bool outside;             /* a piece of it is not in memory */
	uint32_t len[4];          /* of the first pieces, bytes */
};
struct chain_rule {
	const char *id;
	enum verdict (*judge)(struct check *c, const struct check_chain *ch);
};
extern const struct chain_rule net_rules[], room_rules[], legacy_chain_rules[];

/* A frame that is sent, whose header is where it should be. */
struct check_frame {
	const struct check_chain *ch;
	struct frame f;
};
struct frame_rule {
	const char *id;
	enum verdict (*judge)(struct check *c, const struct check_frame *m);
};
extern const struct frame_rule frame_rules[];

/* A command of the control queue. For framing_rules only what is raw: there may be no more. */
struct check_command {
	const struct virtio_command *raw;
	uint8_t class, cmd;
	const uint8_t *data; /* behind these two */
	uint64_t len;        /* bytes of it */
	size_t held;         /* of them at @data */
};
struct command_rule {
	const char *id;
	enum verdict (*judge)(struct check *c, const struct check_command *m);
};
extern const struct command_rule framing_rules[], ctrl_rules[], rss_rules[];
/* rules_rss.c: the number of transmit queues in the data of RSS_CONFIG; false: there is none. */
bool rss_tx_pairs(const struct check_command *m, uint16_t *out);
/* The receive queues that its table names, as far as we have it, and the one for what has no hash: bit n is number n. */
uint32_t rss_rx_pairs(const struct check_command *m);

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

static inline bool reads_config(const struct virtio_access *a)
{
	return !a->write && a->off >= VIRTIO_MMIO_CONFIG;
}

/* What a handler of interrupts does, and a kick, comes between any two accesses of whoever is interrupted, or has other CPUs. */
static inline bool is_of_anybody(const struct virtio_access *a)
{
	return reads(a, VIRTIO_MMIO_INTERRUPT_STATUS) || writes(a, VIRTIO_MMIO_INTERRUPT_ACK) ||
	       writes(a, VIRTIO_MMIO_QUEUE_NOTIFY);
}

static inline bool accepted(const struct check *c, unsigned bit)
{
	return c->asked & FEATURE(bit);
}

/* The queue that QueueNotify is written for: with NOTIFICATION_DATA there is a position above it. */
static inline uint64_t kicked_queue(const struct check *c, const struct virtio_access *a)
{
	return accepted(c, VIRTIO_F_NOTIFICATION_DATA) ? a->val & UINT16_MAX : a->val;
}

/* The queue that QueueSel has chosen; NULL: there is none. */
static inline struct check_queue *selected(struct check *c)
{
	return c->queue_nr < c->dev.nr_queues ? &c->queue[c->queue_nr] : NULL;
}

/* rules_init.c: what breaks status.needs-reset-no-trust, in words. */
enum verdict hopes(struct check *c);
/* rules_mmio.c: likewise cfg.generation-loop, when the address was not read once more. */
enum verdict keeps_torn(struct check *c);
/* rules_init.c: for rules about what was asked for, at the moment when it is meant. */
bool raises(const struct virtio_access *a, uint32_t bit); /* a bit of Status, or one of several */
enum verdict none_of(struct check *c, const struct virtio_access *a, uint64_t bad,
                     const char *what);
enum verdict takes(struct check *c, const struct virtio_access *a, unsigned bit);

enum queue_kind { QUEUE_RX, QUEUE_TX, QUEUE_CTRL };
enum queue_kind check_queue_kind(const struct check *c, unsigned index);
/* Where that of commands is, when there is one (virtio 1.2, 5.1.2). */
unsigned check_ctrl_queue(const struct check *c);

/* rules_legacy.c: version 1. */
uint32_t legacy_header_len(const struct check *c);
void legacy_ready(struct check *c, const struct virtio_access *a); /* QueuePFN gives a queue */
void legacy_track(struct check *c, const struct virtio_access *a); /* as state_track() */

/* state.c: what an access changes. */
bool state_is_served(const struct check *c);   /* does the device work? */
void state_forget(struct check *c);            /* as after a reset */
void state_forget_ring(struct check_queue *q); /* as before anything was offered in it */
void state_track(struct check *c, const struct virtio_access *a);

/* ring.c and ring_packed.c; more in check/ring.h */
void ring_ready(struct check_queue *q);  /* QueueReady is about to be 1 */
void ring_served(struct check_queue *q); /* the device begins with it */
void ring_avail(struct check_queue *q, uint16_t from, uint16_t to);
void ring_used(struct check_queue *q, uint16_t from, uint16_t to);
void early_forget(
	struct check_queue *q); /* ring_early.c: the device has found nothing since the last kick */

/* rules_net.c */
uint32_t header_len(const struct check *c);
/* Does a frame of ours begin where a shorter header would end? */
bool is_short(const struct check *c, const struct check_chain *ch);
bool from_us(const struct check *c, const struct check_chain *ch, uint32_t at);

/* rules_irq.c: an interrupt is about to be sent, for these reasons; and the driver shows that it runs. */
void irq_sent(struct check *c, uint32_t bits);
void irq_at_kick(struct check *c);

/* net.c: the network device as such. */
bool net_has_several(const struct check *c); /* pairs, that the driver knows of */
unsigned net_max_pairs(const struct check *c);
unsigned net_mtu(const struct check *c); /* 0: there is none that binds */
uint16_t net_config16(const struct check *c, size_t off);
void net_forget(struct check *c);
/* Is it the address that its frames had before it was given another one? */
bool net_is_of_before(const struct check_net *n, const uint8_t *mac);
void net_track(struct check *c, const struct virtio_access *a);
void net_chain(struct check_chain *ch); /* judges what a chain is about */
void net_command(struct check *c, const struct virtio_command *raw);

/* rules_late.c: what has not happened. */
void late_look(struct check *c);
void late_end(struct check *c); /* the guest has ended */
/* Before a command is judged: nothing may have been sent by pairs that no command has switched on. */
void late_tx_early(struct check *c);
/* It has happened: the rule is kept, if it was due. */
void late_done(struct check *c, check_due *due, const char *id);

/* stall.c */
void stall_look(struct check *c);
void stall_at_kick(struct check_queue *q);
void stall_at_used(struct check_queue *q,
                   uint16_t from); /* the entries from there up to q->shown */
void stall_at_reset(struct check *c);
/* Has a buffer been offered to receive into? */
void stall_note_buffers(struct check *c);

#endif
