/* SPDX-License-Identifier: Apache-2.0 */
/* examples/driver/cpu.h - all that the driver needs of its CPU and its machine; x86_64.c has it
 *
 * Barriers are not among it: the compiler's __atomic functions have them for every CPU.
 */
#ifndef EXAMPLE_CPU_H
#define EXAMPLE_CPU_H

#include <stdint.h>

/* Where the machine's start code goes to. @tree: the device tree. */
_Noreturn void driver_main(const void *tree);

/* Writes to the serial port. */
void cpu_put(char c);
/* Ends the machine; @status becomes doorbell's exit status. */
_Noreturn void cpu_exit(uint8_t status);

/* In a loop that looks at memory. */
void cpu_relax(void);

/* From now on, edges on input @line of the interrupt controller end cpu_wait(). */
void cpu_interrupts_on(unsigned line);
/*
 * Sleeps until the next interrupt. Interrupts are off but in here: one that came since the last cpu_wait()
 * ends this one at once, so that between a look at memory and the sleep none is lost.
 */
void cpu_wait(void);

#endif
