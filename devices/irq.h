/* SPDX-License-Identifier: Apache-2.0 */
/* devices/irq.h - a wire to the interrupt controller, whoever provides that */
#ifndef DOORBELL_IRQ_H
#define DOORBELL_IRQ_H

#include <stdbool.h>

/* A line that nobody listens to has set == NULL. */
struct irq_line {
	void (*set)(void *arg, unsigned gsi, bool level); /* any thread; must not block */
	void *arg;
	unsigned gsi; /* global system interrupt: what ACPI, device tree and KVM all number alike */
};

static inline void irq_set(const struct irq_line *line, bool level)
{
	if (line->set)
		line->set(line->arg, line->gsi, level);
}

/* One edge: our virtio lines are edge-triggered, so that no end of interrupt has to come back to us. */
static inline void irq_pulse(const struct irq_line *line)
{
	irq_set(line, true);
	irq_set(line, false);
}

#endif
