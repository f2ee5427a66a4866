/* SPDX-License-Identifier: Apache-2.0 */
/* devices/iov.h - bytes that lie scattered over an iovec, as a driver likes to place them */
#ifndef DOORBELL_DEVICES_IOV_H
#define DOORBELL_DEVICES_IOV_H

#include <stddef.h>
#include <sys/uio.h>

/*
 * Copy @len bytes that begin @off bytes into @iov[0 .. nr). Bytes copied: less than @len only when
 * the iovec ends before. Entries of length 0 are fine. Any thread.
 */
size_t iov_read(const struct iovec *iov, unsigned nr, size_t off, void *dst, size_t len);
size_t iov_write(const struct iovec *iov, unsigned nr, size_t off, const void *src, size_t len);

/*
 * Cut the first @len bytes off @iov[0 .. nr), which has that many. Entries that became empty are
 * left as they are and their number is returned; the next one, if any, was shortened.
 */
unsigned iov_skip(struct iovec *iov, unsigned nr, size_t len);

#endif
