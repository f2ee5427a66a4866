/* SPDX-License-Identifier: Apache-2.0 */
/* The CPU's part for x86-64, as doorbell starts bare-metal programs (docs/drivers.md): long mode, low 4 GiB mapped. */
#include "cpu.h"

#define UART_PORT 0x3f8
#define EXIT_PORT 0xf4

#define IOAPIC        0xfec00000u
#define IOAPIC_WINDOW (IOAPIC + 0x10)
#define APIC_ID       0xfee00020u
#define APIC_TPR      0xfee00080u
#define APIC_EOI      0xfee000b0ull
#define APIC_SVR      0xfee000f0u
#define APIC_ENABLE \
	0x1ffu /* and the spurious vector 0xff, which does not come without higher priorities */
#define VECTOR 0x40u

struct gate {
	uint16_t low, selector, flags, middle;
	uint32_t high, zero;
};

static struct gate idt[VECTOR + 1] __attribute__((aligned(16)));

/* Entered as if called, with the device tree in RDI. */
__asm__(".section .text.start, \"ax\"\n"
        ".globl _start\n"
        "_start: jmp driver_main\n"
        ".text\n");

static void outb(uint16_t port, uint8_t v)
{
	__asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port) : "memory");
}

static uint32_t read32(uint64_t at)
{
	return *(volatile uint32_t *)at;
}

static void write32(uint64_t at, uint32_t v)
{
	*(volatile uint32_t *)at = v;
}

void cpu_put(char c)
{
	outb(UART_PORT, (uint8_t)c);
}

void cpu_exit(uint8_t status)
{
	outb(EXIT_PORT, status);
	for (;;)
		__asm__ volatile("cli; hlt");
}

void cpu_relax(void)
{
	__asm__ volatile("pause" : : : "memory");
}

void cpu_wait(void)
{
	/* An interrupt is taken behind the instruction that follows sti: never between the two. */
	__asm__ volatile("sti; hlt; cli" : : : "memory");
}

struct interrupt_frame;

/* The driver looks for itself at what there is to do, as soon as cpu_wait() returns. */
__attribute__((interrupt)) static void on_interrupt(struct interrupt_frame *f)
{
	(void)f;
	*(volatile uint32_t *)APIC_EOI = 0; /* no call: a handler saves only what it uses itself */
}

static void set_pin(unsigned pin, uint32_t cpu)
{
	write32(IOAPIC, 0x10 + 2 * pin + 1);
	write32(IOAPIC_WINDOW, cpu << 24);
	write32(IOAPIC, 0x10 + 2 * pin);
	write32(IOAPIC_WINDOW, VECTOR); /* fixed, physical, edge, not masked */
}

void cpu_interrupts_on(unsigned line)
{
	const uint64_t at = (uint64_t)on_interrupt;
	const struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) idtr = {sizeof(idt) - 1, (uint64_t)idt};
	uint16_t cs;

	__asm__("mov %%cs, %0" : "=r"(cs));
	idt[VECTOR] = (struct gate){.low = (uint16_t)at,
	                            .selector = cs,
	                            .flags = 0x8e00,
	                            .middle = (uint16_t)(at >> 16),
	                            .high = (uint32_t)(at >> 32)};
	__asm__ volatile("lidt %0" : : "m"(idtr));
	write32(APIC_SVR, APIC_ENABLE);
	write32(APIC_TPR, 0);
	set_pin(line, read32(APIC_ID) >> 24);
}
