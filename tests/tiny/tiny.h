/* SPDX-License-Identifier: Apache-2.0 */
/* tests/tiny/tiny.h - what guests of a few kilobytes need: ports, device registers, the device tree
 *
 * They run where KVM only emulates instructions, too: general registers only.
 */
#ifndef DOORBELL_TESTS_TINY_H
#define DOORBELL_TESTS_TINY_H

#include <stddef.h>
#include <stdint.h>

typedef _Bool bool;

#define UART_PORT 0x3f8
#define EXIT_PORT 0xf4

static inline void outb(uint16_t port, uint8_t v)
{
	__asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port) : "memory");
}

static inline uint8_t inb(uint16_t port)
{
	uint8_t v;

	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}

static inline uint8_t mmio_read8(uint64_t at)
{
	return *(volatile uint8_t *)at;
}

static inline void mmio_write8(uint64_t at, uint8_t v)
{
	*(volatile uint8_t *)at = v;
}

static inline uint32_t mmio_read32(uint64_t at)
{
	return *(volatile uint32_t *)at;
}

static inline void mmio_write32(uint64_t at, uint32_t v)
{
	*(volatile uint32_t *)at = v;
}

/* Ends the guest; @status becomes doorbell's exit status. */
_Noreturn void verdict(uint8_t status);
/* Prints the text and ends with 1: a check that failed. */
_Noreturn void fail(const char *text);

void put_char(char c);
void put_text(const char *s);
void put_hex(uint64_t v);
void put_line(const char *name, uint64_t v); /* "name 0x...\n" */

bool text_equal(const char *a, const char *b);
bool text_begins(const char *s, const char *prefix);
uint64_t text_number(const char *s); /* decimal */
uint64_t text_hex(const char *s);    /* 0x... */

/* The device tree (Devicetree Specification 0.4, chapter 5). */
struct tree_device {
	uint64_t base, size;
	uint32_t irq[2];
};
const char *tree_bootargs(const void *fdt); /* "" when there are none */
/* Node number @index whose compatible is @compatible. False: no such node. */
bool tree_device(const void *fdt, const char *compatible, unsigned index, struct tree_device *out);

/*
 * irq.c: the serial port's line through the I/O-APIC, by edge or by level. Ends by verdict. And for
 * drivers: pin @pin of it calls @handler, once interrupts are on; how often that was.
 */
_Noreturn void irq_test(bool level);
void irq_take(unsigned pin, void (*handler)(void));
unsigned irq_count(void);

/* net.c: however the registers are made: nothing is around them, and what may only be read stays. */
void net_look_around(uint64_t base);
/*
 * net.c: virtio-net: ARP and ping of 10.0.2.2. Waits by polling, or with @pin >= 0 for interrupts.
 * The device goes on: net_end() resets it and ends by verdict.
 */
void net_ping(uint64_t base, int pin);
_Noreturn void net_end(void);
/*
 * Likewise, by polling, of a driver that has not said that it needs no interrupts, and never reads why there is one. @pin is
 * not masked. @yields: the CPU takes interrupts before each kick, else never.
 */
void net_ping_unread(uint64_t base, unsigned pin, bool yields);
/*
 * So many frames that come in at the first of @nr devices, one or two, go out of the last one. Each buffer has to come
 * back once. @spoil: one bit of every tenth is changed on the way.
 */
void net_forward(const uint64_t *base, unsigned nr, uint64_t frames, bool spoil);
/* A driver that comes as far as "negotiated", "live" (DRIVER_OK), "filled", or "silent": filled, and never kicks. */
void net_come_as_far_as(uint64_t base, const char *where);
void net_kick(void); /* of one that was silent */
/* A driver that breaks the rules of the rings, four times; each time the device needs a reset, and gets it. */
void net_break(uint64_t base);
/* The same device sees its link change four times. Ends by verdict. */
_Noreturn void net_link(uint64_t base);

#endif
