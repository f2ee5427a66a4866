/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/core/fd.h - descriptors: -1 means none, always */
#ifndef DOORBELL_FD_H
#define DOORBELL_FD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Close *fd unless it is -1, and make it -1. errno is left as it was. */
void fd_close(int *fd);

/* A non-blocking close-on-exec eventfd with count 0, or -errno. */
int fd_eventfd(void);
/*
 * Add 1; cannot fail on a valid eventfd (a saturated counter is still readable). Any thread, async-signal-safe. Not
 * for one that another process shares: fd_signal.h.
 */
void fd_event_set(int fd);
/* Take the whole count; 0 when it was 0. Does not block on an eventfd, whatever its O_NONBLOCK is. */
uint64_t fd_event_take(int fd);
/*
 * The count that fd_event_take() would take, which stays; 0 without /proc. For eventfds that the kernel signals and
 * nobody reads. Not for hot paths.
 */
uint64_t fd_event_peek(int fd);

/* Is it one? Of what a peer has sent; true also without /proc. Not for hot paths. */
bool fd_is_eventfd(int fd);

/*
 * Of what a peer has sent: does it end at this machine's kernel? Not a file of FUSE, a network or another file system
 * without a disk, where fstat(), a read, epoll_ctl() and even the last call, close(), wait for a server, beyond any
 * signal. True: memory (memfd, tmpfs, huge pages), a file on a disk, and what is no file. Never waits.
 */
bool fd_is_local(int fd);

int fd_set_nonblock(int fd); /* 0 or -errno */

/*
 * Read exactly @len bytes at @off of a regular file into @dst. 0; -ENODATA when the file ends
 * before; or -errno.
 */
int fd_pread_all(int fd, void *dst, size_t len, uint64_t off);
/* Write all of it, waiting where the descriptor is non-blocking. 0 or -errno. */
int fd_write_all(int fd, const void *src, size_t len);

#endif
