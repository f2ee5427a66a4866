/* SPDX-License-Identifier: Apache-2.0 */
/* devices/virtio_net.h - the network device (virtio 1.2, 5.1)
 *
 * Who serves rx and tx is its path: the device itself, frames going through the backend (the frame
 * path), or the backend's peer (the ring path), which may change while it runs. The control queue, the
 * config space and the link always stay here.
 *
 * Queue 0 rx, queue 1 tx, and with several pairs queue 2 rx, queue 3 tx, ...; the last is control (only when
 * CTRL_VQ is offered). The control queue, the config space, the link and the path run on the loop that it
 * was created with, the device's; so does pair 0. Each other pair has a loop of its own, and a thread. That
 * of the device may call into that of a pair, and waits for it (loop_call()); never the other way: a pair only
 * leaves word.
 *
 * Files: virtio_net.c life, config space and transmission; virtio_net_rx.c reception, on the buffers
 * that rx_window.c keeps ready; virtio_net_ctrl.c commands; virtio_net_path.c the path, virtio_net_over.c
 * how pairs go over to another one; virtio_net_pairs.c what goes between the threads, and
 * virtio_net_steer.c the frames that do; virtio_net_batch.c how the driver is shown what was done, and
 * virtio_net_hold.c when it is told of a lone frame. What is a good header is decided in vnet_hdr.c, which frames are
 * for the driver in rx_filter.c, for which pair in rss.c.
 */
#ifndef DOORBELL_VIRTIO_NET_H
#define DOORBELL_VIRTIO_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/core/poll.h"

struct gmem;
struct loop;
struct net_backend;
struct virtio_dev;
struct virtio_net; /* opaque */

#define VIRTIO_NET_QUEUE_SIZE_DEFAULT 256u
#define VIRTIO_NET_PAIRS_MAX          8u

/* Not "config": that is what the kernel's headers call the config space. */
struct virtio_net_params {
	const char *name; /* "net0"; borrowed, must outlive the device */
	uint8_t mac[6];
	uint16_t mtu;        /* 0: VIRTIO_NET_F_MTU is not offered; else 68 .. 65535 */
	uint32_t queue_size; /* power of two, 2 .. VQ_NUM_MAX; rx and tx (control has 64) */
	/* Offered: a closed set out of virtio_net_can(); without VERSION_1, of net_features_legacy() of that. */
	uint64_t features;
	bool rings;          /* begin with the ring path, which is prepared; not a legacy device */
	bool link_down;      /* begin with the cable out */
	enum poll_mode poll; /* of each pair's loop, while frames pass through us */
	unsigned
		tx_hold_us; /* for so long the interrupt about a lone frame may wait: virtio_net_hold.c; 0: not at all */
	unsigned
		kick_wait_us; /* for so long the kick of a burst may wait for the rest: tx_burst.h; 0: not at all */
	bool kick_inline; /* who kicks sends a lone frame itself: the loops let visit (vmm/core/loop.h) */
	unsigned more_pairs; /* besides the first, each with a backend behind its; < PAIRS_MAX */
	struct loop *const *more_loops; /* of these; borrowed, must outlive the device */
};

/* What this device honours with a backend that can @backend_can, mtu given or not: a closed set. */
uint64_t virtio_net_can(uint64_t backend_can, bool has_mtu);

/*
 * @backend is borrowed and must outlive the device; so must @mem and @loop. Called before the
 * loop's thread starts, as is virtio_net_destroy() after it ended. 0; -EINVAL parameters that the
 * comments above forbid; or another -errno.
 */
int virtio_net_create(const struct virtio_net_params *p, struct net_backend *backend,
                      const struct gmem *mem, struct loop *loop, struct virtio_net **out);
void virtio_net_destroy(struct virtio_net *n); /* NULL is fine */

struct virtio_dev *virtio_net_dev(struct virtio_net *n);

/*
 * Loop thread. Tells the driver by a config interrupt when STATUS was accepted; no frames while down:
 * what arrives or is sent meanwhile is dropped. Survives resets. A lost backend keeps the link down, until
 * its peer is back.
 */
void virtio_net_set_link(struct virtio_net *n, bool up);
/* Loop thread. Do frames flow: wanted, and the backend is there? */
bool virtio_net_link(const struct virtio_net *n);
/* What became of virtio_net_set_path(). */
struct virtio_net_switch {
	/* The longest time for which neither side served the rings of one pair; 0: nothing was running, or it went back. */
	uint64_t pause_ns;
	uint64_t pause_at_ns; /* CLOCK_MONOTONIC, when it began; 0 with pause_ns */
	char why[400];        /* with an error */
};

/*
 * Loop thread. Change the path: nothing is lost, doubled or reordered by it, and the driver does not
 * notice. Survives resets. 0; -EAGAIN a frame in our hands waits for buffers of the driver, try again;
 * another -errno with @s->why: the path is what it was. -EPROTO when the rings themselves are in a
 * state that cannot be: then the device needs a reset.
 *
 * The ring path needs a backend that has it, and no feature offered that it cannot honour. While the
 * link is down, or one of rx and tx is not set up, the frame path serves what there is.
 */
int virtio_net_set_path(struct virtio_net *n, bool rings, struct virtio_net_switch *s);
/*
 * Before each virtio_net_set_path() to the ring path, by the same caller's thread, which is none of the loops': what need
 * not hold up the frames. 0; or -errno with @why: -EAGAIN while a received frame waits for buffers, else what that call
 * would say.
 */
int virtio_net_open_rings(struct virtio_net *n, char *why, size_t size);
/*
 * After each virtio_net_set_path() that took the rings from their peer with 0, and before the next one: end the hold that the
 * peer still has of their eventfds. By the caller's thread, not that of the loop, which serves them meanwhile.
 */
void virtio_net_let_go(struct virtio_net *n);
/*
 * Loop thread. Have frames go through @b from now on, with one behind it for each pair, which passes them to the
 * backend in use, or is the one that the backend in use passes them to: neither is started or stopped. 0; -EBUSY
 * while the ring path is wanted.
 */
int virtio_net_use(struct virtio_net *n, struct net_backend *b);
/* Loop thread. The path in force; while the link is down or no driver is there, the one to come. */
bool virtio_net_rings(const struct virtio_net *n);

/*
 * Loop thread. Use the first @nr pairs, whose queues run: for a driver that says so by other means than the control
 * queue; no-op while there is that queue. 0; or -errno, and what was in use is, or (-EPROTO) the device needs a reset.
 */
int virtio_net_use_pairs(struct virtio_net *n, unsigned nr);

/*
 * Loop thread, which has to be that of all pairs. Of all queues: show what devices/virtio_provoke.h keeps back, if that
 * lets it go.
 */
void virtio_net_flush(struct virtio_net *n);
/* As virtio_net_flush(): take all that is offered for sending, as if each queue had been kicked. */
void virtio_net_take(struct virtio_net *n);

/* Loop thread. Ask the driver to announce itself on the network (GUEST_ANNOUNCE); no-op when not accepted. */
void virtio_net_announce(struct virtio_net *n);

/* Loop thread. Pairs in use, 1 after a reset; and whether the driver's RSS table chooses among them. */
unsigned virtio_net_pairs(const struct virtio_net *n, bool *by_rss);

/*
 * What a peer does on the ring path is not counted here, except kicks, when it ends.
 * Plain counters of the pair's thread; others may read stale values. Each is a total since creation. What is
 * of the device, switches and ctrl_*, counts with pair 0.
 */
struct virtio_net_stats {
	uint64_t rx_frames, rx_bytes; /* to the guest, bytes with header */
	uint64_t tx_frames, tx_bytes; /* from the guest */
	uint64_t rx_chains;   /* used entries for rx; more than frames with MRG_RXBUF spreading */
	uint64_t rx_filtered; /* frames for somebody else: rx mode, MAC and VLAN filter */
	uint64_t
		rx_dropped; /* no buffer would ever fit, offload not enabled, over MTU, link down, RSS too fast */
	uint64_t rx_bytes_copied;  /* went through our spill buffer */
	uint64_t rx_steered;       /* frames read and handed to the pair that RSS names */
	uint64_t rx_taken;         /* frames taken that some pair had read and handed over */
	uint64_t rx_steered_bytes; /* copied for either, bytes with header */
	/* Threads woken for what they were handed, and woken by it: each a write(), a read(). */
	uint64_t rx_wakes, rx_wake_reads;
	uint64_t tx_dropped;      /* bad header, runt, refused by the host, link down */
	uint64_t tx_bytes_copied; /* of short frames, and of more pieces than writev() takes */
	uint64_t rx_kicks, tx_kicks, ctrl_kicks; /* by the driver; one wake-up may take several */
	uint64_t rx_kick_reads, tx_kick_reads,
		ctrl_kick_reads; /* wake-ups by a kick, each a read() */
	uint64_t self_kicks;     /* work left for the next turn; each is a write() */
	/*
	 * Of tx_turns, those of the thread that kicked; interrupts that it raised in these, and its other system calls:
	 * writev() and the like, self_kicks.
	 */
	uint64_t tx_inline, tx_inline_interrupts, tx_inline_calls;
	uint64_t tx_waits; /* kicks of which the frames waited for the rest of their burst */
	uint64_t rx_turns, tx_turns;           /* times frames were moved, or looked for */
	uint64_t rx_drained;                   /* times the backend was read until it had none */
	uint64_t rx_interrupts, tx_interrupts; /* wanted by the driver and raised */
	uint64_t rx_interrupts_suppressed, tx_interrupts_suppressed; /* batches published without */
	uint64_t rx_stalls; /* turns that ended because the guest had posted no buffer */
	uint64_t tx_full;   /* turns that ended because the backend was full */
	uint64_t ctrl_commands, ctrl_errors; /* answered; of these with ERR, or not answerable */
	uint64_t ctrl_interrupts, ctrl_interrupts_suppressed;
	uint64_t switches; /* of the path, while it ran */
	uint64_t poll_trials,
		poll_kept; /* with POLL_TRY: trials, and those that found that it pays to look */
};
const struct virtio_net_stats *virtio_net_stats(const struct virtio_net *n); /* of pair 0 */
unsigned virtio_net_nr_pairs(const struct virtio_net *n);                    /* offered */
const struct virtio_net_stats *virtio_net_pair_stats(const struct virtio_net *n, unsigned pair);

#endif
