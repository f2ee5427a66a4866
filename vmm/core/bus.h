/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/core/bus.h - which device answers at which guest address */
#ifndef DOORBELL_BUS_H
#define DOORBELL_BUS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Called on a vCPU thread, with no lock held; a device that lives on a loop forwards with
 * loop_call(). @size is 1, 2, 4 or 8 bytes and [off, off + size) lies inside the region. Values are
 * host-order integers; the caller has already undone the bus byte order. A device answers a bad
 * access with zeros or by ignoring it: these calls cannot fail.
 */
struct bus_ops {
	uint64_t (*read)(void *dev, uint64_t off, unsigned size);
	void (*write)(void *dev, uint64_t off, unsigned size, uint64_t val);
};

struct bus_region {
	const char *name; /* static string, for messages and tests */
	uint64_t base;    /* first address (MMIO) or port (PIO) */
	uint64_t size;    /* bytes or ports, never 0 */
	const struct bus_ops *ops;
	void *dev; /* borrowed; must outlive the bus */
};

#define BUS_MAX_REGIONS 32u

/* One for MMIO, one more for port I/O on x86_64. Sorted by base. Zeroed is empty. */
struct bus {
	struct bus_region region[BUS_MAX_REGIONS];
	unsigned nr;
	bool sealed; /* set when the first vCPU starts; then read-only, lock-free */
};

/* Copies @r. 0; -EEXIST overlap; -ENOSPC full; -EBUSY sealed; -EINVAL size 0 or 64-bit wrap. */
int bus_add(struct bus *b, const struct bus_region *r);
void bus_seal(struct bus *b);

/*
 * @size 1, 2, 4 or 8. 0; or -ENXIO when no single region covers the access (a read then gives all
 * ones in *val, as an empty bus does). Reads return the low @size bytes, the rest zero.
 */
int bus_read(const struct bus *b, uint64_t addr, unsigned size, uint64_t *val);
int bus_write(const struct bus *b, uint64_t addr, unsigned size, uint64_t val);

#endif
