/* SPDX-License-Identifier: Apache-2.0 */
/* net/net_backend.h - where Ethernet frames come from and go to */
#ifndef DOORBELL_NET_BACKEND_H
#define DOORBELL_NET_BACKEND_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "vmm/core/gmem.h"
#include "vmm/core/opt.h"

struct fd_signal;
struct iovec;
struct loop;
struct net_backend;
struct net_pairs;

#define NET_HDR_LEN 12u /* struct virtio_net_hdr_v1: what stands before every frame here */
/*
 * The largest buffer that recv() may fill: header, Ethernet header with one VLAN tag, 65535 bytes of
 * packet. The caller of recv() always has this much room.
 */
#define NET_RECV_MAX (NET_HDR_LEN + 18u + 65535u)

/*
 * The side that consumes frames. Called on the thread of the backend's loop, never from inside one of the operations
 * below. A sink call may use all of these, stop() too: that the driver broke a rule comes to light
 * while its frames are moved. After stop() the backend is silent at once, also about the rest of the
 * event that it was just telling.
 */
struct net_sink {
	void (*can_recv)(void *arg); /* recv() may have a frame; again and again while it may */
	void (*can_send)(void *arg); /* send() may succeed after -EAGAIN */
	void (*sent)(void *arg);     /* done() may count some; only of a backend that has it */
	/*
	 * Peer lost; err is -errno; link is down. Once per start(): a lost backend still starts. With
	 * want_recv off it may wait until that is on again or send() is called.
	 */
	void (*gone)(void *arg, int err);
	/* Rings only: the peer found a rule broken on the ring with that index. */
	void (*bad_ring)(void *arg, unsigned ring);
	void *arg;
};

/*
 * Kind 1: frames pass through us (tap, user, a test pipe). A buffer holds one virtio_net_hdr_v1
 * (12 bytes, zeroed when no offload is on), then one frame.
 */
struct net_frame_ops {
	/* @offloads: VIRTIO_NET_F_GUEST_* masks that recv() may use from now on. 0 or -errno. */
	int (*start)(struct net_backend *b, uint64_t offloads, const struct net_sink *s);
	/*
	 * No sink call after it returns; no-op when stopped. start() may follow again, and what has come meanwhile
	 * is received then. With done() also recall(), as of frames that are sent again.
	 */
	void (*stop)(struct net_backend *b);
	/* Between start and stop: change what recv() may use (virtio 1.2, 5.1.6.5.6). 0 or -errno. */
	int (*set_offloads)(struct net_backend *b, uint64_t offloads);
	/*
	 * Bytes taken, always all of them; -EAGAIN full, can_send follows; any other -errno: this
	 * frame cannot be sent, drop it and go on. Never partial. @iov is only borrowed. At most
	 * IOV_MAX pieces here and in recv(), one less when the header shares one with the frame.
	 */
	ssize_t (*send)(struct net_backend *b, const struct iovec *iov, unsigned nr);
	/*
	 * NULL: all of a frame may be used again when send() returns. Otherwise it is not copied: the header,
	 * which iov[0] is then, is, and what the other pieces (any number) lie in is read later, until this has
	 * counted the frame. How many more of those that were sent are done, oldest first; also after stop().
	 */
	unsigned (*done)(struct net_backend *b);
	/*
	 * With done(): what is not done when this returns was not sent, and nobody reads it. @again: it will be, in the
	 * same order and before any other frame; false: neither will what was taken back before.
	 */
	void (*recall)(struct net_backend *b, bool again);
	/*
	 * Bytes stored, header included, num_buffers left 0. 0: no frame now, or one that was dropped;
	 * when there are more can_recv comes again, and bytes may have been written to @iov all the
	 * same. Never negative: a lost peer is told by gone. @iov has room for NET_RECV_MAX bytes, so
	 * no frame is cut.
	 */
	ssize_t (*recv)(struct net_backend *b, const struct iovec *iov, unsigned nr);
	/* False: out of guest buffers, stop calling can_recv (and stop polling). Starts true. */
	void (*want_recv)(struct net_backend *b, bool on);
	/*
	 * Stopped, and not for a moment: what waits for the driver, and what comes before the next start(), is
	 * lost. NULL: it waits in the host, or does not come.
	 */
	void (*forget)(struct net_backend *b);
};

/* One ring as another address space needs it. */
struct net_ring {
	uint32_t num;            /* entries */
	gpa_t desc, avail, used; /* as in struct vq_addr; judged: all of it lies in guest memory */
	/*
	 * The next request to take, and with RING_PACKED the next used descriptor, as SET_VRING_BASE has
	 * it: where to begin; after stop(), and after a start() that failed, where the peer ended, or
	 * UINT32_MAX: nobody knows. What a peer says: to be judged.
	 */
	uint32_t next_avail;
	int kick_fd, call_fd; /* eventfds; borrowed until stop(), and let_go(), have returned */
};

/*
 * Kind 2: another address space (the kernel) serves the rings, and no frame passes through us: of pair i
 * ring 2i is rx and 2i + 1 tx. Of a NIC with several pairs the first backend's table serves all of them; a
 * start has the rings of those in use. A backend may have both tables; one of them is started at a time.
 */
struct net_ring_ops {
	const char *name; /* "vhost" */
	/*
	 * start() and stop() are told of each pair by itself, with its backend and its two rings, the others being where they
	 * are: also by the pair's thread, while that of the first waits for it. Such a peer has no RSS.
	 */
	bool by_pair;
	/*
	 * The part of prepare() that takes time, by any thread while none is in another call of this table: frames pass
	 * meanwhile. Optional, and so may be NULL. 0; or -errno with the reason in @why.
	 */
	int (*open)(struct net_backend *b, const struct gmem *m, char *why, size_t why_size);
	/*
	 * All that can be refused, so that it is before anything is touched: open the peer, give it
	 * @m. Any number of times. 0, and b->ring_cannot is known; or -errno with the reason in @why.
	 * The first time, before the loop has a thread, it may wait for a peer: -ETIMEDOUT the deadline
	 * has come.
	 */
	int (*prepare)(struct net_backend *b, const struct gmem *m, char *why, size_t why_size);
	/*
	 * After prepare(). @accepted: features of the driver, none of ring_cannot. On failure the
	 * peer touches nothing any more, but it may have until then. 0 or -errno.
	 */
	int (*start)(struct net_backend *b, uint64_t accepted, uint64_t offloads,
	             struct net_ring *ring, unsigned nr, const struct net_sink *s);
	/*
	 * When it returns the peer touches neither ring nor guest memory, and no sink call follows. The
	 * used index stands in the ring, if that is split.
	 */
	void (*stop)(struct net_backend *b, struct net_ring *ring, unsigned nr);
	/*
	 * stop(), for who can do without: false, the peer does not give the rings back, and nobody else can tell what it has
	 * begun; they stay started, and the next peer gets them (ring_held). May wait, 2 s at most. NULL, as with by_pair: stop().
	 */
	bool (*hand_back)(struct net_backend *b, struct net_ring *ring, unsigned nr);
	/*
	 * After stop(), by when somebody else may serve: what the peer still holds of the rings, eventfds at most, and whose
	 * return takes time. Any thread, while none is in another call of this table. No-op when there is nothing; NULL: never.
	 */
	void (*let_go)(struct net_backend *b);
	/* Between start and stop, as that of struct net_frame_ops. */
	int (*set_offloads)(struct net_backend *b, uint64_t offloads);
	/* Not between start and stop: the memory of prepare() goes. No-op without; prepare() may follow. */
	void (*forget)(struct net_backend *b);
};

/* System calls and waits that the backend made on the data path; plain counters of the loop thread. */
struct net_backend_stats {
	uint64_t sends, send_bytes;   /* frames handed to the host, bytes with header */
	uint64_t recvs, recv_bytes;   /* frames taken from the host */
	uint64_t syscalls_send;       /* writev() and the like */
	uint64_t syscalls_recv;       /* readv(), also those that found nothing */
	uint64_t recv_empty;          /* of these, found nothing */
	uint64_t send_again;          /* send() answered -EAGAIN */
	uint64_t send_errors;         /* frames the host refused */
	uint64_t recv_joined;         /* TCP segments that went into the frame before theirs */
	uint64_t recv_dropped;        /* frames dropped before the guest: queue towards it full */
	uint64_t bytes_copied;        /* payload bytes copied by us (not by the kernel) */
	uint64_t reconnects;          /* times a peer was there again */
	uint64_t trials, trials_paid; /* of whether polling pays, by who serves the rings; it did */
	uint64_t trial_switches;      /* times it was told to poll, or not to */
	uint64_t trial_calls;         /* system calls for all that */
};

/* Frames with numbers (net/numbered.h) that the guest has sent, as a backend found them; counters of the loop thread. */
struct net_numbered_stats {
	uint64_t good;       /* whole, and for the first time */
	uint64_t lost;       /* numbers below the highest that has come which have not */
	uint64_t duplicated; /* had come before, or are older than what is remembered */
	uint64_t reordered;  /* came after a higher number; also good */
	uint64_t corrupted;  /* not what was sent */
	uint64_t others;     /* frames without a number */
};

/* Embedded as first member by each backend. */
struct net_backend {
	const char *kind;      /* "tap", "user" */
	char label[64];        /* what it is bound to, for logs and --print-machine: "tap0" */
	const char *interface; /* of the host behind it, or NULL; lives as long */
	/*
	 * VIRTIO_NET_F_{,GUEST_,HOST_}* offload masks that it can honour, and VIRTIO_NET_F_MQ: it has
	 * several pairs and hands a flow's frames to the one that sent on it last, or by a hash.
	 */
	uint64_t can;
	const struct net_frame_ops *frame;
	const struct net_ring_ops *ring; /* NULL: frames only */
	uint64_t ring_cannot; /* feature masks that ring cannot honour; prepare() may add to them */
	bool ring_first;      /* begin with ring: what the user asked for */
	bool ring_only;       /* no frame ever passes through us: @frame drops what it is given */
	const char *busyloop; /* for how long ring's peer polls, for status; NULL: no choice */
	/*
	 * The peer is away and has begun requests that nobody but it, when it is back, can finish: ring
	 * stays started, and serves again by itself.
	 */
	bool ring_held;
	/*
	 * The eventfds of its rings are another process's too, as long as that likes, also after stop(): signal
	 * them by this. NULL: nobody but we and the kernel has them.
	 */
	const struct fd_signal *signal;
	/*
	 * A peer that comes and goes at any time, started or not: what it does just now (loop thread).
	 * NULL: none, and no attend().
	 */
	const char *peer;
	/*
	 * From now on tell(arg, up) is called when it has come or gone: on the loop, from none of the
	 * calls of these tables. Answers whether it is there. @tell NULL: nobody is.
	 */
	bool (*attend)(struct net_backend *b, void (*tell)(void *arg, bool up), void *arg);
	struct net_backend_stats stats;
	const struct net_numbered_stats *numbered; /* NULL: it does not look for numbers */
	/*
	 * The backend of the next queue pair, on a loop of its own, owned by this one; NULL: the last. What
	 * concerns the whole (ring, set_pairs, destroy) is asked of the first, on its thread; what else is
	 * said to several is said to one after the other.
	 */
	struct net_backend *next;
	/*
	 * Frames go to the first @nr pairs only; what waits for the others is dropped. No pair is started, on
	 * either table. 1 at first; may be asked for the number that it has. 0; -errno, and it is asked for the
	 * old number again. NULL: nothing to do, there is one, or all frames come by the rings.
	 */
	int (*set_pairs)(struct net_backend *b, unsigned nr);
	void (*destroy)(struct net_backend *b); /* frees b; implies stop */
};

/* What every backend is told about its NIC. */
struct net_common {
	const char *nic;                /* "net0", for messages; outlives the backend */
	uint8_t mac[6];                 /* the guest's address */
	uint16_t mtu;                   /* 0 = not given */
	uint64_t deadline_ns;           /* CLOCK_MONOTONIC: wait for nobody longer; 0: no limit */
	unsigned more_pairs;            /* besides the first; 0 when the kind has one_queue */
	struct loop *const *more_loops; /* of these, for their backends */
	struct net_pairs
		*pairs; /* of this process (net/pair.h); outlives the backend; NULL: none */
};

#define NET_CONFIG_MAX 1024u /* bytes for any backend's own config struct */

/*
 * A kind of backend: a row in net_kinds[]. Its keys are parsed into a zeroed config struct of
 * config_size bytes (config_init() then sets defaults, if not NULL).
 */
struct net_kind {
	const char *name; /* the word after --net */
	const char *help; /* one line */
	const struct opt_def *keys;
	size_t config_size;    /* <= NET_CONFIG_MAX */
	const char *one_queue; /* why it has one queue pair only; NULL: it can have several */
	bool kicks_inline; /* kick=inline is possible: to send is a system call, from any thread */
	bool done_later;   /* its frames have a done(): no interrupt about one waits (tx-usecs=) */
	bool one_loop;     /* of a NIC of this kind all pairs are on the loop of the first */
	void (*config_init)(void *config);
	/*
	 * The loop that it has to be on, because a backend that is there already is; NULL, also as a function: one
	 * of its own.
	 */
	struct loop *(*loop)(const void *config, const struct net_pairs *pairs);
	bool shares_memory; /* another process maps guest memory: it has to be files */
	/*
	 * Open everything now, so that privileges can be dropped afterwards and errors come before
	 * the guest starts. 0 and *out owned by the caller (net_destroy()); or -errno after one
	 * log_error() that names what was given and what is allowed, with nothing left behind.
	 */
	int (*create)(const void *config, const struct net_common *common, struct loop *l,
	              struct net_backend **out);
};

extern const struct net_kind *const net_kinds[];        /* NULL-ended; the one table of backends */
const struct net_kind *net_kind_find(const char *name); /* exact; NULL */

void net_destroy(struct net_backend *b); /* NULL is fine */

/*
 * Wrap @b, and the backends of its other pairs, so that every frame in both directions goes to the one pcap file
 * @path (net/pcap.c). @b is owned by the wrapper from then on, also on failure. What is in the file stays until net_pcap_begin().
 * @path is borrowed. The reader of a FIFO is waited for until @deadline_ns (CLOCK_MONOTONIC, 0: no limit). 0; or -errno
 * after one log_error(), with @b destroyed and *out NULL.
 */
int net_pcap_create(const char *path, uint64_t deadline_ns, struct net_backend *b,
                    struct net_backend **out);
/*
 * Nothing can be refused any more: empty the file, write its header. @b is what net_pcap_create() made; before its
 * first start(); no-op from the second time on. 0; or -errno after one log_error().
 */
int net_pcap_begin(struct net_backend *b);

/*
 * net_pcap_create() around a backend that may be running: @b stays the caller's until 0 is returned, and whoever
 * uses it goes on with *out, each pair on its thread, from one operation to the next, and with no frame on its way that
 * done() is to count. Waits for nobody: @path is no FIFO, no pipe and no socket. -errno with the reason in @why.
 */
int net_pcap_wrap(const char *path, struct net_backend *b, struct net_backend **out, char *why,
                  size_t why_size);
struct net_backend *net_pcap_inner(struct net_backend *wrapper); /* what it is around, and counts */
/* The other way, once nobody uses @wrapper any more: its capture ends. What it was around, as it is. */
struct net_backend *net_pcap_unwrap(struct net_backend *wrapper);

#endif
