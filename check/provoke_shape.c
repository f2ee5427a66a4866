/* SPDX-License-Identifier: Apache-2.0 */
/* What a provoked device is from the first access on: its features, the sizes of its queues, how it was left, its link. */
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include "check/provoke_priv.h"
#include "devices/net_features.h"
#include "devices/virtio.h"
#include "devices/virtio_mmio.h"

/* Those with a field behind the address, and what is of use with such a one only. */
#define BEHIND_MAC                                                                             \
	(FEATURE(VIRTIO_NET_F_STATUS) | FEATURE(VIRTIO_NET_F_MQ) | FEATURE(VIRTIO_NET_F_RSS) | \
	 FEATURE(VIRTIO_NET_F_MTU) | FEATURE(VIRTIO_NET_F_SPEED_DUPLEX) |                      \
	 FEATURE(VIRTIO_NET_F_HASH_REPORT) | FEATURE(VIRTIO_NET_F_GUEST_ANNOUNCE))
/* Each needs another, which goes (virtio 1.2, 5.1.3.1). */
#define NEEDED                                                        \
	(FEATURE(VIRTIO_NET_F_CTRL_VQ) | FEATURE(VIRTIO_NET_F_CSUM) | \
	 FEATURE(VIRTIO_NET_F_GUEST_CSUM))

/* With each bit as the seed says, and what needs one that is missing is missing, too. */
static uint64_t fewer_features(struct provoke *p, uint64_t offered)
{
	uint64_t left = offered;

	for (unsigned i = 0; i < 64; i++)
		if (i != VIRTIO_F_VERSION_1 && dice_below(&p->dice, 4) == 0)
			left &= ~FEATURE(i);
	return net_features_close(left);
}

static uint64_t unknown_features(unused struct provoke *p, uint64_t offered)
{
	return offered | (uint64_t)PROVOKE_UNKNOWN_WORD1 << 32;
}

static uint64_t version_alone(unused struct provoke *p, uint64_t offered)
{
	return offered & FEATURE(VIRTIO_F_VERSION_1);
}

static uint64_t orphans(unused struct provoke *p, uint64_t offered)
{
	return offered & ~NEEDED;
}

static uint64_t behind_mac_gone(unused struct provoke *p, uint64_t offered)
{
	return net_features_close(offered & ~BEHIND_MAC);
}

static uint64_t with_order(unused struct provoke *p, uint64_t offered)
{
	return offered | FEATURE(VIRTIO_F_IN_ORDER);
}

/* One of those that are offered now, but not VERSION_1, which is asked for anyway, and none that nobody knows. */
static void demand_feature(struct provoke *p)
{
	uint64_t left = p->dev->offered & ~FEATURE(VIRTIO_F_VERSION_1) &
	                ~((uint64_t)PROVOKE_UNKNOWN_WORD1 << 32);
	unsigned nr = 0;

	for (uint64_t m = left; m; m &= m - 1)
		nr++;
	for (nr = nr ? dice_below(&p->dice, nr) : 0; nr > 0; nr--)
		left &= left - 1;
	p->demanded = left & (~left + 1); /* the lowest that is left */
}

static void choose_features(struct provoke *p)
{
	static const struct {
		enum provoke_id id;
		uint64_t (*offer)(struct provoke *p, uint64_t offered);
	} all[] = {
		{P_IN_ORDER, with_order},
		{P_SHORT_CONFIG, behind_mac_gone},
		{P_FEWER_FEATURES, fewer_features},
		{P_VERSION_ALONE, version_alone},
		{P_ORPHANS, orphans},
		{P_UNKNOWN_FEATURES, unknown_features},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(all); i++) {
		const uint64_t before = p->dev->offered;

		if (!provoke_on(p, all[i].id))
			continue;
		p->dev->offered = all[i].offer(p, before);
		if (p->dev->offered != before)
			provoke_count(p, all[i].id);
	}
}

static void choose_sizes(struct provoke *p)
{
	const bool tiny = provoke_on(p, P_TINY_QUEUES);

	for (unsigned i = 0; i < p->dev->nr_queues; i++)
		p->dev->queue[i].num_max =
			tiny ? 1u << dice_below(&p->dice, 5) : 32u << dice_below(&p->dice, 6);
	provoke_count(p, tiny ? P_TINY_QUEUES : P_QUEUE_SIZES);
}

/* Ready queues that have not begun: a driver that does not reset finds them in use. */
static void hand_over(struct provoke *p)
{
	struct virtio_dev *d = p->dev;
	struct virtio_mmio *t = d->transport;

	for (unsigned i = 0; i < d->nr_queues; i++) {
		d->queue[i].ready = true;
		d->queue[i].addr = (struct vq_addr){.num = 3, .desc = 4096};
	}
	d->asked = dice_roll(&p->dice);
	d->status =
		VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK;
	atomic_fetch_or(d->isr, VIRTIO_ISR_USED | VIRTIO_ISR_CONFIG);
	if (t) {
		if (p->legacy) /* and queues where another page size says that they are */
			t->v1.page_size = 1;
		t->feature_sel = t->accept_sel = 1;
		t->queue_sel = d->nr_queues - 1;
	}
	provoke_count(p, P_DIRTY_HANDOVER);
}

/* Until the driver is live, and for a look or a moment more. */
static void begin_without_link(struct provoke *p)
{
	if (!(p->dev->offered & FEATURE(VIRTIO_NET_F_STATUS)))
		return;
	p->link_down = true;
	virtio_net_set_link(p->net, false);
	provoke_count(p, P_LATE_LINK);
}

uint32_t provoke_num_max(struct provoke *p, unsigned queue, uint32_t max)
{
	if (!(p->dev->accepted & FEATURE(VIRTIO_F_RING_PACKED)) || max < 32)
		return max;
	provoke_count(p, P_ODD_QUEUES);
	return max - 1 - 2 * (queue % 3); /* the same each time that it is read */
}

void provoke_shape(struct provoke *p)
{
	choose_features(p);
	if (provoke_on(p, P_QUEUE_SIZES) || provoke_on(p, P_TINY_QUEUES))
		choose_sizes(p);
	if (provoke_on(p, P_DIRTY_HANDOVER))
		hand_over(p);
	if (provoke_on(p, P_LATE_LINK))
		begin_without_link(p);
	p->early_announce = provoke_on(p, P_EARLY_ANNOUNCE);
	if (provoke_on(p, P_SPEED))
		p->speed = dice_below(&p->dice, PROVOKE_SPEEDS);
	if (provoke_on(p, P_DEMANDED_FEATURE))
		demand_feature(p);
}
