/* SPDX-License-Identifier: Apache-2.0 */
/* arch/x86_64/ioapic.h - the I/O-APIC (Intel 82093AA): pins become messages to the local APICs
 *
 * For --irqchip split. Knows nothing of KVM: who makes it hears what each pin's message is, so that an
 * irqfd can send it without us, and sends the ones that come from our own threads.
 *
 * It has as many pins as its machine has wires: a Linux guest that boots writes and reads each pin some
 * twenty times, and each time is an exit. The version register says how many (82093AA, 3.2.2).
 *
 * All pins come up masked. An edge on a masked pin is ignored and not kept (82093AA, 3.2.4), as KVM's
 * own I/O-APIC does it; a level counts when the mask goes. Polarity is kept but means nothing: a device
 * here says "asserted". What an irqfd sends passes us by: it has no wire that could stay up.
 *
 * One mutex guards it all, and both callbacks run under it: what a vCPU has programmed is in force when
 * its write returns, for whoever signals. I/O threads hold it for one KVM_SIGNAL_MSI, a vCPU for one
 * KVM_SET_GSI_ROUTING, when it changes what a pin sends.
 */
#ifndef DOORBELL_X86_64_IOAPIC_H
#define DOORBELL_X86_64_IOAPIC_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "vmm/core/bus.h"

#define IOAPIC_MAX_PINS 24u     /* the chip's */
#define IOAPIC_SIZE     0x1000u /* bytes of the region */
/* No EOI register: that came with 0x20. Local APICs tell us of the end of a level-triggered interrupt. */
#define IOAPIC_VERSION 0x11u

/* A message signalled interrupt (Intel SDM 3A, 11.11). address 0: none, the pin sends nothing. */
struct ioapic_msi {
	uint32_t address, data;
};

struct ioapic_host {
	/* The messages of all IOAPIC_MAX_PINS pins; called when one of them is another one than before. */
	void (*route)(void *arg, const struct ioapic_msi *pins);
	void (*send)(void *arg, struct ioapic_msi msi);
	void *arg;
};

struct ioapic {
	struct ioapic_host host;
	unsigned nr_pins;     /* constant */
	pthread_mutex_t lock; /* of all that follows */
	uint8_t select, id;
	uint32_t asserted;                      /* wires, bit per pin */
	uint64_t entry[IOAPIC_MAX_PINS];        /* redirection table, as a guest reads it */
	struct ioapic_msi msi[IOAPIC_MAX_PINS]; /* what follows from it */
};

/* @nr_pins: 1..IOAPIC_MAX_PINS */
void ioapic_init(struct ioapic *io, unsigned nr_pins, const struct ioapic_host *host);
void ioapic_destroy(struct ioapic *io);

/* A wire changes. Any thread. @pin < nr_pins. */
void ioapic_set(struct ioapic *io, unsigned pin, bool asserted);
/* Does an edge of the wire send something? Any thread. False for a @pin that there is not. */
bool ioapic_is_open(struct ioapic *io, unsigned pin);
/* A local APIC has ended an interrupt of this vector that was level-triggered. vCPU threads. */
void ioapic_eoi(struct ioapic *io, uint8_t vector);

/* For the machine's bus: region of IOAPIC_SIZE bytes, dev = struct ioapic. vCPU threads. */
extern const struct bus_ops ioapic_bus_ops;

#endif
