/* SPDX-License-Identifier: Apache-2.0 */
/* devices/virtio_net_priv.h - what the files of the network device share, and nobody else */
#ifndef DOORBELL_VIRTIO_NET_PRIV_H
#define DOORBELL_VIRTIO_NET_PRIV_H

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "devices/rss.h"
#include "devices/rx_filter.h"
#include "devices/rx_window.h"
#include "devices/tx_burst.h"
#include "devices/virtio.h"
#include "devices/virtio_net.h"
#include "devices/vnet_hdr.h"
#include "devices/vq.h"
#include "net/net_backend.h"
#include "vmm/core/loop.h"
#include "vmm/core/trial.h"

/* Pair i has the virtqueues 2i and 2i + 1. The control queue stands behind the pairs. */
enum { NET_RX, NET_TX, NET_CTRL, NET_QUEUES };
#define NET_PAIR_QUEUES 2u
#define NET_QUEUES_MAX  (NET_PAIR_QUEUES * VIRTIO_NET_PAIRS_MAX + 1)

/* A driver that accepts one of these knows of more pairs than the first. */
#define NET_SEVERAL_PAIRS (FEATURE(VIRTIO_NET_F_MQ) | FEATURE(VIRTIO_NET_F_RSS))

/*
 * Frames of so many bytes at most, with the driver's header, are copied into one piece, or out of it: to tell the kernel
 * of several takes longer.
 */
#define NET_COPY_MAX 256u

#define NET_CTRL_QUEUE_SIZE 64u
#define NET_CTRL_COPY       4096u /* bytes of a command, while somebody looks on */

#define NET_LEGACY_HDR_LEN 10u /* without num_buffers: virtio 1.2, 5.1.6.1 */

/*
 * What stands before a frame in the rings: with HASH_REPORT more than what backends have, NET_HDR_LEN of it.
 * virtio 1.2, 5.1.6; the hash as bytes, since the kernel's headers have changed their mind about its fields.
 */
struct net_ring_hdr {
	struct virtio_net_hdr_v1 v1;
	uint8_t hash_value[4], hash_report[2], padding[2]; /* little endian */
};
_Static_assert(sizeof(struct net_ring_hdr) == RX_HDR_MAX, "struct virtio_net_hdr_v1_hash");

/* Pieces of one chain: as many buffers as vq_pop() takes, each across two memory regions. */
#define NET_CHAIN_ROOM (2 * VQ_NUM_MAX)

/*
 * One turn on the loop: when any of these is reached, the queue puts itself at the end of the line
 * by ringing its own kick, so that the others have theirs. Large enough to batch, small enough
 * (well below a millisecond of work) that nobody waits; pieces are what a driver multiplies at will.
 */
#define NET_TURN_FRAMES 256u
#define NET_TURN_BYTES  MIB(1)
#define NET_TURN_PIECES 4096u

/*
 * Who kicks sends so many frames itself, at most; waking a thread takes longer. But not when it kicked shortly before, by
 * the clock or, where all is slow, by what it took to send the last time; nor when it answers several frames that have
 * come within NET_INLINE_RECENT times as long (a millisecond, by the clock): these are streams, and a thread that is awake
 * needs no kicks.
 */
#define NET_INLINE_FRAMES    8u
#define NET_INLINE_GAP_NS    UINT64_C(20000)
#define NET_INLINE_GAP_TURNS 4u
#define NET_INLINE_RECENT    50u

struct net_turn {
	unsigned frames, pieces;
	unsigned parts; /* frames behind which the ring was empty */
	uint64_t bytes;
};

static inline bool net_turn_over(const struct net_turn *t)
{
	return t->frames >= NET_TURN_FRAMES || t->pieces >= NET_TURN_PIECES ||
	       t->bytes >= NET_TURN_BYTES;
}

/* Where a queue counts, in struct virtio_net_stats. */
struct net_counters {
	uint64_t *kicks, *reads, *again, *interrupts, *suppressed;
};

struct net_pair;

struct net_queue {
	struct virtio_net *n;
	struct net_pair *pair; /* NULL: the control queue */
	struct vq *vq;         /* of the core; not running while the driver has not set it up */
	struct loop_fd kick;   /* the queue's eventfd */
	bool live; /* of a pair: it runs, and the driver has set this queue up and not taken it back */
	bool again;      /* we rang the kick ourselves */
	bool due;        /* likewise, for a loop that looks: no need to ring */
	unsigned pushed; /* chains in the batch that is not published yet */
	struct net_counters count;
};

struct net_rx {
	bool stalled;     /* waiting for the driver to post buffers; kicks are on, want_recv off */
	bool spread;      /* MRG_RXBUF: a frame may use several chains */
	uint64_t reach;   /* with spread: bytes of buffers to have ready for the next frame */
	bool ahead;       /* likewise: more than these are taken off the ring when they are there */
	uint32_t hdr_len; /* net_hdr_len() */
	bool plain_hdr;   /* it is NET_HDR_LEN, the driver gets it as it is, and nobody looks on */
	/*
	 * What recv() is given room for outside the spill buffer, as long as no larger frame comes: the largest one of
	 * the last RX_USUAL_FRAMES; and those of now, noted so far. Bytes with header.
	 */
	uint32_t usual, largest, noted;
	uint32_t min_len; /* bytes of a chain in which a frame can begin */
	/*
	 * The frame in hand: @waiting bytes with the driver's header, the last @spilled of them in the spill buffer,
	 * the rest in the window. 0 = none; between two turns only a frame that needs more buffers.
	 */
	uint32_t waiting, spilled;
	struct net_ring_hdr hdr; /* of the frame in hand */
	uint8_t head[RSS_LOOK];  /* its first bytes: our own copy of what is judged */
	struct rx_window window;
	struct virtio_net_hdr_v1 whole; /* with the spill buffer in one piece: rx_recv_whole() */
	uint8_t spill
		[NET_RECV_MAX]; /* behind the window in every recv(); pages touched when needed */
};
_Static_assert(offsetof(struct net_rx, spill) == offsetof(struct net_rx, whole) + NET_HDR_LEN,
               "one piece");

/* A chain that was popped and is not pushed yet. */
struct net_tx_chain {
	uint16_t head;
	bool sent; /* the backend will count it: done() in net_backend.h; else those before it are waited for */
	uint32_t len; /* bytes */
};

struct net_tx {
	/* By loop_visit(), with kick=inline: when there was a kick last, what had come for the guest, what sending took. */
	uint64_t kicked_ns, kicked_rx, inline_ns;
	bool blocked; /* the backend is full; can_send will come, kicks stay off */
	/* Oldest first, a ring of records. They are pushed in the order in which they were popped. */
	struct net_tx_chain chain[VQ_NUM_MAX];
	unsigned first, nr;
	struct iovec iov[1 + NET_CHAIN_ROOM]; /* [0] is for our copy of the header */
	struct virtio_net_hdr_v1 whole;       /* with what is gathered in one piece: tx_copy() */
	uint8_t gather[VNET_FRAME_MAX];       /* pages touched when needed */
};
_Static_assert(offsetof(struct net_tx, gather) == offsetof(struct net_tx, whole) + NET_HDR_LEN,
               "one piece");

/* The interrupt about a lone frame that was sent: virtio_net_hold.c. */
struct net_hold {
	struct loop_late late; /* at_ns: the driver was not asked yet whether it wants one */
	bool usable;
	bool shared; /* one line for all queues: an interrupt about another one is about this, too */
	uint64_t
		expired_ns; /* when one that had waited was raised last; 0: the driver has sent since */
	uint64_t prompt_ns; /* who sends so soon after it had waited for it */
	unsigned waited, skip;
};

/* The kick of a burst that waits for the rest of it: virtio_net_burst.c. */
struct net_burst {
	struct tx_burst plan;
	struct loop_late late; /* at_ns: a kick waits */
	bool usable;
	bool waited; /* what the turn that runs sends has */
	bool asked;  /* it has not, and how it goes is to be told */
};

/* Looks between two of the clock, by poll=try, when no frames come. */
#define NET_TRY_LOOKS 1024u

/* Does it pay to look for frames: virtio_net_try.c. */
struct net_try {
	struct trial trial;
	uint64_t in, out, bytes; /* of the pair, when the clock was asked last */
	uint64_t at_ns;          /* that time */
	unsigned looks;          /* to ask the clock now and then when no frames come */
	unsigned alike,
		others; /* looks in a row at traffic that may be tried, and at other traffic */
	uint64_t (*now_ns)(void); /* loop_now_ns(), but for tests */
};

/*
 * What a pair's thread knows of the device: its own copy, which it takes from the device while the device's
 * thread waits (net_pairs_update()). So nothing here has a lock.
 */
struct net_view {
	bool link;         /* frames flow */
	bool gone;         /* the backend lost its peer */
	bool by_rss;       /* among several pairs: frames are received by way of the inbox */
	uint64_t offloads; /* guest offloads switched on */
	struct rx_filter filter;
	struct rss_hash report; /* struct virtio_net */
};

/* What a pair's thread has to tell the device's, which looks when its eventfd is set. */
enum net_news { NET_NEWS_BROKEN = 1, NET_NEWS_GONE = 2 };

struct net_inbox; /* virtio_net_steer.c */

/*
 * One rx and one tx queue. Everything in it belongs to the thread of @loop, but for what says otherwise.
 * While that thread is in a loop_call() of the device's thread, it is the device's for as long.
 */
struct net_pair {
	struct virtio_net *n;
	unsigned index;
	struct loop *loop;             /* of pair 0: the device's */
	struct net_backend *backend;   /* borrowed */
	struct net_sink sink;          /* what the backend calls */
	const struct virtio_queue *vq; /* the two of it, as the core has them */
	struct net_queue queue[NET_PAIR_QUEUES];
	bool running; /* its frames pass through us */
	bool polls;   /* likewise, and its loop looks into the queues before it sleeps */
	struct loop_poll poll;
	struct net_try tried;
	bool backend_started; /* its frame table, that is */
	bool rings; /* they are the peer's: virtio_net_over.c, while the device's thread waits for it */
	struct net_view view;
	struct net_rx rx;
	struct net_tx tx;
	struct net_hold hold;
	struct net_burst burst;
	struct net_inbox *inbox; /* NULL: RSS is not offered */
	_Atomic unsigned news;   /* enum net_news */
	/*
	 * Of NET_NEWS_BROKEN, a static string, and of NET_NEWS_GONE; written before it is told. The device's thread
	 * may be reading those of the news before meanwhile. Relaxed: @news orders.
	 */
	const char *_Atomic why;
	_Atomic int gone_err;
	struct virtio_net_stats stats;
};

/* What the driver asked for by the control queue. Reset: one pair, not by RSS. */
struct net_steering {
	unsigned pairs; /* in use: 1 .. nr_pairs */
	bool by_rss;    /* else it is the backend's choice: NET_F_MQ in net_backend.h */
	struct rss rss;
};

/* Do we hand frames from pair to pair, by way of the inboxes? With one pair there is nothing to choose. */
static inline bool net_steered(const struct net_steering *s)
{
	return s->by_rss && s->pairs > 1;
}

enum net_path {
	NET_PATH_NONE, /* the device is stopped */
	NET_PATH_FRAMES,
	NET_PATH_RINGS, /* a peer serves rx and tx: their vq are frozen, their kicks not ours */
};

/* All of it belongs to the device's loop, dev.loop. Pairs in use: pair[0 .. steering.pairs). */
struct virtio_net {
	struct virtio_dev dev; /* first */
	struct virtio_queue vq[NET_QUEUES_MAX];
	struct net_queue ctrl; /* which vq that is depends on what the driver accepted */
	struct virtio_net_params params;
	struct net_backend *backend;  /* of pair 0, borrowed; its ring table serves all pairs */
	struct net_pair *pair;        /* nr_pairs of them, owned */
	unsigned nr_pairs;            /* offered */
	struct net_steering steering; /* changes only while no pair runs: pairs read it */
	enum net_path path;           /* in force */
	bool pairs_by_queues;         /* virtio_net_use_pairs() */
	bool rings_wanted;            /* virtio_net_set_path() */
	/* Of a pair, which the driver is taking back just now; or NULL. */
	struct net_queue *releasing;
	bool link_wanted;  /* virtio_net_set_link() */
	bool gone;         /* the backend has no peer (any more) */
	bool announce;     /* VIRTIO_NET_S_ANNOUNCE */
	uint64_t offloads; /* guest offloads switched on; subset of what was accepted */
	struct rx_filter filter;
	/* HASH_REPORT: what the driver last said by either command; no types until it does. */
	struct rss_hash report;
	struct loop_fd news; /* an eventfd, owned: some pair has some; fd -1 with one pair */
	struct iovec ctrl_iov[NET_CHAIN_ROOM];
};

/* virtio_net.c; device thread: */

bool net_link(const struct virtio_net *n); /* frames flow */
void net_backend_gone(struct virtio_net *n, int err);
void net_bad_ring(struct virtio_net *n, unsigned ring);

/* virtio_net.c; the thread that the queue or the pair belongs to: */

bool net_has(const struct virtio_net *n, unsigned feature_bit); /* accepted */
uint32_t net_hdr_len(const struct virtio_net *n); /* bytes before a frame in the rings */

/* virtio_net_batch.c; likewise: */

unsigned net_queue_number(const struct net_queue *q);                /* of its virtqueue */
void net_push(struct net_queue *q, uint16_t head, uint32_t written); /* to the batch */
void net_publish(struct net_queue *q); /* ends the batch: one index write, one interrupt at most */
bool net_show(struct net_queue *q);    /* the first half of that: was there a batch? */
bool net_tell_used(
	struct net_queue *q); /* the second: an interrupt, if the driver wants one. Did it? */
/*
 * The queue stops, and unless that is a reset all that devices/virtio_provoke.h keeps back has its turns now. The driver is
 * told.
 */
void net_show_all(struct net_queue *q);
void net_interrupt(struct net_queue *q); /* the driver wants one */
void net_again(struct net_queue *q);     /* come back in the next turn of the loop */
bool net_take_due(struct net_queue *q);  /* for who looks: was there a net_again()? */
/*
 * With --provoke first-kick: what was posted before DRIVER_OK is not looked at before a kick. False when queues start again
 * for other pairs: their kicks have been.
 */
bool net_waits_for_kick(const struct virtio_net *n);
void net_take_kick(struct net_queue *q);
/*
 * The driver broke a rule: publish what was done, then stop. When it returns the queue is stopped, and so
 * is the device (virtio_broken()), at once or as soon as its thread has heard of it; the caller must not touch
 * queues any more.
 */
void net_broken(struct net_queue *q, int err);

/* virtio_net.c; pair thread: */

void net_tx_kick(void *pair, uint32_t revents);
/* Likewise for loop_visit(), on the thread that kicks. False: nothing is done, it is for the pair's own thread. */
bool net_tx_kick_inline(void *pair);
void net_tx_can_send(void *pair); /* sink calls */
void net_tx_sent(void *pair);
/* Its backend has stopped: what is done is pushed, the rest as if it had never been popped. */
void net_tx_stop(struct net_pair *p);
/* What is on its way is taken back from the backend, to be sent in the next turn. */
void net_tx_recall(struct net_pair *p);
void net_tx_release(struct net_pair *p); /* the driver has all buffers already */
void net_tx_now(struct net_pair *p);     /* a kick has waited long enough */
/* For a loop that polls. Frames wait: send them. Was there something? */
bool net_tx_look(struct net_pair *p);
/* It is about to sleep: ask for kicks again. False: something is there already. */
bool net_tx_rest(struct net_pair *p);

/* virtio_net_pairs.c; device thread: */

int net_pairs_create(struct virtio_net *n);   /* from n->params, n->backend, n->dev. 0 or -errno */
void net_pairs_destroy(struct virtio_net *n); /* also after a create() that failed */
/* What pairs have to know of the device has changed: when it returns, all that run do. */
void net_pairs_update(struct virtio_net *n);
/* Likewise, and they look at what waits on either side. */
void net_pairs_link(struct virtio_net *n);
/* All are stopped: throw away what they had to tell, and what they were handed. */
void net_pairs_forget(struct virtio_net *n);
/* Run fn(pair) on the thread of each of the first @nr pairs, one after the other. The first error, or 0. */
int net_pairs_call(struct virtio_net *n, unsigned nr, int (*fn)(struct net_pair *p));
/* Likewise of @nr from @first on; that one's thread may call it, too. */
int net_pairs_call_from(struct virtio_net *n, unsigned first, unsigned nr,
                        int (*fn)(struct net_pair *p));
void net_pairs_release(struct virtio_net *n); /* n->releasing is not touched any more */

/* virtio_net_pairs.c; pair thread. For net_pairs_call(): */

int net_pair_start(struct net_pair *p);    /* frames through us. 0 or -errno */
int net_pair_stop(struct net_pair *p);     /* nothing of it runs any more; no-op when stopped. 0 */
int net_pair_waits(struct net_pair *p);    /* a frame is in its hands: -EAGAIN; or 0 */
int net_pair_pause(struct net_pair *p);    /* unless a frame is in its hands: -EAGAIN, it goes on */
int net_pair_offloads(struct net_pair *p); /* tells its backend. 0 or -errno */
int net_pair_resume(struct net_pair *p);   /* net_pair_start() unless it runs */
int net_pair_use(struct net_pair *p);      /* its own of n->backend and those behind it. 0 */
void net_pair_review(struct net_pair *p);  /* whether its loop looks for frames may have changed */
int net_pair_forget(struct net_pair *p);   /* stopped: its backend need not keep anything. 0 */
/* Of a pair other than the first: the device's thread comes and looks. */
void net_pair_tell(struct net_pair *p, enum net_news news);

/*
 * virtio_net_steer.c: RSS. The pair that reads a frame from its backend hashes it and puts it into the inbox of the
 * pair that the table names, its own perhaps; that one receives from there. Pair thread.
 */

int net_inbox_create(struct net_pair *p); /* loop not running; 0 or -errno, destroy() it then too */
void net_inbox_destroy(struct net_pair *p);
int net_inbox_start(struct net_pair *p);  /* 0 or -errno */
void net_inbox_stop(struct net_pair *p);  /* what is in it stays */
void net_inbox_clear(struct net_pair *p); /* no pair runs; without an inbox too */
/* As recv() of struct net_frame_ops. */
ssize_t net_inbox_recv(struct net_pair *p, const struct iovec *iov, unsigned nr);
/* Its eventfd, for tests that play the loop. */
const struct loop_fd *net_inbox_watch(const struct net_pair *p);
void net_steer(struct net_pair *p); /* its backend may have frames */

/*
 * virtio_net_over.c; device thread. -EPROTO: nobody serves any more, and virtio_failed() has said why. Any other -errno of
 * start: nothing runs.
 */

/* Of a thread while neither side serves: it would wait for a CPU besides what it waits for. As thread_urgent_begin(). */
#define NET_URGENT 1

struct net_pause {
	uint64_t at_ns; /* CLOCK_MONOTONIC, when it began */
	uint64_t ns;    /* 0: there was none */
};

int net_over_start(struct virtio_net *n, enum net_path path); /* the pairs in use. 0 or -errno */
/* 0; -EPROTO; or -EBUSY, for the peer that has the rings does not give them back: nothing has changed. */
int net_over_stop(struct virtio_net *n);
/* The same for good: where the peer ended is of no interest. */
void net_over_drop(struct virtio_net *n);
/*
 * From the path in force to @to, the other one. @from_ns: since then the device's thread has served nobody. 0 and the
 * longest pause of one pair; -errno all are where they were, -EAGAIN for the sake of a frame.
 */
int net_over_go(struct virtio_net *n, enum net_path to, uint64_t from_ns,
                struct net_pause *longest);
/* Any thread, as let_go() of struct net_ring_ops says. */
void net_over_let_go(struct virtio_net *n);

/* virtio_net_path.c: */

/* Device thread. The device starts: serve the pairs in use by the wanted path. 0 or -errno, then nothing runs. */
int net_path_start(struct virtio_net *n);
void net_path_stop(struct virtio_net *n); /* the device stops; the rings are not looked at again */
/* Likewise, but the pairs in use stay what they are; then resume(), as start(), or stop(). */
void net_path_pause(struct virtio_net *n);
int net_path_resume(struct virtio_net *n);
/*
 * Something changed that the choice of the path depends on. On return the wanted path serves; or, after
 * a log_error(), the other one; or the device is stopped and needs a reset. No-op when stopped.
 */
void net_path_review(struct virtio_net *n);
/*
 * Other pairs, or another way to choose among them. 0, and it is in force; -errno what was before is, or
 * (-EPROTO) the device is stopped and needs a reset.
 */
int net_path_steer(struct virtio_net *n, const struct net_steering *want);

/* virtio_net_rx.c: */

void net_rx_start(struct net_pair *p);
void net_rx_stop(struct net_pair *p);    /* window given back, half-received frame dropped */
void net_rx_release(struct net_pair *p); /* likewise, but its driver has all buffers already */
void net_rx_link_down(struct net_pair *p);
void net_rx_can_recv(void *pair);     /* sink call */
void net_rx_turn(struct net_pair *p); /* something to receive may be there */
void net_rx_kick(void *pair, uint32_t revents);
bool net_rx_look(struct net_pair *p); /* as those of tx, about buffers that it waits for */
bool net_rx_rest(struct net_pair *p);

/* virtio_net_burst.c; pair thread: */
void net_burst_start(struct net_pair *p);
void net_burst_stop(struct net_pair *p);
bool net_burst_waits(struct net_pair *p); /* a kick of tx was taken: is it answered later? */
/* A turn of tx is over. Had it waited, and is the ring far from full? */
bool net_burst_sent(struct net_pair *p, const struct net_turn *t);

/* virtio_net_hold.c; pair thread: */

void net_hold_start(struct net_pair *p);
void net_hold_stop(struct net_pair *p);
void net_hold(struct net_pair *p); /* net_tell_used() about a lone frame, now or later */
void net_hold_kicked(
	struct net_pair *p); /* the driver sends: right behind an interrupt that had waited? */
bool net_hold_end(struct net_pair *p);   /* if it waits, now: was an interrupt raised? */
void net_hold_joins(struct net_pair *p); /* if it waits: the driver is interrupted anyhow */

/* virtio_net_try.c; pair thread: */

void net_try_start(
	struct net_pair *p); /* before poll.budget.mode counts: nothing is known of the traffic */
/* Frames may have passed: with POLL_TRY begin to look for them, or end that, when it is time to. No visitor calls it. */
void net_try(struct net_pair *p);
void net_try_idle(
	struct net_pair *p); /* while it looks, now and then: does nobody come any more? */
/* Does the mode want it to look, while frames pass? */
bool net_try_looks(const struct net_pair *p);

/* virtio_net_ctrl.c: */

void net_ctrl_kick(void *arg, uint32_t revents);

#endif
