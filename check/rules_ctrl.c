/* SPDX-License-Identifier: Apache-2.0 */
/* Commands of the control queue (virtio 1.2, 5.1.6.5), but for those of RSS: rules_rss.c. */
#include "check/state.h"
#include "devices/net_features.h"
#include "vmm/core/le.h"

#define F(name) FEATURE(VIRTIO_NET_F_##name)

#define MAC_LEN   6u
#define VLAN_MAX  4095u
#define CLASS_CTX 9u /* VIRTIO_NET_CTRL_RSS_CTX of virtio 1.4 */

static bool is(const struct check_command *m, uint8_t class, uint8_t cmd)
{
	return m->class == class && m->cmd == cmd;
}

/* A command whose data has not the length that it should have. */
static enum verdict bad_len(struct check *c, const struct check_command *m, unsigned need)
{
	return broken(c, "class %u, command %u has %llu bytes of data, not %u", m->class, m->cmd,
	              (unsigned long long)m->len, need);
}

/* ---- what all have in common */

static enum verdict framing(struct check *c, const struct check_command *m)
{
	const struct virtio_command *raw = m->raw;

	return raw->out_len >= 2 && raw->in_len >= 1
	               ? KEPT
	               : broken(c, "a command of %llu bytes to read and %llu to write",
	                        (unsigned long long)raw->out_len, (unsigned long long)raw->in_len);
}

static enum verdict untouched(struct check *c, const struct check_command *m)
{
	return m->raw->changed ? broken(c,
	                                "a command of %llu bytes was changed while the device "
	                                "had it",
	                                (unsigned long long)m->raw->out_len)
	                       : KEPT;
}

const struct command_rule framing_rules[] = {
	{"ctrl.framing", framing},
	{"ctrl.wait-for-used", untouched},
	{NULL, NULL},
};

/* Data of one length, of commands for which no other rule says it. */
static enum verdict data_len(struct check *c, const struct check_command *m)
{
	static const struct {
		uint8_t class, cmd;
		unsigned len;
	} sizes[] = {
		{VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, MAC_LEN},
		{VIRTIO_NET_CTRL_ANNOUNCE, VIRTIO_NET_CTRL_ANNOUNCE_ACK, 0},
		{VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, 2},
		{VIRTIO_NET_CTRL_GUEST_OFFLOADS, VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET, 8},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++)
		if (is(m, sizes[i].class, sizes[i].cmd))
			return m->len == sizes[i].len ? KEPT : bad_len(c, m, sizes[i].len);
	return SILENT;
}

/* ---- features */

static enum verdict needs(struct check *c, const struct check_command *m, uint64_t any,
                          const char *name)
{
	return c->asked & any ? KEPT
	                      : broken(c, "class %u, command %u was sent, and %s was not accepted",
	                               m->class, m->cmd, name);
}

/* Of the classes that have no rule of their own. */
static enum verdict class_negotiated(struct check *c, const struct check_command *m)
{
	static const struct {
		uint8_t class, from, to; /* commands */
		uint64_t any;
		const char *name;
	} classes[] = {
		{VIRTIO_NET_CTRL_VLAN, 0, 255, F(CTRL_VLAN), "CTRL_VLAN"},
		{VIRTIO_NET_CTRL_ANNOUNCE, 0, 255, F(GUEST_ANNOUNCE), "GUEST_ANNOUNCE"},
		{VIRTIO_NET_CTRL_MQ, 0, 0, F(MQ), "MQ"},
		{VIRTIO_NET_CTRL_MQ, 2, 2, F(HASH_REPORT), "HASH_REPORT"},
		{VIRTIO_NET_CTRL_GUEST_OFFLOADS, 0, 255, F(CTRL_GUEST_OFFLOADS),
	         "CTRL_GUEST_OFFLOADS"},
		{6, 0, 255, FEATURE(52) | FEATURE(53), "NOTF_COAL"},
		{8, 0, 255, FEATURE(50), "DEVICE_STATS"},
	};

	if (is(m, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET) &&
	    accepted(c, VIRTIO_NET_F_CTRL_RX))
		return needs(c, m, F(CTRL_MAC_ADDR), "CTRL_MAC_ADDR");
	if (m->class <= VIRTIO_NET_CTRL_MAC || m->class == CLASS_CTX ||
	    is(m, VIRTIO_NET_CTRL_MQ, 1))
		return SILENT;
	for (unsigned i = 0; i < ARRAY_SIZE(classes); i++)
		if (m->class == classes[i].class && m->cmd >= classes[i].from &&
		    m->cmd <= classes[i].to)
			return needs(c, m, classes[i].any, classes[i].name);
	return needs(c, m, 0, "the feature that defines it");
}

static enum verdict rx_negotiated(struct check *c, const struct check_command *m)
{
	if (m->class != VIRTIO_NET_CTRL_RX || m->cmd > VIRTIO_NET_CTRL_RX_ALLMULTI)
		return SILENT;
	return needs(c, m, F(CTRL_RX), "CTRL_RX");
}

static enum verdict rx_extra_negotiated(struct check *c, const struct check_command *m)
{
	if (m->class != VIRTIO_NET_CTRL_RX || m->cmd <= VIRTIO_NET_CTRL_RX_ALLMULTI)
		return SILENT;
	return needs(c, m, F(CTRL_RX_EXTRA), "CTRL_RX_EXTRA");
}

/* ADDR_SET with its own feature alone is what most drivers do. */
static enum verdict mac_negotiated(struct check *c, const struct check_command *m)
{
	const bool set = m->cmd == VIRTIO_NET_CTRL_MAC_ADDR_SET;

	if (m->class != VIRTIO_NET_CTRL_MAC)
		return SILENT;
	return needs(c, m, F(CTRL_RX) | (set ? F(CTRL_MAC_ADDR) : 0),
	             set ? "neither CTRL_MAC_ADDR nor CTRL_RX" : "CTRL_RX");
}

/* ---- their data */

static enum verdict rx_bool(struct check *c, const struct check_command *m)
{
	if (m->class != VIRTIO_NET_CTRL_RX)
		return SILENT;
	if (m->len != 1)
		return bad_len(c, m, 1);
	return m->data[0] <= 1
	               ? KEPT
	               : broken(c, "class 0, command %u: the mode is %u", m->cmd, m->data[0]);
}

/* One of the two tables, whose number is at *at; the next one begins at the new *at. */
static bool table_ok(struct check *c, const struct check_command *m, uint64_t *at, bool group)
{
	const char *name = group ? "multicast" : "unicast";
	uint64_t nr, end;

	if (m->len < *at + 4) {
		(void)broken(c, "%llu bytes end before the number of %s addresses",
		             (unsigned long long)m->len, name);
		return false;
	}
	nr = get_le32(m->data + *at);
	end = *at + 4 + nr * MAC_LEN;
	if (end > m->len || (group && end != m->len)) {
		(void)broken(c, "%llu %s addresses in %llu bytes, from byte %llu on",
		             (unsigned long long)nr, name, (unsigned long long)m->len,
		             (unsigned long long)*at);
		return false;
	}
	for (uint64_t i = *at + 4; i < end && i < m->held; i += MAC_LEN) {
		if ((m->data[i] & 1) == group)
			continue;
		(void)broken(c, "an address that begins with %02x among the %s ones", m->data[i],
		             name);
		return false;
	}
	*at = end;
	return true;
}

static enum verdict mac_table(struct check *c, const struct check_command *m)
{
	uint64_t at = 0;

	if (!is(m, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET))
		return SILENT;
	if (!table_ok(c, m, &at, false))
		return BROKEN;
	if (at + 4 <= m->len && at + 4 > m->held) /* behind what we have of it */
		return SILENT;
	return table_ok(c, m, &at, true) ? KEPT : BROKEN;
}

static enum verdict vlan_id(struct check *c, const struct check_command *m)
{
	uint16_t id;

	if (m->class != VIRTIO_NET_CTRL_VLAN)
		return SILENT;
	if (m->len != 2)
		return bad_len(c, m, 2);
	id = get_le16(m->data);
	if (id > VLAN_MAX)
		return broken(c, "VLAN %u: the last one is %u", id, VLAN_MAX);
	if (m->cmd != VIRTIO_NET_CTRL_VLAN_DEL)
		return KEPT;
	return c->net.vlan[id / 64] >> (id % 64) & 1
	               ? KEPT
	               : broken(c, "VLAN %u is taken out, and was not in", id);
}

static enum verdict offloads(struct check *c, const struct check_command *m)
{
	uint64_t want;

	if (!is(m, VIRTIO_NET_CTRL_GUEST_OFFLOADS, VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET) ||
	    m->len != 8)
		return SILENT;
	want = get_le64(m->data);
	return want & ~c->asked
	               ? broken(c, "offloads 0x%llx, of which 0x%llx were not accepted",
	                        (unsigned long long)want, (unsigned long long)(want & ~c->asked))
	               : KEPT;
}

/* ---- pairs */

static bool sets_pairs(const struct check_command *m, unsigned *nr)
{
	if (!is(m, VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET) || m->len != 2)
		return false;
	*nr = get_le16(m->data);
	return true;
}

static enum verdict pairs_range(struct check *c, const struct check_command *m)
{
	const unsigned max = net_max_pairs(c);
	unsigned nr;

	if (!sets_pairs(m, &nr))
		return SILENT;
	return nr >= 1 && nr <= max
	               ? KEPT
	               : broken(c, "%u pairs are asked for; there are 1 to %u", nr, max);
}

static enum verdict pairs_configured(struct check *c, const struct check_command *m)
{
	unsigned nr;

	if (!sets_pairs(m, &nr) || nr < 1 || nr > net_max_pairs(c))
		return SILENT;
	for (unsigned i = 0; i < 2 * nr && i < c->dev.nr_queues; i++)
		if (!c->queue[i].ready)
			return broken(c, "%u pairs are switched on, and queue %u is not ready", nr,
			              i);
	return KEPT;
}

/* virtio 1.4. A word of features that has its bit is not offered here, so nobody can have accepted it. */
static enum verdict ctx_negotiated(struct check *c, const struct check_command *m)
{
	if (m->class == VIRTIO_NET_CTRL_MQ)
		return KEPT;
	return m->class == CLASS_CTX ? needs(c, m, 0, "RSS_CONTEXT") : SILENT;
}

const struct command_rule ctrl_rules[] = {
	{"ctrl.framing", data_len},
	{"ctrl.class-negotiated", class_negotiated},
	{"ctrl.rx-negotiated", rx_negotiated},
	{"ctrl.rx-extra-negotiated", rx_extra_negotiated},
	{"ctrl.rx-data-bool", rx_bool},
	{"ctrl.mac-negotiated", mac_negotiated},
	{"ctrl.mac-table-format", mac_table},
	{"ctrl.vlan-id", vlan_id},
	{"offloads.negotiated", offloads},
	{"mq.pairs-range", pairs_range},
	{"mq.configure-first", pairs_configured},
	{"rssctx.negotiated", ctx_negotiated},
	{NULL, NULL},
};
