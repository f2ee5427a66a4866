/* SPDX-License-Identifier: Apache-2.0 */
/* boot/machine_map.h - what is where in the guest: the one source for ACPI, device tree, command line
 * and --print-machine
 */
#ifndef DOORBELL_MACHINE_MAP_H
#define DOORBELL_MACHINE_MAP_H

#include <stdint.h>

#include "vmm/core/gmem.h"

#define MACHINE_MAX_VIRTIO 8u

enum announce { ANNOUNCE_ACPI, ANNOUNCE_CMDLINE, ANNOUNCE_FDT, ANNOUNCE_NONE };

struct machine_virtio {
	gpa_t base;       /* of the registers */
	uint64_t size;    /* bytes */
	unsigned gsi;     /* edge-triggered, its own */
	const char *name; /* "net0"; borrowed */
};

struct machine_map {
	struct gmem_range ram[GMEM_MAX_REGIONS];
	unsigned nr_ram;
	unsigned nr_cpus;
	struct machine_virtio virtio[MACHINE_MAX_VIRTIO]; /* ascending base, no gsi twice */
	unsigned nr_virtio;
	enum announce announce; /* how virtio[] is told to the guest */
};

#endif
