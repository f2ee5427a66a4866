/* SPDX-License-Identifier: Apache-2.0 */
/* x86-64 as doorbell starts it (docs/drivers.md): long mode, the low 4 GiB mapped, no IDT. */
#include "driver.h"

#define UART_PORT 0x3f8
#define EXIT_PORT 0xf4
#define IOAPIC    0xfec00000u
#define APIC_EOI  0xfee000b0u
#define APIC_SVR  0xfee000f0u
#define VECTOR    0x40u

#define REGISTER(at) (*(volatile uint32_t *)(uint64_t)(at))

const uint64_t cpu_nic_registers = 0xd0000f00;
const unsigned cpu_nic_input = 5;

static uint64_t idt[VECTOR + 1][2] __attribute__((aligned(16)));

/* Entered as if called: the arguments are where driver_main() looks for them. */
__asm__(".section .text.start, \"ax\"\n"
        ".globl _start\n"
        "_start: jmp driver_main\n"
        ".text\n");

void cpu_put(char c)
{
	__asm__ volatile("outb %0, %w1" : : "a"(c), "d"(UART_PORT));
}

void cpu_exit(uint8_t status)
{
	__asm__ volatile("outb %0, %1" : : "a"(status), "N"(EXIT_PORT) : "memory");
	for (;;) /* where nothing is behind that port */
		__asm__ volatile("cli; hlt");
}

void cpu_wait(void)
{
	/* An interrupt is taken behind the instruction that follows sti: never between the two. */
	__asm__ volatile("sti; hlt; cli" : : : "memory");
}

/* The driver looks for itself at what there is to do, as soon as cpu_wait() returns. */
__attribute__((interrupt)) static void on_interrupt(void *frame)
{
	(void)frame;
	REGISTER(APIC_EOI) = 0;
}

void cpu_interrupts_on(unsigned input)
{
	const uint64_t at = (uint64_t)on_interrupt;
	const uint64_t table = (uint64_t)idt;
	const uint64_t idtr[2] = {table << 16 | (sizeof(idt) - 1), table >> 48};
	uint16_t cs;

	__asm__("mov %%cs, %0" : "=r"(cs));
	idt[VECTOR][0] = (at & 0xffff) | (uint64_t)cs << 16 | 0x8e00ull << 32 | (at >> 16) << 48;
	idt[VECTOR][1] = at >> 32;
	__asm__ volatile("lidt %0" : : "m"(idtr) : "memory");
	REGISTER(APIC_SVR) = 0x1ff; /* on; the spurious vector is 0xff, and does not come */
	REGISTER(IOAPIC) = 0x10 + 2 * input; /* its high half is as at reset: to CPU 0 */
	REGISTER(IOAPIC + 0x10) = VECTOR;    /* fixed, physical, edge, not masked */
}
