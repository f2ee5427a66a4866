/* SPDX-License-Identifier: Apache-2.0 */
#include "boot/fdt.h"

#include <errno.h>
#include <inttypes.h>
#include <libfdt.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "vmm/core/compiler.h"

/* A tree that is being written. After the first error nothing more is written, and err stays. */
struct tree {
	void *fdt;
	int err; /* 0 or a negative libfdt error */
};

static void begin(struct tree *t, const char *name)
{
	if (t->err == 0)
		t->err = fdt_begin_node(t->fdt, name);
}

static void begin_at(struct tree *t, const char *name, uint64_t unit)
{
	char full[48];

	(void)snprintf(full, sizeof(full), "%s@%" PRIx64, name, unit);
	begin(t, full);
}

static void end(struct tree *t)
{
	if (t->err == 0)
		t->err = fdt_end_node(t->fdt);
}

static void put_u32(struct tree *t, const char *name, uint32_t v)
{
	if (t->err == 0)
		t->err = fdt_property_u32(t->fdt, name, v);
}

static void put_u64(struct tree *t, const char *name, uint64_t v)
{
	if (t->err == 0)
		t->err = fdt_property_u64(t->fdt, name, v);
}

static void put_string(struct tree *t, const char *name, const char *v)
{
	if (t->err == 0)
		t->err = fdt_property(t->fdt, name, v, (int)strlen(v) + 1);
}

static void put_flag(struct tree *t, const char *name)
{
	if (t->err == 0)
		t->err = fdt_property(t->fdt, name, NULL, 0);
}

/* "reg" with two cells of address and two of size. */
static void put_reg(struct tree *t, uint64_t base, uint64_t size)
{
	const fdt64_t reg[2] = {cpu_to_fdt64(base), cpu_to_fdt64(size)};

	if (t->err == 0)
		t->err = fdt_property(t->fdt, "reg", reg, sizeof(reg));
}

static void put_interrupt(struct tree *t, const struct fdt_extra *extra, unsigned gsi)
{
	uint32_t cell[FDT_IRQ_CELLS_MAX] = {gsi, 1}; /* 1: rising edge, as most controllers count */
	fdt32_t be[FDT_IRQ_CELLS_MAX];
	unsigned nr = extra->irq_cells ? extra->irq_cells(gsi, cell) : 2;

	for (unsigned i = 0; i < nr; i++)
		be[i] = cpu_to_fdt32(cell[i]);
	if (t->err == 0)
		t->err = fdt_property(t->fdt, "interrupts", be, (int)(nr * sizeof(be[0])));
}

static void chosen(struct tree *t, const struct fdt_extra *extra)
{
	begin(t, "chosen");
	if (extra->bootargs)
		put_string(t, "bootargs", extra->bootargs);
	if (extra->initrd_size > 0) {
		put_u64(t, "linux,initrd-start", extra->initrd_base);
		put_u64(t, "linux,initrd-end", extra->initrd_base + extra->initrd_size);
	}
	end(t);
}

static void cpus(struct tree *t, unsigned nr)
{
	begin(t, "cpus");
	put_u32(t, "#address-cells", 1);
	put_u32(t, "#size-cells", 0);
	for (unsigned i = 0; i < nr; i++) {
		begin_at(t, "cpu", i);
		put_string(t, "device_type", "cpu");
		put_u32(t, "reg", i);
		end(t);
	}
	end(t);
}

static void memory(struct tree *t, const struct gmem_range *r)
{
	begin_at(t, "memory", r->base);
	put_string(t, "device_type", "memory");
	put_reg(t, r->base, r->size);
	end(t);
}

static void virtio(struct tree *t, const struct fdt_extra *extra, const struct machine_virtio *v)
{
	begin_at(t, "virtio_mmio", v->base);
	put_string(t, "compatible", "virtio,mmio");
	put_reg(t, v->base, v->size);
	put_interrupt(t, extra, v->gsi);
	put_flag(t, "dma-coherent");
	end(t);
}

static void root(struct tree *t, const struct machine_map *map, const struct fdt_extra *extra,
                 bool with_virtio)
{
	begin(t, "");
	put_u32(t, "#address-cells", 2);
	put_u32(t, "#size-cells", 2);
	put_string(t, "compatible", extra->root_compatible);
	put_string(t, "model", "doorbell");
	if (t->err == 0 && extra->arch_nodes)
		t->err = extra->arch_nodes(t->fdt, extra->arg);
	chosen(t, extra);
	for (unsigned i = 0; i < map->nr_ram; i++)
		memory(t, &map->ram[i]);
	cpus(t, map->nr_cpus);
	for (unsigned i = 0; i < map->nr_virtio && with_virtio; i++)
		virtio(t, extra, &map->virtio[i]);
	end(t);
}

int fdt_build(const struct machine_map *map, const struct fdt_extra *extra, int all, void *buf,
              size_t size)
{
	struct tree t = {.fdt = buf};

	t.err = fdt_create(buf, (int)min_u64(size, INT_MAX));
	if (t.err == 0)
		t.err = fdt_finish_reservemap(buf);
	root(&t, map, extra, all || map->announce == ANNOUNCE_FDT);
	if (t.err == 0)
		t.err = fdt_finish(buf);
	if (t.err != 0)
		return t.err == -FDT_ERR_NOSPACE ? -ENOSPC : -EINVAL;
	return (int)fdt_totalsize(buf);
}
