// SPDX-License-Identifier: Apache-2.0
#include "devices/rss.h"

#include <linux/if_ether.h>
#include <linux/virtio_net.h>
#include <netinet/in.h>
#include <string.h>

#include "vmm/core/compiler.h"
#include "vmm/core/le.h"

_Static_assert(RSS_HASH_TYPES == (VIRTIO_NET_RSS_HASH_TYPE_IPv4 | VIRTIO_NET_RSS_HASH_TYPE_TCPv4 |
                                  VIRTIO_NET_RSS_HASH_TYPE_UDPv4 | VIRTIO_NET_RSS_HASH_TYPE_IPv6 |
                                  VIRTIO_NET_RSS_HASH_TYPE_TCPv6 | VIRTIO_NET_RSS_HASH_TYPE_UDPv6),
               "those that are implemented here");

/* ---- what the driver wants */

struct input {
	const uint8_t *at;
	size_t left;
};

/* The next @len bytes; NULL: there are not as many. */
static const uint8_t *take(struct input *in, size_t len)
{
	const uint8_t *p = in->at;

	if (len > in->left)
		return NULL;
	in->at += len;
	in->left -= len;
	return p;
}

static bool take_types(struct input *in, struct rss_hash *h)
{
	const uint8_t *p = take(in, sizeof(h->types));

	if (!p || (get_le32(p) & ~RSS_HASH_TYPES))
		return false;
	h->types = get_le32(p);
	return true;
}

/* All that is left: a length and so many bytes. */
static bool take_key(struct input *in, struct rss_hash *h)
{
	const uint8_t *p = take(in, 1);

	if (!p || *p > RSS_KEY_MAX || in->left != *p)
		return false;
	memcpy(h->key, in->at, in->left);
	return true;
}

/* A reference to a receive queue: the number of its pair, and a reserved bit. */
static bool take_pair(struct input *in, uint16_t *pair, unsigned nr_pairs)
{
	const uint8_t *p = take(in, sizeof(*pair));

	if (!p || get_le16(p) >= nr_pairs)
		return false;
	*pair = get_le16(p);
	return true;
}

static bool take_table(struct input *in, struct rss *r, unsigned nr_pairs)
{
	const uint8_t *mask = take(in, sizeof(r->table_mask));

	if (!mask || get_le16(mask) >= RSS_TABLE_MAX || (get_le16(mask) & (get_le16(mask) + 1u)))
		return false;
	r->table_mask = get_le16(mask);
	if (!take_pair(in, &r->unclassified, nr_pairs))
		return false;
	r->pairs = u16_of(r->unclassified + 1u);
	for (unsigned i = 0; i <= r->table_mask; i++) {
		if (!take_pair(in, &r->table[i], nr_pairs))
			return false;
		if (r->pairs <= r->table[i])
			r->pairs = u16_of(r->table[i] + 1u);
	}
	return true;
}

bool rss_parse(struct rss *r, const uint8_t *data, size_t len, unsigned nr_pairs)
{
	struct input in = {data, len};
	struct rss want = {0};
	const uint8_t *p;

	if (!take_types(&in, &want.hash) || !take_table(&in, &want, nr_pairs))
		return false;
	p = take(&in, 2); /* transmit queues, as a number of them */
	if (!p || get_le16(p) < 1 || get_le16(p) > nr_pairs)
		return false;
	if (want.pairs < get_le16(p))
		want.pairs = get_le16(p);
	if (!take_key(&in, &want.hash))
		return false;
	*r = want;
	return true;
}

bool rss_parse_hash(struct rss_hash *h, const uint8_t *data, size_t len)
{
	struct input in = {data, len};
	struct rss_hash want = {0};

	if (!take_types(&in, &want))
		return false;
	/* Reserved, where the other command has the table: Linux before 6.5 leaves a number of queues there. */
	if (!take(&in, 8) || !take_key(&in, &want))
		return false;
	*h = want;
	return true;
}

/* ---- the hash */

uint32_t rss_toeplitz(const uint8_t key[RSS_KEY_MAX], const uint8_t *data, size_t len)
{
	/* The next 64 bits of the key, of which the first 32 are in the window. */
	uint64_t window = get_be32(key);
	uint32_t hash = 0;

	for (size_t i = 0; i < len; i++) {
		window = window << 8 | key[i + 4];
		for (unsigned bit = 0; bit < 8; bit++)
			if (data[i] & 0x80u >> bit)
				hash ^= (uint32_t)(window >> (8 - bit));
	}
	return hash;
}

/* What of a packet the hash is over: addresses first, then ports, as they stand there. */
struct flow {
	bool v6;
	uint8_t proto; /* whose ports are known; 0: none are */
	uint8_t bytes[36];
	size_t address_bytes; /* of both; the ports are the 4 behind */
};

static void add_ports(struct flow *f, struct input *in, uint8_t proto)
{
	const uint8_t *ports;

	if (proto != IPPROTO_TCP && proto != IPPROTO_UDP)
		return;
	ports = take(in, 4);
	if (!ports)
		return;
	memcpy(f->bytes + f->address_bytes, ports, 4);
	f->proto = proto;
}

#define IP4_MORE_AND_OFFSET 0x3fffu

static bool flow_of_ip4(struct flow *f, struct input *in)
{
	const uint8_t *h = take(in, 20);

	if (!h || h[0] >> 4 != 4 || (h[0] & 15) < 5)
		return false;
	f->address_bytes = 8;
	memcpy(f->bytes, h + 12, f->address_bytes);
	if (!(get_be16(h + 6) & IP4_MORE_AND_OFFSET) && take(in, (h[0] & 15u) * 4u - 20u))
		add_ports(f, in, h[9]);
	return true;
}

static bool flow_of_ip6(struct flow *f, struct input *in)
{
	const uint8_t *h = take(in, 40);
	uint8_t next;

	if (!h || h[0] >> 4 != 6)
		return false;
	f->v6 = true;
	f->address_bytes = 32;
	memcpy(f->bytes, h + 8, f->address_bytes);
	next = h[6];
	/* Each takes 8 bytes at least, so the end of what is looked at ends this. */
	while (next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_DSTOPTS) {
		h = take(in, 8);
		if (!h || !take(in, (size_t)h[1] * 8))
			return true;
		next = h[0];
	}
	add_ports(f, in, next);
	return true;
}

static bool flow_of(struct flow *f, const uint8_t *head, size_t len)
{
	struct input in = {head, min_size(len, RSS_LOOK)};
	const uint8_t *eth = take(&in, ETH_HLEN);
	unsigned type = eth ? get_be16(eth + 12) : 0;

	if (type == ETH_P_8021Q) {
		const uint8_t *tag = take(&in, 4);

		type = tag ? get_be16(tag + 2) : 0;
	}
	if (type == ETH_P_IP)
		return flow_of_ip4(f, &in);
	return type == ETH_P_IPV6 && flow_of_ip6(f, &in);
}

/* What a hash is over, if the driver wants that: with the ports, or the addresses alone. */
struct kind {
	uint32_t type;
	uint16_t report;
};

#define KIND(name)                                                             \
	{                                                                      \
		VIRTIO_NET_RSS_HASH_TYPE_##name, VIRTIO_NET_HASH_REPORT_##name \
	}

static struct kind kind_with_ports(const struct flow *f)
{
	static const struct kind tcp[] = {KIND(TCPv4), KIND(TCPv6)};
	static const struct kind udp[] = {KIND(UDPv4), KIND(UDPv6)};

	if (f->proto == IPPROTO_TCP)
		return tcp[f->v6];
	if (f->proto == IPPROTO_UDP)
		return udp[f->v6];
	return (struct kind){0};
}

static struct kind kind_of_addresses(const struct flow *f)
{
	static const struct kind ip[] = {KIND(IPv4), KIND(IPv6)};

	return ip[f->v6];
}

uint16_t rss_hash(const struct rss_hash *h, const uint8_t *head, size_t len, uint32_t *value)
{
	struct flow f = {0};
	struct kind kind;
	size_t bytes;

	*value = 0;
	if (!h->types || !flow_of(&f, head, len))
		return VIRTIO_NET_HASH_REPORT_NONE;
	kind = kind_with_ports(&f);
	bytes = f.address_bytes + 4;
	if (!(h->types & kind.type)) {
		kind = kind_of_addresses(&f);
		bytes = f.address_bytes;
	}
	if (!(h->types & kind.type))
		return VIRTIO_NET_HASH_REPORT_NONE;
	*value = rss_toeplitz(h->key, f.bytes, bytes);
	return kind.report;
}

unsigned rss_pair(const struct rss *r, const uint8_t *head, size_t len)
{
	uint32_t hash;

	if (rss_hash(&r->hash, head, len, &hash) == VIRTIO_NET_HASH_REPORT_NONE)
		return r->unclassified;
	return r->table[hash & r->table_mask];
}
