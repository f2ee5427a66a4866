/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arch/arch.h"
#include "arch/x86_64/acpi.h"
#include "arch/x86_64/acpi_aml.h"
#include "arch/x86_64/layout.h"
#include "vmm/core/le.h"

#define AT 0xe0000u

static uint8_t area[ACPI_AREA_SIZE];

static struct machine_map machine(unsigned nr_cpus, unsigned nr_virtio)
{
	struct machine_map map = {
		.nr_cpus = nr_cpus, .nr_virtio = nr_virtio, .announce = ANNOUNCE_ACPI};

	for (unsigned i = 0; i < nr_virtio; i++)
		map.virtio[i] = (struct machine_virtio){
			.base = arch_desc.virtio_base + i * arch_desc.virtio_stride,
			.size = 0x200,
			.gsi = arch_desc.virtio_gsi + i,
		};
	return map;
}

static unsigned sum(const uint8_t *p, size_t len)
{
	unsigned s = 0;

	while (len--)
		s += *p++;
	return s & 0xff;
}

/* The table that a pointer in another one leads to: inside the area, with this signature, sum 0. */
static const uint8_t *table(uint64_t gpa, const char *signature, size_t used)
{
	const uint8_t *t;

	assert_in_range(gpa, AT, AT + used - 36);
	t = area + (gpa - AT);
	assert_memory_equal(t, signature, 4);
	assert_in_range(get_le32(t + 4), 36, AT + used - gpa);
	assert_int_equal(sum(t, get_le32(t + 4)), 0);
	return t;
}

struct tables {
	const uint8_t *fadt, *madt, *dsdt;
};

/* Walks as a guest does, from the RSDP. */
static struct tables build(const struct machine_map *map)
{
	size_t used = acpi_build(map, area, sizeof(area), AT);
	const uint8_t *xsdt;
	struct tables t;

	assert_in_range(used, 36, sizeof(area));
	assert_memory_equal(area, "RSD PTR ", 8);
	assert_int_equal(sum(area, 20), 0);
	assert_int_equal(sum(area, 36), 0);
	assert_int_equal(area[15], 2);
	assert_int_equal(get_le32(area + 16), 0); /* no RSDT */
	xsdt = table(get_le64(area + 24), "XSDT", used);
	assert_int_equal(get_le32(xsdt + 4), 36 + 2 * 8);
	t.fadt = table(get_le64(xsdt + 36), "FACP", used);
	t.madt = table(get_le64(xsdt + 44), "APIC", used);
	t.dsdt = table(get_le64(t.fadt + 140), "DSDT", used);
	return t;
}

static void tables_are_linked_and_sum_to_zero(void **state)
{
	struct machine_map map = machine(2, 1);

	(void)state;
	memset(area, 0xa5, sizeof(area)); /* what was there before must not matter */
	build(&map);
}

static void fadt_is_hardware_reduced_with_our_registers(void **state)
{
	static const uint8_t byte_in_memory[4] = {0, 8, 0, 1};
	struct machine_map map = machine(1, 0);
	const uint8_t *f = build(&map).fadt;

	(void)state;
	assert_int_equal(get_le32(f + 4), 268);
	assert_int_equal(get_le32(f + 112), 0x00100400);
	assert_int_equal(get_le32(f + 40), get_le64(f + 140)); /* DSDT twice */
	assert_memory_equal(f + 116, byte_in_memory, 4);
	assert_int_equal(get_le64(f + 120), LAYOUT_POWER + LAYOUT_POWER_RESET);
	assert_int_equal(f[128], LAYOUT_POWER_RESET_VALUE);
	assert_memory_equal(f + 244, byte_in_memory, 4);
	assert_int_equal(get_le64(f + 248), LAYOUT_POWER + LAYOUT_POWER_SLEEP_CONTROL);
	assert_memory_equal(f + 256, byte_in_memory, 4);
	assert_int_equal(get_le64(f + 260), LAYOUT_POWER + LAYOUT_POWER_SLEEP_STATUS);
	for (unsigned i = 44; i < 109; i++)
		assert_int_equal(f[i], 0);         /* no SCI, SMI, PM blocks */
	assert_int_equal(get_le16(f + 109), 0x24); /* no 8042, no VGA, no CMOS clock */
}

static void madt_has_every_cpu_and_one_io_apic(void **state)
{
	static const unsigned counts[] = {1, 2, 7, LAYOUT_MAX_CPUS};

	(void)state;
	for (unsigned n = 0; n < 4; n++) {
		struct machine_map map = machine(counts[n], 1);
		const uint8_t *m = build(&map).madt;
		const uint8_t *e = m + 44;

		assert_int_equal(get_le32(m + 4), 44 + counts[n] * 8 + 12);
		assert_int_equal(get_le32(m + 36), 0xfee00000);
		assert_int_equal(get_le32(m + 40), 0); /* no PIC */
		for (unsigned i = 0; i < counts[n]; i++, e += 8) {
			const uint8_t lapic[8] = {0, 8, (uint8_t)i, (uint8_t)i, 1, 0, 0, 0};

			assert_memory_equal(e, lapic, 8);
		}
		assert_int_equal(e[0], 1);
		assert_int_equal(e[1], 12);
		assert_int_equal(get_le32(e + 4), 0xfec00000);
		assert_int_equal(get_le32(e + 8), 0);
	}
}

static bool contains(const uint8_t *t, const void *what, size_t len)
{
	return memmem(t, get_le32(t + 4), what, len) != NULL;
}

static void dsdt_names_devices_only_when_acpi_announces_them(void **state)
{
	struct machine_map map = machine(1, 2);

	(void)state;
	assert_true(contains(build(&map).dsdt, "LNRO0005", 9));
	assert_true(contains(build(&map).dsdt, "VR00", 4));
	assert_true(contains(build(&map).dsdt, "VR01", 4));
	for (unsigned a = ANNOUNCE_CMDLINE; a <= ANNOUNCE_NONE; a++) {
		map.announce = a;
		assert_false(contains(build(&map).dsdt, "LNRO0005", 9));
		assert_true(contains(build(&map).dsdt, "COM1", 4));
		assert_true(contains(build(&map).dsdt, "_S5_", 4));
	}
}

static void largest_machine_fits_and_a_small_area_is_refused(void **state)
{
	struct machine_map map = machine(LAYOUT_MAX_CPUS, MACHINE_MAX_VIRTIO);
	size_t used = acpi_build(&map, area, sizeof(area), AT);
	uint8_t *small;

	(void)state;
	assert_true(used > 0);
	for (size_t size = 0; size < used; size++) {
		small = malloc(size + 1); /* so that a sanitizer sees a byte too much */
		assert_non_null(small);
		assert_int_equal(acpi_build(&map, small, size, AT), 0);
		free(small);
	}
	assert_int_equal(acpi_build(&map, area, used, AT), used);
}

static void long_package_has_a_two_byte_length(void **state)
{
	uint8_t buf[8192];
	struct aml a;
	size_t mark;

	(void)state;
	aml_init(&a, buf, sizeof(buf));
	mark = aml_scope(&a, "_SB_");
	for (unsigned i = 0; i < 100; i++)
		aml_int(&a, 0x12345678);
	aml_end(&a, mark);
	assert_false(aml_failed(&a));
	assert_int_equal(a.len, 1 + 2 + 5 + 500);
	assert_int_equal(buf[1], 0x40 | (507 & 0xf));
	assert_int_equal(buf[2], 507 >> 4);
	mark = aml_scope(&a, "_SB_");
	for (unsigned i = 0; i < 1000; i++)
		aml_int(&a, 0x12345678);
	aml_end(&a, mark);
	assert_true(aml_failed(&a)); /* 12 bits are not enough */
}

static void eisa_id_is_packed_as_on_the_bus(void **state)
{
	static const uint8_t expected[] = {0x08, '_', 'H', 'I', 'D', 0x0c, 0x41, 0xd0, 0x05, 0x01};
	uint8_t buf[16];
	struct aml a;

	(void)state;
	aml_init(&a, buf, sizeof(buf));
	aml_name_eisaid(&a, "_HID", "PNP0501");
	assert_int_equal(a.len, sizeof(expected));
	assert_memory_equal(buf, expected, sizeof(expected));
}

/* ---- what Intel's own tool reads in them */

struct text {
	char s[65536];
};

static void read_file(const char *path, struct text *t)
{
	FILE *f = fopen(path, "r");
	size_t n;

	assert_non_null(f);
	n = fread(t->s, 1, sizeof(t->s) - 1, f);
	t->s[n] = '\0';
	assert_int_equal(fclose(f), 0);
}

static void write_file(const char *path, const uint8_t *table_bytes)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(table_bytes, 1, get_le32(table_bytes + 4), f),
	                 get_le32(table_bytes + 4));
	assert_int_equal(fclose(f), 0);
}

static int run_in(const char *dir, const char *command)
{
	char line[512];

	snprintf(line, sizeof(line), "cd '%s' && %s >out 2>&1", dir, command);
	return system(line); /* NOLINT(cert-env33-c): a test, fixed words, a directory of ours */
}

/* Text is compared without blanks: iasl's columns differ between versions. */
static void assert_mentions(struct text *t, const char *what)
{
	char *w = t->s;

	for (const char *r = t->s; *r; r++)
		if (*r != ' ' && *r != '\n')
			*w++ = *r;
	*w = '\0';
	if (!strstr(t->s, what))
		fail_msg("'%s' is not in: %s", what, t->s);
}

static void iasl_reads_and_compiles_the_tables(void **state)
{
	static struct text t;
	struct machine_map map = machine(2, 2);
	struct tables tables = build(&map);
	char dir[] = "/tmp/doorbell-acpi-XXXXXX", path[64];

	(void)state;
	if (system("command -v iasl >/dev/null 2>&1") != 0) { /* NOLINT(cert-env33-c): as above */
		print_message("iasl is missing: tests/setup.sh test installs it\n");
		skip();
	}
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/dsdt.dat", dir);
	write_file(path, tables.dsdt);
	snprintf(path, sizeof(path), "%s/facp.dat", dir);
	write_file(path, tables.fadt);
	snprintf(path, sizeof(path), "%s/apic.dat", dir);
	write_file(path, tables.madt);
	assert_int_equal(run_in(dir, "iasl -d dsdt.dat facp.dat apic.dat"), 0);
	snprintf(path, sizeof(path), "%s/out", dir);
	read_file(path, &t);
	assert_null(strstr(t.s, "rror"));
	assert_null(strstr(t.s, "arning"));
	snprintf(path, sizeof(path), "%s/dsdt.dsl", dir);
	read_file(path, &t);
	assert_mentions(&t, "IO(Decode16,0x03F8,//RangeMinimum0x03F8,//RangeMaximum0x01,//Alignment"
	                    "0x08,//Length");
	assert_mentions(&t, "Memory32Fixed(ReadWrite,0xD0002F00,//AddressBase0x00000200,");
	assert_mentions(&t,
	                "Interrupt(ResourceConsumer,Edge,ActiveHigh,Exclusive,,,){0x00000006,}");
	assert_mentions(&t, "Name(_S5,Package(0x04)//_S5_:S5SystemState{0x05,Zero,Zero,Zero})");
	/* What iasl compiles from its own reading is free of errors, warnings and remarks. */
	assert_int_equal(run_in(dir, "iasl -p again dsdt.dsl"), 0);
	snprintf(path, sizeof(path), "%s/out", dir);
	read_file(path, &t);
	assert_mentions(&t, "0Errors,0Warnings,0Remarks");
	assert_int_equal(run_in(dir, "rm -f *.dat *.dsl *.aml"), 0);
	snprintf(path, sizeof(path), "%s/out", dir);
	unlink(path);
	assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables_are_linked_and_sum_to_zero),
		cmocka_unit_test(fadt_is_hardware_reduced_with_our_registers),
		cmocka_unit_test(madt_has_every_cpu_and_one_io_apic),
		cmocka_unit_test(dsdt_names_devices_only_when_acpi_announces_them),
		cmocka_unit_test(largest_machine_fits_and_a_small_area_is_refused),
		cmocka_unit_test(long_package_has_a_two_byte_length),
		cmocka_unit_test(eisa_id_is_packed_as_on_the_bus),
		cmocka_unit_test(iasl_reads_and_compiles_the_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
