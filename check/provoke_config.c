/* SPDX-License-Identifier: Apache-2.0 */
/* What the config space of a provoked device says. The loop's thread. */
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <stddef.h>

#include "check/provoke_priv.h"
#include "devices/net_features.h"
#include "devices/virtio.h"
#include "vmm/core/le.h"

#define MAC_LEN 6u
#define STATUS  offsetof(struct virtio_net_config, status)
#define SPEED   u32_of(offsetof(struct virtio_net_config, speed))
#define SEVERAL (FEATURE(VIRTIO_NET_F_MQ) | FEATURE(VIRTIO_NET_F_RSS))
#define HASHES  (FEATURE(VIRTIO_NET_F_RSS) | FEATURE(VIRTIO_NET_F_HASH_REPORT))

struct place {
	uint32_t off; /* in the config space */
	uint8_t *buf; /* bytes that are read, from there on */
	uint32_t len;
};

/* Between its third and its fourth byte the address becomes what it is: whoever read the first ones has another's. */
static void tear(struct provoke *p, const struct place *at)
{
	if (p->tears == 0 || at->off >= MAC_LEN || (at->off == 0 && at->len >= MAC_LEN))
		return;
	if (at->off < MAC_LEN / 2) {
		for (uint32_t i = 0; i < at->len && at->off + i < MAC_LEN; i++)
			at->buf[i] ^= 0x54; /* still an address of one station */
		p->torn = true;
	} else if (p->torn) {
		p->torn = false;
		p->tears--;
		provoke_count(p, P_TORN_CONFIG);
		atomic_fetch_add(&p->dev->config_generation, 1);
	}
}

/* The features of which one is offered where the byte at @off has a meaning; 0: it always has, or is none's. */
static uint64_t gate_of(uint32_t off)
{
	if (off < offsetof(struct virtio_net_config, status))
		return FEATURE(VIRTIO_NET_F_MAC);
	if (off < offsetof(struct virtio_net_config, max_virtqueue_pairs))
		return FEATURE(VIRTIO_NET_F_STATUS);
	if (off < offsetof(struct virtio_net_config, mtu))
		return SEVERAL;
	if (off < offsetof(struct virtio_net_config, speed))
		return FEATURE(VIRTIO_NET_F_MTU);
	if (off < offsetof(struct virtio_net_config, rss_max_key_size))
		return FEATURE(VIRTIO_NET_F_SPEED_DUPLEX);
	return off < sizeof(struct virtio_net_config) ? HASHES : 0;
}

/* What nobody may look at is anything. */
static void poison_gated(struct provoke *p, const struct place *at)
{
	for (uint32_t i = 0; i < at->len; i++) {
		const uint64_t gate = gate_of(at->off + i);

		if (!gate || (p->dev->offered & gate))
			continue;
		at->buf[i] = (uint8_t)dice_roll(&p->dice);
		provoke_count(p, P_GATED_CONFIG);
	}
}

/* Bytes from @end on. */
static void fill_tail(struct provoke *p, const struct place *at, uint32_t end, enum provoke_id id)
{
	if (at->off + at->len <= end)
		return;
	for (uint32_t i = at->off < end ? end - at->off : 0; i < at->len; i++)
		at->buf[i] = id == P_SHORT_CONFIG ? 0xff /* as an empty bus */
		                                  : (uint8_t)dice_roll(&p->dice);
	provoke_count(p, id);
}

static uint8_t *byte_of(const struct place *at, uint32_t off)
{
	return off >= at->off && off - at->off < at->len ? &at->buf[off - at->off] : NULL;
}

/* The driver learns of it here, at the latest; then it is the device's. */
static void show_announce(struct provoke *p, uint8_t *low)
{
	if (!p->early_announce || !(p->dev->offered & FEATURE(VIRTIO_NET_F_GUEST_ANNOUNCE)))
		return;
	if (low)
		*low |= VIRTIO_NET_S_ANNOUNCE;
	provoke_ask(p, ACT_EARLY_ANNOUNCE);
}

static void provoke_status(struct provoke *p, const struct place *at)
{
	uint8_t *low = byte_of(at, STATUS), *high = byte_of(at, STATUS + 1);

	if (!(low || high) || !(p->dev->offered & FEATURE(VIRTIO_NET_F_STATUS)))
		return;
	show_announce(p, low);
	if (provoke_on(p, P_STATUS_BITS)) {
		if (low)
			*low |= 0xff & ~(VIRTIO_NET_S_LINK_UP | VIRTIO_NET_S_ANNOUNCE);
		if (high)
			*high = 0xff;
		provoke_count(p, P_STATUS_BITS);
	}
	p->down_seen = p->link_down;
	if (p->link_down)
		provoke_ask(p, ACT_LINK_UP);
}

/* Anything from 0 to 0x7fffffff, what stands for unknown, and what is to be taken for that (virtio 1.2, 5.1.4). */
static const struct {
	uint32_t speed; /* Mbit/s */
	uint8_t duplex;
} speeds[PROVOKE_SPEEDS] = {{UINT32_MAX, 0xff}, {0, 0}, {INT32_MAX, 1}, {10, 0}, {0x80000000, 2}};

bool provoke_speed_unknown(const struct provoke *p)
{
	return speeds[p->speed].speed > INT32_MAX || speeds[p->speed].duplex > 1;
}

static void provoke_speed(struct provoke *p, const struct place *at)
{
	uint8_t field[5];

	if (!(p->dev->offered & FEATURE(VIRTIO_NET_F_SPEED_DUPLEX)))
		return;
	put_le32(field, speeds[p->speed].speed);
	field[4] = speeds[p->speed].duplex;
	for (uint32_t i = 0; i < sizeof(field); i++) {
		uint8_t *byte = byte_of(at, SPEED + i);

		if (!byte)
			continue;
		*byte = field[i];
		provoke_count(p, P_SPEED);
	}
}

uint32_t provoke_config_len(const struct provoke *p)
{
	return provoke_on(p, P_SHORT_CONFIG) ? MAC_LEN : p->dev->ops->config_len;
}

void provoke_config_read(struct virtio_provoke *hooks, uint32_t off, uint8_t *buf, uint32_t len)
{
	struct provoke *p = container_of(hooks, struct provoke, hooks);
	const struct place at = {off, buf, len};

	if (provoke_on(p, P_TORN_CONFIG) && (p->dev->offered & FEATURE(VIRTIO_NET_F_MAC)))
		tear(p, &at);
	if (provoke_on(p, P_GATED_CONFIG))
		poison_gated(p, &at);
	if (provoke_on(p, P_CONFIG_TAIL))
		fill_tail(p, &at, p->dev->ops->config_len, P_CONFIG_TAIL);
	if (provoke_on(p, P_SHORT_CONFIG))
		fill_tail(p, &at, MAC_LEN, P_SHORT_CONFIG);
	if (provoke_on(p, P_SPEED))
		provoke_speed(p, &at);
	provoke_status(p, &at);
}
