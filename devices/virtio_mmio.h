/* SPDX-License-Identifier: Apache-2.0 */
/* devices/virtio_mmio.h - virtio-mmio registers, version 2 (virtio 1.2, 4.2.2), and 1 (4.2.4)
 *
 * Registers occupy 0x000..0x0ff and the config space 0x100..0x1ff of the region. The machine places
 * the region so that the two halves lie in different pages (design: the register page).
 */
#ifndef DOORBELL_VIRTIO_MMIO_H
#define DOORBELL_VIRTIO_MMIO_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "devices/irq.h"
#include "vmm/core/bus.h"

struct virtio_dev;

#define VIRTIO_MMIO_SIZE      0x200u /* bytes of the region */
#define VIRTIO_MMIO_PAGE_REGS 0x40u  /* registers before the config space, 4 bytes each */

/*
 * The register page: the registers as memory that the guest reads without an exit. It cannot write
 * there: writes arrive as before. What a trapped read would give stands in @reg before the access that
 * changes it has returned to its vCPU, and before the interrupt that speaks of it is raised.
 *
 * InterruptStatus is the device's isr itself. So that an interrupt needs no exit to userspace, the
 * kernel swallows writes to InterruptACK, and nobody learns which bits they meant. Therefore:
 *
 * - From DRIVER_OK to reset the used-buffer bit stays 1: a driver that finds it looks into its rings,
 *   where the truth is. The other way round, a bit that is cleared with the wrong ACK, would be a lost
 *   interrupt.
 * - The config bit is exact: ACKs are swallowed only while it is 0. It goes up after swallow_acks(off)
 *   has returned; from then on each ACK traps and says what it means. It goes down on the loop thread,
 *   by such an ACK or by a reset, and then ACKs are swallowed again.
 *
 * Nothing is lost in between:
 *
 * - A driver that read the status before the config bit went up acknowledges bit 0 only. Swallowed or
 *   trapped, its ACK does not clear the config bit; and the edge that belongs to this bit comes after
 *   the bit, so the handler runs (again) and reads it.
 * - A driver that read the config bit read it after swallow_acks(off) had returned, so its ACK traps.
 * - Another change before the ACK that clears the bit, for whichever of them, is in the config space by
 *   then; the driver that sent this ACK has seen the bit and reads the config space after its ACK.
 * - Bit up and bit down, on and off, all happen on the loop thread, hence never cross.
 */
struct virtio_mmio_page {
	_Atomic uint32_t *reg; /* VIRTIO_MMIO_PAGE_REGS, little-endian; borrowed; NULL: none */
	/*
	 * Have 4-byte writes to InterruptACK end in the kernel, or trap again: then none is swallowed
	 * any more when this returns. 0 or -errno, logged: it stays as it was, which costs exits, or a
	 * config change that is seen again and again, but loses nothing. Loop thread; may block.
	 */
	int (*swallow_acks)(void *arg, bool on);
	void *arg;
};

/*
 * Accesses that came to us, by what they were for: each is an exit to userspace. Any vCPU counts, anybody may read.
 */
struct virtio_mmio_stats {
	_Atomic uint64_t isr_reads, acks; /* InterruptStatus, InterruptACK */
	_Atomic uint64_t notifies;        /* QueueNotify */
	_Atomic uint64_t config;          /* the config space and its generation */
	_Atomic uint64_t others;
};

#define VIRTIO_MMIO_V1_QUEUES 32u /* of a device behind registers of version 1, at most */

/* What only version 1 has to remember. */
struct virtio_mmio_v1 {
	uint32_t page_size; /* bytes; 0: not told yet. Survives resets */
	uint32_t align
		[VIRTIO_MMIO_V1_QUEUES]; /* of used rings, bytes; 0: not told since the reset */
	/*
	 * The device works since a kick that came before DRIVER_OK: Status does not say that bit before the driver does,
	 * Linux up to 5.18 takes it for a BUG. Written by the loop thread, read by any.
	 */
	_Atomic bool early;
};

struct virtio_mmio_version;

/* Embedded by its owner. The selectors, acks_vanish and v1 belong to the device's loop thread. */
struct virtio_mmio {
	struct virtio_dev *dev; /* borrowed */
	struct irq_line irq;
	const struct virtio_mmio_version *version;
	uint32_t feature_sel, accept_sel, queue_sel;
	struct virtio_mmio_v1 v1;
	struct virtio_mmio_page page;
	bool acks_vanish; /* swallow_acks() is on */
	struct virtio_mmio_stats stats;
};

/* Becomes @dev's transport; on reset the selectors go to 0. */
void virtio_mmio_init(struct virtio_mmio *t, struct virtio_dev *dev, struct irq_line irq);
/*
 * The same with the registers of version 1, for a @dev that does not offer VERSION_1: virtio_mmio_legacy.c. There is no
 * register page, and kicks have to trap.
 */
void virtio_mmio_legacy_init(struct virtio_mmio *t, struct virtio_dev *dev, struct irq_line irq);

/*
 * Version 2: keep @page true from now on. After virtio_mmio_init(), before any vCPU and the loop run. 0; or -errno of
 * swallow_acks().
 */
int virtio_mmio_use_page(struct virtio_mmio *t, const struct virtio_mmio_page *page);

/* For the machine's bus: region of VIRTIO_MMIO_SIZE bytes, dev = struct virtio_mmio. vCPU threads. */
extern const struct bus_ops virtio_mmio_bus_ops;

#endif
