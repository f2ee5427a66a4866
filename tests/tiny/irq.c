/* SPDX-License-Identifier: Apache-2.0 */
/* tests/tiny/irq.c - interrupts from the I/O-APIC, whoever that is: doorbell or KVM
 *
 * Written from the data sheet (82093AA, 3) and not from doorbell's I/O-APIC, so that the two check
 * each other. One vector, whose handler counts.
 */
#include "tiny.h"

#define IOAPIC     0xfec00000ull
#define IOAPIC_WIN (IOAPIC + 0x10)

#define APIC     0xfee00000ull
#define APIC_ID  (APIC + 0x20)
#define APIC_TPR (APIC + 0x80)
#define APIC_EOI (APIC + 0xb0)
#define APIC_LDR (APIC + 0xd0)
#define APIC_DFR (APIC + 0xe0)
#define APIC_SVR (APIC + 0xf0)

#define VECTOR   0x40u
#define LOGICAL  (1u << 11)
#define REMOTE   (1u << 14)
#define LEVEL    (1u << 15)
#define MASKED   (1u << 16)
#define UART_PIN 4u

#define UART_IER (UART_PORT + 1)
#define IER_THRI 2 /* the transmitter is always empty: this raises the line at once */

struct gate {
	uint16_t low, selector, flags, middle;
	uint32_t high, zero;
};

static struct gate idt[VECTOR + 1] __attribute__((aligned(16)));
static volatile unsigned count;
static void (*device)(void); /* what its handler does before the end of interrupt */

struct frame;

__attribute__((interrupt)) static void on_interrupt(struct frame *f)
{
	(void)f;
	count++;
	if (device)
		device();
	mmio_write32(APIC_EOI, 0);
}

static uint32_t io_read(uint32_t reg)
{
	mmio_write32(IOAPIC, reg);
	return mmio_read32(IOAPIC_WIN);
}

static void io_write(uint32_t reg, uint32_t v)
{
	mmio_write32(IOAPIC, reg);
	mmio_write32(IOAPIC_WIN, v);
}

static void set_pin(unsigned pin, uint32_t dest, uint32_t low)
{
	io_write(0x10 + 2 * pin + 1, dest << 24);
	io_write(0x10 + 2 * pin, low);
}

static void start(void)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) idtr = {sizeof(idt) - 1, (uint64_t)idt};
	uint64_t at = (uint64_t)on_interrupt;
	uint16_t cs;

	__asm__("mov %%cs, %0" : "=r"(cs));
	idt[VECTOR] = (struct gate){.low = (uint16_t)at,
	                            .selector = cs,
	                            .flags = 0x8e00,
	                            .middle = (uint16_t)(at >> 16),
	                            .high = (uint32_t)(at >> 32)};
	__asm__ volatile("lidt %0" : : "m"(idtr));
	mmio_write32(APIC_SVR, 0x1ff);
	mmio_write32(APIC_TPR, 0);
	mmio_write32(APIC_DFR, 0xffffffff); /* flat */
	mmio_write32(APIC_LDR, 1u << 24);
}

/* Whatever is on its way has arrived after these: each is a trip to doorbell and back. */
static void settle(void)
{
	__asm__ volatile("sti");
	for (unsigned i = 0; i < 8; i++)
		inb(UART_PORT + 5);
	__asm__ volatile("cli");
}

static void expect(unsigned n, const char *what)
{
	settle();
	if (count != n) {
		put_line("interrupts", count);
		fail(what);
	}
	count = 0;
}

static void raise_line(void)
{
	outb(UART_IER, IER_THRI);
}

static void drop_line(void)
{
	outb(UART_IER, 0);
}

/* ---- the serial port's line */

static void edges(uint32_t dest, uint32_t mode)
{
	set_pin(UART_PIN, dest, mode | VECTOR);
	raise_line();
	expect(1, "an edge is one interrupt");
	drop_line();
	expect(0, "the end of it is none");
	raise_line();
	expect(1, "the second edge");
	set_pin(UART_PIN, dest, mode | VECTOR | MASKED);
	expect(0, "masking sends nothing");
	drop_line();
	raise_line();
	expect(0, "masked is masked");
	set_pin(UART_PIN, dest, mode | VECTOR);
	expect(0, "a masked edge is not kept");
	drop_line();
	raise_line();
	expect(1, "unmasked again");
	drop_line();
}

static void drop_at_the_third(void)
{
	if (count >= 3)
		drop_line();
}

/*
 * Three, and then no more. On a KVM that emulates (seen with PVM) a handler starts while its interrupt
 * is still in IRR and not yet in ISR, and may be called once more for it.
 */
static void expect_three(const char *what)
{
	settle();
	if (count == 4)
		count = 3;
	expect(3, what);
	expect(0, what);
}

static void levels(void)
{
	set_pin(UART_PIN, mmio_read32(APIC_ID) >> 24, LEVEL | VECTOR);
	device = drop_at_the_third;
	raise_line();
	expect_three("a level comes until it is gone");
	set_pin(UART_PIN, mmio_read32(APIC_ID) >> 24, LEVEL | VECTOR | MASKED);
	raise_line();
	expect(0, "masked is masked");
	set_pin(UART_PIN, mmio_read32(APIC_ID) >> 24, LEVEL | VECTOR);
	expect_three("a level that is there when the mask goes");
	if (io_read(0x10 + 2 * UART_PIN) & REMOTE)
		fail("remote IRR after the end of interrupt");
	device = 0;
}

void irq_test(bool level)
{
	unsigned pins;

	start();
	pins = (io_read(1) >> 16 & 0xff) + 1;
	if ((io_read(1) & 0xff) != 0x11 || pins <= UART_PIN || pins > 24)
		fail("not an I/O-APIC with a pin for the serial port");
	for (unsigned pin = 0; pin < pins; pin++)
		if (!(io_read(0x10 + 2 * pin) & MASKED))
			fail("a pin is open at reset");
	if (level) {
		levels();
	} else {
		edges(mmio_read32(APIC_ID) >> 24, 0);
		edges(1, LOGICAL);
	}
	set_pin(UART_PIN, 0, MASKED);
	verdict(0);
}

/* ---- for the network's driver */

void irq_take(unsigned pin, void (*handler)(void))
{
	device = handler;
	start();
	set_pin(pin, mmio_read32(APIC_ID) >> 24, VECTOR);
}

unsigned irq_count(void)
{
	return count;
}
