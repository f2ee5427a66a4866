/* SPDX-License-Identifier: Apache-2.0 */
/* net/tap_open.h - get hold of a TAP's queue, and say in one line why not */
#ifndef DOORBELL_TAP_OPEN_H
#define DOORBELL_TAP_OPEN_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

struct net_common;

enum tap_path { TAP_PATH_PURE, TAP_PATH_VHOST };

struct tap_config {
	const char *ifname; /* NULL: none given */
	uint64_t fd;        /* UINT64_MAX: none given */
	unsigned path;      /* enum tap_path */
	uint64_t busyloop;  /* microseconds, for vhost, or VHOST_NET_TRY */
};

struct tap_fd {
	int fd;                /* non-blocking, owned */
	char ifname[IFNAMSIZ]; /* what it is bound to */
	uint64_t can;          /* VIRTIO_NET_F_{,GUEST_,HOST_}* masks */
	unsigned hdr_len;      /* bytes before each frame on this queue: 12, or 10 */
	int found_hdr_len;     /* to be put back; -1: nothing to put back */
	int found_flags;       /* F_SETFL, likewise: whoever handed the descriptor in shares them */
	int found_sndbuf;      /* bytes, to be put back; -1: nothing to put back */
	unsigned offload_bits; /* TUN_F_* in force; 0 on a fresh TAP */
	unsigned found_offload_bits; /* to be put back: of what was handed in, else 0 */
};

/*
 * The first queue; of one that can have several, when there are to be more pairs. 0; or -errno after one
 * log_error(), with nothing left behind.
 */
int tap_fd_open(struct tap_fd *t, const struct tap_config *cfg, const struct net_common *common);
/* One more queue of it, attached. Its descriptor, non-blocking, for the caller to close; or as above. */
int tap_fd_more(const struct tap_fd *t, const struct net_common *common);
/* Are frames to go to the queue @fd, one of several? What waits there is dropped with off. 0 or -errno. */
int tap_queue_use(int fd, bool on);
/* Put back what was found, and close. An interface that tap_fd_open() created is gone afterwards. */
void tap_fd_close(struct tap_fd *t);
/* VIRTIO_NET_F_GUEST_* masks that frames from the host may use. 0 or -errno. */
int tap_fd_set_offloads(struct tap_fd *t, uint64_t offloads);
/* May frames from the host still need their checksum? */
bool tap_fd_takes_partial(const struct tap_fd *t);
/*
 * Let the TAP, with all its queues, take whatever is sent: with a limit the kernel's vhost-net does not batch. Until tap_fd_close();
 * no-op from the second time on. 0 or -errno.
 */
int tap_fd_unlimited(struct tap_fd *t);

#endif
