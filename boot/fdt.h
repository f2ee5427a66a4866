/* SPDX-License-Identifier: Apache-2.0 */
/* boot/fdt.h - a device tree of the machine, built with libfdt */
#ifndef DOORBELL_FDT_H
#define DOORBELL_FDT_H

#include <stddef.h>
#include <stdint.h>

#include "boot/machine_map.h"

#define FDT_MAX_SIZE 16384u /* bytes; more than any machine we describe */

struct fdt_extra {
	const char *bootargs; /* NULL: none */
	gpa_t initrd_base;    /* with size 0: none */
	uint64_t initrd_size;
	const char *root_compatible; /* "doorbell,x86_64" */
	/* Writes nodes that only this CPU has; 0 or a negative libfdt error. NULL: none. */
	int (*arch_nodes)(void *fdt, void *arg);
	void *arg;
};

/*
 * /, /chosen, /cpus, /memory@..., one /virtio_mmio@... each (compatible "virtio,mmio", reg, interrupts
 * <gsi 1> for an edge, dma-coherent) when the map's announce is ANNOUNCE_FDT or @all.
 * Into @buf of @size bytes. Bytes used; or -ENOSPC, or -EINVAL for any other libfdt error.
 */
int fdt_build(const struct machine_map *map, const struct fdt_extra *extra, int all, void *buf,
              size_t size);

#endif
