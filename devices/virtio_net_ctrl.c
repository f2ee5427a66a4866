// SPDX-License-Identifier: Apache-2.0
/*
 * Commands of the control queue (virtio 1.2, 5.1.6.5): class, command and data to us, one byte of
 * verdict back. All that a command changes is in effect before its chain is returned. What the driver
 * may not ask for, does not exist or has data of another length is answered with ERR, changing nothing.
 */
#include <errno.h>
#include <linux/virtio_net.h>
#include <string.h>

#include "devices/net_features.h"
#include "devices/virtio_net_priv.h"
#include "devices/virtio_provoke.h"
#include "devices/virtio_watch.h"
#include "vmm/core/compiler.h"
#include "vmm/core/iov.h"
#include "vmm/core/le.h"

#define MAC_LEN 6u

/* The data of a command, still in guest memory: each byte is copied out once. */
struct ctrl_data {
	const struct iovec *iov;
	unsigned nr;
	uint64_t off; /* of the next byte to take */
	uint64_t len; /* end of the data */
};

/* Take the next @len bytes. False when there are not as many. */
static bool data_take(struct ctrl_data *d, void *dst, uint64_t len)
{
	if (len > d->len - d->off)
		return false;
	iov_read(d->iov, d->nr, d->off, dst, len);
	d->off += len;
	return true;
}

/* Take @len bytes, which must be all that is left. */
static bool data_take_all(struct ctrl_data *d, void *dst, uint64_t len)
{
	return d->len - d->off == len && data_take(d, dst, len);
}

static bool ctrl_rx_mode(struct virtio_net *n, uint8_t cmd, struct ctrl_data *data)
{
	unsigned needs = cmd <= VIRTIO_NET_CTRL_RX_ALLMULTI ? VIRTIO_NET_F_CTRL_RX
	                                                    : VIRTIO_NET_F_CTRL_RX_EXTRA;
	uint8_t on;

	if (cmd > VIRTIO_NET_CTRL_RX_NOBCAST || !net_has(n, needs) ||
	    !data_take_all(data, &on, sizeof(on)) || on > 1)
		return false;
	rx_filter_set_mode(&n->filter, cmd, on);
	return true;
}

/* One class of a MAC table; *all when it has more addresses than there is room for. */
static bool take_macs(struct ctrl_data *data, struct rx_macs *t, bool *all)
{
	uint8_t count[4];
	uint64_t nr;

	if (!data_take(data, count, sizeof(count)))
		return false;
	nr = get_le32(count);
	if (nr * MAC_LEN > data->len - data->off)
		return false;
	if (nr > RX_FILTER_MACS - t->nr) {
		*all = true;
		data->off += nr * MAC_LEN;
		return true;
	}
	if (nr)
		data_take(data, t->mac[t->nr], nr * MAC_LEN);
	t->nr += (unsigned)nr;
	return true;
}

static bool ctrl_mac_table(struct virtio_net *n, struct ctrl_data *data)
{
	struct rx_macs t = {0};

	if (!net_has(n, VIRTIO_NET_F_CTRL_RX) || !take_macs(data, &t, &t.all_unicast) ||
	    !take_macs(data, &t, &t.all_multicast) || data->off != data->len)
		return false;
	n->filter.macs = t;
	return true;
}

static bool ctrl_mac_addr(struct virtio_net *n, struct ctrl_data *data)
{
	static const uint8_t zero[MAC_LEN];
	uint8_t mac[MAC_LEN];

	if (!net_has(n, VIRTIO_NET_F_CTRL_MAC_ADDR) || !data_take_all(data, mac, sizeof(mac)) ||
	    (mac[0] & 1) || !memcmp(mac, zero, sizeof(mac)))
		return false;
	memcpy(n->filter.mac, mac, sizeof(mac));
	/* The driver knows; whoever reads the config space meanwhile must not see half of each. */
	virtio_config_unheard(&n->dev);
	return true;
}

static bool ctrl_mac(struct virtio_net *n, uint8_t cmd, struct ctrl_data *data)
{
	switch (cmd) {
	case VIRTIO_NET_CTRL_MAC_TABLE_SET:
		return ctrl_mac_table(n, data);
	case VIRTIO_NET_CTRL_MAC_ADDR_SET:
		return ctrl_mac_addr(n, data);
	default:
		return false;
	}
}

static bool ctrl_vlan(struct virtio_net *n, uint8_t cmd, struct ctrl_data *data)
{
	uint8_t id[2];

	if (cmd > VIRTIO_NET_CTRL_VLAN_DEL || !net_has(n, VIRTIO_NET_F_CTRL_VLAN) ||
	    !data_take_all(data, id, sizeof(id)) || get_le16(id) >= RX_FILTER_VLANS)
		return false;
	rx_filter_set_vlan(&n->filter, get_le16(id), cmd == VIRTIO_NET_CTRL_VLAN_ADD);
	return true;
}

static bool ctrl_announce(struct virtio_net *n, uint8_t cmd, const struct ctrl_data *data)
{
	if (cmd != VIRTIO_NET_CTRL_ANNOUNCE_ACK || !net_has(n, VIRTIO_NET_F_GUEST_ANNOUNCE) ||
	    data->off != data->len)
		return false;
	n->announce = false;
	return true;
}

/* Have @want in force, or all as it was. 0 or -errno. */
static int set_offloads(struct virtio_net *n, uint64_t want)
{
	const uint64_t was = n->offloads;
	int r;

	/* Before the first backend gives it, all pairs take it: a frame may come to any of them. */
	n->offloads = was | want;
	net_pairs_update(n);
	n->offloads = want;
	if (n->path == NET_PATH_RINGS)
		r = n->backend->ring->set_offloads(n->backend, want);
	else
		r = net_pairs_call(n, n->steering.pairs, net_pair_offloads);
	if (r == 0)
		return 0;
	n->offloads = was;
	if (n->path == NET_PATH_FRAMES)
		net_pairs_call(n, n->steering.pairs, net_pair_offloads);
	net_pairs_update(n);
	return r;
}

static bool ctrl_offloads(struct virtio_net *n, uint8_t cmd, struct ctrl_data *data)
{
	uint64_t may = n->dev.accepted & NET_GUEST_OFFLOADS, want;
	uint8_t bytes[8];

	if (cmd != VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET ||
	    !net_has(n, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) ||
	    !data_take_all(data, bytes, sizeof(bytes)))
		return false;
	want = get_le64(bytes);
	if (want & ~may)
		return false;
	want = net_features_close(want); /* segmentation is nothing without checksums */
	return set_offloads(n, want) == 0;
}

/* ---- pairs and hashes (virtio 1.2, 5.1.6.5.6 and 5.1.6.5.7) */

static bool ctrl_vq_pairs(struct virtio_net *n, struct ctrl_data *data)
{
	struct net_steering want = {0};
	uint8_t pairs[2];

	if (!net_has(n, VIRTIO_NET_F_MQ) || !data_take_all(data, pairs, sizeof(pairs)))
		return false;
	want.pairs = get_le16(pairs);
	return want.pairs >= 1 && want.pairs <= n->nr_pairs && net_path_steer(n, &want) == 0;
}

static bool ctrl_hash(struct virtio_net *n, struct ctrl_data *data)
{
	uint8_t config[RSS_CONFIG_MAX];
	uint64_t len = data->len - data->off;

	/* While a table is in force it is the table's command that says what is hashed (5.1.6.4.3). */
	return net_has(n, VIRTIO_NET_F_HASH_REPORT) && !n->steering.by_rss &&
	       len <= sizeof(config) && data_take_all(data, config, len) &&
	       rss_parse_hash(&n->report, config, len);
}

static bool ctrl_rss(struct virtio_net *n, struct ctrl_data *data)
{
	struct net_steering want = {.by_rss = true};
	uint8_t config[RSS_CONFIG_MAX];
	uint64_t len = data->len - data->off;

	if (!net_has(n, VIRTIO_NET_F_RSS) || len > sizeof(config) ||
	    !data_take_all(data, config, len) || !rss_parse(&want.rss, config, len, n->nr_pairs))
		return false;
	want.pairs = want.rss.pairs;
	if (net_path_steer(n, &want) < 0)
		return false;
	if (net_has(n, VIRTIO_NET_F_HASH_REPORT))
		n->report = want.rss.hash;
	return true;
}

static bool ctrl_mq(struct virtio_net *n, uint8_t cmd, struct ctrl_data *data)
{
	switch (cmd) {
	case VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET:
		return ctrl_vq_pairs(n, data);
	case VIRTIO_NET_CTRL_MQ_RSS_CONFIG:
		return ctrl_rss(n, data);
	case VIRTIO_NET_CTRL_MQ_HASH_CONFIG:
		return ctrl_hash(n, data);
	default:
		return false;
	}
}

static bool ctrl_do(struct virtio_net *n, struct ctrl_data *data)
{
	struct virtio_net_ctrl_hdr hdr;

	if (!data_take(data, &hdr, sizeof(hdr)))
		return false;
	switch (hdr.class) {
	case VIRTIO_NET_CTRL_RX:
		return ctrl_rx_mode(n, hdr.cmd, data);
	case VIRTIO_NET_CTRL_MAC:
		return ctrl_mac(n, hdr.cmd, data);
	case VIRTIO_NET_CTRL_VLAN:
		return ctrl_vlan(n, hdr.cmd, data);
	case VIRTIO_NET_CTRL_ANNOUNCE:
		return ctrl_announce(n, hdr.cmd, data);
	case VIRTIO_NET_CTRL_MQ:
		return ctrl_mq(n, hdr.cmd, data);
	case VIRTIO_NET_CTRL_GUEST_OFFLOADS:
		return ctrl_offloads(n, hdr.cmd, data);
	default:
		return false;
	}
}

/* Is this one, whose class is nothing yet that @data has moved past, not to be done? */
static bool refused(struct virtio_net *n, const struct ctrl_data *data)
{
	struct ctrl_data look = *data;
	uint8_t class;

	return unlikely(n->dev.provoke) && data_take(&look, &class, 1) &&
	       n->dev.provoke->ctrl_refused(n->dev.provoke, class);
}

/* The verdict on the command in @iov. Nothing is done for a driver that leaves no place for it. */
static uint8_t carry_out(struct virtio_net *n, const struct vq_chain *c, const struct iovec *iov,
                         unsigned nr)
{
	struct ctrl_data data = {.iov = iov, .nr = nr, .len = c->out_len};
	uint8_t ack = VIRTIO_NET_ERR;

	if (c->in_len && !refused(n, &data) && ctrl_do(n, &data)) {
		net_pairs_update(n);
		ack = VIRTIO_NET_OK;
	}
	return unlikely(n->dev.provoke) ? n->dev.provoke->ctrl_ack(n->dev.provoke, ack) : ack;
}

/* ---- while somebody looks on */

/* Are the first @len bytes of a command, which the driver has not got back yet, not what they were? */
static bool was_changed(const struct vq_chain *c, const uint8_t *was, size_t len)
{
	uint8_t now[256];

	for (size_t at = 0; at < len; at += sizeof(now)) {
		const size_t part = min_size(len - at, sizeof(now));

		iov_read(c->iov, c->nr_out, at, now, part);
		if (memcmp(now, was + at, part) != 0)
			return true;
	}
	return false;
}

/* What is told is what the device goes by: a copy, unless the command is too long for that. */
static uint8_t carry_out_watched(struct virtio_net *n, const struct vq_chain *c)
{
	uint8_t copy[NET_CTRL_COPY];
	const struct iovec copied = {copy, min_size(c->out_len, sizeof(copy))};
	struct virtio_command cmd = {
		.data = copy,
		.held = copied.iov_len,
		.out_len = c->out_len,
		.in_len = c->in_len,
	};

	iov_read(c->iov, c->nr_out, 0, copy, cmd.held);
	cmd.ack = cmd.held == c->out_len ? carry_out(n, c, &copied, 1)
	                                 : carry_out(n, c, c->iov, c->nr_out);
	cmd.changed = was_changed(c, copy, cmd.held);
	virtio_watch_command(n->dev.watch, &cmd);
	return cmd.ack;
}

/* One command. 1 done; 0 none; -EPROTO, -ENOBUFS broken rule. */
static int ctrl_one(struct virtio_net *n)
{
	struct net_queue *q = &n->ctrl;
	struct vq_chain c = {.iov = n->ctrl_iov, .room = NET_CHAIN_ROOM};
	uint32_t written;
	uint8_t ack;
	int r = vq_pop(q->vq, &c);

	if (r != 1)
		return r;
	ack = unlikely(n->dev.watch) ? carry_out_watched(n, &c) : carry_out(n, &c, c.iov, c.nr_out);
	n->pair[0].stats.ctrl_commands++;
	n->pair[0].stats.ctrl_errors += ack != VIRTIO_NET_OK;
	written = (uint32_t)iov_write(c.iov + c.nr_out, c.nr_in, 0, &ack, sizeof(ack));
	if (unlikely(n->dev.watch))
		virtio_watch_wrote(n->dev.watch, net_queue_number(q), c.head, written);
	net_push(q, c.head, written);
	return 1;
}

void net_ctrl_kick(void *arg, unused uint32_t revents)
{
	struct virtio_net *n = arg;
	struct net_queue *q = &n->ctrl;
	int r;

	net_take_kick(q);
	vq_kicks_off(q->vq);
	/* One in a turn: it may stop and start all pairs, and whoever else is on this loop waits for that. */
	r = ctrl_one(n);
	if (r == 0 && vq_kicks_on(q->vq)) {
		vq_kicks_off(q->vq);
		r = 1;
	}
	if (r < 0) {
		net_broken(q, r);
		return;
	}
	if (r == 1)
		net_again(q);
	net_publish(q);
}
