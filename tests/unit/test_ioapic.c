/* SPDX-License-Identifier: Apache-2.0 */
/* arch/x86_64/ioapic: what a guest programs and what then is sent; tests/tiny has the same on KVM. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <string.h>

#include "arch/x86_64/ioapic.h"
#include "tests/lib/capture.h"

#define LOGICAL  0x800u
#define POLARITY 0x2000u
#define REMOTE   0x4000u
#define LEVEL    0x8000u
#define MASKED   0x10000u

struct rig {
	struct ioapic io;
	struct ioapic_msi route[IOAPIC_MAX_PINS]; /* what the host was told last */
	unsigned routed;                          /* how often */
	struct ioapic_msi sent;                   /* the last one */
	unsigned nr_sent;
};

static void on_route(void *arg, const struct ioapic_msi *pins)
{
	struct rig *r = arg;

	memcpy(r->route, pins, sizeof(r->route));
	r->routed++;
}

static void on_send(void *arg, struct ioapic_msi msi)
{
	struct rig *r = arg;

	r->sent = msi;
	r->nr_sent++;
}

static void rig_init(struct rig *r)
{
	const struct ioapic_host host = {.route = on_route, .send = on_send, .arg = r};

	*r = (struct rig){0};
	ioapic_init(&r->io, IOAPIC_MAX_PINS, &host);
}

static uint32_t get(struct rig *r, uint8_t reg)
{
	ioapic_bus_ops.write(&r->io, 0, 4, reg);
	return (uint32_t)ioapic_bus_ops.read(&r->io, 0x10, 4);
}

static void set(struct rig *r, uint8_t reg, uint32_t val)
{
	ioapic_bus_ops.write(&r->io, 0, 4, reg);
	ioapic_bus_ops.write(&r->io, 0x10, 4, val);
}

static uint8_t low(unsigned pin)
{
	return (uint8_t)(0x10 + 2 * pin);
}

static void program(struct rig *r, unsigned pin, uint32_t dest, uint32_t bits)
{
	set(r, (uint8_t)(low(pin) + 1), dest << 24);
	set(r, low(pin), bits);
}

static void pulse(struct rig *r, unsigned pin)
{
	ioapic_set(&r->io, pin, true);
	ioapic_set(&r->io, pin, false);
}

/* How many messages since the last call. */
static unsigned sent(struct rig *r)
{
	unsigned n = r->nr_sent;

	r->nr_sent = 0;
	return n;
}

/* ---- registers */

static void comes_up_with_24_masked_pins(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	assert_int_equal(get(&r, 0), 0);
	assert_int_equal(get(&r, 1), 0x170011);
	for (unsigned pin = 0; pin < IOAPIC_MAX_PINS; pin++) {
		assert_int_equal(get(&r, low(pin)), MASKED);
		assert_int_equal(get(&r, (uint8_t)(low(pin) + 1)), 0);
		pulse(&r, pin);
	}
	assert_int_equal(sent(&r), 0);
	assert_int_equal(r.routed, 0);
	ioapic_destroy(&r.io);
}

static void has_as_many_pins_as_it_was_made_with(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	ioapic_destroy(&r.io);
	ioapic_init(&r.io, 6, &(struct ioapic_host){.route = on_route, .send = on_send, .arg = &r});
	assert_int_equal(get(&r, 1), 0x050011);
	program(&r, 5, 0, 0x41);
	assert_int_equal(r.routed, 1);
	program(&r, 6, 0, 0x42);
	assert_int_equal(r.routed, 1);
	assert_int_equal(get(&r, low(6)), 0);
	pulse(&r, 5);
	assert_int_equal(sent(&r), 1);
	ioapic_eoi(&r.io, 0x42);
	assert_int_equal(sent(&r), 0);
	ioapic_destroy(&r.io);
}

static void id_has_four_bits_and_arbitration_follows(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	set(&r, 0, 0xffffffff);
	assert_int_equal(get(&r, 0), 0x0f000000);
	assert_int_equal(get(&r, 2), 0x0f000000);
	set(&r, 1, 0);
	set(&r, 2, 0);
	assert_int_equal(get(&r, 1), 0x170011);
	assert_int_equal(get(&r, 2), 0x0f000000);
	ioapic_destroy(&r.io);
}

static void reserved_and_read_only_bits_stay_zero(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	program(&r, 3, 0xff, 0xffffffff);
	assert_int_equal(get(&r, low(3)), 0x1afff);
	set(&r, (uint8_t)(low(3) + 1), 0xffffffff);
	assert_int_equal(get(&r, (uint8_t)(low(3) + 1)), 0xff000000);
	ioapic_destroy(&r.io);
}

static void registers_that_do_not_exist_read_zero(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	for (unsigned reg = 3; reg < 256; reg++) {
		if (reg >= 0x10 && reg < 0x40)
			continue;
		set(&r, (uint8_t)reg, 0x41);
		assert_int_equal(get(&r, (uint8_t)reg), 0);
	}
	for (unsigned pin = 0; pin < IOAPIC_MAX_PINS; pin++)
		assert_int_equal(get(&r, low(pin)), MASKED);
	assert_int_equal(r.routed, 0);
	ioapic_destroy(&r.io);
}

/* Sum of what the reads gave. */
static uint64_t wild_accesses(struct rig *r)
{
	uint64_t sum = 0;

	for (unsigned size = 1; size <= 8; size *= 2)
		for (uint64_t off = 1; off + size <= 0x60; off++)
			if (off != 0x10 || size != 4) {
				ioapic_bus_ops.write(&r->io, off, size, 0);
				sum += ioapic_bus_ops.read(&r->io, off, size);
			}
	return sum;
}

static void other_offsets_and_widths_do_nothing(void **state)
{
	struct capture c;
	struct rig r;
	uint64_t sum;

	(void)state;
	rig_init(&r);
	set(&r, low(0), 0x41 | MASKED);
	CAPTURED(&c, &sum, wild_accesses(&r));
	assert_int_equal(sum, 0);
	assert_non_null(strstr(c.text, "not repeated"));
	assert_int_equal(ioapic_bus_ops.read(&r.io, 0, 4), low(0));
	assert_int_equal(get(&r, low(0)), 0x41 | MASKED);
	ioapic_bus_ops.write(&r.io, 0, 1, 1); /* the index may be written as the byte that it is */
	assert_int_equal(ioapic_bus_ops.read(&r.io, 0x10, 4), 0x170011);
	ioapic_destroy(&r.io);
}

/* ---- routes */

static void route_is_what_the_entry_means(void **state)
{
	static const struct {
		uint32_t dest, bits;
		struct ioapic_msi msi;
	} row[] = {
		{0, 0x41, {0xfee00000, 0x41}},
		{5, 0xfe, {0xfee05000, 0xfe}},
		{0xff, 0x10, {0xfeeff000, 0x10}},
		{3, 0x41 | LOGICAL, {0xfee03004, 0x41}},
		{3, 0x141 | LOGICAL, {0xfee03004, 0x141}}, /* lowest priority */
		{1, 0x200, {0xfee01000, 0x200}},           /* SMI */
		{1, 0x400, {0xfee01000, 0x400}},           /* NMI */
		{1, 0x500, {0xfee01000, 0x500}},           /* INIT */
		{1, 0x400 | LEVEL, {0xfee01000, 0x400}},   /* is an edge all the same */
		{0, 0x41 | POLARITY, {0xfee00000, 0x41}},
		{0, 0x41 | LEVEL, {0xfee00000, 0xc041}},
		{0, 0x41 | MASKED, {0, 0}},
		{0, 0x0f, {0, 0}}, /* no vector of an interrupt */
		{0, 0x10f, {0, 0}},
		{0, 0x341, {0, 0}}, /* reserved modes */
		{0, 0x641, {0, 0}},
		{0, 0x741, {0, 0}}, /* ExtINT: there is no PIC */
	};
	struct rig r;

	(void)state;
	for (unsigned i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		rig_init(&r);
		program(&r, 7, row[i].dest, row[i].bits);
		assert_memory_equal(&r.route[7], &row[i].msi, sizeof(row[i].msi));
		pulse(&r, 7);
		assert_int_equal(sent(&r), row[i].msi.address ? 1 : 0);
		assert_memory_equal(&r.sent, &row[i].msi, sizeof(row[i].msi));
		ioapic_destroy(&r.io);
	}
}

static void only_what_changes_a_message_changes_routes(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	for (unsigned pin = 0; pin < IOAPIC_MAX_PINS; pin++)
		program(&r, pin, pin, (0x41 + pin) | MASKED);
	assert_int_equal(r.routed, 0);
	set(&r, low(5), 0x46);
	assert_int_equal(r.routed, 1);
	set(&r, low(5), 0x46);
	set(&r, low(5), 0x46 | POLARITY);
	assert_int_equal(r.routed, 1);
	set(&r, (uint8_t)(low(5) + 1), 6u << 24);
	assert_int_equal(r.routed, 2);
	assert_int_equal(r.route[5].address, 0xfee06000);
	set(&r, low(5), 0x46 | MASKED);
	assert_int_equal(r.routed, 3);
	assert_int_equal(r.route[5].address, 0);
	ioapic_destroy(&r.io);
}

static void pins_do_not_touch_each_other(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	for (unsigned pin = 0; pin < IOAPIC_MAX_PINS; pin++)
		program(&r, pin, pin, 0x40 + pin);
	for (unsigned pin = 0; pin < IOAPIC_MAX_PINS; pin++) {
		assert_int_equal(r.route[pin].address, 0xfee00000 | pin << 12);
		assert_int_equal(r.route[pin].data, 0x40 + pin);
		assert_int_equal(get(&r, low(pin)), 0x40 + pin);
		pulse(&r, pin);
		assert_int_equal(sent(&r), 1);
		assert_int_equal(r.sent.data, 0x40 + pin);
	}
	ioapic_destroy(&r.io);
}

/* ---- edges */

static void edge_is_sent_once_until_the_line_was_down(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	program(&r, 4, 0, 0x41);
	ioapic_set(&r.io, 4, true);
	ioapic_set(&r.io, 4, true);
	assert_int_equal(sent(&r), 1);
	ioapic_set(&r.io, 4, false);
	ioapic_set(&r.io, 4, false);
	assert_int_equal(sent(&r), 0);
	ioapic_set(&r.io, 4, true);
	assert_int_equal(sent(&r), 1);
	ioapic_destroy(&r.io);
}

static void edge_on_a_masked_pin_is_not_kept(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	program(&r, 4, 0, 0x41 | MASKED);
	pulse(&r, 4);
	ioapic_set(&r.io, 4, true);
	assert_false(ioapic_is_open(&r.io, 4));
	set(&r, low(4), 0x41);
	assert_true(ioapic_is_open(&r.io, 4));
	assert_false(ioapic_is_open(&r.io, 5));
	assert_false(ioapic_is_open(&r.io, IOAPIC_MAX_PINS));
	assert_int_equal(sent(&r), 0);
	ioapic_set(&r.io, 4, false);
	ioapic_set(&r.io, 4, true);
	assert_int_equal(sent(&r), 1);
	ioapic_destroy(&r.io);
}

static void end_of_interrupt_of_an_edge_sends_nothing(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	program(&r, 4, 0, 0x41);
	ioapic_set(&r.io, 4, true);
	assert_int_equal(sent(&r), 1);
	ioapic_eoi(&r.io, 0x41);
	assert_int_equal(sent(&r), 0);
	ioapic_destroy(&r.io);
}

/* ---- levels */

static void level_comes_again_until_the_line_is_down(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	program(&r, 4, 0, 0x41 | LEVEL);
	ioapic_set(&r.io, 4, true);
	assert_int_equal(sent(&r), 1);
	assert_int_equal(get(&r, low(4)), 0x41 | LEVEL | REMOTE);
	ioapic_set(&r.io, 4, false);
	ioapic_set(&r.io, 4, true);
	assert_int_equal(sent(&r), 0); /* its handler still runs */
	ioapic_eoi(&r.io, 0x42);
	assert_int_equal(sent(&r), 0); /* another one's */
	ioapic_eoi(&r.io, 0x41);
	assert_int_equal(sent(&r), 1);
	ioapic_set(&r.io, 4, false);
	ioapic_eoi(&r.io, 0x41);
	assert_int_equal(sent(&r), 0);
	assert_int_equal(get(&r, low(4)), 0x41 | LEVEL);
	ioapic_destroy(&r.io);
}

static void level_that_is_up_comes_when_the_mask_goes(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	program(&r, 4, 0, 0x41 | LEVEL | MASKED);
	ioapic_set(&r.io, 4, true);
	assert_int_equal(sent(&r), 0);
	set(&r, low(4), 0x41 | LEVEL);
	assert_int_equal(sent(&r), 1);
	ioapic_destroy(&r.io);
}

/* KVM reports no end of an interrupt that has no route: remote IRR would stay for ever. */
static void level_masked_in_its_handler_is_not_lost(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	program(&r, 4, 0, 0x41 | LEVEL);
	ioapic_set(&r.io, 4, true);
	set(&r, low(4), 0x41 | LEVEL | MASKED);
	assert_int_equal(get(&r, low(4)), 0x41 | LEVEL | MASKED);
	set(&r, low(4), 0x41 | LEVEL);
	assert_int_equal(sent(&r), 2);
	ioapic_destroy(&r.io);
}

static void change_to_edge_clears_remote_irr(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	program(&r, 4, 0, 0x41 | LEVEL);
	ioapic_set(&r.io, 4, true);
	set(&r, low(4), 0x41 | REMOTE);
	assert_int_equal(get(&r, low(4)), 0x41);
	assert_int_equal(sent(&r), 1);
	ioapic_destroy(&r.io);
}

static void two_levels_may_share_a_vector(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	program(&r, 4, 0, 0x41 | LEVEL);
	program(&r, 5, 0, 0x41 | LEVEL);
	ioapic_set(&r.io, 4, true);
	ioapic_set(&r.io, 5, true);
	assert_int_equal(sent(&r), 2);
	ioapic_eoi(&r.io, 0x41);
	assert_int_equal(sent(&r), 2);
	ioapic_destroy(&r.io);
}

/* ---- threads */

static void *pulses(void *arg)
{
	struct rig *r = arg;

	for (unsigned i = 0; i < 20000; i++)
		pulse(r, 9);
	return NULL;
}

/* The callbacks run under the lock, so these counters need none. */
static void nothing_is_sent_after_the_write_that_masks(void **state)
{
	pthread_t thread;
	unsigned before;
	struct rig r;

	(void)state;
	rig_init(&r);
	assert_int_equal(pthread_create(&thread, NULL, pulses, &r), 0);
	for (unsigned i = 0; i < 2000; i++) {
		program(&r, 9, i % 4, 0x30 + i % 64);
		program(&r, 9, i % 4, (0x30 + i % 64) | MASKED);
		pthread_mutex_lock(&r.io.lock);
		before = r.nr_sent;
		assert_true(before == 0 || r.sent.address != 0);
		pthread_mutex_unlock(&r.io.lock);
		for (unsigned k = 0; k < 8; k++)
			get(&r, 1);
		pthread_mutex_lock(&r.io.lock);
		assert_int_equal(r.nr_sent, before);
		pthread_mutex_unlock(&r.io.lock);
	}
	pthread_join(thread, NULL);
	ioapic_destroy(&r.io);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comes_up_with_24_masked_pins),
		cmocka_unit_test(has_as_many_pins_as_it_was_made_with),
		cmocka_unit_test(id_has_four_bits_and_arbitration_follows),
		cmocka_unit_test(reserved_and_read_only_bits_stay_zero),
		cmocka_unit_test(registers_that_do_not_exist_read_zero),
		cmocka_unit_test(other_offsets_and_widths_do_nothing),
		cmocka_unit_test(route_is_what_the_entry_means),
		cmocka_unit_test(only_what_changes_a_message_changes_routes),
		cmocka_unit_test(pins_do_not_touch_each_other),
		cmocka_unit_test(edge_is_sent_once_until_the_line_was_down),
		cmocka_unit_test(edge_on_a_masked_pin_is_not_kept),
		cmocka_unit_test(end_of_interrupt_of_an_edge_sends_nothing),
		cmocka_unit_test(level_comes_again_until_the_line_is_down),
		cmocka_unit_test(level_that_is_up_comes_when_the_mask_goes),
		cmocka_unit_test(level_masked_in_its_handler_is_not_lost),
		cmocka_unit_test(change_to_edge_clears_remote_irr),
		cmocka_unit_test(two_levels_may_share_a_vector),
		cmocka_unit_test(nothing_is_sent_after_the_write_that_masks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
