/* SPDX-License-Identifier: Apache-2.0 */
/* devices/net_features.h - names, dependencies and presets of the feature bits of a virtio-net device */
#ifndef DOORBELL_NET_FEATURES_H
#define DOORBELL_NET_FEATURES_H

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <stddef.h>
#include <stdint.h>

#include "devices/virtio.h"
#include "vmm/core/compiler.h"

/* UDP segmentation is younger than the headers of some distributions (virtio 1.3, 5.1.3). */
#ifndef VIRTIO_NET_F_GUEST_USO4
#define VIRTIO_NET_F_GUEST_USO4 54
#define VIRTIO_NET_F_GUEST_USO6 55
#define VIRTIO_NET_F_HOST_USO   56
#endif
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

/* What the driver may take from us; GUEST_OFFLOADS_SET switches exactly these (virtio 1.2, 5.1.6.5.6). */
#define NET_GUEST_GSO                                                          \
	(FEATURE(VIRTIO_NET_F_GUEST_TSO4) | FEATURE(VIRTIO_NET_F_GUEST_TSO6) | \
	 FEATURE(VIRTIO_NET_F_GUEST_ECN) | FEATURE(VIRTIO_NET_F_GUEST_UFO) |   \
	 FEATURE(VIRTIO_NET_F_GUEST_USO4) | FEATURE(VIRTIO_NET_F_GUEST_USO6))
#define NET_GUEST_OFFLOADS (FEATURE(VIRTIO_NET_F_GUEST_CSUM) | NET_GUEST_GSO)

/* What the host does for the driver. */
#define NET_HOST_OFFLOADS                                                   \
	(FEATURE(VIRTIO_NET_F_CSUM) | FEATURE(VIRTIO_NET_F_HOST_TSO4) |     \
	 FEATURE(VIRTIO_NET_F_HOST_TSO6) | FEATURE(VIRTIO_NET_F_HOST_ECN) | \
	 FEATURE(VIRTIO_NET_F_HOST_UFO) | FEATURE(VIRTIO_NET_F_HOST_USO))

/*
 * Not in the default set: RSS costs two copies per frame, and without it a flow comes on the pair that it is sent on,
 * for nothing; HASH_REPORT costs a longer header and a hash, and no peer on the rings can be told of either; drivers
 * take packed rings, and order, when they can, and few vhosts have them, so that a NIC with them keeps its path; with
 * NOTIFICATION_DATA each kick is an exit, as no ioeventfd matches what is written then.
 */
#define NET_ONLY_BY_NAME                                                 \
	(FEATURE(VIRTIO_NET_F_RSS) | FEATURE(VIRTIO_NET_F_HASH_REPORT) | \
	 FEATURE(VIRTIO_F_RING_PACKED) | FEATURE(VIRTIO_F_IN_ORDER) |    \
	 FEATURE(VIRTIO_F_NOTIFICATION_DATA))

struct net_feature {
	const char *name; /* "host_tso4", as in features= */
	unsigned bit;
	uint64_t needs_all; /* masks: virtio 1.2, 5.1.3.1; a rule for the driver too */
	uint64_t needs_any; /* at least one of these, when not 0; likewise */
	/*
	 * We do not offer the bit without these, although a driver may accept it without them: a
	 * recommendation of virtio 1.3, 5.1.4.1, or plain sense.
	 */
	uint64_t offered_with;
};

/*
 * Ended by name NULL, in ascending order of bit. Only what this device implements: VERSION_1 among it, and ANY_LAYOUT, which
 * stands for it on a device without.
 */
extern const struct net_feature net_features[];

uint64_t net_features_known(void); /* all bits of the table */

/* What is left of @can on a legacy device, which does not offer VERSION_1: the low 32 bits, and ANY_LAYOUT. Closed. */
uint64_t net_features_legacy(uint64_t can);

/*
 * The first feature of @set whose needs are not in @set; NULL when the set is closed. For what a
 * driver accepted: offered_with does not count.
 */
const struct net_feature *net_features_missing(uint64_t set);

/* Remove from @set, again and again, what lacks its needs or what it is offered with, and what is not known. */
uint64_t net_features_close(uint64_t set);

/*
 * The set that features= asks for, out of @can (what device and backend together honour; closed).
 * @text is a preset (default = all of @can but NET_ONLY_BY_NAME; minimal = VERSION_1, MAC, nothing that helps speed;
 * none = VERSION_1) followed by +name and -name. NULL is "default". VERSION_1 is always in, or, when @can is that of a
 * legacy device, ANY_LAYOUT unless it is removed.
 * Asking for a bit that is not in @can is an error; so is a set that is not closed in the sense of
 * net_features_close(); "default-x" also removes what depends on x. Removing what is not there is fine.
 * 0 and *out; or -EINVAL with the reason in @why (names the bit, why not, and what is allowed).
 */
int net_features_parse(const char *text, uint64_t can, uint64_t *out, char *why, size_t why_size);

/* "csum,host_tso4,..." into @buf, cut at @size; returns @buf. */
const char *net_features_print(uint64_t set, char *buf, size_t size);

#endif
