/* SPDX-License-Identifier: Apache-2.0 */
/* net/slirp_fds.h - the sockets of libslirp in an epoll loop
 *
 * libslirp says before every wait what it waits for, all of it, as for poll(). Here only what changed
 * since the last time becomes a system call. Loop thread only.
 */
#ifndef DOORBELL_SLIRP_FDS_H
#define DOORBELL_SLIRP_FDS_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/core/loop.h"

/*
 * Descriptors below this number are watched, so it is also how many connections a guest can have. A
 * process has 1024 unless somebody raised the limit.
 */
#define SLIRP_FDS 1024

struct slirp_fds;

/* One socket, at the index that is its descriptor. */
struct slirp_fd {
	struct loop_fd watch;
	struct slirp_fds *all;
	uint32_t revents; /* EPOLL*, since libslirp was last told */
	unsigned round;   /* of the last add */
	unsigned at;      /* position in used[] */
};

/* Zero it, set loop. */
struct slirp_fds {
	struct loop *loop;
	bool ready; /* some revents are set; the owner clears it */
	unsigned round, nr;
	uint16_t used[SLIRP_FDS]; /* the descriptors that are watched */
	struct slirp_fd fd[SLIRP_FDS];
};

void slirp_fds_begin(struct slirp_fds *s); /* a new round: what is not added again is dropped */
/* @events are SLIRP_POLL_*. The index for slirp_fds_revents(), or -1: not watched this time. */
int slirp_fds_add(struct slirp_fds *s, int fd, int events);
void slirp_fds_end(struct slirp_fds *s);

int slirp_fds_revents(struct slirp_fds *s, int index); /* SLIRP_POLL_*; and forget them */
/* Right before @fd is closed: its number may be another socket's a moment later. */
void slirp_fds_drop(struct slirp_fds *s, int fd);
void slirp_fds_drop_all(struct slirp_fds *s);

#endif
