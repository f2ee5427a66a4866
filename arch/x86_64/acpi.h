/* SPDX-License-Identifier: Apache-2.0 */
/* arch/x86_64/acpi.h - the smallest set of ACPI tables with which a stock Linux finds everything
 *
 *   RSDP -> XSDT -> FADT -> DSDT     no SCI, no PM timer: hardware-reduced
 *                -> MADT             local APICs, one I/O-APIC
 */
#ifndef DOORBELL_X86_64_ACPI_H
#define DOORBELL_X86_64_ACPI_H

#include <stddef.h>

#include "boot/machine_map.h"
#include "vmm/core/gmem.h"

#define ACPI_AREA_SIZE 0x4000u /* bytes; more than any machine that machine_map can describe */

/*
 * Write all tables to @area of @size bytes, which the guest sees at @at (16-byte aligned, below 1 MiB
 * for those who search); the RSDP comes first. Virtio devices are in it when the map's announce is
 * ANNOUNCE_ACPI. Bytes used; 0 when they do not fit.
 */
size_t acpi_build(const struct machine_map *map, void *area, size_t size, gpa_t at);

#endif
