/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/core/bus.h"

#include <errno.h>
#include <string.h>

#include "vmm/core/compiler.h"

int bus_add(struct bus *b, const struct bus_region *r)
{
	unsigned at = 0;

	if (b->sealed)
		return -EBUSY;
	if (r->size == 0 || r->base + (r->size - 1) < r->base)
		return -EINVAL;
	if (b->nr == ARRAY_SIZE(b->region))
		return -ENOSPC;
	while (at < b->nr && b->region[at].base < r->base)
		at++;
	if (at > 0 && r->base - b->region[at - 1].base < b->region[at - 1].size)
		return -EEXIST;
	if (at < b->nr && b->region[at].base - r->base < r->size)
		return -EEXIST;
	memmove(&b->region[at + 1], &b->region[at], (b->nr - at) * sizeof(*r));
	b->region[at] = *r;
	b->nr++;
	return 0;
}

void bus_seal(struct bus *b)
{
	b->sealed = true;
}

static const struct bus_region *bus_find(const struct bus *b, uint64_t addr, unsigned size)
{
	unsigned lo = 0, hi = b->nr;

	while (lo < hi) {
		unsigned mid = lo + (hi - lo) / 2;
		const struct bus_region *r = &b->region[mid];

		if (addr < r->base)
			hi = mid;
		else if (addr - r->base >= r->size)
			lo = mid + 1;
		else
			return size <= r->size - (addr - r->base) ? r : NULL;
	}
	return NULL;
}

static uint64_t low_bytes(unsigned size)
{
	return size >= 8 ? UINT64_MAX : (UINT64_C(1) << (8 * size)) - 1;
}

int bus_read(const struct bus *b, uint64_t addr, unsigned size, uint64_t *val)
{
	const struct bus_region *r = bus_find(b, addr, size);

	*val = low_bytes(size);
	if (!r)
		return -ENXIO;
	*val &= r->ops->read(r->dev, addr - r->base, size);
	return 0;
}

int bus_write(const struct bus *b, uint64_t addr, unsigned size, uint64_t val)
{
	const struct bus_region *r = bus_find(b, addr, size);

	if (!r)
		return -ENXIO;
	r->ops->write(r->dev, addr - r->base, size, val & low_bytes(size));
	return 0;
}
