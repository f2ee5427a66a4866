/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/power.h"

#include "vmm/core/compiler.h"

#define SLEEP_ENABLE     0x20u /* SLP_EN */
#define SLEEP_TYPE_SHIFT 2     /* SLP_TYP, three bits */
#define SLEEP_TYPE_MASK  7u

/* Nothing sleeps here: the wake status bit is never set, the others are write-only. */
static uint64_t power_read(unused void *dev, unused uint64_t off, unused unsigned size)
{
	return 0;
}

static void power_write(void *dev, uint64_t off, unsigned size, uint64_t val)
{
	const struct power *p = dev;

	if (size != 1)
		return;
	switch (off) {
	case POWER_SLEEP_CONTROL:
		if ((val & SLEEP_ENABLE) &&
		    ((val >> SLEEP_TYPE_SHIFT) & SLEEP_TYPE_MASK) == POWER_SLEEP_TYPE_OFF)
			p->off(p->arg);
		break;
	case POWER_RESET:
		if (val == POWER_RESET_VALUE)
			p->reset(p->arg);
		break;
	default: /* sleep status: the guest clears a bit that is not set */
		break;
	}
}

const struct bus_ops power_bus_ops = {
	.read = power_read,
	.write = power_write,
};
