/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "vmm/core/bus.h"
#include "vmm/core/compiler.h"

struct probe {
	uint64_t off, val, answer;
	unsigned size, calls;
};

static uint64_t probe_read(void *dev, uint64_t off, unsigned size)
{
	struct probe *p = dev;

	p->off = off;
	p->size = size;
	p->calls++;
	return p->answer;
}

static void probe_write(void *dev, uint64_t off, unsigned size, uint64_t val)
{
	struct probe *p = dev;

	p->off = off;
	p->size = size;
	p->val = val;
	p->calls++;
}

static const struct bus_ops ops = {probe_read, probe_write};

static struct bus_region at(uint64_t base, uint64_t size, struct probe *p)
{
	return (struct bus_region){"probe", base, size, &ops, p};
}

static void access_reaches_its_device_at_its_offset(unused void **state)
{
	struct probe a = {.answer = 0x1122334455667788}, b = {0};
	struct bus_region ra = at(0x2000, 0x100, &a), rb = at(0x1000, 0x10, &b);
	struct bus bus = {0};
	uint64_t v;

	assert_int_equal(bus_add(&bus, &ra), 0);
	assert_int_equal(bus_add(&bus, &rb), 0);
	assert_int_equal(bus_read(&bus, 0x2010, 4, &v), 0);
	assert_int_equal(v, 0x55667788);
	assert_int_equal(a.off, 0x10);
	assert_int_equal(a.size, 4);
	assert_int_equal(bus_write(&bus, 0x100f, 1, 0xabcd), 0);
	assert_int_equal(b.off, 0xf);
	assert_int_equal(b.val, 0xcd);
}

static void empty_bus_reads_all_ones(unused void **state)
{
	struct bus bus = {0};
	uint64_t v = 0;

	assert_int_equal(bus_read(&bus, 0, 2, &v), -ENXIO);
	assert_int_equal(v, 0xffff);
	assert_int_equal(bus_read(&bus, UINT64_MAX, 8, &v), -ENXIO);
	assert_int_equal(v, UINT64_MAX);
	assert_int_equal(bus_write(&bus, 0, 1, 0), -ENXIO);
}

static void access_across_the_end_reaches_nobody(unused void **state)
{
	struct probe a = {0};
	struct bus_region ra = at(0x1000, 0x10, &a);
	struct bus bus = {0};
	uint64_t v;

	assert_int_equal(bus_add(&bus, &ra), 0);
	assert_int_equal(bus_read(&bus, 0x100e, 4, &v), -ENXIO);
	assert_int_equal(bus_read(&bus, 0xfff, 2, &v), -ENXIO);
	assert_int_equal(a.calls, 0);
}

static void overlap_wrap_and_late_regions_are_refused(unused void **state)
{
	struct bus_region r = at(0x1000, 0x100, NULL), over = at(0x10ff, 1, NULL),
			  under = at(0xfff, 2, NULL), wrap = at(UINT64_MAX, 2, NULL),
			  last = at(UINT64_MAX, 1, NULL), empty = at(0, 0, NULL);
	struct bus bus = {0};

	assert_int_equal(bus_add(&bus, &r), 0);
	assert_int_equal(bus_add(&bus, &over), -EEXIST);
	assert_int_equal(bus_add(&bus, &under), -EEXIST);
	assert_int_equal(bus_add(&bus, &wrap), -EINVAL);
	assert_int_equal(bus_add(&bus, &empty), -EINVAL);
	assert_int_equal(bus_add(&bus, &last), 0);
	bus_seal(&bus);
	r.base = 0x5000;
	assert_int_equal(bus_add(&bus, &r), -EBUSY);
}

static void full_bus_says_so_and_stays_sorted(unused void **state)
{
	struct bus bus = {0};
	struct probe p = {0};
	uint64_t v;

	for (unsigned i = 0; i < BUS_MAX_REGIONS; i++) {
		struct bus_region r = at(0x1000u * (BUS_MAX_REGIONS - i), 8, &p);

		assert_int_equal(bus_add(&bus, &r), 0);
	}
	struct bus_region more = at(8, 8, &p);
	assert_int_equal(bus_add(&bus, &more), -ENOSPC);
	for (unsigned i = 1; i <= BUS_MAX_REGIONS; i++)
		assert_int_equal(bus_read(&bus, 0x1000u * i, 1, &v), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(access_reaches_its_device_at_its_offset),
		cmocka_unit_test(empty_bus_reads_all_ones),
		cmocka_unit_test(access_across_the_end_reaches_nobody),
		cmocka_unit_test(overlap_wrap_and_late_regions_are_refused),
		cmocka_unit_test(full_bus_says_so_and_stays_sorted),
	};

	return cmocka_run_group_tests_name("bus", tests, NULL, NULL);
}
