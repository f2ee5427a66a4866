/* SPDX-License-Identifier: Apache-2.0 */
/* What RSS_CONFIG and HASH_CONFIG say (virtio 1.2, 5.1.6.5.6.4 and 5.1.6.5.7). */
#include "check/state.h"
#include "devices/net_features.h"
#include "vmm/core/le.h"

#define RSS_CONFIG  1u
#define HASH_CONFIG 2u

#define TABLE_AT 8u /* of RSS_CONFIG: types 4, mask 2, unclassified 2 */
#define RESERVED 8u /* of HASH_CONFIG, where the other has those and a table */

static bool is(const struct check_command *m, uint8_t cmd)
{
	return m->class == VIRTIO_NET_CTRL_MQ && m->cmd == cmd;
}

/* RSS_CONFIG as far as the mask is there. */
static bool has_mask(const struct check_command *m)
{
	return is(m, RSS_CONFIG) && m->held >= TABLE_AT;
}

static unsigned entries(const struct check_command *m)
{
	return get_le16(m->data + 4) + 1u;
}

static size_t table_end(const struct check_command *m)
{
	return TABLE_AT + 2 * (size_t)entries(m);
}

bool rss_tx_pairs(const struct check_command *m, uint16_t *out)
{
	if (!has_mask(m) || m->held < table_end(m) + 2)
		return false;
	*out = get_le16(m->data + table_end(m));
	return true;
}

uint32_t rss_rx_pairs(const struct check_command *m)
{
	uint32_t pairs = 0;

	for (size_t at = TABLE_AT - 2; at < table_end(m) && at + 2 <= m->held; at += 2) {
		const uint16_t queue = get_le16(m->data + at);

		if (queue < 32)
			pairs |= UINT32_C(1) << queue;
	}
	return pairs;
}

static enum verdict negotiated(struct check *c, const struct check_command *m)
{
	if (!is(m, RSS_CONFIG))
		return SILENT;
	return accepted(c, VIRTIO_NET_F_RSS)
	               ? KEPT
	               : broken(c, "RSS_CONFIG was sent, and RSS was not accepted");
}

/* @entry: the number of a receive queue, from 0, in 15 bits. */
static bool enabled(const struct check *c, uint16_t entry)
{
	const unsigned queue = 2 * (entry & 0x7fffu);

	return entry < net_max_pairs(c) && queue < c->dev.nr_queues && c->queue[queue].ready;
}

static enum verdict table_enabled(struct check *c, const struct check_command *m)
{
	/* The one for frames without a hash is in front of the table. */
	for (size_t at = TABLE_AT - 2; has_mask(m) && at < table_end(m); at += 2) {
		if (at + 2 > m->held)
			return SILENT;
		if (!enabled(c, get_le16(m->data + at) & 0x7fff))
			return broken(c,
			              "entry %d of the table is receive queue %u, which is not on",
			              (int)(at - TABLE_AT) / 2, get_le16(m->data + at) & 0x7fff);
	}
	return keeps(has_mask(m));
}

static enum verdict table_pow2(struct check *c, const struct check_command *m)
{
	if (!has_mask(m))
		return SILENT;
	return entries(m) & (entries(m) - 1) ? broken(c, "a table of %u entries", entries(m))
	                                     : KEPT;
}

static enum verdict mask_limit(struct check *c, const struct check_command *m)
{
	const unsigned max = net_config16(
		c, offsetof(struct virtio_net_config, rss_max_indirection_table_length));

	if (!has_mask(m))
		return SILENT;
	return entries(m) <= max
	               ? KEPT
	               : broken(c, "a table of %u entries; there may be %u", entries(m), max);
}

static enum verdict hash_types(struct check *c, const struct check_command *m)
{
	const uint32_t can =
		get_le32(c->net.config + offsetof(struct virtio_net_config, supported_hash_types));
	uint32_t want;

	if ((!is(m, RSS_CONFIG) && !is(m, HASH_CONFIG)) || m->held < 4)
		return SILENT;
	want = get_le32(m->data);
	return want & ~can ? broken(c, "hash types 0x%x; there are 0x%x", want, can) : KEPT;
}

/* Where the length of the key stands. */
static bool key_at(const struct check_command *m, size_t *at)
{
	if (has_mask(m))
		*at = table_end(m) + 2;
	else if (is(m, HASH_CONFIG))
		*at = 4 + RESERVED;
	else
		return false;
	return true;
}

static enum verdict key_limit(struct check *c, const struct check_command *m)
{
	const unsigned max = c->net.config[offsetof(struct virtio_net_config, rss_max_key_size)];
	size_t at;

	if (!key_at(m, &at))
		return SILENT;
	if (at >= m->len)
		return broken(c, "%llu bytes end before the length of the key, at %zu",
		              (unsigned long long)m->len, at);
	if (at >= m->held)
		return SILENT;
	if (m->data[at] > max || m->len != at + 1 + m->data[at])
		return broken(c, "a key of %u bytes, of at most %u, in a command with %llu for it",
		              m->data[at], max, (unsigned long long)(m->len - at - 1));
	for (size_t i = TABLE_AT - 2; is(m, RSS_CONFIG) && i < table_end(m); i += 2)
		if (get_le16(m->data + i) & 0x8000)
			return broken(c, "receive queue 0x%04x has the reserved bit",
			              get_le16(m->data + i));
	return KEPT;
}

const struct command_rule rss_rules[] = {
	{"rss.negotiated", negotiated},
	{"rss.table-enabled", table_enabled},
	{"rss.table-pow2", table_pow2},
	{"rss.mask-limit", mask_limit},
	{"rss.hash-types", hash_types},
	{"rss.key-limit", key_limit},
	{NULL, NULL},
};
