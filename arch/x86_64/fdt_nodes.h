/* SPDX-License-Identifier: Apache-2.0 */
/* arch/x86_64/fdt_nodes.h - what a PC's device tree has beside memory, CPUs and virtio devices
 *
 * Names and meanings are those that Linux knows on x86: arch/x86/kernel/devicetree.c, and the bindings
 * intel,ce4100-ioapic, intel,ce4100-lapic, syscon-poweroff, syscon-reboot.
 */
#ifndef DOORBELL_X86_64_FDT_NODES_H
#define DOORBELL_X86_64_FDT_NODES_H

#include <stdint.h>

#include "boot/fdt.h"

/* For struct fdt_extra: both local and I/O-APIC, power off and reset. @arg is not used. */
int fdt_nodes(void *fdt, void *arg);
unsigned fdt_irq_cells(unsigned gsi, uint32_t cell[FDT_IRQ_CELLS_MAX]);

#endif
