/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <libfdt.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "boot/cmdline.h"
#include "boot/fdt.h"
#include "vmm/core/compiler.h"

struct rig {
	struct machine_map map;
	struct fdt_extra extra;
	_Alignas(8) uint8_t blob[FDT_MAX_SIZE];
};

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	r->map = (struct machine_map){
		.ram = {{0, GIB(3)}, {GIB(4), GIB(1)}},
		.nr_ram = 2,
		.nr_cpus = 2,
		.virtio = {{.base = 0xd0000f00, .size = 0x200, .gsi = 5, .name = "net0"},
	                   {.base = 0xd0002f00, .size = 0x200, .gsi = 6, .name = "net1"}},
		.nr_virtio = 2,
		.announce = ANNOUNCE_FDT,
	};
	r->extra = (struct fdt_extra){.root_compatible = "doorbell,test"};
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static void build(struct rig *r, bool all)
{
	int len = fdt_build(&r->map, &r->extra, all, r->blob, sizeof(r->blob));

	assert_true(len > 0);
	assert_int_equal(fdt_check_full(r->blob, (size_t)len), 0);
	assert_int_equal(fdt_totalsize(r->blob), len);
}

static int node(const struct rig *r, const char *path)
{
	int at = fdt_path_offset(r->blob, path);

	if (at < 0)
		fail_msg("%s: %s", path, fdt_strerror(at));
	return at;
}

/* The property of node @path, which must have @len bytes. */
static const void *prop(const struct rig *r, const char *path, const char *name, int len)
{
	int got;
	const void *p = fdt_getprop(r->blob, node(r, path), name, &got);

	if (!p || got != len)
		fail_msg("%s of %s: expected %d bytes, got %d", name, path, len, got);
	return p;
}

static void assert_string(const struct rig *r, const char *path, const char *name, const char *want)
{
	assert_string_equal(prop(r, path, name, (int)strlen(want) + 1), want);
}

static void assert_cells(const struct rig *r, const char *path, const char *name,
                         const uint32_t *want, size_t nr)
{
	const fdt32_t *p = prop(r, path, name, (int)(nr * 4));

	for (size_t i = 0; i < nr; i++)
		assert_int_equal(fdt32_to_cpu(p[i]), want[i]);
}

#define CELLS(...) (const uint32_t[]){__VA_ARGS__}, ARRAY_SIZE(((const uint32_t[]){__VA_ARGS__}))

static unsigned count_nodes(const struct rig *r, const char *below)
{
	unsigned n = 0;
	int at;

	fdt_for_each_subnode(at, r->blob, node(r, below)) n++;
	return n;
}

static void machine_is_described(void **state)
{
	struct rig *r = *state;

	build(r, false);
	assert_cells(r, "/", "#address-cells", CELLS(2));
	assert_cells(r, "/", "#size-cells", CELLS(2));
	assert_string(r, "/", "compatible", "doorbell,test");
	assert_string(r, "/memory@0", "device_type", "memory");
	assert_cells(r, "/memory@0", "reg", CELLS(0, 0, 0, 0xc0000000));
	assert_string(r, "/memory@100000000", "device_type", "memory");
	assert_cells(r, "/memory@100000000", "reg", CELLS(1, 0, 0, 0x40000000));
	assert_cells(r, "/cpus", "#address-cells", CELLS(1));
	assert_cells(r, "/cpus", "#size-cells", CELLS(0));
	assert_string(r, "/cpus/cpu@1", "device_type", "cpu");
	assert_cells(r, "/cpus/cpu@1", "reg", CELLS(1));
	assert_int_equal(count_nodes(r, "/cpus"), 2);
	/* chosen, cpus, two of memory, two of virtio_mmio */
	assert_int_equal(count_nodes(r, "/"), 6);
}

static void virtio_devices_have_registers_and_an_edge(void **state)
{
	struct rig *r = *state;

	build(r, false);
	assert_string(r, "/virtio_mmio@d0000f00", "compatible", "virtio,mmio");
	assert_cells(r, "/virtio_mmio@d0000f00", "reg", CELLS(0, 0xd0000f00, 0, 0x200));
	assert_cells(r, "/virtio_mmio@d0000f00", "interrupts", CELLS(5, 1));
	prop(r, "/virtio_mmio@d0000f00", "dma-coherent", 0);
	assert_cells(r, "/virtio_mmio@d0002f00", "interrupts", CELLS(6, 1));
}

static void virtio_devices_are_there_only_when_announced(void **state)
{
	static const enum announce others[] = {ANNOUNCE_ACPI, ANNOUNCE_CMDLINE, ANNOUNCE_NONE};
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		r->map.announce = others[i];
		build(r, false);
		assert_int_equal(fdt_path_offset(r->blob, "/virtio_mmio@d0000f00"),
		                 -FDT_ERR_NOTFOUND);
		build(r, true);
		node(r, "/virtio_mmio@d0000f00");
	}
}

static void chosen_tells_command_line_and_initrd(void **state)
{
	struct rig *r = *state;

	r->extra.bootargs = "console=ttyS0 quiet";
	r->extra.initrd_base = GIB(3);
	r->extra.initrd_size = GIB(2);
	build(r, false);
	assert_string(r, "/chosen", "bootargs", "console=ttyS0 quiet");
	assert_cells(r, "/chosen", "linux,initrd-start", CELLS(0, 0xc0000000));
	assert_cells(r, "/chosen", "linux,initrd-end", CELLS(1, 0x40000000));
}

static void chosen_is_empty_without_command_line_and_initrd(void **state)
{
	struct rig *r = *state;

	build(r, false);
	assert_int_equal(fdt_first_property_offset(r->blob, node(r, "/chosen")), -FDT_ERR_NOTFOUND);
}

static int arch_nodes(void *fdt, void *arg)
{
	int *ret = arg;

	if (*ret != 0)
		return *ret;
	assert_int_equal(fdt_property_u32(fdt, "interrupt-parent", 1), 0);
	assert_int_equal(fdt_begin_node(fdt, "intc"), 0);
	assert_int_equal(fdt_property_u32(fdt, "phandle", 1), 0);
	return fdt_end_node(fdt);
}

static unsigned irq_cells(unsigned gsi, uint32_t cell[FDT_IRQ_CELLS_MAX])
{
	cell[0] = 0;
	cell[1] = gsi + 32;
	cell[2] = 4;
	return 3;
}

static void cpu_adds_nodes_and_its_own_interrupt_cells(void **state)
{
	struct rig *r = *state;
	int ret = 0;

	r->extra.arch_nodes = arch_nodes;
	r->extra.arg = &ret;
	r->extra.irq_cells = irq_cells;
	build(r, false);
	assert_cells(r, "/", "interrupt-parent", CELLS(1));
	assert_cells(r, "/intc", "phandle", CELLS(1));
	assert_cells(r, "/virtio_mmio@d0000f00", "interrupts", CELLS(0, 37, 4));
	ret = -FDT_ERR_BADSTATE;
	assert_int_equal(fdt_build(&r->map, &r->extra, 0, r->blob, sizeof(r->blob)), -EINVAL);
	ret = -FDT_ERR_NOSPACE;
	assert_int_equal(fdt_build(&r->map, &r->extra, 0, r->blob, sizeof(r->blob)), -ENOSPC);
}

static void every_smaller_buffer_is_refused(void **state)
{
	struct rig *r = *state;
	int need;

	r->extra.bootargs = "quiet";
	need = fdt_build(&r->map, &r->extra, 0, r->blob, sizeof(r->blob));
	assert_true(need > 0);
	for (size_t size = 0; size < (size_t)need; size++) {
		/* Of exactly this size, so that a sanitizer sees what is written behind it. */
		void *small = malloc(size > 0 ? size : 1);

		assert_non_null(small);
		assert_int_equal(fdt_build(&r->map, &r->extra, 0, small, size), -ENOSPC);
		free(small);
	}
	assert_int_equal(fdt_build(&r->map, &r->extra, 0, r->blob, (size_t)need), need);
}

static void largest_machine_fits(void **state)
{
	struct rig *r = *state;
	char line[CMDLINE_MAX];

	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	r->extra.bootargs = line;
	r->extra.initrd_base = GIB(1);
	r->extra.initrd_size = 1;
	r->map.nr_cpus = 255;
	r->map.nr_ram = GMEM_MAX_REGIONS;
	r->map.nr_virtio = MACHINE_MAX_VIRTIO;
	for (unsigned i = 0; i < GMEM_MAX_REGIONS; i++)
		r->map.ram[i] = (struct gmem_range){GIB(4) * i, GIB(1)};
	for (unsigned i = 0; i < MACHINE_MAX_VIRTIO; i++)
		r->map.virtio[i] = (struct machine_virtio){
			.base = 0xd0000f00 + i * 0x2000, .size = 0x200, .gsi = 5 + i};
	build(r, false);
	assert_true(fdt_totalsize(r->blob) < FDT_MAX_SIZE * 3 / 4); /* the rest is for arch_nodes */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(machine_is_described, setup, teardown),
		cmocka_unit_test_setup_teardown(virtio_devices_have_registers_and_an_edge, setup,
	                                        teardown),
		cmocka_unit_test_setup_teardown(virtio_devices_are_there_only_when_announced, setup,
	                                        teardown),
		cmocka_unit_test_setup_teardown(chosen_tells_command_line_and_initrd, setup,
	                                        teardown),
		cmocka_unit_test_setup_teardown(chosen_is_empty_without_command_line_and_initrd,
	                                        setup, teardown),
		cmocka_unit_test_setup_teardown(cpu_adds_nodes_and_its_own_interrupt_cells, setup,
	                                        teardown),
		cmocka_unit_test_setup_teardown(every_smaller_buffer_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(largest_machine_fits, setup, teardown),
	};

	return cmocka_run_group_tests_name("fdt", tests, NULL, NULL);
}
