/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/i8042.h"

#include "vmm/core/compiler.h"

#define PORT_DATA    0u
#define PORT_COMMAND 4u /* reads as status */

#define STATUS_SYSTEM_OK 0x04u /* self-test passed */
#define STATUS_UNLOCKED  0x10u /* keyboard not inhibited */

#define COMMAND_PULSE_RESET 0xfeu

/* Neither buffer is ever full: whoever waits to send a command may, whoever waits for a key waits. */
static uint64_t i8042_read(unused void *dev, uint64_t off, unused unsigned size)
{
	switch (off) {
	case PORT_DATA:
		return 0;
	case PORT_COMMAND:
		return STATUS_SYSTEM_OK | STATUS_UNLOCKED;
	default:
		/* Nobody drives the bus. Linux waits for bit 5 of port 0x61 without a limit. */
		return UINT64_MAX;
	}
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
