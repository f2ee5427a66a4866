/* SPDX-License-Identifier: Apache-2.0 */
/* net/csum.h - the Internet checksum (RFC 1071) */
#ifndef DOORBELL_CSUM_H
#define DOORBELL_CSUM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/*
 * The ones' complement sum of @len bytes, folded to 16 bits, in the byte order of memory: store its
 * complement with memcpy(). Any length, any alignment; an odd last byte is padded with zero.
 */
uint16_t csum_sum(const void *data, size_t len);
/*
 * Likewise of the pseudo header of TCP, UDP and ICMPv6: the source's and the destination's address, @bytes of both (8 or
 * 32), the protocol, and the @len bytes below 65536 that it has in the packet.
 */
uint16_t csum_pseudo(const void *addresses, size_t bytes, uint8_t proto, size_t len);

/*
 * Do what VIRTIO_NET_HDR_F_NEEDS_CSUM asks for (virtio 1.2, 5.1.6.2): sum up [start, len), where the
 * field at @start + @offset holds the pseudo header's sum already, and put the complement there.
 * 0; -EINVAL the field does not lie in the frame.
 */
int csum_complete(uint8_t *frame, size_t len, size_t start, size_t offset);
/*
 * The same in the first @len bytes of @iov[0 .. nr), which has as many. May be guest memory: what
 * somebody changes meanwhile makes a wrong sum and nothing else.
 */
int csum_complete_iov(const struct iovec *iov, unsigned nr, size_t len, size_t start,
                      size_t offset);

#endif
