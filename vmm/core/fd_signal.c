/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/core/fd_signal.h"

#include <errno.h>
#include <linux/aio_abi.h>
#include <poll.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"

#define REQUESTS 64u /* under way at once: as many threads, and then some */

int fd_signal_open(struct fd_signal *s)
{
	aio_context_t aio = 0;

	if (syscall(SYS_io_setup, REQUESTS, &aio) < 0)
		return -errno;
	s->aio = aio;
	return 0;
}

void fd_signal_close(struct fd_signal *s)
{
	if (s->aio)
		syscall(SYS_io_destroy, s->aio);
	s->aio = 0;
}

/* Not safe from one who fills it between the lines. */
static void set_by_write(int fd)
{
	struct pollfd pfd = {.fd = fd, .events = POLLOUT};

	if (poll(&pfd, 1, 0) > 0 && (pfd.revents & POLLOUT) && fd_set_nonblock(fd) == 0)
		fd_event_set(fd);
}

void fd_signal_set(const struct fd_signal *s, int fd)
{
	/*
	 * An eventfd is always readable, writable, or overflown: it completes at once. Or, when another thread signals in that
	 * moment and so completes it, by a worker of the kernel: an eventfd that is being signalled signals none.
	 */
	struct iocb request = {
		.aio_lio_opcode = IOCB_CMD_POLL,
		.aio_fildes = (uint32_t)fd,
		.aio_buf = POLLIN | POLLOUT,
		.aio_flags = IOCB_FLAG_RESFD,
		.aio_resfd = (uint32_t)fd,
	};
	struct iocb *list = &request;
	struct io_event done[8];
	struct timespec at_once = {0};
	const int saved = errno;

	if (!s->aio || syscall(SYS_io_submit, s->aio, 1, &list) != 1)
		set_by_write(fd);
	else /* whosever they are: the queue of what was completed must not fill up */
		syscall(SYS_io_getevents, s->aio, 0, ARRAY_SIZE(done), done, &at_once);
	errno = saved;
}
