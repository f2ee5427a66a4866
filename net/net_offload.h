/* SPDX-License-Identifier: Apache-2.0 */
/* net/net_offload.h - what stands in the header before a frame, and what to do when the reader cannot take it */
#ifndef DOORBELL_NET_OFFLOAD_H
#define DOORBELL_NET_OFFLOAD_H

#include <linux/virtio_net.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "vmm/core/compiler.h"

/* UDP segmentation (Linux 6.2) is younger than the headers of some distributions. */
#ifndef VIRTIO_NET_F_GUEST_USO4
#define VIRTIO_NET_F_GUEST_USO4 54
#define VIRTIO_NET_F_GUEST_USO6 55
#define VIRTIO_NET_F_HOST_USO   56
#endif

/*
 * Every offload, both ways: of a backend that hands a frame of one driver to another, or to the same again. What a
 * header means to the one who wrote it (HOST_*) it means to the one who reads it (GUEST_*).
 */
#define NET_OFFLOADS_ALL                                                      \
	(FEATURE(VIRTIO_NET_F_CSUM) | FEATURE(VIRTIO_NET_F_GUEST_CSUM) |      \
	 FEATURE(VIRTIO_NET_F_HOST_TSO4) | FEATURE(VIRTIO_NET_F_HOST_TSO6) |  \
	 FEATURE(VIRTIO_NET_F_HOST_ECN) | FEATURE(VIRTIO_NET_F_HOST_UFO) |    \
	 FEATURE(VIRTIO_NET_F_HOST_USO) | FEATURE(VIRTIO_NET_F_GUEST_TSO4) |  \
	 FEATURE(VIRTIO_NET_F_GUEST_TSO6) | FEATURE(VIRTIO_NET_F_GUEST_ECN) | \
	 FEATURE(VIRTIO_NET_F_GUEST_UFO) | FEATURE(VIRTIO_NET_F_GUEST_USO4) | \
	 FEATURE(VIRTIO_NET_F_GUEST_USO6))

/*
 * For a reader without GUEST_CSUM, to whom a checksum is not left (virtio 1.2, 5.1.6.4.1): complete the one of
 * the frame in @iov, @len bytes with its header, and clear the header. A segment that the reader cannot take stays
 * one, and is the device's to drop.
 */
void net_offload_complete(const struct iovec *iov, unsigned nr, size_t len);

#endif
