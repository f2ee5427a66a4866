/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/core/fd_signal.h - signal an eventfd that another process shares, and never wait for that process
 *
 * A write() to an eventfd waits where its counter is full, unless O_NONBLOCK is on; but the flags belong to the open
 * file, so whoever was given the descriptor can fill the one and take off the other, at any moment. There is no
 * RWF_NOWAIT for that write (fs/eventfd.c), and an eventfd cannot be opened a second time. The kernel's own
 * eventfd_signal() never waits: it stops at the largest count. A process gets at that by an asynchronous request whose
 * completion is told by the eventfd (io_submit(2), IOCB_FLAG_RESFD).
 */
#ifndef DOORBELL_FD_SIGNAL_H
#define DOORBELL_FD_SIGNAL_H

struct fd_signal {
	unsigned long aio; /* an aio_context_t; 0: none */
};

/* 0; or -errno: no asynchronous I/O here, and fd_signal_set() does what it can without. */
int fd_signal_open(struct fd_signal *s);
/* A zeroed one is fine. The kernel takes a grace period of RCU over it (tens of ms), here or at the process's end. */
void fd_signal_close(struct fd_signal *s);
/* Add 1 to the eventfd @fd. Any thread. Three times what fd_event_set() costs: two system calls. */
void fd_signal_set(const struct fd_signal *s, int fd);

#endif
