/* SPDX-License-Identifier: Apache-2.0 */
/* net/net_iov.h - the few things to do with a scattered buffer
 *
 * The pieces may be guest memory: these functions read or write each byte once and never look at a
 * byte to decide anything.
 */
#ifndef DOORBELL_NET_IOV_H
#define DOORBELL_NET_IOV_H

#include <stddef.h>
#include <sys/uio.h>

#define NET_IOV_MAX 1024 /* pieces that readv() and writev() take (IOV_MAX of Linux) */

size_t iov_bytes(const struct iovec *iov, int n);

/* Copy at most @len bytes at offset @off; returns how many there were. */
size_t iov_get(const struct iovec *iov, int n, size_t off, void *dst, size_t len);
size_t iov_put(const struct iovec *iov, int n, size_t off, const void *src, size_t len);
void iov_zero(const struct iovec *iov, int n, size_t off, size_t len);

/*
 * The same buffer without its bytes [from, to), as pieces in @out[0 .. room). Pieces written, at
 * most n + 1; or -ENOBUFS. Empty pieces are left out.
 */
int iov_cut(const struct iovec *iov, int n, size_t from, size_t to, struct iovec *out, int room);

#endif
