/* SPDX-License-Identifier: Apache-2.0 */
#include "arch/x86_64/acpi_aml.h"

#include <string.h>

#include "vmm/core/compiler.h"

enum { /* ACPI 6.4, 20.3 */
       OP_ZERO = 0x00,
       OP_ONE = 0x01,
       OP_NAME = 0x08,
       OP_BYTE = 0x0a,
       OP_WORD = 0x0b,
       OP_DWORD = 0x0c,
       OP_STRING = 0x0d,
       OP_SCOPE = 0x10,
       OP_BUFFER = 0x11,
       OP_PACKAGE = 0x12,
       OP_EXT = 0x5b,
       OP_EXT_DEVICE = 0x82,
};

/*
 * A package's length counts itself and is written when the package ends, so its own width is fixed:
 * two bytes, which is 12 bits (ACPI 6.4, 20.2.4).
 */
#define PKG_LENGTH_BYTES 2u
#define PKG_LENGTH_MAX   0xfffu

/* A resource buffer starts with its size, written when the buffer ends: opcode and 16 bits. */
#define BUFFER_SIZE_BYTES 3u

void aml_init(struct aml *a, void *buf, size_t size)
{
	*a = (struct aml){.buf = buf, .size = size};
}

bool aml_failed(const struct aml *a)
{
	return a->failed || a->len > a->size;
}

static void put(struct aml *a, const void *bytes, size_t len)
{
	if (a->len <= a->size && len <= a->size - a->len)
		memcpy(a->buf + a->len, bytes, len);
	a->len += len;
}

static void put8(struct aml *a, uint8_t v)
{
	put(a, &v, 1);
}

static void put16(struct aml *a, uint16_t v)
{
	uint8_t bytes[2] = {u8_of(v), u8_of(v >> 8u)};

	put(a, bytes, sizeof(bytes));
}

static void put32(struct aml *a, uint32_t v)
{
	put16(a, u16_of(v));
	put16(a, u16_of(v >> 16u));
}

static void put_name(struct aml *a, const char *name)
{
	put(a, name, 4);
}

/* Bytes of @a at @off, which were put before, become @v. */
static void patch16(struct aml *a, size_t off, uint16_t v)
{
	if (off + 2 > a->size)
		return;
	a->buf[off] = u8_of(v);
	a->buf[off + 1] = u8_of(v >> 8u);
}

static size_t begin(struct aml *a)
{
	size_t mark = a->len;

	put16(a, 0);
	return mark;
}

void aml_end(struct aml *a, size_t mark)
{
	size_t len = a->len - mark;

	if (len > PKG_LENGTH_MAX) {
		a->failed = true;
		return;
	}
	/* Bits 7:6 say how many bytes follow, bits 3:0 are the lowest four of the length. */
	patch16(a, mark, u16_of((PKG_LENGTH_BYTES - 1) << 6u | (len & 0xf) | (len >> 4u) << 8u));
}

size_t aml_scope(struct aml *a, const char *name)
{
	size_t mark;

	put8(a, OP_SCOPE);
	mark = begin(a);
	put8(a, '\\');
	put_name(a, name);
	return mark;
}

size_t aml_device(struct aml *a, const char *name)
{
	size_t mark;

	put8(a, OP_EXT);
	put8(a, OP_EXT_DEVICE);
	mark = begin(a);
	put_name(a, name);
	return mark;
}

size_t aml_name_package(struct aml *a, const char *name, uint8_t nr_elements)
{
	size_t mark;

	put8(a, OP_NAME);
	put_name(a, name);
	put8(a, OP_PACKAGE);
	mark = begin(a);
	put8(a, nr_elements);
	return mark;
}

size_t aml_name_resources(struct aml *a)
{
	size_t mark;

	put8(a, OP_NAME);
	put_name(a, "_CRS");
	put8(a, OP_BUFFER);
	mark = begin(a);
	put8(a, OP_WORD);
	put16(a, 0);
	return mark;
}

void aml_end_resources(struct aml *a, size_t mark)
{
	size_t first = mark + PKG_LENGTH_BYTES + BUFFER_SIZE_BYTES;

	put8(a, 0x79); /* end tag, then a checksum: 0 is taken for a good one */
	put8(a, 0);
	patch16(a, first - 2, u16_of(a->len - first));
	aml_end(a, mark);
}

void aml_int(struct aml *a, uint32_t value)
{
	if (value <= 1) {
		put8(a, value ? OP_ONE : OP_ZERO);
	} else if (value <= UINT8_MAX) {
		put8(a, OP_BYTE);
		put8(a, u8_of(value));
	} else if (value <= UINT16_MAX) {
		put8(a, OP_WORD);
		put16(a, u16_of(value));
	} else {
		put8(a, OP_DWORD);
		put32(a, value);
	}
}

void aml_name_int(struct aml *a, const char *name, uint32_t value)
{
	put8(a, OP_NAME);
	put_name(a, name);
	aml_int(a, value);
}

void aml_name_string(struct aml *a, const char *name, const char *value)
{
	put8(a, OP_NAME);
	put_name(a, name);
	put8(a, OP_STRING);
	put(a, value, strlen(value) + 1);
}

static uint32_t hex_digit(char c)
{
	return c <= '9' ? (uint32_t)(c - '0') : (uint32_t)(c - 'A') + 10;
}

/* Three letters of five bits, four hex digits; then in big-endian order (ACPI 6.4, 19.3.4). */
void aml_name_eisaid(struct aml *a, const char *name, const char *id)
{
	uint32_t v = 0;

	for (unsigned i = 0; i < 3; i++)
		v = v << 5u | ((uint32_t)(id[i] - '@') & 0x1f);
	for (unsigned i = 3; i < 7; i++)
		v = v << 4u | hex_digit(id[i]);
	aml_name_int(a, name, __builtin_bswap32(v));
}

void aml_io(struct aml *a, uint16_t port, uint8_t nr_ports)
{
	put8(a, 0x47); /* small descriptor 8, 7 bytes follow */
	put8(a, 1);    /* all 16 bits decoded */
	put16(a, port);
	put16(a, port);
	put8(a, 1); /* alignment */
	put8(a, nr_ports);
}

void aml_memory32(struct aml *a, uint32_t base, uint32_t size)
{
	put8(a, 0x86); /* large descriptor 6 */
	put16(a, 9);
	put8(a, 1); /* writable */
	put32(a, base);
	put32(a, size);
}

void aml_interrupt_edge(struct aml *a, uint32_t gsi)
{
	put8(a, 0x89); /* large descriptor 9 */
	put16(a, 6);
	put8(a, 0x03); /* consumer, edge, active high, exclusive */
	put8(a, 1);    /* one interrupt */
	put32(a, gsi);
}
