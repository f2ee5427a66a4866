/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A driver whose interrupt handler never looks at the device (virtio 1.2, 4.2.3.4.1).
 *
 * From its registers it looks like one that polls. What tells the two apart is the interrupt controller: the input that
 * the device is wired to is masked, or the CPU's interrupts are off, when somebody polls.
 */
#include "check/state.h"

/* Interrupts that were taken, each behind a kick. A handler that looks does so at the first one. */
#define TAKEN_MAX 8u

static bool hears(const struct check *c)
{
	return c->dev.hears && c->dev.hears(c->dev.arg);
}

/* One that finds its input masked is not kept: the driver polls, at least for now. */
void irq_sent(struct check *c, uint32_t bits)
{
	if (!(bits & VIRTIO_MMIO_INT_VRING) || c->irq.looked)
		return;
	c->irq.sent = hears(c);
	if (!c->irq.sent)
		c->irq.taken = 0;
}

/* Not one that waits is left, so that what was sent has had its handler, or is in it. */
void irq_at_kick(struct check *c)
{
	if (c->irq.looked || !c->irq.sent || !hears(c))
		return;
	c->irq.sent = false;
	if (++c->irq.taken == TAKEN_MAX)
		judged(c, "mmio.irq-read-status",
		       broken(c,
		              "%u interrupts for used buffers were taken, a kick behind each, and "
		              "InterruptStatus not read since the reset",
		              TAKEN_MAX));
}
