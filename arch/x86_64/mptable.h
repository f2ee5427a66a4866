/* SPDX-License-Identifier: Apache-2.0 */
/* arch/x86_64/mptable.h - CPUs and interrupts for a Linux that has no ACPI (MultiProcessor Specification 1.4)
 *
 * Devices on the command line are given an ISA interrupt number. On a hardware-reduced ACPI machine Linux
 * has no such numbers, so announce=cmdline comes with this table in place of ACPI.
 */
#ifndef DOORBELL_X86_64_MPTABLE_H
#define DOORBELL_X86_64_MPTABLE_H

#include <stddef.h>

#include "vmm/core/gmem.h"

/*
 * Write floating pointer and table to @area of @size bytes, which the guest sees at @at (16-byte
 * aligned, where it searches: 0xf0000 to 0xfffff). Bytes used; 0 when they do not fit.
 */
size_t mptable_build(unsigned nr_cpus, void *area, size_t size, gpa_t at);

#endif
