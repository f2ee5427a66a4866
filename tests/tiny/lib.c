/* SPDX-License-Identifier: Apache-2.0 */
#include "tiny.h"

/* The compiler may call these two for copies of its own. */
void *memcpy(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);

void *memcpy(void *dst, const void *src, size_t n)
{
	uint8_t *d = dst;
	const uint8_t *s = src;

	while (n--)
		*d++ = *s++;
	return dst;
}

void *memset(void *dst, int c, size_t n)
{
	uint8_t *d = dst;

	while (n--)
		*d++ = (uint8_t)c;
	return dst;
}

void verdict(uint8_t status)
{
	outb(EXIT_PORT, status);
	for (;;)
		__asm__ volatile("cli; hlt");
}

void fail(const char *text)
{
	put_text(text);
	put_char('\n');
	verdict(1);
}

void put_char(char c)
{
	outb(UART_PORT, (uint8_t)c);
}

void put_text(const char *s)
{
	while (*s)
		put_char(*s++);
}

void put_hex(uint64_t v)
{
	put_text("0x");
	for (int shift = 60; shift >= 0; shift -= 4)
		if (v >> shift || shift == 0)
			put_char("0123456789abcdef"[v >> shift & 15]);
}

void put_line(const char *name, uint64_t v)
{
	put_text(name);
	put_char(' ');
	put_hex(v);
	put_char('\n');
}

bool text_equal(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

bool text_begins(const char *s, const char *prefix)
{
	while (*prefix)
		if (*s++ != *prefix++)
			return 0;
	return 1;
}

uint64_t text_number(const char *s)
{
	uint64_t v = 0;

	while (*s >= '0' && *s <= '9')
		v = v * 10 + (uint64_t)(*s++ - '0');
	return v;
}

uint64_t text_hex(const char *s)
{
	uint64_t v = 0;

	for (s += 2; (*s >= '0' && *s <= '9') || (*s >= 'a' && *s <= 'f'); s++)
		v = v << 4 | (uint64_t)(*s <= '9' ? *s - '0' : *s - 'a' + 10);
	return v;
}

/* ---- device tree: one walk over its structure block, which calls back for each property */

enum { BEGIN_NODE = 1, END_NODE = 2, PROP = 3, END = 9 };

static uint32_t be32(const void *p)
{
	return __builtin_bswap32(*(const uint32_t *)p);
}

static uint64_t be64(const void *p)
{
	return __builtin_bswap64(*(const uint64_t *)p);
}

struct walk {
	const uint8_t *at;
	const char *strings;
	const char *name;  /* of the property */
	const void *value; /* of the property */
};

static void walk_begin(struct walk *w, const void *fdt)
{
	const uint8_t *blob = fdt;

	if (be32(blob) != 0xd00dfeed)
		fail("no device tree");
	w->at = blob + be32(blob + 8);
	w->strings = (const char *)blob + be32(blob + 12);
}

static uint32_t walk_next(struct walk *w)
{
	uint32_t token = be32(w->at), len;

	w->at += 4;
	switch (token) {
	case BEGIN_NODE:
		w->name = (const char *)w->at;
		while (*w->at++)
			;
		break;
	case PROP:
		len = be32(w->at);
		w->name = w->strings + be32(w->at + 4);
		w->value = w->at + 8;
		w->at += 8 + len;
		break;
	default:
		break;
	}
	w->at = (const uint8_t *)(((uint64_t)w->at + 3) & ~3ull);
	return token;
}

const char *tree_bootargs(const void *fdt)
{
	struct walk w;
	uint32_t token;

	walk_begin(&w, fdt);
	while ((token = walk_next(&w)) != END)
		if (token == PROP && text_equal(w.name, "bootargs"))
			return w.value;
	return "";
}

bool tree_device(const void *fdt, const char *compatible, unsigned index, struct tree_device *out)
{
	struct walk w;
	bool match = 0;
	uint32_t token;

	walk_begin(&w, fdt);
	while ((token = walk_next(&w)) != END) {
		if (token == BEGIN_NODE || token == END_NODE) { /* properties come before nodes */
			if (match && index-- == 0)
				return 1;
			match = 0;
		} else if (token == PROP && text_equal(w.name, "compatible")) {
			match = text_equal(w.value, compatible);
		} else if (token == PROP && text_equal(w.name, "reg")) {
			out->base = be64(w.value);
			out->size = be64((const uint8_t *)w.value + 8);
		} else if (token == PROP && text_equal(w.name, "interrupts")) {
			out->irq[0] = be32(w.value);
			out->irq[1] = be32((const uint8_t *)w.value + 4);
		}
	}
	return 0;
}
