/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

#include "arch/arch.h"
#include "arch/x86_64/layout.h"
#include "vmm/core/log.h"

const struct arch_desc arch_desc = {
	.name = "x86_64",
	.virtio_base = LAYOUT_VIRTIO,
	.virtio_stride = LAYOUT_VIRTIO_STRIDE,
	.virtio_gsi = LAYOUT_VIRTIO_GSI,
	.max_virtio = MACHINE_MAX_VIRTIO,
	.uart = {.pio = true, .base = LAYOUT_UART_PORT, .size = 8, .gsi = LAYOUT_UART_GSI},
	.power = {.base = LAYOUT_POWER, .size = LAYOUT_POWER_SIZE},
	.i8042 = {.pio = true, .base = LAYOUT_I8042_PORT, .size = 5},
	.debug_exit = {.pio = true, .base = LAYOUT_EXIT_PORT, .size = 4},
	.default_announce = ANNOUNCE_ACPI,
	.register_page = true,
	.announce_mask = 1u << ANNOUNCE_ACPI | 1u << ANNOUNCE_CMDLINE | 1u << ANNOUNCE_FDT |
                         1u << ANNOUNCE_NONE,
	.console = "console=ttyS0",
};

_Static_assert(LAYOUT_VIRTIO_GSI + MACHINE_MAX_VIRTIO <= LAYOUT_NR_GSIS, "a GSI for each device");

unsigned arch_ram_ranges(uint64_t bytes, struct gmem_range out[GMEM_MAX_REGIONS])
{
	out[0] = (struct gmem_range){.base = 0, .size = min_u64(bytes, LAYOUT_HOLE)};
	if (bytes <= LAYOUT_HOLE)
		return 1;
	out[1] = (struct gmem_range){.base = LAYOUT_ABOVE_4G, .size = bytes - LAYOUT_HOLE};
	return 2;
}

/*
 * KVM_CREATE_IRQCHIP makes a PIC too and wires GSIs 0..15 to it and to the I/O-APIC. A guest that
 * learns from our tables that there is no PIC never masks it, while the first CPU's LINT0 listens to
 * it from reset on: the first serial interrupt would come as vector 4 as well. So mask it as firmware
 * does.
 */
static int mask_pic(const struct kvm *k)
{
	struct kvm_irqchip pic = {
		.chip_id = KVM_IRQCHIP_PIC_MASTER,
		.chip.pic = {.imr = 0xff, .elcr_mask = 0xf8},
	};

	return ioctl(k->vm_fd, KVM_SET_IRQCHIP, &pic);
}

int arch_vm_init(struct kvm *k, unsigned nr_cpus)
{
	const char *what;
	int err;

	if (nr_cpus > LAYOUT_MAX_CPUS) {
		log_error("%u CPUs: this machine can have %u", nr_cpus, LAYOUT_MAX_CPUS);
		return -EINVAL;
	}
	/* No PIT: with kvm-clock and the local APIC's timer Linux needs none. */
	if (ioctl(k->vm_fd, KVM_SET_TSS_ADDR, LAYOUT_KVM_TSS) < 0)
		what = "KVM_SET_TSS_ADDR";
	else if (ioctl(k->vm_fd, KVM_CREATE_IRQCHIP, 0) < 0)
		what = "KVM_CREATE_IRQCHIP";
	else if (mask_pic(k) < 0)
		what = "KVM_SET_IRQCHIP";
	else
		return 0;
	err = errno;
	log_error("%s: %s", what, strerror(err));
	return -err;
}

void arch_irq_set(const struct kvm *k, unsigned gsi, bool level)
{
	struct kvm_irq_level line = {.irq = gsi, .level = level};

	/* Fails only for a GSI that does not exist; ours are constants of arch_desc. */
	if (ioctl(k->vm_fd, KVM_IRQ_LINE, &line) < 0)
		log_guest("interrupt %u is lost: %s", gsi, strerror(errno));
}
