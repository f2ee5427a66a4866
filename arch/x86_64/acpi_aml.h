/* SPDX-License-Identifier: Apache-2.0 */
/* arch/x86_64/acpi_aml.h - the little of ACPI's byte code that a list of devices needs (ACPI 6.4, 20)
 *
 * Bytes go to the caller's buffer. What does not fit is counted but not written: ask aml_failed()
 * once, at the end.
 */
#ifndef DOORBELL_X86_64_ACPI_AML_H
#define DOORBELL_X86_64_ACPI_AML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct aml {
	uint8_t *buf;
	size_t size;
	size_t len;  /* bytes that all of it needs */
	bool failed; /* a package was longer than our length field can say */
};

void aml_init(struct aml *a, void *buf, size_t size);
bool aml_failed(const struct aml *a); /* did not fit */

/*
 * Objects that contain others: the call returns a mark, aml_end() with it closes the object.
 * @name is four characters.
 */
size_t aml_scope(struct aml *a, const char *name); /* below the root */
size_t aml_device(struct aml *a, const char *name);
size_t aml_name_package(struct aml *a, const char *name, uint8_t nr_elements);
size_t aml_name_resources(struct aml *a); /* Name (_CRS, ResourceTemplate () { ... */
void aml_end(struct aml *a, size_t mark);
void aml_end_resources(struct aml *a, size_t mark); /* end tag and size, then aml_end() */

void aml_int(struct aml *a, uint32_t value);
void aml_name_int(struct aml *a, const char *name, uint32_t value);
void aml_name_string(struct aml *a, const char *name, const char *value);
void aml_name_eisaid(struct aml *a, const char *name, const char *id); /* "PNP0501" */

/* Resource descriptors (ACPI 6.4, 6.4), inside aml_name_resources(). */
void aml_io(struct aml *a, uint16_t port, uint8_t nr_ports);
void aml_memory32(struct aml *a, uint32_t base, uint32_t size);
void aml_interrupt_edge(struct aml *a, uint32_t gsi); /* active high, exclusive */

#endif
