/* SPDX-License-Identifier: Apache-2.0 */
/* devices/virtio.h - the contract between a virtio device and its transport
 *
 *   0 -> ACKNOWLEDGE -> DRIVER -> FEATURES_OK -> DRIVER_OK        (virtio 1.2, 3.1.1)
 *   any -> 0 by reset; DRIVER_OK -> NEEDS_RESET when the driver breaks a rule
 */
#ifndef DOORBELL_VIRTIO_H
#define DOORBELL_VIRTIO_H

#include <linux/virtio_config.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "devices/vq.h"

/* Younger than the headers of some distributions. */
#ifndef VIRTIO_F_NOTIFICATION_DATA
#define VIRTIO_F_NOTIFICATION_DATA 38
#endif

struct fd_signal;
struct loop;
struct virtio_dev;
struct virtio_provoke;
struct virtio_watch;

/*
 * What a device type supplies; const, one per type. All calls are made on the loop thread, so
 * devices need no locks. A device may serve queues on other threads, from its start() to its stop(). Config
 * accesses are clipped to config_len before the call. Between two calls the driver may take a queue back, which stops
 * its vq after release(): its buffers are not to be touched any more.
 */
struct virtio_dev_ops {
	uint32_t id;         /* virtio device number: 1 = net */
	uint32_t config_len; /* bytes */
	void (*config_read)(struct virtio_dev *d, uint32_t off, void *buf, uint32_t len);
	/* NULL: the config space is read-only */
	void (*config_write)(struct virtio_dev *d, uint32_t off, const void *buf, uint32_t len);
	/*
	 * FEATURES_OK: is this set of accepted features one that we run with? It is always a subset
	 * of offered. NULL: any subset will do.
	 */
	bool (*features_ok)(const struct virtio_dev *d, uint64_t accepted);
	/*
	 * DRIVER_OK: features are final, the vq of every ready queue is started. 0 or -errno; on
	 * error the core sets NEEDS_RESET and calls nothing else before the next start.
	 */
	int (*start)(struct virtio_dev *d);
	/*
	 * Reset, or the guest broke a rule. Cannot fail. On return no callback of the device will
	 * run, no peer touches the rings, no queue fd is in use. Called only after a start() that
	 * returned 0; within a callback of the device when that one called virtio_broken().
	 */
	void (*stop)(struct virtio_dev *d);
	/* A reset, behind stop() if the device was started: what it said before a start is forgotten, too. Or NULL. */
	void (*reset)(struct virtio_dev *d);
	/*
	 * The driver takes queue @i back while the device is started: on return no peer touches it.
	 * NULL: nobody but us ever does.
	 */
	void (*release)(struct virtio_dev *d, unsigned i);
	/*
	 * virtio_kick(), by any thread: may the caller's do what is to be done? True, and it has. False: the queue's
	 * eventfd is rung. NULL: as false.
	 */
	bool (*kick)(struct virtio_dev *d, unsigned queue);
	/*
	 * virtio_pause(): between start() and stop(), what stop() says is true when it returns, but all that
	 * the driver has set by other means than its queues stays. Then resume() or stop(). resume():
	 * as start(), also when it fails; queues may have come, gone and moved. NULL: not for transports
	 * that pause.
	 */
	void (*pause)(struct virtio_dev *d);
	int (*resume)(struct virtio_dev *d);
};

/* What a transport supplies; const, one per transport. */
struct virtio_transport_ops {
	void (*interrupt)(void *transport); /* any thread; must not block */
	/* Likewise, about buffers of this queue alone. NULL: interrupt() does as well. */
	void (*used)(void *transport, unsigned queue);
	/*
	 * Status or ConfigGeneration are new; with @tell, VIRTIO_ISR_CONFIG goes up and an interrupt
	 * follows as soon as this returns. Loop thread; may block. NULL: not asked.
	 */
	void (*config_changed)(void *transport, bool tell);
};

struct virtio_queue {
	uint32_t num_max;    /* entries offered; power of two */
	struct vq_addr addr; /* driver's wish; transport writes it, start judges it */
	bool ready;
	/* Where to begin; the used index stands in the ring. False: a new ring, at 0. */
	bool goes_on;
	/* What the other side says: to be judged; after virtio_pause() and a broken rule, where we ended. */
	uint32_t next_avail;
	struct vq vq;
	int kick_fd; /* eventfd that the driver's notify rings; owned by the core, open all life long */
};

struct virtio_dev {
	const struct virtio_dev_ops *ops;
	const struct virtio_transport_ops *tops; /* set by the transport; NULL before */
	void *transport;
	/*
	 * Eventfd that interrupts the driver without us, for a peer that serves queues; the transport's,
	 * -1 when there is none.
	 */
	int call_fd;
	const struct fd_signal
		*signal;  /* how to ring queues that others share; borrowed; or NULL */
	const char *name; /* "net0", for messages; borrowed */
	const struct gmem *mem;
	struct virtio_watch *watch;     /* devices/virtio_watch.h; borrowed; NULL: nobody */
	struct virtio_provoke *provoke; /* devices/virtio_provoke.h; likewise */
	bool holds_line;  /* interrupts raise their bits, and whoever provokes it the line, later */
	uint64_t offered; /* masks, never bit numbers */
	uint64_t asked;   /* what the driver wrote, unchecked; for virtio.c only */
	uint64_t accepted;      /* 0 before FEATURES_OK, then a subset of offered */
	_Atomic uint8_t status; /* the loop thread writes it */
	bool started;           /* between ops->start() == 0 and ops->stop(); not while paused */
	bool paused;            /* virtio_pause() */
	struct virtio_queue *queue; /* nr_queues of them; owned by the device type */
	unsigned nr_queues;
	struct loop *loop;                  /* the one thread that may touch all of this ... */
	_Atomic uint32_t *isr;              /* ... except these bits: vCPUs read and clear them */
	_Atomic uint32_t own_isr;           /* that is them, unless the transport has a place */
	_Atomic uint32_t isr_always;        /* or-ed into what they read: virtio_isr_always() */
	_Atomic uint32_t config_generation; /* ... and vCPUs read this */
	/* Counters: anybody may read a stale value. */
	_Atomic uint64_t interrupts; /* raised; by any thread that serves queues */
	uint64_t broken;             /* times the driver broke a rule; the loop thread writes */
};

/*
 * @d's fields ops, name, mem, offered, queue, nr_queues, loop, signal are set by the device type; opens the
 * kick eventfds, call_fd is -1. 0 or -errno. virtio_fini() stops the device and closes them.
 */
int virtio_init(struct virtio_dev *d);
void virtio_fini(struct virtio_dev *d);

/* Transport to core; loop thread unless said otherwise. */

void virtio_set_status(struct virtio_dev *d, uint32_t status); /* 0 = reset, done when it returns */
uint32_t virtio_offered(const struct virtio_dev *d, uint32_t page); /* 32 bits; page > 1: 0 */
void virtio_accept(struct virtio_dev *d, uint32_t page, uint32_t bits);
/* FEATURES_OK: do we run with these? (virtio 1.2, 2.2.2) False after one line that says why not. */
bool virtio_features_fit(const struct virtio_dev *d, uint64_t features);
/* Past the end of the config space: zeros, and writes vanish. */
void virtio_config_read(struct virtio_dev *d, uint32_t off, void *buf, uint32_t len);
void virtio_config_write(struct virtio_dev *d, uint32_t off, const void *buf, uint32_t len);
/*
 * The single place where a guest-chosen number becomes a queue. NULL: no such queue, or (with
 * @to_change) the driver may not change it in this state.
 */
struct virtio_queue *virtio_queue_at(struct virtio_dev *d, uint32_t sel, bool to_change);
/*
 * The driver hands queue @sel over, before DRIVER_OK, or takes it back, at any time: then it has been
 * let go of when this returns (virtio 1.2, 4.2.2.2). Ignored where not legal.
 */
void virtio_queue_ready(struct virtio_dev *d, uint32_t sel, bool ready);

/*
 * For a transport whose driver gives, moves and takes queues while the device is live. After virtio_pause()
 * no queue is served, each that was has its next_avail, and virtio_queue_at() lets all of them be changed, ready too;
 * no-op unless it is started. virtio_resume() begins anew with those that are ready: the rule may turn out to be broken
 * that they follow. Both only with the ops for it.
 */
void virtio_pause(struct virtio_dev *d);
void virtio_resume(struct virtio_dev *d);

#define VIRTIO_ISR_USED   1u /* a device has used buffers */
#define VIRTIO_ISR_CONFIG 2u /* its config space or its status has changed */

/* Any thread. VIRTIO_ISR_* bits that are up. */
uint32_t virtio_isr(const struct virtio_dev *d);
void virtio_isr_ack(struct virtio_dev *d, uint32_t bits);
/*
 * Any thread that holds no lock: the driver wrote @queue to QueueNotify and no ioeventfd took it. Bad numbers are
 * ignored.
 */
void virtio_kick(struct virtio_dev *d, uint32_t queue);

/* Device to core; loop thread unless said otherwise. */

/* Any thread. Ring @fd, an eventfd of a queue or the interrupt's, without waiting for whoever shares it. */
void virtio_signal(const struct virtio_dev *d, int fd);
/*
 * Buffers were used and the driver wants to know: isr, interrupt. Silent unless the device is live. Any
 * thread that serves queues between start() and stop().
 */
void virtio_used(struct virtio_dev *d);
void virtio_used_in(struct virtio_dev *d, unsigned queue); /* in this queue alone */
/*
 * While a peer serves queues its interrupts bypass us, so VIRTIO_ISR_USED always reads 1: "maybe" is the
 * only true answer. Off, after the peer has stopped: the bit is up once more and the driver interrupted,
 * so that an interrupt that is still on its way finds it.
 */
void virtio_isr_always(struct virtio_dev *d, bool on);
/* Config space has changed: generation, isr, interrupt. Only the generation unless it is live. */
void virtio_config(struct virtio_dev *d);
/* As virtio_config() of fields that the running driver did not ask for: whoever has a copy of them hears of it, the driver does not. */
void virtio_config_unheard(struct virtio_dev *d);
/*
 * Stop, NEEDS_RESET, config interrupt, one log line "net0: driver broke a rule: @why". Calls
 * ops->stop(), also from within a callback of the device: on return every queue is stopped and reads
 * as empty, so the caller just returns.
 */
void virtio_broken(struct virtio_dev *d, const char *why);
/* The same when it is not the driver's fault: "net0: @why". */
void virtio_failed(struct virtio_dev *d, const char *why);

#endif
