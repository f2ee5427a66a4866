/* SPDX-License-Identifier: Apache-2.0 */
/* Registers without a device: where they are, what they say, and what is found of drivers that go on all the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <linux/virtio_mmio.h>
#include <string.h>

#include "arch/arch.h"
#include "check/provoke_priv.h"
#include "tests/lib/check_rig.h"
#include "vmm/config.h"
#include "vmm/core/bus.h"
#include "vmm/vm.h"

#define MAGIC 0x74726976u
#define SLOTS PROVOKE_BIT(P_SLOTS)

struct rig {
	struct check_rig crig;
	struct provoke *p;
	struct vm_config cfg;
};

static void begin(struct rig *r, uint64_t seed, unsigned nics)
{
	*r = (struct rig){.cfg = {.nr_nics = nics}};
	crig_begin(&r->crig, CRIG_V1);
	assert_int_equal(provoke_create(SLOTS, seed, &r->p), 0);
	provoke_slots(r->p, &r->cfg);
	provoke_slots_check(r->p, r->crig.c);
}

static void end(struct rig *r)
{
	provoke_destroy(r->p);
	crig_end(&r->crig);
}

static uint32_t get(const struct rig *r, unsigned slot, uint32_t off)
{
	const struct vm_slot *s = &r->cfg.slot[slot];

	return (uint32_t)s->ops->read(s->dev, off, 4);
}

static void set(const struct rig *r, unsigned slot, uint32_t off, uint32_t val)
{
	const struct vm_slot *s = &r->cfg.slot[slot];

	s->ops->write(s->dev, off, 4, val);
}

/* Reads all three, and compares them when they are there, as some do; the others as soon as there is one. */
static bool probe(const struct rig *r, unsigned slot, bool eager)
{
	const bool magic = get(r, slot, VIRTIO_MMIO_MAGIC_VALUE) == MAGIC;

	if (!magic && !eager)
		return false;
	return get(r, slot, VIRTIO_MMIO_VERSION) == 2 && magic &&
	       get(r, slot, VIRTIO_MMIO_DEVICE_ID) == 1;
}

static void right_drivers_go_on_to_the_next_slot(void **state)
{
	for (uint64_t seed = 0; seed < 16; seed++) {
		struct rig r;

		begin(&r, seed, 1);
		assert_int_equal(r.cfg.nr_slots, 4);
		for (unsigned i = 0; i < 4 * r.cfg.nr_slots; i++) /* and looks there again */
			assert_false(probe(&r, i % r.cfg.nr_slots, seed % 2));
		assert_true(r.p->times[P_SLOTS] > 0);
		crig_expect_clean(&r.crig, "all slots", *state);
		end(&r);
	}
}

/* What a driver does in a slot of each kind behind what says that nobody is there. */
static const struct fault {
	const char *rule;
	unsigned slot;
	uint32_t off;
	bool write;
} faults[] = {
	{"mmio.bad-magic", 1, VIRTIO_MMIO_DEVICE_ID, false},
	{"mmio.bad-magic", 1, VIRTIO_MMIO_STATUS, true},
	{"mmio.bad-version", 2, VIRTIO_MMIO_DEVICE_ID, false},
	{"mmio.bad-version", 2, VIRTIO_MMIO_CONFIG, false},
	{"mmio.devid0-no-access", 0, VIRTIO_MMIO_VENDOR_ID, false},
	{"mmio.devid0-no-access", 3, VIRTIO_MMIO_STATUS, false},
	{"mmio.devid0-ignore", 0, VIRTIO_MMIO_QUEUE_SEL, true},
	{"mmio.devid0-abort", 3, VIRTIO_MMIO_STATUS, true},
	{"mmio.devid0-abort", 0, VIRTIO_MMIO_DEVICE_FEATURES, false},
};

static void drivers_that_go_on_all_the_same_are_found(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
		const struct fault *f = &faults[i];
		struct rig r;

		begin(&r, i, 1);
		assert_false(probe(&r, f->slot, true));
		if (f->write)
			set(&r, f->slot, f->off, 0);
		else
			(void)get(&r, f->slot, f->off);
		crig_expect_broken(&r.crig, f->rule, *state);
		end(&r);
	}
}

static void a_vendor_is_no_bring_up(unused void **state)
{
	static struct check_tally none;
	struct rig r;

	begin(&r, 0, 1);
	assert_false(probe(&r, 0, false));
	(void)get(&r, 0, VIRTIO_MMIO_VENDOR_ID);
	crig_expect_broken(&r.crig, "mmio.devid0-no-access", &none);
	assert_false(none.broken[rule_find("mmio.devid0-ignore") - rules]);
	assert_int_equal(crig_result(r.crig.c, "mmio.devid0-ignore")->broken, 0);
	assert_int_equal(crig_result(r.crig.c, "mmio.devid0-abort")->broken, 0);
	end(&r);
}

static void the_map_has_them_around_the_nics_which_stay_where_they_are(unused void **state)
{
	static const char *const names[] = {"slot0", "slot1", "net0", "slot2", "slot3"};
	struct machine_map map;
	struct rig r;

	begin(&r, 1, 1);
	strcpy(r.cfg.nic[0].name, "net0");
	vm_map(&r.cfg, &map);
	assert_int_equal(map.nr_virtio, 5);
	for (unsigned i = 0; i < map.nr_virtio; i++) {
		assert_string_equal(map.virtio[i].name, names[i]);
		assert_int_equal(map.virtio[i].base + 2 * arch_desc.virtio_stride,
		                 arch_desc.virtio_base + i * arch_desc.virtio_stride);
		for (unsigned k = 0; k < i; k++)
			assert_int_not_equal(map.virtio[i].gsi, map.virtio[k].gsi);
		assert_in_range(map.virtio[i].gsi, arch_desc.virtio_gsi, arch_desc.virtio_gsi + 4);
	}
	assert_int_equal(map.virtio[2].gsi, arch_desc.virtio_gsi);
	end(&r);
}

static void where_nics_take_all_places_there_are_none(unused void **state)
{
	struct rig r;

	begin(&r, 1, VM_MAX_NICS);
	assert_int_equal(r.cfg.nr_slots, 0);
	end(&r);
	begin(&r, 1, VM_MAX_NICS - 1);
	assert_int_equal(r.cfg.nr_slots, 1);
	assert_int_equal(r.cfg.slots_before, 0);
	end(&r);
}

static void each_rule_is_kept_by_one_and_broken_by_another(void **state)
{
	crig_expect_both(*state, check_slot_ids);
}

int main(void)
{
	static struct check_tally tally;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_prestate(right_drivers_go_on_to_the_next_slot, &tally),
		cmocka_unit_test_prestate(drivers_that_go_on_all_the_same_are_found, &tally),
		cmocka_unit_test(a_vendor_is_no_bring_up),
		cmocka_unit_test(the_map_has_them_around_the_nics_which_stay_where_they_are),
		cmocka_unit_test(where_nics_take_all_places_there_are_none),
		cmocka_unit_test_prestate(each_rule_is_kept_by_one_and_broken_by_another, &tally),
	};

	return cmocka_run_group_tests_name("provoke_slots", tests, NULL, NULL);
}
