/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registers of virtio-mmio without a device, around the ones that have one (virtio 1.2, 4.2.2): an empty slot in front of
 * the NICs and one behind them, one whose magic number is wrong, one of a version that does not exist. What they say
 * is drawn from the seed. They have no memory: whatever is written has no effect.
 */
#include <linux/virtio_mmio.h>

#include "check/check.h"
#include "check/provoke_priv.h"
#include "devices/virtio_mmio.h"
#include "devices/virtio_watch.h"
#include "vmm/config.h"

#define MAGIC 0x74726976u

static void choose(struct provoke *p, struct provoke_slot *s, unsigned kind)
{
	static const uint32_t magics[] = {0, UINT32_MAX, 0x76697274 /* the other byte order */,
	                                  0x74726977};
	static const uint32_t versions[] = {0, 3, UINT32_MAX};

	s->magic = MAGIC;
	s->version = 2;
	if (kind == 1)
		s->magic = magics[dice_below(&p->dice, ARRAY_SIZE(magics))];
	if (kind == 2)
		s->version = versions[dice_below(&p->dice, ARRAY_SIZE(versions))];
}

static uint32_t slot_reg(const struct provoke_slot *s, uint64_t off)
{
	switch (off) {
	case VIRTIO_MMIO_MAGIC_VALUE:
		return s->magic;
	case VIRTIO_MMIO_VERSION:
		return s->version;
	default: /* and so DeviceID, which says that it is empty */
		return 0;
	}
}

static void seen(struct provoke_slot *s, const struct virtio_access *a)
{
	provoke_count(s->p, P_SLOTS);
	if (s->p->slot_check)
		check_slot(s->p->slot_check, s->index, a);
}

static uint64_t slot_read(void *dev, uint64_t off, unsigned size)
{
	struct provoke_slot *s = dev;
	const struct virtio_access a = {
		.off = u32_of(off), .size = size, .val = size == 4 ? slot_reg(s, off) : 0};

	seen(s, &a);
	return a.val;
}

static void slot_write(void *dev, uint64_t off, unsigned size, uint64_t val)
{
	const struct virtio_access a = {
		.off = u32_of(off), .size = size, .write = true, .val = val};

	seen(dev, &a);
}

static const struct bus_ops slot_ops = {.read = slot_read, .write = slot_write};

void provoke_slots(struct provoke *p, struct vm_config *cfg)
{
	static const char *const names[PROVOKE_SLOTS] = {"slot0", "slot1", "slot2", "slot3"};
	const unsigned room = MACHINE_MAX_VIRTIO - cfg->nr_nics;

	if (!(p->set & PROVOKE_BIT(P_SLOTS)))
		return;
	cfg->nr_slots = min_u32(PROVOKE_SLOTS, room);
	cfg->slots_before = cfg->nr_slots / 2;
	for (unsigned i = 0; i < cfg->nr_slots; i++) {
		struct provoke_slot *s = &p->slot[i];

		*s = (struct provoke_slot){.p = p, .index = i};
		choose(p, s, i);
		cfg->slot[i] = (struct vm_slot){.name = names[i], .ops = &slot_ops, .dev = s};
	}
}

void provoke_slots_check(struct provoke *p, struct check *c)
{
	p->slot_check = c;
}
