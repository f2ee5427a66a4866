/* SPDX-License-Identifier: Apache-2.0 */
#include "arch/x86_64/acpi.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "arch/x86_64/acpi_aml.h"
#include "arch/x86_64/layout.h"
#include "arch/x86_64/zero_sum.h"
#include "vmm/core/compiler.h"
#include "vmm/core/le.h"

#define packed __attribute__((packed))

/* Structures: ACPI 6.4, 5.2.5 (RSDP), 5.2.6 (header), 5.2.9 (FADT), 5.2.12 (MADT). */
struct packed rsdp {
	char signature[8];
	uint8_t checksum; /* of the first 20 bytes */
	char oem_id[6];
	uint8_t revision;
	le32 rsdt;
	le32 length;
	le64 xsdt;
	uint8_t ext_checksum;
	uint8_t reserved[3];
};

struct packed table_header {
	char signature[4];
	le32 length;
	uint8_t revision;
	uint8_t checksum;
	char oem_id[6];
	char oem_table_id[8];
	le32 oem_revision;
	char creator_id[4];
	le32 creator_revision;
};

struct packed generic_address {
	uint8_t space; /* 0: memory */
	uint8_t bit_width;
	uint8_t bit_offset;
	uint8_t access_size; /* 1: byte */
	le64 address;
};

struct packed fadt { /* revision 5; what a hardware-reduced machine leaves 0 is not named */
	struct table_header header;
	le32 facs;
	le32 dsdt;
	uint8_t pm_blocks[65]; /* 44..108 */
	le16 boot_arch;
	uint8_t reserved;
	le32 flags;
	struct generic_address reset_reg;
	uint8_t reset_value;
	uint8_t arm_boot[2];
	uint8_t minor_revision;
	le64 x_facs;
	le64 x_dsdt;
	uint8_t x_pm_blocks[96]; /* 148..243 */
	struct generic_address sleep_control;
	struct generic_address sleep_status;
};

_Static_assert(sizeof(struct rsdp) == 36, "RSDP of revision 2");
_Static_assert(offsetof(struct fadt, boot_arch) == 109, "FADT IAPC_BOOT_ARCH");
_Static_assert(offsetof(struct fadt, flags) == 112, "FADT flags");
_Static_assert(offsetof(struct fadt, x_dsdt) == 140, "FADT X_DSDT");
_Static_assert(sizeof(struct fadt) == 268, "FADT of revision 5");

#define FADT_RESET_REG_SUPPORTED UINT32_C(0x400)
#define FADT_HW_REDUCED          UINT32_C(0x100000)

/*
 * IAPC_BOOT_ARCH. Without the second one Linux waits for a clock that is not there: 10 s of an
 * emulated host's time, in some ten thousand reads of ports 0x70 and 0x71.
 */
#define FADT_NO_VGA      0x04u
#define FADT_NO_CMOS_RTC 0x20u

struct packed madt {
	struct table_header header;
	le32 local_apic;
	le32 flags; /* 0: no PIC that would have to be disabled */
};

struct packed madt_local_apic {
	uint8_t type, length;
	uint8_t processor_uid, apic_id;
	le32 flags; /* 1: enabled */
};

struct packed madt_io_apic {
	uint8_t type, length;
	uint8_t id, reserved;
	le32 address;
	le32 gsi_base;
};

/* A bump allocator over the area: tables are built in place, then closed with their length. */
struct area {
	uint8_t *host;
	size_t size;
	size_t used;
	gpa_t at;
};

/* A zeroed table of @len bytes, 16-byte aligned; NULL when it does not fit. */
static void *area_take(struct area *a, size_t len, gpa_t *gpa)
{
	size_t start = align_up(a->used, 16);

	if (start > a->size || len > a->size - start)
		return NULL;
	a->used = start + len;
	*gpa = a->at + start;
	memset(a->host + start, 0, len);
	return a->host + start;
}

static void table_close(struct table_header *h, const char *signature, uint8_t revision, size_t len)
{
	memcpy(h->signature, signature, sizeof(h->signature));
	h->length = le32_of(u32_of(len));
	h->revision = revision;
	memcpy(h->oem_id, "DRBELL", sizeof(h->oem_id));
	memcpy(h->oem_table_id, "DOORBELL", sizeof(h->oem_table_id));
	h->oem_revision = le32_of(1);
	memcpy(h->creator_id, "DRBL", sizeof(h->creator_id));
	h->creator_revision = le32_of(1);
	h->checksum = zero_sum(h, len);
}

static void dsdt_uart(struct aml *a)
{
	size_t device = aml_device(a, "COM1");
	size_t crs;

	aml_name_eisaid(a, "_HID", "PNP0501");
	aml_name_int(a, "_UID", 0);
	crs = aml_name_resources(a);
	aml_io(a, LAYOUT_UART_PORT, 8);
	aml_interrupt_edge(a, LAYOUT_UART_GSI);
	aml_end_resources(a, crs);
	aml_end(a, device);
}

static void dsdt_virtio(struct aml *a, unsigned index, const struct machine_virtio *v)
{
	char name[5];
	size_t device, crs;

	snprintf(name, sizeof(name), "VR%02X", index & 0xff);
	device = aml_device(a, name);
	aml_name_string(a, "_HID", "LNRO0005");
	aml_name_int(a, "_UID", index);
	aml_name_int(a, "_CCA", 1); /* DMA is coherent */
	crs = aml_name_resources(a);
	aml_memory32(a, u32_of(v->base), u32_of(v->size));
	aml_interrupt_edge(a, v->gsi);
	aml_end_resources(a, crs);
	aml_end(a, device);
}

static gpa_t build_dsdt(struct area *area, const struct machine_map *map)
{
	struct table_header *h;
	struct aml aml;
	size_t mark;
	gpa_t at;

	h = area_take(area, sizeof(*h), &at);
	if (!h)
		return 0;
	aml_init(&aml, area->host + area->used, area->size - area->used);
	mark = aml_scope(&aml, "_SB_");
	dsdt_uart(&aml);
	for (unsigned i = 0; map->announce == ANNOUNCE_ACPI && i < map->nr_virtio; i++)
		dsdt_virtio(&aml, i, &map->virtio[i]);
	aml_end(&aml, mark);
	mark = aml_name_package(&aml, "_S5_", 4);
	aml_int(&aml, LAYOUT_POWER_OFF_TYPE);
	for (unsigned i = 0; i < 3; i++)
		aml_int(&aml, 0);
	aml_end(&aml, mark);
	if (aml_failed(&aml))
		return 0;
	area->used += aml.len;
	table_close(h, "DSDT", 2, sizeof(*h) + aml.len);
	return at;
}

static struct generic_address power_register(unsigned off)
{
	return (struct generic_address){
		.bit_width = 8,
		.access_size = 1,
		.address = le64_of(LAYOUT_POWER + off),
	};
}

static gpa_t build_fadt(struct area *area, gpa_t dsdt)
{
	struct fadt *f;
	gpa_t at;

	f = area_take(area, sizeof(*f), &at);
	if (!f)
		return 0;
	f->dsdt = le32_of(u32_of(dsdt));
	f->x_dsdt = le64_of(dsdt);
	f->boot_arch = le16_of(FADT_NO_VGA | FADT_NO_CMOS_RTC);
	f->flags = le32_of(FADT_RESET_REG_SUPPORTED | FADT_HW_REDUCED);
	f->reset_reg = power_register(LAYOUT_POWER_RESET);
	f->reset_value = LAYOUT_POWER_RESET_VALUE;
	f->sleep_control = power_register(LAYOUT_POWER_SLEEP_CONTROL);
	f->sleep_status = power_register(LAYOUT_POWER_SLEEP_STATUS);
	f->minor_revision = 1;
	table_close(&f->header, "FACP", 5, sizeof(*f));
	return at;
}

static gpa_t build_madt(struct area *area, unsigned nr_cpus)
{
	struct madt_local_apic *cpu;
	struct madt_io_apic *io;
	struct madt *m;
	size_t len = sizeof(*m) + nr_cpus * sizeof(*cpu) + sizeof(*io);
	gpa_t at;

	m = area_take(area, len, &at);
	if (!m)
		return 0;
	m->local_apic = le32_of(u32_of(LAYOUT_LAPIC));
	cpu = (struct madt_local_apic *)(m + 1);
	for (unsigned i = 0; i < nr_cpus; i++, cpu++)
		*cpu = (struct madt_local_apic){
			.type = 0,
			.length = sizeof(*cpu),
			.processor_uid = u8_of(i),
			.apic_id = u8_of(i),
			.flags = le32_of(1),
		};
	io = (struct madt_io_apic *)cpu;
	*io = (struct madt_io_apic){
		.type = 1,
		.length = sizeof(*io),
		.address = le32_of(u32_of(LAYOUT_IOAPIC)),
	};
	table_close(&m->header, "APIC", 3, len);
	return at;
}

static gpa_t build_xsdt(struct area *area, gpa_t fadt, gpa_t madt)
{
	struct packed xsdt {
		struct table_header header;
		le64 table[2];
	} * x;
	gpa_t at;

	x = area_take(area, sizeof(*x), &at);
	if (!x)
		return 0;
	x->table[0] = le64_of(fadt);
	x->table[1] = le64_of(madt);
	table_close(&x->header, "XSDT", 1, sizeof(*x));
	return at;
}

size_t acpi_build(const struct machine_map *map, void *host, size_t size, gpa_t at)
{
	struct area area = {.host = host, .size = size, .at = at};
	gpa_t rsdp_at, dsdt, fadt, madt, xsdt;
	struct rsdp *r;

	r = area_take(&area, sizeof(*r), &rsdp_at);
	dsdt = build_dsdt(&area, map);
	fadt = build_fadt(&area, dsdt);
	madt = build_madt(&area, map->nr_cpus);
	xsdt = build_xsdt(&area, fadt, madt);
	if (!r || !dsdt || !fadt || !madt || !xsdt)
		return 0;
	memcpy(r->signature, "RSD PTR ", sizeof(r->signature));
	memcpy(r->oem_id, "DRBELL", sizeof(r->oem_id));
	r->revision = 2;
	r->length = le32_of(sizeof(*r));
	r->xsdt = le64_of(xsdt);
	r->checksum = zero_sum(r, 20);
	r->ext_checksum = zero_sum(r, sizeof(*r));
	return area.used;
}
