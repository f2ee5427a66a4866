/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/i8042.h"

#include "vmm/core/compiler.h"

#define PORT_COMMAND 4u /* reads as status */

#define STATUS_INPUT_FULL 0x02u /* a command is being worked on */

#define COMMAND_PULSE_RESET 0xfeu

/*
 * All ones, as where nobody drives the bus: then Linux's keyboard driver finds no controller within
 * a millisecond, and who calibrates by port 0x61 (its bit 5) waits for nothing. But a command is
 * always welcome, or a reboot would wait first.
 */
static uint64_t i8042_read(unused void *dev, uint64_t off, unused unsigned size)
{
	return off == PORT_COMMAND ? ~(uint64_t)STATUS_INPUT_FULL : UINT64_MAX;
}

static void i8042_write(void *dev, uint64_t off, unsigned size, uint64_t val)
{
	const struct i8042 *k = dev;

	if (off == PORT_COMMAND && size == 1 && val == COMMAND_PULSE_RESET)
		k->reset(k->arg);
}

const struct bus_ops i8042_bus_ops = {
	.read = i8042_read,
	.write = i8042_write,
};
