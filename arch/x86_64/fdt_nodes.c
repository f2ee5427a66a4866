/* SPDX-License-Identifier: Apache-2.0 */
#include "arch/x86_64/fdt_nodes.h"

#include <libfdt.h>
#include <stdio.h>
#include <string.h>

#include "arch/x86_64/layout.h"
#include "vmm/core/compiler.h"

#define PHANDLE_IOAPIC 1u
#define PHANDLE_POWER  2u

/*
 * This controller's code for an edge. Linux has read 3 as a falling edge and reads it as a rising one
 * now; what KVM's I/O-APIC looks at is that it is an edge, in both.
 */
#define IRQ_EDGE 3u

#define SLEEP_ENABLE 0x20u

unsigned fdt_irq_cells(unsigned gsi, uint32_t cell[FDT_IRQ_CELLS_MAX])
{
	cell[0] = gsi;
	cell[1] = IRQ_EDGE;
	return 2;
}

static int put_string(void *fdt, const char *name, const char *value)
{
	return fdt_property(fdt, name, value, (int)strlen(value) + 1);
}

/* Begins a node with its address in the name and in "reg". */
static int begin_device(void *fdt, const char *name, const char *compatible, uint64_t base,
                        uint64_t size)
{
	const fdt64_t reg[2] = {cpu_to_fdt64(base), cpu_to_fdt64(size)};
	char full[48];
	int err;

	snprintf(full, sizeof(full), "%s@%llx", name, (unsigned long long)base);
	err = fdt_begin_node(fdt, full);
	if (!err)
		err = put_string(fdt, "compatible", compatible);
	if (!err)
		err = fdt_property(fdt, "reg", reg, sizeof(reg));
	return err;
}

static int lapic(void *fdt)
{
	int err = begin_device(fdt, "lapic", "intel,ce4100-lapic", LAYOUT_LAPIC, 0x1000);

	if (!err)
		err = fdt_property(fdt, "intel,virtual-wire-mode", NULL, 0);
	return err ? err : fdt_end_node(fdt);
}

static int ioapic(void *fdt)
{
	int err = begin_device(fdt, "ioapic", "intel,ce4100-ioapic", LAYOUT_IOAPIC, 0x1000);

	if (!err)
		err = fdt_property(fdt, "interrupt-controller", NULL, 0);
	if (!err)
		err = fdt_property_u32(fdt, "#interrupt-cells", 2);
	if (!err)
		err = fdt_property_u32(fdt, "#address-cells", 0);
	if (!err)
		err = fdt_property_u32(fdt, "phandle", PHANDLE_IOAPIC);
	return err ? err : fdt_end_node(fdt);
}

static int power(void *fdt)
{
	int err = begin_device(fdt, "power", "syscon", LAYOUT_POWER, LAYOUT_POWER_SIZE);

	if (!err)
		err = fdt_property_u32(fdt, "reg-io-width", 1);
	if (!err)
		err = fdt_property_u32(fdt, "phandle", PHANDLE_POWER);
	return err ? err : fdt_end_node(fdt);
}

/* "Write @value to register @offset of the power device." */
static int power_action(void *fdt, const char *name, const char *compatible, uint32_t offset,
                        uint32_t value)
{
	int err = fdt_begin_node(fdt, name);

	if (!err)
		err = put_string(fdt, "compatible", compatible);
	if (!err)
		err = fdt_property_u32(fdt, "regmap", PHANDLE_POWER);
	if (!err)
		err = fdt_property_u32(fdt, "offset", offset);
	if (!err)
		err = fdt_property_u32(fdt, "value", value);
	return err ? err : fdt_end_node(fdt);
}

int fdt_nodes(void *fdt, unused void *arg)
{
	int err = fdt_property_u32(fdt, "interrupt-parent", PHANDLE_IOAPIC);

	if (!err)
		err = lapic(fdt);
	if (!err)
		err = ioapic(fdt);
	if (!err)
		err = power(fdt);
	if (!err)
		err = power_action(fdt, "poweroff", "syscon-poweroff", LAYOUT_POWER_SLEEP_CONTROL,
		                   LAYOUT_POWER_OFF_TYPE << 2u | SLEEP_ENABLE);
	if (!err)
		err = power_action(fdt, "reboot", "syscon-reboot", LAYOUT_POWER_RESET,
		                   LAYOUT_POWER_RESET_VALUE);
	return err;
}
