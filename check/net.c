/* SPDX-License-Identifier: Apache-2.0 */
/* The network device as such: what its driver has learnt of it and told it, and who judges which chain. */
#include <string.h>

#include "check/state.h"
#include "devices/net_features.h"
#include "vmm/core/le.h"

#define SEVERAL (FEATURE(VIRTIO_NET_F_MQ) | FEATURE(VIRTIO_NET_F_RSS))
#define MTU_MIN 68u /* virtio 1.2, 5.1.4.1 */
#define STATUS  offsetof(struct virtio_net_config, status)
#define SPEED   offsetof(struct virtio_net_config, speed)

bool net_has_several(const struct check *c)
{
	return c->asked & SEVERAL;
}

uint16_t net_config16(const struct check *c, size_t off)
{
	return get_le16(c->net.config + off);
}

unsigned net_max_pairs(const struct check *c)
{
	const unsigned max =
		net_config16(c, offsetof(struct virtio_net_config, max_virtqueue_pairs));

	return (c->dev.offered & SEVERAL) && max ? max : 1;
}

unsigned net_mtu(const struct check *c)
{
	const unsigned mtu = net_config16(c, offsetof(struct virtio_net_config, mtu));

	return accepted(c, VIRTIO_NET_F_MTU) && mtu >= MTU_MIN ? mtu : 0;
}

void net_forget(struct check *c)
{
	c->net = (struct check_net){.pairs = 1, .rx_pairs = 1u};
	memcpy(c->net.config, c->dev.config, sizeof(c->net.config));
	memcpy(c->net.mac, c->dev.config, sizeof(c->net.mac));
}

bool net_is_of_before(const struct check_net *n, const uint8_t *mac)
{
	return n->mac_moved && memcmp(mac, n->mac_before, sizeof(n->mac_before)) == 0;
}

/* ---- registers and config space */

/* It is about to have another one. Frames of the one that it had may be on their way. */
static void leave_mac(struct check_net *n)
{
	if (n->own > 0) {
		memcpy(n->mac_before, n->mac, sizeof(n->mac));
		n->mac_moved = true;
	}
	n->own = n->foreign = 0;
}

static void due(check_due *d)
{
	if (*d == 0)
		*d = 1;
}

static void track_link(struct check *c)
{
	struct check_net *n = &c->net;
	const uint16_t status = net_config16(c, STATUS);
	const bool up = status & VIRTIO_NET_S_LINK_UP;

	if (n->status && up && n->link_read && !n->link_up &&
	    accepted(c, VIRTIO_NET_F_SPEED_DUPLEX))
		due(&n->speed);
	late_done(c, &n->status, "net.link-from-status");
	if ((status & VIRTIO_NET_S_ANNOUNCE) && accepted(c, VIRTIO_NET_F_GUEST_ANNOUNCE)) {
		due(&n->announce_ack);
		if (n->has_address) /* an interface that is not up yet tells nobody, and is right */
			due(&n->announce_peers);
	}
	if (up)
		n->link_down = 0;
	else
		due(&n->link_down);
	n->link_read = true;
	n->link_up = up;
}

static void track_config_read(struct check *c, const struct virtio_access *a)
{
	struct check_net *n = &c->net;
	const uint32_t off = a->off - VIRTIO_MMIO_CONFIG, end = off + a->size;

	for (uint32_t i = off; i < end && i < sizeof(n->config); i++)
		n->config[i] = (uint8_t)(a->val >> (8 * (i - off)));
	if (off < sizeof(n->mac) && !n->mac_set)
		memcpy(n->mac, n->config, sizeof(n->mac));
	if (off <= STATUS && end > STATUS && accepted(c, VIRTIO_NET_F_STATUS))
		track_link(c);
	if (off <= SPEED && end > SPEED)
		late_done(c, &n->speed, "net.speed-reread");
}

/* On version 1 a driver may write the address of the device. */
static void track_config_write(struct check *c, const struct virtio_access *a)
{
	struct check_net *n = &c->net;
	const uint32_t off = a->off - VIRTIO_MMIO_CONFIG;

	for (uint32_t i = 0; i < a->size && off + i < sizeof(n->mac); i++)
		n->config[off + i] = (uint8_t)(a->val >> (8 * i));
	if (off >= sizeof(n->mac) || n->mac_set)
		return;
	leave_mac(n);
	memcpy(n->mac, n->config, sizeof(n->mac));
}

void net_track(struct check *c, const struct virtio_access *a)
{
	const uint8_t live = VIRTIO_CONFIG_S_DRIVER_OK | VIRTIO_CONFIG_S_NEEDS_RESET;

	if (!a->write && a->off >= VIRTIO_MMIO_CONFIG)
		track_config_read(c, a);
	if (a->write && a->off >= VIRTIO_MMIO_CONFIG && c->dev.legacy)
		track_config_write(c, a);
	/* A new state of the device's is a matter of another register. */
	if (reads(a, VIRTIO_MMIO_INTERRUPT_STATUS) && (a->val & VIRTIO_MMIO_INT_CONFIG) &&
	    (a->status & live) == VIRTIO_CONFIG_S_DRIVER_OK && accepted(c, VIRTIO_NET_F_STATUS))
		due(&c->net.status);
}

/* ---- chains */

static void judge_frame(struct check *c, const struct check_chain *ch)
{
	const uint32_t len = header_len(c);
	struct check_net *n = &c->net;
	struct check_frame m = {.ch = ch};

	if (ch->out_len < len || ch->started < len || is_short(c, ch) ||
	    !frame_parse(&m.f, ch->start + len, ch->started - len, ch->out_len - len))
		return;
	for (const struct frame_rule *r = frame_rules; r->id; r++)
		judged(c, r->id, r->judge(c, &m));
	if (from_us(c, ch, len))
		n->own++;
	else if (n->own == 0 && !net_is_of_before(n, m.f.at + 6))
		n->foreign++;
	n->has_address |= frame_names_sender(&m.f);
	if (frame_announces(&m.f))
		late_done(c, &n->announce_peers, "announce.peers");
}

void net_chain(struct check_chain *ch)
{
	struct check *c = ch->q->c;

	for (const struct chain_rule *r = net_rules; r->id; r++)
		judged(c, r->id, r->judge(c, ch));
	for (const struct chain_rule *r = room_rules; r->id; r++)
		judged(c, r->id, r->judge(c, ch));
	for (const struct chain_rule *r = legacy_chain_rules; r->id; r++)
		judged(c, r->id, r->judge(c, ch));
	if (check_queue_kind(c, ch->q->index) != QUEUE_TX)
		return;
	c->net.sent++;
	judge_frame(c, ch);
}

/* ---- commands */

static void track_pairs(struct check_net *n, unsigned pairs, uint32_t rx_pairs, bool done)
{
	n->pairs_refused = !done;
	if (!done)
		return;
	n->pairs = pairs;
	n->rx_pairs = rx_pairs;
	n->pairs_said = true;
	n->pairs_looks = 0;
}

static uint32_t first_pairs(unsigned nr)
{
	return nr < 32 ? (UINT32_C(1) << nr) - 1 : UINT32_MAX;
}

static void track_mac(struct check_net *n, const struct check_command *m, bool done)
{
	n->mac_refused = !done;
	if (!done) {
		memcpy(n->refused_mac, m->data, sizeof(n->refused_mac));
		return;
	}
	leave_mac(n);
	memcpy(n->mac, m->data, sizeof(n->mac));
	n->mac_set = true;
}

static void track_vlan(struct check_net *n, const struct check_command *m, bool done)
{
	const uint16_t id = get_le16(m->data) & 0xfff;
	const uint64_t bit = UINT64_C(1) << (id % 64);

	if (m->cmd == VIRTIO_NET_CTRL_VLAN_ADD)
		n->vlan[id / 64] |= bit;
	else if (done)
		n->vlan[id / 64] &= ~bit;
}

static bool is_command(const struct check_command *m, uint8_t class, uint8_t cmd, size_t len)
{
	return m->class == class && m->cmd == cmd && m->held >= len;
}

/* What of it is in force from now on. */
static void track_command(struct check *c, const struct check_command *m)
{
	struct check_net *n = &c->net;
	const bool done = m->raw->ack == VIRTIO_NET_OK;
	uint16_t tx;

	if (is_command(m, VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, 2))
		track_pairs(n, get_le16(m->data), first_pairs(get_le16(m->data)), done);
	else if (is_command(m, VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_RSS_CONFIG, 0) &&
	         rss_tx_pairs(m, &tx))
		track_pairs(n, tx, rss_rx_pairs(m), done);
	/* Asked for once is enough, whatever the answer: Linux goes on as if it had been done. */
	if (m->class == VIRTIO_NET_CTRL_VLAN && m->held >= 2)
		track_vlan(n, m, done);
	if (is_command(m, VIRTIO_NET_CTRL_ANNOUNCE, VIRTIO_NET_CTRL_ANNOUNCE_ACK, 0))
		late_done(c, &n->announce_ack, "announce.ack");
	if (is_command(m, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, sizeof(n->mac)))
		track_mac(n, m, done);
}

static void judge_by(struct check *c, const struct command_rule *r, const struct check_command *m)
{
	for (; r->id; r++)
		judged(c, r->id, r->judge(c, m));
}

void net_command(struct check *c, const struct virtio_command *raw)
{
	struct check_command m = {.raw = raw};

	late_tx_early(c);
	judge_by(c, framing_rules, &m);
	if (raw->held < 2)
		return;
	m.class = raw->data[0];
	m.cmd = raw->data[1];
	m.data = raw->data + 2;
	m.held = raw->held - 2;
	m.len = raw->out_len - 2;
	judge_by(c, ctrl_rules, &m);
	judge_by(c, rss_rules, &m);
	track_command(c, &m);
}
