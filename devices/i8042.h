/* SPDX-License-Identifier: Apache-2.0 */
/* devices/i8042.h - of the PC's keyboard controller only the wire to the CPU's reset pin
 *
 * Kernels without ACPI, and those told reboot=k, pulse it to reboot. There is no keyboard.
 */
#ifndef DOORBELL_I8042_H
#define DOORBELL_I8042_H

#include "vmm/core/bus.h"

#define I8042_SIZE 5u /* ports 0x60..0x64 as one region; 0x61..0x63 are nothing */

/* Called on the vCPU thread that wrote, again each time it does. */
struct i8042 {
	void (*reset)(void *arg);
	void *arg;
};

extern const struct bus_ops i8042_bus_ops; /* dev = struct i8042 */

#endif
