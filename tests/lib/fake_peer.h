/* SPDX-License-Identifier: Apache-2.0 */
/* tests/lib/fake_peer.h - a vhost-user back-end that sends every frame back, and breaks rules on request
 *
 * It lives in a thread of its own, as real ones live in a process of their own: it maps the memory that
 * it is given, and serves the rings with devices/vq.h. Plain fields are set while it is not connected. A host failure ends the process with a message.
 */
#ifndef DOORBELL_TESTS_FAKE_PEER_H
#define DOORBELL_TESTS_FAKE_PEER_H

#include <stdbool.h>
#include <stdint.h>

#include "devices/vq.h"
#include "net/vhost_user_chan.h"
#include "vmm/core/unix_socket.h"

#define FAKE_PEER_RINGS    6u
#define FAKE_PEER_REQUESTS 64u

enum peer_fault {
	PEER_IS_SILENT = 1, /* no answer */
	PEER_CLOSES,        /* instead of an answer */
	PEER_OTHER_VERSION,
	PEER_OTHER_REQUEST, /* an answer to what was not asked */
	PEER_NO_REPLY_BIT,
	PEER_SHORT, /* four bytes too few */
	PEER_LONG,  /* four too many */
	PEER_HUGE,  /* a header that announces a gigabyte */
	PEER_HALF,  /* six bytes of a header, and silence */
	PEER_EXTRA_FD,
	PEER_MANY_FDS, /* more than any message has */
	PEER_NO_FD,
	PEER_OTHER_FILE, /* one that is neither in memory nor on a disk */
	PEER_TWICE,
	PEER_WRONG_VALUE, /* refuses; another ring; an absurd region */
};

struct peer_ring {
	struct fake_peer *p;
	uint32_t num, base;
	struct vhost_vring_addr addr;
	struct vq vq;
	struct loop_fd kick; /* owned fd */
	int call_fd;
	bool enabled;
	unsigned was_enabled; /* by the last SET_VRING_ENABLE */
};

struct fake_peer {
	/* What it offers. */
	uint64_t features, protocol;
	uint64_t pairs; /* of queues */
	uint8_t config[VU_CONFIG_MAX];
	uint32_t faulty;       /* request to which it gives a wrong answer ... */
	enum peer_fault fault; /* ... of this kind */
	unsigned times;        /* so often */
	bool idle;             /* takes kicks and serves nothing */
	bool lazy;             /* looks into the rings when it is kicked, not when they start */

	/* What it was told. */
	unsigned seen[FAKE_PEER_REQUESTS]; /* messages, by request */
	unsigned nr_connections;
	uint64_t accepted, status, mtu;
	uint32_t first_base[FAKE_PEER_RINGS]; /* of the last SET_VRING_BASE */
	uint64_t frames;                      /* sent back, over all connections */
	struct vu_inflight inflight;          /* of the last SET_INFLIGHT_FD */

	/* Private. */
	struct loop *loop;
	struct sockaddr_un addr;
	struct loop_fd listener;
	struct vu_chan main;
	int back_fd, inflight_fd;
	struct gmem mem; /* our mapping; no descriptors */
	uint64_t user[GMEM_MAX_REGIONS];
	struct peer_ring ring[FAKE_PEER_RINGS];
};

/* All features that a device can want and every protocol feature that doorbell speaks. */
void fake_peer_create(struct fake_peer *p, const char *path);
void fake_peer_destroy(struct fake_peer *p);
void fake_peer_listen(struct fake_peer *p);
void fake_peer_connect(struct fake_peer *p); /* waits for a listener */
void fake_peer_die(struct fake_peer *p);     /* nothing is finished; the socket's file stays */
/* Waits until its connection has ended, and it knows. */
void fake_peer_until_alone(struct fake_peer *p);
/* A field of it, as its thread sees it. */
unsigned fake_peer_number(struct fake_peer *p, const unsigned *what);
uint64_t fake_peer_wide(struct fake_peer *p, const uint64_t *what);
unsigned fake_peer_seen(struct fake_peer *p, uint32_t request);
/* From now on, @times wrong answers to @request. */
void fake_peer_misbehave(struct fake_peer *p, uint32_t request, enum peer_fault fault,
                         unsigned times);
void fake_peer_set_link(struct fake_peer *p, bool up); /* in its config space; nobody is told */
/* Bytes as they are over the main socket, or the one for its requests. False: it is closed. */
bool fake_peer_say(struct fake_peer *p, const void *bytes, size_t len);
bool fake_peer_ask(struct fake_peer *p, const void *bytes, size_t len);
/* The next answer on the socket for its requests; waits. */
bool fake_peer_answer(struct fake_peer *p, struct vu_header *h, uint64_t *number);

#endif
