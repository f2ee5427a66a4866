/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/core/iov.h - the few things to do with bytes that lie scattered over an iovec
 *
 * The pieces may be guest memory: these functions read or write each byte at most once and never look
 * at a byte to decide anything. Pieces of length 0 are fine. Any thread.
 */
#ifndef DOORBELL_IOV_H
#define DOORBELL_IOV_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/uio.h>

#include "vmm/core/compiler.h"

size_t iov_bytes(const struct iovec *iov, unsigned nr);

/*
 * Copy @len bytes that begin @off bytes into @iov[0 .. nr), or set them to zero. Bytes done: less
 * than @len only when the iovec ends before.
 */
static inline size_t iov_read(const struct iovec *iov, unsigned nr, size_t off, void *dst,
                              size_t len);
static inline size_t iov_write(const struct iovec *iov, unsigned nr, size_t off, const void *src,
                               size_t len);
static inline size_t iov_zero(const struct iovec *iov, unsigned nr, size_t off, size_t len);

/* Copy @len bytes from the start of one to the start of the other. Bytes done: less only when either ends before. */
size_t iov_copy(const struct iovec *to, unsigned nr_to, const struct iovec *from, unsigned nr_from,
                size_t len);

/*
 * Take the first @len bytes off @iov[0 .. nr), in place. Entries that became empty are left as they
 * are and their number is returned (@nr when there are not @len bytes); the next one, if any, was
 * shortened.
 */
unsigned iov_skip(struct iovec *iov, unsigned nr, size_t len);

/*
 * The same buffer without its bytes [from, to), as pieces in @out[0 .. room). Pieces written, at
 * most nr + 1; or -ENOBUFS. Empty pieces are left out.
 */
int iov_cut(const struct iovec *iov, unsigned nr, size_t from, size_t to, struct iovec *out,
            unsigned room);

/* ---- what is done to every frame, nearly always in its first piece; the others are in iov.c */

size_t iov_read_parts(const struct iovec *iov, unsigned nr, size_t off, void *dst, size_t len);
size_t iov_write_parts(const struct iovec *iov, unsigned nr, size_t off, const void *src,
                       size_t len);
size_t iov_zero_parts(const struct iovec *iov, unsigned nr, size_t off, size_t len);

static inline bool iov_in_first(const struct iovec *iov, unsigned nr, size_t off, size_t len)
{
	return nr > 0 && off <= iov->iov_len && len <= iov->iov_len - off;
}

static inline size_t iov_read(const struct iovec *iov, unsigned nr, size_t off, void *dst,
                              size_t len)
{
	if (unlikely(!iov_in_first(iov, nr, off, len)))
		return iov_read_parts(iov, nr, off, dst, len);
	memcpy(dst, (const char *)iov->iov_base + off, len);
	return len;
}

static inline size_t iov_write(const struct iovec *iov, unsigned nr, size_t off, const void *src,
                               size_t len)
{
	if (unlikely(!iov_in_first(iov, nr, off, len)))
		return iov_write_parts(iov, nr, off, src, len);
	memcpy((char *)iov->iov_base + off, src, len);
	return len;
}

static inline size_t iov_zero(const struct iovec *iov, unsigned nr, size_t off, size_t len)
{
	if (unlikely(!iov_in_first(iov, nr, off, len)))
		return iov_zero_parts(iov, nr, off, len);
	memset((char *)iov->iov_base + off, 0, len);
	return len;
}

#endif
