/* SPDX-License-Identifier: Apache-2.0 */
/* net/vhost_user_peer.h - the conversation with one vhost-user peer, from its connection to its end
 *
 *	vu_peer_open()    what can it do?           SET_OWNER, GET_FEATURES, protocol features, SET_MEM_TABLE
 *	  ready           nothing is outstanding
 *	vu_peer_start()   serve these rings         SET_FEATURES, SET_VRING_*
 *	vu_peer_stop()    where did you stop?       GET_VRING_BASE
 *	  lost            it went away, did not answer in time, or broke a rule
 *
 * Nothing waits for an answer but vu_peer_stop(): the others send, and what comes back is judged when
 * it comes. A connection that was lost is closed at once; that it was is told by changed(), later and
 * from the loop, so never from inside a call.
 */
#ifndef DOORBELL_VHOST_USER_PEER_H
#define DOORBELL_VHOST_USER_PEER_H

#include <stdbool.h>
#include <stdint.h>

#include "net/net_backend.h"
#include "net/vhost_user_chan.h"

#define VU_PAIRS_MAX 8u
#define VU_RINGS_MAX (2 * VU_PAIRS_MAX)

/* For an answer; and for the last ones, for which a CPU of the guest may be waiting. */
#define VU_PATIENCE_NS UINT64_C(3000000000)
#define VU_STOP_NS     UINT64_C(2000000000)

/* Messages under way: the most are those of a start, after those of the handshake. */
#define VU_SENT_MAX (20u + 8u * VU_RINGS_MAX)

/* What the peer does for the NIC, and may be unable to: these features are negotiated with it. */
uint64_t vu_peer_features(void);

/* The rings that it is to serve; they outlive the connection. */
struct vu_rings {
	struct net_ring ring[VU_RINGS_MAX];
	unsigned nr;       /* 0: none */
	uint64_t accepted; /* by the driver */
	/* The peer's own notes about requests that it has begun, kept for the next peer. */
	int inflight_fd; /* owned; -1: none */
	struct vu_inflight inflight;
};

/* Loop thread; all but the first block private. */
struct vu_peer {
	struct loop *loop;
	/* Set before vu_peer_open(). */
	const struct gmem *mem;
	struct vu_rings *rings;
	uint64_t needs;             /* features without which it is of no use */
	unsigned pairs;             /* that it has to be able to serve; 1 at first */
	uint16_t mtu;               /* 0: not told */
	void (*changed)(void *arg); /* ready, link or lost is not what it was */
	void *arg;

	/* To be read. */
	uint64_t features, protocol; /* offered; negotiated */
	bool ready;
	bool link;     /* what its config space says; true when that says nothing */
	bool lost;     /* and closed; why is known */
	bool refused;  /* it did not go: we gave it up, for what it said or did not say */
	bool serving;  /* it was told of the rings, and has not let go of them */
	char why[160]; /* "it has closed the connection" */

	unsigned nr_told; /* rings that it was ever told to serve */
	struct vu_chan main, back;
	struct vu_sent sent[VU_SENT_MAX]; /* ring buffer: [sent_head, sent_head + nr_sent) */
	unsigned sent_head, nr_sent;
	struct loop_timer silence, tell;
	bool config_asked, config_again;
};

/* Closed. Its timers are there from now on, so a loss can always be told. 0 or -errno, and vu_peer_free(). */
int vu_peer_init(struct vu_peer *p, struct loop *l);
void vu_peer_free(struct vu_peer *p);
/* @fd is connected, non-blocking and owned from here on. What goes wrong is told by changed(). */
void vu_peer_open(struct vu_peer *p, int fd);
void vu_peer_close(struct vu_peer *p); /* no-op when closed */
bool vu_peer_is_open(const struct vu_peer *p);

/* p->rings are to be served; when p is ready. */
void vu_peer_start(struct vu_peer *p);
/*
 * It lets go of the rings: next_avail of each is set. False when it did not say so in time, or there is
 * none: then it is closed.
 */
bool vu_peer_stop(struct vu_peer *p);
/*
 * Lost with the rings, and not because it went: it has the guest's memory, does not do as it is told, and may go on
 * writing to both. That its socket is closed on our side obliges only those who keep rules.
 */
bool vu_peer_is_loose(const struct vu_peer *p);

#endif
