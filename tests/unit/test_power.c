/* SPDX-License-Identifier: Apache-2.0 */
/* The ways in which a guest ends itself: devices/power, i8042, debug_exit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "arch/arch.h"
#include "arch/x86_64/layout.h"
#include "devices/debug_exit.h"
#include "devices/i8042.h"
#include "devices/power.h"

struct seen {
	unsigned off, reset, verdicts;
	uint8_t verdict;
};

static void on_off(void *arg)
{
	((struct seen *)arg)->off++;
}

static void on_reset(void *arg)
{
	((struct seen *)arg)->reset++;
}

static void on_verdict(void *arg, uint8_t status)
{
	struct seen *s = arg;

	s->verdicts++;
	s->verdict = status;
}

static void power_off_needs_type_five_and_enable(void **state)
{
	struct seen seen = {0};
	struct power p = {.off = on_off, .reset = on_reset, .arg = &seen};

	(void)state;
	for (uint64_t v = 0; v < 256; v++)
		if ((v & 0x3c) != 0x34)
			power_bus_ops.write(&p, POWER_SLEEP_CONTROL, 1, v);
	assert_int_equal(seen.off, 0);
	power_bus_ops.write(&p, POWER_SLEEP_STATUS, 1, 0x80);
	power_bus_ops.write(&p, POWER_SLEEP_CONTROL, 1, 0x34); /* what Linux writes */
	assert_int_equal(seen.off, 1);
	assert_int_equal(seen.reset, 0);
}

static void reset_needs_its_value(void **state)
{
	struct seen seen = {0};
	struct power p = {.off = on_off, .reset = on_reset, .arg = &seen};

	(void)state;
	for (uint64_t v = 0; v < 256; v++)
		if (v != POWER_RESET_VALUE)
			power_bus_ops.write(&p, POWER_RESET, 1, v);
	assert_int_equal(seen.reset, 0);
	power_bus_ops.write(&p, POWER_RESET, 1, POWER_RESET_VALUE);
	assert_int_equal(seen.reset, 1);
	assert_int_equal(seen.off, 0);
}

static void power_registers_are_bytes_that_read_zero(void **state)
{
	struct seen seen = {0};
	struct power p = {.off = on_off, .reset = on_reset, .arg = &seen};

	(void)state;
	power_bus_ops.write(&p, POWER_SLEEP_CONTROL, 2, 0x34);
	assert_int_equal(seen.off, 0);
	for (unsigned off = 0; off < POWER_SIZE; off++)
		assert_int_equal(power_bus_ops.read(&p, off, 1), 0);
}

static void tables_of_the_guest_and_device_agree(void **state)
{
	(void)state;
	assert_int_equal(LAYOUT_POWER_SIZE, POWER_SIZE);
	assert_int_equal(LAYOUT_POWER_SLEEP_CONTROL, POWER_SLEEP_CONTROL);
	assert_int_equal(LAYOUT_POWER_SLEEP_STATUS, POWER_SLEEP_STATUS);
	assert_int_equal(LAYOUT_POWER_RESET, POWER_RESET);
	assert_int_equal(LAYOUT_POWER_OFF_TYPE, POWER_SLEEP_TYPE_OFF);
	assert_int_equal(LAYOUT_POWER_RESET_VALUE, POWER_RESET_VALUE);
	assert_int_equal(arch_desc.power.size, POWER_SIZE);
	assert_int_equal(arch_desc.i8042.size, I8042_SIZE);
	assert_int_equal(arch_desc.debug_exit.size, DEBUG_EXIT_SIZE);
}

static void keyboard_controller_resets_on_its_pulse_only(void **state)
{
	struct seen seen = {0};
	struct i8042 k = {.reset = on_reset, .arg = &seen};

	(void)state;
	for (uint64_t v = 0; v < 256; v++)
		if (v != 0xfe)
			i8042_bus_ops.write(&k, 4, 1, v);
	i8042_bus_ops.write(&k, 0, 1, 0xfe); /* data port: a command for the keyboard */
	i8042_bus_ops.write(&k, 3, 2, 0xfe00);
	assert_int_equal(seen.reset, 0);
	i8042_bus_ops.write(&k, 4, 1, 0xfe);
	assert_int_equal(seen.reset, 1);
}

/* Linux: kb_wait() before the pulse, i8042_flush() at boot, the PIT calibration that polls port 0x61. */
static void keyboard_controller_keeps_nobody_waiting(void **state)
{
	struct i8042 k = {.reset = on_reset, .arg = NULL};

	(void)state;
	assert_int_equal(i8042_bus_ops.read(&k, 4, 1) & 0xff, 0xfd); /* never busy, never empty */
	assert_int_equal(i8042_bus_ops.read(&k, 0, 1) & 0xff, 0xff);
	assert_true(i8042_bus_ops.read(&k, 1, 1) & 0x20);
}

static void verdict_is_the_byte_that_was_written(void **state)
{
	struct seen seen = {0};
	struct debug_exit d = {.verdict = on_verdict, .arg = &seen};

	(void)state;
	for (uint64_t v = 0; v < 256; v++) {
		debug_exit_bus_ops.write(&d, 0, 1, v);
		assert_int_equal(seen.verdict, v);
	}
	assert_int_equal(seen.verdicts, 256);
	debug_exit_bus_ops.write(&d, 1, 1, 9); /* a neighbour port */
	assert_int_equal(seen.verdicts, 256);
	assert_int_equal(debug_exit_bus_ops.read(&d, 0, 1), 0);
}

static void wide_verdict_is_never_cut_to_success(void **state)
{
	struct seen seen = {0};
	struct debug_exit d = {.verdict = on_verdict, .arg = &seen};

	(void)state;
	debug_exit_bus_ops.write(&d, 0, 4, 7);
	assert_int_equal(seen.verdict, 7);
	debug_exit_bus_ops.write(&d, 0, 2, 0x100);
	assert_int_equal(seen.verdict, 255);
	debug_exit_bus_ops.write(&d, 0, 4, 0xffff0000);
	assert_int_equal(seen.verdict, 255);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(power_off_needs_type_five_and_enable),
		cmocka_unit_test(reset_needs_its_value),
		cmocka_unit_test(power_registers_are_bytes_that_read_zero),
		cmocka_unit_test(tables_of_the_guest_and_device_agree),
		cmocka_unit_test(keyboard_controller_resets_on_its_pulse_only),
		cmocka_unit_test(keyboard_controller_keeps_nobody_waiting),
		cmocka_unit_test(verdict_is_the_byte_that_was_written),
		cmocka_unit_test(wide_verdict_is_never_cut_to_success),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
