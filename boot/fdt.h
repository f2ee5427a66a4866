/* SPDX-License-Identifier: Apache-2.0 */
/* boot/fdt.h - a device tree of the machine, built with libfdt */
#ifndef DOORBELL_FDT_H
#define DOORBELL_FDT_H

#include <stddef.h>
#include <stdint.h>

#include "boot/machine_map.h"

#define FDT_MAX_SIZE      32768u /* bytes; room for 255 CPUs, all devices and the longest command line */
#define FDT_IRQ_CELLS_MAX 3u

struct fdt_extra {
	const char *bootargs; /* NULL: none */
	gpa_t initrd_base;    /* with size 0: none */
	uint64_t initrd_size;
	const char *root_compatible; /* "doorbell,x86_64" */
	/*
	 * Writes what only this CPU has with libfdt's sequential calls (fdt_property*, fdt_begin_node,
	 * ...), inside the root node and before its other children: so root properties
	 * (interrupt-parent) first, then nodes. 0 or a negative libfdt error. NULL: none.
	 */
	int (*arch_nodes)(void *fdt, void *arg);
	void *arg;
	/*
	 * The cells of "interrupts" for a rising edge on @gsi as this CPU's interrupt controller counts
	 * them; returns how many. NULL: <gsi 1>.
	 */
	unsigned (*irq_cells)(unsigned gsi, uint32_t cell[FDT_IRQ_CELLS_MAX]);
};

/*
 * /, /chosen, /cpus, /memory@..., one /virtio_mmio@... each (compatible "virtio,mmio", reg, interrupts,
 * dma-coherent) when the map's announce is ANNOUNCE_FDT or @all. Addresses and sizes have two cells.
 * Into @buf of @size bytes, aligned to 8. Bytes used; or -ENOSPC, or -EINVAL for any other libfdt error.
 */
int fdt_build(const struct machine_map *map, const struct fdt_extra *extra, int all, void *buf,
              size_t size);

#endif
