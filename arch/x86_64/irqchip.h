/* SPDX-License-Identifier: Apache-2.0 */
/* arch/x86_64/irqchip.h - which part of the interrupt controllers KVM has, and the wires to it
 *
 *   kernel  all of it; an irqfd on one of its pins costs a kernel worker for each signal
 *   split   local APICs only; the I/O-APIC is ioapic.h, and KVM's routing table says what its pins send,
 *           so an irqfd is delivered by who writes to it
 *
 * Local APICs are always KVM's. There is no PIT, and with split no PIC.
 */
#ifndef DOORBELL_X86_64_IRQCHIP_H
#define DOORBELL_X86_64_IRQCHIP_H

#include <stdint.h>

#include "arch/arch.h"

/* For arch_vm_init(). @nr_pins: of split's I/O-APIC; the kernel's has 24. 0 or -errno, logged; irqchip_destroy() in both cases. */
int irqchip_create(struct kvm *k, enum irqchip kind, unsigned nr_pins, struct bus *mmio);
void irqchip_destroy(struct kvm *k);
/* KVM_EXIT_IOAPIC_EOI. */
void irqchip_eoi(const struct kvm *k, uint8_t vector);

#endif
