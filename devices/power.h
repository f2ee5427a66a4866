/* SPDX-License-Identifier: Apache-2.0 */
/* devices/power.h - the three registers that a hardware-reduced ACPI machine needs to end
 *
 * Sleep control, sleep status and reset register: ACPI 6.4, 4.8.3.7 and 4.8.3.6. Firmware tables of
 * the machine tell the guest where they are and what to write.
 */
#ifndef DOORBELL_POWER_H
#define DOORBELL_POWER_H

#include "vmm/core/bus.h"

#define POWER_SIZE          3u /* bytes of the region, one per register */
#define POWER_SLEEP_CONTROL 0u
#define POWER_SLEEP_STATUS  1u
#define POWER_RESET         2u

#define POWER_SLEEP_TYPE_OFF 5u    /* SLP_TYP of \_S5 */
#define POWER_RESET_VALUE    0x42u /* RESET_VALUE of the FADT */

/* Both calls come on the vCPU thread that wrote, again each time it does. */
struct power {
	void (*off)(void *arg);
	void (*reset)(void *arg);
	void *arg;
};

extern const struct bus_ops power_bus_ops; /* dev = struct power */

#endif
