/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/debug_exit.h"

#include "vmm/core/compiler.h"

static uint64_t debug_exit_read(unused void *dev, unused uint64_t off, unused unsigned size)
{
	return 0;
}

static void debug_exit_write(void *dev, uint64_t off, unused unsigned size, uint64_t val)
{
	const struct debug_exit *d = dev;

	if (off == 0)
		d->verdict(d->arg, val <= UINT8_MAX ? u8_of(val) : UINT8_MAX);
}

const struct bus_ops debug_exit_bus_ops = {
	.read = debug_exit_read,
	.write = debug_exit_write,
};
