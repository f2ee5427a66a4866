/* SPDX-License-Identifier: Apache-2.0 */
/* devices/uart16550.h - a 16550A serial port: the guest's console
 *
 * Registers are answered on the vCPU thread that asked, under the port's own mutex: one exit per
 * character is enough, a trip to a loop would be worse. The names are those of <linux/serial_reg.h>.
 *
 * The transmitter has no speed: a character has left when the write to it returns, so THRE and TEMT
 * always read 1. The receiver is a FIFO of 16 (of 1 while the guest has FIFOs off) that one other
 * thread fills.
 */
#ifndef DOORBELL_UART16550_H
#define DOORBELL_UART16550_H

#include <stddef.h>
#include <stdint.h>

#include "devices/irq.h"
#include "vmm/core/bus.h"

struct uart16550; /* opaque */

#define UART16550_PORTS 8u  /* registers, one byte apart */
#define UART16550_FIFO  16u /* bytes */

struct uart16550_config {
	struct irq_line irq; /* level; set() is called with the port's mutex held */
	/*
	 * The guest sent @len bytes. vCPU thread, no lock held; may block, which holds up that vCPU
	 * and nobody else. NULL: what the guest sends is dropped.
	 */
	void (*put)(void *arg, const uint8_t *buf, size_t len);
	/*
	 * uart16550_feed() took less than it was offered, and would take some now. vCPU thread, no lock
	 * held. NULL: nobody feeds.
	 */
	void (*room)(void *arg);
	void *arg;
};

/* Copies @cfg. 0 or -errno; on failure *out is NULL. */
int uart16550_create(const struct uart16550_config *cfg, struct uart16550 **out);
void uart16550_destroy(struct uart16550 *u); /* NULL is fine; no vCPU runs any more */

/* As after power on, input not yet read included; for a guest that reboots. Any thread. */
void uart16550_reset(struct uart16550 *u);

/*
 * Characters from the wire. Any one thread. How many were taken, 0..@len; when fewer than @len, room()
 * says when to come again.
 *
 * None are taken until the guest listens: it has the receive interrupt enabled, or it reads LSR again
 * and again without sending. Otherwise what waits in a pipe when doorbell starts would be thrown away
 * by the FIFO reset of the guest's driver.
 */
size_t uart16550_feed(struct uart16550 *u, const uint8_t *buf, size_t len);

/*
 * For bus_add() with UART16550_PORTS addresses, port I/O or MMIO; the device is a struct uart16550.
 * An access wider than a byte reaches as many registers, the lowest first, as on ISA.
 */
extern const struct bus_ops uart16550_bus_ops;

#endif
