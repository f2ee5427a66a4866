/* SPDX-License-Identifier: Apache-2.0 */
/* devices/rss.h - the hash of a frame, and receive side scaling: which queue it is for (virtio 1.2, 5.1.6.4.3,
 * 5.1.6.5.6.4 and 5.1.6.5.7)
 *
 * The hash is Toeplitz's, over addresses and perhaps ports in the order in which they stand in the
 * packet. What the standard leaves open is decided so:
 *
 * - One 802.1Q tag is looked past.
 * - A fragment, the first one too, has no ports: otherwise the fragments of one datagram would part.
 * - IPv6 extension headers are stepped over, up to RSS_LOOK bytes of the frame; ports behind that do
 *   not count.
 * - A key shorter than RSS_KEY_MAX goes on with zeros.
 */
#ifndef DOORBELL_RSS_H
#define DOORBELL_RSS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RSS_KEY_MAX   40u  /* bytes: 36 of addresses and ports, and the 4 of the result */
#define RSS_TABLE_MAX 128u /* entries */
#define RSS_LOOK      128u /* bytes of a frame that are looked at */

/* VIRTIO_NET_RSS_HASH_TYPE_*; not those of the home address and the routing header. */
#define RSS_HASH_TYPES 0x3fu

/* How to hash. Zeroed: no frame has a hash. */
struct rss_hash {
	uint32_t types; /* subset of RSS_HASH_TYPES */
	uint8_t key[RSS_KEY_MAX];
};

/* What the driver wants, judged: rss_parse(). */
struct rss {
	struct rss_hash hash;
	uint16_t unclassified; /* pair for frames without a hash */
	uint16_t table_mask;   /* entries - 1 */
	uint16_t table[RSS_TABLE_MAX];
	uint16_t
		pairs; /* that it names or may transmit on, so at least 1: all pairs below that are in use */
};

#define RSS_CONFIG_MAX (4u + 2u + 2u + 2u * RSS_TABLE_MAX + 2u + 1u + RSS_KEY_MAX)

/*
 * Judge the data of VIRTIO_NET_CTRL_MQ_RSS_CONFIG, all @len bytes of it, for a device with @nr_pairs
 * pairs. False: unknown hash types, a table that is too long or no power of two, a queue that does not
 * exist, a key that is too long, another length than these make; *r is not written then.
 */
bool rss_parse(struct rss *r, const uint8_t *data, size_t len, unsigned nr_pairs);

/* Likewise of VIRTIO_NET_CTRL_MQ_HASH_CONFIG. False: unknown hash types, a key that is too long, another length. */
bool rss_parse_hash(struct rss_hash *h, const uint8_t *data, size_t len);

/* @len + 4 <= RSS_KEY_MAX. */
uint32_t rss_toeplitz(const uint8_t key[RSS_KEY_MAX], const uint8_t *data, size_t len);

/*
 * Of a frame of which @head has the first @len bytes, RSS_LOOK or all. VIRTIO_NET_HASH_REPORT_*: what it is over;
 * _NONE, and *value is 0: no enabled type fits.
 */
uint16_t rss_hash(const struct rss_hash *h, const uint8_t *head, size_t len, uint32_t *value);
/* The pair that this frame is for; below r->pairs. */
unsigned rss_pair(const struct rss *r, const uint8_t *head, size_t len);

#endif
