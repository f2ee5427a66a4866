/* SPDX-License-Identifier: Apache-2.0 */
/* devices/debug_exit.h - a guest ends the run with a verdict of its own
 *
 * One byte is the contract. A wider write counts when its value is a byte; any other value becomes
 * 255, so that no truncation ever turns a failure into 0.
 */
#ifndef DOORBELL_DEBUG_EXIT_H
#define DOORBELL_DEBUG_EXIT_H

#include <stdint.h>

#include "vmm/core/bus.h"

#define DEBUG_EXIT_SIZE 4u /* ports; only a write to the first one counts */

/* Called on the vCPU thread that wrote, again each time it does. */
struct debug_exit {
	void (*verdict)(void *arg, uint8_t status);
	void *arg;
};

extern const struct bus_ops debug_exit_bus_ops; /* dev = struct debug_exit */

#endif
